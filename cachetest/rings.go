// SPDX-License-Identifier: MIT

package cachetest

import (
	"fmt"
	"math/rand/v2"
	"runtime"

	"github.com/locmem/locmem/evict"
)

// checkRings makes random calls of rings of many sizes.
func checkRings(policy evict.Policy, o options) (figure string, err error) {
	calls, evictions := 0, 0
	for i, c := range []struct {
		shards, capacity int // entries in all shards
		expected         int // in one shard; see evict.Shard.Capacity
		weighted         bool
	}{
		{1, 1, 1, false},
		{1, 2, 2, true},
		{1, 20, 20, false},
		{1, 200, 200, true},
		{1, 60, 0, false},
		{1, 60, 10, false},
		{1, 60, 3000, true},
		{2, 2, 1, false},
		{4, 60, 15, true},
	} {
		random := &randomCalls{
			Rand: rand.New(rand.NewPCG(o.seed, uint64(i))), capacity: c.capacity, weighted: c.weighted,
		}
		about := func() string {
			text := fmt.Sprintf("%d shards, %d entries, weighted %v, expected in each shard: %d", c.shards, c.capacity, c.weighted, c.expected)
			if random.rings != nil {
				text += "; " + random.report()
			}
			return text
		}
		err := catch(about, func() {
			random.rings = newRings(policy, c.shards, c.expected, 3*c.capacity+2)
			for range o.scaled(4000) {
				random.step()
			}
			for random.makeRoom(false, 0) {
			}
		})
		if err != nil {
			return "", err
		}
		calls += random.calls
		evictions += random.evictions
	}
	return fmt.Sprintf("%d calls, %d evictions", calls, evictions), nil
}

// randomCalls uses rings as an engine might. The engine's capacity is that of all
// rings together.
type randomCalls struct {
	*rand.Rand
	*rings
	capacity  int
	weighted  bool
	evictions int
}

func (r *randomCalls) shard() *shard { return r.shards[r.IntN(len(r.shards))] }

// entry chooses one of a ring's entries, evict.None if there is none.
func (r *randomCalls) entry(s *shard) uint32 {
	if len(s.held) == 0 {
		return evict.None
	}
	return s.held[r.IntN(len(s.held))]
}

func (r *randomCalls) weight() int64 {
	switch {
	case !r.weighted:
		return 1
	case r.IntN(50) == 0:
		return 1 << r.IntN(40)
	default:
		return int64(r.IntN(20))
	}
}

func (r *randomCalls) step() {
	s := r.shard()
	switch op := r.IntN(100); {
	case op < 75:
		r.use(s)
	case op < 83:
		if slot := r.entry(s); slot != evict.None {
			s.remove(slot)
		}
	case op < 90:
		if slot := r.entry(s); slot != evict.None {
			s.move(slot, r.IntN(len(s.free)))
		}
	case op < 94:
		keep := evict.None
		if r.ordered {
			if s = r.shards[max(0, r.oldest())]; len(s.held) == 0 {
				return
			}
		}
		if r.IntN(2) == 0 {
			keep = r.entry(s)
		}
		r.evicted(s.evict(false, keep))
	case op < 96:
		if slot := r.entry(s); slot != evict.None && r.weighted {
			s.reweigh(slot, r.weight())
		}
	case op < 97:
		s.admit(r.Uint32(), r.weight()) // a write that is refused later
	case op < 98:
		s.trim()
	case op < 99:
		s.resize(r.IntN(3) * r.IntN(2*r.capacity+1))
	case r.IntN(4) == 0:
		s.clear()
	}
}

// use asks for a key: a hit of one that is held, or a new one.
func (r *randomCalls) use(s *shard) {
	if slot := r.entry(s); slot != evict.None && r.IntN(3) > 0 {
		s.hit(slot)
		return
	}
	hash := r.Uint32N(uint32(4*r.capacity)) * 0x9e3779b1 // some keys come again
	weight := r.weight()
	s.admit(hash, weight)
	if r.IntN(20) == 0 {
		r.shard().admit(r.Uint32(), 1) // the lock was released in between
	}
	incoming := true
	for r.total() >= r.capacity {
		// A shard that has nothing left takes from another.
		if incoming && !r.ordered && len(s.held) > 0 {
			r.evicted(s.evict(true, evict.None))
		} else if !r.makeRoom(r.ordered, s.id+1) {
			r.broken(ruleNone, "nothing was evicted from %d entries", r.total())
		}
		incoming = false
	}
	s.insert(hash, weight)
}

func (r *randomCalls) evicted(was bool) {
	if was {
		r.evictions++
	}
}

func (r *randomCalls) total() (n int) {
	for _, s := range r.shards {
		n += len(s.held)
	}
	return n
}

// makeRoom evicts from any ring, beginning with one, or from that whose turn it
// is, and returns whether there was something to evict.
func (r *randomCalls) makeRoom(incoming bool, first int) bool {
	for i := range r.shards {
		s := r.shards[(first+i)%len(r.shards)]
		if r.ordered {
			oldest := r.oldest()
			if oldest < 0 {
				return false
			}
			s = r.shards[oldest]
		}
		if s.evict(incoming, evict.None) {
			r.evictions++
			return true
		}
	}
	return false
}

// checkBounds makes calls of a large ring in which every entry was hit.
func checkBounds(policy evict.Policy, o options) (figure string, err error) {
	n := o.scaled(100_000)
	var s *shard
	about := func() string {
		if s == nil {
			return fmt.Sprintf("one shard, %d entries", n)
		}
		return fmt.Sprintf("one shard, %d entries; %s", n, s.report())
	}
	var perEntry float64
	err = catch(about, func() {
		s = newRings(policy, 1, n, n+1).shards[0]
		random := rand.New(rand.NewPCG(o.seed, 0))
		s.within(mostLooks*n, func() {
			for range n {
				hash := random.Uint32()
				s.ring.Admit(hash, 1)
				s.take(hash)
			}
		})
		for round := range o.scaled(300) {
			for slot := range s.marks {
				s.marks[slot] = s.maxMark
			}
			s.large(random, round)
		}
		perEntry = s.allocations(random, o.scaled(20_000))
		s.clear()
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d entries: a call used Slots %d times at most; %.2f allocations for an entry that replaced another (what ran beside it is counted, too)",
		n, s.mostSoFar, perEntry), nil
}

// take inserts a key without the checks that take long in a large ring.
func (s *shard) take(hash uint32) {
	slot := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.hashes[slot], s.marks[slot] = hash, 0
	s.hold(slot)
	s.ring.Insert(slot, 1)
}

// give evicts likewise.
func (s *shard) give(incoming bool, keep uint32) {
	victim := s.ring.Evict(incoming, keep)
	if victim == keep || !s.holds(victim) {
		s.broken(ruleVictim, "Evict(%v, %d) has returned slot %d", incoming, keep, victim)
	}
	s.drop(victim)
	s.free = append(s.free, victim)
}

// large makes a few calls of a large ring.
func (s *shard) large(random *rand.Rand, round int) {
	hash, weight := random.Uint32(), int64(1+round%7)
	incoming, keep := round%2 == 0, evict.None
	if !incoming {
		keep = s.held[random.IntN(len(s.held))]
	}
	s.call(func() { s.ring.Admit(hash, weight) }, "Admit(%#x, %d)", hash, weight)
	s.call(func() { s.give(incoming, keep) }, "Evict(%v, %d)", incoming, keep)
	s.call(func() { s.take(hash) }, "Insert(of %#x, 1)", hash)
	slot := s.held[random.IntN(len(s.held))]
	s.call(func() { s.ring.Reweigh(slot, weight) }, "Reweigh(%d, %d)", slot, weight)
	if s.maxMark == 0 {
		s.call(func() { s.ring.Hit(slot) }, "Hit(%d)", slot)
	}
	s.call(func() { s.ring.Resize(len(s.held) * (1 + round%3)) }, "Resize(%d)", len(s.held)*(1+round%3))
	s.call(func() { s.ring.Remove(slot) }, "Remove(%d)", slot)
	s.drop(slot)
	s.free = append(s.free, slot)
	s.call(func() { s.take(hash) }, "Insert(of %#x, 1)", hash)
	if n := s.ring.Len(); n != len(s.held) {
		s.broken(ruleLen, "it is %d with %d held", n, len(s.held))
	}
}

// allocations replaces n entries and returns how many allocations each took.
func (s *shard) allocations(random *rand.Rand, n int) float64 {
	var before, after runtime.MemStats
	s.within(mostLooks*n, func() {
		runtime.ReadMemStats(&before)
		for range n {
			hash := random.Uint32()
			s.ring.Admit(hash, 1)
			s.give(true, evict.None)
			s.take(hash)
		}
		runtime.ReadMemStats(&after)
	})
	return float64(after.Mallocs-before.Mallocs) / float64(n)
}
