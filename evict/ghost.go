// SPDX-License-Identifier: MIT

package evict

import "fmt"

// ghosts remember the keys of entries that were evicted: one or two FIFOs of
// fingerprints, which know how long ago, in keys pushed, each was pushed.
//
// They share a table of buckets. A key's hash names its bucket and its tag; two
// keys of the same bucket and tag are taken for one, of keys never seen one in
// 260,000. A bucket keeps its newest elements in order; one that has grown older
// than its FIFO remembers stays where it is until it is pushed out. Four elements
// a bucket are to be remembered, eight fit: about one in fifty is pushed out too
// early. So each operation touches one cache line.
//
//	element  |--- 21: tag ---|- 1: FIFO -|--- 10: stamp ---|   0 is none
//
// Time is counted in ticks. A FIFO's tick is a sixteenth of what it remembers at
// most, or one push if that is less than 16. Stamps wrap around after 1024 ticks,
// 64 times as much as is ever remembered, when no element can be left.
//
// Memory: 8 bytes for each fingerprint that may be remembered, allocated in pages
// as they are first written.
type ghosts struct {
	fifos [2]ghostFIFO
	pages [][]ghostBucket // nil where nothing was pushed
	count uint32          // buckets
	most  int             // how many pushes back one FIFO may remember
	tick  uint32          // pushes that make one
}

type ghostBucket [8]uint32

// ghostFIFO is the clock of one FIFO.
type ghostFIFO struct {
	now    uint32 // ticks, modulo 1<<stampBits
	pushed uint32 // in this tick
	// live counts the elements by their stamp, those of the last ghostTicks.
	live [ghostTicks]uint32
}

const (
	ghostTicks = 16 // a FIFO's memory at most
	stampBits  = 10
	stampMask  = 1<<stampBits - 1
	tagShift   = stampBits + 1

	ghostsPerBucket = 4
	// ghostPage is the number of buckets in a page of 16 KiB.
	ghostPageShift = 9
	ghostPage      = 1 << ghostPageShift

	maxGhosts = 1 << 29
)

// newGhosts returns empty FIFOs that remember up to most pushes each. It
// allocates in proportion to most / 2048.
func newGhosts(fifos, most int) ghosts {
	most = min(max(most, 1), maxGhosts)
	count := uint32((most*fifos + ghostsPerBucket - 1) / ghostsPerBucket)
	return ghosts{
		pages: make([][]ghostBucket, (count+ghostPage-1)>>ghostPageShift),
		count: count,
		most:  most,
		tick:  uint32((most + ghostTicks - 1) / ghostTicks),
	}
}

// resize makes the FIFOs remember up to most pushes each. If that is a change
// they start again empty: what they remember is worth little at another capacity,
// and to copy it would take time in proportion.
func (g *ghosts) resize(fifos, most int) {
	if min(max(most, 1), maxGhosts) != g.most {
		*g = newGhosts(fifos, most)
	}
}

// clear forgets everything and drops the pages.
func (g *ghosts) clear(fifos int) { *g = newGhosts(fifos, g.most) }

// ticks returns how many ticks limit pushes are, between 1 and ghostTicks.
func (g *ghosts) ticks(limit int) uint32 {
	limit = min(max(limit, 1), g.most)
	return (uint32(limit) + g.tick - 1) / g.tick
}

// size returns how many of its last limit pushes a FIFO remembers.
func (g *ghosts) size(fifo, limit int) int {
	f := &g.fifos[fifo]
	n := uint32(0)
	for age := range g.ticks(limit) {
		n += f.live[(f.now-age)%ghostTicks]
	}
	return int(n)
}

// place returns the number of a hash's bucket and its tag, which is not 0.
func (g *ghosts) place(hash uint32) (bucket, tag uint32) {
	// The hashes of one shard may have bits in common; an odd factor makes all of
	// them count in the high bits, and the low ones stay as distinct as they were.
	spread := hash * 0x9E3779B1
	return uint32(uint64(spread) * uint64(g.count) >> 32), max(hash<<tagShift>>tagShift, 1)
}

// take forgets a key and returns the FIFO that had it in its last limit pushes, -1
// if none did.
func (g *ghosts) take(hash uint32, limit int) (fifo int) {
	number, tag := g.place(hash)
	page := g.pages[number>>ghostPageShift]
	if page == nil {
		return -1
	}
	bucket := &page[number%ghostPage]
	for i, element := range bucket {
		if element>>tagShift != tag {
			continue
		}
		bucket[i] = 0
		of := element >> stampBits & 1
		age := g.forget(element)
		if age < g.ticks(limit) {
			return int(of)
		}
	}
	return -1
}

// push remembers a key in a FIFO. The bucket's oldest element makes room.
func (g *ghosts) push(fifo int, hash uint32) {
	f := &g.fifos[fifo]
	if f.pushed == g.tick {
		f.pushed = 0
		f.now = (f.now + 1) & stampMask
		f.live[f.now%ghostTicks] = 0
	}
	f.pushed++
	f.live[f.now%ghostTicks]++

	number, tag := g.place(hash)
	page := &g.pages[number>>ghostPageShift]
	if *page == nil {
		*page = make([]ghostBucket, min(ghostPage, g.count-number&^(ghostPage-1)))
	}
	b := &(*page)[number%ghostPage]
	if b[7] != 0 {
		g.forget(b[7])
	}
	*b = ghostBucket{tag<<tagShift | uint32(fifo)<<stampBits | f.now, b[0], b[1], b[2], b[3], b[4], b[5], b[6]}
}

// forget takes an element out of its FIFO's count and returns its age in ticks.
func (g *ghosts) forget(element uint32) (age uint32) {
	f := &g.fifos[element>>stampBits&1]
	age = (f.now - element) & stampMask
	if age < ghostTicks {
		f.live[element%ghostTicks]--
	}
	return age
}

// validate compares every element with the counts.
func (g *ghosts) validate() error {
	var live [2][ghostTicks]uint32
	for i, page := range g.pages {
		if page != nil && len(page) != min(ghostPage, int(g.count)-i*ghostPage) {
			return fmt.Errorf("ghosts: page %d has %d buckets", i, len(page))
		}
		for j, bucket := range page {
			for _, element := range bucket {
				if element == 0 {
					continue
				}
				if element>>tagShift == 0 {
					return fmt.Errorf("ghosts: bucket %d of page %d has the element %#x without a tag", j, i, element)
				}
				fifo := element >> stampBits & 1
				if (g.fifos[fifo].now-element)&stampMask < ghostTicks {
					live[fifo][element%ghostTicks]++
				}
			}
		}
	}
	for i, f := range g.fifos {
		if f.pushed > g.tick || f.now > stampMask {
			return fmt.Errorf("ghosts: fifo %d is at push %d of tick %d", i, f.pushed, f.now)
		}
		if live[i] != f.live {
			return fmt.Errorf("ghosts: fifo %d has elements of the stamps %v, recorded are %v", i, live[i], f.live)
		}
	}
	return nil
}
