// SPDX-License-Identifier: MIT

package main

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bestHits tries every choice: at a miss, which of the keys held and the missing
// one to do without. held is a set of bits.
func bestHits(ids []int32, held uint, room int) int {
	if len(ids) == 0 {
		return 0
	}
	id, rest := uint(1)<<ids[0], ids[1:]
	if held&id != 0 {
		return 1 + bestHits(rest, held, room)
	}
	if room > 0 {
		return bestHits(rest, held|id, room-1)
	}
	best := bestHits(rest, held, 0)
	for victim := uint(1); victim <= held; victim <<= 1 {
		if held&victim != 0 {
			best = max(best, bestHits(rest, held&^victim|id, 0))
		}
	}
	return best
}

func TestOPTHasTheMostHitsThatAnyChoiceOfVictimsHas(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	sometimes := 0
	for range 400 {
		const distinct = 5
		ids := make([]int32, 12)
		for i := range ids {
			ids[i] = rnd.Int32N(distinct)
		}
		capacity := 1 + rnd.IntN(distinct)
		hits, most := opt(ids, distinct, capacity)
		require.Equal(t, bestHits(ids, 0, capacity), hits, "capacity %d, requests %v", capacity, ids)
		require.LessOrEqual(t, most, capacity, "capacity %d, requests %v", capacity, ids)
		if most == capacity {
			sometimes++
		}
	}
	assert.Positive(t, sometimes, "no sequence filled the cache")
}

func TestOPTOfKnownSequences(t *testing.T) {
	tests := []struct {
		name           string
		ids            []int32
		capacity, hits int
	}{
		{"none", nil, 1, 0},
		{"all different", []int32{0, 1, 2, 3}, 2, 0},
		{"one key", []int32{0, 0, 0, 0}, 1, 3},
		{"refuses what comes between", []int32{0, 1, 0, 2, 0, 3, 0}, 1, 3},
		{"a loop of one more than fits", []int32{0, 1, 2, 0, 1, 2, 0, 1, 2}, 2, 4},
		{"all fit", []int32{0, 1, 2, 2, 1, 0}, 3, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			hits, _ := opt(test.ids, 4, test.capacity)
			assert.Equal(t, test.hits, hits)
			assert.Equal(t, bestHits(test.ids, 0, test.capacity), hits)
		})
	}
}
