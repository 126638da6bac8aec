// SPDX-License-Identifier: MIT

package cachetest_test

import "testing"

func TestTheCacheOfTheExampleIsReliable(t *testing.T) { checkTiny(t) }
