// SPDX-License-Identifier: MIT

package cache

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/locmem/locmem/internal/lock"
)

// codecs are the codecs that DSNs can name.
var codecs = codecTable{byName: map[string]namedCodec{}}

type codecTable struct {
	mu     lock.RWMutex          // protects byName
	byName map[string]namedCodec // +checklocks:mu
}

// namedCodec is a codec with what it said of itself when it was registered, so
// that it is not asked under the lock.
type namedCodec struct {
	codec Codec
	tag   byte
}

func init() {
	for _, c := range []Codec{JSON, Gob, Raw, NoCopy} {
		RegisterCodec(c)
	}
}

// RegisterCodec lets DSNs name a codec, as json, gob, raw and nocopy are; a codec
// that is set in Config.Codec need not be registered. It panics if the codec is
// nil, if its name is not of lower-case letters and digits, if its tag is a digit,
// '-' or '+', or if another codec has the name, or the tag unless that is 0. It is
// meant for the start of a program and is safe for concurrent use.
func RegisterCodec(c Codec) {
	if c == nil {
		panic("cache: RegisterCodec: the codec is nil")
	}
	name, tag := c.Name(), c.Tag()
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		panic(fmt.Sprintf("cache: RegisterCodec: the name %q is not of lower-case letters and digits", name))
	}
	if !validTag(tag) {
		panic(fmt.Sprintf("cache: RegisterCodec: %s has the tag %q, with which numbers begin", name, tag))
	}
	if other := registerCodec(name, namedCodec{c, tag}); other != "" {
		panic(fmt.Sprintf("cache: RegisterCodec: %s has the name or the tag %q of %s", name, tag, other))
	}
}

// registerCodec registers a codec, or returns the name of the one that is in its
// way.
func registerCodec(name string, c namedCodec) string {
	codecs.mu.Lock()
	defer codecs.mu.Unlock()
	for other, o := range codecs.byName {
		if other == name || c.tag != 0 && o.tag == c.tag {
			return other
		}
	}
	codecs.byName[name] = c
	return ""
}

// validTag reports whether a codec may have a tag: what a number in decimal begins
// with would make its bytes one.
func validTag(tag byte) bool {
	return (tag < '0' || tag > '9') && tag != '-' && tag != '+'
}

// codecByName returns a registered codec.
func codecByName(name string) (Codec, bool) {
	codecs.mu.RLock()
	defer codecs.mu.RUnlock()
	c, ok := codecs.byName[name]
	return c.codec, ok
}

// codecNames returns the names of the registered codecs in ascending order.
func codecNames() []string {
	codecs.mu.RLock()
	defer codecs.mu.RUnlock()
	return slices.Sorted(maps.Keys(codecs.byName))
}

// sink appends what is written to it.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// addressable returns a pointer to a copy of a value in which methods of pointers
// can be found, on it or on its fields, or else the value itself. Encoders that are
// given the plain value do without those methods, and so without the content of a
// big.Int, for one.
func addressable(value any) any {
	t := reflect.TypeOf(value)
	if t == nil {
		return nil
	}
	switch k := t.Kind(); {
	case k == reflect.Pointer:
		return value
	case k == reflect.Struct, k == reflect.Array, t.PkgPath() != "":
		p := reflect.New(t)
		p.Elem().Set(reflect.ValueOf(value))
		return p.Interface()
	default:
		return value
	}
}
