// SPDX-License-Identifier: MIT

package lock

import "sync/atomic"

// Word is a uint32 beside a readers-writer lock. Holders of the lock, shared or
// not, may Load it and change it by CompareAndSwap; only who holds the lock
// exclusively may Set it, which is a plain store and not the full barrier that
// an atomic one costs: the lock already orders it before and after all others.
// The zero Word is 0.
type Word struct{ v uint32 }

// Load returns the word. Called under the lock.
func (w *Word) Load() uint32 {
	yield()
	return atomic.LoadUint32(&w.v)
}

// CompareAndSwap changes the word from old to n if it is old, and reports whether
// it did. Called under the lock.
func (w *Word) CompareAndSwap(old, n uint32) bool {
	yield()
	return atomic.CompareAndSwapUint32(&w.v, old, n)
}

// Set changes the word. Called under the lock, held exclusively.
func (w *Word) Set(n uint32) { w.v = n }
