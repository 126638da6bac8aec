// SPDX-License-Identifier: MIT

package cachetest

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/locmem/locmem/internal/lock"
	"github.com/locmem/locmem/internal/stacks"
)

// cacheStatement is one statement with its check.
type cacheStatement struct {
	id, says string
	basis    Basis
	needs    string // names of abilities, see lacks
	child    bool   // it may hang or end the process
	check    func(s *cacheRun)
}

func (st cacheStatement) name() string { return statement{id: st.id, says: st.says}.name() }

func cacheStatements() []cacheStatement {
	return slices.Concat(callStatements, lifetimeStatements, boundStatements, loaderStatements, listenerStatements, oddKeyStatements,
		crowdStatements, historyStatements)
}

// Kinds of failures, as reports name them.
const (
	wrongAnswer = "wrong answer"
	hang        = "hang"
	crash       = "crash"
	dataRace    = "data race"
)

// outcome is what became of a statement.
type outcome struct {
	kind string // of a failure, "" if there is none
	says string // what was wrong
	skip string // why it was not checked
}

func (o *outcome) Error() string { return o.kind + ": " + o.says }

// watchdog is after how long a call that says nothing hangs. A processor that is
// emulated takes its time: which one that may be is told from GOARCH alone.
var watchdog = map[bool]time.Duration{false: 2 * time.Second, true: time.Minute}[runtime.GOARCH != "amd64"]

// runCache checks statements, each in a test that run begins; isolate tells whether
// those that need it get processes of their own.
func runCache(t testing.TB, all []cacheStatement, factory func(testing.TB, CacheOptions) AnyCache[string], config CacheConfig,
	isolate bool, run func(name string, body func(testing.TB)),
) tally {
	t.Helper()
	var total tally
	for _, st := range all {
		run(st.name(), func(tb testing.TB) {
			s := newCacheRun(tb, factory, config)
			o := s.unasked(st)
			switch {
			case o != nil:
			case st.child && isolate:
				o = s.checkInAnotherProcess(t.Name(), st)
			default:
				o = s.run(st)
			}
			switch {
			case o == nil:
				total.held++
			case o.skip != "":
				total.skipped = append(total.skipped, st.id)
				tb.Skip("not claimed: " + o.skip)
			default:
				total.failed++
				tb.Error(s.report(st, o))
			}
		})
	}
	return total
}

// cacheRun is one check of one statement.
type cacheRun struct {
	factory func(CacheOptions) AnyCache[string]
	anyKeys func(CacheOptions) AnyCache[any]
	config  CacheConfig
	probe   AnyCache[string]
	unit    time.Duration // a lifetime that some calls do not use up
	calls   *callLog
}

func newCacheRun(tb testing.TB, factory func(testing.TB, CacheOptions) AnyCache[string], config CacheConfig) *cacheRun {
	tb.Helper()
	s := &cacheRun{config: config, calls: new(callLog)}
	s.factory = func(o CacheOptions) AnyCache[string] { return factory(tb, o) }
	s.anyKeys = func(o CacheOptions) AnyCache[any] { return config.AnyKeys(tb, o) }
	s.probe = s.factory(CacheOptions{Capacity: roomy})
	if s.probe.Get == nil || s.probe.Set == nil || s.probe.Delete == nil {
		tb.Fatal("the adapter has no Get, no Set or no Delete")
	}
	s.unit = max(100*time.Millisecond, 2*config.Granularity)
	if s.probe.Advance != nil {
		s.unit = max(time.Second, 2*config.Granularity)
	}
	return s
}

// unasked returns why a statement is not checked, nil if it is.
func (s *cacheRun) unasked(st cacheStatement) *outcome {
	if where, ok := s.config.Disclaimed[st.id]; ok {
		return &outcome{skip: where}
	}
	if _, ok := s.config.Documented[st.id]; !ok && st.basis == Promised {
		return &outcome{skip: "its documentation does not promise it"}
	}
	for need := range strings.FieldsSeq(st.needs) {
		if why := s.lacks(need); why != "" {
			return &outcome{skip: why}
		}
	}
	return nil
}

// lacks returns why the cache has not got an ability, "" if it has.
func (s *cacheRun) lacks(ability string) string {
	switch ability {
	case "Now":
		return s.config.SettlesLater
	case "Sure":
		return s.config.MayDrop
	case "Bounded":
		return s.config.Unbounded
	}
	a, c := s.probe, s.config
	has, ok := map[string]bool{
		"TTL": a.SetTTL != nil, "Add": a.Add != nil, "Replace": a.Replace != nil, "Take": a.Take != nil,
		"Incr": a.Incr != nil, "CompareAndSwap": a.CompareAndSwap != nil, "GetOrLoad": a.GetOrLoad != nil,
		"All": a.All != nil, "Clear": a.Clear != nil, "Len": a.Len != nil, "Close": a.Close != nil,
		"Notices": c.Notices, "LoadContext": c.LoadContext, "AnyKeys": c.AnyKeys != nil,
	}[ability]
	if !ok {
		panic("no such ability: " + ability)
	}
	if has {
		return ""
	}
	return "it has no " + ability
}

// run runs the check on a goroutine of its own, and returns nil if it held. One that
// hangs is left behind.
func (s *cacheRun) run(st cacheStatement) *outcome {
	done := make(chan *outcome, 1)
	s.calls.step()
	go func() {
		o := &outcome{kind: crash, says: "the goroutine was ended by runtime.Goexit"}
		defer func() { done <- o }()
		defer func() {
			if p := recover(); p != nil {
				o = outcomeOf(p)
			}
		}()
		st.check(s)
		o = nil
	}()
	// Counted in rounds and not by the clock: while the process or its machine stood still,
	// nothing else could go on either.
	const rounds = 20
	for quiet := 0; quiet < rounds; quiet++ {
		select {
		case o := <-done:
			return o
		case <-time.After(watchdog / rounds):
			if s.calls.moved() {
				quiet = 0
			}
		}
	}
	return &outcome{kind: hang, says: "the last call has not returned after " + watchdog.String()}
}

// outcomeOf is that of a check that has panicked.
func outcomeOf(p any) *outcome {
	if err, ok := p.(error); ok {
		var o *outcome
		if errors.As(err, &o) {
			return o
		}
	}
	return &outcome{kind: crash, says: fmt.Sprintf("panic: %v\n%s", p, debug.Stack())}
}

// report is what a failed statement says.
func (s *cacheRun) report(st cacheStatement, o *outcome) string {
	basis := st.basis.String()
	if where := s.config.Documented[st.id]; where != "" {
		basis = Promised.String() + ": " + where
	}
	out := fmt.Sprintf("%s does not hold: %s\nbasis: %s\n%v", st.id, st.says, basis, o)
	if calls := s.calls.String(); calls != "" {
		out += "\nthe calls:\n" + calls
	}
	return out
}

// wrong ends the check: an answer was wrong.
func (s *cacheRun) wrong(format string, args ...any) {
	panic(&outcome{kind: wrongAnswer, says: fmt.Sprintf(format, args...)})
}

// must ends the check unless a condition holds.
func (s *cacheRun) must(ok bool, format string, args ...any) {
	if !ok {
		s.wrong(format, args...)
	}
}

// skip ends the check: it cannot be asked.
func (s *cacheRun) skip(why string) { panic(&outcome{skip: why}) }

// advance lets time pass: exactly so much, if the clock is moved by hand.
func (s *cacheRun) advance(c *driver, d time.Duration) {
	s.note("%v pass", d)
	if c.Advance != nil {
		c.Advance(d)
		return
	}
	for end := time.Now().Add(d); time.Now().Before(end); s.calls.step() {
		<-time.After(min(100*time.Millisecond, time.Until(end)))
	}
}

// outlive lets so much time pass that an entry with a lifetime of d is gone.
func (s *cacheRun) outlive(c *driver, d time.Duration) {
	s.advance(c, d+s.config.Granularity+s.config.Slack+max(time.Millisecond, d/20))
}

// lull lets other goroutines go on until they are blocked. A cache may have some that
// never are, so what comes after it must be right in any case.
func (s *cacheRun) lull() {
	for range 10 {
		s.calls.step()
		if stacks.Settle(100 * time.Millisecond) {
			return
		}
	}
}

// within runs f on a goroutine of its own, so that it may end in any way, and returns
// what it panicked with.
func (s *cacheRun) within(f func()) (panicked any) {
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		f()
	}()
	return <-done
}

// together calls a function n times at once and returns when all have returned. A call
// that panics ends the check.
func (s *cacheRun) together(n int, call func(i int)) {
	var panicked lock.Pointer[outcome]
	begin, left := make(chan struct{}), make(chan struct{}, n)
	for i := range n {
		go func() {
			defer func() {
				if p := recover(); p != nil {
					panicked.CompareAndSwap(nil, outcomeOf(p))
				}
				left <- struct{}{}
			}()
			<-begin
			call(i)
		}()
	}
	close(begin)
	for range n {
		<-left
	}
	if o := panicked.Load(); o != nil {
		panic(o)
	}
}
