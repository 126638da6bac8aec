// SPDX-License-Identifier: MIT

package cache

// Codec turns values into bytes and back. It is called with no lock held, by many
// goroutines at once, and may call the cache. Whole numbers never reach it: they
// are stored in decimal, so that a server can count.
type Codec interface {
	// Name is the codec's name in DSNs: lower-case letters and digits.
	Name() string
	// Tag is the first byte of what the codec has encoded, put there and taken off by
	// the front, so that no codec reads another's bytes. It is not a digit, '-' or
	// '+'. 0: nothing is put there.
	Tag() byte
	// Append appends the bytes of a value to b and returns the result.
	Append(b []byte, value any) ([]byte, error)
	// Decode puts the value with these bytes into what a pointer points to. It must
	// neither change nor keep b, nor may the value refer to it.
	Decode(b []byte, into any) error
}
