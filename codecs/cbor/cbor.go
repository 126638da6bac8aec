// SPDX-License-Identifier: MIT

// Package cbor has a codec for package cache that encodes with CBOR (RFC 8949), by
// github.com/fxamacker/cbor.
//
//	c, err := cache.New(cache.Config{Codec: cbor.Codec})
//
// or, where DSNs are to name it as codec=cbor, once at the start of a program:
//
//	cache.RegisterCodec(cbor.Codec)
package cbor

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/locmem/locmem/cache"
	"github.com/locmem/locmem/codecs/internal/values"
)

// Codec encodes with CBOR, after the tag 'c'. It keeps what
// github.com/fxamacker/cbor keeps: exported fields without the tag cbor:"-", under
// their own names or those of the tags cbor or json; texts of any bytes, NaN and
// infinities; nil apart from empty, and pointers to zero. Times are written with
// nanoseconds and come back with the offset of their zone, without its name. A value that
// contains itself overflows the stack, which ends the program. What methods of a
// value panic about reaches the caller.
var Codec cache.Codec = codec{}

type codec struct{}

// The modes differ from the library's defaults where those would change a value,
// such as a time's fractions of a second, or would not read what was written,
// such as an array of more than 131,072 elements.
var (
	encoding = must(cbor.EncOptions{Time: cbor.TimeRFC3339Nano}.UserBufferEncMode())
	decoding = must(cbor.DecOptions{
		UTF8:             cbor.UTF8DecodeInvalid,
		MaxArrayElements: math.MaxInt32,
		MaxMapPairs:      math.MaxInt32,
		MaxNestedLevels:  math.MaxUint16,
	}.DecMode())
)

func must[M any](mode M, err error) M {
	if err != nil {
		panic(err)
	}
	return mode
}

func (codec) Name() string { return "cbor" }

func (codec) Tag() byte { return 'c' }

func (codec) Append(b []byte, value any) ([]byte, error) {
	out := bytes.NewBuffer(b)
	if err := encoding.MarshalToBuffer(values.Addressable(value), out); err != nil {
		return b, err
	}
	return out.Bytes(), nil
}

// The values that stand for none.
const (
	null      = 0xf6
	undefined = 0xf7
)

func (codec) Decode(b []byte, into any) error {
	if len(b) == 1 && (b[0] == null || b[0] == undefined) && !takesNil(into) {
		return fmt.Errorf("cbor: null is no value of what a %T points to", into)
	}
	return decoding.Unmarshal(b, into) // which refuses what follows the first value
}

// takesNil reports whether null says something for what a pointer points to: the
// rest would be left zero.
func takesNil(into any) bool {
	switch into.(type) {
	case cbor.Unmarshaler, *time.Time: // the zero time is written as null
		return true
	}
	return values.TakesNil(into)
}
