// SPDX-License-Identifier: MIT

package evict

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ghostHistory is every push there ever was, the newest last.
type ghostHistory struct {
	g      *ghosts
	pushes []ghostPush
	count  [2]int // by FIFO
}

type ghostPush struct {
	fifo, tick  int
	bucket, tag uint32
	taken       bool
}

func (h *ghostHistory) push(fifo int, hash uint32) {
	bucket, tag := h.g.place(hash)
	tick := h.count[fifo] / int(h.g.tick)
	h.count[fifo]++
	h.pushes = append(h.pushes, ghostPush{fifo: fifo, bucket: bucket, tag: tag, tick: tick})
	h.g.push(fifo, hash)
}

// age returns how many ticks ago a push was.
func (h *ghostHistory) age(p *ghostPush) int {
	return max(0, h.count[p.fifo]-1)/int(h.g.tick) - p.tick
}

// recent returns the pushes that fit into the bucket, newest first.
func (h *ghostHistory) recent(bucket uint32) (list []*ghostPush) {
	for i := len(h.pushes) - 1; i >= 0 && len(list) < 8; i-- {
		if p := &h.pushes[i]; p.bucket == bucket {
			list = append(list, p)
		}
	}
	return list
}

func (h *ghostHistory) take(hash uint32, ticks int) int {
	bucket, tag := h.g.place(hash)
	for _, p := range h.recent(bucket) {
		if p.tag == tag && !p.taken {
			p.taken = true
			if h.age(p) < ticks {
				return p.fifo
			}
		}
	}
	return -1
}

func (h *ghostHistory) size(fifo, ticks int) (n int) {
	for bucket := range h.g.count {
		for _, p := range h.recent(bucket) {
			if p.fifo == fifo && !p.taken && h.age(p) < ticks {
				n++
			}
		}
	}
	return n
}

// A key is remembered if it is among the last pushes of its FIFO and among the
// last eight of its bucket, however often the stamps have wrapped around.
func TestGhostsRememberTheLastPushes(t *testing.T) {
	for _, fifos := range []int{1, 2} {
		for _, most := range []int{1, 2, 10, 16, 17, 33, 300} {
			rnd := rand.New(rand.NewPCG(5, uint64(most)))
			g := newGhosts(fifos, most)
			h := ghostHistory{g: &g}
			found, missed := 0, 0
			for step := range 6000 {
				key, fifo := mix32(rnd.Uint32N(uint32(3*most+2))), rnd.IntN(fifos)
				limit := most - rnd.IntN(1+most/8)
				ticks := (limit + int(g.tick) - 1) / int(g.tick)
				if rnd.IntN(3) == 0 {
					want := h.take(key, ticks)
					require.Equal(t, want, g.take(key, limit))
					if want < 0 {
						missed++
					} else {
						found++
					}
				} else {
					h.push(fifo, key)
				}
				if step%500 == 0 {
					require.NoError(t, g.validate())
					for i := range fifos {
						require.Equal(t, h.size(i, ticks), g.size(i, limit))
					}
				}
			}
			require.Greater(t, found, 100)
			require.Greater(t, missed, 100)
			require.Greater(t, h.count[0]/int(g.tick), stampMask/10)
		}
	}
}

// Of the keys that a FIFO is to remember few are pushed out by others.
func TestGhostsForgetFewTooEarly(t *testing.T) {
	const most = 40_000
	g := newGhosts(2, most)
	for key := range uint32(4 * most) {
		g.push(int(key&1), mix32(key))
	}
	require.NoError(t, g.validate())
	lost := 0
	for key := uint32(4*most - 1); key >= 2*most+2*most/ghostTicks; key-- {
		if g.take(mix32(key), most) < 0 {
			lost++
		}
	}
	assert.Less(t, float64(lost)/(2*most), 0.03)
	assert.Positive(t, lost)
	for key := uint32(2*most - 1); key > most; key-- {
		require.Equal(t, -1, g.take(mix32(key), most), "too old")
	}
}

func TestGhostsTakeHashZeroForAKeyLikeOthers(t *testing.T) {
	g := newGhosts(2, 4)
	assert.Equal(t, -1, g.take(0, 4))
	g.push(1, 0)
	require.NoError(t, g.validate())
	assert.Equal(t, 1, g.take(0, 4))
	assert.Equal(t, -1, g.take(0, 4))
	assert.Equal(t, 0, g.size(1, 4))
}

func TestGhostsStartAnewWhenTheyAreResized(t *testing.T) {
	g := newGhosts(2, 10)
	g.push(0, 5)
	g.resize(2, 10)
	require.Equal(t, 1, g.size(0, 10), "no change")
	g.resize(2, 11)
	require.Equal(t, 0, g.size(0, 11))
	require.Equal(t, -1, g.take(5, 11))
	g.resize(2, 0)
	g.push(0, 5)
	require.Equal(t, 1, g.size(0, 0), "one is always remembered")
	require.NoError(t, g.validate())
}

func TestGhostPagesComeWithTheFirstPushAndAreNoLongerThanNeeded(t *testing.T) {
	g := newGhosts(1, 5000)
	require.EqualValues(t, 1250, g.count)
	require.Len(t, g.pages, 3)
	for key := range uint32(200) {
		require.Equal(t, -1, g.take(mix32(key), 5000))
	}
	require.Nil(t, g.pages[2], "a look needs no page")
	for key := range uint32(200) {
		g.push(0, mix32(key))
	}
	require.Len(t, g.pages[0], 512)
	require.Len(t, g.pages[2], 1250-1024)
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
