// SPDX-License-Identifier: MIT

package codecs_test

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cache"
	"github.com/locmem/locmem/codecs/cbor"
	"github.com/locmem/locmem/codecs/msgpack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var someday = time.Date(2026, time.March, 4, 5, 6, 7, 123_456_789, time.UTC)

// codecs are those of the module: what holds of one holds of all.
var codecs = []cache.Codec{msgpack.Codec, cbor.Codec}

// each runs a test with every codec.
func each(t *testing.T, test func(t *testing.T, codec cache.Codec)) {
	t.Parallel()
	for _, codec := range codecs {
		t.Run(codec.Name(), func(t *testing.T) {
			t.Parallel()
			test(t, codec)
		})
	}
}

// alias returns a cache on a registry of its own, whose clock stands still.
func alias(t testing.TB, codec cache.Codec) *cache.Cache {
	t.Helper()
	registry := cache.NewRegistry(cache.RegistryOptions{Clock: locmem.NewManualClock(someday)})
	c, err := cache.New(cache.Config{Codec: codec, Registry: registry})
	require.NoError(t, err)
	return c
}

type leaf struct {
	Text  string
	Bytes []byte
	Whole int64
	Part  float64
	Yes   bool
	Count *int
}

type tree struct {
	Leaf  leaf
	Next  *tree
	List  []leaf
	Names map[string]*leaf
	Ages  map[int]string
	Fixed [3]int16
	Any   any
}

type (
	colour string
	blob   []byte
)

func backAgain[V any](t *testing.T, codec cache.Codec, name string, value V) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		v, ctx := cache.For[V](alias(t, codec)), context.Background()
		require.NoError(t, v.Set(ctx, "k", value))
		got, found, err := v.Get(ctx, "k")
		require.NoError(t, err)
		assert.True(t, found)
		assert.Equal(t, value, got)
	})
}

func TestAValueComesBackWithItsTypeAndContent(t *testing.T) {
	each(t, func(t *testing.T, codec cache.Codec) {
		nought := 0
		at := leaf{"zwölf, 十二, 🐢, \xff\x00", []byte{0, 0xff}, math.MinInt64, -0.1, true, &nought}
		backAgain(t, codec, "struct", tree{
			Leaf: at, Next: &tree{Leaf: at}, List: []leaf{at, {}}, Names: map[string]*leaf{"": &at, "nil": nil},
			Ages: map[int]string{-1: "x"}, Fixed: [3]int16{-1, 0, 1}, Any: "text",
		})
		backAgain(t, codec, "pointer", &at)
		backAgain(t, codec, "nil", (*leaf)(nil))
		backAgain(t, codec, "text", "\xff\xed\xa0\x80")
		backAgain(t, codec, "named text", colour("red"))
		backAgain(t, codec, "bytes", []byte{0, 0xff})
		backAgain(t, codec, "named bytes", blob{0, 0xff})
		backAgain(t, codec, "nil slice", []string(nil))
		backAgain(t, codec, "empty slice", []string{})
		backAgain(t, codec, "nil map", map[string]int(nil))
		backAgain(t, codec, "empty map", map[string]int{})
		backAgain(t, codec, "floats", []float64{0, math.Copysign(0, -1), math.Inf(1), math.MaxFloat64, math.SmallestNonzeroFloat64, 1.0 / 3})
		backAgain(t, codec, "short float", float32(0.1))
		backAgain(t, codec, "bool", false)
		backAgain(t, codec, "uints", []uint64{0, math.MaxUint64})
		backAgain(t, codec, "big number", *big.NewInt(-7))
		backAgain(t, codec, "big number in a field", struct{ N big.Int }{*big.NewInt(7)})
		backAgain(t, codec, "many elements", make([]int, 200_000))
		backAgain(t, codec, "long text", strings.Repeat("ab", 1<<20))
		backAgain(t, codec, "number", 42)
	})
}

func TestATimeKeepsItsInstant(t *testing.T) {
	each(t, func(t *testing.T, codec cache.Codec) {
		v, ctx := cache.For[time.Time](alias(t, codec)), context.Background()
		for _, at := range []time.Time{someday, {}, someday.In(time.FixedZone("", 3600)), time.Date(1900, 1, 1, 0, 0, 0, 1, time.UTC)} {
			require.NoError(t, v.Set(ctx, "k", at))
			got, _, err := v.Get(ctx, "k")
			require.NoError(t, err)
			assert.True(t, at.Equal(got), "%v, not %v", got, at)
		}
	})
}

func TestWhatCannotBeEncodedIsAnError(t *testing.T) {
	each(t, func(t *testing.T, codec cache.Codec) {
		c, ctx := alias(t, codec), context.Background()
		assert.ErrorIs(t, cache.For[func()](c).Set(ctx, "k", func() {}), cache.ErrEncode)
		assert.ErrorIs(t, cache.For[struct{ C chan int }](c).Set(ctx, "k", struct{ C chan int }{make(chan int)}), cache.ErrEncode)
		b, err := codec.Append([]byte("head"), make(chan int))
		assert.Error(t, err)
		assert.Equal(t, "head", string(b))
	})
}

func TestWhatCannotBeDecodedIsAnError(t *testing.T) {
	each(t, func(t *testing.T, codec cache.Codec) {
		c, ctx := alias(t, codec), context.Background()
		require.NoError(t, cache.For[string](c).Set(ctx, "k", "text"))
		refused[int](t, c)
		refused[bool](t, c)
		refused[leaf](t, c)
		refused[map[string]int](t, c)
		require.NoError(t, cache.For[*leaf](c).Set(ctx, "k", nil))
		refused[leaf](t, c)
		refused[string](t, c)
		refused[bool](t, c)
		refused[float64](t, c)
		refused[[2]int](t, c)

		b, err := codec.Append(nil, leaf{Text: "text"})
		require.NoError(t, err)
		for n := range b {
			assert.Error(t, codec.Decode(b[:n], new(leaf)), "%d bytes of %d", n, len(b))
		}
		assert.Error(t, codec.Decode(append(b, 1), new(leaf)), "a byte too many")
		assert.Error(t, codec.Decode(b, leaf{}), "no pointer")
		assert.Error(t, codec.Decode(b, nil))
	})
}

func refused[V any](t *testing.T, c *cache.Cache) {
	t.Helper()
	got, found, err := cache.For[V](c).Get(context.Background(), "k")
	assert.ErrorIs(t, err, cache.ErrDecode, "as %T", got)
	assert.False(t, found)
	assert.Zero(t, got)
}

// TestTheCodecIsAnyOnesToUse has many goroutines encode and decode at once.
func TestTheCodecIsAnyOnesToUse(t *testing.T) {
	each(t, func(t *testing.T, codec cache.Codec) {
		v, done := cache.For[leaf](alias(t, codec)), make(chan error)
		const goroutines = 8
		for i := range goroutines {
			go func() {
				done <- func() error {
					for n := range 200 {
						want, key := leaf{Text: fmt.Sprint(i), Whole: int64(n)}, fmt.Sprint(i)
						if err := v.Set(context.Background(), key, want); err != nil {
							return err
						}
						if got, _, err := v.Get(context.Background(), key); err != nil || got.Text != want.Text || got.Whole != want.Whole {
							return fmt.Errorf("%v: %w", got, err)
						}
					}
					return nil
				}()
			}()
		}
		for range goroutines {
			assert.NoError(t, <-done)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for i, codec := range codecs {
		b, err := codec.Append(nil, tree{Leaf: leaf{Text: "text"}, Names: map[string]*leaf{"a": nil}, Any: []any{1, "x"}})
		require.NoError(f, err)
		f.Add(uint8(i), b)
	}
	f.Fuzz(func(t *testing.T, n uint8, data []byte) {
		codec := codecs[int(n)%len(codecs)]
		var got tree
		if codec.Decode(data, &got) != nil {
			return
		}
		again, err := codec.Append(nil, got)
		require.NoError(t, err)
		require.NoError(t, codec.Decode(again, new(tree)))
	})
}
