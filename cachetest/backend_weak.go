// SPDX-License-Identifier: MIT

package cachetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cache"
	"github.com/locmem/locmem/internal/lock"
)

// weaknessStatements are section W, as far as a backend shows them to its callers:
// what a cache can do better than LocMemCache.
var weaknessStatements = []statement{
	{"W3", "reads go on during a cull or Clear of a large store", limited, readsGoOnDuringACull},
	{"W4", "one entry goes at a time", limited, oneEntryGoesAtATime},
	{"W5", "the weight limit makes room", limited, weightMakesRoom},
	{"W5", "an entry too heavy alone is refused and its old value goes", limited, tooHeavyIsRefused},
	{"W5", "a heavier overwrite evicts others and not itself", limited, heavierOverwriteStays},
	{"W6", "statistics", cache.CanStore | cache.CanCount, statistics},
	{"W6", "listing", cache.CanStore | cache.CanList, listing},
	{"W6", "removal events come once with their causes", cache.CanStore | cache.CanWatch, removalEvents},
	{"W7", "a waiter leaves on its own context", 0, waiterLeaves},
	{"W7", "the end of the first caller fails no other", 0, firstCallerLeaves},
	{"W7", "a panic or the end of the goroutine strands nobody", 0, nobodyIsStranded},
	{"W7", "a Delete or Clear during a load wins", cache.CanStore | cache.CanLoad, removalWinsOverALoad},
	{"W9", "expired entries go without being looked at", cache.CanStore | cache.CanWatch, expiredGoUnseen},
	{"W11", "the remaining lifetime falls as the clock moves", cache.CanStore, lifetimeFalls},
	{"W13", "bad input leaves no broken store", cache.CanStore, badInputBreaksNothing},
	{"W14", "an invalidated tag takes its entries only", cache.CanStore | cache.CanTag, tagTakesItsEntries},
	{"W14", "a dropped namespace takes its entries only", cache.CanStore | cache.CanTag, namespaceTakesItsEntries},
	{"W14", "tags are refused where there are none", 0, tagsAreRefused},
	{"W15", "a snapshot keeps values and lifetimes", cache.CanStore | cache.CanSave, snapshotKeepsLifetimes},
	{"W15", "a snapshot keeps the order of use", limited | cache.CanSave, snapshotKeepsTheOrder},
	{"W15", "a damaged snapshot is refused whole", cache.CanStore | cache.CanSave, damagedSnapshotIsRefused},
	{"W16", "IncrVersion is one atomic step", cache.CanStore | cache.CanMove, incrVersionIsAtomic},
}

func readsGoOnDuringACull(s *subject) {
	size := 40_000
	if testing.Short() {
		size = 4_000
	}
	const hot = 16
	c := s.alias(cache.Config{MaxEntries: size, Cull: cache.Batch(8)})
	view := cache.For[string](c)
	keys := make([]string, size+1)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%06d", i)
		if i < size {
			set(s, c, keys[i], keys[i])
		}
	}
	var culled lock.Bool
	s.together(2, func(i int) {
		if i == 0 {
			defer culled.Store(true)
			if err := view.Set(s.ctx, keys[size], keys[size]); err != nil {
				s.Errorf("a Set that culls: %v", err)
			}
			return
		}
		for more := true; more; { // once more when the cull is over
			more = !culled.Load()
			for _, key := range keys[size-hot : size] {
				value, found, err := view.Get(s.ctx, key)
				if err != nil || !found || value != key {
					s.Errorf("Get beside a cull: %q, %t, %v", value, found, err)
					return
				}
			}
		}
	})
	equal(s, s.count(c, keys...), size-size/8+1, fmt.Sprintf("entries after a Set that culls one of 8 of %d", size))

	var cleared lock.Bool
	s.together(2, func(i int) {
		if i == 0 {
			defer cleared.Store(true)
			if err := view.Clear(s.ctx); err != nil {
				s.Errorf("Clear: %v", err)
			}
			return
		}
		for n := 0; !cleared.Load(); n++ {
			key := keys[n%len(keys)]
			value, found, err := view.Get(s.ctx, key)
			if err != nil || found && value != key {
				s.Errorf("Get beside a Clear: %q, %t, %v", value, found, err)
				return
			}
		}
	})
	equal(s, s.count(c, keys...), 0, "entries after Clear")
}

func oneEntryGoesAtATime(s *subject) {
	const limit = 50
	c := s.alias(cache.Config{MaxEntries: limit})
	keys := numbered(2 * limit)
	s.fill(c, keys[:limit]...)
	for n, key := range keys[limit:] {
		s.fill(c, key)
		if held := s.count(c, keys...); held != limit {
			s.Fatalf("%d entries after addition %d to a full store of %d", held, n+1, limit)
		}
	}
}

// weighing is a configuration in which an entry weighs what its text is long.
func weighing(limit int64) cache.Config {
	return cache.Config{MaxWeight: limit, Weigh: func(_ string, value any) int64 {
		text, _ := value.(string)
		return int64(len(text))
	}}
}

// heavy returns a text of a length.
func heavy(n int) string { return strings.Repeat("x", n) }

func weightMakesRoom(s *subject) {
	c := s.alias(weighing(35))
	keys := numbered(8)
	for i, key := range keys {
		set(s, c, key, heavy(10))
		equal(s, s.count(c, keys...), min(i+1, 3), "entries of weight 10 with a limit of 35")
		s.kept(c, "a write with a limit of weight", key)
	}
}

func tooHeavyIsRefused(s *subject) {
	c := s.alias(weighing(100))
	set(s, c, "other", heavy(10))
	set(s, c, "k", heavy(10))
	s.wantError(cache.For[string](c).Set(s.ctx, "k", heavy(101)), cache.ErrTooLarge, "Set of a weight of 101 with a limit of 100")
	s.lacks(c, "k")
	s.kept(c, "a write that is too heavy", "other")
	set(s, c, "k", heavy(100))

	if s.config.Codec == cache.NoCopy {
		return
	}
	c = s.on(s.fresh(), cache.Config{MaxWeight: 100}) // the weight is that of the bytes
	set(s, c, "k", heavy(50))
	s.wantError(cache.For[string](c).Set(s.ctx, "k", heavy(200)), cache.ErrTooLarge, "Set of 200 bytes with a limit of 100")
}

func heavierOverwriteStays(s *subject) {
	c := s.alias(weighing(35))
	for _, key := range []string{"a", "b", "c"} {
		set(s, c, key, heavy(10))
	}
	set(s, c, "a", heavy(25)) // the least recently used
	holds(s, c, "a", heavy(25))
	equal(s, s.count(c, "b", "c"), 1, "the others of weight 10, beside one of 25 with a limit of 35")
}

// counters returns the location's counters.
func (s *subject) counters(c *cache.Cache) locmem.Stats {
	s.Helper()
	stats, err := c.Stats()
	s.noError(err, "Stats")
	return stats
}

func statistics(s *subject) {
	c := s.alias(cache.Config{})
	before := s.counters(c)
	s.fill(c, "a", "b", "a", "c", "d")
	held := s.counters(c)
	equal(s, held.Inserts-before.Inserts, 4, "inserts")
	equal(s, held.Updates-before.Updates, 1, "updates")
	equal(s, held.Entries, 4, "entries held")
	if held.Weight <= 0 {
		s.Errorf("the weight held: %d", held.Weight)
	}

	get[string](s, c, "a")
	get[string](s, c, "missing")
	getMany[string](s, c, []string{"a", "b", "missing"})
	read := s.counters(c)
	equal(s, read.Hits-held.Hits, 3, "hits")
	equal(s, read.Misses-held.Misses, 2, "misses")

	s.clear(c)
	after := s.counters(c)
	equal(s, after.Replaced-before.Replaced, 1, "removals by an overwrite")
	equal(s, after.Cleared-before.Cleared, 4, "removals by Clear")
	equal(s, after.Entries, 0, "entries held after Clear")
	equal(s, after.Weight, 0, "the weight held after Clear")
	s.fill(c, "a")
	s.del(c, "a")
	equal(s, s.counters(c).Deleted-before.Deleted, 1, "removals by Delete")

	if s.can(cache.CanLoad) {
		getOrSet(s, c, "loaded", loading("value"))
		getOrSet(s, c, "loaded", loading("value"))
		equal(s, s.counters(c).Loads-after.Loads, 1, "loads")
	}
}

// listed collects a list: remaining lifetimes by final keys.
func (s *subject) listed(list func(func(cache.Listed, error) bool)) map[string]time.Duration {
	s.Helper()
	out := map[string]time.Duration{}
	for l, err := range list {
		s.noError(err, "List")
		if _, again := out[l.Key]; again {
			s.Errorf("List has yielded %q twice", l.Key)
		}
		out[l.Key] = l.Remaining
	}
	return out
}

func listing(s *subject) {
	c := s.alias(cache.Config{KeyPrefix: "p", Timeout: cache.Never()})
	other := s.alias(cache.Config{KeyPrefix: "q", Timeout: cache.Never()})
	s.fill(c, "user:1", "user:2", "page:1")
	s.fill(other, "user:3")
	set(s, c, "user:4", "value", cache.Version(2))
	set(s, c, "user:5", "value", cache.Timeout(8*s.unit))
	set(s, c, "user:6", "value", cache.Timeout(s.unit))
	s.outlive(s.unit)

	got := s.listed(c.List(s.ctx, "user:"))
	equal(s, sortedKeys(got), []string{"p:1:user:1", "p:1:user:2", "p:1:user:5"}, "the keys listed by a prefix")
	if left := got["p:1:user:5"]; left <= 0 || left > 8*s.unit+s.config.Granularity {
		s.Errorf("the remaining lifetime listed: %v", left)
	}
	equal(s, got["p:1:user:1"], cache.Forever, "the remaining lifetime listed of a permanent entry")
	equal(s, sortedKeys(s.listed(c.List(s.ctx, "", cache.Version(2)))), []string{"p:2:user:4"}, "the keys listed of a version")
	equal(s, sortedKeys(s.listed(c.ListAll(s.ctx))),
		[]string{"p:1:page:1", "p:1:user:1", "p:1:user:2", "p:1:user:5", "p:2:user:4", "q:1:user:3"}, "the keys of the location")
}

// witness notes the causes of removals by final keys.
type witness struct {
	mu     lock.Mutex                // protects causes
	causes map[string][]locmem.Cause // +checklocks:mu
}

func (w *witness) note(r cache.Removal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.causes == nil {
		w.causes = map[string][]locmem.Cause{}
	}
	w.causes[r.Key] = append(w.causes[r.Key], r.Cause)
}

// of returns the causes noted for a key.
func (w *witness) of(key string) []locmem.Cause {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.causes[key])
}

// until waits for a condition.
func (s *subject) until(met func() bool) bool {
	over := time.Now().Add(patience)
	for !met() {
		if !time.Now().Before(over) {
			return false
		}
		s.pause()
	}
	return true
}

func removalEvents(s *subject) {
	c := s.alias(cache.Config{})
	s.fill(c, "before")
	var seen witness
	stop, err := c.Watch(seen.note)
	s.noError(err, "Watch")
	want := map[string][]locmem.Cause{}
	event := func(key string, causes ...locmem.Cause) { want[":1:"+key] = causes }

	s.del(c, "before")
	event("before", locmem.Deleted)
	s.fill(c, "replaced", "replaced", "cleared")
	event("replaced", locmem.Replaced, locmem.Cleared)
	event("cleared", locmem.Cleared)
	if s.can(cache.CanTag) {
		set(s, c, "tagged", "value", cache.Tags("tag"))
		s.noError(c.InvalidateTags(s.ctx, "tag"), "InvalidateTags")
		s.fill(c, "tagged") // a write that meets it
		event("tagged", locmem.Invalidated, locmem.Cleared)
	}
	if s.can(cache.CanMove) {
		s.fill(c, "moved")
		_, err := c.IncrVersion(s.ctx, "moved", 1)
		s.noError(err, "IncrVersion")
		event("moved", locmem.Moved)
	}
	s.clear(c)
	if s.can(cache.CanLimit) {
		narrow := s.alias(cache.Config{MaxEntries: 1})
		s.fill(narrow, "evicted", "last")
		event("evicted", locmem.Evicted)
		event("last", locmem.TooHeavy)
		err := cache.For[string](s.alias(weighing(5))).Set(s.ctx, "last", heavy(6))
		s.wantError(err, cache.ErrTooLarge, "Set of a weight of 6 with a limit of 5")
	}
	for key, causes := range want {
		s.until(func() bool { return len(seen.of(key)) >= len(causes) })
		if got := seen.of(key); !slices.Equal(got, causes) {
			s.Errorf("%q has gone because of %v, not %v", key, got, causes)
		}
	}
	stop()
	stop() // once is enough, twice no harm
	s.fill(c, "after")
	s.del(c, "after")
	equal(s, seen.of(":1:after"), nil, "events after the listener was stopped")
}

// loadBehind is a load function that waits for a gate, or for the end of its context.
// If it is given a second gate, that opens when it has begun.
func loadBehind(gate, begun *lock.Gate) func(context.Context) (string, error) {
	var again lock.Bool
	return func(ctx context.Context) (string, error) {
		if begun != nil && again.CompareAndSwap(false, true) {
			begun.Open()
		}
		if err := gate.Wait(ctx); err != nil {
			return "", err
		}
		return "loaded", nil
	}
}

func waiterLeaves(s *subject) {
	view := cache.For[string](s.alias(cache.Config{}))
	gate, begun := lock.NewGate(), lock.NewGate()
	first := s.beside(func() {
		if value, err := view.GetOrSet(s.ctx, "k", loadBehind(gate, begun)); err != nil || value != "loaded" {
			s.Errorf("GetOrSet of the first caller: %q, %v", value, err)
		}
	})
	s.await(begun, "a load to begin")
	own, leave := context.WithCancel(s.ctx)
	second := s.beside(func() {
		_, err := view.GetOrSet(own, "k", loadBehind(gate, nil))
		s.wantError(err, context.Canceled, "GetOrSet of a waiter whose context has ended")
	})
	s.pause()
	leave()
	s.await(second, "a waiter whose context has ended")
	gate.Open()
	s.await(first, "the first caller")
}

func firstCallerLeaves(s *subject) {
	view := cache.For[string](s.alias(cache.Config{}))
	gate, begun := lock.NewGate(), lock.NewGate()
	own, leave := context.WithCancel(s.ctx)
	first := s.beside(func() {
		_, err := view.GetOrSet(own, "k", loadBehind(gate, begun))
		s.wantError(err, context.Canceled, "GetOrSet of the first caller, whose context has ended")
	})
	s.await(begun, "a load to begin")
	second := s.beside(func() {
		value, err := view.GetOrSet(s.ctx, "k", loadBehind(gate, nil))
		if err != nil || value != "loaded" {
			s.Errorf("GetOrSet of a waiter when the first caller has left: %q, %v", value, err)
		}
	})
	s.pause()
	leave()
	s.await(first, "the first caller, whose context has ended")
	s.pause()
	gate.Open()
	s.await(second, "a waiter")
}

func nobodyIsStranded(s *subject) {
	const callers = 4
	view := cache.For[string](s.alias(cache.Config{}))
	for name, end := range map[string]func(){
		"panic":  func() { panic("in a load") },
		"Goexit": runtime.Goexit,
	} {
		var here lock.Int64
		all := lock.NewGate()
		s.together(callers, func(int) {
			if here.Add(1) == callers {
				all.Open()
			}
			_, err := view.GetOrSet(s.ctx, name, func(ctx context.Context) (string, error) {
				if err := all.Wait(ctx); err != nil {
					return "", err
				}
				s.pause()
				end()
				return "", nil
			})
			if err == nil {
				s.Errorf("a load ended by %s: a caller got no error", name)
			}
		})
		equal(s, getOrSet(s, view.Cache, name, loading("loaded")), "loaded", "GetOrSet after a load ended by "+name)
	}
}

func removalWinsOverALoad(s *subject) {
	c := s.alias(cache.Config{})
	for name, remove := range map[string]func() error{
		"Delete":     func() error { _, err := c.Delete(s.ctx, "k"); return err },
		"DeleteMany": func() error { return c.DeleteMany(s.ctx, []string{"k"}) },
		"Clear":      func() error { return c.Clear(s.ctx) },
	} {
		value := getOrSet(s, c, "k", func(context.Context) (string, error) { return "loaded", remove() })
		equal(s, value, "loaded", "GetOrSet with a "+name+" during the load")
		s.lacks(c, "k")
	}
}

func expiredGoUnseen(s *subject) {
	c := s.alias(cache.Config{})
	var seen witness
	stop, err := c.Watch(seen.note)
	s.noError(err, "Watch")
	defer stop()
	keys := numbered(5)
	for _, key := range keys {
		set(s, c, key, "value", cache.Timeout(s.unit))
	}
	s.outlive(s.unit)
	for _, key := range keys {
		if !s.until(func() bool { return len(seen.of(":1:"+key)) > 0 }) {
			s.Fatal("there is no event of an expired entry that nobody looks at")
		}
		equal(s, seen.of(":1:"+key), []locmem.Cause{locmem.Expired}, "the events of an expired entry that nobody looks at")
	}
}

func lifetimeFalls(s *subject) {
	c := s.alias(cache.Config{})
	set(s, c, "k", "value", cache.Timeout(8*s.unit))
	before, _, _ := s.ttl(c, "k")
	s.advance(2 * s.unit)
	after, _, found := s.ttl(c, "k")
	if fall := before - after; !found || fall < 2*s.unit-s.config.Granularity || s.manual() && fall > 2*s.unit+s.config.Granularity {
		s.Errorf("%v after %v were left there are %v (%t)", 2*s.unit, before, after, found)
	}
}

func badInputBreaksNothing(s *subject) {
	c := s.alias(cache.Config{})
	view := cache.For[int](c)
	long := strings.Repeat("k", 300)
	keys := []string{"", long, "a\x00b", "\xff\xfe", " ", "\n", "é́", strings.Repeat(":", 100)}
	for _, key := range append(keys, "k") {
		for _, version := range []int{0, -1, math.MinInt, math.MaxInt} {
			for _, d := range []time.Duration{math.MinInt64, 0, math.MaxInt64} {
				opts := []cache.Option{cache.Version(version), cache.Timeout(d)}
				_ = view.Set(s.ctx, key, 1, opts...)
				_, _ = view.Add(s.ctx, key, 1, opts...)
				_, _ = view.Touch(s.ctx, key, opts...)
				_, _ = view.GetOrSet(s.ctx, key, loading(1), opts...)
				_, _ = view.IncrVersion(s.ctx, key, math.MaxInt, opts...)
				_, _ = view.DecrVersion(s.ctx, key, math.MinInt, opts...)
				_, _ = view.Incr(s.ctx, key, math.MaxInt64, opts...)
				_, _ = view.Incr(s.ctx, key, math.MinInt64, opts...)
				_, _ = view.Delete(s.ctx, key, opts...)
			}
		}
	}
	_, _ = view.SetMany(s.ctx, nil)
	_, _ = view.GetMany(s.ctx, nil)
	_ = view.DeleteMany(s.ctx, nil)
	_, _ = view.GetMany(s.ctx, []string{"k", "k", ""})
	_ = view.DeleteMany(s.ctx, []string{"k", "k", ""})
	_ = view.InvalidateTags(s.ctx)
	_ = view.InvalidateTags(s.ctx, "", "\x00")
	_ = view.SetLimits(cache.Limits{MaxEntries: math.MinInt, MaxWeight: -1, Cull: cache.Batch(-1)})
	_ = view.Restore(s.ctx, strings.NewReader("no snapshot"))

	s.clear(c)
	set(s, c, "k", 1)
	equal(s, s.incr(c, "k", 1), 2, "Incr after bad input")
	equal(s, getOrSet(s, c, "loaded", loading(3)), 3, "GetOrSet after bad input")
	holds(s, c, "loaded", 3)
	if s.can(cache.CanCount) {
		equal(s, s.counters(c).Entries, 2, "entries held after bad input")
	}
	s.want(s.del(c, "k"), true, "Delete after bad input")
}

func tagTakesItsEntries(s *subject) {
	c := s.alias(cache.Config{})
	other := s.alias(cache.Config{KeyPrefix: "other"})
	set(s, c, "ab", "value", cache.Tags("a", "b"))
	set(s, c, "b", "value", cache.Tags("b"))
	set(s, c, "none", "value")
	set(s, c, "was-a", "value", cache.Tags("a"))
	set(s, c, "was-a", "value") // without tags now
	set(s, other, "a", "value", cache.Tags("a"))
	getOrSet(s, c, "loaded", loading("value"), cache.Tags("a"))
	add(s, c, "added", "value", cache.Tags("a"))
	setMany(s, c, map[string]string{"many": "value"}, cache.Tags("a"))

	s.noError(c.InvalidateTags(s.ctx, "unknown"), "InvalidateTags")
	s.kept(c, "InvalidateTags of another tag", "ab", "b", "none", "was-a", "loaded", "added", "many")
	s.noError(c.InvalidateTags(s.ctx, "a"), "InvalidateTags")
	for _, key := range []string{"ab", "loaded", "added", "many"} {
		s.lacks(c, key)
	}
	s.lacks(other, "a")
	s.kept(c, "InvalidateTags", "b", "none", "was-a")
	set(s, c, "ab", "value", cache.Tags("a"))
	s.kept(c, "a write after InvalidateTags", "ab")
}

func namespaceTakesItsEntries(s *subject) {
	c := s.alias(cache.Config{})
	users := c.Namespace("users")
	admins := users.Namespace("admins")
	pages := c.Namespace("pages")
	set(s, c, "k", "of the alias")
	set(s, users, "k", "of users")
	set(s, users, "k", "of users", cache.Version(2))
	set(s, admins, "k", "of admins")
	set(s, pages, "k", "of pages")
	holds(s, users, "k", "of users")
	holds(s, c, "users:admins:k", "of admins")

	s.noError(admins.Drop(s.ctx), "Drop")
	s.lacks(admins, "k")
	holds(s, users, "k", "of users")
	set(s, admins, "k", "of admins")
	s.noError(users.Drop(s.ctx), "Drop")
	s.lacks(users, "k")
	s.lacks(users, "k", cache.Version(2))
	s.lacks(admins, "k")
	holds(s, c, "k", "of the alias")
	holds(s, pages, "k", "of pages")
	s.wantError(c.Drop(s.ctx), cache.ErrArgument, "Drop of what is no namespace")
}

func tagsAreRefused(s *subject) {
	if s.can(cache.CanTag) {
		s.Skip("claimed: CanTag")
	}
	c := s.alias(cache.Config{})
	s.wantError(cache.For[string](c).Set(s.ctx, "k", "value", cache.Tags("a")), cache.ErrUnsupported, "Set with tags")
	s.wantError(c.InvalidateTags(s.ctx, "a"), cache.ErrUnsupported, "InvalidateTags")
	s.wantError(cache.For[string](c.Namespace("n")).Set(s.ctx, "k", "value"), cache.ErrUnsupported, "Set in a namespace")
	s.wantError(c.Namespace("n").Drop(s.ctx), cache.ErrUnsupported, "Drop")
}

// saved returns a snapshot of an alias's location.
func (s *subject) saved(c *cache.Cache) []byte {
	s.Helper()
	var out bytes.Buffer
	s.noError(c.Save(s.ctx, &out), "Save")
	return out.Bytes()
}

// restored returns an alias on another location, with what was saved.
func (s *subject) restored(snapshot []byte, config cache.Config) *cache.Cache {
	s.Helper()
	c := s.on(s.fresh(), config)
	s.noError(c.Restore(s.ctx, bytes.NewReader(snapshot)), "Restore")
	return c
}

func snapshotKeepsLifetimes(s *subject) {
	config := cache.Config{Codec: s.codec()}
	c := s.alias(config)
	set(s, c, "number", 42, cache.Never())
	set(s, c, "text", "value", cache.Timeout(8*s.unit))
	set(s, c, "text", "of version 2", cache.Version(2), cache.Never())
	set(s, c, "mortal", "value", cache.Timeout(s.unit))
	snapshot := s.saved(c)
	s.outlive(s.unit) // by the suite's margin at most, if the clock is moved by hand

	c = s.restored(snapshot, config)
	holds(s, c, "number", 42)
	holds(s, c, "text", "value")
	holds(s, c, "text", "of version 2", cache.Version(2))
	s.lacks(c, "mortal")
	_, never, _ := s.ttl(c, "number")
	s.want(never, true, "a permanent entry is permanent after Restore")
	left, never, found := s.ttl(c, "text")
	if never || !found || left > 7*s.unit+s.config.Granularity || s.manual() && left < 6*s.unit-s.config.Slack-s.config.Granularity {
		s.Errorf("after Restore an entry has %v left (never: %t, found: %t): of %v over %v have passed", left, never, found, 8*s.unit, s.unit)
	}
}

func snapshotKeepsTheOrder(s *subject) {
	config := cache.Config{Codec: s.codec(), MaxEntries: 40}
	c := s.alias(config)
	keys := numbered(40)
	s.fill(c, keys...)
	order := append(slices.Clone(keys[1:]), keys[0]) // of use
	get[string](s, c, keys[0])
	get[string](s, c, keys[20])
	order = append(slices.Delete(order, 19, 20), keys[20])

	c = s.restored(s.saved(c), config)
	for n, key := range order { // each addition removes one: this one, or another
		s.fill(c, fmt.Sprint("more-", n))
		if s.has(c, key) {
			s.Fatalf("%q, the least recently used, is there after %d additions to a restored store", key, n+1)
		}
	}
}

func damagedSnapshotIsRefused(s *subject) {
	config := cache.Config{Codec: s.codec()}
	c := s.alias(config)
	set(s, c, "a", "new", cache.Timeout(time.Hour))
	set(s, c, "b", "new", cache.Never())
	snapshot := s.saved(c)
	target := s.on(s.fresh(), config)
	set(s, target, "a", "old", cache.Never())
	refused := func(damaged []byte, what string) bool {
		err := target.Restore(s.ctx, bytes.NewReader(damaged))
		a, _ := get[string](s, target, "a")
		if _, never, _ := s.ttl(target, "a"); err != nil && a == "old" && never && !s.has(target, "b") {
			return true
		}
		s.Errorf("Restore of a snapshot %s: %v; then the old entry has the value %q", what, err, a)
		return false
	}
	for n := range snapshot {
		damaged := bytes.Clone(snapshot)
		damaged[n] ^= 0x10
		if !refused(damaged, fmt.Sprintf("with byte %d of %d changed", n, len(snapshot))) ||
			!refused(snapshot[:n], fmt.Sprintf("cut off after byte %d of %d", n, len(snapshot))) {
			return
		}
	}
	s.noError(target.Restore(s.ctx, bytes.NewReader(snapshot)), "Restore of the snapshot itself")
	holds(s, target, "a", "new")
}

// incrVersionIsAtomic has goroutines move one entry, which exactly one can, while
// another follows it upwards: whoever does not find it at a version any more finds
// it at a later one, and at one only.
func incrVersionIsAtomic(s *subject) {
	const movers = 3
	rounds := scaled(500)
	c := s.alias(cache.Config{})
	set(s, c, "k", "value")
	var at lock.Int64 // the version at which the entry is, or one less
	at.Store(1)
	over := time.Now().Add(patience)
	s.together(movers+1, func(i int) {
		if i == movers {
			for version := 1; version <= rounds && !s.Failed(); {
				below, err := c.Has(s.ctx, "k", cache.Version(version))
				above, err2 := c.Has(s.ctx, "k", cache.Version(version+1))
				again, err3 := c.Has(s.ctx, "k", cache.Version(version))
				if err := errors.Join(err, err2, err3); err != nil {
					s.Errorf("Has: %v", err)
					return
				}
				switch moved := int(at.Load()); {
				case above && again:
					s.Errorf("the entry is at versions %d and %d", version, version+1)
					return
				case !below && version > moved+1:
					s.Errorf("the entry is at no version up to %d, and was moved to %d", version, moved)
					return
				case !below:
					version++
				}
			}
			return
		}
		for version := 1; version <= rounds && !s.Failed(); {
			to, err := c.IncrVersion(s.ctx, "k", 1, cache.Version(version))
			switch {
			case err == nil && to != version+1:
				s.Errorf("IncrVersion of version %d: %d", version, to)
				return
			case err == nil:
				if !at.CompareAndSwap(int64(version), int64(to)) {
					s.Errorf("version %d was moved twice", version)
					return
				}
				version = to
			case !errors.Is(err, cache.ErrMiss):
				s.Errorf("IncrVersion: %v", err)
				return
			case at.Load() > int64(version): // another mover was first
				version = int(at.Load())
			case time.Now().After(over):
				s.Errorf("the entry is lost between versions %d and %d", version, version+1)
			default:
				lock.Yield()
			}
		}
	})
	holds(s, c, "k", "value", cache.Version(rounds+1))
}
