// SPDX-License-Identifier: MIT

package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
)

// csvHead has the columns of the file; with weighted traces one more follows.
func csvHead() []string {
	return []string{
		"trace", "contender", "capacity", "share", "requests", "hits", "hit_ratio",
		"largest_len", "gomaxprocs", "shards",
	}
}

// writeCSV writes a line for each outcome. Ratios are 0 to 1; capacity and
// largest_len of a weighted trace are bytes; shards are locmem's, else empty.
func writeCSV(w io.Writer, outcomes []outcome) error {
	weighted := slices.ContainsFunc(outcomes, func(o outcome) bool { return o.trace.weighted() })
	head := csvHead()
	if weighted {
		head = append(head, "byte_hit_ratio")
	}
	out := csv.NewWriter(w)
	if err := out.Write(head); err != nil {
		return err
	}
	ratio := func(x float64) string { return strconv.FormatFloat(x, 'f', 6, 64) }
	for _, o := range outcomes {
		shards := ""
		if o.shards > 0 {
			shards = strconv.Itoa(o.shards)
		}
		line := []string{
			o.trace.name, o.contender, strconv.FormatInt(o.point.limit, 10),
			strconv.FormatFloat(o.point.share, 'g', 6, 64), strconv.Itoa(len(o.trace.keys)),
			strconv.Itoa(o.hits), ratio(o.hitRatio()), strconv.FormatInt(o.held, 10),
			strconv.Itoa(runtime.GOMAXPROCS(0)), shards,
		}
		if weighted {
			bytes := ""
			if o.trace.weighted() {
				bytes = ratio(o.byteHitRatio())
			}
			line = append(line, bytes)
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// knownMean is a mean hit ratio of an earlier run.
type knownMean struct {
	percent float64
	over    bool // the contender held more than its capacity
}

// readMeans returns the mean of each contender in a file of writeCSV, over the
// traces without sizes.
func readMeans(path string) (map[string]knownMean, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	lines, err := csv.NewReader(file).ReadAll()
	_ = file.Close() // it was only read
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	head := csvHead()
	if len(lines) == 0 || len(lines[0]) < len(head) || !slices.Equal(lines[0][:len(head)], head) {
		return nil, fmt.Errorf("%s: not a file written by -csv: its first line differs", path)
	}
	means, points := map[string]knownMean{}, map[string]float64{}
	for i, line := range lines[1:] {
		if len(line) > len(head) && line[len(head)] != "" {
			continue
		}
		var numbers [3]float64
		for n, column := range []string{"capacity", "hit_ratio", "largest_len"} {
			text := line[slices.Index(head, column)]
			if numbers[n], err = strconv.ParseFloat(text, 64); err != nil {
				return nil, fmt.Errorf("%s:%d: %s %q is not a number", path, i+2, column, text)
			}
		}
		name := line[slices.Index(head, "contender")]
		m := means[name]
		m.percent += 100 * numbers[1]
		m.over = m.over || numbers[2] > numbers[0]
		means[name] = m
		points[name]++
	}
	for name, m := range means {
		m.percent /= points[name]
		means[name] = m
	}
	return means, nil
}
