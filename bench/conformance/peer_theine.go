// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/Yiling-J/theine-go"

	"github.com/locmem/locmem/cachetest"
)

const theineModule = "github.com/Yiling-J/theine-go"

// theineListener is what theine documents of its listener.
const theineListener = "Builder.RemovalListener: called when an entry is evicted, expired or deleted"

func theinePeer() peer {
	return peer{
		name: "theine", module: theineModule, what: "`NewBuilder(...).Build`, cost 1; settled by `Wait`", factory: newTheine[string],
		config: cachetest.CacheConfig{
			Documented: map[string]string{"C26": theineListener, "T7": theineListener},
			Notices:    true,
			AnyKeys:    newTheine[any],
		},
	}
}

func theineBuilder[K comparable](o cachetest.CacheOptions) *theine.Builder[K, int64] {
	b := theine.NewBuilder[K, int64](int64(o.Capacity))
	if o.OnRemove != nil {
		b.RemovalListener(func(key K, value int64, reason theine.RemoveReason) {
			cause := map[theine.RemoveReason]cachetest.Cause{
				theine.REMOVED: cachetest.Removed, theine.EVICTED: cachetest.Evicted, theine.EXPIRED: cachetest.Expired,
			}[reason]
			o.OnRemove(any(key).(string), value, cause)
		})
	}
	return b
}

func newTheine[K comparable](tb testing.TB, o cachetest.CacheOptions) cachetest.AnyCache[K] {
	tb.Helper()
	c, err := theineBuilder[K](o).Build()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return cachetest.AnyCache[K]{
		Get:    c.Get,
		Set:    func(key K, value int64) { c.Set(key, value, 1) },
		Delete: c.Delete,
		SetTTL: func(key K, value int64, ttl time.Duration) { c.SetWithTTL(key, value, 1, ttl) },
		All:    func() iter.Seq2[K, int64] { return c.Range },
		Len:    c.Len,
		Close:  c.Close,
		Settle: c.Wait,
	}
}

// theineLoadingPeer is the other of theine's two caches: its Get always loads. It is
// there for its loads: what both have is in the other's row, once.
func theineLoadingPeer() peer {
	return peer{
		name: "theine loading", module: theineModule,
		what:    "`NewBuilder(...).Loading`; for its loads alone; a loader that fails stands for plain reads; settled by `Wait`",
		factory: newTheineLoading,
		config: cachetest.CacheConfig{
			Documented: map[string]string{
				"T1": "README: uses singleflight to prevent concurrent loading to the same key",
			},
			LoadContext: true,
		},
	}
}

// loaderKey is how a context carries the loader of one call: theine has one for all.
type loaderKey struct{}

var errMiss = errors.New("nothing is held")

func newTheineLoading(tb testing.TB, o cachetest.CacheOptions) cachetest.AnyCache[string] {
	tb.Helper()
	c, err := theineBuilder[string](o).Loading(func(ctx context.Context, _ string) (theine.Loaded[int64], error) {
		load, ok := ctx.Value(loaderKey{}).(func(context.Context) (int64, error))
		if !ok {
			return theine.Loaded[int64]{}, errMiss
		}
		value, err := load(ctx)
		return theine.Loaded[int64]{Value: value, Cost: 1}, err
	}).Build()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return cachetest.AnyCache[string]{
		Get: func(key string) (int64, bool) {
			value, err := c.Get(context.Background(), key)
			return value, err == nil
		},
		Set:    func(key string, value int64) { c.Set(key, value, 1) },
		Delete: c.Delete,
		GetOrLoad: func(ctx context.Context, key string, load func(context.Context) (int64, error)) (int64, error) {
			return c.Get(context.WithValue(ctx, loaderKey{}, load), key)
		},
		Len:    c.Len,
		Close:  c.Close,
		Settle: c.Wait,
	}
}
