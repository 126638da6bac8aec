// SPDX-License-Identifier: MIT

package evict

import (
	"fmt"
	"iter"

	"github.com/locmem/locmem/internal/paged"
)

// TinyClock is windowed TinyLFU for entries whose hits leave nothing but one bit:
// a hit needs no exclusive lock and, of an entry that was hit before, writes
// nothing. It is for workloads that are not known beforehand: it keeps up with
// LRU where recency is all, and resists scans and loops.
//
//   - A new entry enters the window, a FIFO; one that was hit there may go through
//     it once more. The one that leaves the window meets the victim of the main
//     part; the one that was asked for more often of late, for its weight, stays.
//     On a tie the victim does.
//   - The main part is probation, a FIFO, and protected, a CLOCK of four fifths
//     of main. An entry whose bit is set at the end of probation goes on to
//     protected; what protected has too much of goes back to probation.
//   - A frequency sketch counts misses, and hits when a hand comes by a set bit
//     and clears it.
//   - Two ghosts remember the keys of those refused at the window's end and those
//     evicted from main, a quarter as many each as there are entries. A key that
//     comes back from the first makes the window's share larger, from the second
//     smaller, within 1 and 95 % of the entries' weight, from 10 % on.
//
// The order is that of each shard, and so are window, sketch and ghosts: shards
// should have 64 entries at least. Evict and Insert pass over or move up to 64
// entries each, Admit counts one key and does up to 2 KiB of the sketch's upkeep;
// every other method is O(1).
//
// Memory: 8 bytes for each entry, 8 more once one has a weight other than 1, and
// for sketch and ghosts at most 21 for each entry of capacity, or 41 for each held
// if that is unknown, plus 1 KiB a shard. All of it grows with the entries held.
//
// What was tried, kept and left: docs/adr/0001-eviction.md.
//
// Source: G. Einziger, R. Friedman, B. Manes, "TinyLFU: A Highly Efficient Cache
// Admission Policy", 2017, for window, sketch and contest; F. J. Corbató, 1968,
// for the bit; N. Megiddo, D. S. Modha, "ARC: A Self-Tuning, Low Overhead
// Replacement Cache", FAST 2003, for sizing a part by ghosts.
func TinyClock(shards []Shard) []Ring {
	rings := make([]Ring, len(shards))
	for i, shard := range shards {
		r := &tinyClock{
			lists:  newLists(),
			extra:  paged.New[int64](),
			slots:  shard.Slots,
			sketch: newSketch(0),
			share:  startShare,
		}
		r.Resize(shard.Capacity)
		rings[i] = r
	}
	return rings
}

// The queues of a TinyClock ring.
const (
	windowQueue    uint32 = 1
	probationQueue uint32 = 2
	protectedQueue uint32 = 3
)

// The ghosts of a TinyClock ring.
const (
	refused = 0 // lost against a victim at the window's end
	evicted = 1 // were the victim
)

// The parameters were chosen on 16 recorded traces at five sizes each, 75 points
// in all. Beside each: the mean hit ratio, in points, that other values cost there.
const (
	startShare     = 0.10 // of the weight, for the window; 0.05: nothing, 0.15: 0.03
	leastShare     = 0.01 // 0.005 and 0.02: 0.01
	mostShare      = 0.95 // 0.80: 0.05, 0.60: 0.14
	protectedShare = 0.80 // of what the window leaves; 0.60: 0.08, 0.95: 0.10
	// A ghost has so many-th of the entries. A tenth would gain 0.04, but a window
	// of a tenth would then never learn of keys that come back after a third.
	ghostShare = 4 // half the entries: 0.08
	oneIn      = 4 // of candidates asked for once, one in so many competes; each: nothing, none: 0.04
	sureCount  = 2 // a victim asked for so often is given one more; 3: 0.04, 4: 0.09, never: 0.17
	newStart   = 2 // times the size is a large step; see resizeMemory
)

type tinyClock struct {
	lists
	slots     Slots
	sketch    sketch
	ghosts    ghosts
	room      room
	share     float64 // of the weight, for the window
	incoming  int64   // the weight of the key last admitted
	walkovers uint32  // counts candidates that were asked for once
	steps     int     // left to the call that is under way
	full      bool    // room was made for an entry since Clear
	// The weights that window and protected are meant to have, as last computed of
	// basis: at the start of Insert and of Evict.
	window, protected int64
	basis             basis

	// Weights are kept as what is over 1, so that nothing is stored of entries
	// that all weigh 1.
	extra    paged.Array[int64] // by slot, as far as it reaches
	extras   [queues]int64      // INVARIANT: the sums by queue
	weighted bool               // an entry weighed other than 1 since Clear
}

// basis is what the weights to work towards depend on.
type basis struct {
	total int64
	held  int
	share float64
}

// MaxMark is 1: counting up to 3 gains nothing, since the sketch counts.
func (r *tinyClock) MaxMark() uint32 { return 1 }

func (r *tinyClock) Hit(uint32) {}

// Admit counts the miss, remembers the weight that is to come, and moves the
// window's share if a ghost knows the key: by one entry, or by more if the ghost
// that was hit is the smaller one.
func (r *tinyClock) Admit(hash uint32, weight int64) {
	r.incoming = weight
	limit := r.held / ghostShare
	if fifo := r.ghosts.take(hash, limit); fifo >= 0 {
		of := float64(r.ghosts.size(fifo, limit) + 1)
		other := float64(r.ghosts.size(1-fifo, limit))
		step := max(1, other/of) / float64(max(1, r.held))
		if fifo == evicted {
			step = -step
		}
		r.share = min(max(r.share+step, leastShare), mostShare)
	}
	r.sketch.add(hash)
}

// Insert puts the entry into the window. Where there is room, and so nobody to
// contest, what the window has too much of goes on to probation.
func (r *tinyClock) Insert(slot uint32, weight int64) {
	r.insert(windowQueue, slot)
	r.weigh(slot, weight)
	if r.room.fit(r.held) {
		r.resizeMemory()
	}
	r.limit()
	for r.size(windowQueue) > 1 && r.load(windowQueue) > r.window && r.steps > 0 {
		r.steps--
		tail := r.tail(windowQueue)
		r.flush(tail)
		r.put(probationQueue, tail)
	}
}

func (r *tinyClock) Reweigh(slot uint32, weight int64) { r.weigh(slot, weight) }

// Evict decides as if the incoming entry were at the window's head already: the
// entry that leaves the window to let it in has to win against main's victim. If
// the window is entitled to the room, main gives it. Where nothing comes in main
// gives the room too, and no key is remembered.
func (r *tinyClock) Evict(incoming bool, keep uint32) uint32 {
	r.limit()
	if incoming {
		r.full = true
		candidate := r.tailBut(windowQueue, keep)
		if candidate != None && r.load(windowQueue)+r.incoming > r.window {
			return r.contest(candidate, keep)
		}
	}
	slot := r.victim(keep)
	if slot == None {
		slot = r.tailBut(windowQueue, keep)
	}
	if slot == None {
		return None
	}
	if incoming {
		r.ghosts.push(evicted, r.slots.Hash(slot))
	}
	r.Remove(slot)
	return slot
}

// contest lets the window's last entry compete with main's victim and evicts the
// loser. The winner gets another round in probation. An entry that was hit in the
// window stays there for another round, and the next one competes: one at a time,
// as that is all that keeping up with LRU takes. Of the candidates that were asked
// for only once, which next to never win, three in four lose without a look at
// main, which spares part of the work of a miss; not where weights differ, since
// a light one may well win.
func (r *tinyClock) contest(candidate, keep uint32) uint32 {
	if r.flush(candidate) {
		r.put(windowQueue, candidate)
		candidate = r.tailBut(windowQueue, keep)
		r.flush(candidate)
	}
	hash := r.slots.Hash(candidate)
	count := r.sketch.estimate(hash)
	if count <= 1 && !r.weighted {
		r.walkovers++
	}
	if count > 1 || r.weighted || r.walkovers%oneIn == 0 {
		if victim := r.victim(keep); victim != None { // there is none in a cache of one entry
			other := r.slots.Hash(victim)
			if r.wins(candidate, victim, count, r.sketch.estimate(other)) {
				r.put(probationQueue, candidate)
				r.ghosts.push(evicted, other)
				r.Remove(victim)
				return victim
			}
			r.put(probationQueue, victim)
		}
	}
	r.ghosts.push(refused, hash)
	r.Remove(candidate)
	return candidate
}

// wins tells whether a candidate, asked for c times, was asked for more often than
// a victim, asked for v times, for their weights.
//
// In a loop over more than fits, candidate and victim were asked for as often,
// but the candidate's last request is counted and the victim's is still to come:
// without an advantage for the victim they change places for ever. Where the
// window has grown over its first share, recency counts and there is none.
func (r *tinyClock) wins(candidate, victim, c, v uint32) bool {
	if v >= sureCount && r.share <= startShare {
		v++
	}
	if !r.weighted {
		return c > v
	}
	return float64(c)*float64(r.weight(victim)) > float64(v)*float64(r.weight(candidate))
}

// victim returns main's next victim and leaves it in place: the first entry from
// probation's tail whose bit is clear. The others go on to protected. It returns
// None if main holds nothing but keep.
func (r *tinyClock) victim(keep uint32) uint32 {
	for {
		slot := r.tailBut(probationQueue, keep)
		if slot == None {
			if slot = r.demoted(keep); slot != None {
				r.put(probationQueue, slot)
			}
			return slot
		}
		if !r.pass(slot) {
			return slot
		}
		r.put(protectedQueue, slot)
		for r.load(protectedQueue) > r.protected && r.steps > 0 {
			r.steps--
			slot := r.demoted(keep)
			if slot == None {
				break
			}
			r.put(probationQueue, slot)
		}
	}
}

// demoted returns the first entry from protected's tail whose bit is clear, and
// gives the others another round.
func (r *tinyClock) demoted(keep uint32) uint32 {
	for {
		slot := r.tailBut(protectedQueue, keep)
		if slot == None || !r.pass(slot) {
			return slot
		}
		r.put(protectedQueue, slot)
	}
}

// pass tells whether a hand passes over an entry: its bit is set and there are
// steps left.
func (r *tinyClock) pass(slot uint32) bool {
	if !r.flush(slot) {
		return false
	}
	r.steps--
	return r.steps >= 0
}

// flush clears an entry's bit and tells the sketch of the hits it stands for. It
// returns whether the bit was set.
func (r *tinyClock) flush(slot uint32) bool {
	if r.slots.Mark(slot) == 0 {
		return false
	}
	r.slots.SetMark(slot, 0)
	r.sketch.add(r.slots.Hash(slot))
	return true
}

// limit gives a call its steps and the weights to work towards. Those are shares
// of what is held, which is the capacity whenever it matters.
func (r *tinyClock) limit() {
	r.steps = sweepLimit
	of := basis{total: int64(r.held), held: r.held, share: r.share}
	if r.weighted {
		for _, extra := range r.extras {
			of.total += extra
		}
	}
	if of == r.basis {
		return
	}
	r.basis = of
	mean := of.total / int64(max(1, r.held))
	r.window = max(1, mean, int64(r.share*float64(of.total)))
	r.protected = int64(protectedShare * float64(of.total-r.window))
}

// load returns the weight of a queue.
func (r *tinyClock) load(queue uint32) int64 {
	return int64(r.size(queue)) + r.extras[queue]
}

// weight returns the weight of a slot.
func (r *tinyClock) weight(slot uint32) int64 { return 1 + r.extraOf(slot) }

func (r *tinyClock) extraOf(slot uint32) int64 {
	if int(slot) >= r.extra.Len() {
		return 0
	}
	return *r.extra.At(slot)
}

// weigh records the weight of a held slot.
func (r *tinyClock) weigh(slot uint32, weight int64) {
	if weight == 1 && !r.weighted {
		return
	}
	r.weighted = true
	r.extra.Grow(slot)
	extra := r.extra.At(slot)
	r.extras[r.queueOf(slot)] += weight - 1 - *extra
	*extra = weight - 1
}

// put takes a held slot to the head of a queue.
func (r *tinyClock) put(queue, slot uint32) {
	if r.weighted {
		extra := r.extraOf(slot)
		r.extras[r.queueOf(slot)] -= extra
		r.extras[queue] += extra
	}
	r.toHead(queue, slot)
}

func (r *tinyClock) Remove(slot uint32) {
	if r.weighted {
		r.weigh(slot, 1)
	}
	r.remove(slot)
}

func (r *tinyClock) Move(from, to uint32) {
	r.replace(from, to)
	if r.weighted {
		r.extra.Grow(max(from, to))
		*r.extra.At(to), *r.extra.At(from) = *r.extra.At(from), 0
	}
}

func (r *tinyClock) Trim(top uint32) {
	r.lists.Trim(top)
	r.extra.Truncate(top + 1)
}

func (r *tinyClock) Resize(capacity int) {
	r.room.expect(capacity)
	r.room.fit(r.held)
	r.resizeMemory()
}

// resizeMemory makes sketch and ghosts follow the room. A cache that was never
// full has learned next to nothing, and a sketch that grows by copies is a less
// exact one; so there a large step in size is a new start.
func (r *tinyClock) resizeMemory() {
	if !r.full && r.room.size > newStart*r.sketch.entries() {
		r.sketch = newSketch(r.room.size)
	}
	r.sketch.resize(r.room.size)
	r.ghosts.resize(2, r.room.size/ghostShare)
}

// Clear forgets what was learned about keys, but not the window's share.
func (r *tinyClock) Clear() {
	r.clear()
	r.sketch = newSketch(0)
	r.ghosts.clear(2)
	r.extra = paged.New[int64]()
	r.extras = [queues]int64{}
	r.weighted, r.full = false, false
	r.room.size = 0
	r.resizeMemory()
}

func (r *tinyClock) All() iter.Seq[uint32] {
	return r.concat(probationQueue, windowQueue, protectedQueue)
}

func (r *tinyClock) Validate() error {
	if err := r.validate(); err != nil {
		return err
	}
	if r.share < leastShare || r.share > mostShare {
		return fmt.Errorf("the window's share is %v", r.share)
	}
	var sums [queues]int64
	for slot := range uint32(r.extra.Len()) {
		extra, queue := *r.extra.At(slot), r.queueOf(slot)
		if extra != 0 && queue == 0 {
			return fmt.Errorf("slot %d is not held but weighs %d", slot, extra)
		}
		sums[queue] += extra
	}
	if sums != r.extras {
		return fmt.Errorf("the queues' weights are %v over their sizes, recorded are %v", sums, r.extras)
	}
	for slot := range r.All() {
		if mark := r.slots.Mark(slot); mark > 1 {
			return fmt.Errorf("slot %d has the mark %d", slot, mark)
		}
	}
	if err := r.sketch.validate(); err != nil {
		return err
	}
	return r.ghosts.validate()
}
