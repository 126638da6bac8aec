// SPDX-License-Identifier: MIT

package sched

import (
	"math/rand/v2"
	"slices"
)

// strategy decides who goes on.
type strategy interface {
	// born tells of a new thread. The first one, 0, is not told of.
	born(thread int)
	// pick returns the index of who goes on, of two or more. running is the one
	// that has just stopped, if it is the first of the options, else nil.
	pick(options []*thread, running *thread) int
}

// random takes any thread with the same chance at each step: a random walk.
type random struct{ rnd *rand.Rand }

func newRandom(seed uint64) *random { return &random{rand.New(rand.NewPCG(seed, 0))} }

func (*random) born(int) {}

func (s *random) pick(options []*thread, _ *thread) int { return s.rnd.IntN(len(options)) }

// pct lets the thread of the highest priority go on, and lowers that priority at
// depth-1 steps. It finds a bug that needs depth orderings with a chance of at least
// 1/(threads x steps^(depth-1)). Burckhardt, Kothari, Musuvathi and Nagarakatte: A
// Randomized Scheduler with Probabilistic Guarantees of Finding Bugs, 2010.
type pct struct {
	rnd      *rand.Rand
	priority []int64
	changes  []int // the steps of the changes
	step     int
	lowest   int64
}

// newPCT makes one for runs of about so many choices.
func newPCT(seed uint64, depth, steps int) *pct {
	s := &pct{rnd: rand.New(rand.NewPCG(seed, 1))}
	s.born(0)
	for range depth - 1 {
		s.changes = append(s.changes, s.rnd.IntN(max(1, steps)))
	}
	return s
}

func (s *pct) born(thread int) {
	for len(s.priority) <= thread {
		s.priority = append(s.priority, s.rnd.Int64())
	}
}

func (s *pct) pick(options []*thread, running *thread) int {
	if running != nil && slices.Contains(s.changes, s.step) {
		s.lowest--
		s.priority[running.id] = s.lowest
	}
	s.step++
	best := 0
	for i, t := range options {
		if s.priority[t.id] > s.priority[options[best].id] {
			best = i
		}
	}
	return best
}

// exhaustive goes through all schedules with so many preemptions at most, depth
// first: a preemption is a switch away from a thread that could go on.
type exhaustive struct {
	choices     []choice
	at          int // how many choices of this run were made
	preemptions int // left in this run
	bound       int
}

type choice struct{ taken, of int }

func (*exhaustive) born(int) {}

func (s *exhaustive) pick(options []*thread, running *thread) int {
	n := len(options)
	if running != nil && s.preemptions == 0 {
		return 0
	}
	if s.at == len(s.choices) {
		s.choices = append(s.choices, choice{0, n})
	}
	c := s.choices[s.at]
	s.at++
	if c.of != n {
		panic(ErrNotRepeatable)
	}
	if running != nil && c.taken > 0 {
		s.preemptions--
	}
	return c.taken
}

// begin starts a run.
func (s *exhaustive) begin() { s.at, s.preemptions = 0, s.bound }

// advance turns to the next schedule, and reports false if there is none.
func (s *exhaustive) advance() bool {
	s.choices = s.choices[:s.at]
	for len(s.choices) > 0 {
		last := &s.choices[len(s.choices)-1]
		if last.taken++; last.taken < last.of {
			return true
		}
		s.choices = s.choices[:len(s.choices)-1]
	}
	return false
}

// Source is where the choices of a schedule come from, such as a fuzzer's bytes.
type Source interface {
	// IntN returns a number from 0 to n-1.
	IntN(n int) int
}

type drawn struct{ source Source }

func (drawn) born(int) {}

func (s drawn) pick(options []*thread, _ *thread) int { return s.source.IntN(len(options)) }

// given follows a list of threads, as a ScheduleError has it.
type given struct {
	threads []int
	at      int
}

func (*given) born(int) {}

func (s *given) pick(options []*thread, _ *thread) int {
	if s.at < len(s.threads) {
		want := s.threads[s.at]
		s.at++
		for i, t := range options {
			if t.id == want {
				return i
			}
		}
	}
	return 0
}
