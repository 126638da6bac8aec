// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/locmem/locmem"
)

// Callers go through the keys one after another, and the loader of every 50th key
// waits for all of them. In the second generation, of a tenth of the keys, every
// other caller asks for ten keys at once.
func TestAStampedeOfCallersLoadsEachKeyOnce(t *testing.T) {
	t.Parallel()
	const callers, bulk = 64, 10
	keys := 10_000
	if testing.Short() {
		keys = 500
	}
	ctx := context.Background()
	all := seq(keys)
	e := newLoads(t)
	started, arrived := make([]atomic.Int32, keys), make([]atomic.Int32, keys)
	load := func(_ context.Context, key int) (int, error) { //nolint:unparam // a loader's results
		for key%50 == 0 && arrived[key].Load() < callers {
			runtime.Gosched()
		}
		return key + keys*int(started[key].Add(1)), nil
	}
	loadMany := func(ctx context.Context, keys []int) (map[int]int, error) { //nolint:unparam // a loader's results
		values := map[int]int{}
		for _, key := range keys {
			values[key], _ = load(ctx, key)
		}
		return values, nil
	}
	stampede := func(generation int, keys []int) {
		var g errgroup.Group
		for caller := range callers {
			g.Go(func() (fault error) {
				check := func(key, value int, err error) {
					if err != nil || value != key+len(all)*generation { // and go on: loaders wait for all
						fault = fmt.Errorf("key %d: %d, %w in generation %d", key, value, err, generation)
					}
				}
				if generation == 2 && caller%2 == 1 {
					for piece := range slices.Chunk(keys, bulk) {
						values, err := e.GetOrSetMany(ctx, piece, loadMany)
						for _, key := range piece {
							check(key, values[key], err)
						}
					}
					return fault
				}
				for _, key := range keys {
					arrived[key].Add(1)
					value, err := e.GetOrSet(ctx, key, load)
					check(key, value, err)
				}
				return fault
			})
		}
		require.NoError(t, g.Wait())
		for _, key := range keys {
			require.EqualValues(t, generation, started[key].Load(), "loads of key %d", key)
		}
		require.Equal(t, len(keys), e.Len())
		e.Clear()
	}
	stampede(1, all)
	require.EqualValues(t, keys, e.Stats().Loads)
	require.Positive(t, e.Stats().LoadsShared)
	stampede(2, all[:keys/10])
	require.EqualValues(t, keys+keys/10, e.Stats().Loads)
	require.NoError(t, e.Validate())
}

// A load reads version 2n of a database, which then changes to 2n + 1, and
// whoever has changed it writes to the engine; the write races the end of the
// load. When the write has returned nobody sees version 2n any more, neither then
// nor when the load has ended.
func TestNoStaleValueSurvivesACompletedWrite(t *testing.T) {
	t.Parallel()
	trials := 1000
	if testing.Short() {
		trials = 100
	}
	ctx := context.Background()
	type engine = *locmem.Engine[int, int]
	tag := locmem.Tags("a")
	writes := map[string]func(e engine, version int){
		"Set":            func(e engine, version int) { e.Set(1, version, tag) },
		"Delete":         func(e engine, _ int) { e.Delete(1) },
		"Clear":          func(e engine, _ int) { e.Clear() },
		"InvalidateTags": func(e engine, _ int) { e.InvalidateTags("b", "a") },
		"Compute": func(e engine, version int) {
			e.Compute(1, func(locmem.Entry[int], bool) (int, locmem.Op) { return version, locmem.Store }, tag)
		},
	}
	for _, way := range []struct {
		name   string
		change func(o *locmem.Options[int, int])
		held   bool // the load is a refresh of what is held
		bulk   bool
	}{
		{"a load", func(*locmem.Options[int, int]) {}, false, false},
		{"a bulk load", func(*locmem.Options[int, int]) {}, false, true},
		{"a refresh ahead", func(o *locmem.Options[int, int]) {
			o.TTL, o.RefreshAhead, o.Clock = time.Hour, time.Hour, locmem.PreciseClock
		}, true, false},
		{"a refresh of what is stale", func(o *locmem.Options[int, int]) { o.TTL, o.StaleFor, o.Clock = 1, time.Hour, locmem.PreciseClock }, true, false},
		{"a bulk refresh", func(o *locmem.Options[int, int]) { o.TTL, o.StaleFor, o.Clock = 1, time.Hour, locmem.PreciseClock }, true, true},
	} {
		for name, write := range writes {
			t.Run(name+" during "+way.name, func(t *testing.T) {
				t.Parallel()
				e := newLoads(t, way.change, func(o *locmem.Options[int, int]) { o.Workers = 1 << 20 }) // one is free for every refresh
				var database atomic.Int64
				plain := func(context.Context, int) (int, error) { //nolint:unparam // a loader's results
					return int(database.Load()), nil
				}
				for trial := range trials {
					database.Store(int64(2 * trial))
					e.Delete(1)
					if way.held {
						e.Set(1, 2*trial, tag)
					}
					begun := make(chan struct{})
					var ready atomic.Int32
					meet := func() {
						for ready.Add(1); ready.Load() < 2; {
							runtime.Gosched()
						}
					}
					load := func(ctx context.Context, key int) (int, error) {
						version, err := plain(ctx, key)
						close(begun)
						meet()
						return version, err
					}
					done := make(chan error, 1)
					go func() {
						var value int
						var err error
						if way.bulk {
							var values map[int]int
							values, err = e.GetOrSetMany(ctx, []int{1}, func(ctx context.Context, keys []int) (map[int]int, error) {
								value, err := load(ctx, keys[0])
								return map[int]int{1: value}, err
							}, tag)
							value = values[1]
						} else {
							value, err = e.GetOrSet(ctx, 1, load, tag)
						}
						if value>>1 != trial {
							err = fmt.Errorf("a load has brought %d, %w", value, err)
						}
						done <- err
					}()
					<-begun
					meet()
					for range trial % 8 {
						runtime.Gosched() // vary who is first
					}
					version := 2*trial + 1
					database.Store(int64(version))
					write(e, version)
					check := func(when string) {
						value, ok := e.Get(1)
						require.True(t, !ok || value == version, "%d is there in trial %d, %s", value, trial, when)
						value, err := e.GetOrSet(ctx, 1, plain, tag)
						require.NoError(t, err)
						require.Equal(t, version, value, "in trial %d, %s", trial, when)
					}
					check("after the write")
					require.NoError(t, <-done)
					for s := e.Stats(); s.Loads > s.LoadSuccesses; s = e.Stats() { // refreshes too
						runtime.Gosched()
					}
					check("after the load")
					for s := e.Stats(); s.Loads > s.LoadSuccesses; s = e.Stats() {
						runtime.Gosched()
					}
				}
				require.GreaterOrEqual(t, e.Stats().Loads, uint64(trials))
				require.NoError(t, e.Validate())
			})
		}
	}
}

// Callers of overlapping sets of keys, by both calls, with writes and removals in
// between: no key is being loaded twice at once but for writes that came between,
// and each caller gets all the keys that it has asked for.
func TestOverlappingBulkLoadsLoadNothingTwice(t *testing.T) {
	t.Parallel()
	const keys, callers = 40, 8
	rounds := 300
	if testing.Short() {
		rounds = 40
	}
	e := newLoads(t)
	for range rounds {
		var loaded [keys]atomic.Int32
		load := func(_ context.Context, asked []int) (map[int]int, error) { //nolint:unparam // a loader's results
			values := map[int]int{}
			for _, key := range asked {
				loaded[key].Add(1)
				values[key] = 10 * key
			}
			runtime.Gosched()
			return values, nil
		}
		var g errgroup.Group
		for caller := range callers {
			g.Go(func() error {
				asked := slices.Concat(seq(keys)[5*caller:], seq(keys)[:5*caller])
				values, err := e.GetOrSetMany(context.Background(), asked[:keys/2], load)
				if err != nil || len(values) != keys/2 {
					return fmt.Errorf("%v, %w", values, err)
				}
				return nil
			})
		}
		require.NoError(t, g.Wait())
		for key := range keys {
			require.EqualValues(t, 1, loaded[key].Load(), "loads of key %d", key)
		}
		require.Equal(t, keys, e.Len())
		e.Clear()
	}
	require.NoError(t, e.Validate())
}
