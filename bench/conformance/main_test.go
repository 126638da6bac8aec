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

// A small run, of one cache that fails something and one that does not.
func TestThePageTellsWhatFailed(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	var said bytes.Buffer
	require.NoError(t, run([]string{"-peers", "golang-lru|go-cache", "-short", "-o", page}, &said))
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^\| golang-lru \| v2\.0\.7 \| \d+ / 0 / \d+ \| \d+ / 2 / \d+ \| \d+ / 0 / \d+ \|$`, string(text))
	assert.Regexp(t, `(?m)^\| go-cache \| v2\.1\.0\+incompatible \| \d+ / 0 / \d+ \| \d+ / 0 / \d+ \| \d+ / 0 / \d+ \|$`, string(text))
	assert.Contains(t, string(text), "**B41: a key that cannot be hashed leaves nothing locked.** Basis: taken for granted. Result: hang: ")
	assert.NotContains(t, string(text), "### go-cache")
	assert.Equal(t, 2, strings.Count(said.String(), "\n"))
}

func TestAnUnknownNameIsAnError(t *testing.T) {
	require.ErrorContains(t, run([]string{"-peers", "no such cache"}, new(bytes.Buffer)), "no cache is named")
}

func TestReportsAreTakenApart(t *testing.T) {
	basis, found, calls := parts("B1 does not hold: x\nbasis: taken for granted\ncrash: panic: boom\n\nstack\nthe calls:\n\tGet(1)\n\tGet(2)")
	assert.Equal(t, "taken for granted", basis)
	assert.Equal(t, "crash: panic: boom", found)
	assert.Equal(t, "Get(1)\nGet(2)", calls)
}
