// SPDX-License-Identifier: MIT

package cache_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cache"
)

// own returns a cache with a store of its own.
func own(config cache.Config) *cache.Cache {
	config.Registry = cache.NewRegistry(cache.RegistryOptions{})
	return must(cache.New(config))
}

func ExampleCache_Namespace() {
	c := own(cache.Config{})
	user7 := cache.For[string](c.Namespace("user").Namespace("7"))
	_ = user7.Set(ctx, "name", "Ada")
	_ = user7.Set(ctx, "mail", "ada@example.org")

	fmt.Println(cache.For[string](c).Get(ctx, "user:7:name"))
	_ = user7.Drop(ctx)
	fmt.Println(user7.Get(ctx, "mail"))
	// Output:
	// Ada true <nil>
	//  false <nil>
}

func ExampleCache_Drop() {
	c := own(cache.Config{})
	pages, users := c.Namespace("pages"), c.Namespace("users")
	for n := range 100 {
		_ = cache.For[int](pages).Set(ctx, fmt.Sprint(n), n)
	}
	_ = cache.For[string](users).Set(ctx, "ada", "Ada")

	fmt.Println(pages.Drop(ctx))
	fmt.Println(pages.Has(ctx, "7"))
	fmt.Println(users.Has(ctx, "ada"))
	fmt.Println(errors.Is(c.Drop(ctx), cache.ErrArgument)) // that would be Clear
	// Output:
	// <nil>
	// false <nil>
	// true <nil>
	// true
}

func ExampleTags() {
	pages := cache.For[string](own(cache.Config{}))
	_ = pages.Set(ctx, "/users/7", "Ada", cache.Tags("user-7"))
	_ = pages.Set(ctx, "/users", "Ada, Grace", cache.Tags("user-7", "user-8"))
	_ = pages.Set(ctx, "/about", "a cache")

	_ = pages.InvalidateTags(ctx, "user-7") // Ada has another name now
	fmt.Println(must(pages.GetMany(ctx, []string{"/users/7", "/users", "/about"})))
	// Output: map[/about:a cache]
}

func ExampleCache_InvalidateTags() {
	prices := cache.For[int](own(cache.Config{}))
	_ = prices.Set(ctx, "apple", 3, cache.Tags("fruit"))
	_ = prices.Set(ctx, "leek", 2, cache.Tags("vegetable"))
	fmt.Println(prices.InvalidateTags(ctx, "fruit"))
	fmt.Println(must(prices.GetMany(ctx, []string{"apple", "leek"})))
	// Output:
	// <nil>
	// map[leek:2]
}

// What goes is told with its final key and the reason.
func ExampleCache_Watch() {
	c := cache.For[string](own(cache.Config{MaxEntries: 2}))
	stop, err := c.Watch(func(r cache.Removal) { fmt.Println(r.Key, r.Cause) })
	if err != nil {
		panic(err)
	}
	defer stop()
	_ = c.Set(ctx, "a", "one")
	_ = c.Set(ctx, "b", "two")
	_ = c.Set(ctx, "c", "three")
	_ = c.Set(ctx, "b", "zwei")
	_, _ = c.Delete(ctx, "c")
	// Output:
	// :1:a Evicted
	// :1:b Replaced
	// :1:c Deleted
}

func ExampleRemoval() {
	c := own(cache.Config{Codec: cache.NoCopy})
	stop := must(c.Watch(func(r cache.Removal) {
		if r.Cause == locmem.Deleted {
			fmt.Printf("%s: %v\n", r.Key, r.Value) // only NoCopy has the Go value
		}
	}))
	defer stop()
	_ = cache.For[[]string](c).Set(ctx, "names", []string{"Ada", "Grace"})
	_, _ = c.Delete(ctx, "names")
	// Output: :1:names: [Ada Grace]
}

func ExampleCache_Stats() {
	c := cache.For[int](own(cache.Config{}))
	_ = c.Set(ctx, "k", 1)
	for _, key := range []string{"k", "k", "k", "other"} {
		_, _, _ = c.Get(ctx, key)
	}
	stats := must(c.Stats())
	fmt.Println(stats.Entries, stats.Inserts, stats.Hits, stats.Misses, stats.HitRatio())
	// Output: 1 1 3 1 0.75
}

func ExampleCache_Save() {
	before := cache.For[string](own(cache.Config{}))
	_ = before.Set(ctx, "ada", "Ada Lovelace", cache.Timeout(time.Hour))
	var snapshot bytes.Buffer
	fmt.Println(before.Save(ctx, &snapshot))

	after := cache.For[string](own(cache.Config{}))
	fmt.Println(after.Restore(ctx, &snapshot))
	fmt.Println(after.Get(ctx, "ada"))
	remaining, _, _, _ := after.TTL(ctx, "ada")
	fmt.Println(remaining <= time.Hour)
	// Output:
	// <nil>
	// <nil>
	// Ada Lovelace true <nil>
	// true
}

// Whatever is wrong with a snapshot, the cache is as it was.
func ExampleCache_Restore() {
	c := cache.For[string](own(cache.Config{}))
	_ = c.Set(ctx, "k", "held")
	fmt.Println(c.Restore(ctx, bytes.NewBufferString("something else")))
	fmt.Println(c.Get(ctx, "k"))
	// Output:
	// locmem: not a snapshot
	// held true <nil>
}

// A program that starts with what it knew when it was stopped.
func ExampleCache_RestoreFile() {
	dir := must(os.MkdirTemp("", "example"))
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "pages.snapshot")

	run := func() {
		c := cache.For[int](own(cache.Config{}))
		switch err := c.RestoreFile(ctx, path); {
		case errors.Is(err, fs.ErrNotExist):
			fmt.Println("the first start")
		case err != nil:
			fmt.Println("a cold start:", err)
		}
		n := must(c.GetOrSetValue(ctx, "runs", 0))
		fmt.Println("runs before:", n)
		_ = c.Set(ctx, "runs", n+1)
		if err := c.SaveFile(ctx, path); err != nil {
			fmt.Println(err)
		}
	}
	run()
	run()
	// Output:
	// the first start
	// runs before: 0
	// runs before: 1
}

func ExampleCache_List() {
	c := cache.For[string](own(cache.Config{KeyPrefix: "shop"}))
	_ = c.Set(ctx, "user:ada", "Ada", cache.Never())
	_ = c.Set(ctx, "page:about", "a shop")
	for l, err := range c.List(ctx, "user:") {
		if err != nil {
			panic(err)
		}
		fmt.Println(l.Key, l.Remaining == cache.Forever)
	}
	// Output: shop:1:user:ada true
}

func ExampleCache_ListAll() {
	c := cache.For[int](own(cache.Config{}))
	_ = c.Set(ctx, "k", 1)
	_ = c.Set(ctx, "k", 2, cache.Version(2))
	n := 0
	for _, err := range c.ListAll(ctx) {
		if err != nil {
			panic(err)
		}
		n++
	}
	fmt.Println(n)
	// Output: 2
}

func ExampleCache_DeletePrefix() {
	c := cache.For[int](own(cache.Config{}))
	_, _ = c.SetMany(ctx, map[string]int{"user:1": 1, "user:2": 2, "page": 3})
	fmt.Println(c.DeletePrefix(ctx, "user:"))
	fmt.Println(c.Has(ctx, "page"))
	// Output:
	// 2 <nil>
	// true <nil>
}

// Limits can be replaced while the cache is in use: the next write obeys them.
func ExampleCache_SetLimits() {
	c := cache.For[int](own(cache.Config{MaxEntries: 100}))
	for n := range 100 {
		_ = c.Set(ctx, fmt.Sprint(n), n)
	}
	fmt.Println(c.SetLimits(cache.Limits{MaxEntries: 10}), must(c.Stats()).Entries)
	_ = c.Set(ctx, "one-more", 1)
	fmt.Println(must(c.Stats()).Entries)
	// Output:
	// <nil> 100
	// 10
}
