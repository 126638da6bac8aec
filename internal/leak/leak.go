// SPDX-License-Identifier: MIT

// Package leak tells whether a package's tests have left goroutines behind.
package leak

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/locmem/locmem/internal/stacks"
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
	if found := left(patience); len(found) > 0 {
		fmt.Fprintf(os.Stderr, "the tests have left %d goroutines:\n\n%s\n", len(found), strings.Join(found, "\n\n"))
		return 1
	}
	return 0
}

// left waits until no goroutine is left but the caller's, and returns the stacks
// of those that still run when the time is over.
func left(within time.Duration) []string {
	over := time.Now().Add(within)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		found := stacks.Others()
		if len(found) == 0 || !time.Now().Before(over) {
			return found
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
