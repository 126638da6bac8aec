// SPDX-License-Identifier: MIT

package locmem_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
)

// openLimits makes an engine whose limits are those of the writes.
func openLimits(t *testing.T, policy evict.Policy, shards int, change ...func(*locmem.Options[int, int])) *locmem.Engine[int, int] {
	t.Helper()
	opts := locmem.Options[int, int]{Unbounded: true, Shards: shards, Policy: policy, Clock: locmem.NewManualClock(theStart)}
	for _, c := range change {
		c(&opts)
	}
	e, err := locmem.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, e.Validate())
		e.Close()
	})
	return e
}

func TestALimitEvictsOneForOne(t *testing.T) {
	t.Parallel()
	for name, policy := range policies {
		for _, shards := range []int{1, 16} {
			t.Run(fmt.Sprintf("%s, %d shards", name, shards), func(t *testing.T) {
				t.Parallel()
				e := openLimits(t, policy, shards)
				for key := range 500 {
					require.True(t, e.Set(key, key, locmem.Limit(300)))
					require.Equal(t, min(key+1, 300), e.Len())
				}
				require.True(t, e.Set(1000, 1, locmem.Limit(10)), "far above the limit of the write")
				require.Equal(t, 10, e.Len())
				require.True(t, e.Has(1000))
				require.True(t, e.Set(1001, 1, locmem.Limit(-1)), "counts as 1")
				require.Equal(t, 1, e.Len())
				require.True(t, e.Has(1001))
			})
		}
	}
}

func TestAWriteToALiveEntryEvictsNothingForItsLimit(t *testing.T) {
	t.Parallel()
	e := openLimits(t, nil, 4)
	for key := range 100 {
		e.Set(key, key)
	}
	require.True(t, e.Set(7, 1, locmem.Limit(10), locmem.Cull(1)))
	require.True(t, e.Replace(8, 1, locmem.Limit(10)))
	require.False(t, e.Add(9, 1, locmem.Limit(10)))
	_, ok := e.Compute(10, func(locmem.Entry[int], bool) (int, locmem.Op) { return 1, locmem.Store }, locmem.Limit(10))
	require.True(t, ok)
	require.True(t, e.Set(200, 1, locmem.Limit(10), locmem.TTL(0)), "what has expired already needs no room")
	require.Equal(t, 100, e.Len())
}

func TestALimitTakesWhatHasExpiredFirst(t *testing.T) {
	t.Parallel()
	for _, share := range []int{0, 2} {
		t.Run(fmt.Sprintf("cull %d", share), func(t *testing.T) {
			t.Parallel()
			within := []locmem.EntryOption{locmem.Limit(64)}
			if share > 0 {
				within = append(within, locmem.Cull(share))
			}
			// On the real clock, which sweeps only every now and then.
			e := openLimits(t, evict.LRU, 16, func(o *locmem.Options[int, int]) { o.Clock = locmem.PreciseClock })
			for key := range 63 {
				e.Set(key, key)
			}
			e.Set(63, 63, locmem.TTL(20*time.Millisecond))
			require.Eventually(t, func() bool { return !e.Has(63) }, patience, time.Millisecond)
			e.Set(64, 64, within...)
			for key := range 63 {
				require.True(t, e.Has(key), "key %d", key)
			}
			require.Equal(t, 64, e.Len())
		})
	}
}

func TestALimitOfWeight(t *testing.T) {
	t.Parallel()
	e := openLimits(t, evict.LRU, 4, func(o *locmem.Options[int, int]) {
		o.Weigh = func(_, value int) int64 { return int64(value) }
	})
	limit := locmem.LimitWeight(100)
	for key := range 50 {
		require.True(t, e.Set(key, 10, limit))
		require.LessOrEqual(t, e.Weight(), int64(100))
	}
	require.Equal(t, 10, e.Len())
	require.True(t, e.Set(45, 55, limit), "a heavier overwrite evicts others, never itself")
	require.True(t, e.Has(45))
	require.Equal(t, int64(95), e.Weight())
	require.False(t, e.Set(45, 101, limit))
	require.False(t, e.Has(45), "the older entry is gone")
	require.True(t, e.Set(46, 100, limit), "all of it")
	require.Equal(t, 1, e.Len())
	for key := range 4 {
		require.True(t, e.Set(key, 10))
	}
	e.Delete(46)
	e.Set(100, 500)
	require.True(t, e.Set(100, 90, limit), "it gets lighter")
	require.Equal(t, 5, e.Len(), "and so nobody goes")
	require.True(t, e.Set(101, 1, limit))
	require.LessOrEqual(t, e.Weight(), int64(100))
	require.True(t, e.Has(101))
}

func TestACullTakesItsShareOfWhatIsHeld(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ limit, share, sets, left int }{
		{30, 3, 49, 29},
		{300, 3, 301, 201},
		{30, 0, 49, 19},
		{30, 1, 49, 19},
		{2, 50, 3, 2},
	} {
		for name, policy := range policies {
			for _, shards := range []int{1, 8} {
				t.Run(fmt.Sprintf("%d of %d, one of %d, %s, %d shards", tc.sets, tc.limit, tc.share, name, shards), func(t *testing.T) {
					t.Parallel()
					e := openLimits(t, policy, shards)
					for key := range tc.sets {
						require.True(t, e.Set(key, key, locmem.Limit(tc.limit), locmem.Cull(tc.share)))
						require.LessOrEqual(t, e.Len(), tc.limit)
					}
					require.Equal(t, tc.left, e.Len())
				})
			}
		}
	}
	e := openLimits(t, evict.LRU, 8)
	for key := range 1000 {
		e.Set(key, key, locmem.Cull(2))
	}
	require.Equal(t, 1000, e.Len(), "without a limit it says nothing")
	e.Set(1000, 1, locmem.Limit(100), locmem.Cull(4))
	require.Equal(t, 751, e.Len(), "one cull for one write")
	for key := range 641 {
		e.Set(2000+key, 1, locmem.Limit(100), locmem.Cull(10_000))
	}
	require.Equal(t, 110, e.Len(), "a small share brings it down all the same")
	for key := range 50 {
		e.Set(3000+key, 1, locmem.Limit(100), locmem.Cull(10_000))
	}
	require.Equal(t, 100, e.Len())
}

// All writers have one limit, and a watcher looks all the time.
func TestWritersWithOneLimitNeverHoldMore(t *testing.T) {
	t.Parallel()
	perWriter := 3000
	if testing.Short() {
		perWriter = 500
	}
	for _, share := range []int{0, 3} {
		for name, policy := range map[string]evict.Policy{"LRU": evict.LRU, "TinyClock": nil} {
			t.Run(fmt.Sprintf("cull %d, %s", share, name), func(t *testing.T) {
				t.Parallel()
				const limit = 50
				e := openLimits(t, policy, 8)
				within := []locmem.EntryOption{locmem.Limit(limit)}
				if share > 0 {
					within = append(within, locmem.Cull(share))
				}
				var most atomic.Int64
				race(6, func(g int) {
					for i := range perWriter {
						key := g*perWriter + i
						switch i % 7 {
						case 5:
							e.Delete(key - 2)
						case 6:
							e.SetMany(map[int]int{key: 1, -key: 1}, within...)
						default:
							e.Set(key, i, within...)
						}
						if n := int64(e.Len()); n > most.Load() {
							most.Store(n)
						}
					}
				})
				require.LessOrEqual(t, most.Load(), int64(limit))
			})
		}
	}
}

func TestOneOfManyWritersCulls(t *testing.T) {
	t.Parallel()
	trials := 200
	if testing.Short() {
		trials = 40
	}
	for range trials {
		e := openLimits(t, evict.LRU, 4)
		for key := range 60 {
			e.Set(key, key)
		}
		var ready, done sync.WaitGroup
		start := make(chan struct{})
		for g := range 4 {
			ready.Add(1)
			done.Go(func() {
				ready.Done()
				<-start
				e.Set(100+g, g, locmem.Limit(60), locmem.Cull(2))
			})
		}
		ready.Wait()
		close(start)
		done.Wait()
		require.Equal(t, 34, e.Len(), "one cull of 30 and four new entries")
	}
}
