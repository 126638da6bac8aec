// SPDX-License-Identifier: MIT

package locmem

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/evict"
)

// naiveTimer is what the reference of the wheel keeps for a slot.
type naiveTimer struct {
	when int64
	tick int64 // the tick from which on it counts as filed
}

// TestWheelFindsWhatAListOfDeadlinesFinds runs random calls on a wheel and on a
// map of deadlines, over times from a nanosecond to centuries.
func TestWheelFindsWhatAListOfDeadlinesFinds(t *testing.T) {
	for range 6 {
		seed := rand.Uint64()
		rnd := rand.New(rand.NewPCG(seed, 0))
		now := rnd.Int64N(1 << (1 + rnd.IntN(50)))
		w, naive := newWheel(now), map[uint32]naiveTimer{}
		file := func(slot uint32, when int64) {
			naive[slot] = naiveTimer{when, max(when>>tickShift, w.tick)}
		}
		pick := func() uint32 {
			slots := slices.Sorted(maps.Keys(naive))
			return slots[rnd.IntN(len(slots))]
		}
		unused := func() uint32 {
			for {
				if slot := 1 + rnd.Uint32N(150); naive[slot] == (naiveTimer{}) {
					return slot
				}
			}
		}
		for range 300 {
			switch op := rnd.IntN(10); {
			case op < 5 && len(naive) < 100:
				slot, when := unused(), after(now, rnd.Int64N(1<<(1+rnd.IntN(62))))
				w.add(slot, when)
				file(slot, when)
			case op < 6 && len(naive) > 0:
				slot := pick()
				w.remove(slot)
				delete(naive, slot)
			case op < 7 && len(naive) > 0:
				from, to := pick(), unused()
				w.move(from, to, false)
				file(to, naive[from].when)
				delete(naive, from)
			case op < 8: // a jump
				now = after(now, rnd.Int64N(1<<(1+rnd.IntN(45))))
			default:
				now = after(now, rnd.Int64N(1<<21))
			}
			exact := rnd.IntN(2) == 0
			for calls := 0; ; calls++ {
				require.Less(t, calls, 100_000, "seed %d: the wheel does not come to an end", seed)
				budget := 1 + rnd.IntN(64)
				slot := w.due(now, exact, &budget)
				if slot == evict.None {
					if budget > 0 {
						break
					}
					continue
				}
				timer, ok := naive[slot]
				require.True(t, ok, "seed %d: slot %d is due and not filed", seed, slot)
				require.LessOrEqual(t, timer.when, now, "seed %d: slot %d is not due yet", seed, slot)
				w.remove(slot)
				delete(naive, slot)
			}
			first := int64(never)
			for slot, timer := range naive {
				if exact {
					require.Greater(t, timer.when, now, "seed %d: slot %d was missed", seed, slot)
				} else {
					require.GreaterOrEqual(t, timer.tick, now>>tickShift, "seed %d: slot %d was missed", seed, slot)
				}
				first = min(first, max(timer.when, timer.tick<<tickShift))
			}
			require.Equal(t, len(naive), w.len, "seed %d", seed)
			require.LessOrEqual(t, w.earliest(), first, "seed %d", seed)
			require.Equal(t, len(naive) == 0, w.earliest() == never, "seed %d", seed)
		}
	}
}

// TestWheelBudgetBoundsOneCall: entries of a far bucket come down in steps, of
// which one call takes no more than it was given.
func TestWheelBudgetBoundsOneCall(t *testing.T) {
	w := newWheel(0)
	const far = int64(100) << (tickShift + 2*wheelBits)
	for slot := range uint32(1000) {
		w.add(slot+1, far+int64(slot))
	}
	calls, found := 0, 0
	for found < 1000 {
		calls++
		budget := 10
		slot := w.due(far+1<<30, true, &budget)
		require.GreaterOrEqual(t, budget, 0)
		if slot != evict.None {
			w.remove(slot)
			found++
		}
	}
	require.Greater(t, calls, 1000+1000/10, "a thousand entries came down in fewer steps than the budget allows")
}
