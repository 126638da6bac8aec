// SPDX-License-Identifier: MIT

// Package hook has the doors into the engine that tests outside its package
// use. The root package sets the variables when it is initialised.
package hook

// Validate checks every invariant of an engine at rest, a *locmem.Engine of any
// type, and returns what is wrong.
var Validate func(engine any) error

// BendHash makes an engine that is made from the options, a *locmem.Options of
// any type, hash its keys as bend says of their true hashes. keep makes it stay
// on these hashes however long the probes grow.
var BendHash func(options any, bend func(uint64) uint64, keep bool)
