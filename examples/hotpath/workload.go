// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// workload is the sequence of requests that both sides replay. It is made before
// either runs.
type workload struct {
	origin   string   // where the sequence comes from, for the report
	keys     []uint64 // the products of the table: distinct, ascending
	sums     []uint64 // checksum of the right answer to each of keys
	warmup   []uint32 // positions in keys: replayed first, not measured
	measured []uint32 // positions in keys: replayed next, measured
}

// warmupOf returns the length of the warm-up that goes before so many measured
// requests: a tenth.
func warmupOf(requests int) int { return requests / 10 }

// zipfWorkload draws the requests from products 1 to n by Zipf's law.
func zipfWorkload(seed uint64, s float64, n, requests int) *workload {
	w := &workload{
		origin: fmt.Sprintf("Zipf keys, s = %.2f, over %s products", s, count(n)),
		keys:   make([]uint64, n),
	}
	for i := range w.keys {
		w.keys[i] = uint64(i) + 1
	}
	// The ranks are dealt out at random: otherwise the most wanted products would
	// be neighbours in the table, which suits the database's page cache too well.
	rng := rand.New(rand.NewPCG(seed, 0))
	ranked := rng.Perm(n)
	draw := newZipf(rng, s, n)
	sequence := make([]uint32, warmupOf(requests)+requests)
	for i := range sequence {
		sequence[i] = uint32(ranked[draw.next()])
	}
	w.split(sequence, requests)
	return w
}

// traceWorkload takes the first requests of a trace, or all of a shorter one.
// The table holds every key of the whole trace.
func traceWorkload(name string, trace []uint64, requests int) *workload {
	w := &workload{keys: slices.Clone(trace)}
	slices.Sort(w.keys)
	w.keys = slices.Clip(slices.Compact(w.keys))

	used := min(len(trace), warmupOf(requests)+requests)
	if used < warmupOf(requests)+requests {
		requests = used - used/11 // a warm-up of a tenth of what is left for measuring
	}
	w.origin = fmt.Sprintf("%s: the first %s of its %s requests; %s distinct keys in all", name, count(used), count(len(trace)), count(len(w.keys)))
	sequence := make([]uint32, used)
	for i, key := range trace[:used] {
		at, _ := slices.BinarySearch(w.keys, key)
		sequence[i] = uint32(at)
	}
	w.split(sequence, requests)
	return w
}

// split makes the last requests of the sequence the measured ones.
func (w *workload) split(sequence []uint32, requests int) {
	w.warmup, w.measured = sequence[:len(sequence)-requests], sequence[len(sequence)-requests:]
}

// zipf draws ranks 0 to n-1, rank r with a probability proportional to
// 1/(r+1)^s, by looking a uniform number up in the cumulative distribution. That
// is exact for every s >= 0, where the generator of math/rand needs s > 1.
type zipf struct {
	rng        *rand.Rand
	cumulative []float64 // cumulative[r] is the sum of the weights of ranks 0 to r
}

func newZipf(rng *rand.Rand, s float64, n int) zipf {
	z := zipf{rng: rng, cumulative: make([]float64, n)}
	sum := 0.0
	for r := range z.cumulative {
		sum += math.Pow(float64(r+1), -s)
		z.cumulative[r] = sum
	}
	return z
}

func (z zipf) next() int {
	last := len(z.cumulative) - 1
	at, _ := slices.BinarySearch(z.cumulative, z.rng.Float64()*z.cumulative[last])
	return min(at, last)
}
