// SPDX-License-Identifier: MIT

package locmem

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestInsertionsMayOvertakeAShrinkingIndex lets a shard go from many entries to a
// few and inserts at every stage of the move to a smaller index. The entries that
// are still in the old table have to find room in the new one.
//
// The smaller index is a sixteenth of the old one whatever the size of that, so a
// shard of some hundreds shows what a large one would. It takes six steps to pack
// the slots, and eight more to move the index.
func TestInsertionsMayOvertakeAShrinkingIndex(t *testing.T) {
	const most, after = 1500, 200
	for _, left := range []int{0, 1, 2, 3, 5, 40} {
		for steps := range 16 {
			t.Run(fmt.Sprintf("%d left, %d steps of the move", left, steps), func(t *testing.T) {
				e := engineOf(t, Options[int, int]{MaxEntries: 2 * most, Shards: 1})
				// The last home of all: in the old table the move comes to it last.
				last := map[uint64]bool{}
				for key := range left {
					last[e.hasher.sum(key)] = true
				}
				e.hasher.kind, e.hasher.bent = kindBent, e.hasher.kind
				e.hasher.bend = func(hash uint64) uint64 {
					if last[hash] {
						return 1<<64 - 1
					}
					return hash
				}
				s := &e.shards[0]
				s.keepHash = true
				for key := range left {
					require.True(t, e.Set(key, 0))
				}
				for key := range most {
					require.True(t, e.Set(100+key, 0))
				}
				for key := range most {
					require.True(t, e.Delete(100+key))
				}
				for range steps {
					if !e.compactStep(s) {
						break
					}
				}
				for key := range after {
					require.True(t, e.Set(10_000+key, 0))
					if key < 10 || key%20 == 0 {
						require.NoError(t, e.Validate())
					}
				}
				require.Equal(t, left+after, e.Len())
			})
		}
	}
}
