// SPDX-License-Identifier: MIT

package locmem_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
)

// findsNothing is a loader of what is not there.
func findsNothing(_ context.Context, key int) (int, error) {
	return 0, fmt.Errorf("user %d: %w", key, locmem.ErrNotFound)
}

// manyFindNothing is the same for many keys.
func manyFindNothing(context.Context, []int) (map[int]int, error) { return map[int]int{}, nil }

// uncalled is a loader that must not be called.
func uncalled(t *testing.T) func(context.Context, int) (int, error) {
	return func(_ context.Context, key int) (int, error) {
		t.Errorf("key %d was loaded", key)
		return 0, errAway
	}
}

// loadsAgain tells that the key is loaded when somebody asks for it, and leaves the
// engine as it is.
func loadsAgain(t *testing.T, e *locmem.Engine[int, int], key int) bool {
	t.Helper()
	called := false
	_, err := e.GetOrSet(t.Context(), key, func(context.Context, int) (int, error) {
		called = true
		return 0, errAway
	})
	if called {
		require.ErrorIs(t, err, errAway)
	} else {
		require.ErrorIs(t, err, locmem.ErrNotFound)
	}
	return called
}

// note makes the engine note that there is nothing for the keys.
func note(t *testing.T, e *locmem.Engine[int, int], keys ...int) {
	t.Helper()
	for _, key := range keys {
		_, err := e.GetOrSet(t.Context(), key, findsNothing)
		require.ErrorIs(t, err, locmem.ErrNotFound)
	}
}

func TestAKeyThatWasNotFoundIsNotLoadedUntilItsTTLIsOver(t *testing.T) {
	t.Parallel()
	const key, ttl = 1, time.Minute
	ctx := context.Background()
	plain := func(context.Context, int) (int, error) { return 0, locmem.ErrNotFound }
	type engine = *locmem.Engine[int, int]
	for _, tc := range []struct {
		name string
		load func(e engine) error
	}{
		{"GetOrSet", func(e engine) error { _, err := e.GetOrSet(ctx, key, plain); return err }},
		{"GetOrSet, wrapped", func(e engine) error { _, err := e.GetOrSet(ctx, key, findsNothing); return err }},
		{"Fetch", func(e engine) error { _, err := e.Fetch(ctx, key, findsNothing); return err }},
		{"GetOrSetMany that leaves it out", func(e engine) error {
			values, err := e.GetOrSetMany(ctx, []int{key}, manyFindNothing)
			assert.NoError(t, err)
			assert.Empty(t, values)
			return locmem.ErrNotFound
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e, clock := timed(t, locmem.Options[int, int]{NegativeTTL: ttl})
			require.ErrorIs(t, tc.load(e), locmem.ErrNotFound)
			for _, d := range []time.Duration{0, ttl / 2, ttl/2 - 1} {
				clock.Advance(d)
				value, err := e.GetOrSet(ctx, key, uncalled(t))
				require.ErrorIs(t, err, locmem.ErrNotFound)
				require.Zero(t, value)
				entry, err := e.Fetch(ctx, key, uncalled(t))
				require.ErrorIs(t, err, locmem.ErrNotFound)
				require.Zero(t, entry)
				values, err := e.GetOrSetMany(ctx, []int{key}, func(context.Context, []int) (map[int]int, error) {
					t.Error("it was loaded")
					return nil, errAway
				})
				require.NoError(t, err)
				require.Empty(t, values)
			}
			require.EqualValues(t, 1, e.Stats().Loads)
			require.EqualValues(t, 1, e.Stats().LoadsNotFound)
			clock.Advance(1)
			value, err := e.GetOrSet(ctx, key, func(context.Context, int) (int, error) { return 7, nil })
			require.NoError(t, err)
			require.Equal(t, 7, value)
		})
	}
}

func TestAKeyThatWasNotFoundIsInvisible(t *testing.T) {
	t.Parallel()
	const key = 1
	e, _ := timed(t, locmem.Options[int, int]{NegativeTTL: time.Minute})
	note(t, e, key)
	_, ok := e.Get(key)
	assert.False(t, ok, "Get")
	entry, ok := e.Peek(key)
	assert.False(t, ok, "Peek")
	assert.Zero(t, entry)
	assert.False(t, e.Has(key), "Has")
	assert.Empty(t, e.GetMany([]int{key}), "GetMany")
	for key := range e.All() {
		assert.Fail(t, "All", "key %d", key)
	}
	_, ok = e.Compute(key, func(old locmem.Entry[int], found bool) (int, locmem.Op) {
		assert.False(t, found)
		assert.Zero(t, old)
		return 5, locmem.Keep
	})
	assert.False(t, ok, "Compute")
	_, ok, err := locmem.Incr(e, key, 1)
	assert.NoError(t, err)
	assert.False(t, ok, "Incr")
	assert.False(t, locmem.CompareAndSwap(e, key, 0, 1), "CompareAndSwap")
	assert.False(t, e.Touch(key, locmem.TTL(time.Hour)), "Touch")
	assert.False(t, e.Replace(key, 5), "Replace")
	var snapshot bytes.Buffer
	require.NoError(t, e.Save(&snapshot))
	fresh, _ := timed(t, locmem.Options[int, int]{NegativeTTL: time.Minute})
	require.NoError(t, fresh.Restore(&snapshot))
	assert.Zero(t, fresh.Len(), "Save")
	assert.True(t, loadsAgain(t, fresh, key), "Save")

	assert.False(t, loadsAgain(t, e, key), "one of them has made the engine forget")
	_, ok = e.Take(key)
	assert.False(t, ok, "Take")
}

func TestAWriteReplacesThatAKeyWasNotFound(t *testing.T) {
	t.Parallel()
	const key = 1
	saved := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 1}))
	defer saved.Close()
	saved.Set(key, 5)
	var snapshot bytes.Buffer
	require.NoError(t, saved.Save(&snapshot))
	type engine = *locmem.Engine[int, int]
	for _, tc := range []struct {
		name  string
		write func(e engine) bool
	}{
		{"Set", func(e engine) bool { return e.Set(key, 5) }},
		{"Add", func(e engine) bool { return e.Add(key, 5) }},
		{"SetMany", func(e engine) bool { return e.SetMany(map[int]int{key: 5}) == 1 }},
		{"Compute that stores", func(e engine) bool {
			_, ok := e.Compute(key, func(locmem.Entry[int], bool) (int, locmem.Op) { return 5, locmem.Store })
			return ok
		}},
		{"Restore", func(e engine) bool { return e.Restore(bytes.NewReader(snapshot.Bytes())) == nil }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var events journal
			e, clock := timed(t, locmem.Options[int, int]{NegativeTTL: time.Minute, OnRemove: events.add})
			note(t, e, key)
			require.True(t, tc.write(e))
			value, err := e.GetOrSet(t.Context(), key, uncalled(t))
			require.NoError(t, err)
			require.Equal(t, 5, value)
			require.Equal(t, 1, e.Len())
			clock.Advance(time.Hour)
			require.True(t, e.Has(key), "the entry has got the lifetime of the note")
			require.NoError(t, e.Drain(t.Context()))
			require.Empty(t, events.take())
			require.EqualValues(t, 1, e.Stats().Inserts)
		})
	}
}

func TestARemovalForgetsThatAKeyWasNotFound(t *testing.T) {
	t.Parallel()
	const key = 1
	type engine = *locmem.Engine[int, int]
	for _, tc := range []struct {
		name   string
		remove func(e engine) bool // whether there was an entry
	}{
		{"Delete", func(e engine) bool { return e.Delete(key) }},
		{"DeleteMany", func(e engine) bool { return e.DeleteMany([]int{key}) > 0 }},
		{"Take", func(e engine) bool { _, ok := e.Take(key); return ok }},
		{"Clear", func(e engine) bool { e.Clear(); return false }},
		{"Compute that removes", func(e engine) bool {
			_, ok := e.Compute(key, func(locmem.Entry[int], bool) (int, locmem.Op) { return 5, locmem.Remove })
			return ok
		}},
		{"Set that has expired", func(e engine) bool { return !e.Set(key, 5, locmem.TTL(0)) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var events journal
			e, _ := timed(t, locmem.Options[int, int]{NegativeTTL: time.Minute, OnRemove: events.add})
			note(t, e, key)
			require.Equal(t, 1, e.Len())
			require.False(t, tc.remove(e))
			require.Zero(t, e.Len())
			require.True(t, loadsAgain(t, e, key))
			require.NoError(t, e.Drain(t.Context()))
			require.Empty(t, events.take())
		})
	}
}

func TestKeysThatWereNotFoundTakeRoomWithinTheBounds(t *testing.T) {
	t.Parallel()
	const bound, batch = 500, 500
	for _, tc := range []struct {
		name string
		keys int
		opts locmem.Options[int, int]
	}{
		{"MaxEntries", 20_000, locmem.Options[int, int]{MaxEntries: bound, Shards: 8}},
		{"MaxWeight alone", 100_000, locmem.Options[int, int]{MaxWeight: bound, Shards: 8, Weigh: func(int, int) int64 { return 50 }}},
		{"LRU", 20_000, locmem.Options[int, int]{MaxEntries: bound, Shards: 8, Policy: evict.LRU}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			clock := locmem.NewManualClock(theStart)
			tc.opts.Clock, tc.opts.NegativeTTL = clock, time.Minute
			e := opened(t, tc.opts)
			list := make([]int, batch)
			for key := 0; key < tc.keys; key += batch {
				for i := range list {
					list[i] = key + i
				}
				_, err := e.GetOrSetMany(t.Context(), list, manyFindNothing)
				require.NoError(t, err)
				require.LessOrEqual(t, e.Len(), bound)
				require.LessOrEqual(t, e.Weight(), int64(bound))
			}
			require.Equal(t, bound, e.Len())
			require.EqualValues(t, bound, e.Weight())
			require.EqualValues(t, tc.keys, e.Stats().LoadsNotFound)
			require.Zero(t, e.Stats().Evicted, "no entry was evicted")
			require.True(t, e.Set(-1, 1), "they keep no entry out")
			clock.Advance(time.Minute)
			require.Equal(t, 1, e.Len(), "they are swept")
			require.True(t, e.Delete(-1))
			require.Zero(t, e.Weight())
		})
	}
}

func TestNoEventTellsOfAKeyThatWasNotFound(t *testing.T) {
	t.Parallel()
	const key, other = 1, 2
	gone := func(cause locmem.Cause) []removal { return []removal{{Key: other, Value: 20, Cause: cause, Weight: 1}} }
	type engine = *locmem.Engine[int, int]
	for _, tc := range []struct {
		name string
		act  func(e engine, clock *locmem.ManualClock)
		want []removal
	}{
		{"written over", func(e engine, _ *locmem.ManualClock) { e.Set(key, 5) }, nil},
		{"deleted", func(e engine, _ *locmem.ManualClock) { e.Delete(key); e.Delete(other) }, gone(locmem.Deleted)},
		{"evicted", func(e engine, _ *locmem.ManualClock) { e.Evict(2) }, gone(locmem.Evicted)},
		{"expired", func(_ engine, clock *locmem.ManualClock) { clock.Advance(time.Hour) }, gone(locmem.Expired)},
		{"cleared", func(e engine, _ *locmem.ManualClock) { e.Clear() }, gone(locmem.Cleared)},
		{"closed", func(e engine, _ *locmem.ManualClock) { e.Close() }, gone(locmem.Cleared)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var events journal
			e, clock := timed(t, locmem.Options[int, int]{MaxEntries: 2, NegativeTTL: time.Minute, TTL: time.Minute, OnRemove: events.add})
			note(t, e, key)
			require.True(t, e.Set(other, 20))
			tc.act(e, clock)
			require.NoError(t, e.Drain(t.Context()))
			require.Equal(t, tc.want, events.take())
			st := e.Stats()
			require.EqualValues(t, len(tc.want), removedIn(st), "%+v", st)
		})
	}
}

func TestAKeyThatWasNotFoundIsEvictedInItsTurn(t *testing.T) {
	t.Parallel()
	for _, used := range []bool{false, true} {
		var events journal
		e, _ := timed(t, locmem.Options[int, int]{MaxEntries: 3, Shards: 1, Policy: evict.LRU, NegativeTTL: time.Minute, OnRemove: events.add})
		note(t, e, 1)
		e.Set(2, 20)
		e.Set(3, 30)
		if used {
			note(t, e, 1)
		}
		e.Set(4, 40)
		require.Equal(t, 3, e.Len())
		if used {
			require.Equal(t, []removal{{Key: 2, Value: 20, Cause: locmem.Evicted, Weight: 1}}, events.take())
		} else {
			require.Empty(t, events.take())
			require.Zero(t, e.Stats().Evicted)
		}
		require.Equal(t, !used, loadsAgain(t, e, 1), "used: %v", used)
	}
}

func TestWithoutNegativeTTLEveryCallLoads(t *testing.T) {
	t.Parallel()
	for _, opts := range []locmem.Options[int, int]{{}, {StaleFor: time.Hour, TTL: time.Hour}} {
		e, _ := timed(t, opts)
		for range 3 {
			note(t, e, 1)
			require.True(t, loadsAgain(t, e, 1))
			require.Zero(t, e.Len())
		}
		require.EqualValues(t, 3, e.Stats().LoadsNotFound)
	}
}

func TestErrorsAreNotKeptAsNotFound(t *testing.T) {
	t.Parallel()
	for name, load := range map[string]func(context.Context, int) (int, error){
		"error":  func(context.Context, int) (int, error) { return 0, errAway },
		"panic":  func(context.Context, int) (int, error) { panic("boom") },
		"Goexit": func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, _ := timed(t, locmem.Options[int, int]{NegativeTTL: time.Minute})
			_, err := e.GetOrSet(t.Context(), 1, load)
			require.Error(t, err)
			require.Zero(t, e.Len())
			require.True(t, loadsAgain(t, e, 1))
			require.Zero(t, e.Stats().LoadsNotFound)
			require.EqualValues(t, 2, e.Stats().LoadErrors)
		})
	}
}

func TestARefreshThatFindsNothingRemovesTheEntry(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		passed   time.Duration
		negative time.Duration
		cause    locmem.Cause
	}{
		{"a live one", 55 * time.Second, time.Minute, locmem.Deleted},
		{"a live one, without NegativeTTL", 55 * time.Second, 0, locmem.Deleted},
		{"a stale one", 65 * time.Second, time.Minute, locmem.Expired},
		{"a stale one, without NegativeTTL", 65 * time.Second, 0, locmem.Expired},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var events journal
				e, clock := timed(t, locmem.Options[int, int]{
					TTL: time.Minute, RefreshAhead: 10 * time.Second, StaleFor: 10 * time.Second,
					NegativeTTL: tc.negative, OnRemove: events.add,
				})
				e.Set(1, 10)
				clock.Advance(tc.passed)
				value, err := e.GetOrSet(t.Context(), 1, findsNothing)
				require.NoError(t, err)
				require.Equal(t, 10, value, "the refresh is in the background")
				synctest.Wait()
				require.Equal(t, []removal{{Key: 1, Value: 10, Cause: tc.cause, Weight: 1}}, events.take())
				require.False(t, e.Has(1))
				require.Equal(t, tc.negative == 0, loadsAgain(t, e, 1))
				require.Equal(t, btoi(tc.negative > 0), e.Len())
				require.EqualValues(t, 1, e.Stats().LoadsNotFound)
			})
		})
	}
}

func TestAWriteDuringALoadThatFindsNothingWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, _ := timed(t, locmem.Options[int, int]{NegativeTTL: time.Minute})
		l := newLoader()
		got := ask(t.Context(), e, 1, l.load)
		<-l.begun
		e.Set(1, 10)
		l.result <- answer{0, locmem.ErrNotFound}
		require.Equal(t, answer{10, nil}, now(t, got), "what is live at the end")
		require.True(t, e.Has(1))

		got = ask(t.Context(), e, 2, l.load)
		<-l.begun
		e.Delete(2)
		l.result <- answer{0, locmem.ErrNotFound}
		require.ErrorIs(t, now(t, got).err, locmem.ErrNotFound)
		require.True(t, loadsAgain(t, e, 2), "what was found before the removal may not be kept after it")
		require.EqualValues(t, 2, e.Stats().LoadsNotFound)
	})
}

func TestJitterShortensForHowLongNothingIsKept(t *testing.T) {
	t.Parallel()
	const keys = 200
	e, clock := timed(t, locmem.Options[int, int]{NegativeTTL: time.Minute, Jitter: 0.5})
	for key := range keys {
		note(t, e, key)
	}
	clock.Advance(30 * time.Second)
	require.Equal(t, keys, e.Len(), "more than Jitter was taken off")
	clock.Advance(15 * time.Second)
	require.InDelta(t, keys/2, e.Len(), 60) // over 8 standard deviations
	clock.Advance(15 * time.Second)
	require.Zero(t, e.Len())
}

func TestLifetimesOfEntriesDoNotConcernWhatWasNotFound(t *testing.T) {
	t.Parallel()
	e, clock := timed(t, locmem.Options[int, int]{
		TTL: time.Second, Idle: time.Second, StaleFor: time.Hour, StaleIfError: time.Hour, NegativeTTL: time.Minute,
	})
	_, err := e.GetOrSet(t.Context(), 1, findsNothing, locmem.TTL(time.Second), locmem.Idle(time.Second), locmem.Tags("a"))
	require.ErrorIs(t, err, locmem.ErrNotFound)
	e.InvalidateTags("a")
	clock.Advance(time.Minute - 1)
	require.False(t, loadsAgain(t, e, 1), "it was not kept for so long")
	clock.Advance(1)
	require.Zero(t, e.Len(), "it was held beyond its time")
	require.True(t, loadsAgain(t, e, 1))
}

func TestWhatWasNotFoundMovesWhenAShardIsPacked(t *testing.T) {
	t.Parallel()
	const n = 5000
	e, clock := timed(t, locmem.Options[int, int]{MaxEntries: 2 * n, Shards: 1, NegativeTTL: time.Minute})
	for key := range n {
		e.Set(key, key)
	}
	note(t, e, -1, -2, -3)
	for key := range n {
		e.Delete(key)
	}
	before := e.SlotsUsed()
	require.NoError(t, e.Resize(n, 0))
	require.Less(t, e.SlotsUsed(), before)
	require.NoError(t, e.Validate())
	for _, key := range []int{-1, -2, -3} {
		require.False(t, loadsAgain(t, e, key))
		require.False(t, e.Has(key))
	}
	clock.Advance(time.Minute)
	require.Zero(t, e.Len())
}

func TestWhatWasNotFoundIsSweptWithNobodyAtWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newLoads(t, func(o *locmem.Options[int, int]) { o.NegativeTTL = time.Minute })
		note(t, e, 1, 2, 3)
		time.Sleep(59 * time.Second) //nolint:forbidigo // in a bubble
		require.Equal(t, 3, e.Len())
		require.False(t, loadsAgain(t, e, 1))
		time.Sleep(2 * time.Second) //nolint:forbidigo // in a bubble
		synctest.Wait()
		require.Zero(t, e.Len())
		require.Zero(t, e.Stats().Expired)
	})
}

func TestEachOptionOfLoadsThatIsNegativeIsNamed(t *testing.T) {
	t.Parallel()
	_, err := locmem.New(locmem.Options[int, int]{
		MaxEntries: 1, LoadTimeout: -1, NegativeTTL: -2, StaleFor: -3, StaleIfError: -4, RefreshAhead: -5, Workers: -6,
	})
	require.EqualError(t, err, `locmem: Options.LoadTimeout is -1ns: it must not be negative
locmem: Options.NegativeTTL is -2ns: it must not be negative
locmem: Options.StaleFor is -3ns: it must not be negative
locmem: Options.StaleIfError is -4ns: it must not be negative
locmem: Options.RefreshAhead is -5ns: it must not be negative
locmem: Options.Workers is -6: it must not be negative`)
}
