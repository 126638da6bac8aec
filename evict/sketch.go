// SPDX-License-Identifier: MIT

package evict

import (
	"fmt"

	"github.com/locmem/locmem/internal/paged"
)

// sketch estimates how often keys were asked for of late: a count-min sketch of
// four rows of 4-bit counters, all of which are halved from time to time.
//
// The counters of a key are in one block, a cache line: 32 of each row. The
// block is chosen by the key's hash modulo the number of blocks, the counters by
// other bits of the hash.
//
//	block    word 0   word 1   word 2   word 3   word 4   word 5   word 6   word 7
//	         |--- row 0 ---|   |--- row 1 ---|   |--- row 2 ---|   |--- row 3 ---|
//	word     16 counters, the first one in the lowest bits
//
// Nothing ever touches all blocks at once, because that would hold the shard's
// lock for too long in a large shard. Each addition does up to stepBlocks blocks
// of what is to be done:
//
//   - Halving goes through the blocks in order. A block that is still to be
//     halved is read as if it were; what is added to it counts for half.
//   - Growing adds one block after the other, as linear hashing does: half of
//     the keys of block i go to block i + p, p being the number of blocks that
//     was last a power of two. It starts as a copy of block i, so that no key's
//     estimate changes. A hash modulo 2p that is over the last block is taken
//     modulo p.
//   - Shrinking takes the last block away, into the one that it was split from,
//     by keeping the larger of two counters: no estimate becomes smaller.
//
// Memory: 8 bytes for each entry of the power of two that holds them all.
//
// Source: G. Cormode, S. Muthukrishnan, "An Improved Data Stream Summary: The
// Count-Min Sketch and its Applications", 2005; G. Einziger, R. Friedman,
// B. Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", 2017, for the
// halving; W. Litwin, "Linear Hashing", 1980, for the growth.
type sketch struct {
	blocks paged.Array[block]
	count  uint32 // blocks in use
	target uint32 // blocks wanted, a power of two
	half   uint32 // the power of two with half < count <= 2*half
	// halved blocks are done in the halving that is under way; all of them if
	// it is over.
	halved uint32
	added  int // additions since the last halving, and half of those before
	period int // additions that lead to a halving
}

const (
	sketchRows = 4
	counterMax = 15
	blockWords = 8
	// entriesPerBlock makes 16 counters for each entry, 4 in each row.
	entriesPerBlock = 8
	leastBlocks     = 2 // 64 counters in a row
	stepBlocks      = 32
	// periodFactor entries' additions lead to a halving.
	periodFactor = 20
	leastPeriod  = 32
	// lowCounterBits are all bits of a word but the highest of each counter.
	lowCounterBits = 0x7777777777777777
)

type block [blockWords]uint64

func newSketch() sketch {
	s := sketch{
		blocks: paged.New[block](),
		count:  leastBlocks,
		target: leastBlocks,
		half:   leastBlocks / 2,
		halved: leastBlocks,
		period: leastPeriod,
	}
	s.blocks.Grow(leastBlocks - 1)
	return s
}

// resize makes the sketch one for so many entries, over the next additions. If
// it is to be smaller, the next halving stays as far away as it was in proportion:
// to catch up with several would forget everything.
func (s *sketch) resize(entries int) {
	period := max(leastPeriod, periodFactor*entries)
	if period < s.period {
		s.added = int(float64(s.added) / float64(s.period) * float64(period))
	}
	s.period = period
	s.target = leastBlocks
	for int64(s.target)*entriesPerBlock < int64(entries) && s.target < 1<<31 {
		s.target *= 2
	}
}

// entries returns how many entries the sketch is made for.
func (s *sketch) entries() int { return int(s.target) * entriesPerBlock }

// cell is where the counters of a key are.
type cell struct {
	block uint32
	bits  uint32 // 5 bits for each row: the number of the counter
}

// locate returns the cell of a hash. The hashes of one shard may have bits in
// common, so all of them are mixed into what is used.
func (s *sketch) locate(hash uint32) cell {
	x := uint64(hash) * 0x9E3779B97F4A7C15
	x ^= x >> 32
	x *= 0xD6E8FEB86659FD93
	number := uint32(x>>32) & (2*s.half - 1)
	if number >= s.count {
		number &= s.half - 1
	}
	return cell{number, uint32(x) >> 12}
}

// counter returns the word of a row's counter and the counter's first bit.
func (c cell) counter(row uint32) (word, shift uint32) {
	number := c.bits >> (5 * row & 31)
	return 2*row + number>>4&1, 4 * (number & 15)
}

// estimate returns a key's count, 0 to 15: at least what is left of its
// additions.
func (s *sketch) estimate(hash uint32) uint32 {
	c := s.locate(hash)
	b := s.blocks.At(c.block)
	least := uint64(counterMax)
	for row := range uint32(sketchRows) {
		word, shift := c.counter(row)
		least = min(least, b[word&(blockWords-1)]>>(shift&63)&counterMax)
	}
	if c.block >= s.halved {
		least /= 2
	}
	return uint32(least)
}

// add counts a key once more.
func (s *sketch) add(hash uint32) {
	c := s.locate(hash)
	b := s.blocks.At(c.block)
	raised := false
	for row := range uint32(sketchRows) {
		word, shift := c.counter(row)
		if w := &b[word&(blockWords-1)]; *w>>(shift&63)&counterMax < counterMax {
			*w += 1 << (shift & 63)
			raised = true
		}
	}
	if raised {
		s.added++
	}
	s.step()
}

// step does a bounded part of what is to be done. The number of blocks stays the
// same while they are halved.
func (s *sketch) step() {
	if s.added >= s.period && s.halved == s.count {
		s.added /= 2
		s.halved = 0
	}
	switch {
	case s.halved < s.count:
		for n := 0; n < stepBlocks && s.halved < s.count; n++ {
			b := s.blocks.At(s.halved)
			for i := range b {
				b[i] = b[i] >> 1 & lowCounterBits
			}
			s.halved++
		}
	case s.count < s.target:
		for n := 0; n < stepBlocks && s.count < s.target; n++ {
			s.split()
		}
	case s.count > s.target:
		for n := 0; n < stepBlocks && s.count > s.target; n++ {
			s.merge()
		}
		if s.count == s.target {
			s.blocks.Truncate(s.count)
		}
	}
}

// split gives half of a block's keys a block of their own.
func (s *sketch) split() {
	if s.count == 2*s.half {
		s.half *= 2
	}
	s.blocks.Grow(s.count)
	*s.blocks.At(s.count) = *s.blocks.At(s.count - s.half)
	s.count++
	s.halved = s.count
}

// merge is split undone, as far as that is possible.
func (s *sketch) merge() {
	s.count--
	from, to := s.blocks.At(s.count), s.blocks.At(s.count-s.half)
	for i := range to {
		to[i] = largerCounters(to[i], from[i])
	}
	if s.count == s.half {
		s.half /= 2
	}
	s.halved = s.count
}

// largerCounters returns the larger of each two counters.
func largerCounters(a, b uint64) uint64 {
	var larger uint64
	for shift := 0; shift < 64; shift += 4 {
		larger |= max(a>>shift&counterMax, b>>shift&counterMax) << shift
	}
	return larger
}

// validate checks the numbers of blocks and of additions.
func (s *sketch) validate() error {
	if s.half&(s.half-1) != 0 || s.count <= s.half || s.count > 2*s.half || s.count < leastBlocks {
		return fmt.Errorf("sketch: %d blocks do not go with a half of %d", s.count, s.half)
	}
	if s.target&(s.target-1) != 0 || s.target < leastBlocks {
		return fmt.Errorf("sketch: %d blocks are wanted", s.target)
	}
	if int(s.count) > s.blocks.Len() {
		return fmt.Errorf("sketch: %d blocks, there is memory for %d", s.count, s.blocks.Len())
	}
	if s.halved > s.count {
		return fmt.Errorf("sketch: %d of %d blocks are halved", s.halved, s.count)
	}
	if s.added < 0 {
		return fmt.Errorf("sketch: %d additions", s.added)
	}
	return nil
}
