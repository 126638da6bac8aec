// SPDX-License-Identifier: MIT

package histories

import (
	"errors"
	"fmt"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/internal/lin"
)

// fate is what is known of a value.
type fate struct {
	key    int
	loaded bool  // a loader has returned it
	writes int   // that have stored it
	call   int64 // of the write
	done   int64 // when it has returned
	gone   bool  // its deadline may have passed before it was stored, and then it was not
	ends   int   // removals that were reported, and being live at the end
}

// arrange takes stock of the values and makes one list of operations for each key.
func (h *History) arrange() {
	h.takeStock()
	for len(h.keys) < h.Keys {
		h.keys = append(h.keys, nil)
	}
	for key := range h.keys {
		h.keys[key] = h.keys[key][:0]
	}
	h.eachEvent(func(e *event) {
		if e.key != everyKey {
			h.keys[e.key] = append(h.keys[e.key], e.op)
		}
	})
	sum, all := 0.0, 0
	for _, ops := range h.keys {
		sum += lin.Overlap(ops) * float64(len(ops))
		all += len(ops)
	}
	h.Overlap = sum / float64(all)
	// What no client did to a key of its choice is not counted in that.
	h.eachEvent(func(e *event) {
		if e.key == everyKey {
			for key := range h.keys {
				h.keys[key] = append(h.keys[key], e.op)
			}
		}
	})
	if h.Model == Explained {
		h.explain()
	}
}

func (h *History) eachEvent(do func(e *event)) {
	for _, c := range h.clients {
		for i := range c.events {
			do(&c.events[i])
		}
	}
}

// takeStock finds out what became of each value, and with that which operations
// the loads were.
func (h *History) takeStock() {
	h.fates = make(map[int64]*fate)
	for _, n := range h.notices {
		h.end(n.Key, n.Value)
	}
	weight, n := int64(0), 0
	for key, v := range h.engine.All() {
		h.end(key, v)
		weight += h.weigh(v)
		n++
	}
	if h.engine.Len() != n || h.engine.Weight() != weight {
		h.fail(fmt.Errorf("%d entries of weight %d are live, not %d of %d", n, weight, h.engine.Len(), h.engine.Weight()))
	}
	h.eachEvent(func(e *event) {
		if e.loaded != 0 {
			h.fate(e.key, e.loaded).loaded = true
		}
	})
	h.eachEvent(func(e *event) {
		if e.load {
			h.resolve(e)
		}
		if e.op.Then == lin.Left {
			f := h.fate(e.key, e.op.New)
			f.writes++
			f.call, f.done, f.gone = e.op.Call, e.op.Return, e.passed
		}
	})
	// Who has waited for a load has its value even if that was stored with a lifetime
	// which had passed by then.
	h.eachEvent(func(e *event) {
		if e.load && e.op.Need == lin.Held {
			if f := h.fates[e.op.Old]; f != nil && f.loaded && e.op.Call < f.done {
				e.op.Need = lin.Either
			}
		}
	})
}

// fate returns that of a value of a key.
func (h *History) fate(key int, value int64) *fate {
	f, ok := h.fates[value]
	if !ok {
		f = &fate{key: key}
		h.fates[value] = f
	} else if f.key != key {
		h.fail(fmt.Errorf("value %d is of key %d and of key %d", value, f.key, key))
	}
	return f
}

func (h *History) end(key int, value int64) { h.fate(key, value).ends++ }

func (h *History) weigh(value int64) int64 {
	if h.Weight == 0 {
		return 1
	}
	return weight(value)
}

// resolve decides which operation a load was. If the value that its own caller has
// loaded was stored, the load has stored it. If the value was loaded and never
// stored, somebody has written or removed the key meanwhile, and nothing was there
// at the end. Else the value was found.
func (h *History) resolve(e *event) {
	left, value := e.op, e.op.Old
	e.op.TTL, e.op.Lag, e.op.Until = lin.Forever, 0, 0
	switch f := h.fates[value]; {
	case f == nil: // nobody has it from anywhere, which the check of its key will say
	case f.ends == 0 && f.loaded:
		e.op.Need, e.op.Old = lin.Absent, 0
	case e.loaded == value:
		e.op = left
		e.op.Need, e.op.Old, e.op.Then, e.op.New = lin.Absent, 0, lin.Left, value
	}
}

// explain adds the notices of what the engine has removed of its own accord.
func (h *History) explain() {
	for _, n := range h.notices {
		op := lin.Op{Client: notices, Return: n.at, Old: n.Value, Then: lin.Gone, Name: n.Cause.String()}
		if f := h.fates[n.Value]; f.writes > 0 {
			op.Call = f.call
		}
		switch n.Cause {
		case locmem.Evicted:
			op.Need = lin.Held
		case locmem.Expired:
			op.Need = lin.HeldStale
		default: // an operation of some client
			continue
		}
		h.keys[n.Key] = append(h.keys[n.Key], op)
	}
}

// Linearizable returns nil if the answers are those of the model.
func (h *History) Linearizable() error {
	model := lin.Strict
	if h.Model == Relaxed {
		model = lin.Relaxed
	}
	for key, ops := range h.keys {
		if err := lin.Check(model, ops); err != nil {
			return fmt.Errorf("key %d: %w", key, err)
		}
	}
	return h.Failed
}

// Conserved returns nil if each value that was stored is live or was reported as
// removed, once and under its key, nothing else was, for causes that there are, and
// the counters agree.
func (h *History) Conserved() error {
	errs := []error{h.Failed}
	for v, f := range h.fates {
		if f.gone && f.writes == 1 && f.ends == 0 {
			continue
		}
		if f.writes != f.ends || f.writes > 1 || f.writes == 0 && !f.loaded {
			errs = append(errs, fmt.Errorf("value %d of key %d was stored %d times and has ended %d times", v, f.key, f.writes, f.ends))
		}
	}
	for _, n := range h.notices {
		if !h.may(n.Cause) || n.Weight != h.weigh(n.Value) {
			errs = append(errs, fmt.Errorf("value %d of key %d: %v, with weight %d", n.Value, n.Key, n.Cause, n.Weight))
		}
	}
	s := h.engine.Stats()
	if n := h.lookups.Load(); s.Hits+s.Misses != n {
		errs = append(errs, fmt.Errorf("%d hits and %d misses of %d lookups", s.Hits, s.Misses, n))
	}
	return errors.Join(errs...)
}

// may reports whether entries can go for a cause.
func (h *History) may(cause locmem.Cause) bool {
	switch cause {
	case locmem.Evicted:
		return h.Model != Strict
	case locmem.Expired:
		return h.Times
	case locmem.Invalidated:
		return h.Tags
	case locmem.TooHeavy:
		return h.Weight > 0
	default:
		return cause != locmem.Moved
	}
}
