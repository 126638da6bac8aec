// SPDX-License-Identifier: MIT

package histories

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/hook"
	"github.com/locmem/locmem/internal/leak"
)

var (
	number = flag.Int("histories", 2000, "how many histories of the engine are recorded and checked")
	first  = flag.Uint64("seed", 0, "the seed of the first; 0: any")
	only   = flag.String("setting", "", "the name of the only setting to record; all if empty")
)

func TestMain(m *testing.M) { leak.Main(m) }

// standard is the shape of all histories.
var standard = Setting{Clients: 4, Calls: 40, Keys: 6}

// settings are those in which the engine's histories are recorded: each policy, with
// room for all keys, for two and for a weight, each with every kind of calls.
func settings() (all []Setting) {
	shards := 0
	for _, policy := range []struct {
		name string
		make evict.Policy
	}{
		{"TinyClock", evict.TinyClock}, {"LRU", evict.LRU}, {"S3FIFO", evict.S3FIFO}, {"SIEVE", evict.SIEVE},
	} {
		for _, room := range []struct {
			name    string
			entries int
			weight  int64
			models  []Model
		}{
			{"2 entries", 2, 0, []Model{Explained, Relaxed}},
			{"100 entries", 100, 0, []Model{Explained, Strict}},
			{"weight 6", 0, 6, []Model{Explained, Relaxed}},
		} {
			for _, extras := range []string{"", " loads", " times", " loads tags", " loads times tags"} {
				for _, model := range room.models {
					s := standard
					s.Name = fmt.Sprintf("%v, %s, %s%s", model, policy.name, room.name, extras)
					s.Policy, s.Entries, s.Weight, s.Model = policy.make, room.entries, room.weight, model
					s.Shards = []int{1, 4, 2, 16}[shards%4]
					shards++
					s.Loads = strings.Contains(extras, "loads")
					s.Times = strings.Contains(extras, "times")
					s.Tags = strings.Contains(extras, "tags")
					all = append(all, s)
				}
			}
		}
	}
	return all
}

// tally is what came of many histories.
type tally struct {
	mu      sync.Mutex
	n       int
	bad     int
	overlap float64
	reports []string
}

// record records so many histories, in the settings in turn, on all processors, and
// checks each.
func record(n int, seed uint64, settings []Setting, check func(h *History) error) *tally {
	sum := &tally{}
	var next atomic.Int64
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			d := Driver{}
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				d.Setting = settings[i%int64(len(settings))]
				sum.add(d.Record(seed+uint64(i)), check)
			}
		})
	}
	group.Wait()
	return sum
}

func (s *tally) add(h *History, check func(h *History) error) {
	err := check(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	s.overlap += h.Overlap
	if err == nil {
		return
	}
	if s.bad++; len(s.reports) < 3 {
		s.reports = append(s.reports, fmt.Sprintf("seed %d: %v\n%v\n"+
			"The seed repeats the calls and not their order, so it may take some histories to see it again:\n"+
			"\tgo test -tags=yield -run='^TestHistories$' ./internal/histories -args -seed=%d -histories=10000 -setting=%q",
			h.Seed, h.Name, err, h.Seed, h.Name))
	}
}

// TestHistories lets clients call the engine at random and at once, and checks that
// the answers are linearizable per key and that no value is lost.
func TestHistories(t *testing.T) {
	var chosen []Setting
	for _, s := range settings() {
		if *only == "" || s.Name == *only {
			chosen = append(chosen, s)
		}
	}
	require.NotEmpty(t, chosen, "no setting has the name %q", *only)
	n, seed := *number, *first
	if testing.Short() {
		n = min(n, 200)
	}
	if seed == 0 {
		seed = rand.Uint64() >> 1
	}
	sum := record(n, seed, chosen, func(h *History) error {
		if err := h.Linearizable(); err != nil {
			return err
		}
		if err := h.Conserved(); err != nil {
			return err
		}
		return hook.Validate(h.engine.Engine)
	})
	for _, report := range sum.reports {
		t.Error(report)
	}
	overlap := sum.overlap / float64(sum.n)
	t.Logf("figure: %d histories of %d operations, overlap %.2f, %d violations", sum.n, standard.Clients*standard.Calls, overlap, sum.bad)
	if yields {
		require.GreaterOrEqual(t, overlap, 0.4, "clients hardly meet: such histories show little")
	}
}
