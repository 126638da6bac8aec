// SPDX-License-Identifier: MIT

package locmem_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
)

// lives returns how long so many entries that are written now have to live.
func lives(e *locmem.Engine[int, int], n int, opts ...locmem.EntryOption) []time.Duration {
	var list []time.Duration
	for key := range n {
		e.Set(key, key, opts...)
		entry, _ := e.Peek(key)
		list = append(list, entry.Deadline.Sub(theStart))
	}
	return list
}

// Lifetimes fill the share that Jitter names evenly: no tenth of it has far more
// or fewer of them than the others.
func TestJitterSpreadsLifetimes(t *testing.T) {
	t.Parallel()
	const n = 5000
	for _, jitter := range []float64{0.1, 0.5, 1} {
		e, _ := timed(t, locmem.Options[int, int]{MaxEntries: n, TTL: time.Hour, Jitter: jitter})
		for what, list := range map[string][]time.Duration{
			"the default lifetime": lives(e, n),
			"a lifetime of a call": lives(e, n, locmem.TTL(time.Hour)),
		} {
			var tenths [10]int
			for _, life := range list {
				short := float64(time.Hour-life) / (jitter * float64(time.Hour))
				require.GreaterOrEqual(t, short, 0.0, what)
				require.Less(t, short, 1.0, what)
				require.Positive(t, life, what)
				tenths[int(short*10)]++
			}
			for i, held := range tenths {
				// 6 standard deviations of a binomial of 5000 and 1/10: once in 8 million runs of the test.
				assert.InDelta(t, n/10, held, 128, "%s, jitter %v: tenth %d", what, jitter, i)
			}
		}
	}
}

func TestJitterLeavesTheRestAsStated(t *testing.T) {
	t.Parallel()
	e, _ := timed(t, locmem.Options[int, int]{TTL: time.Hour, Jitter: 1})
	at := theStart.Add(time.Minute)
	for _, life := range lives(e, 100, locmem.ExpireAt(at)) {
		require.Equal(t, time.Minute, life)
	}
	for _, life := range lives(e, 100, locmem.NoTTL(), locmem.Idle(time.Minute)) {
		require.Equal(t, time.Minute, life)
	}
	for _, life := range lives(e, 100, locmem.TTL(1)) {
		require.EqualValues(t, 1, life)
	}
	require.True(t, e.Set(1, 1, locmem.TTL(0)))
	require.False(t, e.Has(1))
	require.True(t, e.Set(1, 1, locmem.TTL(math.MaxInt64)))
	require.True(t, e.Has(1))
}

func TestJitterIsBetweenNothingAndAll(t *testing.T) {
	t.Parallel()
	for _, jitter := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		_, err := locmem.New(locmem.Options[int, int]{MaxEntries: 1, Jitter: jitter})
		require.ErrorContains(t, err, "locmem: Options.Jitter is ")
	}
}
