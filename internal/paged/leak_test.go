// SPDX-License-Identifier: MIT

package paged

import (
	"testing"

	"github.com/locmem/locmem/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
