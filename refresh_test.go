// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
)

// ahead are options of an engine in which entries live a minute and are refreshed
// in its last ten seconds.
func ahead(o locmem.Options[int, int]) locmem.Options[int, int] {
	o.TTL, o.RefreshAhead = time.Minute, 10*time.Second
	return o
}

// refreshers is in the stack of a refresh.
const refreshers = "locmem.(*Engine[...]).refresh.func"

func TestAHitShortlyBeforeTheDeadlineRefreshesInTheBackground(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var events journal
		e, clock := timed(t, ahead(locmem.Options[int, int]{OnRemove: events.add}))
		e.Set(1, 10)
		clock.Advance(50*time.Second - 1)
		value, err := e.GetOrSet(t.Context(), 1, uncalled(t))
		require.NoError(t, err)
		require.Equal(t, 10, value)
		clock.Advance(1)
		e.Get(1)
		e.Peek(1)
		e.GetMany([]int{1})
		for range e.All() {
			continue
		}
		synctest.Wait()
		require.Zero(t, e.Stats().Refreshes, "only loads refresh")

		l := newLoader()
		for range 10 {
			entry, err := e.Fetch(t.Context(), 1, l.load)
			require.NoError(t, err)
			require.Equal(t, locmem.Entry[int]{Value: 10, Deadline: theStart.Add(time.Minute), Weight: 1}, entry)
			value, err := e.GetOrSet(t.Context(), 1, l.load)
			require.NoError(t, err)
			require.Equal(t, 10, value)
		}
		synctest.Wait()
		require.EqualValues(t, 1, l.count.Load())
		require.EqualValues(t, 1, e.Stats().Refreshes)
		require.Zero(t, e.Stats().StaleServes)
		clock.Advance(time.Second)
		l.result <- answer{11, nil}
		synctest.Wait()
		entry, err := e.Fetch(t.Context(), 1, uncalled(t))
		require.NoError(t, err)
		require.Equal(t, locmem.Entry[int]{Value: 11, Deadline: theStart.Add(51*time.Second + time.Minute), Weight: 1}, entry)
		require.Equal(t, []removal{{Key: 1, Value: 10, Cause: locmem.Replaced, Weight: 1}}, events.take())
	})
}

func TestManyKeysAreRefreshedByOneCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, clock := timed(t, ahead(locmem.Options[int, int]{}))
		e.SetMany(map[int]int{1: 10, 2: 20, 3: 30})
		e.Set(4, 40, locmem.NoTTL())
		clock.Advance(50 * time.Second)
		calls := make(chan []int, 4)
		values, err := e.GetOrSetMany(t.Context(), []int{1, 2, 3, 4}, func(_ context.Context, keys []int) (map[int]int, error) {
			calls <- keys
			return map[int]int{1: 11, 2: 21}, nil // and nothing for 3
		})
		require.NoError(t, err)
		require.Equal(t, map[int]int{1: 10, 2: 20, 3: 30, 4: 40}, values)
		synctest.Wait()
		require.Len(t, calls, 1)
		require.ElementsMatch(t, []int{1, 2, 3}, <-calls)
		require.Equal(t, map[int]int{1: 11, 2: 21, 4: 40}, e.GetMany([]int{1, 2, 3, 4}))
		require.EqualValues(t, 3, e.Stats().Refreshes)
	})
}

func TestARefreshThatFailsLeavesTheLiveValueAndTellsWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, clock := timed(t, ahead(locmem.Options[int, int]{}))
		e.Set(1, 10)
		clock.Advance(55 * time.Second)
		_, err := e.GetOrSet(t.Context(), 1, fails)
		require.NoError(t, err)
		synctest.Wait()
		entry, ok := e.Peek(1)
		require.True(t, ok)
		require.Equal(t, locmem.Entry[int]{Value: 10, Deadline: theStart.Add(time.Minute), Weight: 1, LoadErr: errAway}, entry)
		_, err = e.GetOrSet(t.Context(), 1, gives(11))
		require.NoError(t, err)
		synctest.Wait()
		entry, ok = e.Peek(1)
		require.True(t, ok)
		require.NoError(t, entry.LoadErr)
		require.Equal(t, 11, entry.Value)
	})
}

func TestRefreshesGoByTheDeadlineAndNotByTheIdleLifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, clock := timed(t, ahead(locmem.Options[int, int]{}))
		e.Set(1, 10, locmem.NoTTL(), locmem.Idle(20*time.Second))
		e.Set(2, 20, locmem.TTL(time.Minute), locmem.Idle(20*time.Second))
		e.Set(3, 30, locmem.NoTTL())
		for range 4 {
			clock.Advance(12 * time.Second)
			for key := 1; key <= 3; key++ {
				_, err := e.GetOrSet(t.Context(), key, uncalled(t))
				require.NoError(t, err)
			}
		}
		clock.Advance(2 * time.Second)
		value, err := e.GetOrSet(t.Context(), 2, gives(21))
		require.NoError(t, err)
		require.Equal(t, 20, value)
		synctest.Wait()
		require.EqualValues(t, 1, e.Stats().Refreshes)
		value, ok := e.Get(2)
		require.True(t, ok)
		require.Equal(t, 21, value)
	})
}

func TestRefreshesAreBoundedByWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const keys = 50
		count := labelled(t, func() {
			e, clock := timed(t, ahead(locmem.Options[int, int]{Workers: 2}))
			for key := range keys {
				e.Set(key, key)
			}
			clock.Advance(55 * time.Second)
			l := newLoader()
			read := func() {
				for key := range keys {
					value, err := e.GetOrSet(t.Context(), key, l.load)
					require.NoError(t, err)
					require.Contains(t, []int{key, 1000}, value)
				}
				synctest.Wait()
			}
			read()
			require.EqualValues(t, 2, l.count.Load())
			require.EqualValues(t, 2, e.Stats().Refreshes)
			require.EqualValues(t, keys-2, e.Stats().RefreshesSkipped)
			read() // those that run are not asked for again
			require.EqualValues(t, 2, l.count.Load())
			require.EqualValues(t, 2*(keys-2), e.Stats().RefreshesSkipped)
			for done := 2; done < 10; done += 2 {
				l.result <- answer{1000, nil}
				l.result <- answer{1000, nil}
				synctest.Wait()
				require.EqualValues(t, done, l.count.Load(), "none has waited for its turn")
				read()
				require.EqualValues(t, done+2, l.count.Load(), "a later read tries again")
			}
			l.result <- answer{1000, nil}
			l.result <- answer{1000, nil}
			synctest.Wait()
		})
		require.Zero(t, count(refreshers))
	})
}

func TestRefreshesThatWaitForAWorkerTakeNoGoroutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		count := labelled(t, func() {
			e, clock := timed(t, ahead(locmem.Options[int, int]{Workers: 3}))
			for key := range 20 {
				e.Set(key, key)
			}
			clock.Advance(55 * time.Second)
			for key := range 20 {
				_, err := e.GetOrSet(t.Context(), key, l.load)
				require.NoError(t, err)
			}
			synctest.Wait()
		})
		require.Equal(t, 3, count(refreshers))
		require.Equal(t, 3, count("locmem.")-count("tRunner"), "goroutines of the engine")
		for range 3 {
			l.result <- answer{0, errAway}
		}
		synctest.Wait()
		require.Zero(t, count(refreshers))
	})
}

func TestALoaderSlowerThanTheLifetimeMakesProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, clock := timed(t, ahead(locmem.Options[int, int]{}))
		e.Set(1, 0)
		l := newLoader()
		for generation := 1; generation <= 5; generation++ {
			clock.Advance(55 * time.Second)
			value, err := e.GetOrSet(t.Context(), 1, l.load)
			require.NoError(t, err)
			require.Equal(t, generation-1, value)
			<-l.begun
			clock.Advance(2 * time.Minute) // the entry expires under the refresh
			require.False(t, e.Has(1))
			var waiters []<-chan answer
			for range 5 {
				waiters = append(waiters, ask(t.Context(), e, 1, l.load))
			}
			ctx, cancel := context.WithCancel(t.Context())
			left := ask(ctx, e, 1, l.load)
			synctest.Wait()
			cancel()
			require.ErrorIs(t, now(t, left).err, context.Canceled)
			require.EqualValues(t, generation, l.count.Load(), "a caller has loaded again instead of joining")
			l.result <- answer{generation, nil}
			for _, got := range waiters {
				require.Equal(t, answer{generation, nil}, now(t, got))
			}
			value, ok := e.Get(1)
			require.True(t, ok, "the result was dropped")
			require.Equal(t, generation, value)
		}
		require.EqualValues(t, 5, e.Stats().Refreshes)
		require.EqualValues(t, 30, e.Stats().LoadsShared)
	})
}

type requestKey struct{}

func TestARefreshOutlivesTheContextOfItsTrigger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, clock := timed(t, ahead(locmem.Options[int, int]{}))
		e.Set(1, 10)
		clock.Advance(55 * time.Second)
		l := newLoader()
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), requestKey{}, "r-1"))
		_, err := e.GetOrSet(ctx, 1, l.load)
		require.NoError(t, err)
		own := <-l.begun
		cancel()
		synctest.Wait()
		require.NoError(t, own.Err())
		require.Equal(t, "r-1", own.Value(requestKey{}))
		// Not even a waiter who joins and leaves ends it.
		clock.Advance(time.Minute)
		ctx, cancel = context.WithCancel(t.Context())
		left := ask(ctx, e, 1, l.load)
		synctest.Wait()
		cancel()
		require.ErrorIs(t, now(t, left).err, context.Canceled)
		require.NoError(t, own.Err())
		l.result <- answer{11, nil}
		synctest.Wait()
		value, ok := e.Get(1)
		require.True(t, ok)
		require.Equal(t, 11, value)
		require.Error(t, own.Err(), "its context ends with it")
	})
}

func TestALoadTimeoutEndsARefreshToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, clock := timed(t, ahead(locmem.Options[int, int]{LoadTimeout: time.Second, Workers: 1}))
		e.Set(1, 10)
		clock.Advance(55 * time.Second)
		_, err := e.GetOrSet(t.Context(), 1, func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
		require.NoError(t, err)
		time.Sleep(time.Second) //nolint:forbidigo // in a bubble
		synctest.Wait()
		entry, ok := e.Peek(1)
		require.True(t, ok)
		require.ErrorIs(t, entry.LoadErr, context.DeadlineExceeded)
	})
}

func TestCloseEndsRefreshes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e *locmem.Engine[int, int]
		count := labelled(t, func() {
			var clock *locmem.ManualClock
			e, clock = timed(t, ahead(locmem.Options[int, int]{StaleFor: time.Hour}))
			e.Set(1, 10)
			e.Set(2, 20)
			clock.Advance(55 * time.Second)
			for key := 1; key <= 2; key++ {
				_, err := e.GetOrSet(t.Context(), key, func(ctx context.Context, _ int) (int, error) {
					<-ctx.Done()
					return 99, nil
				})
				require.NoError(t, err)
			}
			synctest.Wait()
		})
		require.Equal(t, 2, count(refreshers))
		e.Close()
		synctest.Wait()
		require.Zero(t, count(refreshers))
		require.Zero(t, e.Len())
		_, err := e.GetOrSet(t.Context(), 1, uncalled(t))
		require.ErrorIs(t, err, locmem.ErrClosed)
		require.EqualValues(t, 2, e.Stats().Loads)
		require.EqualValues(t, 2, e.Stats().LoadSuccesses)
	})
}

func TestRefreshesThatFailGiveTheirWorkersBack(t *testing.T) {
	t.Parallel()
	for name, load := range map[string]func(context.Context, int) (int, error){
		"panic":           func(context.Context, int) (int, error) { panic("boom") },
		"Goexit":          func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil },
		"error":           fails,
		"listener panics": gives(13),
		"listener ends":   gives(14),
		"weigher panics":  gives(15),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e, clock := timed(t, ahead(locmem.Options[int, int]{
					Workers: 1,
					OnRemove: func(r removal) {
						switch name {
						case "listener panics":
							panic("boom")
						case "listener ends":
							if r.Cause == locmem.Replaced { // on the refresh's goroutine
								runtime.Goexit()
							}
						}
					},
					Weigh: func(_, value int) int64 {
						if value == 15 {
							panic("boom")
						}
						return 1
					},
				}))
				const times = 1000
				for i := range times {
					e.Delete(1)
					e.Set(1, 10)
					clock.Advance(55 * time.Second)
					value, err := e.GetOrSet(t.Context(), 1, load)
					require.NoError(t, err)
					require.Equal(t, 10, value)
					synctest.Wait()
					require.EqualValues(t, i+1, e.Stats().Refreshes)
				}
				e.Set(2, 20)
				clock.Advance(55 * time.Second)
				_, err := e.GetOrSet(t.Context(), 2, gives(21))
				require.NoError(t, err)
				synctest.Wait()
				value, ok := e.Get(2)
				require.True(t, ok)
				require.Equal(t, 21, value)
				require.Zero(t, e.Stats().RefreshesSkipped)
			})
		})
	}
}

func TestKeysThatDifferFromThemselvesAreNeverRefreshedNorNoted(t *testing.T) {
	t.Parallel()
	e := opened(t, locmem.Options[float64, int]{
		MaxEntries: 10, TTL: time.Minute, RefreshAhead: time.Minute, StaleFor: time.Minute, StaleIfError: time.Minute, NegativeTTL: time.Minute,
		Clock: locmem.NewManualClock(theStart), Stats: true,
	})
	for i := range 3 {
		value, err := e.GetOrSet(t.Context(), math.NaN(), func(context.Context, float64) (int, error) { return i, nil })
		require.NoError(t, err)
		require.Equal(t, i, value)
		_, err = e.GetOrSet(t.Context(), math.NaN(), func(context.Context, float64) (int, error) { return 0, locmem.ErrNotFound })
		require.ErrorIs(t, err, locmem.ErrNotFound)
		_, err = e.GetOrSet(t.Context(), math.NaN(), func(context.Context, float64) (int, error) { return 0, errAway })
		require.ErrorIs(t, err, errAway)
	}
	require.Zero(t, e.Len())
	st := e.Stats()
	require.Zero(t, st.Refreshes+st.RefreshesSkipped+st.Hits)
	require.Equal(t, []uint64{9, 3, 3, 3, 9}, []uint64{st.Loads, st.LoadSuccesses, st.LoadErrors, st.LoadsNotFound, st.Misses})
}
