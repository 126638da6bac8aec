// SPDX-License-Identifier: MIT

package sched

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mutex and number are the least that a scenario needs. Package lock has the real ones.
type mutex struct{ held bool }

func (m *mutex) Ready() bool { return !m.held }
func (m *mutex) Lock()       { Until(Lock, m); m.held = true }
func (m *mutex) Unlock()     { m.held = false; Point(Unlock) }

type number int

func (n *number) load() int   { Point(Load); return int(*n) }
func (n *number) store(x int) { Point(Store); *n = number(x) }

// lostUpdate has threads that add to a number by a load and a store.
func lostUpdate(threads, times int) func(*Run) error {
	return func(r *Run) error {
		var n number
		for range threads {
			r.Go(func() {
				for range times {
					n.store(n.load() + 1)
				}
			})
		}
		r.Wait()
		if int(n) != threads*times {
			return fmt.Errorf("%d of %d updates are left", n, threads*times)
		}
		return nil
	}
}

// underLock does the same rightly.
func underLock(threads, times int) func(*Run) error {
	return func(r *Run) error {
		var n number
		var mu mutex
		for range threads {
			r.Go(func() {
				for range times {
					mu.Lock()
					n.store(n.load() + 1)
					mu.Unlock()
				}
			})
		}
		r.Wait()
		if int(n) != threads*times {
			return fmt.Errorf("%d of %d updates are left", n, threads*times)
		}
		return nil
	}
}

// lockOrder has two locks that threads take in both orders.
func lockOrder(threads, times int) func(*Run) error {
	return func(r *Run) error {
		var a, b mutex
		for i := range threads {
			first, second := &a, &b
			if i == 0 {
				first, second = second, first
			}
			r.Go(func() {
				for range times {
					first.Lock()
					second.Lock()
					Point(User)
					second.Unlock()
					first.Unlock()
				}
			})
		}
		r.Wait()
		return nil
	}
}

func TestSchedulesThatLoseAnUpdateAreFound(t *testing.T) {
	for name, plan := range map[string]Plan{
		"random":     {Random: 2000},
		"PCT":        {PCT: 2000},
		"exhaustive": {Preemptions: 1},
	} {
		t.Run(name, func(t *testing.T) {
			plan.All = true
			report := plan.Explore(lostUpdate(2, 1))
			require.NotNil(t, report.First)
			require.Less(t, report.Failed, report.Schedules, "some schedules lose nothing")
			require.EqualError(t, report.First.Err, "1 of 2 updates are left")
			require.Greater(t, report.Failed, report.Schedules/10)
			require.Equal(t, Report{Schedules: report.Schedules, Distinct: report.Distinct, Steps: report.Steps, Complete: name == "exhaustive"}, plan.Explore(underLock(2, 1)).shape(report))
		})
	}
}

// shape returns how a report differs from another in what depends on whether there is a
// fault.
func (r Report) shape(other Report) Report {
	r.Schedules, r.Distinct, r.Steps = other.Schedules, other.Distinct, other.Steps
	return r
}

func TestAFailureIsReplayedFromItsText(t *testing.T) {
	for _, body := range []func(*Run) error{lostUpdate(2, 1), lostUpdate(3, 3), lockOrder(3, 4)} {
		for _, plan := range []Plan{{Random: 500}, {PCT: 500}} {
			f := plan.Explore(body).First
			require.NotNil(t, f)
			again := Replay(f.Schedule, body)
			require.NotNil(t, again)
			require.Equal(t, f.Err.Error(), again.Err.Error())
			require.Equal(t, f.Steps, again.Steps)
			require.Contains(t, f.Error(), "sched_test.go:", "it has the places")
			require.Contains(t, f.Error(), f.Schedule)
		}
	}
}

func TestAScheduleThatCannotBeReadIsNamed(t *testing.T) {
	for _, text := range []string{"x", "1*", "1*0", "-1", "1..2", "1*2*3"} {
		f := Replay(text, underLock(2, 1))
		require.NotNil(t, f, text)
		require.ErrorContains(t, f, text)
	}
	require.Nil(t, Replay("", underLock(2, 1)))
	require.Nil(t, Replay("1*3.2.1.2*40.9", underLock(2, 1)), "a schedule may be of another program")
}

func TestTheSameSeedIsTheSameSchedule(t *testing.T) {
	trace := func(seed uint64) []Step {
		r := newRun(newRandom(seed))
		require.NoError(t, r.execute(underLock(3, 3)))
		return r.steps
	}
	again := trace(7)
	require.Equal(t, trace(7), again)
	require.NotEqual(t, trace(7), trace(8))
}

func TestAScenarioThatDependsOnMoreThanItsScheduleIsNoticed(t *testing.T) {
	runs := 0
	report := Plan{Random: 100}.Explore(func(r *Run) error {
		runs++
		r.Go(func() {
			for range runs {
				Point(User)
			}
		})
		return nil
	})
	require.ErrorIs(t, report.First, ErrNotRepeatable)

	runs = 0
	report = Plan{PCT: 100}.Explore(func(*Run) error {
		if runs++; runs == 50 {
			return fmt.Errorf("the weather")
		}
		return nil
	})
	require.ErrorContains(t, report.First, "it does not fail again")
}

// With a bound that no schedule reaches the search is complete, and random schedules
// find no other ones.
func TestAllSchedulesAreFoundOnce(t *testing.T) {
	report := Plan{Preemptions: 100, All: true}.Explore(lostUpdate(2, 1))
	require.True(t, report.Complete)
	require.Equal(t, report.Schedules, report.Distinct)
	walked := Plan{Random: 5000, All: true}.Explore(lostUpdate(2, 1))
	require.Equal(t, report.Distinct, walked.Distinct)
	for bound, less := 1, 0; bound < 4; bound++ {
		n := Plan{Preemptions: bound, All: true}.Explore(lostUpdate(2, 1)).Schedules
		require.Greater(t, n, less)
		require.LessOrEqual(t, n, report.Schedules)
		less = n
	}
	limited := Plan{Preemptions: 100, Limit: 5, All: true}.Explore(lostUpdate(2, 1))
	require.False(t, limited.Complete)
	require.Equal(t, 5, limited.Schedules)
}

func TestDeadlocksAreFoundAndTheirThreadsEnd(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, plan := range []Plan{{Random: 2000}, {PCT: 2000}, {Preemptions: 2, Limit: 2000}} {
		plan.All = true
		report := plan.Explore(lockOrder(3, 4))
		require.ErrorIs(t, report.First, ErrDeadlock)
		require.ErrorContains(t, report.First, "thread 1 at Lock")
		require.Less(t, report.Failed, report.Schedules)
		t.Logf("%d of %d schedules", report.Failed, report.Schedules)
	}
	for deadline := time.Now().Add(2 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		require.True(t, time.Now().Before(deadline), "goroutines are left")
	}
}

// Of a run that has failed all threads run their deferred functions, also if these come
// to points.
func TestThreadsOfAFailedRunAreUnwound(t *testing.T) {
	unwound := 0
	f := Drive(rand.New(rand.NewPCG(1, 1)), func(r *Run) error {
		defer func() { unwound++ }()
		for range 2 {
			r.Go(func() {
				defer func() { unwound++ }()
				defer Point(User)
				Until(Wait, ConditionFunc(func() bool { return false }))
				unwound += 100
			})
		}
		r.Wait()
		unwound += 100
		return nil
	})
	require.ErrorIs(t, f, ErrDeadlock)
	require.Equal(t, 3, unwound)
	require.False(t, On())
}

func TestAPanicIsAFailure(t *testing.T) {
	for name, body := range map[string]func(*Run) error{
		"thread 2 panics: odd": func(r *Run) error {
			r.Go(func() { Until(Wait, ConditionFunc(func() bool { return false })) })
			r.Go(func() { panic("odd") })
			return nil
		},
		"the scenario panics: even": func(r *Run) error {
			r.Go(func() { Until(Wait, ConditionFunc(func() bool { return false })) })
			panic("even")
		},
	} {
		report := Plan{Random: 10, All: true}.Explore(body)
		require.Equal(t, 10, report.Failed, name)
		require.ErrorContains(t, report.First, name)
	}
}

func TestThreadsThatDoNotEndAreNoticed(t *testing.T) {
	report := Plan{Random: 1}.Explore(func(r *Run) error {
		r.Go(func() {
			for {
				Point(User)
			}
		})
		return nil
	})
	require.ErrorIs(t, report.First, ErrEndless)
}

// Who waits for another thread by yielding must not keep it from going on, whatever
// the strategy.
func TestWhoYieldsLetsOthersGoOn(t *testing.T) {
	body := func(r *Run) error {
		done := false
		for range 2 {
			r.Go(func() {
				for !done {
					Point(Yield)
				}
			})
		}
		r.Go(func() {
			Point(User)
			Point(User)
			done = true
		})
		return nil
	}
	for _, plan := range []Plan{{Random: 1000}, {PCT: 1000, Depth: 5}, {Preemptions: 2, Limit: 1000}} {
		report := plan.Explore(body)
		require.Zero(t, report.Failed)
		require.Positive(t, report.Schedules)
	}
}

func TestAGoroutineOfARunIsAThread(t *testing.T) {
	started := 0
	report := Plan{Random: 100}.Explore(func(r *Run) error {
		started = 0
		r.Go(func() {
			Start(func() {
				Point(User)
				started = r.Thread()
			})
		})
		r.Wait()
		if started != 2 {
			return fmt.Errorf("it is thread %d", started)
		}
		return nil
	})
	require.Nil(t, report.First)
	require.False(t, Start(func() {}), "outside a run there are no threads")
	Point(User) // and no points
}

func TestTimeGoesOnByTicks(t *testing.T) {
	report := Plan{Random: 100}.Explore(func(r *Run) error {
		var times []int64
		for range 3 {
			r.Go(func() { times = append(times, r.Tick()) })
		}
		r.Wait()
		if fmt.Sprint(times) != "[1 2 3]" {
			return fmt.Errorf("%v", times)
		}
		return nil
	})
	require.Nil(t, report.First)
}

// How fast schedules run, and how often they show what is wrong, is printed.
func TestRates(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 2000
	}
	for _, tc := range []struct {
		name string
		body func(*Run) error
	}{
		{"2 threads, 1 update each", lostUpdate(2, 1)},
		{"3 threads, 5 updates each", lostUpdate(3, 5)},
		{"3 threads, 4 times two locks each", lockOrder(3, 4)},
	} {
		for _, plan := range []Plan{{Random: n}, {PCT: n}} {
			plan.All = true
			start := time.Now()
			report := plan.Explore(tc.body)
			require.Equal(t, n, report.Schedules)
			require.Positive(t, report.Failed)
			t.Logf("%s, random %d, PCT %d: %.0f schedules a second, %d steps each, %.1f %% fail", tc.name, plan.Random, plan.PCT,
				float64(n)/time.Since(start).Seconds(), report.Steps/n, 100*float64(report.Failed)/float64(n))
		}
	}
}
