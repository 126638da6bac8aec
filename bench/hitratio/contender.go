// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/Yiling-J/theine-go"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/hashicorp/golang-lru/arc/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/locmem/locmem"
	"github.com/locmem/locmem/bench"
	"github.com/locmem/locmem/evict"
	"github.com/maypok86/otter/v2"
)

// cache is a contender at work. Len is in the unit of its limit: entries, or
// bytes where the values are sizes.
type cache = bench.Cache[uint64]

// contender makes one kind of cache with a limit of entries, or of weight where
// it has such a limit; the weight of an entry is its value. entries is how many
// are expected to fit.
type contender struct {
	name     string
	open     func(limit int64, entries int) (cache, error)
	weighted func(limit int64, entries int) (cache, error) // nil: it has no weights
	// lookEvery is how many Sets pass between two looks at Len: 1 where that is
	// one atomic or one lock, seldom where it takes all shards.
	lookEvery int
	// lags is for contenders that leave a part of their work to other
	// goroutines: between a Set and that work they may hold too much, and two
	// runs differ.
	lags bool
}

// seldom is for a Len that costs more than the Sets that pass meanwhile.
const seldom = 64

// optName names the upper line, which is no contender.
const optName = "OPT"

// contenders lists all of them. shards is for locmem; 0: its own choice.
func contenders(shards int) []contender {
	var list []contender
	for _, p := range []struct {
		name   string
		policy evict.Policy
	}{
		{"TinyClock", evict.TinyClock},
		{"S3FIFO", evict.S3FIFO},
		{"SIEVE", evict.SIEVE},
		{"CLOCK", evict.CLOCK},
		{"LRU", evict.LRU},
		{"FIFO", evict.FIFO},
	} {
		list = append(list, contender{
			name:      "locmem-" + p.name,
			lookEvery: 1,
			open: func(limit int64, _ int) (cache, error) {
				return openLocmem(locmem.Options[uint64, uint64]{MaxEntries: int(limit), Policy: p.policy, Shards: shards})
			},
			weighted: func(limit int64, _ int) (cache, error) {
				return openLocmem(locmem.Options[uint64, uint64]{
					MaxWeight: limit, Policy: p.policy, Shards: shards,
					Weigh: func(_, size uint64) int64 { return int64(size) },
				})
			},
		})
	}
	return append(list,
		// Maintenance on the caller's goroutine after each write.
		contender{
			name: "otter-sync", lookEvery: 1,
			open: func(limit int64, entries int) (cache, error) {
				return openOtter(&otter.Options[uint64, uint64]{MaximumSize: int(limit), InitialCapacity: entries, Executor: atOnce})
			},
			weighted: func(limit int64, entries int) (cache, error) {
				return openOtter(&otter.Options[uint64, uint64]{
					MaximumWeight: uint64(limit), InitialCapacity: entries, Executor: atOnce, Weigher: weigh32,
				})
			},
		},
		contender{
			name: "otter", lookEvery: 1, lags: true, open: compared("otter"),
			weighted: func(limit int64, entries int) (cache, error) {
				return openOtter(&otter.Options[uint64, uint64]{MaximumWeight: uint64(limit), InitialCapacity: entries, Weigher: weigh32})
			},
		},
		contender{
			name: "theine-wait", lookEvery: seldom,
			open: waiting(compared("theine")), weighted: waiting(openTheine),
		},
		contender{name: "theine", lookEvery: seldom, lags: true, open: compared("theine"), weighted: openTheine},
		contender{
			name: "ristretto-wait", lookEvery: 1,
			open: waiting(compared("ristretto")), weighted: waiting(openRistretto),
		},
		contender{name: "ristretto", lookEvery: 1, lags: true, open: compared("ristretto"), weighted: openRistretto},
		contender{name: "phuslu", lookEvery: seldom, open: compared("phuslu")},
		contender{name: "freelru", lookEvery: seldom, open: compared("freelru")},
		contender{name: "golang-lru", lookEvery: 1, open: compared("golang-lru")},
		contender{name: "golang-lru-2q", lookEvery: 1, open: func(limit int64, _ int) (cache, error) {
			c, err := lru.New2Q[uint64, uint64](int(limit))
			return added{c}, err
		}},
		contender{name: "golang-lru-arc", lookEvery: 1, open: func(limit int64, _ int) (cache, error) {
			c, err := arc.NewARC[uint64, uint64](int(limit))
			return added{c}, err
		}},
	)
}

// choose returns the contenders that a comma-separated list names, all for an
// empty one, in the order of all. An item that is no name is a regular expression.
func choose(all []contender, wanted string) ([]contender, error) {
	if wanted == "" {
		return all, nil
	}
	chosen := map[string]bool{}
	for item := range strings.SplitSeq(wanted, ",") {
		matches := func(name string) bool { return name == item }
		if !slices.ContainsFunc(all, func(c contender) bool { return matches(c.name) }) {
			pattern, err := regexp.Compile(item)
			if err != nil {
				return nil, fmt.Errorf("-contenders: %w", err)
			}
			matches = pattern.MatchString
		}
		found := false
		for _, c := range all {
			if matches(c.name) {
				chosen[c.name], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("-contenders: no contender %q; there are %s", item, names(all))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(c contender) bool { return !chosen[c.name] }), nil
}

func names(all []contender) string {
	out := make([]string, len(all))
	for i, c := range all {
		out[i] = c.name
	}
	return strings.Join(out, ", ")
}

// compared is a contender set up as in the comparison of times.
func compared(name string) func(int64, int) (cache, error) {
	return func(limit int64, _ int) (cache, error) {
		all := bench.Contenders[uint64]()
		at := slices.IndexFunc(all, func(c bench.Contender[uint64]) bool { return c.Name == name })
		return all[at].New(int(limit))
	}
}

// locmemCache tells its shards too.
type locmemCache struct {
	e        *locmem.Engine[uint64, uint64]
	weighted bool
}

func openLocmem(opts locmem.Options[uint64, uint64]) (cache, error) {
	e, err := locmem.New(opts)
	return &locmemCache{e, opts.MaxWeight != 0}, err
}

func (c *locmemCache) Get(key uint64) (uint64, bool) { return c.e.Get(key) }
func (c *locmemCache) Set(key, value uint64)         { c.e.Set(key, value) }
func (c *locmemCache) Shards() int                   { return c.e.Stats().Shards }
func (c *locmemCache) Close()                        { c.e.Close() }

func (c *locmemCache) Len() int {
	if c.weighted {
		return int(c.e.Weight())
	}
	return c.e.Len()
}

type otterCache struct {
	c        *otter.Cache[uint64, uint64]
	weighted bool
}

func openOtter(opts *otter.Options[uint64, uint64]) (cache, error) {
	c, err := otter.New(opts)
	return &otterCache{c, opts.Weigher != nil}, err
}

// atOnce runs what otter would give to another goroutine.
func atOnce(task func()) { task() }

// weigh32 cannot overflow: sizes are at most maxSize.
func weigh32(_, size uint64) uint32 { return uint32(size) }

func (c *otterCache) Get(key uint64) (uint64, bool) { return c.c.GetIfPresent(key) }
func (c *otterCache) Set(key, value uint64)         { c.c.Set(key, value) }
func (c *otterCache) Settle()                       { c.c.CleanUp() }
func (c *otterCache) Close()                        { c.c.StopAllGoroutines() }

// Len of a weighted otter is summed up: WeightedSize would first do the work
// that waits, and Set and Get see what it then evicts.
func (c *otterCache) Len() int {
	if !c.weighted {
		return c.c.EstimatedSize()
	}
	sum := uint64(0)
	for _, size := range c.c.All() {
		sum += size
	}
	return int(sum)
}

// theineCache is theine with weights.
type theineCache struct{ c *theine.Cache[uint64, uint64] }

func openTheine(limit int64, _ int) (cache, error) {
	c, err := theine.NewBuilder[uint64, uint64](limit).Build()
	return theineCache{c}, err
}

func (c theineCache) Get(key uint64) (uint64, bool) { return c.c.Get(key) }
func (c theineCache) Set(key, size uint64)          { c.c.Set(key, size, int64(size)) }
func (c theineCache) Settle()                       { c.c.Wait() }
func (c theineCache) Close()                        { c.c.Close() }

// Len is summed up: EstimatedSize leaves out what waits for the policy.
func (c theineCache) Len() int {
	sum := uint64(0)
	c.c.Range(func(_, size uint64) bool {
		sum += size
		return true
	})
	return int(sum)
}

// ristrettoCache is ristretto with weights.
type ristrettoCache struct {
	c *ristretto.Cache[uint64, uint64]
}

func openRistretto(limit int64, entries int) (cache, error) {
	c, err := ristretto.NewCache(&ristretto.Config[uint64, uint64]{
		NumCounters: int64(entries) * 10, MaxCost: limit, BufferItems: 64, IgnoreInternalCost: true,
	})
	return ristrettoCache{c}, err
}

func (c ristrettoCache) Get(key uint64) (uint64, bool) { return c.c.Get(key) }
func (c ristrettoCache) Set(key, size uint64)          { c.c.Set(key, size, int64(size)) }
func (c ristrettoCache) Len() int                      { return int(c.c.MaxCost() - c.c.RemainingCost()) }
func (c ristrettoCache) Settle()                       { c.c.Wait() }
func (c ristrettoCache) Close()                        { c.c.Close() }

// added is a cache whose Set is called Add.
type added struct {
	adder interface {
		Get(key uint64) (uint64, bool)
		Add(key, value uint64)
		Len() int
	}
}

func (c added) Get(key uint64) (uint64, bool) { return c.adder.Get(key) }
func (c added) Set(key, value uint64)         { c.adder.Add(key, value) }
func (c added) Len() int                      { return c.adder.Len() }

// waiting makes a contender that waits after each Set for the work that was left
// to other goroutines.
func waiting(open func(int64, int) (cache, error)) func(int64, int) (cache, error) {
	return func(limit int64, entries int) (cache, error) {
		c, err := open(limit, entries)
		return waitingCache{c}, err
	}
}

type waitingCache struct{ cache }

func (c waitingCache) Set(key, value uint64) {
	c.cache.Set(key, value)
	bench.Settle(c.cache)
}

func (c waitingCache) Close() { bench.Close(c.cache) }
