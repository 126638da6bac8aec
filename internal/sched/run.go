// SPDX-License-Identifier: MIT

// Package sched runs a few threads one at a time and decides at every step which
// of them goes on, so that each order in which they can get ahead of each other is
// one that a test can ask for, count and repeat.
//
// The threads give way at points: package lock, built with the tag sched, has one
// in every operation of a mutex, an atomic, a goroutine start or a wait. Between two
// points a thread runs alone. By Go's memory model that loses nothing for a program
// without data races, and whether it has any is the race detector's to say: under
// this scheduler, which orders everything, the detector is blind.
//
// The run that is on is one variable of the package. So there is one at a time in a
// process, and while it is on no other goroutine may come to a point.
package sched

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Kind is what a thread is about to do at a point.
type Kind uint8

// The kinds are named after what package lock does there.
const (
	Begin Kind = iota
	End
	Lock
	Unlock
	TryLock
	RLock
	RUnlock
	Load
	Store
	Add
	CompareAndSwap
	Go
	Wait
	Yield
	User // user code runs
)

var kinds = [...]string{
	"begins", "ends", "Lock", "Unlock", "TryLock", "RLock", "RUnlock", "Load", "Store", "Add", "CompareAndSwap",
	"Go", "Wait", "Yield", "User",
}

func (k Kind) String() string { return kinds[k] }

// Condition is what a thread waits for.
type Condition interface{ Ready() bool }

// ConditionFunc is a function as a Condition.
type ConditionFunc func() bool

// Ready calls the function.
func (f ConditionFunc) Ready() bool { return f() }

// active is the run that is on, or nil.
var active *Run

// On reports whether a run is on, so that points count.
func On() bool { return active != nil }

// Unwinding reports whether the run that is on has failed and its threads are being
// ended, so that what their deferred functions find is to be let pass.
func Unwinding() bool { return active != nil && active.unwinding }

// Point lets another thread go first, if the strategy wants that.
func Point(k Kind) {
	if r := active; r != nil {
		r.point(k, nil)
	}
}

// Until is a Point after which the thread goes on only when the condition is true.
// A run must be on.
func Until(k Kind, c Condition) { active.point(k, c) }

// Start makes f a thread of the run that is on, and reports false if there is none.
func Start(f func()) bool {
	r := active
	if r == nil {
		return false
	}
	r.start(f)
	r.point(Go, nil)
	return true
}

// Step is one step of a schedule: which thread was let go on, and what it was about
// to do.
type Step struct {
	Thread int
	Kind   Kind
	Where  string // only if the run is traced
}

// Errors of a run.
var (
	ErrDeadlock = errors.New("deadlock: no thread can go on")
	ErrEndless  = errors.New("the threads do not come to an end")
	// ErrNotRepeatable: the same choices twice, and the steps differ.
	ErrNotRepeatable = errors.New("the scenario depends on something else than the schedule")
)

// Run is one schedule of a scenario's threads.
type Run struct {
	strategy strategy
	threads  []*thread
	current  *thread
	running  int // threads that have not ended, but for the first
	options  []*thread

	now     int64
	steps   []Step
	choices []int // the threads chosen where there was a choice
	first   int   // how many steps were before the first choice
	last    int   // and up to the last one
	limit   int   // of steps
	tracing bool

	failure   error
	unwinding bool
}

type thread struct {
	id    int
	wake  chan struct{}
	kind  Kind
	until Condition // nil: it can go on
	// yields: it waits for a step of another thread, and only a thread that does
	// not yield makes one.
	yields bool
	where  string
	done   bool
}

func newRun(s strategy) *Run { return &Run{strategy: s, limit: 20_000} }

// unwound is the panic by which the first thread leaves a run that has failed.
type unwound struct{}

// execute runs a scenario to its end in this goroutine, which is the first thread,
// and returns what failed.
func (r *Run) execute(body func(*Run) error) (err error) {
	first := &thread{wake: make(chan struct{}, 1)}
	r.threads = append(r.threads, first)
	r.current = first
	active = r
	defer func() {
		p := recover()
		if _, ok := p.(unwound); p != nil && !ok {
			r.fail(fmt.Errorf("the scenario panics: %v\n%s", p, debug.Stack()))
			r.unwinding = true
			r.release(first)
		}
		active = nil
		if r.failure != nil {
			err = r.failure
		}
	}()
	err = body(r)
	r.Wait()
	return err
}

// Go starts a thread.
func (r *Run) Go(f func()) { r.start(f) }

// Wait lets the others go on until all have ended. Only the first thread may call it.
func (r *Run) Wait() {
	r.point(Wait, ConditionFunc(func() bool { return r.running == 0 }))
}

// Tick moves the time of the run on, by which threads can tell what came before
// what, and returns it.
func (r *Run) Tick() int64 {
	r.now++
	return r.now
}

// Thread returns the number of the thread that runs; the scenario's own is 0.
func (r *Run) Thread() int { return r.current.id }

func (r *Run) start(f func()) {
	if r.unwinding {
		return
	}
	t := &thread{id: len(r.threads), wake: make(chan struct{}, 1), kind: Begin}
	r.threads = append(r.threads, t)
	r.running++
	r.strategy.born(t.id)
	go func() {
		<-t.wake
		defer func() {
			if p := recover(); p != nil {
				r.fail(fmt.Errorf("thread %d panics: %v\n%s", t.id, p, debug.Stack()))
			}
			t.done, t.kind = true, End
			r.running--
			r.release(t)
		}()
		if r.unwinding {
			return
		}
		f()
	}()
}

func (r *Run) fail(err error) {
	if r.failure == nil {
		r.failure = err
	}
}

// point is where the running thread stops until it is chosen again.
func (r *Run) point(k Kind, c Condition) {
	t := r.current
	if !r.unwinding {
		t.kind, t.until = k, c
		if r.tracing {
			t.where = caller()
		}
		if next := r.choose(t); next != t {
			r.handOver(next)
			<-t.wake
		}
	}
	if r.unwinding {
		r.unwind(t)
	}
}

// choose returns the thread that goes on, after t stopped.
func (r *Run) choose(t *thread) *thread {
	if r.failure != nil {
		r.unwinding = true
		return t
	}
	t.yields = t.kind == Yield
	if !t.yields {
		r.woken()
	}
	if r.list(t); len(r.options) == 0 {
		r.woken()
		r.list(t)
	}
	switch {
	case len(r.options) == 0:
		r.fail(fmt.Errorf("%w: %s", ErrDeadlock, r.standing()))
	case len(r.steps) >= r.limit:
		r.fail(fmt.Errorf("%w in %d steps: %s", ErrEndless, r.limit, r.standing()))
	}
	if r.failure != nil {
		r.unwinding = true
		return t
	}
	running := t
	if r.options[0] != t {
		running = nil
	}
	next := r.pick(r.options, running)
	r.steps = append(r.steps, Step{Thread: next.id, Kind: next.kind, Where: next.where})
	next.until = nil
	return next
}

// woken lets all go on that yield.
func (r *Run) woken() {
	for _, t := range r.threads {
		t.yields = false
	}
}

// list makes the options: who can go on. The one that has just stopped comes first, so
// that a strategy knows what is a switch.
func (r *Run) list(t *thread) {
	r.options = r.options[:0]
	if t.ready() {
		r.options = append(r.options, t)
	}
	for _, other := range r.threads {
		if other != t && other.ready() {
			r.options = append(r.options, other)
		}
	}
}

func (t *thread) ready() bool {
	return !t.done && !t.yields && (t.until == nil || t.until.Ready())
}

func (r *Run) pick(options []*thread, running *thread) *thread {
	if len(options) == 1 {
		return options[0]
	}
	if len(r.choices) == 0 {
		r.first = len(r.steps)
	}
	r.last = len(r.steps) + 1
	next := options[r.strategy.pick(options, running)]
	r.choices = append(r.choices, next.id)
	return next
}

func (r *Run) handOver(next *thread) {
	r.current = next
	next.wake <- struct{}{}
}

// release lets another thread go on after t has ended. In a run that has failed
// all end one after the other, the first one last.
func (r *Run) release(t *thread) {
	next := t
	if !r.unwinding {
		next = r.choose(t)
	}
	if !r.unwinding {
		r.handOver(next)
		return
	}
	for _, other := range r.threads[1:] {
		if !other.done {
			r.handOver(other)
			if t.id == 0 { // it has panicked, and stays until the others have ended
				<-t.wake
			}
			return
		}
	}
	if t.id != 0 {
		r.handOver(r.threads[0])
	}
}

// unwind ends a thread of a run that has failed. It runs its deferred functions;
// points in them end it again.
func (r *Run) unwind(t *thread) {
	if t.id != 0 {
		runtime.Goexit()
	}
	r.release(t)
	panic(unwound{})
}

// standing tells where each thread stands.
func (r *Run) standing() string {
	var b strings.Builder
	for _, t := range r.threads {
		if !t.done {
			fmt.Fprintf(&b, "thread %d at %v; ", t.id, t.kind)
		}
	}
	return strings.TrimSuffix(b.String(), "; ")
}

// caller returns the first place in the stack that is neither the scheduler's nor
// the shim's.
func caller() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.Contains(f.File, "/internal/lock/") && !strings.Contains(f.File, "/internal/sched/") || strings.HasSuffix(f.File, "_test.go") {
			function := f.Function[strings.LastIndexByte(f.Function, '/')+1:]
			return fmt.Sprintf("%s:%d %s", f.File[strings.LastIndexByte(f.File, '/')+1:], f.Line, function)
		}
		if !more {
			return ""
		}
	}
}
