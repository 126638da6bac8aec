// SPDX-License-Identifier: MIT

package evict

import (
	"fmt"
	"iter"
	"math"

	"github.com/locmem/locmem/internal/lock"
	"github.com/locmem/locmem/internal/paged"
)

// LRU evicts the least recently used entry of the whole engine, exactly, with
// any number of shards: each use gets a stamp from one counter, every ring is in
// the order of its stamps, and the next victim is the oldest of the rings' tails.
// A use is an insertion or a call of Hit.
//
// The price: every hit takes the shard's write lock and adds to a counter that
// all shards share. Choose it where the order is part of the contract, and CLOCK
// or TinyClock where it is the hit ratio that matters. Every method is O(1),
// Oldest O(shards). It costs 16 bytes an entry.
func LRU(shards []Shard) []Ring {
	order := &usage{rings: make([]*lru, len(shards))}
	rings := make([]Ring, len(shards))
	for i := range shards {
		ring := &lru{lists: newLists(), stamps: paged.New[uint64](), order: order}
		ring.oldest.Store(noStamp)
		order.rings[i], rings[i] = ring, ring
	}
	return rings
}

// noStamp is what an empty ring publishes: it is younger than any use. A counter
// that is raised every nanosecond reaches it after 584 years.
const noStamp = math.MaxUint64

// cacheLine keeps what is written by all processors away from what they read.
const cacheLine = 64

// usage is what the rings of one engine share.
type usage struct {
	rings []*lru // never written after LRU
	_     [cacheLine]byte
	last  lock.Uint64 // the stamp of the latest use
	_     [cacheLine]byte
}

// lru is one shard's part of the order.
type lru struct {
	lists                      // INVARIANT: stamps fall from head to tail
	stamps paged.Array[uint64] // by slot
	order  *usage
	_      [cacheLine]byte
	// oldest is the tail's stamp, noStamp if there is none. It is written under
	// the shard's lock and read by Oldest without it.
	// INVARIANT: up to date whenever the lock is released.
	oldest lock.Uint64
	_      [cacheLine]byte
}

// MaxMark is 0: the order of hits cannot be told from marks.
func (r *lru) MaxMark() uint32 { return 0 }

func (r *lru) Admit(uint32, int64)   {}
func (r *lru) Reweigh(uint32, int64) {}
func (r *lru) Resize(int)            {}

func (r *lru) Hit(slot uint32) {
	r.toHead(onlyQueue, slot)
	*r.stamps.At(slot) = r.order.last.Add(1)
	r.publish()
}

func (r *lru) Insert(slot uint32, _ int64) {
	r.insert(onlyQueue, slot)
	r.stamps.Grow(slot)
	*r.stamps.At(slot) = r.order.last.Add(1)
	r.publish()
}

func (r *lru) Evict(_ bool, keep uint32) uint32 {
	slot := r.tailBut(onlyQueue, keep)
	if slot != None {
		r.Remove(slot)
	}
	return slot
}

func (r *lru) Remove(slot uint32) {
	r.remove(slot)
	r.publish()
}

func (r *lru) Move(from, to uint32) {
	r.replace(from, to)
	r.stamps.Grow(to)
	*r.stamps.At(to) = *r.stamps.At(from)
}

func (r *lru) Trim(top uint32) {
	r.lists.Trim(top)
	r.stamps.Truncate(top + 1)
}

func (r *lru) Clear() {
	r.clear()
	r.stamps = paged.New[uint64]()
	r.publish()
}

func (r *lru) All() iter.Seq[uint32] { return r.each(onlyQueue) }

// Oldest returns the number of the ring whose tail has the lowest stamp. With
// nobody at work it names the least recently used entry exactly.
func (r *lru) Oldest() int {
	shard, least := -1, uint64(noStamp)
	for i, ring := range r.order.rings {
		if stamp := ring.oldest.Load(); stamp < least {
			shard, least = i, stamp
		}
	}
	return shard
}

// publish makes the tail's stamp known. It writes only what has changed, to
// leave the line where it is in the caches of those who call Oldest.
func (r *lru) publish() {
	stamp := uint64(noStamp)
	if tail := r.tail(onlyQueue); tail != None {
		stamp = *r.stamps.At(tail)
	}
	if stamp != r.oldest.Load() {
		r.oldest.Store(stamp)
	}
}

// Use returns the stamp of an entry's latest use.
func (r *lru) Use(slot uint32) uint64 { return *r.stamps.At(slot) }

func (r *lru) Validate() error {
	if err := r.validate(); err != nil {
		return err
	}
	oldest, before := uint64(noStamp), uint64(0)
	for slot := range r.each(onlyQueue) {
		stamp := *r.stamps.At(slot)
		if stamp <= before || stamp > r.order.last.Load() {
			return fmt.Errorf("slot %d has the stamp %d after %d, the latest use has %d", slot, stamp, before, r.order.last.Load())
		}
		if before == 0 {
			oldest = stamp
		}
		before = stamp
	}
	if published := r.oldest.Load(); published != oldest {
		return fmt.Errorf("the stamp %d is published, the tail has %d", published, oldest)
	}
	return nil
}
