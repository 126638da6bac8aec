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
}

// Layers are all of them, those with the sharpest eyes first.
var Layers = []Layer{
	{
		Name: "schedules", Module: ".", Package: "internal/scenarios", Tags: "sched", Quick: true,
		Args: []string{"-test.run=TestNoSchedule", "-schedules=400", "-preemptions=1"},
	},
	// The corpus has a program and its schedule for each mutant that drawn ones have noticed.
	{Name: "fuzz", Module: ".", Package: "fuzz", Tags: "sched", Args: []string{"-test.run=^FuzzSchedule$"}},
	{
		Name: "histories", Module: ".", Package: "internal/histories", Tags: "yield",
		Args: []string{"-test.run=^TestHistories", "-histories=1500"},
	},
	{
		Name: "model", Module: ".", Package: ".", Quick: true,
		Args: []string{"-test.run=^TestEveryAnswerIsTheModels$", "-test.short"},
	},
	{Name: "policies", Module: ".", Package: "evict", Quick: true, Args: []string{"-test.short"}},
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

// build makes a layer's test program.
func (l Layer) build(ctx context.Context, root, overlay, folder string) (string, error) {
	program := filepath.Join(folder, l.Name+".test")
	args := []string{"test", "-c", "-overlay=" + overlay, "-o", program}
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
	command.Env = append(os.Environ(), fmt.Sprintf("%s=%d", variable, mutant), "GOMAXPROCS=2")
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
