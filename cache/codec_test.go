// SPDX-License-Identifier: MIT

package cache_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cache"
)

// someday is where the clocks of these tests stand.
var someday = time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)

// aliasOn returns an alias on a registry of its own, of one shard, with a clock
// that stands still.
func aliasOn(t testing.TB, config cache.Config) *cache.Cache {
	t.Helper()
	if config.Registry == nil {
		config.Registry = cache.NewRegistry(cache.RegistryOptions{Clock: locmem.NewManualClock(someday), Shards: 1})
	}
	c, err := cache.New(config)
	require.NoError(t, err)
	return c
}

// soon fails the test if f does not return.
func soon(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		require.FailNow(t, "it does not return", what)
	}
}

// encoding are the codecs that make bytes of any value.
var encoding = []cache.Codec{cache.JSON, cache.Gob}

// leaf and tree have a bit of everything that both codecs keep whole.
type leaf struct {
	Text  string
	Bytes []byte
	Whole int64
	Part  float64
	Yes   bool
	When  time.Time
}

type tree struct {
	Leaf  leaf
	Next  *tree
	List  []leaf
	Names map[string]*leaf
	Ages  map[int]string
	Fixed [3]int16
	Small *uint8
	Huge  big.Int
}

func someTree() *tree {
	small := uint8(7)
	at := leaf{
		Text: "zwölf, 十二, 🐢, <b>&amp;</b>, \\ufffd, \ufffd, \u2028, \"\x00\t\x7f", Bytes: []byte{0, 1, 0xfe, 0xff},
		Whole: math.MinInt64, Part: -0.1, Yes: true, When: someday,
	}
	t := &tree{
		Leaf: at, List: []leaf{at, {}}, Names: map[string]*leaf{"": &at, "ü": {Whole: math.MaxInt64}},
		Ages: map[int]string{-1: "x"}, Fixed: [3]int16{-1, 0, 1}, Small: &small, Next: &tree{Leaf: at},
	}
	t.Huge.SetString("-123456789012345678901234567890", 10)
	t.Leaf.When = someday.Add(time.Nanosecond)
	return t
}

type (
	level  int8
	flags  uint16
	colour string
	blob   []byte
	ratio  float32
	nobody struct{}
)

// backAgain stores a value in an alias of a codec and demands it back.
func backAgain[V any](t *testing.T, name string, codec cache.Codec, value V) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		v, ctx := cache.For[V](aliasOn(t, cache.Config{Codec: codec})), context.Background()
		require.NoError(t, v.Set(ctx, "set", value))
		got, found, err := v.Get(ctx, "set")
		require.NoError(t, err)
		require.True(t, found)
		assert.Equal(t, value, got)
		loaded, err := v.GetOrSetValue(ctx, "loaded", value)
		require.NoError(t, err)
		assert.Equal(t, value, loaded)
		many, err := v.GetMany(ctx, []string{"set", "loaded", "none"})
		require.NoError(t, err)
		assert.Equal(t, map[string]V{"set": value, "loaded": value}, many)
	})
}

func TestP2AValueComesBackWithItsTypeAndContent(t *testing.T) {
	t.Parallel()
	for _, codec := range append([]cache.Codec{cache.NoCopy}, encoding...) {
		t.Run(codec.Name(), func(t *testing.T) {
			t.Parallel()
			backAgain(t, "struct of all", codec, *someTree())
			backAgain(t, "pointer", codec, someTree())
			backAgain(t, "bool", codec, false)
			backAgain(t, "slice of structs", codec, []leaf{{Text: "a"}, {Part: 1}})
			backAgain(t, "slice of pointers", codec, []*leaf{{Text: "a"}, {Part: 1}})
			backAgain(t, "nested slices", codec, [][][]string{{{"a", ""}, {"b"}}})
			backAgain(t, "array", codec, [2][]byte{{1}, {2, 3}})
			backAgain(t, "map", codec, map[string][]int{"a": {1}, "": {2}})
			backAgain(t, "map of maps", codec, map[string]map[string]float64{"a": {"b": math.Pi}})
			backAgain(t, "empty slice", codec, []string{})
			backAgain(t, "empty bytes", codec, []byte{})
			backAgain(t, "empty map", codec, map[string]int{})
			backAgain(t, "time", codec, someday.Add(1))
			backAgain(t, "duration", codec, 90*time.Minute)
			backAgain(t, "big number", codec, *new(big.Int).Exp(big.NewInt(10), big.NewInt(99), nil))
			backAgain(t, "nothing", codec, nobody{})
			backAgain(t, "named bytes", codec, blob("\x00\xff"))
			backAgain(t, "named map", codec, map[colour]level{"red": 3})
			backAgain(t, "a megabyte", codec, struct{ S string }{strings.Repeat("ab\\", 1<<20/3)})
		})
	}
	for _, codec := range []cache.Codec{cache.JSON, cache.Gob, cache.Raw, cache.NoCopy} {
		t.Run("all/"+codec.Name(), func(t *testing.T) {
			t.Parallel()
			backAgain(t, "text", codec, "text")
			backAgain(t, "empty text", codec, "")
			backAgain(t, "digits", codec, "12345678901234567890")
			backAgain(t, "unicode", codec, "Iñtërnâtiônàlizætiøn 🐢 \u0000\u2028\ufffd \\ufffd \\\\ufffd \u202e")
			backAgain(t, "bytes", codec, []byte{0, 10, 34, 92, 127, 128, 254, 255})
			backAgain(t, "named text", codec, colour("red"))
			backAgain(t, "named blob", codec, blob{0, 255})
			backAgain(t, "float", codec, math.Pi)
			backAgain(t, "whole float", codec, 3.0)
			backAgain(t, "minus nought", codec, math.Copysign(0, -1))
			backAgain(t, "huge float", codec, math.MaxFloat64)
			backAgain(t, "tiny float", codec, math.SmallestNonzeroFloat64)
			backAgain(t, "short float", codec, float32(0.1))
			backAgain(t, "named float", codec, ratio(16777216))
			backAgain(t, "int", codec, math.MinInt)
			backAgain(t, "int8", codec, int8(-128))
			backAgain(t, "uint64", codec, uint64(math.MaxUint64))
			backAgain(t, "named int", codec, level(-1))
			backAgain(t, "named uint", codec, flags(65535))
		})
	}
	for _, codec := range []cache.Codec{cache.Gob, cache.Raw, cache.NoCopy} {
		t.Run("binary/"+codec.Name(), func(t *testing.T) {
			t.Parallel()
			backAgain(t, "text that is not UTF-8", codec, "a\xff\xed\xa0\x80b")
			backAgain(t, "infinity", codec, math.Inf(-1))
		})
	}
	t.Run("any", func(t *testing.T) {
		t.Parallel()
		backAgain[any](t, "value", cache.NoCopy, someTree())
		backAgain[any](t, "nil", cache.NoCopy, nil)
		backAgain[error](t, "error", cache.NoCopy, context.Canceled)
		for _, codec := range encoding {
			v := cache.For[any](aliasOn(t, cache.Config{Codec: codec}))
			assert.ErrorIs(t, v.Set(context.Background(), "k", "v"), cache.ErrUnsupported, codec.Name())
		}
	})
}

func TestP1NobodyElsesChangesReachAValue(t *testing.T) {
	t.Parallel()
	type value = map[string][]string
	fresh := func() value { return value{"a": {"b", "c"}} }
	spoil := func(m value) {
		m["a"][0] = "spoilt"
		m["x"] = nil
	}
	for _, codec := range encoding {
		t.Run(codec.Name(), func(t *testing.T) {
			t.Parallel()
			v, ctx := cache.For[value](aliasOn(t, cache.Config{Codec: codec})), context.Background()
			intact := func(step, key string) {
				t.Helper()
				got, found, err := v.Get(ctx, key)
				require.NoError(t, err)
				require.True(t, found)
				require.Equal(t, fresh(), got, step)
			}
			given := fresh()
			require.NoError(t, v.Set(ctx, "k", given))
			spoil(given)
			intact("what Set was given", "k")
			got, _, err := v.Get(ctx, "k")
			require.NoError(t, err)
			other, _, err := v.Get(ctx, "k")
			require.NoError(t, err)
			spoil(got)
			intact("what Get returned", "k")
			assert.Equal(t, fresh(), other, "what another Get returned")
			many, err := v.GetMany(ctx, []string{"k"})
			require.NoError(t, err)
			spoil(many["k"])
			intact("what GetMany returned", "k")

			given = fresh()
			added, err := v.Add(ctx, "add", given)
			require.NoError(t, err)
			require.True(t, added)
			spoil(given)
			intact("what Add was given", "add")
			given = fresh()
			_, err = v.SetMany(ctx, map[string]value{"many": given})
			require.NoError(t, err)
			spoil(given)
			intact("what SetMany was given", "many")

			given = fresh()
			got, err = v.GetOrSetValue(ctx, "load", given)
			require.NoError(t, err)
			spoil(given)
			assert.Equal(t, fresh(), got, "what GetOrSet returned on a miss is what was loaded")
			intact("what GetOrSet was given", "load")
			spoil(got)
			intact("what GetOrSet returned on a miss", "load")
			got, err = v.GetOrSetValue(ctx, "load", nil)
			require.NoError(t, err)
			spoil(got)
			intact("what GetOrSet returned on a hit", "load")

			given = fresh()
			got, err = v.GetOrSetValue(ctx, "unstored", given, cache.Timeout(0))
			require.NoError(t, err)
			spoil(given)
			assert.Equal(t, fresh(), got, "what GetOrSet returned and did not store")
		})
	}
	t.Run("raw", func(t *testing.T) {
		t.Parallel()
		ctx, c := context.Background(), aliasOn(t, cache.Config{Codec: cache.Raw})
		unchangedBytes(ctx, t, cache.For[[]byte](c))
		unchangedBytes(ctx, t, cache.For[blob](c))
		unchangedBytes(ctx, t, cache.For[json.RawMessage](c))
	})
}

func unchangedBytes[V ~[]byte](ctx context.Context, t *testing.T, v cache.View[V]) {
	t.Helper()
	given := V("abc")
	require.NoError(t, v.Set(ctx, "k", given))
	given[0] = 'x'
	for range 2 {
		got, found, err := v.Get(ctx, "k")
		require.NoError(t, err)
		require.True(t, found)
		assert.Equal(t, V("abc"), got)
		got[0] = 'x'
	}
}

// TestP1WaitersDoNotShareAValue lets one load serve many, each of whom changes
// what it got.
func TestP1WaitersDoNotShareAValue(t *testing.T) {
	t.Parallel()
	for _, codec := range encoding {
		t.Run(codec.Name(), func(t *testing.T) {
			t.Parallel()
			v := cache.For[[]string](aliasOn(t, cache.Config{Codec: codec}))
			const callers = 8
			loading, answers := make(chan struct{}), make(chan []string, callers)
			load := func(ctx context.Context) ([]string, error) {
				<-loading
				return []string{"fresh"}, ctx.Err()
			}
			for range callers {
				go func() {
					got, err := v.GetOrSet(context.Background(), "k", load)
					assert.NoError(t, err)
					answers <- got
				}()
			}
			close(loading)
			var all [][]string
			for range callers {
				all = append(all, <-answers)
			}
			for i, got := range all {
				require.Equal(t, []string{"fresh"}, got)
				got[0] = fmt.Sprint("spoilt by ", i)
			}
			got, _, err := v.Get(context.Background(), "k")
			require.NoError(t, err)
			assert.Equal(t, []string{"fresh"}, got)
		})
	}
}

// choosy is a codec that refuses one text, in either direction.
type choosy struct{ noEncode, noDecode string }

var errChoosy = errors.New("not this one")

func (choosy) Name() string { return "choosy" }
func (choosy) Tag() byte    { return '?' }

func (c choosy) Append(b []byte, value any) ([]byte, error) {
	if value == c.noEncode {
		return append(b, "rubbish"...), errChoosy
	}
	return fmt.Append(b, value), nil
}

func (c choosy) Decode(b []byte, into any) error {
	if string(b) == c.noDecode {
		*into.(*string) = "rubbish"
		return errChoosy
	}
	*into.(*string) = string(b)
	return nil
}

func TestP4AValueThatCannotBeEncodedIsAnError(t *testing.T) {
	t.Parallel()
	t.Run("the codec's error is wrapped", func(t *testing.T) {
		t.Parallel()
		v, ctx := cache.For[string](aliasOn(t, cache.Config{Codec: choosy{noEncode: "bad"}})), context.Background()
		for name, call := range map[string]func() error{
			"Set":     func() error { return v.Set(ctx, "k", "bad") },
			"Add":     func() error { _, err := v.Add(ctx, "k", "bad"); return err },
			"SetMany": func() error { _, err := v.SetMany(ctx, map[string]string{"k": "bad"}); return err },
			"GetOrSet": func() error {
				_, err := v.GetOrSet(ctx, "k", func(context.Context) (string, error) { return "bad", nil })
				return err
			},
			"GetOrSetValue": func() error { _, err := v.GetOrSetValue(ctx, "k", "bad"); return err },
		} {
			err := call()
			assert.ErrorIs(t, err, cache.ErrEncode, name)
			assert.ErrorIs(t, err, errChoosy, name)
			found, err := v.Has(ctx, "k")
			require.NoError(t, err)
			assert.False(t, found, name)
		}
	})
	t.Run("unsupported types", func(t *testing.T) {
		t.Parallel()
		for _, codec := range encoding {
			refuses(t, codec, func() {})
			refuses(t, codec, make(chan int))
			refuses(t, codec, struct{ F func() }{func() {}})
		}
		refuses(t, cache.JSON, math.NaN())
		refuses(t, cache.JSON, "\xff")
		refuses(t, cache.JSON, []float64{math.Inf(1)})
		refuses(t, cache.JSON, map[bool]int{true: 1})
		refuses(t, cache.Gob, struct{ hidden int }{1})
		refuses(t, cache.Gob, []*int{nil})
		refuses(t, cache.Raw, true)
		refuses(t, cache.Raw, leaf{})
		refuses[*string](t, cache.Raw, nil)
		refuses(t, cache.Raw, []string{"a"})
	})
}

func refuses[V any](t *testing.T, codec cache.Codec, value V) {
	t.Helper()
	c := aliasOn(t, cache.Config{Codec: codec})
	err := cache.For[V](c).Set(context.Background(), "k", value)
	assert.ErrorIs(t, err, cache.ErrEncode, "%s: %T", codec.Name(), value)
}

func TestP5AfterAnEncodingErrorTheStoreIsAsBefore(t *testing.T) {
	t.Parallel()
	clock := locmem.NewManualClock(someday)
	registry := cache.NewRegistry(cache.RegistryOptions{Clock: clock, Shards: 1})
	c := aliasOn(t, cache.Config{Registry: registry, Codec: choosy{noEncode: "bad"}, MaxEntries: 2})
	v, ctx := cache.For[string](c), context.Background()
	require.NoError(t, v.Set(ctx, "a", "old", cache.Timeout(time.Minute)))
	require.NoError(t, v.Set(ctx, "b", "other"))
	clock.Advance(time.Second)

	require.ErrorIs(t, v.Set(ctx, "a", "bad", cache.Never()), cache.ErrEncode)
	_, err := v.SetMany(ctx, map[string]string{"a": "new", "aa": "bad", "b": "new", "c": "new"})
	require.ErrorIs(t, err, cache.ErrEncode)
	_, err = v.Add(ctx, "a", "bad")
	require.ErrorIs(t, err, cache.ErrEncode)
	_, err = v.Add(ctx, "new", "bad")
	require.ErrorIs(t, err, cache.ErrEncode)
	_, err = v.GetOrSetValue(ctx, "new", "bad")
	require.ErrorIs(t, err, cache.ErrEncode)

	remaining, never, found, err := v.TTL(ctx, "a")
	require.NoError(t, err)
	assert.True(t, found)
	assert.False(t, never)
	assert.Equal(t, 59*time.Second, remaining)
	got, err := v.GetMany(ctx, []string{"b", "a", "aa", "c", "new"})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a": "old", "b": "other"}, got)
}

func TestP6AValueThatCannotBeDecodedIsAnErrorAndStays(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	t.Run("the codec's error is wrapped", func(t *testing.T) {
		t.Parallel()
		v := cache.For[string](aliasOn(t, cache.Config{Codec: choosy{noDecode: "bad"}}))
		require.NoError(t, v.Set(ctx, "k", "bad"))
		for name, call := range map[string]func() (string, error){
			"Get":      func() (string, error) { s, found, err := v.Get(ctx, "k"); return s + fmt.Sprint(found), err },
			"GetMany":  func() (string, error) { m, err := v.GetMany(ctx, []string{"k"}); return m["k"] + "false", err },
			"GetOrSet": func() (string, error) { s, err := v.GetOrSetValue(ctx, "k", "new"); return s + "false", err },
		} {
			got, err := call()
			assert.ErrorIs(t, err, cache.ErrDecode, name)
			assert.ErrorIs(t, err, errChoosy, name)
			assert.Equal(t, "false", got, name)
			found, err := v.Has(ctx, "k")
			require.NoError(t, err)
			assert.True(t, found, name)
		}
	})
	t.Run("another type", func(t *testing.T) {
		t.Parallel()
		for _, codec := range append([]cache.Codec{cache.NoCopy}, encoding...) {
			c := aliasOn(t, cache.Config{Codec: codec})
			require.NoError(t, cache.For[string](c).Set(ctx, "k", "text"))
			undecodable[int](t, c)
			undecodable[bool](t, c)
			undecodable[float64](t, c)
			undecodable[leaf](t, c)
			undecodable[*leaf](t, c)
			undecodable[[]int](t, c)
			undecodable[map[string]string](t, c)
			require.NoError(t, cache.For[int](c).Set(ctx, "k", 70000))
			undecodable[string](t, c)
			undecodable[int16](t, c)
			undecodable[leaf](t, c)
			require.NoError(t, cache.For[int](c).Set(ctx, "k", -1))
			undecodable[uint](t, c)
			require.NoError(t, cache.For[*leaf](c).Set(ctx, "k", nil))
			undecodable[leaf](t, c)
			undecodable[string](t, c)
			undecodable[bool](t, c)
			undecodable[int](t, c)
		}
		c := aliasOn(t, cache.Config{Codec: cache.Raw})
		require.NoError(t, cache.For[string](c).Set(ctx, "k", "text"))
		undecodable[int](t, c)
		undecodable[float64](t, c)
		undecodable[bool](t, c)
		undecodable[leaf](t, c)
	})
	t.Run("another codec", func(t *testing.T) {
		t.Parallel()
		codecs := []cache.Codec{cache.JSON, cache.Gob, cache.NoCopy, choosy{}}
		for _, wrote := range codecs {
			for _, reads := range codecs {
				registry := cache.NewRegistry(cache.RegistryOptions{Clock: locmem.NewManualClock(someday)})
				writer := cache.For[string](aliasOn(t, cache.Config{Registry: registry, Codec: wrote}))
				reader := cache.For[string](aliasOn(t, cache.Config{Registry: registry, Codec: reads}))
				require.NoError(t, writer.Set(ctx, "k", "1"))
				got, found, err := reader.Get(ctx, "k")
				if wrote == reads {
					assert.NoError(t, err)
					assert.Equal(t, "1", got)
					continue
				}
				assert.ErrorIs(t, err, cache.ErrDecode, "%s by %s", wrote.Name(), reads.Name())
				assert.False(t, found)
				assert.Empty(t, got)
			}
		}
	})
}

func undecodable[V any](t *testing.T, c *cache.Cache) {
	t.Helper()
	got, found, err := cache.For[V](c).Get(context.Background(), "k")
	assert.ErrorIs(t, err, cache.ErrDecode, "as %T", got)
	assert.False(t, found, "as %T", got)
	assert.Zero(t, got)
	found, err = c.Has(context.Background(), "k")
	assert.NoError(t, err)
	assert.True(t, found)
}

// hooked is a codec that calls a function before it encodes or decodes.
type hooked struct{ hook *func(decode bool) }

func (hooked) Name() string { return "hooked" }
func (hooked) Tag() byte    { return '!' }

func (c hooked) Append(b []byte, value any) ([]byte, error) {
	(*c.hook)(false)
	return cache.JSON.Append(b, value)
}

func (c hooked) Decode(b []byte, into any) error {
	(*c.hook)(true)
	return cache.JSON.Decode(b, into)
}

func TestP7ASlowCodecBlocksNobody(t *testing.T) {
	t.Parallel()
	registry := cache.NewRegistry(cache.RegistryOptions{Clock: locmem.NewManualClock(someday), Shards: 1})
	entered, leave := make(chan struct{}), make(chan struct{})
	hook := func(bool) {
		entered <- struct{}{}
		<-leave
	}
	slow := cache.For[string](aliasOn(t, cache.Config{Registry: registry, Codec: hooked{&hook}}))
	quick := cache.For[string](aliasOn(t, cache.Config{Registry: registry}))
	ctx := context.Background()
	for name, call := range map[string]func() error{
		"Set": func() error { return slow.Set(ctx, "slow", "v") },
		"Get": func() error { _, _, err := slow.Get(ctx, "held"); return err },
		"GetOrSet": func() error {
			_, err := slow.GetOrSetValue(ctx, "loaded", "v")
			return err
		},
	} {
		sound := t.Run(name, func(t *testing.T) {
			require.NoError(t, quick.Clear(ctx))
			if name == "Get" {
				ended := make(chan error)
				go func() { ended <- slow.Set(ctx, "held", "v") }()
				<-entered
				leave <- struct{}{}
				require.NoError(t, <-ended)
			}
			ended := make(chan error, 1)
			go func() { ended <- call() }()
			<-entered
			soon(t, "while the codec runs", func() {
				assert.NoError(t, quick.Set(ctx, "k", "v"))
				_, found, err := quick.Get(ctx, "k")
				assert.NoError(t, err)
				assert.True(t, found)
				assert.NoError(t, quick.Clear(ctx))
			})
			for done := false; !done; {
				select {
				case leave <- struct{}{}:
				case <-entered: // GetOrSet decodes what it has encoded
				case err := <-ended:
					require.NoError(t, err)
					done = true
				}
			}
		})
		if !sound {
			return // a call still stands in the codec
		}
	}
}

func TestP7ACodecMayCallTheCache(t *testing.T) {
	t.Parallel()
	registry := cache.NewRegistry(cache.RegistryOptions{Clock: locmem.NewManualClock(someday), Shards: 1})
	plain := cache.For[string](aliasOn(t, cache.Config{Registry: registry}))
	ctx, calls := context.Background(), 0
	hook := func(decode bool) {
		calls++
		assert.NoError(t, plain.Set(ctx, "k", "inner"))
		got, found, err := plain.Get(ctx, "k")
		assert.NoError(t, err)
		assert.True(t, found)
		assert.Equal(t, "inner", got)
		_, err = plain.GetOrSetValue(ctx, "other", "inner")
		assert.NoError(t, err)
		if !decode {
			assert.NoError(t, plain.Clear(ctx))
		}
	}
	v := cache.For[string](aliasOn(t, cache.Config{Registry: registry, Codec: hooked{&hook}}))
	soon(t, "a codec that calls the cache", func() {
		assert.NoError(t, v.Set(ctx, "k", "outer"))
		got, found, err := v.Get(ctx, "k") // what was stored when it began, though the codec has overwritten it since
		assert.NoError(t, err)
		assert.True(t, found)
		assert.Equal(t, "outer", got)
		got, err = v.GetOrSetValue(ctx, "loaded", "outer")
		assert.NoError(t, err)
		assert.Equal(t, "outer", got)
	})
	assert.Equal(t, 4, calls)
}

func TestP8TheCodecIsTheAliassAndWholeNumbersBypassIt(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	calls := 0
	hook := func(bool) { calls++ }
	for _, codec := range []cache.Codec{cache.JSON, cache.Gob, cache.Raw, hooked{&hook}} {
		t.Run(codec.Name(), func(t *testing.T) {
			c := aliasOn(t, cache.Config{Codec: codec})
			stored := func() string {
				text, found, err := c.Backend().Get(ctx, ":1:k")
				require.NoError(t, err)
				require.True(t, found)
				return string(text)
			}
			require.NoError(t, cache.For[int](c).Set(ctx, "k", -12))
			assert.Equal(t, "-12", stored())
			require.NoError(t, cache.For[level](c).Set(ctx, "k", 12))
			assert.Equal(t, "12", stored())
			require.NoError(t, cache.For[uint64](c).Set(ctx, "k", math.MaxUint64))
			assert.Equal(t, "18446744073709551615", stored())
			require.NoError(t, cache.For[byte](c).Set(ctx, "k", 'a'))
			assert.Equal(t, "97", stored())
			n, err := c.Incr(ctx, "k", 3)
			require.NoError(t, err)
			assert.Equal(t, int64(100), n)
			got, found, err := cache.For[flags](c).Get(ctx, "k")
			require.NoError(t, err)
			assert.True(t, found)
			assert.Equal(t, flags(100), got)
			assert.Zero(t, calls)

			require.NoError(t, cache.For[string](c).Set(ctx, "k", "text"))
			want, err := codec.Append(nil, "text")
			require.NoError(t, err)
			if codec.Tag() != 0 {
				want = append([]byte{codec.Tag()}, want...)
			}
			assert.Equal(t, string(want), stored())
			calls = 0
		})
	}
}

// TestO3NilIsAValue has the nils of codecs that can tell one.
func TestO3NilIsAValue(t *testing.T) {
	t.Parallel()
	for _, codec := range append([]cache.Codec{cache.NoCopy}, encoding...) {
		t.Run(codec.Name(), func(t *testing.T) {
			t.Parallel()
			keepsNil[*leaf](t, codec, &leaf{Text: "other"})
			keepsNil(t, codec, []string{"other"})
			keepsNil(t, codec, []byte("other"))
			keepsNil(t, codec, map[string]int{"other": 1})
		})
	}
	t.Run("interfaces", func(t *testing.T) {
		t.Parallel()
		keepsNil[any](t, cache.NoCopy, "other")
		keepsNil[error](t, cache.NoCopy, context.Canceled)
	})
}

// keepsNil demands of the zero V, which is nil, what is true of all values.
func keepsNil[V any](t *testing.T, codec cache.Codec, other V) {
	t.Helper()
	t.Run(fmt.Sprintf("%T", other), func(t *testing.T) {
		t.Parallel()
		v, ctx := cache.For[V](aliasOn(t, cache.Config{Codec: codec})), context.Background()
		isNil := func(key string, opts ...cache.Option) {
			t.Helper()
			got, found, err := v.Get(ctx, key, opts...)
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, *new(V), got)
		}
		require.NoError(t, v.Set(ctx, "k", *new(V)))
		isNil("k")
		found, err := v.Has(ctx, "k")
		require.NoError(t, err)
		assert.True(t, found)
		many, err := v.GetMany(ctx, []string{"k", "none"})
		require.NoError(t, err)
		assert.Equal(t, map[string]V{"k": *new(V)}, many)
		added, err := v.Add(ctx, "k", other)
		require.NoError(t, err)
		assert.False(t, added)
		loaded, err := v.GetOrSet(ctx, "k", func(context.Context) (V, error) {
			assert.Fail(t, "it was found")
			return other, nil
		})
		require.NoError(t, err)
		assert.Equal(t, *new(V), loaded)
		version, err := v.IncrVersion(ctx, "k", 1)
		require.NoError(t, err)
		assert.Equal(t, 2, version)
		isNil("k", cache.Version(2))

		loaded, err = v.GetOrSetValue(ctx, "loaded", *new(V))
		require.NoError(t, err)
		assert.Equal(t, *new(V), loaded)
		isNil("loaded")
	})
}

func TestW2AHitOfAKeptValueAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	long := strings.Repeat("k", 100)
	for name, config := range map[string]cache.Config{
		"plain":    {},
		"prefixed": {KeyPrefix: "prefix", Version: cache.Version(123)},
		"precise":  {Registry: cache.NewRegistry(cache.RegistryOptions{Clock: locmem.PreciseClock})},
	} {
		config.Codec = cache.NoCopy
		c := aliasOn(t, config)
		pointers, structs, texts, numbers := cache.For[*tree](c), cache.For[leaf](c), cache.For[string](c), cache.For[int](c)
		kept := someTree()
		require.NoError(t, pointers.Set(ctx, "pointer", kept))
		require.NoError(t, structs.Set(ctx, "struct", kept.Leaf))
		require.NoError(t, texts.Set(ctx, long, "text"))
		require.NoError(t, numbers.Set(ctx, "number", 1<<30))
		got, found, err := pointers.Get(ctx, "pointer")
		require.NoError(t, err)
		require.True(t, found)
		require.Same(t, kept, got)
		hits := 0
		allocs := testing.AllocsPerRun(100, func() {
			_, a, _ := pointers.Get(ctx, "pointer")
			_, b, _ := structs.Get(ctx, "struct")
			_, c, _ := texts.Get(ctx, long)
			_, d, _ := numbers.Get(ctx, "number")
			if a && b && c && d {
				hits++
			}
		})
		assert.Zero(t, allocs, name)
		assert.Equal(t, 101, hits, name)
	}
}

func TestW2TheKeyCheckAllocatesNothing(t *testing.T) {
	long := strings.Repeat("é", 200)
	sound := 0
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if cache.KeyFaults(":1:k") == nil && cache.KeyFaults(long) == nil && cache.RefuseFaults(long) == nil {
			sound++
		}
	}))
	assert.Equal(t, 101, sound)
}

func TestW2OnlyLocalMemoryKeepsValues(t *testing.T) {
	t.Parallel()
	local := cache.NewRegistry(cache.RegistryOptions{}).Local("")
	for _, claim := range []cache.Capability{0, cache.CanKeep} {
		_, err := cache.New(cache.Config{Codec: cache.NoCopy, Backend: bytesOnly{local, cache.CanStore | cache.CanAnyKey | claim}})
		assert.ErrorIs(t, err, cache.ErrConfig, "%b", claim)
	}
}

// bytesOnly is a backend that is not local memory, whatever it claims.
type bytesOnly struct {
	cache.Backend
	can cache.Capability
}

func (b bytesOnly) Capabilities() cache.Capability { return b.can }

// TestAllCodecsAppend demands that what was in front stays, and that an error
// leaves it alone.
func TestAllCodecsAppend(t *testing.T) {
	t.Parallel()
	for _, codec := range []cache.Codec{cache.JSON, cache.Gob, cache.Raw, cache.NoCopy} {
		head := append(make([]byte, 0, 512), "head"...)
		b, err := codec.Append(head, "text")
		assert.True(t, bytes.HasPrefix(b, []byte("head")), codec.Name())
		if codec == cache.NoCopy {
			assert.Error(t, err)
			assert.Error(t, codec.Decode([]byte(`"text"`), new(string)))
			continue
		}
		require.NoError(t, err, codec.Name())
		var got string
		require.NoError(t, codec.Decode(b[len("head"):], &got), codec.Name())
		assert.Equal(t, "text", got)
		b, err = codec.Append(head, func() {})
		assert.Error(t, err, codec.Name())
		assert.Equal(t, "head", string(b), codec.Name())
	}
}

// called is a codec of a given name and tag.
type called struct {
	cache.Codec
	name string
	tag  byte
}

func (c called) Name() string { return c.name }
func (c called) Tag() byte    { return c.tag }

func TestARegisteredCodecHasANameInDSNs(t *testing.T) {
	t.Parallel()
	registered := called{cache.JSON, "registered9", 'R'}
	_, err := cache.Open("locmem://registered codec?codec=registered9")
	require.ErrorIs(t, err, cache.ErrConfig)
	cache.RegisterCodec(registered)
	config, err := cache.ParseDSN("locmem://?codec=registered9")
	require.NoError(t, err)
	assert.Equal(t, cache.Codec(registered), config.Codec)
	for name, codec := range map[string]cache.Codec{
		"json": cache.JSON, "gob": cache.Gob, "raw": cache.Raw, "nocopy": cache.NoCopy,
	} {
		config, err := cache.ParseDSN("locmem://?codec=" + name)
		require.NoError(t, err, name)
		assert.Equal(t, codec, config.Codec, name)
		assert.Equal(t, name, codec.Name())
	}
}

func TestRegisterCodecRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	assert.Panics(t, func() { cache.RegisterCodec(nil) })
	for _, name := range []string{"json", "nocopy", "", "UPPER", "a-b", "ä", "a b"} {
		assert.Panics(t, func() { cache.RegisterCodec(called{cache.JSON, name, 'T'}) }, name)
	}
	for _, tag := range []byte("09-+jg") {
		assert.Panics(t, func() { cache.RegisterCodec(called{cache.JSON, "newname", tag}) }, string(tag))
	}
	_, err := cache.ParseDSN("locmem://?codec=newname")
	assert.ErrorIs(t, err, cache.ErrConfig)
	assert.NotPanics(t, func() { cache.RegisterCodec(called{cache.Raw, "tagless", 0}) }, "two codecs may do without a tag")
}
