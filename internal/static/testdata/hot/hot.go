// SPDX-License-Identifier: MIT

// Package hot has the hot path of reads and writes compiled for some keys.
package hot

import "github.com/locmem/locmem"

// Get reads.
func Get(e *locmem.Engine[uint64, uint64], key uint64) (uint64, bool) { return e.Get(key) }

// GetString reads.
func GetString(e *locmem.Engine[string, uint64], key string) (uint64, bool) { return e.Get(key) }

// Set writes.
func Set(e *locmem.Engine[uint64, uint64], key, value uint64) bool { return e.Set(key, value) }
