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
func now[A any](t *testing.T, got <-chan A) (a A) {
	t.Helper()
	synctest.Wait()
	select {
	case a = <-got:
	default:
		require.FailNow(t, "a caller still waits")
	}
	return a
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
		synctest.Wait() // until both wait for the one load
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

// The time of every loader that has ended counts, whatever became of it.
func TestLoadTimeIsThatOfTheLoaders(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	e, clock := timed(t, locmem.Options[int, int]{})
	takes := func(d time.Duration, err error) func(context.Context, int) (int, error) {
		return func(context.Context, int) (int, error) {
			clock.Advance(d)
			return 0, err
		}
	}
	_, err := e.GetOrSet(ctx, 1, takes(time.Second, nil))
	require.NoError(t, err)
	_, err = e.GetOrSet(ctx, 1, takes(time.Hour, nil)) // a hit
	require.NoError(t, err)
	_, err = e.GetOrSet(ctx, 2, takes(2*time.Second, errors.New("no value")))
	require.Error(t, err)
	_, err = e.GetOrSet(ctx, 3, func(context.Context, int) (int, error) {
		clock.Advance(4 * time.Second)
		panic("no value")
	})
	require.Error(t, err)
	require.Equal(t, 7*time.Second, e.Stats().LoadTime)
}
