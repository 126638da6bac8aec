// SPDX-License-Identifier: MIT

// The race detector and the checks of invariants allocate on their own.
//go:build !race && !invariants

package locmem_test

import (
	"context"
	"math"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
)

// TestHotPathsAllocateNothing counts the heap's allocations over 100,000 calls
// of each hot path, a tenth of that in a short run, after as many to warm up, with
// keys made before. There are none.
func TestHotPathsAllocateNothing(t *testing.T) {
	for name, policy := range policies {
		for _, listener := range []bool{false, true} {
			name := name
			if listener {
				name += " with a listener"
			}
			t.Run(name+"/uint64", func(t *testing.T) {
				allocationsOf(t, policy, listener, func(i int) uint64 { return uint64(i) })
			})
			t.Run(name+"/string", func(t *testing.T) {
				allocationsOf(t, policy, listener, func(i int) string { return "key:" + strconv.Itoa(i) })
			})
		}
	}
}

func allocationsOf[K comparable](t *testing.T, policy evict.Policy, listener bool, key func(int) K) {
	const capacity = 1 << 10
	calls := 100_000
	if testing.Short() {
		calls = 10 * capacity // each key comes by more than once
	}
	keys := make([]K, 8*capacity)
	for i := range keys {
		keys[i] = key(i)
	}
	removed := 0
	opts := locmem.Options[K, uint64]{
		MaxEntries: capacity, MaxWeight: 100 * capacity, Policy: policy, Stats: true,
		Load: func(context.Context, K) (uint64, error) { return 1, nil },
	}
	if listener {
		opts.OnRemove = func(locmem.Removal[K, uint64]) { removed++ }
	}
	e := locmem.Must(locmem.New(opts))
	defer e.Close()
	ctx := context.Background()
	at := time.Now().Add(time.Hour)
	next := 0
	fresh := func() K { next++; return keys[capacity+next%(7*capacity)] }
	for _, hot := range []struct {
		name string
		call func(i int)
	}{
		{"Set of a new key at capacity", func(int) { e.Set(fresh(), 1) }},
		{"Set of a new key at capacity with options", func(int) { e.Set(fresh(), 1, locmem.TTL(time.Hour), locmem.Weight(2)) }},
		{"Set of a new key at capacity with Idle", func(int) { e.Set(fresh(), 1, locmem.Idle(time.Hour), locmem.ExpireAt(at)) }},
		{"Get miss", func(i int) { e.Get(keys[i%capacity]) }},
		{"Set of an existing key", func(i int) { e.Set(keys[i%8], 1) }},
		{"Set of an existing key with options", func(i int) { e.Set(keys[i%8], 1, locmem.TTL(time.Hour), locmem.Weight(3)) }},
		{"Get hit", func(i int) { e.Get(keys[i%8]) }},
		{"Has hit", func(i int) { e.Has(keys[i%8]) }},
		{"GetOrSet hit", func(i int) { _, _ = e.GetOrSet(ctx, keys[i%8], nil) }},
		{"GetOrSet hit with options", func(i int) { _, _ = e.GetOrSet(ctx, keys[i%8], nil, locmem.TTL(time.Hour)) }},
		{"Touch", func(i int) { e.Touch(keys[i%8], locmem.TTL(2*time.Hour)) }},
		{"Delete and Add", func(i int) { e.Delete(keys[i%8]); e.Add(keys[i%8], 1) }},
	} {
		// The counter is the whole process's. A path that allocates does so in every
		// run, something else that came by in one of them.
		fewest := uint64(math.MaxUint64)
		for range 3 {
			for i := range calls {
				hot.call(i)
			}
			fewest = min(fewest, mallocs(func() {
				for i := range calls {
					hot.call(i)
				}
			}))
			if fewest == 0 {
				break
			}
		}
		require.Zero(t, fewest, "%s: allocations in %d calls", hot.name, calls)
	}
	require.Equal(t, listener, removed > 0)
}

// mallocs returns how many objects the process allocated while f ran.
func mallocs(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}
