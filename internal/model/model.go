// SPDX-License-Identifier: MIT

// Package model has a cache too simple to be wrong, and a driver that makes an
// engine and the model do the same and compares every answer.
package model

import (
	"context"
	"errors"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/hook"
	"github.com/locmem/locmem/internal/lock"
)

// T is what the driver needs of a *testing.T.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Source is where a run's choices come from: a random generator or a fuzzer's
// bytes.
type Source interface {
	// IntN returns a number from 0 to n-1.
	IntN(n int) int
}

// Config is one way to make an engine.
type Config struct {
	Policy   evict.Policy
	Shards   int
	Entries  int
	Weighted bool
	Tags     bool // writes carry tags, which are invalidated
	// See locmem.Options.
	NegativeTTL, StaleFor, StaleIfError, RefreshAhead time.Duration
	// Bend and Keep: see hook.BendHash.
	Bend func(uint64) uint64
	Keep bool
}

// entry is what the model holds for a key.
type entry struct {
	value    int
	weight   int64
	deadline time.Time // zero: never
	idle     time.Duration
	used     time.Time
	gone     bool // written with an expiry that had passed
	kept     bool // written with the expiry and the tags of the entry before
	weighed  bool // the call has named the weight
	tags     []string
	invalid  bool  // one of the tags was invalidated
	failure  error // of the last load that was to refresh it
}

// end returns when the entry expires.
func (e entry) end() (end time.Time, ends bool) {
	end, ends = e.deadline, !e.deadline.IsZero()
	if e.idle > 0 && (!ends || e.used.Add(e.idle).Before(end)) {
		end, ends = e.used.Add(e.idle), true
	}
	return end, ends
}

// within reports whether less than d has passed since the deadline, and the idle
// lifetime has not.
func (e entry) within(d time.Duration, now time.Time) bool {
	if !e.deadline.IsZero() {
		e.deadline = e.deadline.Add(d)
	}
	end, ends := e.end()
	return !ends || now.Before(end)
}

// run is one engine beside its model: a map, a clock, and the removals that the
// engine reports. Which entry is evicted is the engine's to say; every answer
// must then be the model's.
//
// The model holds what the engine holds: expired entries too, until they are
// beyond their grace, and invalidated ones, until the clock moves. That a key was
// not found is noted, and a note may be evicted without an event: how many of them
// are lost is known from Len.
type run struct {
	t       T
	source  Source
	config  Config
	engine  *locmem.Engine[int, int]
	clock   *locmem.ManualClock
	entries map[int]entry
	pending map[int]entry     // what a call on many keys may have stored
	notes   map[int]time.Time // until when
	lost    int               // notes that the engine does not hold any more
	ttl     time.Duration
	grace   time.Duration

	// delivery protects the model from two deliveries at a time, and what loaders
	// write down.
	delivery lock.Mutex

	limit, weightLimit int
	step               int
	call               string
}

var errLoad = errors.New("model: the load failed")

// Run makes an engine of the configuration and lets it and the model take so
// many steps.
func Run(t T, config Config, source Source, steps int) {
	t.Helper()
	r := &run{
		t: t, source: source, config: config,
		clock:   locmem.NewManualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
		entries: make(map[int]entry),
		notes:   make(map[int]time.Time),
		limit:   config.Entries,
		grace:   max(config.StaleFor, config.StaleIfError),
	}
	opts := locmem.Options[int, int]{
		MaxEntries: config.Entries, Shards: config.Shards, Policy: config.Policy,
		Clock: r.clock, OnRemove: r.removed, Stats: true,
		NegativeTTL: config.NegativeTTL, StaleFor: config.StaleFor, StaleIfError: config.StaleIfError,
		RefreshAhead: config.RefreshAhead, Workers: 1 << 20, // so that no refresh is skipped
	}
	if config.Weighted {
		r.weightLimit = 5 * config.Entries / 2
		opts.MaxWeight = int64(r.weightLimit)
		opts.Weigh = func(_, value int) int64 { return int64(value % 7) }
	}
	if source.IntN(2) == 0 {
		r.ttl = time.Minute
		opts.TTL = r.ttl
	}
	hook.BendHash(&opts, config.Bend, config.Keep)
	var err error
	if r.engine, err = locmem.New(opts); err != nil {
		t.Fatalf("New: %v", err)
	}
	defer r.engine.Close()
	for r.step = range steps {
		r.take(source.IntN(len(calls)))
	}
}

func (r *run) take(n int) {
	r.t.Helper()
	c := calls[n]
	r.call = c.name
	c.do(r, r.source.IntN(3*r.config.Entries))
	r.settle()
	held := r.engine.Len()
	notes := held - len(r.entries)
	r.check(0 <= notes && notes <= len(r.notes), "%d are held, not %d entries and up to %d notes", held, len(r.entries), len(r.notes))
	r.check(held <= r.limit, "%d are held, the limit is %d", held, r.limit)
	lost := len(r.notes) - notes
	full := c.evicts || r.config.Weighted || held+loadedAtOnce >= r.limit
	r.check(full || lost <= r.lost, "%d notes are lost, %d before, with %d of %d held", lost, r.lost, held, r.limit)
	r.lost = lost
	if r.config.Weighted {
		weight := int64(notes)
		for _, e := range r.entries {
			weight += e.weight
		}
		r.check(r.engine.Weight() == weight, "weight %d is held, not %d", r.engine.Weight(), weight)
		r.check(weight <= int64(r.weightLimit), "weight %d is held, the limit is %d", weight, r.weightLimit)
	}
	if err := hook.Validate(r.engine); err != nil {
		r.check(false, "%v", err)
	}
}

func (r *run) check(ok bool, format string, args ...any) {
	r.t.Helper()
	if !ok {
		r.t.Fatalf("step %d, %s: "+format, append([]any{r.step, r.call}, args...)...)
	}
}

// live returns the key's entry if it has not expired and was not invalidated.
func (r *run) live(key int) (entry, bool) {
	e, ok := r.entries[key]
	if !ok || e.invalid || !e.within(0, r.clock.Now()) {
		return entry{}, false
	}
	return e, true
}

// hit counts a use of the key's live entry.
func (r *run) hit(key int) {
	if e, ok := r.live(key); ok {
		e.used = r.clock.Now()
		r.entries[key] = e
	}
}

// removed is the engine's listener: what is reported must be what the model
// holds, and is then no longer held.
//
// A load's goroutine that has delivered its own events may go on with later ones,
// so the model is looked at only when all are delivered; see settle.
func (r *run) removed(gone locmem.Removal[int, int]) {
	r.delivery.Lock()
	defer r.delivery.Unlock()
	e, ok := r.entries[gone.Key]
	if next, may := r.pending[gone.Key]; may && next.value == gone.Value { // stored and gone within one call
		r.check(gone.Cause == locmem.Evicted && next.weight == gone.Weight, "%v of key %d: %+v", gone.Cause, gone.Key, next)
		delete(r.pending, gone.Key)
		return
	}
	r.check(ok, "%v of key %d, which is not held", gone.Cause, gone.Key)
	r.check(e.value == gone.Value && e.weight == gone.Weight,
		"%v of key %d: value %d of weight %d, not %d of %d", gone.Cause, gone.Key, gone.Value, gone.Weight, e.value, e.weight)
	_, live := r.live(gone.Key)
	switch gone.Cause {
	case locmem.Cleared:
	case locmem.Expired:
		r.check(!live && !e.invalid, "key %d was reported as expired: %+v", gone.Key, e)
	case locmem.Invalidated:
		r.check(e.invalid, "key %d was reported as invalidated, its tags are %q", gone.Key, e.tags)
	case locmem.Replaced, locmem.Deleted, locmem.Evicted, locmem.TooHeavy, locmem.Moved:
		r.check(live, "%v of key %d, which was dead", gone.Cause, gone.Key)
	}
	delete(r.entries, gone.Key)
}

// tooHeavy reports whether an entry is to be refused.
func (r *run) tooHeavy(e entry) bool {
	return r.config.Weighted && e.weight > int64(r.weightLimit)
}

// settle waits until the model knows of all that was removed.
func (r *run) settle() {
	err := r.engine.Drain(ctx)
	r.check(err == nil, "Drain: %v", err)
}

// stored takes in what a write says it has stored.
func (r *run) stored(key int, e entry, ok bool) {
	r.settle()
	delete(r.notes, key)
	switch {
	case !ok:
		r.check(r.tooHeavy(e), "key %d was refused", key)
		_, still := r.entries[key]
		r.check(!still, "refused, and the old entry of key %d has stayed", key)
	case e.gone:
		_, still := r.entries[key]
		r.check(!still, "an expiry that has passed left the old entry of key %d", key)
	default:
		old, still := r.entries[key]
		r.check(!still || old.value == e.value, "the removal of value %d of key %d was not reported", old.value, key)
		r.entries[key] = e
	}
}

// plain returns the entry that a write without options makes.
func (r *run) plain() entry {
	e := entry{value: r.step + 1, weight: 1, used: r.clock.Now()}
	if r.config.Weighted {
		e.weight = int64(e.value % 7)
	}
	if r.ttl > 0 {
		e.deadline = e.used.Add(r.ttl)
	}
	return e
}

// write chooses the options of a write and returns them with the entry it makes.
func (r *run) write(key int) (opts []locmem.EntryOption, e entry) {
	now := r.clock.Now()
	old, live := r.live(key)
	e = r.plain()
	if r.config.Weighted && r.source.IntN(4) == 0 {
		e.weighed = true
		e.weight = int64(r.source.IntN(3 * r.config.Entries))
		opts = append(opts, locmem.Weight(e.weight))
	}
	switch r.source.IntN(9) {
	case 0, 1:
		d := r.duration(time.Minute)
		opts = append(opts, locmem.TTL(d))
		e.deadline = now.Add(d)
	case 2:
		opts = append(opts, locmem.NoTTL())
		e.deadline = time.Time{}
	case 3:
		opts = append(opts, locmem.KeepTTL())
		if e.kept = true; live {
			e.deadline, e.idle, e.used, e.tags = old.deadline, old.idle, old.used, old.tags
		}
	case 4:
		e.deadline = now.Add(r.duration(time.Minute))
		opts = append(opts, locmem.ExpireAt(e.deadline))
	case 5:
		if r.source.IntN(3) == 0 {
			opts = append(opts, locmem.TTL(-time.Duration(r.source.IntN(2))))
			e.gone = true
		}
	case 6:
		e.idle = r.duration(30 * time.Second)
		opts = append(opts, locmem.Idle(e.idle))
	}
	if r.config.Tags && r.source.IntN(2) == 0 {
		first := r.source.IntN(len(tags))
		e.tags = tags[first:min(len(tags), first+1+r.source.IntN(2))]
		opts = append(opts, locmem.Tags(e.tags...))
	}
	return opts, e
}

// duration returns a duration over 0 and up to d.
func (r *run) duration(d time.Duration) time.Duration {
	return time.Duration(1+r.source.IntN(1<<20)) * d >> 20
}

var (
	ctx  = context.Background()
	tags = []string{"red", "green", "blue", "black"}
)
