// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/locmem/locmem"
)

type User struct {
	Name string
	Age  int
}

func ExampleNew() {
	users, err := locmem.New(locmem.Options[string, User]{MaxEntries: 10_000, TTL: time.Hour})
	if err != nil {
		panic(err)
	}
	defer users.Close()

	users.Set("ada", User{"Ada", 36})
	user, ok := users.Get("ada")
	fmt.Println(user.Name, ok)

	_, err = locmem.New(locmem.Options[string, User]{MaxWeight: -1, TTL: -1}) // all faults at once
	fmt.Println(err)
	// Output:
	// Ada true
	// locmem: Options.MaxWeight is -1: it must not be negative
	// locmem: Options.TTL is -1ns: it must not be negative
}

var users = locmem.Must(locmem.New(locmem.Options[string, User]{MaxEntries: 1000}))

func ExampleMust() {
	users.Set("ada", User{"Ada", 36})
	fmt.Println(users.Len())
	// Output: 1
}

func ExampleEngine() {
	words := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer words.Close()
	for word := range strings.FieldsSeq("a rose is a rose") {
		if _, ok, _ := locmem.Incr(words, word, 1); !ok {
			words.Add(word, 1)
		}
	}
	for _, word := range slices.Sorted(maps.Keys(maps.Collect(words.All()))) {
		n, _ := words.Get(word)
		fmt.Println(word, n)
	}
	// Output:
	// a 2
	// is 1
	// rose 2
}

func ExampleOptions() {
	pages := locmem.Must(locmem.New(locmem.Options[string, string]{
		Name:      "pages",
		MaxWeight: 1 << 20, // bytes, because Weigh says so
		Weigh:     func(url, page string) int64 { return int64(len(url) + len(page)) },
		TTL:       time.Minute,
		Stats:     true,
	}))
	defer pages.Close()
	pages.Set("/", "hello")
	pages.Get("/")
	pages.Get("/about")
	fmt.Println(pages.Weight(), pages.Stats().HitRatio())
	// Output: 6 0.5
}

func ExampleEngine_Get() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	e.Set("one", 1)
	fmt.Println(e.Get("one"))
	fmt.Println(e.Get("two"))
	// Output:
	// 1 true
	// 0 false
}

func ExampleEngine_Set() {
	clock := locmem.NewManualClock(time.Unix(0, 0))
	e := locmem.Must(locmem.New(locmem.Options[string, string]{MaxEntries: 100, TTL: time.Hour, Clock: clock}))
	defer e.Close()
	e.Set("default", "lives an hour")
	e.Set("token", "lives a minute", locmem.TTL(time.Minute))
	e.Set("constant", "lives for ever", locmem.NoTTL())

	clock.Advance(time.Minute)
	fmt.Println(e.Has("token"), e.Has("default"))
	clock.Advance(time.Hour)
	fmt.Println(e.Has("default"), e.Has("constant"))
	// Output:
	// false true
	// false true
}

func ExampleEngine_Add() {
	e := locmem.Must(locmem.New(locmem.Options[string, string]{MaxEntries: 100}))
	defer e.Close()
	fmt.Println(e.Add("lock", "me"))
	fmt.Println(e.Add("lock", "you"))
	owner, _ := e.Get("lock")
	fmt.Println(owner)
	// Output:
	// true
	// false
	// me
}

func ExampleEngine_Compute() {
	e := locmem.Must(locmem.New(locmem.Options[string, string]{MaxEntries: 100}))
	defer e.Close()
	push := func(key, item string) {
		e.Compute(key, func(old locmem.Entry[string], _ bool) (string, locmem.Op) {
			return old.Value + item + "\n", locmem.Store
		})
	}
	push("queue", "a")
	push("queue", "b")
	pop := func(key string) (item string) {
		e.Compute(key, func(old locmem.Entry[string], found bool) (rest string, op locmem.Op) {
			item, rest, _ = strings.Cut(old.Value, "\n")
			switch {
			case !found:
				return "", locmem.Keep
			case rest == "":
				return "", locmem.Remove
			}
			return rest, locmem.Store
		}, locmem.KeepTTL())
		return item
	}
	fmt.Println(pop("queue"), pop("queue"), e.Has("queue"))
	// Output: a b false
}

func ExampleOp() {
	fmt.Println(locmem.Keep, locmem.Store, locmem.Remove)
	// Output: Keep Store Remove
}

func ExampleIncr() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	fmt.Println(locmem.Incr(e, "visits", 1))
	e.Set("visits", 100)
	fmt.Println(locmem.Incr(e, "visits", 20))
	_, _, err := locmem.Incr(e, "visits", math.MaxInt)
	fmt.Println(err)
	// Output:
	// 0 false <nil>
	// 120 true <nil>
	// locmem: the sum overflows the value's type
}

func ExampleNumber() {
	type Cents int
	e := locmem.Must(locmem.New(locmem.Options[string, Cents]{MaxEntries: 100}))
	defer e.Close()
	e.Set("ada", 2_50)
	left, _, _ := locmem.Incr(e, "ada", -1_20)
	fmt.Println(left)
	// Output: 130
}

func ExampleCompareAndSwap() {
	e := locmem.Must(locmem.New(locmem.Options[string, string]{MaxEntries: 100}))
	defer e.Close()
	e.Set("state", "idle")
	fmt.Println(locmem.CompareAndSwap(e, "state", "idle", "busy"))
	fmt.Println(locmem.CompareAndSwap(e, "state", "idle", "busy"))
	// Output:
	// true
	// false
}

func ExampleEngine_GetOrSet() {
	e := locmem.Must(locmem.New(locmem.Options[string, User]{
		MaxEntries: 100,
		Load: func(_ context.Context, id string) (User, error) {
			fmt.Println("asking the database for", id)
			return User{Name: "Ada"}, nil
		},
	}))
	defer e.Close()
	ctx := context.Background()
	for range 2 {
		user, err := e.GetOrSet(ctx, "ada", nil)
		fmt.Println(user.Name, err)
	}
	_, err := e.GetOrSet(ctx, "eve", func(context.Context, string) (User, error) {
		return User{}, fs.ErrNotExist
	})
	fmt.Println(errors.Is(err, fs.ErrNotExist), e.Has("eve"))
	// Output:
	// asking the database for ada
	// Ada <nil>
	// Ada <nil>
	// true false
}

func ExampleLoadOptions() {
	tokens := locmem.Must(locmem.New(locmem.Options[string, string]{MaxEntries: 100}))
	defer tokens.Close()

	token, err := tokens.GetOrSet(context.Background(), "printer", func(ctx context.Context, name string) (string, error) {
		granted, seconds := "token of "+name, 300 // what a server answers
		locmem.LoadOptions(ctx, locmem.TTL(time.Duration(seconds)*time.Second))
		return granted, nil
	})
	entry, _ := tokens.Peek("printer")
	fmt.Println(token, err, time.Until(entry.Deadline).Round(time.Second))
	// Output: token of printer <nil> 5m0s
}

func ExampleEngine_Fetch() {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	e := locmem.Must(locmem.New(locmem.Options[string, string]{MaxEntries: 100, Clock: locmem.NewManualClock(start)}))
	defer e.Close()
	entry, err := e.Fetch(context.Background(), "key", func(context.Context, string) (string, error) {
		return "loaded", nil
	}, locmem.TTL(90*time.Second))
	fmt.Println(entry.Value, entry.Deadline.Format(time.TimeOnly), err)
	// Output: loaded 00:01:30 <nil>
}

func ExampleEngine_All() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	e.SetMany(map[string]int{"one": 1, "two": 2, "three": 3})
	for key, value := range e.All() {
		if value%2 == 0 {
			e.Delete(key)
		}
	}
	fmt.Println(maps.Collect(e.All()))
	// Output: map[one:1 three:3]
}

func ExampleEngine_GetMany() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	e.Set("one", 1)
	e.Set("three", 3)
	fmt.Println(e.GetMany([]string{"one", "two", "three"}))
	// Output: map[one:1 three:3]
}

func ExampleEngine_SetMany() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	fmt.Println(e.SetMany(map[string]int{"one": 1, "two": 2}, locmem.TTL(time.Minute)))
	fmt.Println(e.DeleteMany([]string{"one", "two", "three"}))
	// Output:
	// 2
	// 2
}

func ExampleEngine_Resize() {
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 1000}))
	defer e.Close()
	for key := range 1000 {
		e.Set(key, key)
	}
	fmt.Println(e.Len(), e.Resize(100, 0), e.Len())
	// Output: 1000 <nil> 100
}

func ExampleEngine_Drain() {
	events := 0
	e := locmem.Must(locmem.New(locmem.Options[string, int]{
		MaxEntries: 100,
		OnRemove:   func(locmem.Removal[string, int]) { events++ },
	}))
	defer e.Close()
	e.Set("one", 1)
	e.Set("one", 1)
	e.Clear()
	err := e.Drain(context.Background()) // now the listener knows of all of that
	fmt.Println(events, err)
	// Output: 2 <nil>
}

func ExampleRemoval() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{
		MaxEntries: 2,
		OnRemove: func(r locmem.Removal[string, int]) {
			fmt.Println(r.Key, r.Value, r.Cause)
		},
	}))
	e.Set("a", 1)
	e.Set("a", 2)
	e.Set("a", 3, locmem.TTL(0))
	e.Set("b", 4)
	e.Close()
	// Output:
	// a 1 Replaced
	// a 2 Deleted
	// b 4 Cleared
}

func ExampleCause() {
	fmt.Println(locmem.Evicted, locmem.Expired, locmem.TooHeavy)
	// Output: Evicted Expired TooHeavy
}

func ExampleManualClock() {
	clock := locmem.NewManualClock(time.Date(2026, 12, 31, 23, 0, 0, 0, time.UTC))
	e := locmem.Must(locmem.New(locmem.Options[string, string]{MaxEntries: 100, Clock: clock}))
	defer e.Close()
	e.Set("greeting", "happy old year", locmem.ExpireAt(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)))
	clock.Advance(time.Hour - time.Nanosecond)
	fmt.Println(e.Get("greeting"))
	clock.Advance(time.Nanosecond)
	_, ok := e.Get("greeting")
	fmt.Println(ok, clock.Now().Year())
	// Output:
	// happy old year true
	// false 2027
}

func ExampleClock() {
	e := locmem.Must(locmem.New(locmem.Options[string, string]{
		MaxEntries: 100,
		TTL:        time.Hour,
		Clock:      locmem.PreciseClock, // no read is late, however starved the process is
	}))
	defer e.Close()
	fmt.Println(e.Set("token", "secret"))
	// Output: true
}

func ExampleStats() {
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 2, Stats: true}))
	defer e.Close()
	for key := range 3 {
		e.Set(key, key)
	}
	e.Get(2)
	e.Get(9)
	st := e.Stats()
	fmt.Println(st.Entries, "entries,", st.Evicted, "evicted,", st.Hits, "hit,", st.Misses, "miss")
	// Output: 2 entries, 1 evicted, 1 hit, 1 miss
}

func ExampleTTL() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	e.Set("a", 1, locmem.TTL(time.Minute))
	fmt.Println(e.Has("a"))
	e.Set("a", 1, locmem.TTL(0)) // has expired already: removes the key
	fmt.Println(e.Has("a"))
	// Output:
	// true
	// false
}

func ExampleKeepTTL() {
	clock := locmem.NewManualClock(time.Unix(0, 0))
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100, Clock: clock}))
	defer e.Close()
	e.Set("a", 1, locmem.TTL(time.Minute))
	e.Set("b", 1, locmem.TTL(time.Minute))
	e.Set("a", 2, locmem.KeepTTL())
	e.Set("b", 2)
	clock.Advance(time.Hour)
	fmt.Println(e.Has("a"), e.Has("b"))
	// Output: false true
}

func ExampleIdle() {
	clock := locmem.NewManualClock(time.Unix(0, 0))
	e := locmem.Must(locmem.New(locmem.Options[string, string]{MaxEntries: 100, Clock: clock}))
	defer e.Close()
	e.Set("session", "ada", locmem.Idle(time.Minute), locmem.TTL(time.Hour))
	clock.Advance(50 * time.Second)
	e.Get("session") // another minute
	clock.Advance(50 * time.Second)
	fmt.Println(e.Has("session"))
	clock.Advance(50 * time.Second)
	fmt.Println(e.Has("session"))
	// Output:
	// true
	// false
}

func ExampleWeight() {
	e := locmem.Must(locmem.New(locmem.Options[string, string]{MaxWeight: 100}))
	defer e.Close()
	fmt.Println(e.Set("small", "a", locmem.Weight(60)), e.Weight())
	fmt.Println(e.Set("large", "b", locmem.Weight(70)), e.Weight()) // small makes room
	fmt.Println(e.Set("huge", "c", locmem.Weight(101)), e.Weight()) // never fits
	// Output:
	// true 60
	// true 70
	// false 70
}

func ExampleLimit() {
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 100}))
	defer e.Close()
	for key := range 50 {
		e.Set(key, key, locmem.Limit(10))
	}
	fmt.Println(e.Len())
	// Output: 10
}

func ExampleEntryOption() {
	session := []locmem.EntryOption{locmem.TTL(time.Hour), locmem.Idle(10 * time.Minute)}
	e := locmem.Must(locmem.New(locmem.Options[string, string]{MaxEntries: 100}))
	defer e.Close()
	e.Set("ada", "…", session...)
	entry, _ := e.Peek("ada")
	fmt.Println(entry.Idle)
	// Output: 10m0s
}

func ExampleEntry() {
	clock := locmem.NewManualClock(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	e := locmem.Must(locmem.New(locmem.Options[string, string]{MaxWeight: 100, Clock: clock}))
	defer e.Close()
	e.Set("a", "value", locmem.TTL(time.Hour), locmem.Weight(5))
	entry, ok := e.Peek("a")
	fmt.Println(entry.Value, entry.Deadline.Format(time.Kitchen), entry.Weight, ok)
	// Output: value 1:00PM 5 true
}

func ExamplePanicError() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	_, err := e.GetOrSet(context.Background(), "a", func(context.Context, string) (int, error) {
		panic(fs.ErrClosed)
	})
	var p *locmem.PanicError
	fmt.Println(errors.As(err, &p), p.Value, errors.Is(err, fs.ErrClosed))
	// Output: true file already closed true
}
