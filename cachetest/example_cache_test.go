// SPDX-License-Identifier: MIT

package cachetest_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/locmem/locmem/cachetest"
)

// tiny is a cache of one's own, or somebody else's: a map that forgets all when it is
// full.
type tiny struct {
	mu     sync.Mutex
	values map[string]int64
	limit  int
}

func (c *tiny) Get(key string) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, found := c.values[key]
	return value, found
}

func (c *tiny) Set(key string, value int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, found := c.values[key]; !found && len(c.values) >= c.limit {
		clear(c.values)
	}
	c.values[key] = value
}

func (c *tiny) Delete(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.values, key)
}

func (c *tiny) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.values)
}

// checkTiny is what the cache's test does. That it never holds too much and finds what
// was set last are promises of its own, so they are named.
func checkTiny(t *testing.T) {
	cachetest.RunCache(t, newTiny, cachetest.CacheConfig{
		Documented: map[string]string{"C31": "its comment", "C33": "its comment"},
	})
}

func newTiny(_ testing.TB, o cachetest.CacheOptions) cachetest.AnyCache[string] {
	c := &tiny{values: map[string]int64{}, limit: o.Capacity}
	return cachetest.AnyCache[string]{Get: c.Get, Set: c.Set, Delete: c.Delete, Len: c.Len}
}

// The adapter of a cache is a few functions; those it has not got are left out.
func ExampleRunCache() {
	c := newTiny(nil, cachetest.CacheOptions{Capacity: 2})
	c.Set("a", 1)
	c.Set("b", 2)
	c.Set("c", 3)
	value, found := c.Get("c")
	fmt.Println(value, found, c.Len())
	// Output: 3 true 1
}

func ExampleCacheStatements() {
	for _, st := range cachetest.CacheStatements() {
		if st.ID == "C31" || st.ID == "T5" {
			fmt.Printf("%s: %s, %v\n", st.ID, st.Says, st.Basis)
		}
	}
	// Output:
	// C31: at no moment more is held than the capacity, promised by its documentation
	// T5: calls on a key have an order that explains them, taken for granted
}
