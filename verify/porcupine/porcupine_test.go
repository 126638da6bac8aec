// SPDX-License-Identifier: MIT

// Package porcupine checks the checker of histories against Porcupine, with a model
// that is told in another way: where internal/lin carries one state along and puts
// decisions off, here each choice that the cache has makes states of its own.
package porcupine

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/internal/lin"
)

var number = flag.Int("histories", 20_000, "how many histories both checkers are asked about")

// state is what is held, with a deadline that is known.
type state struct {
	held     bool
	value    int64
	ends     bool
	deadline int64
	now      int64
}

func (s state) live() bool { return s.held && (!s.ends || s.now < s.deadline) }
func (s state) dead() bool { return s.held && !s.live() }

// finds reports whether what an operation says it has found is there.
func (s state) finds(o lin.Op) bool {
	same := s.value == o.Old
	switch o.Need {
	case lin.Absent:
		return !s.live()
	case lin.Present:
		return s.live()
	case lin.Held:
		return s.live() && same
	case lin.HeldStale:
		return s.dead() && same
	case lin.Either:
		return s.held && same
	case lin.Other:
		return !s.live() || !same
	default:
		return true
	}
}

// after returns the states that an operation may leave: one for each time from which
// a lifetime may count.
func (s state) after(o lin.Op) []state {
	s.now += o.Advance
	switch o.Then {
	case lin.Same:
		return []state{s}
	case lin.Gone:
		return []state{{now: s.now}}
	case lin.Renewed:
	case lin.Left:
		s.held, s.value = true, o.New
	}
	if !s.held {
		return []state{s} // a renewal of nothing
	}
	if o.Until != 0 {
		s.ends, s.deadline = true, o.Until
		return []state{s}
	}
	switch o.TTL {
	case lin.Kept:
		return []state{s}
	case lin.Forever:
		s.ends = false
		return []state{s}
	}
	var all []state
	for lag := range o.Lag + 1 {
		s.ends, s.deadline = true, s.now+o.TTL-lag
		all = append(all, s)
	}
	return all
}

// model returns Porcupine's model of a cache that may lose entries at any time, or
// not.
func model(loses bool) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{state{}} },
		Step: func(from, input, _ any) (next []any) {
			s, o := from.(state), input.(lin.Op)
			choices := []state{s}
			if loses {
				choices = append(choices, state{now: s.now})
			}
			for _, s := range choices {
				if s.finds(o) {
					for _, s := range s.after(o) {
						next = append(next, s)
					}
				}
			}
			return next
		},
	}
	return m.ToModel()
}

func agrees(m porcupine.Model, ops []lin.Op) bool {
	history := make([]porcupine.Operation, len(ops))
	for i, o := range ops {
		history[i] = porcupine.Operation{ClientId: i, Input: o, Call: o.Call, Return: o.Return}
	}
	return porcupine.CheckOperations(m, history)
}

// legal makes a history that a cache has had: its operations happen one by one, each
// at an instant of its window. With losses and without it has notices of them.
func legal(r *rand.Rand, n int, loses, ends bool) []lin.Op {
	var ops []lin.Op
	var s state
	next := int64(0)
	for i := range n {
		if s.held && r.IntN(8) == 0 { // the cache removes the entry
			o := lin.Op{Need: lin.Held, Old: s.value, Then: lin.Gone}
			if s.dead() {
				o.Need = lin.HeldStale
			}
			s = state{now: s.now}
			if !loses {
				ops = append(ops, window(r, o, i))
			}
		}
		var o lin.Op
		kind := r.IntN(9)
		switch {
		case kind == 8 && ends:
			o.Advance = 1 + r.Int64N(3)
		case kind < 3: // a read
		case kind < 5:
			o.Then = lin.Gone
		default:
			next++
			o.Then, o.New = lin.Left, next
			if ends && r.IntN(4) == 0 {
				o.Until = max(1, s.now-1+r.Int64N(6))
			} else if ends && r.IntN(2) == 0 {
				o.TTL, o.Lag = 1+r.Int64N(5), r.Int64N(3)
			} else if s.live() && r.IntN(2) == 0 {
				o.TTL = lin.Kept
			}
		}
		switch {
		case o.Advance > 0 || kind == 5: // a write without a condition
		case kind == 6 && s.value > 1 && s.live():
			o.Need, o.Old = lin.Other, s.value-1
		case kind == 7 && s.live():
			o.Need = lin.Present
		case s.live():
			o.Need, o.Old = lin.Held, s.value
		default:
			o.Need = lin.Absent
		}
		if o.TTL == lin.Kept && o.Need != lin.Held && o.Need != lin.Present {
			o.TTL = lin.Forever
		}
		states := s.after(o)
		s = states[r.IntN(len(states))]
		ops = append(ops, window(r, o, i))
	}
	return ops
}

// window lets an operation be at work around the i-th instant.
func window(r *rand.Rand, o lin.Op, i int) lin.Op {
	o.Call, o.Return = int64(10*i)-r.Int64N(25), int64(10*i)+r.Int64N(25)
	return o
}

// spoil changes one operation, which makes most histories illegal.
func spoil(r *rand.Rand, ops []lin.Op) {
	o := &ops[r.IntN(len(ops))]
	switch r.IntN(4) {
	case 0:
		o.Need, o.Old = lin.Held, o.Old+1
	case 1:
		if o.TTL != lin.Kept { // of nothing there is nothing to keep
			o.Need = lin.Absent
		}
	case 2:
		o.Then = lin.Gone
	case 3:
		o.Call, o.Return = o.Call+100, o.Return+100
	}
}

func TestBothCheckersAgree(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	verdicts := map[bool]int{}
	for i := range *number {
		loses, ends := i%2 == 0, i/2%2 == 0
		m := lin.Strict
		if loses {
			m = lin.Relaxed
		}
		ops := legal(r, 4+r.IntN(20), loses, ends)
		sound := i/4%5 < 2
		for range 2 + r.IntN(4) {
			if !sound {
				spoil(r, ops)
			}
		}
		r.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
		err := lin.Check(m, ops)
		require.Equal(t, agrees(model(loses), ops), err == nil, "seed %d, history %d, loses %v: %v", seed, i, loses, err)
		if sound {
			require.NoError(t, err, "seed %d, history %d", seed, i)
		}
		verdicts[err == nil]++
	}
	t.Logf("figure: two checkers agree on %d histories, %d of them legal, %d illegal", *number, verdicts[true], verdicts[false])
	require.GreaterOrEqual(t, 10*min(verdicts[true], verdicts[false]), 4**number, "a verdict that nearly always is the same says little")
}

// TestADifferenceWouldBeSeen asks both about different histories.
func TestADifferenceWouldBeSeen(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	differ := 0
	for range 1000 {
		ops := legal(r, 20, false, true)
		other := slices.Clone(ops)
		spoil(r, other)
		if agrees(model(false), ops) != (lin.Check(lin.Strict, other) == nil) {
			differ++
		}
	}
	require.Greater(t, differ, 300)
}
