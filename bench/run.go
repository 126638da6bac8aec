// SPDX-License-Identifier: MIT

// Package bench puts locmem beside other caches.
//
// All contenders of a cell live in one process and take turns, so that a busy
// machine is busy for all of them: what counts are ratios, never times. A turn is
// a fixed sequence of operations, made before it starts and the same for every
// contender of the round.
//
// The garbage collector is off while turns are timed and runs between them: its
// work would fall on whoever is at turn, for the memory of all. That is a gift to
// contenders that allocate; the bytes they allocate per operation are reported.
package bench

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Config says what is measured.
type Config struct {
	Keys       []string // "string", "uint64"
	Entries    []int    // capacities
	Mixes      []Mix
	Goroutines []int
	Contenders []string // names; none: all
	Rounds     int      // turns of each contender in each cell
	Ops        int      // timed operations of a turn, over all its goroutines
	Seed       uint64
}

// Row is what one contender did in one cell.
type Row struct {
	Contender string
	Role      Role
	Version   string
	// NS is the wall time of a turn over its operations, in nanoseconds, one for
	// each round and sorted. With several goroutines it is the inverse of their
	// common throughput.
	NS []float64
	// CPU is the time that all threads of the process ran in a turn, per
	// operation and likewise sorted; empty where the system does not tell. A busy
	// machine disturbs it less, and it has the work behind the caller's back in it.
	CPU []float64
	// Hits is the share of Gets that found their key.
	Hits float64
	// Held is the largest number of entries seen at the end of a turn.
	Held int
	// BytesPerOp is what was allocated per operation.
	BytesPerOp float64
	// Wrong is the number of turns in which some hit had another key's value.
	Wrong int
}

// Measure makes one number of a row, less being better.
type Measure func(Row) float64

// Median of the wall times.
func Median(r Row) float64 { return median(r.NS) }

// Least of the wall times: the turn that was disturbed least.
func Least(r Row) float64 { return r.NS[0] }

// Processor is the median of the processor times, NaN if there are none.
func Processor(r Row) float64 { return median(r.CPU) }

// median of what is sorted; NaN for nothing.
func median(sorted []float64) float64 {
	mid := len(sorted) / 2
	switch {
	case len(sorted) == 0:
		return math.NaN()
	case len(sorted)%2 == 1:
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// Cell is one combination of everything, with a row for each contender.
type Cell struct {
	Keys       string
	Entries    int
	Mix        Mix
	Goroutines int
	Rows       []Row
}

// Row returns the first row of that role, or nil.
func (c Cell) Row(role Role) *Row {
	for i := range c.Rows {
		if c.Rows[i].Role == role {
			return &c.Rows[i]
		}
	}
	return nil
}

// Named returns the row of that contender, or nil.
func (c Cell) Named(contender string) *Row {
	for i := range c.Rows {
		if c.Rows[i].Contender == contender {
			return &c.Rows[i]
		}
	}
	return nil
}

// Best returns the row of the peer with the least of that measure, or nil.
func (c Cell) Best(by Measure) *Row {
	var best *Row
	for i := range c.Rows {
		r := &c.Rows[i]
		if r.Role == Peer && (best == nil || by(*r) < by(*best)) {
			best = r
		}
	}
	return best
}

// Run measures every cell and hands the cells of each table to emit as soon as
// they are complete, one for each number of goroutines. It takes the process for
// itself: the garbage collector is off until it returns.
func Run(cfg Config, emit func([]Cell)) error {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for _, keys := range cfg.Keys {
		for _, entries := range cfg.Entries {
			var err error
			switch keys {
			case "string":
				err = runSize[string](cfg, keys, entries, emit)
			case "uint64":
				err = runSize[uint64](cfg, keys, entries, emit)
			default:
				err = fmt.Errorf("keys %q: want string or uint64", keys)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// runSize measures the mixes for one key type and capacity. Mixes with the same
// number of keys use the same caches one after the other.
func runSize[K Key](cfg Config, keys string, entries int, emit func([]Cell)) error {
	bySpan := map[int][]Mix{}
	var spans []int
	for _, mix := range cfg.Mixes {
		if bySpan[mix.Span] == nil {
			spans = append(spans, mix.Span)
		}
		bySpan[mix.Span] = append(bySpan[mix.Span], mix)
	}
	for _, span := range spans {
		if err := runSpan[K](cfg, keys, entries, span, bySpan[span], emit); err != nil {
			return err
		}
		runtime.GC()
	}
	return nil
}

func runSpan[K Key](cfg Config, keys string, entries, span int, mixes []Mix, emit func([]Cell)) error {
	f := &field[K]{space: NewKeyspace[K](entries*span, cfg.Seed), versions: Versions()}
	defer f.close()
	if err := f.open(cfg.Contenders, entries, span); err != nil {
		return err
	}
	for _, mix := range mixes {
		var cells []Cell
		for _, goroutines := range cfg.Goroutines {
			rows := f.play(mix, goroutines, cfg.Rounds, cfg.Ops)
			cells = append(cells, Cell{keys, entries, mix, goroutines, rows})
		}
		emit(cells)
	}
	return nil
}

// field is the contenders of a few cells, filled and at work on the same keys.
type field[K Key] struct {
	space    *Keyspace[K]
	entrants []Contender[K]
	caches   []Cache[K]
	versions map[string]string
	garbage  uint64 // bytes allocated since the last collection
}

// open makes and fills the caches. Where all keys fit, each is set once; else
// every cache is filled to its limit and then driven with twice as many
// get-or-sets as it has room for, so that its policy has found its feet.
func (f *field[K]) open(names []string, entries, span int) error {
	chosen, err := choose[K](names)
	if err != nil {
		return err
	}
	fill := f.space.All(entries)
	var drive []Op[K]
	if span > 1 {
		drive = f.space.Draw(2 * entries)
	}
	for _, c := range chosen {
		if span > 1 && c.Unbounded {
			continue
		}
		cache, err := c.New(entries)
		if err != nil {
			return err
		}
		f.entrants = append(f.entrants, c)
		f.caches = append(f.caches, cache)
		for i, op := range fill {
			cache.Set(op.Key, op.Value)
			if i%1024 == 0 {
				Settle(cache) // or ristretto drops what its queue cannot take
			}
		}
		Settle(cache)
		load(cache, drive)
		Settle(cache)
	}
	runtime.GC()
	return nil
}

func (f *field[K]) close() {
	for _, cache := range f.caches {
		Close(cache)
	}
}

// play makes the contenders take turns: all in order, then all again beginning
// with the second, and so on. The order rotates so that no one always has the
// same place after the pause between rounds.
func (f *field[K]) play(mix Mix, goroutines, rounds, count int) []Row {
	n := len(f.caches)
	rows := make([]Row, n)
	total := make([]tally, n)
	for round := range rounds {
		lead := f.space.Draw(count / 8)
		ops := f.space.Draw(count)
		for i := range n {
			at := (round + i) % n
			cache, row := f.caches[at], &rows[at]
			// The lead is not timed: it brings the cache's memory back into the
			// processor's caches after the others' turns.
			turn(cache, lead, mix, 1)
			Settle(cache)
			result := turn(cache, ops, mix, goroutines)
			row.NS = append(row.NS, float64(result.elapsed.Nanoseconds())/float64(len(ops)))
			if result.hasProcessor {
				row.CPU = append(row.CPU, float64(result.processor.Nanoseconds())/float64(len(ops)))
			}
			row.Held = max(row.Held, cache.Len())
			if result.wrong != 0 {
				row.Wrong++
			}
			total[at].hits += result.hits
			total[at].gets += result.gets
			row.BytesPerOp += float64(result.allocated) / float64(len(ops)*rounds)
			Settle(cache)
			f.collect(result.allocated)
		}
	}
	for i, c := range f.entrants {
		slices.Sort(rows[i].NS)
		slices.Sort(rows[i].CPU)
		rows[i].Contender, rows[i].Role, rows[i].Version = c.Name, c.Role, f.versions[c.Module]
		rows[i].Hits = float64(total[i].hits) / float64(max(total[i].gets, 1))
	}
	return rows
}

// garbageLimit is how much may be allocated, in bytes, before a collection is
// forced between two turns.
const garbageLimit = 1 << 30

func (f *field[K]) collect(allocated uint64) {
	f.garbage += allocated
	if f.garbage > garbageLimit {
		runtime.GC()
		f.garbage = 0
	}
}

// tally is what a goroutine saw. Every hit is compared with the value of its
// key, which also keeps the compiler from dropping the result.
type tally struct {
	gets, hits uint64
	wrong      uint64 // bits in which some value differed
}

type result struct {
	tally
	elapsed      time.Duration
	processor    time.Duration
	hasProcessor bool
	allocated    uint64 // bytes
}

// turn runs the operations on that many goroutines, each with its own part.
func turn[K Key](cache Cache[K], ops []Op[K], mix Mix, goroutines int) result {
	tallies := make([]tally, goroutines)
	start := make(chan struct{})
	var ready, done sync.WaitGroup
	for g := range goroutines {
		part := ops[len(ops)*g/goroutines : len(ops)*(g+1)/goroutines]
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			if mix.Load {
				tallies[g] = load(cache, part)
			} else {
				tallies[g] = mixed(cache, part, mix.Writes)
			}
		})
	}
	ready.Wait()
	before := allocatedBytes()
	ranBefore, _ := processorTime()
	began := time.Now()
	close(start)
	done.Wait()
	r := result{elapsed: time.Since(began)}
	r.processor, r.hasProcessor = processorTime()
	r.processor -= ranBefore
	r.allocated = allocatedBytes() - before
	for _, t := range tallies {
		r.gets += t.gets
		r.hits += t.hits
		r.wrong |= t.wrong
	}
	return r
}

func allocatedBytes() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func mixed[K Key](cache Cache[K], ops []Op[K], writes uint32) (t tally) {
	for i := range ops {
		op := &ops[i]
		if op.Dice < writes {
			cache.Set(op.Key, op.Value)
			continue
		}
		t.gets++
		if value, ok := cache.Get(op.Key); ok {
			t.hits++
			t.wrong |= value ^ op.Value
		}
	}
	return t
}

func load[K Key](cache Cache[K], ops []Op[K]) (t tally) {
	for i := range ops {
		op := &ops[i]
		t.gets++
		value, ok := cache.Get(op.Key)
		if !ok {
			cache.Set(op.Key, op.Value)
			continue
		}
		t.hits++
		t.wrong |= value ^ op.Value
	}
	return t
}
