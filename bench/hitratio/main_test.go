// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"flag"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// text is the trace as a file has it.
func text(t *trace) string {
	var out strings.Builder
	for i, key := range t.keys {
		if t.weighted() {
			out.WriteString("0," + strconv.FormatUint(key, 10) + "," + strconv.FormatUint(t.sizes[i], 10) + ",get\n")
			continue
		}
		out.WriteString(strconv.FormatUint(key, 10) + "\n")
	}
	return out.String()
}

func TestRunWritesTablesCSVAndPlots(t *testing.T) {
	folder := t.TempDir()
	table, plots := filepath.Join(folder, "out.csv"), filepath.Join(folder, "plots")
	loop := strings.Repeat("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n", 20)
	var out, progress bytes.Buffer
	require.NoError(t, run([]string{
		"-traces", write(t, folder, "zipf.keys.gz", text(generated(false))), write(t, folder, "loop.txt", loop),
		"-contenders", "locmem-TinyClock,locmem-LRU,otter-sync,golang-lru,phuslu",
		"-weighted", write(t, folder, "cdn.csv", text(generated(true))),
		"-sizes", "0.1,0.5", "-csv", table, "-plots", plots,
	}, &out, &progress))
	for _, want := range []string{
		"GOMAXPROCS " + strconv.Itoa(runtime.GOMAXPROCS(0)), "shards of locmem: 1",
		"zipf: 20000 requests, ", "loop: 320 requests, 16 keys\n", "\nmean of 3 points on 2 traces\n",
		"share of bytes that hit", "OPT", "otter-sync",
	} {
		assert.Contains(t, out.String(), want)
	}
	assert.Empty(t, progress.String(), "progress where no terminal is")

	file, err := os.Open(table)
	require.NoError(t, err)
	lines, err := csv.NewReader(file).ReadAll()
	require.NoError(t, err)
	require.NoError(t, file.Close())
	assert.Equal(t, append(csvHead(), "byte_hit_ratio"), lines[0])
	// Three points of keys with OPT, two of bytes with the three that have weights.
	require.Len(t, lines, 1+3*6+2*3)
	for _, line := range lines[1:] {
		if line[0] != "loop" {
			continue
		}
		hits := map[string]string{"OPT": "152", "locmem-LRU": "0", "golang-lru": "0"}
		if want, ok := hits[line[1]]; ok {
			assert.Equal(t, want, line[5], line[1])
		}
		assert.Equal(t, []string{"8", "0.5", "320"}, line[2:5])
	}

	for _, name := range []string{"zipf", "loop", "means", "cdn.objects", "cdn.bytes"} {
		picture, err := os.ReadFile(filepath.Join(plots, name+".png"))
		require.NoError(t, err)
		image, err := png.Decode(bytes.NewReader(picture))
		require.NoError(t, err, name)
		assert.Equal(t, 1140, image.Bounds().Dx())
		assert.Equal(t, 900, image.Bounds().Dy())
		drawing, err := os.ReadFile(filepath.Join(plots, name+".svg"))
		require.NoError(t, err)
		assert.Contains(t, string(drawing), "otter-sync")
		for tokens := xml.NewDecoder(bytes.NewReader(drawing)); ; {
			_, err := tokens.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, name)
		}
	}

	out.Reset()
	require.NoError(t, run([]string{
		"-cost", filepath.Join(folder, "zipf.keys.gz"), "-contenders", "locmem-TinyClock,otter-sync,golang-lru",
		"-sizes", "0.5", "-rounds", "2", "-ops", "1", "-means", table, "-least", "0",
	}, &out, &progress))
	for _, want := range []string{"locmem-TinyClock again", "golang-lru", "otter-sync", "mean of 0 % or more: "} {
		assert.Contains(t, out.String(), want)
	}
}

func TestCSVOfKeysHasNoColumnOfBytes(t *testing.T) {
	var out bytes.Buffer
	one := &trace{name: "one", keys: []uint64{1, 1, 2}}
	require.NoError(t, writeCSV(&out, []outcome{
		{trace: one, point: point{limit: 7, share: 0.25}, contender: "locmem-LRU", tally: tally{hits: 1}, held: 6, shards: 4},
	}))
	assert.Equal(t, strings.Join(csvHead(), ",")+"\none,locmem-LRU,7,0.25,3,1,0.333333,6,"+
		strconv.Itoa(runtime.GOMAXPROCS(0))+",4\n", out.String())
}

func TestMeansOfTracesWithoutSizesAreReadBack(t *testing.T) {
	one := &trace{name: "one", keys: []uint64{1, 1, 2, 2}}
	heavy := &trace{name: "heavy", keys: []uint64{1, 1}, sizes: []uint64{5, 5}}
	var out bytes.Buffer
	require.NoError(t, writeCSV(&out, []outcome{
		{trace: one, contender: "a", point: point{limit: 2}, tally: tally{hits: 1}, held: 2},
		{trace: one, contender: "a", point: point{limit: 3}, tally: tally{hits: 2}, held: 3},
		{trace: one, contender: "b", point: point{limit: 2}, tally: tally{hits: 1}, held: 3},
		{trace: heavy, contender: "a", point: point{limit: 2}, tally: tally{hits: 2}, held: 3},
	}))
	means, err := readMeans(write(t, t.TempDir(), "out.csv", out.String()))
	require.NoError(t, err)
	assert.Equal(t, map[string]knownMean{"a": {percent: 37.5}, "b": {percent: 25, over: true}}, means)
}

func TestTableFlagsAndTellsExcess(t *testing.T) {
	one := &trace{name: "one", keys: []uint64{1, 1, 2, 2}}
	var out bytes.Buffer
	writeTable(&out, "title", sizes{shares: []float64{0.1, 0.2}}, []outcome{
		{trace: one, contender: "a", point: point{limit: 10}, tally: tally{hits: 1}, held: 15},
		{trace: one, contender: "a", point: point{limit: 100, column: 1}, tally: tally{hits: 2}, held: 120},
	}, outcome.hitRatio)
	got := strings.Fields(out.String())
	assert.Equal(t, []string{"a", "25.00*", "50.00*", "37.50*", "15/10", "x1.50,", "+20"}, got[len(got)-7:])
}

func TestCostsNameTheFastestPeerThatHitsEnough(t *testing.T) {
	one := &trace{name: "one", keys: []uint64{1}}
	entrant := func(name string, mean float64, ns ...float64) *racer {
		return &racer{job: job{trace: one}, name: name, ns: ns, mean: knownMean{percent: mean}}
	}
	var out bytes.Buffer
	costs{least: 40}.write(&out, []*racer{
		entrant("locmem-TinyClock", 42, 30, 10, 20), entrant("fast", 39, 1), entrant("slow", 41, 80), entrant("good", 40, 50, 30),
	}, 0)
	assert.Contains(t, out.String(), "40 % or more: good, locmem-TinyClock takes 0.50 times as long")
}

func TestFaultsAreNamedBeforeAnythingRuns(t *testing.T) {
	folder := t.TempDir()
	trace := write(t, folder, "one.txt", "1\n2\n")
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no trace", nil, "no traces"},
		{"missing", []string{"-traces", filepath.Join(folder, "none")}, "none: no such file"},
		{"malformed", []string{"-traces", write(t, folder, "bad.txt", "1\nx\n")}, `bad.txt:2: key "x"`},
		{"contender", []string{"-traces", trace, "-contenders", "locmem-LRU,nobody"}, `no contender "nobody"; there are locmem-TinyClock,`},
		{"pattern", []string{"-traces", trace, "-contenders", "("}, "-contenders: "},
		{"size 0", []string{"-traces", trace, "-sizes", "0.1,0"}, `-sizes: "0" is not a share`},
		{"size above 1", []string{"-traces", trace, "-sizes", "1.5"}, `-sizes: "1.5" is not a share`},
		{"size NaN", []string{"-traces", trace, "-sizes", "NaN"}, `-sizes: "NaN" is not a share`},
		{"capacity", []string{"-traces", trace, "-cap", "100,-1"}, `-cap: "-1" is not a positive`},
		{"least", []string{"-traces", trace, "-min", "0"}, "-min: 0"},
		{"workers", []string{"-traces", trace, "-j", "0"}, "-j: 0"},
		{"shards", []string{"-traces", trace, "-shards", "-1"}, "-shards: -1"},
		{"rounds", []string{"-traces", trace, "-rounds", "0"}, "-rounds: 0"},
		{"requests", []string{"-traces", trace, "-ops", "0"}, "-ops: 0"},
		{"means missing", []string{"-traces", trace, "-means", filepath.Join(folder, "no.csv")}, "no.csv: no such file"},
		{"means of another kind", []string{"-traces", trace, "-means", trace}, "not a file written by -csv"},
		{"cost of bytes", []string{"-cost", "-weighted", trace}, "-cost goes with -traces"},
		{"cost without locmem", []string{"-cost", "-traces", trace, "-contenders", "otter"}, "none of the contenders is a locmem"},
		{"all sizes too small", []string{"-traces", trace}, "nothing to replay"},
		{"csv cannot be written", []string{"-traces", trace, "-min", "1", "-sizes", "1", "-csv", filepath.Join(folder, "none", "out.csv")}, "out.csv: no such file"},
		{"flag", []string{"-unknown"}, "-unknown"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			require.ErrorContains(t, run(test.args, &out, io.Discard), test.want)
			assert.Empty(t, out.String())
		})
	}
}

func TestHelpHasAnExample(t *testing.T) {
	var out bytes.Buffer
	require.ErrorIs(t, run([]string{"-h"}, &out, io.Discard), flag.ErrHelp)
	assert.Contains(t, out.String(), "go run ./hitratio -traces FOLDER")
	assert.Contains(t, out.String(), "-contenders names")
}

func TestContendersAreChosenByNameOrPattern(t *testing.T) {
	tests := []struct{ wanted, want string }{
		{"", names(contenders(0))},
		{"otter", "otter"},
		{"golang-lru-arc,otter-sync", "otter-sync, golang-lru-arc"},
		{"^otter,LRU", "locmem-LRU, otter-sync, otter"},
		{"-wait$", "theine-wait, ristretto-wait"},
	}
	for _, test := range tests {
		t.Run(test.wanted, func(t *testing.T) {
			chosen, err := choose(contenders(0), test.wanted)
			require.NoError(t, err)
			assert.Equal(t, test.want, names(chosen))
		})
	}
}

func TestFlagsMayStandBetweenTraces(t *testing.T) {
	cfg, err := parse([]string{"a", "-traces", "b", "c", "-j", "3", "d"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c", "d"}, cfg.traces)
	assert.Equal(t, 3, cfg.workers)
}
