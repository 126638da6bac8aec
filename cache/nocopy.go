// SPDX-License-Identifier: MIT

package cache

import "errors"

// NoCopy makes local memory keep the Go values themselves: nothing is encoded, a
// hit copies what an assignment copies and allocates nothing, and For works with
// any type, also with interface types and with any. What a value refers to is
// shared by all who got it and by the cache: whoever uses NoCopy promises that
// nobody changes it. Backends on servers refuse it, and so does Save.
var NoCopy Codec = noCopyCodec{}

type noCopyCodec struct{}

// errNoCopy is what the codec says where it is asked for bytes. Backends that keep
// values never ask.
var errNoCopy = errors.New("nocopy: values have no bytes")

func (noCopyCodec) Name() string { return "nocopy" }

func (noCopyCodec) Tag() byte { return 0 }

func (noCopyCodec) Append(b []byte, _ any) ([]byte, error) { return b, errNoCopy }

func (noCopyCodec) Decode([]byte, any) error { return errNoCopy }
