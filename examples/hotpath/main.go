// SPDX-License-Identifier: MIT

// Hotpath shows what a cache in the process does for a service on a database.
//
// It fills a SQLite database on disk, serves it over HTTP, and sends the service
// the same requests twice: first each asks the database, then locmem stands in
// the handler. It checks every answer, compares the two, and ends by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// config is what the flags say.
type config struct {
	addr     string
	requests int
	workers  int
	keys     int
	capacity int // 0: a tenth of the products
	seed     uint64
	zipf     float64
	trace    string
	serve    bool
	dir      string // "": a temporary one
}

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := mainCode(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// mainCode is main without the process around it: it returns the exit code.
func mainCode(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parseFlags(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		say(stderr, "%v\nhotpath -h lists the flags\n", err)
		return exitUsage
	}
	err = run(ctx, c, stdout, stderr)
	if err != nil && terminal(stderr) {
		say(stderr, "\n") // there may be half a bar
	}
	switch {
	case err != nil && ctx.Err() != nil:
		say(stderr, "hotpath: interrupted\n")
		return exitInterrupted
	case err != nil:
		say(stderr, "hotpath: %v\n", err)
		return exitFailed
	}
	return 0
}

// parseFlags returns an error with one line for each flag that cannot be used.
func parseFlags(args []string, help io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("hotpath", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.addr, "addr", "127.0.0.1:0", "`host:port` to serve on; port 0: any free one")
	flags.IntVar(&c.requests, "requests", 100_000, "measured requests on each side; a tenth as many go before, as the warm-up")
	flags.IntVar(&c.workers, "workers", 16, "client connections, each with one request under way")
	flags.IntVar(&c.keys, "keys", 100_000, "products in the table")
	flags.IntVar(&c.capacity, "capacity", 0, "entries that the cache may hold; 0: a tenth of the products")
	flags.Uint64Var(&c.seed, "seed", 1, "seed of the products and of the requests")
	flags.Float64Var(&c.zipf, "zipf", 1.0, "exponent `s` of Zipf's law: the product of rank r is asked for in proportion to 1/r^s")
	flags.StringVar(&c.trace, "trace", "", "take the requests from `file`: one decimal key a line, plain or gzip")
	flags.BoolVar(&c.serve, "serve", false, "after the run, serve with the cache until interrupted")
	flags.StringVar(&c.dir, "db", "", "keep the database in `dir` and use it again; empty: a temporary one")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		say(help, "hotpath: a service on SQLite, measured without and with locmem\n")
		flags.SetOutput(help)
		flags.PrintDefaults()
		return c, err
	} else if err != nil {
		return c, fmt.Errorf("hotpath: %w", err)
	}

	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("hotpath: "+format, args...)) }
	within := func(name string, n, low, high int) {
		if n < low || n > high {
			fault("-%s must be from %d to %d, not %d", name, low, high, n)
		}
	}
	within("requests", c.requests, 1, 100_000_000)
	within("workers", c.workers, 1, 1_000)
	within("keys", c.keys, 1, 10_000_000)
	within("capacity", c.capacity, 0, math.MaxInt32)
	if !(c.zipf >= 0 && c.zipf <= 10) { // written so that NaN is out as well
		fault("-zipf must be from 0 to 10, not %v", c.zipf)
	}
	if _, err := net.ResolveTCPAddr("tcp", c.addr); err != nil {
		fault("-addr must be host:port: %v", err)
	}
	if c.trace != "" {
		flags.Visit(func(f *flag.Flag) {
			if f.Name == "keys" || f.Name == "zipf" {
				fault("-%s cannot be used with -trace: the trace decides it", f.Name)
			}
		})
	}
	for _, arg := range flags.Args() {
		fault("unexpected argument %q", arg)
	}
	return c, errors.Join(faults...)
}

func run(ctx context.Context, c config, stdout, stderr io.Writer) (err error) {
	work, err := makeWorkload(c)
	if err != nil {
		return err
	}
	if c.capacity == 0 {
		c.capacity = max(1, len(work.keys)/10)
	}
	r := report{config: c, work: work}
	if work.sums, r.answerBytes, err = checksums(c.seed, work.keys); err != nil {
		return err
	}
	say(stdout, "GET /product/{id} over SQLite, first without a cache, then with locmem (%s entries)\n", count(c.capacity))
	say(stdout, "Requests: %s\n", work.origin)

	dir, cleanUp, err := databaseDir(c.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cleanUp()) }()
	started := time.Now()
	path, reused, err := makeDatabase(ctx, dir, c.seed, work.keys, progress(stderr, "filling the database", len(work.keys)))
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	r.databaseBytes = info.Size()
	how := fmt.Sprintf("filled in %.1f s", time.Since(started).Seconds())
	if reused {
		how = "kept by an earlier run"
	}
	say(stdout, "Database: %s, %s products, %s\n\n", path, count(len(work.keys)), how)

	plain, err := r.runSide(ctx, path, 0, &r.plain, stderr)
	if err != nil {
		return err
	}
	if err = plain.stop(); err != nil {
		return err
	}
	cached, err := r.runSide(ctx, path, c.capacity, &r.cached, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cached.stop()) }()
	if err = r.write(stdout); err != nil {
		return err
	}
	if c.serve {
		say(stdout, "\nServing with the cache until interrupted (Ctrl-C):\n  http://%s/product/%d\n  http://%s/stats\n",
			cached.addr, work.keys[work.measured[0]], cached.addr)
		select {
		case <-ctx.Done():
		case err := <-cached.served:
			cached.served <- err // for stop
		}
	}
	return nil
}

func makeWorkload(c config) (*workload, error) {
	if c.trace == "" {
		return zipfWorkload(c.seed, c.zipf, c.keys, c.requests), nil
	}
	trace, err := readTrace(c.trace)
	if err != nil {
		return nil, fmt.Errorf("-trace: %w", err)
	}
	return traceWorkload(filepath.Base(c.trace), trace, c.requests), nil
}

// databaseDir returns the directory for the database and what to call at the end.
func databaseDir(keep string) (dir string, cleanUp func() error, err error) {
	if keep != "" {
		if err = os.MkdirAll(keep, 0o755); err != nil {
			return "", nil, fmt.Errorf("-db: %w", err)
		}
		return keep, func() error { return nil }, nil
	}
	if dir, err = os.MkdirTemp("", "hotpath-"); err != nil {
		return "", nil, err
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
}

// runSide opens the database, serves it with a cache of that capacity (0: none),
// replays warm-up and requests, and fills into with what it measured. The service
// still runs when it returns, unless there is an error.
func (r *report) runSide(ctx context.Context, path string, capacity int, into *side, stderr io.Writer) (*service, error) {
	name := "without cache"
	if capacity > 0 {
		name = "with locmem"
	}
	s, err := openStore(ctx, path)
	if err != nil {
		return nil, err
	}
	svc, err := startService(ctx, s, r.config.addr, capacity)
	if err != nil {
		return nil, err
	}
	if *into, err = r.measure(ctx, svc, name, stderr); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), svc.stop())
	}
	return svc, nil
}

func (r *report) measure(ctx context.Context, svc *service, name string, stderr io.Writer) (side, error) {
	_, err := replay(ctx, svc.addr, r.work, r.work.warmup, r.config.workers,
		progress(stderr, name+": warm-up", len(r.work.warmup)))
	if err != nil {
		return side{}, err
	}
	before := svc.figures()
	svc.lookups.take() // those of the warm-up
	load, err := replay(ctx, svc.addr, r.work, r.work.measured, r.config.workers,
		progress(stderr, name+": measured requests", len(r.work.measured)))
	if err != nil {
		return side{}, err
	}
	s := svc.figures().since(before)
	s.load, s.lookups, s.requests, s.memory = load, svc.lookups.take(), len(r.work.measured), measureMemory()
	return s, s.check()
}
