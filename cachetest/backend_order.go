// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/locmem/locmem/cache"
	"github.com/locmem/locmem/internal/lock"
)

const limited = cache.CanStore | cache.CanLimit

// orderStatements are section L, order and culling, and what C10 says of it. Checks
// take limits and frequencies of their own, so that a store that gets one of them
// wrong fails one statement.
var orderStatements = []statement{
	{"C10", "a write obeys the limits of its alias", limited, limitsAreOfTheAlias},
	{"L1", "only a write that adds a key makes room", limited, onlyAddingMakesRoom},
	{"L2", "incremental eviction makes room for one, a batch takes its share", limited, roomIsMadeAsConfigured},
	{"L3", "a frequency of 0 or 1 empties the store", limited, frequencyEmptiesTheStore},
	{"L4", "the limit holds at any instant", limited, limitHoldsAtAnyInstant},
	{"L4", "a store far above the limit comes down", limited, storeComesDown},
	{"L5", "evicted entries are gone and not logged", limited, evictedAreGone},
	{"L5", "evictions are counted", limited | cache.CanCount, evictionsAreCounted},
	{"L6", "the least recently used of the location goes", limited, leastRecentlyUsedGoes},
	{"L7", "hits and writes are uses", limited, hitsAndWritesAreUses},
	{"L8", "other calls are no uses", limited, otherCallsAreNoUses},
	{"L9", "an expired entry that is met goes", cache.CanStore | cache.CanCount, expiredGoes},
	{"L10", "Delete frees its room at once", limited, deleteFreesRoom},
	{"L11", "limits may be replaced", limited, limitsMayBeReplaced},
	{"L11", "a limit below 1 counts as 1", limited, limitBelowOneIsOne},
}

// numbered returns n keys.
func numbered(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%04d", i)
	}
	return keys
}

// fill stores entries, one after the other.
func (s *subject) fill(c *cache.Cache, keys ...string) {
	s.Helper()
	for _, key := range keys {
		set(s, c, key, "value of "+key)
	}
}

// count returns how many of the keys have live entries, without using them.
func (s *subject) count(c *cache.Cache, keys ...string) (n int) {
	s.Helper()
	for _, key := range keys {
		if s.has(c, key) {
			n++
		}
	}
	return n
}

// kept demands that all the keys have live entries, without using them.
func (s *subject) kept(c *cache.Cache, what string, keys ...string) {
	s.Helper()
	for _, key := range keys {
		if !s.has(c, key) {
			s.Errorf("%s: %q is gone", what, key)
		}
	}
}

func limitsAreOfTheAlias(s *subject) {
	narrow := s.alias(cache.Config{MaxEntries: 4})
	wide := s.alias(cache.Config{MaxEntries: 12})
	keys := numbered(30)
	s.fill(narrow, keys[:6]...)
	equal(s, s.count(wide, keys...), 4, "entries, the last written with a limit of 4")
	s.fill(wide, keys[6:18]...)
	equal(s, s.count(wide, keys...), 12, "entries, the last written with a limit of 12")
	s.fill(narrow, keys[18])
	equal(s, s.count(wide, keys...), 4, "entries, the last written with a limit of 4 again")
}

func onlyAddingMakesRoom(s *subject) {
	wide := s.alias(cache.Config{MaxEntries: 100})
	narrow := s.alias(cache.Config{MaxEntries: 5})
	keys := numbered(10)
	s.fill(wide, keys...)
	set(s, wide, "number", 1)
	keys = append(keys, "number")

	for _, call := range []struct {
		name string
		make func()
	}{
		{"Get", func() { get[string](s, narrow, keys[0]); get[string](s, narrow, "missing") }},
		{"GetMany", func() { getMany[string](s, narrow, []string{keys[0], keys[1], "missing"}) }},
		{"Has", func() { s.has(narrow, keys[2]) }},
		{"Touch", func() { s.touch(narrow, keys[3], cache.Never()) }},
		{"Delete of what is missing", func() { s.del(narrow, "missing") }},
		{"Incr", func() { s.incr(narrow, "number", 1) }},
		{"Add of what is held", func() { add(s, narrow, keys[4], "again") }},
		{"GetOrSet of what is held", func() { getOrSet(s, narrow, keys[5], loading("again")) }},
	} {
		call.make()
		s.kept(wide, call.name, keys...)
	}
	if s.can(cache.CanMove) {
		_, err := narrow.IncrVersion(s.ctx, keys[0], 1)
		s.noError(err, "IncrVersion")
		s.kept(wide, "IncrVersion", keys[1:]...)
	}

	s.clear(wide)
	s.fill(wide, "a", "b", "c", "d", "e")
	for _, call := range []struct {
		name  string
		write func(key string)
	}{
		{"Set", func(key string) { set(s, narrow, key, "value") }},
		{"SetMany", func(key string) { setMany(s, narrow, map[string]string{key: "value"}) }},
		{"Add", func(key string) { add(s, narrow, key, "value") }},
		{"GetOrSet", func(key string) { getOrSet(s, narrow, key, loading("value")) }},
	} {
		call.write(call.name)
		equal(s, s.count(wide, "a", "b", "c", "d", "e", "Set", "SetMany", "Add", "GetOrSet"), 5, "entries after a "+call.name)
		s.kept(wide, call.name, call.name)
	}
}

func roomIsMadeAsConfigured(s *subject) {
	for _, at := range []struct {
		limit int
		cull  cache.Cull
		sets  int
		want  int
	}{
		{300, cache.Cull{}, 301, 300},
		{300, cache.Batch(3), 300, 300},
		{300, cache.Batch(3), 301, 201}, // Django's test_cull
		{30, cache.Batch(), 49, 29},     // and with a limit of 30; 3 is the frequency without a number
		{10, cache.Batch(3), 11, 8},     // a third of 10 are 3
	} {
		b := s.fresh()
		c := s.on(b, cache.Config{MaxEntries: at.limit, Cull: at.cull})
		keys := numbered(at.sets)
		s.fill(c, keys...)
		equal(s, s.count(c, keys...), at.want, fmt.Sprintf("entries after %d Sets with a limit of %d and %v", at.sets, at.limit, at.cull))
	}
}

func frequencyEmptiesTheStore(s *subject) {
	for frequency := range 2 {
		c := s.on(s.fresh(), cache.Config{MaxEntries: 30, Cull: cache.Batch(frequency)})
		keys := numbered(49)
		s.fill(c, keys[:31]...)
		equal(s, s.count(c, keys...), 1, fmt.Sprintf("entries after 31 Sets with a limit of 30 and a frequency of %d", frequency))
		s.fill(c, keys[31:]...) // as in Django's test_zero_cull
		equal(s, s.count(c, keys...), 19, fmt.Sprintf("entries after 49 Sets with a limit of 30 and a frequency of %d", frequency))
	}
}

// entries returns a function that returns how many entries a location holds at the
// moment, or nil if that cannot be told.
func entries(s *subject, c *cache.Cache) func() int {
	switch {
	case s.can(cache.CanCount):
		return func() int {
			stats, err := c.Stats()
			if err != nil {
				s.Errorf("Stats: %v", err)
			}
			return stats.Entries
		}
	case s.can(cache.CanList):
		return func() (n int) {
			for _, err := range c.ListAll(s.ctx) {
				if err != nil {
					s.Errorf("ListAll: %v", err)
				}
				n++
			}
			return n
		}
	default:
		return nil
	}
}

func limitHoldsAtAnyInstant(s *subject) {
	const limit, writers = 40, 4
	rounds := 2000
	if testing.Short() {
		rounds = 400
	}
	for _, cull := range []cache.Cull{{}, cache.Batch(7)} {
		c := s.on(s.fresh(), cache.Config{MaxEntries: limit, Cull: cull})
		held := entries(s, c)
		if held == nil {
			s.Skip("not claimed: CanCount or CanList")
		}
		view := cache.For[int](c)
		keys := numbered(4 * limit)
		var writing lock.Int64
		writing.Store(writers)
		s.together(writers+1, func(i int) {
			if i == writers {
				for writing.Load() > 0 {
					if n := held(); n > limit {
						s.Errorf("%d entries are held with a limit of %d and %v", n, limit, cull)
						return
					}
				}
				return
			}
			defer writing.Add(-1)
			random := rand.New(rand.NewPCG(1, uint64(i)))
			for n := range rounds {
				key := keys[random.IntN(len(keys))]
				err := view.Set(s.ctx, key, n)
				if random.IntN(4) == 0 {
					_, err = view.Delete(s.ctx, key)
				}
				if err != nil {
					s.Errorf("a write: %v", err)
				}
			}
		})
	}
}

func storeComesDown(s *subject) {
	for _, at := range []struct {
		cull  cache.Cull
		after []int // entries after each write that adds one
	}{
		{cache.Cull{}, []int{6, 6}},
		{cache.Batch(2), []int{11, 7, 5, 6, 4}}, // of 20, 11, 7 and then 6 half goes before the write
	} {
		b := s.fresh()
		wide := s.on(b, cache.Config{MaxEntries: 100})
		narrow := s.on(b, cache.Config{MaxEntries: 6, Cull: at.cull})
		keys := numbered(20 + len(at.after))
		s.fill(wide, keys[:20]...)
		for i, want := range at.after {
			s.fill(narrow, keys[20+i])
			equal(s, s.count(wide, keys...), want, fmt.Sprintf("entries after write %d with a limit of 6 and %v", i+1, at.cull))
			s.kept(wide, "its own write", keys[20+i])
		}
	}
}

func evictedAreGone(s *subject) {
	records := &logCounter{}
	c := s.alias(cache.Config{MaxEntries: 2, Logger: slog.New(records)})
	s.fill(c, "a", "b", "c")
	s.lacks(c, "a")
	equal(s, records.count.Load(), 0, "log records of an eviction")
}

// logCounter is a log handler that counts records.
type logCounter struct {
	count lock.Int64
	call  func() // if not nil, for each
}

func (*logCounter) Enabled(context.Context, slog.Level) bool { return true }

func (r *logCounter) Handle(context.Context, slog.Record) error {
	r.count.Add(1)
	if r.call != nil {
		r.call()
	}
	return nil
}

func (r *logCounter) WithAttrs([]slog.Attr) slog.Handler { return r }

func (r *logCounter) WithGroup(string) slog.Handler { return r }

// stats returns the location's counters.
func (s *subject) stats(c *cache.Cache) (uint64, uint64) {
	s.Helper()
	stats, err := c.Stats()
	s.noError(err, "Stats")
	return stats.Evicted, uint64(stats.Entries)
}

func evictionsAreCounted(s *subject) {
	c := s.alias(cache.Config{MaxEntries: 3})
	before, _ := s.stats(c)
	s.fill(c, numbered(10)...)
	after, _ := s.stats(c)
	equal(s, after-before, 7, "evictions by 10 Sets with a limit of 3")
}

func leastRecentlyUsedGoes(s *subject) {
	limit := 4096
	if testing.Short() {
		limit = 512
	}
	c := s.alias(cache.Config{MaxEntries: limit})
	other := s.alias(cache.Config{MaxEntries: limit, KeyPrefix: "other"}) // the order is the location's
	aliases := []*cache.Cache{c, other}
	random := rand.New(rand.NewPCG(6, 28))
	type entry struct {
		alias int
		key   string
	}
	var order []entry // the least recently used first
	for _, key := range numbered(limit) {
		e := entry{random.IntN(2), key}
		set(s, aliases[e.alias], key, 1)
		order = append(order, e)
	}
	for range limit / 4 {
		i := random.IntN(len(order))
		e := order[i]
		get[int](s, aliases[e.alias], e.key)
		order = append(slices.Delete(order, i, i+1), e)
	}
	for n := range limit / 4 {
		set(s, aliases[n%2], fmt.Sprint("more-", n), 1)
		if victim := order[n]; s.has(aliases[victim.alias], victim.key) {
			s.Fatalf("the least recently used entry has survived addition %d", n)
		}
	}
	for _, e := range order[limit/4:] {
		if !s.has(aliases[e.alias], e.key) {
			s.Fatalf("%q is gone before those that were used longer ago", e.key)
		}
	}
}

// use is a call on an entry.
type use struct {
	name string
	call func(s *subject, c *cache.Cache, key string)
}

// oldest fills a location of three with a number and two texts, makes a call on
// the number, which was used longest ago, and adds an entry. It reports whether
// the number has survived.
func (u use) survives(s *subject) bool {
	s.Helper()
	c := s.on(s.fresh(), cache.Config{MaxEntries: 3})
	set(s, c, "number", 1)
	s.fill(c, "b", "c")
	u.call(s, c, "number")
	s.fill(c, "d")
	return s.has(c, "number")
}

func hitsAndWritesAreUses(s *subject) {
	for _, u := range []use{
		{"Get", func(s *subject, c *cache.Cache, key string) { get[int](s, c, key) }},
		{"GetMany", func(s *subject, c *cache.Cache, key string) { getMany[int](s, c, []string{key}) }},
		{"GetOrSet", func(s *subject, c *cache.Cache, key string) { getOrSet(s, c, key, loading(2)) }},
		{"Set", func(s *subject, c *cache.Cache, key string) { set(s, c, key, 2) }},
		{"SetMany", func(s *subject, c *cache.Cache, key string) { setMany(s, c, map[string]int{key: 2}) }},
		{"Add after Delete", func(s *subject, c *cache.Cache, key string) { s.del(c, key); add(s, c, key, 2) }},
		{"Incr", func(s *subject, c *cache.Cache, key string) { s.incr(c, key, 1) }},
		{"Decr", func(s *subject, c *cache.Cache, key string) {
			_, err := c.Decr(s.ctx, key, 1)
			s.noError(err, "Decr")
		}},
	} {
		if !u.survives(s) {
			s.Errorf("%s is no use", u.name)
		}
	}
}

func otherCallsAreNoUses(s *subject) {
	for _, u := range []use{
		{"Has", func(s *subject, c *cache.Cache, key string) { s.has(c, key) }},
		{"TTL", func(s *subject, c *cache.Cache, key string) {
			_, _, _, err := c.TTL(s.ctx, key)
			s.noError(err, "TTL")
		}},
		{"Touch", func(s *subject, c *cache.Cache, key string) { s.touch(c, key) }},
		{"a failing Add", func(s *subject, c *cache.Cache, key string) { add(s, c, key, 2) }},
		{"a failing Incr", func(s *subject, c *cache.Cache, key string) {
			_, err := c.Incr(s.ctx, key, 1<<63-1)
			s.wantError(err, cache.ErrOverflow, "Incr beyond 64 bits")
		}},
		{"a miss", func(s *subject, c *cache.Cache, key string) { get[int](s, c, key+"-missing") }},
		{"a Get of another version", func(s *subject, c *cache.Cache, key string) { get[int](s, c, key, cache.Version(2)) }},
	} {
		if u.survives(s) {
			s.Errorf("%s is a use", u.name)
		}
	}
}

func expiredGoes(s *subject) {
	c := s.alias(cache.Config{})
	set(s, c, "k", "value", cache.Timeout(s.unit))
	s.outlive(s.unit)
	s.lacks(c, "k")
	_, held := s.stats(c)
	equal(s, held, 0, "entries held after a Get of an expired one")
}

func deleteFreesRoom(s *subject) {
	c := s.alias(cache.Config{MaxEntries: 3})
	s.fill(c, "a", "b", "c")
	s.del(c, "c")
	s.fill(c, "d")
	s.kept(c, "a Set after a Delete", "a", "b", "d")
}

func limitsMayBeReplaced(s *subject) {
	c := s.alias(cache.Config{MaxEntries: 9})
	keys := numbered(20)
	s.fill(c, keys[:9]...)
	s.noError(c.SetLimits(cache.Limits{MaxEntries: 5}), "SetLimits")
	equal(s, s.count(c, keys...), 9, "entries before the next write")
	s.fill(c, keys[9])
	equal(s, s.count(c, keys...), 5, "entries after a write with the new limit")
	s.wantError(c.SetLimits(cache.Limits{MaxEntries: -1}), cache.ErrConfig, "SetLimits of -1 entries")
	s.fill(c, keys[10])
	equal(s, s.count(c, keys...), 5, "entries after limits were refused")
}

func limitBelowOneIsOne(s *subject) {
	w := cache.Write{Timeout: cache.Forever, Limits: cache.Limits{MaxEntries: -1}}
	for _, key := range []string{"a", "b"} {
		s.noError(s.backend.Set(s.ctx, key, []byte("value"), w), "Set with a limit of -1")
		_, found, err := s.backend.Get(s.ctx, key)
		s.noError(err, "Get")
		s.want(found, true, "Get after a Set with a limit of -1")
	}
	found, err := s.backend.Has(s.ctx, "a")
	s.noError(err, "Has")
	s.want(found, false, "Has of an older entry after a Set with a limit of -1")
}
