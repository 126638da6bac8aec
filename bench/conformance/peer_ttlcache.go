// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/jellydator/ttlcache/v3"
	"golang.org/x/sync/singleflight"

	"github.com/locmem/locmem/cachetest"
)

func ttlcachePeer() peer {
	return peer{
		name: "ttlcache", module: "github.com/jellydator/ttlcache/v3",
		what:    "`New` with `WithDisableTouchOnHit` and `Start`; loads by `SuppressedLoader`, which has no errors: a nil item stands for one",
		factory: newTTLCache[string],
		config: cachetest.CacheConfig{
			Documented: map[string]string{
				"T1":  "SuppressedLoader.Load: only one execution is in flight for a key at a time",
				"C31": "WithCapacity sets the maximum capacity of the cache",
				"C26": "Cache.OnEviction and EvictionReasonExpired",
			},
			Notices: true,
			AnyKeys: newTTLCache[any],
		},
	}
}

func newTTLCache[K comparable](tb testing.TB, o cachetest.CacheOptions) cachetest.AnyCache[K] {
	tb.Helper()
	c := ttlcache.New(
		ttlcache.WithCapacity[K, int64](uint64(o.Capacity)),
		ttlcache.WithTTL[K, int64](o.TTL),
		ttlcache.WithDisableTouchOnHit[K, int64](),
	)
	go c.Start()
	tb.Cleanup(c.Stop)
	if o.OnRemove != nil {
		c.OnEviction(func(_ context.Context, reason ttlcache.EvictionReason, item *ttlcache.Item[K, int64]) {
			cause := map[ttlcache.EvictionReason]cachetest.Cause{
				ttlcache.EvictionReasonDeleted: cachetest.Removed, ttlcache.EvictionReasonCapacityReached: cachetest.Evicted,
				ttlcache.EvictionReasonExpired: cachetest.Expired,
			}[reason]
			o.OnRemove(any(item.Key()).(string), item.Value(), cause)
		})
	}
	value := func(item *ttlcache.Item[K, int64]) (int64, bool) {
		if item == nil {
			return 0, false
		}
		return item.Value(), true
	}
	var group singleflight.Group
	return cachetest.AnyCache[K]{
		Get:    func(key K) (int64, bool) { return value(c.Get(key)) },
		Set:    func(key K, value int64) { c.Set(key, value, ttlcache.DefaultTTL) },
		Delete: c.Delete,
		SetTTL: func(key K, value int64, ttl time.Duration) { c.Set(key, value, ttl) },
		Add: func(key K, value int64) bool {
			_, held := c.GetOrSet(key, value)
			return !held
		},
		Take: func(key K) (int64, bool) {
			item, _ := c.GetAndDelete(key)
			return value(item)
		},
		GetOrLoad: func(ctx context.Context, key K, load func(context.Context) (int64, error)) (int64, error) {
			failure := errMiss
			loader := ttlcache.LoaderFunc[K, int64](func(c *ttlcache.Cache[K, int64], key K) *ttlcache.Item[K, int64] {
				value, err := load(ctx)
				if err != nil {
					failure = err
					return nil
				}
				return c.Set(key, value, ttlcache.DefaultTTL)
			})
			loaded, ok := value(c.Get(key, ttlcache.WithLoader[K, int64](ttlcache.NewSuppressedLoader[K, int64](loader, &group))))
			if !ok {
				return 0, failure
			}
			return loaded, nil
		},
		All: func() iter.Seq2[K, int64] {
			return func(yield func(K, int64) bool) {
				c.Range(func(item *ttlcache.Item[K, int64]) bool { return yield(item.Key(), item.Value()) })
			}
		},
		Clear: c.DeleteAll,
		Len:   c.Len,
		Close: c.Stop,
	}
}
