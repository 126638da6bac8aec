// SPDX-License-Identifier: MIT

//go:build sched

package scenarios

import (
	"time"

	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/sched"
)

// Scenario is a program of a few threads.
type Scenario struct {
	Name string
	// Configure changes the options, which are for two entries in one shard.
	Configure func(*Options)
	Before    []Call // before the threads start
	Threads   [][]Call
}

// Body returns the scenario for the scheduler.
func (s Scenario) Body() func(*sched.Run) error {
	return func(run *sched.Run) error {
		g, err := newRig(run, s.Configure)
		if err != nil {
			return err
		}
		for _, call := range s.Before {
			call(g)
		}
		for _, calls := range s.Threads {
			run.Go(func() {
				for _, call := range calls {
					call(g)
				}
			})
		}
		run.Wait()
		return g.check()
	}
}

func do(calls ...Call) []Call { return calls }

// threads is a list of programs.
func threads(programs ...[]Call) [][]Call { return programs }

func lru(o *Options)       { o.Policy = evict.LRU }
func twoShards(o *Options) { o.Shards = 2; o.MaxEntries = 3 }
func twoLRU(o *Options)    { twoShards(o); lru(o) }
func single(o *Options)    { o.MaxEntries = 1 }
func stale(o *Options)     { o.StaleFor = 2 * lifetime * time.Second }
func ifError(o *Options)   { o.StaleIfError = 2 * lifetime * time.Second }
func ahead(o *Options)     { o.RefreshAhead = lifetime * time.Second * 3 / 4 }
func negative(o *Options)  { o.NegativeTTL = lifetime * time.Second }
func s3fifo(o *Options)    { o.Policy = evict.S3FIFO }
func sieve(o *Options)     { o.Policy = evict.SIEVE }

// Scenarios are all of them. Keys 0 and 1 are in one shard, keys 2 and 3 in another, if
// there are two.
var Scenarios = []Scenario{
	// Reads and writes of one key.
	{Name: "set, get", Threads: threads(do(set(0)), do(get(0)))},
	{Name: "set, get twice", Before: do(set(0)), Threads: threads(do(set(0)), do(get(0), get(0)))},
	{Name: "set, set, get", Threads: threads(do(set(0)), do(set(0)), do(get(0), get(0)))},
	{Name: "delete, get", Before: do(set(0)), Threads: threads(do(del(0)), do(get(0), has(0)))},
	{Name: "delete, delete", Before: do(set(0)), Threads: threads(do(del(0)), do(del(0)))},
	{Name: "delete, set", Before: do(set(0)), Threads: threads(do(del(0)), do(set(0)), do(peek(0)))},
	{Name: "take, take", Before: do(set(0)), Threads: threads(do(take(0)), do(take(0)), do(get(0)))},
	{Name: "take, set", Before: do(set(0)), Threads: threads(do(take(0)), do(set(0), get(0)))},
	{Name: "add, add", Threads: threads(do(add(0)), do(add(0)), do(get(0)))},
	{Name: "add, delete", Before: do(set(0)), Threads: threads(do(add(0)), do(del(0)), do(add(0)))},
	{Name: "replace, delete", Before: do(set(0)), Threads: threads(do(replace(0)), do(del(0)), do(get(0)))},
	{Name: "replace, add", Threads: threads(do(replace(0)), do(add(0)))},
	{Name: "write by many, read by many", Before: do(set(0)), Threads: threads(do(setMany(0)), do(getMany(0, 1)), do(deleteMany(0, 1)))},

	// Updates.
	{Name: "compute, compute", Before: do(set(0)), Threads: threads(do(update(0)), do(update(0)))},
	{Name: "compute of nothing, twice", Threads: threads(do(update(0)), do(update(0)), do(get(0)))},
	{Name: "compute, set", Before: do(set(0)), Threads: threads(do(update(0)), do(set(0)))},
	{Name: "compute, delete and set again", Before: do(set(0)), Threads: threads(do(update(0)), do(del(0), set(0)))},
	{Name: "compute, clear", Before: do(set(0)), Threads: threads(do(update(0)), do(clearAll()))},
	{Name: "compute that removes, set", Before: do(set(0)), Threads: threads(do(removeBy(0)), do(set(0)), do(get(0)))},
	{Name: "incr, incr, incr", Before: do(set(0)), Threads: threads(do(incr(0)), do(incr(0)), do(incr(0)))},
	{Name: "incr, delete", Before: do(set(0)), Threads: threads(do(incr(0)), do(del(0)), do(incr(0)))},
	{Name: "incr, evict", Before: do(set(0), set(1)), Threads: threads(do(incr(0)), do(set(2), set(3)))},
	{Name: "compare and swap, twice", Before: do(set(0)), Threads: threads(do(swap(0)), do(swap(0)), do(get(0)))},
	{Name: "compare and swap, replaced", Before: do(set(0)), Threads: threads(do(swap(0)), do(set(0)))},

	// Eviction.
	{Name: "evict, get", Before: do(set(0), set(1)), Threads: threads(do(set(2)), do(get(0), get(1)))},
	{Name: "evict, set", Before: do(set(0), set(1)), Threads: threads(do(set(2)), do(set(0)))},
	{Name: "evict, evict", Before: do(set(0), set(1)), Threads: threads(do(set(2)), do(set(3)))},
	{Name: "evict, evict, get", Before: do(set(0), set(1)), Threads: threads(do(set(2)), do(set(3)), do(get(0), get(2)))},
	{Name: "evict, delete", Before: do(set(0), set(1)), Threads: threads(do(set(2)), do(del(0), del(1)))},
	{Name: "evict with LRU", Configure: lru, Before: do(set(0), set(1)), Threads: threads(do(set(2)), do(get(0)), do(get(1)))},
	{Name: "evict with S3FIFO", Configure: s3fifo, Before: do(set(0), set(1)), Threads: threads(do(set(2)), do(get(0)), do(set(3)))},
	{Name: "evict with SIEVE", Configure: sieve, Before: do(set(0), set(1)), Threads: threads(do(set(2)), do(get(0)), do(set(3)))},
	{Name: "room for one", Configure: single, Before: do(set(0)), Threads: threads(do(set(1)), do(set(2)), do(get(0)))},
	{Name: "evict across shards", Configure: twoShards, Before: do(set(0), set(1), set(2)), Threads: threads(do(set(3)), do(set(3)), do(get(0)))},
	{Name: "evict from the other shard", Configure: twoShards, Before: do(set(0), set(1), set(2)), Threads: threads(do(set(3)), do(del(2)))},
	{Name: "evict across shards with LRU", Configure: twoLRU, Before: do(set(0), set(1), set(2)), Threads: threads(do(set(3)), do(get(0)))},
	{Name: "steal room from each other", Configure: func(o *Options) { twoShards(o); o.MaxEntries = 1 }, Before: do(set(0)), Threads: threads(do(set(2)), do(set(1)))},
	{Name: "evict on demand", Before: do(set(0), set(1)), Threads: threads(do(evictOne()), do(evictOne()), do(set(2)))},

	// Expiry.
	{Name: "expire, get", Before: do(setTTL(0), advance()), Threads: threads(do(advance()), do(get(0), get(0)))},
	{Name: "expire, set", Before: do(setTTL(0), advance()), Threads: threads(do(advance()), do(set(0)))},
	{Name: "expire, set with a lifetime", Before: do(setTTL(0), advance()), Threads: threads(do(advance()), do(setTTL(0)), do(get(0)))},
	{Name: "expire, touch", Before: do(setTTL(0), advance()), Threads: threads(do(advance()), do(touch(0)), do(get(0)))},
	{Name: "expire, add", Before: do(setTTL(0), advance()), Threads: threads(do(advance()), do(add(0)))},
	{Name: "expire, incr", Before: do(setTTL(0), advance()), Threads: threads(do(advance()), do(incr(0)))},
	{Name: "expire, delete", Before: do(setTTL(0), advance()), Threads: threads(do(advance()), do(del(0)))},
	{Name: "expire, evict", Before: do(setTTL(0), setTTL(1), advance()), Threads: threads(do(advance()), do(set(2)))},
	{Name: "expire at a time, advance", Threads: threads(do(setUntil(0), get(0)), do(advance()))},
	{Name: "expire twice", Before: do(setTTL(0), advance()), Threads: threads(do(advance()), do(advance()), do(get(0)))},
	{Name: "expire, take, set", Before: do(setTTL(0), advance()), Threads: threads(do(advance()), do(take(0)), do(set(0)))},

	// Loads.
	{Name: "load, load", Threads: threads(do(loadKey(0)), do(loadKey(0)))},
	{Name: "load, load, load", Threads: threads(do(loadKey(0)), do(loadKey(0)), do(loadKey(0)))},
	{Name: "load, set", Threads: threads(do(loadKey(0)), do(set(0)))},
	{Name: "load, set, get", Threads: threads(do(loadKey(0)), do(set(0), get(0)))},
	{Name: "load, delete", Threads: threads(do(loadKey(0)), do(set(0), del(0)))},
	{Name: "load, delete, load", Threads: threads(do(loadKey(0)), do(del(0)), do(loadKey(0)))},
	{Name: "load, clear", Threads: threads(do(loadKey(0)), do(clearAll(), get(0)))},
	{Name: "load, compute", Threads: threads(do(loadKey(0)), do(update(0)))},
	{Name: "load, evict", Configure: single, Threads: threads(do(loadKey(0)), do(set(1)), do(get(0)))},
	{Name: "loads of two keys", Configure: single, Threads: threads(do(loadKey(0)), do(loadKey(1)))},
	{Name: "load that fails, load", Threads: threads(do(loadFails(0)), do(loadKey(0)))},
	{Name: "load that panics, load", Threads: threads(do(loadPanics(0)), do(loadKey(0)))},
	{Name: "load that exits, load", Threads: threads(do(loadExits(0)), do(loadKey(0)))},
	{Name: "load, cancel", Threads: threads(do(loadKey(0)), do(cancelLoads()), do(set(0)))},
	{Name: "load, load, cancel", Threads: threads(do(loadKey(0)), do(loadKey(0)), do(cancelLoads()))},
	{Name: "load, load, leave", Threads: threads(do(loadKey(0)), do(loadAndLeave(0)), do(leave()))},
	{Name: "load, leave, load", Threads: threads(do(loadAndLeave(0)), do(leave()), do(loadKey(0)))},
	{Name: "load, leave, set", Threads: threads(do(loadAndLeave(0)), do(leave()), do(set(0)))},
	{Name: "load, move there", Before: do(set(1)), Threads: threads(do(loadKey(0)), do(move(1, 0)))},
	{Name: "load that is overtaken by a Clear", Threads: threads(do(loadKey(0, clearAll())), do(get(0)))},
	{Name: "load that is overtaken by a move", Before: do(set(1)), Threads: threads(do(loadKey(0, move(1, 0))), do(get(1)))},
	{Name: "load that is overtaken by a deletion", Threads: threads(do(loadKey(0, del(0))), do(get(0)))},
	{Name: "load that writes its key", Threads: threads(do(loadKey(0, set(0))), do(get(0)))},
	{Name: "load of nothing, set", Configure: negative, Threads: threads(do(loadNothing(0)), do(set(0)), do(get(0)))},
	{Name: "load of nothing, load", Configure: negative, Threads: threads(do(loadNothing(0)), do(loadNothing(0)))},

	// Refreshes and stale values.
	{Name: "refresh, get", Configure: ahead, Before: do(setTTL(0), advance()), Threads: threads(do(fetch(0)), do(get(0)))},
	{Name: "refresh, set", Configure: ahead, Before: do(setTTL(0), advance()), Threads: threads(do(fetch(0)), do(set(0)))},
	{Name: "refresh, delete", Configure: ahead, Before: do(setTTL(0), advance()), Threads: threads(do(fetch(0)), do(del(0)))},
	{Name: "refresh, refresh", Configure: ahead, Before: do(setTTL(0), advance()), Threads: threads(do(fetch(0)), do(fetch(0)))},
	{Name: "stale value, set", Configure: stale, Before: do(setTTL(0), advance(), advance()), Threads: threads(do(fetch(0)), do(set(0)))},
	{Name: "stale value, delete", Configure: stale, Before: do(setTTL(0), advance(), advance()), Threads: threads(do(fetch(0)), do(del(0)))},
	{Name: "stale value, get", Configure: stale, Before: do(setTTL(0), advance(), advance()), Threads: threads(do(fetch(0)), do(get(0)))},
	{Name: "stale value if the load fails, set", Configure: ifError, Before: do(setTTL(0), advance(), advance()), Threads: threads(do(fetchFails(0)), do(set(0)))},

	// Tags.
	{Name: "invalidate, get", Before: do(setTagged(0)), Threads: threads(do(invalidate()), do(get(0), get(0)))},
	{Name: "invalidate, set", Before: do(setTagged(0)), Threads: threads(do(invalidate()), do(setTagged(0)), do(get(0)))},
	{Name: "invalidate, delete", Before: do(setTagged(0)), Threads: threads(do(invalidate()), do(del(0)))},
	{Name: "invalidate twice", Before: do(setTagged(0)), Threads: threads(do(invalidate()), do(setTagged(0), invalidate()))},
	{Name: "invalidate, invalidate, set", Before: do(setTagged(0)), Threads: threads(do(invalidate()), do(invalidate()), do(setTagged(0), get(0)))},
	{Name: "invalidate, invalidate, load", Before: do(setTagged(1)), Threads: threads(do(invalidate()), do(invalidate(), get(0)), do(loadTagged(0)))},
	{Name: "invalidate, load", Threads: threads(do(loadTagged(0)), do(invalidate(), get(0)))},
	{Name: "invalidate, replace", Before: do(setTagged(0)), Threads: threads(do(invalidate()), do(replaceTagged(0), get(0)))},
	{Name: "invalidate, load, load", Threads: threads(do(loadTagged(0)), do(invalidate(), loadTagged(0)))},
	{Name: "invalidate, load between two", Threads: threads(do(loadTagged(0)), do(invalidate(), loadTagged(0)), do(invalidate()))},
	{Name: "invalidate during a load", Threads: threads(do(invalidate()), do(loadTagged(0)), do(loadTagged(0)))},
	{Name: "invalidate, loads of two keys", Threads: threads(do(invalidate()), do(loadTagged(0)), do(loadTagged(1)))},
	{Name: "invalidate, evict", Before: do(setTagged(0), setTagged(1)), Threads: threads(do(invalidate()), do(set(2)))},

	// The whole cache.
	{Name: "clear, set", Before: do(set(0)), Threads: threads(do(clearAll()), do(set(0)), do(get(0)))},
	{Name: "clear, clear", Before: do(set(0), set(1)), Threads: threads(do(clearAll()), do(clearAll()), do(set(0)))},
	{Name: "clear, evict", Before: do(set(0), set(1)), Threads: threads(do(clearAll()), do(set(2)))},
	{Name: "clear two shards", Configure: twoShards, Before: do(set(0), set(2)), Threads: threads(do(clearAll()), do(set(0), set(2)))},
	{Name: "resize, set", Before: do(set(0), set(1)), Threads: threads(do(resize(1)), do(set(2)))},
	{Name: "resize, get", Before: do(set(0), set(1)), Threads: threads(do(resize(1)), do(get(0), get(1)))},
	{Name: "resize, resize", Before: do(set(0), set(1)), Threads: threads(do(resize(1)), do(resize(3)), do(set(2)))},
	{Name: "resize two shards", Configure: twoShards, Before: do(set(0), set(2)), Threads: threads(do(resize(1)), do(set(1)))},
	{Name: "close, set", Before: do(set(0)), Threads: threads(do(closeEngine()), do(set(0), get(0)))},
	{Name: "close, load", Threads: threads(do(closeEngine()), do(loadKey(0)))},
	{Name: "close, then load", Threads: threads(do(closeEngine(), loadKey(0), set(0)), do(get(0)))},
	{Name: "close, close", Before: do(set(0)), Threads: threads(do(closeEngine()), do(closeEngine()))},
	{Name: "close, expire", Before: do(setTTL(0), advance()), Threads: threads(do(closeEngine()), do(advance()))},
	{Name: "move, get", Before: do(set(0)), Threads: threads(do(move(0, 1)), do(get(0), get(1)))},
	{Name: "move across shards, get", Configure: twoShards, Before: do(set(0)), Threads: threads(do(move(0, 2)), do(get(2), get(0)))},
	{Name: "move there, move back", Configure: twoShards, Before: do(set(0), set(3)), Threads: threads(do(move(0, 2)), do(move(3, 1)))},
	{Name: "move, delete", Configure: twoShards, Before: do(set(0)), Threads: threads(do(move(0, 2)), do(del(0)), do(set(2)))},
	{Name: "look around", Before: do(set(0), set(1)), Threads: threads(do(look()), do(set(2), del(0)))},
	{Name: "drain, evict", Before: do(set(0), set(1)), Threads: threads(do(drain()), do(set(2)), do(set(3)))},
	{Name: "drain, delete", Before: do(set(0)), Threads: threads(do(drain()), do(del(0)))},
	{Name: "drain, drain, delete", Before: do(set(0)), Threads: threads(do(drain()), do(drain()), do(del(0)))},
	{Name: "watch, evict", Before: do(set(0), set(1)), Threads: threads(do(watch()), do(set(2)))},
	{Name: "watch first, set", Configure: func(o *Options) { o.OnRemove = nil }, Threads: threads(do(watchOn()), do(set(0)))},
}
