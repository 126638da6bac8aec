// SPDX-License-Identifier: MIT

package cachetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/locmem/locmem/cache"
)

// operationStatements are about what single operations do.
var operationStatements = []statement{
	{"O1", "Set stores in place of what was there", cache.CanStore, checkSet},
	{"O2", "Get tells a miss by its result", 0, checkMiss},
	{"O3", "nil and empty values are values", cache.CanStore, checkEmptyValues},
	{"O4", "add changes nothing if taken", cache.CanStore, checkAdd},
	{"O5", "add encodes first", cache.CanStore, checkAddEncodes},
	{"O6", "Delete tells whether a live entry went", cache.CanStore, checkDelete},
	{"O7", "Has tells whether an entry is live", cache.CanStore, checkHas},
	{"O8", "GetMany answers by the user's keys", cache.CanStore, checkGetMany},
	{"O9", "SetMany and DeleteMany are as so many calls", cache.CanStore, checkSetMany},
	{"O10", "Clear empties the whole location and no other", cache.CanStore, checkClear},
	{"O11", "Close may be repeated and loses nothing", cache.CanStore, checkClose},
	{"O12", "TTL, lists, and what is not supported", 0, checkMore},
}

// point is a value that codecs encode.
type point struct{ X, Y int }

func checkSet(s *subject) {
	c := s.alias(cache.Config{})
	for _, value := range []string{"a value", "a longer value, " + strings.Repeat("x", 1000), "short", ""} {
		set(s, c, "k", value)
		holds(s, c, "k", value)
	}
	set(s, c, "k", 1.5)
	holds(s, c, "k", 1.5)
	set(s, c, "k", 7)
	holds(s, c, "k", 7)
}

func checkMiss(s *subject) {
	c := s.alias(cache.Config{})
	text, found := get[string](s, c, "missing")
	s.want(found, false, "a text is found")
	equal(s, text, "", "the text")
	_, found = get[string](s, c, strings.Repeat("long", 60))
	s.want(found, false, "a long key is found")
	number, found := get[int](s, c, "missing")
	s.want(found, false, "a number is found")
	equal(s, number, 0, "the number")
	pair, found := get[point](s, c, "missing")
	s.want(found, false, "a struct is found")
	equal(s, pair, point{}, "the struct")
}

func checkEmptyValues(s *subject) {
	c := s.alias(cache.Config{})
	emptyValue[*point](s, c, "nil", nil)
	emptyValue[[]string](s, c, "nil list", nil)
	emptyValue(s, c, "empty list", []string{})
	emptyValue(s, c, "empty map", map[string]int{})
	emptyValue(s, c, "empty text", "")
	emptyValue(s, c, "zero", 0)
	emptyValue(s, c, "zero struct", point{})
	emptyValue(s, c, "false", false)
	emptyValue(s, c, "no bytes", []byte{})
}

func emptyValue[V any](s *subject, c *cache.Cache, name string, value V) {
	s.Helper()
	v, key := cache.For[V](c), strings.ReplaceAll(name, " ", "-")
	err := v.Set(s.ctx, key, value)
	if errors.Is(err, cache.ErrEncode) {
		s.Logf("the codec does not take a %T: %s", value, name)
		return
	}
	s.noError(err, "Set of "+name)
	_, found := get[V](s, c, key)
	s.want(found, true, "Get finds "+name)
	s.want(s.has(c, key), true, "Has finds "+name)
	_, found = getMany[V](s, c, []string{key})[key]
	s.want(found, true, "GetMany finds "+name)
	s.want(add(s, c, key, value), false, "Add in place of "+name)
	loads := 0
	_, err = v.GetOrSet(s.ctx, key, func(context.Context) (V, error) { loads++; return value, nil })
	s.noError(err, "GetOrSet of "+name)
	equal(s, loads, 0, "loads of "+name)
}

func checkAdd(s *subject) {
	c := s.alias(cache.Config{})
	s.want(add(s, c, "new", "value"), true, "Add of a new key")
	holds(s, c, "new", "value")
	s.want(add(s, c, "new", "another"), false, "Add of a key that was added")
	holds(s, c, "new", "value")

	set(s, c, "timed", "value", cache.Timeout(s.unit))
	s.want(add(s, c, "timed", "another", cache.Never()), false, "Add of a key that was set")
	set(s, c, "permanent", "value", cache.Never())
	add(s, c, "permanent", "another", cache.Timeout(s.unit))
	s.outlive(s.unit)
	s.lacks(c, "timed")
	holds(s, c, "permanent", "value")
}

func checkAddEncodes(s *subject) {
	c := s.alias(cache.Config{Codec: hooked{append: refuse}})
	set(s, c, "k", "value")
	added, err := cache.For[string](c).Add(s.ctx, "k", refused)
	s.wantError(err, cache.ErrEncode, "Add in place of a value")
	s.want(added, false, "Add")
	holds(s, c, "k", "value")
}

func checkDelete(s *subject) {
	c := s.alias(cache.Config{})
	s.want(s.del(c, "k"), false, "Delete of what never was")
	set(s, c, "k", "value")
	set(s, c, "l", "value")
	s.want(s.del(c, "k"), true, "Delete")
	s.lacks(c, "k")
	s.want(s.del(c, "k"), false, "a second Delete")
	holds(s, c, "l", "value")
}

func checkHas(s *subject) {
	c := s.alias(cache.Config{})
	s.want(s.has(c, "k"), false, "Has of what never was")
	set(s, c, "k", "value")
	s.want(s.has(c, "k"), true, "Has")
	set[int64](s, c, "n", 3)
	s.want(s.has(c, "n"), true, "Has of a number")
	s.del(c, "k")
	s.want(s.has(c, "k"), false, "Has of what was deleted")
}

func checkGetMany(s *subject) {
	c := s.alias(cache.Config{KeyPrefix: "p", Version: cache.Version(3)})
	set(s, c, "a", "1")
	set(s, c, "b", "2")
	set(s, c, "c", "3")
	for _, tc := range []struct {
		keys []string
		want map[string]string
	}{
		{[]string{"a", "c"}, map[string]string{"a": "1", "c": "3"}},
		{[]string{"b", "missing", "a"}, map[string]string{"a": "1", "b": "2"}},
		{[]string{"b", "b"}, map[string]string{"b": "2"}},
		{[]string{"missing"}, map[string]string{}},
		{[]string{}, map[string]string{}},
		{nil, map[string]string{}},
	} {
		equal(s, getMany[string](s, c, tc.keys), tc.want, fmt.Sprintf("GetMany of %q", tc.keys))
	}
	if !s.can(cache.CanLimit) {
		return
	}
	three := s.on(s.fresh(), cache.Config{MaxEntries: 3})
	for _, key := range []string{"a", "b", "c"} {
		set(s, three, key, "value")
	}
	getMany[string](s, three, []string{"c", "a", "b"}) // uses them in this order
	for _, tc := range []struct{ added, evicted string }{{"d", "c"}, {"e", "a"}, {"f", "b"}} {
		set(s, three, tc.added, "value")
		s.lacks(three, tc.evicted)
	}
}

func checkSetMany(s *subject) {
	c := s.alias(cache.Config{})
	values := map[string]string{}
	for i := range 50 {
		values[fmt.Sprint("k", i)] = fmt.Sprint("value ", i)
	}
	set(s, c, "k3", "old")
	setMany(s, c, values)
	for key, value := range values {
		holds(s, c, key, value)
	}
	setMany(s, c, map[string]string{})
	s.noError(c.DeleteMany(s.ctx, []string{"k1", "missing", "k2"}), "DeleteMany")
	s.noError(c.DeleteMany(s.ctx, nil), "DeleteMany of nothing")
	s.lacks(c, "k1")
	s.lacks(c, "k2")
	holds(s, c, "k3", "value 3")
	if !s.can(cache.CanLimit) {
		return
	}
	two := s.on(s.fresh(), cache.Config{MaxEntries: 2})
	setMany(s, two, map[string]string{"d": "4", "b": "2", "a": "1", "c": "3"})
	s.lacks(two, "a")
	s.lacks(two, "b")
	holds(s, two, "c", "3")
	holds(s, two, "d", "4")
}

func checkClear(s *subject) {
	other := s.on(s.fresh(), cache.Config{})
	set(s, other, "k", "value")
	c := s.alias(cache.Config{})
	aliases := []*cache.Cache{
		c, s.alias(cache.Config{KeyPrefix: "p"}), s.alias(cache.Config{Version: cache.Version(2)}),
		s.alias(cache.Config{KeyFunc: func(key, prefix string, version int) string { return fmt.Sprint("x", key, prefix, version) }}),
	}
	for _, a := range aliases {
		set(s, a, "k", "value")
		set(s, a, "permanent", "value", cache.Never())
		set(s, a, "k", "value", cache.Version(7))
	}
	s.clear(c)
	for _, a := range aliases {
		s.lacks(a, "k")
		s.lacks(a, "permanent")
		s.lacks(a, "k", cache.Version(7))
	}
	holds(s, other, "k", "value")
	set(s, c, "k", "new")
	holds(s, c, "k", "new")
}

func checkClose(s *subject) {
	c, open := s.alias(cache.Config{}), s.alias(cache.Config{})
	set(s, c, "k", "value")
	for range 3 {
		s.noError(c.Close(), "Close")
	}
	if !s.can(cache.CanReopen) {
		_, _, err := cache.For[string](c).Get(s.ctx, "k")
		s.wantError(err, cache.ErrClosed, "Get after Close")
		return
	}
	holds(s, c, "k", "value")
	holds(s, open, "k", "value")
	set(s, c, "l", "value")
	holds(s, c, "l", "value")
}

func checkMore(s *subject) {
	c := s.alias(cache.Config{Timeout: cache.Timeout(time.Hour)})
	_, _, found, err := c.TTL(s.ctx, "missing")
	s.noError(err, "TTL")
	s.want(found, false, "TTL found what is missing")
	if s.can(cache.CanStore) {
		checkTTL(s, c)
	}
	value, err := cache.For[string](c).GetOrSetValue(s.ctx, "plain", "value")
	s.noError(err, "GetOrSetValue")
	equal(s, value, "value", "GetOrSetValue")

	// What is claimed is checked by statements of its own.
	unsupported := func(flag cache.Capability, what string, err error) {
		s.Helper()
		if !s.can(flag) {
			s.wantError(err, cache.ErrUnsupported, what)
		}
	}
	for _, err = range c.List(s.ctx, "") {
	}
	unsupported(cache.CanList, "List", err)
	_, err = c.DeletePrefix(s.ctx, "missing")
	unsupported(cache.CanList, "DeletePrefix", err)
	unsupported(cache.CanTag, "InvalidateTags", c.InvalidateTags(s.ctx, "tag"))
	unsupported(cache.CanTag, "Set with tags", cache.For[string](c).Set(s.ctx, "tagged", "value", cache.Tags("tag")))
	unsupported(cache.CanSave, "Save", c.Save(s.ctx, &bytes.Buffer{}))
	unsupported(cache.CanSave, "Restore", c.Restore(s.ctx, &bytes.Buffer{}))
	_, err = c.Stats()
	unsupported(cache.CanCount, "Stats", err)
	stop, err := c.Watch(func(cache.Removal) {})
	unsupported(cache.CanWatch, "Watch", err)
	if err == nil {
		stop()
	}
	if s.can(cache.CanStore | cache.CanList) {
		checkLists(s)
	}
}

// checkTTL checks remaining times, by hours where the clock is the real one.
func checkTTL(s *subject, c *cache.Cache) {
	s.Helper()
	set(s, c, "default", "value")
	set(s, c, "timed", "value", cache.Timeout(10*time.Hour))
	set(s, c, "permanent", "value", cache.Never())
	passed := time.Duration(0)
	if s.manual() {
		passed = s.round(20 * time.Minute)
		s.advance(passed)
	}
	for _, tc := range []struct {
		key  string
		want time.Duration
	}{{"default", time.Hour}, {"timed", 10 * time.Hour}} {
		remaining, never, found, err := c.TTL(s.ctx, tc.key)
		s.noError(err, "TTL")
		early, late := tc.want-passed, tc.want-passed+s.config.Granularity+time.Millisecond // T6 is exact
		if !s.manual() {
			early -= 10 * time.Minute
		}
		if !found || never || remaining < early || remaining > late {
			s.Errorf("TTL of %s is %v (never %t, found %t) %v after a timeout of %v", tc.key, remaining, never, found, passed, tc.want)
		}
	}
	_, never, found, err := c.TTL(s.ctx, "permanent")
	s.noError(err, "TTL")
	if !found || !never {
		s.Errorf("TTL of what never expires: never %t, found %t", never, found)
	}
}

// checkLists checks lists and removals by prefix, of user's keys.
func checkLists(s *subject) {
	s.Helper()
	c := s.on(s.fresh(), cache.Config{KeyPrefix: "p"})
	for _, key := range []string{"a:1", "a:2", "a", "b:1", "A:1", "a*"} {
		set(s, c, key, "value")
	}
	set(s, c, "a:3", "value", cache.Version(2))
	list := func() map[string]bool {
		s.Helper()
		keys := map[string]bool{}
		for l, err := range c.List(s.ctx, "a:") {
			s.noError(err, "List")
			keys[l.Key] = true
		}
		return keys
	}
	equal(s, list(), map[string]bool{"p:1:a:1": true, "p:1:a:2": true}, "List")
	n, err := c.DeletePrefix(s.ctx, "a:")
	s.noError(err, "DeletePrefix")
	equal(s, n, 2, "DeletePrefix")
	equal(s, list(), map[string]bool{}, "List after DeletePrefix")
	holds(s, c, "b:1", "value")
	holds(s, c, "a*", "value")
	holds(s, c, "a:3", "value", cache.Version(2))
}
