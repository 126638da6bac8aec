// SPDX-License-Identifier: MIT

package cachetest_test

import "testing"

func TestThePolicyOfTheExampleIsSound(t *testing.T) { checkRandom(t) }
