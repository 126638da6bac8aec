// SPDX-License-Identifier: MIT

package locmem

import (
	"math"
	"time"

	"github.com/locmem/locmem/internal/lock"
)

// Clock is where an engine takes the time from: nil in Options for the coarse
// clock, PreciseClock, or a *ManualClock. Only this package implements it, so
// that reading the time never runs other code under a shard's lock.
type Clock interface {
	locmemClock()
}

// PreciseClock reads the monotonic time for every check of a deadline, which
// costs some tens of nanoseconds on every read of an entry that can expire. No
// read is ever late, however starved the process is.
var PreciseClock Clock = preciseClock{}

type preciseClock struct{}

func (preciseClock) locmemClock() {}

// ManualClock is a clock for tests, which stands still until it is told to move.
// Moving it removes what has expired from the engines on it before the call
// returns, listeners included. It is safe for concurrent use and may serve many
// engines.
type ManualClock struct {
	mu  lock.Mutex // protects now, engines
	now time.Time  // +checklocks:mu
	// One per engine on the clock; nil from it: collected.
	engines []func() sweeper // +checklocks:mu
}

// NewManualClock returns a clock that stands at t.
func NewManualClock(t time.Time) *ManualClock {
	return &ManualClock{now: t}
}

func (*ManualClock) locmemClock() {}

// Now returns the time at which the clock stands.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock by d. For the engines on it time never goes back: if d
// is negative, it stands still for them until the clock has caught up.
func (c *ManualClock) Advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
	c.sweep()
}

// Set moves the clock to t; see Advance for what going back means.
func (c *ManualClock) Set(t time.Time) {
	c.mu.Lock()
	c.now = t
	c.mu.Unlock()
	c.sweep()
}

// sweep lets the engines on the clock remove what has expired. It calls
// listeners, so it holds nothing.
//
// +checklocksexclude:c.mu
func (c *ManualClock) sweep() {
	c.mu.Lock()
	live := c.engines[:0:0]
	for _, engine := range c.engines {
		if engine() != nil {
			live = append(live, engine)
		}
	}
	c.engines = live
	c.mu.Unlock()
	for _, engine := range live {
		if e := engine(); e != nil {
			e.sweep(true)
		}
	}
}

// attach adds an engine.
func (c *ManualClock) attach(engine func() sweeper) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.engines = append(c.engines, engine)
}

// never is the deadline of an entry that does not expire.
const never = math.MaxInt64

const (
	// slack is how near to a deadline the time is read instead of the horizon.
	slack = int64(100 * time.Millisecond)
	// maxNap bounds the clock goroutine's sleep, and with it how long the
	// goroutine outlives an engine that was dropped without Close.
	maxNap = int64(10 * time.Second)
)

// clock is an engine's time, in nanoseconds since the engine was made.
//
// What readers need to know is not what time it is but whether a deadline has
// passed. So the clock goroutine publishes a horizon, a time that is still to
// come: an entry whose deadline is later is alive, and the reader reads no clock.
// Where the deadline is within the horizon, the reader reads the time. While all
// deadlines are far away the horizon is too, and the goroutine sleeps.
//
//	INVARIANT: the time is before the horizon, unless the goroutine was held up
//	for longer than slack/2; a read is then late by at most the excess.
type clock struct {
	base    time.Time
	manual  *ManualClock // nil: the process's monotonic clock
	precise bool         // the horizon is never moved, so that every check reads the time
	highest lock.Int64   // manual only: the latest time ever seen

	horizon lock.Int64 // never: every check reads the time
	wakeAt  lock.Int64 // when the goroutine will look again
	running lock.Bool
	closed  lock.Bool
	wake    *lock.Signal
	// engine returns the engine, nil when it has been collected: the clock must
	// not be what keeps it alive.
	engine func() sweeper
}

// sweeper is what the clock needs of its engine.
type sweeper interface {
	// sweep removes what has expired, calling beat in between. exact: also what
	// has expired within the current tick of the deadline index.
	sweep(exact bool)
	// earliest returns a time before which no deadline passes, or never.
	earliest() int64
}

func newClock(c Clock) *clock {
	k := &clock{wake: lock.NewSignal()}
	k.horizon.Store(never)
	switch c := c.(type) {
	case *ManualClock:
		k.manual = c
		k.base = c.Now()
	case preciseClock:
		k.precise = true
		k.base = time.Now()
	default:
		k.base = time.Now()
	}
	return k
}

// now returns the time. It never goes back.
func (k *clock) now() int64 {
	if k.manual == nil {
		return int64(time.Since(k.base))
	}
	now := min(int64(k.manual.Now().Sub(k.base)), never-1) // Sub saturates
	for {
		highest := k.highest.Load()
		if now <= highest {
			return highest
		}
		if k.highest.CompareAndSwap(highest, now) {
			return now
		}
	}
}

// wall returns the time as a time.
func (k *clock) wall() time.Time {
	if k.manual != nil {
		return k.manual.Now()
	}
	return time.Now()
}

// moment returns the time and the wall clock's, read at once: if the clock went on
// between two readings, what is the one's would be early or late by the other.
func (k *clock) moment() (now int64, wall time.Time) {
	if k.manual != nil {
		now = k.now()
		return now, k.base.Add(time.Duration(now))
	}
	wall = time.Now()
	return int64(wall.Sub(k.base)), wall
}

// passed reports whether a deadline has passed.
func (k *clock) passed(deadline int64) bool {
	return deadline <= k.horizon.Load() && deadline <= k.now()
}

// after returns the time d after now, saturating at never.
func after(now, d int64) int64 {
	if d > 0 && now > never-d {
		return never
	}
	return now + d
}

// time returns a deadline as a time, zero for never.
func (k *clock) time(deadline int64) time.Time {
	if deadline == never {
		return time.Time{}
	}
	return k.base.Add(time.Duration(deadline))
}

// expect makes sure that somebody looks when the deadline has passed. It is
// called after the deadline was published in its shard's next.
//
// The order matters: the caller stores next, then looks at running; the
// goroutine clears running, then looks at every next once more. So one of them
// sees the other.
func (k *clock) expect(deadline int64) {
	if k.manual != nil {
		return
	}
	if !k.running.Load() {
		if !k.closed.Load() && k.running.CompareAndSwap(false, true) {
			lock.Go(k.run)
		}
		return
	}
	if deadline < k.wakeAt.Load()-slack {
		k.wakeAt.Store(deadline) // one signal is enough for all that come until it is heard
		k.wake.Send()
	}
}

// beat moves the horizon ahead during work that may take long.
func (k *clock) beat() {
	if !k.precise && k.manual == nil {
		if h := k.now() + slack; h > k.horizon.Load() {
			k.horizon.Store(h)
		}
	}
}

// run is the clock goroutine. It starts with the first entry that can expire and
// ends when no entry can, when the engine is closed, or when it was collected.
func (k *clock) run() {
	for k.tick() {
	}
}

// tick sweeps, publishes the next horizon and sleeps until shortly before it. It
// returns false when the goroutine is to end. The engine is held for the length
// of the sweep alone.
func (k *clock) tick() bool {
	e := k.engine()
	if e == nil {
		return false
	}
	e.sweep(false)
	if k.closed.Load() || e.earliest() == never {
		k.horizon.Store(never)
		k.running.Store(false)
		return !k.closed.Load() && e.earliest() != never && k.running.CompareAndSwap(false, true)
	}
	now := k.now()
	horizon := max(now+slack, min(e.earliest(), now+maxNap))
	if !k.precise {
		k.horizon.Store(horizon)
	}
	wakeAt := horizon - slack/2
	k.wakeAt.Store(wakeAt)
	// As in expect: an entry came in that looked at wakeAt too early.
	if e.earliest() < wakeAt-slack {
		return true
	}
	// e is not used any more, so the sleep does not keep the engine alive.
	k.wake.Sleep(time.Duration(wakeAt - now))
	return true
}

// close ends the goroutine.
func (k *clock) close() {
	k.closed.Store(true)
	k.wake.Send()
}
