// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/locmem/locmem"
)

func TestALoadThatWouldWaitForItselfIsAnError(t *testing.T) {
	t.Parallel()
	type engine = *locmem.Engine[int, int]
	type loader = func(context.Context, int) (int, error)
	for _, tc := range []struct {
		name string
		next func(a, b engine, key int) (engine, int) // what the loader of a key asks for
	}{
		{"its own key", func(a, _ engine, key int) (engine, int) { return a, key }},
		{"A, B, A", func(a, _ engine, key int) (engine, int) { return a, 1 - key }},
		{"a circle of ten", func(a, _ engine, key int) (engine, int) { return a, (key + 1) % 10 }},
		{"a tail with a circle", func(a, _ engine, key int) (engine, int) { return a, min(key+1, 9-key%5) }},
		{"a circle over two engines", func(a, b engine, key int) (engine, int) {
			if key%2 == 0 {
				return b, (key + 1) % 4
			}
			return a, (key + 1) % 4
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := newLoads(t), newLoads(t)
			var load loader
			load = func(ctx context.Context, key int) (int, error) {
				ctx, cancel := context.WithCancel(ctx) // what a loader passes on is derived, as a rule
				defer cancel()
				e, next := tc.next(a, b, key)
				return e.GetOrSet(ctx, next, load)
			}
			var gotten, fetched error
			within(t, func() {
				_, gotten = a.GetOrSet(context.Background(), 0, load)
				_, fetched = a.Fetch(context.Background(), 0, func(ctx context.Context, key int) (int, error) {
					entry, err := a.Fetch(ctx, key, load)
					return entry.Value, err
				})
			})
			require.ErrorIs(t, gotten, locmem.ErrReentrant)
			require.ErrorIs(t, fetched, locmem.ErrReentrant)
			require.Zero(t, a.Len())
			require.NoError(t, a.Validate())
			require.NoError(t, b.Validate())
			value, err := a.GetOrSet(context.Background(), 0, func(context.Context, int) (int, error) { return 4, nil })
			require.NoError(t, err)
			require.Equal(t, 4, value)
		})
	}
}

// Two loads that begin apart and then ask for each other's key.
func TestLoadsThatMeetInACircleEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			e := newLoads(t)
			begun := make(chan struct{})
			var waiting atomic.Int32
			load := func(ctx context.Context, key int) (int, error) {
				if waiting.Add(1) == 2 {
					close(begun)
				}
				<-begun
				return e.GetOrSet(ctx, 1-key, func(context.Context, int) (int, error) { return 1, nil })
			}
			a, b := ask(context.Background(), e, 0, load), ask(context.Background(), e, 1, load)
			first, second := now(t, a), now(t, b)
			require.ErrorIs(t, errors.Join(first.err, second.err), locmem.ErrReentrant)
			require.NoError(t, e.Validate())
			e.Close()
		}
	})
}

func TestALoaderMayLoadOtherKeys(t *testing.T) {
	t.Parallel()
	e := newLoads(t)
	var load func(ctx context.Context, n int) (int, error)
	load = func(ctx context.Context, n int) (int, error) { // Fibonacci's numbers, both parts at once
		if n < 2 {
			return n, nil
		}
		var parts [2]int
		g, ctx := errgroup.WithContext(ctx)
		for i := range parts {
			g.Go(func() (err error) {
				parts[i], err = e.GetOrSet(ctx, n-1-i, load)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return 0, err
		}
		return parts[0] + parts[1], nil
	}
	within(t, func() {
		value, err := e.GetOrSet(context.Background(), 40, load)
		assert.NoError(t, err)
		assert.Equal(t, 102334155, value)
	})
	require.EqualValues(t, 41, e.Stats().Loads, "each number once")
	require.NoError(t, e.Validate())
}

// Each layer waits for both loads of the next, so that there are two to the
// power of their number ways down, and a few dozen loads.
func TestLookingForACircleTakesOneStepForEachLoad(t *testing.T) {
	t.Parallel()
	const layers = 40
	e, bottom := newLoads(t), newLoader()
	asked := make(chan struct{}, 4*layers)
	var load func(ctx context.Context, key int) (int, error)
	load = func(ctx context.Context, key int) (int, error) {
		if key/2 == layers {
			return bottom.load(ctx, key)
		}
		var g errgroup.Group
		for i := range 2 {
			g.Go(func() error {
				asked <- struct{}{}
				_, err := e.GetOrSet(ctx, key/2*2+2+i, load)
				return err
			})
		}
		return key, g.Wait()
	}
	var top, above answer
	within(t, func() {
		first := ask(context.Background(), e, 0, load)
		for range 2 {
			<-bottom.begun
		}
		for range 4*layers - 2 {
			<-asked
		}
		second := ask(context.Background(), e, -100, func(ctx context.Context, _ int) (int, error) {
			return e.GetOrSet(ctx, 0, load)
		})
		for range 2 {
			bottom.result <- answer{1, nil}
		}
		top, above = <-first, <-second
	})
	require.Equal(t, answer{0, nil}, top)
	require.Equal(t, answer{0, nil}, above)
}
