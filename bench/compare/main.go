// SPDX-License-Identifier: MIT

// Command compare prints the time per operation of locmem and its peers, side by
// side, and the ratios. It fails if values are wrong or bounds are broken, never
// because of a time.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/locmem/locmem/bench"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(args []string, w io.Writer) error {
	cfg, csvFile, err := parse(args)
	if err != nil {
		return err
	}
	began := time.Now()
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
	say("%s %s/%s, GOMAXPROCS %d%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		runtime.GOMAXPROCS(0), loadAverage())
	bench.WriteVersions(w)
	say("keys drawn by Zipf %.2f, seed %d; %d rounds of %d operations\n",
		bench.Theta, cfg.Seed, cfg.Rounds, cfg.Ops)
	say("\nfloor, ns for a pair of calls, all goroutines on one lock:\n")
	for _, f := range bench.LockFloors(cfg.Goroutines, 1<<20) {
		say("%3d goroutines: RLock+RUnlock %.1f, Lock+Unlock %.1f, Mutex Lock+Unlock %.1f\n",
			f.Goroutines, f.RLock, f.Lock, f.Mutex)
	}
	report := bench.NewReport(w)
	if err := bench.Run(cfg, report.Add); err != nil {
		return err
	}
	report.Summary()
	say("\n%s; %.0f s%s\n", report.Line(), time.Since(began).Seconds(), loadAverage())
	if csvFile != "" {
		var out bytes.Buffer
		if err := report.WriteCSV(&out); err != nil {
			return err
		}
		if err := os.WriteFile(csvFile, out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	if faults := report.Faults(); len(faults) > 0 {
		return errors.New(strings.Join(faults, "\n\t"))
	}
	return nil
}

// The contenders of the default and of the quick set. Left out of both are theine
// and ristretto, which take as long as all the others and are never the best.
const (
	fast = "locmem,locmem again,otter,phuslu,freelru,golang-lru,xsync map,no-op"
	few  = "locmem,locmem again,otter,phuslu,no-op"
)

// parse reads the flags; -quick changes the defaults of the others.
func parse(args []string) (cfg bench.Config, csvFile string, err error) {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "a small set, about ten seconds: see what is not set by other flags")
	keys := flags.String("keys", "string,uint64", "key types")
	entries := flags.String("entries", "", "capacities (default 65536,1048576; quick: 65536)")
	mixes := flags.String("mixes", "", "100/0, 90/10, 50/50, get-or-set (default all; quick: 90/10,get-or-set)")
	goroutines := flags.String("goroutines", "", "numbers of goroutines (default 1,2,16; quick: 1,2)")
	contenders := flags.String("contenders", "", "names, as in the tables, or all (default "+fast+"; quick: "+few+")")
	rounds := flags.Int("rounds", 0, "turns of each contender in a cell (default 5; quick: 3)")
	ops := flags.Int("ops", 256<<10, "operations of a turn, over all goroutines")
	seed := flags.Uint64("seed", 1, "of the keys")
	csvTo := flags.String("csv", "", "also write a line for each contender and cell to this `file`")
	if err := flags.Parse(args); err != nil {
		return bench.Config{}, "", err
	}
	standard := func(value *string, full, small string) {
		switch {
		case *value != "":
		case *quick:
			*value = small
		default:
			*value = full
		}
	}
	standard(entries, "65536,1048576", "65536")
	standard(mixes, "", "90/10,get-or-set")
	standard(goroutines, "1,2,16", "1,2")
	standard(contenders, fast, few)
	if *contenders == "all" {
		*contenders = ""
	}
	if *rounds == 0 {
		*rounds = 5
		if *quick {
			*rounds = 3
		}
	}
	cfg = bench.Config{Keys: list(*keys), Contenders: list(*contenders), Rounds: *rounds, Ops: *ops, Seed: *seed}
	if cfg.Entries, err = numbers(*entries); err != nil {
		return bench.Config{}, "", err
	}
	if cfg.Goroutines, err = numbers(*goroutines); err != nil {
		return bench.Config{}, "", err
	}
	if cfg.Mixes, err = bench.ChooseMixes(list(*mixes)); err != nil {
		return bench.Config{}, "", err
	}
	if cfg.Rounds < 1 || cfg.Ops < 1 {
		return bench.Config{}, "", errors.New("rounds and ops must be at least 1")
	}
	return cfg, *csvTo, nil
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

func numbers(text string) ([]int, error) {
	var out []int
	for _, part := range list(text) {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a positive number", part)
		}
		out = append(out, n)
	}
	return out, nil
}

// loadAverage tells how busy the machine is, where the system says so.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	one, _, _ := strings.Cut(string(text), " ")
	return ", load average " + one
}
