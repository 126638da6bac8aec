// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cache"
)

// localMemory makes stores of local memory on a clock that is moved by hand.
type localMemory struct {
	clock *locmem.ManualClock
}

func newLocalMemory() *localMemory {
	return &localMemory{locmem.NewManualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))}
}

// local returns a new store.
func (m *localMemory) local() *cache.Local {
	return cache.NewRegistry(cache.RegistryOptions{Clock: m.clock}).Local("")
}

func (m *localMemory) config(codec cache.Codec) BackendConfig {
	return BackendConfig{Codec: codec, Advance: func(_ testing.TB, d time.Duration) { m.clock.Advance(d) }}
}

// remote is local memory for which the front does all that it does for a server.
type remote struct{ *cache.Local }

func (r remote) Capabilities() cache.Capability { return r.Local.Capabilities() &^ cache.CanKeep }

// basic has the methods of a Backend and no others.
type basic struct{ cache.Backend }

func (b basic) Capabilities() cache.Capability {
	const beyond = cache.CanMove | cache.CanTag | cache.CanList | cache.CanSave | cache.CanLoad | cache.CanWatch | cache.CanCount | cache.CanKeep
	return b.Backend.Capabilities() &^ beyond
}

// strict refuses keys with faults, counts from 0 and swaps nothing, as Memcached
// does.
type strict struct{ basic }

func (b strict) Capabilities() cache.Capability {
	return b.basic.Capabilities() &^ (cache.CanAnyKey | cache.CanNegative | cache.CanSwap)
}

func TestSoundBackendsPass(t *testing.T) {
	for _, tc := range []struct {
		name    string
		codec   cache.Codec
		backend func(*cache.Local) cache.Backend
	}{
		{"local memory with JSON", cache.JSON, func(l *cache.Local) cache.Backend { return l }},
		{"local memory with Gob", cache.Gob, func(l *cache.Local) cache.Backend { return l }},
		{"local memory with NoCopy", cache.NoCopy, func(l *cache.Local) cache.Backend { return l }},
		{"as a server with JSON", cache.JSON, func(l *cache.Local) cache.Backend { return remote{l} }},
		{"as a server with Gob", cache.Gob, func(l *cache.Local) cache.Backend { return remote{l} }},
		{"with the methods of a Backend alone", nil, func(l *cache.Local) cache.Backend { return basic{l} }},
		{"strict as Memcached", nil, func(l *cache.Local) cache.Backend { return strict{basic{l}} }},
		{"storing nothing", nil, func(*cache.Local) cache.Backend { return cache.Dummy{} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := newLocalMemory()
			RunBackend(t, func(testing.TB) cache.Backend { return tc.backend(m.local()) }, m.config(tc.codec))
		})
	}
}

// With the real clock the suite waits.
func TestTheRealClockServesToo(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for some ten seconds")
	}
	store := func(testing.TB) cache.Backend { return cache.NewRegistry(cache.RegistryOptions{}).Local("") }
	// The coarse clock lags behind on a machine that has much to do.
	RunBackend(t, store, BackendConfig{Slack: 150 * time.Millisecond})
}

// recording is a test that tells what became of it.
type recording struct {
	testing.TB
	ctx context.Context

	mu              sync.Mutex // protects what follows
	failed, skipped bool
	said            []string
	cleanups        []func()
}

func (r *recording) say(failed bool, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, text)
	r.failed = r.failed || failed
}

func (r *recording) skip(text string) {
	r.mu.Lock()
	r.skipped = true
	r.said = append(r.said, text)
	r.mu.Unlock()
	runtime.Goexit()
}

func (r *recording) Context() context.Context       { return r.ctx }
func (r *recording) Helper()                        {}
func (r *recording) Log(args ...any)                { r.say(false, fmt.Sprint(args...)) }
func (r *recording) Logf(format string, a ...any)   { r.say(false, fmt.Sprintf(format, a...)) }
func (r *recording) Fail()                          { r.say(true, "") }
func (r *recording) FailNow()                       { r.say(true, ""); runtime.Goexit() }
func (r *recording) Error(args ...any)              { r.say(true, fmt.Sprint(args...)) }
func (r *recording) Errorf(format string, a ...any) { r.say(true, fmt.Sprintf(format, a...)) }
func (r *recording) Fatal(args ...any)              { r.say(true, fmt.Sprint(args...)); runtime.Goexit() }

func (r *recording) Fatalf(format string, a ...any) {
	r.say(true, fmt.Sprintf(format, a...))
	runtime.Goexit()
}
func (r *recording) Skip(args ...any)              { r.skip(fmt.Sprint(args...)) }
func (r *recording) Skipf(format string, a ...any) { r.skip(fmt.Sprintf(format, a...)) }
func (r *recording) SkipNow()                      { r.skip("") }

func (r *recording) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recording) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

// recorded checks statements on a backend and returns the tests that were run, by
// the statements' names.
func recorded(t *testing.T, all []statement, factory func(testing.TB) cache.Backend, config BackendConfig) (map[string]*recording, tally) {
	t.Helper()
	tests := map[string]*recording{}
	total := runStatements(all, factory, config, func(name string, body func(testing.TB)) {
		ctx, cancel := context.WithCancel(t.Context())
		r := &recording{TB: t, ctx: ctx}
		tests[name] = r
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			body(r)
		}()
		<-ended
		cancel()
		for _, f := range slices.Backward(r.cleanups) {
			f()
		}
	})
	return tests, total
}

// faultyBackend is local memory with one fault.
type faultyBackend struct {
	name  string
	fails []string // the ids of the statements that notice it: all of them, and no others
	make  func(l *cache.Local) cache.Backend
}

// underRace is set if the race detector watches.
var underRace bool

func TestEveryFaultOfABackendIsNoticed(t *testing.T) {
	noticed := map[string]bool{}
	for _, tc := range slices.Concat(faultyBackends, faultyBackendsD) {
		for _, id := range tc.fails {
			noticed[id] = true
		}
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := newLocalMemory()
			factory := func(testing.TB) cache.Backend { return tc.make(m.local()) }
			all := allStatements()
			if underRace || testing.Short() { // that no other statement fails takes minutes then
				all = slices.DeleteFunc(all, func(st statement) bool { return !slices.Contains(tc.fails, st.id) })
			}
			tests, _ := recorded(t, all, factory, m.config(nil))
			failed := map[string]bool{}
			for name, r := range tests {
				id, _, _ := strings.Cut(name, "_")
				if r.Failed() {
					failed[id] = true
					if !slices.Contains(tc.fails, id) {
						t.Errorf("%s failed: %s", name, strings.Join(r.said, "; "))
					}
				}
			}
			for _, id := range tc.fails {
				assert.True(t, failed[id], "%s did not notice it", id)
			}
		})
	}
	ids := map[string]bool{}
	for _, st := range allStatements() {
		ids[st.id] = true
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		_, front := onlyTheFront[id]
		_, frontD := onlyTheFrontD[id]
		assert.NotEqual(t, noticed[id], front || frontD, "%s: either a backend breaks it or only the front can", id)
	}
}

func TestAStatementIsSkippedForWhatIsNotClaimed(t *testing.T) {
	ran := false
	all := []statement{
		{"A1", "it holds", 0, func(*subject) {}},
		{"A2", "it has needs, and a mark", cache.CanTag | cache.CanStore | cache.CanSave, func(*subject) { ran = true }},
		{"A3", "it is excepted", 0, func(*subject) { ran = true }},
		{"A4", "it fails", 0, func(s *subject) { s.Error("so it is") }},
		{"A5", "it panics", 0, func(*subject) { panic("at the disco") }},
		{"A6", "it gives up", 0, func(s *subject) { s.Skip("no reason") }},
	}
	config := BackendConfig{Skip: map[string]string{"A3": "the engine cannot"}}
	tests, total := recorded(t, all, func(testing.TB) cache.Backend { return cache.Dummy{} }, config)
	require.Equal(t, tally{held: 1, failed: 2, skipped: []string{"A2", "A3", "A6"}}, total)
	assert.Equal(t, "2 statements failed, 1 statements held, 3 skipped: A2, A3, A6", total.String())
	assert.False(t, ran, "a statement was checked that should be skipped")
	assert.False(t, tests["A1_it_holds"].Failed())
	assert.Equal(t, []string{"not claimed: CanStore, CanSave"}, tests["A2_it_has_needs_and_a_mark"].said)
	assert.Equal(t, []string{"the engine cannot"}, tests["A3_it_is_excepted"].said)
	assert.True(t, tests["A4_it_fails"].Failed())
	assert.Contains(t, tests["A5_it_panics"].said[0], "at the disco")
}

func TestEveryStatementHasANameOfItsOwn(t *testing.T) {
	names := map[string]bool{}
	for i, st := range allStatements() {
		require.NotEmpty(t, st.says)
		require.NotNil(t, st.check, st.name())
		require.NotContains(t, st.name(), " ")
		require.False(t, names[st.name()], "%s is there twice", st.name())
		names[st.name()] = true
		require.Equal(t, Statement{st.id, st.says, st.needs}, Statements()[i])
	}
	for _, f := range capabilities {
		require.Equal(t, f.name, capabilityNames(f.flag))
	}
}
