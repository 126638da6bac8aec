// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/locmem/locmem/cache"
	"github.com/locmem/locmem/internal/lock"
)

// threadStatements are section X: goroutines. Run under the race detector they show
// what a backend shares without a lock, too.
var threadStatements = []statement{
	{"X1", "no torn or foreign value, also during culls and Clear", cache.CanStore, noForeignValues},
	{"X2", "Incr and Decr are atomic", cache.CanStore, countingIsAtomic},
	{"X3", "of concurrent Adds one wins and its value is stored", cache.CanStore, oneAddWins},
	{"X4", "calls on many keys are sequences of atomic steps", cache.CanStore, stepsAreAtomic},
	{"X4", "other calls go on during a load", cache.CanStore, callsGoOnDuringALoad},
}

// scaled returns a number of rounds, a fifth of it in a short run.
func scaled(rounds int) int {
	if testing.Short() {
		return rounds / 5
	}
	return rounds
}

// payload is a long value that tells its key and that it is whole.
func payload(key string, n int) string {
	return strings.Repeat(fmt.Sprintf("%s=%d;", key, n), 20)
}

// whole reports whether a value is a payload of the key.
func whole(key, value string) bool {
	first, _, _ := strings.Cut(value, ";")
	return strings.HasPrefix(first, key+"=") && value == strings.Repeat(first+";", 20)
}

func noForeignValues(s *subject) {
	const users = 4
	config := cache.Config{}
	if s.can(cache.CanLimit) {
		config.MaxEntries, config.Cull = 12, cache.Batch(4)
	}
	c := s.alias(config)
	view := cache.For[string](c)
	keys := numbered(16)
	rounds := scaled(3000)
	s.together(users, func(user int) {
		random := rand.New(rand.NewPCG(11, uint64(user)))
		check := func(key, value string) {
			if !whole(key, value) {
				s.Errorf("%q has the value %.40q...", key, value)
			}
		}
		for n := range rounds {
			key := keys[random.IntN(len(keys))]
			var err error
			switch op := random.IntN(100); {
			case op < 40:
				var value string
				var found bool
				if value, found, err = view.Get(s.ctx, key); found {
					check(key, value)
				}
			case op < 65:
				err = view.Set(s.ctx, key, payload(key, n))
			case op < 75:
				var values map[string]string
				values, err = view.GetMany(s.ctx, keys[:4])
				for key, value := range values {
					check(key, value)
				}
			case op < 80:
				_, err = view.SetMany(s.ctx, map[string]string{keys[0]: payload(keys[0], n), keys[1]: payload(keys[1], n)})
			case op < 85:
				_, err = view.Add(s.ctx, key, payload(key, n))
			case op < 90:
				var value string
				if value, err = view.GetOrSet(s.ctx, key, loading(payload(key, n))); err == nil {
					check(key, value)
				}
			case op < 95:
				_, err = view.Delete(s.ctx, key)
			case op < 97:
				_, err = view.Touch(s.ctx, key)
			case op < 98:
				err = view.DeleteMany(s.ctx, keys[2:5])
			case op == 98 && n%8 == 0:
				err = view.Clear(s.ctx)
			default:
				_, err = view.Has(s.ctx, key)
			}
			if err != nil {
				s.Errorf("a call: %v", err)
				return
			}
		}
	})
}

func countingIsAtomic(s *subject) {
	const users = 4
	c := s.alias(cache.Config{})
	set(s, c, "n", 1000)
	rounds := scaled(1000)
	s.together(users, func(user int) {
		for range rounds {
			_, err := c.Incr(s.ctx, "n", int64(user+2))
			if err == nil {
				_, err = c.Decr(s.ctx, "n", 1)
			}
			if err != nil {
				s.Errorf("counting: %v", err)
				return
			}
		}
	})
	want := 1000
	for user := range users {
		want += rounds * (user + 1)
	}
	holds(s, c, "n", want)
}

func oneAddWins(s *subject) {
	const users = 4
	view := cache.For[int](s.alias(cache.Config{}))
	for round := range scaled(200) {
		key := fmt.Sprint("round-", round)
		var wins, winner lock.Int64
		s.together(users, func(user int) {
			added, err := view.Add(s.ctx, key, user)
			if err != nil {
				s.Errorf("Add: %v", err)
			}
			if added {
				wins.Add(1)
				winner.Store(int64(user))
			}
		})
		if n := wins.Load(); n != 1 {
			s.Fatalf("%d of %d concurrent Adds have returned true", n, users)
		}
		holds(s, view.Cache, key, int(winner.Load()))
	}
}

// stepsAreAtomic looks at keys that are overwritten together, all the time: each has a
// value at any moment, and none goes back to an older one.
func stepsAreAtomic(s *subject) {
	view := cache.For[int](s.alias(cache.Config{}))
	keys := numbered(8)
	store := func(n int) error {
		values := make(map[string]int, len(keys))
		for _, key := range keys {
			values[key] = n
		}
		failed, err := view.SetMany(s.ctx, values)
		if len(failed) > 0 {
			s.Errorf("SetMany: %q failed", failed)
		}
		return err
	}
	s.noError(store(0), "SetMany")
	rounds := scaled(2000)
	var done lock.Bool
	s.together(2, func(i int) {
		if i == 0 {
			defer done.Store(true)
			for n := range rounds {
				if err := store(n); err != nil {
					s.Errorf("SetMany: %v", err)
					return
				}
			}
			return
		}
		last := map[string]int{}
		for !done.Load() {
			values, err := view.GetMany(s.ctx, keys)
			if err != nil {
				s.Errorf("GetMany: %v", err)
				return
			}
			for _, key := range keys {
				n, found := values[key]
				if !found || n < last[key] {
					s.Errorf("during a SetMany of %q after %d: %d, %t", key, last[key], n, found)
					return
				}
				last[key] = n
			}
		}
	})
}

func callsGoOnDuringALoad(s *subject) {
	view := cache.For[string](s.alias(cache.Config{}))
	value, err := view.GetOrSet(s.ctx, "k", func(ctx context.Context) (string, error) {
		other := s.beside(func() {
			if err := view.Set(s.ctx, "k", "stored"); err != nil {
				s.Errorf("Set during a load: %v", err)
			}
			if _, err := view.GetMany(s.ctx, []string{"k", "other"}); err != nil {
				s.Errorf("GetMany during a load: %v", err)
			}
			if err := view.DeleteMany(s.ctx, []string{"k", "other"}); err != nil {
				s.Errorf("DeleteMany during a load: %v", err)
			}
		})
		wait, cancel := context.WithTimeout(ctx, patience/10)
		defer cancel()
		return "loaded", other.Wait(wait)
	})
	s.noError(err, "GetOrSet that waits for other calls on its key")
	equal(s, value, "loaded", "GetOrSet of what others have stored and deleted during the load")
}
