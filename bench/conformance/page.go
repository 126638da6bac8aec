// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/locmem/locmem/bench"
	"github.com/locmem/locmem/cachetest"
)

const head = `# What caches can be relied on for

Written by ` + "`go run ./conformance`" + ` in the bench module; the statements are those of
` + "[`cachetest.RunCache`](https://pkg.go.dev/github.com/locmem/locmem/cachetest#RunCache)" + `. A cache is held to what its
documentation promises, and to what every user takes for granted if the documentation does not say otherwise; the
rest is "not claimed", and says nothing about its quality. Group C is single calls, B is functions and keys of the
user's, T is many goroutines.

Each cell: passed / failed / not claimed.

`

// write returns the page.
func write(results []result) string {
	b := new(strings.Builder)
	b.WriteString(head)
	b.WriteString("| cache | version | C | B | T |\n|---|---|---|---|---|\n")
	for _, r := range results {
		fmt.Fprintf(b, "| %s | %s |", r.peer.name, version(r.peer))
		for _, group := range []string{"C", "B", "T"} {
			s := r.sum(group)
			fmt.Fprintf(b, " %d / %d / %d |", s.passed, s.failed, s.skipped)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n## What failed\n\nThe calls are those of the adapters beside this page. \"Hang\" is a call that had not returned after two seconds.\n")
	for _, r := range results {
		writeFailures(b, r)
	}
	b.WriteString("\n## How each was made, and what its documentation says\n\n")
	for _, r := range results {
		fmt.Fprintf(b, "- **%s**: %s\n", r.peer.name, r.peer.what)
		writeClaims(b, r.peer.config)
	}
	b.WriteString("\n## The statements\n\n| id | statement | basis |\n|---|---|---|\n")
	for _, st := range cachetest.CacheStatements() {
		fmt.Fprintf(b, "| %s | %s | %v |\n", st.ID, st.Says, st.Basis)
	}
	return b.String()
}

func version(p peer) string {
	if p.module == "" {
		return "this tree"
	}
	return bench.Versions()[p.module]
}

func writeFailures(b *strings.Builder, r result) {
	if r.sum("").failed == 0 {
		return
	}
	fmt.Fprintf(b, "\n### %s %s\n", r.peer.name, version(r.peer))
	for _, st := range cachetest.CacheStatements() {
		o := r.outcomes[st.ID]
		if o.action != "fail" {
			continue
		}
		basis, found, calls := parts(o.says)
		fmt.Fprintf(b, "\n**%s: %s.** Basis: %s. Result: %s\n\n```\n%s\n```\n", st.ID, st.Says, basis, found, calls)
	}
}

// parts takes a failure's report apart. Of what was found the first line is kept: the
// rest is stacks, which name folders of this machine.
func parts(says string) (basis, found, calls string) {
	says, calls, _ = strings.Cut(says, "\nthe calls:\n")
	_, says, _ = strings.Cut(says, "\nbasis: ")
	basis, found, _ = strings.Cut(says, "\n")
	found, stack, _ := strings.Cut(found, "\n")
	if strings.HasPrefix(found, "wrong answer") && stack != "" { // a history
		calls = stack
	}
	lines := strings.Split(calls, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "\t")
	}
	return basis, found, strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// writeClaims lists what was read in a documentation.
func writeClaims(b *strings.Builder, c cachetest.CacheConfig) {
	places := map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(c.Documented)) {
		places[c.Documented[id]] = append(places[c.Documented[id]], id)
	}
	for _, where := range slices.Sorted(maps.Keys(places)) {
		fmt.Fprintf(b, "  - promised: %s (%s)\n", where, strings.Join(places[where], ", "))
	}
	for _, id := range slices.Sorted(maps.Keys(c.Disclaimed)) {
		fmt.Fprintf(b, "  - not to be expected: %s (%s)\n", c.Disclaimed[id], id)
	}
	for _, where := range []string{c.SettlesLater, c.MayDrop, c.ClearAlone, c.Unbounded} {
		if where != "" {
			fmt.Fprintf(b, "  - allowed for: %s\n", where)
		}
	}
	if c.Granularity != 0 {
		fmt.Fprintf(b, "  - allowed for: lifetimes are rounded to %v\n", c.Granularity)
	}
}
