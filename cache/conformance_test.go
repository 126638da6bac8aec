// SPDX-License-Identifier: MIT

package cache_test

import (
	"testing"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cache"
	"github.com/locmem/locmem/cachetest"
)

func TestLocal(t *testing.T) {
	clock := locmem.NewManualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	store := func(testing.TB) cache.Backend {
		return cache.NewRegistry(cache.RegistryOptions{Clock: clock}).Local("")
	}
	cachetest.RunBackend(t, store, cachetest.BackendConfig{
		Advance: func(_ testing.TB, d time.Duration) { clock.Advance(d) },
	})
}
