// SPDX-License-Identifier: MIT

package evict

import "iter"

// FIFO evicts the entry that came in first, whatever was hit since. Overwriting
// an entry does not make it younger. It is the cheapest policy, in time and in
// memory (8 bytes an entry), and the baseline for the others. The order is that
// of each shard, not of the whole engine. Every method is O(1).
func FIFO(shards []Shard) []Ring {
	rings := make([]Ring, len(shards))
	for i := range shards {
		rings[i] = &fifo{newLists()}
	}
	return rings
}

// onlyQueue is the queue of a policy that has no more than one.
const onlyQueue uint32 = 1

type fifo struct{ lists }

// MaxMark is 1 because 0 would ask for a call on each hit: the mark is never
// looked at, and a hit writes it once in an entry's life.
func (r *fifo) MaxMark() uint32 { return 1 }

func (r *fifo) Hit(uint32)            {}
func (r *fifo) Admit(uint32, int64)   {}
func (r *fifo) Reweigh(uint32, int64) {}
func (r *fifo) Resize(int)            {}

func (r *fifo) Insert(slot uint32, _ int64) { r.insert(onlyQueue, slot) }

func (r *fifo) Evict(_ bool, keep uint32) uint32 {
	slot := r.tailBut(onlyQueue, keep)
	if slot != None {
		r.remove(slot)
	}
	return slot
}

func (r *fifo) Remove(slot uint32)    { r.remove(slot) }
func (r *fifo) Move(from, to uint32)  { r.replace(from, to) }
func (r *fifo) Clear()                { r.clear() }
func (r *fifo) All() iter.Seq[uint32] { return r.each(onlyQueue) }
func (r *fifo) Validate() error       { return r.validate() }
