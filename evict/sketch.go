// SPDX-License-Identifier: MIT

package evict

import (
	"fmt"

	"github.com/locmem/locmem/internal/paged"
)

// sketch estimates how often keys were asked for of late: a count-min sketch of
// four rows of 4-bit counters, all of which are halved from time to time.
//
// The counters of a key are in one block, a cache line: 32 of each row. Bits of
// the key's hash choose the block, others the counters in it.
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
//   - Growing adds one block after the other, as linear hashing does. It goes by
//     doublings of the number that the sketch began with, its base: in the one
//     that starts at half blocks, half of the keys of block i go to block
//     i + half. That starts as a copy of block i, so that no key's estimate
//     changes. A key whose block is over the last one is half blocks before it.
//   - Shrinking takes the last block away, into the one that it was split from,
//     by keeping the larger of two counters: no estimate becomes smaller.
//
// A sketch that was made for a thirtieth of what it holds now, or for more, thus
// has all its blocks used alike, though their number is no power of two.
//
// Memory: 16 bytes for each entry, up to 3 % more.
//
// Source: G. Cormode, S. Muthukrishnan, "An Improved Data Stream Summary: The
// Count-Min Sketch and its Applications", 2005; G. Einziger, R. Friedman,
// B. Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", 2017, for the
// halving; W. Litwin, "Linear Hashing", 1980, for the growth.
type sketch struct {
	blocks paged.Array[block]
	base   uint32 // blocks at the start; there are never fewer
	count  uint32 // blocks in use
	target uint32 // blocks wanted
	half   uint32 // the base doubled as often as half <= count allows
	// splits are the bits that choose one of a base block's splits: as many as
	// half/base has, and one more while count is over half.
	splits uint32
	// halved blocks are done in the halving that is under way; all of them if
	// it is over.
	halved uint32
	added  int // additions since the last halving, and half of those before
	period int // additions that lead to a halving
}

const (
	counterMax = 15
	blockWords = 8
	// entriesPerBlock makes 32 counters for each entry, 8 in each row.
	entriesPerBlock = 4
	leastBlocks     = 2 // 64 counters in a row
	mostBlocks      = 1 << 28
	stepBlocks      = 32
	// periodFactor entries' additions lead to a halving.
	periodFactor = 30
	leastPeriod  = 32
	// lowCounterBits are all bits of a word but the highest of each counter.
	lowCounterBits = 0x7777777777777777
)

type block [blockWords]uint64

// newSketch makes a sketch that is to hold so many entries. What it has at first
// is the base, under 64 blocks, and it grows to the rest over the next additions.
func newSketch(entries int) sketch {
	base := blocksFor(entries)
	for base >= maxBase {
		base /= 2
	}
	s := sketch{
		blocks: paged.New[block](),
		base:   base,
		count:  base,
		half:   base,
		halved: base,
	}
	s.resize(entries)
	s.blocks.GrowWithin(base-1, s.target)
	return s
}

const maxBase = 64

// blocksFor returns how many blocks so many entries want: a number under maxBase
// that was doubled, at most one thirty-second more than needed.
func blocksFor(entries int) uint32 {
	n := uint64(max(entries, 0)+entriesPerBlock-1) / entriesPerBlock
	n = min(max(n, leastBlocks), mostBlocks)
	unit := uint64(1)
	for n > unit*(maxBase-1) {
		unit *= 2
	}
	return uint32((n + unit - 1) / unit * unit)
}

// resize makes the sketch one for so many entries, over the next additions. If
// it is to be smaller, the next halving stays as far away as it was in proportion:
// to catch up with several would forget everything. If it is to be smaller than
// its base it starts anew.
func (s *sketch) resize(entries int) {
	if s.target = blocksFor(entries); s.target < s.base {
		*s = newSketch(entries)
		return
	}
	period := max(leastPeriod, periodFactor*entries)
	if period < s.period {
		s.added = int(float64(s.added) / float64(s.period) * float64(period))
	}
	s.period = period
}

// entries returns how many entries the sketch is made for.
func (s *sketch) entries() int { return int(s.target) * entriesPerBlock }

// cell is where the counters of a key are.
type cell struct {
	block uint32
	bits  uint32 // 5 for each row: the number of the counter
}

// locate returns the cell of a hash. The hashes of one shard may have bits in
// common, so all of them are mixed into what is used.
func (s *sketch) locate(hash uint32) cell {
	x := uint64(hash) * 0x9E3779B97F4A7C15
	x ^= x >> 32
	x *= 0xD6E8FEB86659FD93
	x ^= x >> 32
	// No bit has two uses: 16 choose one of base blocks, 28 one of its splits, 20
	// the counters.
	number := uint32(x>>48*uint64(s.base)>>16) + s.base*(uint32(x>>20)&s.splits)
	if number >= s.count {
		number -= s.half
	}
	return cell{number, uint32(x)}
}

// row returns the word of a row's counter and the counter's first bit.
func (c cell) row(row uint32) (word, shift uint32) {
	number := c.bits >> (5 * row)
	return 2*row + number>>4&1, number & 15 * 4
}

// estimate returns a key's count, 0 to 15: at least what is left of its
// additions.
func (s *sketch) estimate(hash uint32) uint32 {
	c := s.locate(hash)
	b := s.blocks.At(c.block)
	// Written out for each row, so that the compiler knows all indices.
	w0, s0 := c.row(0)
	w1, s1 := c.row(1)
	w2, s2 := c.row(2)
	w3, s3 := c.row(3)
	least := min(b[w0]>>s0&counterMax, b[w1]>>s1&counterMax, b[w2]>>s2&counterMax, b[w3]>>s3&counterMax)
	if c.block >= s.halved {
		least /= 2
	}
	return uint32(least)
}

// add counts a key once more.
func (s *sketch) add(hash uint32) {
	c := s.locate(hash)
	b := s.blocks.At(c.block)
	w0, s0 := c.row(0)
	w1, s1 := c.row(1)
	w2, s2 := c.row(2)
	w3, s3 := c.row(3)
	one0, one1, one2, one3 := raise(b[w0]>>s0), raise(b[w1]>>s1), raise(b[w2]>>s2), raise(b[w3]>>s3)
	b[w0] += one0 << s0
	b[w1] += one1 << s1
	b[w2] += one2 << s2
	b[w3] += one3 << s3
	s.added += int(one0 | one1 | one2 | one3)
	if s.added >= s.period || s.halved < s.count || s.count != s.target {
		s.step()
	}
}

// raise returns what to add to the lowest counter of a word: 1 unless it is at its
// largest.
func raise(word uint64) uint64 {
	if word&counterMax < counterMax {
		return 1
	}
	return 0
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
	s.blocks.GrowWithin(s.count, s.target)
	if s.count == s.half {
		s.splits = 2*s.splits + 1
	}
	*s.blocks.At(s.count) = *s.blocks.At(s.count - s.half)
	s.count++
	s.halved = s.count
	if s.count == 2*s.half {
		s.half *= 2
	}
}

// merge is split undone, as far as that is possible.
func (s *sketch) merge() {
	if s.count == s.half {
		s.half /= 2
	}
	s.count--
	from, to := s.blocks.At(s.count), s.blocks.At(s.count-s.half)
	for i := range to {
		to[i] = largerCounters(to[i], from[i])
	}
	if s.count == s.half {
		s.splits /= 2
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
	bits := s.half / s.base
	if s.count > s.half {
		bits *= 2
	}
	if s.count < s.half || s.count >= 2*s.half || s.half%s.base != 0 || bits&(bits-1) != 0 || s.splits != bits-1 {
		return fmt.Errorf("sketch: %d blocks do not go with a half of %d, a base of %d and splits of %#x", s.count, s.half, s.base, s.splits)
	}
	if s.base < leastBlocks || s.base >= maxBase || s.target < s.base {
		return fmt.Errorf("sketch: %d blocks are wanted, of a base of %d", s.target, s.base)
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
