// SPDX-License-Identifier: MIT

// Package histories records what a cache answers to clients who call it at random
// and at once, and checks the answers: that they are linearizable, key by key, and
// that of every value that was stored it is known what became of it.
//
// Random histories show little where clients seldom meet, so they are meant for
// the build tag yield, and each tells how much its operations overlap.
package histories

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/lin"
	"github.com/locmem/locmem/internal/lock"
)

// Setting is a kind of histories.
type Setting struct {
	Name    string
	Clients int
	Calls   int // by each client
	Keys    int

	// The engine: see locmem.Options.
	Entries int
	Weight  int64
	Shards  int
	Policy  evict.Policy

	Model Model
	Loads bool // clients call GetOrSet
	Times bool // entries expire, on a clock that clients move
	Tags  bool // entries carry tags, which clients invalidate
}

// Model is what a history is checked against.
type Model uint8

const (
	// Strict means that nothing may be lost. The engine must have room for all keys.
	Strict Model = iota
	// Relaxed means that all may be lost at any time, but does not come back.
	Relaxed
	// Explained means that what is lost was reported, as evicted or expired. Each of
	// these notices is an operation, some time between the write of the value and the
	// notice, so every miss must have a cause.
	Explained
)

func (m Model) String() string {
	return [...]string{"strict", "relaxed", "explained"}[m]
}

// Cache is what a history is recorded of: an engine, or something around one that
// has a fault.
type Cache interface {
	Get(key int) (int64, bool)
	Set(key int, value int64, opts ...locmem.EntryOption) bool
	Add(key int, value int64, opts ...locmem.EntryOption) bool
	Replace(key int, value int64, opts ...locmem.EntryOption) bool
	Delete(key int) bool
	Take(key int) (int64, bool)
	Touch(key int, opts ...locmem.EntryOption) bool
	Incr(key int, delta int64) (int64, bool, error)
	CompareAndSwap(key int, old, next int64, opts ...locmem.EntryOption) bool
	Compute(key int, update func(old locmem.Entry[int64], found bool) (int64, locmem.Op), opts ...locmem.EntryOption) (int64, bool)
	GetOrSet(ctx context.Context, key int, load func(context.Context, int) (int64, error), opts ...locmem.EntryOption) (int64, error)
	GetOrSetMany(ctx context.Context, keys []int, load func(context.Context, []int) (map[int]int64, error), opts ...locmem.EntryOption) (map[int]int64, error)
	GetMany(keys []int) map[int]int64
	SetMany(values map[int]int64, opts ...locmem.EntryOption) int
	DeleteMany(keys []int) int
	Clear()
	Evict(n int) int
	InvalidateTags(tags ...string)
}

// Options are those of the engine in a history.
type Options = locmem.Options[int, int64]

// Engine is an engine with the package's functions as methods.
type Engine struct{ *locmem.Engine[int, int64] }

// Incr is locmem.Incr.
func (e Engine) Incr(key int, delta int64) (int64, bool, error) {
	return locmem.Incr(e.Engine, key, delta)
}

// CompareAndSwap is locmem.CompareAndSwap.
func (e Engine) CompareAndSwap(key int, old, next int64, opts ...locmem.EntryOption) bool {
	return locmem.CompareAndSwap(e.Engine, key, old, next, opts...)
}

// Driver records histories, one at a time: it uses its memory again.
type Driver struct {
	Setting
	// Around, if it is there, is given the engine's options, which it may change,
	// and returns what is to stand between the clients and the engine.
	Around func(*Options) func(Engine) Cache

	h       History
	clients []*client
}

// History is what was recorded. It is valid until its driver records the next.
type History struct {
	Setting
	Seed    uint64
	Overlap float64
	Failed  error // an answer that no order of the calls would explain

	engine  Engine
	cache   Cache
	clock   *locmem.ManualClock
	clients []*client

	stamps  lock.Uint64 // of a type that does not yield: what a history tells of is the engine
	lookups lock.Uint64
	left    lock.Int64 // clients at work

	removals lock.Uint64
	notices  []notice // by removals

	mu lock.Mutex // protects Failed

	keys  [][]lin.Op // by key
	fates map[int64]*fate
}

// mostNotices is more than any history has: a call removes seven entries at most.
const mostNotices = 1 << 12

// notice is a removal that was reported, and when.
type notice struct {
	locmem.Removal[int, int64]
	at int64
}

// Record makes an engine, lets the clients call it, and returns what came of it.
// The seed decides what they do, but not in which order.
func (d *Driver) Record(seed uint64) *History {
	h := &d.h
	h.Setting, h.Seed, h.Failed = d.Setting, seed, nil
	h.notices = slices.Grow(h.notices[:0], mostNotices)[:mostNotices]
	h.removals.Store(0)
	h.stamps.Store(0)
	h.lookups.Store(0)
	h.clock = locmem.NewManualClock(time.Unix(0, 0))
	opts := Options{
		MaxEntries: d.Entries, MaxWeight: d.Weight, Shards: d.Shards, Policy: d.Policy,
		OnRemove: h.removed, Stats: true, Clock: h.clock,
	}
	if d.Weight > 0 {
		opts.Weigh = func(_ int, value int64) int64 { return weight(value) }
	}
	around := func(e Engine) Cache { return e }
	if d.Around != nil {
		around = d.Around(&opts)
	}
	h.engine = Engine{locmem.Must(locmem.New(opts))}
	h.cache = around(h.engine)

	for len(d.clients) < d.Clients {
		d.clients = append(d.clients, newClient(h, len(d.clients)))
	}
	h.clients = d.clients[:d.Clients]
	gate := lock.NewGate()
	h.left.Store(int64(d.Clients))
	for _, c := range h.clients {
		c.begin(rand.NewPCG(seed, uint64(c.id)))
		lock.Go(func() {
			for range d.Calls {
				c.call()
			}
			if h.left.Add(-1) == 0 {
				gate.Open()
			}
		})
	}
	if err := gate.Wait(context.Background()); err != nil {
		h.fail(err)
	}
	h.clock.Advance(0) // removes what has expired since it last moved, and what was invalidated
	if err := h.engine.Drain(context.Background()); err != nil {
		h.fail(err)
	}
	h.notices = h.notices[:h.removals.Load()]
	h.arrange()
	return h
}

func (h *History) stamp() int64 { return int64(h.stamps.Add(1)) }

// removed is the engine's listener.
func (h *History) removed(r locmem.Removal[int, int64]) {
	h.notices[h.removals.Add(1)-1] = notice{r, h.stamp()}
}

// fail notes an answer that is wrong in itself.
func (h *History) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Failed == nil {
		h.Failed = err
	}
}
