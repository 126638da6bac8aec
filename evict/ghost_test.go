// SPDX-License-Identifier: MIT

package evict

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGhostsDoWhatTheirModelDoes(t *testing.T) {
	for _, fifos := range []int{1, 2} {
		for _, most := range []int{1, 2, 10, 300} {
			rnd := rand.New(rand.NewPCG(5, uint64(most)))
			g := newGhosts(fifos, most)
			models := []ghostModel{{most: most}, {most: most}}
			take := func(hash uint32) int {
				for i := range models {
					if models[i].take(hash) {
						return i
					}
				}
				return -1
			}
			for step := range 20_000 {
				hash := rnd.Uint32N(uint32(3 * most))
				if most > 5 {
					hash = mix32(hash)
				}
				fifo, limit := rnd.IntN(fifos), most-rnd.IntN(1+most/8)
				if rnd.IntN(3) == 0 {
					require.Equal(t, take(hash), g.take(hash))
				} else {
					models[fifo].push(hash, limit, &models[0], &models[1])
					g.push(fifo, hash, limit)
				}
				if step%100 == 0 {
					require.NoError(t, g.validate())
					for i := range fifos {
						require.Equal(t, models[i].size(), g.size(i))
					}
				}
			}
		}
	}
}

// Keys that are pushed and taken at once leave nothing but holes.
func TestGhostsBearAnyNumberOfHoles(t *testing.T) {
	const most = 1000
	g := newGhosts(2, most)
	g.push(1, 12345, most)
	for key := range uint32(10 * most) {
		g.push(1, mix32(key), most)
		if key%500 != 0 {
			require.Equal(t, 1, g.take(mix32(key)))
		}
	}
	require.NoError(t, g.validate())
	require.Equal(t, -1, g.take(12345), "the buffer is full of holes: the oldest made room")
	require.LessOrEqual(t, g.size(1), 4)

	// Now many come at once: the holes at the tail are cleared in steps.
	for key := range uint32(5 * most) {
		g.push(1, mix32(1<<20+key), most/4)
		require.LessOrEqual(t, g.size(1), most/4+most/sweepLimit+2)
	}
	require.NoError(t, g.validate())
	require.Equal(t, most/4, g.size(1))
}

// All homes are the same: the index is one run, and closes up when one goes.
func TestGhostsCloseTheGapsOfTheirIndex(t *testing.T) {
	g := newGhosts(1, 50)
	// The inverse of the factor in spread, by Newton's method modulo 2^32.
	inverse := spread(1)
	for range 5 {
		inverse *= 2 - spread(1)*inverse
	}
	require.EqualValues(t, 77, spread(77*inverse))
	for _, home := range []uint32{0, 1<<32 - 64} { // at the start, and over the end
		for n := range uint32(50) {
			g.push(0, (home+n)*inverse, 50)
		}
		require.NoError(t, g.validate())
		for n := uint32(0); n < 50; n += 3 {
			require.Equal(t, 0, g.take((home+n)*inverse))
			require.NoError(t, g.validate())
		}
		for n := uint32(1); n < 50; n += 3 {
			require.Equal(t, 0, g.take((home+n)*inverse))
			require.Equal(t, -1, g.take((home+n)*inverse))
		}
		require.NoError(t, g.validate())
	}
}

func TestGhostsTakeHashZeroForAKeyLikeOthers(t *testing.T) {
	g := newGhosts(2, 4)
	assert.Equal(t, -1, g.take(0))
	g.push(1, 0, 4)
	require.NoError(t, g.validate())
	assert.Equal(t, 1, g.take(0))
	assert.Equal(t, 0, g.size(1))
}

func TestGhostsStartAnewWhenTheyAreResized(t *testing.T) {
	g := newGhosts(2, 10)
	g.push(0, 5, 10)
	g.resize(2, 10)
	require.Equal(t, 1, g.size(0), "no change")
	g.resize(2, 11)
	require.Equal(t, 0, g.size(0))
	require.Equal(t, -1, g.take(5))
	g.resize(2, 0)
	g.push(0, 5, 0)
	require.Equal(t, 1, g.size(0), "one is always remembered")
	require.NoError(t, g.validate())
}

func TestSparsePagesAreNoLongerThanNeeded(t *testing.T) {
	s := newSparse(5000)
	s.set(4999, 0)
	require.Nil(t, s.pages[1], "a zero needs no page")
	s.set(4999, 7)
	require.Len(t, s.pages[1], 5000-4096)
	require.EqualValues(t, 7, s.get(4999))
	require.Zero(t, s.get(3))
	require.Empty(t, newSparse(0).pages)
	require.Len(t, newSparse(4096).pages, 1)
}

func TestRoomFollowsWhatIsHeld(t *testing.T) {
	tests := []struct {
		name     string
		expected int
		held     []int
		want     []int
	}{
		{"unknown: doubles, and never shrinks", 0, []int{1, 16, 17, 33, 5, 100, 70}, []int{16, 16, 32, 64, 64, 128, 128}},
		{"known: all of it at a sixteenth", 1600, []int{1, 17, 33, 99, 100, 1600}, []int{16, 32, 64, 128, 128, 1600}},
		{"a quarter more is let pass", 100, []int{6, 100, 125, 126, 101, 100}, []int{100, 100, 100, 200, 200, 100}},
		{"far more than expected, one step a call", 10, []int{1000, 1000, 1000}, []int{10, 20, 40}},
		{"less than the first room", 3, []int{1}, []int{3}},
		{"negative is unknown", -5, []int{1}, []int{16}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var r room
			r.expect(test.expected)
			var got []int
			for _, held := range test.held {
				before := r.size
				assert.Equal(t, r.fit(held), before != r.size)
				got = append(got, r.size)
			}
			require.Equal(t, test.want, got)
		})
	}
}
