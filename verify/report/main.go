// SPDX-License-Identifier: MIT

// Command report writes docs/verification.md, and the short table in the README, from
// what the last run of the checks has left in .logs:
//
//	go run ./report
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

//go:embed page.md.tmpl
var pageText string

// layer is a kind of check, which is a gate of scripts/test.
type layer struct {
	Gate  string
	Shows string
	Short string // for the README, empty if it is not there
}

var layers = []layer{
	{"schedules", "Small programs of two and three threads, one thread at a time, in the orders that a scheduler chooses: by random walk, by priorities (PCT), and all with few preemptions. After each the engine is validated, every value is accounted for, and the answers are linearizable with evictions and expiries among the operations.", "schedules of small programs"},
	{"histories", "Clients at work at random; what they were answered is linearizable for each key: as by a map where nothing is evicted; as by a map with evictions and expiries among the operations, so that every miss has a cause; and as by a cache that may lose entries but gets none back. Locks yield one time in three.", "histories"},
	{"models", "Random calls by one goroutine beside a model that is too simple to be wrong, the same calls on engines that must answer the same, and the checker of histories beside another one.", ""},
	{"stress", "All operations at once with 1, 2, 4 and 16 processors, with the collector running all the time, and with freed memory overwritten: every value that was written has one end, the limits hold at every look.", "operations with every value accounted for"},
	{"unit", "All tests with the race detector.", "tests with the race detector"},
	{"yield", "Tests with the race detector and a yield at the boundaries of locks.", ""},
	{"invariants", "Tests with the whole state validated after every mutation.", ""},
	{"fuzz", "Fuzz targets, with committed corpora: programs beside the model, policies, expiry beside exact arithmetic, keys, codecs, snapshots, and programs with their schedules.", "fuzzing"},
	{"static", "checklocks on annotated fields; no user code is reached with a lock held, by a graph of calls.", "fields beside a lock"},
	{"mutants", "Faults of one line each, which vet accepts: a check has to fail for each, and not by a panic or a time-out.", "planted faults of one line"},
	{"faults", "Faults planted by property, each with the test that has to fail.", ""},
	{"386", "The same tests where an int has 32 bits.", ""},
}

// row is a layer with what the last run has printed of it.
type row struct {
	layer
	Figure string
}

// page is what the templates are filled with.
type page struct {
	Commit, Date, Go string
	Rows             []row
	Flaws, Mutants   string
	Track            []found
}

func main() {
	log.SetFlags(0)
	root := flag.String("root", "..", "the project's folder")
	flag.Parse()
	if err := run(*root); err != nil {
		log.Fatal(err)
	}
}

func run(root string) error {
	p := page{Track: track}
	var missing []error
	for _, l := range layers {
		figure, err := figureOf(filepath.Join(root, ".logs", l.Gate+".log"))
		missing = append(missing, err)
		p.Rows = append(p.Rows, row{l, figure})
	}
	flaws, err := flawsOf(filepath.Join(root, ".logs", "histories.log"))
	missing = append(missing, err)
	mutants, err := os.ReadFile(filepath.Join(root, ".logs", "mutants.md"))
	missing = append(missing, err)
	if err := errors.Join(missing...); err != nil {
		return fmt.Errorf("run make test first: %w", err)
	}
	p.Flaws, p.Mutants = flaws, string(mutants)
	for _, c := range []struct {
		out *string
		cmd []string
	}{
		{&p.Commit, []string{"git", "rev-parse", "--short=7", "HEAD"}},
		{&p.Date, []string{"git", "log", "-1", "--format=%cs"}},
		{&p.Go, []string{"go", "env", "GOVERSION"}},
	} {
		command := exec.CommandContext(context.Background(), c.cmd[0], c.cmd[1:]...)
		command.Dir = root
		out, err := command.Output()
		if err != nil {
			return err
		}
		*c.out = strings.TrimSpace(string(out))
	}
	text, err := render(pageText, p)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "docs", "verification.md"), []byte(text), 0o644); err != nil {
		return err
	}
	return inReadme(filepath.Join(root, "README.md"), p)
}

var figureLine = regexp.MustCompile(`(?m)^figure: (.*)$`)

// figureOf returns the figure that a gate has printed last.
func figureOf(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	all := figureLine.FindAllSubmatch(text, -1)
	if all == nil {
		return "", fmt.Errorf("%s has no figure", file)
	}
	return strings.ReplaceAll(string(all[len(all)-1][1]), "|", `\|`), nil
}

var flawLine = regexp.MustCompile(`(?m)table_test\.go:\d+: (\S.*?) +(\d+) +(\d+) +(\d+) +0\.\d+$`)

// flawsOf returns the table of planted faults that the gate histories has printed.
func flawsOf(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	all := flawLine.FindAllSubmatch(text, -1)
	if all == nil {
		return "", fmt.Errorf("%s has no table of planted faults", file)
	}
	var b strings.Builder
	b.WriteString("| planted | strict, nothing evicted | relaxed, evicting | explained, evicting |\n|---|---:|---:|---:|\n")
	for _, m := range all {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m[1], m[2], m[3], m[4])
	}
	return b.String(), nil
}

func render(text string, p page) (string, error) {
	t, err := template.New("page").Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, p)
	return b.String(), err
}

const (
	begin = "<!-- made by verify/report -->\n"
	end   = "<!-- end -->\n"

	short = "| of commit {{.Commit}}, {{.Date}} | |\n|---|---|\n{{range .Rows}}{{if .Short}}| {{.Short}} | {{.Figure}} |\n{{end}}{{end}}"
)

// inReadme writes the table between its marks anew.
func inReadme(file string, p page) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ended := strings.Cut(rest, end)
	if !ok || !ended {
		return fmt.Errorf("%s has no place for the table between %q and %q", file, begin, end)
	}
	table, err := render(short, p)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(head+begin+table+end+tail), 0o644)
}
