// SPDX-License-Identifier: MIT

package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestZipfWorkloadDependsOnItsArgumentsAlone(t *testing.T) {
	t.Parallel()
	first := zipfWorkload(1, 1, 1000, 5000)
	assert.Equal(t, first, zipfWorkload(1, 1, 1000, 5000))
	assert.NotEqual(t, first.measured, zipfWorkload(2, 1, 1000, 5000).measured, "another seed")
	assert.NotEqual(t, first.measured, zipfWorkload(1, 0.5, 1000, 5000).measured, "another exponent")
	assert.Len(t, first.measured, 5000)
	assert.Len(t, first.warmup, 500)
	assert.Len(t, first.keys, 1000)
}

func TestZipfRanksFollowTheLaw(t *testing.T) {
	t.Parallel()
	const n, draws = 50, 400_000
	for _, s := range []float64{0, 0.7, 1, 2.5} {
		z := newZipf(rand.New(rand.NewPCG(5, 6)), s, n)
		seen := make([]int, n)
		for range draws {
			seen[z.next()]++
		}
		sum := 0.0
		for r := range n {
			sum += math.Pow(float64(r+1), -s)
		}
		for r := range n {
			p := math.Pow(float64(r+1), -s) / sum
			deviation := math.Sqrt(draws * p * (1 - p)) // of the binomial distribution
			assert.InDelta(t, draws*p, seen[r], 5*deviation, "s = %v, rank %d", s, r)
		}
	}
}

func TestZipfPopularityIsNotTheOrderOfTheTable(t *testing.T) {
	t.Parallel()
	w := zipfWorkload(1, 1, 1000, 20_000)
	seen := make([]int, len(w.keys))
	for _, at := range w.measured {
		seen[at]++
	}
	hottest := make([]int, len(seen))
	for i := range hottest {
		hottest[i] = i
	}
	slices.SortFunc(hottest, func(a, b int) int { return seen[b] - seen[a] })
	assert.False(t, slices.IsSorted(hottest[:10]))
}

func TestTraceWorkloadReplaysTheTrace(t *testing.T) {
	t.Parallel()
	trace := []uint64{9, 3, 9, math.MaxUint64, 5, 3, 9, 1, 1, 9, 9, 2, 77}
	w := traceWorkload("t", trace, 10)
	require.Equal(t, []uint64{1, 2, 3, 5, 9, 77, math.MaxUint64}, w.keys, "the keys of the whole trace")
	var replayed []uint64
	for _, at := range slices.Concat(w.warmup, w.measured) {
		replayed = append(replayed, w.keys[at])
	}
	assert.Equal(t, trace[:11], replayed)
	assert.Len(t, w.measured, 10)
}

func TestTraceShorterThanTheRequestsIsUsedWhole(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ length, warmup, measured int }{{1, 0, 1}, {10, 0, 10}, {11, 1, 10}, {110, 10, 100}, {119, 10, 109}} {
		w := traceWorkload("t", make([]uint64, test.length), 1000)
		assert.Len(t, w.warmup, test.warmup, "of %d", test.length)
		assert.Len(t, w.measured, test.measured, "of %d", test.length)
	}
}
