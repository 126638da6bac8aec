// SPDX-License-Identifier: MIT

// Package faults shows that the tests of the engine and of its front can fail. It has
// a table of faults to plant, each a small change to a file, and the test that must
// notice it; a test plants them one at a time in an overlay, so that no file is
// touched. docs/properties.md and docs/contract.md are made from the same table.
package faults

import "slices"

// A Fault is a change that breaks a property.
type Fault struct {
	Name     string // what goes wrong, in a few words
	Property string // the id of the property that it breaks; see properties
	Test     string // the test of the package that must fail; a slash and a regexp of its parts may follow
	Package  string // that package's folder, relative to the project's root; "" is the root package
	File     string // relative to the project's root
	Old, New string // the piece of the file, which occurs once, and what replaces it
	// Flags are for go test: -race where the detector is what notices the fault,
	// -tags=yield where it takes a rare interleaving.
	Flags []string
}

// All returns the faults.
func All() []Fault {
	return slices.Concat(stateFaults, loadFaults, staleFaults, bulkFaults, tagFaults, snapshotFaults, ofFront())
}

// ofFront returns the faults that the front's tests must notice, which break statements
// of its contract.
func ofFront() []Fault {
	all := slices.Concat(contractConfigFaults, contractCodecFaults, contractSuiteFaults, contractSuite2Faults)
	for i := range all {
		all[i].Package = "cache"
	}
	return all
}
