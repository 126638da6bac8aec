// SPDX-License-Identifier: MIT

package locmem

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type (
	userID   string
	orderID  uint16
	position struct{ x, y float64 }
	pair     struct {
		name string
		any  any
	}
)

// engineOf returns an engine that is validated at the end of the test.
func engineOf[K comparable](t *testing.T, opts Options[K, int]) *Engine[K, int] {
	t.Helper()
	e, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		if !t.Failed() { // else a lock may be held for ever
			require.NoError(t, e.Validate())
		}
	})
	return e
}

// spread demands that no shard of 64 gets more than twice its share or less than
// a quarter, and that an index has no long runs. Hashes by one multiplication are
// not as even as random ones. Of 18,000 pairs of strides and seeds one had a run of
// 1,187, of some 10,000 one left a shard 0.23 of its share; the others were within 1.5,
// 0.48 and 133. Such a pair costs little: from floodPassed on a shard turns to other
// hashes, and room is the whole engine's. So the seeds of integers are always the same here.
func spread(t *testing.T, what string, hash func(i int) uint64) {
	t.Helper()
	const n, shards = 1 << 14, 64
	var inShard [shards]int
	cells := make([]uint64, 2*ceilPow2(n))
	x := index{cells: cells, shift: newIndexOf(len(cells)).shift}
	longest := 0
	for i := range n {
		h := hash(i)
		inShard[h>>48%shards]++
		passed, _ := x.place(uint32(h), 1)
		longest = max(longest, passed)
	}
	for shard, held := range inShard {
		require.LessOrEqual(t, held, 2*n/shards, "%s: shard %d", what, shard)
		require.GreaterOrEqual(t, held, n/shards/4, "%s: shard %d", what, shard)
	}
	require.Less(t, longest, 256, "%s: the longest run of the index", what)
}

func newIndexOf(cells int) *index {
	x := newIndex()
	x.replaceTable(cells)
	return &x
}

// TestKeysAtEqualDistancesSpread: counters, aligned addresses, and numbers whose
// lower bits say nothing.
func TestKeysAtEqualDistancesSpread(t *testing.T) {
	seeds := rand.New(rand.NewPCG(1, 2))
	for shift := range 50 {
		for _, odd := range []uint64{1, 5} {
			stride := odd << shift
			for range 3 {
				h := newHasher[uint64](nil)
				h.seed = seeds.Uint64()
				spread(t, fmt.Sprintf("stride %d, seed %#x", stride, h.seed), func(i int) uint64 { return h.sum(uint64(i) * stride) })
			}
		}
	}
	for shift := range 18 {
		h := newHasher[int32](nil)
		h.seed = seeds.Uint64()
		spread(t, fmt.Sprintf("stride %d of 32 bits, seed %#x", 1<<shift, h.seed), func(i int) uint64 { return h.sum(int32(i) << shift) })
	}
	h := newHasher[string](nil)
	spread(t, "numbered strings", func(i int) uint64 { return h.sum(fmt.Sprintf("user:%d", i)) })
	structs := newHasher[position](nil)
	spread(t, "points", func(i int) uint64 { return structs.sum(position{float64(i), 0}) })
}

// distinct demands that the hashes of keys differ, so that no part of a key is
// left out. An engine of each type would say the same and take long to compile.
func distinct[K comparable](t *testing.T, kind keyKind, keys ...K) {
	t.Helper()
	h := newHasher[K](nil)
	require.Equal(t, kind, h.kind, "%T", keys[0])
	hashes := map[uint64]K{}
	for _, key := range keys {
		require.True(t, h.storable(key))
		other, ok := hashes[h.sum(key)]
		require.False(t, ok, "%T: %v and %v have the same hash", key, key, other)
		again := key
		require.Equal(t, h.sum(key), h.sum(again))
		hashes[h.sum(key)] = key
	}
}

// bitsOf returns 0 and the keys with one bit set.
func bitsOf[K ~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr]() []K {
	keys := []K{0}
	for bit := K(1); bit != 0; bit <<= 1 {
		keys = append(keys, bit)
	}
	return keys
}

func TestEveryBitOfAKeyCounts(t *testing.T) {
	word := kind64
	if math.MaxUint == math.MaxUint32 {
		word = kind32
	}
	distinct(t, word, bitsOf[int]()...)
	distinct(t, kind8, bitsOf[int8]()...)
	distinct(t, kind16, bitsOf[int16]()...)
	distinct(t, kind32, bitsOf[int32]()...)
	distinct(t, kind64, bitsOf[int64]()...)
	distinct(t, word, bitsOf[uint]()...)
	distinct(t, kind8, bitsOf[uint8]()...)
	distinct(t, kind16, bitsOf[uint16]()...)
	distinct(t, kind32, bitsOf[uint32]()...)
	distinct(t, kind64, bitsOf[uint64]()...)
	distinct(t, word, bitsOf[uintptr]()...)
	distinct(t, kind16, bitsOf[orderID]()...)
	distinct(t, kind64, bitsOf[time.Duration]()...)
	distinct(t, kindString, "", "\x00", "\x00\x00", "a", "b", "ab", "ba")
	distinct(t, kindString, userID(""), "\x00", "a", "b")
	distinct(t, kindOther, false, true)
	distinct(t, kindOther, 0.0, 1.0, math.Inf(1), math.SmallestNonzeroFloat64)
	distinct(t, kindOther, 0i, 1, 1i, 1+1i)
	distinct(t, kindOther, position{}, position{1, 0}, position{0, 1})
	distinct(t, kindOther, [2]int{}, [2]int{1, 0}, [2]int{0, 1})
	distinct[any](t, kindOther, nil, 1, "a", 1.5, [1]int{7})
	distinct(t, kindOther, pair{}, pair{"a", nil}, pair{"", "a"}, pair{"a", 1})
	one, two := new(int), new(int)
	distinct(t, kindOther, nil, one, two)
	distinct(t, kindOther, make(chan int), make(chan int), nil)

	floats := newHasher[float64](nil)
	require.Equal(t, floats.sum(0), floats.sum(math.Copysign(0, -1)), "equal keys have one hash")
	plain, named := newHasher[string](nil), newHasher[userID](nil)
	require.Equal(t, plain.sum("u:1"), named.sum("u:1"), "a named string is hashed as a string is")
}

// TestKeysOfOneHashAndOtherTypesAreOthers: an interface is hashed by its value
// alone.
func TestKeysOfOneHashAndOtherTypesAreOthers(t *testing.T) {
	e := engineOf(t, Options[any, int]{MaxEntries: 100, Shards: 1})
	keys := []any{nil, 0, int8(0), int64(0), uint(0), "", userID(""), "a", userID("a"), 0.0, struct{}{}, [0]int{}, position{}, pair{}}
	for i, key := range keys {
		require.True(t, e.Add(key, i), "%T", key)
	}
	for i, key := range keys {
		value, ok := e.Get(key)
		require.True(t, ok, "%T", key)
		require.Equal(t, i, value)
	}
}

// TestZeroKeysAndReturningKeysAreKeysLikeOthers lets a key come, go and come
// again, with neighbours that stay.
func TestZeroKeysAndReturningKeysAreKeysLikeOthers(t *testing.T) {
	returns(t, 0, 1)
	returns(t, "", "a")
	returns(t, userID(""), "a")
	returns[any](t, nil, 0)
	returns[any](t, [0]int{}, false)
	returns(t, pair{}, pair{"a", nil})
	returns(t, struct{}{}, struct{}{}) // of no size
}

func returns[K comparable](t *testing.T, key, neighbour K) {
	t.Helper()
	e := engineOf(t, Options[K, int]{MaxEntries: 10, Shards: 1})
	alone := key == neighbour
	for round := range 20 {
		require.False(t, e.Has(key))
		require.True(t, e.Add(key, round))
		require.False(t, e.Add(key, -1))
		if !alone {
			require.True(t, e.Set(neighbour, -round))
		}
		value, ok := e.Get(key)
		require.True(t, ok)
		require.Equal(t, round, value)
		seen := 0
		for range e.All() {
			seen++
		}
		require.Equal(t, e.Len(), seen)
		switch round % 4 {
		case 0:
			require.True(t, e.Delete(key))
		case 1:
			_, ok = e.Take(key)
			require.True(t, ok)
		case 2:
			e.Clear()
		default:
			require.Equal(t, 1, e.DeleteMany([]K{key, key}))
		}
		_, ok = e.Get(key)
		require.False(t, ok)
	}
}

// TestCollisionsLoseNothing compares an engine whose hashes collide with a map.
func TestCollisionsLoseNothing(t *testing.T) {
	for _, tc := range []struct {
		name string
		bend func(uint64) uint64
		keep bool
	}{
		{"one hash", func(uint64) uint64 { return 0 }, true},
		{"the highest hash", func(uint64) uint64 { return math.MaxUint64 }, true},
		{"16 hashes", func(h uint64) uint64 { return h & (15 << 28) }, true},
		{"16 shards", func(h uint64) uint64 { return h & (15 << 48) }, true},
		{"lower bits alone", func(h uint64) uint64 { return h & 0xff }, true},
		{"flooded", func(uint64) uint64 { return 5 << 48 }, false},
		{"flooded at the end of the table", func(uint64) uint64 { return math.MaxUint32 }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			opts := Options[int, int]{MaxEntries: 1000, Shards: 16}
			opts.bendHash(tc.bend, tc.keep)
			e := engineOf(t, opts)
			seed := rand.Uint64()
			rnd := rand.New(rand.NewPCG(seed, 0))
			held := map[int]int{}
			for i := range 4000 {
				key := rnd.IntN(300)
				value, ok := e.Get(key)
				want, had := held[key]
				require.Equal(t, had, ok, "seed %d, step %d: key %d", seed, i, key)
				require.Equal(t, want, value, "seed %d, step %d: key %d", seed, i, key)
				if rnd.IntN(3) > 0 {
					e.Set(key, i)
					held[key] = i
				} else {
					require.Equal(t, had, e.Delete(key), "seed %d, step %d: key %d", seed, i, key)
					delete(held, key)
				}
				require.Equal(t, len(held), e.Len(), "seed %d, step %d", seed, i)
			}
			require.Equal(t, tc.keep, !e.Seeded())
		})
	}
}

// longestProbe returns how many cells the longest lookup of a held key passes.
func longestProbe[K comparable](e *Engine[K, int]) int {
	longest := 0
	for i := range e.shards {
		x := &e.shards[i].index
		for _, table := range []struct {
			cells []uint64
			shift uint8
		}{{x.cells, x.shift}, {x.old, x.oldShift}} {
			mask := uint32(len(table.cells) - 1)
			for at, c := range table.cells {
				if c != 0 && uint32(c) != tomb {
					longest = max(longest, int((uint32(at)-uint32(c>>32)>>table.shift)&mask))
				}
			}
		}
	}
	return longest
}

// TestAFloodedShardTurnsToHashesOfItsOwn: the keys of an attack stop being slow,
// and none is lost on the way.
func TestAFloodedShardTurnsToHashesOfItsOwn(t *testing.T) {
	for _, tc := range []struct {
		name string
		bend func(uint64) uint64
	}{
		{"equal hashes", func(uint64) uint64 { return 3 << 48 }},
		{"near hashes", func(h uint64) uint64 { return 3<<48 | h&0xffff }}, // one home, of different hashes
	} {
		t.Run(tc.name, func(t *testing.T) {
			const keys = 2000 // enough for the turn to end
			fill := func(keep bool, keys int) *Engine[string, int] {
				opts := Options[string, int]{MaxEntries: keys, Shards: 4}
				opts.bendHash(tc.bend, keep)
				e := engineOf(t, opts)
				for i := range keys {
					e.Set(fmt.Sprint(i), i)
				}
				return e
			}
			if slow := fill(true, 900); assert.False(t, slow.Seeded()) {
				require.Greater(t, longestProbe(slow), floodPassed, "this is no flood")
			}
			e := fill(false, keys)
			require.True(t, e.Seeded())
			require.Less(t, longestProbe(e), 256)
			require.Equal(t, keys, e.Len(), "a flooded shard has the room of all")
			for i := range keys {
				value, ok := e.Get(fmt.Sprint(i))
				require.True(t, ok, "key %d", i)
				require.Equal(t, i, value)
			}
			require.NoError(t, e.Validate())
			e.Clear()
			require.True(t, e.Seeded(), "it forgot the attack")
			for i := range keys {
				e.Set(fmt.Sprint(-i), i)
			}
			require.Equal(t, keys, e.Len())
			require.Less(t, longestProbe(e), 256)
		})
	}
	t.Run("true hashes do not flood", func(t *testing.T) {
		keys := 100_000
		if testing.Short() {
			keys = 1000
		}
		e := engineOf(t, Options[int, int]{MaxEntries: keys, Shards: 1})
		for key := range keys {
			e.Set(key, key)
		}
		require.False(t, e.Seeded())
	})
}

func TestKeysThatDifferFromThemselvesAreNeverStored(t *testing.T) {
	nan := math.NaN()
	for _, key := range []any{
		nan, float32(nan), complex(0, nan), complex64(complex(nan, 0)),
		position{1, nan},
		[3]float64{0, 0, nan},
		pair{"a", nan},
		[1]any{[1]float64{nan}},
		struct{ p pair }{pair{"", position{0, nan}}},
	} {
		neverStored(t, key, 1)
	}
	neverStored(t, pair{"a", nan}, pair{"a", 1})
	unstorable(t, nan, 1)
	unstorable(t, float32(nan), 1)
	unstorable(t, complex(0, nan), 1)
	unstorable(t, complex64(complex(nan, 0)), 1)
	unstorable(t, position{1, nan}, position{})
	unstorable(t, [3]float64{0, 0, nan}, [3]float64{})
	unstorable(t, [2]any{1, nan}, [2]any{})
	unstorable(t, struct{ p [1]pair }{[1]pair{{"", position{0, nan}}}}, struct{ p [1]pair }{})
}

// unstorable asks the hasher alone; see distinct.
func unstorable[K comparable](t *testing.T, key, sound K) {
	t.Helper()
	h := newHasher[K](nil)
	require.False(t, h.storable(key), "%T", key)
	require.True(t, h.storable(sound), "%T", sound)
}

func neverStored[K comparable](t *testing.T, key, sound K) {
	t.Helper()
	t.Run(fmt.Sprintf("%T", key), func(t *testing.T) {
		events := 0
		e := engineOf(t, Options[K, int]{MaxEntries: 10, Shards: 2, OnRemove: func(Removal[K, int]) { events++ }})
		require.True(t, e.Set(sound, 7), "others of the type are stored")
		require.False(t, e.Set(key, 1))
		require.False(t, e.Add(key, 1))
		require.False(t, e.Replace(key, 1))
		require.Zero(t, e.SetMany(map[K]int{key: 1}))
		require.False(t, e.Has(key))
		_, ok := e.Get(key)
		require.False(t, ok)
		_, ok = e.Peek(key)
		require.False(t, ok)
		require.Empty(t, e.GetMany([]K{key}))
		require.False(t, e.Delete(key))
		_, ok = e.Take(key)
		require.False(t, ok)
		require.False(t, e.Touch(key))
		require.Zero(t, e.DeleteMany([]K{key}))
		_, ok = e.Compute(key, func(_ Entry[int], found bool) (int, Op) {
			require.False(t, found)
			return 1, Store
		})
		require.False(t, ok)
		_, ok, err := Incr(e, key, 1)
		require.False(t, ok)
		require.NoError(t, err)
		require.Equal(t, 1, e.Len())
		value, ok := e.Get(sound)
		require.True(t, ok)
		require.Equal(t, 7, value)
		require.Zero(t, events)
	})
}

// TestKeysThatCannotBeComparedPanicWithNothingHeld calls every method with a key
// that holds a slice; afterwards all locks are free.
func TestKeysThatCannotBeComparedPanicWithNothingHeld(t *testing.T) {
	bad := pair{any: []int{1}}
	for name, call := range map[string]func(e *Engine[pair, int]){
		"Get":            func(e *Engine[pair, int]) { e.Get(bad) },
		"Peek":           func(e *Engine[pair, int]) { e.Peek(bad) },
		"Has":            func(e *Engine[pair, int]) { e.Has(bad) },
		"Set":            func(e *Engine[pair, int]) { e.Set(bad, 1) },
		"Add":            func(e *Engine[pair, int]) { e.Add(bad, 1) },
		"Replace":        func(e *Engine[pair, int]) { e.Replace(bad, 1) },
		"Touch":          func(e *Engine[pair, int]) { e.Touch(bad) },
		"Delete":         func(e *Engine[pair, int]) { e.Delete(bad) },
		"Take":           func(e *Engine[pair, int]) { e.Take(bad) },
		"GetMany":        func(e *Engine[pair, int]) { e.GetMany([]pair{{}, bad}) },
		"DeleteMany":     func(e *Engine[pair, int]) { e.DeleteMany([]pair{{}, bad}) },
		"Compute":        func(e *Engine[pair, int]) { e.Compute(bad, func(Entry[int], bool) (int, Op) { return 1, Store }) },
		"Incr":           func(e *Engine[pair, int]) { _, _, _ = Incr(e, bad, 1) },
		"CompareAndSwap": func(e *Engine[pair, int]) { CompareAndSwap(e, bad, 1, 2) },
		"GetOrSet":       func(e *Engine[pair, int]) { _, _ = e.GetOrSet(t.Context(), bad, nil) },
		"Fetch":          func(e *Engine[pair, int]) { _, _ = e.Fetch(t.Context(), bad, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			e, err := New(Options[pair, int]{MaxEntries: 10, Shards: 1, Load: func(context.Context, pair) (int, error) { return 1, nil }})
			require.NoError(t, err)
			e.Set(pair{}, 7)
			require.Panics(t, func() { call(e) })
			free := make(chan error)
			go func() { free <- e.Validate() }()
			select {
			case err := <-free:
				require.NoError(t, err)
			case <-time.After(30 * time.Second):
				require.FailNow(t, "a lock is still held")
			}
			require.True(t, e.Set(pair{"a", 1}, 8))
			value, ok := e.Get(pair{})
			require.True(t, ok)
			require.Equal(t, 7, value)
			require.Equal(t, 2, e.Len())
		})
	}
}
