// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestEachBadFlagIsNamedInOneLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		args string
		want []string // one a line
	}{
		{"requests", "-requests 0", []string{"-requests must be from 1"}},
		{"workers", "-workers 0", []string{"-workers must be from 1 to 1000, not 0"}},
		{"keys", "-keys -5", []string{"-keys must be from 1"}},
		{"capacity", "-capacity -1", []string{"-capacity must be from 0"}},
		{"zipf", "-zipf NaN", []string{"-zipf must be from 0 to 10, not NaN"}},
		{"addr", "-addr nowhere", []string{"-addr must be host:port"}},
		{"port", "-addr 127.0.0.1:99999", []string{"-addr must be host:port"}},
		{"seed", "-seed minus", []string{`invalid value "minus" for flag -seed`}},
		{"unknown", "-cache", []string{"not defined: -cache"}},
		{"argument", "run", []string{`unexpected argument "run"`}},
		{"keys of a trace", "-trace x -keys 5", []string{"-keys cannot be used with -trace"}},
		{"several", "-workers 0 -zipf -1 -trace x -keys 0", []string{
			"-workers must be", "-keys must be", "-zipf must be", "-keys cannot be used", "-zipf cannot be used",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := mainCode(t.Context(), strings.Fields(test.args), &stdout, &stderr)
			assert.Equal(t, exitUsage, code)
			assert.Empty(t, stdout.String())
			lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
			require.Len(t, lines, len(test.want)+1, "and one that points to -h")
			for i, want := range test.want {
				assert.Contains(t, lines[i], "hotpath: ")
				assert.Contains(t, lines[i], want)
			}
		})
	}
}

func TestHelpListsTheFlags(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	assert.Zero(t, mainCode(t.Context(), []string{"-h"}, &stdout, &stderr))
	assert.Empty(t, stderr.String())
	for _, name := range []string{"addr", "requests", "workers", "keys", "capacity", "seed", "zipf", "trace", "serve", "db"} {
		assert.Contains(t, stdout.String(), "\n  -"+name)
	}
}

// build compiles the program once for all tests that start it.
var build = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(buildDir, "hotpath")
	if output, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, output)
	}
	return binary, nil
})

var buildDir string

func TestMain(m *testing.M) {
	var err error
	if buildDir, err = os.MkdirTemp("", "hotpath-test-"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(buildDir); err != nil {
			panic(err)
		}
		os.Exit(code)
	}))
}

// command prepares the program as a process of its own, with temp as its
// directory for temporary files.
func command(t *testing.T, temp string, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := build()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // t.Context ends before the cleanups
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	return cmd
}

func assertEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "temporary files are left")
}

// row returns the two figures of a row of the table, as text.
func row(t *testing.T, output, name string) (plain, cached string) {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` {2,}(\S.*?) {2,}(\S.*)$`).FindStringSubmatch(output)
	require.NotNil(t, found, "no row %q in\n%s", name, output)
	return found[1], found[2]
}

// number reads the leading number of a figure such as "17,486" or "0.639 ms".
func number(t *testing.T, figure string) float64 {
	t.Helper()
	text, _, _ := strings.Cut(figure, " ")
	n, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
	require.NoError(t, err)
	return n
}

func TestRunComparesBothSidesAndCleansUp(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	cmd := command(t, temp, "-keys", "1000", "-requests", "5000", "-workers", "4", "-capacity", "200", "-seed", "3", "-zipf", "0.9")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), "%s", &stderr)
	output := stdout.String()

	plain, cached := row(t, output, "requests")
	assert.Equal(t, "5,000", plain)
	assert.Equal(t, plain, cached)
	for _, name := range []string{"elapsed", "requests per second", "latency p50", "latency p99", "latency p99.9", "look-up in the handler p50", "processor time per request", "heap after GC"} {
		plain, cached := row(t, output, name)
		assert.Positive(t, number(t, plain), name)
		assert.Positive(t, number(t, cached), name)
	}
	plain, cached = row(t, output, "database queries")
	assert.Equal(t, "5,000", plain)
	queries := number(t, cached)
	assert.Less(t, queries, 5000.0)
	_, hitRatio := row(t, output, "hit ratio")
	assert.Greater(t, number(t, hitRatio), 10.0)
	assert.LessOrEqual(t, number(t, hitRatio)*5000/100, 5000-queries+3, "a hit asks no database; 3 for the rounding")
	_, held := row(t, output, "entries held")
	assert.Equal(t, "200 of 200", held)
	assert.Contains(t, output, "answers checked       all 11,000, none wrong")
	assert.Contains(t, output, "loads = database queries = "+cached)
	assert.Contains(t, output, fmt.Sprintf("queries saved         %s of 5,000", count(5000-int(queries))))
	assert.Contains(t, output, "Seed 3")
	assert.NotContains(t, stderr.String(), "\r", "no bar where there is no terminal")
	assertEmpty(t, temp)
}

func TestServeAnswersUntilInterrupted(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	cmd := command(t, temp, "-keys", "300", "-requests", "1000", "-workers", "2", "-seed", "5", "-serve")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	url := ""
	for url == "" && lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); strings.HasPrefix(line, "http://") && strings.Contains(line, "/product/") {
			url = line
		}
	}
	require.NotEmpty(t, url, "%s", &stderr)
	base, _, _ := strings.Cut(url, "/product/")

	for _, id := range []uint64{1, 17, 300} {
		status, body := get(t, fmt.Sprintf("%s/product/%d", base, id))
		require.Equal(t, http.StatusOK, status)
		var p Product
		require.NoError(t, json.Unmarshal([]byte(body), &p))
		assert.Equal(t, makeProduct(5, id).Product, p)
	}
	status, _ := get(t, base+"/product/301")
	assert.Equal(t, http.StatusNotFound, status)
	status, stats := get(t, base+"/stats")
	require.Equal(t, http.StatusOK, status)
	var figures struct{ Hits, Entries int }
	require.NoError(t, json.Unmarshal([]byte(stats), &figures))
	assert.Positive(t, figures.Hits)
	assert.Equal(t, 30, figures.Entries, "a tenth of the products")

	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_, err = io.Copy(io.Discard, stdout)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait(), "%s", &stderr)
	assertEmpty(t, temp)
}

func TestInterruptedRunCleansUp(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"filling the database", "without cache: warm-up"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			temp := t.TempDir()
			cmd := command(t, temp, "-keys", "50000", "-requests", "5000000")
			stderr, err := cmd.StderrPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			lines := bufio.NewScanner(stderr)
			for lines.Scan() && !strings.Contains(lines.Text(), step) {
			}
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
			rest, err := io.ReadAll(stderr)
			require.NoError(t, err)
			assert.Regexp(t, `(^|\.\.\.\n)hotpath: interrupted\n$`, string(rest), "and no other complaint")
			var exit *exec.ExitError
			require.ErrorAs(t, cmd.Wait(), &exit)
			assert.Equal(t, exitInterrupted, exit.ExitCode())
			assertEmpty(t, temp)
		})
	}
}

func TestTraceIsReplayedFromGzip(t *testing.T) {
	t.Parallel()
	temp, dir := t.TempDir(), t.TempDir()
	var text strings.Builder
	for i := range 2200 {
		fmt.Fprintln(&text, uint64(18_000_000_000_000_000_000)+uint64(i%40)) // over 63 bits
	}
	path := filepath.Join(dir, "small.keys.gz")
	require.NoError(t, os.WriteFile(path, []byte(compressed(t, text.String())), 0o600))
	run := func() string {
		output, err := command(t, temp, "-trace", path, "-requests", "1000", "-capacity", "40", "-workers", "3", "-db", dir).Output()
		require.NoError(t, err)
		return string(output)
	}
	output := run()
	assert.Contains(t, output, "small.keys.gz: the first 1,100 of its 2,200 requests; 40 distinct keys in all")
	plain, cached := row(t, output, "requests")
	assert.Equal(t, "1,000", plain)
	assert.Equal(t, "1,000", cached)
	_, cached = row(t, output, "database queries")
	assert.Equal(t, "0", cached, "the warm-up loaded all 40 products")
	assert.Contains(t, output, "filled in")
	assert.Contains(t, run(), "kept by an earlier run")
	assertEmpty(t, temp)
	assert.FileExists(t, filepath.Join(dir, databaseFile))
}

func TestBrokenTraceEndsTheProgramBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	temp, dir := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "broken.keys")
	require.NoError(t, os.WriteFile(path, []byte("1\n2\nx3\n"), 0o600))
	cmd := command(t, temp, "-trace", path, "-db", dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Run(), &exit)
	assert.Equal(t, exitFailed, exit.ExitCode())
	assert.Empty(t, stdout.String())
	assert.Contains(t, stderr.String(), "hotpath: -trace: "+path+`:3: "x3" is no key`)
	assert.NoFileExists(t, filepath.Join(dir, databaseFile))
}
