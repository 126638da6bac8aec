// SPDX-License-Identifier: MIT

package bench

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Report collects the cells of a run and writes them.
type Report struct {
	w     io.Writer
	cells []Cell
}

// NewReport returns a report that writes its tables to w as they come.
func NewReport(w io.Writer) *Report { return &Report{w: w} }

// Add writes the table of cells that differ in their goroutines alone.
func (r *Report) Add(cells []Cell) {
	r.cells = append(r.cells, cells...)
	first := cells[0]
	say(r.w, "\n%s keys, %s entries, %s: %s\n",
		first.Keys, binary(first.Entries), first.Mix.Name, first.Mix.describe())
	say(r.w, "%-28s", "ns/op (least-most) cpu")
	for _, c := range cells {
		say(r.w, "%26s", plural(c.Goroutines, "goroutine"))
	}
	say(r.w, "  %7s %9s %6s\n", "hits", "held", "B/op")
	for i, row := range first.Rows {
		say(r.w, "%-28s", row.Contender)
		hits, held, bytes := math.Inf(1), 0, 0.0
		for _, c := range cells {
			row := c.Rows[i]
			say(r.w, "%26s", fmt.Sprintf("%s (%s-%s) %s",
				digits(Median(row)), digits(row.NS[0]), digits(row.NS[len(row.NS)-1]), digits(Processor(row))))
			hits, held, bytes = min(hits, row.Hits), max(held, row.Held), max(bytes, row.BytesPerOp)
		}
		say(r.w, "  %6.2f%% %9d %6.1f\n", 100*hits, held, bytes)
	}
	for _, ratio := range tableRatios() {
		if ratio.other(first) == nil || first.Row(Subject) == nil {
			continue
		}
		say(r.w, "%-28s", ratio.name)
		for _, c := range cells {
			say(r.w, "%26s", fmt.Sprintf("%s %.2f", ratio.other(c).Contender, ratio.of(c)))
		}
		say(r.w, "  capacity %d\n", first.Entries)
	}
}

// say prints; a reader that has gone is no reason to stop measuring.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// digits writes nanoseconds.
func digits(x float64) string {
	switch {
	case math.IsNaN(x):
		return "-"
	case x < 99.95:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 0, 64)
}

// ratio is another row's measure over locmem's: above 1, locmem is faster.
type ratio struct {
	name  string
	other func(Cell) *Row
	by    Measure
}

// of is NaN for a cell without one of both rows.
func (r ratio) of(c Cell) float64 {
	other, subject := r.other(c), c.Row(Subject)
	if other == nil || subject == nil {
		return math.NaN()
	}
	return r.by(*other) / r.by(*subject)
}

func bestOver(by Measure, suffix string) ratio {
	return ratio{"best peer / locmem" + suffix, func(c Cell) *Row { return c.Best(by) }, by}
}

func namedOver(name string, by Measure, suffix string) ratio {
	return ratio{name + " / locmem" + suffix, func(c Cell) *Row { return c.Named(name) }, by}
}

func againOver(by Measure, suffix string) ratio {
	return ratio{"locmem again / locmem" + suffix, func(c Cell) *Row { return c.Row(Again) }, by}
}

func tableRatios() []ratio {
	return []ratio{
		bestOver(Median, ""), namedOver("otter", Median, ""), againOver(Median, ""),
		bestOver(Processor, ", cpu"), namedOver("otter", Processor, ", cpu"), againOver(Processor, ", cpu"),
	}
}

// Summary writes the geometric means of the ratios: over all cells and by mix,
// number of goroutines, size and kind of key; for each peer; and for the second
// locmem, which shows how much of all that is noise.
func (r *Report) Summary() {
	say(r.w, "\n%-40s %5s %6s %6s %6s  %s\n", "geometric means", "cells", "mean", "least", "most", "cells below 1")
	everywhere := func(Cell) bool { return true }
	for _, ratio := range tableRatios() {
		r.mean(ratio, everywhere)
	}
	const leastTurn = ", least of turns"
	r.mean(bestOver(Least, leastTurn), everywhere)
	r.mean(namedOver("otter", Least, leastTurn), everywhere)
	r.mean(againOver(Least, leastTurn), everywhere)
	for _, parts := range []func(Cell) string{
		func(c Cell) string { return c.Mix.Name },
		func(c Cell) string { return plural(c.Goroutines, "goroutine") },
		func(c Cell) string { return binary(c.Entries) + " entries" },
		func(c Cell) string { return c.Keys + " keys" },
	} {
		for _, part := range r.distinct(parts) {
			here := func(c Cell) bool { return parts(c) == part }
			r.mean(bestOver(Median, ", "+part), here)
			r.mean(namedOver("otter", Median, ", "+part), here)
		}
	}
	for _, name := range r.others() {
		r.mean(namedOver(name, Median, ""), everywhere)
	}
}

// Line is the result in one line: the geometric means of wall times.
func (r *Report) Line() string {
	var parts []string
	for _, ratio := range tableRatios()[:3] {
		if m := r.meanOf(ratio, func(Cell) bool { return true }); m.cells > 0 {
			parts = append(parts, fmt.Sprintf("%s %.2f", ratio.name, m.mean))
		}
	}
	return strings.Join(parts, ", ")
}

func (r *Report) mean(ratio ratio, where func(Cell) bool) {
	if m := r.meanOf(ratio, where); m.cells > 0 {
		say(r.w, "%-40s %5d %6.2f %6.2f %6.2f  %d\n", ratio.name, m.cells, m.mean, m.least, m.most, m.below)
	}
}

// means is what a ratio comes to over several cells.
type means struct {
	cells, below      int // below 1
	mean, least, most float64
}

func (r *Report) meanOf(ratio ratio, where func(Cell) bool) means {
	logs := 0.0
	m := means{least: math.Inf(1)}
	for _, c := range r.cells {
		x := ratio.of(c)
		if math.IsNaN(x) || !where(c) {
			continue
		}
		logs += math.Log(x)
		m.least, m.most = min(m.least, x), max(m.most, x)
		m.cells++
		if x < 1 {
			m.below++
		}
	}
	m.mean = math.Exp(logs / float64(m.cells))
	return m
}

// distinct returns what the cells have there, in the order of the tables.
func (r *Report) distinct(part func(Cell) string) []string {
	var parts []string
	for _, c := range r.cells {
		if !slices.Contains(parts, part(c)) {
			parts = append(parts, part(c))
		}
	}
	return parts
}

// others returns the contenders that no other line of the summary names.
func (r *Report) others() []string {
	var names []string
	for _, c := range r.cells {
		for _, row := range c.Rows {
			named := row.Role == Subject || row.Role == Again || row.Contender == "otter"
			if !named && !slices.Contains(names, row.Contender) {
				names = append(names, row.Contender)
			}
		}
	}
	return names
}

// Faults returns what must not be, whatever the times are: a hit with another
// key's value, and a locmem that holds more than its limit or loses entries of a
// set that fits.
func (r *Report) Faults() []string {
	var faults []string
	for _, c := range r.cells {
		where := fmt.Sprintf("%s keys, %d entries, %s, %s", c.Keys, c.Entries, c.Mix.Name, plural(c.Goroutines, "goroutine"))
		for _, row := range c.Rows {
			if row.Wrong > 0 {
				faults = append(faults, fmt.Sprintf("%s: %s: wrong values in %d turns", where, row.Contender, row.Wrong))
			}
			if row.Role != Subject && row.Role != Again {
				continue
			}
			if row.Held > c.Entries {
				faults = append(faults, fmt.Sprintf("%s: %s holds %d", where, row.Contender, row.Held))
			}
			if c.Mix.Span == 1 && row.Hits < 1 {
				faults = append(faults, fmt.Sprintf("%s: %s hits %.4f of keys that fit", where, row.Contender, row.Hits))
			}
		}
	}
	return faults
}

// WriteCSV writes a line for each contender and cell.
func (r *Report) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := []string{
		"keys", "entries", "mix", "goroutines", "contender", "version",
		"ns_median", "ns_min", "ns_max", "cpu_ns_median", "hits", "held", "bytes_per_op",
	}
	if err := out.Write(head); err != nil {
		return err
	}
	number := func(x float64) string { return strconv.FormatFloat(x, 'f', 4, 64) }
	for _, c := range r.cells {
		for _, row := range c.Rows {
			err := out.Write([]string{
				c.Keys, strconv.Itoa(c.Entries), c.Mix.Name, strconv.Itoa(c.Goroutines), row.Contender, row.Version,
				number(Median(row)), number(row.NS[0]), number(row.NS[len(row.NS)-1]), number(Processor(row)),
				number(row.Hits), strconv.Itoa(row.Held), number(row.BytesPerOp),
			})
			if err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

// WriteVersions writes the versions of the contenders' modules on one line.
func WriteVersions(w io.Writer) {
	versions := Versions()
	names := map[string]string{}
	for _, c := range Contenders[string]() {
		if v := versions[c.Module]; v != "" && c.Role != Again {
			names[c.Name] = v
		}
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		parts = append(parts, name+" "+names[name])
	}
	say(w, "%s\n", strings.Join(parts, ", "))
}

// binary writes a count with a binary unit where that is exact.
func binary(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d Mi", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d Ki", n>>10)
	}
	return strconv.Itoa(n)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
