// SPDX-License-Identifier: MIT

//go:build invariants

// Package invariants says whether the engine checks itself after every change.
package invariants

// Enabled is true with -tags invariants.
const Enabled = true
