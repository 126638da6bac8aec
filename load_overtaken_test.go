// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
)

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
