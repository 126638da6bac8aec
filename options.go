// SPDX-License-Identifier: MIT

package locmem

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"time"

	"github.com/locmem/locmem/evict"
)

// Options configures an engine. They are copied by New: later changes have no
// effect. Every zero field means its default; one of MaxEntries and MaxWeight
// must be set, or Unbounded.
type Options[K comparable, V any] struct {
	// Name tells engines apart in metrics. It has no effect on the engine.
	Name string

	// MaxEntries is the largest number of entries held at any instant, over all
	// shards together. 0: their number is not limited.
	MaxEntries int
	// MaxWeight is the largest sum of the entries' weights held at any instant,
	// in the units of Weigh and Weight. 0: their weight is not limited.
	MaxWeight int64
	// Unbounded allows an engine without a limit, which holds all it is given
	// until it is deleted or expires. It excludes MaxEntries and MaxWeight.
	Unbounded bool
	// Weigh returns an entry's weight, not negative; a negative weight panics. nil: every entry weighs
	// 1. A Weight option in the call wins. It is called once per write, by the
	// writer, with no lock held; a panic reaches the caller of the write, which
	// then has changed nothing, or the callers of a load as a *PanicError.
	Weigh func(key K, value V) int64

	// TTL is the lifetime of entries whose write names none. 0: they do not
	// expire. It is not TTL(0) of a call, which means already expired.
	TTL time.Duration
	// Idle is the longest time between two reads that an entry survives, if its
	// write names none. 0: entries may be idle for ever.
	Idle time.Duration

	// Jitter shortens each lifetime by a random part of it, evenly between nothing
	// and this share, 0 to 1, so that entries written together do not all expire
	// together. It concerns TTL, of the options and of calls; what ExpireAt and Idle
	// say is exact. 0: lifetimes are as stated.
	Jitter float64

	// Shards is the number of stripes, each with its own lock: rounded up to a
	// power of two, at most 65,536. 0: chosen from GOMAXPROCS and MaxEntries,
	// never so many that a shard would hold under 64 entries. How many entries a
	// MaxWeight is, New cannot know: if it is under about 500 for each
	// processor and MaxEntries is 0, name the shards, since a policy that has few
	// entries to choose from chooses worse.
	Shards int
	// Policy decides which entry goes when room is needed. nil: evict.TinyClock.
	// New calls it once, with no lock held, and returns an error if it does not make
	// one ring for each shard. The rings are called under their shards' locks. If one
	// gives no victim, or not one it may give, the write that needs the room panics,
	// with no lock held; the callers of a load get an error.
	Policy evict.Policy

	// OnRemove is told of every entry that is no longer held: once per entry
	// that ever lived, in order per key, never under a lock. It may call any
	// method of any engine, panic (which is contained and counted in Stats) or end
	// its goroutine. It runs on the goroutine of whoever removed the entry or of
	// another who came by, and for keys of different shards on several at once, so
	// it must be safe for concurrent use and should be quick. An event may come
	// after the write that caused it has returned (see Drain). While more than
	// 1,024 events of a shard wait, its writers wait too, but for those inside a
	// listener.
	OnRemove func(Removal[K, V])

	// Load is the loader of GetOrSet and Fetch where a call gives none. It runs
	// with no lock held, on a goroutine of its own, at most once at a time for a
	// key. Its context lives while anyone waits for the result.
	Load func(ctx context.Context, key K) (V, error)

	// LoadTimeout ends the context of a loader so long after its start, on the real
	// clock: a loader that heeds its context then fails, and with it its callers.
	// 0: only the callers' contexts limit it, and those of a refresh nothing.
	LoadTimeout time.Duration
	// NegativeTTL is for how long the answer of a loader is kept that there is
	// nothing for the key, an error that is ErrNotFound: until then loads of the key
	// get ErrNotFound at once. Such a note takes the room of an entry, of weight 1,
	// is shortened by Jitter, is seen by GetOrSet, Fetch and GetOrSetMany alone, and
	// is never reported to OnRemove. 0: it is not kept.
	NegativeTTL time.Duration
	// StaleFor is how long after its deadline a value is still returned by
	// GetOrSet, Fetch and GetOrSetMany, at once, while one refresh runs in the
	// background. All other methods do not see it. 0: not at all.
	StaleFor time.Duration
	// StaleIfError is how long after its deadline a value is returned by loads that
	// fail, instead of the error, which Fetch tells (Entry.LoadErr). 0: not at all.
	//
	// Entries are held for the longer of both windows beyond their deadlines, if
	// their room is not needed. An idle lifetime has no such windows.
	StaleIfError time.Duration
	// RefreshAhead is how long before its deadline a value that GetOrSet, Fetch or
	// GetOrSetMany returns is refreshed in the background. It should be a small
	// part of the lifetimes, and longer than a load takes. 0: not at all.
	RefreshAhead time.Duration
	// Workers bounds the goroutines that run loaders with nobody waiting, which
	// are refreshes: if so many run, none is started, and a later read tries again.
	// It also bounds how many loaders of one key GetOrSetMany runs at once where
	// it is given no loader of many. 0: 4 for each processor that can run at once.
	Workers int

	// Codec encodes keys and values for Save and Restore. nil: encoding/gob, which
	// keeps exported fields only and wants the types of interface values registered;
	// what it does not take, a function for one, is an error of Save. Nil pointers and
	// values of no size, such as struct{}, are taken. A snapshot names its codec by
	// its type.
	Codec Codec[K, V]

	// Clock tells the time. nil: a coarse clock that makes nearly every expiry
	// check free of a system call, and is exact near a deadline. PreciseClock
	// reads the time for every check; a *ManualClock is for tests.
	Clock Clock

	// Stats makes the engine count hits and misses. All other counters are
	// always kept.
	Stats bool

	bend func(uint64) uint64 // tests: replaces a key's hash
	// keepHash makes a shard stay on its first hash however long its probes grow.
	keepHash bool
}

// maxShards is what fits into the hash bits that choose the shard.
const maxShards = 1 << 16

// minPerShard is how many entries a shard holds at least when the number of
// shards is chosen: with less, the shards' separate eviction orders cost hits.
const minPerShard = 64

// shardsPerCPU is how many shards there are for each processor that can run at
// once: with 8, two of 16 goroutines meet at one lock in one of 128 operations.
const shardsPerCPU = 8

func (o *Options[K, V]) validate() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("locmem: Options."+format, args...))
	}
	if o.MaxEntries < 0 {
		fault("MaxEntries is %d: it must not be negative", o.MaxEntries)
	}
	if o.MaxWeight < 0 {
		fault("MaxWeight is %d: it must not be negative", o.MaxWeight)
	}
	switch bounded := o.MaxEntries != 0 || o.MaxWeight != 0; {
	case !bounded && !o.Unbounded:
		fault("MaxEntries and MaxWeight are 0: set one of them, or Unbounded")
	case bounded && o.Unbounded:
		fault("Unbounded excludes MaxEntries and MaxWeight")
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"TTL", o.TTL},
		{"Idle", o.Idle},
		{"LoadTimeout", o.LoadTimeout},
		{"NegativeTTL", o.NegativeTTL},
		{"StaleFor", o.StaleFor},
		{"StaleIfError", o.StaleIfError},
		{"RefreshAhead", o.RefreshAhead},
	} {
		if d.d < 0 {
			fault("%s is %v: it must not be negative", d.name, d.d)
		}
	}
	if o.Workers < 0 {
		fault("Workers is %d: it must not be negative", o.Workers)
	}
	if !(o.Jitter >= 0 && o.Jitter <= 1) { // so that NaN is outside
		fault("Jitter is %v: it must be 0 to 1", o.Jitter)
	}
	if o.Shards < 0 || o.Shards > maxShards {
		fault("Shards is %d: it must be 0 to %d", o.Shards, maxShards)
	}
	if clock, ok := o.Clock.(*ManualClock); ok && clock == nil {
		fault("Clock is a nil *ManualClock")
	}
	return errors.Join(faults...)
}

// checkRings returns the first thing that is wrong with the rings a policy has
// made for so many shards.
func checkRings(rings []evict.Ring, shards int) error {
	if len(rings) != shards {
		return fmt.Errorf("locmem: Options.Policy has made %d rings for %d shards: it must make one for each", len(rings), shards)
	}
	var first uint32
	for i, ring := range rings {
		if ring == nil {
			return fmt.Errorf("locmem: Options.Policy has made no ring for shard %d: it is nil", i)
		}
		mark := ring.MaxMark()
		if i == 0 {
			first = mark
		}
		if mark > metaMark {
			return fmt.Errorf("locmem: Options.Policy: the ring of shard %d has MaxMark %d: it must be 0 to %d", i, mark, metaMark)
		}
		if mark != first {
			return fmt.Errorf("locmem: Options.Policy: the ring of shard %d has MaxMark %d, that of shard 0 has %d: it must be the same", i, mark, first)
		}
	}
	return nil
}

// shardCount returns the number of shards, a power of two.
func (o *Options[K, V]) shardCount() int {
	n := o.Shards
	if n == 0 {
		n = shardsPerCPU * runtime.GOMAXPROCS(0)
		for o.MaxEntries > 0 && n > 1 && ceilPow2(n) > max(1, o.MaxEntries/minPerShard) {
			n = ceilPow2(n) / 2
		}
	}
	return min(ceilPow2(n), maxShards)
}

func ceilPow2(n int) int {
	return 1 << bits.Len(uint(n-1))
}

// limitOf turns an option's 0 for no limit into the largest one.
func limitOf(limit int64) int64 {
	if limit == 0 {
		return math.MaxInt64
	}
	return limit
}

// EntryOption sets one property of the entry that a call writes. Options are
// plain values: a call with options allocates nothing, but for Tags.
type EntryOption struct {
	kind optionKind
	n    int64
	at   time.Time
	tags *[]string // a pointer, because most calls have none
}

type optionKind uint8

const (
	optionNone optionKind = iota // the zero EntryOption changes nothing
	optionTTL
	optionNoTTL
	optionKeepTTL
	optionExpireAt
	optionIdle
	optionWeight
	optionLimit
	optionLimitWeight
	optionCull
	optionTags
)

// TTL makes the entry expire d from now. d <= 0 means already expired: the key
// is removed. A sum beyond the range of time.Duration means never.
func TTL(d time.Duration) EntryOption { return EntryOption{kind: optionTTL, n: int64(d)} }

// NoTTL makes the entry live for ever, whatever Options.TTL says.
func NoTTL() EntryOption { return EntryOption{kind: optionNoTTL} }

// KeepTTL leaves deadline and idle lifetime of a live entry as they are, and its
// tags unless the call names others. An entry that is not live gets the defaults.
func KeepTTL() EntryOption { return EntryOption{kind: optionKeepTTL} }

// ExpireAt makes the entry expire at t, measured from now on the engine's clock.
// A time that has passed means already expired: the key is removed.
func ExpireAt(t time.Time) EntryOption { return EntryOption{kind: optionExpireAt, at: t} }

// Idle makes the entry expire when it was not read for d, besides any deadline
// it has. d <= 0 means already expired. Every hit of such an entry reads the
// clock and stores the time.
func Idle(d time.Duration) EntryOption { return EntryOption{kind: optionIdle, n: int64(d)} }

// Weight is the entry's weight in place of what Options.Weigh returns. It panics
// if n is negative. It has an effect only in an engine with MaxWeight or Weigh:
// in others every entry weighs 1.
func Weight(n int64) EntryOption {
	if n < 0 {
		panic(fmt.Sprintf("locmem: Weight(%d): a weight must not be negative", n))
	}
	return EntryOption{kind: optionWeight, n: n}
}

// Limit bounds the number of entries for this write, besides Options.MaxEntries. If
// it adds a key, entries are evicted first until there is room: with the new entry at
// most n are held. A write to a live entry evicts nothing for it. If all writes of
// an engine have the same limit, no more is held at any instant. n < 1 counts as 1.
func Limit(n int) EntryOption {
	return EntryOption{kind: optionLimit, n: int64(max(n, 1))}
}

// LimitWeight bounds the weight of the entries for this write, besides
// Options.MaxWeight, if it adds weight: as Limit does their number. A write that
// alone is heavier is refused, and an older entry of the key is removed. It has an
// effect only in an engine with MaxWeight or Weigh. n < 1 counts as 1.
func LimitWeight(n int64) EntryOption {
	return EntryOption{kind: optionLimitWeight, n: max(n, 1)}
}

// Cull makes a write evict more than Limit asks for where it evicts at all: one of
// n of the entries held, at least one, and all of them if n < 2. Without Limit it
// says nothing. If more is still held than Limit says, the next write that adds a key
// goes on. Only one write of an engine culls at a time; others that need room for
// entries wait for it.
func Cull(n int) EntryOption {
	return EntryOption{kind: optionCull, n: int64(max(n, 1))}
}

// Tags makes the entry carry the tags, of which one is enough for InvalidateTags to
// remove it. No tags are none. A write without the option leaves none of an older
// entry's, unless it has KeepTTL. What a load with tags stores carries them. Each
// tag is a short search under a lock, and some 16 bytes an entry.
func Tags(tags ...string) EntryOption {
	own := slices.Clone(tags)
	return EntryOption{kind: optionTags, tags: &own}
}

// settings is what the options of one call say together. Where two options set
// the same property, the later one counts.
type settings struct {
	expiry    optionKind // optionNone: the default
	ttl       int64
	at        time.Time
	idle      int64
	hasIdle   bool
	weight    int64
	hasWeight bool
	within    within
	tags      *[]string
}

func settingsOf(opts []EntryOption) (s settings) {
	s.add(opts)
	return s
}

// add puts more options on top of what is there.
func (s *settings) add(opts []EntryOption) {
	for i := range opts {
		switch o := &opts[i]; o.kind {
		case optionNone:
		case optionTTL, optionNoTTL, optionKeepTTL, optionExpireAt:
			s.expiry, s.ttl, s.at = o.kind, o.n, o.at
		case optionIdle:
			s.idle, s.hasIdle = o.n, true
		case optionWeight:
			s.weight, s.hasWeight = o.n, true
		case optionLimit:
			s.within.entries = o.n
		case optionLimitWeight:
			s.within.weight = o.n
		case optionCull:
			s.within.cull = o.n
		case optionTags:
			s.tags = o.tags
		}
	}
}
