// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
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
// for a large shard, and short: it looks for an entry from the newest on.
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
func (r *newestFirst) Move(from, to uint32)        { r.held[r.place(from)] = to }
func (r *newestFirst) Clear()                      { r.held = nil }
func (r *newestFirst) Len() int                    { return len(r.held) }
func (r *newestFirst) MaxMark() uint32             { return 1 }
func (r *newestFirst) Hit(uint32)                  {}
func (r *newestFirst) Admit(uint32, int64)         {}
func (r *newestFirst) Reweigh(uint32, int64)       {}
func (r *newestFirst) Trim(uint32)                 {}
func (r *newestFirst) Resize(int)                  {}

func (r *newestFirst) Remove(slot uint32) {
	at := r.place(slot)
	r.held = slices.Delete(r.held, at, at+1)
}

func (r *newestFirst) place(slot uint32) int {
	at := len(r.held) - 1
	for r.held[at] != slot {
		at--
	}
	return at
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

// bent makes a policy of another one by what bend does to its rings.
func bent(policy evict.Policy, bend func(ring evict.Ring) evict.Ring) evict.Policy {
	return func(shards []evict.Shard) []evict.Ring {
		rings := policy(shards)
		for i := range rings {
			rings[i] = bend(rings[i])
		}
		return rings
	}
}

// marking is a ring that says something else of its marks.
type marking struct {
	evict.Ring
	most uint32
}

func (r marking) MaxMark() uint32 { return r.most }

func TestNewRefusesRingsThatDoNotFitTheShards(t *testing.T) {
	for _, tc := range []struct {
		name   string
		policy evict.Policy
		want   string
	}{
		{"no rings", func([]evict.Shard) []evict.Ring { return nil }, " has made 0 rings for 4 shards: it must make one for each"},
		{
			"fewer rings than shards", func(shards []evict.Shard) []evict.Ring { return evict.FIFO(shards[1:]) },
			" has made 3 rings for 4 shards: it must make one for each",
		},
		{
			"more rings than shards", func(shards []evict.Shard) []evict.Ring { return evict.FIFO(append(shards, shards[0])) },
			" has made 5 rings for 4 shards: it must make one for each",
		},
		{"a nil ring", func(shards []evict.Shard) []evict.Ring {
			rings := evict.FIFO(shards)
			rings[2] = nil
			return rings
		}, " has made no ring for shard 2: it is nil"},
		{
			"marks that a slot has no room for", bent(evict.FIFO, func(ring evict.Ring) evict.Ring { return marking{ring, 4} }),
			": the ring of shard 0 has MaxMark 4: it must be 0 to 3",
		},
		{"marks of each ring's own", func(shards []evict.Shard) []evict.Ring {
			return append(evict.FIFO(shards[:1]), evict.S3FIFO(shards[1:])...)
		}, ": the ring of shard 1 has MaxMark 3, that of shard 0 has 1: it must be the same"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := locmem.New(locmem.Options[int, int]{MaxEntries: 1000, Shards: 4, Policy: tc.policy})
			assert.Nil(t, e)
			require.EqualError(t, err, "locmem: Options.Policy"+tc.want)
		})
	}
}

// failing is a ring with a victim of its own.
type failing struct {
	evict.Ring
	evict func(ring evict.Ring, keep uint32) uint32
}

func (r failing) Evict(_ bool, keep uint32) uint32 { return r.evict(r.Ring, keep) }

// failingInOrder is one of an order over all shards.
type failingInOrder struct{ failing }

func (r failingInOrder) Oldest() int            { return r.Ring.(evict.Ordered).Oldest() }
func (r failingInOrder) Use(slot uint32) uint64 { return r.Ring.(evict.Ordered).Use(slot) }

// choosing is FIFO whose victims are those that choose returns.
func choosing(choose func(ring evict.Ring, keep uint32) uint32) evict.Policy {
	return bent(evict.FIFO, func(ring evict.Ring) evict.Ring { return failing{ring, choose} })
}

// inTurn deals keys out over the shards, in the order in which they first come.
func inTurn(opts *locmem.Options[int, int]) {
	places := map[uint64]uint64{}
	var mu sync.Mutex
	opts.BendHash(func(hash uint64) uint64 {
		mu.Lock()
		defer mu.Unlock()
		place, ok := places[hash]
		if !ok {
			place = uint64(len(places))
			places[hash] = place
		}
		return hash&(1<<48-1) | place<<48
	}, false)
}

func nothing(evict.Ring, uint32) uint32 { return evict.None }

// A policy that gives no victim, or the wrong one, is told so, in the call that
// met it; the engine stays whole and serves everybody else.
func TestAPolicyThatGivesNoVictimIsToldSo(t *testing.T) {
	const mayNot = ": Evict must return None only if nothing but keep is held"
	type engine = locmem.Engine[int, int]
	next := func(e *engine) { e.Set(9, 9) }
	grow := func(e *engine) { e.Set(1, 1, locmem.Weight(3)) }
	for _, tc := range []struct {
		name  string
		opts  locmem.Options[int, int]
		keys  int // 1 to so many are held
		write func(e *engine)
		want  string
		gone  int // how many the policy made an end of all the same
	}{
		{
			"a new entry",
			locmem.Options[int, int]{MaxEntries: 2, Shards: 1, Policy: choosing(nothing)},
			2, next,
			"evicted nothing of 2 entries in shard 0" + mayNot, 0,
		},
		{
			"a new entry in another shard",
			locmem.Options[int, int]{MaxEntries: 1, Shards: 2, Policy: choosing(nothing)},
			1, next,
			"evicted nothing of 1 entries in shard 0" + mayNot, 0,
		},
		{
			"a new entry in another shard, with weights",
			locmem.Options[int, int]{MaxWeight: 1, Shards: 2, Policy: choosing(nothing)},
			1, next,
			"evicted nothing of 1 entries in shard 0" + mayNot, 0,
		},
		{
			"one order over all shards, in one's own",
			locmem.Options[int, int]{MaxEntries: 2, Shards: 2, Policy: bent(evict.LRU, func(ring evict.Ring) evict.Ring {
				return failingInOrder{failing{ring, nothing}}
			})},
			2, next,
			"evicted nothing of 1 entries in shard 0" + mayNot, 0,
		},
		{
			"one order over all shards, in another",
			locmem.Options[int, int]{MaxEntries: 3, Shards: 2, Policy: bent(evict.LRU, func(ring evict.Ring) evict.Ring {
				return failingInOrder{failing{ring, nothing}}
			})},
			3, next,
			"evicted nothing of 2 entries in shard 0" + mayNot, 0,
		},
		{
			"many new entries",
			locmem.Options[int, int]{MaxEntries: 2, Shards: 1, Policy: choosing(nothing)},
			2,
			func(e *engine) { e.SetMany(map[int]int{7: 7, 8: 8}) },
			"evicted nothing of 2 entries in shard 0" + mayNot, 0,
		},
		{
			"a heavier entry",
			locmem.Options[int, int]{MaxWeight: 3, Shards: 1, Policy: choosing(nothing)},
			3, grow,
			"evicted nothing of 2 entries in shard 0" + mayNot, 0,
		},
		{
			"a slot that is not held",
			locmem.Options[int, int]{MaxEntries: 2, Shards: 1, Policy: choosing(func(evict.Ring, uint32) uint32 { return 3 })},
			2, next,
			"evicted slot 3 of shard 0, which is not held", 0,
		},
		{
			"a slot that was never used",
			locmem.Options[int, int]{MaxEntries: 2, Shards: 1, Policy: choosing(func(evict.Ring, uint32) uint32 { return 1 << 29 })},
			2, next,
			"evicted slot 536870912 of shard 0, which is not held", 0,
		},
		{
			"a limit of the write",
			locmem.Options[int, int]{MaxEntries: 2, Shards: 1, Policy: choosing(nothing)},
			2,
			func(e *engine) { e.Set(9, 9, locmem.Limit(1)) },
			"evicted nothing of 2 entries in shard 0" + mayNot, 0,
		},
		{
			"Evict",
			locmem.Options[int, int]{MaxEntries: 2, Shards: 1, Policy: choosing(nothing)},
			2,
			func(e *engine) { e.Evict(1) },
			"evicted nothing of 2 entries in shard 0" + mayNot, 0,
		},
		{
			"the one to keep",
			locmem.Options[int, int]{MaxWeight: 3, Shards: 1, Policy: choosing(func(ring evict.Ring, _ uint32) uint32 {
				return ring.Evict(false, evict.None)
			})},
			3, grow,
			"evicted slot 1 of shard 0, which Evict was told to keep", 1,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inTurn(&tc.opts)
			tc.opts.Clock = locmem.NewManualClock(theStart)
			e := locmem.Must(locmem.New(tc.opts))
			for key := range tc.keys {
				require.True(t, e.Set(1+key, key))
			}
			within(t, func() {
				assert.Equal(t, "locmem: the policy "+tc.want, panicOf(func() { tc.write(e) }))
			})
			within(t, func() {
				assert.Equal(t, tc.keys-tc.gone, e.Len(), "what the write had in hand went back")
				assert.NoError(t, e.Validate())
				for key := 1 + tc.gone; key <= tc.keys; key++ {
					value, ok := e.Get(key)
					assert.True(t, ok && value == key-1, "key %d", key)
					assert.True(t, e.Set(key, -key), "key %d", key)
				}
				if tc.gone == 0 {
					assert.Equal(t, "locmem: the policy "+tc.want, panicOf(func() { tc.write(e) }), "once more")
				}
				assert.True(t, e.Delete(tc.keys))
				assert.True(t, e.Set(tc.keys, 0), "there is room")
				assert.NoError(t, e.Validate())
				e.Close()
			})
		})
	}
}

// fullOf returns an engine of one shard with the policy, which holds its two
// entries, 1 and 2.
func fullOf(policy evict.Policy) *locmem.Engine[int, int] {
	e := locmem.Must(locmem.New(locmem.Options[int, int]{
		MaxEntries: 2, Shards: 1, Policy: policy, Clock: locmem.NewManualClock(theStart),
	}))
	e.Set(1, 1)
	e.Set(2, 2)
	return e
}

func TestResizeReturnsThatThePolicyGivesNoVictim(t *testing.T) {
	e := fullOf(choosing(nothing))
	within(t, func() {
		assert.ErrorContains(t, e.Resize(1, 0), "locmem: the policy evicted nothing of 2 entries in shard 0")
		assert.True(t, e.Delete(1))
		assert.NoError(t, e.Validate())
		e.Close()
	})
}

// A load has callers of its own, who get it as their error.
func TestALoadThatThePolicyGivesNoRoomFails(t *testing.T) {
	e := fullOf(choosing(nothing))
	load := func(context.Context, int) (int, error) { return 3, nil }
	within(t, func() {
		_, err := e.GetOrSet(t.Context(), 3, load)
		assert.ErrorContains(t, err, "locmem: the policy evicted nothing of 2 entries in shard 0")
		e.Delete(1)
		value, err := e.GetOrSet(t.Context(), 3, load)
		assert.NoError(t, err)
		assert.Equal(t, 3, value)
		assert.NoError(t, e.Validate())
		e.Close()
	})
}

// What a policy does wrong is the caller's to see, at the call that met it.
func TestAFaultOfAPolicyIsNotHidden(t *testing.T) {
	t.Run("its panic reaches the writer as it is", func(t *testing.T) {
		// The shard is left locked, so nothing must come by later.
		e := fullOf(choosing(func(evict.Ring, uint32) uint32 { panic("the policy gives up") }))
		require.PanicsWithValue(t, "the policy gives up", func() { e.Set(3, 3) })
	})
	t.Run("what it forgets to hold is found by the engine's own check", func(t *testing.T) {
		policy := choosing(func(ring evict.Ring, _ uint32) uint32 {
			ring.Evict(true, evict.None)
			return ring.Evict(true, evict.None)
		})
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
