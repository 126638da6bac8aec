// SPDX-License-Identifier: MIT

// Package metamorphic gives one list of calls to engines that are made in different
// ways, and all of them must have the same history.
package metamorphic

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/hook"
)

var lists = flag.Int("lists", 50, "how many lists of calls are tried")

const (
	calls = 200 // of a list
	keys  = 20
)

// step is one call.
type step struct {
	name  string
	key   int
	value int64
	ttl   time.Duration // 0: none
	tag   string
}

// program makes a list of calls, with values that are never equal.
func program(r *rand.Rand) []step {
	names := slices.Sorted(maps.Keys(methods))
	list := make([]step, calls)
	for i := range list {
		s := step{name: names[r.IntN(len(names))], key: r.IntN(keys), value: int64(1000 * (i + 1))}
		if r.IntN(3) == 0 {
			s.ttl = time.Duration(1 + r.IntN(60))
		}
		if r.IntN(3) == 0 {
			s.tag = []string{"red", "green", "blue"}[r.IntN(3)]
		}
		list[i] = s
	}
	return list
}

type engine = locmem.Engine[int, int64]

// run is an engine at work on a list.
type run struct {
	*engine
	clock *locmem.ManualClock
	step
	opts []locmem.EntryOption

	mu     sync.Mutex // protects events
	events []string
}

var errLoad = errors.New("metamorphic: the load failed")

// methods are the calls, each with its answer. A list has as many of one as of
// another, so the most usual one is here twice.
var methods = map[string]func(r *run) []any{
	"Get":     func(r *run) []any { v, ok := r.Get(r.key); return []any{v, ok} },
	"Has":     func(r *run) []any { return []any{r.Has(r.key)} },
	"Peek":    func(r *run) []any { e, ok := r.Peek(r.key); return []any{e.Value, e.Deadline.UnixNano(), ok} },
	"Set":     func(r *run) []any { return []any{r.Set(r.key, r.value, r.opts...)} },
	"Set 2":   func(r *run) []any { return []any{r.Set(r.key, r.value, r.opts...)} },
	"Add":     func(r *run) []any { return []any{r.Add(r.key, r.value, r.opts...)} },
	"Replace": func(r *run) []any { return []any{r.Replace(r.key, r.value, r.opts...)} },
	"Delete":  func(r *run) []any { return []any{r.Delete(r.key)} },
	"Take":    func(r *run) []any { v, ok := r.Take(r.key); return []any{v, ok} },
	"Touch":   func(r *run) []any { return []any{r.Touch(r.key, r.opts...)} },
	"Incr":    func(r *run) []any { v, ok, err := locmem.Incr(r.engine, r.key, 1); return []any{v, ok, err} },
	"Move":    func(r *run) []any { return []any{r.Move(r.key, int(r.value/1000)%keys)} },
	"Compute": func(r *run) []any {
		v, ok := r.Compute(r.key, func(old locmem.Entry[int64], found bool) (int64, locmem.Op) {
			return r.value + old.Value%2, []locmem.Op{locmem.Keep, locmem.Store, locmem.Remove}[r.value/1000%3]
		}, r.opts...)
		return []any{v, ok}
	},
	"GetOrSet": func(r *run) []any {
		v, err := r.GetOrSet(context.Background(), r.key, func(context.Context, int) (int64, error) {
			if r.value%7000 == 0 {
				return 0, errLoad
			}
			return r.value, nil
		}, r.opts...)
		return []any{v, err}
	},
	"GetMany": func(r *run) []any { return []any{r.GetMany([]int{r.key, r.key + 1, r.key + 2})} },
	"SetMany": func(r *run) []any { return []any{r.SetMany(map[int]int64{r.key: r.value}, r.opts...)} },
	"Advance": func(r *run) []any { r.clock.Advance(1 + r.ttl/4); return nil },
	"Invalidate": func(r *run) []any {
		if r.tag != "" {
			r.InvalidateTags(r.tag)
		}
		return nil
	},
	"Clear": func(r *run) []any {
		if r.key == 0 {
			r.Clear()
		}
		return nil
	},
}

// setup is one way to make an engine.
type setup struct {
	name   string
	policy evict.Policy
	shards int
	bend   func() func(uint64) uint64 // makes one for an engine; nil: as it comes
	listen bool                       // OnRemove, from the beginning
	watch  bool                       // Watch, from the beginning
	stats  bool
	weigh  bool // each entry as 1
}

// history is what an engine has answered, and what was reported, after each call
// and, because the order holds per key only, sorted.
type history struct{ answers, events []string }

// play lets an engine go through a list.
func play(t *testing.T, s setup, entries int, list []step) (h history) {
	t.Helper()
	r := &run{clock: locmem.NewManualClock(time.Unix(0, 0).UTC())}
	hear := func(gone locmem.Removal[int, int64]) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, fmt.Sprint(gone))
	}
	opts := locmem.Options[int, int64]{MaxEntries: entries, Shards: s.shards, Policy: s.policy, Clock: r.clock, Stats: s.stats}
	if s.listen {
		opts.OnRemove = hear
	}
	if s.weigh {
		opts.Weigh = func(int, int64) int64 { return 1 }
	}
	if s.bend != nil {
		hook.BendHash(&opts, s.bend(), true)
	}
	var err error
	r.engine, err = locmem.New(opts)
	require.NoError(t, err)
	defer r.Close()
	if s.watch {
		r.Watch(hear)
	}
	for _, r.step = range list {
		r.opts = nil
		if r.ttl > 0 {
			r.opts = append(r.opts, locmem.TTL(r.ttl))
		}
		if r.tag != "" {
			r.opts = append(r.opts, locmem.Tags(r.tag))
		}
		answer := methods[r.name](r)
		require.NoError(t, r.Drain(context.Background()))
		h.answers = append(h.answers, fmt.Sprint(r.name, r.key, answer, r.Len(), r.Weight()))
		slices.Sort(r.events)
		h.events = append(h.events, fmt.Sprint(r.events))
		r.events = r.events[:0]
	}
	left := maps.Collect(r.All())
	h.answers = append(h.answers, fmt.Sprint(left))
	require.NoError(t, hook.Validate(r.engine))
	return h
}

// compare plays a list on all engines and returns the first difference.
func compare(t *testing.T, entries int, setups []setup, list []step) string {
	t.Helper()
	var answers, events *history
	for _, s := range setups {
		h := play(t, s, entries, list)
		if answers == nil {
			answers = &h
		}
		if where := difference(answers.answers, h.answers); where != "" {
			return s.name + ": " + where
		}
		if !s.listen && !s.watch {
			continue
		}
		if events == nil {
			events = &h
		}
		if where := difference(events.events, h.events); where != "" {
			return s.name + ": removals: " + where
		}
	}
	return ""
}

func difference(a, b []string) string {
	for i := range a {
		if a[i] != b[i] {
			return fmt.Sprintf("call %d: %s and not %s", i, b[i], a[i])
		}
	}
	return ""
}

var policies = []struct {
	name  string
	make  evict.Policy
	blind bool // to hashes: the order of eviction does not depend on them
}{
	{"TinyClock", evict.TinyClock, false},
	{"LRU", evict.LRU, true},
	{"CLOCK", evict.CLOCK, true},
	{"FIFO", evict.FIFO, true},
	{"S3FIFO", evict.S3FIFO, false},
	{"SIEVE", evict.SIEVE, true},
}

var hashes = []struct {
	name string
	bend func() func(uint64) uint64
}{
	{"seeded", nil},
	{"4 bits", always(func(h uint64) uint64 { return h & (3<<48 | 3<<30) })},
	{"constant", always(func(uint64) uint64 { return 0 })},
}

func always(bend func(uint64) uint64) func() func(uint64) uint64 {
	return func() func(uint64) uint64 { return bend }
}

// numbered makes hashes that are the same in all engines, whose own have seeds: they
// count the keys as they come.
func numbered() func(uint64) uint64 {
	var mu sync.Mutex
	seen := make(map[uint64]uint64)
	return func(h uint64) uint64 {
		mu.Lock()
		defer mu.Unlock()
		if _, ok := seen[h]; !ok {
			seen[h] = uint64(len(seen)+1) * 0x9e3779b97f4a7c15
		}
		return seen[h]
	}
}

// roomy are engines that have room for all keys: nothing depends on how they are
// made.
func roomy() (all []setup) {
	for i, p := range policies {
		for j, shards := range []int{1, 4, 64} {
			for k, h := range hashes {
				n := i + j + k
				all = append(all, setup{
					name: fmt.Sprintf("%s, %d shards, %s hash", p.name, shards, h.name), policy: p.make, shards: shards, bend: h.bend,
					listen: n%3 == 0, watch: n%3 == 1, stats: n%2 == 1, weigh: n%4 == 3,
				})
			}
		}
	}
	return all
}

// tight are engines of one policy that evict. What listens or counts must not change
// their choice.
func tight(policy int) (all []setup) {
	p := policies[policy]
	s := setup{name: p.name, policy: p.make, shards: 1, bend: numbered, listen: true}
	all = append(all, s)
	for _, change := range []struct {
		name  string
		apply func(s *setup)
	}{
		{"no listener", func(s *setup) { s.listen = false }},
		{"a watcher", func(s *setup) { s.listen, s.watch = false, true }},
		{"counters", func(s *setup) { s.stats = true }},
		{"all weigh 1", func(s *setup) { s.weigh = true }},
	} {
		other := s
		other.name += ", " + change.name
		change.apply(&other)
		all = append(all, other)
	}
	if p.blind {
		for _, h := range hashes {
			other := s
			other.name += ", hash " + h.name
			other.bend = h.bend
			all = append(all, other)
		}
	}
	return all
}

func eachList(t *testing.T, try func(seed uint64, list []step)) {
	t.Helper()
	for range *lists {
		seed := rand.Uint64()
		try(seed, program(rand.New(rand.NewPCG(seed, 0))))
	}
}

func TestEnginesWithRoomForAllAgree(t *testing.T) {
	setups := roomy()
	eachList(t, func(seed uint64, list []step) {
		require.Empty(t, compare(t, 100_000, setups, list), "seed %d", seed)
	})
	t.Logf("figure: %d lists of %d calls, the same in %d configurations that have room for all", *lists, calls, len(setups))
}

func TestEnginesThatEvictAgree(t *testing.T) {
	n := 0
	for i, p := range policies {
		setups := tight(i)
		n += len(setups)
		t.Run(p.name, func(t *testing.T) {
			eachList(t, func(seed uint64, list []step) {
				require.Empty(t, compare(t, 7, setups, list), "seed %d", seed)
			})
		})
	}
	t.Logf("figure: %d lists of %d calls, the same in %d configurations that evict, within each policy", *lists, calls, n)
}

// TestDifferencesAreSeen changes one call of the list, or the room, and expects
// another history.
func TestDifferencesAreSeen(t *testing.T) {
	s := setup{policy: evict.LRU, shards: 1, listen: true}
	changed, room := 0, 0
	eachList(t, func(seed uint64, list []step) {
		h := play(t, s, 7, list)
		if other := play(t, s, 6, list); difference(h.answers, other.answers) != "" {
			room++
		}
		other := slices.Clone(list)
		first := slices.IndexFunc(other, func(s step) bool { return s.name == "Set" })
		other[first].value++
		if difference(h.events, play(t, s, 7, other).events) != "" {
			changed++
		}
	})
	require.GreaterOrEqual(t, 10*min(changed, room), 9**lists, "%d lists with another value, %d with less room", changed, room)
}

// TestDigest prints what stands for the histories of lists that are always the
// same, to be compared between builds.
func TestDigest(t *testing.T) {
	sum := fnv.New64a()
	add := func(h history) {
		for _, line := range slices.Concat(h.answers, h.events) {
			_, err := sum.Write([]byte(line))
			require.NoError(t, err)
		}
	}
	for seed := range uint64(20) {
		list := program(rand.New(rand.NewPCG(seed, 0)))
		for i, s := range roomy() {
			if i%10 == 0 {
				add(play(t, s, 100_000, list))
			}
		}
		for i := range policies {
			add(play(t, tight(i)[0], 7, list))
		}
	}
	t.Logf("digest: %x", sum.Sum64())
}
