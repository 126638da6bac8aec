// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/locmem/locmem"
)

var errAway = errors.New("the database is away")

// newLoads returns an engine that holds all it is given.
func newLoads(t *testing.T, change ...func(*locmem.Options[int, int])) *locmem.Engine[int, int] {
	t.Helper()
	opts := locmem.Options[int, int]{Unbounded: true}
	for _, f := range change {
		f(&opts)
	}
	e, err := locmem.New(opts)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

// answer is what a caller of a load got.
type answer struct {
	value int
	err   error
}

// loads is a loader that says that it has begun, and returns what it is told.
type loads struct {
	begun  chan context.Context
	result chan answer
	count  atomic.Int32
}

func newLoader() *loads {
	return &loads{begun: make(chan context.Context, 16), result: make(chan answer)}
}

func (l *loads) load(ctx context.Context, _ int) (int, error) {
	l.count.Add(1)
	l.begun <- ctx
	a := <-l.result
	return a.value, a.err
}

// ask calls GetOrSet on a goroutine of its own.
func ask(ctx context.Context, e *locmem.Engine[int, int], key int, load func(context.Context, int) (int, error), opts ...locmem.EntryOption) <-chan answer {
	got := make(chan answer, 1)
	go func() {
		value, err := e.GetOrSet(ctx, key, load, opts...)
		got <- answer{value, err}
	}()
	return got
}

// now returns the answer that a caller in a bubble has got once all that can
// happen has happened.
func now(t *testing.T, got <-chan answer) answer {
	t.Helper()
	synctest.Wait()
	select {
	case a := <-got:
		return a
	default:
		require.FailNow(t, "a caller still waits")
		return answer{}
	}
}

func TestOneLoadServesAllCallersOfAKey(t *testing.T) {
	t.Parallel()
	const callers, generations = 64, 3
	keys := 1000
	if testing.Short() {
		keys = 100
	}
	e := newLoads(t)
	started := make([]atomic.Int32, keys)
	for generation := range generations {
		var g errgroup.Group
		for range callers {
			g.Go(func() error {
				for key := range keys {
					value, err := e.GetOrSet(context.Background(), key, func(context.Context, int) (int, error) {
						started[key].Add(1)
						runtime.Gosched()
						return key*generations + generation, nil
					})
					if err != nil || value != key*generations+generation {
						return fmt.Errorf("key %d: %d, %w in generation %d", key, value, err, generation)
					}
				}
				return nil
			})
		}
		require.NoError(t, g.Wait())
		for key := range keys {
			require.EqualValues(t, generation+1, started[key].Load(), "loads of key %d", key)
			require.True(t, e.Delete(key))
		}
	}
	require.NoError(t, e.Validate())
}

// With TTL(0) nothing is stored, and what is left of a load is plain
// de-duplication: the same callers, at the same moments, get the same answers
// from as many loads as with singleflight.
func TestLoadsAreSharedAsInSingleflight(t *testing.T) {
	t.Parallel()
	const keys, steps = 3, 60
	seed := rand.Uint64()
	for round := range 10 {
		play := func(t *testing.T, call func(key int, load func() (int, error)) (int, error)) (log []string) {
			rnd := rand.New(rand.NewPCG(seed, uint64(round)))
			var mu sync.Mutex
			var gates [keys]chan answer
			var callers, begun [keys]int
			for key := range gates {
				gates[key] = make(chan answer)
			}
			caller := 0
			answers := map[int]string{}
			open := func(key, value int) {
				a := answer{value: value}
				if value%3 == 0 {
					a = answer{err: errAway}
				}
				gates[key] <- a
				synctest.Wait()
				callers[key] = 0
			}
			for step := range steps {
				key := rnd.IntN(keys)
				if rnd.IntN(4) == 0 && callers[key] > 0 {
					open(key, step)
				} else {
					id := caller
					caller++
					callers[key]++
					go func() {
						value, err := call(key, func() (int, error) {
							mu.Lock()
							begun[key]++
							mu.Unlock()
							a := <-gates[key]
							return a.value, a.err
						})
						mu.Lock()
						defer mu.Unlock()
						answers[id] = fmt.Sprint(value, err)
					}()
				}
				synctest.Wait()
				mu.Lock()
				log = append(log, fmt.Sprint(begun, answers))
				mu.Unlock()
			}
			for key := range gates {
				if callers[key] > 0 {
					open(key, 1)
				}
			}
			require.Len(t, answers, caller, "some callers have no answer")
			return append(log, fmt.Sprint(begun, answers))
		}
		synctest.Test(t, func(t *testing.T) {
			var group singleflight.Group
			want := play(t, func(key int, load func() (int, error)) (int, error) {
				value, err, _ := group.Do(fmt.Sprint(key), func() (any, error) { return load() })
				return value.(int), err
			})
			e := newLoads(t)
			got := play(t, func(key int, load func() (int, error)) (int, error) {
				return e.GetOrSet(context.Background(), key, func(context.Context, int) (int, error) { return load() }, locmem.TTL(0))
			})
			require.Equal(t, want, got, "seed %d, round %d", seed, round)
			require.NoError(t, e.Validate())
		})
	}
}

func TestAWaiterLeavesOnItsOwnContext(t *testing.T) {
	t.Parallel()
	for _, leaver := range []string{"the leader", "a waiter"} {
		t.Run(leaver, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, l := newLoads(t), newLoader()
				ctxs, cancels, got := make([]context.Context, 4), make([]context.CancelFunc, 4), make([]<-chan answer, 4)
				for i := range got {
					ctxs[i], cancels[i] = context.WithCancel(context.Background())
					defer cancels[i]()
					got[i] = ask(ctxs[i], e, 1, l.load)
					synctest.Wait()
				}
				gone := map[string]int{"the leader": 0, "a waiter": 2}[leaver]
				cancels[gone]()
				require.Equal(t, answer{0, context.Canceled}, now(t, got[gone]))
				loading := <-l.begun
				require.NoError(t, loading.Err(), "the others still wait")

				l.result <- answer{7, nil}
				for i := range got {
					if i != gone {
						require.Equal(t, answer{7, nil}, now(t, got[i]), "caller %d", i)
					}
				}
				require.EqualValues(t, 1, l.count.Load())
				require.Error(t, loading.Err(), "the loader's context outlives the load")
				value, ok := e.Get(1)
				require.True(t, ok)
				require.Equal(t, 7, value)
				require.NoError(t, e.Validate())
			})
		})
	}
}

func TestALoadThatAllHaveLeftIsCancelledAndDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, l := newLoads(t), newLoader()
		first, cancelFirst := context.WithCancel(context.Background())
		second, cancelSecond := context.WithTimeout(context.Background(), time.Second)
		defer cancelSecond()
		a, b := ask(first, e, 1, l.load), ask(second, e, 1, l.load)
		loading := <-l.begun
		cancelFirst()
		require.Equal(t, answer{0, context.Canceled}, now(t, a))
		require.NoError(t, loading.Err())
		<-time.After(time.Second)
		require.Equal(t, answer{0, context.DeadlineExceeded}, now(t, b))
		require.Error(t, loading.Err(), "nobody waits any more")

		// The key can be loaded again while the old loader has not come back, whose
		// result nobody gets to see.
		fresh := newLoader()
		again := ask(context.Background(), e, 1, fresh.load)
		<-fresh.begun
		l.result <- answer{1, nil}
		synctest.Wait()
		require.False(t, e.Has(1))
		fresh.result <- answer{2, nil}
		require.Equal(t, answer{2, nil}, now(t, again))
		value, ok := e.Get(1)
		require.True(t, ok)
		require.Equal(t, 2, value)
		require.NoError(t, e.Validate())
	})
}

func TestTheResultOfALoadThatAllHaveLeftIsNotStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, l := newLoads(t), newLoader()
		ctx, cancel := context.WithCancel(context.Background())
		got := ask(ctx, e, 1, l.load)
		<-l.begun
		cancel()
		now(t, got)
		l.result <- answer{1, nil}
		synctest.Wait()
		require.False(t, e.Has(1))
		require.Zero(t, e.Len())
		require.NoError(t, e.Validate())
	})
}

type ctxKey struct{}

func TestALoaderSeesTheValuesOfItsFirstCallersContext(t *testing.T) {
	t.Parallel()
	e := newLoads(t)
	ctx := context.WithValue(context.Background(), ctxKey{}, "trace 7")
	_, err := e.GetOrSet(ctx, 1, func(ctx context.Context, _ int) (int, error) {
		assert.Equal(t, "trace 7", ctx.Value(ctxKey{}))
		_, bounded := ctx.Deadline()
		assert.False(t, bounded)
		return 1, nil
	})
	require.NoError(t, err)
}

func TestAnErrorReachesAllWaitersAndIsNotStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, l := newLoads(t, func(o *locmem.Options[int, int]) { o.Stats = true }), newLoader()
		var got []<-chan answer
		for range 5 {
			got = append(got, ask(context.Background(), e, 1, l.load))
		}
		synctest.Wait()
		l.result <- answer{9, errAway}
		for _, c := range got {
			require.Equal(t, answer{0, errAway}, now(t, c))
		}
		require.Zero(t, e.Len())
		again := ask(context.Background(), e, 1, l.load)
		synctest.Wait()
		require.EqualValues(t, 2, l.count.Load(), "the error was served again")
		l.result <- answer{3, nil}
		require.Equal(t, answer{3, nil}, now(t, again))
		st := e.Stats()
		require.EqualValues(t, 2, st.Loads)
		require.EqualValues(t, 1, st.LoadErrors)
		require.EqualValues(t, 4, st.LoadsShared)
		require.EqualValues(t, 6, st.Misses)
		require.NoError(t, e.Validate())
	})
}

// A loader that does not return: all who wait get an error, and the key can be
// loaded at once.
func TestALoaderThatPanicsOrExitsWedgesNothing(t *testing.T) {
	t.Parallel()
	type odd struct{ a, b int }
	for _, tc := range []struct {
		name  string
		end   func()
		check func(t *testing.T, err error)
	}{
		{"panics with a text", func() { panic("boom") }, func(t *testing.T, err error) {
			var p *locmem.PanicError
			require.ErrorAs(t, err, &p)
			require.Equal(t, "boom", p.Value)
			require.Contains(t, err.Error(), "boom")
			require.NoError(t, errors.Unwrap(err))
		}},
		{"panics with an error", func() { panic(fmt.Errorf("wrapped: %w", errAway)) }, func(t *testing.T, err error) {
			var p *locmem.PanicError
			require.ErrorAs(t, err, &p)
			require.ErrorIs(t, err, errAway)
		}},
		{"panics with a struct", func() { panic(odd{1, 2}) }, func(t *testing.T, err error) {
			var p *locmem.PanicError
			require.ErrorAs(t, err, &p)
			require.Equal(t, odd{1, 2}, p.Value)
		}},
		{"panics with nil", func() { panic(nil) }, func(t *testing.T, err error) { //nolint:govet // the case in question
			var nilPanic *runtime.PanicNilError
			require.ErrorAs(t, err, &nilPanic)
		}},
		{"fails in the runtime", func() { _ = make([]int, 0)[len(t.Name())] }, func(t *testing.T, err error) {
			var fault runtime.Error
			require.ErrorAs(t, err, &fault)
		}},
		{"calls Goexit", runtime.Goexit, func(t *testing.T, err error) {
			require.ErrorIs(t, err, locmem.ErrGoexit)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newLoads(t)
				end := make(chan struct{})
				fails := func(context.Context, int) (int, error) {
					<-end
					tc.end()
					return 1, nil
				}
				var got []<-chan answer
				for range 4 {
					got = append(got, ask(context.Background(), e, 1, fails))
				}
				synctest.Wait()
				close(end)
				for _, c := range got {
					a := now(t, c)
					require.Zero(t, a.value)
					require.Error(t, a.err)
					tc.check(t, a.err)
					var p *locmem.PanicError
					if errors.As(a.err, &p) {
						require.Contains(t, string(p.Stack), "TestALoaderThatPanicsOrExitsWedgesNothing", "the stack is not the loader's")
					}
				}
				require.Zero(t, e.Len())
				require.EqualValues(t, 1, e.Stats().LoadErrors)
				require.Equal(t, answer{5, nil}, now(t, ask(context.Background(), e, 1, func(context.Context, int) (int, error) { return 5, nil })))
				require.NoError(t, e.Validate())
			})
		})
	}
}

func TestAMissingLoaderOrContextIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	load := func(context.Context, int) (int, error) { return 1, nil }
	for _, held := range []bool{false, true} {
		for _, tc := range []struct {
			name string
			ctx  context.Context
			load func(context.Context, int) (int, error)
			want error
		}{
			{"no loader", context.Background(), nil, locmem.ErrNoLoader},
			{"no context", nil, load, locmem.ErrNilContext},
			{"neither", nil, nil, locmem.ErrNilContext},
		} {
			t.Run(fmt.Sprintf("%s, held %v", tc.name, held), func(t *testing.T) {
				e := newLoads(t)
				if held {
					e.Set(1, 1)
				}
				_, err := e.GetOrSet(tc.ctx, 1, tc.load)
				require.ErrorIs(t, err, tc.want)
				_, err = e.Fetch(tc.ctx, 1, tc.load)
				require.ErrorIs(t, err, tc.want)
				require.Zero(t, e.Stats().Loads)
				require.NoError(t, e.Validate())
			})
		}
	}
}

func TestACallWithoutALoaderUsesTheEngines(t *testing.T) {
	t.Parallel()
	e := newLoads(t, func(o *locmem.Options[int, int]) {
		o.Load = func(_ context.Context, key int) (int, error) { return key * 10, nil }
	})
	value, err := e.GetOrSet(context.Background(), 4, nil)
	require.NoError(t, err)
	require.Equal(t, 40, value)
	entry, err := e.Fetch(context.Background(), 5, nil, locmem.TTL(time.Hour))
	require.NoError(t, err)
	require.Equal(t, 50, entry.Value)
	require.False(t, entry.Deadline.IsZero())
	value, err = e.GetOrSet(context.Background(), 6, func(context.Context, int) (int, error) { return 1, nil })
	require.NoError(t, err)
	require.Equal(t, 1, value, "the call's loader wins")
}

func TestAnEndedContextStartsNoLoad(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	e := newLoads(t)
	load := func(context.Context, int) (int, error) { return 1, nil }
	_, err := e.GetOrSet(ctx, 1, load)
	require.ErrorIs(t, err, context.Canceled)
	_, err = e.Fetch(ctx, 1, load)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, e.Stats().Loads)

	e.Set(1, 8)
	value, err := e.GetOrSet(ctx, 1, load)
	require.NoError(t, err, "a hit needs no context")
	require.Equal(t, 8, value)
}

// overtakes are the writes that win against a load that began before them: key 1
// holds the value want after them, or nothing if want is 0.
var overtakes = []struct {
	name  string
	write func(e *locmem.Engine[int, int]) (want int)
}{
	{"Set", func(e *locmem.Engine[int, int]) int { e.Set(1, 2); return 2 }},
	{"SetMany", func(e *locmem.Engine[int, int]) int { e.SetMany(map[int]int{1: 2, 5: 5}); return 2 }},
	{"Compute", func(e *locmem.Engine[int, int]) int {
		e.Compute(1, func(locmem.Entry[int], bool) (int, locmem.Op) { return 2, locmem.Store })
		return 2
	}},
	{"Set and Replace", func(e *locmem.Engine[int, int]) int { e.Set(1, 3); e.Replace(1, 2); return 2 }},
	{"Add", func(e *locmem.Engine[int, int]) int {
		if e.Add(1, 2) {
			return 2
		}
		return 1 // the load was first, and its value stays
	}},
	{"Delete", func(e *locmem.Engine[int, int]) int { e.Delete(1); return 0 }},
	{"DeleteMany", func(e *locmem.Engine[int, int]) int { e.DeleteMany([]int{5, 1}); return 0 }},
	{"Take", func(e *locmem.Engine[int, int]) int { e.Take(1); return 0 }},
	{"Clear", func(e *locmem.Engine[int, int]) int { e.Clear(); return 0 }},
	{"removing Compute", func(e *locmem.Engine[int, int]) int {
		e.Compute(1, func(locmem.Entry[int], bool) (int, locmem.Op) { return 0, locmem.Remove })
		return 0
	}},
	{"Set that has expired", func(e *locmem.Engine[int, int]) int { e.Set(1, 2, locmem.TTL(0)); return 0 }},
	{"Set too heavy", func(e *locmem.Engine[int, int]) int { e.Set(1, 2, locmem.Weight(1<<40)); return 0 }},
	{"Set and Delete", func(e *locmem.Engine[int, int]) int { e.Set(1, 2); e.Delete(1); return 0 }},
	{"Set and Touch that has expired", func(e *locmem.Engine[int, int]) int {
		e.Set(1, 2)
		e.Touch(1, locmem.TTL(-1))
		return 0
	}},
}

func weighted(o *locmem.Options[int, int]) { o.Unbounded, o.MaxWeight = false, 1<<30 }

func TestAWriteDuringALoadWins(t *testing.T) {
	t.Parallel()
	for _, tc := range overtakes {
		t.Run(tc.name, func(t *testing.T) {
			e := newLoads(t, weighted)
			want := 0
			value, err := e.GetOrSet(context.Background(), 1, func(context.Context, int) (int, error) {
				want = tc.write(e)
				return 1, nil
			})
			require.NoError(t, err)
			held, ok := e.Get(1)
			require.Equal(t, want != 0, ok)
			require.Equal(t, want, held)
			if want == 0 {
				want = 1 // nothing is live, so the caller gets what was loaded
			}
			require.Equal(t, want, value)
			require.NoError(t, e.Validate())
		})
	}
}

// Whether the write comes just before or just after the end of the load, what it
// leaves is the same.
func TestAWriteThatRacesTheEndOfALoadWins(t *testing.T) {
	t.Parallel()
	trials := 1000
	if testing.Short() {
		trials = 100
	}
	for _, tc := range overtakes {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := newLoads(t, weighted)
			for trial := range trials {
				begun := make(chan struct{})
				var ready atomic.Int32
				meet := func() {
					for ready.Add(1); ready.Load() < 2; {
						runtime.Gosched()
					}
				}
				got := ask(context.Background(), e, 1, func(context.Context, int) (int, error) {
					close(begun)
					meet()
					return 1, nil
				})
				<-begun
				meet()
				for range trial % 8 {
					runtime.Gosched() // vary who is first
				}
				want := tc.write(e)
				a := <-got
				require.NoError(t, a.err)
				value, ok := e.Get(1)
				require.Equal(t, want != 0, ok, "trial %d", trial)
				require.Equal(t, want, value, "trial %d", trial)
				e.Delete(1)
			}
			require.NoError(t, e.Validate())
		})
	}
}

func TestACallerAfterAWriteDoesNotJoinAnOlderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, older, younger := newLoads(t), newLoader(), newLoader()
		first := ask(context.Background(), e, 1, older.load)
		<-older.begun
		e.Delete(1)
		second := ask(context.Background(), e, 1, younger.load)
		synctest.Wait()
		require.EqualValues(t, 1, younger.count.Load(), "it has joined the older load")
		younger.result <- answer{2, nil}
		require.Equal(t, answer{2, nil}, now(t, second))
		older.result <- answer{1, nil}
		require.Equal(t, answer{2, nil}, now(t, first), "what is live at the end counts")
		value, ok := e.Get(1)
		require.True(t, ok)
		require.Equal(t, 2, value)
		require.NoError(t, e.Validate())
	})
}

func TestWhatIsNoWriteLeavesALoadAlone(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(e *locmem.Engine[int, int]){
		"a cancelled Compute": func(e *locmem.Engine[int, int]) {
			e.Compute(1, func(locmem.Entry[int], bool) (int, locmem.Op) { return 9, locmem.Keep })
		},
		"a refused Replace": func(e *locmem.Engine[int, int]) { e.Replace(1, 9) },
		"an Incr of nothing": func(e *locmem.Engine[int, int]) {
			_, _, _ = locmem.Incr(e, 1, 1)
		},
		"a failed swap": func(e *locmem.Engine[int, int]) { locmem.CompareAndSwap(e, 1, 0, 9) },
		"a Touch":       func(e *locmem.Engine[int, int]) { e.Touch(1) },
		"an eviction":   func(e *locmem.Engine[int, int]) { e.Set(5, 5); e.Evict(1) },
		"another key":   func(e *locmem.Engine[int, int]) { e.Set(5, 5); e.Delete(5) },
		"a Resize":      func(e *locmem.Engine[int, int]) { _ = e.Resize(100, 0) },
		"an expiry":     func(e *locmem.Engine[int, int]) { e.Set(5, 5, locmem.TTL(time.Millisecond)); <-time.After(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, l := newLoads(t, func(o *locmem.Options[int, int]) { o.Shards = 1 }), newLoader()
				first := ask(context.Background(), e, 1, l.load)
				loading := <-l.begun
				act(e)
				require.NoError(t, loading.Err())
				second := ask(context.Background(), e, 1, l.load)
				synctest.Wait()
				require.EqualValues(t, 1, l.count.Load(), "a second load began")
				l.result <- answer{1, nil}
				require.Equal(t, answer{1, nil}, now(t, first))
				require.Equal(t, answer{1, nil}, now(t, second))
				require.True(t, e.Has(1), "the result was not stored")
				require.NoError(t, e.Validate())
			})
		})
	}
}

func TestALoadLocksNothing(t *testing.T) {
	t.Parallel()
	e, l := newLoads(t, func(o *locmem.Options[int, int]) { o.Shards = 1 }), newLoader()
	t.Cleanup(func() { close(l.result) })
	ask(context.Background(), e, 1, l.load)
	<-l.begun
	within(t, func() {
		for key := 2; key < 500; key++ {
			e.Set(key, key)
			value, ok := e.Get(key)
			assert.True(t, ok)
			assert.Equal(t, key, value)
		}
		_, ok := e.Get(1)
		assert.False(t, ok)
		value, err := e.GetOrSet(context.Background(), 1000, func(context.Context, int) (int, error) { return 3, nil })
		assert.NoError(t, err)
		assert.Equal(t, 3, value)
		assert.Equal(t, 499, e.Len())
	})
}

func TestALoadThatWouldWaitForItselfIsAnError(t *testing.T) {
	t.Parallel()
	type engine = *locmem.Engine[int, int]
	type loader = func(context.Context, int) (int, error)
	for _, tc := range []struct {
		name string
		next func(a, b engine, key int) (engine, int) // what the loader of a key asks for
	}{
		{"its own key", func(a, _ engine, key int) (engine, int) { return a, key }},
		{"A, B, A", func(a, _ engine, key int) (engine, int) { return a, 1 - key }},
		{"a circle of ten", func(a, _ engine, key int) (engine, int) { return a, (key + 1) % 10 }},
		{"a tail with a circle", func(a, _ engine, key int) (engine, int) { return a, min(key+1, 9-key%5) }},
		{"a circle over two engines", func(a, b engine, key int) (engine, int) {
			if key%2 == 0 {
				return b, (key + 1) % 4
			}
			return a, (key + 1) % 4
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := newLoads(t), newLoads(t)
			var load loader
			load = func(ctx context.Context, key int) (int, error) {
				ctx, cancel := context.WithCancel(ctx) // what a loader passes on is derived, as a rule
				defer cancel()
				e, next := tc.next(a, b, key)
				return e.GetOrSet(ctx, next, load)
			}
			var gotten, fetched error
			within(t, func() {
				_, gotten = a.GetOrSet(context.Background(), 0, load)
				_, fetched = a.Fetch(context.Background(), 0, func(ctx context.Context, key int) (int, error) {
					entry, err := a.Fetch(ctx, key, load)
					return entry.Value, err
				})
			})
			require.ErrorIs(t, gotten, locmem.ErrReentrant)
			require.ErrorIs(t, fetched, locmem.ErrReentrant)
			require.Zero(t, a.Len())
			require.NoError(t, a.Validate())
			require.NoError(t, b.Validate())
			value, err := a.GetOrSet(context.Background(), 0, func(context.Context, int) (int, error) { return 4, nil })
			require.NoError(t, err)
			require.Equal(t, 4, value)
		})
	}
}

// Two loads that begin apart and then ask for each other's key.
func TestLoadsThatMeetInACircleEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			e := newLoads(t)
			begun := make(chan struct{})
			var waiting atomic.Int32
			load := func(ctx context.Context, key int) (int, error) {
				if waiting.Add(1) == 2 {
					close(begun)
				}
				<-begun
				return e.GetOrSet(ctx, 1-key, func(context.Context, int) (int, error) { return 1, nil })
			}
			a, b := ask(context.Background(), e, 0, load), ask(context.Background(), e, 1, load)
			first, second := now(t, a), now(t, b)
			require.ErrorIs(t, errors.Join(first.err, second.err), locmem.ErrReentrant)
			require.NoError(t, e.Validate())
			e.Close()
		}
	})
}

func TestALoaderMayLoadOtherKeys(t *testing.T) {
	t.Parallel()
	e := newLoads(t)
	var load func(ctx context.Context, n int) (int, error)
	load = func(ctx context.Context, n int) (int, error) { // Fibonacci's numbers, both parts at once
		if n < 2 {
			return n, nil
		}
		var parts [2]int
		g, ctx := errgroup.WithContext(ctx)
		for i := range parts {
			g.Go(func() (err error) {
				parts[i], err = e.GetOrSet(ctx, n-1-i, load)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return 0, err
		}
		return parts[0] + parts[1], nil
	}
	within(t, func() {
		value, err := e.GetOrSet(context.Background(), 40, load)
		assert.NoError(t, err)
		assert.Equal(t, 102334155, value)
	})
	require.EqualValues(t, 41, e.Stats().Loads, "each number once")
	require.NoError(t, e.Validate())
}

// Each layer waits for both loads of the next, so that there are two to the
// power of their number ways down, and a few dozen loads.
func TestLookingForACircleTakesOneStepForEachLoad(t *testing.T) {
	t.Parallel()
	const layers = 25
	e, bottom := newLoads(t), newLoader()
	asked := make(chan struct{}, 4*layers)
	var load func(ctx context.Context, key int) (int, error)
	load = func(ctx context.Context, key int) (int, error) {
		if key/2 == layers {
			return bottom.load(ctx, key)
		}
		var g errgroup.Group
		for i := range 2 {
			g.Go(func() error {
				asked <- struct{}{}
				_, err := e.GetOrSet(ctx, key/2*2+2+i, load)
				return err
			})
		}
		return key, g.Wait()
	}
	var top, above answer
	within(t, func() {
		first := ask(context.Background(), e, 0, load)
		for range 2 {
			<-bottom.begun
		}
		for range 4*layers - 2 {
			<-asked
		}
		second := ask(context.Background(), e, -100, func(ctx context.Context, _ int) (int, error) {
			return e.GetOrSet(ctx, 0, load)
		})
		for range 2 {
			bottom.result <- answer{1, nil}
		}
		top, above = <-first, <-second
	})
	require.Equal(t, answer{0, nil}, top)
	require.Equal(t, answer{0, nil}, above)
}

func TestCloseEndsLoads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, l := newLoads(t), newLoader()
		var got []<-chan answer
		for i := range 6 {
			got = append(got, ask(context.Background(), e, i%2, l.load))
		}
		contexts := []context.Context{<-l.begun, <-l.begun}
		synctest.Wait()
		e.Close()
		for _, c := range got {
			require.Equal(t, answer{0, locmem.ErrClosed}, now(t, c))
		}
		for _, ctx := range contexts {
			require.Error(t, ctx.Err())
		}
		for range contexts {
			l.result <- answer{1, nil}
		}
		synctest.Wait()
		require.Zero(t, e.Len(), "a late result was stored")
		_, err := e.GetOrSet(context.Background(), 0, l.load)
		require.ErrorIs(t, err, locmem.ErrClosed)
		require.NoError(t, e.Validate())
	})
}

func TestALoadOfAKeyThatDiffersFromItselfIsNotStored(t *testing.T) {
	t.Parallel()
	e, err := locmem.New(locmem.Options[float64, int]{MaxEntries: 10})
	require.NoError(t, err)
	defer e.Close()
	for n := range 100 {
		value, err := e.GetOrSet(context.Background(), math.NaN(), func(context.Context, float64) (int, error) { return n, nil })
		require.NoError(t, err)
		require.Equal(t, n, value)
	}
	require.Zero(t, e.Len())
	require.EqualValues(t, 100, e.Stats().Loads)
	require.NoError(t, e.Validate())
}

func TestALoadedEntryObeysTheCallsOptions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		opts   []locmem.EntryOption
		stored bool
		entry  locmem.Entry[int]
	}{
		{"as the bound", []locmem.EntryOption{locmem.Weight(100)}, true, locmem.Entry[int]{Value: 3, Weight: 100}},
		{"weightless", []locmem.EntryOption{locmem.Weight(0)}, true, locmem.Entry[int]{Value: 3}},
		{"heavier than the bound", []locmem.EntryOption{locmem.Weight(101)}, false, locmem.Entry[int]{Value: 3}},
		{"weighed", nil, true, locmem.Entry[int]{Value: 3, Weight: 30}},
		{"TTL 0", []locmem.EntryOption{locmem.TTL(0)}, false, locmem.Entry[int]{Value: 3}},
		{"negative TTL", []locmem.EntryOption{locmem.TTL(-time.Hour)}, false, locmem.Entry[int]{Value: 3}},
		{"deadline in the past", []locmem.EntryOption{locmem.ExpireAt(newYear.Add(-1))}, false, locmem.Entry[int]{Value: 3}},
		{"no idling", []locmem.EntryOption{locmem.Idle(0)}, false, locmem.Entry[int]{Value: 3}},
		{"TTL and idle", []locmem.EntryOption{locmem.TTL(time.Hour), locmem.Idle(2 * time.Hour)}, true, locmem.Entry[int]{Value: 3, Weight: 30, Deadline: newYear.Add(time.Hour), Idle: 2 * time.Hour}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newLoads(t, func(o *locmem.Options[int, int]) {
				o.Unbounded, o.MaxWeight = false, 100
				o.Weigh = func(_, value int) int64 { return int64(10 * value) }
				o.Clock = locmem.NewManualClock(newYear)
			})
			entry, err := e.Fetch(context.Background(), 1, func(context.Context, int) (int, error) { return 3, nil }, tc.opts...)
			require.NoError(t, err)
			require.Equal(t, tc.entry, entry)
			held, ok := e.Peek(1)
			require.Equal(t, tc.stored, ok)
			if ok {
				require.Equal(t, entry, held)
			}
			require.Equal(t, e.Weight(), held.Weight)
			require.NoError(t, e.Validate())
		})
	}
}

func TestAPanicOfTheWeigherReachesTheCallersOfTheLoad(t *testing.T) {
	t.Parallel()
	e := newLoads(t, func(o *locmem.Options[int, int]) {
		o.Weigh = func(_, value int) int64 {
			if value == 13 {
				panic(errAway)
			}
			return -int64(value)
		}
	})
	for value, want := range map[int]string{13: errAway.Error(), 2: "must not be negative"} {
		_, err := e.GetOrSet(context.Background(), 1, func(context.Context, int) (int, error) { return value, nil })
		var p *locmem.PanicError
		require.ErrorAs(t, err, &p)
		require.Contains(t, fmt.Sprint(p.Value), want)
		require.NoError(t, e.Validate())
	}
	require.Zero(t, e.Len())
	_, err := e.GetOrSet(context.Background(), 1, func(context.Context, int) (int, error) { return 0, nil })
	require.NoError(t, err)
}

// Nobody who waits for a load is sent away, or to load again, because what was
// loaded did not live until he woke up.
func TestWaitersGetTheLoadedValueHoweverShortItsLife(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]locmem.EntryOption{"a nanosecond": locmem.TTL(1), "none": locmem.TTL(0), "idle": locmem.Idle(1)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, l := newLoads(t), newLoader()
				var got []<-chan answer
				for range 20 {
					got = append(got, ask(context.Background(), e, 1, l.load, opt))
				}
				synctest.Wait()
				l.result <- answer{6, nil}
				synctest.Wait()
				require.EqualValues(t, 1, l.count.Load(), "somebody has loaded again")
				for _, c := range got {
					require.Equal(t, answer{6, nil}, now(t, c))
				}
				<-time.After(time.Nanosecond)
				require.False(t, e.Has(1))
			})
		})
	}
}

// The bubble ends only when every goroutine in it has.
func TestLoadsLeaveNoGoroutines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newLoads(t)
		ends := []func(ctx context.Context){
			func(context.Context) {},
			func(context.Context) { panic("boom") },
			func(context.Context) { runtime.Goexit() },
			func(ctx context.Context) { <-ctx.Done() },
		}
		var g errgroup.Group
		for key := range 200 {
			g.Go(func() error {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_, err := e.GetOrSet(ctx, key/2, func(ctx context.Context, _ int) (int, error) {
					ends[key/2%len(ends)](ctx)
					return 1, ctx.Err()
				})
				if wantErr := key/2%len(ends) != 0; wantErr != (err != nil) {
					return fmt.Errorf("key %d: %w", key/2, err)
				}
				return nil
			})
		}
		require.NoError(t, g.Wait())
		synctest.Wait()
		require.Equal(t, 25, e.Len())
		require.NoError(t, e.Validate())
	})
}
