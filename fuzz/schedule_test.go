// SPDX-License-Identifier: MIT

//go:build sched

package fuzz

import (
	"testing"

	"github.com/locmem/locmem/internal/scenarios"
	"github.com/locmem/locmem/internal/sched"
)

// FuzzSchedule takes bytes as a program of two or three threads and then as the choices
// of its schedule. After it the engine is validated, every value accounted for, and
// the answers have to be linearizable.
//
//	go test -tags=sched -run='^$' -fuzz='^FuzzSchedule$' -fuzztime=1m ./fuzz
func FuzzSchedule(f *testing.F) {
	f.Add([]byte("two threads, and then who of them goes on: 0110100110010110"))
	f.Add([]byte("\x02\x03abcdef\x01\x02ghijkl\x00\x00\x01\x01\x00\x01\x00\x00\x01\x01\x01\x00\x01"))
	f.Add([]byte("\x04\x02\x10\x00\x11\x01\x01\x02\x20\x00\x21\x01\x22\x00\x02\x23\x01\x00\x01\x02\x00\x01\x02\x01\x00\x02"))
	f.Fuzz(func(t *testing.T, data []byte) {
		source := bytes(data)
		s := scenarios.Draw(&source)
		if failure := sched.Drive(&source, s.Body()); failure != nil {
			again := bytes(data)
			t.Fatal(sched.Replay(failure.Schedule, scenarios.Draw(&again).Body()))
		}
	})
}
