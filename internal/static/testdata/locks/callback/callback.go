// SPDX-License-Identifier: MIT

// Package callback calls user code under the lock.
package callback

import "github.com/locmem/locmem/internal/lock"

type box struct {
	mu    lock.RWMutex // protects value
	value int          // +checklocks:mu
	tell  func(int)    // immutable
}

// deliver calls user code.
//
// +checklocksexclude:b.mu
func (b *box) deliver(n int) { b.tell(n) }

func (b *box) set(value int) {
	b.mu.Lock()
	b.value = value
	b.deliver(value) // report: must not hold b.mu
	b.mu.Unlock()
}

func (b *box) get() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	b.deliver(b.value) // report: must not hold b.mu
	return b.value
}

func (b *box) good(value int) {
	b.mu.Lock()
	b.value = value
	b.mu.Unlock()
	b.deliver(value)
}
