// SPDX-License-Identifier: MIT

// Package msgpack has a codec for package cache that encodes with MessagePack, by
// github.com/vmihailenco/msgpack.
//
//	c, err := cache.New(cache.Config{Codec: msgpack.Codec})
//
// or, where DSNs are to name it as codec=msgpack, once at the start of a program:
//
//	cache.RegisterCodec(msgpack.Codec)
package msgpack

import (
	"bytes"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/locmem/locmem/cache"
	"github.com/locmem/locmem/codecs/internal/values"
)

// Codec encodes with MessagePack, after the tag 'm'. It keeps what
// github.com/vmihailenco/msgpack keeps: exported fields without the tag
// msgpack:"-", under their own names or those of the tag msgpack; texts of any
// bytes, NaN and infinities; nil apart from empty, and pointers to zero. Times
// come back in the local zone, at the same instant. A value that contains itself
// overflows the stack, which ends the program. What methods of a value panic about
// reaches the caller.
var Codec cache.Codec = codec{}

type codec struct{}

func (codec) Name() string { return "msgpack" }

func (codec) Tag() byte { return 'm' }

func (codec) Append(b []byte, value any) ([]byte, error) {
	out := bytes.NewBuffer(b)
	encoder := msgpack.GetEncoder()
	encoder.Reset(out)
	err := encoder.Encode(values.Addressable(value))
	msgpack.PutEncoder(encoder)
	if err != nil {
		return b, err
	}
	return out.Bytes(), nil
}

// nothing is MessagePack's nil.
const nothing = 0xc0

func (codec) Decode(b []byte, into any) error {
	if len(b) == 1 && b[0] == nothing && !takesNil(into) {
		return fmt.Errorf("msgpack: nil is no value of what a %T points to", into)
	}
	in := bytes.NewReader(b)
	decoder := msgpack.GetDecoder()
	decoder.Reset(in)
	err := decoder.Decode(into)
	msgpack.PutDecoder(decoder)
	if err == nil && in.Len() > 0 {
		err = fmt.Errorf("msgpack: %d bytes too many", in.Len())
	}
	return err
}

// takesNil reports whether nil says something for what a pointer points to: the
// rest would be made zero.
func takesNil(into any) bool {
	if _, ok := into.(msgpack.CustomDecoder); ok {
		return true
	}
	return values.TakesNil(into)
}
