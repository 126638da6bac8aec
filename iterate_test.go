// SPDX-License-Identifier: MIT

package locmem_test

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
)

// TestAnIterationSeesWhatIsHeldThroughoutOnce walks while the shards grow, are
// emptied and give memory back.
func TestAnIterationSeesWhatIsHeldThroughoutOnce(t *testing.T) {
	const stable = 700
	others := 20_000
	if testing.Short() { // where each mutation may be validated
		others = 1000
	}
	for name, disturb := range map[string]func(e *locmem.Engine[int, int], rnd *rand.Rand){
		"growth and shrinking": func(e *locmem.Engine[int, int], rnd *rand.Rand) {
			first := stable + rnd.IntN(others)
			for key := first; key < first+200; key++ {
				e.Set(key, key)
			}
			if rnd.IntN(4) == 0 {
				for key := range others {
					e.Delete(stable + key)
				}
			}
		},
		"overwrites": func(e *locmem.Engine[int, int], rnd *rand.Rand) {
			for range 100 {
				key := rnd.IntN(stable)
				e.Set(key, key, locmem.TTL(time.Hour))
			}
		},
		"compaction": func(e *locmem.Engine[int, int], rnd *rand.Rand) {
			for range 500 {
				e.Set(stable+rnd.IntN(others), 0)
			}
			for key := range others {
				e.Delete(stable + key)
			}
			_ = e.Resize(50_000, 0)
			_ = e.Resize(100_000, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, shards := range []int{1, 4} {
				e := opened(t, locmem.Options[int, int]{MaxEntries: 100_000, Shards: shards})
				for key := range stable {
					e.Set(key, key)
				}
				done := make(chan struct{})
				var all sync.WaitGroup
				for g := range 2 {
					all.Go(func() {
						rnd := rand.New(rand.NewPCG(rand.Uint64(), uint64(g)))
						for {
							select {
							case <-done:
								return
							default:
								disturb(e, rnd)
							}
						}
					})
				}
				for range 10 {
					seen := map[int]int{}
					for key := range e.All() {
						seen[key]++
						if key%16 == 0 {
							runtime.Gosched()
						}
					}
					for key, times := range seen {
						if times != 1 {
							require.Fail(t, "seen twice", "key %d, %d times", key, times)
						}
					}
					for key := range stable {
						if seen[key] != 1 {
							require.Fail(t, "missed", "key %d", key)
						}
					}
				}
				close(done)
				within(t, all.Wait)
			}
		})
	}
}

// TestAnIterationSeesAllAtEverySize: also where the index is on its way to another
// table, larger or smaller.
func TestAnIterationSeesAllAtEverySize(t *testing.T) {
	e := opened(t, locmem.Options[int, int]{MaxEntries: 1 << 20, Shards: 1})
	all := func(n int) {
		seen := map[int]bool{}
		for key := range e.All() {
			require.False(t, seen[key], "%d entries: key %d again", n, key)
			seen[key] = true
		}
		require.Len(t, seen, n)
	}
	const most = 800
	for n := range most {
		if n < 100 || n%7 == 0 {
			all(n)
		}
		e.Set(n, n)
	}
	all(most)
	for n := most; n > 0; n-- {
		e.Delete(n - 1)
		if n%100 == 0 {
			limit := 1<<20 - (most - n)
			require.NoError(t, e.Resize(limit, 0))
			for range e.All() {
				e.Set(n-1, 0) // one step of the way
				e.Delete(n - 1)
			}
			all(n - 1)
		}
	}
}

// TestAnIterationSeesNoKeyTwiceThroughClear: Clear and new entries meanwhile.
func TestAnIterationSeesNoKeyTwiceThroughClear(t *testing.T) {
	e := opened(t, locmem.Options[int, int]{MaxEntries: 10_000, Shards: 4})
	fill := func() {
		for key := range 3000 {
			e.Set(key, key)
		}
	}
	for _, clearAt := range []int{0, 1, 100, 1500} {
		fill()
		seen := map[int]bool{}
		for key, value := range e.All() {
			require.Equal(t, key, value)
			require.False(t, seen[key], "key %d again", key)
			seen[key] = true
			if len(seen) == clearAt+1 {
				e.Clear()
				if clearAt%2 == 0 {
					fill()
				}
			}
		}
	}
}

// TestAnIterationIsNotUpsetByATurnToOtherHashes: a shard flooded with equal
// hashes files its index anew, but not under the feet of an iteration, whose
// place is a hash.
func TestAnIterationIsNotUpsetByATurnToOtherHashes(t *testing.T) {
	opts := locmem.Options[int, int]{MaxEntries: 100_000, Shards: 1}
	opts.BendHash(func(h uint64) uint64 { return h & (63 << 26) }, false) // 64 hashes
	e := opened(t, opts)
	const stable = 500 // about eight of each hash: no flood yet
	for key := range stable {
		e.Set(key, key)
	}
	seen := map[int]int{}
	next := stable
	for key := range e.All() {
		seen[key]++
		for range 5 { // and now there is one
			if next < 5*stable {
				e.Set(next, 0)
				next++
			}
		}
	}
	for key, times := range seen {
		require.Equal(t, 1, times, "key %d", key)
	}
	for key := range stable {
		require.Equal(t, 1, seen[key], "key %d was missed", key)
	}
	require.False(t, e.Seeded())
	e.Set(next, 0)
	require.True(t, e.Seeded(), "the shard never turned to hashes of its own")
	require.NoError(t, e.Validate())
}

// TestAnIterationYieldsNothingExpired: neither what has expired before it began,
// nor what expires while it runs.
func TestAnIterationYieldsNothingExpired(t *testing.T) {
	for name, lifetime := range map[string]func(time.Duration) locmem.EntryOption{"TTL": locmem.TTL, "Idle": locmem.Idle} {
		t.Run(name, func(t *testing.T) {
			fill := func(e *locmem.Engine[int, int]) {
				for key := range 900 {
					e.Set(key, key, lifetime(time.Minute), locmem.Weight(0))
				}
				e.Set(-1, -1)
			}
			unswept(t, locmem.Options[int, int]{}, fill, func(e *locmem.Engine[int, int]) {
				for key := range e.All() {
					require.Equal(t, -1, key)
				}
			})

			e, clock := timed(t, locmem.Options[int, int]{Shards: 1})
			fill(e)
			yielded := 0
			for key := range e.All() {
				if yielded++; yielded == 10 {
					clock.Advance(time.Minute)
				}
				if yielded > 10 {
					require.Equal(t, -1, key, "it has expired")
				}
			}
			require.GreaterOrEqual(t, yielded, 10)
		})
	}
}

// TestTheBodyOfAnIterationMayDoAnything: no lock is held while it runs.
func TestTheBodyOfAnIterationMayDoAnything(t *testing.T) {
	filled := func(t *testing.T) *locmem.Engine[int, int] {
		e := opened(t, locmem.Options[int, int]{MaxEntries: 1000, Shards: 2})
		for key := range 500 {
			e.Set(key, key)
		}
		return e
	}
	t.Run("call any method", func(t *testing.T) {
		e := filled(t)
		within(t, func() {
			bodies := 0
			for key := range e.All() {
				bodies++
				e.Get(key)
				e.Set(key, -1)
				e.Delete(key)
				e.Set(1000+key, key)
				e.GetMany([]int{key, key + 1})
				for range e.All() {
					break
				}
				if bodies == 400 {
					e.Clear()
					e.Close()
				}
			}
		})
		require.Zero(t, e.Len())
	})
	t.Run("break off", func(t *testing.T) {
		e := filled(t)
		bodies := 0
		for range e.All() {
			if bodies++; bodies == 3 {
				break
			}
		}
		require.Equal(t, 3, bodies)
		within(t, func() { e.Set(1, 1); e.Clear() })
	})
	for name, leave := range map[string]func(){"panic": func() { panic("no") }, "end its goroutine": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			e := filled(t)
			within(t, func() {
				defer func() { _ = recover() }()
				for range e.All() {
					leave()
				}
			})
			within(t, func() { e.Set(1, 1); e.Clear() })
			require.Zero(t, e.Len())
			require.Zero(t, e.Pins(), "the shards' hashes stay pinned")
		})
	}
}
