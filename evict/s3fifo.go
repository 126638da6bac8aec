// SPDX-License-Identifier: MIT

package evict

import (
	"fmt"
	"iter"
)

// S3FIFO sends new entries through a small FIFO, a tenth of all. An entry that
// was hit at least twice by its end goes on to the main FIFO, where up to three
// hits give it as many more rounds; one that was not is evicted, and its key is
// remembered in a ghost FIFO, whose keys come straight into main if they return.
//
// It filters keys that are asked for once and, in the mean of many workloads, is
// the best of the policies without a frequency sketch; it is weak on loops and
// where a key's second use comes late. The order is that of each shard. An
// eviction moves up to 64 entries, about one on average; every other method is
// O(1). It costs 8 bytes an entry and 8 for the ghost.
//
// Source: J. Yang, Y. Zhang, Z. Qiu, Y. Yue, K. V. Rashmi, "FIFO Queues are All
// You Need for Cache Eviction", SOSP 2023.
func S3FIFO(shards []Shard) []Ring {
	rings := make([]Ring, len(shards))
	for i, shard := range shards {
		r := &s3fifo{lists: newLists(), slots: shard.Slots}
		r.Resize(shard.Capacity)
		rings[i] = r
	}
	return rings
}

const (
	smallQueue uint32 = 1
	mainQueue  uint32 = 2
)

const (
	smallShare = 10 // the small queue is so many-th of the entries
	enoughHits = 2  // lead from the small queue to main, as in the paper
	// The ghost remembers nine tenths as many keys as there are entries: as many
	// as main has, which is the paper's choice.
	ghostTenths = 9
)

type s3fifo struct {
	lists
	slots  Slots
	ghosts ghosts // fifo 0 is the ghost
	room   room
}

func (r *s3fifo) MaxMark() uint32       { return 3 }
func (r *s3fifo) Hit(uint32)            {}
func (r *s3fifo) Admit(uint32, int64)   {}
func (r *s3fifo) Reweigh(uint32, int64) {}

// Insert asks the ghost at this point and not at Admit, since between the two
// the lock may have been released and other keys admitted.
func (r *s3fifo) Insert(slot uint32, _ int64) {
	queue := smallQueue
	if r.ghosts.take(r.slots.Hash(slot), r.remembered()) >= 0 {
		queue = mainQueue
	}
	r.insert(queue, slot)
	if r.room.fit(r.held) {
		r.resizeGhost()
	}
}

func (r *s3fifo) Evict(incoming bool, keep uint32) uint32 {
	capacity := r.held
	for steps := sweepLimit; ; steps-- {
		queue := mainQueue
		if r.size(smallQueue) >= max(1, capacity/smallShare) {
			queue = smallQueue
		}
		slot := r.tailBut(queue, keep)
		if slot == None { // empty, or only keep is there
			queue = smallQueue + mainQueue - queue
			if slot = r.tailBut(queue, keep); slot == None {
				return None
			}
		}
		mark := r.slots.Mark(slot)
		switch {
		case queue == smallQueue && mark >= enoughHits && steps > 0:
			r.slots.SetMark(slot, 0)
			r.toHead(mainQueue, slot)
		case queue == mainQueue && mark > 0 && steps > 0:
			r.slots.SetMark(slot, mark-1)
			r.toHead(mainQueue, slot)
		default:
			if queue == smallQueue && incoming {
				r.ghosts.push(0, r.slots.Hash(slot))
			}
			r.remove(slot)
			return slot
		}
	}
}

func (r *s3fifo) Remove(slot uint32)   { r.remove(slot) }
func (r *s3fifo) Move(from, to uint32) { r.replace(from, to) }

func (r *s3fifo) Resize(capacity int) {
	r.room.expect(capacity)
	r.room.fit(r.held)
	r.resizeGhost()
}

func (r *s3fifo) Clear() {
	r.clear()
	r.room.size = 0
	r.ghosts.clear(1)
	r.resizeGhost()
}

func (r *s3fifo) All() iter.Seq[uint32] { return r.concat(smallQueue, mainQueue) }

// remembered is how many keys the ghost is meant to remember now.
func (r *s3fifo) remembered() int { return (r.held + 1) * ghostTenths / 10 }

func (r *s3fifo) resizeGhost() { r.ghosts.resize(1, r.room.size*ghostTenths/10) }

func (r *s3fifo) Validate() error {
	if err := r.validate(); err != nil {
		return err
	}
	if n := r.size(queues - 1); n != 0 {
		return fmt.Errorf("%d entries are in a queue that is not used", n)
	}
	return r.ghosts.validate()
}
