// SPDX-License-Identifier: MIT

// Package detector has the mutexes that package lockorder puts in the place of the
// standard library's: they know the order in which each goroutine has taken them.
package detector

import "github.com/sasha-s/go-deadlock"

type (
	// Mutex is in the place of sync.Mutex.
	Mutex = deadlock.Mutex
	// RWMutex is in the place of sync.RWMutex. An order of reads counts as one of writes:
	// a writer that waits keeps new readers out.
	RWMutex = deadlock.RWMutex
)

// The rest is as it is by default: a report goes to the standard error and ends the
// program, since after it goroutines may wait for each other for good; and no more than
// 65,536 pairs of locks are remembered, before all are forgotten: a test's engine seldom
// has so many, and to remember those of former tests costs memory alone.
func init() {
	// A long wait is no report: on a busy machine it means nothing, and in a bubble of
	// testing/synctest a minute is over at once.
	deadlock.Opts.DeadlockTimeout = 0
}
