// SPDX-License-Identifier: MIT

package locmem

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/locmem/locmem/internal/lock"
)

// GetOrSetMany returns the values of those keys that have live entries, loads the
// others by one call of load, and stores what that returns with the options given,
// each as by GetOrSet; the map is never nil. Keys that are being loaded already,
// by whatever call, are waited for and not loaded again, and others may wait for
// the load of this call. What load leaves out of its map is missing in the result
// too, and so are keys for which ErrNotFound is kept; keys that it was not asked
// for are ignored, and so are keys not equal to themselves (NaN). It must not
// change the slice of keys, nor use it after it has returned.
//
// load nil means Options.Load, called for one key at a time, at most
// Options.Workers of them at once.
//
// The error is that of the first key of which the load failed; the map has all
// that was there or was loaded. ctx is the callers' as in GetOrSet: when it ends,
// its error is returned with what there is by then.
func (e *Engine[K, V]) GetOrSetMany(ctx context.Context, keys []K, load func(ctx context.Context, keys []K) (map[K]V, error), opts ...EntryOption) (map[K]V, error) {
	values := make(map[K]V, len(keys))
	switch {
	case ctx == nil:
		return values, ErrNilContext
	case load == nil && e.opts.Load == nil:
		return values, ErrNoLoader
	}
	b := bulk[K, V]{engine: e, load: load, set: settingsOf(opts)}
	asked := make(map[K]bool, len(keys))
	var misses, stale []keyed[K]
	for _, key := range keys {
		k := keyed[K]{key: key, hash: e.hasher.sum(key)}
		if asked[key] || !e.hasher.storable(key) {
			continue
		}
		asked[key] = true
		entry, found := e.fetch(k.hash, key)
		switch found {
		case missing:
			misses = append(misses, k)
		case noted:
		case due:
			stale = append(stale, k)
			fallthrough
		case usable:
			values[key] = entry.Value
		}
	}
	b.refresh(ctx, stale)
	var err error
	for len(misses) > 0 && err == nil {
		misses, err = b.round(ctx, misses, values)
	}
	return values, err
}

// bulk is one GetOrSetMany at work.
type bulk[K comparable, V any] struct {
	engine *Engine[K, V]
	load   func(context.Context, []K) (map[K]V, error) // nil: the engine's, one by one
	set    settings
}

// allAtOnce calls the loader of many keys.
//
// +checklocksexclude:waitGraph
func (b *bulk[K, V]) allAtOnce(ctx context.Context, flights []*flight[K, V]) (loaded[K, V], error) {
	keys := make([]K, len(flights))
	for i, f := range flights {
		keys[i] = f.key
	}
	values, err := b.load(ctx, keys)
	return func(key K) (V, bool) {
		value, ok := values[key]
		return value, ok
	}, err
}

// refresh refreshes keys in the background.
func (b *bulk[K, V]) refresh(ctx context.Context, keys []keyed[K]) {
	switch {
	case len(keys) == 0:
	case b.load != nil:
		b.engine.refresh(ctx, keys, b.allAtOnce, b.set)
	default:
		for i := range keys {
			b.engine.refresh(ctx, keys[i:i+1], oneByOne(b.engine.opts.Load), b.set)
		}
	}
}

// round loads keys and puts what comes into values. It returns those for which
// what came may be older than an invalidation before the caller came.
func (b *bulk[K, V]) round(ctx context.Context, keys []keyed[K], values map[K]V) (again []keyed[K], err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e, waiting := b.engine, waitNodeOf(ctx)
	// One call for all of the caller's own flights, or one for each.
	var call *loaderCall
	if b.load != nil {
		call = newCall(ctx)
	}
	seats := make([]boarding[K, V], len(keys))
	var own []*flight[K, V]
	for i := range keys {
		seats[i] = e.board(ctx, keys[i].hash, keys[i].key, call)
		if s := &seats[i]; s.own {
			own = append(own, s.flight)
			waiting.wait(&s.flight.call.node) // nothing waits for a call that has not begun
		}
	}
	b.start(call, own)
	fail := func(failure error) {
		if err == nil && failure != nil && !errors.Is(failure, ErrNotFound) {
			err = failure
		}
	}
	for i := range seats {
		s := &seats[i]
		switch {
		case s.flight == nil && s.err != nil:
			fail(s.err)
			continue
		case s.flight == nil:
			values[keys[i].key] = s.entry.Value
			continue
		case !s.own && !waiting.wait(&s.flight.call.node):
			e.leave(s.flight)
			fail(ErrReentrant)
			continue
		}
		entry, older, failure := e.await(ctx, waiting, *s)
		switch {
		case failure != nil:
			fail(failure)
		case older:
			again = append(again, keys[i])
		default:
			values[keys[i].key] = entry.Value
		}
	}
	return again, err
}

// start runs the loader for the caller's own flights.
func (b *bulk[K, V]) start(call *loaderCall, flights []*flight[K, V]) {
	e := b.engine
	switch {
	case len(flights) == 0:
		if call != nil {
			call.cancel()
		}
	case call != nil:
		set := b.set
		e.start(call, flights, b.allAtOnce, &set)
	default:
		run := func(f func()) { f() }
		if insideListener() {
			run = forListener
		}
		lock.Go(func() {
			var workers errgroup.Group // its limit is what is wanted; there is no error to wait for
			workers.SetLimit(int(e.workers))
			for i := range flights {
				workers.Go(func() error {
					set := b.set
					run(func() { e.fly(flights[i].call, flights[i:i+1], oneByOne(e.opts.Load), &set) })
					return nil
				})
			}
		})
	}
}
