// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"testing"
	"time"

	"github.com/phuslu/lru"

	"github.com/locmem/locmem/cachetest"
)

func phusluPeer() peer {
	return peer{
		name: "phuslu", module: "github.com/phuslu/lru",
		what:    "`NewTTLCache`, default shards. `SetIfAbsent` does not tell whether it stored, so there is no add",
		factory: newPhuslu[string],
		config: cachetest.CacheConfig{
			Documented:  map[string]string{"T1": "TTLCache.GetOrLoad: calls the loader by singleflight"},
			Granularity: time.Second, // README, Limitations: the TTL is accurate to the nearest second
			LoadContext: true,
			AnyKeys:     newPhuslu[any],
		},
	}
}

func newPhuslu[K comparable](tb testing.TB, o cachetest.CacheOptions) cachetest.AnyCache[K] {
	tb.Helper()
	c := lru.NewTTLCache[K, int64](o.Capacity)
	return cachetest.AnyCache[K]{
		Get:    c.Get,
		Set:    func(key K, value int64) { c.Set(key, value, 0) },
		Delete: func(key K) { c.Delete(key) },
		SetTTL: func(key K, value int64, ttl time.Duration) { c.Set(key, value, ttl) },
		GetOrLoad: func(ctx context.Context, key K, load func(context.Context) (int64, error)) (int64, error) {
			value, err, _ := c.GetOrLoad(ctx, key, func(ctx context.Context, _ K) (int64, time.Duration, error) {
				value, err := load(ctx)
				return value, 0, err
			})
			return value, err
		},
		Len: c.Len,
	}
}
