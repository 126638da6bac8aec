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
}

// end returns when the entry expires.
func (e entry) end() (end time.Time, ends bool) {
	end, ends = e.deadline, !e.deadline.IsZero()
	if e.idle > 0 && (!ends || e.used.Add(e.idle).Before(end)) {
		end, ends = e.used.Add(e.idle), true
	}
	return end, ends
}

// run is one engine beside its model: a map, a clock, and the removals that the
// engine reports. Which entry is evicted is the engine's to say; every answer
// must then be the model's.
type run struct {
	t       T
	source  Source
	config  Config
	engine  *locmem.Engine[int, int]
	clock   *locmem.ManualClock
	entries map[int]entry
	ttl     time.Duration

	delivery lock.Mutex // protects the model from two deliveries at a time

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
		limit:   config.Entries,
	}
	opts := locmem.Options[int, int]{
		MaxEntries: config.Entries, Shards: config.Shards, Policy: config.Policy,
		Clock: r.clock, OnRemove: r.removed, Stats: true,
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
	r.check(r.engine.Len() == len(r.entries), "%d entries are held, not %d", r.engine.Len(), len(r.entries))
	r.check(r.engine.Len() <= r.limit, "%d entries are held, the limit is %d", r.engine.Len(), r.limit)
	if r.config.Weighted {
		weight := int64(0)
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

// live returns the key's entry if it has not expired.
func (r *run) live(key int) (entry, bool) {
	e, ok := r.entries[key]
	if !ok {
		return entry{}, false
	}
	if end, ends := e.end(); ends && !r.clock.Now().Before(end) {
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
	r.check(ok, "%v of key %d, which is not held", gone.Cause, gone.Key)
	r.check(e.value == gone.Value && e.weight == gone.Weight,
		"%v of key %d: value %d of weight %d, not %d of %d", gone.Cause, gone.Key, gone.Value, gone.Weight, e.value, e.weight)
	_, live := r.live(gone.Key)
	switch gone.Cause {
	case locmem.Cleared:
	case locmem.Expired:
		r.check(!live, "key %d was reported as expired and is alive", gone.Key)
	case locmem.Replaced, locmem.Deleted, locmem.Evicted, locmem.TooHeavy:
		r.check(live, "%v of key %d, which has expired", gone.Cause, gone.Key)
	case locmem.Invalidated, locmem.Moved:
		r.check(false, "%v of key %d", gone.Cause, gone.Key)
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
	switch {
	case !ok:
		r.check(r.tooHeavy(e), "key %d was refused", key)
		_, still := r.entries[key]
		r.check(!still, "refused, and the old entry of key %d has stayed", key)
	case e.gone:
		_, still := r.entries[key]
		r.check(!still, "an expiry that has passed left the old entry of key %d", key)
	default:
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
		if live {
			e.deadline, e.idle, e.used = old.deadline, old.idle, old.used
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
	return opts, e
}

// duration returns a duration over 0 and up to d.
func (r *run) duration(d time.Duration) time.Duration {
	return time.Duration(1+r.source.IntN(1<<20)) * d >> 20
}

var ctx = context.Background()
