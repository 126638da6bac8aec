// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRunPrintsTablesAndWritesCSV(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out.csv")
	var text bytes.Buffer
	require.NoError(t, run([]string{
		"-quick", "-entries", "1024", "-mixes", "90/10,get-or-set", "-rounds", "2", "-ops", "1024", "-csv", file,
	}, &text))
	assert.Equal(t, 4, strings.Count(text.String(), " 1 Ki entries, "), "two mixes for two key types")
	for _, want := range []string{"RLock+RUnlock", "otter v2.4.0", "phuslu v1.0.18", "geometric means"} {
		assert.Contains(t, text.String(), want)
	}
	lines, err := os.ReadFile(file)
	require.NoError(t, err)
	// Two mixes, two key types, one and two goroutines, five contenders; a head.
	assert.Equal(t, 2*2*2*5+1, bytes.Count(lines, []byte("\n")))
}

func TestFlags(t *testing.T) {
	full, _, err := parse(nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"string", "uint64"}, full.Keys)
	assert.Equal(t, []int{65536, 1048576}, full.Entries)
	assert.Equal(t, []int{1, 2, 16}, full.Goroutines)
	assert.Len(t, full.Mixes, 4)
	assert.Equal(t, 5, full.Rounds)

	all, _, err := parse([]string{"-quick", "-contenders", "all"})
	require.NoError(t, err)
	assert.Empty(t, all.Contenders)
	assert.Equal(t, 3, all.Rounds)

	for _, args := range [][]string{
		{"-entries", "0"}, {"-goroutines", "two"}, {"-mixes", "60/40"}, {"-rounds", "-1"}, {"-ops", "0"},
	} {
		_, _, err := parse(args)
		assert.Error(t, err, "%v", args)
	}
}
