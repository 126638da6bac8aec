// SPDX-License-Identifier: MIT

// Package scenarios has small programs of two and three threads on an engine, to be
// run under the schedules of package sched. It is built with the tag sched only:
//
//	go test -tags=sched ./internal/scenarios
//
// After each schedule the engine is validated, every value that was stored has to
// be accounted for, and what the calls answered has to be linearizable, with
// evictions and expiries among the operations.
package scenarios
