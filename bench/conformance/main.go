// SPDX-License-Identifier: MIT

// Command conformance holds this project's caches and their peers against the
// statements of cachetest.RunCache, and writes what became of each to a page. In the
// bench module:
//
//	go run ./conformance                  all of them, three minutes
//	go run ./conformance -peers go-cache -o page.md
//
// It fails if the statements could not be checked, or if one of this project's caches
// fails one; what others fail is what the page is for.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(args []string, w io.Writer) error {
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	names := flags.String("peers", ".*", "a pattern for the names of the caches, matched as a whole")
	page := flags.String("o", "conformance/README.md", "the page to write")
	short := flags.Bool("short", false, "fewer rounds of what is random")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pattern, err := regexp.Compile("^(" + *names + ")$")
	if err != nil {
		return err
	}
	some := slices.DeleteFunc(peers(), func(p peer) bool { return !pattern.MatchString(p.name) })
	if len(some) == 0 {
		return fmt.Errorf("no cache is named %s", *names)
	}
	results, err := check(some, *short)
	if err != nil {
		return err
	}
	for _, r := range results {
		_, _ = fmt.Fprintf(w, "%-20s %v\n", r.peer.name, r.sum(""))
	}
	if err := os.WriteFile(*page, []byte(write(results)), 0o644); err != nil {
		return err
	}
	for _, r := range results {
		if strings.HasPrefix(r.peer.name, "locmem") && r.sum("").failed > 0 {
			return errors.New(r.peer.name + " has failed statements: see " + *page)
		}
	}
	return nil
}
