// SPDX-License-Identifier: MIT

// Package evict has the policies that decide which entry of a full cache goes.
//
// A policy knows entries by slot number and 32-bit hash only: no key, no value,
// no clock. It can therefore be tested, fuzzed and replayed on its own, and one
// policy serves engines of every key and value type.
//
// # How an engine drives a ring
//
// Every shard of an engine has a [Ring] of its own. All calls on it, and through
// it on its [Slots], are made under that shard's write lock, with one exception:
// the engine itself raises an entry's mark when the entry is hit, atomically and
// under the shard's read lock, if the mark is under [Ring.MaxMark]. A hit makes
// no call at all. A policy for which that is not enough returns 0 from MaxMark
// and is told of each hit by Hit, which costs it the write lock on every read.
//
// A new entry goes through three steps, in this order and under one lock unless
// more victims are needed than one hold of the lock allows:
//
//	Admit(hash, weight)        once: a key was not found and will be inserted
//	Evict(true, None)          as often as room is needed for it, maybe never
//	Insert(slot, weight)       once: it is in, its mark is 0
//
// Evict is also called without an insertion, as Evict(false, keep): when the
// limit is lowered, when another shard needs the room, or when an entry grows
// heavier (keep is then its slot).
//
// # Capacity
//
// The limit on entries and on weight is held by the engine, which lends each
// shard what it needs at the moment. So a ring has no limit of its own to
// enforce: it evicts when it is asked to, and what it holds when it is asked is
// its capacity. Parts of a ring that are a share of its capacity are shares of
// Len. The capacity given at the start and by Resize is what is expected, for
// sizing what is allocated ahead.
//
// # Which policy to choose
//
//	policy     choose it                           not for             hit        order   bytes  mean
//	TinyClock  if you do not know: the default     shards under 64     sets bit   shard   8+21   42.9
//	S3FIFO     for many keys used once, fewer      loops, keys used    counts     shard   8+8    40.5
//	           calculations on a miss              again after long    to 3
//	SIEVE      for web and key-value traffic,      loops, recency      sets bit   shard   8      36.8
//	           at the least work and memory
//	CLOCK      where recency is all, at the        scans, loops        sets bit   shard   8      38.1
//	           least cost
//	LRU        where the exact order is part of    scans, loops,       takes the  engine  16     37.9
//	           the contract                        many processors     lock
//	FIFO       as a baseline; where age is all     most things         sets bit   shard   8      36.2
//
// Order is what is kept in order of eviction: the entries of each shard, or all
// of the engine. Bytes are those for an entry, and after the plus at most those
// for an entry of capacity. Mean is the mean hit ratio in percent on 16 recorded
// traces of web, database, block and looping workloads at 0.1 to 25 % of their
// keys, 75 points with one shard, where the best possible is 49.7; TestReplay
// measures it, given the traces.
package evict

import "iter"

// None is the number of no slot: slots count from 1, in one shard up to 2^30 - 1.
const None uint32 = 0

// Slots is what a ring can ask about the entries it was given.
type Slots interface {
	// Hash returns the hash of the key in a slot: 32 well-mixed bits, the same
	// for as long as the entry lives.
	Hash(slot uint32) uint32
	// Mark returns how often the entry was hit since its mark was last set,
	// at most the ring's MaxMark.
	Mark(slot uint32) uint32
	// SetMark replaces the mark.
	SetMark(slot, mark uint32)
}

// Shard is what a policy is told of one shard when its ring is made.
type Shard struct {
	// Capacity is the number of entries the shard is expected to hold when the
	// engine is full, at least 1. 0: no limit is known.
	Capacity int
	Slots    Slots
}

// Policy makes the rings of one engine, one per shard and in the shards' order.
// It is called once, when the engine is made; what the rings of one engine must
// share is made here.
type Policy func(shards []Shard) []Ring

// Ring keeps the entries of one shard in order of eviction.
//
// Its methods run under the shard's lock, while readers and writers of the shard
// wait. So each call may use [Slots] a bounded number of times only, however many
// entries are held: a sweep over marked entries needs a limit, after which the
// next one goes, marked or not. Nothing but Evict, Remove and Clear forgets an
// entry.
//
// The suite cachetest.RunPolicy checks a ring against all that is said here, this
// too. The engine notices less: New returns an error for too few rings, too many, a
// nil one or a wrong MaxMark, and a write that needs room panics, after it has
// released all locks, if Evict returns None without cause, keep, or a slot that is
// not held. A panic of a ring's own leaves the shard locked.
type Ring interface {
	// MaxMark is the largest mark an entry can have, 0 to 3, the same for all rings
	// of an engine and for their life. 0: the engine calls Hit instead of raising marks.
	MaxMark() uint32
	// Hit tells of a hit. Called only if MaxMark is 0.
	Hit(slot uint32)
	// Admit tells that a key of that hash missed and is about to be inserted with
	// that weight.
	Admit(hash uint32, weight int64)
	// Insert takes in an entry that is not held.
	Insert(slot uint32, weight int64)
	// Reweigh tells that a held entry's weight has changed. It forgets no entry: if
	// room is needed, the engine calls Evict.
	Reweigh(slot uint32, weight int64)
	// Evict chooses a victim, forgets it and returns its slot. incoming tells
	// that it makes room for the key last admitted. The entry in slot keep is
	// never chosen. It returns None only if nothing but keep is held.
	Evict(incoming bool, keep uint32) (slot uint32)
	// Remove forgets a held entry that was deleted or has expired.
	Remove(slot uint32)
	// Move tells that a held entry now lives in another slot, mark and hash
	// with it; to is a number that is not held.
	Move(from, to uint32)
	// Trim tells that no held slot is above top, so that memory for higher ones can
	// go back. It forgets no entry.
	Trim(top uint32)
	// Resize tells what the shard is now expected to hold; see Shard.Capacity. It
	// forgets no entry, even if more are held: the engine calls Evict for those that
	// are too many.
	Resize(capacity int)
	// Clear forgets all entries, at a cost that does not depend on their number.
	// What was learned about keys may stay.
	Clear()
	// Len returns the number of entries held.
	Len() int
	// All yields every held slot once, the likely next victims first.
	All() iter.Seq[uint32]
}

// Ordered is a ring whose engine has one order of eviction over all shards. When
// room is needed the engine takes a victim from the shard that Oldest names
// instead of the one that is written to.
type Ordered interface {
	Ring
	// Oldest returns the number of the shard that holds the next victim of the
	// whole engine, or -1 if no shard holds an entry. It is called without any
	// lock: with writers at work the answer is a moment old.
	Oldest() int
	// Use returns the place of a held entry in the order, over 0 and the greater the
	// later its turn. It may be called under the shard's read lock.
	Use(slot uint32) uint64
}

// Validator is a ring that can check itself.
type Validator interface {
	// Validate walks the ring and returns what is wrong with it, or nil. It
	// costs time in proportion to Len.
	Validate() error
}
