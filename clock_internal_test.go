// SPDX-License-Identifier: MIT

package locmem

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/internal/stacks"
)

// deadlines is an engine of which a clock sees nothing but the next deadline.
type deadlines struct {
	clock  *clock
	next   atomic.Int64
	sweeps atomic.Int64
	latest atomic.Int64  // time of the last sweep
	hold   chan struct{} // a sweep takes until something comes from here, if it is not nil
}

func (d *deadlines) sweep(bool) {
	d.sweeps.Add(1)
	d.latest.Store(d.clock.now())
	if d.hold != nil {
		<-d.hold
	}
	if d.next.Load() <= d.clock.now() {
		d.next.Store(never)
	}
}

func (d *deadlines) earliest() int64 { return d.next.Load() }

// add makes a deadline known as a shard does.
func (d *deadlines) add(when int64) {
	for {
		next := d.next.Load()
		if when >= next || d.next.CompareAndSwap(next, when) {
			break
		}
	}
	d.clock.expect(when)
}

func newDeadlines(c Clock) *deadlines {
	d := &deadlines{clock: newClock(c)}
	d.next.Store(never)
	d.clock.engine = func() sweeper { return d }
	return d
}

func TestTheClockSleepsWhileDeadlinesAreFar(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDeadlines(nil)
		d.add(int64(time.Hour))
		synctest.Wait()
		require.Equal(t, maxNap, d.clock.horizon.Load(), "no reader reads the time for a deadline that is farther off")
		<-time.After(time.Hour - time.Minute)
		require.LessOrEqual(t, d.sweeps.Load(), int64(time.Hour)/maxNap+10)
		require.Less(t, d.clock.horizon.Load(), int64(time.Hour))
		<-time.After(2 * time.Minute)
		synctest.Wait()
		require.False(t, d.clock.running.Load(), "nothing expires any more")
		require.Equal(t, int64(never), d.clock.horizon.Load())
	})
}

func TestTheClockWakesForANearerDeadline(t *testing.T) {
	t.Parallel()
	for _, near := range []time.Duration{time.Nanosecond, time.Millisecond, 99 * time.Millisecond, 101 * time.Millisecond, time.Second, 9 * time.Second, 9950 * time.Millisecond} {
		t.Run(near.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDeadlines(nil)
				d.add(int64(time.Hour))
				synctest.Wait()
				<-time.After(time.Millisecond) // in the middle of a nap
				sweeps := d.sweeps.Load()
				when := d.clock.now() + int64(near)
				d.add(when)
				synctest.Wait()
				for d.next.Load() != never {
					if now := d.clock.now(); now < when {
						require.False(t, d.clock.passed(when))
					} else {
						require.True(t, d.clock.passed(when))
					}
					<-time.After(max(near/10, time.Millisecond))
				}
				require.LessOrEqual(t, d.latest.Load(), when+slack, "it was swept late")
				require.Less(t, d.sweeps.Load()-sweeps, int64(10), "the goroutine does not rest")
				d.clock.close()
			})
		})
	}
}

// One signal wakes the goroutine for many deadlines that come before it looks.
func TestAFloodOfDeadlinesWakesTheClockOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDeadlines(nil)
		d.add(int64(time.Hour))
		synctest.Wait()
		sweeps := d.sweeps.Load()
		for n := range 1000 {
			d.add(int64(5*time.Second) + int64(n))
		}
		synctest.Wait()
		require.LessOrEqual(t, d.sweeps.Load()-sweeps, int64(3))
		d.clock.close()
	})
}

// A goroutine that is held up makes reads late by what goes beyond half of the
// slack, and by no more. A precise clock needs no goroutine to be on time.
func TestAStarvedClockIsLateByTheExcessOnly(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		clock Clock
		held  time.Duration
		late  bool // some read is late, which shows that the test can see it
	}{
		{"not at all", nil, 0, false},
		{"less than half of the slack", nil, 49 * time.Millisecond, false},
		{"just half of the slack", nil, 50 * time.Millisecond, false},
		{"over the slack", nil, 130 * time.Millisecond, true},
		{"a second", nil, time.Second, true},
		{"a precise clock", PreciseClock, time.Second, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDeadlines(tc.clock)
				d.hold = make(chan struct{})
				step := max(time.Millisecond, tc.held/200)
				d.add(int64(time.Hour)) // something is always to come
				d.hold <- struct{}{}
				synctest.Wait()
				<-time.After(time.Duration(maxNap - slack/2)) // the goroutine wakes
				synctest.Wait()
				require.EqualValues(t, 2, d.sweeps.Load())
				held := d.latest.Load()
				require.Equal(t, d.clock.now(), held, "the goroutine came at another time")

				worst, early := time.Duration(0), false
				for since := time.Duration(0); since < tc.held+300*time.Millisecond; since += step {
					if since >= tc.held {
						select {
						case d.hold <- struct{}{}:
						default:
						}
						synctest.Wait()
					}
					now := d.clock.now()
					for late := -2 * step; late < tc.held+200*time.Millisecond; late += step {
						switch passed := d.clock.passed(now - int64(late)); {
						case late < 0:
							early = early || passed
						case !passed:
							worst = max(worst, late)
						}
					}
					<-time.After(step)
				}
				require.False(t, early, "a deadline that has not come has passed")
				require.Equal(t, tc.late, worst > 0, "late by %v", worst)
				require.LessOrEqual(t, worst, max(0, tc.held-time.Duration(slack/2)), "late by more than the excess")
				d.clock.close()
				close(d.hold)
			})
		})
	}
}

// Deadlines that come while the goroutine is about to end, or to go to sleep,
// are seen by it or by another one.
func TestNoDeadlineIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(1, 2))
		d := newDeadlines(nil)
		for n := range 3000 {
			ttl := time.Duration(1 + rnd.IntN(1<<(1+n%30)))
			if n%3 == 0 {
				ttl = time.Duration(maxNap)
			}
			go d.add(d.clock.now() + int64(ttl))
			if n%5 == 0 {
				<-time.After(time.Duration(rnd.IntN(int(60 * time.Millisecond))))
			}
			if n%50 == 0 { // all that is known must be swept in time
				synctest.Wait()
				<-time.After(time.Duration(maxNap + 2*slack))
				synctest.Wait()
				require.Equal(t, int64(never), d.next.Load(), "round %d: a deadline is forgotten", n)
				require.False(t, d.clock.running.Load())
			}
		}
		<-time.After(time.Duration(2 * maxNap))
		synctest.Wait()
		require.False(t, d.clock.running.Load())
	})
}

func TestAClosedClockStartsNoGoroutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDeadlines(nil)
		d.clock.close()
		d.add(int64(time.Hour))
		synctest.Wait()
		require.Zero(t, d.sweeps.Load())
		require.False(t, d.clock.running.Load())
	})
}

func TestAManualClockServesEnginesUntilTheyAreDropped(t *testing.T) {
	t.Parallel()
	c := NewManualClock(time.Unix(0, 0))
	kept, err := New(Options[int, int]{MaxEntries: 10, Clock: c, TTL: time.Hour})
	require.NoError(t, err)
	for range 5 {
		e, err := New(Options[int, int]{MaxEntries: 10, Clock: c, TTL: time.Hour})
		require.NoError(t, err)
		e.Set(1, 1)
	}
	require.Len(t, c.engines, 6)
	for range 100 {
		runtime.GC()
		c.Advance(time.Second)
		if len(c.engines) == 1 {
			break
		}
	}
	require.Len(t, c.engines, 1, "dropped engines are still on the clock")
	kept.Set(1, 1)
	c.Advance(time.Hour)
	require.Zero(t, kept.Len(), "the engine that is left is not served")
	require.Equal(t, time.Unix(0, 0).Add(time.Hour), c.Now().Truncate(time.Hour))
	runtime.KeepAlive(kept)
}

func TestTimeNeverGoesBackForTheEnginesOfAManualClock(t *testing.T) {
	t.Parallel()
	c := NewManualClock(time.Unix(1000, 0))
	k := newClock(c)
	highest := int64(0)
	for _, d := range []time.Duration{0, time.Second, -time.Hour, time.Minute, 1 << 62, -1 << 62, -1 << 62, 3 * time.Hour} {
		c.Advance(d)
		now := k.now()
		require.GreaterOrEqual(t, now, highest, "after %v", d)
		highest = now
	}
	require.Equal(t, int64(never), after(1, never))
	require.Equal(t, int64(never), after(never-5, 6))
	require.Equal(t, int64(never), after(never-5, 5))
	require.Equal(t, int64(never-1), after(never-5, 4))
	require.Equal(t, int64(-4), after(1, -5))
}

// A write that needs its victims' credit to itself may find, with that right in
// its hands, that its Limit was overstepped meanwhile. Listeners are not called
// before it has given the right back.
func TestNoListenerRunsWhileAWriterHoldsTheRightToSteal(t *testing.T) {
	t.Parallel()
	var e *Engine[int, int]
	var held atomic.Bool
	e, err := New(Options[int, int]{MaxEntries: 100, MaxWeight: 10, Shards: 2, OnRemove: func(Removal[int, int]) {
		if !e.serial.TryLock() {
			held.Store(true)
			return
		}
		e.serial.Unlock()
	}})
	require.NoError(t, err)
	defer e.Close()
	inShard := func(shard, n int) int {
		for key := 0; ; key++ {
			if int(e.hasher.sum(key)>>48&e.mask) == shard {
				if n--; n < 0 {
					return key
				}
			}
		}
	}
	e.Set(inShard(0, 0), 1, Weight(10)) // all credit is in shard 0
	e.serial.Lock()
	stored := make(chan bool)
	go func() { stored <- e.Set(inShard(1, 0), 1, Weight(1), Limit(2)) }()
	for end := time.Now().Add(5 * time.Second); !waitsForMutex("locmem.(*Engine[...]).steal"); runtime.Gosched() {
		require.True(t, time.Now().Before(end), "the writer does not ask for the right")
	}
	for n := range 5 {
		require.True(t, e.Set(inShard(0, 1+n), 1, Weight(0)))
	}
	e.serial.Unlock()
	require.True(t, <-stored)
	require.False(t, held.Load(), "a listener ran under Engine.serial")
	require.NoError(t, e.validate())
}

// waitsForMutex reports whether a goroutine waits for a mutex in a function.
func waitsForMutex(function string) bool {
	return slices.ContainsFunc(stacks.Others(), func(stack string) bool {
		return strings.Contains(stack, "[sync.Mutex.Lock") && strings.Contains(stack, function)
	})
}
