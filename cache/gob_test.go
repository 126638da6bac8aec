// SPDX-License-Identifier: MIT

package cache_test

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/cache"
)

func TestGobValuesAreStreamsOfTheirOwn(t *testing.T) {
	t.Parallel()
	first, err := cache.Gob.Append(nil, leaf{Text: "a"})
	require.NoError(t, err)
	second, err := cache.Gob.Append(nil, leaf{Text: "b"})
	require.NoError(t, err)
	var got leaf
	require.NoError(t, cache.Gob.Decode(second, &got), "without the first")
	assert.Equal(t, leaf{Text: "b"}, got)
	assert.Error(t, cache.Gob.Decode(append(first, second...), new(leaf)), "two values")
	assert.Error(t, cache.Gob.Decode(append(second, 0), new(leaf)), "a byte too many")
	for n := range second {
		assert.Error(t, cache.Gob.Decode(second[:n], new(leaf)), "%d bytes of %d", n, len(second))
	}
}

func TestGobNilIsWrittenAsNothing(t *testing.T) {
	t.Parallel()
	for _, value := range []any{nil, (*int)(nil), (**int)(nil), []int(nil), map[string]int(nil), struct{}{}, [0]int{}} {
		b, err := cache.Gob.Append(nil, value)
		assert.NoError(t, err, "%T", value)
		assert.Empty(t, b, "%T", value)
	}
	number := new(int)
	p, list := number, []int{1}
	require.NoError(t, cache.Gob.Decode(nil, &p))
	assert.Nil(t, p)
	require.NoError(t, cache.Gob.Decode(nil, &list))
	assert.Nil(t, list)
	require.NoError(t, cache.Gob.Decode(nil, new(struct{})))
	for _, into := range []any{new(int), new(string), new(leaf), new(bool), nil, 1, (*string)(nil)} {
		assert.Error(t, cache.Gob.Decode(nil, into), "%T", into)
	}
	_, err := cache.Gob.Append(nil, new(*int))
	assert.Error(t, err, "a pointer to a nil pointer")
	_, err = cache.Gob.Append(nil, new([]int))
	assert.NoError(t, err, "a pointer to a nil slice")
}

// panicking panics when it is encoded or decoded.
type panicking struct{ On string }

var errPanicking = errors.New("no more")

func (p panicking) GobEncode() ([]byte, error) {
	if p.On == "encode" {
		panic(errPanicking)
	}
	return []byte(p.On), nil
}

func (p *panicking) GobDecode(b []byte) error {
	if p.On = string(b); p.On == "decode" {
		panic(errPanicking)
	}
	return nil
}

func TestGobPanicsAreErrors(t *testing.T) {
	t.Parallel()
	b, err := cache.Gob.Append([]byte("head"), panicking{"encode"})
	assert.ErrorContains(t, err, "no more")
	assert.Equal(t, "head", string(b))
	b, err = cache.Gob.Append(nil, []*int{nil})
	assert.Error(t, err)
	assert.Empty(t, b)
	b, err = cache.Gob.Append(nil, panicking{"decode"})
	require.NoError(t, err)
	assert.ErrorContains(t, cache.Gob.Decode(b, new(panicking)), "no more")
}

func TestGobKeepsWhatJSONRefuses(t *testing.T) {
	t.Parallel()
	backAgain(t, "complex", cache.Gob, complex(1, -2))
	backAgain(t, "keys that are structs", cache.Gob, map[struct{ A, B int }]string{{1, 2}: "x"})
	backAgain(t, "text in a field", cache.Gob, struct{ S string }{"\xff"})
	backAgain(t, "infinity in a field", cache.Gob, struct{ F float64 }{math.Inf(1)})
}
