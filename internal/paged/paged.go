// SPDX-License-Identifier: MIT

// Package paged has arrays that grow without being copied: elements live in
// pages of a fixed size, so that growing by one page costs the same in a small
// array and in a large one, and an element's address holds while it exists. It
// is what keeps the time for which a shard's lock is held independent of how
// much the shard holds.
package paged

import "unsafe"

const (
	// pageBytes is the size of a full page: the largest of the allocator's size
	// classes for small objects, so that a page wastes nothing and zeroing one
	// takes about a microsecond.
	pageBytes = 32 << 10
	// The first page starts with so many elements, so that an empty array costs
	// little, and doubles until it is a full page. Only the last page is ever copied.
	firstElements = 8
	maxShift      = 12 // at most 4096 elements a page
	minShift      = 3
)

// Array holds elements numbered from 0. Make one with New. Not safe for
// concurrent writes; reads may run together.
type Array[T any] struct {
	pages [][]T // INVARIANT: every page but the last is full
	shift uint8
	mask  uint32
}

// New returns an empty array, which holds no memory for elements yet.
func New[T any]() Array[T] {
	var zero T
	shift := uint8(maxShift)
	for shift > minShift && unsafe.Sizeof(zero)<<shift > pageBytes {
		shift--
	}
	return Array[T]{shift: shift, mask: 1<<shift - 1}
}

// At returns the address of element i, which must be under Len. Growing moves
// elements of the last page: an address does not outlive the next Grow.
func (a *Array[T]) At(i uint32) *T {
	return &a.pages[i>>a.shift][i&a.mask]
}

// Len returns how many elements there is room for.
func (a *Array[T]) Len() int {
	if len(a.pages) == 0 {
		return 0
	}
	return (len(a.pages)-1)<<a.shift + len(a.pages[len(a.pages)-1])
}

// Grow makes room for elements up to number i. New elements are zero. It costs
// one page when called for one element more.
func (a *Array[T]) Grow(i uint32) { a.GrowWithin(i, 1<<32-1) }

// GrowWithin is Grow for an array that is to have no more than most elements, i
// among them, and so needs no room for others.
func (a *Array[T]) GrowWithin(i, most uint32) {
	for int(i) >= a.Len() {
		page := int(a.mask) + 1
		last := len(a.pages) - 1
		if last < 0 || len(a.pages[last]) == page {
			length := page
			if last < 0 {
				length = min(length, firstElements)
			}
			rest := int64(most) - int64(len(a.pages))*int64(page)
			a.pages = append(a.pages, make([]T, min(int64(length), rest)))
			continue
		}
		rest := int64(most) - int64(last)*int64(page)
		grown := make([]T, min(int64(2*len(a.pages[last])), int64(page), rest))
		copy(grown, a.pages[last])
		a.pages[last] = grown
	}
}

// Truncate gives back the memory of elements from number n on, as far as whole
// pages go. Elements that stay in the last page keep their contents.
func (a *Array[T]) Truncate(n uint32) {
	keep := (int(n) + int(a.mask)) >> a.shift
	if keep >= len(a.pages) {
		return
	}
	a.pages = append([][]T(nil), a.pages[:keep]...)
}
