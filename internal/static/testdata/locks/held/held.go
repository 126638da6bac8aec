// SPDX-License-Identifier: MIT

// Package held calls what needs the lock without it.
package held

import "github.com/locmem/locmem/internal/lock"

type box struct {
	mu    lock.RWMutex // protects value
	value int          // +checklocks:mu
}

// bump needs the lock.
//
// +checklocks:b.mu
func (b *box) bump() { b.value++ }

func (b *box) bare() {
	b.bump() // report: must hold b.mu exclusively
}

func (b *box) reading() {
	b.mu.RLock()
	b.bump() // report: must hold b.mu exclusively
	b.mu.RUnlock()
}

func (b *box) good() {
	b.mu.Lock()
	b.bump()
	b.mu.Unlock()
}
