// SPDX-License-Identifier: MIT

package locmem_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/internal/stacks"
)

// newYear is where manual clocks start.
var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// patience is how long a test waits for what takes microseconds before it calls
// it a hang. In a synctest bubble it passes at once when all others are stuck.
var patience = map[bool]time.Duration{false: 15 * time.Second, true: time.Minute}[runtime.GOARCH != "amd64"] // which may be emulated

// within runs f on a goroutine of its own, so that f may end in any way, and
// fails the test if that takes too long.
func within(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		for _, stack := range stacks.Others() {
			if strings.Contains(stack, "locmem.(") { // at work, or stuck, in the engine
				t.Log(stack)
			}
		}
		require.FailNow(t, "hangs")
	}
}

// panicOf returns what f panicked with, nil if it returned.
func panicOf(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

// calls are all methods of an engine, and the functions built on them, for the
// tests that call each of them from some strange place. do returns whether the
// call found or stored something, or the error it got.
var calls = []struct {
	name string
	do   func(e *locmem.Engine[int, int], key int) (bool, error)
}{
	{"Get", func(e *locmem.Engine[int, int], key int) (bool, error) {
		_, ok := e.Get(key)
		return ok, nil
	}},
	{"Peek", func(e *locmem.Engine[int, int], key int) (bool, error) {
		_, ok := e.Peek(key)
		return ok, nil
	}},
	{"Has", func(e *locmem.Engine[int, int], key int) (bool, error) { return e.Has(key), nil }},
	{"Set", func(e *locmem.Engine[int, int], key int) (bool, error) {
		return e.Set(key, 1, locmem.TTL(time.Hour)), nil
	}},
	{"Add", func(e *locmem.Engine[int, int], key int) (bool, error) { return e.Add(key, 1), nil }},
	{"Replace", func(e *locmem.Engine[int, int], key int) (bool, error) { return e.Replace(key, 1), nil }},
	{"Touch", func(e *locmem.Engine[int, int], key int) (bool, error) {
		return e.Touch(key, locmem.TTL(time.Hour)), nil
	}},
	{"Delete", func(e *locmem.Engine[int, int], key int) (bool, error) { return e.Delete(key), nil }},
	{"Take", func(e *locmem.Engine[int, int], key int) (bool, error) {
		_, ok := e.Take(key)
		return ok, nil
	}},
	{"Compute", func(e *locmem.Engine[int, int], key int) (bool, error) {
		_, ok := e.Compute(key, func(locmem.Entry[int], bool) (int, locmem.Op) { return 1, locmem.Store })
		return ok, nil
	}},
	{"GetOrSet", func(e *locmem.Engine[int, int], key int) (bool, error) {
		_, err := e.GetOrSet(context.Background(), key, func(context.Context, int) (int, error) { return 1, nil })
		return err == nil, err
	}},
	{"Fetch", func(e *locmem.Engine[int, int], key int) (bool, error) {
		_, err := e.Fetch(context.Background(), key, func(context.Context, int) (int, error) { return 1, nil })
		return err == nil, err
	}},
	{"GetOrSetMany", func(e *locmem.Engine[int, int], key int) (bool, error) {
		values, err := e.GetOrSetMany(context.Background(), []int{key, key + 1}, func(_ context.Context, keys []int) (map[int]int, error) {
			return map[int]int{keys[0]: 1}, nil
		})
		return len(values) > 0, err
	}},
	{"InvalidateTags", func(e *locmem.Engine[int, int], key int) (bool, error) {
		e.Set(key, 1, locmem.Tags("a", "b"))
		e.InvalidateTags("b", "c")
		return e.Has(key), nil
	}},
	{"GetMany", func(e *locmem.Engine[int, int], key int) (bool, error) {
		return len(e.GetMany([]int{key, key + 1})) > 0, nil
	}},
	{"SetMany", func(e *locmem.Engine[int, int], key int) (bool, error) {
		return e.SetMany(map[int]int{key: 1, key + 1: 1}) > 0, nil
	}},
	{"DeleteMany", func(e *locmem.Engine[int, int], key int) (bool, error) {
		return e.DeleteMany([]int{key, key + 1}) > 0, nil
	}},
	{"Evict", func(e *locmem.Engine[int, int], _ int) (bool, error) { return e.Evict(1) > 0, nil }},
	{"Clear", func(e *locmem.Engine[int, int], _ int) (bool, error) {
		e.Clear()
		return false, nil
	}},
	{"All", func(e *locmem.Engine[int, int], _ int) (found bool, err error) {
		for range e.All() {
			found = true
		}
		return found, nil
	}},
	{"Len", func(e *locmem.Engine[int, int], _ int) (bool, error) { return e.Len() > 0, nil }},
	{"Now", func(e *locmem.Engine[int, int], _ int) (bool, error) { return e.Now().IsZero(), nil }},
	{"Weight", func(e *locmem.Engine[int, int], _ int) (bool, error) { return e.Weight() > 0, nil }},
	{"Resize", func(e *locmem.Engine[int, int], _ int) (bool, error) {
		err := e.Resize(50, 0)
		return err == nil, err
	}},
	{"Save", func(e *locmem.Engine[int, int], _ int) (bool, error) { return false, e.Save(io.Discard) }},
	{"Restore", func(e *locmem.Engine[int, int], key int) (bool, error) {
		saved := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 1}))
		defer saved.Close()
		saved.Set(key, 1)
		var snapshot bytes.Buffer
		if err := saved.Save(&snapshot); err != nil {
			return false, err
		}
		err := e.Restore(&snapshot)
		return err == nil, err
	}},
	{"Stats", func(e *locmem.Engine[int, int], _ int) (bool, error) { return e.Stats().Entries > 0, nil }},
	{"Drain", func(e *locmem.Engine[int, int], _ int) (bool, error) { return false, e.Drain(context.Background()) }},
	{"Move", func(e *locmem.Engine[int, int], key int) (bool, error) { return e.Move(key, key+1), nil }},
	{"Watch", func(e *locmem.Engine[int, int], key int) (bool, error) {
		stop := e.Watch(func(locmem.Removal[int, int]) {})
		e.Delete(key)
		stop()
		return false, nil
	}},
	{"Close", func(e *locmem.Engine[int, int], _ int) (bool, error) {
		e.Close()
		return false, nil
	}},
	{"Incr", func(e *locmem.Engine[int, int], key int) (bool, error) {
		_, ok, err := locmem.Incr(e, key, 1)
		return ok, err
	}},
	{"CompareAndSwap", func(e *locmem.Engine[int, int], key int) (bool, error) {
		return locmem.CompareAndSwap(e, key, 1, 2), nil
	}},
}

func TestTheListOfCallsHasEveryMethod(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, call := range calls {
		listed[call.name] = true
	}
	files, err := filepath.Glob("*_test.go") // which may give the engine methods
	require.NoError(t, err)
	var doors strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		doors.Write(text)
	}
	methods := reflect.TypeFor[*locmem.Engine[int, int]]()
	for i := range methods.NumMethod() {
		if name := methods.Method(i).Name; !strings.Contains(doors.String(), "func (e *Engine[K, V]) "+name+"(") {
			require.True(t, listed[name], "%s is not called from strange places", name)
		}
	}
}

// child tells that this process was started to survive a cell or not.
const child = "LOCMEM_TEST_CHILD"

// survives runs the cell in a child process: what is tested is that it does not
// crash, with a stack that is full or a panic that nobody catches.
func survives(t *testing.T, cell func(t *testing.T)) {
	t.Helper()
	if os.Getenv(child) == t.Name() {
		cell(t)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 6*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+regexpOf(t.Name())+"$", "-test.v")
	cmd.Env = append(os.Environ(), child+"="+t.Name())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name(), "the child ran nothing")
}

// regexpOf returns the pattern of -test.run for the name of a subtest.
func regexpOf(name string) string {
	pattern := ""
	for _, r := range name {
		switch {
		case r == '/':
			pattern += "$/^"
		case r < 'A' && r != ' ':
			pattern += "."
		default:
			pattern += string(r)
		}
	}
	return pattern
}

// oddError panics when it is asked what it is.
type oddError struct{}

func (oddError) Error() string { return "odd" }
func (oddError) Is(error) bool { panic("boom") }

// TestAdversary runs what users' functions and keys can do to a cache. Each cell
// must end, in the right way, with every invariant in place and the engine at
// work.
func TestAdversary(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	one := func(context.Context, int) (int, error) { return 1, nil }
	clock := locmem.NewManualClock(newYear)
	type engine = *locmem.Engine[int, int]
	for _, cell := range []struct {
		name    string
		options func(o *locmem.Options[int, int])
		run     func(t *testing.T, e engine)
		child   bool
	}{
		{"loader panics", nil, func(t *testing.T, e engine) {
			_, err := e.GetOrSet(ctx, 1, func(context.Context, int) (int, error) { panic("boom") })
			var p *locmem.PanicError
			assert.ErrorAs(t, err, &p)
		}, true},
		{"waiters of a panicking load", nil, func(t *testing.T, e engine) {
			begun := make(chan struct{})
			end := make(chan struct{})
			var got []<-chan answer
			for range 10 {
				got = append(got, ask(ctx, e, 1, func(context.Context, int) (int, error) {
					close(begun)
					<-end
					panic("boom")
				}))
			}
			<-begun
			for e.Stats().LoadsShared < 9 {
				runtime.Gosched()
			}
			close(end)
			for _, c := range got {
				var p *locmem.PanicError
				assert.ErrorAs(t, (<-c).err, &p)
			}
		}, true},
		{"loader calls Goexit", nil, func(t *testing.T, e engine) {
			_, err := e.GetOrSet(ctx, 1, func(context.Context, int) (int, error) { runtime.Goexit(); return 1, nil })
			assert.ErrorIs(t, err, locmem.ErrGoexit)
		}, true},
		{"Compute function panics", nil, func(t *testing.T, e engine) {
			assert.Equal(t, "boom", panicOf(func() {
				e.Compute(7, func(locmem.Entry[int], bool) (int, locmem.Op) { panic("boom") })
			}))
			value, ok := e.Get(7)
			assert.True(t, ok)
			assert.Equal(t, 7, value)
		}, false},
		{"Compute function calls Goexit", nil, func(t *testing.T, e engine) {
			within(t, func() {
				e.Compute(7, func(locmem.Entry[int], bool) (int, locmem.Op) { runtime.Goexit(); return 1, locmem.Store })
			})
			value, ok := e.Get(7)
			assert.True(t, ok)
			assert.Equal(t, 7, value)
		}, false},
		{"loader loads its own key", nil, func(t *testing.T, e engine) {
			_, err := e.GetOrSet(ctx, 1, func(ctx context.Context, key int) (int, error) { return e.GetOrSet(ctx, key, one) })
			assert.ErrorIs(t, err, locmem.ErrReentrant)
		}, false},
		{"loader loads A, B, A", nil, func(t *testing.T, e engine) {
			_, err := e.GetOrSet(ctx, 1, func(ctx context.Context, _ int) (int, error) {
				return e.GetOrSet(ctx, 2, func(ctx context.Context, _ int) (int, error) { return e.GetOrSet(ctx, 1, one) })
			})
			assert.ErrorIs(t, err, locmem.ErrReentrant)
		}, false},
		{"loader loads its own key on a foreign context", nil, func(t *testing.T, e engine) {
			short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			defer cancel()
			_, err := e.GetOrSet(ctx, 1, func(context.Context, int) (int, error) { return e.GetOrSet(short, 1, one) })
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		}, false},
		{"listener calls Goexit", func(o *locmem.Options[int, int]) {
			o.OnRemove = func(locmem.Removal[int, int]) { runtime.Goexit() }
		}, func(t *testing.T, e engine) {
			within(t, func() { e.Set(7, 8) })
			within(t, func() { e.Delete(7) })
			within(t, func() { assert.NoError(t, e.Drain(ctx)) })
		}, true},
		{"listener panics", func(o *locmem.Options[int, int]) {
			o.OnRemove = func(locmem.Removal[int, int]) { panic("boom") }
		}, func(t *testing.T, e engine) {
			assert.True(t, e.Set(7, 8))
			assert.True(t, e.Delete(7))
			assert.NoError(t, e.Drain(ctx))
			assert.EqualValues(t, 2, e.Stats().ListenerPanics)
		}, true},
		{"weigher panics", func(o *locmem.Options[int, int]) {
			o.Weigh = func(_, value int) int64 {
				if value == 13 {
					panic("boom")
				}
				return int64(value)
			}
		}, func(t *testing.T, e engine) {
			for _, write := range []func(){
				func() { e.Set(7, 13) },
				func() { e.Add(1, 13) },
				func() { e.Replace(7, 13) },
				func() { e.SetMany(map[int]int{7: 13, 1: 13}) },
				func() { e.Compute(7, func(locmem.Entry[int], bool) (int, locmem.Op) { return 13, locmem.Store }) },
			} {
				assert.Equal(t, "boom", panicOf(write))
			}
			value, ok := e.Get(7)
			assert.True(t, ok)
			assert.Equal(t, 7, value)
			assert.EqualValues(t, 7, e.Weight())
			assert.False(t, e.Has(1))
		}, false},
		{"weigher is negative", func(o *locmem.Options[int, int]) {
			o.Weigh = func(_, value int) int64 { return int64(7 - value) }
		}, func(t *testing.T, e engine) {
			assert.NotNil(t, panicOf(func() { e.Set(7, 8) }))
			assert.EqualValues(t, 0, e.Weight())
			assert.True(t, e.Has(7))
		}, false},
		{"weights overflow", func(o *locmem.Options[int, int]) {
			o.MaxEntries, o.MaxWeight = 0, math.MaxInt64
		}, func(t *testing.T, e engine) {
			for key := range 10 {
				assert.True(t, e.Set(key, key, locmem.Weight(math.MaxInt64)))
				assert.Equal(t, int64(math.MaxInt64), e.Weight())
				assert.Equal(t, 1, e.Len())
			}
		}, false},
		{"weightless entries are bounded by their number", func(o *locmem.Options[int, int]) {
			o.MaxWeight = 1
		}, func(t *testing.T, e engine) {
			for key := range 1000 {
				assert.True(t, e.Set(key, key, locmem.Weight(0)))
			}
			assert.Equal(t, 100, e.Len())
		}, false},
		{"one entry in 64 shards", func(o *locmem.Options[int, int]) {
			o.MaxEntries, o.Shards = 1, 64
		}, func(t *testing.T, e engine) {
			for key := range 100 {
				assert.True(t, e.Set(key, key))
				assert.True(t, e.Has(key))
				assert.Equal(t, 1, e.Len())
			}
		}, false},
		{"TTL beyond the end of time", nil, func(t *testing.T, e engine) {
			assert.True(t, e.Set(7, 8, locmem.TTL(math.MaxInt64)))
			assert.True(t, e.Touch(7, locmem.ExpireAt(time.Unix(1<<40, 0))))
			assert.True(t, e.Set(1, 1, locmem.Idle(math.MaxInt64), locmem.TTL(math.MaxInt64-1)))
			assert.True(t, e.Has(7))
			assert.True(t, e.Has(1))
		}, false},
		{"TTL before the beginning of time", nil, func(t *testing.T, e engine) {
			for _, opt := range []locmem.EntryOption{locmem.TTL(0), locmem.TTL(math.MinInt64), locmem.ExpireAt(time.Unix(-1<<40, 0)), locmem.ExpireAt(time.Time{}), locmem.Idle(math.MinInt64)} {
				e.Set(7, 7)
				assert.True(t, e.Set(7, 8, opt))
				assert.False(t, e.Has(7))
			}
		}, false},
		{"the clock goes back and 300 years ahead", func(o *locmem.Options[int, int]) {
			o.Clock = clock
		}, func(t *testing.T, e engine) {
			e.Set(1, 1, locmem.TTL(time.Hour))
			clock.Set(time.Date(1931, 1, 1, 0, 0, 0, 0, time.UTC))
			assert.True(t, e.Has(1))
			e.Set(2, 2, locmem.TTL(time.Hour))
			clock.Set(newYear.Add(time.Hour - 1))
			assert.True(t, e.Has(1))
			clock.Set(newYear.AddDate(300, 0, 0))
			assert.False(t, e.Has(1))
			assert.False(t, e.Has(2))
			e.Set(3, 3, locmem.TTL(time.Hour)) // the sum is beyond the range: it may live for ever, not be gone
			assert.NotPanics(t, func() { e.Has(3) })
		}, false},
		{"zero key and value", nil, func(t *testing.T, e engine) {
			assert.False(t, e.Has(0))
			assert.True(t, e.Add(0, 0))
			value, ok := e.Get(0)
			assert.True(t, ok)
			assert.Zero(t, value)
			assert.True(t, e.Delete(0))
			assert.False(t, e.Delete(0))
			assert.True(t, e.Add(0, 1))
		}, false},
		{"Close from a loader", nil, func(t *testing.T, e engine) {
			_, err := e.GetOrSet(ctx, 1, func(ctx context.Context, _ int) (int, error) {
				e.Close()
				e.Close()
				assert.Error(t, ctx.Err())
				return 1, nil
			})
			assert.ErrorIs(t, err, locmem.ErrClosed)
		}, false},
		{"Close from an iteration", nil, func(t *testing.T, e engine) {
			e.Set(8, 8)
			seen := 0
			for range e.All() {
				seen++
				e.Close()
			}
			assert.GreaterOrEqual(t, seen, 1)
		}, false},
		{"iteration body panics", nil, func(t *testing.T, e engine) {
			assert.Equal(t, "boom", panicOf(func() {
				for range e.All() {
					panic("boom")
				}
			}))
		}, false},
		{"iteration body calls Goexit", nil, func(t *testing.T, e engine) {
			within(t, func() {
				for range e.All() {
					runtime.Goexit()
				}
			})
		}, false},
		{"loader of many panics", nil, func(t *testing.T, e engine) {
			_, err := e.GetOrSetMany(ctx, []int{1, 2, 7}, func(context.Context, []int) (map[int]int, error) { panic("boom") })
			var p *locmem.PanicError
			assert.ErrorAs(t, err, &p)
			assert.False(t, e.Has(1) || e.Has(2))
		}, true},
		{"loader of many calls Goexit", nil, func(t *testing.T, e engine) {
			_, err := e.GetOrSetMany(ctx, []int{1, 2, 7}, func(context.Context, []int) (map[int]int, error) { runtime.Goexit(); return nil, nil })
			assert.ErrorIs(t, err, locmem.ErrGoexit)
		}, true},
		{"each loader of many calls Goexit", func(o *locmem.Options[int, int]) {
			o.Workers = 1
			o.Load = func(context.Context, int) (int, error) { runtime.Goexit(); return 1, nil }
		}, func(t *testing.T, e engine) {
			_, err := e.GetOrSetMany(ctx, []int{1, 2, 3, 4}, nil)
			assert.ErrorIs(t, err, locmem.ErrGoexit)
		}, true},
		{"loader of many loads its own key", nil, func(t *testing.T, e engine) {
			_, err := e.GetOrSetMany(ctx, []int{1, 2}, func(ctx context.Context, _ []int) (map[int]int, error) {
				value, err := e.GetOrSet(ctx, 2, one)
				return map[int]int{1: value}, err
			})
			assert.ErrorIs(t, err, locmem.ErrReentrant)
		}, false},
		{"loader of many writes and removes its keys", nil, func(t *testing.T, e engine) {
			values, err := e.GetOrSetMany(ctx, []int{1, 2, 4}, func(context.Context, []int) (map[int]int, error) {
				e.Set(1, 10)
				e.Clear()
				e.Set(2, 20)
				return map[int]int{1: 1, 2: 2, 4: 4}, nil
			})
			assert.NoError(t, err)
			assert.Equal(t, map[int]int{1: 1, 2: 20, 4: 4}, values)
			assert.False(t, e.Has(1) || e.Has(4))
		}, false},
		{"Close from a loader of many", nil, func(t *testing.T, e engine) {
			_, err := e.GetOrSetMany(ctx, []int{1, 2}, func(ctx context.Context, _ []int) (map[int]int, error) {
				e.Close()
				assert.Error(t, ctx.Err())
				return map[int]int{1: 1}, nil
			})
			assert.ErrorIs(t, err, locmem.ErrClosed)
		}, false},
		{"weigher panics at what a loader of many brings", func(o *locmem.Options[int, int]) {
			o.Weigh = func(key, _ int) int64 {
				if key == 2 {
					panic("boom")
				}
				return 1
			}
		}, func(t *testing.T, e engine) {
			_, err := e.GetOrSetMany(ctx, []int{1, 2, 4}, func(context.Context, []int) (map[int]int, error) {
				return map[int]int{1: 1, 2: 2, 4: 4}, nil
			})
			var p *locmem.PanicError
			assert.ErrorAs(t, err, &p)
			assert.Equal(t, 1, e.Len())
		}, true},
		{"refresh panics", func(o *locmem.Options[int, int]) {
			o.RefreshAhead = time.Hour
		}, func(t *testing.T, e engine) {
			e.Set(1, 1, locmem.TTL(time.Minute))
			for range 100 {
				value, err := e.GetOrSet(ctx, 1, func(context.Context, int) (int, error) { panic("boom") })
				assert.NoError(t, err)
				assert.Equal(t, 1, value)
			}
		}, true},
		{"refresh calls Goexit", func(o *locmem.Options[int, int]) {
			o.RefreshAhead, o.Workers = time.Hour, 1
		}, func(t *testing.T, e engine) {
			e.Set(1, 1, locmem.TTL(time.Minute))
			for e.Stats().LoadErrors < 10 { // so the only worker comes back
				_, err := e.GetOrSet(ctx, 1, func(context.Context, int) (int, error) { runtime.Goexit(); return 1, nil })
				assert.NoError(t, err)
			}
		}, true},
		{"Close from a refresh", func(o *locmem.Options[int, int]) {
			o.RefreshAhead = time.Hour
		}, func(t *testing.T, e engine) {
			e.Set(1, 1, locmem.TTL(time.Minute))
			ended := make(chan error)
			_, err := e.GetOrSet(ctx, 1, func(ctx context.Context, _ int) (int, error) {
				e.Close()
				ended <- ctx.Err()
				return 2, nil
			})
			assert.NoError(t, err)
			assert.Error(t, <-ended)
			assert.Zero(t, e.Len())
		}, false},
		{"an error whose Is panics", func(o *locmem.Options[int, int]) {
			o.NegativeTTL = time.Hour
		}, func(t *testing.T, e engine) {
			_, err := e.GetOrSet(ctx, 1, func(context.Context, int) (int, error) { return 1, oddError{} })
			var p *locmem.PanicError
			assert.ErrorAs(t, err, &p)
		}, true},
		{"tags invalidated by the load that carries them, and by a loop over them", nil, func(t *testing.T, e engine) {
			value, err := e.GetOrSet(ctx, 1, func(context.Context, int) (int, error) {
				e.InvalidateTags("a")
				return 1, nil
			}, locmem.Tags("a"))
			assert.NoError(t, err)
			assert.Equal(t, 1, value)
			assert.False(t, e.Has(1))
			for key := range 10 {
				e.Set(key, key, locmem.Tags("a"))
			}
			for range e.All() {
				e.InvalidateTags("a")
			}
			for key := range 10 {
				assert.False(t, e.Has(key))
			}
		}, false},
		{"Compute function writes its own key", nil, func(t *testing.T, e engine) {
			writes := 0
			value, ok := e.Compute(7, func(old locmem.Entry[int], found bool) (int, locmem.Op) {
				assert.True(t, found)
				if writes < 3 {
					writes++
					e.Set(7, old.Value+10)
				}
				return old.Value + 1, locmem.Store
			})
			assert.True(t, ok)
			assert.Equal(t, 38, value)
		}, false},
	} {
		t.Run(cell.name, func(t *testing.T) {
			t.Parallel()
			run := func(t *testing.T) {
				opts := locmem.Options[int, int]{MaxEntries: 100}
				if cell.options != nil {
					cell.options(&opts)
				}
				e, err := locmem.New(opts)
				require.NoError(t, err)
				defer within(t, e.Close) // on a goroutine that a listener may end
				e.Set(7, 7)
				within(t, func() { cell.run(t, e) })
				require.NoError(t, e.Validate())
				within(t, func() {
					_, err := e.GetOrSet(ctx, 1, one)
					if !errors.Is(err, locmem.ErrClosed) {
						assert.NoError(t, err)
						assert.True(t, e.Set(3, 3))
						assert.True(t, e.Has(3))
					}
				})
			}
			if cell.child {
				survives(t, run)
			} else {
				run(t)
			}
			if !t.Failed() {
				t.Logf("%-60s held", cell.name)
			}
		})
	}
}

// Keys of an interface type can hold what has no hash and what is not equal to
// itself.
func TestAdversaryOfKeys(t *testing.T) {
	t.Parallel()
	e, err := locmem.New(locmem.Options[any, int]{MaxEntries: 100, Stats: true})
	require.NoError(t, err)
	defer e.Close()
	ctx := context.Background()
	bad := any([]int{1})
	for name, call := range map[string]func(key any){
		"Get":        func(key any) { e.Get(key) },
		"Peek":       func(key any) { e.Peek(key) },
		"Has":        func(key any) { e.Has(key) },
		"Set":        func(key any) { e.Set(key, 1) },
		"Add":        func(key any) { e.Add(key, 1) },
		"Replace":    func(key any) { e.Replace(key, 1) },
		"Touch":      func(key any) { e.Touch(key) },
		"Delete":     func(key any) { e.Delete(key) },
		"Take":       func(key any) { e.Take(key) },
		"GetMany":    func(key any) { e.GetMany([]any{1, key}) },
		"DeleteMany": func(key any) { e.DeleteMany([]any{1, key}) },
		"Compute": func(key any) {
			e.Compute(key, func(locmem.Entry[int], bool) (int, locmem.Op) { return 1, locmem.Store })
		},
		"GetOrSet": func(key any) {
			_, _ = e.GetOrSet(ctx, key, func(context.Context, any) (int, error) { return 1, nil })
		},
		"Fetch": func(key any) {
			_, _ = e.Fetch(ctx, key, func(context.Context, any) (int, error) { return 1, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func() {
				assert.NotNil(t, panicOf(func() { call(bad) }), "a key without a hash")
				assert.NotNil(t, panicOf(func() { call([1]any{bad}) }), "one deep inside")
				for range 100 {
					assert.Nil(t, panicOf(func() { call(math.NaN()) }), "NaN")
					assert.Nil(t, panicOf(func() { call(struct{ a, b any }{1, math.NaN()}) }), "NaN deep inside")
				}
				assert.False(t, e.Has(math.NaN()))
				assert.Zero(t, e.Len(), "something was stored under NaN")
			})
			within(t, func() { // nothing was left locked
				for key := range 1000 {
					e.Set(key, key)
					assert.True(t, e.Has(key))
				}
				e.Clear()
			})
			require.Zero(t, e.Len())
			require.NoError(t, e.Validate())
			t.Logf("%-60s held", name)
		})
	}
	assert.Zero(t, e.SetMany(map[any]int{math.NaN(): 1, math.NaN(): 2}))
	assert.True(t, e.Set(1, 1) && e.Set(int8(1), 2) && e.Set("1", 3) && e.Set(nil, 4) && e.Set([1]int{1}, 5))
	assert.Equal(t, 5, e.Len(), "keys of different types are different keys")
	require.NoError(t, e.Validate())
}
