// SPDX-License-Identifier: MIT

// Package gobs encodes and decodes single values with encoding/gob, and makes errors of
// what that panics about, loses or leaves over.
package gobs

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// Encode writes a value. A pointer to a nil pointer, which gob would write and not
// read, is an error, and so is a panic of gob or of the value's own methods.
func Encode(e *gob.Encoder, value any) (err error) {
	for v := reflect.ValueOf(value); v.Kind() == reflect.Pointer; v = v.Elem() {
		if v.IsNil() {
			return errors.New("gob: a pointer to a nil pointer")
		}
	}
	defer recovered(&err)
	return e.Encode(value)
}

// Decode reads a value into what a pointer points to. That in, from which the decoder
// reads, ends too early or goes on after it is an error.
func Decode(d *gob.Decoder, in *bytes.Reader, into any) (err error) {
	defer recovered(&err)
	switch err := d.Decode(into); {
	case errors.Is(err, io.EOF): // of the bytes, not of the reader
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	}
	if n := in.Len(); n > 0 {
		return fmt.Errorf("gob: %d bytes too many", n)
	}
	return nil
}

// recovered makes an error of a panic.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("gob: panic: %v", p)
	}
}
