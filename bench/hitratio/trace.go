// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// trace is a sequence of requests in memory.
type trace struct {
	name string
	keys []uint64
	// ids numbers the keys from 0 in the order in which they first come.
	ids      []int32
	distinct int
	// sizes are the requests' sizes in bytes; nil if the trace has none.
	sizes []uint64
	// whole is what a cache must have room for to hold every key: their number,
	// or the sum of their sizes, each as of its last request.
	whole int64
}

// weighted tells whether requests have sizes.
func (t *trace) weighted() bool { return t.sizes != nil }

// values are what a cache stores for the requests: the size where there is one,
// for weighers to read, else the key itself, which shows up wrong answers.
func (t *trace) values() []uint64 {
	if t.weighted() {
		return t.sizes
	}
	return t.keys
}

// readAll reads the traces that the paths name, folders with all their traces,
// and weighted ones after the others.
func readAll(paths, weighted []string) ([]*trace, error) {
	var traces []*trace
	read := func(path string, each func(*bufio.Scanner, *trace) error) error {
		t, err := readTrace(path, each)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(traces, func(other *trace) bool { return other.name == t.name }) {
			return fmt.Errorf("%s: another trace is named %s too", path, t.name)
		}
		traces = append(traces, t)
		return nil
	}
	for _, path := range paths {
		files, err := tracesIn(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if err := read(file, readKeys); err != nil {
				return nil, err
			}
		}
	}
	for _, path := range weighted {
		if err := read(path, readSizes); err != nil {
			return nil, err
		}
	}
	return traces, nil
}

// suffixes of trace files, the longer of two first.
func suffixes() []string {
	return []string{".keys.gz", ".sizes.csv.gz", ".csv.gz", ".gz", ".keys", ".csv", ".txt"}
}

// tracesIn returns a file as it is, and of a folder the files NAME.keys.gz,
// NAME.keys and NAME.txt, without those whose name begins with stress_: they are
// made to show one property and would count too much in a mean.
func tracesIn(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		name := entry.Name()
		isTrace := strings.HasSuffix(name, ".keys.gz") || strings.HasSuffix(name, ".keys") || strings.HasSuffix(name, ".txt")
		if isTrace && !entry.IsDir() && !strings.HasPrefix(name, "stress_") {
			files = append(files, filepath.Join(path, name))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no traces in this folder: no *.keys.gz, *.keys or *.txt", path)
	}
	return files, nil
}

func readTrace(path string, each func(*bufio.Scanner, *trace) error) (t *trace, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, file.Close()) }()
	var in io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(file); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	t = &trace{name: filepath.Base(path)}
	for _, suffix := range suffixes() {
		if name, ok := strings.CutSuffix(t.name, suffix); ok {
			t.name = name
			break
		}
	}
	lines := bufio.NewScanner(in)
	line := 0
	for lines.Scan() {
		line++
		if err := each(lines, t); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, line, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", path, line+1, err)
	}
	if len(t.keys) == 0 {
		return nil, fmt.Errorf("%s: no requests", path)
	}
	t.number()
	return t, nil
}

// readKeys takes a line of one key.
func readKeys(line *bufio.Scanner, t *trace) error {
	key, err := decimal("key", line.Text())
	t.keys = append(t.keys, key)
	return err
}

const sizesHead = "timestamp,key,size,op"

// readSizes takes a line of timestamp, key, size and operation, or the head.
func readSizes(line *bufio.Scanner, t *trace) error {
	text := line.Text()
	if text == sizesHead && len(t.keys) == 0 {
		return nil
	}
	fields := strings.Split(text, ",")
	if len(fields) != strings.Count(sizesHead, ",")+1 {
		return fmt.Errorf("%q has %d fields, not those of %s", text, len(fields), sizesHead)
	}
	key, err := decimal("key", fields[1])
	if err != nil {
		return err
	}
	size, err := decimal("size", fields[2])
	if err != nil {
		return err
	}
	if size > maxSize {
		return fmt.Errorf("size %d is above %d bytes", size, maxSize)
	}
	if fields[3] != "get" {
		return fmt.Errorf("operation %q: only get can be replayed", fields[3])
	}
	t.keys, t.sizes = append(t.keys, key), append(t.sizes, size)
	return nil
}

// maxSize keeps a size within what the narrowest weigher returns, a uint32.
const maxSize = 1<<32 - 1

var errNotDecimal = errors.New("not a decimal number of 64 bits")

func decimal(what, text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s %q: %w", what, text, errNotDecimal)
	}
	return n, nil
}

// number fills in what follows from the requests.
func (t *trace) number() {
	seen := map[uint64]int32{}
	var last []uint64 // sizes, by id
	t.ids = make([]int32, len(t.keys))
	for i, key := range t.keys {
		id, ok := seen[key]
		if !ok {
			id = int32(len(seen))
			seen[key] = id
			last = append(last, 1)
		}
		t.ids[i] = id
		if t.weighted() {
			last[id] = t.sizes[i]
		}
	}
	t.distinct = len(seen)
	for _, size := range last {
		t.whole += int64(size)
	}
}
