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
