// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"errors"
)

// callStatements are about single calls, made by one goroutine, in a cache with room.
var callStatements = []cacheStatement{
	{"C1", "what was set is found", Granted, "", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		c.set("a", 1)
		c.want("a", 1)
		c.want("a", 1)
	}},
	{"C2", "of two sets the last one counts", Granted, "", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		c.set("b", 1)
		c.set("b", 2)
		c.want("b", 2)
	}},
	{"C3", "what was deleted is not found, and nothing else is gone", Granted, "", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		c.set("c", 1)
		c.set("c2", 2)
		c.delete("c")
		c.miss("c")
		c.want("c2", 2)
		c.delete("never")
		c.want("c2", 2)
	}},
	{"C4", "zero keys and values are like others", Granted, "", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		c.miss("")
		c.set("", 0)
		c.want("", 0)
		c.delete("")
		c.miss("")
	}},
	{"C5", "add stores only where nothing is", Granted, "Add", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		answer(c, `Add("add", 1)`, func() bool { return c.Add("add", 1) }, true)
		answer(c, `Add("add", 2)`, func() bool { return c.Add("add", 2) }, false)
		c.want("add", 1)
		c.delete("add")
		answer(c, `Add("add", 3)`, func() bool { return c.Add("add", 3) }, true)
		c.want("add", 3)
	}},
	{"C6", "replace stores only where something is", Granted, "Replace", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		answer(c, `Replace("r", 1)`, func() bool { return c.Replace("r", 1) }, false)
		c.miss("r")
		c.set("r", 2)
		answer(c, `Replace("r", 3)`, func() bool { return c.Replace("r", 3) }, true)
		c.want("r", 3)
	}},
	{"C7", "take returns what it removes", Granted, "Take", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		c.set("t", 1)
		answer(c, `Take("t")`, taking(c, "t"), found{1, true})
		c.miss("t")
		answer(c, `Take("t")`, func() bool { _, ok := c.Take("t"); return ok }, false)
	}},
	{"C8", "incr adds to what is held, and to nothing else", Granted, "Incr", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		answer(c, `Incr("n", 1)`, func() bool { _, ok := c.Incr("n", 1); return ok }, false)
		c.miss("n")
		c.set("n", 40)
		answer(c, `Incr("n", 2)`, func() found { sum, ok := c.Incr("n", 2); return found{sum, ok} }, found{42, true})
		c.want("n", 42)
		answer(c, `Incr("n", -50)`, func() found { sum, ok := c.Incr("n", -50); return found{sum, ok} }, found{-8, true})
		c.want("n", -8)
	}},
	{"C9", "a swap needs the old value", Granted, "CompareAndSwap", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		answer(c, `CompareAndSwap("s", 0, 1)`, func() bool { return c.CompareAndSwap("s", 0, 1) }, false)
		c.miss("s")
		c.set("s", 1)
		answer(c, `CompareAndSwap("s", 2, 3)`, func() bool { return c.CompareAndSwap("s", 2, 3) }, false)
		c.want("s", 1)
		answer(c, `CompareAndSwap("s", 1, 4)`, func() bool { return c.CompareAndSwap("s", 1, 4) }, true)
		c.want("s", 4)
	}},
	{"C10", "a load stores, and is not made where something is", Granted, "GetOrLoad", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		c.loads("l", 1, 1)
		c.loads("l", 2, 1)
		c.want("l", 1)
		c.set("l2", 3)
		c.loads("l2", 4, 3)
	}},
	{"C11", "a load that fails returns its error and stores nothing", Granted, "GetOrLoad", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		_, err := c.load("f", "fails", func(context.Context) (int64, error) { return 1, errOfLoader })
		s.must(errors.Is(err, errOfLoader), "GetOrLoad returned the error %v, not that of its loader", err)
		c.miss("f")
		c.loads("f", 2, 2)
	}},
	{"C20", "clear leaves nothing, and the cache works after it", Granted, "Clear", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		c.set("x", 1)
		c.set("y", 2)
		s.note("Clear()")
		c.Clear()
		c.wrote()
		c.miss("x")
		c.miss("y")
		c.set("x", 3)
		c.want("x", 3)
	}},
	{"C21", "len counts what is held", Granted, "Len", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		length := func(want int) {
			c.settle()
			answer(c, "Len()", c.Len, want)
		}
		length(0)
		c.set("p", 1)
		c.set("q", 1)
		c.set("q", 2)
		length(2)
		c.delete("p")
		c.delete("p")
		length(1)
	}},
	{"C22", "an iteration yields what is held, once", Granted, "All", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		c.set("i", 1)
		c.set("j", 2)
		c.set("k", 3)
		c.set("j", 4)
		c.delete("k")
		c.settle()
		s.note("an iteration")
		seen := map[string]int64{}
		for key, value := range c.All() {
			_, again := seen[key]
			s.must(!again, "it yields %q twice", key)
			seen[key] = value
		}
		s.must(len(seen) == 2 && seen["i"] == 1 && seen["j"] == 4, `it yields %v, not "i" with 1 and "j" with 4`, seen)
	}},
	{"C23", "close may be called twice, and no call hangs or panics after it", Promised, "Close", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		c.set("a", 1)
		s.note("Close()")
		c.Close()
		s.note("Close()")
		c.Close()
		s.note(`Set("a", 2), Get("a"), Delete("a")`)
		c.Set("a", 2)
		c.Get("a")
		c.Delete("a")
		if c.GetOrLoad != nil {
			_, _ = c.load("a", "returns 1", returning(1)) // with an error or without
		}
		if c.Settle != nil {
			s.note("the wait for effects")
			c.Settle()
		}
	}},
}

// found is what a call found that returns a value and whether there is one.
type found struct {
	value int64
	ok    bool
}

func taking(c *driver, key string) func() found {
	return func() found {
		value, ok := c.Take(key)
		return found{value, ok}
	}
}
