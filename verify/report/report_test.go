// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// logs makes a project's folder with what a run leaves.
func logs(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, folder := range []string{".logs", "docs"} {
		require.NoError(t, os.Mkdir(filepath.Join(root, folder), 0o755))
	}
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
	}
	for _, l := range layers {
		write(filepath.Join(".logs", l.Gate+".log"), "figure: an older one\nnoise\n    table_test.go:12: Delete loses    3  20   1    0.52\nfigure: so much of "+l.Gate+"\n")
	}
	write(".logs/mutants.md", "| another table |\n")
	write("README.md", "before\n"+begin+"old\n"+end+"after\n")
	return root
}

func TestTheLastFigureOfALogCounts(t *testing.T) {
	root := logs(t)
	figure, err := figureOf(filepath.Join(root, ".logs", "stress.log"))
	require.NoError(t, err)
	require.Equal(t, "so much of stress", figure)
	require.NoError(t, os.WriteFile(filepath.Join(root, ".logs", "stress.log"), []byte("ok\n"), 0o644))
	_, err = figureOf(filepath.Join(root, ".logs", "stress.log"))
	require.ErrorContains(t, err, "has no figure")
	_, err = flawsOf(filepath.Join(root, ".logs", "stress.log"))
	require.ErrorContains(t, err, "has no table")
	flaws, err := flawsOf(filepath.Join(root, ".logs", "histories.log"))
	require.NoError(t, err)
	require.Contains(t, flaws, "\n| Delete loses | 3 | 20 | 1 |\n")
}

func TestTheTableOfTheReadmeIsBetweenItsMarks(t *testing.T) {
	root := logs(t)
	file := filepath.Join(root, "README.md")
	require.NoError(t, inReadme(file, page{Commit: "abc", Rows: []row{{layers[0], "7"}, {layer{Gate: "hidden"}, "8"}}}))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(text), "before\n"+begin+"| of commit abc"), string(text))
	require.True(t, strings.HasSuffix(string(text), end+"after\n"))
	require.Contains(t, string(text), "| schedules of small programs | 7 |")
	require.NotContains(t, string(text), "8")
	require.NotContains(t, string(text), "old")
	require.NoError(t, os.WriteFile(file, []byte("nothing"), 0o644))
	require.ErrorContains(t, inReadme(file, page{}), "no place")
}

func TestEveryLayerAndWhatWasFoundIsOnThePage(t *testing.T) {
	p := page{Track: track, Flaws: "FLAWS", Mutants: "MUTANTS"}
	for _, l := range layers {
		p.Rows = append(p.Rows, row{l, "figure of " + l.Gate})
	}
	text, err := render(pageText, p)
	require.NoError(t, err)
	for _, l := range layers {
		require.Contains(t, text, "figure of "+l.Gate)
		require.Contains(t, text, l.Shows)
	}
	for _, f := range track {
		require.Contains(t, text, f.What)
	}
	require.Contains(t, text, "FLAWS")
	require.Contains(t, text, "MUTANTS")
}

func TestALogThatIsMissingIsNamed(t *testing.T) {
	root := logs(t)
	require.NoError(t, os.Remove(filepath.Join(root, ".logs", "fuzz.log")))
	require.ErrorContains(t, run(root), "fuzz.log")
}
