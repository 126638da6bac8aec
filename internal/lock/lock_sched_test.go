// SPDX-License-Identifier: MIT

//go:build sched

package lock

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/internal/sched"
)

// plan is enough for the small scenarios here.
var plan = sched.Plan{Random: 3000, PCT: 1000, Preemptions: 2, Limit: 3000}

// inside counts who is between two points, and how many were at most.
type inside struct{ now, most int }

func (i *inside) visit() {
	i.now++
	i.most = max(i.most, i.now)
	sched.Point(sched.User)
	i.now--
}

func passes(t *testing.T, body func(*sched.Run) error) {
	t.Helper()
	if f := plan.Explore(body).First; f != nil {
		t.Fatal(f)
	}
}

func TestAMutexLetsOneIn(t *testing.T) {
	passes(t, func(r *sched.Run) error {
		var mu Mutex
		var in inside
		refused := 0
		for range 2 {
			r.Go(func() {
				mu.Lock()
				in.visit()
				mu.Unlock()
			})
		}
		r.Go(func() {
			if !mu.TryLock() {
				refused++
				return
			}
			in.visit()
			mu.Unlock()
		})
		r.Wait()
		if in.most != 1 {
			return fmt.Errorf("%d were inside at once, %d refused", in.most, refused)
		}
		return nil
	})
}

func TestReadersShareAndWritersDoNot(t *testing.T) {
	together := 0
	passes(t, func(r *sched.Run) error {
		var mu RWMutex
		var readers, writers inside
		bad := false
		for range 2 {
			r.Go(func() {
				mu.RLock()
				bad = bad || writers.now > 0
				readers.visit()
				mu.RUnlock()
			})
		}
		r.Go(func() {
			mu.Lock()
			bad = bad || readers.now > 0
			writers.visit()
			mu.Unlock()
			if mu.TryLock() {
				bad = bad || readers.now > 0
				writers.visit()
				mu.Unlock()
			}
		})
		r.Wait()
		together = max(together, readers.most)
		if bad {
			return fmt.Errorf("a writer and a reader were inside at once")
		}
		return nil
	})
	require.Equal(t, 2, together, "two readers were inside at once in some schedule")
}

// As with the standard library's, a reader that comes again while a writer waits is a
// deadlock.
func TestAWriterThatWaitsKeepsNewReadersOut(t *testing.T) {
	report := plan.Explore(func(r *sched.Run) error {
		var mu RWMutex
		r.Go(func() {
			mu.RLock()
			mu.RLock()
			sched.Point(sched.User)
			mu.RUnlock()
			mu.RUnlock()
		})
		r.Go(func() {
			mu.Lock()
			sched.Point(sched.User)
			mu.Unlock()
		})
		return nil
	})
	require.ErrorIs(t, report.First, sched.ErrDeadlock)
}

func TestALockThatIsNotHeldCannotBeGivenBack(t *testing.T) {
	for name, unlock := range map[string]func(){
		"Unlock of a Mutex":     func() { new(Mutex).Unlock() },
		"Unlock of an RWMutex":  func() { new(RWMutex).Unlock() },
		"RUnlock of an RWMutex": func() { new(RWMutex).RUnlock() },
	} {
		report := plan.Explore(func(r *sched.Run) error {
			r.Go(unlock)
			return nil
		})
		require.ErrorContains(t, report.First, name)
	}
}

func TestAGateLetsThroughWhenItIsOpenOrTheContextHasEnded(t *testing.T) {
	ended := map[error]int{}
	passes(t, func(r *sched.Run) error {
		g := NewGate()
		ctx, cancel := context.WithCancel(context.Background())
		open := false
		early := false
		r.Go(func() {
			err := g.Wait(ctx)
			early = early || err == nil && !open
			ended[err]++
		})
		r.Go(cancel)
		r.Go(func() {
			open = true
			g.Open()
		})
		r.Wait()
		if early {
			return fmt.Errorf("it was closed")
		}
		if err := g.Wait(ctx); err != nil {
			return fmt.Errorf("an open gate wins: %w", err)
		}
		return nil
	})
	require.Positive(t, ended[nil])
	require.Positive(t, ended[context.Canceled])
}

func TestAtomicsAreAtomic(t *testing.T) {
	passes(t, func(r *sched.Run) error {
		var a Int64
		var b Uint64
		var c Int32
		var d Uint32
		var once Bool
		var p Pointer[int]
		won := 0
		for range 3 {
			r.Go(func() {
				a.Add(1)
				b.Add(1)
				for old := c.Load(); !c.CompareAndSwap(old, old+1); old = c.Load() {
				}
				for old := d.Load(); !d.CompareAndSwap(old, old+1); old = d.Load() {
				}
				if once.CompareAndSwap(false, true) {
					won++
				}
				if p.CompareAndSwap(nil, new(int)) {
					won++
				}
			})
		}
		r.Wait()
		if a.Load() != 3 || b.Load() != 3 || c.Load() != 3 || d.Load() != 3 || won != 2 || !once.Load() || p.Load() == nil {
			return fmt.Errorf("%d %d %d %d, %d won", a.Load(), b.Load(), c.Load(), d.Load(), won)
		}
		return nil
	})
}

// A load and a store are two steps, between which another thread may come.
func TestALoadAndAStoreAreNotAtomic(t *testing.T) {
	for name, add := range map[string]func() (add func(), sum func() int){
		"Int64": func() (func(), func() int) {
			x := new(Int64)
			return func() { x.Store(x.Load() + 1) }, func() int { return int(x.Load()) }
		},
		"Uint64": func() (func(), func() int) {
			x := new(Uint64)
			return func() { x.Store(x.Load() + 1) }, func() int { return int(x.Load()) }
		},
		"Int32": func() (func(), func() int) {
			x := new(Int32)
			return func() { x.Store(x.Load() + 1) }, func() int { return int(x.Load()) }
		},
		"Uint32": func() (func(), func() int) {
			x := new(Uint32)
			return func() { x.Store(x.Load() + 1) }, func() int { return int(x.Load()) }
		},
	} {
		report := plan.Explore(func(r *sched.Run) error {
			once, sum := add()
			r.Go(once)
			r.Go(once)
			r.Wait()
			if sum() != 2 {
				return fmt.Errorf("an update is lost")
			}
			return nil
		})
		require.ErrorContains(t, report.First, "an update is lost", name)
	}
}

func TestOutsideARunTheTypesAreTheStandardLibrarys(t *testing.T) {
	var mu Mutex
	var rw RWMutex
	n := 0
	done := make(chan struct{})
	for range 8 {
		Go(func() {
			mu.Lock()
			rw.Lock()
			n++
			rw.Unlock()
			mu.Unlock()
			done <- struct{}{}
		})
	}
	for range 8 {
		<-done
	}
	rw.RLock()
	require.Equal(t, 8, n)
	require.False(t, rw.TryLock())
	rw.RUnlock()
	require.True(t, mu.TryLock())
	mu.Unlock()
	g := NewGate()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	require.ErrorIs(t, g.Wait(ctx), context.DeadlineExceeded)
	g.Open()
	require.NoError(t, g.Wait(ctx))
	s := NewSignal()
	s.Send()
	s.Send()
	s.Sleep(time.Hour)
	s.Sleep(time.Millisecond)
	Yield()
}
