// SPDX-License-Identifier: MIT

// Package lin checks whether what a cache answered to concurrent callers could
// have been answered by one that does everything at a single instant between an
// operation's call and its return: linearizability, key by key, as defined by
// Herlihy and Wing (1990). The search is the one of Wing and Gong (1993) with the
// memory of Lowe (2017).
//
// An operation is given by what its answer says: what it needs to have found, and
// what it left. A hit needs the value it returned; a miss needs that nothing is
// held; an Add that stored needs that nothing is held and leaves its value. That is
// all the checker knows, so it fits any cache.
package lin

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Need is what an operation must have found.
type Need uint8

// The needs. An operation with the zero Need works whatever is there.
const (
	Anything  Need = iota
	Absent         // no entry, or one that has expired
	Present        // an entry, whatever its value
	Held           // the entry with the value Old
	HeldStale      // the entry with the value Old, which has expired
	Either         // the entry with the value Old, whether it has expired or not
	Other          // no entry with the value Old, or one that has expired
)

// Then is what an operation has left.
type Then uint8

// What can be left.
const (
	Same    Then = iota // what it found
	Gone                // no entry
	Left                // the entry with the value New, which lives for TTL
	Renewed             // the entry that it found, which lives for TTL from now on
)

// What TTL may be beside a length of time.
const (
	Forever = 0  // the entry does not expire
	Kept    = -1 // the entry expires when the one did that it found and replaces
)

// Op is one operation on one key, complete.
type Op struct {
	// Client is who called it; of one client no two operations overlap. Notices
	// and the clock have clients of their own.
	Client int
	// Call and Return are the times of both. An operation that returned before
	// another was called, Return < Call, must come before it.
	Call, Return int64

	Need Need
	Old  int64
	Then Then
	New  int64
	TTL  int64 // of what is left
	// Lag is how long before the operation's instant the time may have been read
	// from which TTL counts.
	Lag int64
	// Until, if not 0, is the deadline of what is left, in place of TTL.
	Until int64
	// Advance is by how much the operation moves the clock.
	Advance int64

	// Name is for reports only.
	Name string
}

func (o Op) String() string {
	name := o.Name
	if name == "" {
		name = "operation"
	}
	b := new(strings.Builder)
	fmt.Fprintf(b, "[%d, %d] client %d: %s", o.Call, o.Return, o.Client, name)
	switch o.Need {
	case Anything:
	case Absent:
		b.WriteString(", found nothing")
	case Present:
		b.WriteString(", found an entry")
	case Held:
		fmt.Fprintf(b, ", found %d", o.Old)
	case HeldStale:
		fmt.Fprintf(b, ", found %d expired", o.Old)
	case Either:
		fmt.Fprintf(b, ", found %d or that expired", o.Old)
	case Other:
		fmt.Fprintf(b, ", did not find %d", o.Old)
	}
	switch o.Then {
	case Same:
	case Gone:
		b.WriteString(", left nothing")
	case Left:
		fmt.Fprintf(b, ", left %d", o.New)
	case Renewed:
		b.WriteString(", left it")
	}
	if o.Until != 0 {
		fmt.Fprintf(b, " until %d", o.Until)
	} else if o.TTL == Kept {
		b.WriteString(" until it would have expired")
	} else if o.TTL != Forever {
		fmt.Fprintf(b, " for %d", o.TTL)
	}
	if o.Lag != 0 {
		fmt.Fprintf(b, " less up to %d", o.Lag)
	}
	if o.Advance != 0 {
		fmt.Fprintf(b, ", the clock went on by %d", o.Advance)
	}
	return b.String()
}

// Model is how freely a cache may lose entries.
type Model uint8

const (
	// Strict is a map: what is stored is there until it is removed or expires.
	// With the notices of evictions and expiries among the operations it is the
	// explained model: every miss has a cause.
	Strict Model = iota
	// Relaxed is a cache that may lose any entry at any time, but never gets one
	// back. One state is enough for it: that an entry was lost need not be decided
	// before an operation says so.
	Relaxed
)

// State is what is held for the key. The deadline is known as far as answers have
// told: it is later than after, and not later than until. Of two states that differ
// in that alone one need not be chosen, so the interval narrows instead.
type State struct {
	held         bool
	value        int64
	after, until int64 // both have the largest value possible, nearly: never
	now          int64
}

// never is the deadline of what does not expire.
const never = math.MaxInt64

// Initial is the state before the first operation: nothing is held.
var Initial = State{}

// Step applies an operation to a state, and reports whether the model allows it
// there.
func (m Model) Step(s State, o Op) (State, bool) {
	mayLive := s.held && s.until > s.now
	mayBeDead := s.held && s.after < s.now
	switch o.Need {
	case Anything:
	case Absent, Other:
		switch {
		case o.Need == Other && s.value != o.Old:
		case m == Relaxed:
			s.held = false
		case s.held && !mayBeDead:
			return s, false
		case s.held: // until the notice that it has expired
			s.until = min(s.until, s.now)
		}
	case Present, Held:
		if !mayLive || o.Need == Held && s.value != o.Old {
			return s, false
		}
		s.after = max(s.after, s.now)
	case HeldStale:
		if !mayBeDead || s.value != o.Old {
			return s, false
		}
		s.until = min(s.until, s.now)
	case Either:
		if !s.held || s.value != o.Old {
			return s, false
		}
	}
	s.now += o.Advance
	switch o.Then {
	case Same:
	case Gone:
		s.held = false
	case Left:
		s.held, s.value = true, o.New
		s.expire(o)
	case Renewed:
		s.expire(o)
	}
	if !s.held {
		s = State{now: s.now}
	}
	return s, true
}

// expire sets the deadline that an operation gives what it leaves.
func (s *State) expire(o Op) {
	switch {
	case o.Until != 0:
		s.until = o.Until
	case o.TTL == Kept:
		return
	case o.TTL == Forever, o.TTL > never-s.now:
		s.until = never
	default:
		s.until = s.now + o.TTL
	}
	s.after = s.until - 1
	if s.until < never {
		s.after -= o.Lag
	}
}

// Check returns nil if the operations, all of one key, are linearizable, and else
// an error that shows the longest beginning for which an order was found and what
// could not follow. Its time is linear in the number of operations for histories
// with few overlaps, and exponential in the number of overlapping ones at worst.
func Check(m Model, ops []Op) error {
	ops = slices.Clone(ops)
	slices.SortStableFunc(ops, func(a, b Op) int { return cmp.Compare(a.Call, b.Call) })
	c := search{model: m, ops: ops, done: make([]uint64, (len(ops)+63)/64), seen: make(map[string]struct{})}
	if c.run(0, Initial) {
		return nil
	}
	return c.report()
}

// search looks for an order, depth first.
type search struct {
	model Model
	ops   []Op // by Call
	done  []uint64
	order []int
	seen  map[string]struct{} // what was done, and in which state that ended
	key   []byte
	best  []int // the longest order so far
	state State // at its end
}

func (c *search) isDone(i int) bool { return c.done[i/64]>>(i%64)&1 != 0 }
func (c *search) flip(i int)        { c.done[i/64] ^= 1 << (i % 64) }

// run tries to bring all operations into order that are not done; those before
// first are. The depth of the recursion is the number of operations.
func (c *search) run(first int, s State) bool {
	for first < len(c.ops) && c.isDone(first) {
		first++
	}
	if first == len(c.ops) {
		return true
	}
	if c.known(s) {
		return false
	}
	// The next one was called before any other that is not done has returned.
	limit := int64(math.MaxInt64)
	for i := first; i < len(c.ops) && c.ops[i].Call <= limit; i++ {
		if c.isDone(i) {
			continue
		}
		limit = min(limit, c.ops[i].Return)
		next, ok := c.model.Step(s, c.ops[i])
		if !ok {
			continue
		}
		c.flip(i)
		c.order = append(c.order, i)
		if c.run(first, next) {
			return true
		}
		c.order = c.order[:len(c.order)-1]
		c.flip(i)
	}
	if len(c.order) >= len(c.best) {
		c.best, c.state = append(c.best[:0], c.order...), s
	}
	return false
}

// known reports whether the search has been here before, and remembers that it has
// been now.
func (c *search) known(s State) bool {
	k := c.key[:0]
	for _, word := range c.done {
		k = append64(k, word)
	}
	held := uint64(0)
	if s.held {
		held = 1
	}
	k = append64(append64(append64(append64(append64(k, held), uint64(s.value)), uint64(s.after)), uint64(s.until)), uint64(s.now))
	c.key = k
	if _, ok := c.seen[string(k)]; ok {
		return true
	}
	c.seen[string(k)] = struct{}{}
	return false
}

func append64(b []byte, x uint64) []byte {
	return append(b, byte(x), byte(x>>8), byte(x>>16), byte(x>>24), byte(x>>32), byte(x>>40), byte(x>>48), byte(x>>56))
}

// NoOrderError is a history that no order explains.
type NoOrderError struct {
	Order []Op  // the longest order that was found
	State State // at its end
	Stuck []Op  // what had to come next, none of which can
	Later []Op  // the rest
}

func (c *search) report() error {
	v := &NoOrderError{State: c.state}
	done := make([]bool, len(c.ops))
	for _, i := range c.best {
		v.Order = append(v.Order, c.ops[i])
		done[i] = true
	}
	limit := int64(math.MaxInt64)
	for i, o := range c.ops {
		switch {
		case done[i]:
		case o.Call <= limit:
			limit = min(limit, o.Return)
			v.Stuck = append(v.Stuck, o)
		default:
			v.Later = append(v.Later, o)
		}
	}
	return v
}

func (v *NoOrderError) Error() string {
	b := new(strings.Builder)
	b.WriteString("no order explains these operations; the longest one found:\n")
	for _, o := range v.Order {
		fmt.Fprintf(b, "\t%v\n", o)
	}
	if v.State.held {
		fmt.Fprintf(b, "then %d is held", v.State.value)
		if v.State.until <= v.State.now {
			b.WriteString(", expired")
		}
	} else {
		b.WriteString("then nothing is held")
	}
	b.WriteString(", and none of these can follow:\n")
	for _, o := range v.Stuck {
		fmt.Fprintf(b, "\t%v\n", o)
	}
	if len(v.Later) > 0 {
		b.WriteString("these were called later:\n")
	}
	for _, o := range v.Later {
		fmt.Fprintf(b, "\t%v\n", o)
	}
	return b.String()
}

// Overlap returns the share of operations during which another client was at work
// on the same key. Histories that hardly overlap show little.
func Overlap(ops []Op) float64 {
	if len(ops) == 0 {
		return 0
	}
	n := 0
	for i, a := range ops {
		for j, b := range ops {
			if i != j && a.Client != b.Client && a.Call <= b.Return && b.Call <= a.Return {
				n++
				break
			}
		}
	}
	return float64(n) / float64(len(ops))
}
