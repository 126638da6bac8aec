// SPDX-License-Identifier: MIT

package cachetest_test

import "testing"

func TestTheBackendOfTheExampleKeepsTheContract(t *testing.T) { checkCounted(t) }
