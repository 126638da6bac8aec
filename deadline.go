// SPDX-License-Identifier: MIT

package locmem

import (
	"math/bits"

	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/lock"
	"github.com/locmem/locmem/internal/paged"
)

const (
	// tickShift makes a tick 2^20 ns, about a millisecond: the accuracy with which
	// expired entries are found by time. Whether an entry has expired is decided
	// to the nanosecond elsewhere.
	tickShift = 20
	// wheelLevels times six bits covers all ticks of 63 bits of nanoseconds.
	wheelLevels = 8
	wheelBits   = 6
	wheelSize   = 1 << wheelBits
)

// wheel is a shard's index of deadlines: a hierarchical timing wheel (Varghese
// and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987), which adds and
// removes in constant time whatever the order. It is made with the shard's first
// deadline.
//
// Level 0 has a bucket for each tick of the current 64, level 1 one for each 64
// ticks of the current 64 times 64, and so on. An entry is at the level of the
// highest digit (of six bits) in which its tick differs from the current tick,
// in the bucket of that digit; when the current tick comes to the bucket's first
// tick, its entries move down.
//
//	level 2 │ · · ▪ · ▪ · · ·     each bucket: 4096 ticks, about 4.3 s
//	level 1 │ ▪ · · ▪ · · · ·     each bucket:   64 ticks, about 67 ms
//	level 0 │ · ▪ ▪ · · · · ▪     each bucket:    1 tick,  about 1 ms
//
//	INVARIANT: an entry's tick is not before the current tick, or it is in the
//	current bucket of level 0 (its deadline had passed when it was added).
//	INVARIANT: at each level no bucket before the current tick's digit is in use.
//	INVARIANT: a bucket's bit is set if and only if it holds an entry.
type wheel struct {
	tick   int64 // the current one; it moves only in due
	len    int
	used   [wheelLevels]uint64 // a bit for each bucket
	heads  [wheelLevels][wheelSize]uint32
	timers paged.Array[timer]
	idles  *paged.Array[idleTimer] // made with the first idle lifetime
}

// timer is a slot's place in the wheel.
type timer struct {
	// when is the deadline and the shard's grace, or for an entry with an idle
	// lifetime a time not after that: hits move it without telling the wheel.
	when int64
	next uint32 // in the bucket's list
	prev uint32 // or inBucket with the bucket's number, at the list's head
}

// idleTimer is what an entry with an idle lifetime has besides.
type idleTimer struct {
	span     int64
	deadline int64      // the hard one, or never
	used     lock.Int64 // time of the last hit; written under the read lock too
}

// end returns the time at which the entry expires if it is not hit again.
func (t *idleTimer) end() int64 {
	return min(t.deadline, after(t.used.Load(), t.span))
}

// gone is end with a grace beyond the hard deadline, during which a load may still
// use the entry if it was not idle for too long.
func (t *idleTimer) gone(grace int64) int64 {
	return min(after(t.deadline, grace), after(t.used.Load(), t.span))
}

const inBucket = 1 << 31

func newWheel(now int64) *wheel {
	return &wheel{tick: now >> tickShift, timers: paged.New[timer]()}
}

// add puts a slot that is not in the wheel under a time.
func (w *wheel) add(slot uint32, when int64) {
	w.timers.Grow(slot)
	w.link(slot, when)
	w.len++
}

// addIdle keeps the idle lifetime of a slot.
func (w *wheel) addIdle(slot uint32, span, deadline, now int64) {
	if w.idles == nil {
		idles := paged.New[idleTimer]()
		w.idles = &idles
	}
	w.idles.Grow(slot)
	t := w.idles.At(slot)
	t.span, t.deadline = span, deadline
	t.used.Store(now)
}

// remove takes a slot out.
func (w *wheel) remove(slot uint32) {
	w.unlink(slot)
	w.len--
}

// move makes a slot's timer that of another slot.
func (w *wheel) move(from, to uint32, idle bool) {
	w.timers.Grow(to)
	when := w.timers.At(from).when
	w.unlink(from)
	w.link(to, when)
	if idle {
		w.idles.Grow(to)
		f, t := w.idles.At(from), w.idles.At(to)
		t.span, t.deadline = f.span, f.deadline
		t.used.Store(f.used.Load())
	}
}

func (w *wheel) link(slot uint32, when int64) {
	tick := max(when>>tickShift, w.tick)
	level := 0
	if x := uint64(tick ^ w.tick); x != 0 {
		level = (bits.Len64(x) - 1) / wheelBits
	}
	bucket := tick >> (level * wheelBits) & (wheelSize - 1)
	head := &w.heads[level][bucket]
	t := w.timers.At(slot)
	*t = timer{when: when, next: *head, prev: inBucket | uint32(level)<<wheelBits | uint32(bucket)}
	if *head != evict.None {
		w.timers.At(*head).prev = slot
	}
	*head = slot
	w.used[level] |= 1 << bucket
}

func (w *wheel) unlink(slot uint32) {
	t := w.timers.At(slot)
	if t.next != evict.None {
		w.timers.At(t.next).prev = t.prev
	}
	if t.prev&inBucket == 0 {
		w.timers.At(t.prev).next = t.next
		return
	}
	level, bucket := t.prev&^inBucket>>wheelBits, t.prev&(wheelSize-1)
	w.heads[level][bucket] = t.next
	if t.next == evict.None {
		w.used[level] &^= 1 << bucket
	}
}

// first returns the first bucket in time that is in use, and its first tick. ok
// is false if the wheel is empty.
func (w *wheel) first() (level int, bucket, tick int64, ok bool) {
	// What lies under the current tick at a higher level may belong to any tick
	// from now on, so it comes first. Else a lower level's buckets end before the
	// next level's begin.
	for level = wheelLevels - 1; level > 0; level-- {
		digit := w.tick >> (level * wheelBits) & (wheelSize - 1)
		if w.used[level]&(1<<digit) != 0 {
			return level, digit, w.tick, true
		}
	}
	for level = range wheelLevels {
		shift := level * wheelBits
		if w.used[level] != 0 {
			bucket = int64(bits.TrailingZeros64(w.used[level]))
			block := w.tick >> shift &^ (wheelSize - 1)
			return level, bucket, (block | bucket) << shift, true
		}
	}
	return 0, 0, 0, false
}

// earliest returns a time before which no entry of the wheel is due.
func (w *wheel) earliest() int64 {
	_, _, tick, ok := w.first()
	if !ok {
		return never
	}
	return tick << tickShift
}

// due returns a slot whose time has come, or None, moving the current tick up
// to now. With exact it finds every such slot, else those whose tick is over.
// Entries move down in steps, of which it takes at most as many as budget has
// left: a None with the budget used up means nothing. exact looks through the
// whole bucket of the current tick.
func (w *wheel) due(now int64, exact bool, budget *int) uint32 {
	nowTick := now >> tickShift
	for *budget > 0 {
		level, bucket, tick, ok := w.first()
		if !ok || tick > nowTick {
			w.tick = max(w.tick, nowTick)
			return evict.None
		}
		w.tick = max(w.tick, tick)
		slot := w.heads[level][bucket]
		switch {
		case level > 0:
			*budget--
			when := w.timers.At(slot).when
			w.unlink(slot)
			w.link(slot, when)
		case tick < nowTick:
			return slot
		case !exact:
			return evict.None
		default:
			for slot != evict.None && w.timers.At(slot).when > now {
				slot = w.timers.At(slot).next
			}
			return slot
		}
	}
	return evict.None
}
