// SPDX-License-Identifier: MIT

package model

import (
	"context"
	"time"

	"github.com/locmem/locmem"
)

// call is one call of an engine that a run can take, and the check of its answer.
type call struct {
	name string
	do   func(r *run, key int)
}

// calls are chosen with equal chance; the common ones stand here more than once.
var calls = []call{
	{"Set", set},
	{"Set", set},
	{"Set", set},
	{"Set", set},
	{"Set", set},
	{"Get", get},
	{"Get", get},
	{"Get", get},
	{"Get", get},
	{"Peek", peek},
	{"Add", add},
	{"Replace", replace},
	{"Delete", del},
	{"Take", take},
	{"Touch", touch},
	{"Compute", compute},
	{"Incr", incr},
	{"GetOrSet", getOrSet},
	{"Fetch", fetch},
	{"Advance", advance},
	{"Advance", advance},
	{"All", all},
	{"Many", many},
	{"Evict", evictSome},
	{"Clear", clearAll},
	{"Resize", resize},
	{"Limit", limit},
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
	r.check(got.Value == old.value && got.Weight == old.weight && got.Deadline.Equal(end),
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
	r.check(ok == live, "key %d: %v, not %v", key, ok, live)
}

func take(r *run, key int) {
	old, live := r.live(key)
	value, ok := r.engine.Take(key)
	r.check(ok == live && value == old.value, "key %d: %d, %v, not %d, %v", key, value, ok, old.value, live)
}

func touch(r *run, key int) {
	opts, e := r.write(key)
	old, live := r.live(key)
	ok := r.engine.Touch(key, opts...)
	r.check(ok == live, "key %d: %v, not %v", key, ok, live)
	if live {
		e.value, e.weight = old.value, old.weight
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
		r.settle()
		_, still := r.entries[key]
		r.check(!ok && !still, "Remove of key %d: %v, still held %v", key, ok, still)
	}
}

func incr(r *run, key int) {
	old, live := r.live(key)
	sum, ok, err := locmem.Incr(r.engine, key, 7)
	e := old
	e.value += 7
	if r.config.Weighted {
		e.weight = int64(e.value % 7)
	}
	r.check(err == nil && (ok || !live || r.tooHeavy(e)), "key %d: %v, %v, not %v", key, ok, err, live)
	if live {
		r.check(!ok || sum == e.value, "key %d: %d, not %d", key, sum, e.value)
		r.stored(key, e, ok)
	}
}

func getOrSet(r *run, key int) { load(r, key, r.engine.GetOrSet) }

func fetch(r *run, key int) {
	load(r, key, func(ctx context.Context, key int, load func(context.Context, int) (int, error), opts ...locmem.EntryOption) (int, error) {
		entry, err := r.engine.Fetch(ctx, key, load, opts...)
		return entry.Value, err
	})
}

func load(r *run, key int, through func(context.Context, int, func(context.Context, int) (int, error), ...locmem.EntryOption) (int, error)) {
	opts, e := r.write(key)
	old, live := r.live(key)
	fails := r.source.IntN(5) == 0
	value, err := through(ctx, key, func(context.Context, int) (int, error) {
		r.check(!live, "a load of key %d, which is live", key)
		if fails {
			return 0, errLoad
		}
		return e.value, nil
	}, opts...)
	r.settle()
	switch {
	case live:
		r.check(err == nil && value == old.value, "key %d: %d, %v, not %d", key, value, err, old.value)
		r.hit(key)
	case fails:
		r.check(err == errLoad, "key %d: %v", key, err) //nolint:errorlint // the very error
		delete(r.entries, key)
	default:
		r.check(err == nil && value == e.value, "key %d: %d, %v, not %d", key, value, err, e.value)
		r.stored(key, e, e.gone || !r.tooHeavy(e))
	}
}

// advance moves the clock. What has expired must have been swept and reported.
func advance(r *run, _ int) {
	r.clock.Advance(r.duration(20 * time.Second))
	r.settle()
	for key := range r.entries {
		_, live := r.live(key)
		r.check(live, "key %d has expired and was not swept", key)
	}
}

func all(r *run, _ int) {
	seen := make(map[int]bool)
	for key, value := range r.engine.All() {
		e, live := r.live(key)
		r.check(live && value == e.value && !seen[key], "key %d: %d, live %v, seen before %v", key, value, live, seen[key])
		seen[key] = true
	}
	r.check(len(seen) == len(r.entries), "%d entries seen of %d", len(seen), len(r.entries))
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
		r.check(n == live, "DeleteMany: %d, not %d", n, live)
		return
	}
	// One key of several, so that none evicts another of the same call.
	opts, e := r.write(key)
	n := r.engine.SetMany(map[int]int{key: e.value}, opts...)
	r.stored(key, e, n == 1)
}

func evictSome(r *run, _ int) {
	n, before := r.source.IntN(4), len(r.entries)
	removed := r.engine.Evict(n)
	r.settle()
	r.check(removed == min(n, before) && len(r.entries) == before-removed, "Evict(%d) of %d: %d, %d left", n, before, removed, len(r.entries))
}

func clearAll(r *run, _ int) {
	if r.source.IntN(10) > 0 {
		return
	}
	r.engine.Clear()
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
	r.stored(key, e, r.engine.Set(key, e.value, locmem.Limit(n)))
	r.check(len(r.entries) <= n || r.tooHeavy(e), "%d entries are held, the write's limit is %d", len(r.entries), n)
}
