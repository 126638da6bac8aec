// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/locmem/locmem/cache"
)

// timeoutStatements are about timeouts and expiry.
var timeoutStatements = []statement{
	{"T1", "the default, never, or a timeout", cache.CanStore, checkThreeTimeouts},
	{"T2", "never means never", cache.CanStore, checkNever},
	{"T3", "a timeout of 0 has already passed", cache.CanStore, func(s *subject) { checkPassed(s, 0) }},
	{"T4", "a negative timeout is as 0", cache.CanStore, func(s *subject) {
		for _, timeout := range []time.Duration{-1, -time.Second, -time.Hour, math.MinInt64} {
			checkPassed(s, timeout)
		}
	}},
	{"T5", "fractions of a second count", cache.CanStore, checkFractions},
	{"T6", "expired from the deadline on", cache.CanStore, checkDeadline},
	{"T7", "no timeout is too long", cache.CanStore, checkLongTimeouts},
	{"T8", "an expired entry is missing for every operation", cache.CanStore, checkExpired},
	{"T9", "Set replaces the expiry", cache.CanStore, checkSetExpiry},
	{"T10", "reading does not prolong", cache.CanStore, checkReadExpiry},
	{"T11", "Touch sets the expiry from now", cache.CanStore, checkTouch},
}

// writer is an operation that stores a value under a key that has none.
type writer struct {
	name  string
	write func(s *subject, c *cache.Cache, key, value string, opts ...cache.Option)
}

var writers = []writer{
	{"Set", set[string]},
	{"Add", func(s *subject, c *cache.Cache, key, value string, opts ...cache.Option) {
		add(s, c, key, value, opts...)
	}},
	{"SetMany", func(s *subject, c *cache.Cache, key, value string, opts ...cache.Option) {
		setMany(s, c, map[string]string{key: value}, opts...)
	}},
	{"GetOrSet", func(s *subject, c *cache.Cache, key, value string, opts ...cache.Option) {
		_, err := cache.For[string](c).GetOrSet(s.ctx, key, func(context.Context) (string, error) { return value, nil }, opts...)
		s.noError(err, "GetOrSet")
	}},
}

func checkThreeTimeouts(s *subject) {
	c := s.alias(cache.Config{Timeout: cache.Timeout(4 * s.unit)})
	for _, w := range writers {
		w.write(s, c, w.name+"default", "value")
		w.write(s, c, w.name+"never", "value", cache.Never())
		w.write(s, c, w.name+"timeout", "value", cache.Timeout(s.unit))
	}
	s.outlive(s.unit)
	for _, w := range writers {
		holds(s, c, w.name+"default", "value")
		holds(s, c, w.name+"never", "value")
		s.lacks(c, w.name+"timeout")
	}
	s.outlive(3 * s.unit)
	for _, w := range writers {
		s.lacks(c, w.name+"default")
		holds(s, c, w.name+"never", "value")
	}
	never := s.alias(cache.Config{Timeout: cache.Never()})
	set(s, never, "k", "value")
	nothing := s.alias(cache.Config{Timeout: cache.Timeout(0)})
	set(s, nothing, "l", "value")
	set(s, nothing, "m", "value", cache.Never())
	holds(s, never, "k", "value")
	s.lacks(nothing, "l")
	holds(s, nothing, "m", "value")
}

func checkNever(s *subject) {
	c := s.alias(cache.Config{})
	for _, w := range writers {
		w.write(s, c, w.name, "value", cache.Never())
	}
	if s.manual() {
		s.advance(40 * 365 * 24 * time.Hour)
	} else {
		s.advance(s.unit)
	}
	for _, w := range writers {
		holds(s, c, w.name, "value")
	}
}

// checkPassed checks what a timeout means that has passed.
func checkPassed(s *subject, timeout time.Duration) {
	s.Helper()
	c, opt := s.alias(cache.Config{}), cache.Timeout(timeout)
	key := func(name string) string { return fmt.Sprint(name, timeout.Nanoseconds()) }

	set(s, c, key("new"), "value", opt)
	s.lacks(c, key("new"))
	set(s, c, key("overwritten"), "old")
	set(s, c, key("overwritten"), "value", opt)
	s.lacks(c, key("overwritten"))
	setMany(s, c, map[string]string{key("many"): "old"})
	setMany(s, c, map[string]string{key("many"): "value"}, opt)
	s.lacks(c, key("many"))

	s.want(add(s, c, key("added"), "value", opt), true, "Add where nothing is")
	s.lacks(c, key("added"))
	set(s, c, key("kept"), "old")
	s.want(add(s, c, key("kept"), "value", opt), false, "Add where something is")
	holds(s, c, key("kept"), "old")

	set(s, c, key("touched"), "value")
	s.want(s.touch(c, key("touched"), opt), true, "Touch of what is live")
	s.lacks(c, key("touched"))
}

func checkFractions(s *subject) {
	c := s.alias(cache.Config{})
	if s.manual() { // no time passes between the calls
		for _, timeout := range []time.Duration{1, 999, time.Microsecond, time.Second/2 - 1} {
			key := timeout.String()
			set(s, c, key, "value", cache.Timeout(timeout))
			holds(s, c, key, "value")
			s.outlive(s.round(timeout))
			s.lacks(c, key)
		}
		return
	}
	timeout := s.unit/2 + s.unit/7 + 1 // with the largest granularity this is still below it
	set(s, c, "k", "value", cache.Timeout(timeout))
	holds(s, c, "k", "value")
	s.outlive(timeout)
	s.lacks(c, "k")
}

func checkDeadline(s *subject) {
	c := s.alias(cache.Config{})
	set(s, c, "k", "value", cache.Timeout(s.unit))
	if !s.manual() {
		s.outlive(s.unit)
		s.lacks(c, "k")
		return
	}
	last := max(1, s.config.Granularity)
	s.advance(s.unit - last)
	holds(s, c, "k", "value")
	s.advance(last + s.config.Slack)
	s.lacks(c, "k")
}

func checkLongTimeouts(s *subject) {
	const day = 24 * time.Hour
	c := s.alias(cache.Config{})
	long := []time.Duration{30*day + time.Second, 31 * day, 60 * day, 400 * day, 100 * 365 * day, math.MaxInt64 / 2, math.MaxInt64 - 1}
	for i, timeout := range long {
		set(s, c, fmt.Sprint("set", i), "value", cache.Timeout(timeout))
		set(s, c, fmt.Sprint("touched", i), "value")
		s.touch(c, fmt.Sprint("touched", i), cache.Timeout(timeout))
	}
	if s.manual() {
		s.advance(30 * day)
	}
	for i := range long {
		holds(s, c, fmt.Sprint("set", i), "value")
		holds(s, c, fmt.Sprint("touched", i), "value")
	}
}

func checkExpired(s *subject) {
	c := s.alias(cache.Config{})
	short := cache.Timeout(s.unit)
	for _, key := range []string{"get", "many", "has", "ttl", "touch", "add", "move", "load"} {
		set(s, c, key, "expired", short)
	}
	for _, key := range []string{"incr", "float"} {
		set[int64](s, c, key, 1, short)
	}
	s.outlive(s.unit)

	s.want(s.has(c, "has"), false, "Has")
	s.lacks(c, "get")
	equal(s, getMany[string](s, c, []string{"many"}), map[string]string{}, "GetMany")
	_, _, found, err := c.TTL(s.ctx, "ttl")
	s.noError(err, "TTL")
	s.want(found, false, "TTL found it")
	s.want(s.touch(c, "touch", cache.Never()), false, "Touch")
	s.lacks(c, "touch")
	s.want(add(s, c, "add", "new"), true, "Add")
	holds(s, c, "add", "new")
	_, err = c.Incr(s.ctx, "incr", 1)
	s.wantError(err, cache.ErrMiss, "Incr")
	if s.can(cache.CanSwap) {
		_, err = c.IncrFloat(s.ctx, "float", 1)
		s.wantError(err, cache.ErrMiss, "IncrFloat")
	}
	_, err = c.IncrVersion(s.ctx, "move", 1)
	s.wantError(err, cache.ErrMiss, "IncrVersion")
	v, err := cache.For[string](c).GetOrSet(s.ctx, "load", func(context.Context) (string, error) { return "new", nil })
	s.noError(err, "GetOrSet")
	equal(s, v, "new", "GetOrSet")
}

func checkSetExpiry(s *subject) {
	c := s.alias(cache.Config{Timeout: cache.Timeout(2 * s.unit)})
	long, short := cache.Timeout(100*s.unit), cache.Timeout(s.unit)
	set(s, c, "permanent", "old", cache.Never())
	set(s, c, "permanent", "new")
	set(s, c, "long", "old", long)
	set(s, c, "long", "new")
	set(s, c, "short", "old", short)
	set(s, c, "short", "new", long)
	set(s, c, "timed", "old", short)
	set(s, c, "timed", "new", cache.Never())
	setMany(s, c, map[string]string{"many": "old"}, cache.Never())
	setMany(s, c, map[string]string{"many": "new"})
	s.outlive(2 * s.unit)
	s.lacks(c, "permanent")
	s.lacks(c, "long")
	holds(s, c, "short", "new")
	holds(s, c, "timed", "new")
	s.lacks(c, "many")
}

func checkReadExpiry(s *subject) {
	c := s.alias(cache.Config{})
	keys := []string{"Get", "GetMany", "Has", "TTL", "GetOrSet"}
	for _, key := range keys {
		set(s, c, key, "value", cache.Timeout(3*s.unit))
	}
	s.advance(s.unit)
	get[string](s, c, "Get")
	getMany[string](s, c, []string{"GetMany"})
	s.has(c, "Has")
	_, _, _, err := c.TTL(s.ctx, "TTL")
	s.noError(err, "TTL")
	_, err = cache.For[string](c).GetOrSet(s.ctx, "GetOrSet", func(context.Context) (string, error) { return "new", nil })
	s.noError(err, "GetOrSet")
	s.outlive(2 * s.unit)
	for _, key := range keys {
		s.lacks(c, key)
	}
}

func checkTouch(s *subject) {
	c := s.alias(cache.Config{Timeout: cache.Timeout(2 * s.unit)})
	short, long := cache.Timeout(s.unit), cache.Timeout(100*s.unit)
	touched := func(key string, opts ...cache.Option) {
		s.Helper()
		s.want(s.touch(c, key, opts...), true, "Touch of "+key)
	}
	set(s, c, "permanent", "value", cache.Never())
	touched("permanent")
	set(s, c, "shortened", "value", long)
	touched("shortened", short)
	set(s, c, "default", "value", long)
	touched("default")
	set(s, c, "prolonged", "value", short)
	touched("prolonged", long)
	set(s, c, "forever", "value", short)
	touched("forever", cache.Never())
	s.want(s.touch(c, "missing"), false, "Touch of what is missing")
	s.lacks(c, "missing")
	s.outlive(2 * s.unit)
	s.lacks(c, "permanent")
	s.lacks(c, "shortened")
	s.lacks(c, "default")
	holds(s, c, "prolonged", "value")
	holds(s, c, "forever", "value")
}
