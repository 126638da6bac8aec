// SPDX-License-Identifier: MIT

package locmem_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
)

// policies are all there are.
var policies = map[string]evict.Policy{
	"TinyClock": evict.TinyClock, "LRU": evict.LRU, "CLOCK": evict.CLOCK, "FIFO": evict.FIFO, "S3FIFO": evict.S3FIFO,
	"SIEVE": evict.SIEVE,
}

// limits are the limits that hold while a test changes them.
type limits struct {
	turn    atomic.Int64 // odd while they change
	entries atomic.Int64
	weight  atomic.Int64
}

// set says what may be held from now on.
func (l *limits) set(entries int, weight int64) {
	l.turn.Add(1)
	l.entries.Store(int64(entries))
	l.weight.Store(weight)
	l.turn.Add(1)
}

// witness looks at what is held and keeps what was too much.
type witness struct {
	limits
	looks atomic.Int64
	found atomic.Pointer[string]
}

// look takes one look at an engine. One during which the limits have changed
// counts only if all was well.
func (w *witness) look(e *locmem.Engine[int, int]) {
	turn := w.turn.Load()
	entries, weight := e.Held()
	length, total := e.Len(), e.Weight()
	maxEntries, maxWeight := w.entries.Load(), w.weight.Load()
	w.looks.Add(1)
	if turn%2 == 1 || turn != w.turn.Load() {
		return
	}
	fault := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		w.found.CompareAndSwap(nil, &text)
	}
	if int64(entries) > maxEntries || int64(length) > maxEntries {
		fault("%d entries are held and Len is %d; the limit is %d", entries, length, maxEntries)
	}
	if weight > maxWeight || total > maxWeight {
		fault("a weight of %d is held and Weight is %d; the limit is %d", weight, total, maxWeight)
	}
	if length < 0 || total < 0 {
		fault("Len is %d, Weight %d", length, total)
	}
}

// TestTheBoundHoldsAtEveryInstant has eight writers, one goroutine that resizes
// and clears, and looks from a goroutine that does nothing else and from the
// listener.
func TestTheBoundHoldsAtEveryInstant(t *testing.T) {
	for _, tc := range []struct {
		entries, shards int
		weighted        bool
		policy          evict.Policy
	}{
		{1, 1, false, nil},
		{1, 256, false, nil},
		{2, 16, false, evict.LRU},
		{3, 4, true, nil},
		{100, 1, false, evict.CLOCK},
		{100, 64, true, evict.FIFO},
		{1000, 256, false, evict.S3FIFO},
		{1000, 8, true, nil},
		{200, 32, true, evict.SIEVE},
		{65536, 256, false, nil},
	} {
		t.Run(fmt.Sprintf("%d entries in %d shards, weighted %v", tc.entries, tc.shards, tc.weighted), func(t *testing.T) {
			if testing.Short() && tc.entries > 1000 {
				t.Skip("the largest engine: not with -short, where every mutation may be validated")
			}
			var w witness
			var e *locmem.Engine[int, int]
			clock := locmem.NewManualClock(theStart)
			opts := locmem.Options[int, int]{MaxEntries: tc.entries, Shards: tc.shards, Policy: tc.policy, Clock: clock}
			opts.OnRemove = func(r locmem.Removal[int, int]) {
				if r.Key%(8+tc.shards) == 0 {
					w.look(e)
				}
			}
			weight := int64(math.MaxInt64)
			if tc.weighted {
				weight = 4 * int64(tc.entries)
				opts.MaxWeight = weight
				opts.Weigh = func(_, value int) int64 { return int64(value % 10) }
			}
			w.set(tc.entries, weight)
			e = opened(t, opts)
			fill := make(map[int]int, tc.entries)
			for key := range tc.entries {
				fill[key] = 1
			}
			e.SetMany(fill)

			steps := 200
			if tc.shards == 256 {
				steps = 50 // a look costs more
			}
			var writers sync.WaitGroup
			for g := range 8 {
				writers.Go(func() { churn(e, rand.New(rand.NewPCG(rand.Uint64(), uint64(g))), steps, 3*tc.entries+2) })
			}
			done := make(chan struct{})
			var others sync.WaitGroup
			others.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
						w.look(e)
						runtime.Gosched()
					}
				}
			})
			others.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-done:
						return
					default:
					}
					if i%8 == 7 && tc.entries <= 1000 { // the largest would not fill up again
						e.Clear()
					}
					clock.Advance(100 * time.Microsecond)
					// Down: the larger limit until the call returns. Up: from its start.
					low, lowWeight := tc.entries-min(tc.entries/2, 1000), weight
					if tc.weighted {
						lowWeight = weight / 2
					}
					asked := func(n int64) int64 {
						if !tc.weighted {
							return 0
						}
						return n
					}
					if err := e.Resize(low, asked(lowWeight)); err != nil {
						text := err.Error()
						w.found.CompareAndSwap(nil, &text)
					}
					w.set(low, lowWeight)
					runtime.Gosched()
					w.set(tc.entries, weight)
					if err := e.Resize(tc.entries, asked(weight)); err != nil {
						text := err.Error()
						w.found.CompareAndSwap(nil, &text)
					}
				}
			})
			within(t, writers.Wait)
			close(done)
			within(t, others.Wait)
			if found := w.found.Load(); found != nil {
				require.Fail(t, "too much", "%s", *found)
			}
			require.Positive(t, w.looks.Load())
		})
	}
}

// churn makes random calls of all kinds that change what is held.
func churn(e *locmem.Engine[int, int], rnd *rand.Rand, steps, keys int) {
	for range steps {
		key, value := rnd.IntN(keys), rnd.IntN(1000)
		switch rnd.IntN(12) {
		case 0:
			e.Delete(key)
		case 1:
			e.Add(key, value)
		case 2:
			e.Compute(key, func(old locmem.Entry[int], found bool) (int, locmem.Op) {
				if found && old.Value%3 == 0 {
					return 0, locmem.Remove
				}
				return value, locmem.Store
			})
		case 3:
			many := map[int]int{}
			for range 10 {
				many[rnd.IntN(keys)] = value
			}
			e.SetMany(many)
		case 4:
			e.Evict(1)
		case 5:
			e.Set(key, value, locmem.TTL(time.Duration(rnd.IntN(2000))*time.Microsecond))
		case 6:
			e.Set(key, value, locmem.Limit(1+keys/4))
		case 7, 8:
			e.Get(key)
		default:
			e.Set(key, value)
		}
	}
}

// TestASetOfKeysThatFitsIsKeptWhole stores as many entries as there is room for,
// one after another and from eight goroutines at a time, also where the hash puts
// all of them into one shard.
func TestASetOfKeysThatFitsIsKeptWhole(t *testing.T) {
	for name, policy := range policies {
		for _, entries := range []int{1, 2, 3, 7, 100, 500} {
			for _, shards := range []int{1, 4, 16, 256} {
				for _, oneShard := range []bool{false, true} {
					if oneShard && entries > 100 {
						continue // in one shard as in one of Shards: 1
					}
					t.Run(fmt.Sprintf("%s/%d entries in %d shards, one hash %v", name, entries, shards, oneShard), func(t *testing.T) {
						opts := locmem.Options[int, int]{MaxEntries: entries, Shards: shards, Policy: policy}
						if oneShard {
							opts.BendHash(func(h uint64) uint64 { return h & math.MaxUint32 }, true)
						}
						e := opened(t, opts)
						for key := range entries {
							require.True(t, e.Set(key, key))
						}
						requireAll(t, e, entries)
						e.Clear()
						var writers sync.WaitGroup
						for g := range 8 {
							writers.Go(func() {
								for key := g; key < entries; key += 8 {
									e.Set(key, key)
								}
							})
						}
						within(t, writers.Wait)
						requireAll(t, e, entries)
						many := map[int]int{}
						for key := range entries {
							many[key] = key
						}
						e.Clear()
						require.Equal(t, entries, e.SetMany(many))
						requireAll(t, e, entries)
					})
				}
			}
		}
	}
}

// requireAll demands that keys from 0 to n are held with themselves as values,
// and that nothing was evicted.
func requireAll(t *testing.T, e *locmem.Engine[int, int], n int) {
	t.Helper()
	require.Equal(t, n, e.Len())
	for key := range n {
		value, ok := e.Get(key)
		require.True(t, ok, "key %d is gone", key)
		require.Equal(t, key, value)
	}
	require.Zero(t, e.Stats().Evicted)
}

func TestAnEntryWeighsWhatTheCallerSaid(t *testing.T) {
	byValue := func(_, value int) int64 { return int64(value) }
	for _, tc := range []struct {
		name  string
		weigh func(key, value int) int64
		value int
		opts  []locmem.EntryOption
		want  int64
	}{
		{"by default", nil, 7, nil, 1},
		{"weighed", byValue, 7, nil, 7},
		{"weighed as nothing", byValue, 0, nil, 0},
		{"said", nil, 7, []locmem.EntryOption{locmem.Weight(5)}, 5},
		{"said to be nothing", nil, 7, []locmem.EntryOption{locmem.Weight(0)}, 0},
		{"said against the weigher", byValue, 7, []locmem.EntryOption{locmem.Weight(5)}, 5},
		{"all there is", byValue, 100, nil, 100},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var removed []int64
			e := opened(t, locmem.Options[int, int]{MaxWeight: 100, Shards: 4, Weigh: tc.weigh, OnRemove: func(r locmem.Removal[int, int]) {
				removed = append(removed, r.Weight)
			}})
			require.True(t, e.Set(1, tc.value, tc.opts...))
			require.Equal(t, tc.want, e.Weight())
			entry, ok := e.Peek(1)
			require.True(t, ok)
			require.Equal(t, tc.want, entry.Weight)
			require.True(t, e.Set(1, tc.value, tc.opts...))
			require.Equal(t, tc.want, e.Weight(), "it weighs otherwise when overwritten")
			require.True(t, e.Touch(1))
			require.Equal(t, tc.want, e.Weight(), "it weighs otherwise when touched")
			require.True(t, e.Delete(1))
			require.Zero(t, e.Weight())
			require.Equal(t, []int64{tc.want, tc.want}, removed)
		})
	}
}

// TestWeightsThatFitAreKept fills an engine to the last unit of weight.
func TestWeightsThatFitAreKept(t *testing.T) {
	for _, shards := range []int{1, 4, 64} {
		const n = 1000
		total := int64(0)
		for key := range n {
			total += int64(key % 13)
		}
		e := opened(t, locmem.Options[int, int]{MaxWeight: total, Shards: shards, Weigh: func(key, _ int) int64 { return int64(key % 13) }})
		for round := range 3 {
			for key := range n {
				require.True(t, e.Set(key, key))
			}
			require.Equal(t, total, e.Weight(), "round %d", round)
			requireAll(t, e, n)
		}
	}
}

// TestTheHeaviestWeightsDoNotOverflow: weights whose sum is beyond the range.
func TestTheHeaviestWeightsDoNotOverflow(t *testing.T) {
	e := opened(t, locmem.Options[int, int]{Unbounded: true, Shards: 4, Weigh: func(int, int) int64 { return 1 }})
	for key := range 10 {
		require.True(t, e.Set(key, key, locmem.Weight(math.MaxInt64)))
		require.Equal(t, int64(math.MaxInt64), e.Weight())
		require.Equal(t, 1, e.Len(), "two entries weigh more than a number can say")
		require.NoError(t, e.Validate())
	}
	require.Panics(t, func() { locmem.Weight(-1) })
}

func TestAnOverwriteInAFullEngineEvictsNothing(t *testing.T) {
	for _, policy := range policies {
		for _, entries := range []int{1, 3, 500} {
			e := opened(t, locmem.Options[int, int]{MaxEntries: entries, Shards: 8, Policy: policy})
			for key := range entries {
				e.Set(key, -1)
			}
			var writers sync.WaitGroup
			for range 4 {
				writers.Go(func() {
					for key := range entries {
						e.Set(key, key)
						e.Replace(key, key)
						e.Touch(key)
						e.Compute(key, func(locmem.Entry[int], bool) (int, locmem.Op) { return key, locmem.Store })
					}
				})
			}
			within(t, writers.Wait)
			requireAll(t, e, entries)
		}
	}
}

// TestAHeavierOverwriteEvictsOthersForItsGrowthAlone: never itself, and no more
// than it needs.
func TestAHeavierOverwriteEvictsOthersForItsGrowthAlone(t *testing.T) {
	for name, policy := range policies {
		for _, shards := range []int{1, 4, 64} {
			for grower := range 10 {
				t.Run(fmt.Sprintf("%s/%d shards/%d", name, shards, grower), func(t *testing.T) {
					e := opened(t, locmem.Options[int, int]{MaxWeight: 100, Shards: shards, Policy: policy})
					for key := range 10 {
						e.Set(key, key, locmem.Weight(10))
					}
					require.Equal(t, int64(100), e.Weight())
					require.True(t, e.Set(grower, 1, locmem.Weight(35)))
					value, ok := e.Get(grower)
					require.True(t, ok)
					require.Equal(t, 1, value)
					require.Equal(t, uint64(1), e.Stats().Replaced, "it has evicted itself")
					require.Equal(t, uint64(3), e.Stats().Evicted)
					require.Equal(t, int64(95), e.Weight())
					require.True(t, e.Set(grower, 2, locmem.Weight(100)))
					require.Equal(t, 1, e.Len())
					require.Equal(t, uint64(2), e.Stats().Replaced, "it has evicted itself")
					require.False(t, e.Set(grower, 3, locmem.Weight(101)), "no room for that")
					require.Zero(t, e.Len(), "the older value stayed")
				})
			}
		}
	}
}

func TestAnEvictionTakesWhatIsNeededAndNoMore(t *testing.T) {
	t.Run("entries", func(t *testing.T) {
		for _, shards := range []int{1, 8} {
			e := opened(t, locmem.Options[int, int]{MaxEntries: 100, Shards: shards})
			for key := range 150 {
				e.Set(key, key)
				require.Equal(t, max(0, key-99), int(e.Stats().Evicted))
				require.Equal(t, min(key+1, 100), e.Len())
			}
		}
	})
	t.Run("weight", func(t *testing.T) {
		for _, shards := range []int{1, 8} {
			e := opened(t, locmem.Options[int, int]{MaxWeight: 1000, Shards: shards})
			for key := range 100 {
				e.Set(key, key, locmem.Weight(10))
			}
			e.Set(100, 0, locmem.Weight(25))
			require.Equal(t, uint64(3), e.Stats().Evicted)
			require.Equal(t, int64(995), e.Weight())
			e.Set(101, 0, locmem.Weight(5))
			require.Equal(t, uint64(3), e.Stats().Evicted)
		}
	})
	t.Run("more than one hold of the lock removes", func(t *testing.T) {
		e := opened(t, locmem.Options[int, int]{MaxWeight: 1000, Shards: 8})
		for key := range 1000 {
			e.Set(key, key, locmem.Weight(1))
		}
		require.True(t, e.Set(1000, 0, locmem.Weight(700)))
		require.Equal(t, 301, e.Len())
		require.Equal(t, int64(1000), e.Weight())
	})
	for _, tc := range []struct{ n, want int }{
		{-1, 0}, {0, 0}, {1, 1}, {99, 99}, {100, 100}, {101, 100}, {1 << 20, 100}, {math.MaxInt32, 100}, {math.MaxInt, 100},
	} {
		t.Run(fmt.Sprintf("Evict(%d)", tc.n), func(t *testing.T) {
			for _, policy := range []evict.Policy{evict.TinyClock, evict.LRU} {
				e := opened(t, locmem.Options[int, int]{MaxEntries: 100, Shards: 8, Policy: policy})
				for key := range 100 {
					e.Set(key, key)
				}
				within(t, func() { require.Equal(t, tc.want, e.Evict(tc.n)) })
				require.Equal(t, 100-tc.want, e.Len())
			}
		})
	}
}

// TestWritingTheSameKeysAgainGrowsNothing: slots are used again, whichever way
// their entries went.
func TestWritingTheSameKeysAgainGrowsNothing(t *testing.T) {
	const entries = 50
	e, clock := timed(t, locmem.Options[int, int]{MaxEntries: entries, Shards: 1})
	for round := range 100 {
		for key := range 2 * entries {
			e.Set(key, round, locmem.TTL(time.Duration(key)*time.Second))
			switch key % 5 {
			case 0:
				e.Delete(key)
			case 1:
				e.Compute(key, func(locmem.Entry[int], bool) (int, locmem.Op) { return 0, locmem.Remove })
			case 2:
				e.Touch(key, locmem.TTL(0))
			case 3:
				e.Set(key, round)
			}
		}
		clock.Advance(30 * time.Second)
		require.LessOrEqual(t, e.SlotsUsed(), entries, "round %d", round)
		require.NoError(t, e.Validate())
	}
}

// TestClearAgainstWritersLosesNoCount: what came in, less what is said to have
// gone, is what is held.
func TestClearAgainstWritersLosesNoCount(t *testing.T) {
	for _, weighted := range []bool{false, true} {
		clock := locmem.NewManualClock(theStart)
		opts := locmem.Options[int, int]{MaxEntries: 200, Shards: 4, Clock: clock}
		if weighted {
			opts.MaxWeight = 600
			opts.Weigh = func(_, value int) int64 { return int64(value % 10) }
		}
		e := opened(t, opts)
		var writers sync.WaitGroup
		for g := range 4 {
			writers.Go(func() { churn(e, rand.New(rand.NewPCG(rand.Uint64(), uint64(g))), 1000, 500) })
		}
		writers.Go(func() {
			for e.Len() == 0 { // else all Clears may come before the first write
				runtime.Gosched()
			}
			for range 200 {
				e.Clear()
				clock.Advance(100 * time.Microsecond)
			}
		})
		within(t, writers.Wait)
		require.NoError(t, e.Validate())
		st := e.Stats()
		entries, weight := e.Held()
		require.Equal(t, entries, e.Len())
		if weighted {
			require.Equal(t, weight, e.Weight())
		}
		require.Equal(t, st.Inserts, st.Deleted+st.Evicted+st.Expired+st.Cleared+st.TooHeavy+uint64(entries))
		require.Positive(t, st.Cleared)
		e.Clear()
		require.Zero(t, e.Len())
		require.Zero(t, e.Weight())
	}
}

// heap returns the bytes in use after a collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what had a finalizer
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestMemoryGoesBackOnClearAndResize(t *testing.T) {
	type value [64]int64
	const entries, size = 5000, 5000 * 512
	for _, tc := range []struct {
		name   string
		shrink func(e *locmem.Engine[int, value])
	}{
		{"Clear", func(e *locmem.Engine[int, value]) { e.Clear() }},
		{"Resize", func(e *locmem.Engine[int, value]) { require.NoError(t, e.Resize(100, 0)) }},
		{"Delete and Resize", func(e *locmem.Engine[int, value]) {
			for key := range entries - 100 {
				e.Delete(key)
			}
			require.NoError(t, e.Resize(entries/2, 0))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := opened(t, locmem.Options[int, value]{MaxEntries: entries, Shards: 8})
			before := heap()
			for key := range entries {
				e.Set(key, value{}, locmem.TTL(time.Hour))
			}
			full := heap() - before
			require.Greater(t, full, int64(size), "the values take no room")
			tc.shrink(e)
			require.Less(t, heap()-before, full/4)
			require.NoError(t, e.Validate())
			for key := range 100 {
				e.Set(key, value{})
			}
			require.NoError(t, e.Validate())
		})
	}
}

// TestValuesThatAreGoneAreCollected removes values in every way and demands that
// nothing of the engine keeps them.
func TestValuesThatAreGoneAreCollected(t *testing.T) {
	type value [1 << 12]byte
	for _, tc := range []struct {
		name   string
		remove func(e *locmem.Engine[int, *value])
	}{
		{"overwritten", func(e *locmem.Engine[int, *value]) { e.Set(1, nil) }},
		{"computed", func(e *locmem.Engine[int, *value]) {
			e.Compute(1, func(locmem.Entry[*value], bool) (*value, locmem.Op) { return nil, locmem.Store })
		}},
		{"deleted", func(e *locmem.Engine[int, *value]) { e.Delete(1) }},
		{"taken", func(e *locmem.Engine[int, *value]) { e.Take(1) }},
		{"evicted", func(e *locmem.Engine[int, *value]) { e.Evict(1) }},
		{"cleared", func(e *locmem.Engine[int, *value]) { e.Clear() }},
		{"expired", func(e *locmem.Engine[int, *value]) { e.Touch(1, locmem.TTL(-1)) }},
	} {
		for _, listened := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/listener %v", tc.name, listened), func(t *testing.T) {
				opts := locmem.Options[int, *value]{MaxEntries: 100, Shards: 1}
				if listened {
					opts.OnRemove = func(locmem.Removal[int, *value]) {}
				}
				e := opened(t, opts)
				collected := make(chan struct{})
				func() {
					v := new(value)
					runtime.AddCleanup(v, func(struct{}) { close(collected) }, struct{}{})
					e.Set(1, v)
				}()
				tc.remove(e)
				for deadline := time.Now().Add(patience); ; {
					runtime.GC()
					select {
					case <-collected:
						return
					case <-time.After(time.Millisecond):
					}
					require.True(t, time.Now().Before(deadline), "the value is still reachable")
				}
			})
		}
	}
}
