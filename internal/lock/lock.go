// SPDX-License-Identifier: MIT

// Package lock is the engine's only source of mutexes, atomics, goroutine
// starts and waits. Everything that can order two goroutines of the engine goes
// through it, so that a build tag can put other implementations in the same
// places without a change to the engine:
//
//	(none)   aliases of the standard library's types, at no cost
//	yield    the same types with a runtime.Gosched at every boundary, which
//	         makes interleavings many times more likely in stress tests
//	sched    types on which package sched decides who goes on, one goroutine at
//	         a time, in tests of single schedules
//
// The rules, checked by a test over the source: outside this package no file of
// the engine imports sync or sync/atomic, has a go statement, a channel
// operation or a select.
package lock
