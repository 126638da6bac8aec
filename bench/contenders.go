// SPDX-License-Identifier: MIT

package bench

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/Yiling-J/theine-go"
	"github.com/cespare/xxhash/v2"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/elastic/go-freelru"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/locmem/locmem"
	"github.com/maypok86/otter/v2"
	phuslu "github.com/phuslu/lru"
	"github.com/puzpuzpuz/xsync/v4"
)

// Key is the set of key types that are measured.
type Key interface{ string | uint64 }

// Cache is what every contender is reduced to. All of them are reached through
// this one interface and one thin method, so that the cost of the call is the
// same for all; the no-op contender shows what it is.
//
// Every adapter is a struct of a single pointer: an interface then holds it
// without one more step of indirection for some and not for others.
type Cache[K Key] interface {
	Get(key K) (uint64, bool)
	Set(key K, value uint64)
	// Len is the number of entries held, as the contender itself counts them.
	Len() int
}

// settler is a contender that leaves a part of its work to other goroutines.
// Settle waits for that part. It is called between turns and is not timed, so
// that nobody works on another's time; work done behind the caller's back is a
// gift to the contender that has it.
type settler interface{ Settle() }

// closer is a contender that has goroutines to stop.
type closer interface{ Close() }

// Role tells how a contender's figures are used.
type Role int

const (
	// Peer takes part in the comparison.
	Peer Role = iota
	// Subject is the engine that is compared with the peers.
	Subject
	// Again is the subject a second time: its ratio to the subject is noise.
	Again
	// Floor is not a cache. It shows what a figure cannot go below.
	Floor
)

// Contender makes one kind of cache.
type Contender[K Key] struct {
	Name   string
	Module string // module path, for the version; empty for code of this module
	Role   Role
	// Unbounded contenders never evict and are left out where eviction is measured.
	Unbounded bool
	New       func(capacity int) (Cache[K], error)
}

// Contenders lists all contenders. Every one has the same limit on entries, no
// expiry, no statistics, no listener, and one goroutine's worth of tuning: what
// its documentation recommends for such a cache, and no more.
func Contenders[K Key]() []Contender[K] {
	return []Contender[K]{
		{Name: "locmem", Module: "github.com/locmem/locmem", Role: Subject, New: newLocmem[K]},
		{Name: "locmem again", Module: "github.com/locmem/locmem", Role: Again, New: newLocmem[K]},
		{Name: "otter", Module: "github.com/maypok86/otter/v2", New: newOtter[K]},
		{Name: "phuslu", Module: "github.com/phuslu/lru", New: always(newPhuslu[K])},
		{Name: "freelru", Module: "github.com/elastic/go-freelru", New: newFreelru[K]},
		{Name: "theine", Module: "github.com/Yiling-J/theine-go", New: newTheine[K]},
		{Name: "ristretto", Module: "github.com/dgraph-io/ristretto/v2", New: newRistretto[K]},
		{Name: "golang-lru", Module: "github.com/hashicorp/golang-lru/v2", New: newGolangLRU[K]},
		{Name: "xsync map", Module: "github.com/puzpuzpuz/xsync/v4", Role: Floor, Unbounded: true, New: always(newXsync[K])},
		{Name: "no-op", Role: Floor, New: always(newNoop[K])},
	}
}

// always is for constructors that cannot fail.
func always[K Key](create func(capacity int) Cache[K]) func(int) (Cache[K], error) {
	return func(capacity int) (Cache[K], error) { return create(capacity), nil }
}

// Versions returns the version of every module that is linked in, by path.
func Versions() map[string]string {
	versions := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return versions
	}
	for _, m := range info.Deps {
		versions[m.Path] = m.Version
		if m.Replace != nil {
			versions[m.Path] = "(this tree)"
		}
	}
	return versions
}

// locmem: default policy and shards; nothing but the limit is set.
type locmemCache[K Key] struct{ e *locmem.Engine[K, uint64] }

func newLocmem[K Key](capacity int) (Cache[K], error) {
	e, err := locmem.New(locmem.Options[K, uint64]{MaxEntries: capacity})
	if err != nil {
		return nil, fmt.Errorf("locmem: %w", err)
	}
	return locmemCache[K]{e}, nil
}

func (c locmemCache[K]) Get(key K) (uint64, bool) { return c.e.Get(key) }
func (c locmemCache[K]) Set(key K, value uint64)  { c.e.Set(key, value) }
func (c locmemCache[K]) Len() int                 { return c.e.Len() }
func (c locmemCache[K]) Close()                   { c.e.Close() }

// otter: adaptive W-TinyLFU, with MaximumSize and an InitialCapacity of the same
// size, as in the benchmarks of its own repository. Its policy runs on a
// goroutine of its own; CleanUp applies what is pending.
type otterCache[K Key] struct{ c *otter.Cache[K, uint64] }

func newOtter[K Key](capacity int) (Cache[K], error) {
	c, err := otter.New(&otter.Options[K, uint64]{MaximumSize: capacity, InitialCapacity: capacity})
	if err != nil {
		return nil, fmt.Errorf("otter: %w", err)
	}
	return otterCache[K]{c}, nil
}

func (c otterCache[K]) Get(key K) (uint64, bool) { return c.c.GetIfPresent(key) }
func (c otterCache[K]) Set(key K, value uint64)  { c.c.Set(key, value) }
func (c otterCache[K]) Len() int                 { return c.c.EstimatedSize() }
func (c otterCache[K]) Settle()                  { c.c.CleanUp() }
func (c otterCache[K]) Close()                   { c.c.StopAllGoroutines() }

// phuslu: its LRUCache, the one without expiry; default shards (16 per CPU) and
// hash. The capacity of a shard is rounded up, so it may hold a little more.
type phusluCache[K Key] struct {
	c *phuslu.LRUCache[K, uint64]
}

func newPhuslu[K Key](capacity int) Cache[K] {
	return phusluCache[K]{phuslu.NewLRUCache[K, uint64](capacity)}
}

func (c phusluCache[K]) Get(key K) (uint64, bool) { return c.c.Get(key) }
func (c phusluCache[K]) Set(key K, value uint64)  { c.c.Set(key, value) }
func (c phusluCache[K]) Len() int                 { return c.c.Len() }

// freelru: the sharded form with its default of 16 shards per CPU and 25 % spare
// table. It leaves the hash to its user: xxhash for strings, as it recommends,
// and a multiplicative mixer for integers, faster than the one of its own tests.
type freelruCache[K Key] struct {
	c *freelru.ShardedLRU[K, uint64]
}

func newFreelru[K Key](capacity int) (Cache[K], error) {
	c, err := freelru.NewSharded[K, uint64](uint32(capacity), freelruHash[K]())
	if err != nil {
		return nil, fmt.Errorf("freelru: %w", err)
	}
	return freelruCache[K]{c}, nil
}

func freelruHash[K Key]() freelru.HashKeyCallback[K] {
	var hash any = freelru.HashKeyCallback[string](func(key string) uint32 {
		return uint32(xxhash.Sum64String(key))
	})
	if h, ok := hash.(freelru.HashKeyCallback[K]); ok {
		return h
	}
	hash = freelru.HashKeyCallback[uint64](func(key uint64) uint32 {
		key ^= key >> 32
		key *= 0x9fb21c651e98df25
		return uint32(key >> 32)
	})
	return hash.(freelru.HashKeyCallback[K])
}

func (c freelruCache[K]) Get(key K) (uint64, bool) { return c.c.Get(key) }
func (c freelruCache[K]) Set(key K, value uint64)  { c.c.Add(key, value) }
func (c freelruCache[K]) Len() int                 { return c.c.Len() }

// theine: adaptive W-TinyLFU, its builder's defaults (no doorkeeper, no entry
// pool, which it calls unsafe under the race detector), cost 1 an entry. One
// goroutine applies the policy; Wait waits for it.
type theineCache[K Key] struct{ c *theine.Cache[K, uint64] }

func newTheine[K Key](capacity int) (Cache[K], error) {
	c, err := theine.NewBuilder[K, uint64](int64(capacity)).Build()
	if err != nil {
		return nil, fmt.Errorf("theine: %w", err)
	}
	return theineCache[K]{c}, nil
}

func (c theineCache[K]) Get(key K) (uint64, bool) { return c.c.Get(key) }
func (c theineCache[K]) Set(key K, value uint64)  { c.c.Set(key, value, 1) }
func (c theineCache[K]) Len() int                 { return c.c.Len() }
func (c theineCache[K]) Settle()                  { c.c.Wait() }
func (c theineCache[K]) Close()                   { c.c.Close() }

// ristretto: ten counters an entry and buffers of 64, both as documented; cost 1
// an entry without its internal cost, so that MaxCost is a limit on entries. It
// keeps hashes instead of keys, drops a Set when its queue is full and may
// refuse one: read its hits beside its time.
type ristrettoCache[K Key] struct {
	c *ristretto.Cache[K, uint64]
}

func newRistretto[K Key](capacity int) (Cache[K], error) {
	c, err := ristretto.NewCache(&ristretto.Config[K, uint64]{
		NumCounters:        int64(capacity) * 10,
		MaxCost:            int64(capacity),
		BufferItems:        64,
		IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, fmt.Errorf("ristretto: %w", err)
	}
	return ristrettoCache[K]{c}, nil
}

func (c ristrettoCache[K]) Get(key K) (uint64, bool) { return c.c.Get(key) }
func (c ristrettoCache[K]) Set(key K, value uint64)  { c.c.Set(key, value, 1) }
func (c ristrettoCache[K]) Len() int                 { return int(c.c.MaxCost() - c.c.RemainingCost()) }
func (c ristrettoCache[K]) Settle()                  { c.c.Wait() }
func (c ristrettoCache[K]) Close()                   { c.c.Close() }

// golang-lru: the plain LRU behind one lock.
type golangLRUCache[K Key] struct{ c *lru.Cache[K, uint64] }

func newGolangLRU[K Key](capacity int) (Cache[K], error) {
	c, err := lru.New[K, uint64](capacity)
	if err != nil {
		return nil, fmt.Errorf("golang-lru: %w", err)
	}
	return golangLRUCache[K]{c}, nil
}

func (c golangLRUCache[K]) Get(key K) (uint64, bool) { return c.c.Get(key) }
func (c golangLRUCache[K]) Set(key K, value uint64)  { c.c.Add(key, value) }
func (c golangLRUCache[K]) Len() int                 { return c.c.Len() }

// xsync map: a lock-free map without a limit, a policy or expiry. Not a cache:
// it shows what looking a key up costs with nothing else to do.
type xsyncMap[K Key] struct{ m *xsync.Map[K, uint64] }

func newXsync[K Key](capacity int) Cache[K] {
	return xsyncMap[K]{xsync.NewMap[K, uint64](xsync.WithPresize(capacity))}
}

func (c xsyncMap[K]) Get(key K) (uint64, bool) { return c.m.Load(key) }
func (c xsyncMap[K]) Set(key K, value uint64)  { c.m.Store(key, value) }
func (c xsyncMap[K]) Len() int                 { return c.m.Size() }

// noop does nothing: its time is that of the loop, of fetching the next
// operation, and of the call through the interface. It does not read the bytes
// of a string key.
type noop[K Key] struct{ _ *K }

func newNoop[K Key](int) Cache[K] { return noop[K]{} }

func (noop[K]) Get(K) (uint64, bool) { return 0, false }
func (noop[K]) Set(K, uint64)        {}
func (noop[K]) Len() int             { return 0 }

var errUnknownContender = errors.New("no such contender")

// choose returns the named contenders in the order of the list, or all of them.
func choose[K Key](names []string) ([]Contender[K], error) {
	all := Contenders[K]()
	if len(names) == 0 {
		return all, nil
	}
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	var chosen []Contender[K]
	for _, c := range all {
		if wanted[c.Name] {
			chosen = append(chosen, c)
			delete(wanted, c.Name)
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("%w: %q", errUnknownContender, name)
	}
	return chosen, nil
}

// Settle waits for what a contender left to other goroutines.
func Settle(cache any) {
	if s, ok := cache.(settler); ok {
		s.Settle()
	}
}

// Close ends the goroutines of a contender that has some.
func Close(cache any) {
	if c, ok := cache.(closer); ok {
		c.Close()
	}
}
