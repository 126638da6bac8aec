// SPDX-License-Identifier: MIT

package cache_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/locmem/locmem/cache"
)

var ctx = context.Background()

// must is for examples alone: programs look at the error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func ExampleOpen() {
	c, err := cache.Open("locmem://greetings?timeout=60s&max_entries=10000")
	if err != nil {
		panic(err)
	}
	greetings := cache.For[string](c)
	err = greetings.Set(ctx, "en", "hello")
	greeting, found, _ := greetings.Get(ctx, "en")
	fmt.Println(greeting, found, err)
	// Output: hello true <nil>
}

// All that is wrong is said at once.
func ExampleParseDSN() {
	config, err := cache.ParseDSN("locmem://a%20b?max_entries=none&version=0")
	fmt.Printf("%q %v %v\n", config.Location, config.MaxEntries == cache.NoLimit, err)

	_, err = cache.ParseDSN("locmem://?timeout=soon&max_entries=0")
	fmt.Println(errors.Is(err, cache.ErrConfig))
	fmt.Println(err)
	// Output:
	// "a b" true <nil>
	// true
	// cache: invalid configuration: timeout is "soon": it must be none, a duration such as 1m30s, or a whole number of seconds
	// cache: invalid configuration: max_entries is 0: it must be at least 1, or none
}

// What a DSN cannot say is set in the Config.
func ExampleConfig() {
	config := must(cache.ParseDSN("locmem://?timeout=none"))
	config.Registry = cache.NewRegistry(cache.RegistryOptions{}) // a store for this example alone
	config.KeyFunc = func(key, prefix string, version int) string {
		return fmt.Sprint(prefix, "/v", version, "/", strings.ToLower(key))
	}
	c := must(cache.New(config))
	fmt.Println(cache.For[int](c).Set(ctx, "Answer", 42))
	for entry, err := range c.ListAll(ctx) {
		fmt.Println(entry.Key, entry.Remaining == cache.Forever, err)
	}
	// Output:
	// <nil>
	// /v1/answer true <nil>
}

func ExampleBatch() {
	registry := cache.NewRegistry(cache.RegistryOptions{})
	for _, cull := range []cache.Cull{{}, cache.Batch(), cache.Batch(2)} {
		c := must(cache.New(cache.Config{MaxEntries: 30, Cull: cull, Registry: registry}))
		for i := range 31 {
			_ = cache.For[int](c).Set(ctx, fmt.Sprint(i), i)
		}
		fmt.Println(must(c.Stats()).Entries)
		_ = c.Clear(ctx)
	}
	// Output:
	// 30
	// 21
	// 16
}

func ExampleLimits() {
	c := must(cache.New(cache.Config{Location: "limits", MaxEntries: 100}))
	fmt.Println(c.SetLimits(cache.Limits{MaxEntries: 10, Cull: cache.Batch()}))
	fmt.Println(errors.Is(c.SetLimits(cache.Limits{MaxEntries: -1}), cache.ErrConfig))
	// Output:
	// <nil>
	// true
}

func ExampleNewCaches() {
	set, err := cache.NewCaches(map[string]cache.Config{
		"default": {Timeout: cache.Timeout(time.Minute)},
		"users":   {Location: "users", MaxEntries: 10_000, Timeout: cache.Never()},
	})
	if err != nil {
		panic(err)
	}
	defer func() { _ = set.Close() }()
	users := cache.For[string](must(set.Cache("users")))
	_ = users.Set(ctx, "7", "Ada")
	name, found, err := users.Get(ctx, "7")
	fmt.Println(name, found, err)
	// Output: Ada true <nil>
}

func ExampleCaches() {
	set := must(cache.CachesFromDSNs(map[string]string{"default": "locmem://", "pages": "locmem://pages"}))
	pages, err := set.Cache("pages")
	again, _ := set.Cache("pages")
	fmt.Println(pages == again, err)
	// Output: true <nil>
}

func ExampleCaches_Cache() {
	set := must(cache.NewCaches(nil))
	_, err := set.Cache("users")
	fmt.Println(errors.Is(err, cache.ErrUnknownAlias), err)
	// Output: true cache: unknown alias: "users"
}

func ExampleCaches_Aliases() {
	set := must(cache.CachesFromDSNs(map[string]string{"users": "locmem://users", "default": "dummy://"}))
	fmt.Println(set.Aliases(), must(cache.NewCaches(nil)).Aliases())
	// Output: [default users] [default]
}

// Close gives back connections. Local memory has none and keeps its entries.
func ExampleCaches_Close() {
	set := must(cache.CachesFromDSNs(map[string]string{"default": "locmem://close"}))
	texts := cache.For[string](must(set.Cache("default")))
	_ = texts.Set(ctx, "k", "v")
	fmt.Println(set.Close())
	fmt.Println(texts.Get(ctx, "k"))
	// Output:
	// <nil>
	// v true <nil>
}

func ExampleCachesFromDSNs() {
	_, err := cache.CachesFromDSNs(map[string]string{
		"default": "locmem://?max_entries=many",
		"users":   "locmem://users?version=latest",
	})
	fmt.Println(err)
	// Output:
	// cache: alias "default": invalid configuration: max_entries is "many": it must be a whole number
	// cache: alias "users": invalid configuration: version is "latest": it must be a whole number
}

func ExampleCachesFromJSON() {
	set, err := cache.CachesFromJSON([]byte(`{
		"default": "locmem://?timeout=60s",
		"users": {"location": "users", "timeout": "none", "max_entries": 10000}
	}`))
	fmt.Println(set.Aliases(), err)
	// Output: [default users] <nil>
}

func ExampleCachesFromEnv() {
	_ = os.Setenv("EXAMPLE_CACHE_DEFAULT", "locmem://?timeout=60s")
	_ = os.Setenv("EXAMPLE_CACHE_USERS", "locmem://users?max_entries=10000")
	set, err := cache.CachesFromEnv("EXAMPLE_CACHE_")
	fmt.Println(set.Aliases(), err)
	// Output: [default users] <nil>
}

func ExampleSetCaches() {
	set := must(cache.CachesFromDSNs(map[string]string{"default": "dummy://"}))
	cache.SetCaches(set) // usually once, at the program's start
	defer cache.SetCaches(nil)
	fmt.Printf("%T\n", cache.Default().Backend())
	// Output: cache.Dummy
}

func ExampleDefault() {
	c := cache.Default()
	_ = cache.For[int](c).Set(ctx, "visits", 41)
	fmt.Println(c.Incr(ctx, "visits", 1))
	// Output: 42 <nil>
}

// A driver that keeps the entries of each location apart from the process's.
func ExampleRegister() {
	registry := cache.NewRegistry(cache.RegistryOptions{})
	cache.Register("example", cache.Driver{
		Params: []string{"tenant"},
		Open: func(c cache.Config) (cache.Backend, error) {
			return registry.Local(c.Params["tenant"] + "/" + c.Location), nil
		},
	})
	c, err := cache.Open("example://users?tenant=7")
	fmt.Println(c.Backend() == registry.Local("7/users"), err)
	// Output: true <nil>
}

// The driver of a server: what is wrong with a configuration is said before
// anything is opened.
func ExampleDriver() {
	cache.Register("example-server", cache.Driver{
		Check: func(c cache.Config) error {
			if c.Location == "" {
				return errors.New("there is no address")
			}
			return cache.CheckRemote(c)
		},
		Open: func(cache.Config) (cache.Backend, error) { return cache.Dummy{}, nil },
	})
	_, err := cache.NewCaches(map[string]cache.Config{"default": {Driver: "example-server"}})
	fmt.Println(err)
	// Output: cache: alias "default": invalid configuration: driver example-server: there is no address
}

func ExampleCheckRemote() {
	cache.Register("example-remote", cache.Driver{
		Check: cache.CheckRemote,
		Open:  func(cache.Config) (cache.Backend, error) { return cache.Dummy{}, nil },
	})
	_, err := cache.Open("example-remote://localhost?max_entries=1000")
	fmt.Println(err)
	// Output: cache: invalid configuration: max_entries is set, and driver example-remote has limits of its own
}

func ExampleDummy() {
	pages := cache.For[string](must(cache.Open("dummy://")))
	fmt.Println(pages.Set(ctx, "k", "v"))
	_, found, err := pages.Get(ctx, "k")
	fmt.Println(found, err)
	// Output:
	// <nil>
	// false <nil>
}
