// SPDX-License-Identifier: MIT

package locmem

import (
	"iter"
	"math"
)

// batchCells is how many cells of an index one hold of the lock walks in an
// iteration, about.
const batchCells = 64

// All yields the live entries, in no particular order and without using them. It
// is weakly consistent: an entry that is held throughout is seen once, no key is
// seen twice, and what is stored or removed meanwhile may be seen or not. No
// lock is held while the body runs, which may call any method and may break off
// or panic. The shards are copied in small batches.
func (e *Engine[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var batch []found[K, V]
		for i := range e.shards {
			if !e.shards[i].walk(&batch, yield) {
				return
			}
		}
	}
}

// found is an entry copied by an iteration.
type found[K comparable, V any] struct {
	key      K
	value    V
	deadline int64
}

// walk yields the shard's live entries in the order of their hashes. A key keeps
// its hash, so it cannot come twice, and an entry that is there throughout cannot
// be missed, whatever is inserted, moved or removed behind and before. Only the
// turn to other hashes would break this; a pin puts it off.
//
// +checklocksexclude:s.mu
func (s *shard[K, V]) walk(batch *[]found[K, V], yield func(K, V) bool) bool {
	s.pin()
	defer s.pins.Add(-1)
	for from := uint64(0); from <= math.MaxUint32; {
		from = s.copyBatch(from, batch)
		for i := range *batch {
			f := &(*batch)[i]
			if f.deadline != never && s.clock.passed(f.deadline) {
				continue
			}
			if !yield(f.key, f.value) {
				return false
			}
		}
	}
	return true
}

// pin keeps the shard's hashes as they are. It ends a turn that is under way.
//
// +checklocksexclude:s.mu
func (s *shard[K, V]) pin() {
	for {
		s.mu.RLock()
		if !s.index.rehash {
			s.pins.Add(1)
			s.mu.RUnlock()
			return
		}
		s.mu.RUnlock()
		s.mu.Lock()
		if s.index.rehash {
			s.moveCells(perHold)
		}
		s.mu.Unlock()
	}
}

// copyBatch copies the live entries with hashes from a given one on, and returns
// where the next batch begins.
//
// +checklocksexclude:s.mu
func (s *shard[K, V]) copyBatch(from uint64, batch *[]found[K, V]) (next uint64) {
	clear(*batch)
	*batch = (*batch)[:0]
	s.mu.RLock()
	defer s.mu.RUnlock()
	span := uint64(batchCells) << s.index.shift
	next = from/span*span + span
	lo, hi := uint32(from), uint32(min(next-1, math.MaxUint32))
	var room [2 * batchCells]uint32
	slots := scan(room[:0], s.index.cells, s.index.shift, lo, hi)
	if s.index.old != nil {
		slots = scan(slots, s.index.old, s.index.oldShift, lo, hi)
	}
	for _, n := range slots {
		sl := s.slots.At(n)
		meta := sl.meta.Load()
		if !s.dead(n, meta) {
			*batch = append(*batch, found[K, V]{sl.key, sl.value, s.deadline(n, meta)})
		}
	}
	return next
}
