// SPDX-License-Identifier: MIT

package evict

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// lived makes a ring that has seen hits, evictions and keys that came back.
func lived(policy Policy) (Ring, *fakeSlots) {
	const n = 100
	ring, slots := filled(policy, n)
	for key := uint32(n + 1); key < 8*n; key++ {
		for slot := uint32(1); slot <= n; slot++ {
			if (slot+key)%3 == 0 && slots.marks[slot] < ring.MaxMark() {
				slots.marks[slot]++
			}
		}
		hash := mix32(key - key%4*n/2)
		ring.Admit(hash, 1)
		slot := ring.Evict(true, None)
		slots.hashes[slot], slots.marks[slot] = hash, 0
		ring.Insert(slot, 1)
	}
	return ring, slots
}

// Validate is what other tests rely on: every invariant is broken once, and has
// to be missed.
func TestValidateSeesWhatIsBroken(t *testing.T) {
	lists := listsBreaks()
	for _, p := range policies {
		for _, b := range lists {
			t.Run(p.name+"/"+b.name, func(t *testing.T) {
				ring, _ := lived(p.policy)
				validate(t, ring)
				b.do(listsOf(ring))
				require.ErrorContains(t, ring.(Validator).Validate(), b.says)
			})
		}
	}

	type breaks[R any] struct {
		name string
		do   func(r R, slots *fakeSlots)
		says string
	}
	for _, b := range []breaks[*lru]{
		{"stamps out of order", func(r *lru, _ *fakeSlots) {
			tail := r.tail(onlyQueue)
			*r.stamps.At(r.links.At(tail).prev) = *r.stamps.At(tail)
		}, "after"},
		{"a stamp of the future", func(r *lru, _ *fakeSlots) {
			*r.stamps.At(r.ends[onlyQueue].head) += 1000
		}, "the latest use"},
		{"a tail that is not published", func(r *lru, _ *fakeSlots) { r.oldest.Add(1) }, "published"},
		{"an empty ring that publishes a stamp", func(r *lru, _ *fakeSlots) {
			r.Clear()
			r.oldest.Store(3)
		}, "published"},
	} {
		t.Run("LRU/"+b.name, func(t *testing.T) {
			ring, slots := lived(LRU)
			validate(t, ring)
			b.do(ring.(*lru), slots)
			require.ErrorContains(t, ring.(Validator).Validate(), b.says)
		})
	}

	for _, b := range ghostsBreaks() {
		t.Run("S3FIFO/"+b.name, func(t *testing.T) {
			ring, _ := lived(S3FIFO)
			validate(t, ring)
			b.do(&ring.(*s3fifo).ghosts)
			require.ErrorContains(t, ring.(Validator).Validate(), b.says)
		})
		t.Run("TinyClock/"+b.name, func(t *testing.T) {
			ring, _ := lived(TinyClock)
			validate(t, ring)
			b.do(&ring.(*tinyClock).ghosts)
			require.ErrorContains(t, ring.(Validator).Validate(), b.says)
		})
	}
	t.Run("S3FIFO/a queue too many", func(t *testing.T) {
		ring, _ := lived(S3FIFO)
		r := ring.(*s3fifo)
		r.toHead(queues-1, r.tail(mainQueue))
		require.ErrorContains(t, r.Validate(), "not used")
	})

	for _, b := range []breaks[*sieve]{
		{"a queue too many", func(r *sieve, _ *fakeSlots) { r.toHead(queues-1, r.tail(r.ahead)) }, "not used"},
		{"no queue ahead", func(r *sieve, _ *fakeSlots) { r.ahead = 0 }, "the queue ahead"},
		{"a hand that did not turn back", func(r *sieve, _ *fakeSlots) {
			for r.size(r.ahead) > 0 {
				r.toHead(r.passed(), r.tail(r.ahead))
			}
		}, "nothing is ahead"},
	} {
		t.Run("SIEVE/"+b.name, func(t *testing.T) {
			ring, slots := lived(SIEVE)
			validate(t, ring)
			b.do(ring.(*sieve), slots)
			require.ErrorContains(t, ring.(Validator).Validate(), b.says)
		})
	}

	for _, b := range []breaks[*tinyClock]{
		{"the share too large", func(r *tinyClock, _ *fakeSlots) { r.share = 0.96 }, "share"},
		{"the share too small", func(r *tinyClock, _ *fakeSlots) { r.share = 0.009 }, "share"},
		{"a queue's weight", func(r *tinyClock, _ *fakeSlots) { r.extras[windowQueue]++ }, "weights"},
		{"an entry's weight", func(r *tinyClock, _ *fakeSlots) {
			r.Reweigh(5, 7)
			*r.extra.At(5)++
		}, "weights"},
		{"a weight of nobody", func(r *tinyClock, _ *fakeSlots) {
			r.Reweigh(5, 7)
			r.remove(5)
		}, "not held"},
		{"a mark over the limit", func(_ *tinyClock, slots *fakeSlots) { slots.marks[9] = 2 }, "mark"},
		{"blocks and half", func(r *tinyClock, _ *fakeSlots) { r.sketch.half *= 2 }, "half"},
		{"half no doubled base", func(r *tinyClock, _ *fakeSlots) { r.sketch.half-- }, "half"},
		{"no blocks", func(r *tinyClock, _ *fakeSlots) { r.sketch.count = 0 }, "half"},
		{"a base over the most", func(r *tinyClock, _ *fakeSlots) {
			r.sketch.base, r.sketch.half, r.sketch.count, r.sketch.splits = 64, 64, 64, 0
		}, "wanted"},
		{"no wanted blocks", func(r *tinyClock, _ *fakeSlots) { r.sketch.target = 0 }, "wanted"},
		{"more blocks than memory", func(r *tinyClock, _ *fakeSlots) {
			r.sketch.count, r.sketch.half, r.sketch.splits = 4096*r.sketch.base, 4096*r.sketch.base, 4095
		}, "memory"},
		{"halved blocks", func(r *tinyClock, _ *fakeSlots) { r.sketch.halved++ }, "halved"},
		{"additions", func(r *tinyClock, _ *fakeSlots) { r.sketch.added = -1 }, "additions"},
	} {
		t.Run("TinyClock/"+b.name, func(t *testing.T) {
			ring, slots := lived(TinyClock)
			validate(t, ring)
			b.do(ring.(*tinyClock), slots)
			require.ErrorContains(t, ring.(Validator).Validate(), b.says)
		})
	}
}

func listsOf(ring Ring) *lists {
	switch r := ring.(type) {
	case *fifo:
		return &r.lists
	case *clock:
		return &r.lists
	case *sieve:
		return &r.lists
	case *lru:
		return &r.lists
	case *s3fifo:
		return &r.lists
	default:
		return &ring.(*tinyClock).lists
	}
}

type listsBreak struct {
	name string
	do   func(l *lists)
	says string
}

func listsBreaks() []listsBreak {
	// longest returns the queue with the most entries and one amid it.
	longest := func(l *lists) (queue, slot uint32) {
		for q := range uint32(queues) {
			if l.size(q) > l.size(queue) {
				queue = q
			}
		}
		return queue, l.links.At(l.links.At(l.tail(queue)).prev).prev
	}
	return []listsBreak{
		{"the number held", func(l *lists) { l.held++ }, "held"},
		{"a queue's size", func(l *lists) { q, _ := longest(l); l.ends[q].size-- }, "ends"},
		{"a queue's tail", func(l *lists) { q, s := longest(l); l.ends[q].tail = s }, "ends"},
		{"a queue's head", func(l *lists) { q, s := longest(l); l.ends[q].head = s }, "link"},
		{"a queue that was lost", func(l *lists) { q, _ := longest(l); l.ends[q] = ends{} }, "the queues have"},
		{"a prev", func(l *lists) { _, s := longest(l); l.links.At(s).prev = s }, "link"},
		{"a circle", func(l *lists) { q, s := longest(l); l.setNext(s, l.ends[q].head) }, "link"},
		{"a next that does not exist", func(l *lists) { _, s := longest(l); l.setNext(s, slotMask) }, "leads to"},
		{"an entry's queue", func(l *lists) {
			_, s := longest(l)
			l.links.At(s).next ^= 1 << slotBits
			if l.links.At(s).queue() == 0 {
				l.links.At(s).next |= 2 << slotBits
			}
		}, "link"},
		{"an entry that was lost", func(l *lists) { _, s := longest(l); *l.links.At(s) = link{} }, "held"},
		{"the link of a free slot", func(l *lists) { l.links.At(None).prev = 1 }, "in no queue"},
		{"the queue of free slots", func(l *lists) { l.ends[0].size = 1 }, "free slots"},
	}
}

type ghostsBreak struct {
	name string
	do   func(g *ghosts)
	says string
}

func ghostsBreaks() []ghostsBreak {
	// counted returns an element that is in its FIFO's count.
	counted := func(g *ghosts) *uint32 {
		for _, page := range g.pages {
			for i := range page {
				for j, element := range page[i] {
					if element != 0 && (g.fifos[element>>stampBits&1].now-element)&stampMask < ghostTicks {
						return &page[i][j]
					}
				}
			}
		}
		panic("nothing is remembered")
	}
	return []ghostsBreak{
		{"a ghost's count", func(g *ghosts) { g.fifos[0].live[3]++ }, "recorded"},
		{"a fingerprint that was lost", func(g *ghosts) { *counted(g) = 0 }, "recorded"},
		{"a fingerprint without a tag", func(g *ghosts) { *counted(g) = 1 }, "without a tag"},
		{"a ghost's clock", func(g *ghosts) { g.fifos[1].now = stampMask + 1 }, "tick"},
		{"a page", func(g *ghosts) { g.pages[0] = make([]ghostBucket, len(g.pages[0])+1) }, "buckets"},
	}
}
