// SPDX-License-Identifier: MIT

// Package statemachine runs random calls of an engine beside the model of
// internal/model, with choices that rapid makes and, when an answer is wrong, makes
// fewer and smaller.
//
//	go test ./statemachine -rapid.checks=20000
package statemachine

import (
	"flag"
	"fmt"
	"math/bits"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/model"
)

// choices are rapid's, as the model's driver takes them.
type choices struct{ t *rapid.T }

func (c choices) IntN(n int) int { return rapid.IntRange(0, n-1).Draw(c.t, "choice") }

var (
	policies = []evict.Policy{evict.TinyClock, evict.LRU, evict.CLOCK, evict.FIFO, evict.S3FIFO, evict.SIEVE}
	hashes   = []func(uint64) uint64{
		nil,
		func(h uint64) uint64 { return h & (3<<48 | 3<<30) }, // 4 bits of it
		func(uint64) uint64 { return 0 },
	}
)

// config chooses how the engine is made.
func config(c choices) model.Config {
	config := model.Config{
		Policy:   policies[c.IntN(len(policies))],
		Shards:   []int{1, 4, 64}[c.IntN(3)],
		Entries:  1 + c.IntN(20),
		Weighted: c.IntN(2) == 1,
		Tags:     c.IntN(2) == 1,
		Bend:     hashes[c.IntN(len(hashes))],
	}
	config.Keep = config.Bend != nil
	for _, window := range []*time.Duration{&config.NegativeTTL, &config.StaleFor, &config.StaleIfError, &config.RefreshAhead} {
		if c.IntN(3) == 0 {
			*window = time.Duration(10+c.IntN(50)) * time.Second
		}
	}
	return config
}

// steps is how many calls one check makes. The engine is validated after each.
const steps = 50

func TestEveryAnswerIsTheModels(t *testing.T) {
	checks := 0
	rapid.Check(t, func(t *rapid.T) {
		c := choices{t}
		model.Run(t, config(c), c, steps)
		checks++
	})
	t.Logf("figure: %d checks of %d calls", checks, steps)
}

// failing takes the place of a test that is expected to fail.
type failing struct {
	*testing.T
	report string
}

func (f *failing) Errorf(format string, args ...any) { f.report += fmt.Sprintf(format, args...) }
func (f *failing) Fatalf(format string, args ...any) { f.Errorf(format, args...) }
func (f *failing) Logf(string, ...any)               {}
func (f *failing) Failed() bool                      { return f.report != "" }
func (f *failing) FailNow()                          {}

// TestWrongAnswersAreFound makes engines whose hash of a key is not always the same,
// which loses entries.
func TestWrongAnswersAreFound(t *testing.T) {
	require.NoError(t, flag.Set("rapid.nofailfile", "true"))
	defer func() { require.NoError(t, flag.Set("rapid.nofailfile", "false")) }()
	f := &failing{T: t}
	rapid.Check(f, func(t *rapid.T) {
		c := choices{t}
		config := config(c)
		n := 0
		config.Bend = func(h uint64) uint64 {
			if n++; n%5 == 0 {
				return bits.RotateLeft64(h, 7)
			}
			return h
		}
		model.Run(t, config, c, steps)
	})
	require.Contains(t, f.report, "failed after")
	require.Regexp(t, `step \d+, \w+: `, f.report)
}
