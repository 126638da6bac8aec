// SPDX-License-Identifier: MIT

//go:build sched

package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/internal/lin"
	"github.com/locmem/locmem/internal/sched"
)

// Options are those of a scenario's engine.
type Options = locmem.Options[string, int64]

type engine = locmem.Engine[string, int64]

// rig is an engine under the scheduler and a record of all that it answered. One
// thread runs at a time, so it needs no lock.
type rig struct {
	run    *sched.Run
	engine *engine
	clock  *locmem.ManualClock
	// The contexts of the loads: those of callers who stay, and of those who may leave.
	staying, leaving context.Context
	cancel, leave    context.CancelFunc

	last     int64 // value that was given out
	moving   int64 // how often the clock was moved, by calls that have begun
	moved    int64 // and by calls that have returned
	ops      map[int][]lin.Op
	everyKey []lin.Op // operations on all keys
	tagged   []lin.Op // operations on keys whose entries carry the tag
	carriers map[int]bool
	lenient  bool  // reads for loads may find what has expired
	closing  bool  // a Close was called
	closed   int64 // when a Close had returned; 0: not yet
	stored   map[int64]write
	loads    []*load
	notices  []notice
	deleted  int  // entries that calls say they have deleted
	unsure   bool // one of them may not have been
	moves    bool // values may end under another key than they were stored
	lookups  int  // that are counted as hits or misses
	faults   []error
}

// write is a value that was stored.
type write struct {
	key   int
	call  int64
	times int
}

// notice is a removal that was reported.
type notice struct {
	locmem.Removal[string, int64]
	at int64
}

// load is one run of a loader. It may have stored its value.
type load struct {
	key         int
	value       int64
	call, ended int64 // of the loader
	over        int64 // the value that its caller was answered with, if it is another one, else 0
	ttl         int64
	moved       int64 // the rig's when the loader was called
	moving      int64 // the rig's then
	failed      bool
}

// start is where the clock begins.
var start = time.Unix(1_000_000_000, 0)

// names are the keys. Their hashes, xxhash's, are the same in every run; of an engine
// of two shards the first two keys are in one, the others in the other.
var names = []string{"0", "1", "2", "4"}

func named(which []int) []string {
	out := make([]string, len(which))
	for i, key := range which {
		out[i] = names[key]
	}
	return out
}

func newRig(run *sched.Run, configure func(*Options)) (*rig, error) {
	g := &rig{
		run:      run,
		clock:    locmem.NewManualClock(start),
		ops:      make(map[int][]lin.Op),
		stored:   make(map[int64]write),
		carriers: make(map[int]bool),
	}
	g.staying, g.cancel = context.WithCancel(context.Background())
	g.leaving, g.leave = context.WithCancel(g.staying)
	opts := Options{MaxEntries: 2, Shards: 1, Clock: g.clock, Stats: true, OnRemove: g.removed}
	if configure != nil {
		configure(&opts)
	}
	g.lenient = opts.StaleFor > 0 || opts.StaleIfError > 0
	var err error
	g.engine, err = locmem.New(opts)
	return g, err
}

func (g *rig) removed(r locmem.Removal[string, int64]) {
	g.notices = append(g.notices, notice{r, g.run.Tick()})
}

// value gives out a number that no other write has. Increments stay below the next.
func (g *rig) value() int64 {
	g.last += 1000
	return g.last
}

// did records what a call answered.
func (g *rig) did(key int, call int64, name string, o lin.Op) {
	o.Client, o.Call, o.Return, o.Name = g.run.Thread(), call, g.run.Tick(), name
	g.ops[key] = append(g.ops[key], o)
}

// didAll records a call that is an operation on every key.
func (g *rig) didAll(call int64, name string, o lin.Op) {
	o.Client, o.Call, o.Return, o.Name = g.run.Thread(), call, g.run.Tick(), name
	g.everyKey = append(g.everyKey, o)
}

// wrote records that a value was stored.
func (g *rig) wrote(key int, value, call int64) {
	w := g.stored[value]
	g.stored[value] = write{key: key, call: call, times: w.times + 1}
	if g.closed > 0 && call > g.closed {
		g.fault("value %d was stored after Close had returned", value)
	}
}

func (g *rig) lookup(key int, call int64, name string, value int64, found bool) {
	if found {
		g.did(key, call, name, lin.Op{Need: lin.Held, Old: value})
	} else {
		g.did(key, call, name, lin.Op{Need: lin.Absent})
	}
}

func (g *rig) fault(format string, args ...any) {
	g.faults = append(g.faults, fmt.Errorf(format, args...))
}

// errLoad is what a loader fails with.
var errLoad = errors.New("the loader fails")

// loader returns a loader that stops at points, as if it took its time, and its
// record.
func (g *rig) loader(key int, fail error, during ...func()) (func(context.Context, string) (int64, error), *load) {
	l := &load{key: key}
	return func(context.Context, string) (int64, error) {
		l.call = g.run.Tick()
		l.value, l.moved, l.moving = g.value(), g.moved, g.moving
		g.loads = append(g.loads, l)
		sched.Point(sched.User)
		defer func() { l.ended = g.run.Tick() }()
		for _, do := range during {
			do()
		}
		if fail != nil {
			l.failed = true
			return 0, fail
		}
		return l.value, nil
	}, l
}
