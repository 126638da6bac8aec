// SPDX-License-Identifier: MIT

//go:build sched

package scenarios

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/internal/sched"
)

var (
	schedules   = flag.Int("schedules", 600, "schedules of each scenario, two thirds of them by random walk")
	preemptions = flag.Int("preemptions", 1, "preemptions up to which all schedules of two threads are run")
	part        = flag.Int("part", 0, "which part of the scenarios to run, as one process has one run at a time")
	parts       = flag.Int("parts", 1, "how many parts there are")
	seed        = flag.Uint64("seed", 1, "of the first schedule")
	schedule    = flag.String("schedule", "", "one schedule, as a failure prints it")
)

// explore runs the scenarios of this process's part that which selects, and prints
// what was run.
func explore(t *testing.T, plan sched.Plan, which func(Scenario) bool, what string) {
	t.Helper()
	var all sched.Report
	scenarios, complete := 0, 0
	start := time.Now()
	for i, s := range Scenarios {
		if i%*parts != *part || !which(s) {
			continue
		}
		scenarios++
		t.Run(s.Name, func(t *testing.T) {
			if *schedule != "" {
				if f := sched.Replay(*schedule, s.Body()); f != nil {
					t.Fatal(f)
				}
				return
			}
			report := plan.Explore(s.Body())
			if f := report.First; f != nil {
				t.Fatalf("%v\nonce more: go test -tags=sched ./internal/scenarios -run '^%s$' -schedule=%s", f, t.Name(), f.Schedule)
			}
			all.Schedules += report.Schedules
			all.Distinct += report.Distinct
			if report.Complete {
				complete++
			}
			t.Logf("%d schedules, %d different, %d steps each", report.Schedules, report.Distinct, report.Steps/report.Schedules)
		})
	}
	t.Logf("%s: %d scenarios, %d complete, %d schedules, %d different, %.0f a second", what,
		scenarios, complete, all.Schedules, all.Distinct, float64(all.Schedules)/time.Since(start).Seconds())
}

// Every scenario, by random walk and by priorities.
func TestNoScheduleIsWrong(t *testing.T) {
	explore(t, sched.Plan{Random: *schedules * 2 / 3, PCT: *schedules / 3, Seed: *seed},
		func(Scenario) bool { return true }, "schedules")
}

// The scenarios of two threads: all schedules with few preemptions.
func TestNoScheduleOfTwoThreadsIsWrong(t *testing.T) {
	explore(t, sched.Plan{Preemptions: *preemptions, Limit: 2_000_000},
		func(s Scenario) bool { return len(s.Threads) == 2 }, fmt.Sprintf("all schedules with %d preemptions", *preemptions))
}

func TestScenariosHaveNamesOfTheirOwn(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range Scenarios {
		require.False(t, seen[s.Name], s.Name)
		seen[s.Name] = true
		require.GreaterOrEqual(t, len(s.Threads), 2, s.Name)
		require.LessOrEqual(t, len(s.Threads), 3, s.Name)
	}
	require.GreaterOrEqual(t, len(Scenarios), 64)
}

// Programs that nobody has thought of, one schedule each.
func TestNoDrawnProgramIsWrong(t *testing.T) {
	start, n := time.Now(), *schedules*10 / *parts
	for i := range n {
		drawn := *seed + uint64(i**parts+*part)
		source := rand.New(rand.NewPCG(drawn, 2))
		if f := sched.Drive(source, Draw(source).Body()); f != nil {
			again := rand.New(rand.NewPCG(drawn, 2))
			t.Fatalf("program %d: %v", drawn, sched.Replay(f.Schedule, Draw(again).Body()))
		}
	}
	t.Logf("%d drawn programs, %.0f a second", n, float64(n)/time.Since(start).Seconds())
}
