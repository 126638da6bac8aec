// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// write makes a file of that text, compressed if the name says so.
func write(t *testing.T, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	content := []byte(text)
	if strings.HasSuffix(name, ".gz") {
		content = zipped(t, text)
	}
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	_, err := zip.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	return out.Bytes()
}

func TestTraceOfKeysIsReadAndNumbered(t *testing.T) {
	for _, name := range []string{"web.keys.gz", "web.keys", "web.txt", "web.gz"} {
		t.Run(name, func(t *testing.T) {
			path := write(t, t.TempDir(), name, "7\n18446744073709551615\n7\n0\n")
			traces, err := readAll([]string{path}, nil)
			require.NoError(t, err)
			require.Len(t, traces, 1)
			web := traces[0]
			assert.Equal(t, "web", web.name)
			assert.Equal(t, []uint64{7, 1<<64 - 1, 7, 0}, web.keys)
			assert.Equal(t, []int32{0, 1, 0, 2}, web.ids)
			assert.Equal(t, 3, web.distinct)
			assert.EqualValues(t, 3, web.whole)
			assert.False(t, web.weighted())
		})
	}
}

func TestWeightedTraceCountsTheLastSizeOfEachKey(t *testing.T) {
	path := write(t, t.TempDir(), "cdn.sizes.csv.gz", "timestamp,key,size,op\n1,5,100,get\n2,6,30,get\n3,5,120,get\n")
	traces, err := readAll(nil, []string{path})
	require.NoError(t, err)
	cdn := traces[0]
	assert.Equal(t, "cdn", cdn.name)
	assert.Equal(t, []uint64{5, 6, 5}, cdn.keys)
	assert.Equal(t, []uint64{100, 30, 120}, cdn.sizes)
	assert.EqualValues(t, 150, cdn.whole)

	bare, err := readAll(nil, []string{write(t, t.TempDir(), "bare.csv", "1,5,100,get\n")})
	require.NoError(t, err)
	assert.Equal(t, []uint64{100}, bare[0].sizes, "without a head")
}

func TestFolderLeavesOutStressAndOtherFiles(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"a.keys.gz", "b.txt", "stress_c.keys.gz", "a.sizes.csv.gz", "README.md"} {
		write(t, folder, name, "1\n")
	}
	traces, err := readAll([]string{folder, filepath.Join(folder, "stress_c.keys.gz")}, nil)
	require.NoError(t, err)
	var read []string
	for _, t := range traces {
		read = append(read, t.name)
	}
	assert.Equal(t, []string{"a", "b", "stress_c"}, read)
}

func TestUnreadableTracesAreNamedInTheError(t *testing.T) {
	folder := t.TempDir()
	empty := filepath.Join(folder, "empty")
	require.NoError(t, os.Mkdir(empty, 0o700))
	broken := filepath.Join(folder, "broken.keys.gz")
	require.NoError(t, os.WriteFile(broken, zipped(t, strings.Repeat("1\n", 1000))[:20], 0o600))
	notZipped := filepath.Join(folder, "plain.keys.gz")
	require.NoError(t, os.WriteFile(notZipped, []byte("1\n2\n3\n4\n5\n6\n"), 0o600))
	good := write(t, folder, "good.txt", "1\n")

	const head = "timestamp,key,size,op\n"
	tests := []struct {
		name            string
		paths, weighted []string
		want            string
	}{
		{"missing", []string{filepath.Join(folder, "none.txt")}, nil, "none.txt: no such file"},
		{"missing with sizes", nil, []string{filepath.Join(folder, "none.csv")}, "none.csv: no such file"},
		{"folder without traces", []string{empty}, nil, "empty: no traces"},
		{"no request", []string{write(t, folder, "void.txt", "")}, nil, "void.txt: no requests"},
		{"word", []string{write(t, folder, "word.txt", "1\n2\nthree\n")}, nil, `word.txt:3: key "three"`},
		{"blank line", []string{write(t, folder, "blank.keys.gz", "1\n\n2\n")}, nil, `blank.keys.gz:2: key ""`},
		{"beyond 64 bits", []string{write(t, folder, "big.txt", "18446744073709551616\n")}, nil, "big.txt:1: key"},
		{"negative", []string{write(t, folder, "minus.txt", "-1\n")}, nil, "minus.txt:1: key"},
		{"cut short", []string{broken}, nil, "broken.keys.gz:"},
		{"not compressed", []string{notZipped}, nil, "plain.keys.gz: gzip"},
		{"twice", []string{good, good}, nil, "another trace is named good"},
		{"too few fields", nil, []string{write(t, folder, "few.csv", head+"1,2,3\n")}, "few.csv:2: "},
		{"size", nil, []string{write(t, folder, "size.csv", head+"1,2,big,get\n")}, `size.csv:2: size "big"`},
		{"size beyond 32 bits", nil, []string{write(t, folder, "huge.csv", head+"1,2,4294967296,get\n")}, "huge.csv:2: size 4294967296"},
		{"operation", nil, []string{write(t, folder, "op.csv", head+"1,2,3,set\n")}, `op.csv:2: operation "set"`},
		{"head alone", nil, []string{write(t, folder, "head.csv", head)}, "head.csv: no requests"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := readAll(test.paths, test.weighted)
			require.ErrorContains(t, err, test.want)
		})
	}
}
