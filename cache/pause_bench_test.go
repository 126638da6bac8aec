// SPDX-License-Identifier: MIT

package cache_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/cache"
)

// BenchmarkGetBesideACull measures the longest Get while one write makes room in a
// store of 200,000 entries: in a batch, of 66,666 of them, or of one. An operation is
// one such write; refilling the store is not timed.
//
//	go test ./cache -run '^$' -bench GetBesideACull -benchtime 10x
func BenchmarkGetBesideACull(b *testing.B) {
	const entries = 200_000
	keys := make([]string, 2*entries)
	for i := range keys {
		keys[i] = fmt.Sprint("key-", i)
	}
	ctx := context.Background()
	for _, mode := range []struct {
		name string
		cull cache.Cull
	}{
		{"batch", cache.Batch(3)},
		{"incremental", cache.Cull{}},
	} {
		b.Run(mode.name, func(b *testing.B) {
			c, err := cache.New(cache.Config{
				Registry: cache.NewRegistry(cache.RegistryOptions{}), MaxEntries: entries, Cull: mode.cull, Timeout: cache.Never(),
			})
			require.NoError(b, err)
			view := cache.For[int](c)
			var longest, write time.Duration
			reads, next := 0, 0
			for b.Loop() {
				b.StopTimer()
				for stats, _ := c.Stats(); stats.Entries < entries; stats, _ = c.Stats() {
					for range entries - stats.Entries {
						require.NoError(b, view.Set(ctx, keys[next%len(keys)], next))
						next++
					}
				}
				hot := keys[(next-1)%len(keys)]
				fresh := keys[next%len(keys)]
				next++
				reading, culled := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(culled)
					<-reading
					begin := time.Now()
					if err := view.Set(ctx, fresh, 1); err != nil {
						b.Error(err)
					}
					write = max(write, time.Since(begin))
				}()
				b.StartTimer()
				close(reading)
				for done := false; !done; {
					begin := time.Now()
					if _, found, err := view.Get(ctx, hot); !found || err != nil {
						b.Errorf("%t %v", found, err)
						break
					}
					longest = max(longest, time.Since(begin))
					reads++
					select {
					case <-culled:
						done = true
					default:
					}
				}
				<-culled
			}
			b.ReportMetric(float64(longest.Nanoseconds())/1e3, "µs/longest-Get")
			b.ReportMetric(float64(write.Nanoseconds())/1e3, "µs/longest-write")
			b.ReportMetric(float64(reads)/float64(b.N), "Gets/op")
		})
	}
}
