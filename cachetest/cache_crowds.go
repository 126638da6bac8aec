// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/locmem/locmem/internal/lock"
)

// crowdStatements are about many goroutines at once. What a data race is, the race
// detector tells.
var crowdStatements = []cacheStatement{
	{"T2", "all operations at once, without a race or a value of another key", Granted, "", true, func(s *cacheRun) {
		const keys = 64
		c := s.cache(CacheOptions{Capacity: 16})
		s.note("all operations by 4 goroutines, on 64 keys, of which 16 have room")
		s.together(4, func(user int) {
			random := rand.New(rand.NewPCG(uint64(user), 2))
			for i := range scaled(20_000) {
				c.anything(random, random.IntN(keys), keys)
				if i%256 == 0 {
					s.calls.step()
				}
			}
		})
	}},
	{"T3", "every value is held or was told to the listener, and not both", Promised, "Notices Sure Bounded", true, func(s *cacheRun) {
		const keys, sets = 30, 3000
		got := new(notices)
		c := s.cache(CacheOptions{Capacity: 10, OnRemove: got.add})
		s.note("Set of 30 keys, of which 10 have room, and Delete, by 4 goroutines, each value once; then Get of each")
		s.together(4, func(user int) {
			random := rand.New(rand.NewPCG(uint64(user), 3))
			for i := range sets {
				key := random.IntN(keys)
				c.Set(numberedKey(key), int64((user*sets+i)*keys+key))
				if i%5 == 0 {
					c.Delete(numberedKey(random.IntN(keys)))
				}
				if i%256 == 0 {
					s.calls.step()
				}
			}
		})
		c.settle()
		ends := map[int64][]string{}
		live := 0
		for i := range keys {
			if value, ok := c.Get(numberedKey(i)); ok {
				live++
				ends[value] = append(ends[value], "it is held")
			}
		}
		s.await(c, 4*sets-live, got.len)
		for _, n := range got.all() {
			ends[n.value] = append(ends[n.value], "told as "+n.cause.String())
			s.calls.step()
			s.must(n.key == numberedKey(int(n.value%keys)), "the listener was told %v, which nobody has set", n)
		}
		for value, end := range ends {
			s.must(len(end) == 1, "the value %d, which was set once, has %d ends: %v", value, len(end), end)
		}
		s.must(len(ends) == 4*sets, "of %d values that were set %d have an end", 4*sets, len(ends))
	}},
	{"T4", "who alone writes a key reads the last value or nothing", Granted, "Now", true, func(s *cacheRun) {
		const own = 8
		c := s.cache(CacheOptions{Capacity: 16})
		s.note("Set, Delete and Get by 4 goroutines, each on 8 keys of its own, of which 16 have room")
		s.together(4, func(user int) {
			random := rand.New(rand.NewPCG(uint64(user), 4))
			var last [own]int64 // 0: nothing
			for i := range int64(scaled(20_000)) {
				n := random.IntN(own)
				key := fmt.Sprintf("user %d key %d", user, n)
				switch op := random.IntN(10); {
				case op < 4:
					last[n] = i + 1
					c.Set(key, i+1)
				case op < 5:
					last[n] = 0
					c.Delete(key)
				default:
					value, ok := c.Get(key)
					s.must(!ok || value == last[n], "Get(%q) finds %d; the last that was set is %d (0: it was deleted)", key, value, last[n])
				}
				if i%256 == 0 {
					s.calls.step()
				}
			}
		})
	}},
	{"T8", "increments made at once add up", Granted, "Incr Sure", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		c.set("n", 0)
		rounds := int64(scaled(2000))
		s.note(`Incr("n", 1) by 4 goroutines, %d times each`, rounds)
		s.together(4, func(int) {
			for i := range rounds {
				_, ok := c.Incr("n", 1)
				s.must(ok, `Incr("n", 1) found nothing`)
				if i%256 == 0 {
					s.calls.step()
				}
			}
		})
		c.want("n", 4*rounds)
	}},
	{"T9", "of adds made at once one stores, and its value stays", Granted, "Add Now Sure", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		s.note("Add by 4 goroutines at once, of each of %d keys", scaled(500))
		for i := range scaled(500) {
			var winner, winners lock.Int64
			s.together(4, func(user int) {
				if c.Add(numberedKey(i), int64(user)) {
					winner.Store(int64(user))
					winners.Add(1)
				}
			})
			got, ok := c.Get(numberedKey(i))
			s.must(winners.Load() == 1 && ok && got == winner.Load(), "%d of them stored, and Get finds %d, %v", winners.Load(), got, ok)
			s.calls.step()
		}
	}},
	{"T10", "of takes made at once one gets the value", Granted, "Take Now Sure", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		s.note("Take by 4 goroutines at once, of each of %d keys", scaled(500))
		for i := range scaled(500) {
			c.Set(numberedKey(i), 1)
			var takers lock.Int64
			s.together(4, func(int) {
				if _, ok := c.Take(numberedKey(i)); ok {
					takers.Add(1)
				}
			})
			s.must(takers.Load() == 1, "%d of them got it", takers.Load())
			s.calls.step()
		}
	}},
	{"T11", "of swaps made at once from one value one is made", Granted, "CompareAndSwap Now Sure", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		s.note("CompareAndSwap(key, 0, 1 to 4) by 4 goroutines at once, of each of %d keys", scaled(500))
		for i := range scaled(500) {
			c.Set(numberedKey(i), 0)
			var swaps lock.Int64
			s.together(4, func(user int) {
				if c.CompareAndSwap(numberedKey(i), 0, int64(user+1)) {
					swaps.Add(1)
				}
			})
			s.must(swaps.Load() == 1, "%d of them were made", swaps.Load())
			s.calls.step()
		}
	}},
}

// anything makes a random call on the key of a number. Values have the number of their
// key as their remainder by keys.
func (d *driver) anything(random *rand.Rand, key, keys int) {
	name := numberedKey(key)
	value := int64(random.IntN(1_000_000)*keys + key)
	belongs := func(name string, value int64, found bool) {
		d.s.must(!found || numberedKey(int(value%int64(keys))) == name, "%q has the value %d, which belongs to %q", name, value, numberedKey(int(value%int64(keys))))
	}
	switch op := random.IntN(1000); {
	case op < 400:
		got, ok := d.Get(name)
		belongs(name, got, ok)
	case op < 600:
		d.Set(name, value)
	case op < 700:
		d.Delete(name)
	case op < 750 && d.Add != nil:
		d.Add(name, value)
	case op < 800 && d.Replace != nil:
		d.Replace(name, value)
	case op < 850 && d.Take != nil:
		got, ok := d.Take(name)
		belongs(name, got, ok)
	case op < 900 && d.Incr != nil:
		got, ok := d.Incr(name, int64(keys))
		belongs(name, got, ok)
	case op < 940 && d.CompareAndSwap != nil:
		d.CompareAndSwap(name, value, value)
	case op < 980 && d.GetOrLoad != nil:
		got, err := d.GetOrLoad(context.Background(), name, returning(value))
		belongs(name, got, err == nil)
	case op < 990 && d.Len != nil:
		d.Len()
	case op < 992 && d.All != nil:
		for name, value := range d.All() {
			belongs(name, value, true)
		}
	case op == 999 && d.Clear != nil && d.s.config.ClearAlone == "":
		d.Clear()
	}
}
