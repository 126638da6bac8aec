// SPDX-License-Identifier: MIT

package mutants

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	layers = flag.String("layers", "", "which layers look for the mutants: 'quick', 'all', or names with commas; all mutants have to be killed")
	// Without a mutant the slowest layer takes a third of it. On a machine with much else to do
	// all take longer, so it is also at least four times what the layer takes without one.
	patience = flag.Duration("patience", 90*time.Second, "how long a layer may take for a mutant, at least")
	only     = flag.Int("mutant", 0, "the number of the only mutant to look for, and its output is shown")
)

const root = "../.."

// The mutants are what they claim to be: each changes one line, once, and vet has
// nothing to say.
func TestEveryMutantChangesOneLineThatVetAccepts(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, len(All), 40)
	names := map[string]bool{}
	for _, m := range All {
		require.False(t, names[m.Name], m.Name)
		names[m.Name] = true
	}
	list, err := schema(root, t.TempDir())
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), "go", "vet", "-overlay="+withoutTests(t, list), ".", "./evict")
	command.Dir = root
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// withoutTests adds to an overlay that there are no tests, of which vet would have much to
// read and no mutant.
func withoutTests(t *testing.T, list string) string {
	t.Helper()
	text, err := os.ReadFile(list)
	require.NoError(t, err)
	var files struct{ Replace map[string]string }
	require.NoError(t, json.Unmarshal(text, &files))
	for path := range maps.Clone(files.Replace) {
		tests, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*_test.go"))
		require.NoError(t, err)
		for _, file := range tests {
			files.Replace[file] = ""
		}
	}
	text, err = json.Marshal(files)
	require.NoError(t, err)
	list = filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(list, text, 0o600))
	return list
}

// With -layers=all it takes minutes for each mutant.
func TestEveryMutantIsKilled(t *testing.T) {
	if *layers == "" {
		t.Skip("go test ./mutants -run EveryMutant -v -layers=quick, or all")
	}
	t.Parallel()
	folder := t.TempDir()
	list, err := schema(root, folder)
	require.NoError(t, err)
	var chosen []Layer
	for _, l := range Layers {
		if *layers == "all" || *layers == "quick" && l.Quick || slices.Contains(strings.Split(*layers, ","), l.Name) {
			chosen = append(chosen, l)
		}
	}
	require.NotEmpty(t, chosen, "no layer is named %q", *layers)

	// Programs are built while those that are ready run.
	type built struct {
		program string
		err     error
	}
	programs := make(chan built, len(chosen)) // of the layers in their order
	var builder sync.WaitGroup
	builder.Go(func() {
		for _, l := range chosen {
			program, err := l.build(t.Context(), root, list, folder)
			programs <- built{program, err}
		}
	})
	t.Cleanup(builder.Wait) // before the folder goes

	matrix := make([][]Verdict, len(All))
	for i := range All {
		if *only == 0 || *only == i+1 {
			matrix[i] = make([]Verdict, len(chosen))
		}
	}
	for j, l := range chosen {
		b := <-programs
		require.NoError(t, b.err)
		began := time.Now()
		verdict, out := l.run(root, b.program, 0, 4**patience)
		require.Equal(t, Passed, verdict, "%s fails without a mutant: %s", l.Name, out)
		patience := max(*patience, 4*time.Since(began))
		var group sync.WaitGroup
		places := make(chan struct{}, runtime.NumCPU())
		for i := range All {
			if matrix[i] == nil || *layers == "quick" && slices.Contains(matrix[i], Killed) {
				continue // one is enough
			}
			places <- struct{}{}
			group.Go(func() {
				defer func() { <-places }()
				began := time.Now()
				verdict, out := l.run(root, b.program, i+1, patience)
				matrix[i][j] = verdict
				t.Logf("%d, %s: %q in %.1f s", i+1, l.Name, verdict, time.Since(began).Seconds())
				if *only > 0 {
					t.Logf("%s", out)
				}
			})
		}
		group.Wait()
	}

	table := new(strings.Builder)
	fmt.Fprintf(table, "| mutant |")
	for _, l := range chosen {
		fmt.Fprintf(table, " %s |", l.Name)
	}
	fmt.Fprintf(table, "\n|---|%s\n", strings.Repeat("---|", len(chosen)))
	killed, asked := 0, 0
	for i, m := range All {
		if matrix[i] == nil {
			continue
		}
		asked++
		fmt.Fprintf(table, "| %d %s |", i+1, m.Name)
		for _, v := range matrix[i] {
			fmt.Fprintf(table, " %s |", v)
		}
		table.WriteByte('\n')
		if assert.Contains(t, matrix[i], Killed, "%d %s: no check has failed", i+1, m.Name) {
			killed++
		}
	}
	t.Logf("\n%s", table)
	t.Logf("figure: %d of %d mutants killed by %d layers", killed, asked, len(chosen))
	if file := os.Getenv("MATRIX"); file != "" {
		require.NoError(t, os.WriteFile(filepath.Clean(file), []byte(table.String()), 0o644))
	}
}
