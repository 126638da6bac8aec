// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/locmem/locmem/internal/lock"
)

// loaderStatements are about what a loader may do, and what its callers may.
var loaderStatements = []cacheStatement{
	{"B1", "a key is usable after its loader has panicked", Granted, "GetOrLoad", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		s.note(`the panic that comes next is recovered by the caller, if it gets there`)
		s.within(func() {
			_, _ = c.load("a", "panics", func(context.Context) (int64, error) { panic("boom") })
		})
		c.loads("a", 1, 1)
		c.set("a", 2)
		c.want("a", 2)
	}},
	{"B2", "a key is usable after its loader has ended its goroutine", Granted, "GetOrLoad", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		s.within(func() {
			_, _ = c.load("a", "calls runtime.Goexit", func(context.Context) (int64, error) { runtime.Goexit(); return 1, nil })
		})
		c.loads("a", 2, 2)
		c.set("a", 3)
		c.want("a", 3)
	}},
	{"B3", "who waits for a load that panics does not wait for ever", Granted, "GetOrLoad", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		s.waiterOf(c, "panics", func() (int64, error) { panic("boom") })
	}},
	{"B4", "who waits for a load that panics is not hit by the panic", Promised, "GetOrLoad", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		p := s.waiterOf(c, "panics", func() (int64, error) { panic("boom") })
		s.must(p == nil, "a caller whose own loader was not called got the panic %v", p)
	}},
	{"B5", "who waits for a load that ends its goroutine does not wait for ever", Granted, "GetOrLoad", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		s.waiterOf(c, "calls runtime.Goexit", func() (int64, error) { runtime.Goexit(); return 1, nil })
	}},
	{"B6", "a waiter leaves with its own context", Granted, "GetOrLoad LoadContext", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		end := s.slowLoad(context.Background(), c, "a")
		defer close(end)
		ctx, cancel := context.WithCancel(context.Background())
		s.note(`GetOrLoad("a") of another goroutine; then its context is cancelled`)
		returned := make(chan error, 1)
		go func() {
			_, err := c.GetOrLoad(ctx, "a", func(ctx context.Context) (int64, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			})
			returned <- err
		}()
		s.lull()
		cancel()
		err := <-returned
		s.must(errors.Is(err, context.Canceled), "it returned the error %v", err)
	}},
	{"B7", "a caller that leaves fails nobody else", Promised, "GetOrLoad LoadContext", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		ctx, cancel := context.WithCancel(context.Background())
		end := s.slowLoad(ctx, c, "a")
		s.note(`GetOrLoad("a") of another goroutine; then the first one's context is cancelled, then the first loader goes on`)
		returned := make(chan error, 1)
		go func() {
			_, err := c.GetOrLoad(context.Background(), "a", returning(2))
			returned <- err
		}()
		s.lull()
		cancel()
		s.lull()
		close(end)
		err := <-returned
		s.must(err == nil, "the other one got the error %v", err)
	}},
	{"B8", "a loader may load other keys", Granted, "GetOrLoad", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		for i := range 500 {
			outer, inner := fmt.Sprintf("outer %d", i), fmt.Sprintf("inner %d", i)
			s.oneOf("GetOrLoad(%q) with a loader that calls GetOrLoad(%q)", outer, inner)
			value, err := c.GetOrLoad(context.Background(), outer, func(ctx context.Context) (int64, error) {
				return c.GetOrLoad(ctx, inner, returning(7))
			})
			s.must(err == nil && value == 7, "it returned %d, %v, not 7", value, err)
		}
	}},
	{"B9", "a loader that loads its own key is told, not left waiting", Promised, "GetOrLoad", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		s.note(`GetOrLoad("a") with a loader that calls GetOrLoad("a") on the context it got`)
		p := s.within(func() {
			_, err := c.GetOrLoad(context.Background(), "a", func(ctx context.Context) (int64, error) {
				return c.GetOrLoad(ctx, "a", returning(1))
			})
			s.must(err != nil, "it returned no error")
		})
		s.passOn(p)
	}},
	{"B10", "a loader may write and delete other keys", Granted, "GetOrLoad", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		for i := range 500 {
			outer, inner := fmt.Sprintf("outer %d", i), fmt.Sprintf("inner %d", i)
			s.oneOf("GetOrLoad(%q) with a loader that calls Set(%q), Get of it and Delete", outer, inner)
			_, err := c.GetOrLoad(context.Background(), outer, func(context.Context) (int64, error) {
				c.Set(inner, 1)
				c.Get(inner)
				c.Delete(inner)
				return 7, nil
			})
			s.must(err == nil, "it returned the error %v", err)
		}
	}},
	{"B11", "other keys can be read during a load", Granted, "GetOrLoad", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		end := s.slowLoad(context.Background(), c, "a")
		defer close(end)
		for i := range 500 {
			s.oneOf("Get(%q) of another goroutine", numberedKey(i))
			c.Get(numberedKey(i))
		}
	}},
	{"B12", "a set during a load stays", Promised, "GetOrLoad", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		s.during(c, `Set("a", 2)`, func() { c.Set("a", 2) })
		c.want("a", 2)
	}},
	{"B13", "what is deleted during a load does not come back by it", Promised, "GetOrLoad", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		s.during(c, `Delete("a")`, func() { c.Delete("a") })
		c.isNot("a", 1)
	}},
	{"B14", "what is cleared during a load does not come back by it", Promised, "GetOrLoad Clear", true, func(s *cacheRun) {
		c := s.cache(CacheOptions{})
		s.during(c, "Clear()", c.Clear)
		c.isNot("a", 1)
	}},
	{"T1", "no two loads of a key run at once", Promised, "GetOrLoad", true, func(s *cacheRun) {
		s.crowdedLoads(func(_, most int64) { s.must(most == 1, "%d loads of one key ran at once", most) })
	}},
	{"T12", "of many callers who miss together one loads", Promised, "GetOrLoad", true, func(s *cacheRun) {
		s.crowdedLoads(func(loads, _ int64) { s.must(loads == 1, "there were %d loads of one key", loads) })
	}},
}

// slowLoad begins a load on another goroutine, whose loader waits until the channel
// is closed that is returned. It returns when the loader runs.
func (s *cacheRun) slowLoad(ctx context.Context, c *driver, key string) (end chan struct{}) {
	s.note("GetOrLoad(%q) with a loader that takes its time", key)
	end = make(chan struct{})
	begun := make(chan struct{})
	go func() {
		_, _ = c.GetOrLoad(ctx, key, func(ctx context.Context) (int64, error) {
			close(begun)
			<-end
			return 1, ctx.Err()
		})
	}()
	<-begun
	return end
}

// crowdedLoads has many goroutines load one key at once, for many keys one after the
// other, and tells of each how often it was loaded, and how many loads ran at once.
func (s *cacheRun) crowdedLoads(check func(loads, most int64)) {
	c := s.cache(CacheOptions{})
	s.note("GetOrLoad by 16 goroutines at once, of each of %d keys", scaled(200))
	for i := range scaled(200) {
		var loads, running, most lock.Int64
		s.together(16, func(int) {
			_, _ = c.GetOrLoad(context.Background(), numberedKey(i), func(context.Context) (int64, error) {
				loads.Add(1)
				if running.Add(1) > 1 {
					most.Store(2)
				}
				runtime.Gosched()
				running.Add(-1)
				return 1, nil
			})
		})
		check(loads.Load(), max(1, most.Load()))
		s.calls.step()
	}
}

// waiterOf waits for a load that ends badly, in another goroutine than that which
// began it, and returns what the waiter panicked with.
func (s *cacheRun) waiterOf(c *driver, how string, load func() (int64, error)) (panicked any) {
	begun, end := make(chan struct{}), make(chan struct{})
	s.note(`GetOrLoad("a"); while its loader runs, GetOrLoad("a") of another goroutine; then the loader %s`, how)
	first := make(chan struct{})
	go func() {
		defer close(first)
		defer func() { _ = recover() }()
		_, _ = c.GetOrLoad(context.Background(), "a", func(context.Context) (int64, error) {
			close(begun)
			<-end
			return load()
		})
	}()
	<-begun
	second := make(chan any, 1)
	go func() {
		second <- s.within(func() { _, _ = c.GetOrLoad(context.Background(), "a", returning(2)) })
	}()
	s.lull()
	close(end)
	panicked = <-second
	<-first
	return panicked
}

// during makes a call while a load of "a" runs, which returns 1, and then ends the load.
// If the cache then loads again, that load returns 2.
func (s *cacheRun) during(c *driver, what string, call func()) {
	begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s.note(`GetOrLoad("a") with a loader that returns 1; while it runs, %s of another goroutine`, what)
	var loads lock.Int64
	go func() {
		defer close(ended)
		_, _ = c.GetOrLoad(context.Background(), "a", func(context.Context) (int64, error) {
			if loads.Add(1) > 1 {
				return 2, nil
			}
			close(begun)
			<-end
			return 1, nil
		})
	}()
	<-begun
	call()
	close(end)
	<-ended
	c.wrote()
}

// isNot tells that a value may not be held for the key.
func (d *driver) isNot(key string, value int64) {
	d.s.note("Get(%q), which should not find %d", key, value)
	got, ok := d.Get(key)
	d.s.must(!ok || got != value, "Get(%q) finds %d", key, value)
}

// passOn panics with what another goroutine has panicked with.
func (s *cacheRun) passOn(p any) {
	if p != nil {
		panic(p)
	}
}
