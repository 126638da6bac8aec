// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/locmem/locmem"
)

type removal = locmem.Removal[int, int]

// journal is a listener that writes down what it is told.
type journal struct {
	mu   sync.Mutex
	list []removal
}

func (j *journal) add(r removal) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.list = append(j.list, r)
}

// take returns what was written down since the last call.
func (j *journal) take() []removal {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := j.list
	j.list = nil
	return list
}

// told makes an engine with a listener.
func told(t *testing.T, listener func(removal), change ...func(*locmem.Options[int, int])) *locmem.Engine[int, int] {
	t.Helper()
	opts := locmem.Options[int, int]{MaxEntries: 100, OnRemove: listener}
	for _, f := range change {
		f(&opts)
	}
	e, err := locmem.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { within(t, e.Close) }) // the listener may end the goroutine
	return e
}

func oneShard(o *locmem.Options[int, int]) { o.Shards = 1 }

func TestEveryWayOutIsReportedWithItsCause(t *testing.T) {
	t.Parallel()
	const key = 1
	store := func(locmem.Entry[int], bool) (int, locmem.Op) { return 2, locmem.Store }
	remove := func(locmem.Entry[int], bool) (int, locmem.Op) { return 0, locmem.Remove }
	load := func(context.Context, int) (int, error) { return 2, nil }
	type engine = *locmem.Engine[int, int]
	for _, tc := range []struct {
		name string
		act  func(e engine, clock *locmem.ManualClock)
		want locmem.Cause // 0: key 1 stays as it is
	}{
		{"Set", func(e engine, _ *locmem.ManualClock) { e.Set(key, 2) }, locmem.Replaced},
		{"Replace", func(e engine, _ *locmem.ManualClock) { e.Replace(key, 2) }, locmem.Replaced},
		{"SetMany", func(e engine, _ *locmem.ManualClock) { e.SetMany(map[int]int{key: 2}) }, locmem.Replaced},
		{"Compute that stores", func(e engine, _ *locmem.ManualClock) { e.Compute(key, store) }, locmem.Replaced},
		{"Incr", func(e engine, _ *locmem.ManualClock) { _, _, _ = locmem.Incr(e, key, 1) }, locmem.Replaced},
		{"CompareAndSwap", func(e engine, _ *locmem.ManualClock) { locmem.CompareAndSwap(e, key, 10, 2) }, locmem.Replaced},
		{"Delete", func(e engine, _ *locmem.ManualClock) { e.Delete(key) }, locmem.Deleted},
		{"DeleteMany", func(e engine, _ *locmem.ManualClock) { e.DeleteMany([]int{key, key}) }, locmem.Deleted},
		{"Take", func(e engine, _ *locmem.ManualClock) { e.Take(key) }, locmem.Deleted},
		{"Compute that removes", func(e engine, _ *locmem.ManualClock) { e.Compute(key, remove) }, locmem.Deleted},
		{"Set that has expired", func(e engine, _ *locmem.ManualClock) { e.Set(key, 2, locmem.TTL(0)) }, locmem.Deleted},
		{"Touch that has expired", func(e engine, _ *locmem.ManualClock) { e.Touch(key, locmem.TTL(-1)) }, locmem.Deleted},
		{"Evict", func(e engine, _ *locmem.ManualClock) { e.Evict(1) }, locmem.Evicted},
		{"insertions into a full engine", func(e engine, _ *locmem.ManualClock) {
			for other := 2; other < 20; other++ { // lighter, so that the policy prefers one of them
				e.Set(other, 2)
			}
		}, locmem.Evicted},
		{"a Limit", func(e engine, _ *locmem.ManualClock) { e.Set(2, 2, locmem.Limit(1)) }, locmem.Evicted},
		{"Resize", func(e engine, _ *locmem.ManualClock) { _ = e.Resize(0, 9) }, locmem.Evicted},
		{"its deadline", func(_ engine, clock *locmem.ManualClock) { clock.Advance(time.Hour) }, locmem.Expired},
		{"Clear", func(e engine, _ *locmem.ManualClock) { e.Clear() }, locmem.Cleared},
		{"Close", func(e engine, _ *locmem.ManualClock) { e.Close() }, locmem.Cleared},
		{"Set too heavy", func(e engine, _ *locmem.ManualClock) { e.Set(key, 101) }, locmem.TooHeavy},
		{"Compute too heavy", func(e engine, _ *locmem.ManualClock) {
			e.Compute(key, func(locmem.Entry[int], bool) (int, locmem.Op) { return 101, locmem.Store })
		}, locmem.TooHeavy},

		{"Get", func(e engine, _ *locmem.ManualClock) { e.Get(key) }, 0},
		{"Add", func(e engine, _ *locmem.ManualClock) { e.Add(key, 2) }, 0},
		{"Touch", func(e engine, _ *locmem.ManualClock) { e.Touch(key, locmem.NoTTL()) }, 0},
		{"GetOrSet", func(e engine, _ *locmem.ManualClock) { _, _ = e.GetOrSet(context.Background(), key, load) }, 0},
		{"an Add of another, too heavy", func(e engine, _ *locmem.ManualClock) { e.Add(2, 101) }, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var j journal
			clock := locmem.NewManualClock(newYear)
			e := told(t, j.add, func(o *locmem.Options[int, int]) {
				o.MaxEntries, o.MaxWeight, o.Clock = 2, 100, clock
				o.Weigh = func(_, value int) int64 { return int64(value) }
			})
			e.Set(key, 10, locmem.TTL(time.Hour))
			tc.act(e, clock)
			require.NoError(t, e.Drain(context.Background()))
			var want []removal
			if tc.want != 0 {
				want = []removal{{Key: key, Value: 10, Cause: tc.want, Weight: 10}}
			}
			got := slices.DeleteFunc(j.take(), func(r removal) bool { return r.Key != key })
			require.Equal(t, want, got)
			st := e.Stats()
			counted := map[locmem.Cause]uint64{locmem.Replaced: st.Replaced, locmem.Deleted: st.Deleted, locmem.Evicted: st.Evicted, locmem.Expired: st.Expired, locmem.Cleared: st.Cleared, locmem.TooHeavy: st.TooHeavy}
			if tc.want != 0 {
				require.NotZero(t, counted[tc.want], "Stats does not count it")
			}
			e.Close()
			require.NoError(t, e.Drain(context.Background()))
			require.NoError(t, e.Validate())
		})
	}
}

func TestCausesHaveNames(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for c := locmem.Replaced; c <= locmem.Moved; c++ {
		names[c.String()] = true
	}
	require.Len(t, names, 8)
	require.Equal(t, "TooHeavy", locmem.TooHeavy.String())
	require.Equal(t, "Cause(?)", (locmem.Moved + 1).String())
}

// Each key has one writer, who counts up, and many others who remove it in every
// way there is. All that was ever stored comes out once, and each key's values
// come out in the order in which they went in.
func TestEveryEntryIsReportedOnceAndInTheOrderOfItsKey(t *testing.T) {
	t.Parallel()
	rounds := 3000
	if testing.Short() {
		rounds = 500
	}
	for name, change := range map[string]func(*locmem.Options[int, int]){
		"one shard":   oneShard,
		"many shards": func(o *locmem.Options[int, int]) { o.Shards = 16 },
		"weighted": func(o *locmem.Options[int, int]) {
			o.Shards, o.MaxWeight, o.Weigh = 4, 100, func(_, value int) int64 { return int64(value % 30) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const writers, keys = 4, 8 // keys of each writer
			var j journal
			e := told(t, func(r removal) {
				j.add(r)
				if r.Value%64 == 0 {
					runtime.Gosched()
				}
			}, change, func(o *locmem.Options[int, int]) { o.MaxEntries = 20 })
			stored := make([]map[removal]bool, writers)
			var done atomic.Bool
			var writing, removing errgroup.Group
			for w := range writers {
				stored[w] = map[removal]bool{}
				writing.Go(func() error {
					rnd := rand.New(rand.NewPCG(uint64(w), 1))
					for n := 1; n <= rounds; n++ {
						key := w*keys + rnd.IntN(keys)
						ok := false
						switch rnd.IntN(5) {
						case 0:
							ok = e.Add(key, n)
						case 1:
							ok = e.Replace(key, n)
						case 2:
							_, ok = e.Compute(key, func(locmem.Entry[int], bool) (int, locmem.Op) { return n, locmem.Store })
						case 3:
							_, err := e.GetOrSet(context.Background(), key, func(context.Context, int) (int, error) {
								// By a write, so that it is known whether it was stored.
								ok = e.Set(key, n, locmem.TTL(time.Duration(1+rnd.IntN(int(time.Millisecond)))))
								return 0, errAway
							})
							if err == nil {
								ok = false
							}
						default:
							ok = e.Set(key, n, locmem.TTL(time.Duration(1+rnd.IntN(int(time.Millisecond)))))
						}
						if ok {
							stored[w][removal{Key: key, Value: n}] = true
						}
					}
					return nil
				})
				removing.Go(func() error {
					rnd := rand.New(rand.NewPCG(uint64(w), 2))
					for !done.Load() {
						key := rnd.IntN(writers * keys)
						switch rnd.IntN(40) {
						case 0:
							e.Clear()
						case 1:
							weight := int64(0)
							if name == "weighted" {
								weight = 50 + rnd.Int64N(100)
							}
							if err := e.Resize(10+rnd.IntN(15), weight); err != nil {
								return err
							}
						case 2:
							e.Evict(2)
						case 3:
							e.DeleteMany([]int{key, key ^ 1})
						case 4:
							if err := e.Drain(context.Background()); err != nil {
								return err
							}
						default:
							e.Delete(key)
							runtime.Gosched()
						}
					}
					return nil
				})
			}
			require.NoError(t, writing.Wait())
			done.Store(true)
			require.NoError(t, removing.Wait())
			require.NoError(t, e.Validate())
			e.Close()
			require.NoError(t, e.Drain(context.Background()))

			last := map[int]int{}
			seen := map[removal]bool{}
			for _, r := range j.take() {
				require.Less(t, last[r.Key], r.Value, "key %d: %v came late or twice", r.Key, r)
				last[r.Key] = r.Value
				require.NotZero(t, r.Cause)
				seen[removal{Key: r.Key, Value: r.Value}] = true
			}
			all := map[removal]bool{}
			for w := range stored {
				maps.Copy(all, stored[w])
			}
			for r := range all {
				require.True(t, seen[r], "value %d of key %d was stored and never reported", r.Value, r.Key)
			}
			for r := range seen {
				require.True(t, all[r], "value %d of key %d was reported and never stored", r.Value, r.Key)
			}
			st := e.Stats()
			require.Equal(t, uint64(len(seen)), st.Inserts+st.Updates)
		})
	}
}

func TestAListenerMayCallAnyMethod(t *testing.T) {
	t.Parallel()
	for _, call := range calls {
		for _, same := range []bool{true, false} {
			for _, backlog := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/same key %v/backlog %v", call.name, same, backlog), func(t *testing.T) {
					t.Parallel()
					var e *locmem.Engine[int, int]
					var calling, called atomic.Int32
					e = told(t, func(r removal) {
						if calling.Add(1) > 1 {
							return
						}
						key := r.Key
						if !same {
							key++
						}
						_, err := call.do(e, key)
						if call.name == "Drain" {
							assert.ErrorIs(t, err, locmem.ErrReentrant)
						} else {
							assert.NoError(t, err)
						}
						called.Add(1)
					}, oneShard, func(o *locmem.Options[int, int]) { o.MaxEntries = 5000 })
					e.Set(1, 1)
					if backlog { // more than may wait, at once
						for key := range 1200 {
							e.Set(key+10, 1)
						}
					}
					within(t, func() {
						if backlog {
							e.Clear()
						} else {
							e.Set(1, 2)
						}
						assert.NoError(t, e.Drain(context.Background()))
					})
					require.EqualValues(t, 1, called.Load(), "the call did not return")
					within(t, func() { e.Set(3, 3) })
					require.NoError(t, e.Validate())
				})
			}
		}
	}
}

// A loader called for by a listener may write, however many events wait behind
// that listener.
func TestAListenersLoadMayWrite(t *testing.T) {
	t.Parallel()
	var e *locmem.Engine[int, int]
	var calling atomic.Int32
	e = told(t, func(removal) {
		if calling.Add(1) == 1 {
			_, err := e.GetOrSet(context.Background(), -1, func(context.Context, int) (int, error) {
				e.Set(-2, 1)
				return 1, nil
			})
			assert.NoError(t, err)
		}
	}, oneShard, func(o *locmem.Options[int, int]) { o.MaxEntries = 5000 })
	for key := range 1200 {
		e.Set(key, 1)
	}
	within(t, e.Clear)
	require.True(t, e.Has(-1))
}

func TestAListenersPanicsAreContainedAndCounted(t *testing.T) {
	t.Parallel()
	var j journal
	e := told(t, func(r removal) {
		j.add(r)
		switch r.Value % 3 {
		case 0:
			panic("boom")
		case 1:
			panic(nil) //nolint:govet // as bad as any other
		}
	}, oneShard)
	for n := range 300 {
		require.True(t, e.Set(1, n))
	}
	require.True(t, e.Delete(1))
	require.NoError(t, e.Drain(context.Background()))
	require.Len(t, j.take(), 300)
	require.EqualValues(t, 200, e.Stats().ListenerPanics)
	require.NoError(t, e.Validate())
}

// A listener that ends the goroutine which calls it costs that goroutine, and
// nothing else: no event, no credit, no load.
func TestAListenerThatEndsItsGoroutineLosesNothing(t *testing.T) {
	t.Parallel()
	type engine = *locmem.Engine[int, int]
	fill := func(e engine, from, to int) {
		for key := from; key < to; key++ {
			e.Set(key, key)
		}
	}
	for _, tc := range []struct {
		name    string
		entries int // MaxEntries and, if weighted, MaxWeight
		heavy   bool
		fill    func(e engine)
		act     func(e engine)
	}{
		{"Delete", 100, false, func(e engine) { fill(e, 0, 100) }, func(e engine) { e.Delete(3) }},
		{"Clear", 100, false, func(e engine) { fill(e, 0, 100) }, func(e engine) { e.Clear() }},
		{"Close", 100, false, func(e engine) { fill(e, 0, 100) }, func(e engine) { e.Close() }},
		{"Evict", 100, false, func(e engine) { fill(e, 0, 100) }, func(e engine) { e.Evict(50) }},
		{"Resize", 100, false, func(e engine) { fill(e, 0, 100) }, func(e engine) { _ = e.Resize(10, 0) }},
		{"DeleteMany", 100, false, func(e engine) { fill(e, 0, 100) }, func(e engine) { e.DeleteMany([]int{1, 2, 3, 4, 5, 6}) }},
		{"SetMany", 100, false, func(e engine) { fill(e, 0, 100) }, func(e engine) { e.SetMany(map[int]int{1: 2, 200: 3, 201: 4}) }},
		{"Set that evicts", 100, false, func(e engine) { fill(e, 0, 100) }, func(e engine) { e.Set(200, 1) }},
		{"Set that evicts in another shard", 1, false, func(e engine) { fill(e, 0, 1) }, func(e engine) {
			for key := 200; key < 232; key++ { // one of them, at least, is of another shard than the entry held
				e.Set(key, 1)
			}
		}},
		{"Set under a Limit", 100, false, func(e engine) { fill(e, 0, 100) }, func(e engine) { e.Set(200, 1, locmem.Limit(3)) }},
		{"Set of the weight of hundreds", 1000, true, func(e engine) { fill(e, 0, 1000) }, func(e engine) { e.Set(2000, 1, locmem.Weight(900)) }},
		{"SetMany of the weight of hundreds", 1000, true, func(e engine) { fill(e, 0, 1000) }, func(e engine) {
			e.SetMany(map[int]int{2000: 1}, locmem.Weight(900))
		}},
		{"a load", 100, false, func(e engine) { fill(e, 0, 100) }, func(e engine) {
			_, _ = e.GetOrSet(context.Background(), 200, func(context.Context, int) (int, error) { return 1, nil })
		}},
		{"a load of the weight of hundreds", 1000, true, func(e engine) { fill(e, 0, 1000) }, func(e engine) {
			_, _ = e.GetOrSet(context.Background(), 2000, func(context.Context, int) (int, error) { return 1, nil }, locmem.Weight(900))
		}},
	} {
		for _, shards := range []int{1, 8} {
			t.Run(fmt.Sprintf("%s/%d shards", tc.name, shards), func(t *testing.T) {
				t.Parallel()
				var armed atomic.Bool
				var events atomic.Int64
				e := told(t, func(removal) {
					events.Add(1)
					if armed.Load() {
						runtime.Goexit()
					}
				}, func(o *locmem.Options[int, int]) {
					o.Shards, o.MaxEntries = shards, tc.entries
					if tc.heavy {
						o.MaxWeight = int64(tc.entries)
					}
				})
				tc.fill(e)
				require.NoError(t, e.Drain(context.Background()))
				armed.Store(true)
				within(t, func() { tc.act(e) })

				// The events come by themselves: after Close, for one, nobody calls.
				within(t, func() {
					for st := e.Stats(); st.Inserts+st.Updates > uint64(events.Load())+uint64(st.Entries); st = e.Stats() {
						runtime.Gosched()
					}
				})
				within(t, func() { assert.NoError(t, e.Drain(context.Background())) })
				within(t, func() { // a Resize that did not return goes on elsewhere
					for e.Validate() != nil {
						runtime.Gosched()
					}
				})
				armed.Store(false)
				e.Clear()
				require.Zero(t, e.Len(), "credit was lost")
				require.Zero(t, e.Weight(), "credit was lost")
				if e.Set(1, 1) { // not closed
					_, err := e.GetOrSet(context.Background(), 200, func(context.Context, int) (int, error) { return 1, nil })
					require.NoError(t, err)
				}
			})
		}
	}
}

func TestAStuckListenerHoldsUpNoLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		e := told(t, func(removal) { <-stuck }, oneShard, func(o *locmem.Options[int, int]) { o.MaxEntries = 5000 })
		defer close(stuck)
		for key := range 1200 {
			e.Set(key, 1)
		}
		go e.Clear()
		synctest.Wait()
		go e.Set(1, 1)
		got := ask(context.Background(), e, 2, func(context.Context, int) (int, error) { return 5, nil })
		require.Equal(t, answer{5, nil}, now(t, got))
		require.True(t, e.Has(2))
		require.False(t, e.Has(1), "a write is, which shows that the queue is full")
	})
}

// A load that ends while too many events wait may find itself delivering them,
// to a listener that ends its goroutine.
func TestALoadLandsThoughTheListenerEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	var calling atomic.Int32
	e := told(t, func(removal) {
		if n := calling.Add(1); n == 1 {
			<-hold
		}
		runtime.Goexit()
	}, oneShard, func(o *locmem.Options[int, int]) { o.MaxEntries = 5000 })
	for key := range 1200 {
		e.Set(key, 1)
	}
	go e.Clear()
	within(t, func() {
		for calling.Load() == 0 {
			runtime.Gosched()
		}
	})
	var all []<-chan answer
	for key := range 20 {
		all = append(all, ask(context.Background(), e, -1-key, func(context.Context, int) (int, error) { return 5, nil }))
	}
	close(hold)
	within(t, func() {
		for _, c := range all {
			assert.Equal(t, answer{5, nil}, <-c)
		}
		assert.NoError(t, e.Drain(context.Background()))
	})
	require.EqualValues(t, 1200, calling.Load())
}

func TestAWritingListenerDoesNotGrowTheStack(t *testing.T) {
	t.Parallel()
	events := 100_000
	if testing.Short() {
		events = 20_000
	}
	var e *locmem.Engine[int, int]
	calls, deepest := 0, 0
	pcs := make([]uintptr, 200)
	e = told(t, func(removal) {
		calls++
		deepest = max(deepest, runtime.Callers(0, pcs))
		if calls < events {
			e.Set(calls, calls)
		}
	}, oneShard, func(o *locmem.Options[int, int]) { o.MaxEntries = 1 })
	e.Set(-1, 0)
	e.Set(-2, 0)
	require.NoError(t, e.Drain(context.Background()))
	require.Equal(t, events, calls)
	require.Less(t, deepest, 40, "the listener's stack grows with its events")
}

// While a listener is stuck, writers come to a halt after as many events as may
// wait; those inside a listener go on.
func TestWritersWaitBehindAStuckListener(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const may, writers = 1024, 8
		stuck := make(chan struct{})
		var e *locmem.Engine[int, int]
		var delivered, inside atomic.Int64
		e = told(t, func(removal) {
			if delivered.Add(1) == 1 {
				<-stuck
				for range 3000 {
					e.Set(1, 1)
					inside.Add(1)
				}
			}
		}, oneShard)
		var writes atomic.Int64
		var g errgroup.Group
		for range writers {
			g.Go(func() error {
				for range 1000 {
					e.Set(1, 0)
					writes.Add(1)
				}
				return nil
			})
		}
		synctest.Wait()
		waiting := writes.Load()
		require.Less(t, waiting, int64(may+2*writers))
		require.Greater(t, waiting, int64(may-2*writers))
		require.EqualValues(t, 1, delivered.Load())
		_, ok := e.Get(1)
		require.True(t, ok, "readers wait too")

		close(stuck)
		within(t, func() { assert.NoError(t, g.Wait()) })
		require.EqualValues(t, 3000, inside.Load())
		require.NoError(t, e.Drain(context.Background()))
		require.EqualValues(t, writers*1000+3000-1, delivered.Load())
		require.NoError(t, e.Validate())
	})
}

func TestDrainWaitsForWhatWasRemovedAndObeysItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		var delivered atomic.Int64
		e := told(t, func(r removal) {
			<-stuck
			delivered.Add(1)
		}, func(o *locmem.Options[int, int]) { o.Shards = 4 })
		for key := range 8 {
			e.Set(key, key)
		}
		require.NoError(t, e.Drain(context.Background()), "nothing was removed yet")
		for key := range 8 {
			go e.Delete(key)
		}
		synctest.Wait()

		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		within(t, func() { assert.ErrorIs(t, e.Drain(ctx), context.DeadlineExceeded) })
		require.Zero(t, delivered.Load())

		var early atomic.Bool
		drained := make(chan error, 1)
		go func() {
			err := e.Drain(context.Background())
			early.Store(delivered.Load() < 8)
			drained <- err
		}()
		synctest.Wait()
		close(stuck)
		require.NoError(t, <-drained)
		require.False(t, early.Load(), "Drain came back before the last event was delivered")
		require.NoError(t, e.Drain(ctx), "nothing waits, so an ended context is no hindrance")
	})
}

// The events of a thousand removals take no goroutine besides those that write.
func TestEventsTakeNoGoroutines(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	var calling atomic.Int32
	count := labelled(t, func() {
		e := told(t, func(removal) {
			calling.Add(1)
			<-stuck
		}, oneShard)
		e.Set(1, 0)
		go e.Set(1, 1) // its event is the one that is stuck
		within(t, func() {
			for calling.Load() == 0 {
				runtime.Gosched()
			}
			for n := range 1000 {
				e.Set(1, n)
			}
		})
	})
	require.Equal(t, 1, count(""), "only the one that calls the listener")
	close(stuck)
}
