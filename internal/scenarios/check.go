// SPDX-License-Identifier: MIT

//go:build sched

package scenarios

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/internal/hook"
	"github.com/locmem/locmem/internal/lin"
)

// check returns what is wrong after all threads have ended.
func (g *rig) check() error {
	faults := slices.Clone(g.faults)
	if err := g.engine.Drain(context.Background()); err != nil {
		faults = append(faults, err)
	}
	faults = append(faults, hook.Validate(g.engine))
	stats := g.engine.Stats()
	if stats.Hits+stats.Misses != uint64(g.lookups) {
		faults = append(faults, fmt.Errorf("%d hits and %d misses are counted in %d lookups", stats.Hits, stats.Misses, g.lookups))
	}
	advance()(g) // what is left of invalidated entries goes with the next sweep
	for key := range names {
		peek(key)(g)
	}
	// Close reports what is left, so that each value has one end.
	closeEngine()(g)
	faults = append(faults, hook.Validate(g.engine), g.conserved(), g.linearizable())
	return errors.Join(faults...)
}

// conserved checks that each value that was stored has come to one end, under its
// own key, and none that was not.
func (g *rig) conserved() error {
	var faults []error
	ends := make(map[int64]int)
	deletions := 0
	for _, n := range g.notices {
		if n.Cause == locmem.Moved {
			continue
		}
		if n.Cause == locmem.Deleted {
			deletions++
		}
		ends[n.Value]++
		w, stored := g.stored[n.Value]
		if !stored {
			l := g.loadOf(n.Value)
			if l == nil {
				faults = append(faults, fmt.Errorf("value %d, which was not stored, is reported as %v", n.Value, n.Cause))
				continue
			}
			w = write{key: l.key, times: 1}
		}
		if names[w.key] != n.Key && !g.moves {
			faults = append(faults, fmt.Errorf("value %d of key %s is reported under key %s", n.Value, names[w.key], n.Key))
		}
	}
	for v, w := range g.stored {
		if ends[v] != w.times {
			faults = append(faults, fmt.Errorf("value %d was stored %d times and has ended %d times", v, w.times, ends[v]))
		}
	}
	for _, l := range g.loads {
		if ends[l.value] > 1 || l.failed && ends[l.value] > 0 {
			faults = append(faults, fmt.Errorf("value %d was loaded once (failed: %v) and has ended %d times", l.value, l.failed, ends[l.value]))
		}
	}
	if deletions != g.deleted && !g.unsure {
		faults = append(faults, fmt.Errorf("%d entries were deleted, %d reported as deleted", g.deleted, deletions))
	}
	return errors.Join(faults...)
}

func (g *rig) loadOf(value int64) *load {
	for _, l := range g.loads {
		if l.value == value {
			return l
		}
	}
	return nil
}

// The clients of what is no call.
const (
	clock = -1 - iota
	listener
	loader
)

// linearizable checks the history of each key.
func (g *rig) linearizable() error {
	var faults []error
	for key, name := range names {
		ops := slices.Concat(g.ops[key], g.everyKey)
		if g.carriers[key] {
			ops = append(ops, g.tagged...)
		}
		for i := range ops {
			if from, ok := strings.CutPrefix(ops[i].Name, moved); ok {
				ops[i].New = g.movedFrom(from)
			}
		}
		loads, err := g.loadsOf(key, ops)
		faults = append(faults, err)
		ops = append(ops, loads...)
		for _, n := range g.notices {
			if n.Key != name {
				continue
			}
			o := lin.Op{Client: listener, Need: lin.Held, Old: n.Value, Then: lin.Gone, Name: n.Cause.String(), Return: n.at}
			switch n.Cause {
			case locmem.Evicted:
			case locmem.Expired:
				o.Need = lin.HeldStale
			default: // a call tells of it
				continue
			}
			o.Call = g.written(n.Value)
			ops = append(ops, o)
		}
		if err := lin.Check(lin.Strict, ops); err != nil {
			faults = append(faults, fmt.Errorf("key %s: %w", name, err))
		}
	}
	return errors.Join(faults...)
}

// written returns when the write of a value was called, or its loader.
func (g *rig) written(value int64) int64 {
	if w, ok := g.stored[value]; ok {
		return w.call
	}
	if l := g.loadOf(value); l != nil {
		return l.call
	}
	return 0
}

// movedFrom returns the value that was moved from a key.
func (g *rig) movedFrom(key string) int64 {
	for _, n := range g.notices {
		if n.Cause == locmem.Moved && n.Key == key {
			return n.Value
		}
	}
	return 0
}

// loadsOf returns an operation for each load that has stored its value, between the
// call of its loader and the first sign of the value. A load that began before a write
// or a removal has to leave both alone, and must not answer who came after an
// invalidation of its tags.
//
// Answers that gave out a value that was not stored need that nothing was held when
// the loader had ended: they are changed in ops.
func (g *rig) loadsOf(key int, ops []lin.Op) ([]lin.Op, error) {
	var stores []lin.Op
	var faults []error
	for _, l := range g.loads {
		if l.key != key || l.failed {
			continue
		}
		o := lin.Op{Client: loader, Call: l.call, Return: math.MaxInt64, Need: lin.Absent, Then: lin.Left, New: l.value, TTL: l.ttl, Lag: g.lag(l.moved), Name: "load"}
		stored := false
		for _, n := range g.notices {
			if n.Value == l.value {
				stored = true
				o.Return = min(o.Return, n.at)
			}
		}
		for i, other := range ops {
			if stored && (other.Then == lin.Left || other.Then == lin.Gone) && other.Call > l.call && other.Return < l.ended {
				faults = append(faults, fmt.Errorf("value %d was stored by a load during which there was %s", l.value, other))
			}
			if other.Old == l.value && g.carriers[key] && slices.ContainsFunc(g.tagged, func(i lin.Op) bool { return l.call < i.Call && i.Return < other.Call }) {
				faults = append(faults, fmt.Errorf("a load that began before an invalidation answers who came after it: %s", other))
			}
			if other.Old != l.value || other.Need != lin.Held && other.Need != lin.HeldStale && other.Need != lin.Either {
				continue
			}
			if stored {
				o.Return = min(o.Return, other.Return)
			} else {
				ops[i].Need = lin.Absent
				ops[i].Call = max(other.Call, l.ended)
				ops[i].Name += " of a value that was not stored"
			}
		}
		if !stored {
			continue
		}
		// A refresh replaces what is held when it begins, unless that is evicted or expires,
		// at the latest in the same step.
		if old := g.replacedBy(l); l.over != 0 && old != 0 {
			o.Need, o.Old = lin.Either, old
			if g.fresh(old, l) {
				o.Old = l.over // which makes of another one a fault
			}
		}
		stores = append(stores, o)
	}
	return stores, errors.Join(faults...)
}

// fresh reports whether a value was brought by a load since which the clock had not been
// moved when a refresh began, so that none was due.
func (g *rig) fresh(value int64, refresh *load) bool {
	l := g.loadOf(value)
	return l != nil && l.moved == refresh.moving
}

// replacedBy returns the value that a load which was stored has replaced, 0 if none. It
// need not be the one that called for the refresh: a write that keeps the lifetime may
// come before the refresh begins. But the ends of a key's values are told in their order,
// so it is the one that was told before the load's own, or last.
func (g *rig) replacedBy(l *load) int64 {
	var last notice
	for _, n := range g.notices {
		if n.Value == l.value {
			break
		}
		if n.Key == names[l.key] {
			last = n
		}
	}
	if last.Cause != locmem.Replaced {
		return 0
	}
	return last.Value
}
