// SPDX-License-Identifier: MIT

package cache

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
)

// Raw stores texts and bytes as they are, with no tag, for what other programs
// write to a server or read from it. It takes strings, byte slices and floats, of
// named types too, and nothing else: no booleans, no nil, no pointers. A float is
// written in decimal with a point, an exponent or a word, as in 1.0, so that it is
// not a whole number; whole numbers themselves bypass all codecs, and a text that
// looks like one can be counted.
//
// A nil slice comes back as an empty one. Any bytes decode as a text or a byte
// slice: nothing shows what they were stored as.
var Raw Codec = rawCodec{}

type rawCodec struct{}

func (rawCodec) Name() string { return "raw" }

func (rawCodec) Tag() byte { return 0 }

func (rawCodec) Append(b []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case string:
		return append(b, v...), nil
	case []byte:
		return append(b, v...), nil
	}
	v := reflect.ValueOf(value)
	switch k := v.Kind(); {
	case k == reflect.String:
		return append(b, v.String()...), nil
	case k == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		return append(b, v.Bytes()...), nil
	case k == reflect.Float32, k == reflect.Float64:
		return appendFloat(b, v.Float(), v.Type().Bits()), nil
	}
	return b, fmt.Errorf("raw: a %T is neither text nor bytes", value)
}

// appendFloat appends the shortest decimal text that gives the float again, which
// is never that of a whole number.
func appendFloat(b []byte, f float64, bits int) []byte {
	from := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, bits)
	if !bytes.ContainsAny(b[from:], ".eNI") { // 1.5, 1e+21, NaN, +Inf
		b = append(b, ".0"...)
	}
	return b
}

func (rawCodec) Decode(b []byte, into any) error {
	switch p := into.(type) {
	case *string:
		*p = string(b)
		return nil
	case *[]byte:
		*p = append([]byte{}, b...)
		return nil
	}
	p := reflect.ValueOf(into)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("raw: %T is no pointer to decode into", into)
	}
	v := p.Elem()
	switch k := v.Kind(); {
	case k == reflect.String:
		v.SetString(string(b))
	case k == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		v.SetBytes(append([]byte{}, b...))
	case k == reflect.Float32, k == reflect.Float64:
		f, err := strconv.ParseFloat(string(b), v.Type().Bits())
		if err != nil {
			return fmt.Errorf("raw: %w", err)
		}
		v.SetFloat(f)
	default:
		return fmt.Errorf("raw: a %s is neither text nor bytes", v.Type())
	}
	return nil
}
