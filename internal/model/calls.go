// SPDX-License-Identifier: MIT

package model

import (
	"slices"
	"time"

	"github.com/locmem/locmem"
)

// call is one call of an engine that a run can take, and the check of its answer.
type call struct {
	name   string
	do     func(r *run, key int)
	evicts bool // whether or not the engine is full
}

// calls are chosen with equal chance; the common ones stand here more than once.
var calls = []call{
	{"Set", set, false},
	{"Set", set, false},
	{"Set", set, false},
	{"Set", set, false},
	{"Set", set, false},
	{"Get", get, false},
	{"Get", get, false},
	{"Get", get, false},
	{"Get", get, false},
	{"Peek", peek, false},
	{"Add", add, false},
	{"Replace", replace, false},
	{"Delete", del, false},
	{"Take", take, false},
	{"Touch", touch, false},
	{"Compute", compute, false},
	{"Incr", incr, false},
	{"GetOrSet", getOrSet, false},
	{"Fetch", fetch, false},
	{"Fetch", fetch, false},
	{"GetOrSetMany", loadMany, false},
	{"InvalidateTags", invalidate, false},
	{"Advance", advance, false},
	{"Advance", advance, false},
	{"All", all, false},
	{"Many", many, false},
	{"Evict", evictSome, true},
	{"Clear", clearAll, false},
	{"Resize", resize, true},
	{"Limit", limit, true},
	{"Move", move, false},
}

func set(r *run, key int) {
	opts, e := r.write(key)
	r.stored(key, e, r.engine.Set(key, e.value, opts...))
}

func get(r *run, key int) {
	old, live := r.live(key)
	value, ok := r.engine.Get(key)
	r.check(ok == live && value == old.value, "key %d: %d, %v, not %d, %v", key, value, ok, old.value, live)
	r.hit(key)
}

func peek(r *run, key int) {
	old, live := r.live(key)
	got, ok := r.engine.Peek(key)
	r.check(ok == live && ok == r.engine.Has(key), "key %d: %v, not %v", key, ok, live)
	end, _ := old.end()
	r.check(got.Value == old.value && got.Weight == old.weight && got.Deadline.Equal(end) && got.LoadErr == old.failure && !got.Stale, //nolint:errorlint // the very error
		"key %d: %+v, not %+v until %v", key, got, old, end)
}

func add(r *run, key int) {
	opts, e := r.write(key)
	_, live := r.live(key)
	ok := r.engine.Add(key, e.value, opts...)
	if live {
		r.check(!ok, "over the live entry of key %d", key)
		return
	}
	r.stored(key, e, ok)
}

func replace(r *run, key int) {
	opts, e := r.write(key)
	_, live := r.live(key)
	ok := r.engine.Replace(key, e.value, opts...)
	if !live {
		r.check(!ok, "of nothing under key %d", key)
		return
	}
	r.stored(key, e, ok)
}

func del(r *run, key int) {
	_, live := r.live(key)
	ok := r.engine.Delete(key)
	delete(r.notes, key)
	r.check(ok == live, "key %d: %v, not %v", key, ok, live)
}

func take(r *run, key int) {
	old, live := r.live(key)
	value, ok := r.engine.Take(key)
	delete(r.notes, key)
	r.check(ok == live && value == old.value, "key %d: %d, %v, not %d, %v", key, value, ok, old.value, live)
}

func touch(r *run, key int) {
	opts, e := r.write(key)
	old, live := r.live(key)
	ok := r.engine.Touch(key, opts...)
	r.check(ok == live, "key %d: %v, not %v", key, ok, live)
	if live {
		e.value, e.weight, e.tags, e.failure = old.value, old.weight, old.tags, old.failure
		r.stored(key, e, true)
	}
}

func compute(r *run, key int) {
	opts, e := r.write(key)
	old, live := r.live(key)
	op := []locmem.Op{locmem.Keep, locmem.Store, locmem.Remove}[r.source.IntN(3)]
	value, ok := r.engine.Compute(key, func(got locmem.Entry[int], found bool) (int, locmem.Op) {
		r.check(found == live && got.Value == old.value, "key %d: given %d, %v, not %d, %v", key, got.Value, found, old.value, live)
		return e.value, op
	}, opts...)
	switch op {
	case locmem.Keep:
		r.check(ok == live && value == old.value, "Keep of key %d: %d, %v", key, value, ok)
	case locmem.Store:
		r.stored(key, e, ok || e.gone)
		r.check(!ok || value == e.value, "Store of key %d: %d", key, value)
	case locmem.Remove:
		delete(r.notes, key)
		r.settle()
		_, still := r.entries[key]
		r.check(!ok && !still, "Remove of key %d: %v, still held %v", key, ok, still)
	}
}

// delta is far more than the values that writes store, so that no two values of a
// run are equal.
const delta = 21_000_000

func incr(r *run, key int) {
	old, live := r.live(key)
	sum, ok, err := locmem.Incr(r.engine, key, delta)
	e := old
	e.failure = nil
	e.value += delta
	if r.config.Weighted {
		e.weight = int64(e.value % 7)
	}
	r.check(err == nil && (ok || !live || r.tooHeavy(e)), "key %d: %v, %v, not %v", key, ok, err, live)
	if live {
		r.check(!ok || sum == e.value, "key %d: %d, not %d", key, sum, e.value)
		r.stored(key, e, ok)
	}
}

// advance moves the clock. What has expired must have been swept and reported.
func advance(r *run, _ int) {
	r.clock.Advance(r.duration(20 * time.Second))
	r.settle()
	now := r.clock.Now()
	for key, e := range r.entries {
		r.check(!e.invalid && e.within(r.grace, now), "key %d is dead and was not swept: %+v", key, e)
	}
	for key, end := range r.notes {
		if !now.Before(end) {
			delete(r.notes, key)
		}
	}
}

func invalidate(r *run, key int) {
	name := tags[key%len(tags)]
	r.mark(name)
	r.engine.InvalidateTags(name, "none")
}

// mark makes those who carry a tag invalid.
func (r *run) mark(name string) {
	r.delivery.Lock()
	defer r.delivery.Unlock()
	for key, e := range r.entries {
		if slices.Contains(e.tags, name) {
			e.invalid = true
			r.entries[key] = e
		}
	}
}

func all(r *run, _ int) {
	seen := make(map[int]bool)
	for key, value := range r.engine.All() {
		e, live := r.live(key)
		r.check(live && value == e.value && !seen[key], "key %d: %d, live %v, seen before %v", key, value, live, seen[key])
		seen[key] = true
	}
	for key := range r.entries {
		_, live := r.live(key)
		r.check(seen[key] == live, "key %d: seen %v, live %v", key, seen[key], live)
	}
}

// many takes the many-key calls on three neighbours.
func many(r *run, key int) {
	keys := []int{key, key + 1, key + 2}
	found := r.engine.GetMany(keys)
	for _, key := range keys {
		old, live := r.live(key)
		value, ok := found[key]
		r.check(ok == live && value == old.value, "GetMany, key %d: %d, %v, not %d, %v", key, value, ok, old.value, live)
		r.hit(key)
	}
	if r.source.IntN(2) == 0 {
		live := 0
		for _, key := range keys {
			if _, ok := r.live(key); ok {
				live++
			}
		}
		n := r.engine.DeleteMany(keys)
		for _, key := range keys {
			delete(r.notes, key)
		}
		r.check(n == live, "DeleteMany: %d, not %d", n, live)
		return
	}
	// One key of several, so that none evicts another of the same call.
	opts, e := r.write(key)
	n := r.engine.SetMany(map[int]int{key: e.value}, opts...)
	r.stored(key, e, n == 1)
}

func evictSome(r *run, _ int) {
	n, before := r.source.IntN(4), r.engine.Len()
	removed := r.engine.Evict(n)
	r.check(removed == min(n, before) && r.engine.Len() == before-removed, "Evict(%d) of %d: %d, %d left", n, before, removed, r.engine.Len())
}

func clearAll(r *run, _ int) {
	if r.source.IntN(10) > 0 {
		return
	}
	r.engine.Clear()
	clear(r.notes)
	r.settle()
	r.check(len(r.entries) == 0, "%d entries were not reported", len(r.entries))
}

func resize(r *run, _ int) {
	if r.source.IntN(4) > 0 {
		return
	}
	r.limit = 1 + r.source.IntN(2*r.config.Entries)
	if r.config.Weighted {
		r.weightLimit = 1 + r.source.IntN(5*r.config.Entries)
	}
	err := r.engine.Resize(r.limit, int64(r.weightLimit))
	r.check(err == nil, "%v", err)
}

// limit writes under a limit of its own.
func limit(r *run, key int) {
	e := r.plain()
	n := 1 + r.source.IntN(r.config.Entries)
	opts := []locmem.EntryOption{locmem.Limit(n)}
	heaviest := int64(0)
	if r.config.Weighted && r.source.IntN(2) == 0 {
		heaviest = int64(1 + r.source.IntN(r.weightLimit))
		opts = append(opts, locmem.LimitWeight(heaviest))
	}
	share := r.source.IntN(5) // 0: no batch
	if share > 0 {
		opts = append(opts, locmem.Cull(share))
	}
	_, dead := r.entries[key]
	_, live := r.live(key)
	_, noted := r.notes[key]
	before := r.engine.Len()
	ok := r.engine.Set(key, e.value, opts...)
	after := r.engine.Len()
	if heaviest > 0 && e.weight > heaviest {
		r.check(!ok, "stored, with weight %d of at most %d", e.weight, heaviest)
		r.settle()
		delete(r.notes, key)
		return
	}
	r.stored(key, e, ok)
	room := min(n, r.limit)
	switch {
	case !ok:
	case live:
		r.check(r.config.Weighted || after == before, "an overwrite has left %d of %d", after, before)
	case share == 0:
		r.check(after <= room, "%d entries are held, the write's limit is %d", after, n)
		r.check(r.config.Weighted || after >= min(before, room), "%d entries are held of %d, the write's limit is %d", after, before, n)
	case !dead && !noted && !r.config.Weighted:
		want := before + 1
		if want > room {
			want -= max(1, before/share, min(2, before+1-room))
		}
		r.check(after == want, "%d entries are held of %d, not %d: the limit is %d, a cull takes one of %d", after, before, want, n, share)
	}
	r.check(heaviest == 0 || e.weight == 0 || live || !ok || r.engine.Weight() <= heaviest, "weight %d is held, the write's limit is %d", r.engine.Weight(), heaviest)
}

// move makes a key's entry that of another key.
func move(r *run, key int) {
	to := r.source.IntN(3 * r.config.Entries)
	old, live := r.live(key)
	ok := r.engine.Move(key, to)
	r.check(ok == live, "from key %d to %d: %v, not %v", key, to, ok, live)
	if !live {
		return
	}
	if key == to {
		r.hit(key)
		return
	}
	r.settle()
	_, from := r.entries[key]
	_, over := r.entries[to]
	r.check(!from && !over, "from key %d to %d: the old entries were not reported: %v, %v", key, to, from, over)
	delete(r.notes, to)
	old.used = r.clock.Now()
	r.entries[to] = old
}
