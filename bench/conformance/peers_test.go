// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/locmem/locmem/cachetest"
)

// TestPeers checks all caches, for the report: failures of others are none of this
// project, so it is skipped in ordinary runs.
func TestPeers(t *testing.T) {
	if os.Getenv(reporting) == "" {
		t.Skip("go run ./conformance makes the report")
	}
	for _, p := range peers() {
		t.Run(p.slug(), func(t *testing.T) { cachetest.RunCache(t, p.factory, p.config) })
	}
}

func TestThisProjectsCachesFailNoStatement(t *testing.T) {
	for _, p := range peers() {
		if strings.HasPrefix(p.name, "locmem") {
			t.Run(p.slug(), func(t *testing.T) {
				t.Parallel()
				cachetest.RunCache(t, p.factory, p.config)
			})
		}
	}
}
