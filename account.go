// SPDX-License-Identifier: MIT

package locmem

import "github.com/locmem/locmem/internal/lock"

// account holds the free credit of one bound (entries or weight) of an engine.
// Whoever wants to hold more takes credit first, whoever holds less gives it
// back after, so what is held never exceeds the limit:
//
//	INVARIANT: at rest, limit - free = the sum of what the shards hold.
//	INVARIANT: free < 0 only while Resize lowers the limit.
//
// In between, credit may be in the hand of a writer that has made room for an
// entry and is about to insert it; it counts as held.
type account struct {
	mu    lock.RWMutex // protects that limit and free change together
	limit lock.Int64
	free  lock.Int64
}

// open sets the limit of an account that nothing was taken from.
func (a *account) open(limit int64) {
	a.limit.Store(limit)
	a.free.Store(limit)
}

// take takes n of credit if there is so much. A failed take changes nothing,
// also not for a moment: a small demand must not fail because of a large one.
func (a *account) take(n int64) bool {
	for {
		free := a.free.Load()
		if free < n {
			return false
		}
		if a.free.CompareAndSwap(free, free-n) {
			return true
		}
	}
}

// takeWithin is take for a demand with a limit of its own: afterwards at most so much
// is used.
//
// +checklocksexclude:a.mu
func (a *account) takeWithin(n, limit int64) bool {
	if limit == limitOf(0) {
		return a.take(n)
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	for {
		free := a.free.Load()
		if free < n || a.limit.Load()-free > limit-n {
			return false
		}
		if a.free.CompareAndSwap(free, free-n) {
			return true
		}
	}
}

// give gives n of credit back.
func (a *account) give(n int64) {
	if n != 0 {
		a.free.Add(n)
	}
}

// used returns what is held or in hand.
//
// +checklocksexclude:a.mu
func (a *account) used() int64 {
	a.mu.RLock()
	used := a.limit.Load() - a.free.Load()
	a.mu.RUnlock()
	return used
}

// over returns how much more is held than the limit allows, 0 if it is not.
func (a *account) over() int64 {
	return max(0, -a.free.Load())
}

// resize sets a new limit at once. If less is allowed than is held, free is
// negative and every take fails until enough was given back.
//
// +checklocksexclude:a.mu
func (a *account) resize(limit int64) {
	a.mu.Lock()
	a.free.Add(limit - a.limit.Load())
	a.limit.Store(limit)
	a.mu.Unlock()
}
