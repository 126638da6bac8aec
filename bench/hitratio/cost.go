// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/locmem/locmem/bench"
)

// costs says how times are measured.
type costs struct {
	rounds int
	// requests is how many a turn has at least: a trace that is shorter is
	// replayed again, each time from an empty cache.
	requests int
	means    map[string]knownMean // of an earlier run; nil: of this one
	least    float64              // percent; of the peers with no less the fastest is named
}

// racer is a contender with its times at one point.
type racer struct {
	job
	name     string
	ns       []float64 // per request, by round
	hitRatio float64   // percent
	mean     knownMean // over all points
}

func (r racer) median() float64 {
	return bench.Median(bench.Row{NS: slices.Sorted(slices.Values(r.ns))})
}

// writeCosts lets the contenders take turns at each point, A B C, B C A, C A B,
// and writes their times and the ratios of the first locmem to each. It takes
// part a second time: what that ratio differs from 1 by is noise. The garbage
// collector is off in a turn and runs before it; work that a contender left to
// other goroutines is waited for after it, untimed.
func writeCosts(w io.Writer, c costs, traces []*trace, s sizes, chosen []contender, turned func()) error {
	base := baseOf(chosen)
	if base < 0 {
		return fmt.Errorf("-cost: none of the contenders is a locmem: %s", names(chosen))
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var races [][]*racer
	for _, t := range traces {
		for _, p := range s.points(t) {
			race := make([]*racer, 0, len(chosen)+1)
			for i := range chosen {
				race = append(race, &racer{job: job{t, p, &chosen[i]}, name: chosen[i].name})
			}
			race = append(race, &racer{job: race[base].job, name: race[base].name + " again"})
			if err := c.run(race, turned); err != nil {
				return err
			}
			races = append(races, race)
		}
	}
	for i := range races[0] {
		sum := 0.0
		for _, race := range races {
			sum += race[i].hitRatio
		}
		for _, race := range races {
			race[i].mean = knownMean{percent: sum / float64(len(races))}
			if c.means == nil {
				continue
			}
			var ok bool
			if race[i].mean, ok = c.means[race[i].contender.name]; !ok {
				race[i].mean.percent = math.NaN()
			}
		}
	}
	say(w, "%s %s/%s, GOMAXPROCS %d; get, and set what missed, on one goroutine; %d rounds\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), c.rounds)
	if c.means != nil {
		say(w, "mean: the mean hit ratio of an earlier run; * in it the contender held more than its capacity\n")
	}
	for _, race := range races {
		c.write(w, race, base)
	}
	return nil
}

// baseOf returns the place of the first locmem, -1 if there is none.
func baseOf(chosen []contender) int {
	return slices.IndexFunc(chosen, func(c contender) bool { return isLocmem(c.name) })
}

func isLocmem(name string) bool { return strings.HasPrefix(name, "locmem") }

func (c costs) run(race []*racer, turned func()) error {
	for round := range c.rounds {
		for i := range race {
			if err := race[(round+i)%len(race)].turn(c.requests); err != nil {
				return err
			}
			turned()
		}
	}
	return nil
}

// turn replays the trace on fresh caches, often enough for that many requests.
func (r *racer) turn(requests int) error {
	keys, values := r.trace.keys, r.trace.values()
	var elapsed time.Duration
	done := 0
	for done < requests {
		runtime.GC()
		c, err := r.open()
		if err != nil {
			return err
		}
		began := time.Now()
		t := replay(c, keys, values)
		elapsed += time.Since(began)
		bench.Settle(c)
		bench.Close(c)
		if t.wrong != 0 {
			return fmt.Errorf("%s at %d of %s: %w", r.name, r.point.limit, r.trace.name, errWrong)
		}
		r.hitRatio = 100 * float64(t.hits) / float64(len(keys))
		done += len(keys)
	}
	r.ns = append(r.ns, float64(elapsed.Nanoseconds())/float64(done))
	return nil
}

func (c costs) write(w io.Writer, race []*racer, base int) {
	first := race[base]
	say(w, "\n%s, capacity %d (%.3g %% of its keys)\n", first.trace.name, first.point.limit, 100*first.point.share)
	say(w, "%-24s %9s %17s %19s %7s %7s\n", "ns per request", "median", "least-most", first.name+"/it", "hits", "mean")
	for _, r := range race {
		star := ""
		if r.mean.over {
			star = "*"
		}
		say(w, "%-24s %9.1f %17s %19.2f %7.2f %7.2f%s\n", r.name, r.median(),
			fmt.Sprintf("%.1f-%.1f", slices.Min(r.ns), slices.Max(r.ns)), first.median()/r.median(), r.hitRatio, r.mean.percent, star)
	}
	var best *racer
	for _, r := range race {
		if !isLocmem(r.name) && r.mean.percent >= c.least && (best == nil || r.median() < best.median()) {
			best = r
		}
	}
	if best != nil {
		say(w, "fastest peer with a mean of %g %% or more: %s, %s takes %.2f times as long\n",
			c.least, best.name, first.name, first.median()/best.median())
	}
}
