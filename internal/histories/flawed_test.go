// SPDX-License-Identifier: MIT

package histories

import (
	"math/rand/v2"
	"sync"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/internal/lock"
)

// flaws are faults that caches have had, each put around the engine, which itself
// stays as it is.
var flaws = []struct {
	name   string
	around func(*Options) func(Engine) Cache
	least  [3]int // in how many of 400 histories it must show, by column; 0: it is none there
}{
	{"none", nil, [3]int{}},
	{"lost update in Incr", lostUpdate, [3]int{287, 240, 280}},
	{"evicted value comes back", comesBack, [3]int{0, 235, 260}},
	{"stale unlocked read", staleRead, [3]int{270, 215, 231}},
	{"Add overwrites a live entry", addOverwrites, [3]int{187, 0, 222}},
	{"Delete loses", deleteLoses, [3]int{260, 216, 246}},
	{"another key's value, 1 in 200 hits", anotherKeys, [3]int{16, 9, 13}},
	{"eviction without a notice, 1 in 20", unnoticed, [3]int{0, 0, 114}},
}

// pause lets others do something.
func pause(yields int) {
	for range yields {
		lock.Yield()
	}
}

// unlockedIncr reads and writes, and does not look whether somebody was faster.
type unlockedIncr struct{ Engine }

func lostUpdate(*Options) func(Engine) Cache {
	return func(e Engine) Cache { return unlockedIncr{e} }
}

func (c unlockedIncr) Incr(key int, delta int64) (int64, bool, error) {
	old, ok := c.Peek(key)
	pause(6)
	if !ok {
		return 0, false, nil
	}
	sum := old.Value + delta
	return sum, c.Replace(key, sum, locmem.KeepTTL()), nil
}

// secondChance keeps what was evicted, for the next miss of its key, and forgets to
// drop it when the key is written.
type secondChance struct {
	Engine
	*copies
}

func comesBack(opts *Options) func(Engine) Cache {
	c := &copies{values: make(map[int]int64)}
	opts.OnRemove = beside(opts.OnRemove, func(r locmem.Removal[int, int64]) bool {
		if r.Cause == locmem.Evicted {
			c.put(r.Key, r.Value)
		}
		return true
	})
	return func(e Engine) Cache { return secondChance{e, c} }
}

func (c secondChance) Get(key int) (int64, bool) {
	if value, ok := c.Engine.Get(key); ok {
		return value, ok
	}
	return c.take(key)
}

// readThrough answers from copies, which writers drop; but a reader makes its copy
// after it has read, with no lock held, and then it may be old.
type readThrough struct {
	Engine
	*copies
}

func staleRead(opts *Options) func(Engine) Cache {
	c := &copies{values: make(map[int]int64)}
	opts.OnRemove = beside(opts.OnRemove, func(r locmem.Removal[int, int64]) bool {
		c.take(r.Key)
		return true
	})
	return func(e Engine) Cache { return readThrough{e, c} }
}

func (c readThrough) Get(key int) (int64, bool) {
	if value, ok := c.get(key); ok {
		return value, ok
	}
	value, ok := c.Engine.Get(key)
	pause(16)
	if ok {
		c.put(key, value)
	}
	return value, ok
}

// checkedAdd looks first and then writes.
type checkedAdd struct{ Engine }

func addOverwrites(*Options) func(Engine) Cache {
	return func(e Engine) Cache { return checkedAdd{e} }
}

func (c checkedAdd) Add(key int, value int64, opts ...locmem.EntryOption) bool {
	free := !c.Has(key)
	pause(6)
	return free && c.Set(key, value, opts...)
}

// lazyDelete now and then says that it has removed an entry which it has left.
type lazyDelete struct{ Engine }

func deleteLoses(*Options) func(Engine) Cache {
	return func(e Engine) Cache { return lazyDelete{e} }
}

func (c lazyDelete) Delete(key int) bool {
	if rand.IntN(2) == 0 {
		return c.Has(key)
	}
	return c.Engine.Delete(key)
}

// mistaken now and then returns the value of another key.
type mistaken struct{ Engine }

func anotherKeys(*Options) func(Engine) Cache {
	return func(e Engine) Cache { return mistaken{e} }
}

func (c mistaken) Get(key int) (int64, bool) {
	value, ok := c.Engine.Get(key)
	if ok && rand.IntN(200) == 0 {
		for next := range 6 {
			if other, held := c.Peek(next); held && next != key {
				return other.Value, true
			}
		}
	}
	return value, ok
}

func unnoticed(opts *Options) func(Engine) Cache {
	opts.OnRemove = beside(opts.OnRemove, func(r locmem.Removal[int, int64]) bool {
		return r.Cause != locmem.Evicted || rand.IntN(20) > 0
	})
	return func(e Engine) Cache { return e }
}

// beside puts a function before a listener, which hears of what it lets through.
func beside(listener func(locmem.Removal[int, int64]), before func(locmem.Removal[int, int64]) bool) func(locmem.Removal[int, int64]) {
	return func(r locmem.Removal[int, int64]) {
		if before(r) {
			listener(r)
		}
	}
}

// copies are values that somebody has put aside.
type copies struct {
	mu     sync.Mutex
	values map[int]int64
}

func (c *copies) put(key int, value int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values[key] = value
}

func (c *copies) get(key int) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok := c.values[key]
	return value, ok
}

func (c *copies) take(key int) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok := c.values[key]
	delete(c.values, key)
	return value, ok
}
