// SPDX-License-Identifier: MIT

//go:build sched

package lock

import (
	"sync"
	"sync/atomic"

	"github.com/locmem/locmem/internal/sched"
)

// Every operation of these types is a point at which the scheduler may let another
// goroutine go first. While no run is on they are the standard library's.
type (
	// Mutex is a lock whose holder the scheduler knows.
	Mutex struct {
		mu   sync.Mutex
		held bool // in a run
	}
	// RWMutex is the shards' lock. As in the standard library, a writer that waits
	// keeps new readers out.
	RWMutex struct {
		mu      sync.RWMutex
		held    bool // in a run
		readers int
		writers int // that wait
	}
	Bool           struct{ v atomic.Bool }
	Int32          struct{ v atomic.Int32 }
	Int64          struct{ v atomic.Int64 }
	Uint32         struct{ v atomic.Uint32 }
	Uint64         struct{ v atomic.Uint64 }
	Pointer[T any] struct{ v atomic.Pointer[T] }
)

// Ready makes a mutex a condition of the scheduler's: it can be locked.
func (m *Mutex) Ready() bool { return !m.held }

func (m *Mutex) Lock() {
	if !sched.On() {
		m.mu.Lock()
		return
	}
	sched.Until(sched.Lock, m)
	m.held = true
}

func (m *Mutex) Unlock() {
	if !sched.On() {
		m.mu.Unlock()
		return
	}
	if !m.held && !sched.Unwinding() {
		panic("lock: Unlock of a Mutex that is not locked")
	}
	m.held = false
	sched.Point(sched.Unlock)
}

func (m *Mutex) TryLock() bool {
	if !sched.On() {
		return m.mu.TryLock()
	}
	sched.Point(sched.TryLock)
	if m.held {
		return false
	}
	m.held = true
	return true
}

// Ready makes a mutex a condition of the scheduler's: it can be locked for writing.
func (m *RWMutex) Ready() bool { return !m.held && m.readers == 0 }

// readable is the condition under which it can be locked for reading.
type readable RWMutex

func (m *readable) Ready() bool { return !m.held && m.writers == 0 }

func (m *RWMutex) Lock() {
	if !sched.On() {
		m.mu.Lock()
		return
	}
	sched.Point(sched.Lock)
	if !m.Ready() {
		m.writers++
		sched.Until(sched.Lock, m)
		m.writers--
	}
	m.held = true
}

func (m *RWMutex) Unlock() {
	if !sched.On() {
		m.mu.Unlock()
		return
	}
	if !m.held && !sched.Unwinding() {
		panic("lock: Unlock of an RWMutex that is not locked")
	}
	m.held = false
	sched.Point(sched.Unlock)
}

func (m *RWMutex) TryLock() bool {
	if !sched.On() {
		return m.mu.TryLock()
	}
	sched.Point(sched.TryLock)
	if !m.Ready() {
		return false
	}
	m.held = true
	return true
}

func (m *RWMutex) RLock() {
	if !sched.On() {
		m.mu.RLock()
		return
	}
	sched.Until(sched.RLock, (*readable)(m))
	m.readers++
}

func (m *RWMutex) RUnlock() {
	if !sched.On() {
		m.mu.RUnlock()
		return
	}
	if m.readers == 0 && !sched.Unwinding() {
		panic("lock: RUnlock of an RWMutex that is not locked for reading")
	}
	m.readers--
	sched.Point(sched.RUnlock)
}

func (x *Bool) Load() bool   { sched.Point(sched.Load); return x.v.Load() }
func (x *Bool) Store(b bool) { sched.Point(sched.Store); x.v.Store(b) }
func (x *Bool) CompareAndSwap(old, b bool) bool {
	sched.Point(sched.CompareAndSwap)
	return x.v.CompareAndSwap(old, b)
}

func (x *Int32) Load() int32          { sched.Point(sched.Load); return x.v.Load() }
func (x *Int32) Store(n int32)        { sched.Point(sched.Store); x.v.Store(n) }
func (x *Int32) Add(n int32) int32    { sched.Point(sched.Add); return x.v.Add(n) }
func (x *Int64) Load() int64          { sched.Point(sched.Load); return x.v.Load() }
func (x *Int64) Store(n int64)        { sched.Point(sched.Store); x.v.Store(n) }
func (x *Int64) Add(n int64) int64    { sched.Point(sched.Add); return x.v.Add(n) }
func (x *Uint32) Load() uint32        { sched.Point(sched.Load); return x.v.Load() }
func (x *Uint32) Store(n uint32)      { sched.Point(sched.Store); x.v.Store(n) }
func (x *Uint32) Add(n uint32) uint32 { sched.Point(sched.Add); return x.v.Add(n) }
func (x *Uint64) Load() uint64        { sched.Point(sched.Load); return x.v.Load() }
func (x *Uint64) Store(n uint64)      { sched.Point(sched.Store); x.v.Store(n) }
func (x *Uint64) Add(n uint64) uint64 { sched.Point(sched.Add); return x.v.Add(n) }

func (x *Int32) CompareAndSwap(old, n int32) bool {
	sched.Point(sched.CompareAndSwap)
	return x.v.CompareAndSwap(old, n)
}

func (x *Int64) CompareAndSwap(old, n int64) bool {
	sched.Point(sched.CompareAndSwap)
	return x.v.CompareAndSwap(old, n)
}

func (x *Uint32) CompareAndSwap(old, n uint32) bool {
	sched.Point(sched.CompareAndSwap)
	return x.v.CompareAndSwap(old, n)
}

func (x *Uint64) CompareAndSwap(old, n uint64) bool {
	sched.Point(sched.CompareAndSwap)
	return x.v.CompareAndSwap(old, n)
}

func (p *Pointer[T]) Load() *T   { sched.Point(sched.Load); return p.v.Load() }
func (p *Pointer[T]) Store(v *T) { sched.Point(sched.Store); p.v.Store(v) }
func (p *Pointer[T]) CompareAndSwap(old, v *T) bool {
	sched.Point(sched.CompareAndSwap)
	return p.v.CompareAndSwap(old, v)
}

// Go starts f in a new goroutine.
func Go(f func()) {
	if !sched.Start(f) {
		go f()
	}
}

// Yield lets other goroutines run. A loop that waits for another goroutine's step
// calls it on every round.
func Yield() {
	if sched.On() {
		sched.Point(sched.Yield)
	}
}

func yield() { sched.Point(sched.Wait) }

// until is where a thread of a run waits, so that what follows does not block.
func until(ready func() bool) {
	if sched.On() {
		sched.Until(sched.Wait, sched.ConditionFunc(ready))
	}
}

// sleepless reports that there is no time to sleep for. Who sleeps in a run may wake at
// once, and others go first.
func sleepless() bool {
	if sched.On() {
		sched.Point(sched.Yield)
	}
	return sched.On()
}
