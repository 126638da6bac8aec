// SPDX-License-Identifier: MIT

package locmem_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
)

func TestEachListenerHearsOfEachEventOnce(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"OnRemove", "Watch"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			var a, b, late journal
			e := told(t, a.add)
			if first == "Watch" {
				e = locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 100}))
				defer e.Close()
				e.Set(0, 0)
				e.Delete(0) // nobody hears of it
				e.Watch(a.add)
			}
			e.Watch(b.add)
			for key := range 50 {
				e.Set(key, key)
			}
			e.DeleteMany([]int{1, 2, 3})
			require.NoError(t, e.Drain(t.Context()))
			e.Watch(late.add)
			e.Clear()
			require.NoError(t, e.Drain(t.Context()))
			heard := a.take()
			require.Len(t, heard, 50)
			require.ElementsMatch(t, heard, b.take())
			require.Len(t, late.take(), 47)
		})
	}
}

func TestAListenerHearsNothingAfterStop(t *testing.T) {
	t.Parallel()
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 100}))
	defer e.Close()
	var kept, stopped journal
	stop := e.Watch(stopped.add)
	stopKept := e.Watch(kept.add)
	e.Set(1, 1)
	e.Delete(1)
	require.NoError(t, e.Drain(t.Context()))
	stop()
	stop()
	e.Set(2, 2)
	e.Delete(2)
	require.NoError(t, e.Drain(t.Context()))
	require.Len(t, stopped.take(), 1)
	require.Len(t, kept.take(), 2)
	stopKept()
	within(t, func() {
		for key := range 5000 { // more than may wait
			e.Set(key, key)
		}
		require.NoError(t, e.Drain(t.Context()), "with no listener at all")
	})
	require.Empty(t, kept.take())
}

func TestAListenerThatPanicsOrEndsItsGoroutineKeepsNothingFromOthers(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(){
		"panic":  func() { panic("an odd one") },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 100}))
			defer e.Close()
			var bad atomic.Int64
			var j journal
			e.Watch(func(removal) {
				bad.Add(1)
				end()
			})
			e.Watch(j.add)
			within(t, func() {
				for key := range 20 {
					done := make(chan struct{})
					go func() {
						defer close(done)
						e.Set(key, key)
						e.Delete(key)
					}()
					<-done
				}
				require.NoError(t, e.Drain(t.Context()))
			})
			require.Equal(t, int64(20), bad.Load())
			require.Len(t, j.take(), 20)
		})
	}
}

func TestAListenerThatIsNilIsAPanicAtOnce(t *testing.T) {
	t.Parallel()
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 100}))
	defer e.Close()
	require.PanicsWithValue(t, "locmem: Watch: the listener is nil", func() { e.Watch(nil) })
}
