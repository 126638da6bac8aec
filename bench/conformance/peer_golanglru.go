// SPDX-License-Identifier: MIT

package main

import (
	"testing"

	"github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/expirable"

	"github.com/locmem/locmem/cachetest"
)

const golangLRUModule = "github.com/hashicorp/golang-lru/v2"

func golangLRUPeer() peer {
	fixed := "package lru: a thread-safe fixed size LRU cache"
	return peer{
		name: "golang-lru", module: golangLRUModule, what: "`lru.NewWithEvict`", factory: newGolangLRU[string],
		config: cachetest.CacheConfig{
			Documented: map[string]string{"C31": fixed, "C32": fixed, "C33": fixed},
			Notices:    true,
			AnyKeys:    newGolangLRU[any],
		},
	}
}

func newGolangLRU[K comparable](tb testing.TB, o cachetest.CacheOptions) cachetest.AnyCache[K] {
	tb.Helper()
	var onEvicted func(K, int64)
	if o.OnRemove != nil {
		onEvicted = func(key K, value int64) { o.OnRemove(any(key).(string), value, cachetest.Unknown) }
	}
	c, err := lru.NewWithEvict(o.Capacity, onEvicted)
	if err != nil {
		tb.Fatal(err)
	}
	return cachetest.AnyCache[K]{
		Get:    c.Get,
		Set:    func(key K, value int64) { c.Add(key, value) },
		Delete: func(key K) { c.Remove(key) },
		Add: func(key K, value int64) bool {
			held, _ := c.ContainsOrAdd(key, value)
			return !held
		},
		Clear: c.Purge,
		Len:   c.Len,
	}
}

func expirablePeer() peer {
	return peer{
		name: "golang-lru expirable", module: golangLRUModule, what: "`expirable.NewLRU`", factory: newExpirable[string],
		config: cachetest.CacheConfig{Notices: true, CacheTTL: true, AnyKeys: newExpirable[any]},
	}
}

func newExpirable[K comparable](_ testing.TB, o cachetest.CacheOptions) cachetest.AnyCache[K] {
	var onEvict expirable.EvictCallback[K, int64]
	if o.OnRemove != nil {
		onEvict = func(key K, value int64) { o.OnRemove(any(key).(string), value, cachetest.Unknown) }
	}
	c := expirable.NewLRU(o.Capacity, onEvict, o.TTL)
	return cachetest.AnyCache[K]{
		Get:    c.Get,
		Set:    func(key K, value int64) { c.Add(key, value) },
		Delete: func(key K) { c.Remove(key) },
		Clear:  c.Purge,
		Len:    c.Len,
	}
}
