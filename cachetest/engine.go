// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/hook"
	"github.com/locmem/locmem/internal/lock"
)

const users = 4 // goroutines that use one engine

// checkEngine has goroutines use engines that have the policy.
func checkEngine(policy evict.Policy, o options) (figure string, err error) {
	operations := 0
	for _, c := range []struct {
		entries, weight, shards int
	}{
		{entries: 1, shards: 1},
		{entries: 100, shards: 4},
		{entries: 3, shards: 16},
		{entries: 100, weight: 300, shards: 2},
	} {
		clock := locmem.NewManualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		opts := locmem.Options[int, int]{MaxEntries: c.entries, Shards: c.shards, Policy: policy, Clock: clock}
		if c.weight > 0 {
			opts.MaxWeight = int64(c.weight)
			opts.Weigh = func(_, value int) int64 { return int64(value % 10) }
		}
		e, err := locmem.New(opts)
		if err != nil {
			return "", err
		}
		u := &usage{Engine: e, clock: clock, entries: c.entries, weight: c.weight}
		perUser := o.scaled(10_000)
		u.run(o.seed, perUser)
		e.Close()
		if found := u.found.Load(); found != nil {
			return "", &fault{ruleEngine, fmt.Sprintf("an engine of %d entries, weight %d, in %d shards: %s", c.entries, c.weight, c.shards, *found)}
		}
		operations += users * perUser
	}
	return fmt.Sprintf("%d operations by %d goroutines", operations, users), nil
}

// usage is an engine in use.
type usage struct {
	*locmem.Engine[int, int]
	clock           *locmem.ManualClock
	entries, weight int // the limits, which Resize lowers and sets again
	found           lock.Pointer[string]
}

func (u *usage) broken(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	u.found.CompareAndSwap(nil, &text)
}

// run lets goroutines make random calls and validates the engine when they have
// ended. A panic of the policy ends the program, with the shard's lock held.
func (u *usage) run(seed uint64, perUser int) {
	ended := lock.NewGate()
	var left lock.Int32
	left.Store(users)
	for id := range users {
		random := rand.New(rand.NewPCG(seed, uint64(id)))
		lock.Go(func() {
			for n := range perUser {
				u.step(random, id == 0, n)
				u.look()
			}
			if left.Add(-1) == 0 {
				ended.Open()
			}
		})
	}
	if err := ended.Wait(context.Background()); err != nil {
		u.broken("%v", err)
	}
	u.settled()
	for key := range 4 * u.entries { // new ones
		u.Set(-1-key, 1)
		u.look()
	}
	u.settled()
	if n := u.Len(); u.weight == 0 && n != u.entries {
		u.broken("%d entries are held after %d were set one after the other", n, 4*u.entries)
	}
}

// look compares what is held at the moment with the limits.
func (u *usage) look() {
	if n := u.Len(); n > u.entries {
		u.broken("%d entries are held", n)
	}
	if n := u.Weight(); u.weight > 0 && n > int64(u.weight) {
		u.broken("a weight of %d is held", n)
	}
}

func (u *usage) settled() {
	if err := hook.Validate(u.Engine); err != nil {
		u.broken("%v", err)
	}
}

// step makes one random call. One of the goroutines moves the clock and changes
// the limits.
func (u *usage) step(random *rand.Rand, first bool, n int) {
	key := random.IntN(1 + random.IntN(4*u.entries)) // low ones more often
	switch op := random.IntN(100); {
	case op < 50:
		u.Get(key)
	case op < 80:
		u.Set(key, n)
	case op < 84:
		u.Set(key, n, locmem.TTL(time.Duration(1+random.IntN(100))*time.Millisecond))
	case op < 88:
		u.Delete(key)
	case op < 92:
		u.Compute(key, func(locmem.Entry[int], bool) (int, locmem.Op) { return n, locmem.Store })
	case op < 94:
		u.Add(key, n)
	case op < 95:
		u.Evict(1 + random.IntN(3))
	case op < 96 && first:
		u.clock.Advance(50 * time.Millisecond)
	case op < 97 && first:
		u.limit(1+random.IntN(u.entries), 1+random.IntN(max(1, u.weight)))
		u.limit(u.entries, u.weight)
	case op == 99 && n%16 == 0:
		u.Clear()
	default:
		for range u.All() {
			break
		}
	}
}

// limit sets the limits. Without a limit of weight it ignores that.
func (u *usage) limit(entries, weight int) {
	if u.weight == 0 {
		weight = 0
	}
	if err := u.Resize(entries, int64(weight)); err != nil {
		u.broken("%v", err)
	}
}
