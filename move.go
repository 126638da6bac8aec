// SPDX-License-Identifier: MIT

package locmem

import "github.com/locmem/locmem/evict"

// Move makes the live entry of one key that of another, over what that key held,
// and reports whether there was one; else it changes nothing. Value, expiry, weight and
// tags stay as they are; it is a use of the entry. It is one atomic step: who does not
// find the entry under the old key any more finds it under the new one, and who
// finds it there does not find it under the old one. Loads of either key that run
// keep their results to themselves. The old key's entry is reported as Moved, the new
// key's, if there was one, as Replaced. From a key to itself it is a use. A key not
// equal to itself (NaN) takes no entry.
//
// It takes the locks of both keys' shards at once, the one with the lower number
// first, calls no user code but listeners, for which it waits as Set does, allocates
// nothing but growth, and takes constant time on average.
func (e *Engine[K, V]) Move(from, to K) bool {
	fromHash, toHash := e.hasher.sum(from), e.hasher.sum(to)
	if !e.hasher.storable(to) {
		return false
	}
	a, b := e.shardOf(fromHash), e.shardOf(toHash)
	a.admit()
	if a != b {
		b.admit()
	}
	lockBoth(a, b)
	moved := e.moveLocked(a, uint32(fromHash), from, b, uint32(toHash), to)
	e.checkLocked(a)
	if a != b {
		e.checkLocked(b)
	}
	spare := b.index.wantsSpare()
	unlockBoth(a, b)
	if spare > 0 {
		e.growAhead(b, spare)
	}
	if a != b {
		defer b.deliver() // also if a listener ends the goroutine
	}
	a.deliver()
	return moved
}

// lockBoth takes the locks of two shards, that with the lower number first, or the one
// of both.
//
// +checklocksacquire:a.mu
// +checklocksacquire:b.mu
// +checklocksignore: which one comes first, and whether there are two, is known when it runs
func lockBoth[K comparable, V any](a, b *shard[K, V]) {
	if a.id > b.id {
		a, b = b, a
	}
	a.mu.Lock()
	if a != b {
		b.mu.Lock()
	}
}

// unlockBoth gives them back.
//
// +checklocksrelease:a.mu
// +checklocksrelease:b.mu
// +checklocksignore: as lockBoth
func unlockBoth[K comparable, V any](a, b *shard[K, V]) {
	a.mu.Unlock()
	if a != b {
		b.mu.Unlock()
	}
}

// moveLocked is Move under the locks of both shards.
//
// +checklocks:a.mu
// +checklocks:b.mu
func (e *Engine[K, V]) moveLocked(a *shard[K, V], fromHash uint32, from K, b *shard[K, V], toHash uint32, to K) bool {
	n, sl := a.live(fromHash, from)
	switch {
	case n == evict.None:
		return false
	case from == to:
		a.use(n, sl, sl.meta.Load())
		return true
	}
	counter := &b.counts.inserts
	if m, old := b.find(toHash, to); m != evict.None {
		cause := Replaced
		if b.dead(m, old.meta.Load()) {
			cause = b.deathCause(m)
		} else {
			counter = &b.counts.updates
		}
		e.giveBack(1, b.remove(m, cause))
	}
	*counter++
	value, x := sl.value, a.expiryOf(n, sl)
	tags := a.takeTags(n, sl)
	failure := a.failures[n]
	weight := a.remove(n, Moved) // whose credit is the new entry's
	a.overtake(from)
	b.overtake(to)

	hash := b.indexHash(toHash, to)
	b.ring.Admit(hash, weight)
	n, sl = b.allocate()
	sl.key, sl.value, sl.hash = to, value, hash
	sl.meta.Store(metaHeld)
	b.place(n, sl, weight, &x, tags)
	if failure != nil {
		b.setFailure(n, failure)
	}
	return true
}

// expiryOf returns the expiry of a live entry that is used now, as a write states it.
//
// +checklocksread:s.mu
func (s *shard[K, V]) expiryOf(n uint32, sl *slot[K, V]) expiry {
	meta := sl.meta.Load()
	if meta&metaIdle != 0 {
		t := s.wheel.idles.At(n)
		return expiry{deadline: t.deadline, idle: t.span, now: s.clock.now()}
	}
	return expiry{deadline: s.deadline(n, meta)}
}
