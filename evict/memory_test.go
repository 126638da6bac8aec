// SPDX-License-Identifier: MIT

package evict

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// memory is what a ring has allocated, in bytes.
type memory struct {
	slots int // arrays by slot
	keys  int // sketch and ghosts
}

func memoryOf(ring Ring) memory {
	ofLists := func(l *lists) int { return 8 * l.links.Len() }
	ofGhosts := func(g *ghosts) int {
		bytes := 24 * cap(g.pages)
		for _, page := range g.pages {
			bytes += 32 * cap(page)
		}
		return bytes
	}
	switch r := ring.(type) {
	case *fifo:
		return memory{slots: ofLists(&r.lists)}
	case *clock:
		return memory{slots: ofLists(&r.lists)}
	case *sieve:
		return memory{slots: ofLists(&r.lists)}
	case *lru:
		return memory{slots: ofLists(&r.lists) + 8*r.stamps.Len()}
	case *s3fifo:
		return memory{slots: ofLists(&r.lists), keys: ofGhosts(&r.ghosts)}
	case *tinyClock:
		return memory{
			slots: ofLists(&r.lists) + 8*r.extra.Len(),
			keys:  64*r.sketch.blocks.Len() + ofGhosts(&r.ghosts),
		}
	default:
		panic(fmt.Sprintf("unknown ring %T", ring))
	}
}

// churn sends keys that are never asked for again through a ring until its
// ghosts are full.
func churn(ring Ring, slots *fakeSlots, capacity int) {
	for key := range uint32(4 * capacity) {
		slot := uint32(ring.Len() + 1)
		hash := mix32(key)
		ring.Admit(hash, 1)
		if ring.Len() == capacity {
			slot = ring.Evict(true, None)
		}
		slots.hashes[slot], slots.marks[slot] = hash, key&1
		ring.Insert(slot, 1)
	}
}

func TestMemoryPerEntryIsWhatTheDocumentationSays(t *testing.T) {
	for _, capacity := range []int{1, 50, 64, 65, 1000, 1025, 2052, 4097, 8193, 40_000, 131_073} {
		if testing.Short() && capacity > 10_000 {
			continue // which take most of the time
		}
		slots := newFakeSlots(capacity)

		r := one(TinyClock, capacity, slots)
		churn(r, slots, capacity)
		assert.LessOrEqual(t, memoryOf(r).keys, 21*capacity+1024, "TinyClock, %d entries", capacity)

		r = one(TinyClock, 0, slots)
		churn(r, slots, capacity)
		assert.LessOrEqual(t, memoryOf(r).keys, 41*capacity+1024, "TinyClock, %d entries, not foretold", capacity)

		r = one(S3FIFO, capacity, slots)
		churn(r, slots, capacity)
		assert.LessOrEqual(t, memoryOf(r).keys, 8*capacity+1024, "S3FIFO, %d entries", capacity)
	}
}

func TestAnEmptyRingIsSmallWhateverItIsMadeFor(t *testing.T) {
	for _, p := range policies {
		slots := newFakeSlots(100)
		ring := one(p.policy, 10_000_000, slots)
		churn(ring, slots, 10)
		m := memoryOf(ring)
		assert.Less(t, m.slots, 4096, p.name)
		assert.Less(t, m.keys, 2048, p.name)
	}
}

func TestClearAndResizeGiveMemoryBack(t *testing.T) {
	const capacity = 50_000
	for _, p := range policies {
		slots := newFakeSlots(capacity)
		ring := one(p.policy, capacity, slots)
		churn(ring, slots, capacity)
		ring.Resize(100)
		for ring.Len() > 100 {
			ring.Evict(false, None)
		}
		for key := range uint32(2000) { // the sketch shrinks as keys are admitted
			ring.Admit(mix32(key), 1)
			slot := ring.Evict(true, None)
			slots.hashes[slot], slots.marks[slot] = mix32(key), 0
			ring.Insert(slot, 1)
		}
		validate(t, ring)
		assert.LessOrEqual(t, memoryOf(ring).keys, 24*100+64*512, "%s after Resize", p.name) // the sketch keeps a page
		ring.Clear()
		assert.LessOrEqual(t, memoryOf(ring).keys, 1024, "%s after Clear", p.name)
		assert.Zero(t, memoryOf(ring).slots, "%s after Clear", p.name)
	}
}
