// SPDX-License-Identifier: MIT

// Package leak tells whether a package's tests have left goroutines behind.
package leak

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// patience is how long goroutines that are about to end may take.
const patience = 10 * time.Second

// Main is the whole of a TestMain: it runs the tests, waits up to ten seconds for
// their goroutines to end, and exits with the tests' status, or with 1 and the
// stacks on standard error if goroutines are left. It never returns.
func Main(tests interface{ Run() int }) { os.Exit(run(tests, patience)) }

func run(tests interface{ Run() int }, patience time.Duration) (status int) {
	status = tests.Run()
	if status != 0 || fuzzing() {
		return status
	}
	if stacks := left(patience); len(stacks) > 0 {
		fmt.Fprintf(os.Stderr, "the tests have left %d goroutines:\n\n%s\n", len(stacks), strings.Join(stacks, "\n\n"))
		return 1
	}
	return 0
}

// left waits until no goroutine is left but the caller's, and returns the stacks
// of those that still run when the time is over.
func left(within time.Duration) []string {
	over := time.Now().Add(within)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		stacks := others()
		if len(stacks) == 0 || !time.Now().Before(over) {
			return stacks
		}
		<-time.NewTimer(pause).C
	}
}

// fuzzing reports whether this run makes inputs of its own, or is one of its
// workers. The fuzzing engine leaves goroutines that read from its pipes; what the
// targets leave is seen in a run of their seeds.
func fuzzing() bool {
	target, worker := flag.Lookup("test.fuzz"), flag.Lookup("test.fuzzworker")
	return target != nil && target.Value.String() != "" || worker != nil && worker.Value.String() == "true"
}

// others returns the stacks of all goroutines but the caller's, and but those
// that the standard library starts once and keeps.
func others() []string {
	text := make([]byte, 1<<16)
	for {
		n := runtime.Stack(text, true)
		if n < len(text) {
			text = text[:n]
			break
		}
		text = make([]byte, 2*len(text))
	}
	stacks := strings.Split(strings.TrimSpace(string(text)), "\n\n")[1:] // the caller's comes first
	return slices.DeleteFunc(stacks, kept)
}

// kept reports whether a stack is of a goroutine that lasts as long as the
// program does: who has asked once for a signal has these two.
func kept(stack string) bool {
	return strings.Contains(stack, "\ncreated by os/signal.Notify") || strings.Contains(stack, "\nruntime.ensureSigM")
}
