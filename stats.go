// SPDX-License-Identifier: MIT

package locmem

import "time"

// Stats are an engine's counters since it was made. They are read shard by
// shard: with writers at work they are not of one moment.
type Stats struct {
	// Hits and Misses count Get, GetMany, Take, GetOrSet, Fetch and GetOrSetMany. A
	// stale value counts as a hit, and so does the answer that a key is known to be
	// missing. They stay 0 unless Options.Stats is set.
	Hits, Misses uint64

	// Inserts counts entries stored under keys that were not held, Updates those
	// that replaced a live one. An entry lives from one of these to its removal.
	Inserts, Updates uint64
	// The removals, by cause.
	Replaced, Deleted, Evicted, Expired, Cleared, Invalidated, TooHeavy, Moved uint64
	// Rejected counts writes refused because the entry was heavier than the
	// limit.
	Rejected uint64

	// Loads counts loads started, one for each key, refreshes included. Of those
	// that have ended, LoadSuccesses brought a value, LoadErrors failed, and
	// LoadsNotFound found nothing. LoadsShared counts the callers who waited for
	// somebody else's load.
	Loads, LoadSuccesses, LoadErrors, LoadsNotFound, LoadsShared uint64
	// LoadTime is the sum of the times, on the engine's clock, that loaders took
	// which have ended.
	LoadTime time.Duration
	// Refreshes counts loads started with nobody waiting, RefreshesSkipped how often
	// none was started for want of a worker (one for a whole GetOrSetMany), and
	// StaleServes the values returned after their deadline.
	Refreshes, RefreshesSkipped, StaleServes uint64

	// ListenerPanics counts panics of Options.OnRemove.
	ListenerPanics uint64

	// Entries and Weight are what is held now, Shards over how many stripes.
	Entries int
	Weight  int64
	Shards  int
	// PerShard is what each shard holds.
	PerShard []ShardSize

	weights [causes]int64
}

// ShardSize is what one shard holds.
type ShardSize struct {
	Entries int
	Weight  int64
}

// RemovedWeight returns the weight of all entries that were removed for a cause.
func (s Stats) RemovedWeight(cause Cause) int64 {
	if cause >= causes {
		return 0
	}
	return s.weights[cause]
}

// HitRatio returns the share of lookups that hit, 0 if there were none.
func (s Stats) HitRatio() float64 {
	if s.Hits+s.Misses == 0 {
		return 0
	}
	return float64(s.Hits) / float64(s.Hits+s.Misses)
}

// counts are a shard's counters, changed under its write lock.
type counts struct {
	inserts, updates, rejected uint64
	removed                    [causes]removals // under noCause: notes that there is no entry
	negatives                  uint64           // such notes stored

	loads, loadSuccesses, loadErrors, loadsNotFound, loadsShared uint64
	loadTime                                                     int64
	refreshes                                                    uint64
}

// removals is what was removed for one cause.
type removals struct {
	entries uint64
	weight  int64
}

// notes returns how many notes of keys that were not found a shard holds.
func (c *counts) notes() uint64 { return c.negatives - c.removed[noCause].entries }

// Stats returns the counters. It takes each shard's read lock in turn.
func (e *Engine[K, V]) Stats() Stats {
	st := Stats{
		Entries: e.Len(), Weight: e.Weight(), Shards: len(e.shards),
		PerShard:         make([]ShardSize, len(e.shards)),
		RefreshesSkipped: e.refreshesSkipped.Load(),
	}
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.RLock()
		c := s.counts
		st.PerShard[i] = ShardSize{Entries: s.len, Weight: s.weight}
		s.mu.RUnlock()
		for cause, removed := range c.removed {
			st.weights[cause] += removed.weight
		}
		st.Hits += s.hits.Load()
		st.Misses += s.misses.Load()
		st.Inserts += c.inserts
		st.Updates += c.updates
		st.Rejected += c.rejected
		st.Replaced += c.removed[Replaced].entries
		st.Deleted += c.removed[Deleted].entries
		st.Evicted += c.removed[Evicted].entries
		st.Expired += c.removed[Expired].entries
		st.Cleared += c.removed[Cleared].entries
		st.Invalidated += c.removed[Invalidated].entries
		st.TooHeavy += c.removed[TooHeavy].entries
		st.Moved += c.removed[Moved].entries
		st.Loads += c.loads
		st.LoadSuccesses += c.loadSuccesses
		st.LoadsNotFound += c.loadsNotFound
		st.Refreshes += c.refreshes
		st.StaleServes += s.staleServes.Load()
		st.LoadErrors += c.loadErrors
		st.LoadsShared += c.loadsShared
		st.LoadTime += time.Duration(c.loadTime)
		if out := s.out.Load(); out != nil {
			st.ListenerPanics += out.panics.Load()
		}
	}
	return st
}
