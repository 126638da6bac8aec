// SPDX-License-Identifier: MIT

package cachetest

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/locmem/locmem/internal/lock"
)

// listenerStatements are about functions that the cache calls when an entry goes, and
// about the bodies of iterations.
var listenerStatements = []cacheStatement{
	{"B20", "what is evicted is told to the listener", Granted, "Notices Sure Bounded", true, func(s *cacheRun) {
		got := new(notices)
		c := s.cache(CacheOptions{Capacity: 10, OnRemove: got.add})
		s.note("Set of 1000 keys; then what is not found should have been told")
		setNumbered(s, c, 1000)
		c.settle()
		gone := 0
		for i := range 1000 {
			if _, ok := c.Get(numberedKey(i)); !ok {
				gone++
			}
		}
		s.await(c, gone, got.len)
		for _, n := range got.all() {
			s.must(n.key == numberedKey(int(n.value)), "the listener was told of %q with the value %d", n.key, n.value)
		}
	}},
	{"B21", "no entry is told twice", Granted, "Notices Sure", true, func(s *cacheRun) {
		got := new(notices)
		c := s.cache(CacheOptions{Capacity: 10, OnRemove: got.add})
		s.note("Set and Delete of 1000 keys by 4 goroutines, each value once")
		s.together(4, func(user int) {
			for i := range 1000 {
				c.Set(numberedKey(i), int64(1000*user+i))
				if i%3 == 0 {
					c.Delete(numberedKey(i - 1))
				}
				if i%256 == 0 {
					s.calls.step()
				}
			}
		})
		c.settle()
		s.lull()
		told := map[int64]notice{}
		for _, n := range got.all() {
			old, again := told[n.value]
			s.must(!again, "the listener was told %v and %v, of a value that was set once", old, n)
			s.must(n.key == numberedKey(int(n.value%1000)), "the listener was told %v, which nobody has set", n)
			told[n.value] = n
		}
	}},
	{"B22", "the causes are told", Promised, "Notices Sure", true, func(s *cacheRun) {
		got := new(notices)
		c := s.cache(CacheOptions{OnRemove: got.add})
		c.set("a", 1)
		c.set("a", 2)
		c.delete("a")
		c.settle()
		s.await(c, 2, got.len)
		all := got.all()
		s.must(slices.Contains(all, notice{"a", 1, Replaced}) && slices.Contains(all, notice{"a", 2, Removed}),
			"the listener was told %v, not that 1 was replaced and 2 removed", all)
	}},
	{"B23", "a listener may read", Granted, "Notices Sure Bounded", true, func(s *cacheRun) {
		var c *driver
		c = s.cache(CacheOptions{Capacity: 10, OnRemove: func(key string, _ int64, _ Cause) {
			c.Get(key)
			c.Get("k0")
		}})
		s.note("Set of 5000 keys, with a listener that calls Get")
		setNumbered(s, c, 5000)
		c.settle()
	}},
	{"B24", "a listener may write", Granted, "Notices Sure Bounded", true, func(s *cacheRun) {
		var c *driver
		c = s.cache(CacheOptions{Capacity: 10, OnRemove: func(key string, _ int64, _ Cause) {
			if key != "other" { // not for ever
				c.Set("other", 1)
				c.Delete("other")
			}
		}})
		s.note("Set of 1000 keys, with a listener that calls Set and Delete of another key")
		setNumbered(s, c, 1000)
		c.settle()
	}},
	{"B25", "a listener may write at each eviction, for ever", Promised, "Notices Sure Bounded", true, func(s *cacheRun) {
		const frames = 500
		events := int64(scaled(100_000))
		var c *driver
		var told, deepest lock.Int64
		c = s.cache(CacheOptions{Capacity: 1, OnRemove: func(string, int64, Cause) {
			n := told.Add(1)
			if n%256 == 0 {
				s.calls.step()
				deepest.Store(max(deepest.Load(), int64(runtime.Callers(0, make([]uintptr, frames)))))
			}
			if n < events {
				c.Set(fmt.Sprintf("other %d", n), n)
			}
		}})
		s.note(`Set("a", 1), Set("b", 2), with a listener that sets one key more, %d times`, events)
		c.Set("a", 1)
		c.Set("b", 2)
		s.await(c, int(events), func() int { return int(told.Load()) })
		s.must(deepest.Load() < frames, "the stack has grown to %d frames", deepest.Load())
	}},
	{"B26", "the cache works after the panic of a listener has reached the caller", Granted, "Notices Sure Bounded", true, func(s *cacheRun) {
		reached := s.panics(func(c *driver) {
			s.note(`Set("after", 1), Get("after"), Delete("after")`)
			c.Set("after", 1)
			c.Get("after")
			c.Delete("after")
		})
		if !reached {
			s.skip("the panic does not reach the caller")
		}
	}},
	{"B27", "the panic of a listener is contained", Promised, "Notices Sure Bounded", true, func(s *cacheRun) {
		s.must(!s.panics(nil), "it reached the caller of Set")
	}},
	{"B30", "the body of an iteration may call the cache", Granted, "All", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		setNumbered(s, c, 10)
		s.note("an iteration over 10 entries, whose body calls Get, Set and Delete")
		for key, value := range c.All() {
			c.Get(key)
			c.Set(key, value+1)
			c.Delete(key)
		}
	}},
	{"B31", "an iteration may end early, also by a panic", Granted, "All", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		setNumbered(s, c, 10)
		s.note("an iteration that is left by break")
		for range c.All() {
			break
		}
		s.note("an iteration that is left by a panic")
		s.within(func() {
			for range c.All() {
				panic("boom")
			}
		})
		s.note("an iteration that is left by runtime.Goexit")
		s.within(func() {
			for range c.All() {
				runtime.Goexit()
			}
		})
		for i := range 10 {
			s.oneOf("Set(%q, 7)", numberedKey(i))
			c.Set(numberedKey(i), 7)
			c.wrote()
		}
		c.want("k9", 7)
	}},
}

// panics fills a cache whose listener panics for evictions, and then makes calls, if
// after is not nil. It reports whether the panic has reached a caller of Set.
func (s *cacheRun) panics(after func(c *driver)) (reached bool) {
	var calm lock.Bool
	c := s.cache(CacheOptions{Capacity: 10, OnRemove: func(string, int64, Cause) {
		if !calm.Load() {
			panic("boom")
		}
	}})
	s.note("Set of 1000 keys, with a listener that panics; the callers recover")
	if after != nil {
		s.crashesMean("its listener has a goroutine of its own, where a panic ends the process, as the language says")
	}
	for i := range 1000 {
		s.oneOf("Set(%q, %d)", numberedKey(i), i)
		if s.within(func() { c.Set(numberedKey(i), int64(i)) }) != nil {
			reached = true
		}
	}
	if s.within(c.settle) != nil {
		reached = true
	}
	calm.Store(true)
	if after != nil {
		after(c)
	}
	return reached
}

// notice is one call of a listener.
type notice struct {
	key   string
	value int64
	cause Cause
}

func (n notice) String() string { return fmt.Sprintf("%q %d %v", n.key, n.value, n.cause) }

// notices are those that a listener got.
type notices struct {
	mu   lock.Mutex // protects list
	list []notice
}

func (n *notices) add(key string, value int64, cause Cause) {
	n.mu.Lock()
	n.list = append(n.list, notice{key, value, cause})
	n.mu.Unlock()
}

func (n *notices) len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.list)
}

func (n *notices) all() []notice {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.list)
}
