// SPDX-License-Identifier: MIT

package cachetest_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cache"
	"github.com/locmem/locmem/cachetest"
)

// counted is local memory that counts its reads.
type counted struct {
	*cache.Local
	reads atomic.Int64
}

func (c *counted) Get(ctx context.Context, key string) ([]byte, bool, error) {
	c.reads.Add(1)
	return c.Local.Get(ctx, key)
}

// checkCounted is what the backend's test does. Each statement is checked on a
// backend of its own, and time passes as the suite says.
func checkCounted(t *testing.T) {
	clock := locmem.NewManualClock(time.Now())
	factory := func(testing.TB) cache.Backend {
		return &counted{Local: cache.NewRegistry(cache.RegistryOptions{Clock: clock}).Local("")}
	}
	cachetest.RunBackend(t, factory, cachetest.BackendConfig{
		Advance: func(_ testing.TB, d time.Duration) { clock.Advance(d) },
	})
}

// A backend of one's own is a type with the methods of cache.Backend. RunBackend
// tells whether it keeps the contract; a cache takes it in its configuration.
func ExampleRunBackend() {
	b := &counted{Local: cache.NewRegistry(cache.RegistryOptions{}).Local("")}
	c, err := cache.New(cache.Config{Backend: b})
	if err != nil {
		panic(err)
	}
	ctx, numbers := context.Background(), cache.For[int](c)
	if err := numbers.Set(ctx, "answer", 42, cache.Never()); err != nil {
		panic(err)
	}
	answer, found, err := numbers.Get(ctx, "answer")
	fmt.Println(answer, found, err, b.reads.Load())
	// Output: 42 true <nil> 1
}

func ExampleStatements() {
	for _, st := range cachetest.Statements() {
		if st.ID == "O4" {
			fmt.Printf("%s: %s\n", st.ID, st.Says)
		}
	}
	// Output: O4: add changes nothing if taken
}
