// SPDX-License-Identifier: MIT

// Package lockorder looks for two locks that are taken in both orders, which is a
// deadlock as soon as two goroutines do so at once. A test that has one goroutine at a
// time at such a place passes; here it is enough that both orders have been seen, ever.
//
// The engine has all its mutexes from internal/lock. A program of its tests is built with
// an overlay in which these are the mutexes of github.com/sasha-s/go-deadlock, so that
// the engine's own module does not have to require that one, and no file of it changes.
//
// What it does not see:
//
//   - An order that no test takes.
//   - Circles of three locks and more, of which every two have one order.
//   - An order among kinds of locks: the pairs are of two mutexes, not of the two fields
//     that these are. One engine may lock a shard and then a clock, and another a clock
//     and then a shard.
//   - Waits for anything but a mutex of internal/lock: for a gate, a channel, or a mutex
//     of a test's own.
//   - An order that is taken so much later than the other that the first is forgotten;
//     see package detector.
package lockorder

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

	"github.com/locmem/locmem/verify/mutants"
	"github.com/locmem/locmem/verify/overlay"
)

const (
	module = "github.com/locmem/locmem"
	// variable is the environment variable that turns the planted fault on.
	variable = "LOCMEM_INVERTED"
	// planted is the name of the mutant that is the planted fault.
	planted = "two shards are locked in any order"
)

// switchFile is added to the root package, where the planted fault is.
const switchFile = `package locmem

import "os"

var inverted = os.Getenv("` + variable + `") != ""
`

// edit is a piece of a file's text, which it has once, and what comes in its place.
type edit struct{ file, old, changed string }

// edits are what the overlay changes: the mutexes, and the planted fault, which a process
// has if it is asked for, so that one program serves with it and without.
func edits() ([]edit, error) {
	list := []edit{
		{"internal/lock/lock_plain.go", "\t\"sync\"\n", "\t\"" + module + "/verify/lockorder/detector\"\n"},
		{"internal/lock/lock_plain.go", "= sync.Mutex\n", "= detector.Mutex\n"},
		{"internal/lock/lock_plain.go", "= sync.RWMutex\n", "= detector.RWMutex\n"},
	}
	for _, m := range mutants.All {
		if m.Name == planted {
			right, wrong := condition(m.Old), condition(m.New)
			return append(list, edit{m.File, m.Old, fmt.Sprintf("if !inverted && (%s) || inverted && (%s) {", right, wrong)}), nil
		}
	}
	return nil, fmt.Errorf("no mutant is named %q", planted)
}

// condition returns that of the first line of an if statement.
func condition(line string) string {
	return strings.TrimSuffix(strings.TrimPrefix(line, "if "), " {")
}

// changed writes the changed files into a folder, and returns the file that go build
// -overlay takes.
func changed(root, folder string) (string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	list, err := edits()
	if err != nil {
		return "", err
	}
	texts := map[string]string{filepath.Join(root, "zz_inverted.go"): switchFile}
	for _, e := range list {
		path := filepath.Join(root, e.file)
		text, read := texts[path]
		if !read {
			whole, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			text = string(whole)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return "", fmt.Errorf("%s has the piece %q %d times, not once", e.file, e.old, n)
		}
		texts[path] = strings.Replace(text, e.old, e.changed, 1)
	}
	return overlay.Write(folder, texts)
}

// Program is a test program of a package of the engine's module, whose mutexes know their
// order.
type Program struct {
	file   string
	folder string // of the package, in which its tests expect to run
}

// Build makes the test program of the package in a folder of the project at root. The
// program, and what it is made of, is written into another folder.
func Build(ctx context.Context, root, pkg, into string) (Program, error) {
	list, err := changed(root, into)
	if err != nil {
		return Program{}, err
	}
	name := strings.TrimSuffix(module+"/"+pkg, "/.")
	p := Program{file: filepath.Join(into, filepath.Base(name)+".test"), folder: filepath.Join(root, pkg)}
	command := exec.CommandContext(ctx, "go", "test", "-c", "-overlay="+list, "-o", p.file, name)
	// Module verify is the main one, and its go.mod knows the detector.
	command.Dir = filepath.Join(root, "verify")
	command.Env = append(os.Environ(), "GOWORK=off")
	if out, err := command.CombinedOutput(); err != nil {
		return Program{}, fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return p, nil
}

// Result is what a run of a program has shown.
type Result struct {
	Tests      int      // that have passed, those within tests included
	Inversions []string // the reports, of which the first ends the program
}

var (
	passed = regexp.MustCompile(`(?m)^ *--- PASS: `)
	// report begins what the detector says of an order it has seen both ways, and of a
	// mutex that a goroutine locks while it has it.
	report = regexp.MustCompile(`POTENTIAL DEADLOCK: `)
)

// Run lets a program run its tests, chosen by arguments of go test, with the planted fault
// if inverted is true. A run that ends badly is an error if there is no report either.
func (p Program) Run(ctx context.Context, inverted bool, args ...string) (Result, error) {
	command := exec.CommandContext(ctx, p.file, append([]string{"-test.v"}, args...)...)
	command.Dir = p.folder
	command.Env = append(os.Environ(), variable+"=")
	if inverted {
		command.Env = append(command.Env, variable+"=1")
	}
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	text := out.String()
	result := Result{Tests: len(passed.FindAllString(text, -1))}
	begins := report.FindAllStringIndex(text, -1)
	for i, at := range begins {
		end := len(text)
		if i+1 < len(begins) {
			end = begins[i+1][0]
		}
		result.Inversions = append(result.Inversions, text[at[0]:end])
	}
	switch {
	case err == nil && len(begins) > 0:
		return result, errors.New("a report has not ended the program")
	case err != nil && len(begins) == 0:
		return result, fmt.Errorf("%w\n%s", err, text)
	}
	return result, nil
}
