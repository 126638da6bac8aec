// SPDX-License-Identifier: MIT

package locmem

import (
	"context"
	"reflect"
	"runtime"

	"github.com/locmem/locmem/internal/lock"
	"github.com/locmem/locmem/internal/paged"
)

// Cause is why an entry is no longer held.
type Cause uint8

// The causes. The zero Cause is none of them.
const (
	noCause     Cause = iota
	Replaced          // a write put another value in its place
	Deleted           // Delete, Take, Compute, or a write whose deadline had passed
	Evicted           // it made room, or Evict was called
	Expired           // its deadline had passed
	Cleared           // Clear or Close
	Invalidated       // one of its tags was invalidated
	TooHeavy          // a write to its key was refused for its weight
	Moved             // it lives on under another key or in another tier
	causes            // their number, plus one
)

var causeNames = [causes]string{"None", "Replaced", "Deleted", "Evicted", "Expired", "Cleared", "Invalidated", "TooHeavy", "Moved"}

// String returns the cause's name.
func (c Cause) String() string {
	if c >= causes {
		return "Cause(?)"
	}
	return causeNames[c]
}

// Removal is what Options.OnRemove is told of an entry that is no longer held.
type Removal[K comparable, V any] struct {
	Key    K
	Value  V
	Cause  Cause
	Weight int64 // as accounted; 1 in an engine without weights
}

// maxQueued is how many events of one shard may wait before writers wait too. At
// a million removals a second over 16 shards it is what a listener may fall
// behind in 16 ms.
const maxQueued = 1024

// outbox is a shard's queue of removal events and their way to the listeners.
// Events join it under the shard's lock, which fixes their order; whoever comes
// by with no lock held becomes the drainer and delivers, one at a time.
//
// INVARIANT: if events wait and nobody drains, some goroutine that has appended
// one is on its way to deliver.
type outbox[K comparable, V any] struct {
	listeners *listeners[K, V] // immutable

	mu       lock.Mutex     // protects queue, draining, waiters
	queue    []parcel[K, V] // +checklocks:mu
	draining bool           // +checklocks:mu
	waiters  []waiter       // +checklocks:mu

	batch []parcel[K, V]         // owned by the drainer, handed on with draining
	at    int                    // owned by the drainer
	event Removal[K, V]          // owned by the drainer: being delivered
	left  []*func(Removal[K, V]) // owned by the drainer: the listeners that have not heard of it

	// INVARIANT: delivered <= appended; read in this order.
	delivered lock.Uint64 // events whose listener has returned, or ended
	appended  lock.Uint64 // events ever; grows under the shard's lock
	waiting   lock.Int32  // len(waiters), to look at without mu
	panics    lock.Uint64
}

// parcel is one event, or all the events of a Clear.
type parcel[K comparable, V any] struct {
	removal Removal[K, V]
	cleared *cleared[K, V]
}

// cleared is what a shard held when it was cleared, taken away whole. Its events
// are made one by one as they are delivered.
type cleared[K comparable, V any] struct {
	slots   paged.Array[slot[K, V]]
	weights *paged.Array[int64]
	top, at uint32
}

// next makes the next event, or returns false if there are no more.
func (c *cleared[K, V]) next() (r Removal[K, V], ok bool) {
	for c.at < c.top {
		c.at++
		sl := c.slots.At(c.at)
		if sl.meta.Load()&(metaHeld|metaNegative) != metaHeld {
			continue
		}
		weight := int64(1)
		if c.weights != nil {
			weight = *c.weights.At(c.at)
		}
		r = Removal[K, V]{Key: sl.key, Value: sl.value, Cause: Cleared, Weight: weight}
		sl.key, sl.value = *new(K), *new(V)
		return r, true
	}
	return r, false
}

// waiter waits until so many events were delivered.
type waiter struct {
	target uint64
	gate   *lock.Gate
}

// append queues a parcel of n events. Called under the shard's lock.
//
// +checklocksexclude:o.mu
func (o *outbox[K, V]) append(p parcel[K, V], n int) {
	o.appended.Add(uint64(n)) // first, so that delivered never runs ahead
	o.mu.Lock()
	o.queue = append(o.queue, p)
	o.mu.Unlock()
}

// idle reports that nothing waits.
func (o *outbox[K, V]) idle() bool {
	return o.delivered.Load() == o.appended.Load()
}

// deliver delivers what waits, unless somebody is at it. Called with nothing
// held: it calls user code.
//
// +checklocksexclude:o.mu
func (o *outbox[K, V]) deliver() {
	if o.idle() {
		return
	}
	o.mu.Lock()
	if o.draining || len(o.queue) == 0 {
		o.mu.Unlock()
		return
	}
	o.draining = true
	o.mu.Unlock()
	o.drain()
}

// drain is the drainer's work.
//
// +checklocksexclude:o.mu
func (o *outbox[K, V]) drain() {
	for {
		for len(o.left) == 0 {
			r, ok := o.pop()
			if !ok {
				return // somebody else may be the drainer by now
			}
			o.event = r
			if o.left = o.listeners.all(); len(o.left) == 0 {
				o.count() // nobody listens any more
			}
		}
		listener := *o.left[0]
		o.left = o.left[1:]
		o.call(listener)
	}
}

// count counts an event that all listeners have heard of.
//
// +checklocksexclude:o.mu
func (o *outbox[K, V]) count() {
	o.event = Removal[K, V]{} // it must not keep the value alive
	o.delivered.Add(1)
	if o.waiting.Load() > 0 {
		o.release()
	}
}

// pop returns the next event, or gives up draining if there is none.
//
// +checklocksexclude:o.mu
func (o *outbox[K, V]) pop() (r Removal[K, V], ok bool) {
	for {
		for o.at < len(o.batch) {
			p := &o.batch[o.at]
			if p.cleared == nil {
				r = p.removal
				*p = parcel[K, V]{}
				o.at++
				return r, true
			}
			if r, ok = p.cleared.next(); ok {
				return r, true
			}
			*p = parcel[K, V]{}
			o.at++
		}
		o.mu.Lock()
		if len(o.queue) == 0 {
			o.draining = false
			if cap(o.batch) > maxQueued {
				o.batch = nil // a burst's memory goes back
			}
			o.batch, o.at = o.batch[:0], 0
			o.mu.Unlock()
			return r, false
		}
		o.batch, o.queue, o.at = o.queue, o.batch[:0], 0
		o.mu.Unlock()
	}
}

// call is the only place where a listener is called. A panic ends here; if the
// listener ends its goroutine, another one goes on with the draining.
//
// +checklocksexclude:o.mu
//
//go:noinline
func (o *outbox[K, V]) call(listener func(Removal[K, V])) {
	returned := false
	defer func() {
		goexit := false
		if !returned {
			if recover() != nil {
				o.panics.Add(1)
			} else {
				goexit = true
			}
		}
		if len(o.left) == 0 {
			o.count()
		}
		if goexit {
			lock.Go(o.drain)
		}
	}()
	listener(o.event)
	returned = true
}

// release lets those through whose target is reached.
//
// +checklocksexclude:o.mu
func (o *outbox[K, V]) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	delivered := o.delivered.Load()
	rest := o.waiters[:0]
	for _, w := range o.waiters {
		if w.target <= delivered {
			w.gate.Open()
		} else {
			rest = append(rest, w)
		}
	}
	clear(o.waiters[len(rest):])
	o.waiters = rest
	o.waiting.Store(int32(len(rest)))
}

// await blocks until so many events were delivered, delivering itself if nobody
// does.
//
// +checklocksexclude:o.mu
func (o *outbox[K, V]) await(ctx context.Context, target uint64) error {
	o.deliver()
	if o.delivered.Load() >= target {
		return nil
	}
	gate := lock.NewGate()
	o.mu.Lock()
	o.waiters = append(o.waiters, waiter{target, gate})
	o.waiting.Store(int32(len(o.waiters)))
	o.mu.Unlock()
	// The order matters: the waiter stores waiting, then looks at delivered; the
	// drainer counts delivered, then looks at waiting.
	if o.delivered.Load() >= target {
		o.release()
	}
	return gate.Wait(ctx)
}

// admit holds a writer up while too many events wait. Called with nothing held.
//
// +checklocksexclude:o.mu
func (o *outbox[K, V]) admit() {
	delivered := o.delivered.Load() // before appended, which is never behind
	appended := o.appended.Load()
	if appended-delivered <= maxQueued || insideListener() {
		return
	}
	_ = o.await(context.Background(), appended-maxQueued) // this context does not end
}

// The names under which those stand in a stack on whom a listener waits: its
// caller, and the load it has asked for.
var (
	callName = reflect.TypeFor[Cause]().PkgPath() + ".(*outbox[...]).call"
	flyName  = reflect.TypeFor[Cause]().PkgPath() + ".forListener"
)

// insideListener reports whether the current goroutine runs a listener of any
// engine, or a load that one waits for. It walks the stack, about a microsecond,
// and is asked only by those who would wait otherwise and by loads.
func insideListener() bool {
	var pcs [64]uintptr
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		if n == 0 {
			return false
		}
		frames := runtime.CallersFrames(pcs[:n])
		for {
			frame, more := frames.Next()
			if frame.Function == callName || frame.Function == flyName {
				return true
			}
			if !more {
				break
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}
