// SPDX-License-Identifier: MIT

package cachetest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/locmem/locmem/internal/lock"
)

// A statement that may end the process is checked in a child: the test's binary,
// started for the same test with childVariable set. RunCache finds itself in the child,
// checks this one statement, and ends the process at once with an exit status of
// ours: a goroutine that hangs is no longer waited for. What the child says, it prints
// line by line, so that it is known also if it crashes.

// childVariable is "the test's name#the statement's id" in a child.
const childVariable = "CACHETEST_CHILD"

// childLimit is how long a child may take. It has a watchdog of its own: this one is
// for programs that are stuck as a whole.
const childLimit = 2 * time.Minute

// What lines of a child begin with.
const (
	childCall    = "cachetest call: "
	childLast    = "cachetest last: "
	childOutcome = "cachetest outcome: "
	childCrash   = "cachetest crash: "
)

// Exit statuses of a child. Those of the testing package are 0, 1 and 2.
const (
	childHeld = 40 + iota
	childFailed
	childSkipped
)

// childOf returns the statement that this process is there for, "" if it is no child
// for that test.
func childOf(test string) string {
	id, ok := strings.CutPrefix(os.Getenv(childVariable), test+"#")
	if !ok {
		return ""
	}
	return id
}

// checkInChild checks one statement and ends the process.
func checkInChild(tb testing.TB, id string, factory func(testing.TB, CacheOptions) AnyCache[string], config CacheConfig) {
	tb.Helper()
	for _, st := range cacheStatements() {
		if st.id != id {
			continue
		}
		s := newCacheRun(tb, factory, config)
		s.calls.print = true
		switch o := s.run(st); {
		case o == nil:
			os.Exit(childHeld)
		case o.skip != "":
			fmt.Println(childOutcome + o.skip)
			os.Exit(childSkipped)
		default:
			for line := range strings.SplitSeq(o.Error(), "\n") {
				fmt.Println(childOutcome + line)
			}
			os.Exit(childFailed)
		}
	}
	tb.Fatalf("there is no statement %s", id)
}

// crashesMean tells that a crash from here on is no failure, and why there is nothing
// to check then.
func (s *cacheRun) crashesMean(why string) {
	if s.calls.print {
		fmt.Println(childCrash + why)
	}
}

// checkInAnotherProcess checks the statement in a child that runs the test.
func (s *cacheRun) checkInAnotherProcess(test string, st cacheStatement) *outcome {
	ctx, cancel := context.WithTimeout(context.Background(), childLimit)
	defer cancel()
	args := []string{"-test.run=^" + patternOf(test) + "$", "-test.v", fmt.Sprintf("-test.timeout=%v", childLimit)}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), childVariable+"="+test+"#"+st.id)
	out, err := cmd.CombinedOutput()
	var said, rest []string
	pardon := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\n")
		if call, ok := strings.CutPrefix(line, childCall); ok {
			s.calls.add(call)
		} else if call, ok := strings.CutPrefix(line, childLast); ok {
			s.calls.replace(call)
		} else if text, ok := strings.CutPrefix(line, childOutcome); ok {
			said = append(said, text)
		} else if text, ok := strings.CutPrefix(line, childCrash); ok {
			pardon = text
		} else {
			rest = append(rest, line)
		}
	}
	text := strings.Join(said, "\n")
	if bytes.Contains(out, []byte("WARNING: DATA RACE")) {
		return &outcome{kind: dataRace, says: firstLines(rest, "WARNING: DATA RACE", 40)}
	}
	switch status := cmd.ProcessState.ExitCode(); {
	case ctx.Err() != nil:
		return &outcome{kind: hang, says: "the process was stopped after " + childLimit.String()}
	case status == childHeld:
		return nil
	case status == childSkipped:
		return &outcome{skip: text}
	case status == childFailed:
		kind, says, _ := strings.Cut(text, ": ")
		return &outcome{kind: kind, says: says}
	case pardon != "":
		return &outcome{skip: pardon}
	case strings.Contains(strings.Join(rest, "\n"), "fatal error: "):
		return &outcome{kind: crash, says: firstLines(rest, "fatal error: ", 12)}
	case strings.Contains(strings.Join(rest, "\n"), "panic: "):
		return &outcome{kind: crash, says: firstLines(rest, "panic: ", 12)}
	default:
		return &outcome{kind: crash, says: fmt.Sprintf("%v\n%s", err, firstLines(rest, "", 40))}
	}
}

// firstLines returns at most n lines from the first one on that has a text in it.
func firstLines(lines []string, from string, n int) string {
	for len(lines) > 0 && !strings.Contains(lines[0], from) {
		lines = lines[1:]
	}
	return strings.Join(lines[:min(n, len(lines))], "\n")
}

// patternOf returns the pattern of -test.run for the name of a subtest.
func patternOf(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return strings.Join(parts, "$/^")
}

// running are the tests that have called RunCache.
var running struct {
	lock.Mutex // protects tests
	tests      map[string]bool
}

// onlyOnce fails a test that calls RunCache again: its children would not know which
// of its caches is meant.
func onlyOnce(t *testing.T) {
	t.Helper()
	running.Lock()
	defer running.Unlock()
	if running.tests[t.Name()] {
		t.Fatal("this test has called RunCache before: give each call a subtest of its own")
	}
	if running.tests == nil {
		running.tests = map[string]bool{}
	}
	running.tests[t.Name()] = true
	t.Cleanup(func() {
		running.Lock()
		defer running.Unlock()
		delete(running.tests, t.Name())
	})
}
