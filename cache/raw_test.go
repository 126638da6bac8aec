// SPDX-License-Identifier: MIT

package cache_test

import (
	"context"
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/cache"
)

func TestRawWritesValuesAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value any
		text  string
	}{
		{"", ""},
		{"a\x00\xff", "a\x00\xff"},
		{colour("red"), "red"},
		{[]byte("abc"), "abc"},
		{[]byte(nil), ""},
		{blob("abc"), "abc"},
		{1.5, "1.5"},
		{1.0, "1.0"},
		{0.0, "0.0"},
		{math.Copysign(0, -1), "-0.0"},
		{-120.0, "-120.0"},
		{1e20, "1e+20"},
		{1e300, "1e+300"},
		{123456789.0, "1.23456789e+08"},
		{float32(0.1), "0.1"},
		{ratio(2), "2.0"},
		{math.Inf(1), "+Inf"},
		{math.Inf(-1), "-Inf"},
		{math.NaN(), "NaN"},
	} {
		b, err := cache.Raw.Append(nil, test.value)
		assert.NoError(t, err, "%T %v", test.value, test.value)
		assert.Equal(t, test.text, string(b), "%T %v", test.value, test.value)
	}
	for _, value := range []any{nil, true, 1, uint8(1), []int{1}, [2]byte{1, 2}, new(string), &[]byte{1}, leaf{}, complex(1, 2)} {
		b, err := cache.Raw.Append(nil, value)
		assert.Error(t, err, "%T", value)
		assert.Empty(t, b, "%T", value)
	}
}

func TestRawFloatsAreNeverWholeNumbers(t *testing.T) {
	t.Parallel()
	for _, f := range []float64{0, 1, -1, 9, 10, 1e5, 1e6, 1e20, 1e21, 1 << 53, math.MaxInt64, math.MaxFloat32, math.NaN()} {
		for _, value := range []any{f, float32(f)} {
			b, err := cache.Raw.Append(nil, value)
			require.NoError(t, err)
			_, err = strconv.ParseInt(string(b), 10, 64)
			assert.Error(t, err, "%T %v", value, value)
		}
	}
}

func TestRawDecodesTextsBytesAndFloatsOnly(t *testing.T) {
	t.Parallel()
	for _, into := range []any{nil, "", new(bool), new(int), new([]int), new([2]byte), new(*string), new(leaf), (*ratio)(nil), 1.0} {
		assert.Error(t, cache.Raw.Decode([]byte("1"), into), "%T", into)
	}
	for _, text := range []string{"", "x", "1.0x", " 1", "1e", "1e999"} {
		assert.Error(t, cache.Raw.Decode([]byte(text), new(float64)), text)
	}
	assert.Error(t, cache.Raw.Decode([]byte("1e300"), new(float32)))
	var f float64
	require.NoError(t, cache.Raw.Decode([]byte("NaN"), &f))
	assert.True(t, math.IsNaN(f))
	require.NoError(t, cache.Raw.Decode([]byte("12"), &f))
	assert.InDelta(t, 12, f, 0)
}

func TestRawTextThatIsANumberCanBeCounted(t *testing.T) {
	t.Parallel()
	c, ctx := aliasOn(t, cache.Config{Codec: cache.Raw}), context.Background()
	require.NoError(t, cache.For[string](c).Set(ctx, "k", "41"))
	n, err := c.Incr(ctx, "k", 1)
	require.NoError(t, err)
	assert.Equal(t, int64(42), n)
	text, _, err := cache.For[string](c).Get(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, "42", text)
	require.NoError(t, cache.For[float64](c).Set(ctx, "k", 41))
	_, err = c.Incr(ctx, "k", 1)
	assert.ErrorIs(t, err, cache.ErrNotNumber)
}
