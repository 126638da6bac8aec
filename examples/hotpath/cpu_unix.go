// SPDX-License-Identifier: MIT

//go:build unix

package main

import (
	"syscall"
	"time"
)

// processorTime returns what the process has used of all processors so far, in
// user and in system mode; 0: this system does not tell.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
