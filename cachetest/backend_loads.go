// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/locmem/locmem/cache"
	"github.com/locmem/locmem/internal/lock"
)

// loadStatements are section G: GetOrSet.
var loadStatements = []statement{
	{"G1", "a hit does not load", cache.CanStore, hitDoesNotLoad},
	{"G2", "a miss stores by the options of the call", cache.CanStore, missStoresByTheOptions},
	{"G3", "a miss loads once", 0, missLoadsOnce},
	{"G4", "a loaded nil is stored", cache.CanStore, loadedNilIsStored},
	{"G5", "what another writer has stored is returned", cache.CanStore, otherWriterIsReturned},
	{"G6", "with nothing stored the loaded value is returned", 0, loadedValueIsReturned},
	{"G7", "an error of load comes through and stores nothing", 0, loadErrorComesThrough},
	{"G8", "misses together load once", 0, missesTogetherLoadOnce},
}

var errLoad = errors.New("the load has failed")

// getOrSet returns what GetOrSet does.
func getOrSet[V any](s *subject, c *cache.Cache, key string, load func(context.Context) (V, error), opts ...cache.Option) V {
	s.Helper()
	v, err := cache.For[V](c).GetOrSet(s.ctx, key, load, opts...)
	s.noError(err, "GetOrSet")
	return v
}

// loading returns a load function that returns a value.
func loading[V any](value V) func(context.Context) (V, error) {
	return func(context.Context) (V, error) { return value, nil }
}

// beside makes a call in a goroutine of its own. The gate opens when it has ended.
func (s *subject) beside(call func()) *lock.Gate {
	ended := lock.NewGate()
	lock.Go(func() {
		defer ended.Open()
		call()
	})
	return ended
}

// pause lets other goroutines come to where they wait. Nothing that a statement
// says depends on whether they do; faults are seen if they do.
func (s *subject) pause() {
	ctx, cancel := context.WithTimeout(s.ctx, 20*time.Millisecond)
	defer cancel()
	_ = lock.NewGate().Wait(ctx) // until the time is over
}

func hitDoesNotLoad(s *subject) {
	c := s.alias(cache.Config{})
	set(s, c, "k", "held")
	var loads lock.Int64
	value := getOrSet(s, c, "k", func(context.Context) (string, error) {
		loads.Add(1)
		return "loaded", nil
	})
	equal(s, value, "held", "GetOrSet of a live entry")
	equal(s, loads.Load(), 0, "loads")
}

func missStoresByTheOptions(s *subject) {
	c := s.alias(cache.Config{})
	getOrSet(s, c, "k", loading("loaded"), cache.Version(7), cache.Timeout(s.unit))
	holds(s, c, "k", "loaded", cache.Version(7))
	s.lacks(c, "k")
	s.outlive(s.unit)
	s.lacks(c, "k", cache.Version(7))

	_, err := cache.For[string](c).GetOrSet(s.ctx, "k", nil)
	s.wantError(err, cache.ErrArgument, "GetOrSet without a load function")
}

func missLoadsOnce(s *subject) {
	var loads lock.Int64
	value := getOrSet(s, s.alias(cache.Config{}), "k", func(ctx context.Context) (string, error) {
		loads.Add(1)
		return "loaded", ctx.Err()
	})
	equal(s, value, "loaded", "GetOrSet of a missing entry")
	equal(s, loads.Load(), 1, "loads")
}

func loadedNilIsStored(s *subject) {
	c := s.alias(cache.Config{})
	equal(s, getOrSet(s, c, "k", loading[*int](nil)), nil, "GetOrSet of a loaded nil")
	var loads lock.Int64
	value := getOrSet(s, c, "k", func(context.Context) (*int, error) {
		loads.Add(1)
		return new(int), nil
	})
	equal(s, value, nil, "GetOrSet of a stored nil")
	equal(s, loads.Load(), 0, "loads of a stored nil")
}

func otherWriterIsReturned(s *subject) {
	c := s.alias(cache.Config{})
	value := getOrSet(s, c, "text", func(context.Context) (string, error) {
		set(s, c, "text", "stored")
		return "loaded", nil
	})
	equal(s, value, "stored", "GetOrSet with a Set during the load")
	holds(s, c, "text", "stored")

	pointer := getOrSet(s, c, "nil", func(context.Context) (*int, error) {
		set[*int](s, c, "nil", nil)
		return new(int), nil
	})
	equal(s, pointer, nil, "GetOrSet with a Set of nil during the load")
}

func loadedValueIsReturned(s *subject) {
	c := s.alias(cache.Config{})
	for _, timeout := range []time.Duration{0, -time.Hour} {
		value := getOrSet(s, c, "k", loading("loaded"), cache.Timeout(timeout))
		equal(s, value, "loaded", fmt.Sprintf("GetOrSet with a timeout of %v", timeout))
		s.lacks(c, "k")
	}
}

func loadErrorComesThrough(s *subject) {
	view := cache.For[string](s.alias(cache.Config{}))
	_, err := view.GetOrSet(s.ctx, "k", func(context.Context) (string, error) { return "loaded", errLoad })
	s.wantError(err, errLoad, "GetOrSet with a load that fails")
	s.lacks(view.Cache, "k")

	_, err = view.GetOrSet(s.ctx, "k", func(context.Context) (string, error) { panic("in a load") })
	if err == nil {
		s.Error("GetOrSet with a load that panics: there is no error")
	}
	s.lacks(view.Cache, "k")

	equal(s, getOrSet(s, view.Cache, "k", loading("loaded")), "loaded", "GetOrSet after loads that have failed")
}

func missesTogetherLoadOnce(s *subject) {
	view := cache.For[string](s.alias(cache.Config{}))
	// On a machine that has much to do, callers may come too late to meet a load.
	for round := range 5 {
		loadTogether(s, view, fmt.Sprint("k", round))
	}
}

// loadTogether has many callers miss a key at a time.
func loadTogether(s *subject, view cache.View[string], key string) {
	const callers = 8
	var here, loading lock.Int64
	all := lock.NewGate()
	values := make([]string, callers)
	s.together(callers, func(i int) {
		if here.Add(1) == callers {
			all.Open()
		}
		value, err := view.GetOrSet(s.ctx, key, func(ctx context.Context) (string, error) {
			if n := loading.Add(1); n > 1 {
				s.Errorf("%d loads run at once", n)
			}
			defer loading.Add(-1)
			if err := all.Wait(ctx); err != nil {
				return "", err
			}
			s.pause()
			return fmt.Sprint("loaded by ", i), nil
		})
		if err != nil {
			s.Errorf("GetOrSet: %v", err)
		}
		values[i] = value
	})
	if !s.can(cache.CanStore) {
		return // who came late has loaded for itself
	}
	for i, value := range values {
		equal(s, value, values[0], fmt.Sprintf("the value of caller %d", i))
	}
}
