// SPDX-License-Identifier: MIT

//go:build unix

package bench

import (
	"syscall"
	"time"
)

// processorTime returns the time that all threads of the process have run, and
// false if the system does not tell.
func processorTime() (time.Duration, bool) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, false
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), true
}
