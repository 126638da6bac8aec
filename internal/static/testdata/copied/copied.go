// SPDX-License-Identifier: MIT

// Package copied copies an engine.
package copied

import "github.com/locmem/locmem"

func copied(e *locmem.Engine[string, int]) locmem.Engine[string, int] {
	other := *e
	return other
}
