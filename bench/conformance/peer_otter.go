// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"sync"
	"testing"

	"github.com/maypok86/otter/v2"

	"github.com/locmem/locmem/cachetest"
)

func otterPeer() peer {
	get := "Cache.Get: a write or an invalidation during the load discards the loaded value"
	each := "Options.OnDeletion: notified each time an entry is deleted, for any DeletionCause"
	return peer{
		name: "otter", module: "github.com/maypok86/otter/v2", what: "`otter.New`; settled by `CleanUp` and the end of the listeners",
		factory: newOtter[string],
		config: cachetest.CacheConfig{
			Documented: map[string]string{
				"B12": get, "B13": get, "T1": "Cache.Get: if another Get is loading the key, waits for it",
				"B22": each, "C26": each, "T3": each, "T7": each,
			},
			Disclaimed: map[string]string{
				"B8":  "Cache.Get: a loader must not attempt to update any mappings of the cache",
				"B10": "Cache.Get: a loader must not attempt to update any mappings of the cache",
			},
			Notices: true, LoadContext: true, CacheTTL: true,
			AnyKeys: newOtter[any],
		},
	}
}

func newOtter[K comparable](tb testing.TB, o cachetest.CacheOptions) cachetest.AnyCache[K] {
	tb.Helper()
	var tasks sync.WaitGroup // so that Settle can wait for listeners
	options := &otter.Options[K, int64]{
		MaximumSize: o.Capacity,
		Executor:    func(task func()) { tasks.Go(task) },
	}
	if o.TTL != 0 {
		options.ExpiryCalculator = otter.ExpiryWriting[K, int64](o.TTL)
	}
	if o.OnRemove != nil {
		options.OnDeletion = func(e otter.DeletionEvent[K, int64]) {
			cause := map[otter.DeletionCause]cachetest.Cause{
				otter.CauseInvalidation: cachetest.Removed, otter.CauseReplacement: cachetest.Replaced,
				otter.CauseOverflow: cachetest.Evicted, otter.CauseExpiration: cachetest.Expired,
			}[e.Cause]
			o.OnRemove(any(e.Key).(string), e.Value, cause)
		}
	}
	c, err := otter.New(options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.StopAllGoroutines() })
	update := func(key K, change func(old int64) (int64, bool)) (value int64, done bool) {
		value, _ = c.ComputeIfPresent(key, func(old int64) (int64, otter.ComputeOp) {
			var next int64
			if next, done = change(old); done {
				return next, otter.WriteOp
			}
			return old, otter.CancelOp
		})
		return value, done
	}
	return cachetest.AnyCache[K]{
		Get:    c.GetIfPresent,
		Set:    func(key K, value int64) { c.Set(key, value) },
		Delete: func(key K) { c.Invalidate(key) },
		Add: func(key K, value int64) bool {
			_, added := c.SetIfAbsent(key, value)
			return added
		},
		Replace: func(key K, value int64) bool {
			_, done := update(key, func(int64) (int64, bool) { return value, true })
			return done
		},
		Take: c.Invalidate,
		Incr: func(key K, delta int64) (int64, bool) {
			return update(key, func(old int64) (int64, bool) { return old + delta, true })
		},
		CompareAndSwap: func(key K, old, next int64) bool {
			_, done := update(key, func(held int64) (int64, bool) { return next, held == old })
			return done
		},
		GetOrLoad: func(ctx context.Context, key K, load func(context.Context) (int64, error)) (int64, error) {
			return c.Get(ctx, key, otter.LoaderFunc[K, int64](func(ctx context.Context, _ K) (int64, error) { return load(ctx) }))
		},
		All: c.All, Clear: c.InvalidateAll, Len: c.EstimatedSize,
		Close: func() { c.StopAllGoroutines() },
		Settle: func() {
			c.CleanUp()
			tasks.Wait()
		},
	}
}
