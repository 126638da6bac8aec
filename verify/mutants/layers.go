// SPDX-License-Identifier: MIT

package mutants

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Layer is one kind of check.
type Layer struct {
	Name    string
	Module  string // folder of the module
	Package string // folder in it
	Tags    string
	Args    []string // of the test program
	Quick   bool     // it takes a few seconds
	Serial  bool     // one thread runs at a time, whatever the processors
}

// Layers are all of them. Where one that kills a mutant is enough, those that kill the most in
// the least time come first.
var Layers = []Layer{
	// A few schedules of each scenario come to the one that notices the mutant sooner than many
	// of those before it.
	{
		Name: "few schedules", Module: ".", Package: "internal/scenarios", Tags: "sched", Quick: true, Serial: true,
		Args: []string{"-test.run=^TestNoScheduleIsWrong$", "-schedules=30"},
	},
	// The order in which a load, the invalidation of its tag and another load's end have to come
	// is rare.
	{
		Name: "schedules of tags", Module: ".", Package: "internal/scenarios", Tags: "sched", Quick: true, Serial: true,
		Args: []string{"-test.run=^TestNoScheduleIsWrong$/^invalidate", "-schedules=2000"},
	},
	{
		Name: "model", Module: ".", Package: ".", Quick: true,
		Args: []string{"-test.run=^TestEveryAnswerIsTheModels$", "-test.short"},
	},
	{Name: "policies", Module: ".", Package: "evict", Quick: true, Args: []string{"-test.short"}},
	{
		Name: "schedules", Module: ".", Package: "internal/scenarios", Tags: "sched", Quick: true, Serial: true,
		Args: []string{"-test.run=TestNoSchedule", "-schedules=400", "-preemptions=1"},
	},
	// The corpus has a program and its schedule, named after the mutant that they notice, for
	// each that a program such as scenarios.Draw makes has been found to notice: 34 of 52. Of
	// the others most are of tags, moves, ExpireAt, callers who leave and CLOCK, which are in
	// none of these.
	{Name: "fuzz", Module: ".", Package: "fuzz", Tags: "sched", Serial: true, Args: []string{"-test.run=^FuzzSchedule$"}},
	{
		Name: "histories", Module: ".", Package: "internal/histories", Tags: "yield",
		Args: []string{"-test.run=^TestHistories", "-histories=1500"},
	},
	{
		Name: "conservation", Module: ".", Package: ".", Tags: "yield",
		Args: []string{"-test.run=^TestEveryValueEndsOnce$", "-test.short"},
	},
	{
		Name: "validator", Module: ".", Package: ".", Tags: "invariants",
		Args: []string{"-test.run=^(TestEveryAnswerIsTheModels|TestEveryValueEndsOnce)$", "-test.short"},
	},
	{Name: "unit", Module: ".", Package: ".", Args: []string{"-test.short"}},
}

// Verdict is what a layer says of a mutant.
type Verdict string

// The verdicts.
const (
	Passed   Verdict = ""
	Killed   Verdict = "killed"   // a check has failed
	Panicked Verdict = "panic"    // the program has ended by itself
	Late     Verdict = "time-out" // it did not end
)

// build makes a layer's test program. Call it for one layer after the other.
func (l Layer) build(ctx context.Context, root, overlay, folder string) (string, error) {
	program := filepath.Join(folder, strings.ReplaceAll(l.Package, "/", "_")+"_"+l.Tags+".test")
	if _, err := os.Stat(program); err == nil {
		return program, nil // another layer's too
	}
	// Vet has a test of its own; to ask it again for each program takes as long as to compile.
	args := []string{"test", "-c", "-vet=off", "-overlay=" + overlay, "-o", program}
	if l.Tags != "" {
		args = append(args, "-tags="+l.Tags)
	}
	command := exec.CommandContext(ctx, "go", append(args, "./"+l.Package)...)
	command.Dir = filepath.Join(root, l.Module)
	command.Env = append(os.Environ(), "GOWORK=off")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", l.Name, err, out)
	}
	return program, nil
}

var (
	failed   = regexp.MustCompile(`(?m)^\s*--- FAIL: `)
	panicked = regexp.MustCompile(`(?m)^(panic: |fatal error: |\tpanic: )`)
)

// run lets a layer look at a mutant; 0 is none. It may take so long.
func (l Layer) run(root, program string, mutant int, patience time.Duration) (Verdict, string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args := append([]string{"-test.failfast", "-test.timeout=" + (patience - 5*time.Second).String()}, l.Args...)
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = filepath.Join(root, l.Module, l.Package)
	processors := 2 // of the others some need threads that meet
	if l.Serial {
		processors = 1 // a second one would be the garbage collector's
	}
	command.Env = append(os.Environ(), fmt.Sprintf("%s=%d", variable, mutant), fmt.Sprintf("GOMAXPROCS=%d", processors))
	command.WaitDelay = time.Second
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	text := out.String()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return Passed, text
	case ctx.Err() != nil || strings.Contains(text, "panic: test timed out"):
		return Late, text
	case panicked.MatchString(text):
		return Panicked, text
	case errors.As(err, &exit) && failed.MatchString(text):
		return Killed, text
	}
	return Panicked, text
}
