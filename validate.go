// SPDX-License-Identifier: MIT

package locmem

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/hook"
	"github.com/locmem/locmem/internal/invariants"
)

func init() {
	hook.Validate = func(engine any) error {
		return engine.(interface{ validate() error }).validate()
	}
	hook.BendHash = func(options any, bend func(uint64) uint64, keep bool) {
		options.(interface {
			bendHash(func(uint64) uint64, bool)
		}).bendHash(bend, keep)
	}
}

func (o *Options[K, V]) bendHash(bend func(uint64) uint64, keep bool) {
	o.bend, o.keepHash = bend, keep
}

// validate checks every invariant of an engine that nobody writes to, and
// returns all that is wrong. It holds all shards' locks at once, for a time in
// proportion to what they hold: the clock may sweep an engine at rest. Nobody
// else holds two, so the order does not matter.
func (e *Engine[K, V]) validate() error {
	var faults []error
	var entries, weight int64
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		defer s.mu.Unlock() //nolint:revive // until all are checked
		if err := e.validateShard(s); err != nil {
			faults = append(faults, fmt.Errorf("shard %d: %w", i, err))
		}
		entries += int64(s.len)
		weight += s.weight
	}
	if err := e.validateTagTable(); err != nil {
		faults = append(faults, err)
	}
	if used := e.entries.used(); used != entries {
		faults = append(faults, fmt.Errorf("account: %d entries are held, %d accounted", entries, used))
	}
	if used := e.weights.used(); e.weighted && used != weight {
		faults = append(faults, fmt.Errorf("account: weight %d is held, %d accounted", weight, used))
	}
	if e.entries.over() != 0 || e.weights.over() != 0 {
		faults = append(faults, errors.New("account: more is held than the limit allows"))
	}
	return errors.Join(faults...)
}

// checkLocked validates a shard after a change, in builds with the tag
// invariants.
//
// +checklocks:s.mu
func (e *Engine[K, V]) checkLocked(s *shard[K, V]) {
	if invariants.Enabled && invariants.Due(s.len) {
		if err := e.validateShard(s); err != nil {
			panic(fmt.Sprintf("locmem: shard %d: %v", s.id, err))
		}
	}
}

// validateShard checks a shard by itself.
//
// +checklocks:s.mu
func (e *Engine[K, V]) validateShard(s *shard[K, V]) error {
	return errors.Join(
		e.validateSlots(s),
		s.validateFree(),
		s.validateIndex(),
		s.validateRing(),
		s.validateWheel(),
		s.validateTags(),
		s.validateFlights(),
		s.validateCounts(),
	)
}

// validateSlots checks the held slots by themselves.
//
// +checklocks:s.mu
func (e *Engine[K, V]) validateSlots(s *shard[K, V]) error {
	held, weight := 0, int64(0)
	for n := uint32(1); n <= s.top; n++ {
		sl := s.slots.At(n)
		if sl.meta.Load()&metaHeld == 0 {
			if sl.key != *new(K) {
				return fmt.Errorf("slots: free slot %d still has key %v", n, sl.key)
			}
			continue
		}
		held++
		weight += s.weightOf(n)
		hash := e.hasher.sum(sl.key)
		if e.shardOf(hash) != s {
			return fmt.Errorf("slots: key %v of slot %d belongs to another shard", sl.key, n)
		}
		if want := s.indexHash(uint32(hash), sl.key); sl.hash != want && (!s.index.rehash || sl.hash != uint32(hash)) {
			return fmt.Errorf("slots: slot %d has hash %#x, its key %#x", n, sl.hash, want)
		}
		if s.weightOf(n) < 0 {
			return fmt.Errorf("weights: slot %d weighs %d", n, s.weightOf(n))
		}
	}
	if held != s.len {
		return fmt.Errorf("slots: %d are held, len is %d", held, s.len)
	}
	if weight != s.weight {
		return fmt.Errorf("weights: the sum is %d, weight is %d", weight, s.weight)
	}
	return nil
}

// validateFree checks the list of free slots.
//
// +checklocks:s.mu
func (s *shard[K, V]) validateFree() error {
	listed := 0
	for n := s.free; n != evict.None; n = s.slots.At(n).hash {
		if n > s.top || s.slots.At(n).meta.Load()&metaHeld != 0 {
			return fmt.Errorf("free list: slot %d is held or was never used", n)
		}
		if s.packing && n >= s.low {
			return fmt.Errorf("free list: slot %d is listed while packing from %d on", n, s.low)
		}
		if listed++; listed > int(s.top) {
			return errors.New("free list: it has a circle")
		}
	}
	unlisted := 0
	if s.packing {
		for n := s.low; n <= s.top; n++ {
			if s.slots.At(n).meta.Load()&metaHeld == 0 {
				unlisted++
			}
		}
	}
	if listed+unlisted+s.len != int(s.top) {
		return fmt.Errorf("free list: %d slots listed, %d not, and %d held are not the %d used", listed, unlisted, s.len, s.top)
	}
	return nil
}

// validateIndex checks that the two tables have one cell for each held slot, and
// that a lookup gets to it.
//
// +checklocks:s.mu
func (s *shard[K, V]) validateIndex() error {
	x := &s.index
	cells, err := s.validateTable(x.cells, x.shift, false)
	if err != nil {
		return err
	}
	if x.old != nil {
		used, err := s.validateTable(x.old, x.oldShift, true)
		if err != nil {
			return err
		}
		cells += used
	} else if x.rehash {
		return errors.New("index: a turn to other hashes without an old table")
	}
	if cells != s.len {
		return fmt.Errorf("index: %d cells for %d entries", cells, s.len)
	}
	if s.len > capacityOf(len(x.cells)) {
		return fmt.Errorf("index: %d cells are to have room for %d entries", len(x.cells), s.len)
	}
	return nil
}

// validateTable checks one of the index's tables, and returns how many cells it uses.
//
// +checklocks:s.mu
func (s *shard[K, V]) validateTable(table []uint64, shift uint8, old bool) (used int, err error) {
	mask := uint32(len(table) - 1)
	// run is how many cells before the next one are not empty: a cell further
	// than that from its home is hidden. It starts behind an empty cell.
	run, first := uint32(0), slices.Index(table, 0)
	if first < 0 {
		return used, errors.New("index: no cell is empty, a lookup would not end")
	}
	if len(table)&(len(table)-1) != 0 || uint64(len(table))<<shift != 1<<32 {
		return used, fmt.Errorf("index: %d cells do not go with a shift of %d", len(table), shift)
	}
	for j := range table {
		i := uint32(first+j) & mask
		c := table[i]
		hash, n := uint32(c>>32), uint32(c)
		run++
		if c == 0 {
			run = 0
		}
		if c == 0 || old && n == tomb {
			continue
		}
		used++
		if n == evict.None || n > s.top || s.slots.At(n).meta.Load()&metaHeld == 0 {
			return used, fmt.Errorf("index: a cell names slot %d, which is not held", n)
		}
		if s.slots.At(n).hash != hash {
			return used, fmt.Errorf("index: slot %d is filed under %#x, its hash is %#x", n, hash, s.slots.At(n).hash)
		}
		if old && int(i) < s.index.moved {
			return used, fmt.Errorf("index: old cell %d of slot %d was passed over", i, n)
		}
		if (i-hash>>shift)&mask >= run {
			return used, fmt.Errorf("index: an empty cell hides slot %d", n)
		}
	}
	if !old && used != s.index.used {
		return used, fmt.Errorf("index: %d cells are used, %d counted", used, s.index.used)
	}
	if used > capacityOf(len(table)) {
		return used, fmt.Errorf("index: %d of %d cells are used", used, len(table))
	}
	return used, nil
}

// validateRing checks that the policy holds what the shard holds, and the policy
// itself.
//
// +checklocks:s.mu
func (s *shard[K, V]) validateRing() error {
	if s.ring.Len() != s.len {
		return fmt.Errorf("policy: it holds %d entries, the shard %d", s.ring.Len(), s.len)
	}
	held := s.len
	slots := make([]uint32, 0, held+1)
	for n := range s.ring.All() {
		if slots = append(slots, n); len(slots) > held {
			break // the ring may have a circle
		}
	}
	seen := make(map[uint32]bool, held)
	for _, n := range slots {
		if n == evict.None || n > s.top || s.slots.At(n).meta.Load()&metaHeld == 0 {
			return fmt.Errorf("policy: it holds slot %d, which is free", n)
		}
		if seen[n] {
			return fmt.Errorf("policy: it holds slot %d twice", n)
		}
		if mark := s.Mark(n); mark > s.maxMark {
			return fmt.Errorf("policy: the mark of slot %d is %d, over %d", n, mark, s.maxMark)
		}
		seen[n] = true
	}
	if len(seen) != s.len {
		return fmt.Errorf("policy: it yields %d entries of %d", len(seen), s.len)
	}
	if v, ok := s.ring.(evict.Validator); ok {
		if err := v.Validate(); err != nil {
			return fmt.Errorf("policy: %w", err)
		}
	}
	return nil
}

// validateWheel checks the deadline index.
//
// +checklocks:s.mu
func (s *shard[K, V]) validateWheel() error {
	timed := 0
	for n := uint32(1); n <= s.top; n++ {
		meta := s.slots.At(n).meta.Load()
		if meta&metaIdle != 0 && meta&metaTimed == 0 {
			return fmt.Errorf("deadlines: slot %d is idle and not timed", n)
		}
		if meta&metaTimed != 0 {
			timed++
		}
	}
	w := s.wheel
	if w == nil {
		if timed > 0 || s.next.Load() != never {
			return fmt.Errorf("deadlines: no wheel for %d deadlines, next %d", timed, s.next.Load())
		}
		return nil
	}
	if w.len != timed {
		return fmt.Errorf("deadlines: %d in the wheel, %d entries have one", w.len, timed)
	}
	listed := 0
	for level := range w.heads {
		shift := level * wheelBits
		for bucket, head := range w.heads[level] {
			if inUse := w.used[level]&(1<<bucket) != 0; inUse != (head != evict.None) {
				return fmt.Errorf("deadlines: bucket %d of level %d: in use %v, head %d", bucket, level, inUse, head)
			}
			if head != evict.None && int64(bucket) < w.tick>>shift&(wheelSize-1) {
				return fmt.Errorf("deadlines: bucket %d of level %d is in the past", bucket, level)
			}
			prev := inBucket | uint32(level)<<wheelBits | uint32(bucket)
			for n := head; n != evict.None; prev, n = n, w.timers.At(n).next {
				t := w.timers.At(n)
				if listed++; listed > timed {
					return errors.New("deadlines: a bucket has a circle, or a slot without a deadline")
				}
				if n > s.top || s.slots.At(n).meta.Load()&metaTimed == 0 {
					return fmt.Errorf("deadlines: slot %d is in the wheel and has no deadline", n)
				}
				if t.prev != prev {
					return fmt.Errorf("deadlines: slot %d: the list's links disagree", n)
				}
				tick := max(t.when>>tickShift, w.tick)
				if tick>>shift&(wheelSize-1) != int64(bucket) || tick>>(shift+wheelBits) != w.tick>>(shift+wheelBits) {
					return fmt.Errorf("deadlines: slot %d is in bucket %d of level %d, its tick is %d at %d", n, bucket, level, tick, w.tick)
				}
				// What had passed when it was filed is due with the current tick.
				if s.next.Load() > max(t.when, w.tick<<tickShift) {
					return fmt.Errorf("deadlines: next is %d, slot %d is due at %d", s.next.Load(), n, t.when)
				}
				if end := s.heldUntil(n, s.slots.At(n).meta.Load()); end < t.when {
					return fmt.Errorf("deadlines: slot %d is held until %d, before the %d it is filed under", n, end, t.when)
				}
			}
		}
	}
	if listed != timed {
		return fmt.Errorf("deadlines: %d listed of %d", listed, timed)
	}
	return nil
}

// heldUntil returns when a held slot's timer is due at the latest.
//
// +checklocksread:s.mu
func (s *shard[K, V]) heldUntil(n, meta uint32) int64 {
	if meta&metaIdle != 0 {
		return s.wheel.idles.At(n).gone(s.grace)
	}
	return s.wheel.timers.At(n).when
}

// validateTags checks that the slots which carry tags are those that are marked.
//
// +checklocks:s.mu
func (s *shard[K, V]) validateTags() error {
	for n := uint32(1); n <= s.top; n++ {
		meta := s.slots.At(n).meta.Load()
		var tags []carried
		if s.tagged != nil && int(n) < s.tagged.Len() {
			tags = *s.tagged.At(n)
		}
		if len(tags) > 0 != (meta&metaTagged != 0) {
			return fmt.Errorf("tags: slot %d has %d tags, its marks are %#x", n, len(tags), meta)
		}
		if meta&metaNegative != 0 && meta&(metaIdle|metaTagged|metaHeld) != metaHeld {
			return fmt.Errorf("slots: slot %d is negative, its marks are %#x", n, meta)
		}
	}
	for n := range s.failures {
		if n > s.top || s.slots.At(n).meta.Load()&(metaHeld|metaNegative) != metaHeld {
			return fmt.Errorf("failures: slot %d, which is not an entry's, has one", n)
		}
	}
	return nil
}

// validateTagTable checks that the tags know how many entries carry them. Called
// under all shards' locks.
//
// +checklocksignore: all shards' locks have no name in common
func (e *Engine[K, V]) validateTagTable() error {
	users := map[*tag]int{}
	for i := range e.shards {
		if tagged := e.shards[i].tagged; tagged != nil {
			for n := range tagged.Len() {
				for _, c := range *tagged.At(uint32(n)) {
					users[c.tag]++
				}
			}
		}
	}
	waiting := 0
	for i := range e.tags.stripes {
		st := &e.tags.stripes[i]
		st.mu.Lock()
		defer st.mu.Unlock() //nolint:revive // until all are checked
		waiting += len(st.waiting)
		for _, r := range st.records {
			if r.users != users[r] || r.users == 0 && !r.waiting || r.waiting != slices.Contains(st.waiting, r) {
				return fmt.Errorf("tags: %d entries carry %q, it counts %d, and is waiting: %v", users[r], r.name, r.users, r.waiting)
			}
			delete(users, r)
		}
	}
	if len(users) > 0 {
		return fmt.Errorf("tags: entries carry %d that are not known", len(users))
	}
	if int(e.tags.waiting.Load()) != waiting {
		return fmt.Errorf("tags: %d are waiting, %d counted", waiting, e.tags.waiting.Load())
	}
	return nil
}

// validateFlights checks the tables of loads.
//
// +checklocks:s.mu
func (s *shard[K, V]) validateFlights() error {
	loading := map[*flight[K, V]]bool{}
	var older *flight[K, V]
	for f := s.loading.first; f != nil; older, f = f, f.newer {
		if f.done || f.waiters < 1 {
			return fmt.Errorf("flights: one of key %v is loading, done %v, with %d waiters", f.key, f.done, f.waiters)
		}
		if f.older != older || older != nil && older.began > f.began {
			return fmt.Errorf("flights: that of key %v is out of order", f.key)
		}
		loading[f] = true
	}
	oldest := uint64(math.MaxUint64)
	if first := s.loading.first; first != nil {
		oldest = first.began
	}
	if s.loading.last != older || s.loading.oldest.Load() != oldest {
		return fmt.Errorf("flights: the oldest is said to have begun at %d, it has at %d", s.loading.oldest.Load(), oldest)
	}
	for key, f := range s.flights {
		if f.done || f.overtaken || f.key != key || !loading[f] {
			return fmt.Errorf("flights: that of key %v is done %v, overtaken %v, of key %v, loading %v", key, f.done, f.overtaken, f.key, loading[f])
		}
	}
	return nil
}

// validateCounts checks that the counters account for what is held.
//
// +checklocks:s.mu
func (s *shard[K, V]) validateCounts() error {
	removed := uint64(0)
	for cause, r := range s.counts.removed {
		if Cause(cause) != Replaced {
			removed += r.entries
		}
	}
	inserts := s.counts.inserts + s.counts.negatives
	if inserts-removed != uint64(s.len) {
		return fmt.Errorf("counters: %d inserts less %d removals are not the %d held", inserts, removed, s.len)
	}
	if replaced := s.counts.removed[Replaced].entries; s.counts.updates != replaced {
		return fmt.Errorf("counters: %d updates, %d replaced", s.counts.updates, replaced)
	}
	return nil
}
