// SPDX-License-Identifier: MIT

// Package stacks tells what the goroutines of this process are doing.
package stacks

import (
	"runtime"
	"slices"
	"strings"
	"time"
)

// Others returns the stacks of all goroutines but the caller's, and but those that the
// standard library starts once and keeps. It stops the world.
func Others() []string {
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

// Settle waits until every other goroutine waits for something, so that none goes on
// without the caller's doing or a timer's, but no longer than within. It reports whether
// it has come to that. A goroutine that waits for its network may go on at any time.
func Settle(within time.Duration) bool {
	over := time.Now().Add(within)
	for pause := 10 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		if !slices.ContainsFunc(Others(), active) {
			return true
		}
		if !time.Now().Before(over) {
			return false
		}
		<-time.NewTimer(pause).C
	}
}

// active reports whether a stack is of a goroutine that may go on. Its first line is as in
// "goroutine 7 [chan receive, 2 minutes]:".
func active(stack string) bool {
	_, state, _ := strings.Cut(stack, "[")
	state, _, _ = strings.Cut(state, "]")
	state, _, _ = strings.Cut(state, ",")
	switch state {
	case "running", "runnable", "preempted", "copystack", "GC assist wait", "syscall", "IO wait":
		return true
	default:
		return false
	}
}
