// SPDX-License-Identifier: MIT

package cache_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/cache"
)

func TestNoCopyKeepsTheValueItself(t *testing.T) {
	t.Parallel()
	c, ctx := aliasOn(t, cache.Config{Codec: cache.NoCopy}), context.Background()
	functions, ch := cache.For[func() int](c), make(chan int, 1)
	require.NoError(t, functions.Set(ctx, "function", func() int { return 42 }))
	f, found, err := functions.Get(ctx, "function")
	require.NoError(t, err)
	require.True(t, found)
	assert.Equal(t, 42, f())
	require.NoError(t, cache.For[chan int](c).Set(ctx, "channel", ch))
	got, _, err := cache.For[any](c).Get(ctx, "channel")
	require.NoError(t, err)
	assert.Equal(t, any(ch), got)
	loaded, err := cache.For[*leaf](c).GetOrSet(ctx, "loaded", func(context.Context) (*leaf, error) { return &leaf{}, nil })
	require.NoError(t, err)
	again, _, err := cache.For[*leaf](c).Get(ctx, "loaded")
	require.NoError(t, err)
	assert.Same(t, loaded, again)
}

func TestNoCopyTellsTypesApart(t *testing.T) {
	t.Parallel()
	c, ctx := aliasOn(t, cache.Config{Codec: cache.NoCopy}), context.Background()
	require.NoError(t, cache.For[int](c).Set(ctx, "k", 1))
	_, _, err := cache.For[int64](c).Get(ctx, "k")
	assert.ErrorIs(t, err, cache.ErrDecode)
	_, _, err = cache.For[level](c).Get(ctx, "k")
	assert.ErrorIs(t, err, cache.ErrDecode)
	require.NoError(t, cache.For[any](c).Set(ctx, "k", nil))
	_, _, err = cache.For[*int](c).Get(ctx, "k")
	assert.ErrorIs(t, err, cache.ErrDecode, "the nil of an interface has no type")
	_, found, err := cache.For[error](c).Get(ctx, "k")
	assert.NoError(t, err)
	assert.True(t, found)
}

func TestNoCopyCannotBeSaved(t *testing.T) {
	t.Parallel()
	c, ctx := aliasOn(t, cache.Config{Codec: cache.NoCopy}), context.Background()
	require.NoError(t, cache.For[string](c).Set(ctx, "k", "v"))
	assert.Error(t, c.Save(ctx, new(bytes.Buffer)))
}
