// SPDX-License-Identifier: MIT

package cachetest

import (
	"errors"
	"maps"
	"reflect"
	"slices"

	"github.com/locmem/locmem/cache"
)

// The calls of checks: an error that is not expected ends the statement.

func (s *subject) noError(err error, what string) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

// wantError demands an error that matches another.
func (s *subject) wantError(err, want error, what string) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: the error is %v, not %v", what, err, want)
	}
}

// want demands that a call returned true, or false.
func (s *subject) want(got, want bool, what string) {
	s.Helper()
	if got != want {
		s.Errorf("%s: %t", what, got)
	}
}

// equal demands a value.
func equal[T any](s *subject, got, want T, what string) {
	s.Helper()
	if !reflect.DeepEqual(got, want) {
		s.Errorf("%s: %v (%T), not %v", what, got, got, want)
	}
}

// set stores a value.
func set[V any](s *subject, c *cache.Cache, key string, value V, opts ...cache.Option) {
	s.Helper()
	s.noError(cache.For[V](c).Set(s.ctx, key, value, opts...), "Set")
}

// get returns what Get does.
func get[V any](s *subject, c *cache.Cache, key string, opts ...cache.Option) (V, bool) {
	s.Helper()
	v, found, err := cache.For[V](c).Get(s.ctx, key, opts...)
	s.noError(err, "Get")
	return v, found
}

// add returns what Add does.
func add[V any](s *subject, c *cache.Cache, key string, value V, opts ...cache.Option) bool {
	s.Helper()
	added, err := cache.For[V](c).Add(s.ctx, key, value, opts...)
	s.noError(err, "Add")
	return added
}

// getMany returns what GetMany does.
func getMany[V any](s *subject, c *cache.Cache, keys []string, opts ...cache.Option) map[string]V {
	s.Helper()
	values, err := cache.For[V](c).GetMany(s.ctx, keys, opts...)
	s.noError(err, "GetMany")
	return values
}

// setMany stores values, all of them.
func setMany[V any](s *subject, c *cache.Cache, values map[string]V, opts ...cache.Option) {
	s.Helper()
	failed, err := cache.For[V](c).SetMany(s.ctx, values, opts...)
	s.noError(err, "SetMany")
	if len(failed) > 0 {
		s.Fatalf("SetMany: %q failed", failed)
	}
}

// holds demands that an entry is live and has a value.
func holds[V any](s *subject, c *cache.Cache, key string, want V, opts ...cache.Option) {
	s.Helper()
	got, found := get[V](s, c, key, opts...)
	if !found {
		s.Errorf("%q is not found", key)
		return
	}
	equal(s, got, want, "the value of "+key)
}

// lacks demands that there is no live entry, whatever values are.
func (s *subject) lacks(c *cache.Cache, key string, opts ...cache.Option) {
	s.Helper()
	_, found, err := cache.For[string](c).Get(s.ctx, key, opts...)
	if found || err != nil && errors.Is(err, cache.ErrDecode) {
		s.Errorf("%q is found", key)
		return
	}
	s.noError(err, "Get")
}

// has returns what Has does.
func (s *subject) has(c *cache.Cache, key string, opts ...cache.Option) bool {
	s.Helper()
	found, err := c.Has(s.ctx, key, opts...)
	s.noError(err, "Has")
	return found
}

// touch returns what Touch does.
func (s *subject) touch(c *cache.Cache, key string, opts ...cache.Option) bool {
	s.Helper()
	touched, err := c.Touch(s.ctx, key, opts...)
	s.noError(err, "Touch")
	return touched
}

// del returns what Delete does.
func (s *subject) del(c *cache.Cache, key string, opts ...cache.Option) bool {
	s.Helper()
	deleted, err := c.Delete(s.ctx, key, opts...)
	s.noError(err, "Delete")
	return deleted
}

// incr returns what Incr does.
func (s *subject) incr(c *cache.Cache, key string, delta int64, opts ...cache.Option) int64 {
	s.Helper()
	n, err := c.Incr(s.ctx, key, delta, opts...)
	s.noError(err, "Incr")
	return n
}

// clear empties the location.
func (s *subject) clear(c *cache.Cache) {
	s.Helper()
	s.noError(c.Clear(s.ctx), "Clear")
}

// sortedKeys returns the keys of a map in ascending order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
