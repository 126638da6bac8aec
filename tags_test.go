// SPDX-License-Identifier: MIT

package locmem_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
)

// unsighted are calls on key 1, whose entry holds 1 and was invalidated: do
// reports whether the call has noticed the entry. after is what the key holds
// then, 0 for nothing.
var unsighted = []struct {
	name  string
	do    func(t *testing.T, e *locmem.Engine[int, int]) (noticed bool)
	after int
}{
	{"Get", func(_ *testing.T, e *locmem.Engine[int, int]) bool { _, ok := e.Get(1); return ok }, 0},
	{"Peek", func(_ *testing.T, e *locmem.Engine[int, int]) bool { _, ok := e.Peek(1); return ok }, 0},
	{"Has", func(_ *testing.T, e *locmem.Engine[int, int]) bool { return e.Has(1) }, 0},
	{"GetMany", func(_ *testing.T, e *locmem.Engine[int, int]) bool { return len(e.GetMany([]int{1, 9})) > 0 }, 0},
	{"GetOrSet", func(t *testing.T, e *locmem.Engine[int, int]) bool {
		value, err := e.GetOrSet(context.Background(), 1, func(context.Context, int) (int, error) { return 2, nil })
		require.NoError(t, err)
		return value != 2
	}, 2},
	{"GetOrSet that fails", func(t *testing.T, e *locmem.Engine[int, int]) bool {
		_, err := e.GetOrSet(context.Background(), 1, func(context.Context, int) (int, error) { return 0, errAway })
		return !errors.Is(err, errAway)
	}, 0},
	{"Fetch", func(t *testing.T, e *locmem.Engine[int, int]) bool {
		entry, err := e.Fetch(context.Background(), 1, func(context.Context, int) (int, error) { return 2, nil })
		require.NoError(t, err)
		return entry.Value != 2 || entry.Stale
	}, 2},
	{"GetOrSetMany", func(t *testing.T, e *locmem.Engine[int, int]) bool {
		values, err := e.GetOrSetMany(context.Background(), []int{1}, func(context.Context, []int) (map[int]int, error) {
			return map[int]int{1: 2}, nil
		})
		require.NoError(t, err)
		return values[1] != 2
	}, 2},
	{"Compute", func(_ *testing.T, e *locmem.Engine[int, int]) (noticed bool) {
		e.Compute(1, func(_ locmem.Entry[int], found bool) (int, locmem.Op) {
			noticed = noticed || found
			return 2, locmem.Store
		})
		return noticed
	}, 2},
	{"Set", func(_ *testing.T, e *locmem.Engine[int, int]) bool { return !e.Set(1, 2) }, 2},
	{"Set that keeps the lifetime", func(_ *testing.T, e *locmem.Engine[int, int]) bool {
		e.Set(1, 2, locmem.KeepTTL())
		entry, _ := e.Peek(1)
		return !entry.Deadline.IsZero()
	}, 2},
	{"SetMany", func(_ *testing.T, e *locmem.Engine[int, int]) bool { return e.SetMany(map[int]int{1: 2}) != 1 }, 2},
	{"Add", func(_ *testing.T, e *locmem.Engine[int, int]) bool { return !e.Add(1, 2) }, 2},
	{"Replace", func(_ *testing.T, e *locmem.Engine[int, int]) bool { return e.Replace(1, 2) }, 0},
	{"Touch", func(_ *testing.T, e *locmem.Engine[int, int]) bool { return e.Touch(1, locmem.NoTTL()) }, 0},
	{"Take", func(_ *testing.T, e *locmem.Engine[int, int]) bool { _, ok := e.Take(1); return ok }, 0},
	{"Delete", func(_ *testing.T, e *locmem.Engine[int, int]) bool { return e.Delete(1) }, 0},
	{"DeleteMany", func(_ *testing.T, e *locmem.Engine[int, int]) bool { return e.DeleteMany([]int{1}) > 0 }, 0},
	{"CompareAndSwap", func(_ *testing.T, e *locmem.Engine[int, int]) bool { return locmem.CompareAndSwap(e, 1, 1, 2) }, 0},
	{"Incr", func(t *testing.T, e *locmem.Engine[int, int]) bool {
		_, ok, err := locmem.Incr(e, 1, 1)
		require.NoError(t, err)
		return ok
	}, 0},
	{"All", func(_ *testing.T, e *locmem.Engine[int, int]) (noticed bool) {
		for key := range e.All() {
			noticed = noticed || key == 1
		}
		return noticed
	}, 0},
	{"Save", func(t *testing.T, e *locmem.Engine[int, int]) bool {
		return restored(t, savedBytes(t, e), locmem.Options[int, int]{MaxEntries: 10}).Has(1)
	}, 0},
}

func TestNoMethodSeesAnInvalidatedEntry(t *testing.T) {
	t.Parallel()
	windows := func(o *locmem.Options[int, int]) {
		o.StaleFor, o.StaleIfError, o.RefreshAhead, o.NegativeTTL = time.Hour, time.Hour, time.Minute, time.Minute
	}
	for _, state := range []struct {
		name  string
		opts  func(*locmem.Options[int, int])
		later time.Duration // how long the entry has been there
	}{
		{"live", func(*locmem.Options[int, int]) {}, 0},
		{"exact order", func(o *locmem.Options[int, int]) { o.Policy = evict.LRU }, 0},
		{"live, with windows", windows, 0},
		{"to be refreshed", windows, 9*time.Minute + 30*time.Second},
		{"stale", windows, 10*time.Minute + time.Second},
	} {
		for _, tc := range unsighted {
			t.Run(state.name+"/"+tc.name, func(t *testing.T) {
				opts := locmem.Options[int, int]{}
				state.opts(&opts)
				e, clock := timed(t, opts) // which does not purge unless it is moved
				e.Set(1, 1, locmem.TTL(10*time.Minute), locmem.Tags("a", "b"))
				e.Set(2, 2, locmem.Tags("a"))
				e.Set(3, 3)
				clock.Advance(state.later)
				e.InvalidateTags("b")
				require.Equal(t, 3, e.Len(), "the call has removed it")
				require.False(t, tc.do(t, e))
				value, ok := e.Get(1)
				require.Equal(t, tc.after != 0, ok)
				require.Equal(t, tc.after, value)
				require.True(t, e.Has(2) && e.Has(3), "others are gone")
				require.NoError(t, e.Validate())
			})
		}
	}
}

// Entries carry random tags, some of them twice; a model says who is hit.
func TestOneTagOfAnEntryIsEnoughAndOthersAreNotHit(t *testing.T) {
	t.Parallel()
	names := []string{"", "a", "b", "user:1", "user:10", "ü"}
	for _, policy := range []evict.Policy{evict.TinyClock, evict.LRU} {
		e := opened(t, locmem.Options[int, int]{MaxEntries: 1000, Policy: policy})
		other := opened(t, locmem.Options[int, int]{MaxEntries: 1000})
		rnd := rand.New(rand.NewPCG(1, 2))
		held := map[int][]string{}
		for round := range 60 {
			for key := range 20 {
				if rnd.IntN(3) > 0 {
					continue
				}
				var tags []string
				for range rnd.IntN(4) {
					tags = append(tags, names[rnd.IntN(len(names))])
				}
				require.True(t, e.Set(key, round, locmem.Tags(tags...)))
				require.True(t, other.Set(key, round, locmem.Tags(tags...)))
				held[key] = tags
			}
			var tags []string
			for range rnd.IntN(3) {
				tags = append(tags, names[rnd.IntN(len(names))])
			}
			tags = append(tags, "nobody's")
			e.InvalidateTags(tags...)
			for key, own := range held {
				if slices.ContainsFunc(own, func(tag string) bool { return slices.Contains(tags, tag) }) {
					delete(held, key)
				}
			}
			for key := range 20 {
				_, want := held[key]
				require.Equal(t, want, e.Has(key), "key %d with %q after %q in round %d", key, held[key], tags, round)
			}
			require.NoError(t, e.Validate())
		}
		e.InvalidateTags()
		require.Len(t, e.GetMany(slices.Collect(keysOf(held))), len(held), "no tag is no invalidation")
		require.Equal(t, 20, other.Len(), "another engine's tags are others")
		require.Zero(t, other.Stats().Invalidated)
	}
}

func keysOf(m map[int][]string) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

func TestAWriteStatesTheTagsAndKeepTTLKeepsThem(t *testing.T) {
	t.Parallel()
	tags, keep := locmem.Tags, locmem.KeepTTL()
	type engine = *locmem.Engine[int, int]
	store := func(locmem.Entry[int], bool) (int, locmem.Op) { return 2, locmem.Store }
	load := func(context.Context, int) (int, error) { return 2, nil }
	loadTagged := func(ctx context.Context, _ int) (int, error) { //nolint:unparam // a loader's results
		locmem.LoadOptions(ctx, tags("b"))
		return 2, nil
	}
	for _, tc := range []struct {
		name string
		do   func(e engine) // with 1 held under key 1, tagged a
		want string         // a letter for each tag that it carries then
	}{
		{"nothing", func(engine) {}, "a"},
		{"Set", func(e engine) { e.Set(1, 2) }, ""},
		{"Set with no tags", func(e engine) { e.Set(1, 2, tags()) }, ""},
		{"Set with tags", func(e engine) { e.Set(1, 2, tags("b", "c")) }, "bc"},
		{"Set with tags twice", func(e engine) { e.Set(1, 2, tags("a", "b"), tags("c")) }, "c"},
		{"Set with a tag twice", func(e engine) { e.Set(1, 2, tags("b", "b")) }, "b"},
		{"Set that keeps", func(e engine) { e.Set(1, 2, keep) }, "a"},
		{"Set that keeps the lifetime and has tags", func(e engine) { e.Set(1, 2, keep, tags("b")) }, "b"},
		{"Replace", func(e engine) { e.Replace(1, 2) }, ""},
		{"Replace that keeps", func(e engine) { e.Replace(1, 2, keep) }, "a"},
		{"refused Add", func(e engine) { e.Add(1, 2, tags("b")) }, "a"},
		{"SetMany", func(e engine) { e.SetMany(map[int]int{1: 2, 5: 5}, tags("b")) }, "b"},
		{"SetMany that keeps", func(e engine) { e.SetMany(map[int]int{1: 2}, keep) }, "a"},
		{"Compute", func(e engine) { e.Compute(1, store) }, ""},
		{"Compute that keeps", func(e engine) { e.Compute(1, store, keep) }, "a"},
		{"Compute with tags", func(e engine) { e.Compute(1, store, tags("c")) }, "c"},
		{"Incr", func(e engine) { _, _, _ = locmem.Incr(e, 1, 1) }, "a"},
		{"CompareAndSwap", func(e engine) { locmem.CompareAndSwap(e, 1, 1, 2) }, ""},
		{"CompareAndSwap that keeps", func(e engine) { locmem.CompareAndSwap(e, 1, 1, 2, keep) }, "a"},
		{"failed CompareAndSwap", func(e engine) { locmem.CompareAndSwap(e, 1, 9, 2, tags("b")) }, "a"},
		{"Touch", func(e engine) { e.Touch(1, locmem.TTL(time.Hour), tags("b")) }, "a"},
		{"Delete and Set", func(e engine) { e.Delete(1); e.Set(1, 2, keep) }, ""},
		{"Delete and Add", func(e engine) { e.Delete(1); e.Add(1, 2, tags("b")) }, "b"},
		{"Clear and Set", func(e engine) { e.Clear(); e.Set(1, 2, keep) }, ""},
		{"another key in the slot", func(e engine) { e.Delete(1); e.Set(7, 7); e.Set(1, 2) }, ""},
		{"invalidation and Set", func(e engine) { e.InvalidateTags("a"); e.Set(1, 2) }, ""},
		{"invalidation and Set that keeps", func(e engine) { e.InvalidateTags("a"); e.Set(1, 2, keep) }, ""},
		{"invalidation and Set with the tag", func(e engine) { e.InvalidateTags("a"); e.Set(1, 2, tags("a")) }, "a"},
		{"GetOrSet that hits", func(e engine) { _, _ = e.GetOrSet(context.Background(), 1, load, tags("b")) }, "a"},
		{"GetOrSet", func(e engine) { e.Delete(1); _, _ = e.GetOrSet(context.Background(), 1, load, tags("b")) }, "b"},
		{"GetOrSet whose loader has tags", func(e engine) {
			e.Delete(1)
			_, _ = e.GetOrSet(context.Background(), 1, loadTagged, tags("c"))
		}, "b"},
		{"Fetch whose loader has tags", func(e engine) {
			e.Delete(1)
			_, _ = e.Fetch(context.Background(), 1, loadTagged)
		}, "b"},
		{"GetOrSetMany", func(e engine) {
			e.Delete(1)
			_, _ = e.GetOrSetMany(context.Background(), []int{1, 2}, func(context.Context, []int) (map[int]int, error) {
				return map[int]int{1: 2, 2: 2}, nil
			}, tags("c"))
		}, "c"},
		{"a snapshot", func(e engine) {
			var file bytes.Buffer
			_ = e.Save(&file)
			e.Clear()
			_ = e.Restore(&file)
		}, "a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, tag := range []string{"a", "b", "c"} {
				e, _ := timed(t, locmem.Options[int, int]{Shards: 1})
				e.Set(1, 1, tags("a"), locmem.TTL(time.Minute))
				tc.do(e)
				require.True(t, e.Has(1))
				e.InvalidateTags(tag)
				require.Equal(t, !strings.Contains(tc.want, tag), e.Has(1), "after %s", tag)
				require.NoError(t, e.Validate())
			}
		})
	}
}

// The slice that was given to Tags is the caller's again.
func TestTagsAreThoseOfTheCall(t *testing.T) {
	t.Parallel()
	e, _ := timed(t, locmem.Options[int, int]{})
	names := []string{"a"}
	opt := locmem.Tags(names...)
	names[0] = "b"
	e.Set(1, 1, opt)
	e.InvalidateTags("b")
	require.True(t, e.Has(1))
	e.InvalidateTags("a")
	require.False(t, e.Has(1))
}

func TestAnInvalidatedEntryIsReportedOnceWhoeverRemovesIt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		act  func(e *locmem.Engine[int, int], clock *locmem.ManualClock)
	}{
		{"Set", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Set(1, 2) }},
		{"Set that has expired", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Set(1, 2, locmem.TTL(0)) }},
		{"Set too heavy", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Set(1, 101) }},
		{"Add", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Add(1, 2) }},
		{"SetMany", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.SetMany(map[int]int{1: 2}) }},
		{"Compute", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) {
			e.Compute(1, func(locmem.Entry[int], bool) (int, locmem.Op) { return 2, locmem.Store })
		}},
		{"Delete", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Delete(1) }},
		{"DeleteMany", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.DeleteMany([]int{1, 1}) }},
		{"Take", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Take(1) }},
		{"a load that fails", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) {
			_, _ = e.GetOrSet(context.Background(), 1, func(context.Context, int) (int, error) { return 0, errAway })
		}},
		{"GetOrSetMany", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) {
			_, _ = e.GetOrSetMany(context.Background(), []int{1}, func(context.Context, []int) (map[int]int, error) { return nil, errAway })
		}},
		{"Evict", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Evict(1) }},
		{"a full engine", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Set(2, 100) }},
		{"a Limit", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Set(2, 2, locmem.Limit(1)) }},
		{"Resize", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { _ = e.Resize(0, 5) }},
		{"a purge", func(_ *locmem.Engine[int, int], clock *locmem.ManualClock) { clock.Advance(1) }},
		{"its deadline", func(_ *locmem.Engine[int, int], clock *locmem.ManualClock) { clock.Advance(2 * time.Hour) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var list journal
			e, clock := timed(t, locmem.Options[int, int]{
				MaxWeight: 100, Weigh: func(_, value int) int64 { return int64(value) }, OnRemove: list.add, Shards: 1,
			})
			e.Set(1, 10, locmem.Tags("a"), locmem.TTL(time.Hour))
			e.InvalidateTags("a")
			require.Empty(t, list.take(), "nobody has met it")
			require.Zero(t, e.Stats().Invalidated)
			tc.act(e, clock)
			clock.Advance(3 * time.Hour)
			require.NoError(t, e.Drain(context.Background()))
			events := slices.DeleteFunc(list.take(), func(r removal) bool { return r.Value != 10 })
			require.Equal(t, []removal{{Key: 1, Value: 10, Cause: locmem.Invalidated, Weight: 10}}, events)
			stats := e.Stats()
			require.EqualValues(t, 1, stats.Invalidated)
			require.EqualValues(t, 10, stats.RemovedWeight(locmem.Invalidated))
			require.NoError(t, e.Validate())
		})
	}
}

func TestThePurgeRemovesWhatWasInvalidatedAtMostOnceASecond(t *testing.T) {
	t.Parallel()
	for name, clock := range map[string]locmem.Clock{"coarse": nil, "precise": locmem.PreciseClock} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const tagged, others = 3000, 10
				var list journal
				e := told(t, list.add, func(o *locmem.Options[int, int]) { o.MaxEntries, o.Clock = 100_000, clock })
				fill := func() {
					for key := range tagged {
						e.Set(key, key, locmem.Tags("a"))
					}
				}
				fill()
				for key := range others {
					e.Set(-1-key, key, locmem.Tags("b"))
				}
				require.NoError(t, e.Validate())
				<-time.After(time.Hour)
				require.Equal(t, tagged+others, e.Len(), "nothing was invalidated")

				e.InvalidateTags("a")
				<-time.After(200 * time.Millisecond)
				require.Equal(t, others, e.Len(), "the first purge comes soon")
				require.EqualValues(t, tagged, e.Stats().Invalidated)
				require.NoError(t, e.Drain(context.Background()))
				events := list.take()
				require.Len(t, events, tagged)
				slices.SortFunc(events, func(a, b removal) int { return a.Key - b.Key })
				for key, r := range events {
					require.Equal(t, removal{Key: key, Value: key, Cause: locmem.Invalidated, Weight: 1}, r)
				}

				fill()
				e.InvalidateTags("a")
				<-time.After(500 * time.Millisecond)
				require.Equal(t, tagged+others, e.Len(), "a second has not passed since")
				e.Set(0, 5, locmem.Tags("a")) // meanwhile
				<-time.After(time.Second)
				require.Equal(t, 1+others, e.Len())
				require.True(t, e.Has(0), "it was written after the invalidation")

				<-time.After(time.Hour)
				e.InvalidateTags("nobody's", "a") // one of them has a carrier
				<-time.After(200 * time.Millisecond)
				require.Equal(t, others, e.Len())
				require.NoError(t, e.Validate())
			})
		})
	}
}

// The purge runs on the clock's goroutine, which ends when there is nothing to
// do.
func TestThePurgeLeavesNoGoroutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		count := labelled(t, func() {
			e := newLoads(t)
			e.Set(1, 1, locmem.Tags("a"))
			e.InvalidateTags("a")
			<-time.After(time.Minute)
			require.Zero(t, e.Len())
		})
		require.Zero(t, count(clockLoop))
	})
}

func TestAManualClocksMovePurges(t *testing.T) {
	t.Parallel()
	e, clock := timed(t, locmem.Options[int, int]{})
	for range 3 {
		for key := range 500 {
			e.Set(key, key, locmem.Tags(fmt.Sprint("t", key%2)))
		}
		e.InvalidateTags("t1")
		require.Equal(t, 500, e.Len())
		clock.Advance(1)
		require.Equal(t, 250, e.Len())
		require.NoError(t, e.Validate())
	}
	require.EqualValues(t, 750, e.Stats().Invalidated)
}

// Writers, invalidators and the purge are at a few keys at once: each value that
// was stored ends once, and those of a key in the order of their writes.
func TestTaggedValuesEndOnceAndInOrder(t *testing.T) {
	t.Parallel()
	const keys = 8
	rounds := 4000
	if testing.Short() {
		rounds = 400
	}
	var list journal
	e := told(t, list.add, func(o *locmem.Options[int, int]) { o.MaxEntries = 6 }) // some are evicted
	var stored [keys]int
	var group errgroup.Group
	var stop atomic.Bool
	var purger sync.WaitGroup
	purger.Go(func() {
		for !stop.Load() {
			e.Purge()
		}
	})
	for key := range keys {
		group.Go(func() error {
			for i := range rounds {
				if !e.Set(key, i, locmem.Tags("all", fmt.Sprint(key))) {
					return fmt.Errorf("key %d: not stored", key)
				}
				stored[key]++
				if i%3 == key%3 {
					e.InvalidateTags(fmt.Sprint((key + i) % keys))
				}
				if i%50 == 0 {
					e.InvalidateTags("all")
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	stop.Store(true)
	purger.Wait()
	require.NoError(t, e.Validate())
	e.Close()
	require.NoError(t, e.Drain(context.Background()))
	next := [keys]int{}
	invalidated := uint64(0)
	for _, r := range list.take() {
		require.Equal(t, next[r.Key], r.Value, "key %d", r.Key)
		next[r.Key]++
		if r.Cause == locmem.Invalidated {
			invalidated++
		}
	}
	require.Equal(t, stored, next, "some were never reported")
	require.Positive(t, invalidated)
	require.Equal(t, invalidated, e.Stats().Invalidated)
}

func TestEntriesThatMoveKeepTheirTags(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(uint64) uint64{"sound": nil, "flooded": func(uint64) uint64 { return 0 }} {
		t.Run(name, func(t *testing.T) {
			opts := locmem.Options[int, int]{Unbounded: true, Shards: 1, Clock: locmem.NewManualClock(theStart)}
			if bend != nil {
				opts.BendHash(bend, false)
			}
			e := opened(t, opts)
			const n = 2000
			for key := range n {
				e.Set(key, key, locmem.Tags(fmt.Sprint("t", key%3), "all"))
			}
			require.Equal(t, bend != nil, e.Seeded())
			for key := range n {
				if key < n-200 { // the highest slots stay, and have to move
					e.Delete(key)
				}
			}
			used := e.SlotsUsed()
			require.NoError(t, e.Resize(1000, 0))
			require.Less(t, e.SlotsUsed(), used, "nothing has moved")
			require.NoError(t, e.Validate())
			e.InvalidateTags("t1")
			for key := n - 200; key < n; key++ {
				require.Equal(t, key%3 != 1, e.Has(key), "key %d", key)
			}
			e.InvalidateTags("all")
			require.Empty(t, e.GetMany(seq(n)))
			require.NoError(t, e.Validate())
		})
	}
}

// seq returns the numbers below n.
func seq(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}

// tagged are the ways in which a load says that its value carries the tag a.
var tagged = map[string]struct {
	wrap func(load func(context.Context, int) (int, error)) func(context.Context, int) (int, error)
	opts []locmem.EntryOption
}{
	"by the caller": {
		func(load func(context.Context, int) (int, error)) func(context.Context, int) (int, error) {
			return load
		},
		[]locmem.EntryOption{locmem.Tags("a")},
	},
	"by the loader": {
		func(load func(context.Context, int) (int, error)) func(context.Context, int) (int, error) {
			return func(ctx context.Context, key int) (int, error) {
				value, err := load(ctx, key)
				locmem.LoadOptions(ctx, locmem.Tags("z", "a"))
				return value, err
			}
		}, nil,
	},
}

// A load began, the tag of what it brings was invalidated, and a second caller
// has come: it must not get what is older than the invalidation.
func TestAnInvalidationDuringALoadWins(t *testing.T) {
	t.Parallel()
	for name, way := range tagged {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, l := newLoads(t), newLoader()
				ctx := context.Background()
				load := way.wrap(l.load)
				before := ask(ctx, e, 1, load, way.opts...)
				<-l.begun
				e.InvalidateTags("a")
				after := ask(ctx, e, 1, load, way.opts...)
				synctest.Wait()
				require.EqualValues(t, 1, l.count.Load(), "nobody knows yet which tags the load will bring")
				l.result <- answer{1, nil}
				require.Equal(t, answer{1, nil}, now(t, before), "who came before gets what was loaded")
				require.False(t, e.Has(1), "it is older than the invalidation")
				require.EqualValues(t, 2, l.count.Load())
				l.result <- answer{2, nil}
				require.Equal(t, answer{2, nil}, now(t, after))
				value, ok := e.Get(1)
				require.True(t, ok)
				require.Equal(t, 2, value)
				e.InvalidateTags("a")
				require.False(t, e.Has(1))
				require.NoError(t, e.Validate())
			})
		})
	}
}

func TestACallerBetweenTwoInvalidationsDoesNotGetWhatIsOlder(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]string{"of the same tag": "a", "of another tag": "b"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, l := newLoads(t), newLoader()
				ctx := context.Background()
				before := ask(ctx, e, 1, l.load, locmem.Tags("a", "b"))
				<-l.begun
				e.InvalidateTags("a")
				between := ask(ctx, e, 1, l.load, locmem.Tags("a", "b"))
				synctest.Wait()
				e.InvalidateTags(second)
				l.result <- answer{1, nil}
				require.Equal(t, answer{1, nil}, now(t, before))
				require.EqualValues(t, 2, l.count.Load(), "it got what is older than the first")
				l.result <- answer{2, nil}
				require.Equal(t, answer{2, nil}, now(t, between))
				require.True(t, e.Has(1))
				require.NoError(t, e.Validate())
			})
		})
	}
}

// Also where the value would not have been stored anyway.
func TestNoCallerAfterAnInvalidationGetsAnOlderLoadsValue(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		opts []locmem.EntryOption
		act  func(e *locmem.Engine[int, int])
	}{
		{"it has a lifetime", []locmem.EntryOption{locmem.TTL(time.Hour)}, func(*locmem.Engine[int, int]) {}},
		{"it has no lifetime", []locmem.EntryOption{locmem.TTL(0)}, func(*locmem.Engine[int, int]) {}},
		{"it is too heavy", []locmem.EntryOption{locmem.Weight(1 << 40)}, func(*locmem.Engine[int, int]) {}},
		{"a removal overtakes it", nil, func(e *locmem.Engine[int, int]) { e.Delete(1) }},
		{"a Clear overtakes it", nil, func(e *locmem.Engine[int, int]) { e.Clear() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, l := newLoads(t, weighted), newLoader()
				ctx := context.Background()
				opts := append(slices.Clone(tc.opts), locmem.Tags("a"))
				before := ask(ctx, e, 1, l.load, opts...)
				<-l.begun
				e.InvalidateTags("a")
				after := ask(ctx, e, 1, l.load, opts...)
				synctest.Wait()
				tc.act(e)
				l.result <- answer{1, nil}
				require.Equal(t, answer{1, nil}, now(t, before))
				synctest.Wait()
				select {
				case a := <-after:
					require.FailNow(t, "a caller got what is older than the invalidation before it", "%v", a)
				default:
				}
				l.result <- answer{2, nil}
				require.Equal(t, answer{2, nil}, now(t, after))
				require.NoError(t, e.Validate())
			})
		})
	}
}

func TestAnInvalidationOfAnotherTagLeavesALoadAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, l := newLoads(t), newLoader()
		e.Set(2, 2, locmem.Tags("b"))
		got := ask(context.Background(), e, 1, l.load, locmem.Tags("a"))
		<-l.begun
		e.InvalidateTags("b", "c")
		l.result <- answer{1, nil}
		require.Equal(t, answer{1, nil}, now(t, got))
		require.True(t, e.Has(1))
		require.False(t, e.Has(2))
	})
}

// What was invalidated before a load began does not concern it.
func TestALoadAfterAnInvalidationIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, older, l := newLoads(t), newLoader(), newLoader()
		long := ask(context.Background(), e, 9, older.load) // makes the tag be remembered
		<-older.begun
		e.InvalidateTags("a")
		got := ask(context.Background(), e, 1, l.load, locmem.Tags("a"))
		l.result <- answer{1, nil}
		require.Equal(t, answer{1, nil}, now(t, got))
		require.True(t, e.Has(1))
		older.result <- answer{9, nil}
		require.Equal(t, answer{9, nil}, now(t, long))
		require.NoError(t, e.Validate())
	})
}

// An entry with the tag a is being refreshed when the tag is invalidated: what
// the refresh brings is older, whether or not it says so itself.
func TestAnInvalidationDuringARefreshWins(t *testing.T) {
	t.Parallel()
	for _, window := range []struct {
		name string
		opts func(o *locmem.Options[int, int])
		age  time.Duration
	}{
		{"stale", func(o *locmem.Options[int, int]) { o.StaleFor = time.Hour }, 11 * time.Minute},
		{"ahead", func(o *locmem.Options[int, int]) { o.RefreshAhead = time.Minute }, 9*time.Minute + 30*time.Second},
	} {
		for name, opts := range map[string][]locmem.EntryOption{
			"tags": {locmem.Tags("a")}, "no tags": nil, "other tags": {locmem.Tags("b")}, "kept tags": {locmem.KeepTTL()},
		} {
			for _, removal := range []struct {
				name string
				do   func(e *locmem.Engine[int, int], clock *locmem.ManualClock)
			}{
				{"held", func(*locmem.Engine[int, int], *locmem.ManualClock) {}},
				{"purged", func(_ *locmem.Engine[int, int], clock *locmem.ManualClock) { clock.Advance(1) }},
				{"evicted", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Evict(1) }},
			} {
				t.Run(window.name+"/"+name+"/"+removal.name, func(t *testing.T) {
					for _, asked := range []bool{true, false} {
						synctest.Test(t, func(t *testing.T) {
							clock := locmem.NewManualClock(theStart)
							e, l := newLoads(t, window.opts, func(o *locmem.Options[int, int]) { o.Clock = clock }), newLoader()
							ctx := context.Background()
							e.Set(1, 1, locmem.TTL(10*time.Minute), locmem.Tags("a"))
							clock.Advance(window.age)
							require.Equal(t, answer{1, nil}, now(t, ask(ctx, e, 1, l.load, opts...)))
							<-l.begun
							e.InvalidateTags("a")
							removal.do(e, clock)
							if asked {
								after := ask(ctx, e, 1, l.load, locmem.TTL(0))
								synctest.Wait()
								require.EqualValues(t, 2, l.count.Load(), "it has joined the refresh")
								l.result <- answer{2, nil} // whichever of the two takes it
								l.result <- answer{2, nil}
								require.Equal(t, answer{2, nil}, now(t, after))
							} else {
								l.result <- answer{2, nil}
								synctest.Wait()
							}
							require.False(t, e.Has(1), "the refresh has stored what is older")
							clock.Advance(1)
							require.Zero(t, e.Len())
							require.NoError(t, e.Validate())
						})
					}
				})
			}
		}
	}
}

// StaleIfError does not bring back what was invalidated while the load failed.
func TestAFailedLoadDoesNotReturnWhatWasInvalidatedMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clock, l := locmem.NewManualClock(theStart), newLoader()
		e := newLoads(t, func(o *locmem.Options[int, int]) { o.Clock, o.StaleIfError = clock, time.Hour })
		for _, invalidated := range []bool{false, true} {
			e.Set(1, 1, locmem.TTL(time.Minute), locmem.Tags("a"))
			clock.Advance(2 * time.Minute)
			got := ask(context.Background(), e, 1, l.load)
			<-l.begun
			want := answer{1, nil}
			if invalidated {
				e.InvalidateTags("a")
				want = answer{0, errAway}
			}
			l.result <- answer{0, errAway}
			require.Equal(t, want, now(t, got))
			require.NoError(t, e.Validate())
		}
	})
}

// A database has a version, which an invalidator raises before it invalidates
// the tag. Whoever asks after that never sees an older version, whichever way
// values get into the engine.
func TestNoReadSeesWhatIsOlderThanACompletedInvalidation(t *testing.T) {
	t.Parallel()
	rounds := 1000
	if testing.Short() {
		rounds = 100
	}
	const keys = 3
	for name, change := range map[string]func(*locmem.Options[int, int]){
		"plain":   func(*locmem.Options[int, int]) {},
		"small":   func(o *locmem.Options[int, int]) { o.Unbounded, o.MaxEntries = false, 2 },
		"windows": func(o *locmem.Options[int, int]) { o.TTL, o.StaleFor = time.Microsecond, time.Hour },
		"ahead":   func(o *locmem.Options[int, int]) { o.TTL, o.RefreshAhead = time.Hour, time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newLoads(t, change)
			var mu sync.Mutex // the order of versions is the order of Sets
			var version, floor, seen atomic.Int64
			var done atomic.Bool
			load := func(context.Context, int) (int, error) { //nolint:unparam // a loader's results
				v := version.Load()
				runtime.Gosched() // time for an invalidation
				return int(v), nil
			}
			loadMany := func(ctx context.Context, keys []int) (map[int]int, error) { //nolint:unparam // a loader's results
				values := map[int]int{}
				for _, key := range keys {
					values[key], _ = load(ctx, key)
				}
				return values, nil
			}
			tag := locmem.Tags("other", "a")
			reads := []func(key int) (value int, ok bool, err error){
				func(key int) (int, bool, error) { value, ok := e.Get(key); return value, ok, nil },
				func(key int) (int, bool, error) { entry, ok := e.Peek(key); return entry.Value, ok, nil },
				func(key int) (int, bool, error) { value, ok := e.GetMany([]int{key})[key]; return value, ok, nil },
				func(key int) (int, bool, error) {
					value, err := e.GetOrSet(context.Background(), key, load, tag)
					return value, true, err
				},
				func(key int) (int, bool, error) {
					entry, err := e.Fetch(context.Background(), key, func(ctx context.Context, key int) (int, error) {
						locmem.LoadOptions(ctx, tag)
						return load(ctx, key)
					})
					return entry.Value, true, err
				},
				func(key int) (int, bool, error) {
					values, err := e.GetOrSetMany(context.Background(), []int{key, (key + 1) % keys}, loadMany, tag)
					return values[key], true, err
				},
			}
			var readers, writers errgroup.Group
			for g := range reads {
				readers.Go(func() error {
					for i := g; !done.Load(); i++ {
						least := floor.Load()
						value, ok, err := reads[i%len(reads)](i / len(reads) % keys)
						seen.Add(1)
						if err != nil || ok && int64(value) < least {
							done.Store(true)
							return fmt.Errorf("read %d sees %d, %w, %d was invalidated", i%len(reads), value, err, least)
						}
					}
					return nil
				})
			}
			raise := func() int64 {
				mu.Lock()
				defer mu.Unlock()
				return version.Add(1)
			}
			writers.Go(func() error {
				for range rounds {
					v := raise()
					e.InvalidateTags("a")
					floor.Store(v)
					for some := seen.Load() + int64(len(reads)); seen.Load() < some && !done.Load(); {
						runtime.Gosched()
					}
				}
				return nil
			})
			writers.Go(func() error {
				for i := range rounds {
					mu.Lock()
					e.Set(i%keys, int(version.Add(1)), tag)
					mu.Unlock()
					runtime.Gosched()
				}
				return nil
			})
			require.NoError(t, writers.Wait())
			done.Store(true)
			require.NoError(t, readers.Wait())
			require.Positive(t, e.Stats().Loads)
			require.Eventually(t, func() bool { return e.Validate() == nil }, patience, time.Millisecond)
		})
	}
}

// Get of an entry with tags allocates nothing, and neither does that of one
// without.
func TestReadsOfTaggedEntriesAllocateNothing(t *testing.T) {
	e := newLoads(t)
	e.Set(1, 1)
	e.Set(2, 2, locmem.Tags("a", "b"))
	e.InvalidateTags("nobody's")
	for key := 1; key <= 2; key++ {
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			if _, ok := e.Get(key); !ok {
				panic("a miss")
			}
		}))
	}
}
