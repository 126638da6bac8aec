// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// say prints; a reader that has gone is no reason to stop measuring.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// measure makes one number of an outcome, 0 to 1.
type measure func(outcome) float64

// writeHeading says what all tables have in common.
func writeHeading(w io.Writer, outcomes []outcome) {
	say(w, "%s %s/%s, GOMAXPROCS %d; shards of locmem: %s\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), shardsOf(outcomes))
	say(w, "Hit ratios in percent; get, and set what missed, on one goroutine.\n")
	say(w, "* held more than its capacity; beside it the most that was held, and the largest excess of the row.\n")
	say(w, "-wait: after each set waits for the contender's own goroutines; -sync: gives them none.\n")
	say(w, "Where neither stands, otter, theine and ristretto lag behind, more on a busy machine.\n")
}

// shardsOf returns the numbers of shards in the order of their size.
func shardsOf(outcomes []outcome) string {
	var shards []int
	for _, o := range outcomes {
		if o.shards > 0 {
			shards = append(shards, o.shards)
		}
	}
	slices.Sort(shards)
	list := strings.Trim(fmt.Sprint(slices.Compact(shards)), "[]")
	switch {
	case list == "":
		return "none"
	case strings.Contains(list, " "):
		return list + ", more for larger capacities"
	}
	return list
}

// writeTables writes a table for each trace, then the means over all points, for
// weighted traces of objects and of bytes.
func writeTables(w io.Writer, s sizes, outcomes []outcome) {
	writeHeading(w, outcomes)
	plain, weighted := split(outcomes)
	for _, part := range byTrace(plain) {
		t := part[0].trace
		title := fmt.Sprintf("%s: %d requests, %d keys", t.name, len(t.keys), t.distinct)
		writeTable(w, title, s, part, outcome.hitRatio)
	}
	if len(byTrace(plain)) > 1 {
		writeTable(w, "mean of "+countPoints(plain), s, plain, outcome.hitRatio)
	}
	for _, part := range byTrace(weighted) {
		t := part[0].trace
		title := fmt.Sprintf("%s: %d requests, %d keys, %d bytes; ", t.name, len(t.keys), t.distinct, t.whole)
		writeTable(w, title+"share of requests that hit", s, part, outcome.hitRatio)
		writeTable(w, title+"share of bytes that hit", s, part, outcome.byteHitRatio)
	}
}

// writeTable writes the mean of a measure for each contender and size, and over
// all sizes.
func writeTable(w io.Writer, title string, s sizes, outcomes []outcome, by measure) {
	say(w, "\n%s\n%-20s", title, "")
	for _, head := range append(s.columns(), "mean") {
		say(w, " %11s", head)
	}
	say(w, "  %s\n", "most held/capacity, excess")
	if first := outcomes[0].trace; !slices.ContainsFunc(outcomes, func(o outcome) bool { return o.trace != first }) {
		say(w, "%-20s", "capacity")
		for column := range s.columns() {
			capacity := "-"
			if here := at(outcomes, column); len(here) > 0 {
				capacity = strconv.FormatInt(here[0].point.limit, 10)
			}
			say(w, " %10s ", capacity)
		}
		say(w, "\n")
	}
	for _, row := range byContender(outcomes) {
		say(w, "%-20s", row[0].contender)
		for column := range s.columns() {
			say(w, " %s", cell(at(row, column), by))
		}
		say(w, " %s", cell(row, by))
		if row[0].contender != optName {
			factor := slices.MaxFunc(row, func(a, b outcome) int { return cmp.Compare(a.excess(), b.excess()) })
			over := slices.MaxFunc(row, func(a, b outcome) int { return cmp.Compare(a.over(), b.over()) }).over()
			say(w, " %d/%d x%.2f", factor.held, factor.point.limit, factor.excess())
			if over > 0 {
				say(w, ", +%d", over)
			}
		}
		say(w, "\n")
	}
}

// cell is a mean in percent with a star if some outcome held too much.
func cell(outcomes []outcome, by measure) string {
	if len(outcomes) == 0 {
		return fmt.Sprintf("%10s ", "-")
	}
	star := " "
	if slices.ContainsFunc(outcomes, func(o outcome) bool { return o.over() > 0 }) {
		star = "*"
	}
	return fmt.Sprintf("%10.2f%s", 100*mean(outcomes, by), star)
}

// mean of a measure; NaN for no outcome.
func mean(outcomes []outcome, by measure) float64 {
	if len(outcomes) == 0 {
		return math.NaN()
	}
	sum := 0.0
	for _, o := range outcomes {
		sum += by(o)
	}
	return sum / float64(len(outcomes))
}

// split parts the outcomes of plain traces from those of weighted ones.
func split(outcomes []outcome) (plain, weighted []outcome) {
	for _, o := range outcomes {
		if o.trace.weighted() {
			weighted = append(weighted, o)
		} else {
			plain = append(plain, o)
		}
	}
	return plain, weighted
}

// at returns the outcomes of one size.
func at(outcomes []outcome, column int) []outcome {
	var here []outcome
	for _, o := range outcomes {
		if o.point.column == column {
			here = append(here, o)
		}
	}
	return here
}

func byTrace(outcomes []outcome) [][]outcome {
	return groups(outcomes, func(o outcome) string { return o.trace.name })
}

func byContender(outcomes []outcome) [][]outcome {
	return groups(outcomes, func(o outcome) string { return o.contender })
}

// groups parts the outcomes by a name, in the order in which the names come.
func groups(outcomes []outcome, by func(outcome) string) [][]outcome {
	place := map[string]int{}
	var parts [][]outcome
	for _, o := range outcomes {
		i, ok := place[by(o)]
		if !ok {
			i = len(parts)
			place[by(o)] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], o)
	}
	return parts
}

// countPoints counts points and traces in words.
func countPoints(outcomes []outcome) string {
	return fmt.Sprintf("%d points on %d traces", len(byContender(outcomes)[0]), len(byTrace(outcomes)))
}
