// SPDX-License-Identifier: MIT

package cachetest

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/locmem/locmem/cache"
)

// counterStatements are about Incr and Decr.
var counterStatements = []statement{
	{"I1", "Incr adds and Decr subtracts", cache.CanStore, checkIncr},
	{"I2", "Incr of what is missing says so and creates nothing", 0, checkIncrMiss},
	{"I3", "a sum beyond the range changes nothing", cache.CanStore, checkIncrOverflow},
	{"I4", "counting keeps the expiry", cache.CanStore, checkIncrExpiry},
	{"I5", "what is no number cannot be counted and stays", cache.CanStore, checkNotNumber},
	{"I6", "Incr counts whole numbers, IncrFloat all", cache.CanStore, checkIncrFloat},
	{"I7", "counting is atomic", cache.CanStore, checkIncrAtomic},
	{"I8", "counting never culls", cache.CanStore | cache.CanLimit, checkIncrCulls},
}

func checkIncr(s *subject) {
	c := s.alias(cache.Config{})
	decr := func(delta int64) int64 {
		s.Helper()
		n, err := c.Decr(s.ctx, "n", delta)
		s.noError(err, "Decr")
		return n
	}
	set[int64](s, c, "n", 41)
	equal(s, s.incr(c, "n", 1), 42, "Incr by 1")
	holds[int64](s, c, "n", 42)
	equal(s, s.incr(c, "n", 10), 52, "Incr by 10")
	equal(s, s.incr(c, "n", 0), 52, "Incr by 0")
	equal(s, s.incr(c, "n", -2), 50, "Incr by -2")
	equal(s, decr(1), 49, "Decr by 1")
	equal(s, decr(-1), 50, "Decr by -1")
	equal(s, decr(45), 5, "Decr by 45")
	holds[int64](s, c, "n", 5)
	_, err := c.Decr(s.ctx, "n", math.MinInt64)
	s.wantError(err, cache.ErrOverflow, "Decr by what cannot be negated")
	if s.can(cache.CanNegative) {
		equal(s, decr(8), -3, "Decr below 0")
		equal(s, s.incr(c, "n", -4), -7, "Incr below 0")
		holds[int64](s, c, "n", -7)
		equal(s, s.incr(c, "n", 9), 2, "Incr from below 0")
	}
}

func checkIncrMiss(s *subject) {
	c := s.alias(cache.Config{KeyPrefix: "p", Version: cache.Version(3)})
	_, err := c.Incr(s.ctx, "k", 1)
	s.wantError(err, cache.ErrMiss, "Incr")
	if err != nil && !strings.Contains(err.Error(), "p:3:k") {
		s.Errorf("the text of the error has not the final key: %v", err)
	}
	_, err = c.Decr(s.ctx, "k", 1)
	s.wantError(err, cache.ErrMiss, "Decr")
	if s.can(cache.CanSwap) {
		_, err = c.IncrFloat(s.ctx, "k", 1)
		s.wantError(err, cache.ErrMiss, "IncrFloat")
	}
	s.lacks(c, "k")
}

func checkIncrOverflow(s *subject) {
	c := s.alias(cache.Config{})
	set[int64](s, c, "n", math.MaxInt64-1)
	_, err := c.Incr(s.ctx, "n", 2)
	s.wantError(err, cache.ErrOverflow, "Incr over the largest number")
	holds[int64](s, c, "n", math.MaxInt64-1)
	equal(s, s.incr(c, "n", 1), int64(math.MaxInt64), "Incr to the largest number")
	if !s.can(cache.CanNegative) {
		return
	}
	set[int64](s, c, "m", math.MinInt64+1)
	_, err = c.Decr(s.ctx, "m", 2)
	s.wantError(err, cache.ErrOverflow, "Decr under the smallest number")
	holds[int64](s, c, "m", math.MinInt64+1)
	equal(s, s.incr(c, "m", -1), int64(math.MinInt64), "Incr to the smallest number")
}

func checkIncrExpiry(s *subject) {
	c := s.alias(cache.Config{Timeout: cache.Timeout(s.unit)})
	timed := []string{"incr", "decr"}
	for _, key := range append(timed, "permanent") {
		set[int64](s, c, key, 10, cache.Timeout(4*s.unit))
	}
	set[int64](s, c, "permanent", 10, cache.Never())
	s.incr(c, "incr", 1)
	_, err := c.Decr(s.ctx, "decr", 1)
	s.noError(err, "Decr")
	s.incr(c, "permanent", 1)
	if s.can(cache.CanSwap) {
		timed = append(timed, "float")
		set[int64](s, c, "float", 10, cache.Timeout(4*s.unit))
		_, err = c.IncrFloat(s.ctx, "float", 0.5)
		s.noError(err, "IncrFloat")
	}
	s.outlive(s.unit) // the alias's default
	for _, key := range timed {
		s.want(s.has(c, key), true, key+" is there after its alias's default")
	}
	s.outlive(3 * s.unit)
	for _, key := range timed {
		s.lacks(c, key)
	}
	holds[int64](s, c, "permanent", 11)
}

func checkNotNumber(s *subject) {
	c := s.alias(cache.Config{})
	set(s, c, "text", "value", cache.Timeout(s.unit))
	set(s, c, "list", []int{1}, cache.Never())
	for _, key := range []string{"text", "list"} {
		_, err := c.Incr(s.ctx, key, 1)
		s.wantError(err, cache.ErrNotNumber, "Incr of a "+key)
		_, err = c.Decr(s.ctx, key, 1)
		s.wantError(err, cache.ErrNotNumber, "Decr of a "+key)
	}
	err := cache.For[*point](c).Set(s.ctx, "nil", nil)
	if !errors.Is(err, cache.ErrEncode) {
		_, err = c.Incr(s.ctx, "nil", 1)
		s.wantError(err, cache.ErrNotNumber, "Incr of nil")
		holds[*point](s, c, "nil", nil)
	}
	holds(s, c, "text", "value")
	s.outlive(s.unit)
	s.lacks(c, "text")
	holds(s, c, "list", []int{1})
}

func checkIncrFloat(s *subject) {
	c := s.alias(cache.Config{})
	set(s, c, "float", 1.5)
	set(s, c, "whole-float", 2.0)
	set(s, c, "true", true)
	for _, key := range []string{"float", "whole-float", "true"} {
		_, err := c.Incr(s.ctx, key, 1)
		s.wantError(err, cache.ErrNotNumber, "Incr of "+key)
	}
	holds(s, c, "float", 1.5)
	holds(s, c, "true", true)
	for _, delta := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		_, err := c.IncrFloat(s.ctx, "float", delta)
		s.wantError(err, cache.ErrArgument, fmt.Sprint("IncrFloat by ", delta))
	}
	if !s.can(cache.CanSwap) {
		_, err := c.IncrFloat(s.ctx, "float", 1)
		s.wantError(err, cache.ErrUnsupported, "IncrFloat")
		return
	}
	add := func(key string, delta, want float64) {
		s.Helper()
		got, err := c.IncrFloat(s.ctx, key, delta)
		s.noError(err, "IncrFloat")
		equal(s, got, want, fmt.Sprint("IncrFloat by ", delta))
		holds(s, c, key, want)
	}
	add("float", 2.25, 3.75)
	add("float", -4, -0.25)
	set[int64](s, c, "whole", 1)
	add("whole", 0.5, 1.5)
	_, err := c.IncrFloat(s.ctx, "true", 1)
	s.wantError(err, cache.ErrNotNumber, "IncrFloat of a boolean")
}

func checkIncrAtomic(s *subject) {
	const goroutines, calls = 8, 100
	c := s.alias(cache.Config{})
	set[int64](s, c, "n", 1000)
	set[int64](s, c, "float", 0)
	s.together(goroutines, func(int) {
		for range calls {
			if _, err := c.Incr(s.ctx, "n", 3); err != nil {
				s.Errorf("Incr: %v", err)
			}
			if _, err := c.Decr(s.ctx, "n", 1); err != nil {
				s.Errorf("Decr: %v", err)
			}
			if !s.can(cache.CanSwap) {
				continue
			}
			if _, err := c.IncrFloat(s.ctx, "float", 0.5); err != nil {
				s.Errorf("IncrFloat: %v", err)
			}
		}
	})
	holds[int64](s, c, "n", 1000+goroutines*calls*2)
	if s.can(cache.CanSwap) {
		holds(s, c, "float", goroutines*calls/2.0)
	}
	// The look whether there is an entry is part of it: Incr brings none back that
	// was deleted.
	for i := range 100 {
		key := fmt.Sprint("k", i)
		set[int64](s, c, key, 1)
		s.together(2, func(i int) {
			if i == 0 {
				if _, err := c.Delete(s.ctx, key); err != nil {
					s.Errorf("Delete: %v", err)
				}
				return
			}
			if _, err := c.Incr(s.ctx, key, 1); err != nil && !errors.Is(err, cache.ErrMiss) {
				s.Errorf("Incr: %v", err)
			}
		})
		s.lacks(c, key)
	}
}

func checkIncrCulls(s *subject) {
	c, one := s.alias(cache.Config{MaxEntries: 3}), s.alias(cache.Config{MaxEntries: 1})
	keys := []string{"a", "b", "c"}
	for _, key := range keys {
		set[int64](s, c, key, 1)
	}
	s.incr(c, "a", 1)
	s.incr(one, "b", 1)
	if s.can(cache.CanSwap) {
		_, err := one.IncrFloat(s.ctx, "c", 1)
		s.noError(err, "IncrFloat")
	}
	for _, key := range keys {
		s.want(s.has(c, key), true, key+" is there")
	}
}
