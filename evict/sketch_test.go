// SPDX-License-Identifier: MIT

package evict

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sized makes a sketch for so many entries at once.
func sized(entries int) sketch {
	s := newSketch(entries)
	for s.count != s.target {
		s.step()
	}
	return s
}

// A sketch of a fixed size does what four arrays of counters do.
func TestSketchCountsLikeArraysOfCounters(t *testing.T) {
	for _, entries := range []int{1, 16, 100, 256} {
		s := sized(entries)
		type counter struct{ block, row, word, shift uint32 }
		counters := map[counter]uint32{}
		of := func(hash uint32) (list [4]counter) {
			c := s.locate(hash)
			for row := range uint32(4) {
				word, shift := c.row(row)
				list[row] = counter{c.block, row, word, shift}
				if word/2 != row || c.block >= s.count {
					t.Fatalf("row %d is in word %d of block %d of %d: every row has words of its own", row, word, c.block, s.count)
				}
			}
			return list
		}
		estimate := func(hash uint32) uint32 {
			least := uint32(15)
			for _, c := range of(hash) {
				least = min(least, counters[c])
			}
			return least
		}
		rnd := rand.New(rand.NewPCG(3, uint64(entries)))
		added, halvings := 0, 0
		for range 20_000 {
			key := mix32(rnd.Uint32N(1 + rnd.Uint32N(uint32(8*entries))))
			before := estimate(key)
			if got := s.estimate(key); got != before {
				t.Fatalf("before it is added, key %#x counts %d, not %d", key, got, before)
			}
			s.add(key)
			for _, c := range of(key) {
				counters[c] = min(15, counters[c]+1)
			}
			// The least counter may be 15 while none could be raised.
			if before < 15 {
				added++
			}
			if added == max(32, 30*entries) {
				halvings++
				added /= 2
				for c := range counters {
					counters[c] /= 2
				}
			}
			if want, got := estimate(key), s.estimate(key); got != want || s.added != added {
				t.Fatalf("key %#x counts %d, not %d, after %d additions, not %d", key, got, want, s.added, added)
			}
		}
		require.NoError(t, s.validate())
		require.Positive(t, halvings)
	}
}

func TestSketchKeepsEstimatesWhileItGrows(t *testing.T) {
	s := sized(100)
	for key := range uint32(500) {
		for range key % 7 {
			s.add(mix32(key))
		}
	}
	before := estimates(&s, 500)
	s.resize(100_000)
	for s.count != s.target {
		s.step()
		require.NoError(t, s.validate())
		require.Equal(t, before, estimates(&s, 500))
	}
	require.EqualValues(t, 49*512, s.count, "25,000 blocks and at most a thirty-second more")
}

func TestSketchForgetsNothingWhileItShrinks(t *testing.T) {
	s := sized(100_000)
	for key := range uint32(500) {
		for range key % 7 {
			s.add(mix32(key))
		}
	}
	before := estimates(&s, 500)
	memory := s.blocks.Len()
	s.resize(700)
	for s.count != s.target {
		s.step()
		require.NoError(t, s.validate())
		for key, e := range estimates(&s, 500) {
			require.GreaterOrEqual(t, e, before[key])
		}
	}
	require.EqualValues(t, 44*4, s.count, "175 blocks and one more")
	assert.Less(t, s.blocks.Len(), memory)
}

// While a large sketch is halved bit by bit, it reads as if it all were.
func TestSketchReadsHalvedFromTheFirstStep(t *testing.T) {
	s := sized(20_000)
	for key := range uint32(5000) {
		for range key % 16 {
			s.add(mix32(key))
		}
	}
	want := estimates(&s, 5000)
	for key := range want {
		want[key] /= 2
	}
	added := s.added
	s.added = s.period
	steps := 0
	for s.step(); ; s.step() {
		steps++
		require.Equal(t, want, estimates(&s, 5000))
		require.NoError(t, s.validate())
		if s.halved == s.count {
			break
		}
	}
	require.EqualValues(t, s.count/stepBlocks, steps)
	require.Equal(t, s.period/2, s.added)
	require.Greater(t, s.period, added)
}

// Halving comes first if both are due, and neither gets in the other's way.
func TestSketchHalvesAndResizesInTurn(t *testing.T) {
	s := sized(5000)
	s.add(7)
	s.add(7)
	s.added = s.period
	s.resize(700)
	require.Equal(t, s.period, s.added, "due in proportion")
	s.step()
	require.Less(t, s.halved, s.count)
	for range 1000 {
		s.step()
		require.NoError(t, s.validate())
	}
	require.EqualValues(t, 44*4, s.count)
	require.EqualValues(t, 1, s.estimate(7))
}

// A sketch that is to be smaller than its base has nothing to keep: it was made
// for more than sixteen times as much.
func TestSketchStartsAnewBelowItsBase(t *testing.T) {
	s := sized(5000)
	s.add(7)
	require.EqualValues(t, 40, s.base)
	s.resize(150)
	require.EqualValues(t, 38, s.base)
	require.Zero(t, s.estimate(7))
	require.NoError(t, s.validate())
}

// A sketch made for a number of entries has all its blocks used alike, whatever
// the number is.
func TestSketchUsesAllBlocksAlike(t *testing.T) {
	for _, entries := range []int{100, 700, 1000, 5000} {
		s := sized(entries)
		const keys = 1000
		hits := make([]int, s.count)
		for key := range s.count * keys {
			hits[s.locate(mix32(key)).block]++
		}
		for block, n := range hits {
			require.InDelta(t, keys, n, 200, "block %d of %d", block, s.count)
		}
	}
}

func TestLargerCounters(t *testing.T) {
	assert.Equal(t, uint64(0xf1243), largerCounters(0xf0043, 0x01230))
	assert.Equal(t, uint64(0xf000000000000001), largerCounters(0xf000000000000000, 0x1000000000000001))
}

func estimates(s *sketch, keys uint32) []uint32 {
	list := make([]uint32, keys)
	for key := range keys {
		list[key] = s.estimate(mix32(key))
	}
	return list
}
