// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
)

func TestAMoveKeepsAllButTheKey(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{1, 64} {
		for _, grace := range []time.Duration{0, time.Hour} {
			t.Run(fmt.Sprintf("%d shards, grace %v", shards, grace), func(t *testing.T) {
				t.Parallel()
				clock := locmem.NewManualClock(theStart)
				e := locmem.Must(locmem.New(locmem.Options[int, int]{
					MaxWeight: 1000, Shards: shards, Clock: clock, StaleIfError: grace,
					Load: func(context.Context, int) (int, error) { return 0, errors.New("away") },
				}))
				defer e.Close()
				e.Set(1, 10, locmem.TTL(time.Minute), locmem.Weight(7), locmem.Tags("red"))
				e.Set(2, 20, locmem.Idle(time.Minute))
				e.Set(3, 30)
				clock.Advance(30 * time.Second)
				for key := range 4 {
					require.Equal(t, key > 0, e.Move(key, 100+key))
					require.False(t, e.Has(key))
				}
				require.Equal(t, 3, e.Len())
				require.Equal(t, int64(9), e.Weight())
				entry, _ := e.Peek(101)
				require.Equal(t, locmem.Entry[int]{Value: 10, Weight: 7, Deadline: theStart.Add(time.Minute)}, entry)
				entry, _ = e.Peek(102)
				require.Equal(t, locmem.Entry[int]{Value: 20, Weight: 1, Idle: time.Minute, Deadline: theStart.Add(90 * time.Second)}, entry, "a move is a use")
				entry, _ = e.Peek(103)
				require.Equal(t, locmem.Entry[int]{Value: 30, Weight: 1}, entry)
				require.NoError(t, e.Validate())

				e.InvalidateTags("red")
				require.False(t, e.Has(101), "the tags have moved too")
				require.False(t, e.Move(101, 1), "what was invalidated does not move")
				clock.Advance(time.Minute)
				require.False(t, e.Move(102, 2), "what has expired does not move")
				require.True(t, e.Move(103, 103), "to itself")
				require.True(t, e.Has(103))
				require.NoError(t, e.Validate())
			})
		}
	}
}

func TestAMoveKeepsWhyARefreshHasFailed(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	clock := locmem.NewManualClock(theStart)
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 10, Clock: clock, StaleIfError: time.Hour}))
	defer e.Close()
	e.Set(1, 10, locmem.TTL(time.Minute))
	clock.Advance(time.Minute)
	_, err := e.Fetch(t.Context(), 1, func(context.Context, int) (int, error) { return 0, away })
	require.NoError(t, err)
	e.Touch(1, locmem.TTL(time.Minute))
	require.False(t, e.Move(1, 2), "it has expired")
	e.Set(1, 10, locmem.TTL(time.Minute))
	require.True(t, e.Move(1, 2))
	entry, _ := e.Peek(2)
	require.NoError(t, entry.LoadErr)
}

func TestAMoveOverALiveEntryLeavesOne(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{1, 64} {
		t.Run(fmt.Sprintf("%d shards", shards), func(t *testing.T) {
			t.Parallel()
			var j journal
			e := told(t, j.add, func(o *locmem.Options[int, int]) { o.Shards = shards })
			e.Set(1, 10)
			e.Set(2, 20, locmem.Tags("old"))
			require.True(t, e.Move(1, 2))
			require.NoError(t, e.Drain(t.Context()))
			require.ElementsMatch(t, []removal{
				{Key: 1, Value: 10, Cause: locmem.Moved, Weight: 1},
				{Key: 2, Value: 20, Cause: locmem.Replaced, Weight: 1},
			}, j.take())
			require.Equal(t, 1, e.Len())
			e.InvalidateTags("old")
			value, _ := e.Get(2)
			require.Equal(t, 10, value)
			st := e.Stats()
			require.Equal(t, []uint64{2, 1, 1, 1}, []uint64{st.Inserts, st.Updates, st.Moved, st.Replaced})
			require.NoError(t, e.Validate())
		})
	}
}

func TestAMoveIsAUse(t *testing.T) {
	t.Parallel()
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 3, Shards: 4, Policy: evict.LRU}))
	defer e.Close()
	for key := 1; key <= 3; key++ {
		e.Set(key, key)
	}
	e.Move(1, 10)
	e.Move(2, 2)
	e.Set(4, 4)
	require.True(t, e.Has(10) && e.Has(2) && !e.Has(3))
}

func TestAMoveToAKeyThatIsNotItselfTakesNothing(t *testing.T) {
	t.Parallel()
	e := locmem.Must(locmem.New(locmem.Options[float64, int]{MaxEntries: 10}))
	defer e.Close()
	e.Set(1, 1)
	require.False(t, e.Move(1, math.NaN()))
	require.False(t, e.Move(math.NaN(), 1))
	require.True(t, e.Has(1))
}

func TestAMoveWinsOverLoadsOfBothKeys(t *testing.T) {
	t.Parallel()
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 10}))
	defer e.Close()
	for _, tc := range []struct {
		name   string
		load   int // the key that is loaded
		result int // what the load's caller gets
		held   map[int]int
	}{
		{"the new key", 2, 10, map[int]int{2: 10}},
		{"the old key", 1, 99, map[int]int{2: 10}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e.Clear()
			loading, moved := make(chan struct{}), make(chan struct{})
			var loads sync.WaitGroup
			loads.Go(func() {
				value, err := e.GetOrSet(t.Context(), tc.load, func(context.Context, int) (int, error) {
					close(loading)
					<-moved
					return 99, nil
				})
				assert.NoError(t, err)
				assert.Equal(t, tc.result, value)
			})
			<-loading
			e.Set(1, 10)
			assert.True(t, e.Move(1, 2))
			close(moved)
			loads.Wait()
			assert.Equal(t, tc.held, e.GetMany([]int{1, 2}))
		})
	}
}

// An entry goes to and fro between two keys. Who does not find it under one, and
// then not under the other, has looked while it moved back; so the number of
// moves must have changed.
func TestNobodySeesAMoveHalfDone(t *testing.T) {
	t.Parallel()
	moves := 20_000
	if testing.Short() {
		moves = 4000
	}
	for _, shards := range []int{1, 64} {
		t.Run(fmt.Sprintf("%d shards", shards), func(t *testing.T) {
			t.Parallel()
			e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 100, Shards: shards}))
			defer e.Close()
			var moved atomic.Int64 // counted before and after a move: odd while it runs
			e.Set(1, 1)
			var done atomic.Bool
			race(3, func(g int) {
				if g == 0 {
					for i := range moves {
						moved.Add(1)
						assert.True(t, e.Move(1+i%2, 2-i%2), "move %d", i)
						moved.Add(1)
					}
					done.Store(true)
					return
				}
				for !done.Load() {
					before := moved.Load()
					first, second := e.Has(1), e.Has(2)
					if after := moved.Load(); after-before <= 1 {
						// At most one move: from 1 to 2 before the first look or after, or from 2 to 1.
						toSecond := (before/2+1)%2 == 1
						if first && second && !toSecond || !first && !second && toSecond {
							assert.Fail(t, "half done", "found %v, then %v, during move %d", first, second, before/2+1)
						}
					}
				}
			})
			require.NoError(t, e.Validate())
		})
	}
}

// Moves in both directions between all shards hold two locks each.
func TestMovesDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 40, Shards: 16, Policy: evict.LRU}))
	defer e.Close()
	race(4, func(g int) {
		for i := range 5000 {
			switch a, b := i%50, (i*7+g)%50; i % 4 {
			case 0:
				e.Set(a, i, locmem.TTL(time.Hour))
			case 1:
				e.Delete(b)
			default:
				if g%2 == 0 {
					e.Move(a, b)
				} else {
					e.Move(b, a)
				}
			}
		}
	})
	require.LessOrEqual(t, e.Len(), 40)
	require.NoError(t, e.Validate())
}
