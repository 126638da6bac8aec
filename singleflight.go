// SPDX-License-Identifier: MIT

package locmem

import (
	"cmp"
	"context"
	"errors"
	"math"
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
	key   K
	hash  uint32
	shard *shard[K, V]
	call  *loaderCall
	// began is how far the clock of the tags had come: what was invalidated since
	// then wins over what is loaded.
	began uint64

	// Under the shard's lock.
	waiters      int  // a refresh has the engine as one, so that it is never left
	refresh      bool // nobody asked for the result
	overtaken    bool
	done         bool
	older, newer *flight[K, V] // in shard.loading

	// The result. It is written by the loader's goroutine alone, except that err
	// is written by whoever set done; waiters read it when the gate is open.
	entry       Entry[V]
	err         error
	invalidated uint64 // 0, or the last invalidation of its tags, for which it was not stored
	failure     error  // that the loader has found nothing; its goroutine's alone
	took        int64  // in nanoseconds, its part of the call's; its goroutine's alone
	gate        *lock.Gate
}

// finish lets the waiters have the result. Called once, by whoever set done.
func (f *flight[K, V]) finish(err error) {
	f.err = err
	f.gate.Open()
	f.call.landed()
}

// flights are the flights of a shard in the order in which they began.
//
//	INVARIANT: oldest is what the first one's began is, or the largest number.
type flights[K comparable, V any] struct {
	first, last *flight[K, V]
	oldest      lock.Uint64 // stored under the shard's lock
}

func (l *flights[K, V]) add(f *flight[K, V]) {
	if f.older = l.last; f.older != nil {
		f.older.newer = f
	} else {
		l.first = f
		l.oldest.Store(f.began)
	}
	l.last = f
}

func (l *flights[K, V]) remove(f *flight[K, V]) {
	if f.newer != nil {
		f.newer.older = f.older
	} else {
		l.last = f.older
	}
	if f.older != nil {
		f.older.newer = f.newer
		return
	}
	l.first = f.newer
	oldest := uint64(math.MaxUint64)
	if l.first != nil {
		oldest = l.first.began
	}
	l.oldest.Store(oldest)
}

// oldestLoad returns how far the clock of the tags had come when the oldest load
// of any shard began, or math.MaxUint64 if none runs.
func (e *Engine[K, V]) oldestLoad() uint64 {
	oldest := uint64(math.MaxUint64)
	for i := range e.shards {
		oldest = min(oldest, e.shards[i].loading.oldest.Load()) // +checklocksignore: it is atomic, in a field that is not
	}
	return oldest
}

// GetOrSet returns the value of a live entry, or else loads it, stores it with
// the options given, and returns it. load nil means Options.Load.
//
// At most one load runs for a key that somebody waits for; other callers of the
// key wait for its result. Each waits under its own context only: when that ends,
// the caller gets its error and the load goes on for the others, under a context
// that has the values of the first caller's context and ends when nobody waits
// any more, or after Options.LoadTimeout. The options of the first caller count,
// and over them what the loader says by LoadOptions.
//
// A write or removal of the key during the load (Set, Delete, Clear, Compute and
// the like), or an invalidation of one of the tags, wins: if an entry is live at
// the end its value is returned, else the loaded value is returned and not stored.
// Errors are returned to all who wait and are not stored; a panic becomes a
// *PanicError, runtime.Goexit ErrGoexit, and the key can be loaded again at once.
// An error that is ErrNotFound says that there is nothing to load: an entry that
// was to be refreshed is removed, and with Options.NegativeTTL the answer is kept,
// and given as ErrNotFound itself. A loader that asks, with the context it was
// given, for a key whose load waits for it in turn gets ErrReentrant. After Close
// the error is ErrClosed.
//
// With Options.StaleFor, StaleIfError and RefreshAhead the value may be one whose
// lifetime has passed, and loads may run with nobody waiting.
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
	if e.lenient {
		entry, err := e.fetchOrLoad(ctx, hash, key, load, opts)
		return entry.Value, err
	}
	if value, ok := e.shardOf(hash).get(uint32(hash), key); ok {
		return value, nil
	}
	entry, err := e.load(ctx, hash, key, load, settingsOf(opts))
	return entry.Value, err
}

// Fetch is GetOrSet that tells more of the entry: whether its lifetime has passed,
// and what went wrong when it was last to be refreshed. The entry of a value that
// was loaded and not stored has the value alone.
func (e *Engine[K, V]) Fetch(ctx context.Context, key K, load func(context.Context, K) (V, error), opts ...EntryOption) (Entry[V], error) {
	load, err := e.loader(ctx, load)
	if err != nil {
		return Entry[V]{}, err
	}
	return e.fetchOrLoad(ctx, e.hasher.sum(key), key, load, opts)
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

// fetchOrLoad is GetOrSet with all its windows.
func (e *Engine[K, V]) fetchOrLoad(ctx context.Context, hash uint64, key K, load func(context.Context, K) (V, error), opts []EntryOption) (Entry[V], error) {
	entry, found := e.fetch(hash, key)
	switch found {
	case missing:
		return e.load(ctx, hash, key, load, settingsOf(opts))
	case noted:
		return entry, ErrNotFound
	case due:
		e.refresh(ctx, []keyed[K]{{key: key, hash: hash}}, oneByOne(load), settingsOf(opts))
	case usable:
	}
	return entry, nil
}

// load is the way of a miss: it joins the key's flight or takes off in a new one,
// and waits.
func (e *Engine[K, V]) load(ctx context.Context, hash uint64, key K, load func(context.Context, K) (V, error), set settings) (Entry[V], error) {
	waiting := waitNodeOf(ctx)
	for {
		if err := ctx.Err(); err != nil {
			return Entry[V]{}, err
		}
		b := e.board(ctx, hash, key, nil)
		if b.flight == nil {
			return b.entry, b.err
		}
		call := b.flight.call
		if !waiting.wait(&call.node) {
			e.leave(b.flight)
			return Entry[V]{}, ErrReentrant
		}
		if b.own {
			e.start(call, []*flight[K, V]{b.flight}, oneByOne(load), &set)
		}
		entry, again, err := e.await(ctx, waiting, b)
		if !again {
			return entry, err
		}
	}
}

// boarding is a caller's place in a flight, or the answer that makes one
// unnecessary.
type boarding[K comparable, V any] struct {
	flight *flight[K, V]
	own    bool   // the caller is to start it
	since  uint64 // how far the clock of the tags had come

	entry Entry[V]
	err   error
}

// board joins a key's flight, or makes one that is to belong to a loader's call; if
// that is nil, to one of its own.
func (e *Engine[K, V]) board(ctx context.Context, hash uint64, key K, call *loaderCall) (b boarding[K, V]) {
	s := e.shardOf(hash)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		b.err = ErrClosed
		return b
	}
	b.since = e.tags.clock.Load()
	if n, sl := s.find(uint32(hash), key); n != evict.None {
		meta := sl.meta.Load()
		switch {
		case !s.dead(n, meta): // stored since the miss
			s.use(n, sl, meta)
			b.entry = s.entryOf(n, sl)
			s.mu.Unlock()
			return b
		case meta&metaNegative != 0 && !s.expired(n, meta):
			s.mu.Unlock()
			b.err = ErrNotFound
			return b
		case s.invalid(n, meta):
			// Removed here, so that an older load is not joined. The event is delivered
			// with those of the landing: a listener that ends the goroutine now would
			// leave a flight that nobody starts.
			e.giveBack(1, s.remove(n, Invalidated))
		}
	}
	// A key that is not equal to itself is never found here, so it flies alone.
	b.flight = s.flights[key]
	if b.own = b.flight == nil; b.own {
		if call == nil {
			call = newCall(ctx)
		}
		b.flight = s.takeOff(hash, key, e.hasher.storable(key), call, b.since)
	} else {
		s.counts.loadsShared++
	}
	b.flight.waiters++
	e.checkLocked(s)
	s.mu.Unlock()
	return b
}

// await waits for a flight; the wait is in the graph, of waiting. again tells that what it
// brought may be older than an invalidation before the caller came.
func (e *Engine[K, V]) await(ctx context.Context, waiting *waitNode, b boarding[K, V]) (entry Entry[V], again bool, err error) {
	f := b.flight
	err = f.gate.Wait(ctx)
	waiting.stop(&f.call.node)
	if err != nil {
		e.leave(f)
		return entry, false, err
	}
	if f.err != nil {
		return entry, false, f.err
	}
	// Of several invalidations only the last is known: an earlier one may be the one
	// that the caller came after.
	return f.entry, f.invalidated > 0 && b.since > f.began, nil
}

// takeOff makes the flight of a key.
//
// +checklocks:s.mu
func (s *shard[K, V]) takeOff(hash uint64, key K, shared bool, call *loaderCall, began uint64) *flight[K, V] {
	f := &flight[K, V]{key: key, hash: uint32(hash), shard: s, call: call, began: began, gate: lock.NewGate()}
	call.open.Add(1)
	if shared {
		if s.flights == nil {
			s.flights = make(map[K]*flight[K, V])
		}
		s.flights[key] = f
	}
	s.loading.add(f)
	s.counts.loads++
	return f
}

// loaderCall is one call of a loader, for one flight or for many.
type loaderCall struct {
	node   waitNode
	cancel context.CancelFunc
	open   lock.Int32 // its flights that are not done; its context ends with the last
}

// newCall makes a call whose context has the values of a caller's.
func newCall(ctx context.Context) *loaderCall {
	c := &loaderCall{}
	ctx = &loadContext{Context: context.WithoutCancel(ctx), node: &c.node}
	c.node.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

// landed is called for each flight of the call that is done.
func (c *loaderCall) landed() {
	if c.open.Add(-1) == 0 {
		c.cancel()
	}
}

// loaded is what a loader has returned: a function that gives the value of a key,
// false if it was left out.
type loaded[K comparable, V any] func(key K) (V, bool)

// loadFunc calls a user's loader for the keys of some flights.
type loadFunc[K comparable, V any] func(ctx context.Context, flights []*flight[K, V]) (loaded[K, V], error)

// oneByOne makes a loadFunc of a loader of one key, for one flight.
//
// +checklocksexclude:waitGraph
func oneByOne[K comparable, V any](load func(context.Context, K) (V, error)) loadFunc[K, V] {
	return func(ctx context.Context, flights []*flight[K, V]) (loaded[K, V], error) {
		value, err := load(ctx, flights[0].key)
		return func(K) (V, bool) { return value, true }, err
	}
}

// start runs a loader on a goroutine of its own for a caller who will wait.
func (e *Engine[K, V]) start(c *loaderCall, flights []*flight[K, V], load loadFunc[K, V], set *settings) {
	fly := func() { e.fly(c, flights, load, set) }
	if insideListener() {
		lock.Go(func() { forListener(fly) })
	} else {
		lock.Go(fly)
	}
}

// forListener calls f for a listener that waits for it. It is a frame by which
// insideListener knows f as part of the listener.
//
//go:noinline
func forListener(f func()) {
	f()
}

// fly runs the loader, the only place where one is called, and lands the flights.
//
// +checklocksexclude:e.serial
func (e *Engine[K, V]) fly(c *loaderCall, flights []*flight[K, V], load loadFunc[K, V], set *settings) {
	writes := make([]write[K, V], len(flights))
	err := ErrGoexit // unless the function below gets to its end
	begin := e.clock.now()
	defer func() {
		took := e.clock.now() - begin
		if err != nil {
			if p := recover(); p != nil {
				err = &PanicError{Value: p, Stack: debug.Stack()}
			}
		}
		for i, f := range flights {
			f.took = took / int64(len(flights))
			if w := &writes[i]; err == nil && e.hasher.storable(f.key) {
				e.carryOut(f.shard, w) // which lands
			} else {
				e.land(f, cmp.Or(err, f.failure), w.mode == noting)
			}
		}
		// Listeners only now, when all have landed: one may end the goroutine.
		if len(flights) > 1 || writes[0].wide {
			e.deliverAll()
		} else {
			flights[0].shard.deliver()
		}
	}()
	ctx := c.node.ctx
	if e.opts.LoadTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.opts.LoadTimeout)
		defer cancel()
	}
	values, failure := loaded[K, V](nil), ctx.Err() // all may have left before it began
	if failure == nil {
		values, failure = load(ctx, flights)
	}
	if failure == nil || errors.Is(failure, ErrNotFound) {
		if own := c.node.options.Load(); own != nil {
			set.add(*own)
		}
		for i, f := range flights {
			writes[i] = e.resultOf(f, values, failure, set)
		}
		failure = nil
	}
	err = failure
}

// resultOf makes the write by which a flight lands. It may call the user's weigher.
func (e *Engine[K, V]) resultOf(f *flight[K, V], values loaded[K, V], failure error, set *settings) write[K, V] {
	w := write[K, V]{key: f.key, hash: f.hash, mode: ifLoading, flight: f}
	if failure == nil {
		var found bool
		if w.value, found = values(f.key); found {
			f.entry.Value = w.value
			e.prepareSet(&w, set)
			return w
		}
		failure = ErrNotFound
	}
	f.failure = failure
	w.mode, w.weight, w.within = noting, 1, set.within
	w.expiry = expiry{gone: e.opts.NegativeTTL == 0, negative: true}
	w.expiry.deadline = after(e.clock.now(), e.jittered(int64(e.opts.NegativeTTL)))
	return w
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
// been able to join it since: the write has taken it out of shard.flights. notFound
// tells that the loader has found nothing.
func (e *Engine[K, V]) land(f *flight[K, V], err error, notFound bool) {
	s := f.shard
	s.mu.Lock()
	switch {
	case notFound:
		s.counts.loadsNotFound++
	case err != nil:
		s.counts.loadErrors++
	default:
		s.counts.loadSuccesses++
	}
	s.counts.loadTime += f.took
	first := s.end(f)
	if first && err != nil && !notFound && s.rescue(f, err, int64(e.opts.StaleIfError)) {
		err = nil
	}
	s.mu.Unlock()
	if first {
		f.finish(err)
	}
	e.tags.landed()
}

// rescue makes the entry that a failed load was to replace its result, if that is
// still within a window of its deadline, and keeps the error with it.
//
// +checklocks:s.mu
func (s *shard[K, V]) rescue(f *flight[K, V], err error, window int64) bool {
	n, sl := s.find(f.hash, f.key)
	if n == evict.None {
		return false
	}
	meta := sl.meta.Load()
	if meta&metaNegative != 0 || s.invalid(n, meta) {
		return false
	}
	if !f.overtaken {
		s.setFailure(n, err)
	}
	if window == 0 || !s.within(n, meta, window) {
		return false
	}
	f.entry = s.entryOf(n, sl)
	f.entry.LoadErr = err
	if f.entry.Stale = s.expired(n, meta); f.entry.Stale {
		served := f.waiters
		if f.refresh {
			served-- // the engine itself
		}
		s.staleServes.Add(uint64(served))
	}
	return true
}

// leave is called by a waiter who gives up. The last one takes the flight with
// it.
func (e *Engine[K, V]) leave(f *flight[K, V]) {
	s := f.shard
	s.mu.Lock()
	f.waiters--
	last := f.waiters == 0 && s.end(f)
	s.mu.Unlock()
	if last {
		f.finish(context.Canceled) // nobody waits; the loader's context ends
		e.tags.landed()
	}
}

// abortLoads ends all flights and returns them, to be finished without the lock.
//
// +checklocks:s.mu
func (s *shard[K, V]) abortLoads() (aborted []*flight[K, V]) {
	for f := s.loading.first; f != nil; f = s.loading.first {
		aborted = append(aborted, f)
		s.end(f)
	}
	return aborted
}

// end marks a flight as done and takes it out of the tables. It returns false if
// it was done before.
//
// +checklocks:s.mu
func (s *shard[K, V]) end(f *flight[K, V]) bool {
	if f.done {
		return false
	}
	f.done = true
	s.loading.remove(f)
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

	// Flights that this one's loader waits for, and how often.
	waits map[*waitNode]int // +checklocks:waitGraph
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
//
// +checklocks:waitGraph
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
