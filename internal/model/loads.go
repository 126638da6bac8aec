// SPDX-License-Identifier: MIT

package model

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/locmem/locmem"
)

// loadedAtOnce is how many keys one call loads at most.
const loadedAtOnce = 3

// finding is what a load is to find for its key.
type finding int

const (
	missing finding = iota
	noted
	live
	due   // live, and to be refreshed
	stale // to be refreshed too
)

// finding returns what a load is to find, and the entry that is held.
func (r *run) finding(key int) (finding, entry) {
	e, held := r.entries[key]
	now := r.clock.Now()
	_, isNoted := r.notes[key]
	switch {
	case isNoted:
		return noted, entry{}
	case !held || e.invalid:
		return missing, e
	case e.within(0, now):
		if r.config.RefreshAhead > 0 && !e.deadline.IsZero() && !now.Before(e.deadline.Add(-r.config.RefreshAhead)) {
			return due, e
		}
		return live, e
	case e.within(r.config.StaleFor, now):
		return stale, e
	}
	return missing, e
}

// land waits until no load runs, those included that nobody waits for.
func (r *run) land() {
	for {
		st := r.engine.Stats()
		if st.Loads == st.LoadSuccesses+st.LoadErrors+st.LoadsNotFound {
			r.settle()
			return
		}
		runtime.Gosched()
	}
}

// used counts a use by a load, which may be of an entry past its deadline.
func (r *run) used(key int) {
	if e, ok := r.entries[key]; ok {
		e.used = r.clock.Now()
		r.entries[key] = e
	}
}

// rescues reports whether a load that fails is to return the entry it has found.
func (r *run) rescues(e entry) bool {
	return e.value != 0 && !e.invalid && r.config.StaleIfError > 0 && e.within(r.config.StaleIfError, r.clock.Now())
}

// failed takes in that a load of the key has failed.
func (r *run) failed(key int) {
	if e, ok := r.entries[key]; ok {
		r.check(!e.invalid, "key %d was invalidated, and a load has left it", key)
		e.failure = errLoad
		r.entries[key] = e
	}
}

// notFound takes in that a load has found nothing for the key.
func (r *run) notFound(key int) {
	_, still := r.entries[key]
	r.check(!still, "nothing was found for key %d, and the old entry has stayed", key)
	delete(r.notes, key)
	if r.config.NegativeTTL > 0 {
		r.notes[key] = r.clock.Now().Add(r.config.NegativeTTL)
	}
}

func getOrSet(r *run, key int) {
	load(r, key, func(load loader, opts ...locmem.EntryOption) (locmem.Entry[int], error) {
		value, err := r.engine.GetOrSet(ctx, key, load, opts...)
		return locmem.Entry[int]{Value: value}, err
	})
}

func fetch(r *run, key int) {
	found, old := r.finding(key)
	load(r, key, func(load loader, opts ...locmem.EntryOption) (locmem.Entry[int], error) {
		got, err := r.engine.Fetch(ctx, key, load, opts...)
		if found >= live {
			end, _ := old.end()
			r.check(got.Weight == old.weight && got.Deadline.Equal(end) && got.LoadErr == old.failure && got.Stale == (found == stale), //nolint:errorlint // the very error
				"key %d: %+v, not %+v until %v", key, got, old, end)
		} else if err == nil {
			rescued := got.Value == old.value
			r.check(got.Stale == rescued && (got.LoadErr == errLoad) == rescued, "key %d: %+v", key, got) //nolint:errorlint // the very error
		}
		return got, err
	})
}

type loader = func(context.Context, int) (int, error)

func load(r *run, key int, through func(loader, ...locmem.EntryOption) (locmem.Entry[int], error)) {
	opts, e := r.write(key)
	found, old := r.finding(key)
	var failure error
	switch r.source.IntN(6) {
	case 0, 1:
		failure = errLoad
	case 2:
		failure = locmem.ErrNotFound
	case 3:
		failure = fmt.Errorf("model: key %d: %w", key, locmem.ErrNotFound)
	}
	// A tag that is invalidated while a caller waits for what may carry it.
	invalidated := ""
	if r.config.Tags && found == missing && r.source.IntN(4) == 0 {
		invalidated = tags[r.source.IntN(len(tags))]
	}
	calls := 0
	refreshes := r.engine.Stats().Refreshes
	got, err := through(func(context.Context, int) (int, error) {
		calls++
		if invalidated != "" {
			r.mark(invalidated)
			r.engine.InvalidateTags(invalidated)
		}
		return e.value, failure
	}, opts...)
	r.land()

	refreshes = r.engine.Stats().Refreshes - refreshes
	switch found {
	case noted:
		if calls == 0 {
			r.check(err == locmem.ErrNotFound, "key %d was not found before: %v", key, err) //nolint:errorlint // the very error
			return
		}
		r.check(r.lost > 0, "a load of key %d, which was not found before, and no note is lost", key)
		delete(r.notes, key)
	case live:
		r.check(calls == 0, "a load of key %d, which is live", key)
	default:
		r.check(calls == 1, "%d loads of key %d", calls, key)
	}
	if found >= live {
		r.check(err == nil && got.Value == old.value, "key %d: %d, %v, not %d", key, got.Value, err, old.value)
		r.check(int(refreshes) == calls, "%d refreshes of key %d, %d calls of the loader", refreshes, key, calls)
		r.used(key)
		if e.kept {
			e.used = r.clock.Now() // the write was worked out before the hit
		}
	} else {
		r.check(refreshes == 0, "a refresh of key %d, which is not held", key)
	}
	if found == live {
		return
	}
	// The entry that the load has found was there until its tags were invalidated,
	// which is later than the load's result.
	overtaken := !old.invalid && slices.Contains(old.tags, invalidated)
	old.invalid = old.invalid || overtaken
	switch failure {
	case nil:
		r.check(found >= live || err == nil && got.Value == e.value, "key %d: %d, %v, not %d", key, got.Value, err, e.value)
		if slices.Contains(e.tags, invalidated) {
			return // it has changed nothing
		}
		if overtaken {
			_, still := r.entries[key]
			r.check(!still, "the entry of key %d was left by a load, and its tags were invalidated", key)
			return
		}
		r.stored(key, e, e.gone || !r.tooHeavy(e))
	case errLoad: //nolint:errorlint // the very error
		if found < live && r.rescues(old) {
			r.check(err == nil && got.Value == old.value, "key %d: %d, %v, not %d", key, got.Value, err, old.value)
		} else if found < live {
			r.check(err == errLoad, "key %d: %v", key, err) //nolint:errorlint // the very error
		}
		if !old.invalid {
			r.failed(key)
		}
	default:
		r.check(found >= live || err == failure, "key %d: %v", key, err) //nolint:errorlint // the very error
		if r.notFound(key); overtaken {
			delete(r.notes, key)
		}
	}
}

// loadMany takes GetOrSetMany on three neighbours, one of them twice.
func loadMany(r *run, key int) {
	opts, e := r.write(key)
	if e.kept { // each key would keep its own
		opts, e = nil, r.plain()
	}
	keys := []int{key, key + 1, key + 2, key}
	fails := r.source.IntN(5) == 0
	finds := make(map[int]finding)
	olds := make(map[int]entry)
	loaded := make(map[int]entry)
	pending := make(map[int]entry)
	refresh := 0
	for i, key := range keys[:loadedAtOnce] {
		finds[key], olds[key] = r.finding(key)
		if finds[key] >= due {
			refresh++
		}
		if r.source.IntN(3) == 0 {
			continue
		}
		next := e
		next.value += i * 1_000_000
		if r.config.Weighted && !next.weighed {
			next.weight = int64(next.value % 7)
		}
		loaded[key] = next
		if !fails && finds[key] != live && !next.gone && !r.tooHeavy(next) {
			pending[key] = next
		}
	}
	r.pending = pending
	asked := make(map[int]int)
	refreshes := r.engine.Stats().Refreshes
	values, err := r.engine.GetOrSetMany(ctx, keys, func(_ context.Context, keys []int) (map[int]int, error) {
		values := make(map[int]int)
		r.delivery.Lock()
		defer r.delivery.Unlock()
		for _, key := range keys {
			asked[key]++
			if next, ok := loaded[key]; ok {
				values[key] = next.value
			}
		}
		if fails {
			return nil, errLoad
		}
		return values, nil
	}, opts...)
	r.land()
	r.pending = nil

	refreshes = r.engine.Stats().Refreshes - refreshes
	r.check(int(refreshes) == refresh, "%d keys were refreshed, not %d", refreshes, refresh)
	var failure error
	missed := 0
	for _, key := range keys[:loadedAtOnce] {
		found, old := finds[key], olds[key]
		value, ok := values[key]
		switch {
		case found == live:
			r.check(asked[key] == 0, "a load of key %d, which is live", key)
		case found == noted && asked[key] == 0:
			r.check(!ok, "a value of key %d, which was not found before", key)
			continue
		case found == noted:
			missed++
			r.check(missed <= r.lost, "a load of key %d, which was not found before, with %d notes lost", key, r.lost)
			delete(r.notes, key)
			found = missing
		}
		if found >= live {
			r.check(ok && value == old.value, "key %d: %d, %v, not %d", key, value, ok, old.value)
			r.used(key)
			if found == live {
				continue
			}
		}
		r.check(asked[key] == 1, "%d loads of key %d", asked[key], key)
		next, exists := loaded[key]
		switch {
		case fails:
			if found == missing && r.rescues(old) {
				r.check(ok && value == old.value, "key %d: %d, %v, not %d", key, value, ok, old.value)
			} else if found == missing {
				r.check(!ok, "key %d: %d of a load that failed", key, value)
				failure = errLoad
			}
			if !old.invalid {
				r.failed(key)
			}
		case exists:
			r.check(found != missing || ok && value == next.value, "key %d: %d, %v, not %d", key, value, ok, next.value)
			_, held := pending[key]
			if stores := !next.gone && !r.tooHeavy(next); held || !stores {
				r.stored(key, next, next.gone || stores)
			} else { // and evicted by a later key
				delete(r.notes, key)
			}
		default:
			r.check(found != missing || !ok, "key %d: %d, which was left out", key, value)
			r.notFound(key)
		}
	}
	r.check(err == failure, "%v, not %v", err, failure) //nolint:errorlint // the very error
}
