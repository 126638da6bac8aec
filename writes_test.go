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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
)

// TestAGoroutineSeesItsOwnWrites: each has keys of its own and knows what they
// hold, while all of them together make the shards grow and shrink.
func TestAGoroutineSeesItsOwnWrites(t *testing.T) {
	for _, policy := range []evict.Policy{evict.TinyClock, evict.LRU} {
		e := opened(t, locmem.Options[int, int]{MaxEntries: 100_000, Shards: 2, Policy: policy})
		var all sync.WaitGroup
		for g := range 6 {
			all.Go(func() {
				rnd := rand.New(rand.NewPCG(rand.Uint64(), 0))
				held := map[int]int{}
				for i := range 1500 {
					key := g + 6*rnd.IntN(1000)
					old, had := held[key]
					switch rnd.IntN(8) {
					case 0, 1, 2:
						assert.True(t, e.Set(key, i))
						held[key] = i
					case 3:
						assert.Equal(t, !had, e.Add(key, i))
						if !had {
							held[key] = i
						}
					case 4:
						assert.Equal(t, had, e.Replace(key, i))
						if had {
							held[key] = i
						}
					case 5:
						assert.Equal(t, had, e.Delete(key))
						delete(held, key)
					case 6:
						value, ok := e.Take(key)
						assert.Equal(t, had, ok)
						assert.Equal(t, old, value)
						delete(held, key)
					case 7:
						value, ok := e.Compute(key, func(entry locmem.Entry[int], found bool) (int, locmem.Op) {
							assert.Equal(t, had, found)
							return entry.Value + 1, locmem.Store
						})
						assert.True(t, ok)
						assert.Equal(t, old+1, value)
						held[key] = value
					}
					want, ok := held[key]
					value, found := e.Get(key)
					assert.Equal(t, ok, found)
					assert.Equal(t, want, value)
					if t.Failed() {
						return
					}
				}
			})
		}
		within(t, all.Wait)
	}
}

// TestReadersSeeTheWritesOfAKeyInTheirOrder: one goroutine writes rising values,
// and what any reader sees never falls behind what it saw before, nor behind what
// was written before it looked.
func TestReadersSeeTheWritesOfAKeyInTheirOrder(t *testing.T) {
	const last = 2000
	writes := map[string]func(e *locmem.Engine[int, int], value int){
		"Set":     func(e *locmem.Engine[int, int], value int) { e.Set(1, value) },
		"Replace": func(e *locmem.Engine[int, int], value int) { e.Replace(1, value) },
		"SetMany": func(e *locmem.Engine[int, int], value int) { e.SetMany(map[int]int{1: value, 2: value}) },
		"Compute": func(e *locmem.Engine[int, int], value int) {
			e.Compute(1, func(locmem.Entry[int], bool) (int, locmem.Op) { return value, locmem.Store })
		},
		"CompareAndSwap": func(e *locmem.Engine[int, int], value int) { locmem.CompareAndSwap(e, 1, value-1, value) },
		"Incr":           func(e *locmem.Engine[int, int], _ int) { _, _, _ = locmem.Incr(e, 1, 1) },
	}
	reads := []func(e *locmem.Engine[int, int]) (int, bool){
		func(e *locmem.Engine[int, int]) (int, bool) { return e.Get(1) },
		func(e *locmem.Engine[int, int]) (int, bool) {
			entry, ok := e.Peek(1)
			return entry.Value, ok
		},
		func(e *locmem.Engine[int, int]) (int, bool) {
			value, ok := e.GetMany([]int{1, 3})[1]
			return value, ok
		},
		func(e *locmem.Engine[int, int]) (int, bool) {
			return e.Compute(1, func(locmem.Entry[int], bool) (int, locmem.Op) { return 0, locmem.Keep })
		},
	}
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			e := opened(t, locmem.Options[int, int]{MaxEntries: 100, Shards: 1})
			e.Set(1, 0)
			var written, looks atomic.Int64
			var all sync.WaitGroup
			all.Go(func() {
				for value := 1; value <= last; value++ {
					write(e, value)
					written.Store(int64(value))
					if value%16 == 0 && value < last { // in step with the readers, or they would see the last value alone
						for before := looks.Load(); looks.Load() < before+8 && !t.Failed(); {
							runtime.Gosched()
						}
					}
				}
			})
			for _, read := range reads {
				all.Go(func() {
					for seen := 0; seen < last; {
						before := int(written.Load())
						value, ok := read(e)
						if !assert.True(t, ok) || !assert.GreaterOrEqual(t, value, max(seen, before), "an older value came back") {
							return
						}
						seen = value
						looks.Add(1)
					}
				})
			}
			within(t, all.Wait)
		})
	}
}

// TestOneOfManyAddsWins, and its value is the one that is held.
func TestOneOfManyAddsWins(t *testing.T) {
	e := opened(t, locmem.Options[int, int]{MaxEntries: 1000, Shards: 1})
	for key := range 300 {
		var winners, winner atomic.Int64
		race(4, func(g int) {
			if e.Add(key, g) {
				winners.Add(1)
				winner.Store(int64(g))
			}
		})
		require.Equal(t, int64(1), winners.Load())
		value, ok := e.Get(key)
		require.True(t, ok)
		require.Equal(t, int(winner.Load()), value)
	}
}

// race starts n goroutines at one moment and waits for them.
func race(n int, f func(g int)) {
	var ready, all sync.WaitGroup
	ready.Add(n)
	for g := range n {
		all.Go(func() {
			ready.Done()
			ready.Wait()
			f(g)
		})
	}
	all.Wait()
}

// TestATokenIsNeverInTwoHands: what one goroutine has taken no other can take,
// and the place is free to add to until it is put back.
func TestATokenIsNeverInTwoHands(t *testing.T) {
	const unseen = -1
	for name, take := range map[string]func(e *locmem.Engine[int, int]) (int, bool){
		"Take": func(e *locmem.Engine[int, int]) (int, bool) { return e.Take(1) },
		"Compute": func(e *locmem.Engine[int, int]) (token int, ok bool) {
			e.Compute(1, func(old locmem.Entry[int], found bool) (int, locmem.Op) {
				token, ok = old.Value, found
				runtime.Gosched()
				return 0, locmem.Remove
			})
			return token, ok
		},
		"Delete":     func(e *locmem.Engine[int, int]) (int, bool) { return unseen, e.Delete(1) },
		"DeleteMany": func(e *locmem.Engine[int, int]) (int, bool) { return unseen, e.DeleteMany([]int{1, 2, 3}) == 1 },
	} {
		t.Run(name, func(t *testing.T) {
			e := opened(t, locmem.Options[int, int]{MaxEntries: 10, Shards: 1})
			e.Set(1, 0)
			var hands, takes atomic.Int64
			within(t, func() {
				race(4, func(int) {
					for takes.Load() < 2000 && !t.Failed() {
						token, ok := take(e)
						if !ok {
							runtime.Gosched()
							continue
						}
						assert.Equal(t, int64(1), hands.Add(1), "the token is in two hands")
						taken := takes.Add(1)
						if token != unseen {
							assert.Equal(t, taken-1, int64(token), "a take was lost")
						}
						hands.Add(-1)
						assert.True(t, e.Add(1, int(taken)), "the place was not free")
					}
				})
			})
		})
	}
}

// TestNoUpdateIsLost: updates that read, go elsewhere and write.
func TestNoUpdateIsLost(t *testing.T) {
	const goroutines, each = 4, 300
	for name, add := range map[string]func(e *locmem.Engine[int, int]){
		"Compute": func(e *locmem.Engine[int, int]) {
			e.Compute(1, func(old locmem.Entry[int], _ bool) (int, locmem.Op) {
				runtime.Gosched()
				return old.Value + 1, locmem.Store
			})
		},
		"Incr": func(e *locmem.Engine[int, int]) { _, _, _ = locmem.Incr(e, 1, 1) },
		"CompareAndSwap": func(e *locmem.Engine[int, int]) {
			for {
				old, _ := e.Get(1)
				runtime.Gosched()
				if locmem.CompareAndSwap(e, 1, old, old+1) {
					return
				}
			}
		},
		"Compute that removes": func(e *locmem.Engine[int, int]) {
			sum := 0
			e.Compute(1, func(old locmem.Entry[int], _ bool) (int, locmem.Op) {
				sum = old.Value
				runtime.Gosched()
				return 0, locmem.Remove
			})
			// What was taken away is put back, on top of what has come since.
			e.Compute(1, func(old locmem.Entry[int], _ bool) (int, locmem.Op) { return old.Value + sum + 1, locmem.Store })
		},
	} {
		for _, shards := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/%d shards", name, shards), func(t *testing.T) {
				e := opened(t, locmem.Options[int, int]{MaxEntries: 10, Shards: shards})
				e.Set(1, 0)
				within(t, func() {
					race(goroutines, func(int) {
						for range each {
							add(e)
						}
					})
				})
				value, ok := e.Get(1)
				require.True(t, ok)
				require.Equal(t, goroutines*each, value)
			})
		}
	}
}

// TestComputeAnswersToWhatIsThere interferes once, while the function runs.
func TestComputeAnswersToWhatIsThere(t *testing.T) {
	type engine = locmem.Engine[int, int]
	for _, tc := range []struct {
		name      string
		absent    bool // at first
		interfere func(e *engine, clock *locmem.ManualClock)
		calls     int
		then      int // the value at the last call, -1: none
	}{
		{"nothing", false, func(*engine, *locmem.ManualClock) {}, 1, 10},
		{"a read", false, func(e *engine, _ *locmem.ManualClock) { e.Get(1) }, 1, 10},
		{"a write to another key", false, func(e *engine, _ *locmem.ManualClock) { e.Set(2, 0) }, 1, 10},
		{"a write", false, func(e *engine, _ *locmem.ManualClock) { e.Set(1, 20) }, 2, 20},
		{"the same value again", false, func(e *engine, _ *locmem.ManualClock) { e.Set(1, 10) }, 2, 10},
		{"a new lifetime", false, func(e *engine, _ *locmem.ManualClock) { e.Touch(1, locmem.TTL(time.Hour)) }, 2, 10},
		{"a removal", false, func(e *engine, _ *locmem.ManualClock) { e.Delete(1) }, 2, -1},
		{"removed and back", false, func(e *engine, _ *locmem.ManualClock) { e.Delete(1); e.Set(1, 10) }, 2, 10},
		{"another in its slot", false, func(e *engine, _ *locmem.ManualClock) { e.Delete(1); e.Set(3, 10) }, 2, -1},
		{"Clear", false, func(e *engine, _ *locmem.ManualClock) { e.Clear() }, 2, -1},
		{"cleared and back", false, func(e *engine, _ *locmem.ManualClock) { e.Clear(); e.Set(1, 10) }, 2, 10},
		{"eviction", false, func(e *engine, _ *locmem.ManualClock) { e.Evict(1 << 20) }, 2, -1},
		{"expiry", false, func(_ *engine, clock *locmem.ManualClock) { clock.Advance(time.Minute) }, 2, -1},
		{"a Compute of its own", false, func(e *engine, _ *locmem.ManualClock) {
			e.Compute(1, func(old locmem.Entry[int], _ bool) (int, locmem.Op) { return old.Value + 20, locmem.Store })
		}, 2, 30},
		{"a Compute that keeps", false, func(e *engine, _ *locmem.ManualClock) {
			e.Compute(1, func(locmem.Entry[int], bool) (int, locmem.Op) { return 0, locmem.Keep })
		}, 1, 10},
		{"absent and written", true, func(e *engine, _ *locmem.ManualClock) { e.Set(1, 20) }, 2, 20},
		{"absent, and another written", true, func(e *engine, _ *locmem.ManualClock) { e.Set(2, 20) }, 1, -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, clock := timed(t, locmem.Options[int, int]{Shards: 1})
			// From the first Compute on entries have versions.
			e.Compute(9, func(locmem.Entry[int], bool) (int, locmem.Op) { return 0, locmem.Keep })
			if !tc.absent {
				e.Set(1, 10, locmem.TTL(time.Minute))
			}
			calls, last := 0, 0
			within(t, func() {
				value, ok := e.Compute(1, func(old locmem.Entry[int], found bool) (int, locmem.Op) {
					if calls++; calls == 1 {
						tc.interfere(e, clock)
					}
					last = -1
					if found {
						last = old.Value
					}
					return 1000 + calls, locmem.Store
				})
				assert.True(t, ok)
				assert.Equal(t, 1000+tc.calls, value)
			})
			require.Equal(t, tc.calls, calls)
			require.Equal(t, tc.then, last)
			value, ok := e.Get(1)
			require.True(t, ok)
			require.Equal(t, 1000+tc.calls, value)
		})
	}
}

// TestComputeFollowsAnEntryThatMoves: Resize gives memory back by moving entries
// to other slots.
func TestComputeFollowsAnEntryThatMoves(t *testing.T) {
	e := opened(t, locmem.Options[int, int]{MaxEntries: 1000, Shards: 1})
	for key := range 1000 {
		e.Set(key, key)
	}
	for key := range 990 {
		e.Delete(key)
	}
	before := e.SlotsUsed()
	calls := 0
	value, ok := e.Compute(999, func(old locmem.Entry[int], found bool) (int, locmem.Op) {
		if calls++; calls == 1 {
			require.NoError(t, e.Resize(100, 0))
			require.Less(t, e.SlotsUsed(), before, "nothing has moved")
			e.Set(0, -1) // into what was its slot, or not
		}
		require.True(t, found)
		return old.Value + 1, locmem.Store
	})
	require.True(t, ok)
	require.Equal(t, 1000, value)
	got, _ := e.Get(0)
	require.Equal(t, -1, got)
	require.Equal(t, 11, e.Len())
}

func TestComputeDoesWhatItsFunctionSays(t *testing.T) {
	for _, tc := range []struct {
		name    string
		held    bool
		op      locmem.Op
		opts    []locmem.EntryOption
		value   int
		ok, has bool
	}{
		{"Keep nothing", false, locmem.Keep, nil, 0, false, false},
		{"Keep", true, locmem.Keep, nil, 1, true, true},
		{"Store", false, locmem.Store, nil, 2, true, true},
		{"Store over", true, locmem.Store, nil, 2, true, true},
		{"Store what is too heavy", true, locmem.Store, []locmem.EntryOption{locmem.Weight(101)}, 0, false, false},
		{"Store what has expired", true, locmem.Store, []locmem.EntryOption{locmem.TTL(0)}, 0, false, false},
		{"Remove nothing", false, locmem.Remove, nil, 0, false, false},
		{"Remove", true, locmem.Remove, nil, 0, false, false},
		{"an unknown operation keeps", true, locmem.Op(9), nil, 1, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := opened(t, locmem.Options[int, int]{MaxWeight: 100, Shards: 1})
			if tc.held {
				e.Set(1, 1)
			}
			value, ok := e.Compute(1, func(old locmem.Entry[int], found bool) (int, locmem.Op) {
				require.Equal(t, tc.held, found)
				return 2, tc.op
			}, tc.opts...)
			require.Equal(t, tc.ok, ok)
			require.Equal(t, tc.value, value)
			require.Equal(t, tc.has, e.Has(1))
		})
	}
	require.Equal(t, "Keep Store Remove Op(?)", fmt.Sprint(locmem.Keep, locmem.Store, locmem.Remove, locmem.Op(9)))
}

// TestAComputeThatDoesNotReturnChangesNothing, and leaves no lock behind.
func TestAComputeThatDoesNotReturnChangesNothing(t *testing.T) {
	for name, leave := range map[string]func(){
		"panic":  func() { panic("no") },
		"Goexit": runtime.Goexit,
	} {
		for _, held := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/held %v", name, held), func(t *testing.T) {
				e := opened(t, locmem.Options[int, int]{MaxEntries: 10, Shards: 1})
				if held {
					e.Set(1, 1, locmem.TTL(time.Hour))
				}
				before, _ := e.Peek(1)
				within(t, func() {
					defer func() { _ = recover() }()
					e.Compute(1, func(locmem.Entry[int], bool) (int, locmem.Op) {
						leave()
						return 2, locmem.Store
					})
				})
				within(t, func() {
					after, ok := e.Peek(1)
					assert.Equal(t, held, ok)
					assert.Equal(t, before, after)
					assert.True(t, e.Set(1, 3))
					value, ok := e.Compute(1, func(old locmem.Entry[int], _ bool) (int, locmem.Op) { return old.Value + 1, locmem.Store })
					assert.True(t, ok)
					assert.Equal(t, 4, value)
				})
			})
		}
	}
}

func TestCompareAndSwapSwapsWhatItWasToldToFind(t *testing.T) {
	e, clock := timed(t, locmem.Options[int, int]{TTL: time.Hour})
	require.False(t, locmem.CompareAndSwap(e, 1, 0, 2), "there is nothing")
	require.False(t, e.Has(1))
	e.Set(1, 1, locmem.TTL(time.Minute))
	require.False(t, locmem.CompareAndSwap(e, 1, 2, 3), "it is another value")
	value, _ := e.Get(1)
	require.Equal(t, 1, value)
	require.True(t, locmem.CompareAndSwap(e, 1, 1, 2, locmem.KeepTTL()))
	clock.Advance(time.Minute)
	require.False(t, locmem.CompareAndSwap(e, 1, 2, 3), "it has expired")
	require.False(t, e.Has(1))
}

// added checks a sum, or that it overflows. An engine of each type would say the
// same and take long to compile.
func added[V locmem.Number](t *testing.T, a, b, want V, overflow bool) {
	t.Helper()
	sum := a + b
	require.Equal(t, overflow, locmem.Overflows(a, b, sum), "%T: %v + %v", a, a, b)
	if !overflow {
		require.Equal(t, fmt.Sprint(want), fmt.Sprint(sum)) // a NaN is not equal to itself
	}
}

func addedSigned[V ~int | ~int8 | ~int16 | ~int32 | ~int64](t *testing.T, least, most V) {
	t.Helper()
	added(t, 5, 7, V(12), false)
	added(t, 5, -7, V(-2), false)
	added(t, 5, 0, V(5), false)
	added(t, most-1, 1, most, false)
	added(t, most, 1, 0, true)
	added(t, most, most, 0, true)
	added(t, most, 0, most, false)
	added(t, most, least, V(-1), false)
	added(t, least+1, -1, least, false)
	added(t, least, -1, 0, true)
	added(t, least, least, 0, true)
	added(t, -1, least, 0, true)
}

func addedUnsigned[V ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr](t *testing.T, most V) {
	t.Helper()
	added(t, 5, 7, V(12), false)
	added(t, most-1, 1, most, false)
	added(t, most, 1, 0, true)
	added(t, most, most, 0, true)
	added(t, 1, most, 0, true)
	added(t, 0, most, most, false)
}

type count int16

func TestSumsNeverWrapAround(t *testing.T) {
	addedSigned[int](t, math.MinInt, math.MaxInt)
	addedSigned[int8](t, math.MinInt8, math.MaxInt8)
	addedSigned[int16](t, math.MinInt16, math.MaxInt16)
	addedSigned[int32](t, math.MinInt32, math.MaxInt32)
	addedSigned[int64](t, math.MinInt64, math.MaxInt64)
	addedSigned[count](t, math.MinInt16, math.MaxInt16)
	addedSigned[time.Duration](t, math.MinInt64, math.MaxInt64)
	addedUnsigned[uint](t, math.MaxUint)
	addedUnsigned[uint8](t, math.MaxUint8)
	addedUnsigned[uint16](t, math.MaxUint16)
	addedUnsigned[uint32](t, math.MaxUint32)
	addedUnsigned[uint64](t, math.MaxUint64)
	addedUnsigned[uintptr](t, ^uintptr(0))
	added(t, 1.5, 2.25, 3.75, false)
	added(t, 1e300, 1, 1e300, false) // rounded, not lost
	added(t, math.MaxFloat64, math.MaxFloat64, 0, true)
	added(t, -math.MaxFloat64, -math.MaxFloat64, 0, true)
	added(t, math.Inf(1), 1, math.Inf(1), false)
	added(t, 1, math.Inf(-1), math.Inf(-1), false)
	added(t, 1, math.NaN(), math.NaN(), false)
	added(t, math.Inf(1), math.Inf(-1), math.NaN(), false)
	added[float32](t, math.MaxFloat32, math.MaxFloat32, 0, true)
	added[float32](t, -math.MaxFloat32, -math.MaxFloat32, 0, true)
	added[float32](t, 1<<24, 1, 1<<24, false)
}

func TestIncrAddsOrLeavesTheEntryAlone(t *testing.T) {
	e := opened(t, locmem.Options[int, int]{MaxEntries: 10, Shards: 1, TTL: time.Minute})
	sum, ok, err := locmem.Incr(e, 1, 7)
	require.NoError(t, err)
	require.False(t, ok, "there is nothing to add to")
	require.Zero(t, sum)
	require.False(t, e.Has(1))

	e.Set(1, 5, locmem.TTL(time.Hour))
	before, _ := e.Peek(1)
	sum, ok, err = locmem.Incr(e, 1, 7)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, 12, sum)
	after, _ := e.Peek(1)
	require.Equal(t, 12, after.Value)
	require.Equal(t, before.Deadline, after.Deadline, "the expiry has changed")

	sum, ok, err = locmem.Incr(e, 1, math.MaxInt)
	require.ErrorIs(t, err, locmem.ErrOverflow)
	require.True(t, ok)
	require.Equal(t, 12, sum)
	last, _ := e.Peek(1)
	require.Equal(t, after, last)
}

// TestManyKeyCallsAreAsSoManyCalls does the same to two engines, to one by calls
// on many keys and to the other by calls on one.
func TestManyKeyCallsAreAsSoManyCalls(t *testing.T) {
	for name, policy := range policies {
		for _, shards := range []int{1, 8} {
			t.Run(fmt.Sprintf("%s/%d shards", name, shards), func(t *testing.T) {
				opts := locmem.Options[any, int]{MaxWeight: 5000, Shards: shards, Policy: policy, Stats: true, Weigh: func(_ any, value int) int64 { return int64(value) }}
				many, single := opened(t, opts), opened(t, opts)
				for _, n := range []int{0, 1, 64, 65, 256, 257, 600} {
					values := map[any]int{math.NaN(): 1, math.NaN(): 2}
					keys := []any{math.NaN()}
					for i := range n {
						keys = append(keys, i, i+n/2)
						values[i] = i % 3
						if i == 62 {
							values[62] = 5001 // too heavy
						}
					}
					stores := 0
					for key, value := range values {
						if single.Set(key, value) {
							stores++
						}
					}
					require.Equal(t, stores, many.SetMany(values))
					require.Equal(t, single.Len(), many.Len())
					require.Equal(t, single.Weight(), many.Weight())

					found := map[any]int{}
					for _, key := range keys {
						if value, ok := single.Get(key); ok {
							found[key] = value
						}
					}
					require.Equal(t, found, many.GetMany(keys)) // an empty map, not a nil one

					half := append(keys[:len(keys)/2:len(keys)/2], math.NaN())
					deletes := 0
					for _, key := range half {
						if single.Delete(key) {
							deletes++
						}
					}
					require.Equal(t, deletes, many.DeleteMany(half))
					require.Equal(t, single.Len(), many.Len())
					require.NoError(t, many.Validate())
				}
				one, other := single.Stats(), many.Stats()
				one.PerShard, other.PerShard = nil, nil // their hashes differ
				require.Equal(t, one, other)
			})
		}
	}
}

// TestSetManyBeyondTheLimitKeepsTheBound: what does not fit displaces, entry by
// entry, and every value counts as stored.
func TestSetManyBeyondTheLimitKeepsTheBound(t *testing.T) {
	removed := 0
	e := opened(t, locmem.Options[int, int]{MaxEntries: 100, Shards: 4, OnRemove: func(locmem.Removal[int, int]) { removed++ }})
	values := map[int]int{}
	for key := range 1000 {
		values[key] = key
	}
	require.Equal(t, 1000, e.SetMany(values))
	require.Equal(t, 100, e.Len())
	require.NoError(t, e.Drain(t.Context()))
	require.Equal(t, 900, removed)
	e.Close()
	require.Zero(t, e.SetMany(values))
	require.ErrorIs(t, e.Resize(1, 0), locmem.ErrClosed)
}
