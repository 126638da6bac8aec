// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/locmem/locmem"
)

// A value whose lifetime has passed is returned at once for ten more minutes, while
// a new one is loaded in the background.
func ExampleOptions_staleFor() {
	ctx := context.Background()
	clock := locmem.NewManualClock(time.Unix(0, 0))
	refreshed := make(chan string, 2)
	e := locmem.Must(locmem.New(locmem.Options[string, string]{
		MaxEntries: 100, TTL: time.Hour, StaleFor: 10 * time.Minute, Clock: clock,
		Load:     func(context.Context, string) (string, error) { return "rain", nil },
		OnRemove: func(r locmem.Removal[string, string]) { refreshed <- r.Value },
	}))
	defer e.Close()
	e.Set("weather", "sun")
	clock.Advance(time.Hour + time.Minute)

	_, ok := e.Get("weather")
	fmt.Println("live:", ok)
	weather, _ := e.Fetch(ctx, "weather", nil)
	fmt.Println(weather.Value, weather.Stale)

	fmt.Println("no more", <-refreshed)
	weather, _ = e.Fetch(ctx, "weather", nil)
	fmt.Println(weather.Value, weather.Stale)
	// Output:
	// live: false
	// sun true
	// no more sun
	// rain false
}

// While the database is away the last value is better than none.
func ExampleOptions_staleIfError() {
	ctx := context.Background()
	clock := locmem.NewManualClock(time.Unix(0, 0))
	e := locmem.Must(locmem.New(locmem.Options[string, int]{
		MaxEntries: 100, TTL: time.Minute, StaleIfError: time.Hour, Clock: clock,
		Load: func(context.Context, string) (int, error) { return 0, errors.New("the database is away") },
	}))
	defer e.Close()
	e.Set("price", 42)
	clock.Advance(10 * time.Minute)

	price, err := e.GetOrSet(ctx, "price", nil)
	fmt.Println(price, err)
	entry, _ := e.Fetch(ctx, "price", nil)
	fmt.Println(entry.Stale, entry.LoadErr)

	clock.Advance(time.Hour)
	_, err = e.GetOrSet(ctx, "price", nil)
	fmt.Println(err)
	// Output:
	// 42 <nil>
	// true the database is away
	// the database is away
}

// A database is not asked again and again for what it does not have.
func ExampleOptions_negativeTTL() {
	ctx := context.Background()
	clock := locmem.NewManualClock(time.Unix(0, 0))
	queries := 0
	e := locmem.Must(locmem.New(locmem.Options[int, string]{
		MaxEntries: 100, NegativeTTL: time.Minute, Clock: clock,
		Load: func(_ context.Context, id int) (string, error) {
			queries++
			return "", fmt.Errorf("user %d: %w", id, locmem.ErrNotFound)
		},
	}))
	defer e.Close()
	for range 3 {
		_, err := e.GetOrSet(ctx, 7, nil)
		fmt.Println(errors.Is(err, locmem.ErrNotFound), queries)
	}
	fmt.Println(e.Has(7))
	clock.Advance(time.Minute)
	_, _ = e.GetOrSet(ctx, 7, nil)
	fmt.Println(queries)
	// Output:
	// true 1
	// true 1
	// true 1
	// false
	// 2
}

// Who reads a popular key never waits: a hit in the last minute of its lifetime
// loads the next value in the background.
func ExampleOptions_refreshAhead() {
	ctx := context.Background()
	clock := locmem.NewManualClock(time.Unix(0, 0))
	replaced := make(chan int, 2)
	version := 0
	e := locmem.Must(locmem.New(locmem.Options[string, int]{
		MaxEntries: 100, TTL: time.Hour, RefreshAhead: time.Minute, Clock: clock,
		Load:     func(context.Context, string) (int, error) { version++; return version, nil },
		OnRemove: func(r locmem.Removal[string, int]) { replaced <- r.Value },
	}))
	defer e.Close()
	fmt.Println(e.GetOrSet(ctx, "config", nil))
	clock.Advance(59*time.Minute + 30*time.Second)
	fmt.Println(e.GetOrSet(ctx, "config", nil)) // as before, and starts a load
	fmt.Println("no more", <-replaced)
	fmt.Println(e.GetOrSet(ctx, "config", nil))
	config, _ := e.Peek("config")
	fmt.Println(config.Deadline.Sub(clock.Now()))
	// Output:
	// 1 <nil>
	// 1 <nil>
	// no more 1
	// 2 <nil>
	// 1h0m0s
}
