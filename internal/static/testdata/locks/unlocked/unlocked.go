// SPDX-License-Identifier: MIT

// Package unlocked reads and writes without the lock.
package unlocked

import "github.com/locmem/locmem/internal/lock"

type box[T any] struct {
	mu    lock.RWMutex // protects value
	value T            // +checklocks:mu
}

func (b *box[T]) get() T {
	return b.value // report: mu (&({param:b}.mu)) must be locked when accessing value
}

func (b *box[T]) set(value T) {
	b.value = value // report: mu (&({param:b}.mu)) must be locked when accessing value
}

func (b *box[T]) good(value T) T {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.value
	b.value = value
	return old
}

// other holds the lock of another box.
func (b *box[T]) other(c *box[T]) T {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return b.value // report: mu (&({param:b}.mu)) must be locked when accessing value
}
