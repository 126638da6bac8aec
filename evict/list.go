// SPDX-License-Identifier: MIT

package evict

import (
	"fmt"
	"iter"

	"github.com/locmem/locmem/internal/paged"
)

const (
	slotBits = 30
	// slotMask bounds the slot numbers of one ring: 2^30 - 1 entries. The two
	// bits above a neighbour's number say which queue the entry is in, which
	// makes a link 8 bytes and spares another array, and with it a cache miss.
	slotMask = 1<<slotBits - 1
	queues   = 4 // queue 0 is that of slots that are not held
)

// link joins an entry to its neighbours in a queue.
type link struct {
	prev uint32 // the neighbour nearer to the head, or None
	next uint32 // the neighbour nearer to the tail, or None; above it the queue
}

func (l link) towardsTail() uint32 { return l.next & slotMask }
func (l link) queue() uint32       { return l.next >> slotBits }

// ends are the two ends of a queue.
type ends struct {
	head, tail uint32 // None if the queue is empty
	size       int
}

// lists are up to three queues over slots, of which every held slot is in one.
// Entries go in at the head and leave at the tail. A hand is never stored: it is
// the tail of a queue, and what it passes goes back to a head, so no hand can be
// left at a slot that was freed. All operations are O(1) but for validate.
//
// The policies embed lists for what they have in common.
type lists struct {
	links paged.Array[link] // by slot number, grown when a slot is first seen
	ends  [queues]ends      // by queue number
	held  int
}

func newLists() lists {
	return lists{links: paged.New[link]()}
}

// Len returns the number of entries held.
func (l *lists) Len() int { return l.held }

// queueOf returns the queue of a slot, 0 if it is not held.
func (l *lists) queueOf(slot uint32) uint32 {
	if int(slot) >= l.links.Len() {
		return 0
	}
	return l.links.At(slot).queue()
}

func (l *lists) size(queue uint32) int    { return l.ends[queue].size }
func (l *lists) tail(queue uint32) uint32 { return l.ends[queue].tail }

// tailBut returns the entry nearest to the tail that is not in slot keep, None
// if there is none.
func (l *lists) tailBut(queue, keep uint32) uint32 {
	tail := l.ends[queue].tail
	if tail == keep && tail != None {
		return l.links.At(tail).prev
	}
	return tail
}

// insert puts a slot that is not held at the head of a queue.
func (l *lists) insert(queue, slot uint32) {
	if slot == None || slot > slotMask || l.queueOf(slot) != 0 {
		panic(fmt.Sprintf("evict: Insert or Move to slot %d, which is held or out of range", slot))
	}
	l.links.Grow(slot)
	l.held++
	l.pushHead(queue, slot)
}

// remove takes a held slot out of its queue for good.
func (l *lists) remove(slot uint32) {
	l.unlink(slot)
	*l.links.At(slot) = link{}
	l.held--
}

// toHead takes a held slot out of its queue and puts it at the head of one.
func (l *lists) toHead(queue, slot uint32) {
	l.unlink(slot)
	l.pushHead(queue, slot)
}

// replace puts slot to, which is not held, in the place of from.
func (l *lists) replace(from, to uint32) {
	l.insert(l.queueOf(from), to)
	l.unlink(to)
	at := l.links.At(from)
	moved := *at
	*at = link{}
	*l.links.At(to) = moved
	end := &l.ends[moved.queue()]
	if moved.prev == None {
		end.head = to
	} else {
		l.setNext(moved.prev, to)
	}
	if next := moved.towardsTail(); next == None {
		end.tail = to
	} else {
		l.links.At(next).prev = to
	}
	l.held--
}

// Trim drops the pages of slots above top, none of which is held.
func (l *lists) Trim(top uint32) { l.links.Truncate(top + 1) }

// clear forgets everything by dropping the pages.
func (l *lists) clear() { *l = newLists() }

// each yields the slots of a queue from tail to head. The slot that was yielded
// last may be removed before the next is asked for.
func (l *lists) each(queue uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for slot := l.ends[queue].tail; slot != None; {
			prev := l.links.At(slot).prev
			if !yield(slot) {
				return
			}
			slot = prev
		}
	}
}

// concat yields the slots of several queues one after the other.
func (l *lists) concat(order ...uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, queue := range order {
			for slot := range l.each(queue) {
				if !yield(slot) {
					return
				}
			}
		}
	}
}

func (l *lists) pushHead(queue, slot uint32) {
	end := &l.ends[queue]
	*l.links.At(slot) = link{next: queue<<slotBits | end.head}
	if end.head == None {
		end.tail = slot
	} else {
		l.links.At(end.head).prev = slot
	}
	end.head = slot
	end.size++
}

// unlink closes the gap that a slot leaves; its own link is left for the caller
// to overwrite.
func (l *lists) unlink(slot uint32) {
	at := *l.links.At(slot)
	if at.queue() == 0 {
		panic(fmt.Sprintf("evict: slot %d is not held", slot))
	}
	end := &l.ends[at.queue()]
	next := at.towardsTail()
	if at.prev == None {
		end.head = next
	} else {
		l.setNext(at.prev, next)
	}
	if next == None {
		end.tail = at.prev
	} else {
		l.links.At(next).prev = at.prev
	}
	end.size--
}

func (l *lists) setNext(slot, next uint32) {
	at := l.links.At(slot)
	at.next = at.next&^slotMask | next
}

// validate walks every queue both ways and compares what it meets with the
// queue's count and the slots' own record of their queue.
func (l *lists) validate() error {
	held := 0
	for slot := range l.links.Len() {
		if at := *l.links.At(uint32(slot)); at.queue() != 0 {
			held++
		} else if at != (link{}) {
			return fmt.Errorf("slot %d is in no queue but has the link %v", slot, at)
		}
	}
	if held != l.held {
		return fmt.Errorf("%d slots are in a queue, but %d held", held, l.held)
	}
	if l.ends[0] != (ends{}) {
		return fmt.Errorf("the queue of free slots is in use: %v", l.ends[0])
	}
	walked := 0
	for queue := uint32(1); queue < queues; queue++ {
		end := l.ends[queue]
		n, prev := 0, None
		for slot := end.head; slot != None; n++ {
			if int(slot) >= l.links.Len() || n > l.held {
				return fmt.Errorf("queue %d leads to slot %d after %d steps", queue, slot, n)
			}
			at := *l.links.At(slot)
			if at.queue() != queue || at.prev != prev {
				return fmt.Errorf("queue %d: slot %d after %d has the link %v in queue %d", queue, slot, prev, at, at.queue())
			}
			prev, slot = slot, at.towardsTail()
		}
		// Every prev was compared on the way, so a walk from the tail to the
		// head would take the same steps.
		if prev != end.tail || n != end.size {
			return fmt.Errorf("queue %d ends at slot %d after %d entries, recorded are %v", queue, prev, n, end)
		}
		walked += n
	}
	if walked != l.held {
		return fmt.Errorf("the queues have %d entries, but %d held", walked, l.held)
	}
	return nil
}
