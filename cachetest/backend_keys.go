// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/locmem/locmem/cache"
)

// keyStatements are about keys, as far as they depend on the backend.
var keyStatements = []statement{
	{"K1", "the final key is prefix version key, nothing escaped", cache.CanStore, checkFinalKey},
	{"K2", "keys are texts, the empty one too", cache.CanStore, checkTextKeys},
	{"K3", "0 and negative numbers are versions", cache.CanStore, checkVersions},
	{"K4", "operations on keys take a version", cache.CanStore, checkVersionOption},
	{"K10", "a fault of a key is a warning, or an error where keys are limited", cache.CanStore, checkFaultyKeys},
	{"K12", "all else is a key", cache.CanStore | cache.CanAnyKey, checkAnyKey},
}

// holdsFinal demands that there is an entry under a final key.
func (s *subject) holdsFinal(key string) {
	s.Helper()
	found, err := s.backend.Has(s.ctx, key)
	s.noError(err, "Has")
	s.want(found, true, fmt.Sprintf("an entry under the final key %q", key))
}

func checkFinalKey(s *subject) {
	set(s, s.alias(cache.Config{}), "k", "value")
	s.holdsFinal(":1:k")
	prefixed := s.alias(cache.Config{KeyPrefix: "p:q"})
	set(s, prefixed, "k:1", "value", cache.Version(12))
	s.holdsFinal("p:q:12:k:1")
	for _, key := range []string{"a%3Ab", "a:b", "a%253Ab", `a\:b`} { // none is another one
		set(s, prefixed, key, "value of "+key)
		s.holdsFinal("p:q:1:" + key)
	}
	for _, key := range []string{"a%3Ab", "a:b", "a%253Ab", `a\:b`} {
		holds(s, prefixed, key, "value of "+key)
	}
}

func checkTextKeys(s *subject) {
	c := s.alias(cache.Config{})
	for _, key := range []string{"", "0", "1", "01", "-1"} {
		set(s, c, key, "value of "+key)
	}
	for _, key := range []string{"", "0", "1", "01", "-1"} {
		holds(s, c, key, "value of "+key)
		s.holdsFinal(":1:" + key)
	}
	for _, version := range []int{10, math.MaxInt, math.MinInt} {
		set(s, c, "", "value", cache.Version(version))
		s.holdsFinal(fmt.Sprintf(":%d:", version))
	}
}

func checkVersions(s *subject) {
	c, zero := s.alias(cache.Config{}), s.alias(cache.Config{Version: cache.Version(0)})
	set(s, c, "k", "of the alias")
	for _, version := range []int{0, -1, -2} {
		set(s, c, "k", fmt.Sprint("of ", version), cache.Version(version))
	}
	holds(s, c, "k", "of the alias")
	for _, version := range []int{0, -1, -2} {
		holds(s, c, "k", fmt.Sprint("of ", version), cache.Version(version))
	}
	holds(s, zero, "k", "of 0")
	holds(s, zero, "k", "of the alias", cache.Version(1))
}

func checkVersionOption(s *subject) {
	c, two := s.alias(cache.Config{}), cache.Version(2)
	// Each has a key of its own, with values of 1 in version 1 and of 10 in version 2.
	for _, op := range []struct {
		name  string
		call  func(key string)
		after int64 // the value in version 2; 0: none
	}{
		{"Get", func(key string) { holds[int64](s, c, key, 10, two) }, 10},
		{"GetMany", func(key string) {
			equal(s, getMany[int64](s, c, []string{key}, two), map[string]int64{key: 10}, "GetMany")
		}, 10},
		{"Has", func(key string) {
			set[int64](s, c, "another"+key, 1)
			s.want(s.has(c, "another"+key, two), false, "Has in version 2")
		}, 10},
		{"TTL", func(key string) {
			set[int64](s, c, "another"+key, 1)
			_, _, found, err := c.TTL(s.ctx, "another"+key, two)
			s.noError(err, "TTL")
			s.want(found, false, "TTL in version 2")
		}, 10},
		{"Set", func(key string) { set[int64](s, c, key, 20, two) }, 20},
		{"SetMany", func(key string) { setMany(s, c, map[string]int64{key: 20}, two) }, 20},
		{"Add", func(key string) {
			s.del(c, key, two)
			s.want(add[int64](s, c, key, 20, two), true, "Add in version 2")
		}, 20},
		{"Touch", func(key string) { s.touch(c, key, two, cache.Timeout(0)) }, 0},
		{"Incr", func(key string) { s.incr(c, key, 5, two) }, 15},
		{"Decr", func(key string) {
			_, err := c.Decr(s.ctx, key, 5, two)
			s.noError(err, "Decr")
		}, 5},
		{"Delete", func(key string) { s.del(c, key, two) }, 0},
		{"DeleteMany", func(key string) { s.noError(c.DeleteMany(s.ctx, []string{key}, two), "DeleteMany") }, 0},
		{"GetOrSet", func(key string) {
			s.del(c, key, two)
			_, err := cache.For[int64](c).GetOrSet(s.ctx, key, func(context.Context) (int64, error) { return 20, nil }, two)
			s.noError(err, "GetOrSet")
		}, 20},
		{"IncrVersion", func(key string) {
			_, err := c.IncrVersion(s.ctx, key, 5, two)
			s.noError(err, "IncrVersion")
			holds[int64](s, c, key, 10, cache.Version(7))
		}, 0},
	} {
		key := "of" + op.name
		set[int64](s, c, key, 1)
		set[int64](s, c, key, 10, two)
		op.call(key)
		holds[int64](s, c, key, 1)
		if op.after != 0 {
			holds(s, c, key, op.after, two)
		} else {
			s.lacks(c, key, two)
		}
	}
}

func checkFaultyKeys(s *subject) {
	c := s.alias(cache.Config{})
	for _, key := range []string{"a space", "a\ttab", "a\x7f", strings.Repeat("x", 251)} {
		err := cache.For[string](c).Set(s.ctx, key, "value")
		if s.can(cache.CanAnyKey) {
			s.noError(err, "Set")
			holds(s, c, key, "value")
			continue
		}
		s.wantError(err, cache.ErrInvalidKey, fmt.Sprintf("Set of %q", key))
		_, _, err = cache.For[string](c).Get(s.ctx, key)
		s.wantError(err, cache.ErrInvalidKey, fmt.Sprintf("Get of %q", key))
	}
}

func checkAnyKey(s *subject) {
	c := s.alias(cache.Config{})
	long := strings.Repeat("x", 1<<20)
	keys := []string{
		"n", "n\x00", "n\x00x", "\x00n", "n\n", "n\r\n", " n", "n ", "N", "n\xff", "n\xfe", "n\ufffd",
		"\u00e9", "e\u0301", "\u212b", "\u00c5", "*", "n*", "[n]", "{n}", long, long + "y", long + "z",
	}
	for i, key := range keys {
		set(s, c, key, fmt.Sprint("value ", i))
	}
	for i, key := range keys {
		if got, found := get[string](s, c, key); !found || got != fmt.Sprint("value ", i) {
			s.Errorf("key %d, %.20q of %d bytes: %q, found %t", i, key, len(key), got, found)
		}
	}
}
