// SPDX-License-Identifier: MIT

package locmem

import (
	"math"

	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/paged"
)

// Op is what the function of a Compute wants done.
type Op uint8

// The zero Op keeps the entry as it is.
const (
	Keep   Op = iota // change nothing
	Store            // store the value returned
	Remove           // remove the entry
)

// String returns the operation's name.
func (o Op) String() string {
	switch o {
	case Keep:
		return "Keep"
	case Store:
		return "Store"
	case Remove:
		return "Remove"
	}
	return "Op(?)"
}

// Compute changes the key's entry by a function of what it is: update is called
// with the live entry, or with found false, and says what to do. The options are
// those of Set; every write states its whole expiry, so an update that is to
// leave it alone is given KeepTTL. Compute returns the value that is held at the
// end and whether one is.
//
// update runs with no lock held, so it may call the engine, for this key too, and
// may panic or end its goroutine, which leaves the entry as it is. Its answer
// counts only if the entry has not changed since; if it has, update is called
// again with the new one. Its answer should therefore depend on its arguments.
// With n goroutines at work on one key each round lets at least one through.
func (e *Engine[K, V]) Compute(key K, update func(old Entry[V], found bool) (V, Op), opts ...EntryOption) (V, bool) {
	var zero V
	hash := e.hasher.sum(key)
	s := e.shardOf(hash)
	storable := e.hasher.storable(key)
	set := settingsOf(opts)
	for {
		entry, slot, version := s.read(uint32(hash), key)
		found := slot != evict.None
		value, op := update(entry, found)
		mode := ifSame
		switch op {
		case Store:
			if !storable {
				return zero, false
			}
		case Remove:
			mode = removeSame
		default:
			return entry.Value, found
		}
		w := write[K, V]{key: key, value: value, hash: uint32(hash), mode: mode, slot: slot, version: version}
		if op == Store {
			e.prepareSet(&w, &set)
		}
		o := e.apply(s, &w)
		if o == changed {
			continue
		}
		if o == stored && w.held {
			return value, true
		}
		return zero, false
	}
}

// read returns a copy of the key's live entry with its slot and version, or no
// slot.
//
// +checklocksexclude:s.mu
func (s *shard[K, V]) read(hash uint32, key K) (Entry[V], uint32, uint64) {
	s.mu.RLock()
	if s.versions == nil {
		s.mu.RUnlock()
		s.mu.Lock()
		if s.versions == nil {
			versions := paged.New[uint64]()
			s.versions = &versions
		}
		s.mu.Unlock()
		s.mu.RLock()
	}
	defer s.mu.RUnlock()
	n, sl := s.live(hash, key)
	if n == evict.None {
		return Entry[V]{}, evict.None, 0
	}
	return s.entryOf(n, sl), n, s.version(n)
}

// Number is the types that Incr adds to.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr |
		~float32 | ~float64
}

// Incr adds delta to the value of a live entry and returns the sum; its expiry
// stays as it is. If there is no live entry it returns false and stores nothing;
// also if the sum is refused for its weight, as in Set.
// A sum that does not fit the type is ErrOverflow with the value as it was; for
// floats this is a sum that is infinite though value and delta are not. It is
// atomic, by Compute.
func Incr[K comparable, V Number](e *Engine[K, V], key K, delta V) (V, bool, error) {
	var err error
	value, found := e.Compute(key, func(old Entry[V], found bool) (V, Op) {
		err = nil
		if !found {
			return 0, Keep
		}
		sum := old.Value + delta
		if overflows(old.Value, delta, sum) {
			err = ErrOverflow
			return old.Value, Keep
		}
		return sum, Store
	}, KeepTTL())
	return value, found, err
}

// overflows reports whether sum is not a + b. A finite sum cannot tell for floats,
// which round.
func overflows[V Number](a, b, sum V) bool {
	if f := float64(sum); math.IsInf(f, 0) {
		return !math.IsInf(float64(a), 0) && !math.IsInf(float64(b), 0)
	}
	return b > 0 && sum < a || b < 0 && sum > a
}

// CompareAndSwap stores next, with the options given, if the key's live entry has
// the value old, and reports whether it did. It panics if the values are of an
// interface type and hold something that cannot be compared.
func CompareAndSwap[K, V comparable](e *Engine[K, V], key K, old, next V, opts ...EntryOption) bool {
	swapped := false
	_, held := e.Compute(key, func(entry Entry[V], found bool) (V, Op) {
		swapped = found && entry.Value == old
		if !swapped {
			return old, Keep
		}
		return next, Store
	}, opts...)
	return swapped && held
}
