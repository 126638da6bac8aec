// SPDX-License-Identifier: MIT

package locmem_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/locmem/locmem/internal/model"
)

// hashes are the true one, two that make nearly all keys collide, and one under
// which a shard turns to hashes of its own.
var hashes = []struct {
	name string
	bend func(uint64) uint64
	keep bool
}{
	{"true", nil, false},
	{"4bit", func(h uint64) uint64 { return h & (3<<48 | 3<<30) }, true},
	{"constant", func(uint64) uint64 { return 0 }, true},
	{"flooded", func(uint64) uint64 { return 7 << 48 }, false},
}

// TestEveryAnswerIsTheModels runs random calls on engines of every configuration
// and compares each answer, each event and the bounds with the model's, and
// validates the engine after each call.
func TestEveryAnswerIsTheModels(t *testing.T) {
	steps := 2000
	if testing.Short() {
		steps = 200
	}
	for name, policy := range policies {
		for _, shards := range []int{1, 4, 64} {
			for i, h := range hashes {
				for j, entries := range []int{1, 7, 100} {
					c := model.Config{
						Policy: policy, Shards: shards, Entries: entries, Weighted: shards == 4 && entries > 1,
						Bend: h.bend, Keep: h.keep,
						Tags: i%2 == 1,
					}
					if j != 1 { // an engine of 7 has loads of the plain kind
						c.NegativeTTL, c.RefreshAhead = time.Minute, 10*time.Second
						c.StaleFor, c.StaleIfError = time.Duration(10+10*j)*time.Second, 20*time.Second
					}
					t.Run(fmt.Sprintf("%s/%d shards/%s hash/%d", name, shards, h.name, entries), func(t *testing.T) {
						t.Parallel()
						seed := rand.Uint64()
						defer func() {
							if t.Failed() {
								t.Logf("seed %d", seed)
							}
						}()
						model.Run(t, c, rand.New(rand.NewPCG(seed, 0)), steps)
					})
				}
			}
		}
	}
}
