// SPDX-License-Identifier: MIT

package locmem

import (
	"hash/maphash"

	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/lock"
	"github.com/locmem/locmem/internal/paged"
)

// slot is where an entry lives. Slots are numbered from 1.
type slot[K comparable, V any] struct {
	key   K
	value V
	// hash is what the index files the entry under; of a free slot, the number of
	// the next free one.
	hash uint32
	// meta is written under the read lock too, by hits that raise the mark, so
	// all that is in it is read atomically there.
	meta lock.Uint32
}

// The bits of a slot's meta.
const (
	metaMark  = 3      // how often the entry was hit since the ring last looked
	metaHeld  = 1 << 2 // the slot holds an entry
	metaTimed = 1 << 3 // the entry is in the deadline index
	metaIdle  = 1 << 4 // the entry has an idle lifetime; metaTimed is set too

	metaTagged   = 1 << 5 // the entry carries tags
	metaNegative = 1 << 6 // it is not an entry: a load has found nothing for the key

	metaMortal = metaTimed | metaTagged | metaNegative // reads may not find what is held; see dead
)

// shard is one stripe of an engine.
//
//	INVARIANT: a slot number from 1 to top is either held or in the free list.
//	INVARIANT: len is the number of held slots, weight the sum of their weights.
//	INVARIANT: index, ring and the held slots agree on what is held.
//	INVARIANT: the wheel holds the held slots marked metaTimed.
//	INVARIANT: next is not after any deadline in the wheel, but for those that had
//	passed when they were filed.
//	INVARIANT: a slot has tags if and only if it is held and marked metaTagged.
//	INVARIANT: a slot in failures is held.
type shard[K comparable, V any] struct {
	_ [0]func() // not comparable

	// mu protects all that follows, except what is atomic or immutable. Reads of an
	// entry hold it shared. No user code runs under it.
	mu lock.RWMutex
	_  [40]byte // what readers only read is not on the line that their locks write to

	index index                   // +checklocks:mu
	slots paged.Array[slot[K, V]] // +checklocks:mu

	maxMark uint32 // immutable: the ring's
	// The index is filed under seed's hashes instead of the engine's.
	seeded   bool // +checklocks:mu
	counting bool // immutable: hits and misses are counted
	closed   bool // +checklocks:mu

	hits        lock.Uint64
	misses      lock.Uint64
	staleServes lock.Uint64

	clock *clock     // immutable
	grace int64      // immutable: how long entries are held beyond their deadlines
	next  lock.Int64 // nothing in the wheel is due earlier; stored under mu
	// Made with the first deadline.
	wheel *wheel // +checklocks:mu

	ring    evict.Ring    // +checklocks:mu
	ordered evict.Ordered // immutable: the ring, if its engine has one order over all shards
	id      int           // immutable: the shard's number

	// Head of the list of free slots.
	free uint32 // +checklocks:mu
	// Slots up to this one have been used.
	top    uint32 // +checklocks:mu
	len    int    // +checklocks:mu
	weight int64  // +checklocks:mu

	// See compactStep.
	packing bool // +checklocks:mu
	// While it packs, free slots from here on are in no list.
	low uint32 // +checklocks:mu

	// Made with the first weight that is not 1.
	weights *paged.Array[int64] // +checklocks:mu
	// Made with the first Compute.
	versions *paged.Array[uint64] // +checklocks:mu
	// The last version given.
	stamp uint64 // +checklocks:mu

	tags *tagTable // immutable: the engine's
	// Made with the first tag.
	tagged *paged.Array[[]carried] // +checklocks:mu
	// Why an entry was not refreshed when it was last tried.
	failures map[uint32]error // +checklocks:mu

	// Those that callers can join.
	flights map[K]*flight[K, V] // +checklocks:mu
	// All that have not landed.
	loading flights[K, V]              // +checklocks:mu
	out     lock.Pointer[outbox[K, V]] // nil before the first listener; stored under mu
	counts  counts                     // +checklocks:mu

	seed maphash.Seed // +checklocks:mu
	// The index is to be rebuilt under hashes of the shard's own.
	flooded  bool // +checklocks:mu
	keepHash bool // immutable: tests: never rebuild
	pins     lock.Int32

	_ [64]byte // the next shard's lock is on another cache line
}

// Hash, Mark and SetMark make a shard evict.Slots.

// +checklocksread:s.mu
func (s *shard[K, V]) Hash(n uint32) uint32 { return s.slots.At(n).hash }

// +checklocksread:s.mu
func (s *shard[K, V]) Mark(n uint32) uint32 { return s.slots.At(n).meta.Load() & metaMark }

// +checklocks:s.mu
func (s *shard[K, V]) SetMark(n, mark uint32) {
	meta := &s.slots.At(n).meta
	meta.Store(meta.Load()&^metaMark | mark&metaMark)
}

// reset empties the fields that Clear replaces whole.
//
// +checklocks:s.mu
func (s *shard[K, V]) reset() {
	s.index = newIndex()
	s.flooded = false // a shard that turned to hashes of its own stays on them
	s.slots = paged.New[slot[K, V]]()
	s.free, s.top, s.len, s.weight = evict.None, 0, 0, 0
	s.packing = false
	s.wheel, s.weights, s.tagged, s.failures = nil, nil, nil, nil
	s.next.Store(never)
	if s.versions != nil {
		versions := paged.New[uint64]() // versions go on: a Compute under way must see the change
		s.versions = &versions
	}
}

// indexHash returns the hash under which the index files a key.
//
// +checklocksread:s.mu
func (s *shard[K, V]) indexHash(hash uint32, key K) uint32 {
	if s.seeded {
		return uint32(maphash.Comparable(s.seed, key))
	}
	return hash
}

// find returns the slot that holds the key, or None. The entry may have expired.
//
// +checklocksread:s.mu
func (s *shard[K, V]) find(hash uint32, key K) (uint32, *slot[K, V]) {
	h := hash
	if s.seeded {
		h = s.indexHash(hash, key)
	}
	cells := s.index.cells
	mask := uint32(len(cells) - 1)
	for i := h >> s.index.shift & mask; ; i = (i + 1) & mask {
		c := cells[i]
		if c == 0 {
			break
		}
		if uint32(c>>32) == h {
			if sl := s.slots.At(uint32(c)); sl.key == key {
				return uint32(c), sl
			}
		}
	}
	if s.index.old != nil {
		return s.findOld(hash, h, key)
	}
	return evict.None, nil
}

// findOld looks into what a move has left in the old table.
//
// +checklocksread:s.mu
func (s *shard[K, V]) findOld(first, h uint32, key K) (uint32, *slot[K, V]) {
	if s.index.rehash {
		h = first
	}
	cells := s.index.old
	mask := uint32(len(cells) - 1)
	for i, n := h>>s.index.oldShift&mask, 0; n < len(cells) && cells[i] != 0; i, n = (i+1)&mask, n+1 {
		c := cells[i]
		if uint32(c>>32) == h && uint32(c) != tomb {
			if sl := s.slots.At(uint32(c)); sl.key == key {
				return uint32(c), sl
			}
		}
	}
	return evict.None, nil
}

const (
	// An index is taken for flooded with crafted keys when a new key has to pass
	// over so many cells, or over so many of its very own hash. In a table of 10
	// million cells at full load a run of 768 has a chance of some millionths, and
	// 16 equal 32-bit hashes have none; a false alarm costs a rebuild.
	floodPassed = 768
	floodEqual  = 16
)

// enter files a slot in the index. The shard's len counts it already.
//
// +checklocks:s.mu
func (s *shard[K, V]) enter(n uint32, sl *slot[K, V]) {
	x := &s.index
	if len(x.old) > len(x.cells) {
		s.moveCells(shrinkMovesPerStep)
	} else if x.old != nil {
		s.moveCells(movesPerStep)
	}
	if s.len > capacityOf(len(x.cells)) { // the move is over by now: see movesPerStep
		x.rehash = false
		x.replaceTable(max(minCells, 2*len(x.cells)))
	}
	passed, equal := x.place(sl.hash, n)
	if (passed > floodPassed || equal > floodEqual) && !s.seeded && !s.keepHash {
		s.flooded = true
	}
	if s.flooded && x.old == nil && s.pins.Load() == 0 {
		s.reseed()
	}
}

// reseed begins to rebuild the index under hashes that nobody can foresee. An
// iteration under way puts it off, because it walks the hashes in order.
//
// +checklocks:s.mu
func (s *shard[K, V]) reseed() {
	s.flooded = false
	s.seeded = true
	s.seed = maphash.MakeSeed()
	s.index.replaceTable(s.index.smaller(cellsFor(2 * s.index.used)))
	s.index.rehash = true
}

// moveCells looks at the next n cells of the old table and moves what they hold.
//
// +checklocks:s.mu
func (s *shard[K, V]) moveCells(n int) {
	x := &s.index
	for ; n > 0 && x.moved < len(x.old); n-- {
		c := x.old[x.moved]
		if slot := uint32(c); slot != evict.None && slot != tomb {
			hash := uint32(c >> 32)
			if x.rehash {
				sl := s.slots.At(slot)
				hash = s.indexHash(hash, sl.key)
				sl.hash = hash
			}
			x.place(hash, slot)
			x.old[x.moved] = c | tomb
		}
		x.moved++
	}
	if x.moved == len(x.old) {
		x.old, x.rehash = nil, false
	}
}

// allocate returns a free slot.
//
// +checklocks:s.mu
func (s *shard[K, V]) allocate() (uint32, *slot[K, V]) {
	n := s.free
	if n == evict.None {
		s.top++
		n = s.top
		s.slots.Grow(n)
		return n, s.slots.At(n)
	}
	sl := s.slots.At(n)
	s.free = sl.hash
	return n, sl
}

// dead reports whether reads must not find what a slot holds: an entry that has
// expired, the boundary included, or was invalidated, or the note that there is
// none. Called with the entry's meta.
//
// +checklocksread:s.mu
func (s *shard[K, V]) dead(n, meta uint32) bool {
	switch meta & (metaMortal | metaIdle) {
	case 0:
		return false
	case metaTimed: // the usual one, written out
		return s.clock.passed(s.wheel.timers.At(n).when - s.grace)
	default:
		return meta&metaNegative != 0 || s.expired(n, meta) || s.invalid(n, meta)
	}
}

// expired reports whether what a slot holds has expired.
//
// +checklocksread:s.mu
func (s *shard[K, V]) expired(n, meta uint32) bool {
	if meta&metaTimed == 0 {
		return false
	}
	if meta&metaIdle != 0 {
		return s.wheel.idles.At(n).end() <= s.clock.now()
	}
	return s.clock.passed(s.deadline(n, meta))
}

// deadline returns the time at which an entry expires, or never.
//
// +checklocksread:s.mu
func (s *shard[K, V]) deadline(n, meta uint32) int64 {
	switch {
	case meta&metaTimed == 0:
		return never
	case meta&metaIdle != 0:
		return s.wheel.idles.At(n).end()
	case meta&metaNegative != 0:
		return s.wheel.timers.At(n).when
	default:
		return s.wheel.timers.At(n).when - s.grace
	}
}

// deathCause returns why an entry that is dead will have been removed.
//
// +checklocksread:s.mu
func (s *shard[K, V]) deathCause(n uint32) Cause {
	if s.invalid(n, s.slots.At(n).meta.Load()) {
		return Invalidated
	}
	return Expired
}

// live returns the slot of a key's entry if it has one that has not expired.
//
// +checklocksread:s.mu
func (s *shard[K, V]) live(hash uint32, key K) (uint32, *slot[K, V]) {
	n, sl := s.find(hash, key)
	if n != evict.None && s.dead(n, sl.meta.Load()) {
		return evict.None, nil
	}
	return n, sl
}

// use counts a hit for eviction and, if the entry has an idle lifetime, for
// expiry. Called under the read lock, or under the write lock if the ring wants
// to be told.
//
// +checklocksread:s.mu
func (s *shard[K, V]) use(n uint32, sl *slot[K, V], meta uint32) {
	if meta&metaMark < s.maxMark {
		// Losing to another hit is fine: it raised the mark as well.
		sl.meta.CompareAndSwap(meta, meta+1)
	} else if s.maxMark == 0 {
		s.ring.Hit(n)
	}
	if meta&metaIdle != 0 {
		used := &s.wheel.idles.At(n).used
		if now := s.clock.now(); now > used.Load() {
			used.Store(now)
		}
	}
}

// lockToUse takes the lock under which use may be called.
//
// +checklocksacquireread:s.mu
// +checklocksignore: the ring says which of the two it takes; callers may count on the weaker one
func (s *shard[K, V]) lockToUse() {
	if s.maxMark == 0 {
		s.mu.Lock()
	} else {
		s.mu.RLock()
	}
}

// unlockToUse gives it back.
//
// +checklocksreleaseread:s.mu
// +checklocksignore: as lockToUse
func (s *shard[K, V]) unlockToUse() {
	if s.maxMark == 0 {
		s.mu.Unlock()
	} else {
		s.mu.RUnlock()
	}
}

// get is the hot path of every read that counts as a use: lockToUse, live and
// use, written out.
//
// +checklocksexclude:s.mu
// +checklocksignore: as lockToUse; fetch is the same with calls, and is checked
func (s *shard[K, V]) get(hash uint32, key K) (value V, ok bool) {
	if s.maxMark == 0 {
		s.mu.Lock()
	} else {
		s.mu.RLock()
	}
	n, sl := s.find(hash, key)
	if n != evict.None {
		meta := sl.meta.Load()
		if meta&metaMortal == 0 || !s.dead(n, meta) {
			value, ok = sl.value, true
			if meta&metaMark < s.maxMark && meta&metaIdle == 0 {
				sl.meta.CompareAndSwap(meta, meta+1)
			} else if s.maxMark == 0 || meta&metaIdle != 0 {
				s.use(n, sl, meta)
			}
		}
	}
	if s.maxMark == 0 {
		s.mu.Unlock()
	} else {
		s.mu.RUnlock()
	}
	if s.counting {
		s.count(ok)
	}
	return value, ok
}

// count counts a lookup.
func (s *shard[K, V]) count(hit bool) {
	if hit {
		s.hits.Add(1)
	} else {
		s.misses.Add(1)
	}
}

// weightOf returns the weight of a held entry.
//
// +checklocksread:s.mu
func (s *shard[K, V]) weightOf(n uint32) int64 {
	if s.weights == nil || int(n) >= s.weights.Len() {
		return 1
	}
	return *s.weights.At(n)
}

// setWeight keeps the weight of a slot.
//
// +checklocks:s.mu
func (s *shard[K, V]) setWeight(n uint32, weight int64) {
	if s.weights == nil {
		if weight == 1 {
			return
		}
		weights := paged.New[int64]()
		weights.Grow(s.top)
		for i := range uint32(weights.Len()) {
			*weights.At(i) = 1
		}
		s.weights = &weights
	}
	s.weights.Grow(n)
	*s.weights.At(n) = weight
}

// changed gives a slot a new version.
//
// +checklocks:s.mu
func (s *shard[K, V]) changed(n uint32) {
	if s.versions != nil {
		s.stamp++
		s.versions.Grow(n)
		*s.versions.At(n) = s.stamp
	}
}

// setFailure keeps why an entry was not refreshed.
//
// +checklocks:s.mu
func (s *shard[K, V]) setFailure(n uint32, err error) {
	if s.failures == nil {
		s.failures = make(map[uint32]error)
	}
	s.failures[n] = err
}

// version returns a slot's version, the same until its entry changes.
//
// +checklocksread:s.mu
func (s *shard[K, V]) version(n uint32) uint64 {
	if n == evict.None || int(n) >= s.versions.Len() {
		return 0
	}
	return *s.versions.At(n)
}

// report queues the event of an entry that goes, and counts it.
//
// +checklocks:s.mu
func (s *shard[K, V]) report(sl *slot[K, V], weight int64, cause Cause) {
	if sl.meta.Load()&metaNegative != 0 {
		s.counts.removed[noCause].entries++
		return
	}
	s.counts.removed[cause].entries++
	s.counts.removed[cause].weight += weight
	if out := s.out.Load(); out != nil {
		out.append(parcel[K, V]{removal: Removal[K, V]{Key: sl.key, Value: sl.value, Cause: cause, Weight: weight}}, 1)
	}
}

// drop removes a held entry that the ring has forgotten, and returns its weight.
// What it held of the accounts is the caller's to give back.
//
// +checklocks:s.mu
func (s *shard[K, V]) drop(n uint32, cause Cause) (weight int64) {
	sl := s.slots.At(n)
	weight = s.weightOf(n)
	s.report(sl, weight, cause)
	s.index.remove(sl.hash, n)
	meta := sl.meta.Load()
	if meta&metaTimed != 0 {
		s.wheel.remove(n)
	}
	if cause == Invalidated {
		s.overtakeOlder(sl.key, *s.tagged.At(n))
	}
	if meta&metaTagged != 0 {
		s.setTags(n, sl, nil)
	}
	if s.failures != nil {
		delete(s.failures, n)
	}
	s.changed(n)
	s.len--
	s.weight -= weight
	sl.key, sl.value = *new(K), *new(V)
	sl.meta.Store(0)
	if s.packing && n >= s.low {
		return weight
	}
	sl.hash, s.free = s.free, n
	return weight
}

// remove removes a held entry.
//
// +checklocks:s.mu
func (s *shard[K, V]) remove(n uint32, cause Cause) (weight int64) {
	s.ring.Remove(n)
	return s.drop(n, cause)
}

// expiry is a write's whole expiry, worked out before the lock is taken.
type expiry struct {
	keep     bool  // of a live entry: as it is
	gone     bool  // already expired
	negative bool  // of the note that there is no entry: it has no grace
	deadline int64 // or never
	idle     int64 // longest time between hits; 0: none
	now      int64 // when the entry was last used: the time of the call; 0 if nothing depends on it
}

// setExpiry makes a held slot expire as said.
//
// +checklocks:s.mu
func (s *shard[K, V]) setExpiry(n uint32, sl *slot[K, V], x expiry) {
	meta := sl.meta.Load()
	if meta&metaTimed == 0 && x.deadline == never && x.idle == 0 {
		return
	}
	if meta&metaTimed != 0 {
		s.wheel.remove(n)
		meta &^= metaTimed | metaIdle
	}
	if x.deadline != never || x.idle > 0 {
		if s.wheel == nil {
			s.wheel = newWheel(max(0, x.now)) // an entry that is restored can be older than the engine
		}
		meta |= metaTimed
		when := x.deadline
		if s.grace > 0 && !x.negative {
			when = after(when, s.grace)
		}
		if x.idle > 0 {
			meta |= metaIdle
			s.wheel.addIdle(n, x.idle, x.deadline, x.now)
			when = min(when, after(x.now, x.idle))
		}
		s.wheel.add(n, when)
		if when < s.next.Load() {
			s.next.Store(when)
		}
		s.clock.expect(when)
	}
	sl.meta.Store(meta)
}

// due returns a held slot whose entry has expired, its grace included, or None;
// see wheel.due.
//
// +checklocks:s.mu
func (s *shard[K, V]) due(now int64, exact bool, budget *int) uint32 {
	for s.wheel != nil {
		n := s.wheel.due(now, exact, budget)
		if n != evict.None && s.slots.At(n).meta.Load()&metaIdle != 0 {
			if end := s.wheel.idles.At(n).gone(s.grace); end > now { // hit since
				s.wheel.remove(n)
				s.wheel.add(n, end)
				*budget--
				continue
			}
		}
		if n == evict.None {
			s.next.Store(s.wheel.earliest())
		}
		return n
	}
	return evict.None
}

// victim chooses an entry to make room and makes the ring forget it: one that
// has expired if there is one, else the policy's choice, which is not checked. It
// returns None if there is none in this shard, or without a cause if it is not
// this shard's turn in the engine's order.
//
// +checklocks:s.mu
func (s *shard[K, V]) victim(incoming bool, keep uint32) (n uint32, cause Cause) {
	if s.wheel != nil && s.clock.passed(s.next.Load()) {
		budget := maxRemovals
		if n = s.due(s.clock.now(), false, &budget); n != evict.None && n != keep {
			s.ring.Remove(n)
			return n, s.deathCause(n)
		}
	}
	if s.ordered != nil && s.ordered.Oldest() != s.id {
		return evict.None, 0
	}
	n = s.ring.Evict(incoming, keep)
	if n != evict.None && n <= s.top && s.dead(n, s.slots.At(n).meta.Load()) {
		return n, s.deathCause(n)
	}
	return n, Evicted
}

// sweep removes expired entries, at most maxRemovals, and returns how many and
// their weight. more tells that there may be others.
//
// +checklocks:s.mu
func (s *shard[K, V]) sweep(now int64, exact bool) (removed, weight int64, more bool) {
	budget := maxRemovals
	for budget > 0 {
		n := s.due(now, exact, &budget)
		if n == evict.None {
			return removed, weight, budget <= 0
		}
		weight += s.remove(n, s.deathCause(n))
		removed++
		budget--
	}
	return removed, weight, true
}

// overtake makes a load that runs for the key keep its result to itself: another
// write has come since it began. Callers from now on start a load of their own.
//
// +checklocks:s.mu
func (s *shard[K, V]) overtake(key K) {
	if len(s.flights) == 0 {
		return
	}
	if f := s.flights[key]; f != nil {
		f.overtaken = true
		delete(s.flights, key)
	}
}

// overtakeOlder is overtake for an entry that goes because its tags were
// invalidated: a load that began since then goes on.
//
// +checklocks:s.mu
func (s *shard[K, V]) overtakeOlder(key K, tags []carried) {
	if f := s.flights[key]; f != nil && lastInvalidation(tags) > f.began {
		s.overtake(key)
	}
}

// clear takes all the shard holds away and returns how many entries, what weight,
// and the tags, which are to be released without the lock. It costs the same
// whatever the shard holds: events are made when they are delivered.
//
// +checklocks:s.mu
func (s *shard[K, V]) clear() (entries, weight int64, tagged *paged.Array[[]carried]) {
	for _, f := range s.flights {
		f.overtaken = true
	}
	clear(s.flights)
	if s.top == 0 {
		return 0, 0, nil
	}
	entries, weight, tagged = int64(s.len), s.weight, s.tagged
	notes := s.counts.notes()
	s.counts.removed[noCause].entries += notes
	s.counts.removed[Cleared].entries += uint64(entries) - notes
	s.counts.removed[Cleared].weight += weight - int64(notes)
	out := s.out.Load()
	if events := int(entries) - int(notes); out != nil && events > 0 {
		out.append(parcel[K, V]{cleared: &cleared[K, V]{slots: s.slots, weights: s.weights, top: s.top}}, events)
	}
	s.ring.Clear()
	s.reset()
	return entries, weight, tagged
}
