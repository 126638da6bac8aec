// SPDX-License-Identifier: MIT

package locmem_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/locmem/locmem"
)

func ExampleEngine_Peek() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100, Stats: true}))
	defer e.Close()
	e.Set("one", 1, locmem.NoTTL())
	entry, ok := e.Peek("one") // neither a use nor a hit
	fmt.Println(entry.Value, entry.Deadline.IsZero(), ok, e.Stats().Hits)
	// Output: 1 true true 0
}

func ExampleEngine_Has() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	e.Set("one", 1)
	fmt.Println(e.Has("one"), e.Has("two"))
	// Output: true false
}

func ExampleEngine_Replace() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	fmt.Println(e.Replace("one", 1)) // there is nothing to replace
	e.Set("one", 0)
	fmt.Println(e.Replace("one", 1))
	// Output:
	// false
	// true
}

func ExampleEngine_Touch() {
	clock := locmem.NewManualClock(time.Unix(0, 0))
	e := locmem.Must(locmem.New(locmem.Options[string, string]{MaxEntries: 100, TTL: time.Minute, Clock: clock}))
	defer e.Close()
	e.Set("session", "ada")
	clock.Advance(50 * time.Second)
	e.Touch("session") // another minute
	clock.Advance(50 * time.Second)
	fmt.Println(e.Has("session"))
	// Output: true
}

func ExampleEngine_Delete() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	e.Set("one", 1)
	fmt.Println(e.Delete("one"), e.Delete("one"))
	// Output: true false
}

func ExampleEngine_DeleteMany() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	e.SetMany(map[string]int{"one": 1, "two": 2})
	fmt.Println(e.DeleteMany([]string{"one", "two", "three"}), e.Len())
	// Output: 2 0
}

func ExampleEngine_Take() {
	e := locmem.Must(locmem.New(locmem.Options[string, string]{MaxEntries: 100}))
	defer e.Close()
	e.Set("nonce", "secret")
	fmt.Println(e.Take("nonce")) // of many callers one gets it
	_, ok := e.Take("nonce")
	fmt.Println(ok)
	// Output:
	// secret true
	// false
}

func ExampleEngine_Evict() {
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 100}))
	defer e.Close()
	for key := range 100 {
		e.Set(key, key)
	}
	fmt.Println(e.Evict(30), e.Len()) // memory is short
	// Output: 30 70
}

func ExampleEngine_Clear() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	e.SetMany(map[string]int{"one": 1, "two": 2})
	e.Clear()
	fmt.Println(e.Len())
	// Output: 0
}

func ExampleEngine_Now() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	e.Set("a", 1, locmem.TTL(time.Hour))
	entry, _ := e.Peek("a")
	left := entry.Deadline.Sub(e.Now())
	fmt.Println(left > 59*time.Minute, left <= time.Hour)
	// Output: true true
}

func ExampleEngine_Len() {
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 10}))
	defer e.Close()
	for key := range 25 {
		e.Set(key, key)
	}
	fmt.Println(e.Len())
	// Output: 10
}

func ExampleEngine_Weight() {
	e := locmem.Must(locmem.New(locmem.Options[string, string]{
		MaxWeight: 1000,
		Weigh:     func(_, value string) int64 { return int64(len(value)) },
	}))
	defer e.Close()
	e.Set("a", "four")
	e.Set("b", "seven..")
	fmt.Println(e.Weight())
	// Output: 11
}

func ExampleEngine_Stats() {
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxWeight: 10, Shards: 2}))
	defer e.Close()
	for key := range 4 {
		e.Set(key, key, locmem.Weight(5))
	}
	st := e.Stats()
	fmt.Println(st.Evicted, st.RemovedWeight(locmem.Evicted), len(st.PerShard))
	// Output: 2 10 2
}

func ExampleShardSize() {
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 1000, Shards: 4}))
	defer e.Close()
	for key := range 1000 {
		e.Set(key, key)
	}
	entries := 0
	for _, shard := range e.Stats().PerShard {
		entries += shard.Entries
	}
	fmt.Println(entries)
	// Output: 1000
}

func ExampleStats_HitRatio() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100, Stats: true}))
	defer e.Close()
	e.Set("one", 1)
	for _, key := range []string{"one", "two", "one", "one"} {
		e.Get(key)
	}
	fmt.Println(e.Stats().HitRatio())
	// Output: 0.75
}

func ExampleStats_RemovedWeight() {
	e := locmem.Must(locmem.New(locmem.Options[string, string]{MaxWeight: 100}))
	defer e.Close()
	e.Set("a", "old", locmem.Weight(30))
	e.Set("a", "new", locmem.Weight(40))
	e.Delete("a")
	st := e.Stats()
	fmt.Println(st.RemovedWeight(locmem.Replaced), st.RemovedWeight(locmem.Deleted))
	// Output: 30 40
}

func ExampleEngine_Close() {
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	e.Set("one", 1)
	e.Close()
	_, ok := e.Get("one")
	_, err := e.GetOrSet(context.Background(), "one", func(context.Context, string) (int, error) { return 1, nil })
	fmt.Println(ok, e.Set("one", 1), errors.Is(err, locmem.ErrClosed))
	// Output: false false true
}

func ExampleEngine_Restore() {
	old := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer old.Close()
	old.Set("one", 1)
	var snapshot bytes.Buffer
	if err := old.Save(&snapshot); err != nil {
		fmt.Println(err)
		return
	}

	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	fmt.Println(e.Restore(bytes.NewReader(snapshot.Bytes())))
	fmt.Println(e.Get("one"))
	fmt.Println(e.Restore(bytes.NewReader(snapshot.Bytes()[:20])))
	// Output:
	// <nil>
	// 1 true
	// locmem: the snapshot is damaged: it ends too early
}

func ExampleSaveFile() {
	dir, err := os.MkdirTemp("", "locmem")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "users")

	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100}))
	defer e.Close()
	e.Set("ada", 36)
	fmt.Println(locmem.SaveFile(e, path))
	e.Clear()
	fmt.Println(locmem.RestoreFile(e, path), e.Len())
	// Output:
	// <nil>
	// <nil> 1
}

func ExampleExpireAt() {
	clock := locmem.NewManualClock(time.Date(2026, 12, 31, 23, 59, 0, 0, time.UTC))
	e := locmem.Must(locmem.New(locmem.Options[string, string]{MaxEntries: 100, Clock: clock}))
	defer e.Close()
	e.Set("offer", "until midnight", locmem.ExpireAt(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)))
	fmt.Println(e.Has("offer"))
	clock.Advance(time.Minute)
	fmt.Println(e.Has("offer"))
	// Output:
	// true
	// false
}

func ExampleNoTTL() {
	clock := locmem.NewManualClock(time.Unix(0, 0))
	e := locmem.Must(locmem.New(locmem.Options[string, string]{MaxEntries: 100, TTL: time.Minute, Clock: clock}))
	defer e.Close()
	e.Set("motto", "forever", locmem.NoTTL())
	clock.Advance(1000 * time.Hour)
	fmt.Println(e.Has("motto"))
	// Output: true
}

func ExampleNewManualClock() {
	clock := locmem.NewManualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	clock.Advance(36 * time.Hour)
	fmt.Println(clock.Now().Format(time.DateTime))
	// Output: 2026-01-02 12:00:00
}

func ExampleManualClock_Advance() {
	clock := locmem.NewManualClock(time.Unix(0, 0))
	e := locmem.Must(locmem.New(locmem.Options[string, int]{
		MaxEntries: 100,
		Clock:      clock,
		OnRemove:   func(r locmem.Removal[string, int]) { fmt.Println(r.Key, r.Cause) },
	}))
	defer e.Close()
	e.Set("a", 1, locmem.TTL(time.Minute))
	clock.Advance(time.Minute) // what has expired is removed before this returns
	fmt.Println(e.Len())
	// Output:
	// a Expired
	// 0
}

func ExampleManualClock_Set() {
	clock := locmem.NewManualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	e := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 100, Clock: clock, TTL: time.Hour}))
	defer e.Close()
	e.Set("a", 1)
	clock.Set(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)) // set back: for the engine time stands still
	fmt.Println(e.Has("a"))
	clock.Set(time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC))
	fmt.Println(e.Has("a"))
	// Output:
	// true
	// false
}

func ExampleManualClock_Now() {
	clock := locmem.NewManualClock(time.Unix(0, 0))
	fmt.Println(clock.Now().Unix())
	clock.Advance(time.Minute)
	fmt.Println(clock.Now().Unix())
	// Output:
	// 0
	// 60
}

func ExampleCause_String() {
	fmt.Println(locmem.Invalidated.String())
	// Output: Invalidated
}

func ExampleOp_String() {
	fmt.Println(locmem.Remove.String())
	// Output: Remove
}

func ExamplePanicError_Unwrap() {
	err := &locmem.PanicError{Value: os.ErrClosed}
	fmt.Println(errors.Is(err, os.ErrClosed))
	// Output: true
}

func ExamplePanicError_Error() {
	err := &locmem.PanicError{Value: "boom", Stack: []byte("main.main()")}
	fmt.Println(err)
	// Output:
	// locmem: the loader panicked: boom
	//
	// main.main()
}
