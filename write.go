// SPDX-License-Identifier: MIT

package locmem

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/lock"
)

// maxRemovals is how many entries one hold of a shard's lock removes at most.
const maxRemovals = 64

// writeMode is under which condition a write stores.
type writeMode uint8

const (
	always     writeMode = iota
	ifAbsent             // Add
	ifPresent            // Replace
	ifSame               // Compute: the entry is as it was read
	ifLoading            // the end of a load: nothing was written since its start
	noting               // the same, of a load that has found nothing
	removeSame           // Compute: remove the entry if it is as it was read
)

// write is one write on its way. It is prepared with no lock held, where it may
// call user code, and then applied under the lock of its shard, if need be in
// several rounds.
type write[K comparable, V any] struct {
	key    K
	value  V
	hash   uint32
	mode   writeMode
	weight int64
	within within
	expiry expiry
	tags   *[]string // nil: none

	slot    uint32 // ifSame, removeSame: what was read
	version uint64
	flight  *flight[K, V] // ifLoading, noting

	// Credit in hand: taken from the accounts or from victims, and not yet held
	// by an entry. What is left at the end goes back.
	entries, credit int64
	admitted        bool  // the ring was told of the key
	swept           bool  // what had expired was removed to make room
	culled          bool  // evicted what Cull says
	serial          bool  // holds Engine.serial
	wide            bool  // victims may have come from any shard
	held            bool  // stored: the entry is held, and not gone at once
	fault           error // broken: which rule the policy broke, and where
}

// outcome is what came of one round of a write.
type outcome uint8

const (
	refused   outcome = iota // too heavy, closed, or the flight has ended: not stored
	stored                   // or removed, where that was asked
	kept                     // the mode's condition does not hold: nothing was changed
	changed                  // the entry is not as it was read
	again                    // one hold was not enough; the shard has more to evict
	starved                  // the shard has nothing to evict: make room elsewhere
	cluttered                // a write with a limit needs room, and something has expired
	crowded                  // a write with a limit on entries needs room
	broken                   // the policy broke a rule of evict.Ring; see write.fault
)

// weigh returns the weight of a new entry. It may call the user's weigher.
//
// +checklocksexclude:e.serial
func (e *Engine[K, V]) weigh(key K, value V, set *settings) int64 {
	switch {
	case !e.weighted:
		return 1
	case set.hasWeight:
		return set.weight
	case e.opts.Weigh == nil:
		return 1
	}
	weight := e.opts.Weigh(key, value)
	if weight < 0 {
		panic(fmt.Sprintf("locmem: Options.Weigh returned %d: a weight must not be negative", weight))
	}
	return weight
}

// expiryOf works out a write's expiry from its options and the defaults.
func (e *Engine[K, V]) expiryOf(set *settings) (x expiry) {
	x.deadline = never
	x.idle = int64(e.opts.Idle)
	if set.hasIdle {
		x.idle = set.idle
	} else if set.expiry == optionNoTTL {
		x.idle = 0
	}
	ttl := int64(never)
	read := false // the time is x.now
	switch set.expiry {
	case optionTTL:
		ttl = e.jittered(set.ttl)
	case optionExpireAt:
		var wall time.Time
		x.now, wall = e.clock.moment()
		ttl, read = int64(set.at.Sub(wall)), true
	case optionNoTTL:
	default:
		x.keep = set.expiry == optionKeepTTL
		if e.opts.TTL > 0 {
			ttl = e.jittered(int64(e.opts.TTL))
		}
	}
	x.gone = !x.keep && (ttl <= 0 || set.hasIdle && set.idle <= 0)
	if ttl == never && x.idle <= 0 {
		x.idle, x.now = 0, 0
		return x
	}
	if !read {
		x.now = e.clock.now()
	}
	x.deadline = after(x.now, ttl)
	return x
}

// jittered returns a lifetime as Options.Jitter shortens it, at least a nanosecond
// if it was one.
func (e *Engine[K, V]) jittered(ttl int64) int64 {
	if span := int64(float64(ttl) * e.opts.Jitter); span > 0 {
		ttl -= rand.Int64N(span)
	}
	return ttl
}

// prepare makes a write of a value ready to be applied. It may call the user's
// weigher.
func (e *Engine[K, V]) prepare(w *write[K, V], opts []EntryOption) {
	w.weight = 1
	w.expiry.deadline = never
	if e.plain && len(opts) == 0 {
		return
	}
	set := settingsOf(opts)
	e.prepareSet(w, &set)
}

// prepareSet is prepare with the call's options put together.
func (e *Engine[K, V]) prepareSet(w *write[K, V], set *settings) {
	w.weight = e.weigh(w.key, w.value, set)
	w.within = set.within
	w.tags = set.tags
	w.expiry = e.expiryOf(set)
}

// apply carries a write out that is not the end of a load: that would hold up those who
// wait for it, and is not admitted. It is called with nothing held and calls listeners,
// but only before it has begun and after it has ended: a listener may end the
// goroutine.
//
// +checklocksexclude:s.mu
func (e *Engine[K, V]) apply(s *shard[K, V], w *write[K, V]) outcome {
	s.admit()
	return e.carryOut(s, w)
}

// carryOut is apply for a write that is admitted, which may have credit in hand.
// What the policy did wrong is told when nothing is held any more: a load's
// callers get it as their error, all others as a panic.
//
// +checklocksexclude:s.mu
func (e *Engine[K, V]) carryOut(s *shard[K, V], w *write[K, V]) outcome {
	for w.fault == nil {
		s.mu.Lock()
		o := e.put(s, w)
		e.checkLocked(s)
		spare := s.index.wantsSpare()
		s.mu.Unlock()
		if spare > 0 {
			e.growAhead(s, spare)
		}
		switch o {
		case again:
		case starved:
			e.steal(s, w)
		case cluttered:
			w.swept, w.wide = true, true
			e.sweepShards()
		case crowded:
			e.makeRoom(w)
		case broken:
		default:
			e.settle(s, w)
			return o
		}
	}
	e.settle(s, w)
	if w.flight == nil {
		panic(w.fault.Error())
	}
	return broken
}

// settle ends a write: what is in hand goes back, and events are delivered.
//
// +checklocksexclude:s.mu
func (e *Engine[K, V]) settle(s *shard[K, V], w *write[K, V]) {
	e.layDown(w)
	if w.serial {
		e.leaveSerial(w)
	}
	if w.flight != nil {
		e.land(w.flight, cmp.Or(w.fault, w.flight.failure), w.mode == noting) // before listeners, which may be slow
		return                                                                // to fly, which calls them
	}
	if w.wide {
		e.deliverAll()
	} else {
		s.deliver()
	}
}

// layDown gives back what a writer has in hand.
func (e *Engine[K, V]) layDown(w *write[K, V]) {
	e.giveBack(w.entries, w.credit)
	w.entries, w.credit = 0, 0
}

// enterSerial waits for the right to hold credit between locks, with empty hands.
//
// +checklocksexclude:e.serial
// +checklocksignore: the write takes the lock along, to settle
func (e *Engine[K, V]) enterSerial(w *write[K, V]) {
	e.layDown(w)
	e.serial.Lock()
	w.serial = true
}

// leaveSerial gives the right back.
//
// +checklocksignore: the write has brought the lock along
func (e *Engine[K, V]) leaveSerial(w *write[K, V]) {
	w.serial = false
	e.serial.Unlock()
}

// growAhead makes a large table for the shard's next growth outside the lock.
//
// +checklocksexclude:s.mu
func (e *Engine[K, V]) growAhead(s *shard[K, V], cells int) {
	spare := make([]uint64, cells)
	s.mu.Lock()
	if s.index.wantsSpare() == cells {
		s.index.spare = spare
	}
	s.mu.Unlock()
}

// put is one round of a write.
//
// +checklocks:s.mu
func (e *Engine[K, V]) put(s *shard[K, V], w *write[K, V]) outcome {
	if s.closed {
		return refused
	}
	n, sl := s.find(w.hash, w.key)
	dead := evict.None
	if n != evict.None && s.dead(n, sl.meta.Load()) {
		n, sl, dead = evict.None, nil, n
	}
	switch w.mode {
	case always:
	case ifAbsent:
		if n != evict.None {
			return kept
		}
	case ifPresent:
		if n == evict.None {
			return kept
		}
	case ifSame, removeSame:
		if n != w.slot || s.version(n) != w.version {
			return changed
		}
	case ifLoading, noting:
		if w.flight.done {
			return refused
		}
		if w.flight.overtaken && n != evict.None { // by a write, whose value counts
			w.flight.entry, w.flight.failure = s.entryOf(n, sl), nil
			return kept
		}
		if w.tags != nil {
			w.flight.invalidated = e.tags.invalidatedSince(*w.tags, w.flight.began)
		}
		if w.flight.overtaken || w.flight.invalidated > 0 {
			return kept
		}
	}
	if dead != evict.None {
		w.entries++
		w.credit += s.remove(dead, s.deathCause(dead))
		if w.flight != nil && w.flight.overtaken { // by the invalidation of the tags that it had
			return kept
		}
	} else if w.mode == noting && n != evict.None {
		w.entries++
		w.credit += s.remove(n, Deleted)
		n, sl = evict.None, nil
	}
	if w.mode == removeSame || w.expiry.gone && !(w.expiry.keep && n != evict.None) {
		if n != evict.None {
			w.entries++
			w.credit += s.remove(n, Deleted)
		}
		s.overtake(w.key)
		return stored
	}
	if e.weighted && (w.weight > e.weights.limit.Load() || w.within.weight > 0 && w.weight > w.within.weight) {
		if n != evict.None {
			w.entries++
			w.credit += s.remove(n, TooHeavy)
		}
		s.counts.rejected++
		s.overtake(w.key)
		return refused
	}
	var o outcome
	if n != evict.None {
		o = e.update(s, w, n, sl)
	} else {
		o = e.insert(s, w)
	}
	if o == stored {
		s.overtake(w.key)
	}
	return o
}

// update gives a live entry a new value.
//
// +checklocks:s.mu
func (e *Engine[K, V]) update(s *shard[K, V], w *write[K, V], n uint32, sl *slot[K, V]) outcome {
	old := s.weightOf(n)
	if s.maxMark == 0 {
		s.ring.Hit(n) // first, so that it is not the one whose turn it is
	}
	if w.weight != old {
		if o := e.reserve(s, w, 0, w.weight-old, n); o != stored {
			return o
		}
	}
	var tags []carried
	if w.tags != nil { // most writes have none, and do without the call
		var o outcome
		if tags, o = e.carry(w); o != stored {
			return o
		}
		// An invalidation takes no shard's lock. If the entry has become invalid since it
		// was found, and the tags were taken after that, what was stored because of it
		// would outlive it.
		if s.invalid(n, sl.meta.Load()) {
			e.tags.release(tags)
			return again
		}
	}
	w.credit -= w.weight - old
	s.weight += w.weight - old
	s.report(sl, old, Replaced)
	s.counts.updates++
	sl.value = w.value
	if w.weight != old {
		s.setWeight(n, w.weight)
		s.ring.Reweigh(n, w.weight)
	}
	meta := sl.meta.Load()
	if meta&metaMark < s.maxMark {
		sl.meta.Store(meta + 1)
	}
	if !w.expiry.keep {
		s.setExpiry(n, sl, w.expiry)
	}
	if tags != nil || meta&metaTagged != 0 && !w.expiry.keep {
		s.setTags(n, sl, tags)
	}
	if s.failures != nil {
		delete(s.failures, n)
	}
	s.changed(n)
	w.held = true
	if w.flight != nil {
		w.flight.entry = s.entryOf(n, sl)
	}
	return stored
}

// insert stores a key that is not held.
//
// +checklocks:s.mu
func (e *Engine[K, V]) insert(s *shard[K, V], w *write[K, V]) outcome {
	hash := s.indexHash(w.hash, w.key)
	if !w.admitted {
		w.admitted = true
		s.ring.Admit(hash, w.weight)
	}
	if o := e.reserve(s, w, 1, w.weight, evict.None); o != stored {
		return o
	}
	var tags []carried
	if w.tags != nil {
		var o outcome
		if tags, o = e.carry(w); o != stored {
			return o
		}
	}
	w.entries--
	w.credit -= w.weight
	n, sl := s.allocate()
	sl.key, sl.value, sl.hash = w.key, w.value, hash
	if w.mode == noting {
		sl.meta.Store(metaHeld | metaNegative)
		s.counts.negatives++
	} else {
		sl.meta.Store(metaHeld)
		s.counts.inserts++
	}
	s.place(n, sl, w.weight, &w.expiry, tags)
	w.held = true
	if w.mode == ifLoading {
		w.flight.entry = s.entryOf(n, sl)
	}
	return stored
}

// place makes the entry in a slot part of the shard. The ring was told of its key.
//
// +checklocks:s.mu
func (s *shard[K, V]) place(n uint32, sl *slot[K, V], weight int64, x *expiry, tags []carried) {
	s.len++
	s.weight += weight
	s.setWeight(n, weight)
	s.enter(n, sl)
	s.ring.Insert(n, weight)
	s.setExpiry(n, sl, *x)
	if tags != nil {
		s.setTags(n, sl, tags)
	}
	s.changed(n)
}

// carry returns the tags of an entry that is about to be stored. If one of them
// was invalidated since the load began that the entry comes from, it returns
// kept. Called under the shard's lock.
func (e *Engine[K, V]) carry(w *write[K, V]) ([]carried, outcome) {
	tags := e.tags.carry(*w.tags)
	if f := w.flight; f != nil { // it was so a moment ago; see put
		if last := lastInvalidation(tags); last > f.began {
			f.invalidated = last
			e.tags.release(tags)
			return nil, kept
		}
	}
	return tags, stored
}

// reserve brings so many entries and so much weight of credit into the writer's
// hand: what it has, what is free, and then what the shard's victims leave. The
// entry in slot keep is not evicted.
//
// +checklocks:s.mu
func (e *Engine[K, V]) reserve(s *shard[K, V], w *write[K, V], entries, weight int64, keep uint32) outcome {
	if !e.weighted {
		weight = w.credit
	}
	if w.within != (within{}) {
		return e.reserveWithin(s, w, entries, weight, keep)
	}
	for removals := 0; ; removals++ {
		if w.entries < entries && e.entries.take(entries-w.entries) {
			w.entries = entries
		}
		if w.credit < weight && e.weights.take(weight-w.credit) {
			w.credit = weight
		}
		if w.entries >= entries && w.credit >= weight {
			return stored
		}
		if removals == maxRemovals {
			return again
		}
		if !s.evictFor(w, entries > 0, keep) {
			if w.fault != nil {
				return broken
			}
			return starved
		}
	}
}

// evictFor brings what one victim leaves into the writer's hand. It returns false
// if the shard has none to give, and also if the policy is at fault: a ring that
// evicts nothing of what it holds would let the writer look for ever, and one
// that evicts what is not there would spoil the shard.
//
// +checklocks:s.mu
func (s *shard[K, V]) evictFor(w *write[K, V], incoming bool, keep uint32) bool {
	n, cause := s.victim(incoming, keep)
	if n == evict.None {
		others := s.len
		if keep != evict.None {
			others--
		}
		// Without a cause it is another shard's turn and the ring was not asked. The
		// order may also have moved on while it was.
		if others > 0 && cause == Evicted && (s.ordered == nil || s.ordered.Oldest() == s.id) {
			w.fault = fmt.Errorf("locmem: the policy evicted nothing of %d entries in shard %d: "+
				"Evict must return None only if nothing but keep is held", others, s.id)
		}
		return false
	}
	if n > s.top || s.slots.At(n).meta.Load()&metaHeld == 0 {
		w.fault = fmt.Errorf("locmem: the policy evicted slot %d of shard %d, which is not held", n, s.id)
		return false
	}
	w.entries++
	w.credit += s.drop(n, cause)
	if n == keep { // the ring has forgotten it, so it had to go
		w.fault = fmt.Errorf("locmem: the policy evicted slot %d of shard %d, which Evict was told to keep", n, s.id)
		return false
	}
	return true
}

// steal makes room in another shard for a writer whose own shard has nothing to
// evict, and brings the credit into its hand.
//
// Where weights are limited, a writer may need several victims: two writers that each
// hold a part and find nothing more would wait for each other for ever. So only
// one at a time keeps credit in hand between locks; serial comes before any
// shard's lock, and no user code runs under it.
//
// +checklocksexclude:own.mu
func (e *Engine[K, V]) steal(own *shard[K, V], w *write[K, V]) {
	w.wide = true
	if e.weighted && !w.serial && (w.within.weight > 0 || e.weights.limit.Load() != limitOf(0)) {
		e.enterSerial(w)
		return // look again: another such writer may have left room
	}
	first := int(e.cursor.Add(1))
	if own.ordered != nil {
		if first = own.ordered.Oldest(); first < 0 {
			lock.Yield()
			return
		}
	}
	for i := range e.shards {
		s := &e.shards[(first+i)&int(e.mask)]
		if s == own && s.ordered == nil {
			continue
		}
		s.mu.RLock()
		empty := s.len == 0
		s.mu.RUnlock()
		if empty {
			continue
		}
		s.mu.Lock()
		keep := evict.None
		if s == own {
			keep, _ = s.find(w.hash, w.key)
		}
		evicted := s.evictFor(w, false, keep)
		e.checkLocked(s)
		s.mu.Unlock()
		if evicted || w.fault != nil {
			return
		}
		if s.ordered != nil {
			break // the order has moved on: ask again
		}
	}
	lock.Yield() // all room is in the hands of other writers, who will insert
}
