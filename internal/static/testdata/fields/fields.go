// SPDX-License-Identifier: MIT

// Package fields has fields that are not annotated, and immutable ones that change.
package fields

import "github.com/locmem/locmem/internal/lock"

type set struct {
	mu    lock.Mutex // protects all that follows
	right int        // +checklocks:mu
	fixed int        // immutable

	plain    int
	inner    bare
	one, two int

	number lock.Int64
	itself other
	handed int // owned by whoever was given it
}

type bare struct{ n int }

type other struct {
	mu lock.Mutex // protects n
	n  int        // +checklocks:mu
}

func make() *set { return &set{fixed: 1} }

func (s *set) change() { s.fixed = 2 }

func (s *set) more() { s.fixed++ }

func (s *set) address() *int { return &s.fixed }

func (s *set) read() int { return s.fixed }
