// SPDX-License-Identifier: MIT

// Command hitratio replays traces of requests through locmem with each of its
// policies and through its peers, as users drive a cache, and prints hit ratios
// or the time per request. See -h.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

func main() {
	switch err := run(os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "hitratio:", err)
		os.Exit(1)
	}
}

const usage = `Replays traces through locmem with each of its policies and through other caches:
Get, and Set what missed. A trace is NAME.keys.gz, gzip of one decimal key a line,
or a plain text file of such lines. Files named stress_* count only if named, not
in a folder.

	go run ./hitratio -traces FOLDER -csv out.csv -plots DIR
	go run ./hitratio -traces A.keys.gz B.txt -sizes 0.01,0.10 -contenders '^locmem,otter-sync'
	go run ./hitratio -weighted FILE.sizes.csv.gz
	go run ./hitratio -traces FILE -cost -sizes 0.10 -means out.csv

`

// config is what the flags say.
type config struct {
	traces, weighted []string
	sizes            sizes
	contenders       []contender
	workers          int
	csv, plots       string
	cost             bool
	costs            costs
}

func run(args []string, stdout, stderr io.Writer) error {
	cfg, err := parse(args, stdout)
	if err != nil {
		return err
	}
	traces, err := readAll(cfg.traces, cfg.weighted)
	if err != nil {
		return err
	}
	list := jobs(traces, cfg.sizes, cfg.contenders)
	if len(list) == 0 {
		return fmt.Errorf("nothing to replay: no size of any trace is %d entries or more, or no contender has weights", cfg.sizes.least)
	}
	if cfg.cost {
		points := 0
		for _, t := range traces {
			points += len(cfg.sizes.points(t))
		}
		bar := progress(stderr, points*(len(cfg.contenders)+1)*cfg.costs.rounds)
		defer bar.Close()
		return writeCosts(stdout, cfg.costs, traces, cfg.sizes, cfg.contenders, bar.step)
	}
	return writeRatios(cfg, list, stdout, stderr)
}

// writeRatios opens what it will write before it replays anything.
func writeRatios(cfg config, list []job, stdout, stderr io.Writer) (err error) {
	var table *os.File
	if cfg.csv != "" {
		if table, err = os.Create(cfg.csv); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, table.Close()) }()
	}
	if cfg.plots != "" {
		if err := os.MkdirAll(cfg.plots, 0o755); err != nil {
			return err
		}
	}
	began := time.Now()
	bar := progress(stderr, len(list))
	outcomes, err := runAll(list, cfg.workers, bar.step)
	bar.Close()
	if err != nil {
		return err
	}
	writeTables(stdout, cfg.sizes, outcomes)
	say(stdout, "\n%d replays in %.0f s\n", len(list), time.Since(began).Seconds())
	if table != nil {
		if err := writeCSV(table, outcomes); err != nil {
			return err
		}
	}
	if cfg.plots != "" {
		return writePlots(cfg.plots, charts(cfg.sizes, outcomes))
	}
	return nil
}

// parse reads the flags. Arguments that belong to no flag are traces, before,
// between and after flags.
func parse(args []string, w io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("hitratio", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are printed once, by main
	several := func(to *[]string) func(string) error {
		return func(path string) error { *to = append(*to, path); return nil }
	}
	flags.Func("traces", "a trace or a folder of traces; more may follow", several(&cfg.traces))
	flags.Func("weighted", "a trace with sizes, `file` NAME.csv.gz of timestamp,key,size,op; the limit is then of bytes; may be repeated",
		several(&cfg.weighted))
	shares := flags.String("sizes", "0.001,0.01,0.05,0.10,0.25", "capacities, as `shares` of a trace's distinct keys, or of their bytes")
	limits := flags.String("cap", "", "capacities in entries, or in bytes of weighted traces, in place of -sizes: `N[,N]`")
	least := flags.Int("min", 8, "leave out sizes for fewer entries than this")
	wanted := flags.String("contenders", "", "`names` or regular expressions, separated by commas (default all: "+names(contenders(0))+")")
	shards := flags.Int("shards", 0, "of locmem (default its own choice)")
	flags.IntVar(&cfg.workers, "j", runtime.GOMAXPROCS(0), "replays at a time; each is driven by one goroutine")
	flags.StringVar(&cfg.csv, "csv", "", "write a line for each contender and size to this `file`")
	flags.StringVar(&cfg.plots, "plots", "", "draw PNG and SVG into this `folder`")
	flags.BoolVar(&cfg.cost, "cost", false, "measure the time per request, contenders taking turns; use few traces and sizes")
	flags.IntVar(&cfg.costs.rounds, "rounds", 5, "with -cost: turns of each contender")
	flags.IntVar(&cfg.costs.requests, "ops", 200_000, "with -cost: least requests in a turn; shorter traces are replayed again")
	means := flags.String("means", "", "with -cost: take mean hit ratios from this `file`, written by -csv (default of the points measured)")
	flags.Float64Var(&cfg.costs.least, "least", 40, "with -cost: name the fastest peer whose mean hit ratio is at least so many `percent`")
	for rest := args; ; rest = flags.Args()[1:] {
		if err := flags.Parse(rest); errors.Is(err, flag.ErrHelp) {
			say(w, "%s", usage)
			flags.SetOutput(w)
			flags.PrintDefaults()
			return cfg, err
		} else if err != nil {
			return cfg, err
		}
		if flags.NArg() == 0 {
			break
		}
		cfg.traces = append(cfg.traces, flags.Arg(0))
	}
	cfg.sizes.least = *least
	var err error
	if cfg.sizes.shares, err = numbers("-sizes", *shares, share); err != nil {
		return cfg, err
	}
	if *limits != "" {
		if cfg.sizes.limits, err = numbers("-cap", *limits, positive); err != nil {
			return cfg, err
		}
	}
	if *shards < 0 {
		return cfg, fmt.Errorf("-shards: %d is negative", *shards)
	}
	if cfg.contenders, err = choose(contenders(*shards), *wanted); err != nil {
		return cfg, err
	}
	if *means != "" {
		if cfg.costs.means, err = readMeans(*means); err != nil {
			return cfg, err
		}
	}
	return cfg, cfg.check()
}

// check finds what does not go together.
func (cfg config) check() error {
	switch {
	case len(cfg.traces)+len(cfg.weighted) == 0:
		return errors.New("no traces: name some with -traces or -weighted (-h explains)")
	case cfg.sizes.least < 1:
		return fmt.Errorf("-min: %d is not positive", cfg.sizes.least)
	case cfg.workers < 1:
		return fmt.Errorf("-j: %d is not positive", cfg.workers)
	case cfg.costs.rounds < 1:
		return fmt.Errorf("-rounds: %d is not positive", cfg.costs.rounds)
	case cfg.costs.requests < 1:
		return fmt.Errorf("-ops: %d is not positive", cfg.costs.requests)
	case cfg.cost && (len(cfg.weighted) > 0 || cfg.csv != "" || cfg.plots != ""):
		return errors.New("-cost goes with -traces, and not with -weighted, -csv or -plots")
	case cfg.cost && baseOf(cfg.contenders) < 0:
		return fmt.Errorf("-cost: none of the contenders is a locmem: %s", names(cfg.contenders))
	}
	return nil
}

func numbers[N any](what, text string, parse func(string) (N, bool)) ([]N, error) {
	var out []N
	for part := range strings.SplitSeq(text, ",") {
		n, ok := parse(part)
		if !ok {
			return nil, fmt.Errorf("%s: %q is not a %s", what, part, map[string]string{
				"-sizes": "share above 0 and up to 1", "-cap": "positive whole number",
			}[what])
		}
		out = append(out, n)
	}
	return out, nil
}

func share(text string) (float64, bool) {
	x, err := strconv.ParseFloat(text, 64)
	return x, err == nil && x > 0 && x <= 1
}

func positive(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n > 0 && n <= math.MaxInt32
}

// bar shows how far the replays are, if somebody looks.
type bar struct{ *progressbar.ProgressBar }

func progress(w io.Writer, steps int) bar {
	file, ok := w.(*os.File)
	return bar{progressbar.NewOptions(steps,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetVisibility(ok && term.IsTerminal(int(file.Fd()))),
		progressbar.OptionSetDescription("replays"),
		progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(),
	)}
}

// A line that cannot be drawn is no reason to stop measuring.
func (b bar) step()  { _ = b.Add(1) }
func (b bar) Close() { _ = b.ProgressBar.Close() }
