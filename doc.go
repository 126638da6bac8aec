// SPDX-License-Identifier: MIT

// Package locmem is a cache within one process: a generic, sharded engine with
// strict bounds, lifetimes per entry, loads that run once, and an eviction policy
// whose hits write one bit.
//
//	e, err := locmem.New(locmem.Options[string, User]{MaxEntries: 10_000})
//	e.Set("u:1", user, locmem.TTL(time.Minute))
//	user, ok := e.Get("u:1")
//	user, err = e.GetOrSet(ctx, "u:2", loadUser)
//
// # Guarantees
//
//   - What is held never exceeds MaxEntries and MaxWeight, at any instant, seen
//     from any goroutine and from any listener. A set of keys that fits is kept
//     whole, with any number of shards.
//   - A write is seen by every read that starts after it has returned.
//   - No read returns a value whose lifetime has passed, and none passes early;
//     see Time for the one exception.
//   - No lock is held while user code runs: loaders, listeners, weighers, the
//     functions of Compute and the bodies of iterations may call any method, panic
//     or end their goroutine.
//   - At most one load runs for a key that somebody waits for, and a write, a
//     removal or an invalidation during a load wins over it.
//   - A tag that is invalidated takes all that carries it out of sight at once,
//     however much that is, and nothing else.
//   - Every entry that ever lived is reported to OnRemove, and to each other listener,
//     once, with its cause, in order per key.
//   - Keys are stored and compared: collisions of hashes cost time, never answers.
//
// # Consistency
//
// Calls on one key are linearizable. A call on many keys is as so many calls on
// one key each, in no particular order.
//
//	Method                          Consistency               Waits for       Allocates       Calls user code
//	Get, Peek, Has                  linearizable per key      shard's lock    -               no
//	GetMany                         linearizable per key      shard's lock    its result      no
//	Set, Add, Replace               linearizable per key      locks, events   growth, Tags    Weigh, OnRemove
//	SetMany                         linearizable per key      locks, events   its list, Tags  Weigh, OnRemove
//	Touch, Delete, Take             linearizable per key      lock, events    no              OnRemove
//	DeleteMany                      linearizable per key      lock, events    its list        OnRemove
//	Move                            linearizable, both keys   locks, events   growth          OnRemove
//	Compute, Incr, CompareAndSwap   linearizable per key      locks, events   growth, Tags    the function, Weigh, OnRemove
//	GetOrSet, Fetch: a hit          linearizable per key      shard's lock    -               no
//	GetOrSet, Fetch: a miss         linearizable per key      the load        the load        the loader, Weigh, OnRemove
//	GetOrSetMany                    linearizable per key      the loads       its result      the loader, Weigh, OnRemove
//	LoadOptions                     the load's own            nothing         yes             no
//	InvalidateTags                  linearizable per key      a tag's lock    -               no
//	Clear, Close                    per key, shard by shard   locks           yes             OnRemove
//	Evict                           per key                   locks           no              OnRemove
//	Resize                          per key                   locks           yes             OnRemove
//	All                             weakly consistent         shards' locks   a batch         the body
//	Save, SaveFile                  weakly consistent         shards' locks   a frame         the codec, the writer
//	Restore, RestoreFile            linearizable per key      locks, events   all entries     the codec, the reader, Weigh, OnRemove
//	Len, Weight                     exact at one moment       no shard        -               no
//	Now                             -                         nothing         -               no
//	Stats                           estimate                  shards' locks   one slice       no
//	Watch                           events after the call     shards' locks   yes             no
//	Drain                           events before the call    events          yes             OnRemove
//
// "-" means: nothing. "Growth" means: nothing in an engine that has grown to its limits. Reads that
// count as a use, which are Get, GetMany, GetOrSet and Fetch, take the shard's write
// lock if the policy keeps an exact order, as evict.LRU does.
//
// "Events" means: a writer waits while more than 1,024 events of its shard wait
// for a listener, unless it is itself inside a listener. A listener that waits
// for another goroutine's write can therefore wait for ever once so many events
// wait.
//
// # Memory
//
//	Engine ─ shards, a power of two, chosen by the hash's upper bits
//	           ├─ RWMutex
//	           ├─ index   hash → slot number, 8 bytes a cell, open addressing
//	           ├─ slots   key, value, hash, mark; in pages of 32 KiB
//	           ├─ ring    the policy's order of eviction, by slot numbers
//	           └─ wheel   deadlines, weights, versions and tags: made with first use
//
// No memory is allocated per entry once a shard has grown to its size, and pages
// are never copied. Where K and V hold no pointers the garbage collector does not
// look inside. An empty engine holds some hundred bytes a shard. Clear and a
// smaller Resize give memory back.
//
// Each operation takes constant time on average. No operation holds a shard's
// lock for longer than some tens of microseconds of its own work, whatever the
// shard holds: the index grows in steps, removals come in groups of 64.
//
// # Time
//
// Deadlines count from the engine's start on the monotonic clock; the wall clock
// may be set without effect. The clock goroutine publishes a horizon, a time
// still to come; an entry whose deadline is beyond it is alive, and only within
// 100 ms of a deadline a read asks for the time. If the process is so starved
// that this goroutine does not run in time, a read may return a value late by as
// much as the goroutine is; Options.Clock = PreciseClock excludes that. An engine
// without lifetimes has no goroutine. The goroutine ends when nothing can expire,
// at Close, and within ten seconds of the engine being collected, so an engine
// that is no longer used need not be closed.
//
// Entries whose time has passed are removed by the clock goroutine within about
// 50 ms, and are the first to go when their shard needs room. Until then they
// count in Len and Weight and are invisible otherwise. With StaleFor or StaleIfError
// they are held for that much longer, for loads alone to see. What was invalidated
// by its tags is removed within about a second.
//
// # Order of locks
//
//	Engine.serial < shard.mu < outbox.mu, account.mu, ManualClock.mu, tagStripe.mu
//	waitGraph, listeners.mu, tagStripe.mu and ManualClock.mu are taken with nothing else under them
//
// Only Move holds two shards, that with the lower number first (and tests that validate
// a whole engine). What a write has decided under the lock it
// publishes after it: events wait in the shard's outbox, results of loads behind
// a gate.
//
// Every field beside a lock says what keeps goroutines apart: "+checklocks" names the
// lock, which a checker of that name holds every access to; an atomic needs no more;
// "immutable" begins the comment of what does not change once others can see it, "owned
// by" that of what one goroutine at a time has. Functions say by "+checklocks" which
// locks their callers hold, and by "+checklocksexclude" which they must not.
//
// # Crafted keys
//
// xxHash can be attacked with keys that share a hash. A shard in which new keys
// have to pass over many others files its index anew under hashes with a seed of
// its own, and the room of a flooded shard is the whole engine's: what is left of
// an attack is that its keys share one lock.
//
// # Why not
//
//   - a lock-free table: reads of one hot key would scale further, but strict
//     bounds, exact events and updates in place would need a second structure
//     beside it, kept in step by queues; a striped lock keeps all of them in one
//     critical section of some tens of nanoseconds.
//   - one global order of eviction: it would put a lock around every write;
//     the loss in hits of separate orders is under 0.1 points from 64 entries a
//     shard on. evict.LRU has a global order for those who need it.
//   - sync.Map or the built-in map as the index: both hash the key again, and the
//     built-in map stops the shard while it grows in large steps.
//
// # Not offered
//
// Values are not copied: what a caller changes in a value it got changes for all.
// Len, Stats and iterations are not snapshots of one moment. The engine does not
// survive its process; what Save has written does.
package locmem
