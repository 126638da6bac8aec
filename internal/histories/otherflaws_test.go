// SPDX-License-Identifier: MIT

package histories

import (
	"context"
	"math/rand/v2"

	"github.com/locmem/locmem"
)

// otherFlaws are faults of loads, lifetimes, tags and notices.
var otherFlaws = []struct {
	name        string
	around      func(*Options) func(Engine) Cache
	found, lost int // in how many of 400 histories it must show, by answers and by the account of values
}{
	{"none", nil, 0, 0},
	{"a load stores over a newer write", wrap(func(e Engine) Cache { return overwritingLoad{e} }), 80, 0},
	{"Touch does not renew", wrap(func(e Engine) Cache { return idleTouch{e} }), 30, 0},
	{"a lifetime is one too long", wrap(func(e Engine) Cache { return longLife{e} }), 15, 0},
	{"CompareAndSwap reads first, then writes", wrap(func(e Engine) Cache { return unlockedSwap{e} }), 15, 0},
	{"InvalidateTags does nothing, 1 in 4", wrap(func(e Engine) Cache { return deafToTags{e} }), 40, 0},
	{"Clear leaves one entry", wrap(func(e Engine) Cache { return partialClear{e} }), 15, 0},
	{"a notice is lost, 1 in 20", lostNotice, 40, 250},
	{"a notice comes twice, 1 in 20", doubleNotice, 40, 250},
	{"a notice has the key of another", wrongNotice, 150, 250},
}

// wrap puts something around the engine that needs nothing of its options.
func wrap(around func(Engine) Cache) func(*Options) func(Engine) Cache {
	return func(*Options) func(Engine) Cache { return around }
}

type overwritingLoad struct{ Engine }

func (c overwritingLoad) GetOrSet(ctx context.Context, key int, load func(context.Context, int) (int64, error), opts ...locmem.EntryOption) (int64, error) {
	if value, ok := c.Get(key); ok {
		return value, nil
	}
	value, err := load(ctx, key)
	pause(6)
	if err == nil {
		c.Set(key, value, opts...)
	}
	return value, err
}

type idleTouch struct{ Engine }

func (c idleTouch) Touch(key int, _ ...locmem.EntryOption) bool { return c.Has(key) }

// longLife lets what Set stores live for longer than it was told.
type longLife struct{ Engine }

func (c longLife) Set(key int, value int64, opts ...locmem.EntryOption) bool {
	ok := c.Engine.Set(key, value, opts...)
	if e, held := c.Peek(key); held && !e.Deadline.IsZero() {
		c.Touch(key, locmem.ExpireAt(e.Deadline.Add(1)))
	}
	return ok
}

type unlockedSwap struct{ Engine }

func (c unlockedSwap) CompareAndSwap(key int, old, next int64, opts ...locmem.EntryOption) bool {
	e, ok := c.Peek(key)
	pause(6)
	return ok && e.Value == old && c.Set(key, next, opts...)
}

type deafToTags struct{ Engine }

func (c deafToTags) InvalidateTags(tags ...string) {
	if rand.IntN(4) > 0 {
		c.Engine.InvalidateTags(tags...)
	}
}

type partialClear struct{ Engine }

func (c partialClear) Clear() {
	for key := range c.All() {
		if key != 0 {
			c.Delete(key)
		}
	}
}

func lostNotice(opts *Options) func(Engine) Cache {
	opts.OnRemove = beside(opts.OnRemove, func(locmem.Removal[int, int64]) bool { return rand.IntN(20) > 0 })
	return func(e Engine) Cache { return e }
}

func doubleNotice(opts *Options) func(Engine) Cache {
	listener := opts.OnRemove
	opts.OnRemove = beside(listener, func(r locmem.Removal[int, int64]) bool {
		if rand.IntN(20) == 0 {
			listener(r)
		}
		return true
	})
	return func(e Engine) Cache { return e }
}

func wrongNotice(opts *Options) func(Engine) Cache {
	listener := opts.OnRemove
	opts.OnRemove = func(r locmem.Removal[int, int64]) {
		if rand.IntN(20) == 0 {
			r.Key = (r.Key + 1) % standard.Keys
		}
		listener(r)
	}
	return func(e Engine) Cache { return e }
}
