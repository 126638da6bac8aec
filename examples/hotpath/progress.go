// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress announces a step of the run on w: a bar on a terminal, one line
// elsewhere. The function it returns takes the part done, out of total, and may
// be called from several goroutines.
func progress(w io.Writer, what string, total int) func(done int) {
	if !terminal(w) {
		say(w, "%s ...\n", what)
		return func(int) {}
	}
	bar := progressbar.NewOptions(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(fmt.Sprintf("%-34s", what)),
		progressbar.OptionSetWidth(24),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionShowCount(),
		progressbar.OptionOnCompletion(func() { say(w, "\n") }),
	)
	return func(done int) { _ = bar.Set(done) } // a bar that cannot be drawn is no reason to stop
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
