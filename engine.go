// SPDX-License-Identifier: MIT

package locmem

import (
	"context"
	"math"
	"runtime"
	"time"
	"weak"

	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/lock"
)

// Engine is a cache of keys K and values V within one process, split into shards
// that are locked on their own. All methods are safe for concurrent use. Make
// one with New; the zero Engine is not usable, and an Engine must not be copied.
type Engine[K comparable, V any] struct {
	_ [0]func() // not comparable

	shards   []shard[K, V] // immutable
	mask     uint64        // immutable
	hasher   hasher[K]     // immutable
	opts     Options[K, V] // immutable
	weighted bool          // immutable: weights are asked for and accounted
	plain    bool          // immutable: no weights, and no lifetimes unless a call asks for one
	lenient  bool          // immutable: loads know of more than live entries and misses, see fetch
	workers  int32         // immutable
	clock    *clock        // immutable

	entries account
	weights account // in use if weighted

	listeners listeners[K, V]

	tags    tagTable
	purgeAt lock.Int64 // when to remove what was invalidated, or never
	purged  lock.Int64 // when that was done last

	refreshing       lock.Int32 // refreshes that run
	refreshesSkipped lock.Uint64
	cursor           lock.Uint32 // where the next search over all shards begins

	serial lock.Mutex // protects the right to hold credit without a shard's lock; see steal
}

// New makes an engine. The error names every fault of the options at once, or what
// is wrong with the rings that Options.Policy has made.
func New[K comparable, V any](opts Options[K, V]) (*Engine[K, V], error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	if opts.Policy == nil {
		opts.Policy = evict.TinyClock
	}
	n := opts.shardCount()
	e := &Engine[K, V]{
		shards:   make([]shard[K, V], n),
		mask:     uint64(n - 1),
		hasher:   newHasher[K](opts.bend),
		opts:     opts,
		weighted: opts.MaxWeight > 0 || opts.Weigh != nil,
		clock:    newClock(opts.Clock),
	}
	e.plain = !e.weighted && opts.TTL == 0 && opts.Idle == 0
	e.tags.open(e.oldestLoad)
	e.purgeAt.Store(never)
	e.purged.Store(-purgeEvery)
	e.entries.open(limitOf(int64(opts.MaxEntries)))
	e.weights.open(limitOf(opts.MaxWeight))
	e.lenient = opts.StaleFor > 0 || opts.StaleIfError > 0 || opts.NegativeTTL > 0 || opts.RefreshAhead > 0
	e.workers = int32(min(opts.Workers, math.MaxInt32))
	if opts.Workers == 0 {
		e.workers = int32(4 * runtime.GOMAXPROCS(0))
	}
	self := weak.Make(e)
	e.clock.engine = func() sweeper {
		if e := self.Value(); e != nil {
			return e
		}
		return nil
	}
	seen := make([]evict.Shard, n)
	for i := range e.shards {
		s := &e.shards[i]
		s.id = i
		s.clock = e.clock
		s.tags = &e.tags
		s.grace = int64(max(opts.StaleFor, opts.StaleIfError))
		s.counting = opts.Stats
		s.keepHash = opts.keepHash
		s.mu.Lock()
		s.loading.oldest.Store(math.MaxUint64)
		s.reset()
		s.mu.Unlock()
		seen[i] = evict.Shard{Capacity: e.share(opts.MaxEntries), Slots: s}
	}
	rings := opts.Policy(seen)
	if err := checkRings(rings, n); err != nil {
		return nil, err
	}
	for i, ring := range rings {
		s := &e.shards[i]
		s.mu.Lock()
		s.ring = ring
		s.mu.Unlock()
		s.maxMark = ring.MaxMark()
		s.ordered, _ = ring.(evict.Ordered)
	}
	if opts.OnRemove != nil {
		e.Watch(opts.OnRemove)
	}
	if e.clock.manual != nil {
		e.clock.manual.attach(e.clock.engine)
	}
	return e, nil
}

// Must returns the engine, or panics if there is an error. It is for variables
// of packages:
//
//	var users = locmem.Must(locmem.New(locmem.Options[int, User]{MaxEntries: 1000}))
func Must[K comparable, V any](e *Engine[K, V], err error) *Engine[K, V] {
	if err != nil {
		panic(err)
	}
	return e
}

// share returns what a shard is expected to hold of n entries, 0 if n is 0.
func (e *Engine[K, V]) share(n int) int {
	return (n + len(e.shards) - 1) / len(e.shards)
}

// shardOf returns the shard of a hash.
func (e *Engine[K, V]) shardOf(hash uint64) *shard[K, V] {
	return &e.shards[hash>>48&e.mask]
}

// Get returns the value of a live entry and marks the entry as used. It takes
// the shard's read lock, runs no user code, allocates nothing, and takes constant
// time on average. With a policy of exact order, such as evict.LRU, it takes the
// write lock.
func (e *Engine[K, V]) Get(key K) (V, bool) {
	hash := e.hasher.sum(key)
	return e.shardOf(hash).get(uint32(hash), key)
}

// Peek returns a live entry without using it: neither eviction nor an idle
// lifetime nor the hit count learns of it. It takes the shard's read lock.
func (e *Engine[K, V]) Peek(key K) (Entry[V], bool) {
	hash := e.hasher.sum(key)
	s := e.shardOf(hash)
	s.mu.RLock()
	defer s.mu.RUnlock()
	n, sl := s.live(uint32(hash), key)
	if n == evict.None {
		return Entry[V]{}, false
	}
	return s.entryOf(n, sl), true
}

// Has reports whether the key has a live entry, without using it. It takes the
// shard's read lock.
func (e *Engine[K, V]) Has(key K) bool {
	hash := e.hasher.sum(key)
	s := e.shardOf(hash)
	s.mu.RLock()
	defer s.mu.RUnlock()
	n, _ := s.live(uint32(hash), key)
	return n != evict.None
}

// Set stores a value, whether or not the key is held, with the expiry that the
// options and the defaults say; nothing of an older entry's is kept unless
// KeepTTL is given. It returns false if the value is not stored: it is heavier
// than MaxWeight, the key is not equal to itself (NaN), or the engine is closed.
// An older entry of the key is gone in the first case too. A write that says that
// the entry has already expired removes the key and returns true.
//
// It takes the shard's lock, evicts what room it needs, allocates nothing for an
// entry, and takes constant time on average. Before it takes the lock it calls
// Options.Weigh; after, listeners, for which it waits if too many events wait.
func (e *Engine[K, V]) Set(key K, value V, opts ...EntryOption) bool {
	return e.write(always, key, value, opts)
}

// Add stores a value if the key has no live entry, and reports whether it did;
// else it changes nothing. Otherwise it is as Set.
func (e *Engine[K, V]) Add(key K, value V, opts ...EntryOption) bool {
	return e.write(ifAbsent, key, value, opts)
}

// Replace stores a value if the key has a live entry, and reports whether it did;
// else it changes nothing. Otherwise it is as Set.
func (e *Engine[K, V]) Replace(key K, value V, opts ...EntryOption) bool {
	return e.write(ifPresent, key, value, opts)
}

func (e *Engine[K, V]) write(mode writeMode, key K, value V, opts []EntryOption) bool {
	hash := e.hasher.sum(key)
	if !e.hasher.storable(key) {
		return false
	}
	w := write[K, V]{key: key, value: value, hash: uint32(hash), mode: mode}
	e.prepare(&w, opts)
	return e.apply(e.shardOf(hash), &w) == stored
}

// Touch gives a live entry the expiry that the options and the defaults say,
// counted from now, and leaves its value alone. It reports whether there was
// one. An expiry that has passed removes the entry. It takes the shard's lock.
func (e *Engine[K, V]) Touch(key K, opts ...EntryOption) bool {
	hash := e.hasher.sum(key)
	s := e.shardOf(hash)
	set := settingsOf(opts)
	x := e.expiryOf(&set)
	s.admit()
	s.mu.Lock()
	n, sl := s.live(uint32(hash), key)
	if n != evict.None {
		switch {
		case x.gone:
			e.giveBack(1, s.remove(n, Deleted))
			s.overtake(key)
		case !x.keep:
			s.setExpiry(n, sl, x)
			s.changed(n)
		}
	}
	e.checkLocked(s)
	s.mu.Unlock()
	s.deliver()
	return n != evict.None
}

// giveBack returns the credit of entries that are no longer held.
func (e *Engine[K, V]) giveBack(entries, weight int64) {
	e.entries.give(entries)
	if e.weighted {
		e.weights.give(weight)
	}
}

// Delete removes the key and reports whether it had a live entry. It takes the
// shard's lock.
func (e *Engine[K, V]) Delete(key K) bool {
	_, ok := e.take(e.hasher.sum(key), key)
	return ok
}

// Take removes the key and returns the value of its live entry. It counts as a
// lookup. It takes the shard's lock.
func (e *Engine[K, V]) Take(key K) (V, bool) {
	hash := e.hasher.sum(key)
	value, ok := e.take(hash, key)
	if s := e.shardOf(hash); s.counting {
		s.count(ok)
	}
	return value, ok
}

func (e *Engine[K, V]) take(hash uint64, key K) (value V, ok bool) {
	s := e.shardOf(hash)
	s.admit()
	s.mu.Lock()
	value, ok = e.takeLocked(s, uint32(hash), key)
	e.checkLocked(s)
	s.mu.Unlock()
	s.deliver()
	return value, ok
}

// takeLocked removes a key and returns the value of its live entry.
//
// +checklocks:s.mu
func (e *Engine[K, V]) takeLocked(s *shard[K, V], hash uint32, key K) (value V, ok bool) {
	s.overtake(key)
	n, sl := s.find(hash, key)
	if n == evict.None {
		return value, false
	}
	cause := Deleted
	if s.dead(n, sl.meta.Load()) {
		cause = s.deathCause(n)
	} else {
		value, ok = sl.value, true
	}
	e.giveBack(1, s.remove(n, cause))
	return value, ok
}

// Clear removes all entries. Loads that run keep their results to themselves.
// It takes each shard's lock in turn, for a time that does not depend on what the
// shard holds, and looks through what has carried tags without it; entries that
// other goroutines store meanwhile may stay.
func (e *Engine[K, V]) Clear() {
	for i := range e.shards {
		s := &e.shards[i]
		s.admit()
		s.mu.Lock()
		entries, weight, tagged := s.clear()
		e.giveBack(entries, weight)
		e.checkLocked(s)
		s.mu.Unlock()
		e.tags.releaseAll(tagged)
		s.deliver()
	}
}

// Len returns the number of entries held, expired ones included that were not
// removed yet. It is at most MaxEntries. It takes no shard's lock.
func (e *Engine[K, V]) Len() int {
	return int(e.entries.used())
}

// Weight returns the weight of the entries held, at most MaxWeight; their number
// if the engine has neither MaxWeight nor Weigh. It takes no shard's lock.
func (e *Engine[K, V]) Weight() int64 {
	if !e.weighted {
		return e.entries.used()
	}
	return e.weights.used()
}

// Now returns the time on the engine's clock, on which deadlines are told: the wall
// clock's when the engine was made, and what the monotonic clock has counted since.
// It never goes back. It takes no lock.
func (e *Engine[K, V]) Now() time.Time { return e.clock.time(min(e.clock.now(), never-1)) }

// Drain waits until the events of all removals that happened before the call
// were delivered, and returns the context's error if that ends first. Where
// nobody delivers it does, and then does not look at the context until the
// listener has returned. A listener that calls it gets ErrReentrant. Without a
// listener it returns at once.
func (e *Engine[K, V]) Drain(ctx context.Context) error {
	if !e.watched() {
		return nil
	}
	if insideListener() {
		return ErrReentrant
	}
	for i := range e.shards {
		out := e.shards[i].out.Load()
		if out == nil {
			continue // a Watch is on its way
		}
		if err := out.await(ctx, out.appended.Load()); err != nil {
			return err
		}
	}
	return nil
}

// deliverAll delivers what waits in all shards. Called with nothing held.
//
// +checklocksexclude:e.serial
func (e *Engine[K, V]) deliverAll() {
	if !e.watched() {
		return
	}
	done := false
	defer func() {
		if !done { // a listener has ended the goroutine
			lock.Go(e.deliverAll)
		}
	}()
	for i := range e.shards {
		e.shards[i].deliver()
	}
	done = true
}

// Close drops all entries as Cleared, ends loads with ErrClosed and cancels their
// contexts, and stops the clock. Afterwards every method is a miss or false. It
// may be called often and from anywhere, listeners and loaders included; it does
// not wait for loaders that ignore their context, nor for listeners at work on
// other goroutines (see Drain).
func (e *Engine[K, V]) Close() {
	e.clock.close()
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		s.closed = true
		aborted := s.abortLoads()
		entries, weight, tagged := s.clear()
		e.giveBack(entries, weight)
		e.checkLocked(s)
		s.mu.Unlock()
		for _, f := range aborted {
			f.finish(ErrClosed)
		}
		e.tags.releaseAll(tagged)
	}
	e.tags.landed()
	e.deliverAll()
}

// sweep removes expired entries from all shards, in bounded steps, and is the
// clock's. Events are delivered on another goroutine unless the clock is manual:
// a slow listener must not hold up the clock.
func (e *Engine[K, V]) sweep(exact bool) {
	if due := e.purgeAt.Load(); due != never && (exact || due <= e.clock.now()) {
		e.purge()
	}
	pending := false
	for i := range e.shards {
		s := &e.shards[i]
		e.sweepShard(s, exact)
		out := s.out.Load()
		pending = pending || out != nil && !out.idle()
	}
	switch {
	case !pending:
	case exact:
		e.deliverAll()
	default:
		lock.Go(e.deliverAll)
	}
}

// sweepShard removes expired entries from a shard, in bounded steps. What it queues is
// the caller's to deliver.
//
// +checklocksexclude:s.mu
func (e *Engine[K, V]) sweepShard(s *shard[K, V], exact bool) {
	for more := true; more && s.next.Load() <= e.clock.now(); {
		s.mu.Lock()
		var entries, weight int64
		entries, weight, more = s.sweep(e.clock.now(), exact)
		e.giveBack(entries, weight)
		e.checkLocked(s)
		s.mu.Unlock()
		e.clock.beat()
		if more {
			lock.Yield() // as in evict
		}
	}
}

// earliest returns a time before which there is nothing to sweep, or never.
func (e *Engine[K, V]) earliest() int64 {
	first := e.purgeAt.Load()
	for i := range e.shards {
		first = min(first, e.shards[i].next.Load())
	}
	return first
}
