// SPDX-License-Identifier: MIT

package locmem_test

import (
	"testing"

	"github.com/locmem/locmem/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
