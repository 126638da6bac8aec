// SPDX-License-Identifier: MIT

// Command memory prints what locmem and its peers keep per entry and allocate per
// operation. Each contender is measured in a process of its own.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"github.com/locmem/locmem/bench"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "memory:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, w io.Writer) error {
	flags := flag.NewFlagSet("memory", flag.ContinueOnError)
	entries := flags.Int("entries", 1<<20, "capacity, and entries stored")
	contenders := flags.String("contenders", "", "names, separated by commas (default: all caches)")
	child := flags.String("child", "", "measure this contender here and print it as JSON (used by the command itself)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *entries < 4 {
		return fmt.Errorf("%d entries are too few", *entries)
	}
	if *child != "" {
		m, err := bench.MeasureMemory(*child, *entries)
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(m)
	}
	names := bench.Bounded()
	if *contenders != "" {
		names = strings.Split(*contenders, ",")
	}
	var measured []bench.Memory
	for _, name := range names {
		m, err := measure(ctx, name, *entries)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		measured = append(measured, m)
	}
	if _, err := fmt.Fprintf(w, "%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH); err != nil {
		return err
	}
	bench.WriteVersions(w)
	bench.WriteMemory(w, *entries, measured)
	return nil
}

// measure runs this command again for one contender.
func measure(ctx context.Context, name string, entries int) (bench.Memory, error) {
	self, err := os.Executable()
	if err != nil {
		return bench.Memory{}, err
	}
	cmd := exec.CommandContext(ctx, self, "-child", name, "-entries", strconv.Itoa(entries))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return bench.Memory{}, err
	}
	var m bench.Memory
	return m, json.Unmarshal(out, &m)
}
