// SPDX-License-Identifier: MIT

//go:build !yield && !sched

package lock

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// The types of a normal build.
type (
	Mutex          = sync.Mutex
	RWMutex        = sync.RWMutex
	Bool           = atomic.Bool
	Int32          = atomic.Int32
	Int64          = atomic.Int64
	Uint32         = atomic.Uint32
	Uint64         = atomic.Uint64
	Pointer[T any] = atomic.Pointer[T]
)

// Go starts f in a new goroutine.
func Go(f func()) { go f() }

// Yield lets other goroutines run. A loop that waits for another goroutine's
// step calls it on every round.
func Yield() { runtime.Gosched() }

// yield is where a build tag adds a scheduling point of its own.
func yield() {}

// until and sleepless are where a build tag takes over.
func until(func() bool) {}

func sleepless() bool { return false }
