// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
)

// model is a cache too simple to be wrong: a map, a clock, and the removals that
// the engine reports. Every answer of the engine must be the model's.
type model struct {
	t       *testing.T
	clock   *locmem.ManualClock
	entries map[int]modelEntry
	ttl     time.Duration
}

type modelEntry struct {
	value    int
	weight   int64
	deadline time.Time // zero: never
	idle     time.Duration
	used     time.Time
}

func (m *model) end(e modelEntry) (time.Time, bool) {
	end, ok := e.deadline, !e.deadline.IsZero()
	if e.idle > 0 && (!ok || e.used.Add(e.idle).Before(end)) {
		end, ok = e.used.Add(e.idle), true
	}
	return end, ok
}

// live returns the key's entry if it has not expired.
func (m *model) live(key int) (modelEntry, bool) {
	e, ok := m.entries[key]
	if !ok {
		return e, false
	}
	if end, ends := m.end(e); ends && !m.clock.Now().Before(end) {
		return e, false
	}
	return e, true
}

func (m *model) hit(key int) {
	if e, ok := m.live(key); ok {
		e.used = m.clock.Now()
		m.entries[key] = e
	}
}

// removed takes an event in. Removals that are the engine's own decision change
// the model; those that a call asked for must be what the model holds.
func (m *model) removed(r locmem.Removal[int, int]) {
	e, ok := m.entries[r.Key]
	require.True(m.t, ok, "%v of key %d, which the model does not hold", r.Cause, r.Key)
	require.Equal(m.t, e.value, r.Value, "%v of key %d: another value", r.Cause, r.Key)
	require.Equal(m.t, e.weight, r.Weight, "%v of key %d: another weight", r.Cause, r.Key)
	_, live := m.live(r.Key)
	if r.Cause == locmem.Expired {
		require.False(m.t, live, "key %d reported as expired is alive", r.Key)
	} else if r.Cause != locmem.Cleared {
		require.True(m.t, live, "%v of key %d, which has expired", r.Cause, r.Key)
	}
	delete(m.entries, r.Key)
}

// config is one way to make an engine.
type config struct {
	name     string
	policy   evict.Policy
	shards   int
	bend     func(uint64) uint64
	keepHash bool
	weighted bool
	entries  int
}

// configs crosses policies, shard counts and hashes.
func configs() (all []config) {
	policies := []struct {
		name   string
		policy evict.Policy
	}{{"TinyClock", evict.TinyClock}, {"LRU", evict.LRU}, {"CLOCK", evict.CLOCK}, {"FIFO", evict.FIFO}, {"S3FIFO", evict.S3FIFO}}
	hashes := []struct {
		name string
		bend func(uint64) uint64
		keep bool
	}{
		{"true", nil, false},
		{"4bit", func(h uint64) uint64 { return h & (3<<48 | 3<<30) }, true},
		{"constant", func(uint64) uint64 { return 0 }, true},
		{"flooded", func(uint64) uint64 { return 7 << 48 }, false},
	}
	for _, p := range policies {
		for _, shards := range []int{1, 4, 64} {
			for _, h := range hashes {
				for _, entries := range []int{7, 100} {
					weighted := entries == 100 && shards == 4
					all = append(all, config{
						name:   fmt.Sprintf("%s/%dshards/%s/%d", p.name, shards, h.name, entries),
						policy: p.policy, shards: shards, bend: h.bend, keepHash: h.keep, entries: entries, weighted: weighted,
					})
				}
			}
		}
	}
	return all
}

func (c config) options() locmem.Options[int, int] {
	opts := locmem.Options[int, int]{MaxEntries: c.entries, Shards: c.shards, Policy: c.policy, Stats: true}
	if c.weighted {
		opts.MaxWeight = 250
		opts.Weigh = func(_, value int) int64 { return int64(value % 7) }
	}
	opts.BendHash(c.bend, c.keepHash)
	return opts
}

// TestEveryAnswerIsTheModels runs random calls on engines of every configuration
// and compares each answer, each event and the bounds with the model's, and
// validates the engine.
func TestEveryAnswerIsTheModels(t *testing.T) {
	steps := 3000
	if testing.Short() {
		steps = 300
	}
	for _, c := range configs() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			defer func() {
				if t.Failed() {
					t.Logf("seed %d", seed)
				}
			}()
			runModel(t, c, rand.New(rand.NewPCG(seed, 0)), steps)
		})
	}
}

func runModel(t *testing.T, c config, rnd *rand.Rand, steps int) {
	clock := locmem.NewManualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	m := &model{t: t, clock: clock, entries: map[int]modelEntry{}}
	opts := c.options()
	opts.Clock = clock
	if rnd.IntN(2) == 0 {
		m.ttl = time.Minute
		opts.TTL = m.ttl
	}
	opts.OnRemove = m.removed
	e, err := locmem.New(opts)
	require.NoError(t, err)
	defer e.Close()

	limit, weightLimit := c.entries, opts.MaxWeight
	next := 0
	ctx := context.Background()
	failure := errors.New("the database is away")
	for step := range steps {
		key := rnd.IntN(3 * c.entries)
		next++
		old, live := m.live(key)
		entryOpts, entry := m.randomOptions(rnd, next, old, live, c.weighted)
		store := func(stored bool, call string) {
			if !stored {
				require.True(t, c.weighted && entry.weight > weightLimit, "%s of key %d refused", call, key)
				_, still := m.entries[key]
				require.False(t, still, "%s refused, the old entry stayed", call)
				return
			}
			if entry.weight < 0 { // already expired
				_, still := m.entries[key]
				require.False(t, still, "%s of an expired entry left the old one", call)
				return
			}
			m.entries[key] = entry
		}
		op := rnd.IntN(22)
		switch op {
		case 0, 1, 2, 3, 4:
			store(e.Set(key, next, entryOpts...), "Set")
		case 5, 6, 7, 8:
			value, ok := e.Get(key)
			require.Equal(t, live, ok, "Get of key %d", key)
			if live {
				require.Equal(t, old.value, value)
			}
			m.hit(key)
		case 9:
			entry, ok := e.Peek(key)
			require.Equal(t, live, ok)
			require.Equal(t, live, e.Has(key))
			if live {
				end, ends := m.end(old)
				require.Equal(t, old.value, entry.Value)
				require.Equal(t, old.weight, entry.Weight)
				require.Equal(t, !ends, entry.Deadline.IsZero())
				if ends {
					require.True(t, end.Equal(entry.Deadline), "%v, not %v", entry.Deadline, end)
				}
			}
		case 10:
			ok := e.Add(key, next, entryOpts...)
			if live {
				require.False(t, ok, "Add over a live entry")
			} else {
				store(ok, "Add")
			}
		case 11:
			ok := e.Replace(key, next, entryOpts...)
			if !live {
				require.False(t, ok, "Replace of nothing")
			} else {
				store(ok, "Replace")
			}
		case 12:
			require.Equal(t, live, e.Delete(key))
		case 13:
			value, ok := e.Take(key)
			require.Equal(t, live, ok)
			if ok {
				require.Equal(t, old.value, value)
			}
		case 14:
			ok := e.Touch(key, entryOpts...)
			require.Equal(t, live, ok)
			if live {
				if entry.weight < 0 {
					require.NotContains(t, m.entries, key)
				} else {
					entry.value, entry.weight = old.value, old.weight
					m.entries[key] = entry
				}
			}
		case 15:
			value, ok := e.Compute(key, func(entry locmem.Entry[int], found bool) (int, locmem.Op) {
				require.Equal(t, live, found)
				if found {
					require.Equal(t, old.value, entry.Value)
					if old.value%3 == 0 {
						return 0, locmem.Remove
					}
				}
				return next, locmem.Store
			}, entryOpts...)
			if live && old.value%3 == 0 {
				require.False(t, ok)
				require.NotContains(t, m.entries, key)
				break
			}
			store(ok || entry.weight < 0, "Compute")
			if ok {
				require.Equal(t, next, value)
			}
		case 16:
			value, err := e.GetOrSet(ctx, key, func(context.Context, int) (int, error) {
				require.False(t, live, "a load of a live entry")
				if next%5 == 0 {
					return 0, failure
				}
				return next, nil
			}, entryOpts...)
			require.NoError(t, e.Drain(ctx)) // the loader's goroutine delivers
			switch {
			case live:
				require.NoError(t, err)
				require.Equal(t, old.value, value)
				m.hit(key)
			case next%5 == 0:
				require.ErrorIs(t, err, failure)
				delete(m.entries, key)
			default:
				require.NoError(t, err)
				require.Equal(t, next, value)
				if !c.weighted || entry.weight <= weightLimit {
					store(true, "GetOrSet")
				}
			}
		case 17:
			clock.Advance(time.Duration(rnd.IntN(int(20 * time.Second))))

			for key := range m.entries { // what has expired was swept and reported
				_, live := m.live(key)
				require.True(t, live, "key %d has expired and was not swept", key)
			}
		case 18:
			seen := map[int]int{}
			for key, value := range e.All() {
				require.NotContains(t, seen, key)
				seen[key] = value
			}
			require.Len(t, seen, len(m.entries))
			for key, entry := range m.entries {
				require.Equal(t, entry.value, seen[key])
			}
		case 19:
			n := rnd.IntN(4)
			before := len(m.entries)
			removed := e.Evict(n)
			require.Equal(t, min(n, before), removed)
			require.Equal(t, before-removed, len(m.entries))
		case 20:
			if rnd.IntN(10) > 0 {
				break
			}
			e.Clear()
			require.Empty(t, m.entries)
		case 21:
			if rnd.IntN(4) > 0 {
				break
			}
			limit = 1 + rnd.IntN(2*c.entries)
			if c.weighted {
				weightLimit = 1 + rnd.Int64N(500)
			}
			require.NoError(t, e.Resize(limit, weightLimit))
		}
		require.Equal(t, len(m.entries), e.Len(), "step %d: op %d on key %d", step, op, key)
		require.LessOrEqual(t, e.Len(), limit)
		if c.weighted {
			weight := int64(0)
			for _, entry := range m.entries {
				weight += entry.weight
			}
			require.Equal(t, weight, e.Weight())
			require.LessOrEqual(t, weight, weightLimit)
		}
		require.NoError(t, e.Validate(), "step %d", step)
	}
}

// randomOptions returns options for a write and the entry it makes; weight -1
// means that the entry has already expired.
func (m *model) randomOptions(rnd *rand.Rand, value int, old modelEntry, live, weighted bool) ([]locmem.EntryOption, modelEntry) {
	entry := modelEntry{value: value, weight: 1, used: m.clock.Now()}
	if weighted {
		entry.weight = int64(value % 7)
	}
	if m.ttl > 0 {
		entry.deadline = m.clock.Now().Add(m.ttl)
	}
	var opts []locmem.EntryOption
	if weighted && rnd.IntN(4) == 0 {
		entry.weight = rnd.Int64N(300)
		opts = append(opts, locmem.Weight(entry.weight))
	}
	switch rnd.IntN(9) {
	case 0, 1:
		d := time.Duration(1 + rnd.IntN(int(time.Minute)))
		opts = append(opts, locmem.TTL(d))
		entry.deadline = m.clock.Now().Add(d)
	case 2:
		opts = append(opts, locmem.NoTTL())
		entry.deadline = time.Time{}
	case 3:
		opts = append(opts, locmem.KeepTTL())
		if live {
			entry.deadline, entry.idle, entry.used = old.deadline, old.idle, old.used
		}
	case 4:
		at := m.clock.Now().Add(time.Duration(1 + rnd.IntN(int(time.Minute))))
		opts = append(opts, locmem.ExpireAt(at))
		entry.deadline = at
	case 5:
		if rnd.IntN(3) == 0 {
			opts = append(opts, locmem.TTL(-time.Duration(rnd.IntN(2))))
			entry.weight = -1
		}
	case 6:
		entry.idle = time.Duration(1 + rnd.IntN(int(30*time.Second)))
		opts = append(opts, locmem.Idle(entry.idle))
	}
	return opts, entry
}
