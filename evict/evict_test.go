// SPDX-License-Identifier: MIT

package evict

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type policyRow struct {
	name   string
	policy Policy
	model  func(capacity int) model
}

// policies are all that this package has.
var policies = []policyRow{
	{"FIFO", FIFO, newFIFOModel},
	{"CLOCK", CLOCK, newClockModel},
	{"S3FIFO", S3FIFO, newS3FIFOModel},
	{"SIEVE", SIEVE, newSIEVEModel},
	{"LRU", LRU, newLRUModel},
	{"TinyClock", TinyClock, newTinyClockModel},
}

// fakeSlots are a ring's view of an engine: hashes and marks by slot number.
type fakeSlots struct {
	hashes, marks []uint32
	calls         int // of Mark and SetMark
}

// newFakeSlots has slots 1 to top.
func newFakeSlots(top int) *fakeSlots {
	return &fakeSlots{hashes: make([]uint32, top+1), marks: make([]uint32, top+1)}
}

func (s *fakeSlots) Hash(slot uint32) uint32   { return s.hashes[slot] }
func (s *fakeSlots) Mark(slot uint32) uint32   { s.calls++; return s.marks[slot] }
func (s *fakeSlots) SetMark(slot, mark uint32) { s.calls++; s.marks[slot] = mark }

// mix32 is a bijection that scatters its argument over 32 bits.
func mix32(x uint32) uint32 {
	x ^= x >> 16
	x *= 0x7feb352d
	x ^= x >> 15
	x *= 0x846ca68b
	x ^= x >> 16
	return x
}

// one makes a ring of its own.
func one(policy Policy, capacity int, slots Slots) Ring {
	return policy([]Shard{{Capacity: capacity, Slots: slots}})[0]
}

// filled makes a ring that holds slots 1 to n, of keys 1 to n.
func filled(policy Policy, n int) (Ring, *fakeSlots) {
	slots := newFakeSlots(2*n + 2)
	ring := one(policy, n, slots)
	for slot := uint32(1); int(slot) <= n; slot++ {
		slots.hashes[slot] = mix32(slot)
		ring.Admit(slots.hashes[slot], 1)
		ring.Insert(slot, 1)
	}
	return ring, slots
}

func validate(t testing.TB, ring Ring) {
	t.Helper()
	require.NoError(t, ring.(Validator).Validate())
}

func TestEachShardHasARingOfItsOwn(t *testing.T) {
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			slots := newFakeSlots(9)
			rings := p.policy([]Shard{{3, slots}, {3, slots}, {0, slots}})
			require.Len(t, rings, 3)
			rings[0].Insert(1, 1)
			rings[1].Insert(1, 1)
			rings[1].Insert(2, 1)
			assert.Equal(t, 1, rings[0].Len())
			assert.Equal(t, 2, rings[1].Len())
			assert.Equal(t, 0, rings[2].Len())
			assert.LessOrEqual(t, rings[0].MaxMark(), uint32(3))
			assert.Empty(t, p.policy(nil))
		})
	}
}

func TestEvictNeverReturnsKeep(t *testing.T) {
	for _, p := range policies {
		for _, incoming := range []bool{false, true} {
			for _, keep := range []uint32{1, 5, 10} {
				ring, slots := filled(p.policy, 10)
				for slot := range slots.marks {
					slots.marks[slot] = min(1, ring.MaxMark())
				}
				var victims []uint32
				for ring.Len() > 1 {
					victim := ring.Evict(incoming, keep)
					require.NotEqual(t, None, victim, "%s, keep %d", p.name, keep)
					victims = append(victims, victim)
					validate(t, ring)
				}
				slices.Sort(victims)
				want := slices.DeleteFunc([]uint32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, func(s uint32) bool { return s == keep })
				require.Equal(t, want, victims, "%s, keep %d", p.name, keep)
				require.Equal(t, None, ring.Evict(incoming, keep), "%s: only keep is held", p.name)
				require.Equal(t, keep, ring.Evict(incoming, None), p.name)
				require.Equal(t, None, ring.Evict(incoming, None), "%s: nothing is held", p.name)
			}
		}
	}
}

// A ring's calls must not take longer in a large shard, even if every entry was
// hit since it was last looked at.
func TestCallsAreBoundedWhenEverythingIsMarked(t *testing.T) {
	const n = 20_000
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			ring, slots := filled(p.policy, n)
			maxMark := ring.MaxMark()
			next := uint32(n)
			for round := range 500 {
				for slot := range slots.marks {
					slots.marks[slot] = maxMark
				}
				slots.calls = 0
				next++
				ring.Admit(mix32(next), 1)
				require.Zero(t, slots.calls)
				slot := ring.Evict(round%2 == 0, None)
				// Two calls for each entry passed over, a few for those at the
				// ends of the sweep.
				require.LessOrEqual(t, slots.calls, 2*sweepLimit+6)
				slots.hashes[slot], slots.marks[slot] = mix32(next), 0
				slots.calls = 0
				ring.Insert(slot, 1)
				require.LessOrEqual(t, slots.calls, 2*sweepLimit)
			}
			validate(t, ring)
		})
	}
}

// A window that has suddenly become too long is brought down step by step.
func TestTinyClockInsertIsBounded(t *testing.T) {
	ring, slots := filled(TinyClock, 10_000)
	r := ring.(*tinyClock)
	r.share = mostShare
	for slot := uint32(10_001); slot <= 20_000; slot++ {
		ring.Insert(slot, 1)
	}
	r.share = leastShare
	before := r.size(windowQueue)
	slots.calls = 0
	ring.Insert(20_001, 1)
	require.Equal(t, before+1-sweepLimit, r.size(windowQueue))
	require.Equal(t, sweepLimit, slots.calls)
	validate(t, ring)
}

// Protected may hold too much while all that is left in it is the entry to keep.
func TestTinyClockLeavesKeepInProtected(t *testing.T) {
	ring, slots := filled(TinyClock, 3)
	r := ring.(*tinyClock)
	r.share = mostShare // of 3 entries nothing is left for protected
	r.put(protectedQueue, 1)
	r.put(probationQueue, 2)
	r.put(windowQueue, 3)
	slots.marks[2] = 1
	require.Equal(t, uint32(2), ring.Evict(false, 1))
	require.Equal(t, uint32(3), ring.Evict(false, 1), "the window gives what main has not")
	require.Equal(t, protectedQueue, r.queueOf(1))
	validate(t, ring)
}

// The hand of SIEVE survives the loss of the entry it is at, and keeps its place
// when that entry moves or must be kept.
func TestSIEVEHandIsNeverAtAFreedSlot(t *testing.T) {
	// Of 1 to 5 the hand has passed 1 and 2, whose marks are gone, evicted 3, and
	// is at 4.
	made := func() (Ring, *fakeSlots) {
		ring, slots := filled(SIEVE, 5)
		slots.marks[1], slots.marks[2] = 1, 1
		require.Equal(t, uint32(3), ring.Evict(true, None))
		return ring, slots
	}
	for _, tc := range []struct {
		name string
		do   func(ring Ring, slots *fakeSlots)
		want []uint32 // the victims
	}{
		{"as it is", func(Ring, *fakeSlots) {}, []uint32{4, 5, 1, 2}},
		{"its entry is removed", func(r Ring, _ *fakeSlots) { r.Remove(4) }, []uint32{5, 1, 2}},
		{"all before it is removed", func(r Ring, _ *fakeSlots) { r.Remove(4); r.Remove(5) }, []uint32{1, 2}},
		{"and a new entry comes, which it meets last", func(r Ring, _ *fakeSlots) {
			r.Remove(4)
			r.Remove(5)
			r.Insert(6, 1)
		}, []uint32{1, 2, 6}},
		{"the newest is evicted, and a new entry comes", func(r Ring, _ *fakeSlots) {
			r.Remove(4)
			require.Equal(t, uint32(5), r.Evict(true, None))
			r.Insert(5, 1)
		}, []uint32{1, 2, 5}},
		{"all behind it is removed", func(r Ring, _ *fakeSlots) { r.Remove(1); r.Remove(2) }, []uint32{4, 5}},
		{"its entry moves", func(r Ring, _ *fakeSlots) { r.Move(4, 9) }, []uint32{9, 5, 1, 2}},
		{"its entry is removed and the slot used again", func(r Ring, _ *fakeSlots) {
			r.Remove(4)
			r.Insert(4, 1)
		}, []uint32{5, 4, 1, 2}},
		{"its entry is kept, and passed over with its mark", func(r Ring, slots *fakeSlots) {
			slots.marks[4] = 1
			require.Equal(t, uint32(5), r.Evict(false, 4))
			require.Equal(t, uint32(1), slots.marks[4])
		}, []uint32{1, 2, 4}},
		{"all are marked", func(_ Ring, slots *fakeSlots) {
			for slot := range slots.marks {
				slots.marks[slot] = 1
			}
		}, []uint32{4, 5, 1, 2}},
		{"the ring is cleared", func(r Ring, _ *fakeSlots) {
			r.Clear()
			for slot := uint32(1); slot <= 4; slot++ {
				r.Insert(slot, 1)
			}
		}, []uint32{1, 2, 3, 4}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ring, slots := made()
			tc.do(ring, slots)
			var victims []uint32
			for ring.Len() > 0 {
				validate(t, ring)
				victims = append(victims, ring.Evict(true, None))
			}
			require.Equal(t, tc.want, victims)
		})
	}
}

func TestWeightDecidesBetweenKeysAskedForAsOften(t *testing.T) {
	for _, heavy := range []uint32{1, 10} { // the victim, the candidate
		ring, slots := filled(TinyClock, 10)
		r := ring.(*tinyClock)
		r.put(probationQueue, 1)
		for slot := uint32(2); slot < 10; slot++ {
			r.put(protectedQueue, slot)
		}
		r.put(windowQueue, 10)
		for range 4 {
			r.sketch.add(slots.hashes[1])
			r.sketch.add(slots.hashes[10])
		}
		ring.Reweigh(heavy, 3)
		if heavy == 1 {
			ring.Reweigh(10, 2)
		}
		require.Equal(t, heavy, ring.Evict(true, None))
		validate(t, ring)
	}
}

func TestReplacingAnEntryAllocatesNothing(t *testing.T) {
	for _, p := range policies {
		ring, slots := filled(p.policy, 1000)
		churn(ring, slots, 1000)
		key := uint32(1 << 20)
		allocated := testing.AllocsPerRun(2000, func() { replace(ring, slots, &key) })
		assert.Zero(t, allocated, p.name)
	}
}

func BenchmarkReplace(b *testing.B) {
	const capacity = 1 << 16
	for _, p := range policies {
		b.Run(p.name, func(b *testing.B) {
			ring, slots := filled(p.policy, capacity)
			churn(ring, slots, capacity)
			key := uint32(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				replace(ring, slots, &key)
			}
		})
	}
}

// replace puts a new key into a full ring.
func replace(ring Ring, slots *fakeSlots, key *uint32) {
	*key++
	hash := mix32(*key)
	ring.Admit(hash, 1)
	slot := ring.Evict(true, None)
	slots.hashes[slot], slots.marks[slot] = hash, *key&1&min(1, ring.MaxMark())
	ring.Insert(slot, 1)
}

func TestClearForgetsAllAndLeavesARingThatWorks(t *testing.T) {
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			ring, slots := filled(p.policy, 5000)
			for range 100 {
				slot := ring.Evict(true, None)
				ring.Insert(slot, 3)
			}
			ring.Clear()
			validate(t, ring)
			require.Zero(t, ring.Len())
			require.Empty(t, slices.Collect(ring.All()))
			require.Equal(t, None, ring.Evict(false, None))
			for slot := uint32(1); slot <= 20; slot++ {
				slots.marks[slot] = 0
				ring.Admit(slots.hashes[slot], 1)
				ring.Insert(slot, 1)
			}
			validate(t, ring)
			require.Equal(t, 20, ring.Len())
			require.Equal(t, uint32(1), ring.Evict(false, None), "the oldest goes first again")

			allocated := testing.AllocsPerRun(10, ring.Clear)
			assert.Less(t, allocated, 20.0, "the cost depends on no number of entries")
		})
	}
}

func TestMoveLeavesTheOrderOfEvictionAsItWas(t *testing.T) {
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			const n = 50
			moved, slots := filled(p.policy, n)
			still, others := filled(p.policy, n)
			for _, slot := range []uint32{3, 7, 8, 20, 44} { // hits
				for range 2 {
					if moved.MaxMark() == 0 {
						moved.Hit(slot)
						still.Hit(slot)
					} else if slots.marks[slot] < moved.MaxMark() {
						slots.marks[slot]++
						others.marks[slot]++
					}
				}
			}
			for _, slot := range []uint32{1, 2, 7, 30, 49, 50} { // both ends are among them
				to := slot + n
				slots.hashes[to], slots.marks[to] = slots.hashes[slot], slots.marks[slot]
				moved.Move(slot, to)
				validate(t, moved)
			}
			require.Equal(t, n, moved.Len())
			for still.Len() > 0 {
				a, b := moved.Evict(true, None), still.Evict(true, None)
				require.Equal(t, others.hashes[b], slots.hashes[a])
			}
		})
	}
}

func TestAllYieldsEveryEntryOnceAndBearsRemoval(t *testing.T) {
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			ring, slots := filled(p.policy, 100)
			for slot := range slots.marks {
				slots.marks[slot] = min(2, ring.MaxMark())
			}
			for range 30 {
				ring.Insert(ring.Evict(true, None), 1)
			}
			var seen []uint32
			for slot := range ring.All() {
				seen = append(seen, slot)
			}
			require.Len(t, seen, 100)
			for range ring.All() {
				break
			}
			removed := 0
			for slot := range ring.All() {
				require.Equal(t, seen[removed], slot)
				ring.Remove(slot)
				removed++
			}
			require.Equal(t, 100, removed)
			require.Zero(t, ring.Len())
			validate(t, ring)
		})
	}
}

func TestTrimGivesMemoryBack(t *testing.T) {
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			ring, _ := filled(p.policy, 20_000)
			ring.Reweigh(20_000, 9)
			for ring.Len() > 10 {
				ring.Evict(false, None)
			}
			to := uint32(20_001)
			held := slices.Collect(ring.All())
			for _, slot := range held {
				ring.Move(slot, to)
				to++
			}
			for i, slot := range slices.Collect(ring.All()) {
				ring.Move(slot, uint32(i+1))
			}
			ring.Trim(10)
			validate(t, ring)
			require.Equal(t, 10, ring.Len())
			assert.LessOrEqual(t, memoryOf(ring).slots, 3*4096*8)
			ring.Insert(15_000, 5)
			validate(t, ring)
			for n := ring.Len(); n > 0; n-- {
				require.NotEqual(t, None, ring.Evict(false, None))
			}
			require.Zero(t, ring.Len())
		})
	}
}

func TestMisuseFailsAtOnce(t *testing.T) {
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			ring, _ := filled(p.policy, 3)
			assert.Panics(t, func() { ring.Insert(2, 1) }, "held already")
			assert.Panics(t, func() { ring.Insert(None, 1) }, "no slot")
			assert.Panics(t, func() { ring.Remove(4) }, "not held")
			assert.Panics(t, func() { ring.Move(1, 2) }, "onto a held slot")
		})
	}
	assert.Panics(t, func() { l := newLists(); l.insert(onlyQueue, slotMask+1) }, "a number over the limit")
}

func TestHitsOfEntriesNotAskedForCallNothing(t *testing.T) {
	for _, p := range policies {
		ring, _ := filled(p.policy, 3)
		before := slices.Collect(ring.All())
		if ring.MaxMark() > 0 {
			ring.Hit(1)
			require.Equal(t, before, slices.Collect(ring.All()), p.name)
		}
		ring.Reweigh(1, 4)
		validate(t, ring)
	}
}

func TestLRUIsExactOverAllShards(t *testing.T) {
	const shards, top = 5, 200
	rnd := rand.New(rand.NewPCG(1, 2))
	slots := newFakeSlots(top)
	shardList := make([]Shard, shards)
	for i := range shardList {
		shardList[i].Slots = slots
	}
	rings := LRU(shardList)
	type use struct {
		shard int
		slot  uint32
	}
	var order []use // least recently used first
	find := func(u use) int { return slices.Index(order, u) }
	for op := range 100_000 {
		u := use{rnd.IntN(shards), 1 + rnd.Uint32N(top)}
		ring := rings[u.shard]
		at := find(u)
		switch {
		case at < 0 && len(order) < 150:
			ring.Insert(u.slot, 1)
			order = append(order, u)
		case at < 0:
			shard := rings[0].(Ordered).Oldest()
			victim := use{shard, rings[shard].Evict(true, None)}
			require.Equal(t, order[0], victim)
			order = order[1:]
		case rnd.IntN(10) == 0:
			ring.Remove(u.slot)
			order = slices.Delete(order, at, at+1)
		case rnd.IntN(10) == 0:
			if to := (use{u.shard, 1 + rnd.Uint32N(top)}); find(to) < 0 {
				ring.Move(u.slot, to.slot)
				order[at] = to
			}
		case rnd.IntN(1000) == 0:
			ring.Clear()
			order = slices.DeleteFunc(order, func(o use) bool { return o.shard == u.shard })
		default:
			ring.Hit(u.slot)
			order = append(slices.Delete(order, at, at+1), u)
		}
		if op%500 == 0 {
			for _, ring := range rings {
				validate(t, ring)
			}
		}
	}
	for len(order) > 0 {
		shard := rings[shards-1].(Ordered).Oldest()
		victim := use{shard, rings[shard].Evict(false, None)}
		require.Equal(t, order[0], victim)
		order = order[1:]
	}
	require.Equal(t, -1, rings[0].(Ordered).Oldest())
}

// Oldest is called without a lock while other shards are written to. The race
// detector makes more of this test than its assertions.
func TestOldestNeedsNoLock(t *testing.T) {
	slots := newFakeSlots(100)
	rings := LRU([]Shard{{0, slots}, {0, slots}, {0, slots}})
	rings[0].Insert(1, 1) // the oldest all along
	var writers sync.WaitGroup
	for _, ring := range rings[1:] {
		writers.Go(func() {
			for n := range uint32(2000) {
				ring.Insert(1+n%100, 1)
				ring.Hit(1 + n%100)
				ring.Evict(true, None)
			}
		})
	}
	for range 2000 {
		if shard := rings[2].(Ordered).Oldest(); shard != 0 {
			t.Errorf("shard %d is named", shard)
		}
	}
	writers.Wait()
}
