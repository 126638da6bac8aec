// SPDX-License-Identifier: MIT

// Package balance takes a lock and does not give it back, or gives back what it has not.
package balance

import "github.com/locmem/locmem/internal/lock"

type box struct {
	mu    lock.Mutex // protects value
	value int        // +checklocks:mu
}

func (b *box) kept() int {
	b.mu.Lock()
	return b.value // report: return with unexpected locks held
}

func (b *box) twice() {
	b.mu.Lock()
	b.value++
	b.mu.Unlock()
	b.mu.Unlock() // report: already unlocked or locked differently
}
