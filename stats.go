// SPDX-License-Identifier: MIT

package locmem

import "time"

// Stats are an engine's counters since it was made. They are read shard by
// shard: with writers at work they are not of one moment.
type Stats struct {
	// Hits and Misses count Get, GetMany, Take, GetOrSet and Fetch. They stay 0
	// unless Options.Stats is set.
	Hits, Misses uint64

	// Inserts counts entries stored under keys that were not held, Updates those
	// that replaced a live one. An entry lives from one of these to its removal.
	Inserts, Updates uint64
	// The removals, by cause.
	Replaced, Deleted, Evicted, Expired, Cleared, TooHeavy uint64
	// Rejected counts writes refused because the entry was heavier than the
	// limit.
	Rejected uint64

	// Loads counts loaders started, LoadErrors those that failed, and LoadsShared
	// the callers who waited for somebody else's load.
	Loads, LoadErrors, LoadsShared uint64
	// LoadTime is the sum of the times, on the engine's clock, that loaders took
	// which have ended.
	LoadTime time.Duration

	// ListenerPanics counts panics of Options.OnRemove.
	ListenerPanics uint64

	// Entries and Weight are what is held now, Shards over how many stripes.
	Entries int
	Weight  int64
	Shards  int
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
	inserts, updates, rejected     uint64
	removed                        [causes]uint64
	loads, loadErrors, loadsShared uint64
	loadTime                       int64
}

// Stats returns the counters. It takes each shard's read lock in turn.
func (e *Engine[K, V]) Stats() Stats {
	st := Stats{Entries: e.Len(), Weight: e.Weight(), Shards: len(e.shards)}
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.RLock()
		c := s.counts
		s.mu.RUnlock()
		st.Hits += s.hits.Load()
		st.Misses += s.misses.Load()
		st.Inserts += c.inserts
		st.Updates += c.updates
		st.Rejected += c.rejected
		st.Replaced += c.removed[Replaced]
		st.Deleted += c.removed[Deleted]
		st.Evicted += c.removed[Evicted]
		st.Expired += c.removed[Expired]
		st.Cleared += c.removed[Cleared]
		st.TooHeavy += c.removed[TooHeavy]
		st.Loads += c.loads
		st.LoadErrors += c.loadErrors
		st.LoadsShared += c.loadsShared
		st.LoadTime += time.Duration(c.loadTime)
		if s.out != nil {
			st.ListenerPanics += s.out.panics.Load()
		}
	}
	return st
}
