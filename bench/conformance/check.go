// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"github.com/locmem/locmem/cachetest"
)

// reporting is the environment variable by which TestPeers knows that a report is made.
const reporting = "CONFORMANCE_REPORT"

// slug is the peer's name in names of tests.
func (p peer) slug() string { return strings.NewReplacer(" ", "_", "/", "_").Replace(p.name) }

// result is what became of the statements for one peer.
type result struct {
	peer     peer
	outcomes map[string]outcome // by the statements' ids
}

// outcome is what became of one statement.
type outcome struct {
	action string // pass, fail or skip
	says   string // what the test has printed
}

// check runs TestPeers for some of the caches, in one process, and reads what it says.
func check(some []peer, short bool) ([]result, error) {
	var slugs []string
	for _, p := range some {
		slugs = append(slugs, p.slug())
	}
	args := []string{"test", "-json", "-count=1", "-timeout=20m", "-run", "^TestPeers$/^(" + strings.Join(slugs, "|") + ")$"}
	if short {
		args = append(args, "-short")
	}
	cmd := exec.Command("go", append(args, "github.com/locmem/locmem/bench/conformance")...) //nolint:noctx // go test has a timeout of its own
	cmd.Env = append(os.Environ(), reporting+"=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	events, err := cmd.Output()
	var failed *exec.ExitError // as it does if a statement fails
	if err != nil && !errors.As(err, &failed) {
		return nil, err
	}
	var results []result
	for _, p := range some {
		r := result{peer: p, outcomes: read(events, "TestPeers/"+p.slug()+"/")}
		if want := len(cachetest.CacheStatements()); len(r.outcomes) != want {
			return nil, fmt.Errorf("%s: %d of %d statements were checked\n%s%s", p.name, len(r.outcomes), want, stderr.Bytes(), last(events, 2000))
		}
		results = append(results, r)
	}
	return results, nil
}

func last(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// event is one line of go test -json.
type event struct {
	Action, Test, Output string
}

// frame is what the testing package prints around what a test says.
var frame = regexp.MustCompile(`(?m)^\s*(=== |--- ).*\n|^ +[a-z_]+\.go:\d+: |^        `)

// read returns the outcomes of the tests whose names begin so.
func read(events []byte, prefix string) map[string]outcome {
	out := map[string]outcome{}
	lines := bufio.NewScanner(bytes.NewReader(events))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue // what the compiler says, for one
		}
		name, ok := strings.CutPrefix(e.Test, prefix)
		if !ok {
			continue
		}
		id, _, _ := strings.Cut(name, "_")
		o := out[id]
		switch e.Action {
		case "output":
			o.says += e.Output
		case "pass", "fail", "skip":
			o.action = e.Action
			o.says = strings.TrimSpace(frame.ReplaceAllString(o.says, ""))
		}
		out[id] = o
	}
	return out
}

// sums are the numbers of statements.
type sums struct{ passed, failed, skipped int }

func (s sums) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d not claimed", s.passed, s.failed, s.skipped)
}

// sum counts the statements of a group, or all if it is "".
func (r result) sum(group string) (s sums) {
	for id, o := range r.outcomes {
		if !strings.HasPrefix(id, group) {
			continue
		}
		switch o.action {
		case "pass":
			s.passed++
		case "fail":
			s.failed++
		case "skip":
			s.skipped++
		}
	}
	return s
}
