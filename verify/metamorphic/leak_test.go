// SPDX-License-Identifier: MIT

package metamorphic

import (
	"testing"

	"github.com/locmem/locmem/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
