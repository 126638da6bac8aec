// SPDX-License-Identifier: MIT

package cache_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cache"
	"github.com/locmem/locmem/evict"
)

// BenchmarkOverhead tells what a call through the front costs more than one on a
// bare engine of the same policy, lifetime and limit: both sides take turns, and
// the medians of many short turns are compared.
//
//	go test -run '^$' -bench Overhead -benchtime 1x ./cache
func BenchmarkOverhead(b *testing.B) {
	const keys, perTurn, turns = 1 << 12, 10_000, 301
	ctx := context.Background()
	// The engine as the front makes it, but that it holds texts.
	engine := locmem.Must(locmem.New(locmem.Options[string, string]{
		Unbounded: true, Policy: evict.LRU, Stats: true,
		Weigh: func(key, value string) int64 { return int64(len(key) + len(value)) },
	}))
	defer engine.Close()
	c, err := cache.New(cache.Config{
		MaxEntries: 2 * keys, Codec: cache.Raw, Registry: cache.NewRegistry(cache.RegistryOptions{}),
	})
	if err != nil {
		b.Fatal(err)
	}
	texts, bytes := cache.For[string](c), cache.For[[]byte](c)
	users, finals := make([]string, keys), make([]string, keys)
	for i := range keys {
		users[i] = "user:" + strconv.Itoa(i)
		finals[i] = ":1:" + users[i]
	}
	const value = "a value of some twenty bytes"
	asBytes := []byte(value)
	ttl, limit := locmem.TTL(cache.DefaultTimeout), locmem.Limit(2*keys)
	for i := range keys {
		engine.Set(finals[i], value, ttl)
		if err := texts.Set(ctx, users[i], value); err != nil {
			b.Fatal(err)
		}
	}
	for _, call := range []struct {
		name        string
		bare, front func(i int)
	}{
		{"Get", func(i int) { engine.Get(finals[i]) }, func(i int) { _, _, _ = texts.Get(ctx, users[i]) }},
		{"Get of bytes", func(i int) { engine.Get(finals[i]) }, func(i int) { _, _, _ = bytes.Get(ctx, users[i]) }},
		{"Set", func(i int) { engine.Set(finals[i], value, ttl, limit) }, func(i int) { _ = texts.Set(ctx, users[i], value) }},
		{"Set of bytes", func(i int) { engine.Set(finals[i], value, ttl, limit) }, func(i int) { _ = bytes.Set(ctx, users[i], asBytes) }},
	} {
		b.Run(call.name, func(b *testing.B) {
			order := make([]int, perTurn)
			var bare, front []float64
			for range b.N {
				for range turns {
					for i := range order {
						order[i] = rand.IntN(keys)
					}
					bare = append(bare, turn(order, call.bare))
					front = append(front, turn(order, call.front))
				}
			}
			slices.Sort(bare)
			slices.Sort(front)
			engineNs, frontNs := bare[len(bare)/2], front[len(front)/2]
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(engineNs, "engine-ns")
			b.ReportMetric(frontNs, "front-ns")
			b.ReportMetric(frontNs-engineNs, "more-ns")
			b.ReportMetric(testing.AllocsPerRun(1000, func() { call.front(7) }), "front-allocs")
		})
	}
}

// turn returns the nanoseconds of one call.
func turn(order []int, call func(i int)) float64 {
	start := time.Now()
	for _, i := range order {
		call(i)
	}
	return float64(time.Since(start)) / float64(len(order))
}
