// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"compress/gzip"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func compressed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func TestTraceKeepsTheOrderOfItsKeys(t *testing.T) {
	t.Parallel()
	want := []uint64{7, 0, 7, math.MaxUint64}
	for name, text := range map[string]string{
		"plain":           "7\n0\n7\n18446744073709551615\n",
		"no last newline": "7\n0\n7\n18446744073709551615",
		"CRLF":            "7\r\n0\r\n7\r\n18446744073709551615\r\n",
		"gzip":            compressed(t, "7\n0\n7\n18446744073709551615\n"),
		"two gzip parts":  compressed(t, "7\n0\n") + compressed(t, "7\n18446744073709551615\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "any.name")
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			got, err := readTrace(path)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
}

func TestBrokenTraceIsRefusedWithFileAndLine(t *testing.T) {
	t.Parallel()
	long := compressed(t, strings.Repeat("123456789\n98765\n", 50_000))
	for _, test := range []struct{ name, text, want string }{
		{"word", "1\n2\nthree\n4\n", `x.keys:3: "three" is no key`},
		{"word in gzip", compressed(t, "1\nb\n"), `x.keys:2: "b" is no key`},
		{"negative", "-1\n", `x.keys:1: "-1" is no key`},
		{"over 64 bits", "1\n18446744073709551616\n", `x.keys:2: "18446744073709551616" is no key`},
		{"empty line", "1\n\n2\n", `x.keys:2: "" is no key`},
		{"two columns", "1 2\n", `x.keys:1: "1 2" is no key`},
		{"endless line", "1\n" + strings.Repeat("9", 100_000), `x.keys:2: the line is too long`},
		{"empty file", "", `x.keys: the trace holds no keys`},
		{"empty gzip", compressed(t, ""), `x.keys: the trace holds no keys`},
		{"bad gzip header", "\x1f\x8bnonsense", `x.keys: gzip: invalid header`},
		{"gzip cut short", long[:len(long)-9], `unexpected EOF`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := parseTrace("x.keys", strings.NewReader(test.text))
			require.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "x.keys:")
		})
	}
}

func TestMissingTraceIsNamed(t *testing.T) {
	t.Parallel()
	_, err := readTrace(filepath.Join(t.TempDir(), "gone.keys"))
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "gone.keys")
}
