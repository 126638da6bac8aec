// SPDX-License-Identifier: MIT

package fuzz

import (
	std "bytes"
	"context"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cache"
)

// record is a value with a bit of everything.
type record struct {
	Text  string
	Bytes []byte
	Whole int64
	Part  float64
	Count *int
	Named map[string]int64
	List  []record
}

// alias returns a cache of a codec on a registry of its own, whose clock stands
// still.
func alias(t testing.TB, codec cache.Codec) *cache.Cache {
	registry := cache.NewRegistry(cache.RegistryOptions{Clock: locmem.NewManualClock(time.Unix(0, 0)), Shards: 1})
	c, err := cache.New(cache.Config{Codec: codec, Registry: registry})
	require.NoError(t, err)
	return c
}

// FuzzCodecs stores a value under each codec and demands it back, unless the
// codec has refused it for a reason.
func FuzzCodecs(f *testing.F) {
	f.Add("text", []byte{0, 255}, int64(-1), 0.5, 1, "name", uint8(255))
	f.Add(`\ufffd`, []byte(nil), int64(math.MinInt64), math.NaN(), 0, "\xff", uint8(0))
	f.Add("\\\xff", []byte("12"), int64(0), math.Inf(-1), -1, "", uint8(7))
	f.Add("\ufffd\u2028<&>", []byte{}, int64(math.MaxInt64), math.Copysign(0, -1), 2, "\\", uint8(63))
	f.Fuzz(func(t *testing.T, text string, data []byte, whole int64, part float64, count int, name string, has uint8) {
		value := record{Text: text, Whole: whole, Part: part}
		if has&1 != 0 {
			value.Bytes = data
		}
		if has&2 != 0 {
			value.Count = &count
		}
		if has&4 != 0 {
			value.Named = map[string]int64{}
		}
		if has&8 != 0 && value.Named != nil {
			value.Named[name] = whole
		}
		if has&16 != 0 {
			value.List = []record{}
		}
		if has&32 != 0 {
			inner := value
			value.List = []record{inner, {}}
		}
		number := !math.IsNaN(part) && !math.IsInf(part, 0)
		valid := utf8.ValidString(text) && (utf8.ValidString(name) || len(value.Named) == 0)

		backAgain(t, cache.JSON, value, value, number && valid)
		backAgain(t, cache.JSON, &value, &value, number && valid)
		backAgain(t, cache.JSON, text, text, utf8.ValidString(text))
		backAgain(t, cache.JSON, part, part, number)
		kept := ofGob(value)
		backAgain(t, cache.Gob, value, kept, true)
		backAgain(t, cache.Gob, &value, &kept, true)
		backAgain(t, cache.Gob, text, text, true)
		backAgain(t, cache.Gob, value.Bytes, value.Bytes, true)
		backAgain(t, cache.Gob, part, part, true)
		backAgain(t, cache.Raw, text, text, true)
		backAgain(t, cache.Raw, data, append([]byte{}, data...), true)
		backAgain(t, cache.Raw, part, part, true)
		backAgain(t, cache.Raw, float32(part), float32(part), true)
		backAgain(t, cache.Raw, value, value, false)
		for _, codec := range []cache.Codec{cache.JSON, cache.Gob, cache.Raw} {
			backAgain(t, codec, whole, whole, true)
			backAgain(t, codec, uint8(whole), uint8(whole), true)
		}
	})
}

// ofGob is what encoding/gob makes of a record: within a value pointers to zero
// and slices without elements become nil, and nought loses its sign.
func ofGob(r record) record {
	if r.Count != nil && *r.Count == 0 {
		r.Count = nil
	}
	if len(r.Bytes) == 0 {
		r.Bytes = nil
	}
	if r.Part == 0 {
		r.Part = 0
	}
	var list []record
	for _, e := range r.List {
		list = append(list, ofGob(e))
	}
	r.List = list
	return r
}

// backAgain stores a value and demands another back, or, if the codec should not
// take it, an error and no entry.
func backAgain[V any](t *testing.T, codec cache.Codec, value, want V, takes bool) {
	v, ctx := cache.For[V](alias(t, codec)), context.Background()
	err := v.Set(ctx, "k", value)
	got, found, readErr := v.Get(ctx, "k")
	require.NoError(t, readErr, "%s: %#v", codec.Name(), value)
	if !takes {
		require.ErrorIs(t, err, cache.ErrEncode, "%s: %#v", codec.Name(), value)
		require.False(t, found)
		return
	}
	require.NoError(t, err, "%s: %#v", codec.Name(), value)
	require.True(t, found)
	require.True(t, same(reflect.ValueOf(&want).Elem(), reflect.ValueOf(&got).Elem()), "%s: %#v, not %#v", codec.Name(), got, want)
}

// same is reflect.DeepEqual for the types of these targets, but takes the bits of
// floats: so a NaN is like another, and noughts of two signs are not.
func same(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		return math.IsNaN(a.Float()) && math.IsNaN(b.Float()) || math.Float64bits(a.Float()) == math.Float64bits(b.Float())
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return same(a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(a.Interface(), b.Interface())
	}
}

// FuzzDecode gives codecs bytes that they have not made. They may refuse them, not
// panic, and must neither change nor keep them.
func FuzzDecode(f *testing.F) {
	count := 3
	for _, codec := range []cache.Codec{cache.JSON, cache.Gob, cache.Raw} {
		for _, value := range []any{record{Text: "a", Count: &count, Named: map[string]int64{"b": 1}}, "text", 1.5, []byte{1, 2}} {
			if b, err := codec.Append(nil, value); err == nil {
				f.Add(b)
			}
		}
	}
	f.Add([]byte("null"))
	f.Add([]byte(`{"List":[{"List":null}]}x`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return // gob takes a claimed size at its word up to what is there
		}
		for _, codec := range []cache.Codec{cache.JSON, cache.Gob, cache.Raw} {
			decodes[record](t, codec, data)
			decodes[*record](t, codec, data)
			decodes[string](t, codec, data)
			decodes[[]byte](t, codec, data)
			decodes[float64](t, codec, data)
			decodes[map[string]int64](t, codec, data)
			decodes[[]record](t, codec, data)
			decodes[bool](t, codec, data)
		}
	})
}

func decodes[V any](t *testing.T, codec cache.Codec, data []byte) {
	given := std.Clone(data)
	var got V
	err := codec.Decode(given, &got)
	require.Equal(t, data, given, "%s changed the bytes", codec.Name())
	if err != nil {
		return
	}
	before, err := codec.Append(nil, got)
	if err != nil {
		return // NaN is a text that is no JSON
	}
	for i := range given {
		given[i] ^= 0xff
	}
	after, err := codec.Append(nil, got)
	require.NoError(t, err)
	if _, isMap := any(got).(map[string]int64); !isMap && codec != cache.Gob || len(before) != len(after) { // gob's maps have no order
		require.Equal(t, before, after, "%s kept the bytes", codec.Name())
	}
}

// FuzzKeyFaults compares the faults of a key with those of a plain reading of the
// rules.
func FuzzKeyFaults(f *testing.F) {
	for _, key := range []string{
		"", ":1:k", " ", "seven b", "eight by ", "\x7f", "\u0085\u00a0\u3000", "\xff\x1f",
		strings.Repeat("é", 250), strings.Repeat("\xff", 251), strings.Repeat("k", 250) + "\x00",
	} {
		f.Add(key, uint8(1))
		f.Add(key, uint8(30))
	}
	f.Fuzz(func(t *testing.T, key string, times uint8) {
		key = strings.Repeat(key, int(times))
		if len(key) > 1<<12 {
			return
		}
		var want []cache.KeyFault
		if characters := len([]rune(key)); characters > 250 {
			want = append(want, cache.KeyFault{Reason: cache.TooLong, Key: key})
		}
		for _, r := range key {
			if r <= 32 || r == 127 {
				want = append(want, cache.KeyFault{Reason: cache.BadCharacter, Key: key})
				break
			}
		}
		require.Equal(t, want, cache.KeyFaults(key))
		err := cache.RefuseFaults(key)
		require.Equal(t, len(want) > 0, err != nil)
		for _, fault := range want {
			require.ErrorIs(t, err, fault)
		}
	})
}
