// SPDX-License-Identifier: MIT

package main

import (
	"iter"
	"testing"
	"time"

	gocache "github.com/patrickmn/go-cache"

	"github.com/locmem/locmem/cachetest"
)

func goCachePeer() peer {
	return peer{
		name: "go-cache", module: "github.com/patrickmn/go-cache", what: "`New`, expired items purged every 10 ms", factory: newGoCache,
		config: cachetest.CacheConfig{Notices: true, Unbounded: noLimit},
	}
}

func newGoCache(_ testing.TB, o cachetest.CacheOptions) cachetest.AnyCache[string] {
	c := gocache.New(o.TTL, 10*time.Millisecond)
	if o.OnRemove != nil {
		c.OnEvicted(func(key string, value any) { o.OnRemove(key, value.(int64), cachetest.Unknown) })
	}
	return cachetest.AnyCache[string]{
		Get: func(key string) (int64, bool) {
			value, ok := c.Get(key)
			if !ok {
				return 0, false
			}
			return value.(int64), true
		},
		Set:     func(key string, value int64) { c.Set(key, value, gocache.DefaultExpiration) },
		Delete:  c.Delete,
		SetTTL:  func(key string, value int64, ttl time.Duration) { c.Set(key, value, ttl) },
		Add:     func(key string, value int64) bool { return c.Add(key, value, gocache.DefaultExpiration) == nil },
		Replace: func(key string, value int64) bool { return c.Replace(key, value, gocache.DefaultExpiration) == nil },
		Incr: func(key string, delta int64) (int64, bool) {
			sum, err := c.IncrementInt64(key, delta)
			return sum, err == nil
		},
		All: func() iter.Seq2[string, int64] {
			return func(yield func(string, int64) bool) {
				for key, item := range c.Items() {
					if !yield(key, item.Object.(int64)) {
						return
					}
				}
			}
		},
		Clear: c.Flush,
		Len:   c.ItemCount,
	}
}
