// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
)

func TestEveryLoadEndsInOneOfThreeCounters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, clock := timed(t, locmem.Options[int, int]{
			MaxEntries: 20, TTL: time.Minute, RefreshAhead: 20 * time.Second, StaleFor: 20 * time.Second, StaleIfError: 40 * time.Second,
			NegativeTTL: 10 * time.Second,
		})
		rnd := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex // protects all that the loaders count
		var loads, successes, failures, nothing uint64
		load := func(_ context.Context, key int) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			loads++
			switch rnd.IntN(3) {
			case 0:
				failures++
				return 0, errAway
			case 1:
				nothing++
				return findsNothing(t.Context(), key)
			}
			successes++
			return key, nil
		}
		left, leave := context.WithCancel(t.Context())
		l := newLoader()
		abandoned := ask(left, e, -1, l.load)
		<-l.begun
		leave()
		require.Error(t, now(t, abandoned).err)
		require.EqualValues(t, 1, e.Stats().Loads)
		require.Zero(t, e.Stats().LoadSuccesses, "it still runs")
		l.result <- answer{1, nil}
		synctest.Wait()
		loads, successes = loads+1, successes+1

		for range 2000 {
			clock.Advance(time.Second)
			for range 4 {
				key := rand.IntN(25)
				_, err := e.GetOrSet(t.Context(), key, load)
				if err != nil {
					require.Contains(t, []error{errAway, locmem.ErrNotFound}, unwrapped(err))
				}
			}
			if rand.IntN(20) == 0 {
				e.Delete(rand.IntN(25))
			}
			synctest.Wait()
			st := e.Stats()
			require.Equal(t, st.Loads, st.LoadSuccesses+st.LoadErrors+st.LoadsNotFound)
			require.Equal(t, []uint64{loads, successes, failures, nothing},
				[]uint64{st.Loads, st.LoadSuccesses, st.LoadErrors, st.LoadsNotFound})
			require.Less(t, st.Refreshes, st.Loads)
		}
		st := e.Stats()
		require.Positive(t, st.Refreshes)
		require.Positive(t, st.StaleServes)
		require.NoError(t, e.Validate())
	})
}

// unwrapped returns the error at the end of a chain.
func unwrapped(err error) error {
	for {
		w, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		err = w.Unwrap()
	}
}

func TestEveryLookupIsAHitOrAMiss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, clock := timed(t, locmem.Options[int, int]{
			TTL: time.Minute, StaleFor: 10 * time.Second, StaleIfError: 20 * time.Second, NegativeTTL: time.Hour, Stats: true,
		})
		var hits, misses uint64
		is := func(hit bool, what string) {
			t.Helper()
			synctest.Wait()
			if hit {
				hits++
			} else {
				misses++
			}
			st := e.Stats()
			require.Equal(t, []uint64{hits, misses}, []uint64{st.Hits, st.Misses}, what)
		}
		fetch := func(load func(context.Context, int) (int, error)) {
			_, err := e.Fetch(t.Context(), 1, load)
			require.NoError(t, err)
		}
		fetch(gives(10))
		is(false, "a load")
		fetch(uncalled(t))
		is(true, "a live value")
		clock.Advance(time.Minute)
		e.Get(1)
		is(false, "Get does not see a stale value")
		fetch(fails)
		is(true, "a stale value")
		clock.Advance(10 * time.Second)
		fetch(fails)
		is(false, "a stale value instead of an error")
		note(t, e, 2)
		is(false, "a load that finds nothing")
		note(t, e, 2)
		is(true, "a key that is known to be missing")
		e.Get(2)
		is(false, "Get does not know of it")
		_, err := e.GetOrSetMany(t.Context(), []int{2}, manyFindNothing)
		require.NoError(t, err)
		is(true, "GetOrSetMany knows of it")
		_, err = e.GetOrSetMany(t.Context(), []int{3}, manyFindNothing)
		require.NoError(t, err)
		is(false, "GetOrSetMany that loads")
		e.Take(2)
		is(false, "Take does not know of it")
		e.Peek(1)
		e.Has(1)
		require.Equal(t, hits+misses, e.Stats().Hits+e.Stats().Misses)
	})
}

// TestTheWeightRemovedIsThatOfTheEvents does all that removes entries, with keys
// that were not found among them, and compares the weight of each cause with what
// the listener was told, and the sums of the shards with the whole.
func TestTheWeightRemovedIsThatOfTheEvents(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{1, 8} {
		t.Run(fmt.Sprintf("%d shards", shards), func(t *testing.T) {
			t.Parallel()
			weights, counts := map[locmem.Cause]int64{}, map[locmem.Cause]uint64{}
			var mu sync.Mutex // protects both
			e, clock := timed(t, locmem.Options[int, int]{
				MaxEntries: 30, MaxWeight: 200, Shards: shards, TTL: 10 * time.Second, NegativeTTL: 10 * time.Second, StaleIfError: time.Second,
				Weigh: func(_, value int) int64 { return int64(value % 17) },
				OnRemove: func(r removal) {
					mu.Lock()
					defer mu.Unlock()
					weights[r.Cause] += r.Weight
					counts[r.Cause]++
				},
			})
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rnd := rand.New(rand.NewPCG(seed, 0))
			for i := range 5000 {
				key := rnd.IntN(60)
				switch rnd.IntN(14) {
				case 0, 1, 2:
					e.Set(key, i, locmem.Tags([]string{"a", "b"}[i%2]))
				case 3:
					e.Set(key, i, locmem.Weight(int64(rnd.IntN(400))))
				case 4, 5, 6:
					_, _ = e.GetOrSet(t.Context(), key, findsNothing)
				case 7:
					e.Delete(key)
				case 8:
					e.Take(key)
				case 9:
					clock.Advance(time.Duration(rnd.Int64N(int64(5 * time.Second))))
				case 10:
					e.Evict(1)
				case 11:
					e.InvalidateTags("a")
				case 12:
					if rnd.IntN(10) == 0 {
						e.Clear()
					}
				case 13:
					_, _ = e.GetOrSet(t.Context(), key, gives(i))
				}
			}
			require.NoError(t, e.Drain(t.Context()))
			st := e.Stats()
			entries, weight := 0, int64(0)
			for _, shard := range st.PerShard {
				entries += shard.Entries
				weight += shard.Weight
			}
			require.Len(t, st.PerShard, st.Shards)
			require.Equal(t, []int64{int64(e.Len()), e.Weight()}, []int64{int64(entries), weight})
			require.Equal(t, []int64{int64(e.Len()), e.Weight()}, []int64{int64(st.Entries), st.Weight})
			mu.Lock()
			defer mu.Unlock()
			for cause, count := range map[locmem.Cause]uint64{
				locmem.Replaced: st.Replaced, locmem.Deleted: st.Deleted, locmem.Evicted: st.Evicted, locmem.Expired: st.Expired,
				locmem.Cleared: st.Cleared, locmem.Invalidated: st.Invalidated, locmem.TooHeavy: st.TooHeavy,
			} {
				require.Positive(t, count, "%v did not occur", cause)
				require.Equal(t, counts[cause], count, "%v", cause)
				require.Equal(t, weights[cause], st.RemovedWeight(cause), "weight of %v", cause)
			}
			require.Zero(t, st.RemovedWeight(locmem.Moved))
			require.Zero(t, st.RemovedWeight(0), "of no cause")
			require.Zero(t, st.RemovedWeight(100))
			require.NoError(t, e.Validate())
		})
	}
}
