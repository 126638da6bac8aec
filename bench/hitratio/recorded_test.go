// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/locmem/locmem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recorded returns the folder of recorded traces that the environment variable
// TRACES names, or "" if there is none: then generated ones take their place.
func recorded(t *testing.T) string {
	folder := os.Getenv("TRACES")
	switch {
	case folder == "":
		t.Log("recorded traces were not replayed: TRACES names no folder; generated ones are")
	case testing.Short():
		t.Log("recorded traces were not replayed: -short; generated ones are")
		folder = ""
	}
	return folder
}

// usual are the command's sizes where no flag names others.
func usual(t *testing.T) sizes {
	cfg, err := parse([]string{"-traces", "any"}, io.Discard)
	require.NoError(t, err)
	return cfg.sizes
}

// requested makes a trace of that many requests.
func requested(name string, requests int, next func(i uint64) uint64) *trace {
	t := &trace{name: name, keys: make([]uint64, requests)}
	for i := range t.keys {
		t.keys[i] = next(uint64(i))
	}
	t.number()
	return t
}

// generatedTraces tell policies apart: popular keys, the same with scans between
// them, and a loop.
func generatedTraces() []*trace {
	const requests = 200_000
	rnd := rand.New(rand.NewPCG(5, 6))
	zipf := rand.NewZipf(rnd, 1.1, 20, 50_000)
	fresh := uint64(1 << 20) // keys from here on are asked for once
	return []*trace{
		requested("popular", requests, func(uint64) uint64 { return zipf.Uint64() }),
		requested("scans", requests, func(i uint64) uint64 {
			if i/5000%2 == 1 {
				fresh++
				return fresh
			}
			return zipf.Uint64()
		}),
		requested("loop", requests, func(i uint64) uint64 { return i % 8000 }),
	}
}

// generatedSizes is a trace of popular keys between keys that are asked for once,
// with sizes that differ much and know nothing of how popular the key is.
func generatedSizes() *trace {
	rnd := rand.New(rand.NewPCG(7, 8))
	zipf := rand.NewZipf(rnd, 1.1, 20, 20_000)
	t := &trace{name: "sizes"}
	for i := range uint64(100_000) {
		key := zipf.Uint64()
		if i%3 == 0 {
			key = 1<<20 + i
		}
		t.keys = append(t.keys, key)
		t.sizes = append(t.sizes, 100+key*0x9e3779b97f4a7c15>>50)
	}
	t.number()
	return t
}

// leastPerShard is how many entries a shard has at least where its own order of
// eviction is asked to cost nearly no hits, and where LRU is not to be much better.
const leastPerShard = 64

// TestEngineHitsAsOftenAsItsPolicyCan replays traces through the engine with its
// defaults and with fixed numbers of shards. All numbers are percent.
func TestEngineHitsAsOftenAsItsPolicyCan(t *testing.T) {
	folder := recorded(t)
	// For generated traces the bar is half a point below what was measured when
	// the recorded ones were passed.
	traces, files, points, bar, remark := generatedTraces(), 3, 15, 29.7, "; not run: recorded traces, for want of TRACES=DIR"
	if folder != "" {
		var err error
		traces, err = readAll([]string{folder}, nil)
		require.NoError(t, err)
		files, points, bar, remark = 16, 75, 42.3, ""
	}
	require.Len(t, traces, files)

	var list []job
	sizes := usual(t)
	compete := func(c *contender, least int64) {
		for _, one := range traces {
			for _, p := range sizes.points(one) {
				if p.limit >= least {
					list = append(list, job{one, p, c})
				}
			}
		}
	}
	engine := func(name string, shards int) *contender {
		return &contender{name: name, lookEvery: 1, open: func(limit int64, _ int) (cache, error) {
			return openLocmem(locmem.Options[uint64, uint64]{MaxEntries: int(limit), Shards: shards})
		}}
	}
	lru, err := choose(contenders(0), "locmem-LRU")
	require.NoError(t, err)
	compete(nil, 0)
	compete(&lru[0], 0)
	compete(engine("defaults", 0), 0)
	compete(engine("1 shard", 1), leastPerShard)
	several := []int{2, 8, 64}
	for _, n := range several {
		compete(engine(fmt.Sprintf("%d shards", n), n), int64(n)*leastPerShard)
	}
	outcomes, err := runAll(list, runtime.GOMAXPROCS(0), func() {})
	require.NoError(t, err)

	of := map[string][]outcome{}
	best := map[string]int{} // hits of OPT
	place := func(o outcome) string { return fmt.Sprintf("%s at %d", o.trace.name, o.point.limit) }
	for _, o := range outcomes {
		of[o.contender] = append(of[o.contender], o)
		if o.contender == optName {
			best[place(o)] = o.hits
		}
	}
	for _, o := range outcomes {
		assert.LessOrEqual(t, o.held, o.point.limit, "most entries held: %s, %s", place(o), o.contender)
		assert.LessOrEqual(t, o.hits, best[place(o)], "hits, beside those of OPT: %s, %s", place(o), o.contender)
	}
	require.Len(t, of["defaults"], points)
	for i, o := range of["defaults"] {
		lru := of["locmem-LRU"][i]
		t.Logf("%s: defaults %.2f, LRU %.2f, OPT %.2f", place(o), 100*o.hitRatio(), 100*lru.hitRatio(), 100*of[optName][i].hitRatio())
		if o.point.limit >= leastPerShard {
			assert.GreaterOrEqual(t, 100*o.hitRatio(), 100*lru.hitRatio()-2, "beside LRU: %s", place(o))
		}
	}
	var apart []string
	for _, n := range several {
		cut := of[fmt.Sprintf("%d shards", n)]
		require.NotEmpty(t, cut, "%d shards", n)
		var whole []outcome
		for _, o := range of["1 shard"] {
			if o.point.limit >= int64(n)*leastPerShard {
				whole = append(whole, o)
			}
		}
		for i, o := range cut {
			require.Equal(t, n, o.shards)
			require.Equal(t, place(whole[i]), place(o))
		}
		one, many := 100*mean(whole, outcome.hitRatio), 100*mean(cut, outcome.hitRatio)
		assert.InDelta(t, one, many, 0.3, "mean of %d points with 1 shard and with %d", len(cut), n)
		apart = append(apart, fmt.Sprintf("%d: %+.2f", n, many-one))
	}
	all := func(name string) float64 { return 100 * mean(of[name], outcome.hitRatio) }
	t.Logf("figure: mean of %d points on %d traces %.2f, LRU %.2f, OPT %.2f; shards beside one %s%s",
		points, files, all("defaults"), all("locmem-LRU"), all(optName), strings.Join(apart, ", "), remark)
	assert.GreaterOrEqual(t, all("defaults"), bar, "mean with the defaults")
}

// TestWeightedEngineHitsNoLessThanLRU looks at the mean of all limits, by requests
// and by bytes, with one order of eviction.
func TestWeightedEngineHitsNoLessThanLRU(t *testing.T) {
	traces := []*trace{generatedSizes()}
	if folder := recorded(t); folder != "" {
		var err error
		traces, err = readAll(nil, []string{filepath.Join(folder, "adaptsize_cdn.sizes.csv.gz")})
		require.NoError(t, err)
	}
	engine := contender{name: "locmem", lookEvery: 1, weighted: func(limit int64, _ int) (cache, error) {
		return openLocmem(locmem.Options[uint64, uint64]{
			MaxWeight: limit, Shards: 1,
			Weigh: func(_, size uint64) int64 { return int64(size) },
		})
	}}
	lru, err := choose(contenders(1), "locmem-LRU")
	require.NoError(t, err)
	outcomes, err := runAll(jobs(traces, usual(t), []contender{engine, lru[0]}), runtime.GOMAXPROCS(0), func() {})
	require.NoError(t, err)
	require.Len(t, outcomes, 2*5)
	for _, o := range outcomes {
		assert.LessOrEqual(t, o.held, o.point.limit, "most bytes held: %s", o.contender)
		assert.Greater(t, o.held, o.point.limit/2, "most bytes held: %s", o.contender)
	}
	rows := byContender(outcomes)
	for _, m := range []struct {
		name string
		by   measure
	}{{"requests", outcome.hitRatio}, {"bytes", outcome.byteHitRatio}} {
		ours, theirs := 100*mean(rows[0], m.by), 100*mean(rows[1], m.by)
		t.Logf("mean share of %s that hit: %.2f, LRU %.2f", m.name, ours, theirs)
		assert.GreaterOrEqual(t, ours, theirs, m.name)
	}
}
