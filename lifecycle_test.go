// SPDX-License-Identifier: MIT

package locmem_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/locmem/locmem"
)

// labelled runs f so that all goroutines that it starts, directly or not, carry
// a label. count returns how many of them are there with a function in their
// stack whose name has the given piece.
func labelled(t *testing.T, f func()) (count func(function string) int) {
	t.Helper()
	name := t.Name()
	pprof.Do(context.Background(), pprof.Labels("test", name), func(context.Context) { f() })
	label := fmt.Sprintf("%q:%q", "test", name)
	return func(function string) (n int) {
		var profile bytes.Buffer
		require.NoError(t, pprof.Lookup("goroutine").WriteTo(&profile, 1))
		for block := range strings.SplitSeq(profile.String(), "\n\n") {
			if !strings.Contains(block, label) || !strings.Contains(block, function) {
				continue
			}
			lines := strings.Split(block, "\n")
			for _, line := range lines {
				if head, _, ok := strings.Cut(line, " @ "); ok {
					goroutines, err := strconv.Atoi(head)
					require.NoError(t, err)
					n += goroutines
				}
			}
		}
		return n
	}
}

// clockLoop is in the stack of a clock's goroutine.
const clockLoop = "locmem.(*clock).run"

func TestTheGoroutinesOfATestAreCounted(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	count := labelled(t, func() {
		for range 3 {
			go func() { <-end }()
		}
	})
	require.Equal(t, 3, count(""))
	require.Equal(t, 3, count("TestTheGoroutinesOfATestAreCounted"))
	require.Zero(t, count(clockLoop))
	close(end)
	within(t, func() {
		for count("") > 1 { // the one that counts
			runtime.Gosched()
		}
	})
}

func TestAnEngineWithoutDeadlinesHasNoGoroutine(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]locmem.Options[int, int]{
		"plain":         {MaxEntries: 100},
		"with listener": {MaxEntries: 100, OnRemove: func(removal) {}, Stats: true, Shards: 8},
		"manual clock":  {MaxEntries: 100, TTL: time.Hour, Clock: locmem.NewManualClock(newYear)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			count := labelled(t, func() {
				e, err := locmem.New(opts)
				require.NoError(t, err)
				t.Cleanup(e.Close)
				for key := range 1000 {
					e.Set(key, key)
					e.Get(key)
					_, err := e.GetOrSet(context.Background(), -key, func(context.Context, int) (int, error) { return 1, nil })
					require.NoError(t, err)
				}
				require.NoError(t, e.Resize(10, 0))
				e.Clear()
			})
			within(t, func() { // the last loader's is on its way out
				for count("") > 0 {
					runtime.Gosched()
				}
			})
		})
	}
}

// opened in a bubble, where the next deadline is a channel away.
func TestTheClocksGoroutineLivesWithTheDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e *locmem.Engine[int, int]
		count := labelled(t, func() {
			var err error
			e, err = locmem.New(locmem.Options[int, int]{MaxEntries: 100})
			require.NoError(t, err)
			e.Set(1, 1)
			e.Set(2, 2, locmem.TTL(0))
		})
		synctest.Wait()
		require.Zero(t, count(""), "nothing held expires")
		for name, write := range map[string]func(){
			"Set":      func() { e.Set(1, 1, locmem.TTL(time.Hour)) },
			"Touch":    func() { e.Touch(1, locmem.TTL(time.Hour)) },
			"Idle":     func() { e.Set(1, 1, locmem.Idle(time.Hour)) },
			"ExpireAt": func() { e.Add(3, 1, locmem.ExpireAt(time.Now().Add(time.Hour))) },
			"a load": func() {
				_, err := e.GetOrSet(context.Background(), 4, func(context.Context, int) (int, error) { return 1, nil }, locmem.TTL(time.Hour))
				require.NoError(t, err)
			},
		} {
			for _, end := range []string{"expiry", "removal"} {
				count := labelled(t, write)
				synctest.Wait()
				require.Equal(t, 1, count(clockLoop), "after %s", name)
				if end == "expiry" {
					<-time.After(2 * time.Hour)
				} else {
					e.Clear()
					<-time.After(20 * time.Second) // the goroutine looks every ten
				}
				synctest.Wait()
				require.Zero(t, count(""), "after %s and %s", name, end)
				require.Zero(t, e.Len()-btoi(e.Has(1)), "after %s and %s", name, end)
				e.Set(1, 1)
			}
		}
		e.Set(1, 1, locmem.TTL(time.Hour))
		e.Close() // or the bubble would not end
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestCloseEndsTheClocksGoroutineAtOnce(t *testing.T) {
	t.Parallel()
	for name, clock := range map[string]locmem.Clock{"coarse": nil, "precise": locmem.PreciseClock} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				count := labelled(t, func() {
					e, err := locmem.New(locmem.Options[int, int]{MaxEntries: 100, TTL: 24 * time.Hour, Clock: clock})
					require.NoError(t, err)
					e.Set(1, 1)
					synctest.Wait()
					e.Close()
				})
				synctest.Wait()
				require.Zero(t, count(""))
				require.Equal(t, began, time.Now())
			})
		})
	}
}

// An engine that is dropped without Close is collected, whatever refers to it
// from its own functions, and its goroutine ends.
func TestADroppedEngineIsCollected(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]locmem.Options[int, int]{
		"no deadlines":     {},
		"pending TTLs":     {TTL: 24 * time.Hour},
		"pending idling":   {Idle: 24 * time.Hour},
		"precise clock":    {TTL: 24 * time.Hour, Clock: locmem.PreciseClock},
		"manual clock":     {TTL: 24 * time.Hour, Clock: locmem.NewManualClock(newYear)},
		"many shards":      {TTL: 24 * time.Hour, Shards: 64},
		"never expires":    {TTL: 1 << 62},
		"expired in place": {TTL: time.Nanosecond},
		"windows":          {TTL: time.Nanosecond, StaleFor: 24 * time.Hour, NegativeTTL: 24 * time.Hour, RefreshAhead: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var collected atomic.Bool
				count := labelled(t, func() {
					opts.MaxEntries = 100
					var e *locmem.Engine[int, int]
					opts.OnRemove = func(r removal) { e.Has(r.Key) } // refers to the engine
					opts.Load = func(_ context.Context, key int) (int, error) { return e.Len(), nil }
					e, err := locmem.New(opts)
					require.NoError(t, err)
					// Not on e itself, which the listener makes part of a circle: cleanups
					// are run for those too, finalizers would not be.
					runtime.AddCleanup(e, func(flag *atomic.Bool) { flag.Store(true) }, &collected)
					for key := range 200 {
						e.Set(key, key, locmem.Tags("all", strconv.Itoa(key)))
					}
					e.InvalidateTags("199") // removed in a second, if the engine is still there
					_, err = e.GetOrSet(context.Background(), 1000, nil)
					require.NoError(t, err)
					_, err = e.GetOrSet(context.Background(), 1001, func(context.Context, int) (int, error) { return 0, locmem.ErrNotFound })
					require.ErrorIs(t, err, locmem.ErrNotFound)
				})
				opts.OnRemove, opts.Load = nil, nil
				synctest.Wait()
				for range 100 {
					runtime.GC()
					<-time.After(time.Second) // of the bubble: the goroutine looks every ten
					runtime.Gosched()
					if collected.Load() && count("") == 0 {
						break
					}
				}
				require.True(t, collected.Load(), "the engine is still held")
				require.Zero(t, count(""), "a goroutine has outlived the engine")
			})
		})
	}
}

func TestAfterCloseEverythingIsAMiss(t *testing.T) {
	t.Parallel()
	for _, listener := range []func(removal){nil, func(removal) {}} {
		for _, call := range calls {
			t.Run(fmt.Sprintf("%s, listener %v", call.name, listener != nil), func(t *testing.T) {
				t.Parallel()
				e := told(t, listener)
				for key := range 50 {
					e.Set(key, 1, locmem.TTL(time.Hour))
				}
				e.Close()
				before := e.Stats()
				within(t, func() {
					ok, err := call.do(e, 1)
					assert.False(t, ok)
					switch call.name {
					case "GetOrSet", "Fetch", "GetOrSetMany", "Resize", "Save", "Restore":
						assert.ErrorIs(t, err, locmem.ErrClosed)
					default:
						assert.NoError(t, err)
					}
				})
				require.Zero(t, e.Len())
				after := e.Stats()
				require.Equal(t, before.Inserts, after.Inserts)
				require.Equal(t, before.Cleared, after.Cleared)
				require.NoError(t, e.Validate())
			})
		}
	}
}

// All methods at once, Close among them: none hangs or panics, and what is left
// is a closed engine.
func TestCloseAgainstEveryMethod(t *testing.T) {
	t.Parallel()
	trials := 30
	if testing.Short() {
		trials = 5
	}
	for trial := range trials {
		var events atomic.Uint64
		e := told(t, func(removal) { events.Add(1) }, func(o *locmem.Options[int, int]) {
			o.Shards, o.TTL = 1+trial%8, time.Duration(1+trial)*100*time.Microsecond
		})
		var ready atomic.Int32
		within(t, func() {
			var g errgroup.Group
			for _, call := range calls {
				g.Go(func() error {
					for ready.Add(1); int(ready.Load()) < len(calls); {
						runtime.Gosched()
					}
					if call.name == "Close" {
						for range 10 * trial {
							runtime.Gosched()
						}
						e.Close()
						if trial%2 == 0 {
							e.Close()
						}
						return nil
					}
					for n := range 200 {
						_, _ = call.do(e, n%20)
					}
					return nil
				})
			}
			assert.NoError(t, g.Wait())
			assert.NoError(t, e.Drain(context.Background()))
		})
		require.Zero(t, e.Len())
		require.False(t, e.Set(1, 1))
		require.NoError(t, e.Validate())
		st := e.Stats()
		require.Equal(t, st.Inserts+st.Updates, events.Load(), "trial %d: events were lost", trial)
	}
}

func TestCloseFromEveryFunctionOfTheUser(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var closing atomic.Pointer[locmem.Engine[int, int]]
	closes := func() {
		// Close does not wait for a loader that calls it, so that one may still be here
		// when the next engine is to be closed.
		if e := closing.Load(); e != nil {
			e.Close()
			e.Close()
		}
	}
	for _, tc := range []struct {
		name string
		act  func(e *locmem.Engine[int, int])
	}{
		{"listener", func(e *locmem.Engine[int, int]) { e.Delete(1) }},
		{"weigher", func(e *locmem.Engine[int, int]) { assert.False(t, e.Set(1, 2)) }},
		{"loader", func(e *locmem.Engine[int, int]) {
			_, err := e.GetOrSet(ctx, 900, func(context.Context, int) (int, error) { closes(); return 1, nil })
			assert.ErrorIs(t, err, locmem.ErrClosed)
		}},
		{"Compute function", func(e *locmem.Engine[int, int]) {
			_, ok := e.Compute(1, func(locmem.Entry[int], bool) (int, locmem.Op) { closes(); return 1, locmem.Store })
			assert.False(t, ok)
		}},
		{"iteration body", func(e *locmem.Engine[int, int]) {
			for range e.All() {
				closes()
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var j journal
			e := told(t, func(r removal) {
				j.add(r)
				if tc.name == "listener" {
					closes()
				}
			}, func(o *locmem.Options[int, int]) {
				if tc.name == "weigher" {
					o.Weigh = func(int, int) int64 { closes(); return 1 }
				}
			})
			for key := range 100 {
				e.Set(key, key, locmem.TTL(time.Hour))
			}
			held := e.Len()
			closing.Store(e)
			within(t, func() { tc.act(e) })
			require.NoError(t, e.Drain(ctx)) // the listener has closed the engine, also if the clock's goroutine called it
			closing.Store(nil)
			require.NoError(t, e.Drain(ctx))
			require.Zero(t, e.Len())
			require.False(t, e.Set(1, 1), "it is not closed")
			require.Len(t, j.take(), held)
			require.NoError(t, e.Validate())
		})
	}
}

// In a bubble a day passes in no time, and every deadline is kept to the
// nanosecond.
func TestEntriesExpireExactlyInABubble(t *testing.T) {
	t.Parallel()
	for name, clock := range map[string]locmem.Clock{"coarse": nil, "precise": locmem.PreciseClock} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, err := locmem.New(locmem.Options[string, int]{MaxEntries: 100, TTL: 24 * time.Hour, Clock: clock})
				require.NoError(t, err)
				other, err := locmem.New(locmem.Options[string, int]{MaxEntries: 100, TTL: time.Minute, Clock: clock})
				require.NoError(t, err)
				e.Set("a day", 1)
				e.Set("an hour", 2, locmem.TTL(time.Hour))
				e.Set("until noon", 3, locmem.ExpireAt(time.Now().Add(12*time.Hour)))
				e.Set("a blink", 4, locmem.TTL(3*time.Nanosecond))
				other.Set("an hour", 5)
				alive := func(key string, for_ time.Duration) {
					<-time.After(for_ - 1)
					assert.True(t, e.Has(key), "%s expires early", key)
					<-time.After(1)
					assert.False(t, e.Has(key), "%s is still there", key)
					_, ok := e.Get(key)
					assert.False(t, ok)
				}
				alive("a blink", 3)
				<-time.After(time.Minute - 3)
				assert.False(t, other.Has("an hour"))
				alive("an hour", 59*time.Minute)
				alive("until noon", 11*time.Hour)
				alive("a day", 12*time.Hour)
				e.Set("a day", 1) // still pending at the end
				e.Close()
				other.Close()
			})
		})
	}
}

// What nobody reads is removed, and reported, soon after its deadline.
func TestAnIdleEngineRemovesAndReportsWhatHasExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reported := map[int]time.Duration{}
		began := time.Now()
		e, err := locmem.New(locmem.Options[int, int]{MaxEntries: 10_000, Shards: 8, OnRemove: func(r removal) {
			assert.Equal(t, locmem.Expired, r.Cause)
			reported[r.Key] = time.Since(began)
		}})
		require.NoError(t, err)
		spans := []time.Duration{time.Millisecond, 70 * time.Millisecond, time.Second, 9 * time.Second, time.Minute, 5 * time.Hour, 24 * time.Hour}
		for i, span := range spans {
			for key := range 500 {
				e.Set(1000*i+key, i, locmem.TTL(span))
			}
		}
		for i, span := range spans {
			<-time.After(time.Until(began.Add(span + 200*time.Millisecond)))
			synctest.Wait()
			require.LessOrEqual(t, e.Len(), 500*(len(spans)-i-1), "%v", span)
			require.NoError(t, e.Validate())
		}
		require.Zero(t, e.Len())
		for i, span := range spans {
			for key := range 500 {
				at, ok := reported[1000*i+key]
				require.True(t, ok)
				require.GreaterOrEqual(t, at, span)
				require.Less(t, at, span+200*time.Millisecond)
			}
		}
	}) // which ends: the goroutine has gone by itself
}

func TestTheRootPackageTakesNoTestingIntoPrograms(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	deps := strings.Fields(string(out))
	require.Contains(t, deps, "github.com/locmem/locmem/evict", "this is not the list of packages")
	for _, dep := range deps {
		require.False(t, dep == "testing" || strings.HasPrefix(dep, "testing/") || strings.Contains(dep, "testify") || dep == "net/http", "the engine links %s", dep)
	}
}

// TestEnginesCanBeNeitherCopiedNorCompared has the compiler and vet look at
// programs, each with a line that they must object to, or must not.
func TestEnginesCanBeNeitherCopiedNorCompared(t *testing.T) {
	t.Parallel()
	const head = "package main\n\nimport \"github.com/locmem/locmem\"\n\ntype engine = locmem.Engine[string, int]\n\nfunc main() {}\n\n"
	type line struct{ text, want string }
	for name, tc := range map[string]struct {
		command []string
		lines   []line
	}{
		"copied": {[]string{"vet"}, []line{
			{"func f(a, b *engine) bool { return a == b }", ""},
			{"func g(a *engine) { b := *a; _ = b.Len() }", "assignment copies lock value"},
			{"func h(a engine) int { return a.Len() }", "passes lock by value"},
			{"func i(c *locmem.ManualClock) { d := *c; _ = d.Now() }", "assignment copies lock value"},
		}},
		"compared": {[]string{"build", "-o", os.DevNull}, []line{
			{"func f(a, b *engine) bool { return a == b }", ""},
			{"func g(a, b *engine) bool { return *a == *b }", "cannot be compared"},
			{"var m map[engine]int", "invalid map key type"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := head
			for _, l := range tc.lines {
				program += l.text + "\n"
			}
			file := filepath.Join(t.TempDir(), "planted.go")
			require.NoError(t, os.WriteFile(file, []byte(program), 0o600))
			out, err := exec.CommandContext(t.Context(), "go", append(tc.command, file)...).CombinedOutput() // imports are looked up from here
			require.Error(t, err, "no objections")
			for i, l := range tc.lines {
				objection := regexp.MustCompile(fmt.Sprintf(`planted\.go:%d:.*`, strings.Count(head, "\n")+1+i)).FindString(string(out))
				if l.want == "" {
					require.Empty(t, objection, l.text)
				} else {
					require.Contains(t, objection, l.want, "%s\n%s", l.text, out)
				}
			}
		})
	}
}
