// SPDX-License-Identifier: MIT

package cachetest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/locmem/locmem/evict"
)

const (
	// mostLooks is how often one call may use Slots. The policies of package evict
	// pass 64 entries in a call at most, with up to three uses for each and a few
	// for what is at the ends; there is room for a policy that looks twice.
	mostLooks = 4*64 + 16
	// lastCalls is how many calls a failure shows.
	lastCalls = 20
)

// rings are those of one policy, with what they must hold.
type rings struct {
	shards  []*shard
	maxMark uint32
	ordered bool // the rings are evict.Ordered

	in        *shard // the one that is called at the moment
	looks     int    // uses of Slots during the call
	most      int    // how many of them are allowed
	mostSoFar int

	calls int // made so far
	last  [lastCalls]string
}

// shard is one ring and what an engine would know of its entries. It is the
// ring's evict.Slots.
type shard struct {
	*rings
	id     int
	ring   evict.Ring
	held   []uint32 // in no order
	index  []int    // by slot: 1 + its place in held, 0: not held
	hashes []uint32 // by slot
	marks  []uint32 // by slot
	free   []uint32 // slots not held
}

// newRings makes the rings of a policy. Each shard has the slots 1 to top.
func newRings(policy evict.Policy, shards, expected, top int) *rings {
	r := &rings{}
	seen := make([]evict.Shard, shards)
	for i := range seen {
		s := &shard{
			rings: r, id: i,
			index: make([]int, top+1), hashes: make([]uint32, top+1), marks: make([]uint32, top+1),
		}
		for slot := top; slot > 0; slot-- {
			s.free = append(s.free, uint32(slot))
		}
		r.shards = append(r.shards, s)
		seen[i] = evict.Shard{Capacity: expected, Slots: s}
	}
	made := policy(seen)
	if len(made) != shards {
		r.broken(ruleRings, "for %d shards it returned %d rings", shards, len(made))
	}
	for i, ring := range made {
		if ring == nil {
			r.broken(ruleRings, "ring %d is nil", i)
		}
		_, ordered := ring.(evict.Ordered)
		if i > 0 && ordered != r.ordered {
			r.broken(ruleOldest, "one of the rings is evict.Ordered, another is not")
		}
		r.ordered = ordered
		r.shards[i].ring = ring
		most := ring.MaxMark()
		if most > 3 {
			r.broken(ruleMaxMark, "it is %d", most)
		}
		if i > 0 && most != r.maxMark {
			r.broken(ruleMaxMark, "ring %d has %d, ring %d has %d", i-1, r.maxMark, i, most)
		}
		r.maxMark = most
	}
	return r
}

// broken ends the check.
func (r *rings) broken(rule rule, format string, args ...any) {
	panic(&fault{rule, fmt.Sprintf(format, args...)})
}

// report returns the last calls.
func (r *rings) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the last of %d calls:", r.calls)
	for n := max(0, r.calls-lastCalls); n < r.calls; n++ {
		b.WriteString("\n\t" + r.last[n%lastCalls])
	}
	return b.String()
}

// call makes one call of a ring.
func (s *shard) call(call func(), format string, args ...any) {
	text := &s.last[s.calls%lastCalls]
	*text = fmt.Sprintf("ring %d: "+format, append([]any{s.id}, args...)...)
	s.calls++
	s.within(mostLooks, call)
	s.mostSoFar = max(s.mostSoFar, s.looks)
}

// within lets the ring use Slots so often while f runs.
func (s *shard) within(looks int, f func()) {
	s.in, s.looks, s.most = s, 0, looks
	f()
	s.in = nil
}

// look checks one use of Slots.
func (s *shard) look(what string, slot uint32) {
	s.looks++
	switch {
	case s.in == nil:
		s.broken(ruleSlots, "%s(%d) of shard %d's Slots is asked while no call is under way that may", what, slot, s.id)
	case s.in != s:
		s.broken(ruleShards, "in a call of ring %d, %s(%d) of shard %d's Slots is asked; the lock that is held is that of shard %d", s.in.id, what, slot, s.id, s.in.id)
	case s.most == 0:
		s.broken(ruleBound, "%s(%d) is asked by Clear, which may not ask anything", what, slot)
	case !s.holds(slot):
		s.broken(ruleSlots, "%s(%d) is asked, and slot %d is not held", what, slot, slot)
	case s.looks > s.most:
		s.broken(ruleBound, "%d uses with %d entries held; %d are allowed in a call", s.looks, len(s.held), s.most)
	}
}

func (s *shard) Hash(slot uint32) uint32 {
	s.look("Hash", slot)
	return s.hashes[slot]
}

func (s *shard) Mark(slot uint32) uint32 {
	s.look("Mark", slot)
	return s.marks[slot]
}

func (s *shard) SetMark(slot, mark uint32) {
	s.look("SetMark", slot)
	if mark > s.maxMark {
		s.broken(ruleMark, "SetMark(%d, %d), and MaxMark is %d", slot, mark, s.maxMark)
	}
	s.marks[slot] = mark
}

func (s *shard) holds(slot uint32) bool { return int(slot) < len(s.index) && s.index[slot] > 0 }

func (s *shard) hold(slot uint32) {
	s.held = append(s.held, slot)
	s.index[slot] = len(s.held)
}

func (s *shard) drop(slot uint32) {
	last := s.held[len(s.held)-1]
	s.held[s.index[slot]-1], s.index[last] = last, s.index[slot]
	s.held, s.index[slot] = s.held[:len(s.held)-1], 0
}

func (s *shard) admit(hash uint32, weight int64) {
	s.call(func() { s.ring.Admit(hash, weight) }, "Admit(%#x, %d)", hash, weight)
	s.settled(ruleStay, evict.None, evict.None)
}

// insert puts a key into a free slot.
func (s *shard) insert(hash uint32, weight int64) {
	slot := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.hashes[slot], s.marks[slot] = hash, 0
	s.hold(slot)
	s.call(func() { s.ring.Insert(slot, weight) }, "Insert(%d, %d)", slot, weight)
	s.settled(ruleInsert, slot, evict.None)
}

// evict returns whether there was a victim.
func (s *shard) evict(incoming bool, keep uint32) bool {
	others := len(s.held)
	if s.holds(keep) {
		others--
	}
	victim := evict.None
	s.call(func() { victim = s.ring.Evict(incoming, keep) }, "Evict(%v, %d)", incoming, keep)
	s.last[(s.calls-1)%lastCalls] += fmt.Sprintf(" = %d", victim)
	switch {
	case victim == evict.None && others > 0:
		s.broken(ruleNone, "%d entries besides keep are held", others)
	case victim == evict.None:
		s.settled(ruleNone, evict.None, evict.None)
		return false
	case victim == keep:
		s.broken(ruleKeep, "it has returned slot %d", victim)
	case !s.holds(victim):
		s.broken(ruleVictim, "it has returned slot %d, which is not held", victim)
	}
	s.drop(victim)
	s.free = append(s.free, victim)
	s.settled(ruleForget, evict.None, victim)
	return true
}

func (s *shard) remove(slot uint32) {
	s.call(func() { s.ring.Remove(slot) }, "Remove(%d)", slot)
	s.drop(slot)
	s.free = append(s.free, slot)
	s.settled(ruleRemove, evict.None, slot)
}

// move moves an entry to the free slot that stands at a place in free.
func (s *shard) move(from uint32, place int) {
	to := s.free[place]
	s.free[place] = from
	s.hashes[to], s.marks[to] = s.hashes[from], s.marks[from]
	s.drop(from)
	s.hold(to)
	s.call(func() { s.ring.Move(from, to) }, "Move(%d, %d)", from, to)
	s.settled(ruleMove, to, from)
}

func (s *shard) reweigh(slot uint32, weight int64) {
	s.call(func() { s.ring.Reweigh(slot, weight) }, "Reweigh(%d, %d)", slot, weight)
	s.settled(ruleStay, evict.None, evict.None)
}

func (s *shard) hit(slot uint32) {
	if s.maxMark > 0 {
		s.marks[slot] = min(s.maxMark, s.marks[slot]+1)
		return
	}
	s.call(func() { s.ring.Hit(slot) }, "Hit(%d)", slot)
	s.settled(ruleStay, evict.None, evict.None)
}

func (s *shard) trim() {
	top := uint32(0)
	if len(s.held) > 0 {
		top = slices.Max(s.held)
	}
	s.call(func() { s.ring.Trim(top) }, "Trim(%d)", top)
	s.settled(ruleStay, evict.None, evict.None)
}

func (s *shard) resize(capacity int) {
	s.call(func() { s.ring.Resize(capacity) }, "Resize(%d)", capacity)
	s.settled(ruleStay, evict.None, evict.None)
}

func (s *shard) clear() {
	for len(s.held) > 0 {
		slot := s.held[0]
		s.drop(slot)
		s.free = append(s.free, slot)
	}
	s.call(func() { s.within(0, s.ring.Clear) }, "Clear()")
	s.settled(ruleClear, evict.None, evict.None)
}

// settled checks what must hold after a call: of took, the slot it has taken in,
// and lost, the one it has forgotten, says the call's own rule, of the rest those
// of Len and All.
func (s *shard) settled(rule rule, took, lost uint32) {
	if most := s.ring.MaxMark(); most != s.maxMark {
		s.broken(ruleMaxMark, "it was %d and is %d", s.maxMark, most)
	}
	for _, other := range s.shards {
		if n := other.ring.Len(); other != s && n != len(other.held) {
			s.broken(ruleShards, "a call of ring %d has changed the Len of ring %d from %d to %d", s.id, other.id, len(other.held), n)
		}
	}
	n := s.ring.Len()
	if n != len(s.held) || len(s.held) <= 32 || s.calls%16 == 0 {
		s.compare(rule, took, lost, n)
	}
	if n != len(s.held) {
		s.broken(ruleLen, "it is %d with %d held", n, len(s.held))
	}
	if v, ok := s.ring.(evict.Validator); ok {
		s.within(mostLooks*(1+len(s.held)), func() {
			if err := v.Validate(); err != nil {
				s.broken(ruleValidate, "%v", err)
			}
		})
	}
	s.checkOldest()
	s.checkUse()
}

// compare compares what All yields with what is held.
func (s *shard) compare(rule rule, took, lost uint32, length int) {
	seen := make(map[uint32]bool, len(s.held))
	s.within(mostLooks*(1+len(s.held)), func() {
		for slot := range s.ring.All() {
			switch {
			case seen[slot]:
				s.broken(ruleAll, "slot %d comes twice", slot)
			case s.holds(slot):
			case slot == lost && lost != evict.None, rule == ruleClear:
				s.broken(rule, "All yields slot %d still", slot)
			default:
				s.broken(ruleAll, "slot %d is yielded and not held", slot)
			}
			seen[slot] = true
		}
	})
	for _, slot := range s.held {
		switch {
		case seen[slot]:
		case length < len(s.held) && (slot == took || rule == ruleStay):
			s.broken(rule, "slot %d is not held any more: %d are", slot, length)
		default:
			s.broken(ruleAll, "slot %d is held and not yielded; Len is %d", slot, length)
		}
	}
	s.within(mostLooks*(1+len(s.held)), func() {
		for range s.ring.All() {
			break // which a function that goes on yielding does not survive
		}
	})
}

// checkOldest asks every ring for the shard of the next victim.
func (r *rings) checkOldest() {
	if !r.ordered {
		return
	}
	held := 0
	for _, s := range r.shards {
		held += len(s.held)
	}
	oldest := r.oldest()
	for _, s := range r.shards {
		switch other := s.ring.(evict.Ordered).Oldest(); {
		case other != oldest:
			r.broken(ruleOldest, "ring 0 names shard %d, ring %d names %d", oldest, s.id, other)
		case (oldest == -1) != (held == 0), oldest < -1, oldest >= len(r.shards):
			r.broken(ruleOldest, "it is %d with %d entries held in %d shards", oldest, held, len(r.shards))
		case oldest >= 0 && len(r.shards[oldest].held) == 0:
			r.broken(ruleOldest, "it is %d, which holds nothing", oldest)
		}
	}
}

// checkUse asks for the places of all entries in the order.
func (r *rings) checkUse() {
	if !r.ordered {
		return
	}
	taken := map[uint64]bool{0: true}
	first, shard := uint64(math.MaxUint64), -1
	for _, s := range r.shards {
		ring, before := s.ring.(evict.Ordered), uint64(0)
		for slot := range ring.All() {
			use := ring.Use(slot)
			if taken[use] || use < before {
				r.broken(ruleOldest, "slot %d of shard %d has the place %d, the one before it %d", slot, s.id, use, before)
			}
			taken[use] = true
			if before = use; use < first {
				first, shard = use, s.id
			}
		}
	}
	if oldest := r.oldest(); oldest != shard {
		r.broken(ruleOldest, "it is %d, but shard %d has the first place, %d", oldest, shard, first)
	}
}

func (r *rings) oldest() int { return r.shards[0].ring.(evict.Ordered).Oldest() }
