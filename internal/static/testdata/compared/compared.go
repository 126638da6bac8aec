// SPDX-License-Identifier: MIT

// Package compared compares engines.
package compared

import "github.com/locmem/locmem"

func compared(a, b *locmem.Engine[string, int]) bool { return *a == *b }
