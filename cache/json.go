// SPDX-License-Identifier: MIT

package cache

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// JSON encodes with encoding/json and is what an alias uses that names no codec.
// What stands in the cache is plain JSON after the tag 'j', with no HTML escapes.
//
// It keeps what encoding/json keeps: exported fields without the tag json:"-". It
// takes no NaN, no infinity, and, unlike encoding/json, neither a struct all of
// whose fields are unexported nor text that is not UTF-8, which would come back
// changed; a json.RawMessage in which U+FFFD is written as \ufffd is refused for the
// same reason. Decoding takes no second value after the
// first, and a stored nil only for types that can be nil or decode themselves.
// What else changes on the way is in docs/adr/0002-default-codec.md.
var JSON Codec = jsonCodec{}

type jsonCodec struct{}

func (jsonCodec) Name() string { return "json" }

func (jsonCodec) Tag() byte { return 'j' }

func (jsonCodec) Append(b []byte, value any) ([]byte, error) {
	out := sink{b}
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(addressable(value)); err != nil {
		return b, err
	}
	text := out.b[:len(out.b)-1] // without the line's end
	if replaced(text[len(b):]) {
		return b, errors.New("json: a string is not valid UTF-8")
	}
	if string(text[len(b):]) == "{}" && hidden(reflect.TypeOf(value)) {
		return b, fmt.Errorf("json: %T has no exported fields", value)
	}
	return text, nil
}

// hidden reports whether all fields of a struct, of which there is at least one,
// are unexported, so that encoding/json sees none, and no method stands in for them.
func hidden(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]()) {
		return false
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() || f.Anonymous {
			return false
		}
	}
	return t.NumField() > 0
}

// replacement is what encoding/json writes for a byte that is not UTF-8. U+FFFD
// itself it writes as it is.
var replacement = []byte(`\ufffd`)

// replaced reports whether a JSON text has the escape of U+FFFD.
func replaced(text []byte) bool {
	if !bytes.Contains(text, replacement) {
		return false
	}
	// After an even number of backslashes it is an escape; after an odd number the
	// last of them is escaped itself, and what follows is plain text. Backslashes
	// occur in strings only.
	for i := bytes.IndexByte(text, '\\'); i >= 0; {
		if bytes.HasPrefix(text[i:], replacement) {
			return true
		}
		text = text[i+2:]
		i = bytes.IndexByte(text, '\\')
	}
	return false
}

func (jsonCodec) Decode(b []byte, into any) error {
	if string(b) == "null" && !takesNull(into) {
		return fmt.Errorf("json: null is no %s", reflect.TypeOf(into).Elem())
	}
	return json.Unmarshal(b, into) // which refuses what follows the first value
}

// takesNull reports whether null says something for what a pointer points to:
// encoding/json leaves the rest as it is, and so would make a zero of a stored nil.
func takesNull(into any) bool {
	if _, ok := into.(json.Unmarshaler); ok {
		return true
	}
	t := reflect.TypeOf(into)
	return t == nil || t.Kind() != reflect.Pointer || nilable(t.Elem().Kind())
}

// nilable reports whether values of a kind can be nil and can be encoded.
func nilable(k reflect.Kind) bool {
	switch k {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	default:
		return false
	}
}
