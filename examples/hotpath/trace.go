// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// readTrace reads the keys of a trace in the order of its requests: one decimal
// uint64 a line, plain or compressed with gzip, whatever the file is called.
func readTrace(path string) ([]uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from: nothing is lost
	return parseTrace(path, f)
}

// parseTrace is readTrace for an open file; name stands in the errors.
func parseTrace(name string, r io.Reader) ([]uint64, error) {
	in := bufio.NewReader(r)
	text := io.Reader(in)
	if magic, err := in.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		if text, err = gzip.NewReader(in); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	var keys []uint64
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		key, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %.40q is no key: want one decimal number from 0 to 2^64-1", name, len(keys)+1, lines.Text())
		}
		keys = append(keys, key)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("%s:%d: the line is too long for a key", name, len(keys)+1)
	case err != nil:
		return nil, fmt.Errorf("%s:%d: %w", name, len(keys)+1, err)
	case len(keys) == 0:
		return nil, fmt.Errorf("%s: the trace holds no keys", name)
	}
	return keys, nil
}
