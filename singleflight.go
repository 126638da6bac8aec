// SPDX-License-Identifier: MIT

package locmem

import (
	"context"
	"runtime/debug"
	"slices"

	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/lock"
)

// flight is one load of a key and those who wait for it.
//
// It is taken off (takeOff), flies (fly) and ends in one of three ways, decided
// under the shard's lock, where done is set:
//
//	landed    the loader returned, panicked or called Goexit: its result, or the
//	          value of a write that overtook it, reaches the waiters
//	left      the last waiter's context ended: the loader's context is cancelled
//	          and its late result dropped
//	aborted   the engine was closed: the waiters get ErrClosed
//
// A write to the key during the flight overtakes it: callers from then on do not
// join it, for they must not see a value older than that write.
//
//	INVARIANT: a flight in shard.flights is neither done nor overtaken.
//	INVARIANT: a flight in shard.loading is not done.
type flight[K comparable, V any] struct {
	key    K
	cancel context.CancelFunc
	node   waitNode

	// Under the shard's lock.
	waiters   int
	overtaken bool
	done      bool

	// The result. entry is written by the loader's goroutine alone, err by whoever
	// set done; waiters read them when the gate is open.
	entry Entry[V]
	err   error
	gate  *lock.Gate

	took int64 // by the loader, in nanoseconds; its goroutine's alone
}

// finish lets the waiters have the result. Called once, by whoever set done.
func (f *flight[K, V]) finish(err error) {
	f.err = err
	f.gate.Open()
	f.cancel()
}

// GetOrSet returns the value of a live entry, or else loads it, stores it with
// the options given, and returns it. load nil means Options.Load.
//
// At most one load runs for a key that somebody waits for; other callers of the
// key wait for its result. Each waits under its own context only: when that ends,
// the caller gets its error and the load goes on for the others, under a context
// that has the values of the first caller's context and ends when nobody waits
// any more. The options of the first caller count, and over them what the loader
// says by LoadOptions.
//
// A write or removal of the key during the load (Set, Delete, Clear, Compute and
// the like) wins: if an entry is live at the end its value is returned, else the
// loaded value is returned and not stored. Errors are returned to all who wait
// and are not stored; a panic becomes a *PanicError, runtime.Goexit ErrGoexit,
// and the key can be loaded again at once. A loader that asks, with the context
// it was given, for a key whose load waits for it in turn gets ErrReentrant. After Close the error is
// ErrClosed.
//
// A hit is as Get. A miss takes the shard's lock, starts a goroutine for the
// loader, which runs with no lock held, and blocks until the result is there.
func (e *Engine[K, V]) GetOrSet(ctx context.Context, key K, load func(context.Context, K) (V, error), opts ...EntryOption) (V, error) {
	if load == nil || ctx == nil {
		var err error
		if load, err = e.loader(ctx, load); err != nil {
			var zero V
			return zero, err
		}
	}
	hash := e.hasher.sum(key)
	if value, ok := e.shardOf(hash).get(uint32(hash), key); ok {
		return value, nil
	}
	entry, err := e.load(ctx, hash, key, load, settingsOf(opts))
	return entry.Value, err
}

// Fetch is GetOrSet that tells more of the entry. The entry of a value that was
// loaded and not stored has the value alone.
func (e *Engine[K, V]) Fetch(ctx context.Context, key K, load func(context.Context, K) (V, error), opts ...EntryOption) (Entry[V], error) {
	load, err := e.loader(ctx, load)
	if err != nil {
		return Entry[V]{}, err
	}
	hash := e.hasher.sum(key)
	if entry, ok := e.fetch(hash, key); ok {
		return entry, nil
	}
	return e.load(ctx, hash, key, load, settingsOf(opts))
}

// fetch is get that returns the entry.
func (e *Engine[K, V]) fetch(hash uint64, key K) (entry Entry[V], ok bool) {
	s := e.shardOf(hash)
	s.lockToUse()
	n, sl := s.live(uint32(hash), key)
	if n != evict.None {
		s.use(n, sl, sl.meta.Load())
		entry, ok = s.entryOf(n, sl), true
	}
	s.unlockToUse()
	if s.counting {
		s.count(ok)
	}
	return entry, ok
}

// loader returns the loader to use, or what is wrong with the arguments.
func (e *Engine[K, V]) loader(ctx context.Context, load func(context.Context, K) (V, error)) (func(context.Context, K) (V, error), error) {
	if ctx == nil {
		return nil, ErrNilContext
	}
	if load == nil {
		load = e.opts.Load
	}
	if load == nil {
		return nil, ErrNoLoader
	}
	return load, nil
}

// load is the way of a miss: it joins the key's flight or takes off in a new one,
// and waits.
func (e *Engine[K, V]) load(ctx context.Context, hash uint64, key K, load func(context.Context, K) (V, error), set settings) (Entry[V], error) {
	if err := ctx.Err(); err != nil {
		return Entry[V]{}, err
	}
	s := e.shardOf(hash)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return Entry[V]{}, ErrClosed
	}
	if n, sl := s.live(uint32(hash), key); n != evict.None { // stored since the miss
		s.use(n, sl, sl.meta.Load())
		entry := s.entryOf(n, sl)
		s.mu.Unlock()
		return entry, nil
	}
	// A key that is not equal to itself is never found here, so it flies alone.
	f := s.flights[key]
	own := f == nil
	if own {
		f = s.takeOff(ctx, key, e.hasher.storable(key))
	} else {
		s.counts.loadsShared++
	}
	f.waiters++
	s.mu.Unlock()

	waiting := waitNodeOf(ctx)
	if !waiting.wait(&f.node) {
		s.leave(f)
		return Entry[V]{}, ErrReentrant
	}
	if own {
		if insideListener() {
			lock.Go(func() { e.flyForListener(s, f, hash, load, &set) })
		} else {
			lock.Go(func() { e.fly(s, f, hash, load, &set) })
		}
	}
	err := f.gate.Wait(ctx)
	waiting.stop(&f.node)
	if err != nil {
		s.leave(f)
		return Entry[V]{}, err
	}
	if f.err != nil {
		return Entry[V]{}, f.err
	}
	return f.entry, nil
}

// takeOff makes the flight of a key. Called under the shard's lock.
func (s *shard[K, V]) takeOff(ctx context.Context, key K, shared bool) *flight[K, V] {
	f := &flight[K, V]{key: key, gate: lock.NewGate()}
	ctx, f.cancel = context.WithCancel(&loadContext{Context: context.WithoutCancel(ctx), node: &f.node})
	f.node.ctx = ctx
	if s.loading == nil {
		s.flights = make(map[K]*flight[K, V])
		s.loading = make(map[*flight[K, V]]struct{})
	}
	if shared {
		s.flights[key] = f
	}
	s.loading[f] = struct{}{}
	s.counts.loads++
	return f
}

// flyForListener is fly for a listener that waits for the load. It is a frame by
// which insideListener knows the loader as part of the listener.
//
//go:noinline
func (e *Engine[K, V]) flyForListener(s *shard[K, V], f *flight[K, V], hash uint64, load func(context.Context, K) (V, error), set *settings) {
	e.fly(s, f, hash, load, set)
}

// fly runs the loader, the only place where one is called, and lands.
func (e *Engine[K, V]) fly(s *shard[K, V], f *flight[K, V], hash uint64, load func(context.Context, K) (V, error), set *settings) {
	var w write[K, V]
	err := ErrGoexit // unless the function below gets to its end
	begin := e.clock.now()
	defer func() {
		f.took = e.clock.now() - begin
		if err != nil {
			if p := recover(); p != nil {
				err = &PanicError{Value: p, Stack: debug.Stack()}
			}
		}
		if err == nil && e.hasher.storable(f.key) {
			e.apply(s, &w) // which lands
		} else {
			s.land(f, err)
		}
	}()
	value, failure := load(f.node.ctx, f.key)
	if failure == nil {
		if own := f.node.options.Load(); own != nil {
			set.add(*own)
		}
		w = write[K, V]{key: f.key, value: value, hash: uint32(hash), mode: ifLoading, flight: f}
		e.prepareSet(&w, set)
		f.entry.Value = value
	}
	err = failure
}

// LoadOptions gives the value that a loader is about to return options of its own:
// only the loader may know for how long the value is good, or what it weighs. ctx
// is the context that the loader was given, or one derived from it. Where such an
// option and one of the caller's set the same property, this one counts; a second
// call takes back what the first has given. It reports whether ctx is a loader's,
// and has no effect if it is not or once the loader has returned. It takes no lock.
func LoadOptions(ctx context.Context, opts ...EntryOption) bool {
	node := waitNodeOf(ctx)
	if node == nil {
		return false
	}
	own := slices.Clone(opts)
	node.options.Store(&own)
	return true
}

// land ends a flight whose loader has ended. If its value was stored, nobody has
// been able to join it since: the write has taken it out of shard.flights.
func (s *shard[K, V]) land(f *flight[K, V], err error) {
	s.mu.Lock()
	if err != nil {
		s.counts.loadErrors++
	}
	s.counts.loadTime += f.took
	first := s.end(f)
	s.mu.Unlock()
	if first {
		f.finish(err)
	}
}

// leave is called by a waiter who gives up. The last one takes the flight with
// it.
func (s *shard[K, V]) leave(f *flight[K, V]) {
	s.mu.Lock()
	f.waiters--
	last := f.waiters == 0 && s.end(f)
	s.mu.Unlock()
	if last {
		f.finish(context.Canceled) // nobody waits; the loader's context ends
	}
}

// abortLoads ends all flights and returns them, to be finished without the lock.
func (s *shard[K, V]) abortLoads() map[*flight[K, V]]struct{} {
	aborted := s.loading
	for f := range aborted {
		f.done = true
	}
	s.loading = nil
	clear(s.flights)
	return aborted
}

// end marks a flight as done and takes it out of the tables. It returns false if
// it was done before. Called under the shard's lock.
func (s *shard[K, V]) end(f *flight[K, V]) bool {
	if f.done {
		return false
	}
	f.done = true
	delete(s.loading, f)
	if s.flights[f.key] == f {
		delete(s.flights, f.key)
	}
	return true
}

// loadContext is the context of a loader: the values of its first caller's, and
// the flight it belongs to.
type loadContext struct {
	context.Context
	node *waitNode
}

type waitNodeKey struct{}

// Value returns the flight to those who ask with the package's own key.
func (c *loadContext) Value(key any) any {
	if key == (waitNodeKey{}) {
		return c.node
	}
	return c.Context.Value(key)
}

// waitNode is a flight in the graph of loads that wait for loads, across all
// engines of the process.
//
//	INVARIANT: the graph has no circle.
type waitNode struct {
	ctx context.Context // the loader's

	options lock.Pointer[[]EntryOption] // the loader's own; see LoadOptions

	waits map[*waitNode]int // flights that this one's loader waits for, and how often
}

// waitGraph protects every waitNode's waits. No other lock is taken under it. It
// is touched only by loaders that load.
var waitGraph lock.Mutex

// waitNodeOf returns the flight whose loader was given the context, or one
// derived from it; nil if there is none.
func waitNodeOf(ctx context.Context) *waitNode {
	node, _ := ctx.Value(waitNodeKey{}).(*waitNode)
	return node
}

// wait notes that n's loader waits for m. It returns false, and notes nothing,
// if m waits for n, directly or through others: they would wait for ever. For a
// nil n there is nothing to note. It costs time in proportion to the loads that m
// waits for.
func (n *waitNode) wait(m *waitNode) bool {
	if n == nil {
		return true
	}
	waitGraph.Lock()
	defer waitGraph.Unlock()
	if m.reaches(n, make(map[*waitNode]bool)) {
		return false
	}
	if n.waits == nil {
		n.waits = make(map[*waitNode]int)
	}
	n.waits[m]++
	return true
}

// stop notes that one wait has ended.
func (n *waitNode) stop(m *waitNode) {
	if n == nil {
		return
	}
	waitGraph.Lock()
	defer waitGraph.Unlock()
	if n.waits[m]--; n.waits[m] == 0 {
		delete(n.waits, m)
	}
}

// reaches reports whether n is m or waits for it. It looks at no load twice.
func (n *waitNode) reaches(m *waitNode, seen map[*waitNode]bool) bool {
	if n == m {
		return true
	}
	if seen[n] {
		return false
	}
	seen[n] = true
	for next := range n.waits {
		if next.reaches(m, seen) {
			return true
		}
	}
	return false
}
