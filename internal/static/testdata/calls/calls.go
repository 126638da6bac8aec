// SPDX-License-Identifier: MIT

// Package calls calls user code, some of it under a lock.
package calls

import "github.com/locmem/locmem/internal/lock"

type box struct {
	mu   lock.Mutex // protects n
	n    int        // +checklocks:mu
	tell func(int)  // immutable
}

// deliver calls user code.
//
// +checklocksexclude:b.mu
func (b *box) deliver(n int) { b.tell(n) }

func (b *box) byTheWay() { b.deliver(1) }

func (b *box) good() {
	b.mu.Lock()
	n := b.n
	b.mu.Unlock()
	b.byTheWay()
	b.deliver(n)
}

func (b *box) direct(load func() int) {
	b.mu.Lock()
	b.n = load() // under a lock
	b.mu.Unlock()
}

func (b *box) early() {
	b.mu.Lock()
	if b.n == 0 {
		b.mu.Unlock()
		return
	}
	b.byTheWay() // under a lock
	b.mu.Unlock()
}

func (b *box) maybe(wait bool) {
	if wait {
		b.mu.Lock()
	}
	b.byTheWay() // under a lock
	if wait {
		b.mu.Unlock()
	}
}

func (b *box) deferred() {
	b.mu.Lock()
	defer b.mu.Unlock()
	func() {
		b.byTheWay() // under a lock
	}()
}

func (b *box) broken() {
	for {
		b.mu.Lock()
		if b.n > 0 {
			break
		}
		b.mu.Unlock()
	}
	b.deliver(1) // under a lock
	b.mu.Unlock()
}

// held needs the lock.
//
// +checklocks:b.mu
func (b *box) held() {
	switch b.n {
	case 1:
		b.deliver(1) // under a lock
	}
}

// take takes the lock.
//
// +checklocksacquire:b.mu
func (b *box) lockIt() { b.mu.Lock() }

// give gives it back.
//
// +checklocksrelease:b.mu
func (b *box) unlockIt() { b.mu.Unlock() }

func (b *box) taken() {
	b.lockIt()
	b.deliver(1) // under a lock
	b.unlockIt()
	b.deliver(2)
	lock.Go(func() { b.deliver(3) })
}

func (b *box) elsewhere() {
	b.mu.Lock()
	defer b.mu.Unlock()
	lock.Go(func() { b.byTheWay() })
}

func (b *box) each(keys func(func(int) bool)) {
	b.mu.Lock()
	for n := range keys { // under a lock
		b.n = n
	}
	b.mu.Unlock()
}
