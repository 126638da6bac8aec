// SPDX-License-Identifier: MIT

// Package ignores tells checklocks not to look, without a word on why.
package ignores

import "github.com/locmem/locmem/internal/lock"

type box struct {
	mu lock.Mutex // protects n
	n  int        // +checklocks:mu
}

// silent does not say why.
//
// +checklocksignore
func (b *box) silent() int { return b.n }

func (b *box) forced() int {
	return b.n // +checklocksforce
}

// good says why.
//
// +checklocksignore: nobody else knows the box yet
func (b *box) good() int { return b.n }
