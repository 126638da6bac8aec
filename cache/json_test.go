// SPDX-License-Identifier: MIT

package cache_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/cache"
)

func TestJSONRefusesTextThatWouldComeBackChanged(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		value any
		text  string // "": it is refused
	}{
		{"ASCII", "a", `"a"`},
		{"U+FFFD itself", "\ufffd", "\"\ufffd\""},
		{"the escape as text", `\ufffd`, `"\\ufffd"`},
		{"two backslashes and the escape's letters", `\\ufffd`, `"\\\\ufffd"`},
		{"upper case", `\uFFFD`, `"\\uFFFD"`},
		{"the letters after a tab", "\tufffd", `"\tufffd"`},
		{"letters alone", "ufffd", `"ufffd"`},
		{"no HTML escapes", "<a href='x'>&</a>", `"<a href='x'>&</a>"`},
		{"lone byte", "\xff", ""},
		{"byte after text with the escape", `\ufffd \\ufffd` + "\xc3", ""},
		{"byte after a backslash", "\\\xff", ""},
		{"byte after two backslashes", "\\\\\xff", ""},
		{"surrogate", "\xed\xa0\x80", ""},
		{"cut off", "é"[:1], ""},
		{"in a field", struct{ A, B string }{"a", "\xff"}, ""},
		{"in a slice", []string{"a", "\xff"}, ""},
		{"in a map's key", map[string]int{"\xff": 1}, ""},
		{"in a map's value", map[string]string{"a": "\xff"}, ""},
		{"behind a pointer", &[]string{"\xff"}, ""},
		{"escape in raw JSON", json.RawMessage(`"\ufffd"`), ""},
		{"bytes are base64", []byte("\xff"), `"/w=="`},
	} {
		b, err := cache.JSON.Append(nil, test.value)
		if test.text == "" {
			assert.Error(t, err, test.name)
			assert.Empty(t, b, test.name)
			continue
		}
		assert.NoError(t, err, test.name)
		assert.Equal(t, test.text, string(b), test.name)
	}
}

func TestJSONLeavesTheFrontOfTheBytesAlone(t *testing.T) {
	t.Parallel()
	b, err := cache.JSON.Append([]byte(`\ufffd`), "a") // not this codec's text
	require.NoError(t, err)
	assert.Equal(t, `\ufffd"a"`, string(b))
}

func TestJSONRefusesStructsOfWhichItSeesNothing(t *testing.T) {
	t.Parallel()
	type inner struct{ hidden int }
	p := &inner{1}
	for _, value := range []any{inner{1}, p, &p, struct{ a, b string }{"a", "b"}} {
		b, err := cache.JSON.Append([]byte("head"), value)
		assert.ErrorContains(t, err, "no exported fields", "%T", value)
		assert.Equal(t, "head", string(b))
	}
	type outer struct{ inner }
	for _, value := range []any{
		struct{}{},
		nobody{},
		map[string]int{},
		outer{inner: inner{1}},
		&outer{inner: inner{1}},
		struct {
			A *int `json:",omitempty"`
		}{},
		closed{1},
		struct {
			Shown  int `json:"-"`
			hidden int
		}{1, 2},
	} {
		b, err := cache.JSON.Append(nil, value)
		assert.NoError(t, err, "%T", value)
		assert.Equal(t, "{}", string(b), "%T", value)
	}
}

// closed says itself that it has nothing to say.
type closed struct{ hidden int }

func (*closed) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

func TestJSONDecodesOneValueOnly(t *testing.T) {
	t.Parallel()
	for _, text := range []string{``, ` `, `1 2`, `1]`, `[1`, `{} {}`, `nul`, `nulls`, `null nil`, `"a`, "1\x00"} {
		var into any
		assert.Error(t, cache.JSON.Decode([]byte(text), &into), text)
	}
	var into []int
	require.NoError(t, cache.JSON.Decode([]byte(" [1, 2] \n"), &into))
	assert.Equal(t, []int{1, 2}, into)
}

// optional is null or a number.
type optional struct{ n *int }

func (o optional) MarshalJSON() ([]byte, error)  { return json.Marshal(o.n) }
func (o *optional) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &o.n) }

func TestJSONMakesNoZeroOfNull(t *testing.T) {
	t.Parallel()
	null := []byte("null")
	for _, into := range []any{new(int), new(string), new(bool), new(float64), new(leaf), new([2]int), leaf{}, nil} {
		assert.Error(t, cache.JSON.Decode(null, into), "%T", into)
	}
	text := "before"
	for _, into := range []any{new([]int), &map[string]int{"a": 1}, new(*int), new(any), &optional{}} {
		assert.NoError(t, cache.JSON.Decode(null, into), "%T", into)
	}
	assert.Error(t, cache.JSON.Decode(null, &text))
	assert.Equal(t, "before", text)
	backAgain(t, "optional", cache.JSON, optional{})
	backAgain(t, "raw", cache.JSON, json.RawMessage("null"))
}

// thing encodes itself, if there is a pointer to it.
type thing struct{ hidden string }

func (t *thing) MarshalText() ([]byte, error) { return []byte("thing " + t.hidden), nil }

func (t *thing) UnmarshalText(b []byte) error {
	t.hidden = strings.TrimPrefix(string(b), "thing ")
	return nil
}

func (t *thing) MarshalBinary() ([]byte, error) { return []byte(t.hidden), nil }
func (t *thing) UnmarshalBinary(b []byte) error { t.hidden = string(b); return nil }

// list has such methods, and is no struct.
type list []string

func (l *list) MarshalText() ([]byte, error) { return []byte(strings.Join(*l, ",")), nil }

func (l *list) UnmarshalText(b []byte) error {
	*l = strings.Split(string(b), ",")
	return nil
}

func TestMethodsOfPointersEncodeValues(t *testing.T) {
	t.Parallel()
	for _, codec := range encoding {
		t.Run(codec.Name(), func(t *testing.T) {
			t.Parallel()
			backAgain(t, "itself", codec, thing{"x"})
			backAgain(t, "pointer", codec, &thing{"x"})
			backAgain(t, "in a field", codec, struct{ T thing }{thing{"x"}})
			backAgain(t, "in an array", codec, [1]thing{{"x"}})
			backAgain(t, "in a slice", codec, []thing{{"x"}})
			backAgain(t, "no struct", codec, list{"a", "b"})
			backAgain(t, "big number", codec, *big.NewInt(-7))
		})
	}
}
