// SPDX-License-Identifier: MIT

package locmem

import (
	"bytes"
	"encoding/gob"
	"reflect"

	"github.com/locmem/locmem/internal/gobs"
)

// Codec turns keys and values into bytes and back, for Save and Restore. It is
// called with no lock held, by as many goroutines as save or restore at once, and
// may call any method of the engine. An error ends the call of Save or Restore
// and is wrapped in what that returns; a panic reaches its caller.
type Codec[K comparable, V any] interface {
	// AppendKey appends the bytes of a key to b and returns the result.
	AppendKey(b []byte, key K) ([]byte, error)
	// AppendValue does so with a value. What the value refers to is not copied: if
	// others may change it, it is for the codec to exclude them.
	AppendValue(b []byte, value V) ([]byte, error)
	// DecodeKey returns the key with these bytes. It must not keep b, nor may the
	// key refer to it.
	DecodeKey(b []byte) (K, error)
	// DecodeValue does so with a value.
	DecodeValue(b []byte) (V, error)
}

// codec returns the codec for one snapshot, and its name there.
func (e *Engine[K, V]) codec() (Codec[K, V], string) {
	if c := e.opts.Codec; c != nil {
		return c, typeName(reflect.TypeOf(c))
	}
	c := &gobCodec[K, V]{}
	c.encoder = gob.NewEncoder(&c.out)
	c.decoder = gob.NewDecoder(&c.in)
	return c, "encoding/gob"
}

// gobCodec is encoding/gob, as one stream over all keys and values of a snapshot,
// so that a type is described once. It serves one snapshot, in its order.
type gobCodec[K comparable, V any] struct {
	out     bytes.Buffer
	encoder *gob.Encoder
	in      bytes.Reader
	decoder *gob.Decoder
}

func (c *gobCodec[K, V]) AppendKey(b []byte, key K) ([]byte, error) { return c.append(b, &key) }

func (c *gobCodec[K, V]) AppendValue(b []byte, value V) ([]byte, error) { return c.append(b, &value) }

func (c *gobCodec[K, V]) DecodeKey(b []byte) (key K, err error) {
	err = c.decode(b, &key)
	return key, err
}

func (c *gobCodec[K, V]) DecodeValue(b []byte) (value V, err error) {
	err = c.decode(b, &value)
	return value, err
}

// append appends what a pointer points to.
func (c *gobCodec[K, V]) append(b []byte, p any) ([]byte, error) {
	if nothing(reflect.ValueOf(p).Elem()) {
		return b, nil
	}
	c.out.Reset()
	if err := gobs.Encode(c.encoder, p); err != nil {
		return b, err
	}
	return append(b, c.out.Bytes()...), nil
}

// decode decodes into what a pointer points to.
func (c *gobCodec[K, V]) decode(b []byte, p any) error {
	if len(b) == 0 && nothing(reflect.ValueOf(p).Elem()) {
		return nil
	}
	c.in.Reset(b)
	return gobs.Decode(c.decoder, &c.in, p)
}

// nothing reports whether a value is nil or has no size, as one of struct{}. Gob
// takes none of these, and never writes nothing: so no bytes stand for them.
func nothing(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return v.IsNil()
	default:
		return v.Type().Size() == 0
	}
}
