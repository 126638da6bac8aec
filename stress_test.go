// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
)

// fate is what became of a value that was written: every one of them must end in
// exactly one way.
type fate struct {
	key    atomic.Int64
	stored atomic.Int32
	gone   atomic.Int32 // written with no time to live
	ended  atomic.Int32
}

// operations is for long runs.
var operations = flag.Int("operations", 0, "of each configuration of TestEveryValueEndsOnce; 0: 48,000, with -short a tenth")

// TestEveryValueEndsOnce lets goroutines do all that an engine offers, at random
// and at once, and then accounts for every value that was ever stored: it is
// live, or was reported as removed once, under its own key.
func TestEveryValueEndsOnce(t *testing.T) {
	for _, tc := range []struct {
		name     string
		policy   evict.Policy
		entries  int
		weight   int64
		shards   int
		constant bool
	}{
		{name: "TinyClock", entries: 100, shards: 4},
		{name: "TinyClock weighted", entries: 100, weight: 150, shards: 4},
		{name: "one entry", entries: 1, shards: 8},
		{name: "weight alone, many shards", weight: 40, shards: 64},
		{name: "LRU", policy: evict.LRU, entries: 50, shards: 8},
		{name: "S3FIFO weighted", policy: evict.S3FIFO, entries: 64, weight: 100, shards: 2},
		{name: "SIEVE", policy: evict.SIEVE, entries: 50, shards: 4},
		{name: "CLOCK with one hash", policy: evict.CLOCK, entries: 30, shards: 4, constant: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			opts := locmem.Options[int, int64]{
				MaxEntries: tc.entries, MaxWeight: tc.weight, Shards: tc.shards, Policy: tc.policy, Stats: true,
			}
			if tc.weight > 0 {
				opts.Weigh = func(_ int, value int64) int64 { return value % 5 }
			}
			if tc.constant {
				opts.BendHash(func(uint64) uint64 { return 0 }, true)
			}
			n := *operations
			switch {
			case n > 0:
			case testing.Short():
				n = 4800
			default:
				n = 48_000
			}
			const round = 200_000 // after which an engine and all values are new
			for left := n; left > 0; left -= round {
				stress(t, opts, min(left, round))
			}
			t.Logf("%d operations", n)
		})
	}
}

// stress does so many operations and accounts for all values.
func stress(t *testing.T, opts locmem.Options[int, int64], operations int) {
	const goroutines = 8
	perGoroutine := operations / goroutines
	fates := make([]fate, goroutines*perGoroutine*2+1)
	var last, lookups atomic.Int64
	var faults sync.Map
	fault := func(format string, args ...any) { faults.LoadOrStore(fmt.Sprintf(format, args...), true) }

	opts.OnRemove = func(r locmem.Removal[int, int64]) {
		f := &fates[r.Value]
		f.ended.Add(1)
		if key := f.key.Load(); key != int64(r.Key) {
			fault("value %d of key %d was reported under key %d", r.Value, key, r.Key)
		}
	}
	e, err := locmem.New(opts)
	require.NoError(t, err)
	var limit, weightLimit atomic.Int64 // the larger of old and new while a Resize runs
	limit.Store(int64(opts.MaxEntries))
	weightLimit.Store(opts.MaxWeight)

	// value makes a new value for a key.
	value := func(key int) int64 {
		v := last.Add(1)
		fates[v].key.Store(int64(key))
		return v
	}
	check := func(key int, v int64) {
		if got := fates[v].key.Load(); got != int64(key) {
			fault("key %d has value %d, which is of key %d", key, v, got)
		}
	}
	stored := func(v int64, ok bool) {
		if ok {
			fates[v].stored.Store(1)
		}
	}
	ctx := context.Background()
	failure := errors.New("no value")
	var group sync.WaitGroup
	for g := range goroutines {
		group.Add(1)
		go func() {
			defer group.Done()
			rnd := rand.New(rand.NewPCG(uint64(g), rand.Uint64()))
			often := rand.NewZipf(rnd, 1.2, 1, 199)
			for range perGoroutine {
				key := rnd.IntN(200)
				if rnd.IntN(2) == 0 {
					key = int(often.Uint64())
				}
				var entryOpts []locmem.EntryOption
				stored := stored
				switch rnd.IntN(6) {
				case 0:
					entryOpts = []locmem.EntryOption{locmem.TTL(time.Duration(1 + rnd.IntN(int(2*time.Millisecond))))}
				case 1:
					entryOpts = []locmem.EntryOption{locmem.Idle(time.Duration(1 + rnd.IntN(int(time.Millisecond))))}
				case 2:
					entryOpts = []locmem.EntryOption{locmem.KeepTTL(), locmem.Weight(rnd.Int64N(30))}
				case 3:
					if rnd.IntN(4) == 0 { // gone at once: the call succeeds and nothing is stored
						entryOpts = []locmem.EntryOption{locmem.TTL(0)}
						stored = func(v int64, _ bool) { fates[v].gone.Store(1) }
					}
				}
				switch rnd.IntN(20) {
				case 0, 1, 2, 3:
					v := value(key)
					stored(v, e.Set(key, v, entryOpts...))
				case 4, 5, 6, 7:
					if v, ok := e.Get(key); ok {
						check(key, v)
					}
					lookups.Add(1)
				case 8:
					v := value(key)
					stored(v, e.Add(key, v, entryOpts...))
				case 9:
					v := value(key)
					stored(v, e.Replace(key, v, entryOpts...))
				case 10:
					e.Delete(key)
				case 11:
					if v, ok := e.Take(key); ok {
						check(key, v)
					}
					lookups.Add(1)
				case 12:
					v := value(key)
					_, ok := e.Compute(key, func(old locmem.Entry[int64], found bool) (int64, locmem.Op) {
						if found {
							check(key, old.Value)
						}
						return v, locmem.Store
					}, entryOpts...)
					stored(v, ok)
				case 13, 14:
					v := value(key)
					got, err := e.GetOrSet(ctx, key, func(context.Context, int) (int64, error) {
						if v%7 == 0 {
							return 0, failure
						}
						return v, nil
					}, entryOpts...)
					if err == nil {
						check(key, got)
					}
					lookups.Add(1)
				case 15:
					values := map[int]int64{}
					for range 5 {
						key := rnd.IntN(200)
						if _, ok := values[key]; !ok {
							values[key] = value(key)
						}
					}
					if len(values) > 2 {
						e.SetMany(values, entryOpts...)
					}
				case 16:
					keys := []int{key, key + 1, key + 2}
					for key, v := range e.GetMany(keys) {
						check(key, v)
					}
					lookups.Add(3)
					e.DeleteMany(keys[:2])
				case 17:
					for key, v := range e.All() {
						check(key, v)
						if rnd.IntN(20) == 0 {
							break
						}
					}
				case 18:
					e.Touch(key, entryOpts...)
					e.Evict(rnd.IntN(3))
				case 19:
					if rnd.IntN(20) == 0 {
						e.Clear()
					}
				}
				if n := int64(e.Len()); opts.MaxEntries > 0 && n > limit.Load() {
					fault("%d entries are held, the limit is %d", n, limit.Load())
				}
				if w := e.Weight(); opts.MaxWeight > 0 && w > weightLimit.Load() {
					fault("weight %d is held, the limit is %d", w, weightLimit.Load())
				}
			}
		}()
	}
	group.Wait()
	require.NoError(t, e.Drain(ctx))
	require.NoError(t, e.Validate())
	faults.Range(func(what, _ any) bool { t.Error(what); return true })

	live := map[int64]bool{}
	for key, v := range e.All() {
		check(key, v)
		live[v] = true
	}
	stats := e.Stats()
	require.Equal(t, uint64(lookups.Load()), stats.Hits+stats.Misses, "every lookup is a hit or a miss")
	e.Close()
	require.NoError(t, e.Drain(ctx))
	require.Zero(t, e.Len())
	require.NoError(t, e.Validate())
	for v := int64(1); v <= last.Load(); v++ {
		stored, ended := fates[v].stored.Load(), fates[v].ended.Load()
		if ended > 1 {
			t.Errorf("value %d was reported %d times", v, ended)
		}
		// A value whose call did not say it was stored may have been, by SetMany or
		// a load; one that was stored must have ended by now.
		if fates[v].gone.Load() == 1 && (ended > 0 || live[v]) {
			t.Errorf("value %d had no time to live and was stored", v)
		}
		if stored == 1 && ended == 0 && !live[v] {
			t.Errorf("value %d was stored and never reported", v)
		}
	}
	require.Equal(t, stats.Inserts+stats.Updates, removedIn(e.Stats()), "every entry that lived was counted out")
}

func removedIn(s locmem.Stats) uint64 {
	return s.Replaced + s.Deleted + s.Evicted + s.Expired + s.Cleared + s.TooHeavy
}
