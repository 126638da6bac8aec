// SPDX-License-Identifier: MIT

package locmem

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/evict"
)

// TestValidateReportsEveryBrokenInvariant breaks each invariant once, on an
// engine with a bit of everything in it, and expects the report to name it.
func TestValidateReportsEveryBrokenInvariant(t *testing.T) {
	type engine = Engine[int, int]
	for _, tc := range []struct {
		name   string
		report string
		damage func(e *engine, s *shard[int, int])
	}{
		{"len", "slots: ", func(_ *engine, s *shard[int, int]) { s.len++ }},
		{"weight of the shard", "weights: the sum", func(_ *engine, s *shard[int, int]) { s.weight++ }},
		{"weight of an entry", "weights: the sum", func(_ *engine, s *shard[int, int]) { *s.weights.At(s.anyHeld(0))++ }},
		{"negative weight", "weighs -5", func(_ *engine, s *shard[int, int]) { *s.weights.At(s.anyHeld(0)) = -5 }},
		{"hash of an entry", "has hash", func(_ *engine, s *shard[int, int]) { s.slots.At(s.anyHeld(0)).hash ^= 1 << 7 }},
		{"key of another shard", "belongs to another shard", func(e *engine, s *shard[int, int]) {
			key := 0
			for e.shardOf(e.hasher.sum(key)) == s {
				key++
			}
			s.slots.At(s.anyHeld(0)).key = key
		}},
		{"key left in a free slot", "still has key", func(_ *engine, s *shard[int, int]) { s.slots.At(s.free).key = 77 }},
		{"free list leads to a held slot", "free list: slot", func(_ *engine, s *shard[int, int]) { s.free = s.anyHeld(0) }},
		{"free list lost", "free list: ", func(_ *engine, s *shard[int, int]) { s.free = evict.None }},
		{"free list in a circle", "circle", func(_ *engine, s *shard[int, int]) { s.slots.At(s.free).hash = s.free }},
		{"listed while packing", "while packing", func(_ *engine, s *shard[int, int]) { s.packing, s.low = true, 1 }},
		{"index cell lost", "index: ", func(_ *engine, s *shard[int, int]) {
			i, _ := s.index.locate(s.slots.At(s.anyHeld(0)).hash, s.anyHeld(0))
			s.index.cells[i] = 0
		}},
		{"index cell of a free slot", "which is not held", func(_ *engine, s *shard[int, int]) {
			i, _ := s.index.locate(s.slots.At(s.anyHeld(0)).hash, s.anyHeld(0))
			s.index.cells[i] = s.index.cells[i]>>32<<32 | uint64(s.free)
		}},
		{"index cell under another hash", "is filed under", func(_ *engine, s *shard[int, int]) {
			i, _ := s.index.locate(s.slots.At(s.anyHeld(0)).hash, s.anyHeld(0))
			s.index.cells[i] ^= 1 << 33
		}},
		{"index count", "counted", func(_ *engine, s *shard[int, int]) { s.index.used++ }},
		{"index shift", "do not go with a shift", func(_ *engine, s *shard[int, int]) { s.index.shift++ }},
		{"index cell out of reach", "hides slot", func(_ *engine, s *shard[int, int]) {
			for i, c := range s.index.cells {
				j := (i + len(s.index.cells)/2) % len(s.index.cells)
				if c != 0 && s.index.cells[j] == 0 && s.index.cells[(j+len(s.index.cells)-1)%len(s.index.cells)] == 0 {
					s.index.cells[i], s.index.cells[j] = 0, c
					return
				}
			}
			panic("no cell to move")
		}},
		{"rehash without a move", "without an old table", func(_ *engine, s *shard[int, int]) { s.index.rehash = true }},
		{"policy lost an entry", "policy: ", func(_ *engine, s *shard[int, int]) { s.ring.Remove(s.anyHeld(0)) }},
		{"policy holds a free slot", "policy: ", func(_ *engine, s *shard[int, int]) {
			s.ring.Remove(s.anyHeld(0))
			s.ring.Insert(s.free, 1)
		}},
		{"mark over the largest", "over", func(_ *engine, s *shard[int, int]) { s.maxMark = 1; s.SetMark(s.anyHeld(0), 3) }},
		{"wheel lost an entry", "deadlines: ", func(_ *engine, s *shard[int, int]) { s.wheel.remove(s.anyHeld(metaTimed)) }},
		{"wheel count", "deadlines: ", func(_ *engine, s *shard[int, int]) { s.wheel.len++ }},
		{"wheel bit", "in use", func(_ *engine, s *shard[int, int]) { s.wheel.used[7] = 1 << 63 }},
		{"wheel link", "links disagree", func(_ *engine, s *shard[int, int]) { s.wheel.timers.At(s.anyHeld(metaTimed)).prev ^= 1 }},
		{"wheel tick ahead", "deadlines: ", func(_ *engine, s *shard[int, int]) { s.wheel.tick += 1 << 30 }},
		{"timed without a deadline", "deadlines: ", func(_ *engine, s *shard[int, int]) {
			meta := &s.slots.At(s.anyUntimed()).meta
			meta.Store(meta.Load() | metaTimed)
		}},
		{"idle without a deadline", "idle and not timed", func(_ *engine, s *shard[int, int]) {
			meta := &s.slots.At(s.anyUntimed()).meta
			meta.Store(meta.Load() | metaIdle)
		}},
		{"next too late", "next is", func(_ *engine, s *shard[int, int]) { s.next.Store(never) }},
		{"filed too late", "is held until", func(_ *engine, s *shard[int, int]) {
			s.wheel.idles.At(s.anyHeld(metaIdle)).deadline = 0
		}},
		{"flight done and joinable", "flights: ", func(_ *engine, s *shard[int, int]) {
			for _, f := range s.flights {
				f.done = true
			}
		}},
		{"flight not loading", "loading false", func(_ *engine, s *shard[int, int]) {
			s.loading.first, s.loading.last = nil, nil
			s.loading.oldest.Store(math.MaxUint64)
		}},
		{"flight without waiters", "0 waiters", func(_ *engine, s *shard[int, int]) { s.loading.first.waiters = 0 }},
		{"flights out of order", "out of order", func(_ *engine, s *shard[int, int]) { s.loading.first.older = s.loading.first }},
		{"oldest flight", "the oldest is said", func(_ *engine, s *shard[int, int]) { s.loading.oldest.Store(7) }},
		{"tags of a slot that has none", "tags: slot", func(_ *engine, s *shard[int, int]) {
			*s.tagged.At(s.anyHeld(metaTagged)) = nil
		}},
		{"negative and idle", "is negative", func(_ *engine, s *shard[int, int]) {
			meta := &s.slots.At(s.anyHeld(metaIdle)).meta
			meta.Store(meta.Load() | metaNegative)
		}},
		{"failure of a free slot", "failures: ", func(_ *engine, s *shard[int, int]) {
			s.failures = map[uint32]error{s.free: ErrGoexit}
		}},
		{"users of a tag", "tags: ", func(e *engine, _ *shard[int, int]) { e.tags.stripe("a").records["a"].users++ }},
		{"tag without users", "tags: ", func(e *engine, _ *shard[int, int]) { e.tags.stripe("c").record("c") }},
		{"tag that is not known", "tags: ", func(e *engine, _ *shard[int, int]) { clear(e.tags.stripe("a").records) }},
		{"waiting tag", "tags: ", func(e *engine, _ *shard[int, int]) { e.tags.waiting.Add(1) }},
		{"inserts", "counters: ", func(_ *engine, s *shard[int, int]) { s.counts.inserts++ }},
		{"updates", "counters: ", func(_ *engine, s *shard[int, int]) { s.counts.updates++ }},
		{"entries account", "account: ", func(e *engine, _ *shard[int, int]) { e.entries.give(1) }},
		{"weights account", "account: weight", func(e *engine, _ *shard[int, int]) { e.weights.give(1) }},
		{"limit below what is held", "than the limit allows", func(e *engine, _ *shard[int, int]) { e.entries.resize(1) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := Must(New(Options[int, int]{MaxEntries: 100, MaxWeight: 1000, Shards: 2, Clock: NewManualClock(time.Unix(0, 0))}))
			for i := range 90 {
				switch i % 3 {
				case 0:
					e.Set(i, i, Weight(3), Tags("a", "b"))
				case 1:
					e.Set(i, i, TTL(time.Duration(i)*time.Second))
				case 2:
					e.Set(i, i, Idle(time.Duration(i)*time.Second))
				}
			}
			for i := range 20 {
				e.Delete(i * 4)
			}
			s := &e.shards[0]
			key := 1000
			for e.shardOf(e.hasher.sum(key)) != s {
				key++
			}
			s.takeOff(e.hasher.sum(key), key, true, newCall(context.Background()), 0).waiters++ // a load under way
			require.NoError(t, e.validate(), "before the damage")
			tc.damage(e, s)
			require.ErrorContains(t, e.validate(), tc.report)
		})
	}
}

// anyHeld returns a held slot whose meta has the bits.
func (s *shard[K, V]) anyHeld(bits uint32) uint32 {
	for n := uint32(1); n <= s.top; n++ {
		if meta := s.slots.At(n).meta.Load(); meta&metaHeld != 0 && meta&bits == bits {
			return n
		}
	}
	panic("no such slot")
}

// anyUntimed returns a held slot without a deadline.
func (s *shard[K, V]) anyUntimed() uint32 {
	for n := uint32(1); n <= s.top; n++ {
		if meta := s.slots.At(n).meta.Load(); meta&metaHeld != 0 && meta&metaTimed == 0 {
			return n
		}
	}
	panic("no such slot")
}
