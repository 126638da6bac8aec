// SPDX-License-Identifier: MIT

package cachetest

import "time"

// lifetimeStatements are about entries that expire.
var lifetimeStatements = []cacheStatement{
	{"C12", "no entry expires early", Granted, "", false, func(s *cacheRun) {
		ttl := 2 * s.unit
		c, set := s.mortal(ttl)
		began := time.Now()
		set("a", 1)
		s.advance(c, ttl-s.config.Granularity-s.unit/2)
		s.note(`Get("a"), which should find 1`)
		_, ok := c.Get("a")
		if c.Advance == nil && time.Since(began) > ttl-s.config.Granularity-s.unit/20 {
			s.skip("the machine was too slow to ask in time")
		}
		s.must(ok, `Get("a") finds nothing before its time`)
	}},
	{"C13", "what has expired is not found", Granted, "", false, func(s *cacheRun) {
		c, set := s.mortal(s.unit)
		set("a", 1)
		s.outlive(c, s.unit)
		c.miss("a")
	}},
	{"C14", "a set without a lifetime ends that of the old value", Granted, "TTL", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		c.setTTL("b", 1, s.unit)
		c.set("b", 2)
		s.outlive(c, s.unit)
		c.want("b", 2)
	}},
	{"C15", "what is set over an expired entry is found", Granted, "", false, func(s *cacheRun) {
		c, set := s.mortal(s.unit)
		set("c", 1)
		s.outlive(c, s.unit)
		set("c", 2)
		c.want("c", 2)
	}},
	{"C16", "a longer lifetime takes the place of a shorter one", Granted, "TTL", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		c.setTTL("d", 1, s.unit)
		c.setTTL("d", 2, 100*s.unit)
		s.outlive(c, s.unit)
		c.want("d", 2)
	}},
	{"C17", "a shorter lifetime takes the place of a longer one", Granted, "TTL", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		c.setTTL("e", 1, 100*s.unit)
		c.setTTL("e", 2, s.unit)
		s.outlive(c, s.unit)
		c.miss("e")
	}},
	{"C18", "a lifetime of 0 or less does as is documented", Promised, "TTL", false, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		for i, ttl := range []time.Duration{0, -time.Second} {
			key := []string{"zero", "less"}[i]
			c.set(key, 1)
			s.note("Set(%q, 2) for %v", key, ttl)
			c.SetTTL(key, 2, ttl)
			c.wrote()
			if s.config.ZeroTTL {
				s.advance(c, s.unit)
				c.want(key, 2)
			} else {
				c.miss(key)
			}
		}
	}},
	{"C19", "add stores over an expired entry", Granted, "Add", false, func(s *cacheRun) {
		c, set := s.mortal(s.unit)
		set("f", 1)
		s.outlive(c, s.unit)
		answer(c, `Add("f", 2)`, func() bool { return c.Add("f", 2) }, true)
		c.want("f", 2)
	}},
	{"C24", "an iteration yields nothing that has expired", Granted, "All", false, func(s *cacheRun) {
		c, set := s.mortal(s.unit)
		set("g", 1)
		s.outlive(c, s.unit)
		s.note("an iteration")
		for key := range c.All() {
			s.wrong("it yields %q, which has expired", key)
		}
	}},
	{"C25", "a load is made for an expired entry", Granted, "GetOrLoad", false, func(s *cacheRun) {
		c, set := s.mortal(s.unit)
		set("h", 1)
		s.outlive(c, s.unit)
		c.loads("h", 2, 2)
	}},
	{"C26", "what has expired is told to the listener", Promised, "Notices", false, func(s *cacheRun) {
		got := new(notices)
		c, set := s.mortalWith(CacheOptions{OnRemove: got.add}, s.unit)
		set("i", 1)
		s.outlive(c, s.unit)
		c.miss("i")
		c.settle()
		s.await(c, 1, got.len)
		n := got.all()[0]
		s.must(n == notice{"i", 1, Expired} || n == notice{"i", 1, Unknown}, `the listener was told %v, not that of "i" 1 has expired`, n)
	}},
}

// mortal returns a cache and a function that stores what is to live for so long.
func (s *cacheRun) mortal(ttl time.Duration) (c *driver, set func(key string, value int64)) {
	return s.mortalWith(CacheOptions{}, ttl)
}

func (s *cacheRun) mortalWith(o CacheOptions, ttl time.Duration) (c *driver, set func(key string, value int64)) {
	switch {
	case s.probe.SetTTL != nil:
		c = s.cache(o)
		return c, func(key string, value int64) { c.setTTL(key, value, ttl) }
	case s.config.CacheTTL:
		o.TTL = ttl
		c = s.cache(o)
		return c, c.set
	}
	s.skip("it has no lifetimes")
	return nil, nil
}

// await waits until n notices have come, as long as within the watchdog's time, in rounds
// as in run, another one comes.
func (s *cacheRun) await(c *driver, n int, told func() int) {
	last, quiet := 0, 0
	for now := told(); now < n; now = told() {
		if now > last {
			last, quiet = now, 0
		}
		s.must(quiet < int(watchdog/time.Millisecond), "of %d notices only %d come", n, now)
		if c.Advance != nil {
			c.Advance(0)
		}
		<-time.After(time.Millisecond)
		quiet++
		s.calls.step()
	}
}
