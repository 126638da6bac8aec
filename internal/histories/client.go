// SPDX-License-Identifier: MIT

package histories

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/internal/lin"
)

// client makes calls and writes down what was answered.
type client struct {
	h      *History
	id     int
	rnd    *rand.Rand
	events []event
	writes int64   // values that it has made
	seen   []int64 // by key: the last value that it knows of

	// The call at work.
	began int64                // by stamp
	time  time.Time            // on the history's clock, then
	opts  []locmem.EntryOption // of its write
	ttl   int64                // which these options mean, as in lin.Op
	until int64                // the same
	name  string               // of its method
	many  map[int]int64
	keys  []int
}

// event is one operation on one key.
type event struct {
	key int
	op  lin.Op
	// A load's operation is not known before it is known whether the value that its
	// caller has loaded was stored; see History.resolve.
	load   bool
	loaded int64 // 0: the caller's loader did not run
	passed bool  // the deadline had passed when the call returned
}

const (
	// everyKey is the key of an operation that happens to all keys.
	everyKey = -1
	// notices is the client of the operations that notices tell of.
	notices = -1
)

func newClient(h *History, id int) *client {
	return &client{h: h, id: id, many: make(map[int]int64)}
}

func (c *client) begin(source rand.Source) {
	c.rnd = rand.New(source)
	c.events = c.events[:0]
	c.writes = 0
	c.seen = append(c.seen[:0], make([]int64, c.h.Keys)...)
}

// block is how far apart the values are that clients write: increments stay below
// the next one.
const block = 1 << 12

// value makes a value that was never written.
func (c *client) value() int64 {
	c.writes++
	return (int64(c.id)<<20 + c.writes) * block
}

// light makes a value that is not too heavy.
func (c *client) light() int64 {
	for {
		if v := c.value(); !c.h.heavy(v) {
			return v
		}
	}
}

// weight returns the weight of a value, 1 to 4 as a rule.
func weight(value int64) int64 {
	n := value / block
	if n%16 == 15 {
		return 1 << 20
	}
	return 1 + n%4
}

func (s *Setting) heavy(value int64) bool { return s.Weight > 0 && weight(value) > s.Weight }

// kinds of calls and how often they are made. The last ones depend on the setting.
var kinds = []struct {
	share int
	call  func(c *client, key int)
	when  func(s *Setting) bool
}{
	{26, (*client).get, nil},
	{14, (*client).set, nil},
	{11, (*client).add, nil},
	{3, (*client).replace, nil},
	{7, (*client).del, nil},
	{3, (*client).take, nil},
	{16, (*client).incr, nil},
	{3, (*client).compute, nil},
	{3, (*client).swap, nil},
	{2, (*client).getMany, nil},
	{1, (*client).setMany, nil},
	{1, (*client).deleteMany, nil},
	{1, (*client).clear, func(s *Setting) bool { return s.Loads || s.Times || s.Tags }},
	{2, (*client).evict, func(s *Setting) bool { return s.Loads && s.Model != Strict }},
	{8, (*client).getOrSet, func(s *Setting) bool { return s.Loads }},
	{3, (*client).getOrSetMany, func(s *Setting) bool { return s.Loads }},
	{6, (*client).touch, func(s *Setting) bool { return s.Times }},
	{8, (*client).advance, func(s *Setting) bool { return s.Times }},
	{4, (*client).invalidate, func(s *Setting) bool { return s.Tags }},
}

// call makes one call.
func (c *client) call() {
	total := 0
	for _, k := range kinds {
		if k.when == nil || k.when(&c.h.Setting) {
			total += k.share
		}
	}
	n := c.rnd.IntN(total)
	for _, k := range kinds {
		if k.when == nil || k.when(&c.h.Setting) {
			if n -= k.share; n < 0 {
				k.call(c, c.rnd.IntN(c.h.Keys))
				break
			}
		}
	}
	if c.rnd.IntN(10) == 0 { // more often it would keep clients from meeting
		c.bound()
	}
}

// bound checks that no more is held than may be.
func (c *client) bound() {
	if n := c.h.engine.Len(); c.h.Entries > 0 && n > c.h.Entries {
		c.h.fail(fmt.Errorf("%d entries are held, at most %d may be", n, c.h.Entries))
	}
	if n := c.h.engine.Weight(); c.h.Weight > 0 && n > c.h.Weight {
		c.h.fail(fmt.Errorf("weight %d is held, at most %d may be", n, c.h.Weight))
	}
}

// options chooses those of a write of the key, or of others with the same tag.
func (c *client) options(key int) []locmem.EntryOption {
	c.opts, c.ttl, c.until = c.opts[:0], lin.Forever, 0
	if c.h.Times {
		c.time = c.h.clock.Now()
		if c.rnd.IntN(2) == 0 {
			ttl := time.Duration(1 + c.rnd.IntN(12))
			c.opts, c.ttl = append(c.opts, locmem.TTL(ttl)), int64(ttl)
		}
	}
	if c.h.Tags {
		c.opts = append(c.opts, locmem.Tags(tagOf(key)))
	}
	return c.opts
}

// moreOptions chooses those of a write whose answer does not tell whether the deadline
// had passed already.
func (c *client) moreOptions(key int) []locmem.EntryOption {
	c.options(key)
	if c.h.Times && c.ttl == lin.Forever && c.rnd.IntN(2) == 0 {
		at := c.time.Add(time.Duration(1 + c.rnd.IntN(12)))
		c.opts, c.until = append(c.opts, locmem.ExpireAt(at)), at.UnixNano()
	}
	return c.opts
}

// tagOf returns the tag that all entries of a key carry.
func tagOf(key int) string { return [...]string{"even", "odd"}[key%2] }

// start begins a call.
func (c *client) start(name string) {
	c.name = name
	c.began = c.h.stamp()
}

// ended notes the operation of a call that has returned.
func (c *client) ended(key int, op lin.Op) { c.note(key, c.h.stamp(), op) }

func (c *client) note(key int, at int64, op lin.Op) {
	op.Client, op.Call, op.Return, op.Name = c.id, c.began, at, c.name
	if op.TTL > 0 {
		op.Lag = int64(c.h.clock.Now().Sub(c.time))
	}
	if key != everyKey {
		if op.Then == lin.Left {
			c.seen[key] = op.New
		} else if op.Need == lin.Held {
			c.seen[key] = op.Old
		}
	}
	passed := op.Until != 0 && op.Until <= c.h.clock.Now().UnixNano()
	c.events = append(c.events, event{key: key, op: op, passed: passed})
}

// found says what an operation has found.
func found(value int64, ok bool) lin.Op {
	if !ok {
		return lin.Op{Need: lin.Absent}
	}
	return lin.Op{Need: lin.Held, Old: value}
}

// left says that an operation has left a value.
func (c *client) left(op lin.Op, value int64) lin.Op {
	op.Then, op.New, op.TTL, op.Until = lin.Left, value, c.ttl, c.until
	return op
}

func gone(op lin.Op) lin.Op {
	op.Then = lin.Gone
	return op
}

func (c *client) get(key int) {
	c.start("Get")
	value, ok := c.h.cache.Get(key)
	c.ended(key, found(value, ok))
	c.h.lookups.Add(1)
}

func (c *client) set(key int) {
	v := c.value()
	opts := c.moreOptions(key)
	c.start("Set")
	ok := c.h.cache.Set(key, v, opts...)
	heavy := c.h.heavy(v)
	if ok == heavy && c.until == 0 { // one whose deadline has passed is gone and not too heavy
		c.h.fail(fmt.Errorf("wrong answer of Set of %d: %v", v, ok))
	}
	if heavy {
		c.ended(key, gone(lin.Op{}))
	} else {
		c.ended(key, c.left(lin.Op{}, v))
	}
}

func (c *client) add(key int) {
	c.storeIf(key, "Add", c.h.cache.Add, lin.Absent, lin.Present)
}

func (c *client) replace(key int) {
	c.storeIf(key, "Replace", c.h.cache.Replace, lin.Present, lin.Absent)
}

// storeIf is a call that stores a value if it finds what it needs.
func (c *client) storeIf(key int, name string, store func(int, int64, ...locmem.EntryOption) bool, needs, otherwise lin.Need) {
	v := c.light()
	opts := c.moreOptions(key)
	c.start(name)
	if store(key, v, opts...) {
		c.ended(key, c.left(lin.Op{Need: needs}, v))
	} else {
		c.ended(key, lin.Op{Need: otherwise})
	}
}

func (c *client) del(key int) {
	c.start("Delete")
	if c.h.cache.Delete(key) {
		c.ended(key, gone(lin.Op{Need: lin.Present}))
	} else {
		c.ended(key, lin.Op{Need: lin.Absent})
	}
}

func (c *client) take(key int) {
	c.start("Take")
	value, ok := c.h.cache.Take(key)
	c.ended(key, gone(found(value, ok)))
	c.h.lookups.Add(1)
}

func (c *client) incr(key int) {
	delta := 1 + c.rnd.Int64N(3)
	c.ttl, c.until = lin.Kept, 0
	c.start("Incr")
	sum, ok, err := c.h.cache.Incr(key, delta)
	if err != nil {
		c.h.fail(fmt.Errorf("Incr: %w", err))
	}
	op := found(sum-delta, ok)
	if ok {
		op = c.left(op, sum)
	}
	c.ended(key, op)
}

func (c *client) compute(key int) {
	v := c.value()
	what := []locmem.Op{locmem.Keep, locmem.Store, locmem.Store, locmem.Remove}[c.rnd.IntN(4)]
	opts := c.options(key)
	var op lin.Op
	c.start("Compute")
	value, ok := c.h.cache.Compute(key, func(old locmem.Entry[int64], held bool) (int64, locmem.Op) {
		op = found(old.Value, held)
		return v, what
	}, opts...)
	held := op.Need == lin.Held
	right := !ok
	switch {
	case what == locmem.Keep:
		right = ok == held && value == op.Old
	case what == locmem.Store && !c.h.heavy(v):
		right = ok && value == v
		op = c.left(op, v)
	default:
		op = gone(op)
	}
	if !right {
		c.h.fail(fmt.Errorf("wrong answer of Compute, %v of %d: %d, %v after %v", what, v, value, ok, op))
	}
	c.ended(key, op)
}

func (c *client) swap(key int) {
	v := c.light()
	old := c.seen[key]
	opts := c.options(key)
	c.start("CompareAndSwap")
	if c.h.cache.CompareAndSwap(key, old, v, opts...) {
		c.ended(key, c.left(lin.Op{Need: lin.Held, Old: old}, v))
	} else {
		c.ended(key, lin.Op{Need: lin.Other, Old: old})
	}
}

func (c *client) touch(key int) {
	opts := c.moreOptions(key)
	c.start("Touch")
	if c.h.cache.Touch(key, opts...) {
		c.ended(key, lin.Op{Need: lin.Present, Then: lin.Renewed, TTL: c.ttl, Until: c.until})
	} else {
		c.ended(key, lin.Op{Need: lin.Absent})
	}
}

func (c *client) advance(int) {
	d := time.Duration(1 + c.rnd.IntN(4))
	c.start("Advance")
	c.h.clock.Advance(d)
	c.ended(everyKey, lin.Op{Advance: int64(d)})
}

// some chooses up to three keys that carry the same tag.
func (c *client) some(key int) []int {
	c.keys = c.keys[:0]
	for ; key < c.h.Keys && len(c.keys) < 3; key += 2 {
		c.keys = append(c.keys, key)
	}
	return c.keys
}

func (c *client) getMany(key int) {
	keys := c.some(key)
	c.start("GetMany")
	values := c.h.cache.GetMany(keys)
	at := c.h.stamp()
	for _, key := range keys {
		value, ok := values[key]
		c.note(key, at, found(value, ok))
	}
	c.h.lookups.Add(uint64(len(keys)))
}

func (c *client) setMany(key int) {
	keys := c.some(key)
	clear(c.many)
	for _, key := range keys {
		c.many[key] = c.light()
	}
	opts := c.options(key)
	c.start("SetMany")
	if n := c.h.cache.SetMany(c.many, opts...); n != len(keys) {
		c.h.fail(fmt.Errorf("wrong answer of SetMany of %d: %d", len(keys), n))
	}
	at := c.h.stamp()
	for _, key := range keys {
		c.note(key, at, c.left(lin.Op{}, c.many[key]))
	}
}

func (c *client) deleteMany(key int) {
	keys := c.some(key)
	c.start("DeleteMany")
	c.h.cache.DeleteMany(keys)
	at := c.h.stamp()
	for _, key := range keys {
		c.note(key, at, gone(lin.Op{}))
	}
}

func (c *client) clear(int) {
	c.start("Clear")
	c.h.cache.Clear()
	c.ended(everyKey, gone(lin.Op{}))
}

func (c *client) invalidate(key int) {
	c.start("InvalidateTags")
	c.h.cache.InvalidateTags(tagOf(key))
	at := c.h.stamp()
	for key := key % 2; key < c.h.Keys; key += 2 {
		c.note(key, at, gone(lin.Op{}))
	}
}

var errLoad = errors.New("histories: the load failed")

func (c *client) getOrSet(key int) {
	v := c.value()
	fails := c.rnd.IntN(6) == 0
	opts := c.moreOptions(key)
	var loaded int64
	c.start("GetOrSet")
	value, err := c.h.cache.GetOrSet(context.Background(), key, func(context.Context, int) (int64, error) {
		if fails {
			return 0, errLoad
		}
		loaded = v
		return v, nil
	}, opts...)
	c.h.lookups.Add(1)
	switch {
	case errors.Is(err, errLoad): // one's own or another's
		c.ended(key, lin.Op{Need: lin.Absent})
	case err != nil:
		c.h.fail(fmt.Errorf("GetOrSet: %w", err))
	default:
		c.loaded(key, c.h.stamp(), value, loaded)
	}
}

// loaded notes that a load has brought a value, and what the caller's own loader had
// returned.
func (c *client) loaded(key int, at, value, own int64) {
	c.note(key, at, lin.Op{Need: lin.Held, Old: value, TTL: c.ttl, Until: c.until})
	e := &c.events[len(c.events)-1]
	e.load, e.loaded = true, own
}

func (c *client) getOrSetMany(key int) {
	keys := c.some(key)
	own := make(map[int]int64)
	v := c.value()
	c.writes += int64(len(keys)) // one for each
	fails := c.rnd.IntN(6) == 0
	opts := c.options(key)
	c.start("GetOrSetMany")
	values, err := c.h.cache.GetOrSetMany(context.Background(), keys, func(_ context.Context, asked []int) (map[int]int64, error) {
		if fails {
			return nil, errLoad
		}
		for _, key := range asked {
			own[key] = v + int64(slices.Index(keys, key))*block
		}
		return own, nil
	}, opts...)
	at := c.h.stamp()
	c.h.lookups.Add(uint64(len(keys)))
	if err != nil && !errors.Is(err, errLoad) || err == nil && len(values) != len(keys) {
		c.h.fail(fmt.Errorf("wrong answer of GetOrSetMany of %d: %d, %w", len(keys), len(values), err))
	}
	for _, key := range keys {
		if value, ok := values[key]; ok {
			c.loaded(key, at, value, own[key])
		} else {
			c.note(key, at, lin.Op{Need: lin.Absent})
		}
	}
}

// evict makes the engine evict, of which its notices tell.
func (c *client) evict(int) {
	c.h.cache.Evict(1 + c.rnd.IntN(2))
}
