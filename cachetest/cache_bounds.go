// SPDX-License-Identifier: MIT

package cachetest

import (
	"fmt"

	"github.com/locmem/locmem/internal/lock"
)

// boundStatements are about the number of entries.
var boundStatements = []cacheStatement{
	{"C30", "at rest no more is held than the capacity", Granted, "Len Bounded", false, func(s *cacheRun) {
		const capacity = 100
		c := s.cache(CacheOptions{Capacity: capacity})
		s.note("Set of 1000 keys")
		setNumbered(s, c, 1000)
		c.settle()
		bound := capacity
		if s.config.Bound != nil {
			bound = s.config.Bound(capacity)
		}
		s.note("Len(), which should be at most %d", bound)
		n := c.Len()
		s.must(n <= bound, "Len() is %d", n)
	}},
	{"C31", "at no moment more is held than the capacity", Promised, "Len Bounded", false, func(s *cacheRun) {
		const capacity = 64
		c := s.cache(CacheOptions{Capacity: capacity})
		s.note("Set of 20,000 keys by 4 goroutines, and Len() by each after each")
		var most lock.Int64
		s.together(4, func(user int) {
			for i := range scaled(5000) {
				c.Set(fmt.Sprintf("%d/%d", user, i), 1)
				for n := int64(c.Len()); ; {
					old := most.Load()
					if n <= old || most.CompareAndSwap(old, n) {
						break
					}
				}
				if i%256 == 0 {
					s.calls.step()
				}
			}
		})
		s.must(most.Load() <= capacity, "Len() was %d", most.Load())
	}},
	{"C32", "as many keys as the capacity are kept whole", Promised, "Now Sure Bounded", false, func(s *cacheRun) {
		const capacity = 1000
		c := s.cache(CacheOptions{Capacity: capacity})
		s.note("Set of 1000 keys")
		setNumbered(s, c, capacity)
		c.settle()
		lost := 0
		for i := range capacity {
			if _, ok := c.Get(numberedKey(i)); !ok {
				lost++
			}
		}
		s.must(lost == 0, "%d of them are not found", lost)
	}},
	{"C33", "a set in a full cache is found at once", Promised, "Now Sure Bounded", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{Capacity: 100})
		s.note("Set of 300 keys, and Get of each at once")
		for i := range 300 {
			key := numberedKey(i)
			c.Set(key, int64(i))
			got, ok := c.Get(key)
			s.must(ok && got == int64(i), "Get(%q) after Set(%q, %d) returned %d, %v", key, key, i, got, ok)
		}
	}},
}

func numberedKey(i int) string { return fmt.Sprintf("k%d", i) }

// setNumbered sets keys k0, k1 and so on to 0, 1 and so on.
func setNumbered(s *cacheRun, c *driver, n int) {
	for i := range n {
		s.oneOf("Set(%q, %d)", numberedKey(i), i)
		c.Set(numberedKey(i), int64(i))
		c.wrote()
	}
	s.oneOf("")
}
