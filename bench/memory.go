// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// Memory is what one contender keeps, in bytes of live heap.
type Memory struct {
	Contender string
	Empty     uint64 // just made
	Full      uint64 // filled to its capacity
	Churned   uint64 // after as many further new keys
	Held      int    // entries when full
	HeldLater int    // entries after the churn
	Ops       [4]Cost
}

// Cost is what one operation allocates, on average.
type Cost struct{ Allocations, Bytes float64 }

// OpNames are the operations of Memory.Ops, in order.
func OpNames() [4]string {
	return [4]string{"Get hit", "Get miss", "Set existing", "Set new, full"}
}

// MeasureMemory fills the named contender with string keys and uint64 values and
// reads the size of the live heap, after two forced collections, before and
// after. The keys' bytes are allocated before and kept until the end, so that
// they are on both sides of the difference: what is counted is what the cache
// adds, the string's header and the value included. Run it in a process of its
// own: what else lives in the heap, and pools that a collection does not empty,
// would be counted too.
func MeasureMemory(contender string, entries int) (Memory, error) {
	return measureMemory[string](contender, entries)
}

func measureMemory[K Key](contender string, entries int) (Memory, error) {
	chosen, err := choose[K]([]string{contender})
	if err != nil {
		return Memory{}, err
	}
	m := Memory{Contender: contender}
	ids := make([]uint32, 3*entries)
	for i := range ids {
		ids[i] = uint32(i)
	}
	keys := keysOf[K](ids)
	old, fresh, absent := keys[:entries], keys[entries:2*entries], keys[2*entries:]
	// Before anything is measured, or ristretto's hash table of interface types
	// and the like would be counted as entries.
	base := liveHeap()
	cache, err := chosen[0].New(entries)
	if err != nil {
		return Memory{}, err
	}
	defer Close(cache)
	m.Empty = liveHeap() - base
	set := func(keys []K) {
		for i, key := range keys {
			cache.Set(key, uint64(i))
			if i%1024 == 0 {
				Settle(cache)
			}
		}
		Settle(cache)
	}
	set(old)
	m.Full, m.Held = liveHeap()-base, cache.Len()

	// A quarter of the keys is enough for an average.
	some := entries / 4
	get := func(keys []K) {
		for _, key := range keys {
			cache.Get(key)
		}
		Settle(cache)
	}
	m.Ops[0] = cost(some, func() { get(old[:some]) })
	m.Ops[1] = cost(some, func() { get(absent[:some]) })
	m.Ops[2] = cost(some, func() { set(old[:some]) })
	m.Ops[3] = cost(some, func() { set(fresh[:some]) })

	set(fresh[some:])
	m.Churned, m.HeldLater = liveHeap()-base, cache.Len()
	runtime.KeepAlive(keys)
	return m, nil
}

// liveHeap returns the bytes of the heap that are reachable. The first of two
// collections moves what sync.Pool holds to its victims, the second frees it.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// cost runs f and returns what was allocated, in all goroutines, for each of n
// operations.
func cost(n int, f func()) Cost {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return Cost{
		Allocations: float64(after.Mallocs-before.Mallocs) / float64(n),
		Bytes:       float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
	}
}

// Bounded returns the names of the contenders that are caches, each once.
func Bounded() []string {
	var names []string
	for _, c := range Contenders[string]() {
		if c.Role == Subject || c.Role == Peer {
			names = append(names, c.Name)
		}
	}
	return names
}

// WriteMemory writes both tables: bytes per entry held, and what operations
// allocate.
func WriteMemory(w io.Writer, entries int, measured []Memory) {
	say(w, "\nlive heap, %s entries string to uint64, without the bytes of the keys\n", binary(entries))
	say(w, "%-12s %10s %16s %16s %10s %12s %12s\n",
		"", "empty, MiB", "full, B/entry", "churned, B/entry", "/ phuslu", "held, full", "churned")
	var phuslu float64
	for _, m := range measured {
		if m.Contender == "phuslu" {
			phuslu = perEntry(m.Full, m.Held)
		}
	}
	for _, m := range measured {
		ratio := "-"
		if phuslu > 0 {
			ratio = fmt.Sprintf("%.2f", perEntry(m.Full, m.Held)/phuslu)
		}
		say(w, "%-12s %10.1f %16.1f %16.1f %10s %12d %12d\n", m.Contender, float64(m.Empty)/(1<<20),
			perEntry(m.Full, m.Held), perEntry(m.Churned, m.HeldLater), ratio, m.Held, m.HeldLater)
	}
	say(w, "\nallocations (bytes) per operation\n%-12s", "")
	for _, name := range OpNames() {
		say(w, " %16s", name)
	}
	say(w, "\n")
	for _, m := range measured {
		say(w, "%-12s", m.Contender)
		for _, c := range m.Ops {
			say(w, " %16s", fmt.Sprintf("%.2f (%.1f)", c.Allocations, c.Bytes))
		}
		say(w, "\n")
	}
}

func perEntry(bytes uint64, held int) float64 { return float64(bytes) / float64(max(held, 1)) }
