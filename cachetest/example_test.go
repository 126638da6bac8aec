// SPDX-License-Identifier: MIT

package cachetest_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cachetest"
	"github.com/locmem/locmem/evict"
)

// random evicts any entry.
type random struct {
	held []uint32
	at   map[uint32]int // where in held a slot is
}

func newRandom(shards []evict.Shard) []evict.Ring {
	rings := make([]evict.Ring, len(shards))
	for i := range rings {
		rings[i] = &random{at: make(map[uint32]int)}
	}
	return rings
}

func (r *random) Insert(slot uint32, _ int64) {
	r.at[slot] = len(r.held)
	r.held = append(r.held, slot)
}

func (r *random) Evict(_ bool, keep uint32) uint32 {
	if len(r.held) == 0 || len(r.held) == 1 && r.held[0] == keep {
		return evict.None
	}
	slot := keep
	for slot == keep {
		slot = r.held[rand.IntN(len(r.held))]
	}
	r.Remove(slot)
	return slot
}

func (r *random) Remove(slot uint32) {
	last := r.held[len(r.held)-1]
	r.held[r.at[slot]], r.at[last] = last, r.at[slot]
	r.held = r.held[:len(r.held)-1]
	delete(r.at, slot)
}

func (r *random) Move(from, to uint32) {
	r.at[to] = r.at[from]
	r.held[r.at[to]] = to
	delete(r.at, from)
}

func (r *random) Clear()                { *r = random{at: make(map[uint32]int)} }
func (r *random) Len() int              { return len(r.held) }
func (r *random) All() iter.Seq[uint32] { return slices.Values(r.held) }

func (r *random) MaxMark() uint32       { return 1 } // 0 would ask for a call of Hit on each hit
func (r *random) Hit(uint32)            {}
func (r *random) Admit(uint32, int64)   {}
func (r *random) Reweigh(uint32, int64) {}
func (r *random) Trim(uint32)           {}
func (r *random) Resize(int)            {}

// checkRandom is what the policy's test does.
func checkRandom(t *testing.T) {
	cachetest.RunPolicy(t, newRandom)
}

// A policy of one's own is a type with the methods of evict.Ring. RunPolicy tells
// whether it is sound; the engine takes it in its options.
func ExampleRunPolicy() {
	e := locmem.Must(locmem.New(locmem.Options[int, string]{MaxEntries: 100, Policy: newRandom}))
	defer e.Close()
	for key := range 1000 {
		e.Set(key, "value")
	}
	fmt.Println(e.Len())
	// Output: 100
}
