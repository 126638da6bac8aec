// SPDX-License-Identifier: MIT

package evict

import (
	"fmt"
	"math/bits"
)

// ghosts remember the keys of entries that were evicted: one or two FIFOs of
// fingerprints, which are the keys' 32-bit hashes. A fingerprint is in one of
// the FIFOs at most. Two keys with the same fingerprint are taken for one; with
// n remembered, a key that was never seen finds a stranger's once in 2^32/n.
//
// Each FIFO is a ring buffer. A fingerprint that is taken out of the middle
// leaves a hole there, which stays until it has come to the tail; so that holes
// do not shorten the memory, a buffer has room for half as many again as the
// FIFO may remember. If even that is full, the oldest makes room.
//
// One index finds the fingerprints of both: open addressing with linear probing,
// half full at most. An element holds the fingerprint's place in the buffers and,
// in the bits which that leaves, a part of the fingerprint itself, so that a
// search nearly never touches a buffer in vain.
//
// Memory: 14 bytes for each fingerprint that may be remembered, allocated in
// pages as they are first written.
type ghosts struct {
	fifos  [2]ghostFIFO
	places sparse // fifo 0's buffer, then fifo 1's; 0 is a hole or unused
	index  sparse // 0 is free, else tag and 1 + place
	span   uint32 // the length of one buffer
	most   int    // how many fingerprints one FIFO may remember
	// placeBits of an index element are for 1 + place, the others for the tag.
	placeBits int
}

// ghostFIFO is the part of a ring buffer that is in use.
type ghostFIFO struct {
	first uint32 // the oldest place in use
	used  uint32 // places in use, holes included
	live  int    // fingerprints
}

// The most that one FIFO remembers: places of two buffers must fit an element.
const maxGhosts = 1 << 29

// newGhosts returns empty FIFOs that remember up to most fingerprints each.
// It allocates in proportion to most / 4096.
func newGhosts(fifos, most int) ghosts {
	most = min(max(most, 1), maxGhosts)
	span := uint32(most + most/2 + 1)
	all := span * uint32(fifos)
	return ghosts{
		places:    newSparse(all),
		index:     newSparse(uint32(2*fifos*most) + 2),
		span:      span,
		most:      most,
		placeBits: bits.Len32(all),
	}
}

// resize makes the FIFOs remember up to most fingerprints each. If that is a
// change they start again empty: what they remember is worth little at another
// capacity, and to copy it would take time in proportion.
func (g *ghosts) resize(fifos, most int) {
	if min(max(most, 1), maxGhosts) != g.most {
		*g = newGhosts(fifos, most)
	}
}

// clear forgets everything and drops the pages.
func (g *ghosts) clear(fifos int) { *g = newGhosts(fifos, g.most) }

// size returns how many fingerprints a FIFO remembers.
func (g *ghosts) size(fifo int) int { return g.fifos[fifo].live }

// take forgets a key and returns the FIFO that remembered it, -1 if none did.
func (g *ghosts) take(hash uint32) (fifo int) {
	at, ok := g.find(fingerprint(hash))
	if !ok {
		return -1
	}
	return g.dropAt(at)
}

// push remembers a key in a FIFO that may hold up to limit afterwards. What is
// over the limit is dropped from the tail, oldest first, but no more than
// sweepLimit places are visited: if those were holes, the rest is left to the
// next call.
func (g *ghosts) push(fifo int, hash uint32, limit int) {
	f := &g.fifos[fifo]
	limit = min(max(limit, 1), g.most)
	for steps := sweepLimit; steps > 0 && f.live >= limit; steps-- {
		g.pop(fifo)
	}
	if f.used == g.span {
		g.pop(fifo)
	}
	key := fingerprint(hash)
	at, ok := g.find(key)
	if ok { // another key's
		g.dropAt(at)
		at, _ = g.find(key)
	}
	place := g.wrap(f.first+f.used) + uint32(fifo)*g.span
	f.used++
	f.live++
	g.places.set(place, key)
	g.index.set(at, g.element(key, place))
}

// pop frees the oldest place of a FIFO.
func (g *ghosts) pop(fifo int) {
	f := &g.fifos[fifo]
	if key := g.places.get(uint32(fifo)*g.span + f.first); key != 0 {
		at, _ := g.find(key)
		g.dropAt(at)
	}
	f.first = g.wrap(f.first + 1)
	f.used--
}

// wrap returns a place of a buffer, of a number under twice its length.
func (g *ghosts) wrap(place uint32) uint32 {
	if place >= g.span {
		place -= g.span
	}
	return place
}

// dropAt forgets the fingerprint of an index element, leaves a hole in its place
// and returns its FIFO.
func (g *ghosts) dropAt(at uint32) (fifo int) {
	place := g.placeOf(g.index.get(at))
	if place >= g.span {
		fifo = 1
	}
	g.places.set(place, 0)
	g.fifos[fifo].live--

	// Elements further on that were pushed beyond their home by this one come
	// back, so that no search stops early and no tombstone is needed.
	for next := g.after(at); ; next = g.after(next) {
		element := g.index.get(next)
		if element == 0 {
			break
		}
		home := g.home(g.places.get(g.placeOf(element)))
		if g.distance(home, next) >= g.distance(at, next) {
			g.index.set(at, element)
			at = next
		}
	}
	g.index.set(at, 0)
	return fifo
}

// find returns the index element of a fingerprint or, if it is not remembered,
// the free one in which it would be.
func (g *ghosts) find(key uint32) (at uint32, ok bool) {
	tag := spread(key) << g.placeBits
	for at = g.home(key); ; at = g.after(at) {
		element := g.index.get(at)
		if element == 0 {
			return at, false
		}
		if element&^(1<<g.placeBits-1) == tag && g.places.get(g.placeOf(element)) == key {
			return at, true
		}
	}
}

// element is what the index holds of a fingerprint: the low bits of the spread
// fingerprint, whose high bits chose the home, and the place.
func (g *ghosts) element(key, place uint32) uint32 {
	return spread(key)<<g.placeBits | (place + 1)
}

func (g *ghosts) placeOf(element uint32) uint32 {
	return element&(1<<g.placeBits-1) - 1
}

// home is where the search for a fingerprint starts: the spread fingerprint
// scaled to the length of the index, which is no power of two.
func (g *ghosts) home(key uint32) uint32 {
	return uint32(uint64(spread(key)) * uint64(g.index.length) >> 32)
}

func (g *ghosts) after(at uint32) uint32 {
	if at++; at == g.index.length {
		return 0
	}
	return at
}

// distance is the number of steps from one index element to another.
func (g *ghosts) distance(from, to uint32) uint32 {
	if to < from {
		to += g.index.length
	}
	return to - from
}

// fingerprint keeps 0 free for holes.
func fingerprint(hash uint32) uint32 {
	if hash == 0 {
		return 1
	}
	return hash
}

// spread makes all bits of a fingerprint count in the high ones: the hashes of
// one shard may have bits in common. An odd factor keeps them distinct.
func spread(key uint32) uint32 { return key * 0x9E3779B1 }

// validate compares every place with the index and the counts.
func (g *ghosts) validate() error {
	elements := 0
	for at := range g.index.length {
		if element := g.index.get(at); element != 0 {
			elements++
			if place := g.placeOf(element); place >= g.places.length || g.places.get(place) == 0 {
				return fmt.Errorf("ghosts: index element %d is of the unused place %d", at, place)
			}
		}
	}
	live := 0
	for i, f := range g.fifos {
		if f == (ghostFIFO{}) {
			continue
		}
		if f.used > g.span || f.first >= g.span {
			return fmt.Errorf("ghosts: fifo %d has %d places in use from %d, there are %d", i, f.used, f.first, g.span)
		}
		n := 0
		for step := range g.span {
			place := uint32(i)*g.span + (f.first+step)%g.span
			key := g.places.get(place)
			if key == 0 {
				continue
			}
			n++
			if step >= f.used {
				return fmt.Errorf("ghosts: place %d is not in use but has %#x", place, key)
			}
			if at, ok := g.find(key); !ok || g.placeOf(g.index.get(at)) != place {
				return fmt.Errorf("ghosts: %#x is in place %d but the index does not say so", key, place)
			}
		}
		// A push that met more than sweepLimit holes leaves one too many.
		if n != f.live || n > g.most+int(g.span)/sweepLimit+1 {
			return fmt.Errorf("ghosts: fifo %d has %d fingerprints, recorded are %d, allowed %d", i, n, f.live, g.most)
		}
		live += n
	}
	if live != elements {
		return fmt.Errorf("ghosts: %d fingerprints, but %d index elements", live, elements)
	}
	return nil
}

// sparse is an array of a fixed length, zero at first, whose pages are allocated
// when they are first written. Its last page is as long as needed and no longer.
type sparse struct {
	pages  [][]uint32
	length uint32
}

const sparseShift = 12 // 4096 elements, 16 KiB a page

func newSparse(length uint32) sparse {
	return sparse{make([][]uint32, (uint64(length)+1<<sparseShift-1)>>sparseShift), length}
}

func (s *sparse) get(i uint32) uint32 {
	if page := s.pages[i>>sparseShift]; page != nil {
		return page[i&(1<<sparseShift-1)]
	}
	return 0
}

func (s *sparse) set(i, value uint32) {
	page := &s.pages[i>>sparseShift]
	if *page == nil {
		if value == 0 {
			return
		}
		*page = make([]uint32, min(1<<sparseShift, s.length-i>>sparseShift<<sparseShift))
	}
	(*page)[i&(1<<sparseShift-1)] = value
}
