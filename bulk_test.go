// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
)

type loaderOfMany = func(context.Context, []int) (map[int]int, error)

// answers is what a caller of GetOrSetMany got.
type answers struct {
	values map[int]int
	err    error
}

// bulkCall is one call of a loader of many keys, which waits for its answer.
type bulkCall struct {
	ctx    context.Context
	keys   []int
	result chan answers
}

// manyLoads is a loader of many keys that says that it has begun, and returns
// what it is told.
type manyLoads chan bulkCall

func newManyLoader() manyLoads { return make(manyLoads, 16) }

func (l manyLoads) load(ctx context.Context, keys []int) (map[int]int, error) {
	call := bulkCall{ctx, slices.Clone(keys), make(chan answers)}
	l <- call
	a := <-call.result
	return a.values, a.err
}

// askMany calls GetOrSetMany on a goroutine of its own.
func askMany(ctx context.Context, e *locmem.Engine[int, int], keys []int, load loaderOfMany, opts ...locmem.EntryOption) <-chan answers {
	got := make(chan answers, 1)
	go func() {
		values, err := e.GetOrSetMany(ctx, keys, load, opts...)
		got <- answers{values, err}
	}()
	return got
}

// next returns the next call of the loader, if it has come by now.
func (l manyLoads) next(t *testing.T) bulkCall {
	t.Helper()
	synctest.Wait()
	select {
	case call := <-l:
		return call
	default:
		require.FailNow(t, "the loader was not called")
		return bulkCall{}
	}
}

// tenfold is a loader that returns ten times each key.
func tenfold(_ context.Context, keys []int) (map[int]int, error) {
	values := map[int]int{}
	for _, key := range keys {
		values[key] = 10 * key
	}
	return values, nil
}

func TestOneCallLoadsWhatIsMissing(t *testing.T) {
	t.Parallel()
	e := newLoads(t, func(o *locmem.Options[int, int]) { o.Stats = true })
	e.Set(1, 11)
	e.Set(3, 33)
	var asked [][]int
	load := func(ctx context.Context, keys []int) (map[int]int, error) {
		asked = append(asked, slices.Clone(keys))
		return tenfold(ctx, keys)
	}
	values, err := e.GetOrSetMany(context.Background(), []int{1, 2, 3, 4, 2, 1, 4, 0}, load)
	require.NoError(t, err)
	require.Equal(t, map[int]int{0: 0, 1: 11, 2: 20, 3: 33, 4: 40}, values)
	require.Equal(t, [][]int{{2, 4, 0}}, asked, "each missing key once, in one call")
	stats := e.Stats()
	require.EqualValues(t, 3, stats.Loads)
	require.EqualValues(t, 3, stats.LoadSuccesses)
	require.EqualValues(t, 2, stats.Hits)
	require.EqualValues(t, 3, stats.Misses)

	again, err := e.GetOrSetMany(context.Background(), []int{0, 1, 2, 3, 4}, load)
	require.NoError(t, err)
	require.Equal(t, values, again)
	require.Len(t, asked, 1, "all is there")
	again[1] = 5
	require.Equal(t, map[int]int{1: 11}, e.GetMany([]int{1}), "the map is the caller's")

	none, err := e.GetOrSetMany(context.Background(), nil, load)
	require.NoError(t, err)
	require.Equal(t, map[int]int{}, none)
	require.Len(t, asked, 1)
	require.NoError(t, e.Validate())
}

func TestABulkLoadThatCannotBeIsAnErrorWithAMap(t *testing.T) {
	t.Parallel()
	e, closed := newLoads(t), newLoads(t)
	closed.Close()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	never := func(context.Context, []int) (map[int]int, error) {
		t.Error("the loader was called")
		return map[int]int{}, nil
	}
	for _, tc := range []struct {
		name string
		e    *locmem.Engine[int, int]
		ctx  context.Context
		load loaderOfMany
		want error
	}{
		{"no context", e, nil, never, locmem.ErrNilContext},
		{"no loader", e, context.Background(), nil, locmem.ErrNoLoader},
		{"an ended context", e, ended, never, context.Canceled},
		{"a closed engine", closed, context.Background(), never, locmem.ErrClosed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			values, err := tc.e.GetOrSetMany(tc.ctx, []int{1, 2}, tc.load)
			require.ErrorIs(t, err, tc.want)
			require.NotNil(t, values)
			require.Empty(t, values)
			require.NoError(t, tc.e.Validate())
		})
	}
	e.Set(1, 1)
	values, err := e.GetOrSetMany(ended, []int{1, 2}, never)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, map[int]int{1: 1}, values, "what is there needs no load")
}

func TestBulkLoadsAndLoadsJoinEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		e, one, many := newLoads(t), newLoader(), newManyLoader()
		first := ask(ctx, e, 1, one.load)
		<-one.begun
		second := askMany(ctx, e, []int{1, 2, 3}, many.load)
		a := many.next(t)
		require.Equal(t, []int{2, 3}, a.keys, "1 is being loaded already")
		third := askMany(ctx, e, []int{4, 3, 2, 1}, many.load)
		b := many.next(t)
		require.Equal(t, []int{4}, b.keys, "the others are being loaded already")
		fourth := ask(ctx, e, 3, one.load)
		fifth := askMany(ctx, e, []int{4, 1}, many.load)
		synctest.Wait()
		require.EqualValues(t, 1, one.count.Load())
		require.Empty(t, many)

		a.result <- answers{map[int]int{2: 20, 3: 30}, nil}
		require.Equal(t, answer{30, nil}, now(t, fourth))
		require.Equal(t, map[int]int{2: 20, 3: 30}, e.GetMany(seq(10)), "what is loaded is stored at once")
		b.result <- answers{map[int]int{4: 40}, nil}
		synctest.Wait()
		require.Empty(t, second, "it waits for 1")
		one.result <- answer{10, nil}
		require.Equal(t, answer{10, nil}, now(t, first))
		require.Equal(t, answers{map[int]int{1: 10, 2: 20, 3: 30}, nil}, now(t, second))
		require.Equal(t, answers{map[int]int{1: 10, 2: 20, 3: 30, 4: 40}, nil}, now(t, third))
		require.Equal(t, answers{map[int]int{1: 10, 4: 40}, nil}, now(t, fifth))
		require.EqualValues(t, 4, e.Stats().Loads)
		require.EqualValues(t, 1+3+1+2, e.Stats().LoadsShared)
		require.NoError(t, e.Validate())
	})
}

func TestWhatABulkLoadLeavesOutIsAMiss(t *testing.T) {
	t.Parallel()
	for name, result := range map[string]answers{
		"some":                   {map[int]int{2: 20}, nil},
		"an empty map":           {map[int]int{}, nil},
		"a nil map":              {nil, nil},
		"an error that says so":  {nil, fmt.Errorf("table users: %w", locmem.ErrNotFound)},
		"the error and some too": {map[int]int{2: 20}, locmem.ErrNotFound},
	} {
		for _, kept := range []time.Duration{0, time.Minute} {
			t.Run(fmt.Sprint(name, "/kept for ", kept), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, many := context.Background(), newManyLoader()
					e := newLoads(t, func(o *locmem.Options[int, int]) { o.NegativeTTL = kept })
					e.Set(9, 90)
					got := askMany(ctx, e, []int{1, 2, 9}, many.load)
					call := many.next(t)
					joined := ask(ctx, e, 1, newLoader().load)
					synctest.Wait()
					call.result <- result
					want := map[int]int{9: 90}
					if result.err == nil {
						maps.Copy(want, result.values)
					}
					require.Equal(t, answers{want, nil}, now(t, got))
					a := now(t, joined)
					require.ErrorIs(t, a.err, locmem.ErrNotFound)
					require.Zero(t, a.value)
					require.Equal(t, want, e.GetMany(seq(10)))

					got = askMany(ctx, e, []int{9, 1}, many.load)
					if kept > 0 {
						require.Equal(t, answers{map[int]int{9: 90}, nil}, now(t, got))
						require.Empty(t, many, "it is known that there is nothing")
						_, err := e.GetOrSet(ctx, 1, newLoader().load)
						require.Equal(t, locmem.ErrNotFound, err)
						<-time.After(kept)
						got = askMany(ctx, e, []int{1, 9}, many.load)
					}
					call = many.next(t)
					require.Equal(t, []int{1}, call.keys)
					call.result <- answers{map[int]int{1: 10}, nil}
					require.Equal(t, answers{map[int]int{1: 10, 9: 90}, nil}, now(t, got))
					require.True(t, e.Has(1))
					require.NoError(t, e.Validate())
				})
			})
		}
	}
}

func TestABulkLoadThatFailsStoresNothingAndTellsAll(t *testing.T) {
	t.Parallel()
	odd := errors.New("odd")
	for _, tc := range []struct {
		name  string
		load  loaderOfMany
		check func(t *testing.T, err error)
	}{
		{
			"an error with values", func(context.Context, []int) (map[int]int, error) { return map[int]int{1: 1, 2: 2, 3: 3}, errAway },
			func(t *testing.T, err error) { require.Equal(t, errAway, err) },
		},
		{
			"a panic", func(context.Context, []int) (map[int]int, error) { panic(odd) },
			func(t *testing.T, err error) {
				require.ErrorIs(t, err, odd)
				require.ErrorAs(t, err, new(*locmem.PanicError))
			},
		},
		{
			"Goexit", func(context.Context, []int) (map[int]int, error) { runtime.Goexit(); return map[int]int{1: 1}, nil },
			func(t *testing.T, err error) { require.Equal(t, locmem.ErrGoexit, err) },
		},
		{
			"a weigher that panics", func(context.Context, []int) (map[int]int, error) { return map[int]int{1: 1, 2: -1, 3: 3}, nil },
			func(t *testing.T, err error) { require.ErrorAs(t, err, new(*locmem.PanicError)) },
		},
		{
			"a weigher that ends the goroutine", func(context.Context, []int) (map[int]int, error) { return map[int]int{1: 1, 2: -2, 3: 3}, nil },
			func(t *testing.T, err error) { require.Equal(t, locmem.ErrGoexit, err) },
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := context.Background()
				e := newLoads(t, weighted, func(o *locmem.Options[int, int]) {
					o.Weigh = func(_, value int) int64 {
						if value == -2 {
							runtime.Goexit()
						}
						return int64(value) // negative: the engine panics
					}
				})
				e.Set(7, 7)
				begin := make(chan struct{})
				got := askMany(ctx, e, []int{1, 7, 2, 3}, func(ctx context.Context, keys []int) (map[int]int, error) {
					<-begin
					return tc.load(ctx, keys)
				})
				synctest.Wait()
				joined := []<-chan answer{ask(ctx, e, 1, newLoader().load), ask(ctx, e, 3, newLoader().load)}
				synctest.Wait()
				close(begin)
				a := now(t, got)
				tc.check(t, a.err)
				require.Equal(t, map[int]int{7: 7}, a.values, "what was there is there")
				for _, joined := range joined {
					require.Equal(t, answer{0, a.err}, now(t, joined))
				}
				require.Equal(t, 1, e.Len(), "something was stored")
				require.EqualValues(t, 3, e.Stats().LoadErrors)
				require.NoError(t, e.Validate())
				values, err := e.GetOrSetMany(ctx, []int{1, 2, 3}, tenfold)
				require.NoError(t, err)
				require.Len(t, values, 3, "the keys can be loaded again")
			})
		})
	}
}

// The error of one of the loads that a call waits for, which is not its own, does
// not take the others from it.
func TestTheErrorOfOneKeyLeavesTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		e, one, many := newLoads(t), newLoader(), newManyLoader()
		first, second := ask(ctx, e, 1, one.load), ask(ctx, e, 2, one.load)
		synctest.Wait()
		got := askMany(ctx, e, []int{3, 2, 1, 4}, many.load)
		many.next(t).result <- answers{map[int]int{3: 30, 4: 40}, nil}
		synctest.Wait()
		failure := errors.New("another one")
		one.result <- answer{0, errAway}
		one.result <- answer{0, failure}
		a := now(t, got)
		require.Equal(t, map[int]int{3: 30, 4: 40}, a.values)
		require.NotEqual(t, now(t, first).err, now(t, second).err)
		require.Contains(t, []error{errAway, failure}, a.err)
		require.NoError(t, e.Validate())
	})
}

func TestKeysThatWereNotAskedForAreIgnored(t *testing.T) {
	t.Parallel()
	e := newLoads(t)
	e.Set(5, 5)
	values, err := e.GetOrSetMany(context.Background(), []int{1}, func(context.Context, []int) (map[int]int, error) {
		return map[int]int{1: 10, 5: 50, 6: 60}, nil
	})
	require.NoError(t, err)
	require.Equal(t, map[int]int{1: 10}, values)
	require.Equal(t, map[int]int{1: 10, 5: 5}, maps.Collect(e.All()))
}

func TestABulkLoadLeavesOutKeysThatDifferFromThemselves(t *testing.T) {
	t.Parallel()
	e := opened(t, locmem.Options[float64, int]{MaxEntries: 100})
	nan := math.NaN()
	var asked []float64
	values, err := e.GetOrSetMany(context.Background(), []float64{nan, 1, nan, math.Copysign(0, -1), 0}, func(_ context.Context, keys []float64) (map[float64]int, error) {
		asked = append(asked, keys...)
		return map[float64]int{1: 10, nan: 7, 0: 5}, nil
	})
	require.NoError(t, err)
	require.Equal(t, []float64{1, 0}, asked, "0 and -0 are one key")
	require.Equal(t, map[float64]int{1: 10, 0: 5}, values)
	require.Equal(t, 2, e.Len())
	require.NoError(t, e.Validate())
}

func TestWithoutALoaderOfManyWorkersLoadOneByOne(t *testing.T) {
	t.Parallel()
	const keys, workers = 10, 3
	synctest.Test(t, func(t *testing.T) {
		var running, most, calls atomic.Int32
		gate := make(chan struct{})
		e := newLoads(t, func(o *locmem.Options[int, int]) {
			o.Workers = workers
			o.Load = func(_ context.Context, key int) (int, error) {
				calls.Add(1)
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				<-gate
				switch key {
				case 2:
					runtime.Goexit()
				case 3:
					panic("odd")
				case 4:
					return 0, errAway
				case 5:
					return 0, locmem.ErrNotFound
				}
				return 10 * key, nil
			}
		})
		got := askMany(context.Background(), e, append(seq(keys), seq(keys)...), nil)
		want := map[int]int{}
		for i := range keys {
			synctest.Wait()
			require.EqualValues(t, min(workers, keys-i), running.Load(), "after %d of %d", i, keys)
			gate <- struct{}{}
			if i < 2 || i > 5 {
				want[i] = 10 * i
			}
		}
		a := now(t, got)
		require.Equal(t, want, a.values)
		require.Equal(t, locmem.ErrGoexit, a.err, "that of the first key that failed")
		require.EqualValues(t, workers, most.Load())
		require.EqualValues(t, keys, calls.Load(), "each key once")
		require.Equal(t, want, maps.Collect(e.All()))
		require.NoError(t, e.Validate())
	})
}

// The loaders that run one after another have each the whole LoadTimeout.
func TestLoadTimeoutCountsFromTheStartOfEachLoader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newLoads(t, func(o *locmem.Options[int, int]) {
			o.Workers, o.LoadTimeout = 2, 3*time.Second
			o.Load = func(ctx context.Context, key int) (int, error) {
				select {
				case <-time.After(2 * time.Second):
					return 10 * key, nil
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			}
		})
		values, err := e.GetOrSetMany(context.Background(), seq(8), nil)
		require.NoError(t, err)
		require.Len(t, values, 8)
	})
}

func TestALoadTimeoutEndsABulkLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newLoads(t, func(o *locmem.Options[int, int]) { o.LoadTimeout = time.Second })
		begin := time.Now()
		ctx, leave := context.WithTimeout(context.Background(), time.Minute)
		defer leave()
		values, err := e.GetOrSetMany(ctx, seq(3), func(ctx context.Context, _ []int) (map[int]int, error) {
			<-ctx.Done()
			return map[int]int{1: 1}, ctx.Err()
		})
		require.Equal(t, context.DeadlineExceeded, err)
		require.Empty(t, values)
		require.Equal(t, time.Second, time.Since(begin))
	})
}

// When nobody waits any more, loaders that have not begun do not begin.
func TestLoadersThatWaitForAWorkerDoNotRunForNobody(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(e *locmem.Engine[int, int], leave func()){
		"the caller leaves": func(_ *locmem.Engine[int, int], leave func()) { leave() },
		"Close":             func(e *locmem.Engine[int, int], _ func()) { e.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLoader()
				e := newLoads(t, func(o *locmem.Options[int, int]) { o.Workers, o.Load = 1, l.load })
				ctx, leave := context.WithCancel(context.Background())
				defer leave()
				got := askMany(ctx, e, seq(5), nil)
				loading := <-l.begun
				end(e, leave)
				require.Error(t, now(t, got).err)
				require.Error(t, loading.Err())
				close(l.result)
				synctest.Wait()
				require.EqualValues(t, 1, l.count.Load(), "loaders were called for nobody")
				require.NoError(t, e.Validate())
			})
		})
	}
}

func TestTheCallerOfABulkLoadLeavesOthersTheirs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, many, one := newLoads(t), newManyLoader(), newLoader()
		e.Set(9, 90)
		ctx, leave := context.WithCancel(context.Background())
		got := askMany(ctx, e, []int{1, 2, 3, 9}, many.load)
		call := many.next(t)
		other, otherLeaves := context.WithCancel(context.Background())
		stays := ask(other, e, 2, one.load)
		alsoStays := askMany(context.Background(), e, []int{3, 9}, many.load)
		synctest.Wait()

		leave()
		require.Equal(t, answers{map[int]int{9: 90}, context.Canceled}, now(t, got), "what was there is in the map")
		require.NoError(t, call.ctx.Err(), "others wait")
		otherLeaves()
		require.Equal(t, answer{0, context.Canceled}, now(t, stays))
		require.NoError(t, call.ctx.Err(), "one waits")
		fresh := ask(context.Background(), e, 1, one.load) // nobody has waited for 1
		<-one.begun
		call.result <- answers{map[int]int{1: 10, 2: 20, 3: 30}, nil}
		require.Equal(t, answers{map[int]int{3: 30, 9: 90}, nil}, now(t, alsoStays))
		require.Equal(t, map[int]int{3: 30, 9: 90}, maps.Collect(e.All()), "what all have left is not stored")
		require.Error(t, call.ctx.Err(), "the context outlives the load")
		one.result <- answer{1, nil}
		require.Equal(t, answer{1, nil}, now(t, fresh))
		require.NoError(t, e.Validate())
	})
}

func TestABulkLoadThatAllHaveLeftIsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, many := newLoads(t), newManyLoader()
		ctx, leave := context.WithCancel(context.Background())
		got := askMany(ctx, e, []int{1, 2}, many.load)
		call := many.next(t)
		joined := askMany(ctx, e, []int{2}, many.load)
		synctest.Wait()
		leave()
		require.Equal(t, answers{map[int]int{}, context.Canceled}, now(t, got))
		require.Equal(t, answers{map[int]int{}, context.Canceled}, now(t, joined))
		require.Error(t, call.ctx.Err(), "nobody waits")
		call.result <- answers{map[int]int{1: 10, 2: 20}, nil}
		synctest.Wait()
		require.Empty(t, many)
		require.Zero(t, e.Len())
		require.NoError(t, e.Validate())
	})
}

// What has landed before the caller's context ended is in its map.
func TestABulkCallThatEndsEarlyHasWhatHasLanded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, one, many := newLoads(t), newLoader(), newManyLoader()
		slow := ask(context.Background(), e, 1, one.load)
		<-one.begun
		ctx, leave := context.WithCancel(context.Background())
		got := askMany(ctx, e, []int{1, 2, 3}, many.load)
		many.next(t).result <- answers{map[int]int{2: 20, 3: 30}, nil}
		synctest.Wait()
		leave()
		require.Equal(t, answers{map[int]int{2: 20, 3: 30}, context.Canceled}, now(t, got))
		one.result <- answer{10, nil}
		require.Equal(t, answer{10, nil}, now(t, slow))
	})
}

func TestCloseEndsABulkLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, many := newLoads(t), newManyLoader()
		e.Set(9, 90)
		got := askMany(context.Background(), e, []int{1, 2, 9}, many.load)
		call := many.next(t)
		joined := ask(context.Background(), e, 2, newLoader().load)
		synctest.Wait()
		e.Close()
		require.Equal(t, answers{map[int]int{9: 90}, locmem.ErrClosed}, now(t, got))
		require.Equal(t, answer{0, locmem.ErrClosed}, now(t, joined))
		require.Error(t, call.ctx.Err())
		call.result <- answers{map[int]int{1: 10, 2: 20}, nil}
		synctest.Wait()
		require.Zero(t, e.Len())
		require.NoError(t, e.Validate())
	})
}

func TestABulkLoadThatWouldWaitForItselfIsAnError(t *testing.T) {
	t.Parallel()
	type engine = *locmem.Engine[int, int]
	one := func(_ context.Context, key int) (int, error) { return key, nil }
	for name, inner := range map[string]func(ctx context.Context, e engine) error{
		"GetOrSetMany of one": func(ctx context.Context, e engine) error {
			_, err := e.GetOrSetMany(ctx, []int{2}, tenfold)
			return err
		},
		"GetOrSetMany of others too": func(ctx context.Context, e engine) error {
			values, err := e.GetOrSetMany(ctx, []int{5, 1, 6}, tenfold)
			if len(values) != 2 {
				return fmt.Errorf("%v, %w", values, err)
			}
			return err
		},
		"GetOrSetMany one by one": func(ctx context.Context, e engine) error {
			_, err := e.GetOrSetMany(ctx, []int{7, 2}, nil)
			return err
		},
		"GetOrSet": func(ctx context.Context, e engine) error {
			_, err := e.GetOrSet(ctx, 2, one)
			return err
		},
		"a circle": func(ctx context.Context, e engine) error {
			_, err := e.GetOrSet(ctx, 8, func(ctx context.Context, _ int) (int, error) {
				_, err := e.GetOrSetMany(ctx, []int{2, 1}, tenfold)
				return 8, err
			})
			return err
		},
		"a circle of bulk loads": func(ctx context.Context, e engine) error {
			_, err := e.GetOrSetMany(ctx, []int{8, 9}, func(ctx context.Context, keys []int) (map[int]int, error) {
				_, err := e.GetOrSetMany(ctx, []int{10, 11}, func(ctx context.Context, keys []int) (map[int]int, error) {
					_, err := e.GetOrSetMany(ctx, []int{1}, tenfold)
					return map[int]int{keys[0]: 1}, err
				})
				return map[int]int{keys[0]: 1}, err
			})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newLoads(t, func(o *locmem.Options[int, int]) { o.Load = one })
			var got answers
			within(t, func() {
				got.values, got.err = e.GetOrSetMany(context.Background(), []int{1, 2}, func(ctx context.Context, keys []int) (map[int]int, error) {
					ctx, cancel := context.WithCancel(ctx)
					defer cancel()
					if err := inner(ctx, e); err != nil {
						return nil, err
					}
					return tenfold(ctx, keys)
				})
			})
			require.ErrorIs(t, got.err, locmem.ErrReentrant)
			require.Empty(t, got.values)
			require.False(t, e.Has(1) || e.Has(2))
			require.NoError(t, e.Validate())
			values, err := e.GetOrSetMany(context.Background(), []int{1, 2}, tenfold)
			require.NoError(t, err)
			require.Equal(t, map[int]int{1: 10, 2: 20}, values)
		})
	}
}

// Two bulk loads that begin apart and then ask for each other's keys.
func TestBulkLoadsThatMeetInACircleEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 30 {
			e := newLoads(t)
			begun := make(chan struct{})
			var waiting atomic.Int32
			load := func(ctx context.Context, keys []int) (map[int]int, error) {
				if waiting.Add(1) == 2 {
					close(begun)
				}
				<-begun
				values, err := e.GetOrSetMany(ctx, []int{100 + keys[0], 3 - keys[0]}, tenfold)
				return map[int]int{keys[0]: values[3-keys[0]], keys[1]: 0}, err
			}
			a := askMany(context.Background(), e, []int{1, 11}, load)
			b := askMany(context.Background(), e, []int{2, 12}, load)
			first, second := now(t, a), now(t, b)
			require.ErrorIs(t, errors.Join(first.err, second.err), locmem.ErrReentrant)
			require.NoError(t, e.Validate())
			e.Close()
		}
	})
}

func TestABulkLoaderMayLoadOtherKeysInBulk(t *testing.T) {
	t.Parallel()
	e := newLoads(t)
	var load loaderOfMany
	load = func(ctx context.Context, keys []int) (map[int]int, error) { // sums down to each hundred
		var below []int
		for _, key := range keys {
			if key%100 > 0 {
				below = append(below, key-1)
			}
		}
		values, err := map[int]int{}, error(nil)
		if below != nil {
			values, err = e.GetOrSetMany(ctx, below, load)
		}
		sums := map[int]int{}
		for _, key := range keys {
			sums[key] = values[key-1] + key%100
		}
		return sums, err
	}
	var got answers
	within(t, func() {
		got.values, got.err = e.GetOrSetMany(context.Background(), []int{40, 120}, load)
	})
	require.Equal(t, answers{map[int]int{40: 820, 120: 210}, nil}, got)
	require.EqualValues(t, 41+21, e.Stats().Loads)
	require.NoError(t, e.Validate())
}

func TestWritesDuringABulkLoadWinForTheirKeys(t *testing.T) {
	t.Parallel()
	for _, tc := range overtakes {
		t.Run(tc.name, func(t *testing.T) {
			e := newLoads(t, weighted)
			want := 0
			values, err := e.GetOrSetMany(context.Background(), []int{1, 2, 3}, func(context.Context, []int) (map[int]int, error) {
				want = tc.write(e)
				return map[int]int{1: 1, 2: 20, 3: 30}, nil
			})
			require.NoError(t, err)
			held, ok := e.Get(1)
			require.Equal(t, want != 0, ok)
			require.Equal(t, want, held)
			if want == 0 {
				want = 1 // nothing is live, so the caller gets what was loaded
			}
			require.Equal(t, map[int]int{1: want, 2: 20, 3: 30}, values)
			if tc.name != "Clear" {
				require.True(t, e.Has(2) && e.Has(3), "no write has come to these keys")
			}
			require.NoError(t, e.Validate())
		})
	}
}

func TestTheOptionsOfABulkLoadAreThoseOfAllItsKeys(t *testing.T) {
	t.Parallel()
	e, _ := timed(t, locmem.Options[int, int]{MaxWeight: 1000, TTL: time.Second})
	_, err := e.GetOrSetMany(context.Background(), []int{1, 2}, func(ctx context.Context, keys []int) (map[int]int, error) {
		require.True(t, locmem.LoadOptions(ctx, locmem.TTL(time.Hour), locmem.Tags("a")))
		return tenfold(ctx, keys)
	}, locmem.TTL(time.Minute), locmem.Weight(7))
	require.NoError(t, err)
	for key := 1; key <= 2; key++ {
		entry, ok := e.Peek(key)
		require.True(t, ok)
		require.Equal(t, theStart.Add(time.Hour), entry.Deadline)
		require.EqualValues(t, 7, entry.Weight)
	}
	_, err = e.GetOrSetMany(context.Background(), []int{1, 2, 3, 4}, tenfold, locmem.Tags("b"))
	require.NoError(t, err)
	require.EqualValues(t, 16, e.Weight())
	e.InvalidateTags("a")
	require.Equal(t, map[int]int{3: 30, 4: 40}, e.GetMany(seq(10)))
	e.InvalidateTags("b")
	require.Empty(t, e.GetMany(seq(10)))
	require.NoError(t, e.Validate())
}

// The invalidation of a tag makes a bulk call load again what it has joined and
// what is older, and no more.
func TestAnInvalidationMakesABulkCallLoadAgainWhatIsOlder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		e, many := newLoads(t), newManyLoader()
		older := askMany(ctx, e, []int{1, 2}, many.load, locmem.Tags("a"))
		first := many.next(t)
		e.InvalidateTags("a")
		got := askMany(ctx, e, []int{1, 2, 3}, many.load, locmem.Tags("a"))
		second := many.next(t)
		require.Equal(t, []int{3}, second.keys)
		first.result <- answers{map[int]int{1: 1, 2: 2}, nil}
		require.Equal(t, answers{map[int]int{1: 1, 2: 2}, nil}, now(t, older), "who came before gets what was loaded")
		require.Zero(t, e.Len())
		second.result <- answers{map[int]int{3: 30}, nil}
		third := many.next(t)
		require.Equal(t, []int{1, 2}, third.keys)
		third.result <- answers{map[int]int{1: 10, 2: 20}, nil}
		require.Equal(t, answers{map[int]int{1: 10, 2: 20, 3: 30}, nil}, now(t, got))
		require.Equal(t, 3, e.Len())
		require.NoError(t, e.Validate())
	})
}

// The listener of what a bulk load has evicted ends the goroutine of the load,
// asks for the keys again, or panics: all who wait get their values.
func TestAListenerDuringABulkLoadHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, listener := range map[string]func(e *locmem.Engine[int, int], r removal){
		"Goexit":  func(*locmem.Engine[int, int], removal) { runtime.Goexit() },
		"a panic": func(*locmem.Engine[int, int], removal) { panic("odd") },
		"GetOrSetMany": func(e *locmem.Engine[int, int], _ removal) {
			_, _ = e.GetOrSetMany(ctx, []int{101, 102, 103}, tenfold, locmem.TTL(0))
		},
		"GetOrSetMany one by one": func(e *locmem.Engine[int, int], _ removal) {
			_, _ = e.GetOrSetMany(ctx, []int{101, 102, 103}, nil, locmem.TTL(0))
		},
	} {
		for _, shards := range []int{1, 8} {
			for _, single := range []bool{false, true} {
				t.Run(fmt.Sprint(name, "/", shards, " shards/one by one ", single), func(t *testing.T) {
					t.Parallel()
					var e *locmem.Engine[int, int]
					var heard atomic.Int32
					var armed atomic.Bool
					e = told(t, func(r removal) {
						if armed.Load() {
							heard.Add(1)
							listener(e, r)
						}
					}, func(o *locmem.Options[int, int]) {
						o.MaxEntries, o.Shards = 8, shards
						o.Load = func(_ context.Context, key int) (int, error) { return 10 * key, nil }
					})
					for round := range 5 {
						for key := range 8 {
							e.Set(-key-1, key)
						}
						require.NoError(t, e.Drain(ctx))
						armed.Store(true)
						begin := make(chan struct{})
						keys := []int{10*round + 1, 10*round + 2, 10*round + 3, 10*round + 4}
						got := make(chan answers, 1)
						go func() {
							load := func(ctx context.Context, keys []int) (map[int]int, error) {
								<-begin
								return tenfold(ctx, keys)
							}
							if single {
								load = nil
							}
							values, err := e.GetOrSetMany(ctx, keys, load)
							got <- answers{values, err}
						}()
						joined := ask(ctx, e, keys[3], func(_ context.Context, key int) (int, error) { return 10 * key, nil })
						close(begin)
						var a answers
						var one answer
						within(t, func() { a, one = <-got, <-joined })
						require.NoError(t, a.err)
						require.Len(t, a.values, 4)
						require.Equal(t, 10*keys[2], a.values[keys[2]])
						require.Equal(t, answer{10 * keys[3], nil}, one)
						within(t, func() { _ = e.Drain(ctx) }) // a listener may end it
						armed.Store(false)
					}
					require.NoError(t, e.Validate())
					require.Positive(t, heard.Load())
				})
			}
		}
	}
}

func TestStaleKeysAreRefreshedByOneBulkCall(t *testing.T) {
	t.Parallel()
	for _, window := range []struct {
		name  string
		opts  func(o *locmem.Options[int, int])
		age   time.Duration
		stale uint64
	}{
		{"stale", func(o *locmem.Options[int, int]) { o.StaleFor = time.Hour }, 11 * time.Minute, 3},
		{"ahead", func(o *locmem.Options[int, int]) { o.RefreshAhead = time.Minute }, 9*time.Minute + 30*time.Second, 0},
	} {
		t.Run(window.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, clock := context.Background(), locmem.NewManualClock(theStart)
				e, many := newLoads(t, window.opts, func(o *locmem.Options[int, int]) { o.Clock, o.Workers = clock, 1 }), newManyLoader()
				e.SetMany(map[int]int{1: 1, 2: 2, 3: 3}, locmem.TTL(10*time.Minute))
				e.Set(7, 7)
				clock.Advance(window.age)
				require.Equal(t, answers{map[int]int{1: 1, 2: 2, 3: 3, 7: 7}, nil},
					now(t, askMany(ctx, e, []int{1, 2, 3, 7, 2}, many.load, locmem.TTL(10*time.Minute))), "at once")
				refresh := many.next(t)
				require.Equal(t, []int{1, 2, 3}, refresh.keys)
				require.Empty(t, many, "one call for all")

				got := askMany(ctx, e, []int{1, 8}, many.load)
				missing := many.next(t)
				require.Equal(t, []int{8}, missing.keys, "1 is being refreshed, and its value is there")
				missing.result <- answers{map[int]int{8: 80}, nil}
				require.Equal(t, answers{map[int]int{1: 1, 8: 80}, nil}, now(t, got))

				e.Set(2, 22, locmem.TTL(10*time.Minute)) // wins against the refresh
				refresh.result <- answers{map[int]int{1: 10, 2: 20}, nil}
				synctest.Wait()
				require.Equal(t, map[int]int{1: 10, 2: 22, 7: 7, 8: 80}, maps.Collect(e.All()), "3 was left out")
				entry, _ := e.Peek(1)
				require.Equal(t, clock.Now().Add(10*time.Minute), entry.Deadline)
				stats := e.Stats()
				require.EqualValues(t, 3, stats.Refreshes)
				require.Zero(t, stats.RefreshesSkipped)
				require.Error(t, refresh.ctx.Err())
				require.NoError(t, e.Validate())
			})
		})
	}
}

func TestABulkRefreshWithoutALoaderOfManyTakesAWorkerForEachKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, clock, l := context.Background(), locmem.NewManualClock(theStart), newLoader()
		e := newLoads(t, func(o *locmem.Options[int, int]) {
			o.Clock, o.Workers, o.StaleFor, o.Load = clock, 2, time.Hour, l.load
		})
		e.SetMany(map[int]int{1: 1, 2: 2, 3: 3}, locmem.TTL(time.Minute))
		clock.Advance(2 * time.Minute)
		values, err := e.GetOrSetMany(ctx, []int{1, 2, 3}, nil, locmem.TTL(time.Hour))
		require.NoError(t, err)
		require.Equal(t, map[int]int{1: 1, 2: 2, 3: 3}, values)
		synctest.Wait()
		require.EqualValues(t, 2, l.count.Load())
		require.EqualValues(t, 1, e.Stats().RefreshesSkipped)
		l.result <- answer{10, nil}
		l.result <- answer{10, nil}
		synctest.Wait()
		require.Len(t, maps.Collect(e.All()), 2, "those that were refreshed are live")
		require.NoError(t, e.Validate())
	})
}

// A failed bulk refresh leaves the stale values, and each tells why.
func TestAFailedBulkRefreshLeavesTheStaleValues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, clock, many := context.Background(), locmem.NewManualClock(theStart), newManyLoader()
		e := newLoads(t, func(o *locmem.Options[int, int]) { o.Clock, o.StaleFor = clock, time.Hour })
		e.SetMany(map[int]int{1: 1, 2: 2}, locmem.TTL(time.Minute))
		clock.Advance(2 * time.Minute)
		now(t, askMany(ctx, e, []int{1, 2}, many.load))
		many.next(t).result <- answers{map[int]int{1: 10}, errAway}
		synctest.Wait()
		got := now(t, askMany(ctx, e, []int{1, 2}, many.load))
		require.Equal(t, answers{map[int]int{1: 1, 2: 2}, nil}, got)
		many.next(t).result <- answers{nil, errAway} // it is tried again
		entry, err := e.Fetch(ctx, 2, func(context.Context, int) (int, error) { return 0, errAway })
		require.NoError(t, err)
		require.Equal(t, 2, entry.Value)
		require.True(t, entry.Stale)
		require.ErrorIs(t, entry.LoadErr, errAway)
		synctest.Wait()
		require.NoError(t, e.Validate())
	})
}

// Callers with overlapping keys, some of whom leave, loaders that fail, end their
// goroutine or panic: every call returns, each value is right, and no goroutine
// is left.
func TestBulkLoadsLeaveNoGoroutine(t *testing.T) {
	t.Parallel()
	calls := 400
	if testing.Short() {
		calls = 60
	}
	const key = "locmem.(*bulk"
	count := labelled(t, func() {
		e := newLoads(t, func(o *locmem.Options[int, int]) {
			o.Unbounded, o.MaxEntries, o.Workers = false, 30, 2
			o.Load = func(_ context.Context, key int) (int, error) { return 10 * key, nil }
		})
		var n atomic.Int64
		var group sync.WaitGroup
		within(t, func() {
			for g := range 4 {
				group.Go(func() {
					for i := range calls {
						ctx, leave := context.WithCancel(context.Background())
						keys := []int{i % 50, (i + g) % 50, (i * 7) % 50, 60 + g}
						load := func(ctx context.Context, keys []int) (map[int]int, error) {
							switch n.Add(1) % 7 {
							case 1:
								runtime.Goexit()
							case 2:
								panic("odd")
							case 3:
								return nil, errAway
							case 4:
								<-ctx.Done()
							case 5:
								runtime.Gosched()
							}
							return tenfold(ctx, keys)
						}
						if i%5 == 0 {
							load = nil
						}
						go leave()
						values, _ := e.GetOrSetMany(ctx, keys, load)
						for key, value := range values {
							if value != 10*key {
								t.Errorf("key %d: %d", key, value)
							}
						}
						e.Delete(keys[0])
					}
				})
			}
			group.Wait()
		})
		e.Close()
		require.NoError(t, e.Validate())
	})
	within(t, func() {
		for count(key)+count("errgroup") > 0 {
			runtime.Gosched()
		}
	})
	require.Zero(t, count(key))
}
