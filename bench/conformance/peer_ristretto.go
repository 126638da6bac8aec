// SPDX-License-Identifier: MIT

package main

import (
	"testing"
	"time"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/locmem/locmem/cachetest"
)

func ristrettoPeer() peer {
	return peer{
		name: "ristretto", module: "github.com/dgraph-io/ristretto/v2",
		what:    "`NewCache`, cost 1, ten counters an entry, `IgnoreInternalCost`; settled by `Wait`",
		factory: newRistretto,
		config: cachetest.CacheConfig{
			SettlesLater: "Cache.Wait: ensures that a Set will be visible to future Gets",
			MayDrop:      "README, FAQ: a Set of a new item is not guaranteed to make it into the cache",
			ClearAlone:   "Cache.Clear: it is assumed that no Set or Get occurs until after it",
		},
	}
}

func newRistretto(tb testing.TB, o cachetest.CacheOptions) cachetest.AnyCache[string] {
	tb.Helper()
	c, err := ristretto.NewCache(&ristretto.Config[string, int64]{
		NumCounters: 10 * int64(o.Capacity), MaxCost: int64(o.Capacity), BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return cachetest.AnyCache[string]{
		Get:    c.Get,
		Set:    func(key string, value int64) { c.Set(key, value, 1) },
		Delete: c.Del,
		SetTTL: func(key string, value int64, ttl time.Duration) { c.SetWithTTL(key, value, 1, ttl) },
		Clear:  c.Clear,
		Close:  c.Close,
		Settle: c.Wait,
	}
}
