// SPDX-License-Identifier: MIT

package main

import (
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/elastic/go-freelru"

	"github.com/locmem/locmem/cachetest"
)

func freelruPeer() peer {
	return peer{
		name: "freelru", module: "github.com/elastic/go-freelru", what: "`NewSharded` with xxhash, as its README does", factory: newFreelru,
		config: cachetest.CacheConfig{Notices: true, CacheTTL: true},
	}
}

func newFreelru(tb testing.TB, o cachetest.CacheOptions) cachetest.AnyCache[string] {
	tb.Helper()
	c, err := freelru.NewSharded[string, int64](uint32(o.Capacity), func(key string) uint32 { return uint32(xxhash.Sum64String(key)) })
	if err != nil {
		tb.Fatal(err)
	}
	c.SetLifetime(o.TTL)
	if o.OnRemove != nil {
		c.SetOnEvict(func(key string, value int64) { o.OnRemove(key, value, cachetest.Unknown) })
	}
	return cachetest.AnyCache[string]{
		Get:    c.Get,
		Set:    func(key string, value int64) { c.Add(key, value) },
		Delete: func(key string) { c.Remove(key) },
		SetTTL: func(key string, value int64, ttl time.Duration) { c.AddWithLifetime(key, value, ttl) },
		Clear:  c.Purge,
		Len:    c.Len,
	}
}
