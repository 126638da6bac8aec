// SPDX-License-Identifier: MIT

// The race detector and the checks of invariants allocate on their own.
//go:build !race && !invariants

package cache_test

import (
	"context"
	"testing"
	"time"

	"github.com/locmem/locmem/cache"
)

// The key of a read is made on the stack, that of a write is one allocation.
func TestReadsAllocateNoKeyAndWritesOne(t *testing.T) {
	c, err := cache.New(cache.Config{Codec: cache.Raw, Registry: cache.NewRegistry(cache.RegistryOptions{})})
	if err != nil {
		t.Fatal(err)
	}
	texts, numbers, ctx := cache.For[string](c), cache.For[int](c), context.Background()
	for _, tc := range []struct {
		name string
		most float64
		call func()
	}{
		{"Set", 1, func() { _ = texts.Set(ctx, "user:1", "a value") }},
		{"Get", 0, func() { _, _, _ = texts.Get(ctx, "user:1") }},
		{"Get of a miss", 0, func() { _, _, _ = texts.Get(ctx, "user:2") }},
		{"Get with a version", 1, func() { _, _, _ = texts.Get(ctx, "user:1", cache.Version(2)) }},
		{"Set with a timeout", 1, func() { _ = texts.Set(ctx, "user:1", "a value", cache.Timeout(time.Minute)) }},
		{"Set of a number", 1, func() { _ = numbers.Set(ctx, "n", 7) }},
		{"Get of a number", 0, func() { _, _, _ = numbers.Get(ctx, "n") }},
	} {
		if got := testing.AllocsPerRun(200, tc.call); got > tc.most {
			t.Errorf("%s: %v allocations, at most %v", tc.name, got, tc.most)
		}
	}
}
