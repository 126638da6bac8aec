// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"math/rand/v2"
	"slices"

	"github.com/locmem/locmem/internal/lin"
	"github.com/locmem/locmem/internal/lock"
)

// historyStatements ask whether there is an order of all calls on a key that explains
// their answers and in which each call comes after all that had returned before it
// was made.
var historyStatements = []cacheStatement{
	{"T5", "calls on a key have an order that explains them", Granted, "Now Sure", true, func(s *cacheRun) {
		s.histories(lin.Strict, roomy, nil)
	}},
	{"T6", "calls on a key that may be evicted have such an order", Granted, "Now Sure Bounded", true, func(s *cacheRun) {
		s.histories(lin.Relaxed, 3, nil)
	}},
	{"T7", "they have one in which each miss is explained by a notice", Promised, "Notices Now Sure Bounded", true, func(s *cacheRun) {
		s.histories(lin.Strict, 3, new(timedNotices))
	}},
}

// GetOrLoad is in histories of caches alone that keep a write made during a load. What
// it returns need not have been stored if the key was written or removed during the
// load, which no answer tells: where the model has to know whether something is held, a
// history has loads or what removes entries.

// A history is of so many goroutines, each of which makes so many calls on so many keys.
const (
	historyClients = 4
	historyCalls   = 60
	historyKeys    = 5
)

// histories records histories, each of a new cache, and looks for an order of each.
func (s *cacheRun) histories(model lin.Model, capacity int, told *timedNotices) {
	s.note("random calls by %d goroutines on %d keys, of which %d have room", historyClients, historyKeys, min(capacity, historyKeys))
	for seed := range uint64(scaled(150)) {
		o := CacheOptions{Capacity: capacity}
		h := &history{loads: true, removals: true}
		if model == lin.Strict {
			h.loads = seed%2 == 0 && told == nil
			h.removals = !h.loads
		}
		if s.config.Documented["B12"] == "" || s.config.Documented["B13"] == "" {
			h.loads, h.removals = false, true
		}
		if told != nil {
			told = &timedNotices{now: &h.now}
			o.OnRemove = told.add
		}
		c := &driver{AnyCache: s.factory(o), s: s, o: o}
		ops := h.record(s, c, seed)
		if told != nil {
			c.settle()
			told.explain(ops)
		}
		for key, of := range ops {
			if lin.Check(model, of) == nil {
				continue
			}
			of = shrunk(model, of)
			s.wrong("the calls on %q, as [begin, end] at ticks of one clock: %v", key, lin.Check(model, of))
		}
		if c.Close != nil {
			c.Close()
		}
		s.calls.step()
	}
}

// history records what goroutines do at once.
type history struct {
	loads, removals bool // immutable: whether there are such calls

	now lock.Int64
}

// record returns the operations by their keys.
func (h *history) record(s *cacheRun, c *driver, seed uint64) map[string][]lin.Op {
	var clients [historyClients]map[string][]lin.Op
	var ready lock.Int64
	s.together(historyClients, func(i int) {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		ops := map[string][]lin.Op{}
		clients[i] = ops
		for ready.Add(1); ready.Load() < historyClients; {
			lock.Yield() // so that all are under way when the first call is made
		}
		var seen int64
		for n := range historyCalls {
			key := numberedKey(random.IntN(historyKeys))
			// Each value is written once, and leaves room for the increments of it.
			value := int64(i*historyCalls+n+1) << 20
			op := h.call(c, key, value, &seen, random.IntN(100))
			op.Client = i
			ops[key] = append(ops[key], op)
			if random.IntN(4) == 0 {
				lock.Yield()
			}
		}
	})
	all := map[string][]lin.Op{}
	for _, ops := range clients {
		for key, list := range ops {
			all[key] = append(all[key], list...)
		}
	}
	return all
}

// call makes one call and returns what it says of the key. seen is what the client
// has seen last.
func (h *history) call(c *driver, key string, value int64, seen *int64, choice int) (op lin.Op) {
	op.Call = h.now.Add(1)
	defer func() {
		op.Return = h.now.Add(1)
		if op.Need == lin.Held {
			*seen = op.Old
		}
	}()
	finds := func(old int64, ok bool) {
		op.Need, op.Old = lin.Absent, 0
		if ok {
			op.Need, op.Old = lin.Held, old
		}
	}
	leaves := func(value int64) { op.Then, op.New = lin.Left, value }
	switch {
	case choice < 8 && c.Add != nil:
		op.Name = "Add"
		op.Need = lin.Present
		if c.Add(key, value) {
			op.Need = lin.Absent
			leaves(value)
		}
	case choice < 16 && c.Replace != nil:
		op.Name = "Replace"
		op.Need = lin.Absent
		if c.Replace(key, value) {
			op.Need = lin.Present
			leaves(value)
		}
	case choice < 24 && c.Take != nil && h.removals:
		op.Name = "Take"
		old, ok := c.Take(key)
		finds(old, ok)
		if ok {
			op.Then = lin.Gone
		}
	case choice < 36 && c.Incr != nil:
		op.Name = "Incr"
		sum, ok := c.Incr(key, 1)
		finds(sum-1, ok)
		if ok {
			leaves(sum)
		}
	case choice < 44 && c.CompareAndSwap != nil:
		op.Name = "CompareAndSwap"
		if c.CompareAndSwap(key, *seen, value) {
			finds(*seen, true)
			leaves(value)
		}
	case choice < 52 && c.GetOrLoad != nil && h.loads:
		op.Name = "GetOrLoad"
		loaded := false
		got, err := c.GetOrLoad(context.Background(), key, func(context.Context) (int64, error) { loaded = true; return value, nil })
		c.s.must(err == nil, "GetOrLoad returned the error %v", err)
		if loaded && got == value {
			op.Need = lin.Absent
			leaves(value)
		} else {
			finds(got, true)
		}
	case choice < 72:
		op.Name = "Set"
		c.Set(key, value)
		leaves(value)
	case choice < 78 && h.removals:
		op.Name = "Delete"
		c.Delete(key)
		op.Then = lin.Gone
	default:
		op.Name = "Get"
		finds(c.Get(key))
	}
	return op
}

// timedNotices are notices with the time at which each came.
type timedNotices struct {
	notices
	now *lock.Int64
	at  []int64 // protected by notices.mu
}

func (n *timedNotices) add(key string, value int64, cause Cause) {
	if cause != Evicted && cause != Expired {
		return // its write explains it
	}
	n.mu.Lock()
	n.list = append(n.list, notice{key, value, cause})
	n.at = append(n.at, n.now.Add(1))
	n.mu.Unlock()
}

// explain adds an operation for each notice: somewhere between the call that wrote the
// value and the notice the entry went.
func (n *timedNotices) explain(ops map[string][]lin.Op) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, notice := range n.list {
		op := lin.Op{
			Client: historyClients + i, Name: notice.cause.String(), Return: n.at[i],
			Need: lin.Held, Old: notice.value, Then: lin.Gone,
		}
		for _, write := range ops[notice.key] {
			if write.Then == lin.Left && write.New == notice.value {
				op.Call = write.Call
			}
		}
		ops[notice.key] = append(ops[notice.key], op)
	}
}

// shrunk returns a small part of a history that has no order either. What it leaves
// out cannot be why: the end, from a moment on at which nothing was under way that
// needs what came later; the beginning, up to a write that overlaps nothing and does
// not depend on it; and single operations that change nothing.
func shrunk(model lin.Model, ops []lin.Op) []lin.Op {
	illegal := func(ops []lin.Op) bool { return lin.Check(model, ops) != nil }
	slices.SortFunc(ops, func(a, b lin.Op) int { return int(a.Call - b.Call) })
	for n := 1; n < len(ops); n++ {
		if head, ok := beginning(ops, ops[n].Call); ok && illegal(head) {
			ops = head
			break
		}
	}
	for n := len(ops) - 1; n > 0; n-- {
		if blind(ops[n]) && alone(ops, n) && illegal(ops[n:]) {
			ops = ops[n:]
			break
		}
	}
	for n := len(ops) - 1; n >= 0; n-- {
		if ops[n].Then != lin.Same {
			continue
		}
		if without := slices.Delete(slices.Clone(ops), n, n+1); illegal(without) {
			ops = without
		}
	}
	return ops
}

// blind reports whether an operation does the same whatever it finds.
func blind(o lin.Op) bool { return o.Need == lin.Anything && o.Then != lin.Same }

// alone reports whether an operation overlaps no other.
func alone(ops []lin.Op, n int) bool {
	return !slices.ContainsFunc(ops[:n], func(o lin.Op) bool { return o.Return > ops[n].Call }) &&
		!slices.ContainsFunc(ops[n+1:], func(o lin.Op) bool { return o.Call < ops[n].Return })
}

// beginning returns the operations that were called before a moment, and whether they
// are a history of their own: of those that were under way then, one that finds
// something may owe it to what came later. If it changes nothing it is left out.
func beginning(ops []lin.Op, moment int64) (head []lin.Op, ok bool) {
	for _, o := range ops {
		switch {
		case o.Call >= moment:
		case o.Return < moment || blind(o):
			head = append(head, o)
		case o.Then == lin.Same:
		default:
			return nil, false
		}
	}
	return head, true
}
