// SPDX-License-Identifier: MIT

//go:build yield && !sched

package lock

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
)

// Every operation of these types yields one time in three, before and after the
// real one, so that another goroutine can step in wherever the code allows it.
type (
	Mutex struct{ mu sync.Mutex }
	// RWMutex is the shards' lock.
	RWMutex        struct{ mu sync.RWMutex }
	Bool           = atomic.Bool
	Int32          = atomic.Int32
	Int64          struct{ v atomic.Int64 }
	Uint32         struct{ v atomic.Uint32 }
	Uint64         = atomic.Uint64
	Pointer[T any] = atomic.Pointer[T]
)

func (m *Mutex) Lock()         { yield(); m.mu.Lock(); yield() }
func (m *Mutex) Unlock()       { yield(); m.mu.Unlock(); yield() }
func (m *Mutex) TryLock() bool { yield(); return m.mu.TryLock() }

func (m *RWMutex) Lock()         { yield(); m.mu.Lock(); yield() }
func (m *RWMutex) Unlock()       { yield(); m.mu.Unlock(); yield() }
func (m *RWMutex) TryLock() bool { yield(); return m.mu.TryLock() }
func (m *RWMutex) RLock()        { yield(); m.mu.RLock(); yield() }
func (m *RWMutex) RUnlock()      { yield(); m.mu.RUnlock(); yield() }

func (x *Int64) Load() int64                        { yield(); return x.v.Load() }
func (x *Int64) Store(n int64)                      { x.v.Store(n); yield() }
func (x *Int64) Add(n int64) int64                  { yield(); return x.v.Add(n) }
func (x *Int64) CompareAndSwap(old, n int64) bool   { yield(); return x.v.CompareAndSwap(old, n) }
func (x *Uint32) Load() uint32                      { yield(); return x.v.Load() }
func (x *Uint32) Store(n uint32)                    { x.v.Store(n); yield() }
func (x *Uint32) Add(n uint32) uint32               { yield(); return x.v.Add(n) }
func (x *Uint32) CompareAndSwap(old, n uint32) bool { yield(); return x.v.CompareAndSwap(old, n) }

// Go starts f in a new goroutine.
func Go(f func()) { go func() { yield(); f() }() }

// Yield lets other goroutines run.
func Yield() { runtime.Gosched() }

func yield() {
	if rand.Uint32()%3 == 0 {
		runtime.Gosched()
	}
}

// until and sleepless are where a build tag takes over.
func until(func() bool) {}

func sleepless() bool { return false }
