// SPDX-License-Identifier: MIT

//go:build invariants

// Package invariants says whether the engine checks itself after every change.
package invariants

import "github.com/locmem/locmem/internal/lock"

// Enabled is true with -tags invariants.
const Enabled = true

// everyTime is the size up to which a shard is checked after every change. Of a
// larger one, whose check takes longer, one change in size/64 is followed by one.
const everyTime = 512

var changes lock.Uint64

// Due reports whether a shard of so many entries is to be checked now.
func Due(size int) bool {
	return size <= everyTime || changes.Add(1)%(uint64(size)/64) == 0
}
