// SPDX-License-Identifier: MIT

package cachetest

import (
	"math"
	"runtime"
)

// oddKeyStatements are about keys of an interface type, which can be what no key
// should be.
var oddKeyStatements = []cacheStatement{
	{"B40", "keys of different types are different", Granted, "AnyKeys", true, func(s *cacheRun) {
		c := s.anyKeys(CacheOptions{Capacity: roomy})
		s.note(`Set(1, 1), Set(int8(1), 2), Set("1", 3), Set([1]int{1}, 4)`)
		keys := []any{1, int8(1), "1", [1]int{1}}
		for i, key := range keys {
			c.Set(key, int64(i+1))
		}
		for i, key := range keys {
			got, ok := c.Get(key)
			s.must(ok && got == int64(i+1), "Get of the %T returned %d, %v, not %d", key, got, ok, i+1)
		}
	}},
	{"B41", "a key that cannot be hashed leaves nothing locked", Granted, "AnyKeys", true, func(s *cacheRun) {
		c := s.anyKeys(CacheOptions{Capacity: roomy})
		s.note("Set([]int{1}, 1); the caller recovers the panic")
		s.within(func() { c.Set([]int{1}, 1) })
		s.note("Get([]int{1}); the caller recovers the panic")
		s.within(func() { c.Get([]int{1}) })
		s.note("Delete([]int{1}); the caller recovers the panic")
		s.within(func() { c.Delete([]int{1}) })
		for i := range 300 {
			s.oneOf("Set(%d, 1), Get(%d)", i, i)
			c.Set(i, 1)
			c.Get(i)
		}
	}},
	{"B42", "NaN as a key does not make the cache grow", Granted, "AnyKeys", true, func(s *cacheRun) {
		const sets = 100_000
		c := s.anyKeys(CacheOptions{Capacity: 100})
		for i := range 1000 {
			c.Set(i, 1)
		}
		s.note("Set(math.NaN(), 1), 100,000 times, in a cache with room for 100")
		before := heap()
		for i := range sets {
			c.Set(math.NaN(), 1)
			if i%64 == 0 {
				s.calls.step()
			}
		}
		if c.Settle != nil {
			c.Settle()
		}
		grown := heap() - before
		c.Set(1, 1) // so that it is alive
		s.must(grown < sets*8, "the heap has grown by %d bytes for each call", grown/sets)
	}},
}

// heap returns how many bytes live.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
