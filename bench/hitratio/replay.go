// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/locmem/locmem/bench"
	"golang.org/x/sync/errgroup"
)

// point is one size of cache for one trace.
type point struct {
	limit   int64   // entries, or bytes of a weighted trace
	share   float64 // of what all keys take
	entries int     // how many are expected to fit
	column  int     // which of the sizes asked for it is
}

// sizes says which points there are.
type sizes struct {
	shares []float64 // of the distinct keys, or of their bytes
	limits []int64   // instead of shares
	least  int       // points for fewer entries are left out
}

// points of a trace, by column.
func (s sizes) points(t *trace) []point {
	var points []point
	add := func(p point) {
		if p.entries >= s.least {
			points = append(points, p)
		}
	}
	for i, limit := range s.limits {
		share := float64(limit) / float64(t.whole)
		add(point{limit, share, int(math.Round(share * float64(t.distinct))), i})
	}
	if len(s.limits) > 0 {
		return points
	}
	for i, share := range s.shares {
		limit := int64(math.Round(share * float64(t.whole)))
		add(point{limit, share, int(math.Round(share * float64(t.distinct))), i})
	}
	return points
}

// columns are the headings of the sizes.
func (s sizes) columns() []string {
	var heads []string
	for _, limit := range s.limits {
		heads = append(heads, strconv.FormatInt(limit, 10))
	}
	if len(heads) > 0 {
		return heads
	}
	for _, share := range s.shares {
		heads = append(heads, strconv.FormatFloat(100*share, 'g', 4, 64)+" %")
	}
	return heads
}

// outcome is what one contender did at one point.
type outcome struct {
	trace     *trace
	point     point
	contender string
	tally
	held   int64 // the most it was seen to hold, in the unit of the limit
	shards int   // of locmem; 0 for others
	lags   bool
}

func (o outcome) hitRatio() float64 { return float64(o.hits) / float64(len(o.trace.keys)) }

// excess is how many times its limit the contender held at most.
func (o outcome) excess() float64 { return float64(o.held) / float64(o.point.limit) }

// over is by how much the contender held more than its limit, at most.
func (o outcome) over() int64 { return max(0, o.held-o.point.limit) }

// byteHitRatio is the share of the bytes asked for that were found.
func (o outcome) byteHitRatio() float64 {
	all := 0.0
	for _, size := range o.trace.sizes {
		all += float64(size)
	}
	return float64(o.volume) / all
}

// tally is what the requests of a replay met.
type tally struct {
	hits   int
	volume uint64 // the sum of the values at the hits
	wrong  uint64 // bits in which a hit differed from the request's value
}

// replay drives a cache as its users do: Get, and Set what missed.
func replay(c cache, keys, values []uint64) (t tally) {
	for i, key := range keys {
		value, found := c.Get(key)
		if !found {
			c.Set(key, values[i])
			continue
		}
		t.hits++
		t.volume += values[i]
		t.wrong |= value ^ values[i]
	}
	return t
}

// watched notes the largest Len of a cache.
type watched struct {
	cache
	every int // Sets between two looks
	sets  int
	most  int
}

func (w *watched) Set(key, value uint64) {
	w.cache.Set(key, value)
	if w.sets++; w.sets%w.every == 0 {
		w.most = max(w.most, w.Len())
	}
}

// job is a replay to be made; without a contender it is that of OPT.
type job struct {
	trace     *trace
	point     point
	contender *contender
}

// jobs are all replays, by trace, point and contender. OPT comes first; for
// weighted traces it is left out, since no quick way to it is known.
func jobs(traces []*trace, s sizes, chosen []contender) []job {
	var list []job
	for _, t := range traces {
		for _, p := range s.points(t) {
			if !t.weighted() {
				list = append(list, job{t, p, nil})
			}
			for i := range chosen {
				if !t.weighted() || chosen[i].weighted != nil {
					list = append(list, job{t, p, &chosen[i]})
				}
			}
		}
	}
	return list
}

// runAll runs the jobs, so many at a time, and calls done after each.
func runAll(list []job, workers int, done func()) ([]outcome, error) {
	outcomes := make([]outcome, len(list))
	var group errgroup.Group
	group.SetLimit(workers)
	for i, j := range list {
		group.Go(func() (err error) {
			outcomes[i], err = j.run()
			done()
			return err
		})
	}
	return outcomes, group.Wait()
}

func (j job) run() (outcome, error) {
	o := outcome{trace: j.trace, point: j.point}
	if j.contender == nil {
		o.contender = optName
		hits, most := opt(j.trace.ids, j.trace.distinct, int(j.point.limit))
		o.hits, o.held = hits, int64(most)
		return o, nil
	}
	o.contender, o.lags = j.contender.name, j.contender.lags
	c, err := j.open()
	if err != nil {
		return o, err
	}
	defer bench.Close(c)
	if s, ok := c.(interface{ Shards() int }); ok {
		o.shards = s.Shards()
	}
	w := &watched{cache: c, every: j.contender.lookEvery}
	if j.trace.weighted() && !isLocmem(o.contender) {
		w.every = seldom // most peers' weights are summed up over their entries
	}
	o.tally = replay(w, j.trace.keys, j.trace.values())
	o.held = int64(max(w.most, c.Len()))
	if o.wrong != 0 && !j.trace.weighted() {
		return o, fmt.Errorf("%s at %d of %s: %w", o.contender, j.point.limit, j.trace.name, errWrong)
	}
	return o, nil
}

var errWrong = errors.New("a hit had another key's value")

func (j job) open() (cache, error) {
	open := j.contender.open
	if j.trace.weighted() {
		open = j.contender.weighted
	}
	c, err := open(j.point.limit, j.point.entries)
	if err != nil {
		return nil, fmt.Errorf("%s at %d: %w", j.contender.name, j.point.limit, err)
	}
	return c, nil
}
