// SPDX-License-Identifier: MIT

package locmem

import "github.com/locmem/locmem/internal/lock"

// within are the limits that a write brings with it; 0: none.
type within struct {
	entries int64 // see Limit
	weight  int64 // see LimitWeight
	cull    int64 // see Cull
}

// reserveWithin is reserve for a write with limits of its own. What has expired
// anywhere goes before anything live does.
//
// +checklocks:s.mu
func (e *Engine[K, V]) reserveWithin(s *shard[K, V], w *write[K, V], entries, weight int64, keep uint32) outcome {
	for removals := 0; ; removals++ {
		if e.takeEntries(w, entries) && (!e.weighted || e.takeWeight(w, weight)) {
			return stored
		}
		if !w.swept && e.somethingExpired() {
			return cluttered
		}
		if w.within.entries > 0 && w.entries < entries {
			return crowded
		}
		if removals == maxRemovals {
			return again
		}
		if !s.evictFor(w, entries > 0, keep) {
			if w.fault != nil {
				return broken
			}
			return starved
		}
	}
}

// takeEntries brings so many entries of credit into the writer's hand, if that is
// within its limit. A write that adds none has no limit, and neither has one that has
// culled.
func (e *Engine[K, V]) takeEntries(w *write[K, V], entries int64) bool {
	limit := limitOf(w.within.entries)
	if w.culled {
		limit = limitOf(0)
	}
	if w.entries > 0 {
		spare := max(0, min(w.entries, e.entries.used()-limit))
		e.entries.give(spare)
		w.entries -= spare
	}
	if w.entries < entries && e.entries.takeWithin(entries-w.entries, limit) {
		w.entries = entries
	}
	return w.entries >= entries
}

// takeWeight does so with weight.
func (e *Engine[K, V]) takeWeight(w *write[K, V], weight int64) bool {
	limit := limitOf(w.within.weight)
	if w.credit > 0 {
		spare := max(0, min(w.credit, e.weights.used()-limit))
		e.weights.give(spare)
		w.credit -= spare
	}
	if w.credit < weight && e.weights.takeWithin(weight-w.credit, limit) {
		w.credit = weight
	}
	return w.credit >= weight
}

// somethingExpired reports whether a shard may hold what has expired.
func (e *Engine[K, V]) somethingExpired() bool {
	for i := range e.shards {
		if e.clock.passed(e.shards[i].next.Load()) {
			return true
		}
	}
	return false
}

// sweepShards removes what has expired, to the nanosecond. What it queues is the
// caller's to deliver. Called with nothing held.
func (e *Engine[K, V]) sweepShards() {
	for i := range e.shards {
		e.sweepShard(&e.shards[i], true)
	}
}

// makeRoom evicts for a write that adds an entry to as many as its limit, or more. As
// long as more is held than the limit the credit of victims goes back, so that what
// is held falls; that of the last one stays in hand, so that no other writer takes
// the room. It looks again after each round: several writers that find the engine far
// above their limits bring it down together. Called with nothing held.
func (e *Engine[K, V]) makeRoom(w *write[K, V]) {
	w.wide = true
	if w.within.cull > 0 {
		e.cull(w)
		return
	}
	for w.fault == nil && !e.takeEntries(w, 1) {
		held := e.entries.used()
		// The limit may also be the engine's, which is then the lower one.
		n := min(max(1, held+1-w.within.entries), maxRemovals)
		if round := e.evictRound(w, n, max(1, held), 1); round < n || n == maxRemovals {
			lock.Yield() // as in evict; if there was nothing, all room is in the hands of others
		}
	}
}

// cull evicts what Cull says, and leaves credit for one entry in the writer's hand. One
// writer does so at a time, and it looks again first: of many that find the store
// full together, one culls.
func (e *Engine[K, V]) cull(w *write[K, V]) {
	if !w.serial {
		e.enterSerial(w)
		if e.takeEntries(w, 1) {
			return
		}
	}
	held := e.entries.used()
	// Of a store above the limit two at least, so that it comes down with each write.
	e.evict(w, max(1, held/w.within.cull, min(2, held+1-w.within.entries)), 1)
	w.culled = w.entries > 0
}
