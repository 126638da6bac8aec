// SPDX-License-Identifier: MIT

package bench

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// The benchmarks below are for profiles, one contender at a time; for comparing
// times use the compare command.
//
//	go test -run '^$' -bench 'Get/string/locmem/65536' -cpuprofile cpu.out .

const opsInBench = 1 << 20

func BenchmarkGet(b *testing.B) {
	b.Run("string", func(b *testing.B) { each(b, 1, get[string]) })
	b.Run("uint64", func(b *testing.B) { each(b, 1, get[uint64]) })
}

// BenchmarkSet overwrites entries of a set that fits.
func BenchmarkSet(b *testing.B) {
	b.Run("string", func(b *testing.B) { each(b, 1, set[string]) })
	b.Run("uint64", func(b *testing.B) { each(b, 1, set[uint64]) })
}

// BenchmarkSetEvict sets keys of which one in four fits, evenly drawn by Zipf: a
// good part are new and evict.
func BenchmarkSetEvict(b *testing.B) {
	b.Run("string", func(b *testing.B) { each(b, 4, set[string]) })
	b.Run("uint64", func(b *testing.B) { each(b, 4, set[uint64]) })
}

func BenchmarkGetParallel(b *testing.B) {
	b.Run("string", func(b *testing.B) { each(b, 1, getParallel[string]) })
	b.Run("uint64", func(b *testing.B) { each(b, 1, getParallel[uint64]) })
}

func each[K Key](b *testing.B, span int, f func(*testing.B, Cache[K], []Op[K])) {
	b.Helper()
	chosen, err := choose[K]([]string{"locmem", "otter", "phuslu"})
	require.NoError(b, err)
	for _, c := range chosen {
		// The smallest stays in the processor's caches: it shows the work, the
		// others the waiting for memory.
		for _, entries := range []int{1 << 10, 64 << 10, 1 << 20} {
			b.Run(c.Name+"/"+strconv.Itoa(entries), func(b *testing.B) {
				space := NewKeyspace[K](span*entries, 1)
				cache, err := c.New(entries)
				require.NoError(b, err)
				defer Close(cache)
				load(cache, space.All(entries))
				Settle(cache)
				f(b, cache, space.Draw(opsInBench))
			})
		}
	}
}

func get[K Key](b *testing.B, cache Cache[K], ops []Op[K]) {
	b.Helper()
	b.ReportAllocs()
	at, missed := 0, 0
	for b.Loop() {
		op := &ops[at%opsInBench]
		if value, found := cache.Get(op.Key); !found || value != op.Value {
			missed++
		}
		at++
	}
	b.ReportMetric(float64(missed)/float64(at), "misses/op")
}

func set[K Key](b *testing.B, cache Cache[K], ops []Op[K]) {
	b.Helper()
	b.ReportAllocs()
	at := 0
	for b.Loop() {
		op := &ops[at%opsInBench]
		cache.Set(op.Key, op.Value)
		at++
	}
}

func getParallel[K Key](b *testing.B, cache Cache[K], ops []Op[K]) {
	b.Helper()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		at := rand.IntN(opsInBench)
		for pb.Next() {
			op := &ops[at%opsInBench]
			if value, found := cache.Get(op.Key); found && value != op.Value {
				b.Error("wrong value")
			}
			at++
		}
	})
}
