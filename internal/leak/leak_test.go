// SPDX-License-Identifier: MIT

package leak

import (
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/internal/stacks"
)

// A child that leaves a goroutine need not be waited for long.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(run(m, time.Second))
	}
	Main(m)
}

// stuck is named in the stack that is asked for.
func stuck(until <-chan struct{}) { <-until }

func TestAGoroutineThatIsLeftIsNamed(t *testing.T) {
	const mine = "created by github.com/locmem/locmem/internal/leak.TestAGoroutineThatIsLeftIsNamed"
	require.Empty(t, of(mine))
	until := make(chan struct{})
	go stuck(until)
	require.Len(t, of(mine), 1)
	close(until)
	require.Eventually(t, func() bool { return len(of(mine)) == 0 }, patience, time.Millisecond)
}

// of returns the stacks that have a text in them, of those that are counted. In this
// process there are always the goroutines that run the tests.
func of(text string) []string {
	return slices.DeleteFunc(stacks.Others(), func(stack string) bool { return !strings.Contains(stack, text) })
}

func TestTheGoroutinesOfSignalsAreNotCounted(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	signal.Stop(signals)
	all := make([]byte, 1<<20)
	require.Contains(t, string(all[:runtime.Stack(all, true)]), "os/signal.loop")
	require.Empty(t, of("os/signal"))
}

// childVariable says what a test does in a process of its own.
const childVariable = "LEAK_CHILD"

func TestChild(t *testing.T) {
	switch os.Getenv(childVariable) {
	case "":
		t.Log("see TestARunThatLeavesAGoroutineFails")
	case "leaves":
		go stuck(nil)
	case "ends late":
		until := make(chan struct{})
		go stuck(until)
		time.AfterFunc(50*time.Millisecond, func() { close(until) })
	case "fails":
		t.Fail()
	}
}

func TestARunThatLeavesAGoroutineFails(t *testing.T) {
	for _, tc := range []struct {
		name  string
		child string
		args  []string
		fails string
	}{
		{"nothing", "", nil, ""},
		{"a goroutine that ends late", "ends late", nil, ""},
		{"a goroutine", "leaves", nil, "the tests have left 1 goroutines:\n\ngoroutine "},
		{"a failure is told first", "fails", nil, "--- FAIL: TestChild"},
		{"no test runs", "leaves", []string{"-test.list=."}, ""},
		{"a run that fuzzes", "leaves", []string{"-test.fuzz=^$", "-test.fuzzcachedir=" + t.TempDir()}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"-test.run=^TestChild$"}, tc.args...)...)
			cmd.Env = append(os.Environ(), childVariable+"="+tc.child)
			output, err := cmd.CombinedOutput()
			if tc.fails == "" {
				require.NoError(t, err, "%s", output)
				return
			}
			var failed *exec.ExitError
			require.ErrorAs(t, err, &failed, "%s", output)
			assert.Contains(t, string(output), tc.fails)
			assert.Equal(t, tc.child == "leaves", strings.Contains(string(output), "leak.stuck"))
		})
	}
}
