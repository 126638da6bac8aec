// SPDX-License-Identifier: MIT

package locmem

import (
	"context"

	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/lock"
)

// finding is what a load sees when it looks at what is held for its key.
type finding uint8

const (
	missing finding = iota // it has to load
	noted                  // an earlier load has found nothing
	usable                 // a live entry, or a stale one that is being refreshed
	due                    // an entry to return and to refresh
)

// look tells what a slot has for a load.
//
// +checklocksread:s.mu
func (e *Engine[K, V]) look(s *shard[K, V], n uint32, sl *slot[K, V]) finding {
	meta := sl.meta.Load()
	switch {
	case meta&metaMortal == 0:
		return usable
	case meta&metaNegative != 0:
		if s.expired(n, meta) {
			return missing
		}
		return noted
	case s.invalid(n, meta):
		return missing
	case !s.expired(n, meta):
		if e.opts.RefreshAhead == 0 || !s.near(n, meta, int64(e.opts.RefreshAhead)) {
			return usable
		}
	case e.opts.StaleFor == 0 || !s.within(n, meta, int64(e.opts.StaleFor)):
		return missing
	}
	if s.flights[sl.key] != nil {
		return usable
	}
	return due
}

// within reports whether an entry's deadline, if it has one, and so much more has
// not passed, and neither has its idle lifetime.
//
// +checklocksread:s.mu
func (s *shard[K, V]) within(n, meta uint32, more int64) bool {
	switch {
	case meta&metaTimed == 0:
		return true
	case meta&metaIdle != 0:
		return s.clock.now() < s.wheel.idles.At(n).gone(more)
	default:
		return s.clock.now() < after(s.deadline(n, meta), more)
	}
}

// near reports whether less than so much is left until a live entry's deadline.
//
// +checklocksread:s.mu
func (s *shard[K, V]) near(n, meta uint32, less int64) bool {
	if meta&metaTimed == 0 {
		return false
	}
	deadline := s.deadline(n, meta)
	if meta&metaIdle != 0 {
		if deadline = s.wheel.idles.At(n).deadline; deadline == never {
			return false
		}
	}
	return s.clock.passed(deadline - less)
}

// fetch is get for a load: it returns the entry and sees what only loads see.
func (e *Engine[K, V]) fetch(hash uint64, key K) (entry Entry[V], found finding) {
	s := e.shardOf(hash)
	s.lockToUse()
	n, sl := s.find(uint32(hash), key)
	if n != evict.None {
		meta := sl.meta.Load()
		if found = e.look(s, n, sl); found >= usable {
			entry = s.entryOf(n, sl)
			entry.Stale = s.grace > 0 && s.expired(n, meta)
		}
		if found != missing {
			s.use(n, sl, meta)
		}
	}
	s.unlockToUse()
	if entry.Stale {
		s.staleServes.Add(1)
	}
	if s.counting {
		s.count(found != missing)
	}
	return entry, found
}

// refresh loads keys again with nobody waiting, by one call of the loader, unless
// all workers are busy: a later read will ask again.
func (e *Engine[K, V]) refresh(ctx context.Context, keys []keyed[K], load loadFunc[K, V], set settings) {
	if e.refreshing.Add(1) > e.workers {
		e.refreshing.Add(-1)
		e.refreshesSkipped.Add(1)
		return
	}
	call := newCall(ctx)
	var flights []*flight[K, V]
	for i := range keys {
		if f := e.takeOffToRefresh(&keys[i], call); f != nil {
			flights = append(flights, f)
		}
	}
	if len(flights) == 0 {
		call.cancel()
		e.refreshing.Add(-1)
		return
	}
	lock.Go(func() {
		defer e.refreshing.Add(-1)
		e.fly(call, flights, load, &set)
	})
}

// takeOffToRefresh makes the flight of a key that is still to be refreshed.
func (e *Engine[K, V]) takeOffToRefresh(k *keyed[K], call *loaderCall) *flight[K, V] {
	s := e.shardOf(k.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	n, sl := s.find(uint32(k.hash), k.key)
	if s.closed || n == evict.None || e.look(s, n, sl) != due {
		return nil
	}
	f := s.takeOff(k.hash, k.key, true, call, e.tags.clock.Load())
	f.refresh = true
	f.waiters = 1 // the engine
	s.counts.refreshes++
	return f
}
