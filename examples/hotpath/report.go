// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/dustin/go-humanize"
)

// side is what one half of the demonstration measured: the measured requests
// alone, without the warm-up.
type side struct {
	load     loadResult
	lookups  *hdrhistogram.Histogram // nanoseconds, in the handler, one value per request
	requests int
	queries  int64 // counted where the database is asked
	cache    *cacheFigures
	memory   memory
}

// cacheFigures are those of the side with the cache.
type cacheFigures struct {
	hits, misses, loads, shared uint64
	entries, capacity           int
}

func (c cacheFigures) hitRatio() float64 { return float64(c.hits) / float64(c.hits+c.misses) }

// check returns an error unless the counts, which the load generator, the cache
// and the store made independently of each other, agree.
func (s side) check() error {
	if n := s.load.latency.TotalCount(); n != int64(s.requests) {
		return fmt.Errorf("%d answers were timed for %d requests", n, s.requests)
	}
	if n := s.lookups.TotalCount(); n != int64(s.requests) {
		return fmt.Errorf("%d look-ups were timed for %d requests", n, s.requests)
	}
	if s.cache == nil {
		if s.queries != int64(s.requests) {
			return fmt.Errorf("without the cache %d requests made %d database queries", s.requests, s.queries)
		}
		return nil
	}
	c := s.cache
	switch {
	case s.queries != int64(c.loads):
		return fmt.Errorf("the cache counted %d loads, the database %d queries", c.loads, s.queries)
	case c.hits+c.misses != uint64(s.requests):
		return fmt.Errorf("the cache counted %d hits and %d misses for %d requests", c.hits, c.misses, s.requests)
	case c.loads > c.misses:
		return fmt.Errorf("the cache counted %d loads for %d misses", c.loads, c.misses)
	case c.entries > c.capacity:
		return fmt.Errorf("the cache holds %d entries, over its capacity of %d", c.entries, c.capacity)
	}
	return nil
}

// figures returns the counts so far.
func (s *service) figures() side {
	now := side{queries: s.store.Queries()}
	if s.cache != nil {
		st := s.cache.Stats()
		now.cache = &cacheFigures{
			hits: st.Hits, misses: st.Misses, loads: st.Loads, shared: st.LoadsShared,
			entries: s.cache.Len(), capacity: s.capacity,
		}
	}
	return now
}

// since leaves the counts made after before.
func (s side) since(before side) side {
	s.queries -= before.queries
	if s.cache != nil {
		s.cache.hits -= before.cache.hits
		s.cache.misses -= before.cache.misses
		s.cache.loads -= before.cache.loads
		s.cache.shared -= before.cache.shared
	}
	return s
}

// memory is the memory of the whole process: service, cache, SQLite and clients.
type memory struct {
	heap uint64 // bytes of live objects after a collection
	rss  uint64 // resident bytes after a collection; 0: this system does not tell
}

func measureMemory() memory {
	runtime.GC()
	debug.FreeOSMemory() // a second collection empties the pools; what is free goes back
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return memory{heap: stats.HeapAlloc, rss: residentBytes("/proc/self/statm")}
}

// residentBytes reads Linux's statm file, whose second number is in pages.
func residentBytes(path string) uint64 {
	statm, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// report is everything that the demonstration has to say at its end.
type report struct {
	config        config
	work          *workload
	answerBytes   int // mean length of an answer's body
	databaseBytes int64
	plain, cached side
}

func (r report) write(out io.Writer) error {
	var text bytes.Buffer
	a, b := r.plain, r.cached
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	row := func(name, plain, cached string) { say(table, "%s\t%s\t%s\n", name, plain, cached) }
	both := func(name string, value func(side) string) { row(name, value(a), value(b)) }

	row("", "without cache", "with locmem")
	both("requests", func(s side) string { return count(s.requests) })
	both("elapsed", func(s side) string { return fmt.Sprintf("%.2f s", s.load.elapsed.Seconds()) })
	both("requests per second", func(s side) string { return count(int(s.rate())) })
	for _, p := range []float64{50, 99, 99.9} {
		both(fmt.Sprintf("latency p%v", p), func(s side) string { return milliseconds(percentile(s.load.latency, p)) })
	}
	for _, p := range []float64{50, 99} {
		both(fmt.Sprintf("look-up in the handler p%v", p), func(s side) string { return milliseconds(percentile(s.lookups, p)) })
	}
	both("processor time per request", func(s side) string {
		if s.load.cpu == 0 {
			return "not available"
		}
		return milliseconds(s.load.cpu / time.Duration(s.requests))
	})
	both("share of the processors it got", func(s side) string {
		if s.load.cpu == 0 {
			return "not available"
		}
		return fmt.Sprintf("%.0f %%", 100*s.load.cpu.Seconds()/s.load.elapsed.Seconds()/float64(runtime.GOMAXPROCS(0)))
	})
	both("database queries", func(s side) string { return count(int(s.queries)) })
	row("hit ratio", "-", fmt.Sprintf("%.1f %%", 100*b.cache.hitRatio()))
	row("requests that joined another's load", "-", count(int(b.cache.shared)))
	row("entries held", "-", fmt.Sprintf("%s of %s", count(b.cache.entries), count(b.cache.capacity)))
	both("heap after GC", func(s side) string { return humanize.IBytes(s.memory.heap) })
	both("resident memory (RSS)", func(s side) string {
		if s.memory.rss == 0 {
			return "not available"
		}
		return humanize.IBytes(s.memory.rss)
	})
	if err := table.Flush(); err != nil {
		return err
	}

	saved := a.queries - b.queries
	say(&text, `
What the cache did
  queries saved         %s of %s (%.1f %%)
  throughput            %.2f times that without
  p50, without : with   %.2f
  p99, without : with   %.2f
  look-up p50, likewise %.2f
  heap for it           %s
  answers checked       all %s, none wrong; loads = database queries = %s
`,
		count(int(saved)), count(int(a.queries)), 100*float64(saved)/float64(a.queries),
		b.rate()/a.rate(),
		ratio(a.load.latency, b.load.latency, 50),
		ratio(a.load.latency, b.load.latency, 99),
		ratio(a.lookups, b.lookups, 50),
		heapForCache(a.memory.heap, b.memory.heap, b.cache.entries),
		count(2*(len(r.work.warmup)+len(r.work.measured))), count(int(b.queries)))

	say(&text, `
Small print
  - %s; GOMAXPROCS %d of %d CPUs. Clients, service, cache and database share one process, so part of each
    processor goes to the load generator, on both sides alike. A latency is the client's, from sending to the last
    byte; a look-up is the part in which the handler finds the product. A small or uneven share of the processors
    means that other programs ran: then trust the processor time per request more than the rates.
  - %d workers, each on its own kept connection, each sending its next request when its last is answered
    (a closed loop: latencies are those under full load). Real HTTP over loopback; no delay is added anywhere.
  - Database: %s, SQLite in WAL mode on a disk file, also cached by the operating system; %d connections,
    a page cache of %s each; one prepared statement: a product with its brand, category, stock and newest
    reviews, all by primary key. The same on both sides, opened anew for each. The hot rows are in SQLite's page
    cache too; misses of locmem are the cold ones, so they usually cost more than the average query.
    Answers: %s of JSON on average, encoded for each request.
  - Both sides got the same warm-up (%s requests, not measured, the cache starting empty), then the same
    %s requests, without the cache first. Seed %d. Memory is the whole process's; the second side's RSS
    contains what SQLite's and Go's allocators kept from the first.
`,
		runtime.Version(), runtime.GOMAXPROCS(0), runtime.NumCPU(),
		r.config.workers,
		humanize.IBytes(uint64(r.databaseBytes)), connections, humanize.IBytes(pageCacheKiB*1024), humanize.IBytes(uint64(r.answerBytes)),
		count(len(r.work.warmup)), count(len(r.work.measured)), r.config.seed)
	_, err := text.WriteTo(out)
	return err
}

func (s side) rate() float64 { return float64(s.requests) / s.load.elapsed.Seconds() }

func percentile(h *hdrhistogram.Histogram, p float64) time.Duration {
	return time.Duration(h.ValueAtPercentile(p))
}

// heapForCache says by how much the heap is larger with the cache.
func heapForCache(without, with uint64, entries int) string {
	if with <= without || entries == 0 {
		return "none that could be measured"
	}
	more := with - without
	return fmt.Sprintf("%s more, %s per entry held", humanize.IBytes(more), humanize.IBytes(more/uint64(entries)))
}

func ratio(a, b *hdrhistogram.Histogram, p float64) float64 {
	return float64(percentile(a, p)) / float64(percentile(b, p))
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 4, 64) + " ms"
}

// say prints; that nobody can be told anything any more is no reason to stop.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

func count(n int) string { return humanize.Comma(int64(n)) }
