// SPDX-License-Identifier: MIT

package msgpack_test

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
	"github.com/locmem/locmem/codecs/msgpack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var someday = time.Date(2026, time.March, 4, 5, 6, 7, 123_456_789, time.UTC)

// alias returns a cache on a registry of its own, whose clock stands still.
func alias(t testing.TB) *cache.Cache {
	t.Helper()
	registry := cache.NewRegistry(cache.RegistryOptions{Clock: locmem.NewManualClock(someday)})
	c, err := cache.New(cache.Config{Codec: msgpack.Codec, Registry: registry})
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

func backAgain[V any](t *testing.T, name string, value V) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		v, ctx := cache.For[V](alias(t)), context.Background()
		require.NoError(t, v.Set(ctx, "k", value))
		got, found, err := v.Get(ctx, "k")
		require.NoError(t, err)
		assert.True(t, found)
		assert.Equal(t, value, got)
	})
}

func TestAValueComesBackWithItsTypeAndContent(t *testing.T) {
	t.Parallel()
	nought := 0
	at := leaf{"zwölf, 十二, 🐢, \xff\x00", []byte{0, 0xff}, math.MinInt64, -0.1, true, &nought}
	backAgain(t, "struct", tree{
		Leaf: at, Next: &tree{Leaf: at}, List: []leaf{at, {}}, Names: map[string]*leaf{"": &at, "nil": nil},
		Ages: map[int]string{-1: "x"}, Fixed: [3]int16{-1, 0, 1}, Any: "text",
	})
	backAgain(t, "pointer", &at)
	backAgain(t, "nil", (*leaf)(nil))
	backAgain(t, "text", "\xff\xed\xa0\x80")
	backAgain(t, "named text", colour("red"))
	backAgain(t, "bytes", []byte{0, 0xff})
	backAgain(t, "named bytes", blob{0, 0xff})
	backAgain(t, "nil slice", []string(nil))
	backAgain(t, "empty slice", []string{})
	backAgain(t, "nil map", map[string]int(nil))
	backAgain(t, "empty map", map[string]int{})
	backAgain(t, "floats", []float64{0, math.Copysign(0, -1), math.Inf(1), math.MaxFloat64, math.SmallestNonzeroFloat64, 1.0 / 3})
	backAgain(t, "short float", float32(0.1))
	backAgain(t, "bool", false)
	backAgain(t, "uints", []uint64{0, math.MaxUint64})
	backAgain(t, "big number", *big.NewInt(-7))
	backAgain(t, "big number in a field", struct{ N big.Int }{*big.NewInt(7)})
	backAgain(t, "many elements", make([]int, 200_000))
	backAgain(t, "long text", strings.Repeat("ab", 1<<20))
	backAgain(t, "number", 42)
}

func TestATimeKeepsItsInstant(t *testing.T) {
	t.Parallel()
	v, ctx := cache.For[time.Time](alias(t)), context.Background()
	for _, at := range []time.Time{someday, {}, someday.In(time.FixedZone("", 3600)), time.Date(1900, 1, 1, 0, 0, 0, 1, time.UTC)} {
		require.NoError(t, v.Set(ctx, "k", at))
		got, _, err := v.Get(ctx, "k")
		require.NoError(t, err)
		assert.True(t, at.Equal(got), "%v, not %v", got, at)
	}
}

func TestWhatCannotBeEncodedIsAnError(t *testing.T) {
	t.Parallel()
	c, ctx := alias(t), context.Background()
	assert.ErrorIs(t, cache.For[func()](c).Set(ctx, "k", func() {}), cache.ErrEncode)
	assert.ErrorIs(t, cache.For[struct{ C chan int }](c).Set(ctx, "k", struct{ C chan int }{make(chan int)}), cache.ErrEncode)
	b, err := msgpack.Codec.Append([]byte("head"), make(chan int))
	assert.Error(t, err)
	assert.Equal(t, "head", string(b))
}

func TestWhatCannotBeDecodedIsAnError(t *testing.T) {
	t.Parallel()
	c, ctx := alias(t), context.Background()
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

	b, err := msgpack.Codec.Append(nil, leaf{Text: "text"})
	require.NoError(t, err)
	for n := range b {
		assert.Error(t, msgpack.Codec.Decode(b[:n], new(leaf)), "%d bytes of %d", n, len(b))
	}
	assert.Error(t, msgpack.Codec.Decode(append(b, 1), new(leaf)), "a byte too many")
	assert.Error(t, msgpack.Codec.Decode(b, leaf{}), "no pointer")
	assert.Error(t, msgpack.Codec.Decode(b, nil))
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
	t.Parallel()
	v, done := cache.For[leaf](alias(t)), make(chan error)
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
}

func FuzzDecode(f *testing.F) {
	b, err := msgpack.Codec.Append(nil, tree{Leaf: leaf{Text: "text"}, Names: map[string]*leaf{"a": nil}, Any: []any{1, "x"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, data []byte) {
		var got tree
		if msgpack.Codec.Decode(data, &got) != nil {
			return
		}
		again, err := msgpack.Codec.Append(nil, got)
		require.NoError(t, err)
		require.NoError(t, msgpack.Codec.Decode(again, new(tree)))
	})
}

func ExampleCodec() {
	cache.RegisterCodec(msgpack.Codec) // so that DSNs can name it
	c, err := cache.Open("locmem://example?codec=msgpack")
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	names := cache.For[[]string](c)
	_ = names.Set(ctx, "k", []string{"ada", "grace"}, cache.Never())
	got, found, err := names.Get(ctx, "k")
	fmt.Println(got, found, err)
	// Output: [ada grace] true <nil>
}
