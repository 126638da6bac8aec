// SPDX-License-Identifier: MIT

package locmem

import (
	"slices"

	"github.com/locmem/locmem/evict"
)

// perHold is how many keys of a many-key call one hold of a shard's lock serves.
const perHold = 256

// keyed is one key of a many-key call.
type keyed[K comparable] struct {
	key   K
	hash  uint64
	shard uint64
}

// byShard hashes keys and brings those of a shard together, in their order.
func (e *Engine[K, V]) byShard(n int, keys func(yield func(K) bool)) []keyed[K] {
	list := make([]keyed[K], 0, n)
	for key := range keys {
		hash := e.hasher.sum(key)
		list = append(list, keyed[K]{key, hash, hash >> 48 & e.mask})
	}
	slices.SortStableFunc(list, func(a, b keyed[K]) int { return int(a.shard) - int(b.shard) })
	return list
}

// holds cuts a list by shard into pieces that one hold of a lock serves.
func holds[K comparable](list []keyed[K], f func(shard uint64, piece []keyed[K])) {
	for len(list) > 0 {
		n := 1
		for n < len(list) && n < perHold && list[n].shard == list[0].shard {
			n++
		}
		f(list[0].shard, list[:n])
		list = list[n:]
	}
}

// GetMany returns the values of those keys that have live entries, never a nil
// map. It is as so many Gets, but takes each shard's lock once for up to 256 of
// the keys.
func (e *Engine[K, V]) GetMany(keys []K) map[K]V {
	found := make(map[K]V, len(keys))
	holds(e.byShard(len(keys), slices.Values(keys)), func(shard uint64, piece []keyed[K]) {
		s := &e.shards[shard]
		s.lockToUse()
		hits := 0
		for i := range piece {
			if n, sl := s.live(uint32(piece[i].hash), piece[i].key); n != evict.None {
				s.use(n, sl, sl.meta.Load())
				found[piece[i].key] = sl.value
				hits++
			}
		}
		s.unlockToUse()
		if s.counting {
			s.hits.Add(uint64(hits))
			s.misses.Add(uint64(len(piece) - hits))
		}
	})
	return found
}

// SetMany stores all values with the same options, and returns how many were
// stored. It is as so many Sets in no particular order; it is not atomic as a
// whole.
func (e *Engine[K, V]) SetMany(values map[K]V, opts ...EntryOption) int {
	set := settingsOf(opts)
	stores := 0
	keys := func(yield func(K) bool) {
		for key := range values {
			if e.hasher.storable(key) && !yield(key) {
				return
			}
		}
	}
	writes := make([]write[K, V], 0, perHold)
	holds(e.byShard(len(values), keys), func(shard uint64, piece []keyed[K]) {
		writes = writes[:0]
		for i := range piece {
			w := write[K, V]{key: piece[i].key, value: values[piece[i].key], hash: uint32(piece[i].hash)}
			e.prepareSet(&w, &set)
			writes = append(writes, w)
		}
		stores += e.applyMany(&e.shards[shard], writes)
	})
	return stores
}

// applyMany carries out writes to one shard, as many as it can under one hold of
// the lock, and returns how many were stored.
//
// +checklocksexclude:s.mu
func (e *Engine[K, V]) applyMany(s *shard[K, V], writes []write[K, V]) (stores int) {
	for len(writes) > 0 {
		s.admit()
		var o outcome
		s.mu.Lock()
		done := 0
		for ; done < min(len(writes), maxRemovals); done++ {
			w := &writes[done]
			if o = e.put(s, w); o > kept {
				break // it needs more than this hold
			}
			if o == stored {
				stores++
			}
			e.layDown(w)
		}
		e.checkLocked(s)
		spare := s.index.wantsSpare()
		s.mu.Unlock()
		if spare > 0 {
			e.growAhead(s, spare)
		}
		if o > kept { // it has credit in hand, so it comes before listeners
			if e.carryOut(s, &writes[done]) == stored {
				stores++
			}
			done++
		} else {
			s.deliver()
		}
		writes = writes[done:]
	}
	return stores
}

// DeleteMany removes the keys and returns how many of them had live entries. It
// is as so many Deletes, but takes each shard's lock once for up to 64 of the
// keys.
func (e *Engine[K, V]) DeleteMany(keys []K) int {
	deletes := 0
	holds(e.byShard(len(keys), slices.Values(keys)), func(shard uint64, piece []keyed[K]) {
		s := &e.shards[shard]
		for chunk := range slices.Chunk(piece, maxRemovals) {
			s.admit()
			s.mu.Lock()
			for i := range chunk {
				if _, ok := e.takeLocked(s, uint32(chunk[i].hash), chunk[i].key); ok {
					deletes++
				}
			}
			e.checkLocked(s)
			s.mu.Unlock()
			s.deliver()
		}
	})
	return deletes
}
