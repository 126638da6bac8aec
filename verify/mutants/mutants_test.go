// SPDX-License-Identifier: MIT

package mutants

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	// Without a mutant the slowest layer takes a third of it.
	patience = flag.Duration("patience", 90*time.Second, "how long a layer may take for a mutant")
	only     = flag.Int("mutant", 0, "the number of the only mutant to look for, and its output is shown")
)

const root = "../.."

// The mutants are what they claim to be: each changes one line, once, and vet has
// nothing to say.
func TestEveryMutantChangesOneLineThatVetAccepts(t *testing.T) {
	require.GreaterOrEqual(t, len(All), 40)
	names := map[string]bool{}
	for _, m := range All {
		require.False(t, names[m.Name], m.Name)
		names[m.Name] = true
	}
	list, err := overlay(root, t.TempDir())
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), "go", "vet", "-overlay="+list, ".", "./evict")
	command.Dir = root
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// With -layers=all it takes minutes for each mutant.
func TestEveryMutantIsKilled(t *testing.T) {
	if *layers == "" {
		t.Skip("go test ./mutants -run EveryMutant -v -layers=quick, or all")
	}
	folder := t.TempDir()
	list, err := overlay(root, folder)
	require.NoError(t, err)
	var chosen []Layer
	for _, l := range Layers {
		if *layers == "all" || *layers == "quick" && l.Quick || slices.Contains(strings.Split(*layers, ","), l.Name) {
			chosen = append(chosen, l)
		}
	}
	require.NotEmpty(t, chosen, "no layer is named %q", *layers)
	programs := make([]string, len(chosen))
	for i, l := range chosen {
		programs[i], err = l.build(t.Context(), root, list, folder)
		require.NoError(t, err)
		verdict, out := l.run(root, programs[i], 0, *patience)
		require.Equal(t, Passed, verdict, "%s fails without a mutant: %s", l.Name, out)
	}

	matrix := make([][]Verdict, len(All))
	var group sync.WaitGroup
	places := make(chan struct{}, 2)
	for i := range All {
		if *only > 0 && *only != i+1 {
			continue
		}
		matrix[i] = make([]Verdict, len(chosen))
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			for j, l := range chosen {
				var out string
				matrix[i][j], out = l.run(root, programs[j], i+1, *patience)
				t.Logf("%d, %s: %q", i+1, l.Name, matrix[i][j])
				if *only > 0 {
					t.Logf("%s: %q\n%s", l.Name, matrix[i][j], out)
				}
				if *layers == "quick" && matrix[i][j] == Killed {
					return // one is enough
				}
			}
		})
	}
	group.Wait()

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
