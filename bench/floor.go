// SPDX-License-Identifier: MIT

package bench

import (
	"slices"
	"sync"
	"time"
)

// LockFloor is what a lock alone costs: nanoseconds for each pair of calls, all
// goroutines on the same lock.
type LockFloor struct {
	Goroutines int
	RLock      float64 // RWMutex: RLock, RUnlock
	Lock       float64 // RWMutex: Lock, Unlock
	Mutex      float64 // Mutex: Lock, Unlock
}

// LockFloors measures the locks that striped caches are made of. With one
// goroutine it is the least that a locked Get can cost; with more, what it costs
// when all want the same stripe at the same time.
func LockFloors(goroutines []int, pairs int) []LockFloor {
	floors := make([]LockFloor, 0, len(goroutines))
	for _, g := range goroutines {
		var rw sync.RWMutex
		var mu sync.Mutex
		floors = append(floors, LockFloor{
			Goroutines: g,
			RLock: pairTime(g, pairs, func(n int) {
				for range n {
					rw.RLock()
					rw.RUnlock() //nolint:staticcheck // the empty section is what is measured
				}
			}),
			Lock: pairTime(g, pairs, func(n int) {
				for range n {
					rw.Lock()
					rw.Unlock() //nolint:staticcheck // the empty section is what is measured
				}
			}),
			Mutex: pairTime(g, pairs, func(n int) {
				for range n {
					mu.Lock()
					mu.Unlock() //nolint:staticcheck // the empty section is what is measured
				}
			}),
		})
	}
	return floors
}

// pairTime is the median of five runs of that many pairs, shared out evenly.
func pairTime(goroutines, pairs int, loop func(n int)) float64 {
	times := make([]float64, 5)
	for i := range times {
		var done sync.WaitGroup
		began := time.Now()
		for range goroutines {
			done.Go(func() { loop(pairs / goroutines) })
		}
		done.Wait()
		times[i] = float64(time.Since(began).Nanoseconds()) / float64(pairs/goroutines*goroutines)
	}
	slices.Sort(times)
	return times[len(times)/2]
}
