// SPDX-License-Identifier: MIT

//go:build sched

package scenarios

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/internal/lin"
	"github.com/locmem/locmem/internal/sched"
)

// Call is one call of an engine in a scenario.
type Call func(*rig)

// lifetime is the TTL of what expires, in units of the clock of package lin: seconds.
const lifetime = 10

func get(key int) Call {
	return func(g *rig) {
		call := g.run.Tick()
		v, ok := g.engine.Get(names[key])
		g.lookups++
		g.lookup(key, call, "Get", v, ok)
	}
}

func peek(key int) Call {
	return func(g *rig) {
		call := g.run.Tick()
		entry, ok := g.engine.Peek(names[key])
		g.lookup(key, call, "Peek", entry.Value, ok)
	}
}

func has(key int) Call {
	return func(g *rig) {
		call := g.run.Tick()
		need := lin.Absent
		if g.engine.Has(names[key]) {
			need = lin.Present
		}
		g.did(key, call, "Has", lin.Op{Need: need})
	}
}

func getMany(which ...int) Call {
	return func(g *rig) {
		call := g.run.Tick()
		found := g.engine.GetMany(named(which))
		for _, key := range which {
			v, ok := found[names[key]]
			g.lookups++
			g.lookup(key, call, "GetMany", v, ok)
		}
	}
}

// put is any call that stores a value, or does not.
func put(key int, name string, ttl int64, found, missing lin.Need, do func(*engine, string, int64, ...locmem.EntryOption) bool, opts ...locmem.EntryOption) Call {
	return func(g *rig) {
		v := g.value()
		call, before := g.run.Tick(), g.moved
		if do(g.engine, names[key], v, opts...) {
			g.wrote(key, v, call)
			g.did(key, call, name, lin.Op{Need: found, Then: lin.Left, New: v, TTL: ttl, Lag: g.lag(before)})
			return
		}
		need := missing
		if g.closing { // a closed engine refuses every write
			need = lin.Anything
		}
		g.did(key, call, name+" in vain", lin.Op{Need: need})
	}
}

func set(key int) Call {
	return put(key, "Set", lin.Forever, lin.Anything, lin.Anything, (*engine).Set)
}

func setTTL(key int) Call {
	return put(key, "Set with TTL", lifetime, lin.Anything, lin.Anything, (*engine).Set, locmem.TTL(lifetime*time.Second))
}

// setUntil stores a value that expires one lifetime after the clock's start. The clock
// must be before that.
func setUntil(key int) Call {
	return func(g *rig) {
		v := g.value()
		call := g.run.Tick()
		if !g.engine.Set(names[key], v, locmem.ExpireAt(start.Add(lifetime*time.Second))) {
			g.fault("Set with ExpireAt stored nothing")
		}
		g.wrote(key, v, call)
		g.did(key, call, "Set with ExpireAt", lin.Op{Then: lin.Left, New: v, Until: lifetime})
	}
}

// Of a key whose entries carry the tag all writes have to say so, so that an
// invalidation is a removal.

func setTagged(key int) Call {
	return tagged(key, put(key, "Set with tag", lin.Forever, lin.Anything, lin.Anything, (*engine).Set, locmem.Tags("tag")))
}

func replaceTagged(key int) Call {
	return tagged(key, put(key, "Replace with tag", lin.Forever, lin.Present, lin.Absent, (*engine).Replace, locmem.Tags("tag")))
}

func tagged(key int, call Call) Call {
	return func(g *rig) {
		g.carriers[key] = true
		call(g)
	}
}

func add(key int) Call {
	return put(key, "Add", lin.Forever, lin.Absent, lin.Present, (*engine).Add)
}

func replace(key int) Call {
	return put(key, "Replace", lin.Forever, lin.Present, lin.Absent, (*engine).Replace)
}

func setMany(key int) Call {
	return put(key, "SetMany", lin.Forever, lin.Anything, lin.Anything,
		func(e *engine, key string, v int64, opts ...locmem.EntryOption) bool {
			return e.SetMany(map[string]int64{key: v}, opts...) == 1
		})
}

func del(key int) Call {
	return func(g *rig) {
		call := g.run.Tick()
		if g.engine.Delete(names[key]) {
			g.deleted++
			g.did(key, call, "Delete", lin.Op{Need: lin.Present, Then: lin.Gone})
		} else {
			g.did(key, call, "Delete in vain", lin.Op{Need: lin.Absent, Then: lin.Gone})
		}
	}
}

func deleteMany(which ...int) Call {
	return func(g *rig) {
		call := g.run.Tick()
		n := g.engine.DeleteMany(named(which))
		g.deleted += n
		for _, key := range which {
			// Which of them were held it does not say.
			switch n {
			case len(which):
				g.did(key, call, "DeleteMany", lin.Op{Need: lin.Present, Then: lin.Gone})
			case 0:
				g.did(key, call, "DeleteMany in vain", lin.Op{Need: lin.Absent, Then: lin.Gone})
			default:
				g.did(key, call, "DeleteMany", lin.Op{Then: lin.Gone})
			}
		}
	}
}

func take(key int) Call {
	return func(g *rig) {
		call := g.run.Tick()
		g.lookups++
		if v, ok := g.engine.Take(names[key]); ok {
			g.deleted++
			g.did(key, call, "Take", lin.Op{Need: lin.Held, Old: v, Then: lin.Gone})
		} else {
			g.did(key, call, "Take in vain", lin.Op{Need: lin.Absent, Then: lin.Gone})
		}
	}
}

// touch gives an entry a new lifetime.
func touch(key int) Call {
	return func(g *rig) {
		call := g.run.Tick()
		if g.engine.Touch(names[key], locmem.NoTTL()) {
			g.did(key, call, "Touch", lin.Op{Need: lin.Present, Then: lin.Renewed})
		} else {
			g.did(key, call, "Touch in vain", lin.Op{Need: lin.Absent})
		}
	}
}

// update adds 1 to a value, or stores a new one.
func update(key int) Call {
	return func(g *rig) {
		fresh := g.value()
		call := g.run.Tick()
		var old int64
		var was bool
		v, ok := g.engine.Compute(names[key], func(e locmem.Entry[int64], found bool) (int64, locmem.Op) {
			sched.Point(sched.User)
			old, was = e.Value, found
			if found {
				return old + 1, locmem.Store
			}
			return fresh, locmem.Store
		})
		switch {
		case !ok:
			g.did(key, call, "Compute in vain", lin.Op{})
			return
		case was:
			g.did(key, call, "Compute", lin.Op{Need: lin.Held, Old: old, Then: lin.Left, New: v})
		default:
			g.did(key, call, "Compute", lin.Op{Need: lin.Absent, Then: lin.Left, New: v})
		}
		g.wrote(key, v, call)
	}
}

// removeBy removes an entry through Compute.
func removeBy(key int) Call {
	return func(g *rig) {
		call := g.run.Tick()
		var old int64
		var was bool
		g.engine.Compute(names[key], func(e locmem.Entry[int64], found bool) (int64, locmem.Op) {
			sched.Point(sched.User)
			old, was = e.Value, found
			return 0, locmem.Remove
		})
		switch {
		case was && g.closing: // by it or by Close
			g.unsure = true
			g.did(key, call, "Compute to remove, or Close", lin.Op{Then: lin.Gone})
		case was:
			g.deleted++
			g.did(key, call, "Compute to remove", lin.Op{Need: lin.Held, Old: old, Then: lin.Gone})
		default:
			g.did(key, call, "Compute to remove, in vain", lin.Op{Need: lin.Absent, Then: lin.Gone})
		}
	}
}

func incr(key int) Call {
	return func(g *rig) {
		call := g.run.Tick()
		v, ok, err := locmem.Incr(g.engine, names[key], 1)
		if err != nil {
			g.faults = append(g.faults, err)
		}
		if !ok {
			g.did(key, call, "Incr in vain", lin.Op{Need: lin.Absent})
			return
		}
		g.wrote(key, v, call)
		g.did(key, call, "Incr", lin.Op{Need: lin.Held, Old: v - 1, Then: lin.Left, New: v, TTL: lin.Kept})
	}
}

// swap replaces the first value that was given out.
func swap(key int) Call {
	return func(g *rig) {
		v := g.value()
		call := g.run.Tick()
		if locmem.CompareAndSwap(g.engine, names[key], 1000, v) {
			g.wrote(key, v, call)
			g.did(key, call, "CompareAndSwap", lin.Op{Need: lin.Held, Old: 1000, Then: lin.Left, New: v})
		} else {
			g.did(key, call, "CompareAndSwap in vain", lin.Op{Need: lin.Other, Old: 1000})
		}
	}
}

// move moves an entry. A scenario has one at most from each key.
func move(from, to int) Call {
	return func(g *rig) {
		call := g.run.Tick()
		g.moves = true
		if g.engine.Move(names[from], names[to]) {
			g.did(from, call, "Move away", lin.Op{Need: lin.Present, Then: lin.Gone})
			// Its value is that of the notice.
			g.did(to, call, moved+names[from], lin.Op{Then: lin.Left})
		} else {
			g.did(from, call, "Move in vain", lin.Op{Need: lin.Absent})
		}
	}
}

const moved = "Move from "

func clearAll() Call {
	return func(g *rig) {
		call := g.run.Tick()
		g.engine.Clear()
		g.didAll(call, "Clear", lin.Op{Then: lin.Gone})
	}
}

func closeEngine() Call {
	return func(g *rig) {
		call := g.run.Tick()
		g.closing = true
		g.engine.Close()
		g.didAll(call, "Close", lin.Op{Then: lin.Gone})
		g.closed = g.run.Tick()
	}
}

// evict, resize, limited and drain have effects that notices tell of.

func evictOne() Call { return func(g *rig) { g.engine.Evict(1) } }

func resize(n int) Call {
	return func(g *rig) {
		if err := g.engine.Resize(n, 0); err != nil && !errors.Is(err, locmem.ErrClosed) {
			g.faults = append(g.faults, err)
		}
	}
}

func drain() Call {
	return func(g *rig) {
		if err := g.engine.Drain(context.Background()); err != nil {
			g.faults = append(g.faults, err)
		}
	}
}

// lag returns by how much the clock may have gone on since moved was before. A write
// may count its lifetime from any time in between.
func (g *rig) lag(before int64) int64 { return (g.moving - before) * (lifetime / 2) }

// look calls what gives no view of a single moment; it must do no harm, and its
// numbers must be possible ones.
func look() Call {
	return func(g *rig) {
		seen := make(map[string]bool)
		for key, v := range g.engine.All() {
			if seen[key] {
				g.fault("All shows key %s twice", key)
			}
			seen[key] = true
			if w, ok := g.stored[v]; ok && names[w.key] != key {
				g.fault("All shows value %d of key %s under key %s", v, names[w.key], key)
			}
		}
		if n, room := g.engine.Len(), 4; n < 0 || n > room {
			g.fault("Len is %d", n)
		}
		g.engine.Stats()
	}
}

// advance moves the clock by half a lifetime.
func advance() Call {
	return func(g *rig) {
		call := g.run.Tick()
		g.moving++
		g.clock.Advance(lifetime / 2 * time.Second)
		g.moved++
		g.didAll(call, "Advance", lin.Op{Advance: lifetime / 2})
	}
}

func invalidate() Call {
	return func(g *rig) {
		call := g.run.Tick()
		g.engine.InvalidateTags("tag")
		g.tagged = append(g.tagged, lin.Op{Client: g.run.Thread(), Call: call, Return: g.run.Tick(), Then: lin.Gone, Name: "InvalidateTags"})
	}
}

// loadKey is GetOrSet. The loader does what it is given to do before it returns.
func loadKey(key int, during ...Call) Call { return loadWith(key, nil, during...) }

func loadFails(key int) Call { return loadWith(key, errLoad) }

func loadPanics(key int) Call {
	return loadWith(key, nil, func(*rig) { panic("the loader panics") })
}

func loadExits(key int) Call {
	return loadWith(key, nil, func(*rig) { runtime.Goexit() })
}

func loadNothing(key int) Call { return loadWith(key, locmem.ErrNotFound) }

func loadWith(key int, fail error, during ...Call) Call {
	return func(g *rig) { g.load(g.staying, key, fail, nil, during) }
}

// loadAndLeave is by a caller who may leave.
func loadAndLeave(key int) Call {
	return func(g *rig) { g.load(g.leaving, key, nil, nil, nil) }
}

// leave makes those leave who may, and cancelLoads all.
func leave() Call { return func(g *rig) { g.leave() } }

func cancelLoads() Call { return func(g *rig) { g.cancel() } }

// loadTagged loads an entry that carries the tag.
func loadTagged(key int) Call {
	return tagged(key, func(g *rig) {
		g.load(g.staying, key, nil, []locmem.EntryOption{locmem.Tags("tag")}, nil)
	})
}

func (g *rig) load(ctx context.Context, key int, fail error, opts []locmem.EntryOption, during []Call) {
	do := make([]func(), len(during))
	for i, c := range during {
		do[i] = func() { c(g) }
	}
	loader, l := g.loader(key, fail, do...)
	call := g.run.Tick()
	g.lookups++
	v, err := g.engine.GetOrSet(ctx, names[key], loader, opts...)
	if err == nil && v != l.value {
		l.over = v
	}
	g.loaded(ctx, key, call, "GetOrSet", locmem.Entry[int64]{Value: v}, err)
}

// fetch is Fetch with a lifetime, as refreshes and stale values need it.
func fetch(key int) Call { return fetchWith(key, nil) }

func fetchFails(key int) Call { return fetchWith(key, errLoad) }

func fetchWith(key int, fail error) Call {
	return func(g *rig) {
		loader, l := g.loader(key, fail)
		l.ttl = lifetime
		call := g.run.Tick()
		g.lookups++
		entry, err := g.engine.Fetch(g.staying, names[key], loader, locmem.TTL(lifetime*time.Second))
		if err == nil && entry.Value != l.value {
			l.over = entry.Value
		}
		g.loaded(g.staying, key, call, "Fetch", entry, err)
	}
}

func (g *rig) loaded(ctx context.Context, key int, call int64, name string, entry locmem.Entry[int64], err error) {
	var panicked *locmem.PanicError
	switch {
	case err == nil && g.closed > 0 && call > g.closed:
		g.fault("%s: a value after Close had returned", name)
	case err == nil && name == "GetOrSet" && g.lenient: // which does not tell
		g.did(key, call, name, lin.Op{Need: lin.Either, Old: entry.Value})
	case err == nil && entry.Stale:
		g.did(key, call, name, lin.Op{Need: lin.HeldStale, Old: entry.Value})
	case err == nil:
		g.did(key, call, name, lin.Op{Need: lin.Held, Old: entry.Value})
	case errors.Is(err, locmem.ErrNotFound):
		g.did(key, call, name+": nothing there", lin.Op{Need: lin.Absent})
	case errors.Is(err, errLoad), errors.Is(err, locmem.ErrClosed), errors.Is(err, locmem.ErrGoexit), errors.As(err, &panicked):
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
	default:
		g.fault("%s: %v", name, err)
	}
}

// watchOn adds the engine's first listener.
func watchOn() Call { return func(g *rig) { g.engine.Watch(g.removed) } }

// watch adds a listener, and takes it away.
func watch() Call {
	return func(g *rig) {
		stop := g.engine.Watch(func(locmem.Removal[string, int64]) {})
		sched.Point(sched.User)
		stop()
	}
}
