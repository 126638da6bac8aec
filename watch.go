// SPDX-License-Identifier: MIT

package locmem

import (
	"slices"

	"github.com/locmem/locmem/internal/lock"
)

// listeners are those of an engine, in the order in which they came. The list is
// replaced whole, so that who delivers reads it without a lock.
type listeners[K comparable, V any] struct {
	mu   lock.Mutex // protects changes of list
	list lock.Pointer[[]*func(Removal[K, V])]
}

// all returns the listeners.
func (l *listeners[K, V]) all() []*func(Removal[K, V]) {
	if list := l.list.Load(); list != nil {
		return *list
	}
	return nil
}

// change replaces the list by what a function makes of a copy.
func (l *listeners[K, V]) change(f func([]*func(Removal[K, V])) []*func(Removal[K, V])) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := f(slices.Clone(l.all()))
	l.list.Store(&list)
}

// Watch adds a listener beside Options.OnRemove, for which all is true that is
// said there: it is told of every entry that goes after Watch has returned, also of
// those stored before, until stop is called. An event that was on its way then may still
// reach it. With several listeners each hears of an event before the next event
// comes to any. The first Watch of an engine without OnRemove takes each shard's
// lock in turn; removals queue events from then on, also when nobody listens any more. It
// panics if listener is nil.
func (e *Engine[K, V]) Watch(listener func(Removal[K, V])) (stop func()) {
	if listener == nil {
		panic("locmem: Watch: the listener is nil")
	}
	own := &listener
	e.listeners.change(func(list []*func(Removal[K, V])) []*func(Removal[K, V]) { return append(list, own) })
	for i := range e.shards {
		s := &e.shards[i]
		s.mu.Lock()
		if s.out.Load() == nil {
			s.out.Store(&outbox[K, V]{listeners: &e.listeners})
		}
		s.mu.Unlock()
	}
	return func() {
		e.listeners.change(func(list []*func(Removal[K, V])) []*func(Removal[K, V]) {
			return slices.DeleteFunc(list, func(l *func(Removal[K, V])) bool { return l == own })
		})
	}
}

// watched reports whether an event may wait anywhere: the first shard gets its outbox
// first.
func (e *Engine[K, V]) watched() bool { return e.shards[0].out.Load() != nil }

// admit holds a writer up while too many events wait. Called with nothing held.
//
// +checklocksexclude:s.mu
func (s *shard[K, V]) admit() {
	if out := s.out.Load(); out != nil {
		out.admit()
	}
}

// deliver delivers what waits, unless somebody is at it. Called with nothing held:
// it calls user code.
//
// +checklocksexclude:s.mu
func (s *shard[K, V]) deliver() {
	if out := s.out.Load(); out != nil {
		out.deliver()
	}
}
