// SPDX-License-Identifier: MIT

package project

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// run is a run of the gate runner over the given lines of shell.
func run(t *testing.T, env, lines string) (out string, ok bool) {
	t.Helper()
	script := "set -uo pipefail\nunset CI GATES\n" + env + "\nlogs=" + t.TempDir() + "\n. scripts/gates.sh\n" + lines + "\nclosing\n"
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = root
	text, err := cmd.CombinedOutput()
	out = regexp.MustCompile(` +`).ReplaceAllString(string(text), " ")
	return regexp.MustCompile(`\d+s `).ReplaceAllString(out, "Ns "), err == nil // how long is of no interest here
}

const someGates = `
good() { echo 'figure: 7 things'; }
bad() { echo 'first words'; false; echo 'figure: 9 things'; }
tested() {
	echo '--- FAIL: y'
	seq 100
	printf '\n=== FAIL: x TestX\n\nx.go:1: wrong\n'
	seq 50
	false
}
silent() { true; }
absent() { not_run 'no such machine'; echo 'figure: not reached'; }
`

func TestGatesReportAndTheirFailuresEndTheRun(t *testing.T) {
	for _, tc := range []struct {
		name, env, gates string
		ok               bool
		want             []string
		not              string
	}{
		{"all pass", "", "gate a good\ngate b good", true, []string{"a Ns ok 7 things\n", "\n2 passed, 0 failed\n"}, "FAIL"},
		{"a failure in the middle stops its gate only", "", "gate a bad\ngate b good", false, []string{"a Ns FAIL", "| first words\n", "b Ns ok 7 things\n", "\n1 passed, 1 failed\n"}, "9 things"},
		{"failed tests, again at the end", "", "gate a tested\ngate b good", false, []string{"b Ns ok 7 things\na:\n | === FAIL: x TestX\n | x.go:1: wrong\n", "\n1 passed, 1 failed\n"}, " | 10\n | 11\n | 12\n | 13\n | 14\n | 15\n"},
		{"a failure without tests, again at the end", "", "gate a bad\ngate b good", false, []string{"b Ns ok 7 things\na:\n | first words\n", "\n1 passed, 1 failed\n"}, "9 things"},
		{"a gate without a figure", "", "gate a silent", false, []string{"a Ns FAIL no figure", "\n0 passed, 1 failed\n"}, "ok"},
		{"a missing prerequisite", "", "gate a absent\ngate b good", true, []string{"a Ns not run no such machine\n", "\n1 passed, 0 failed, 1 skipped\n"}, "FAIL"},
		{"a missing prerequisite in CI", "CI=true", "gate a absent\ngate b good", false, []string{"a Ns FAIL no such machine\n", "\n1 passed, 1 failed\n"}, "skipped"},
		{"one chosen", "GATES=b", "gate a bad\ngate b good", true, []string{"b Ns ok 7 things\n", "\n1 passed, 0 failed\n"}, "FAIL"},
		{"one chosen that is not there", "GATES=x", "gate a bad\ngate b good", false, []string{"no gate is named: x", "\n0 passed, 0 failed\n"}, "ok"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, ok := run(t, tc.env, someGates+tc.gates)
			require.Equal(t, tc.ok, ok, out)
			for _, want := range tc.want {
				require.Contains(t, out, want)
			}
			require.NotContains(t, out, tc.not)
			lines := strings.Split(strings.TrimSpace(out), "\n")
			require.Regexp(t, `^\d+ passed, \d+ failed(, \d+ skipped)?$`, lines[len(lines)-1], "the totals are not the last line")
		})
	}
}
