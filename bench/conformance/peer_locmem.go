// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cache"
	"github.com/locmem/locmem/cachetest"
)

// allPromised are all statements that a cache is held to only if it promises them.
func allPromised(where string) map[string]string {
	promised := map[string]string{}
	for _, st := range cachetest.CacheStatements() {
		if st.Basis == cachetest.Promised {
			promised[st.ID] = where
		}
	}
	return promised
}

func locmemEngine() peer {
	return peer{
		name: "locmem", what: "`locmem.New`, a manual clock",
		factory: func(tb testing.TB, o cachetest.CacheOptions) cachetest.AnyCache[string] {
			tb.Helper()
			var onRemove func(locmem.Removal[string, int64])
			if o.OnRemove != nil {
				onRemove = func(r locmem.Removal[string, int64]) { o.OnRemove(r.Key, r.Value, causeOf(r.Cause)) }
			}
			return newEngine(tb, o, onRemove)
		},
		config: cachetest.CacheConfig{
			Documented: allPromised("package locmem, Guarantees and Consistency"), Notices: true, LoadContext: true, CacheTTL: true,
			AnyKeys: func(tb testing.TB, o cachetest.CacheOptions) cachetest.AnyCache[any] {
				tb.Helper()
				return newEngine[any](tb, o, nil)
			},
		},
	}
}

func newEngine[K comparable](tb testing.TB, o cachetest.CacheOptions, onRemove func(locmem.Removal[K, int64])) cachetest.AnyCache[K] {
	tb.Helper()
	clock := locmem.NewManualClock(time.Now())
	e, err := locmem.New(locmem.Options[K, int64]{MaxEntries: o.Capacity, TTL: o.TTL, Clock: clock, OnRemove: onRemove})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(e.Close)
	return cachetest.AnyCache[K]{
		Get:     e.Get,
		Set:     func(key K, value int64) { e.Set(key, value) },
		Delete:  func(key K) { e.Delete(key) },
		SetTTL:  func(key K, value int64, ttl time.Duration) { e.Set(key, value, locmem.TTL(ttl)) },
		Add:     func(key K, value int64) bool { return e.Add(key, value) },
		Replace: func(key K, value int64) bool { return e.Replace(key, value) },
		Take:    e.Take,
		Incr: func(key K, delta int64) (int64, bool) {
			sum, ok, err := locmem.Incr(e, key, delta)
			return sum, ok && err == nil
		},
		CompareAndSwap: func(key K, old, next int64) bool { return locmem.CompareAndSwap(e, key, old, next) },
		GetOrLoad: func(ctx context.Context, key K, load func(context.Context) (int64, error)) (int64, error) {
			return e.GetOrSet(ctx, key, func(ctx context.Context, _ K) (int64, error) { return load(ctx) })
		},
		All: e.All, Clear: e.Clear, Len: e.Len, Close: e.Close,
		Settle:  func() { _ = e.Drain(context.Background()) },
		Advance: clock.Advance,
	}
}

func causeOf(c locmem.Cause) cachetest.Cause {
	switch c {
	case locmem.Replaced:
		return cachetest.Replaced
	case locmem.Evicted:
		return cachetest.Evicted
	case locmem.Expired:
		return cachetest.Expired
	default:
		return cachetest.Removed
	}
}

func locmemFront() peer {
	return peer{
		name: "locmem/cache", what: "`cache.New` on local memory, codec `NoCopy`, a manual clock", factory: newFront,
		config: cachetest.CacheConfig{
			Documented: allPromised("package cache, Guarantees, and docs/contract.md"), Notices: true, LoadContext: true, CacheTTL: true,
		},
	}
}

func newFront(tb testing.TB, o cachetest.CacheOptions) cachetest.AnyCache[string] {
	tb.Helper()
	clock := locmem.NewManualClock(time.Now())
	timeout := cache.Never()
	if o.TTL != 0 {
		timeout = cache.Timeout(o.TTL)
	}
	c, err := cache.New(cache.Config{
		Registry: cache.NewRegistry(cache.RegistryOptions{Clock: clock}), MaxEntries: o.Capacity, Timeout: timeout, Codec: cache.NoCopy,
		KeyFunc: func(key, _ string, _ int) string { return key },
	})
	if err != nil {
		tb.Fatal(err)
	}
	if o.OnRemove != nil {
		stop, err := c.Watch(func(r cache.Removal) {
			value, _ := r.Value.(int64)
			o.OnRemove(r.Key, value, causeOf(r.Cause))
		})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(stop)
	}
	ctx, view := context.Background(), cache.For[int64](c)
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	return cachetest.AnyCache[string]{
		Get: func(key string) (int64, bool) {
			value, found, err := view.Get(ctx, key)
			must(err)
			return value, found
		},
		Set: func(key string, value int64) { must(view.Set(ctx, key, value)) },
		Delete: func(key string) {
			_, err := c.Delete(ctx, key)
			must(err)
		},
		SetTTL: func(key string, value int64, ttl time.Duration) { must(view.Set(ctx, key, value, cache.Timeout(ttl))) },
		Add: func(key string, value int64) bool {
			added, err := view.Add(ctx, key, value)
			must(err)
			return added
		},
		Incr: func(key string, delta int64) (int64, bool) {
			sum, err := c.Incr(ctx, key, delta)
			if errors.Is(err, cache.ErrMiss) {
				return 0, false
			}
			must(err)
			return sum, true
		},
		GetOrLoad: func(ctx context.Context, key string, load func(context.Context) (int64, error)) (int64, error) {
			return view.GetOrSet(ctx, key, load)
		},
		Clear: func() { must(c.Clear(ctx)) },
		Len: func() int {
			stats, err := c.Stats()
			must(err)
			return stats.Entries
		},
		Close:   func() { must(c.Close()) },
		Advance: clock.Advance,
	}
}
