// SPDX-License-Identifier: MIT

package cache

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"reflect"

	"github.com/locmem/locmem/internal/gobs"
)

// Gob encodes with encoding/gob: each value is a stream of its own, which
// describes its types, after the tag 'g'. It takes texts of any bytes, NaN, keys
// of any comparable type, and values in interface fields whose types are
// registered with encoding/gob.
//
// It keeps exported fields only, and within a value neither pointers to zero
// values, nor the sign of nought, nor the difference of nil and empty slices; a
// value that is nil itself comes back as nil, and one that is empty as empty. What
// encoding/gob panics about, and what methods of the value panic about, is an
// error; but a value that contains itself overflows the stack, which ends the
// program.
var Gob Codec = gobCodec{}

type gobCodec struct{}

func (gobCodec) Name() string { return "gob" }

func (gobCodec) Tag() byte { return 'g' }

func (gobCodec) Append(b []byte, value any) ([]byte, error) {
	v := reflect.ValueOf(value)
	if !v.IsValid() || nilable(v.Kind()) && v.IsNil() || v.Type().Size() == 0 {
		return b, nil // gob takes none of these, and never writes nothing
	}
	out := sink{b}
	if err := gobs.Encode(gob.NewEncoder(&out), addressable(value)); err != nil {
		return b, err
	}
	return out.b, nil
}

func (gobCodec) Decode(b []byte, into any) error {
	p := reflect.ValueOf(into)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("gob: %T is no pointer to decode into", into)
	}
	v := p.Elem()
	if len(b) == 0 {
		if !nilable(v.Kind()) && v.Type().Size() > 0 {
			return fmt.Errorf("gob: nil is no %s", v.Type())
		}
		v.SetZero()
		return nil
	}
	in := bytes.NewReader(b)
	if err := gobs.Decode(gob.NewDecoder(in), in, into); err != nil {
		return err
	}
	if v.Kind() == reflect.Slice && v.IsNil() {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0)) // nil is written as nothing
	}
	return nil
}
