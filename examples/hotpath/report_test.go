// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// figuresOf is a side of 100 requests, each answered within that time.
func figuresOf(t *testing.T, queries int64, took time.Duration, cache *cacheFigures) side {
	t.Helper()
	s := side{requests: 100, queries: queries, cache: cache, load: loadResult{elapsed: 100 * took, cpu: 60 * took, latency: newHistogram()}}
	require.NoError(t, s.load.latency.RecordValues(int64(took), 100))
	s.lookups = newHistogram()
	require.NoError(t, s.lookups.RecordValues(int64(took/2), 100))
	return s
}

func TestCountsThatDisagreeAreAnError(t *testing.T) {
	t.Parallel()
	good := cacheFigures{hits: 70, misses: 30, loads: 28, shared: 2, entries: 5, capacity: 5}
	for _, test := range []struct {
		name   string
		change func(s *side)
		want   string
	}{
		{"agreeing", func(*side) {}, ""},
		{"agreeing without cache", func(s *side) { s.cache = nil; s.queries = 100 }, ""},
		{"query without a load", func(s *side) { s.queries++ }, "28 loads, the database 29 queries"},
		{"load without a query", func(s *side) { s.queries-- }, "28 loads, the database 27 queries"},
		{"lost hit", func(s *side) { s.cache.hits-- }, "69 hits and 30 misses for 100 requests"},
		{"loads without a miss", func(s *side) { s.cache.hits, s.cache.misses = 80, 20 }, "28 loads for 20 misses"},
		{"over capacity", func(s *side) { s.cache.entries++ }, "over its capacity"},
		{"answer not timed", func(s *side) { s.requests++ }, "100 answers were timed for 101 requests"},
		{"look-up not timed", func(s *side) { s.lookups.Reset() }, "0 look-ups were timed for 100 requests"},
		{"without cache, a query too few", func(s *side) { s.cache = nil; s.queries = 99 }, "100 requests made 99 database queries"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cache := good
			s := figuresOf(t, 28, time.Millisecond, &cache)
			test.change(&s)
			if err := s.check(); test.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.want)
			}
		})
	}
}

func TestFiguresLeaveOutTheWarmUp(t *testing.T) {
	t.Parallel()
	w := testWorkload(t, 100, 1000)
	svc := testService(t, 10, w.keys...)
	_, err := replay(t.Context(), svc.addr, w, w.warmup, 4, nothing)
	require.NoError(t, err)
	before := svc.figures()
	require.NotZero(t, before.queries)
	_, err = replay(t.Context(), svc.addr, w, w.measured, 4, nothing)
	require.NoError(t, err)
	now := svc.figures().since(before)
	assert.EqualValues(t, 1000, now.cache.hits+now.cache.misses)
	assert.EqualValues(t, now.queries, now.cache.loads)
	assert.Equal(t, svc.store.Queries(), before.queries+now.queries)
	assert.Equal(t, 10, now.cache.capacity)
}

func TestReportComparesBothSides(t *testing.T) {
	t.Parallel()
	r := report{
		config: config{workers: 3, seed: 42}, work: testWorkload(t, 10, 100), answerBytes: 800, databaseBytes: 5 << 20,
		plain:  figuresOf(t, 100, 4*time.Millisecond, nil),
		cached: figuresOf(t, 25, time.Millisecond, &cacheFigures{hits: 75, misses: 25, loads: 25, entries: 4, capacity: 5}),
	}
	r.plain.memory, r.cached.memory = memory{heap: 1 << 20, rss: 9 << 20}, memory{heap: 2 << 20}
	var out bytes.Buffer
	require.NoError(t, r.write(&out))
	for _, want := range []string{
		`requests +100 +100`, `requests per second +250 +1,000`, `latency p99 +4\.\d+ ms +1\.\d+ ms`, `latency p99\.9 +4\.\d+ ms +1\.\d+ ms`,
		`look-up in the handler p50 +2\.0\d+ ms +0\.5\d+ ms`, `processor time per request +2\.4000 ms +0\.6000 ms`, `share of the processors it got +(\d+) % +(\d+) %`,
		`database queries +100 +25`, `hit ratio +- +75\.0 %`, `entries held +- +4 of 5`, `heap after GC +1\.0 MiB +2\.0 MiB`,
		`resident memory \(RSS\) +9\.0 MiB +not available`,
		`queries saved +75 of 100 \(75\.0 %\)`, `look-up p50, likewise +(4\.0|3\.9)\d`, `throughput +4\.00 times`, `p99, without : with +(4\.0|3\.9)\d`,
		`heap for it +1\.0 MiB more, 256 KiB per entry held`, `answers checked +all 220, none wrong`,
		`3 workers`, `5\.0 MiB, SQLite`, `warm-up \(10 requests`, `Seed 42`,
	} {
		assert.Regexp(t, want, out.String())
	}
}

func TestResidentMemoryComesFromTheSecondField(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "statm")
	assert.Zero(t, residentBytes(path), "no such file")
	for text, pages := range map[string]int{"900 12 3 4 0 5 0\n": 12, "900": 0, "900 many": 0, "": 0} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		assert.EqualValues(t, pages*os.Getpagesize(), residentBytes(path), text)
	}
	if runtime.GOOS == "linux" {
		assert.Greater(t, measureMemory().rss, uint64(1<<20))
	}
}
