// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/locmem/locmem/cache"
	"github.com/locmem/locmem/internal/lock"
)

// BackendConfig is what the suite has to know of a backend.
type BackendConfig struct {
	// Advance moves the backend's clock. It gets what the factory got. nil: the clock
	// is the real one, and the suite waits.
	Advance func(tb testing.TB, d time.Duration)
	// Granularity is what timeouts are rounded up to. 0: they are not rounded.
	Granularity time.Duration
	// Slack is how long after its deadline an entry may still be seen.
	Slack time.Duration

	// Codec is what all aliases use that no statement has a codec of its own for. It
	// must take structs, slices, maps, texts, floats and booleans. nil: JSON.
	Codec cache.Codec
	// MaxValue is the size of the largest value that is tried, in bytes. 0: 4 MiB.
	MaxValue int

	// Skip has the ids of statements that are not checked, with the reasons, which
	// are logged. What a Capability stands for need not be here.
	Skip map[string]string
}

// RunBackend tells whether a backend keeps the cache's contract. It has a subtest
// for each statement that depends on the backend, named by the statement's id and a
// few words, as in O4_add_changes_nothing_if_taken. Calls are made as a program
// makes them, through [cache.New] and [cache.For]. What was checked and what was
// skipped is logged at the end.
//
// The factory returns a new backend for each statement, and for some statements
// several: all are empty and share no entries. It closes them by tb.Cleanup, if they
// need to be closed; a statement may have closed them already.
//
// The backend's capabilities decide what is checked: a statement that needs one
// that is not claimed is skipped, and says which. Without Advance each statement
// about timeouts takes some units of real time: a unit is a quarter of a second, or
// twice the granularity if that is more.
func RunBackend(t *testing.T, factory func(testing.TB) cache.Backend, config BackendConfig) {
	t.Helper()
	t.Log(runStatements(allStatements(), factory, config, func(name string, body func(testing.TB)) {
		t.Run(name, func(t *testing.T) { body(t) })
	}))
}

// Statement is one statement of the contract that RunBackend checks.
type Statement struct {
	ID   string // such as O4
	Says string // a few words
	// Needs are the capabilities without which it is skipped.
	Needs cache.Capability
}

// Statements returns the statements that RunBackend checks, in its order.
func Statements() []Statement {
	var out []Statement
	for _, st := range allStatements() {
		out = append(out, Statement{ID: st.id, Says: st.says, Needs: st.needs})
	}
	return out
}

// statement is one statement with its check. A check asserts what the statement
// says and, as far as that is possible, no more: a backend with one fault fails one
// statement.
type statement struct {
	id, says string
	needs    cache.Capability
	check    func(s *subject)
}

// name returns the name of the statement's subtest.
func (st statement) name() string {
	return st.id + "_" + strings.NewReplacer(" ", "_", ",", "", "/", "_").Replace(st.says)
}

func allStatements() []statement {
	return slices.Concat(keyStatements, timeoutStatements, operationStatements, valueStatements, counterStatements, versionStatements,
		loadStatements, orderStatements, threadStatements, accidentStatements, weaknessStatements)
}

// tally is what became of statements.
type tally struct {
	held, failed int
	skipped      []string // their ids
}

func (t tally) String() string {
	out := fmt.Sprintf("%d statements held, %d skipped", t.held, len(t.skipped))
	if t.failed > 0 {
		out = fmt.Sprintf("%d statements failed, ", t.failed) + out
	}
	if len(t.skipped) > 0 {
		out += ": " + strings.Join(t.skipped, ", ")
	}
	return out
}

// runStatements checks statements, each in a test that run begins.
func runStatements(all []statement, factory func(testing.TB) cache.Backend, config BackendConfig, run func(name string, body func(testing.TB))) tally {
	var total tally
	for _, st := range all {
		run(st.name(), func(tb testing.TB) {
			held := false
			defer func() {
				switch p := recover(); {
				case p != nil:
					total.failed++
					tb.Errorf("panic: %v\n%s", p, debug.Stack())
				case tb.Failed():
					total.failed++
				case held:
					total.held++
				default:
					total.skipped = append(total.skipped, st.id)
				}
			}()
			if reason, ok := config.Skip[st.id]; ok {
				tb.Skip(reason)
			}
			s := newSubject(tb, factory, config)
			if missing := st.needs &^ s.backend.Capabilities(); missing != 0 {
				tb.Skipf("not claimed: %s", capabilityNames(missing))
			}
			st.check(s)
			held = true
		})
	}
	return total
}

// subject is what one statement is checked on: a new backend, and what the suite
// knows of it.
type subject struct {
	testing.TB
	ctx     context.Context
	backend cache.Backend
	config  BackendConfig
	factory func(testing.TB) cache.Backend
	// unit is a lifetime that some calls do not use up, and after which the suite
	// does not wait for long. Timeouts are multiples of it, if it does not matter how
	// long they are.
	unit time.Duration
}

func newSubject(tb testing.TB, factory func(testing.TB) cache.Backend, config BackendConfig) *subject {
	tb.Helper()
	s := &subject{TB: tb, ctx: tb.Context(), config: config, factory: factory}
	s.unit = max(250*time.Millisecond, 2*config.Granularity)
	if config.Advance != nil {
		s.unit = s.round(max(time.Second, config.Granularity))
	}
	s.backend = s.fresh()
	return s
}

// fresh returns one more backend, which shares nothing with the others.
func (s *subject) fresh() cache.Backend {
	s.Helper()
	b := s.factory(s.TB)
	if b == nil {
		s.Fatal("the factory returned no backend")
	}
	return b
}

// alias returns a new alias on the statement's backend. The codec is that of the
// suite, and warnings go nowhere, unless the configuration says otherwise.
func (s *subject) alias(config cache.Config) *cache.Cache {
	s.Helper()
	return s.on(s.backend, config)
}

// on returns a new alias on a backend.
func (s *subject) on(b cache.Backend, config cache.Config) *cache.Cache {
	s.Helper()
	config.Backend = b
	if config.Codec == nil {
		config.Codec = s.config.Codec
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	c, err := cache.New(config)
	if err != nil {
		s.Fatalf("cache.New: %v", err)
	}
	return c
}

// can reports whether the backend claims capabilities.
func (s *subject) can(flags cache.Capability) bool { return s.backend.Capabilities().Has(flags) }

// manual reports whether time passes only by advance.
func (s *subject) manual() bool { return s.config.Advance != nil }

// round rounds a timeout up to one that the backend keeps as it is.
func (s *subject) round(d time.Duration) time.Duration {
	g := s.config.Granularity
	if g <= 1 || d%g == 0 {
		return d
	}
	return d - d%g + g
}

// advance lets time pass: exactly so much, if the clock is moved by hand.
func (s *subject) advance(d time.Duration) {
	s.Helper()
	if s.manual() {
		s.config.Advance(s.TB, d)
		return
	}
	wait, cancel := context.WithTimeout(s.ctx, d)
	defer cancel()
	if err := lock.NewGate().Wait(wait); !errors.Is(err, context.DeadlineExceeded) {
		s.Fatal(err)
	}
}

// outlive lets more time pass than an entry has left that was written with a
// timeout of d, by a margin: only T6 cares for the exact moment.
func (s *subject) outlive(d time.Duration) {
	s.Helper()
	if s.manual() {
		s.advance(d + s.unit + s.config.Slack)
		return
	}
	s.advance(s.round(d) + s.config.Slack + 20*time.Millisecond)
}

// patience is after how long the suite takes it that something will never happen.
const patience = 30 * time.Second

// together calls a function n times at once, each in a goroutine of its own, and
// returns when all calls have ended. A call must not end the test.
func (s *subject) together(n int, call func(i int)) {
	s.Helper()
	begin, ended := lock.NewGate(), lock.NewGate()
	var left lock.Int64
	left.Store(int64(n))
	for i := range n {
		lock.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					s.Errorf("panic: %v\n%s", p, debug.Stack())
				}
				if left.Add(-1) == 0 {
					ended.Open()
				}
			}()
			if begin.Wait(s.ctx) == nil {
				call(i)
			}
		})
	}
	begin.Open()
	s.await(ended, "calls that were made together")
}

// await waits until a gate opens.
func (s *subject) await(g *lock.Gate, what string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	if err := g.Wait(ctx); err != nil {
		s.Fatalf("waiting for %s: %v", what, err)
	}
}

// copies skips the statement if the codec keeps values instead of copying them.
func (s *subject) copies() {
	s.Helper()
	if s.config.Codec == cache.NoCopy {
		s.Skip("the codec does not copy")
	}
}

var capabilities = []struct {
	flag cache.Capability
	name string
}{
	{cache.CanStore, "CanStore"},
	{cache.CanLimit, "CanLimit"},
	{cache.CanAnyKey, "CanAnyKey"},
	{cache.CanNegative, "CanNegative"},
	{cache.CanSwap, "CanSwap"},
	{cache.CanReopen, "CanReopen"},
	{cache.CanMove, "CanMove"},
	{cache.CanTag, "CanTag"},
	{cache.CanList, "CanList"},
	{cache.CanSave, "CanSave"},
	{cache.CanLoad, "CanLoad"},
	{cache.CanWatch, "CanWatch"},
	{cache.CanCount, "CanCount"},
	{cache.CanKeep, "CanKeep"},
}

func capabilityNames(c cache.Capability) string {
	var names []string
	for _, f := range capabilities {
		if c.Has(f.flag) {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ", ")
}
