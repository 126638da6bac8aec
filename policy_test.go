// SPDX-License-Identifier: MIT

package locmem_test

import (
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cachetest"
	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/invariants"
)

// newestFirst is a policy of a user's own: the newest entry goes. It is too slow
// for a large shard, and short.
type newestFirst struct {
	held    []uint32 // the oldest first
	victims *atomic.Int64
}

func newNewestFirst(victims *atomic.Int64) evict.Policy {
	return func(shards []evict.Shard) []evict.Ring {
		rings := make([]evict.Ring, len(shards))
		for i := range rings {
			rings[i] = &newestFirst{victims: victims}
		}
		return rings
	}
}

func (r *newestFirst) Insert(slot uint32, _ int64) { r.held = append(r.held, slot) }
func (r *newestFirst) Move(from, to uint32)        { r.held[slices.Index(r.held, from)] = to }
func (r *newestFirst) Clear()                      { r.held = nil }
func (r *newestFirst) Len() int                    { return len(r.held) }
func (r *newestFirst) MaxMark() uint32             { return 1 }
func (r *newestFirst) Hit(uint32)                  {}
func (r *newestFirst) Admit(uint32, int64)         {}
func (r *newestFirst) Reweigh(uint32, int64)       {}
func (r *newestFirst) Trim(uint32)                 {}
func (r *newestFirst) Resize(int)                  {}

func (r *newestFirst) Remove(slot uint32) {
	at := slices.Index(r.held, slot)
	r.held = slices.Delete(r.held, at, at+1)
}

func (r *newestFirst) Evict(_ bool, keep uint32) uint32 {
	for _, slot := range slices.Backward(r.held) {
		if slot != keep {
			r.Remove(slot)
			r.victims.Add(1)
			return slot
		}
	}
	return evict.None
}

func (r *newestFirst) All() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, slot := range slices.Backward(r.held) {
			if !yield(slot) {
				return
			}
		}
	}
}

// A policy that is sound by itself decides in an engine, which keeps its bound.
func TestAPolicyOfOnesOwnDecides(t *testing.T) {
	var victims atomic.Int64
	policy := newNewestFirst(&victims)
	t.Run("sound", func(t *testing.T) { cachetest.RunPolicy(t, policy) })

	victims.Store(0)
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 10, Shards: 1, Policy: policy}))
	defer e.Close()
	for key := range 30 {
		require.True(t, e.Set(key, key))
		require.LessOrEqual(t, e.Len(), 10)
	}
	for key := range 9 {
		require.True(t, e.Has(key), "key %d is old and stays", key)
	}
	require.True(t, e.Has(29), "the newest goes when the next one comes")
	require.Equal(t, int64(20), victims.Load())
	require.NoError(t, e.Validate())
}

func TestTheBoundHoldsWithAPolicyOfOnesOwn(t *testing.T) {
	const most = 64
	var victims, over atomic.Int64
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: most, Shards: 4, Policy: newNewestFirst(&victims)}))
	defer e.Close()
	var users sync.WaitGroup
	for id := range uint64(4) {
		users.Go(func() {
			rnd := rand.New(rand.NewPCG(id, 0))
			for n := range 5000 {
				if key := rnd.IntN(4 * most); n%3 == 0 {
					e.Get(key)
				} else {
					e.Set(key, n)
				}
				if n := e.Len(); n > most {
					over.Store(int64(n))
				}
			}
		})
	}
	users.Wait()
	assert.Zero(t, over.Load(), "so many entries were held")
	assert.Positive(t, victims.Load())
	require.NoError(t, e.Validate())
}

// failing is a policy with a fault of its own.
type failing struct {
	evict.Ring
	evict func(ring evict.Ring) uint32
}

func (r failing) Evict(bool, uint32) uint32 { return r.evict(r.Ring) }

// What a policy does wrong is the caller's to see, at the call that met it.
func TestAFaultOfAPolicyIsNotHidden(t *testing.T) {
	for _, tc := range []struct {
		name  string
		evict func(evict.Ring) uint32
		check func(t *testing.T, write func())
	}{
		{"its panic reaches the writer as it is", func(evict.Ring) uint32 { panic("the policy gives up") }, func(t *testing.T, write func()) {
			require.PanicsWithValue(t, "the policy gives up", write)
		}},
		{"a slot that does not exist", func(evict.Ring) uint32 { return 1 << 29 }, func(t *testing.T, write func()) {
			require.Panics(t, write)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			policy := func(shards []evict.Shard) []evict.Ring {
				return []evict.Ring{failing{evict.FIFO(shards)[0], tc.evict}}
			}
			// The shard is left locked, so nothing must come by later.
			clock := locmem.NewManualClock(theStart)
			e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 2, Shards: 1, Policy: policy, Clock: clock}))
			e.Set(1, 1)
			e.Set(2, 2)
			tc.check(t, func() { e.Set(3, 3) })
		})
	}
	t.Run("what it forgets to hold is found by the engine's own check", func(t *testing.T) {
		policy := func(shards []evict.Shard) []evict.Ring {
			return []evict.Ring{failing{evict.FIFO(shards)[0], func(ring evict.Ring) uint32 {
				ring.Evict(true, evict.None)
				return ring.Evict(true, evict.None)
			}}}
		}
		clock := locmem.NewManualClock(theStart)
		e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 4, Shards: 1, Policy: policy, Clock: clock}))
		for key := range 4 {
			e.Set(key, key)
		}
		require.NoError(t, e.Validate())
		const found = "policy: it holds 2 entries, the shard 3"
		if invariants.Enabled { // the engine looks itself, after each change
			require.PanicsWithValue(t, "locmem: shard 0: "+found, func() { e.Evict(1) })
			return
		}
		require.Equal(t, 1, e.Evict(1))
		require.ErrorContains(t, e.Validate(), found)
	})
}
