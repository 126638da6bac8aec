// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
)

// loading returns a loader that states options before it returns its key.
func loading(t *testing.T, opts ...locmem.EntryOption) func(context.Context, int) (int, error) {
	return func(ctx context.Context, key int) (int, error) {
		require.True(t, locmem.LoadOptions(ctx, opts...))
		return key, nil
	}
}

func TestTheLoadersOptionsCountOverTheCallers(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	e, _ := timed(t, locmem.Options[int, int]{TTL: time.Minute, MaxWeight: 1000})

	_, err := e.GetOrSet(ctx, 1, loading(t, locmem.TTL(time.Hour), locmem.Weight(7)), locmem.TTL(time.Second), locmem.Idle(2*time.Hour))
	require.NoError(t, err)
	entry, _ := e.Peek(1)
	require.Equal(t, time.Hour, entry.Deadline.Sub(theStart))
	require.Equal(t, 2*time.Hour, entry.Idle, "what the loader does not say is as the caller says")
	require.EqualValues(t, 7, entry.Weight)

	entry, err = e.Fetch(ctx, 2, loading(t, locmem.NoTTL()))
	require.NoError(t, err)
	require.Zero(t, entry.Deadline)

	_, err = e.GetOrSet(ctx, 3, loading(t))
	require.NoError(t, err)
	entry, _ = e.Peek(3)
	require.Equal(t, time.Minute, entry.Deadline.Sub(theStart), "no options: the defaults")

	value, err := e.GetOrSet(ctx, 4, loading(t, locmem.TTL(0)))
	require.NoError(t, err)
	require.Equal(t, 4, value)
	require.False(t, e.Has(4), "a value that is not to be stored")
}

func TestASecondLoadOptionsTakesTheFirstBack(t *testing.T) {
	t.Parallel()
	e, _ := timed(t, locmem.Options[int, int]{})
	_, err := e.GetOrSet(context.Background(), 1, func(ctx context.Context, _ int) (int, error) {
		opts := []locmem.EntryOption{locmem.TTL(time.Hour), locmem.Idle(time.Minute)}
		locmem.LoadOptions(ctx, opts...)
		locmem.LoadOptions(ctx, locmem.TTL(time.Second))
		opts[0] = locmem.NoTTL() // the caller's slice is the caller's
		return 1, nil
	})
	require.NoError(t, err)
	entry, _ := e.Peek(1)
	require.Equal(t, time.Second, entry.Deadline.Sub(theStart))
	require.Zero(t, entry.Idle)
}

// Each load has options of its own, one inside another too.
func TestLoadOptionsAreThoseOfTheInnermostLoad(t *testing.T) {
	t.Parallel()
	e, _ := timed(t, locmem.Options[int, int]{})
	_, err := e.GetOrSet(context.Background(), 1, func(ctx context.Context, _ int) (int, error) {
		locmem.LoadOptions(ctx, locmem.TTL(time.Hour))
		derived, cancel := context.WithCancel(ctx)
		defer cancel()
		return e.GetOrSet(derived, 2, loading(t, locmem.TTL(time.Second)))
	})
	require.NoError(t, err)
	outer, _ := e.Peek(1)
	inner, _ := e.Peek(2)
	require.Equal(t, time.Hour, outer.Deadline.Sub(theStart))
	require.Equal(t, time.Second, inner.Deadline.Sub(theStart))
}

func TestLoadOptionsWithoutALoadSayNothing(t *testing.T) {
	t.Parallel()
	require.False(t, locmem.LoadOptions(context.Background(), locmem.TTL(1)))

	e, _ := timed(t, locmem.Options[int, int]{})
	failure := errors.New("no value")
	var late context.Context
	_, err := e.GetOrSet(context.Background(), 1, func(ctx context.Context, _ int) (int, error) {
		late = ctx
		locmem.LoadOptions(ctx, locmem.TTL(time.Second))
		return 0, failure
	})
	require.ErrorIs(t, err, failure)
	locmem.LoadOptions(late, locmem.TTL(time.Minute))
	_, err = e.GetOrSet(context.Background(), 1, func(context.Context, int) (int, error) { return 1, nil })
	require.NoError(t, err)
	entry, _ := e.Peek(1)
	require.Zero(t, entry.Deadline, "the next load of the key has none of it")
}
