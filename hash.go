// SPDX-License-Identifier: MIT

package locmem

import (
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"unsafe"

	"github.com/cespare/xxhash/v2"
)

// keyKind is how the keys of an engine are hashed, decided once from their type.
type keyKind uint8

const (
	kindOther  keyKind = iota // maphash.Comparable
	kindString                // xxhash of the string's bytes
	kind8                     // integers of so many bits: a seeded mixer
	kind16
	kind32
	kind64
	kindBent // tests: another kind's hash, bent into collisions
)

// hasher turns keys into 64-bit hashes. Bits 48 and up choose the shard, the low
// 32 bits the place in the shard's index; policies use the low 32 too, mixed
// anew.
type hasher[K comparable] struct {
	kind keyKind
	// unequal: a key may differ from itself, because its type holds a float, a
	// complex number or an interface somewhere.
	unequal bool
	seed    uint64       // of the mixer
	table   maphash.Seed // of kindOther
	bent    keyKind      // kindBent: the kind that is bent
	bend    func(uint64) uint64
}

func newHasher[K comparable](bend func(uint64) uint64) hasher[K] {
	h := hasher[K]{seed: rand.Uint64(), table: maphash.MakeSeed()}
	t := reflect.TypeFor[K]()
	h.unequal = canDifferFromItself(t)
	switch t.Kind() {
	case reflect.String:
		h.kind = kindString
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		h.kind = map[uintptr]keyKind{1: kind8, 2: kind16, 4: kind32, 8: kind64}[t.Size()]
	default:
		h.kind = kindOther
	}
	if bend != nil {
		h.kind, h.bent, h.bend = kindBent, h.kind, bend
	}
	return h
}

// sum returns the key's hash. It panics if the key holds a value that cannot be
// compared, which is why it is called before any lock is taken.
func (h *hasher[K]) sum(key K) uint64 {
	switch h.kind {
	case kindString:
		// Safety: the kind says that K's underlying type is string.
		return xxhash.Sum64String(*(*string)(unsafe.Pointer(&key)))
	case kind64:
		// Safety: the kind says that K is an integer of eight bytes.
		return mix(*(*uint64)(unsafe.Pointer(&key)), h.seed)
	default:
		return h.sumSlow(key)
	}
}

// sumSlow hashes the less common kinds, out of line so that sum stays small.
func (h *hasher[K]) sumSlow(key K) uint64 {
	kind := h.kind
	if kind == kindBent {
		kind = h.bent
	}
	// Safety of the four: the kind says that K is an integer of that size.
	var x uint64
	switch kind {
	case kindString:
		x = xxhash.Sum64String(*(*string)(unsafe.Pointer(&key)))
	case kind8:
		x = mix(uint64(*(*uint8)(unsafe.Pointer(&key))), h.seed)
	case kind16:
		x = mix(uint64(*(*uint16)(unsafe.Pointer(&key))), h.seed)
	case kind32:
		x = mix(uint64(*(*uint32)(unsafe.Pointer(&key))), h.seed)
	case kind64:
		x = mix(*(*uint64)(unsafe.Pointer(&key)), h.seed)
	default:
		x = maphash.Comparable(h.table, key)
	}
	if h.bend != nil {
		return h.bend(x)
	}
	return x
}

// storable reports whether the key equals itself. A key that does not (a NaN, or
// a struct that holds one) could be stored but never found again.
func (h *hasher[K]) storable(key K) bool {
	return !h.unequal || key == key // false for a key that holds a NaN
}

// mix spreads an integer over 64 bits: the two halves of one 128-bit product,
// folded. The seed makes the result unpredictable from outside; the odd constant
// is the golden ratio's, which keeps neighbours apart.
func mix(x, seed uint64) uint64 {
	hi, lo := bits.Mul64(x^seed, 0x9e3779b97f4a7c15)
	return hi ^ lo
}

// canDifferFromItself reports whether a value x of the type can have x != x.
func canDifferFromItself(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128, reflect.Interface:
		return true
	case reflect.Array:
		return t.Len() > 0 && canDifferFromItself(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if canDifferFromItself(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}
