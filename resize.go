// SPDX-License-Identifier: MIT

package locmem

import (
	"errors"
	"fmt"

	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/lock"
)

// Evict removes n entries, or all if there are fewer, as the policy chooses and
// in proportion over the shards, and returns how many were removed. Expired ones
// go first, as Expired. Kept answers that there is nothing for a key (see
// Options.NegativeTTL) count as entries. It takes the shards' locks in turn, for
// at most 64 removals each time, and panics as a write does if the policy gives no
// victim.
func (e *Engine[K, V]) Evict(n int) int {
	var w write[K, V]
	removed := e.evict(&w, int64(n), 0)
	e.deliverAll()
	if w.fault != nil {
		panic(w.fault.Error())
	}
	return int(removed)
}

// evict evicts n entries. The credit for so many of them stays in the writer's hand.
// What it queues is the caller's to deliver.
func (e *Engine[K, V]) evict(w *write[K, V], n, hand int64) (removed int64) {
	n = min(n, e.entries.used())
	for removed < n && w.fault == nil {
		round := e.evictRound(w, n-removed, max(1, e.entries.used()), hand)
		if round == 0 {
			break
		}
		if removed += round; removed < n {
			// A reader that has waited for one of the locks is ready to run on this very
			// processor, and would wait on until this goroutine is preempted, some 10 ms
			// later.
			lock.Yield()
		}
	}
	return removed
}

// evictRound goes through the shards once and evicts n of the total entries, in
// proportion, rounded up; see evict.
func (e *Engine[K, V]) evictRound(w *write[K, V], n, total, hand int64) (removed int64) {
	first := int(e.cursor.Add(1))
	for i := 0; i < len(e.shards) && removed < n; i++ {
		s := &e.shards[(first+i)&int(e.mask)]
		if s.ordered != nil {
			oldest := s.ordered.Oldest()
			if oldest < 0 {
				return removed
			}
			s = &e.shards[oldest]
		}
		s.mu.Lock()
		quota := min((n*int64(s.len)+total-1)/total, n-removed, maxRemovals)
		for ; quota > 0 && s.evictFor(w, false, evict.None); quota-- {
			removed++
		}
		spare := max(0, w.entries-hand)
		e.giveBack(spare, w.credit)
		w.entries, w.credit = w.entries-spare, 0
		e.checkLocked(s)
		s.mu.Unlock()
		if w.fault != nil {
			return removed
		}
	}
	return removed
}

// ErrUnweighted is returned by Resize when it is asked for a limit of weight in
// an engine that has not kept weights.
var ErrUnweighted = errors.New("locmem: Resize: a limit of weight needs an engine made with MaxWeight or Weigh")

// Resize sets new limits, 0 for none, in the sense of Options.MaxEntries and
// MaxWeight; at least one is needed unless the engine is Unbounded. It evicts
// what is too much before it returns: from then on the new limits hold, until
// then the larger of old and new. Memory that a smaller limit leaves unused goes
// back. It takes the shards' locks in turn, in bounded steps. If the policy gives no
// victim, that is the error, and more is held than the new limits allow.
func (e *Engine[K, V]) Resize(maxEntries int, maxWeight int64) error {
	var faults []error
	if maxEntries < 0 {
		faults = append(faults, fmt.Errorf("locmem: Resize: maxEntries is %d: it must not be negative", maxEntries))
	}
	if maxWeight < 0 {
		faults = append(faults, fmt.Errorf("locmem: Resize: maxWeight is %d: it must not be negative", maxWeight))
	}
	if maxEntries == 0 && maxWeight == 0 && !e.opts.Unbounded {
		faults = append(faults, errors.New("locmem: Resize: both limits are 0, and the engine is not Unbounded"))
	}
	if maxWeight > 0 && !e.weighted {
		faults = append(faults, ErrUnweighted)
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	if e.clock.closed.Load() {
		return ErrClosed
	}
	shrinks := limitOf(int64(maxEntries)) < e.entries.limit.Load() || limitOf(maxWeight) < e.weights.limit.Load()
	e.entries.resize(limitOf(int64(maxEntries)))
	e.weights.resize(limitOf(maxWeight))
	return e.fit(shrinks)
}

// fit brings the engine within its limits, or returns what the policy did wrong. A
// listener that ends the goroutine does not end the work.
func (e *Engine[K, V]) fit(shrinks bool) error {
	done := false
	defer func() {
		if !done {
			lock.Go(func() { _ = e.fit(shrinks) })
		}
	}()
	for over := e.over(); over > 0; over = e.over() {
		var w write[K, V]
		e.evictRound(&w, over, max(1, e.entries.used()), 0)
		e.deliverAll()
		lock.Yield() // as in evict
		if w.fault != nil {
			done = true
			return w.fault
		}
	}
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		// Read here, so that of two calls at a time the later limit stays.
		limit := e.entries.limit.Load()
		if limit == limitOf(0) {
			limit = 0
		}
		s.ring.Resize(e.share(int(limit)))
		s.mu.Unlock()
		for shrinks && e.compactStep(s) {
		}
	}
	done = true
	return nil
}

// over returns how many entries at least must go for the limits to hold. How
// many make up a weight is not known, so it is guessed from their mean.
func (e *Engine[K, V]) over() int64 {
	entries := e.entries.over()
	if e.weighted && e.weights.over() > 0 {
		mean := max(1, e.weights.used()/max(1, e.entries.used()))
		entries = max(entries, e.weights.over()/mean, 1)
	}
	return entries
}
