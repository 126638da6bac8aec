// SPDX-License-Identifier: MIT

package locmem_test

import (
	"fmt"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
)

func ExampleLimitWeight() {
	e := locmem.Must(locmem.New(locmem.Options[string, string]{
		Unbounded: true,
		Weigh:     func(_, value string) int64 { return int64(len(value)) },
	}))
	defer e.Close()
	for _, key := range []string{"a", "b", "c"} {
		e.Set(key, "forty bytes, or as many as there are now", locmem.LimitWeight(100))
	}
	fmt.Println(e.Len(), e.Weight())
	// Output: 2 80
}

func ExampleCull() {
	e := locmem.Must(locmem.New(locmem.Options[int, string]{Unbounded: true, Policy: evict.LRU}))
	defer e.Close()
	for key := range 301 {
		e.Set(key, "", locmem.Limit(300), locmem.Cull(3))
	}
	fmt.Println(e.Len()) // the last one has found 300 and evicted 100
	// Output: 201
}

func ExampleEngine_Move() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	e.Set("draft", 1)
	fmt.Println(e.Move("draft", "final"), e.Has("draft"), e.Has("final"))
	// Output: true false true
}

func ExampleEngine_Watch() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	stop := e.Watch(func(r locmem.Removal[string, int]) { fmt.Println(r.Key, r.Cause) })
	e.Set("a", 1)
	e.Delete("a")
	stop()
	e.Set("b", 1)
	e.Delete("b")
	// Output: a Deleted
}
