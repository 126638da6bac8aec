// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestMain lets the test's binary stand in for the command when it starts itself
// as a child.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-child" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestRunMeasuresInChildren(t *testing.T) {
	var text bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-entries", "4096", "-contenders", "locmem,phuslu"}, &text))
	assert.Regexp(t, `(?m)^phuslu +\d.* 1\.00 +\d+ +\d+$`, text.String())
	assert.Regexp(t, `(?m)^locmem +0\.00 \(0\.0\) +0\.00 `, text.String())
}

func TestRunRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"-entries", "1"},
		{"-child", "nobody", "-entries", "64"},
		{"-unknown"},
	} {
		assert.Error(t, run(t.Context(), args, &bytes.Buffer{}), "%v", args)
	}
}
