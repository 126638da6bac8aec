// SPDX-License-Identifier: MIT

package locmem

import "time"

// Entry is a copy of what the engine holds for a key, as Peek, Fetch and Compute
// give it.
type Entry[V any] struct {
	Value V
	// Deadline is when the entry expires, on the engine's clock; zero: never. If
	// the entry has an idle lifetime, hits move it.
	Deadline time.Time
	// Idle is the entry's idle lifetime, 0 if it has none.
	Idle time.Duration
	// Weight is the entry's weight as accounted; 1 in an engine without weights.
	Weight int64
	// Stale tells that the deadline has passed: the value is from within
	// Options.StaleFor or StaleIfError.
	Stale bool
	// LoadErr is the error of the last load that was to refresh the value and
	// failed; nil if none has failed since the value was stored.
	LoadErr error
}

// entryOf copies a held entry.
//
// +checklocksread:s.mu
func (s *shard[K, V]) entryOf(n uint32, sl *slot[K, V]) Entry[V] {
	meta := sl.meta.Load()
	entry := Entry[V]{Value: sl.value, Weight: s.weightOf(n)}
	if meta&metaTimed != 0 {
		entry.Deadline = s.clock.time(s.deadline(n, meta))
	}
	if meta&metaIdle != 0 {
		entry.Idle = time.Duration(s.wheel.idles.At(n).span)
	}
	if s.failures != nil {
		entry.LoadErr = s.failures[n]
	}
	return entry
}
