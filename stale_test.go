// SPDX-License-Identifier: MIT

package locmem_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
)

// gives returns a loader of one value.
func gives(value int) func(context.Context, int) (int, error) {
	return func(context.Context, int) (int, error) { return value, nil }
}

// fails is a loader that fails.
func fails(context.Context, int) (int, error) { return 0, errAway }

// staleByNow returns an engine in which key 1 has had the value 10 until now.
func staleByNow(t *testing.T, opts locmem.Options[int, int], entry ...locmem.EntryOption) (*locmem.Engine[int, int], *locmem.ManualClock) {
	t.Helper()
	opts.TTL = time.Minute
	e, clock := timed(t, opts)
	require.True(t, e.Set(1, 10, entry...))
	clock.Advance(time.Minute)
	return e, clock
}

func TestAStaleValueIsReturnedAtOnceWhileOneRefreshRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var events journal
		e, clock := staleByNow(t, locmem.Options[int, int]{StaleFor: 30 * time.Second, OnRemove: events.add})
		l := newLoader()
		var callers sync.WaitGroup
		for range 50 {
			callers.Go(func() {
				value, err := e.GetOrSet(t.Context(), 1, l.load)
				assert.NoError(t, err)
				assert.Equal(t, 10, value)
			})
		}
		callers.Wait() // while the loader waits for its answer
		entry, err := e.Fetch(t.Context(), 1, l.load)
		require.NoError(t, err)
		require.Equal(t, locmem.Entry[int]{Value: 10, Deadline: theStart.Add(time.Minute), Weight: 1, Stale: true}, entry)
		values, err := e.GetOrSetMany(t.Context(), []int{1}, func(context.Context, []int) (map[int]int, error) {
			assert.Fail(t, "a second refresh")
			return nil, errAway
		})
		require.NoError(t, err)
		require.Equal(t, map[int]int{1: 10}, values)
		synctest.Wait()
		require.EqualValues(t, 1, l.count.Load())
		require.EqualValues(t, 52, e.Stats().StaleServes)
		require.EqualValues(t, 1, e.Stats().Refreshes)
		require.Empty(t, events.take())

		clock.Advance(time.Second)
		l.result <- answer{11, nil}
		synctest.Wait()
		value, ok := e.Get(1)
		require.True(t, ok)
		require.Equal(t, 11, value)
		entry, err = e.Fetch(t.Context(), 1, uncalled(t))
		require.NoError(t, err)
		require.Equal(t, locmem.Entry[int]{Value: 11, Deadline: theStart.Add(2*time.Minute + time.Second), Weight: 1}, entry)
		require.Equal(t, []removal{{Key: 1, Value: 10, Cause: locmem.Expired, Weight: 1}}, events.take())
	})
}

func TestOnlyLoadsSeeStaleValues(t *testing.T) {
	t.Parallel()
	e, _ := staleByNow(t, locmem.Options[int, int]{StaleFor: time.Hour, StaleIfError: time.Hour})
	_, ok := e.Get(1)
	assert.False(t, ok, "Get")
	_, ok = e.Peek(1)
	assert.False(t, ok, "Peek")
	assert.False(t, e.Has(1), "Has")
	assert.Empty(t, e.GetMany([]int{1}), "GetMany")
	for key := range e.All() {
		assert.Fail(t, "All", "key %d", key)
	}
	_, ok = e.Compute(1, func(_ locmem.Entry[int], found bool) (int, locmem.Op) {
		assert.False(t, found, "Compute")
		return 0, locmem.Keep
	})
	assert.False(t, ok, "Compute")
	_, ok, err := locmem.Incr(e, 1, 1)
	assert.NoError(t, err)
	assert.False(t, ok, "Incr")
	assert.False(t, e.Touch(1, locmem.TTL(time.Hour)), "Touch")
	assert.False(t, e.Replace(1, 5), "Replace")
	var snapshot bytes.Buffer
	require.NoError(t, e.Save(&snapshot))
	fresh, _ := timed(t, locmem.Options[int, int]{})
	require.NoError(t, fresh.Restore(&snapshot))
	assert.Zero(t, fresh.Len(), "Save")
	assert.Equal(t, 1, e.Len(), "one of them has removed it")
	_, ok = e.Take(1)
	assert.False(t, ok, "Take")
	assert.Zero(t, e.Len())
	require.True(t, e.Set(2, 20))
	require.True(t, e.Delete(2))
}

// What a snapshot says of a lifetime has nothing of the windows after it.
func TestASnapshotHasDeadlinesWithoutTheirGrace(t *testing.T) {
	t.Parallel()
	e, _ := timed(t, locmem.Options[int, int]{TTL: time.Minute, StaleFor: time.Hour, StaleIfError: 2 * time.Hour})
	e.Set(1, 10)
	e.Set(2, 20, locmem.Idle(time.Second))
	var snapshot bytes.Buffer
	require.NoError(t, e.Save(&snapshot))
	fresh, _ := timed(t, locmem.Options[int, int]{})
	require.NoError(t, fresh.Restore(&snapshot))
	entry, ok := fresh.Peek(1)
	require.True(t, ok)
	require.Equal(t, theStart.Add(time.Minute), entry.Deadline)
	entry, ok = fresh.Peek(2)
	require.True(t, ok)
	require.Equal(t, theStart.Add(time.Second), entry.Deadline)
}

func TestARefreshThatFailsLeavesTheStaleValueAndTellsWhy(t *testing.T) {
	t.Parallel()
	errGone := errors.New("the database is gone")
	failing := func(t *testing.T) (e *locmem.Engine[int, int], clock *locmem.ManualClock) {
		e, clock = staleByNow(t, locmem.Options[int, int]{StaleFor: 30 * time.Second})
		for _, failure := range []error{nil, errAway, errGone} {
			entry, err := e.Fetch(t.Context(), 1, func(context.Context, int) (int, error) {
				if failure == nil {
					return 0, errAway
				}
				return 0, errGone
			})
			require.NoError(t, err)
			require.Equal(t, 10, entry.Value)
			require.True(t, entry.Stale)
			require.Equal(t, failure, entry.LoadErr, "of the last refresh")
			synctest.Wait()
		}
		require.EqualValues(t, 3, e.Stats().Refreshes)
		require.EqualValues(t, 3, e.Stats().LoadErrors)
		return e, clock
	}
	type engine = *locmem.Engine[int, int]
	for name, write := range map[string]func(t *testing.T, e engine){
		"a refresh that succeeds": func(t *testing.T, e engine) {
			_, err := e.GetOrSet(t.Context(), 1, gives(11))
			require.NoError(t, err)
			synctest.Wait()
		},
		"Set": func(_ *testing.T, e engine) { e.Set(1, 11) },
		"Compute": func(_ *testing.T, e engine) {
			e.Compute(1, func(locmem.Entry[int], bool) (int, locmem.Op) { return 11, locmem.Store })
		},
		"Delete and Add": func(_ *testing.T, e engine) { e.Delete(1); e.Add(1, 11) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e, _ := failing(t)
				write(t, e)
				entry, err := e.Fetch(t.Context(), 1, uncalled(t))
				require.NoError(t, err)
				require.Equal(t, 11, entry.Value)
				require.NoError(t, entry.LoadErr)
				require.False(t, entry.Stale)
			})
		})
	}
	t.Run("until the window is over", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			e, clock := failing(t)
			clock.Advance(30 * time.Second)
			_, err := e.GetOrSet(t.Context(), 1, fails)
			require.ErrorIs(t, err, errAway)
			l := newLoader()
			got := ask(t.Context(), e, 1, l.load)
			<-l.begun
			synctest.Wait()
			require.Empty(t, got, "it does not wait")
			l.result <- answer{11, nil}
			require.Equal(t, answer{11, nil}, now(t, got))
			require.EqualValues(t, 3, e.Stats().Refreshes, "a load that is waited for is not a refresh")
		})
	})
}

func TestTheStaleWindowEndsToTheNanosecond(t *testing.T) {
	t.Parallel()
	const ttl, window = time.Minute, 30 * time.Second
	for _, tc := range []struct {
		name string
		opts []locmem.EntryOption
	}{
		{"the default TTL", nil},
		{"a TTL of the call", []locmem.EntryOption{locmem.TTL(ttl)}},
		{"ExpireAt", []locmem.EntryOption{locmem.ExpireAt(theStart.Add(ttl))}},
		{"with an idle lifetime", []locmem.EntryOption{locmem.TTL(ttl), locmem.Idle(time.Hour)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				clock := locmem.NewManualClock(theStart)
				defaultTTL := 40 * time.Second
				if tc.opts == nil {
					defaultTTL = ttl
				}
				e := opened(t, locmem.Options[int, int]{
					MaxEntries: 10, Clock: clock, TTL: defaultTTL, StaleFor: window,
					StaleIfError: 2 * window, // so that it is still held when the window ends
				})
				e.Set(1, 10, tc.opts...)
				clock.Advance(ttl - 1)
				entry, err := e.Fetch(t.Context(), 1, uncalled(t))
				require.NoError(t, err)
				require.False(t, entry.Stale)
				for _, d := range []time.Duration{1, window - 1} {
					clock.Advance(d)
					entry, err = e.Fetch(t.Context(), 1, fails)
					require.NoError(t, err)
					require.True(t, entry.Stale)
					require.Equal(t, 10, entry.Value)
					require.Equal(t, theStart.Add(ttl), entry.Deadline)
					synctest.Wait()
				}
				clock.Advance(1)
				require.Equal(t, 1, e.Len())
				entry, err = e.Fetch(t.Context(), 1, gives(11))
				require.NoError(t, err)
				require.Equal(t, 11, entry.Value, "it has not waited for its load")
				require.EqualValues(t, 2, e.Stats().Refreshes)
			})
		})
	}
}

func TestWhatHappensDuringARefreshWinsOverItsResult(t *testing.T) {
	t.Parallel()
	const gone = -1
	type engine = *locmem.Engine[int, int]
	for _, tc := range []struct {
		name string
		act  func(e engine)
		want int
	}{
		{"Set", func(e engine) { e.Set(1, 12) }, 12},
		{"Add", func(e engine) { e.Add(1, 12) }, 12},
		{"Compute that stores", func(e engine) {
			e.Compute(1, func(locmem.Entry[int], bool) (int, locmem.Op) { return 12, locmem.Store })
		}, 12},
		{"Delete", func(e engine) { e.Delete(1) }, gone},
		{"DeleteMany", func(e engine) { e.DeleteMany([]int{1}) }, gone},
		{"Take", func(e engine) { e.Take(1) }, gone},
		{"Clear", func(e engine) { e.Clear() }, gone},
		{"Compute that removes", func(e engine) {
			e.Compute(1, func(locmem.Entry[int], bool) (int, locmem.Op) { return 0, locmem.Remove })
		}, gone},
		{"Set that has expired", func(e engine) { e.Set(1, 12, locmem.TTL(0)) }, gone},
		{"InvalidateTags", func(e engine) { e.InvalidateTags("a") }, gone},
		{"InvalidateTags of what the refresh brings", func(e engine) { e.InvalidateTags("b") }, gone},
		{"nothing", func(engine) {}, 11},
	} {
		for state, passed := range map[string]time.Duration{"stale": time.Minute, "live": 55 * time.Second} {
			t.Run(tc.name+", "+state, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					if tc.name == "Add" && state == "live" {
						return // it does nothing
					}
					e, clock := timed(t, locmem.Options[int, int]{TTL: time.Minute, StaleFor: 30 * time.Second, RefreshAhead: 10 * time.Second})
					e.Set(1, 10, locmem.Tags("a"))
					clock.Advance(passed)
					l := newLoader()
					value, err := e.GetOrSet(t.Context(), 1, l.load, locmem.Tags("b"))
					require.NoError(t, err)
					require.Equal(t, 10, value)
					<-l.begun
					tc.act(e)
					l.result <- answer{11, nil}
					synctest.Wait()
					value, ok := e.Get(1)
					switch {
					case tc.name == "InvalidateTags of what the refresh brings" && state == "live":
						require.Equal(t, 10, value, "the old value does not carry the tag")
					case tc.want == gone:
						require.False(t, ok, "value %d", value)
					default:
						require.Equal(t, tc.want, value)
					}
				})
			})
		}
	}
}

func TestAnEntryThatWasIdleForTooLongIsNotReturned(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]locmem.Options[int, int]{
		"StaleFor":     {StaleFor: time.Hour},
		"StaleIfError": {StaleIfError: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			unswept(t, opts, func(e *locmem.Engine[int, int]) {
				e.Set(1, 10, locmem.NoTTL(), locmem.Idle(time.Minute))
				e.Set(2, 20, locmem.TTL(time.Minute), locmem.Idle(time.Minute))
				e.Set(3, 30, locmem.TTL(30*time.Second), locmem.Idle(time.Minute))
			}, func(e *locmem.Engine[int, int]) {
				for key := 1; key <= 3; key++ {
					_, err := e.GetOrSet(t.Context(), key, fails)
					require.ErrorIs(t, err, errAway, "key %d", key)
				}
			})
		})
	}
}

func TestAStaleEntryInUseIsIdleForNoLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, clock := timed(t, locmem.Options[int, int]{StaleFor: time.Minute})
		e.Set(1, 10, locmem.TTL(20*time.Second), locmem.Idle(15*time.Second))
		for range 6 { // one live, at 10 s, and the others stale
			clock.Advance(10 * time.Second)
			value, err := e.GetOrSet(t.Context(), 1, fails)
			require.NoError(t, err)
			require.Equal(t, 10, value)
			synctest.Wait()
		}
		clock.Advance(15 * time.Second)
		require.Zero(t, e.Len())
		_, err := e.GetOrSet(t.Context(), 1, fails)
		require.ErrorIs(t, err, errAway)
	})
}

func TestAWriteThatHasExpiredLeavesNothingStale(t *testing.T) {
	t.Parallel()
	type engine = *locmem.Engine[int, int]
	for name, write := range map[string]func(e engine){
		"Set":   func(e engine) { e.Set(1, 11, locmem.TTL(0)) },
		"Touch": func(e engine) { e.Touch(1, locmem.TTL(-1)) },
		"past":  func(e engine) { e.Set(1, 11, locmem.ExpireAt(theStart)) },
		"Idle":  func(e engine) { e.Set(1, 11, locmem.Idle(0)) },
	} {
		for state, passed := range map[string]time.Duration{"live": 0, "stale": time.Minute} {
			if name == "Touch" && state == "stale" {
				continue // it does not see it
			}
			t.Run(name+", "+state, func(t *testing.T) {
				t.Parallel()
				e, clock := timed(t, locmem.Options[int, int]{TTL: time.Minute, StaleFor: time.Hour, StaleIfError: time.Hour})
				e.Set(1, 10)
				clock.Advance(passed)
				write(e)
				require.Zero(t, e.Len())
				_, err := e.GetOrSet(t.Context(), 1, fails)
				require.ErrorIs(t, err, errAway)
			})
		}
	}
	t.Run("a load", func(t *testing.T) {
		t.Parallel()
		e, _ := timed(t, locmem.Options[int, int]{TTL: time.Minute, StaleFor: time.Hour})
		value, err := e.GetOrSet(t.Context(), 1, gives(11), locmem.TTL(0))
		require.NoError(t, err)
		require.Equal(t, 11, value)
		_, err = e.GetOrSet(t.Context(), 1, fails)
		require.ErrorIs(t, err, errAway)
	})
}

func TestAnEntryIsHeldForTheLongerWindowAndNoLonger(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name                   string
		staleFor, staleIfError time.Duration
	}{
		{"StaleFor", 30 * time.Second, 0},
		{"StaleIfError", 0, 30 * time.Second},
		{"StaleFor is longer", 30 * time.Second, 10 * time.Second},
		{"StaleIfError is longer", 10 * time.Second, 30 * time.Second},
	} {
		opts := locmem.Options[int, int]{TTL: time.Minute, StaleFor: tc.staleFor, StaleIfError: tc.staleIfError}
		expired := []removal{{Key: 1, Value: 10, Cause: locmem.Expired, Weight: 1}}
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var events journal
			opts := opts
			opts.OnRemove = events.add
			e, clock := staleByNow(t, opts)
			clock.Advance(30*time.Second - 1)
			require.Equal(t, 1, e.Len())
			require.Empty(t, events.take())
			clock.Advance(1)
			require.Zero(t, e.Len())
			require.Equal(t, expired, events.take())
		})
		t.Run(tc.name+", in a bubble", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var events journal
				e := told(t, events.add, func(o *locmem.Options[int, int]) {
					o.TTL, o.StaleFor, o.StaleIfError = opts.TTL, opts.StaleFor, opts.StaleIfError
				})
				e.Set(1, 10)
				time.Sleep(time.Minute - 1) //nolint:forbidigo // in a bubble
				require.True(t, e.Has(1))
				time.Sleep(time.Nanosecond) //nolint:forbidigo // in a bubble
				require.False(t, e.Has(1), "the boundary")
				time.Sleep(30*time.Second - time.Millisecond) //nolint:forbidigo // in a bubble
				require.Equal(t, 1, e.Len())
				require.Empty(t, events.take())
				time.Sleep(200 * time.Millisecond) //nolint:forbidigo // in a bubble
				synctest.Wait()
				require.Zero(t, e.Len())
				require.Equal(t, expired, events.take())
			})
		})
	}
}

func TestStaleEntriesTakeRoomAndGiveItUp(t *testing.T) {
	t.Parallel()
	var events journal
	e, clock := timed(t, locmem.Options[int, int]{MaxEntries: 10, Shards: 2, TTL: time.Minute, StaleFor: time.Hour, OnRemove: events.add})
	for key := range 10 {
		e.Set(key, key)
	}
	clock.Advance(time.Minute)
	require.Equal(t, 10, e.Len())
	for key := 10; key < 15; key++ {
		require.True(t, e.Set(key, key))
		require.Equal(t, 10, e.Len())
	}
	for _, r := range events.take() {
		if r.Key < 10 {
			require.Equal(t, locmem.Expired, r.Cause, "key %d", r.Key)
		} else {
			require.Equal(t, locmem.Evicted, r.Cause, "key %d", r.Key)
		}
	}
	require.Equal(t, 10, e.Evict(20))
	require.Zero(t, e.Len())
}

func TestALoadThatFailsReturnsTheStaleValue(t *testing.T) {
	t.Parallel()
	var boom *locmem.PanicError
	for _, tc := range []struct {
		name   string
		load   func(context.Context, int) (int, error)
		reason func(t *testing.T, err error)
	}{
		{"error", fails, func(t *testing.T, err error) { require.Equal(t, errAway, err) }},
		{"panic", func(context.Context, int) (int, error) { panic("boom") }, func(t *testing.T, err error) {
			require.ErrorAs(t, err, &boom)
			require.Equal(t, "boom", boom.Value)
		}},
		{"Goexit", func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil }, func(t *testing.T, err error) {
			require.Equal(t, locmem.ErrGoexit, err)
		}},
		{"timeout", func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, func(t *testing.T, err error) {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e, clock := staleByNow(t, locmem.Options[int, int]{StaleIfError: time.Hour, LoadTimeout: time.Second})
				clock.Advance(time.Minute)
				value, err := e.GetOrSet(t.Context(), 1, tc.load)
				require.NoError(t, err)
				require.Equal(t, 10, value)
				entry, err := e.Fetch(t.Context(), 1, tc.load)
				require.NoError(t, err)
				require.Equal(t, 10, entry.Value)
				require.True(t, entry.Stale)
				require.Equal(t, theStart.Add(time.Minute), entry.Deadline)
				tc.reason(t, entry.LoadErr)
				require.False(t, e.Has(1), "it was revived")
				values, err := e.GetOrSetMany(t.Context(), []int{1}, func(ctx context.Context, keys []int) (map[int]int, error) {
					value, err := tc.load(ctx, keys[0])
					return map[int]int{keys[0]: value}, err
				})
				require.NoError(t, err)
				require.Equal(t, map[int]int{1: 10}, values)
				st := e.Stats()
				require.EqualValues(t, 3, st.StaleServes)
				require.EqualValues(t, 3, st.LoadErrors)
				require.Zero(t, st.Refreshes)

				entry, err = e.Fetch(t.Context(), 1, gives(11))
				require.NoError(t, err)
				require.Equal(t, 11, entry.Value)
				require.False(t, entry.Stale)
				require.NoError(t, entry.LoadErr)
			})
		})
	}
}

func TestALoadTimeoutEndsTheLoadersContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newLoads(t, func(o *locmem.Options[int, int]) { o.LoadTimeout = time.Second })
		begin := time.Now()
		_, err := e.GetOrSet(t.Context(), 1, func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(begin))
		require.Equal(t, time.Second, e.Stats().LoadTime)
		require.NoError(t, t.Context().Err())
	})
}

func TestTheWindowOfErrorsEndsToTheNanosecond(t *testing.T) {
	t.Parallel()
	const window = 30 * time.Second
	e, clock := staleByNow(t, locmem.Options[int, int]{StaleIfError: window})
	for _, d := range []time.Duration{0, window - 1} {
		clock.Advance(d)
		value, err := e.GetOrSet(t.Context(), 1, fails)
		require.NoError(t, err)
		require.Equal(t, 10, value)
	}
	clock.Advance(1)
	_, err := e.GetOrSet(t.Context(), 1, fails)
	require.ErrorIs(t, err, errAway)

	synctest.Test(t, func(t *testing.T) { // a load that fails too late
		e, clock := staleByNow(t, locmem.Options[int, int]{StaleIfError: window, StaleFor: 1})
		clock.Advance(1)
		l := newLoader()
		for _, d := range []time.Duration{window - 2, 1} {
			got := ask(t.Context(), e, 1, l.load)
			<-l.begun
			clock.Advance(d)
			l.result <- answer{0, errAway}
			want := answer{10, nil}
			if d == 1 {
				want = answer{0, errAway}
			}
			require.Equal(t, want, now(t, got))
		}
	})

	// It is still held, because nobody has swept yet.
	unswept(t, locmem.Options[int, int]{StaleIfError: window}, func(e *locmem.Engine[int, int]) {
		e.Set(1, 10, locmem.TTL(time.Minute-window))
		e.Set(2, 20, locmem.TTL(time.Minute-window+1))
	}, func(e *locmem.Engine[int, int]) {
		_, err := e.GetOrSet(t.Context(), 1, fails)
		require.ErrorIs(t, err, errAway)
		value, err := e.GetOrSet(t.Context(), 2, fails)
		require.NoError(t, err)
		require.Equal(t, 20, value)
	})

	synctest.Test(t, func(t *testing.T) { // both windows end while it waits
		e, clock := timed(t, locmem.Options[int, int]{StaleIfError: window, StaleFor: time.Hour})
		e.Set(1, 10, locmem.TTL(time.Minute))
		clock.Advance(time.Minute)
		l := newLoader()
		_, err := e.GetOrSet(t.Context(), 1, l.load)
		require.NoError(t, err)
		<-l.begun
		clock.Advance(time.Hour)
		got := ask(t.Context(), e, 1, l.load)
		synctest.Wait()
		l.result <- answer{0, errAway}
		require.Equal(t, answer{0, errAway}, now(t, got), "the windows are over")
		require.EqualValues(t, 1, l.count.Load(), "the refresh was joined")
	})
}

func TestNothingFoundIsNoErrorToReturnAStaleValueFor(t *testing.T) {
	t.Parallel()
	for _, negative := range []time.Duration{0, time.Minute} {
		var events journal
		e, _ := staleByNow(t, locmem.Options[int, int]{StaleIfError: time.Hour, NegativeTTL: negative, OnRemove: events.add})
		_, err := e.GetOrSet(t.Context(), 1, findsNothing)
		require.ErrorIs(t, err, locmem.ErrNotFound)
		require.NoError(t, e.Drain(t.Context()))
		require.Equal(t, []removal{{Key: 1, Value: 10, Cause: locmem.Expired, Weight: 1}}, events.take())
		require.Equal(t, negative == 0, loadsAgain(t, e, 1), "and the value does not come back")
	}
}

func TestAllWhoWaitForAFailedLoadGetTheStaleValue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, _ := staleByNow(t, locmem.Options[int, int]{StaleIfError: time.Hour})
		l := newLoader()
		var waiters []<-chan answer
		for range 10 {
			waiters = append(waiters, ask(t.Context(), e, 1, l.load))
		}
		ctx, cancel := context.WithCancel(t.Context())
		left := ask(ctx, e, 1, l.load)
		<-l.begun
		synctest.Wait()
		cancel()
		require.ErrorIs(t, now(t, left).err, context.Canceled)
		l.result <- answer{0, errAway}
		for _, got := range waiters {
			require.Equal(t, answer{10, nil}, now(t, got))
		}
		require.EqualValues(t, 10, e.Stats().StaleServes, "who has left was given nothing")
		require.EqualValues(t, 1, e.Stats().LoadErrors)
	})
}

func TestAValueThatWasRemovedDuringALoadDoesNotComeBackWhenItFails(t *testing.T) {
	t.Parallel()
	type engine = *locmem.Engine[int, int]
	for name, remove := range map[string]func(e engine){
		"Delete":         func(e engine) { e.Delete(1) },
		"Clear":          func(e engine) { e.Clear() },
		"InvalidateTags": func(e engine) { e.InvalidateTags("a") },
		"expired write":  func(e engine) { e.Set(1, 12, locmem.TTL(0)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e, _ := staleByNow(t, locmem.Options[int, int]{StaleIfError: time.Hour}, locmem.Tags("a"))
				l := newLoader()
				got := ask(t.Context(), e, 1, l.load)
				<-l.begun
				remove(e)
				l.result <- answer{0, errAway}
				require.Equal(t, answer{0, errAway}, now(t, got))
				require.Zero(t, e.Stats().StaleServes)
			})
		})
	}
}
