// SPDX-License-Identifier: MIT

// Package reader writes under the lock of readers.
package reader

import "github.com/locmem/locmem/internal/lock"

type box struct {
	mu    lock.RWMutex // protects value
	value int          // +checklocks:mu
}

func (b *box) set(value int) {
	b.mu.RLock()
	b.value = value // report: must be locked when accessing value (locks: &({param:b}.mu) non-exclusively)
	b.mu.RUnlock()
}

func (b *box) good() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.value
}
