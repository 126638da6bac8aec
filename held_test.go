// SPDX-License-Identifier: MIT

package locmem

// Held returns what all shards hold at one moment, for which it holds the read
// locks of all. The engine has no such method: it never holds two.
func (e *Engine[K, V]) Held() (entries int, weight int64) {
	for i := range e.shards {
		e.shards[i].mu.RLock()
	}
	for i := range e.shards {
		entries += e.shards[i].len
		weight += e.shards[i].weight
	}
	for i := range e.shards {
		e.shards[i].mu.RUnlock()
	}
	return entries, weight
}

// SlotsUsed returns how many slots the shards have ever used since they were
// made or cleared.
func (e *Engine[K, V]) SlotsUsed() (slots int) {
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.RLock()
		slots += int(s.top)
		s.mu.RUnlock()
	}
	return slots
}

// Pins returns how many iterations keep shards on their hashes.
func (e *Engine[K, V]) Pins() (pins int) {
	for i := range e.shards {
		pins += int(e.shards[i].pins.Load())
	}
	return pins
}

// Seeded reports whether a shard has turned to hashes of its own.
func (e *Engine[K, V]) Seeded() bool {
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.RLock()
		seeded := s.seeded
		s.mu.RUnlock()
		if seeded {
			return true
		}
	}
	return false
}

// Overflows is what Incr asks of a sum.
func Overflows[V Number](a, b, sum V) bool { return overflows(a, b, sum) }
