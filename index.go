// SPDX-License-Identifier: MIT

package locmem

import "math/bits"

// An index finds an entry's slot from its key's hash: open addressing with
// linear probing over cells of eight bytes, the hash in the upper half and the
// slot number in the lower. An empty cell is 0.
//
//	hash 32 bits │ slot 32 bits
//
// A hash's home is its upper bits, so the order of homes is the order of hashes
// whatever the table's size: iteration can walk the hashes in ascending order
// while the table grows under it (see Engine.All).
//
// It grows and shrinks in steps: a new table takes all insertions, and each step
// moves a few cells over from the old one. Lookups look into the new table, then
// into what is left of the old one, where moved and deleted cells are tombs.
//
//	INVARIANT: every held slot has one cell, in one of the two tables, under the
//	hash in the slot.
//	INVARIANT: no empty cell lies between a hash's home and its cell.
//	INVARIANT: at most maxLoad of the cells would be used if all that the old table
//	still has were there too, so that a move always finds room.
type index struct {
	cells []uint64 // a power of two of them
	shift uint8    // home = hash >> shift
	used  int      // cells in use in cells

	old      []uint64 // nil unless a move is under way
	oldShift uint8
	moved    int // old cells before this one have been moved
	// rehash: the old cells are under the keys' first hash, the new ones under
	// the shard's own (see shard.reseed).
	rehash bool

	// spare is a table made outside the lock for the next growth.
	spare []uint64
}

const (
	// minCells is a new shard's first table: one cache line.
	minCells = 8
	// A table is at most three quarters full. At that load a lookup that finds
	// nothing looks at 8.5 cells on average, about one cache line, one that finds
	// something at 2.5 (Knuth, The Art of Computer Programming 3, section 6.4).
	maxLoadNum, maxLoadDen = 3, 4
	// movesPerStep is how many old cells one insertion looks at. A larger table is
	// twice the old one, so it has room for 3/4 of the old table's cells until it
	// is full in turn: two a step would do; more ends the double lookups earlier.
	movesPerStep = 8
	// A smaller table is not under a sixteenth of the old one, and at most half as
	// full as it may be: it is full 3/8 of its own cells later, and 43 cells a step
	// are enough for the move to be over by then.
	shrinkLimit        = 16
	shrinkMovesPerStep = 48
	// spareCells is the size from which on a table is made outside the lock,
	// because zeroing it takes longer than a reader should wait (1 Mi cells are
	// 8 MiB, about a millisecond).
	spareCells = 1 << 15
	// tomb is the slot number of an old cell that has been moved or deleted.
	tomb = 1<<32 - 1
)

// noCells is the table of an index that holds nothing: every lookup ends at its
// one empty cell, and any insertion makes a real table first.
var noCells = make([]uint64, 1)

func newIndex() index {
	return index{cells: noCells, shift: 32}
}

// capacityOf returns how many of a table's cells may be used.
func capacityOf(cells int) int {
	return cells * maxLoadNum / maxLoadDen
}

// cellsFor returns the size of the smallest table that holds n entries.
func cellsFor(n int) int {
	size := minCells
	for capacityOf(size) < n {
		size *= 2
	}
	return size
}

// place puts a cell into the new table, which must have room, and returns how
// many cells it had to pass over, and how many of them were of the same hash.
func (x *index) place(hash, slot uint32) (passed, equal int) {
	mask := uint32(len(x.cells) - 1)
	i := hash >> x.shift & mask
	for x.cells[i] != 0 {
		if uint32(x.cells[i]>>32) == hash {
			equal++
		}
		i = (i + 1) & mask
		passed++
	}
	x.cells[i] = uint64(hash)<<32 | uint64(slot)
	x.used++
	return passed, equal
}

// locate returns the position of a slot's cell, and whether it is in the old
// table. The cell must exist.
func (x *index) locate(hash, slot uint32) (i uint32, old bool) {
	want := uint64(hash)<<32 | uint64(slot)
	mask := uint32(len(x.cells) - 1)
	for i = hash >> x.shift & mask; x.cells[i] != 0; i = (i + 1) & mask {
		if x.cells[i] == want {
			return i, false
		}
	}
	mask = uint32(len(x.old) - 1)
	for i = hash >> x.oldShift & mask; x.old[i] != want; {
		i = (i + 1) & mask
	}
	return i, true
}

// remove takes a slot's cell out.
func (x *index) remove(hash, slot uint32) {
	i, old := x.locate(hash, slot)
	if old {
		x.old[i] |= tomb
		return
	}
	// Close the gap: each following cell of the run moves back unless that would
	// put it before its home.
	mask := uint32(len(x.cells) - 1)
	for j := (i + 1) & mask; x.cells[j] != 0; j = (j + 1) & mask {
		home := uint32(x.cells[j]>>32) >> x.shift & mask
		if (j-home)&mask >= (j-i)&mask {
			x.cells[i] = x.cells[j]
			i = j
		}
	}
	x.cells[i] = 0
	x.used--
}

// renumber makes a cell point at another slot.
func (x *index) renumber(hash, from, to uint32) {
	i, old := x.locate(hash, from)
	if old {
		x.old[i] = uint64(hash)<<32 | uint64(to)
	} else {
		x.cells[i] = uint64(hash)<<32 | uint64(to)
	}
}

// replaceTable begins a move to a table of so many cells. No move may be under
// way.
func (x *index) replaceTable(cells int) {
	if x.used > 0 {
		x.old, x.oldShift, x.moved = x.cells, x.shift, 0
	}
	if len(x.spare) == cells {
		x.cells = x.spare
	} else {
		x.cells = make([]uint64, cells)
	}
	x.spare = nil
	x.shift = uint8(33 - bits.Len(uint(cells)))
	x.used = 0
}

// smaller returns the size for the next table, of the size wanted in the end: a
// smaller table is made in moves that insertions cannot overtake.
func (x *index) smaller(want int) int { return max(want, len(x.cells)/shrinkLimit) }

// wantsSpare returns the size of the table to make outside the lock, or 0.
func (x *index) wantsSpare() int {
	n := len(x.cells)
	if n < spareCells || x.spare != nil || x.old != nil || x.used < capacityOf(n)-n/8 {
		return 0
	}
	return 2 * n
}

// scan appends every slot in a table whose hash is within lo and hi.
func scan(slots []uint32, cells []uint64, shift uint8, lo, hi uint32) []uint32 {
	mask := uint32(len(cells) - 1)
	last := hi >> shift & mask
	i := lo >> shift & mask
	past := false
	for range cells {
		c := cells[i]
		past = past || i == last
		if c == 0 && past {
			break
		}
		if hash := uint32(c >> 32); c != 0 && uint32(c) != tomb && lo <= hash && hash <= hi {
			slots = append(slots, uint32(c))
		}
		i = (i + 1) & mask
	}
	return slots
}
