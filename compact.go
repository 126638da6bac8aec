// SPDX-License-Identifier: MIT

package locmem

import "github.com/locmem/locmem/evict"

// compactStep gives memory back that a shard which holds much less than it did
// does not need: it moves the entries in the highest slots to free ones below,
// then drops the pages above, and makes the index smaller. One call is one hold
// of the lock; it returns whether there is more to do.
//
// While a shard packs, the slots from low to top that are free are in no list:
//
//	INVARIANT: packing: a free slot is in the free list if and only if it is
//	under low.
//
// +checklocksexclude:s.mu
func (e *Engine[K, V]) compactStep(s *shard[K, V]) (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.packing {
		if want := cellsFor(2 * s.len); s.index.old == nil && len(s.index.cells) >= 4*want {
			s.index.replaceTable(s.index.smaller(want))
		}
		if int(s.top) <= 2*s.len {
			return s.shrinkIndex()
		}
		s.packing, s.low, s.free = true, 1, evict.None
	}
	for range perHold {
		switch {
		case s.low > s.top:
			s.packing = false
			s.trim()
			return true
		case s.slots.At(s.top).meta.Load()&metaHeld == 0:
			s.top--
		case s.slots.At(s.low).meta.Load()&metaHeld == 0:
			s.moveSlot(s.top, s.low)
			s.top--
			s.low++
		default:
			s.low++
		}
	}
	e.checkLocked(s)
	return true
}

// moveSlot moves an entry to a free slot.
//
// +checklocks:s.mu
func (s *shard[K, V]) moveSlot(from, to uint32) {
	f, t := s.slots.At(from), s.slots.At(to)
	meta := f.meta.Load()
	t.key, t.value, t.hash = f.key, f.value, f.hash
	t.meta.Store(meta)
	s.index.renumber(f.hash, from, to)
	if s.weights != nil {
		s.setWeight(to, s.weightOf(from))
	}
	if meta&metaTimed != 0 {
		s.wheel.move(from, to, meta&metaIdle != 0)
	}
	if meta&metaTagged != 0 {
		s.tagged.Grow(to)
		*s.tagged.At(to), *s.tagged.At(from) = *s.tagged.At(from), nil
	}
	if err, ok := s.failures[from]; ok {
		s.failures[to] = err
		delete(s.failures, from)
	}
	s.ring.Move(from, to)
	s.changed(to)
	f.key, f.value, f.hash = *new(K), *new(V), 0
	f.meta.Store(0)
}

// trim drops the pages above top.
//
// +checklocks:s.mu
func (s *shard[K, V]) trim() {
	above := s.top + 1
	s.slots.Truncate(above)
	if s.weights != nil {
		s.weights.Truncate(above)
	}
	if s.versions != nil {
		s.versions.Truncate(above)
	}
	if s.tagged != nil {
		s.tagged.Truncate(above)
	}
	if s.wheel != nil {
		s.wheel.timers.Truncate(above)
		if s.wheel.idles != nil {
			s.wheel.idles.Truncate(above)
		}
	}
	s.ring.Trim(s.top)
}

// shrinkIndex takes one step of the move to a smaller index, and returns whether
// there are more.
//
// +checklocks:s.mu
func (s *shard[K, V]) shrinkIndex() bool {
	if s.index.old == nil {
		return false
	}
	s.moveCells(perHold)
	return true
}
