// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/locmem/locmem"
)

// faultyCache is an engine with one fault.
type faultyCache struct {
	name  string
	fails []string // the ids of the statements that notice it: all of them, and no others
	may   []string // but for these, which may
	// What is bent: the options before the engine is made, its adapter after, the
	// adapter of that with keys of any type.
	options func(o *CacheOptions)
	bend    func(a *AnyCache[string], o CacheOptions)
	anyKeys func(a *AnyCache[any])
}

func (f faultyCache) factory(tb testing.TB, o CacheOptions) AnyCache[string] {
	tb.Helper()
	if f.options != nil {
		f.options(&o)
	}
	a := engineCache(tb, o)
	if f.bend != nil {
		f.bend(&a, o)
	}
	return a
}

func (f faultyCache) config() CacheConfig {
	config := engineConfig()
	if f.anyKeys != nil {
		sound := config.AnyKeys
		config.AnyKeys = func(tb testing.TB, o CacheOptions) AnyCache[any] {
			tb.Helper()
			a := sound(tb, o)
			f.anyKeys(&a)
			return a
		}
	}
	return config
}

// bentCache is a fault of the adapter.
func bentCache(name string, bend func(a *AnyCache[string], o CacheOptions), fails ...string) faultyCache {
	return faultyCache{name: name, fails: fails, bend: bend}
}

// orBy adds statements that notice the fault if a waiter comes late.
func (f faultyCache) orBy(ids ...string) faultyCache {
	f.may = ids
	return f
}

// told is a fault of the notices: change gets each, and the listener.
func told(name string, change func(n notice, tell func(notice)), fails ...string) faultyCache {
	return faultyCache{name: name, fails: fails, options: func(o *CacheOptions) {
		listener := o.OnRemove
		if listener == nil {
			return
		}
		o.OnRemove = func(key string, value int64, cause Cause) {
			change(notice{key, value, cause}, func(n notice) { listener(n.key, n.value, n.cause) })
		}
	}}
}

// every returns a function that is true each nth time.
func every(n int64) func() bool {
	var calls atomic.Int64
	return func() bool { return calls.Add(1)%n == 0 }
}

// crowded are the keys of statements with many goroutines that take many keys.
func crowded(key string) bool { return strings.HasPrefix(key, "k") && len(key) > 2 }

// remembered are the lifetimes that keys were written with.
type remembered struct {
	mu   sync.Mutex
	ttls map[string]time.Duration
}

func (r *remembered) get(key string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ttls[key]
}

func (r *remembered) set(key string, ttl time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ttls == nil {
		r.ttls = map[string]time.Duration{}
	}
	r.ttls[key] = ttl
}

var faultyCalls = []faultyCache{
	bentCache("the second read in a row of a key misses", func(a *AnyCache[string], _ CacheOptions) {
		get, set := a.Get, a.Set
		var last atomic.Pointer[string]
		a.Get = func(key string) (int64, bool) {
			if old := last.Swap(&key); old != nil && *old == key && key == "a" {
				return 0, false
			}
			return get(key)
		}
		a.Set = func(key string, value int64) { last.Store(nil); set(key, value) }
	}, "C1"),
	bentCache("a second set of a key is dropped", func(a *AnyCache[string], _ CacheOptions) {
		set := a.Set
		a.Set = func(key string, value int64) {
			if _, ok := a.Get(key); !ok || key != "b" || value == 2 && a.Len() > 1 {
				set(key, value)
			}
		}
	}, "C2", "C14"),
	bentCache("a delete removes a key that begins alike", func(a *AnyCache[string], _ CacheOptions) {
		remove := a.Delete
		a.Delete = func(key string) { remove(key); remove(key + "2") }
	}, "C3"),
	bentCache("the empty key is not stored", func(a *AnyCache[string], _ CacheOptions) {
		set := a.Set
		a.Set = func(key string, value int64) {
			if key != "" {
				set(key, value)
			}
		}
	}, "C4"),
	bentCache("add reports success where something is", func(a *AnyCache[string], _ CacheOptions) {
		add := a.Add
		a.Add = func(key string, value int64) bool { return add(key, value) || key == "add" }
	}, "C5"),
	bentCache("replace stores where nothing is", func(a *AnyCache[string], _ CacheOptions) {
		replace := a.Replace
		a.Replace = func(key string, value int64) bool {
			if key == "r" {
				a.Set(key, value)
				return true
			}
			return replace(key, value)
		}
	}, "C6"),
	bentCache("take leaves the entry", func(a *AnyCache[string], _ CacheOptions) {
		take := a.Take
		a.Take = func(key string) (int64, bool) {
			if key == "t" {
				return a.Get(key)
			}
			return take(key)
		}
	}, "C7"),
	bentCache("incr begins at 0 where nothing is", func(a *AnyCache[string], _ CacheOptions) {
		incr := a.Incr
		a.Incr = func(key string, delta int64) (int64, bool) {
			if key == "n" {
				a.Add(key, 0)
			}
			return incr(key, delta)
		}
	}, "C8"),
	bentCache("a swap needs no old value", func(a *AnyCache[string], _ CacheOptions) {
		swap := a.CompareAndSwap
		a.CompareAndSwap = func(key string, old, next int64) bool {
			if key == "s" {
				return a.Replace(key, next)
			}
			return swap(key, old, next)
		}
	}, "C9"),
	bentCache("a load is made though something is held", func(a *AnyCache[string], _ CacheOptions) {
		load := a.GetOrLoad
		a.GetOrLoad = func(ctx context.Context, key string, loader func(context.Context) (int64, error)) (int64, error) {
			if key == "l" {
				a.Delete(key)
			}
			return load(ctx, key, loader)
		}
	}, "C10"),
	bentCache("what a load returns beside an error is stored", func(a *AnyCache[string], _ CacheOptions) {
		load := a.GetOrLoad
		a.GetOrLoad = func(ctx context.Context, key string, loader func(context.Context) (int64, error)) (int64, error) {
			return load(ctx, key, func(ctx context.Context) (int64, error) {
				value, err := loader(ctx)
				if errors.Is(err, errOfLoader) {
					err = nil
				}
				return value, err
			})
		}
	}, "C11"),
	bentCache("clear leaves a key", func(a *AnyCache[string], _ CacheOptions) {
		wipe := a.Clear
		a.Clear = func() {
			value, ok := a.Get("x")
			wipe()
			if ok {
				a.Set("x", value)
			}
		}
	}, "C20"),
	bentCache("len goes down with deletes of nothing", func(a *AnyCache[string], _ CacheOptions) {
		length, remove := a.Len, a.Delete
		var misses atomic.Int64
		a.Delete = func(key string) {
			if _, ok := a.Get(key); !ok {
				misses.Add(1)
			}
			remove(key)
		}
		a.Len = func() int { return length() - int(misses.Load()) }
	}, "C21"),
	bentCache("an iteration yields twice", func(a *AnyCache[string], _ CacheOptions) {
		all := a.All
		a.All = func() iter.Seq2[string, int64] {
			return func(yield func(string, int64) bool) {
				for key, value := range all() {
					if !yield(key, value) || key == "i" && !yield(key, value) {
						return
					}
				}
			}
		}
	}, "C22"),
	bentCache("a second close panics", func(a *AnyCache[string], _ CacheOptions) {
		var closed atomic.Bool
		shut := a.Close
		a.Close = func() {
			if closed.Swap(true) {
				panic("closed already")
			}
			shut()
		}
	}, "C23"),
}

var faultyLifetimes = []faultyCache{
	bentCache("entries expire early", func(a *AnyCache[string], _ CacheOptions) {
		set := a.SetTTL
		a.SetTTL = func(key string, value int64, ttl time.Duration) { set(key, value, ttl/2) }
	}, "C12"),
	bentCache("entries are found when they have expired", func(a *AnyCache[string], _ CacheOptions) {
		set := a.SetTTL
		a.SetTTL = func(key string, value int64, ttl time.Duration) {
			if key == "a" {
				ttl *= 2
			}
			set(key, value, ttl)
		}
	}, "C13"),
	bentCache("a set keeps the lifetime of the old value", func(a *AnyCache[string], _ CacheOptions) {
		var old remembered
		set, setTTL := a.Set, a.SetTTL
		a.SetTTL = func(key string, value int64, ttl time.Duration) { old.set(key, ttl); setTTL(key, value, ttl) }
		a.Set = func(key string, value int64) {
			if ttl := old.get(key); ttl > 0 {
				setTTL(key, value, ttl)
			} else {
				set(key, value)
			}
		}
	}, "C14"),
	bentCache("what is set over an expired entry is lost", func(a *AnyCache[string], _ CacheOptions) {
		var old remembered
		setTTL := a.SetTTL
		a.SetTTL = func(key string, value int64, ttl time.Duration) {
			if _, ok := a.Get(key); ok || old.get(key) == 0 {
				setTTL(key, value, ttl)
			}
			old.set(key, ttl)
		}
	}, "C15"),
	bentCache("the shorter lifetime stays", func(a *AnyCache[string], _ CacheOptions) {
		var old remembered
		setTTL := a.SetTTL
		a.SetTTL = func(key string, value int64, ttl time.Duration) {
			if before := old.get(key); before > 0 {
				ttl = min(ttl, before)
			}
			old.set(key, ttl)
			setTTL(key, value, ttl)
		}
	}, "C16"),
	bentCache("the longer lifetime stays", func(a *AnyCache[string], _ CacheOptions) {
		var old remembered
		setTTL := a.SetTTL
		a.SetTTL = func(key string, value int64, ttl time.Duration) {
			ttl = max(ttl, old.get(key))
			old.set(key, ttl)
			setTTL(key, value, ttl)
		}
	}, "C17"),
	bentCache("a lifetime of 0 is none", func(a *AnyCache[string], _ CacheOptions) {
		setTTL := a.SetTTL
		a.SetTTL = func(key string, value int64, ttl time.Duration) {
			if ttl <= 0 {
				a.Set(key, value)
			} else {
				setTTL(key, value, ttl)
			}
		}
	}, "C18"),
	bentCache("add finds what has expired", func(a *AnyCache[string], _ CacheOptions) {
		var old remembered
		setTTL, add := a.SetTTL, a.Add
		a.SetTTL = func(key string, value int64, ttl time.Duration) { old.set(key, ttl); setTTL(key, value, ttl) }
		a.Add = func(key string, value int64) bool { return old.get(key) == 0 && add(key, value) }
	}, "C19"),
	bentCache("an iteration yields what has expired", func(a *AnyCache[string], _ CacheOptions) {
		setTTL, all := a.SetTTL, a.All
		var key atomic.Pointer[string]
		a.SetTTL = func(k string, value int64, ttl time.Duration) { key.Store(&k); setTTL(k, value, ttl) }
		a.All = func() iter.Seq2[string, int64] {
			if k := key.Load(); k != nil {
				return func(yield func(string, int64) bool) { yield(*k, 1) }
			}
			return all()
		}
	}, "C24"),
	bentCache("a load is not made for what has expired", func(a *AnyCache[string], _ CacheOptions) {
		var old remembered
		setTTL, load := a.SetTTL, a.GetOrLoad
		a.SetTTL = func(key string, value int64, ttl time.Duration) { old.set(key, ttl); setTTL(key, value, ttl) }
		a.GetOrLoad = func(ctx context.Context, key string, loader func(context.Context) (int64, error)) (int64, error) {
			if old.get(key) > 0 {
				return 1, nil
			}
			return load(ctx, key, loader)
		}
	}, "C25"),
	told("no notice of what has expired", func(n notice, tell func(notice)) {
		if n.cause != Expired {
			tell(n)
		}
	}, "C26"),
}

var faultyBounds = []faultyCache{
	{name: "more is held than the capacity", fails: []string{"C30", "C31"}, options: func(o *CacheOptions) {
		if o.Capacity > 1 { // one more than one would be another fault
			o.Capacity += 5
		}
	}},
	bentCache("more is held for a moment", func(a *AnyCache[string], o CacheOptions) {
		set, length := a.Set, a.Len
		var most atomic.Int64
		a.Set = func(key string, value int64) {
			if _, ok := a.Get(key); !ok && length() >= o.Capacity {
				most.Store(1)
			}
			set(key, value)
		}
		a.Len = func() int { return length() + int(most.Swap(0)) }
		a.Settle = func() { most.Store(0) }
	}, "C31"),
	{name: "half the capacity is used", fails: []string{"C32"}, options: func(o *CacheOptions) {
		if o.Capacity == 1000 {
			o.Capacity /= 2
		}
	}},
	bentCache("what is new is not let in", func(a *AnyCache[string], o CacheOptions) {
		set := a.Set
		a.Set = func(key string, value int64) {
			if _, ok := a.Get(key); ok || o.Capacity != 100 || value != 250 {
				set(key, value)
			}
		}
	}, "C33"),
}

// loadCall is a call of GetOrLoad on a cache with a fault in it.
type loadCall struct {
	ctx    context.Context
	key    string
	loader loaderOf
	sound  func(ctx context.Context, loader loaderOf) (int64, error) // without the fault
	cache  *AnyCache[string]
	flag   *atomic.Bool // one for each cache, for whatever the fault has to remember
}

type loaderOf = func(context.Context) (int64, error)

// bentLoad is a fault of GetOrLoad.
func bentLoad(name string, around func(l loadCall) (int64, error), fails ...string) faultyCache {
	return bentCache(name, func(a *AnyCache[string], _ CacheOptions) {
		sound, flag := a.GetOrLoad, new(atomic.Bool)
		a.GetOrLoad = func(ctx context.Context, key string, loader func(context.Context) (int64, error)) (int64, error) {
			return around(loadCall{ctx, key, loader, func(ctx context.Context, loader loaderOf) (int64, error) { return sound(ctx, key, loader) }, a, flag})
		}
	}, fails...)
}

// shared makes the call, and reports whether its result is that of another's loader.
func (l loadCall) shared() (value int64, other bool, err error) {
	called := false
	value, err = l.sound(l.ctx, func(ctx context.Context) (int64, error) { called = true; return l.loader(ctx) })
	return value, !called, err
}

// stuck blocks for ever. It is called in processes that end without it.
func stuck() { select {} }

func faultyLoaders() []faultyCache {
	var global sync.Mutex
	return []faultyCache{
		bentLoad("a key is locked for ever by a loader that panics", func(l loadCall) (int64, error) {
			if l.flag.Load() {
				stuck()
			}
			value, err := l.sound(l.ctx, l.loader)
			l.flag.Store(errors.As(err, new(*locmem.PanicError)))
			return value, err
		}, "B1").orBy("B3", "B4"),
		bentLoad("a key is locked for ever by a loader that calls Goexit", func(l loadCall) (int64, error) {
			if l.flag.Load() {
				stuck()
			}
			value, err := l.sound(l.ctx, l.loader)
			l.flag.Store(errors.Is(err, locmem.ErrGoexit))
			return value, err
		}, "B2").orBy("B5"),
		bentLoad("who waits for a load that panics waits for ever", func(l loadCall) (int64, error) {
			value, other, err := l.shared()
			if other && errors.As(err, new(*locmem.PanicError)) {
				stuck()
			}
			return value, err
		}, "B3", "B4"),
		bentLoad("a panic hits all who wait for the load", func(l loadCall) (int64, error) {
			value, other, err := l.shared()
			if other && errors.As(err, new(*locmem.PanicError)) {
				panic(err)
			}
			return value, err
		}, "B4"),
		bentLoad("who waits for a load that calls Goexit waits for ever", func(l loadCall) (int64, error) {
			value, other, err := l.shared()
			if other && errors.Is(err, locmem.ErrGoexit) {
				stuck()
			}
			return value, err
		}, "B5"),
		bentLoad("waiters do not heed their contexts", func(l loadCall) (int64, error) {
			return l.sound(context.WithoutCancel(l.ctx), l.loader)
		}, "B6"),
		bentLoad("a load ends with the context of who began it", func(l loadCall) (int64, error) {
			return l.sound(l.ctx, func(ctx context.Context) (int64, error) {
				value, err := l.loader(ctx)
				return value, errors.Join(err, l.ctx.Err())
			})
		}, "B7"),
		bentLoad("one lock for all loads", func(l loadCall) (int64, error) {
			return l.sound(l.ctx, func(ctx context.Context) (int64, error) {
				global.Lock()
				defer global.Unlock()
				return l.loader(ctx)
			})
		}, "B8"),
		bentLoad("a loader cannot be told by its context", func(l loadCall) (int64, error) {
			return l.sound(l.ctx, func(context.Context) (int64, error) { return l.loader(context.Background()) })
		}, "B9"),
		bentCache("writes of other keys wait for a load", func(a *AnyCache[string], _ CacheOptions) {
			load, set := a.GetOrLoad, a.Set
			var stripe atomic.Bool
			a.GetOrLoad = func(ctx context.Context, key string, loader func(context.Context) (int64, error)) (int64, error) {
				return load(ctx, key, func(ctx context.Context) (int64, error) {
					stripe.Store(true)
					defer stripe.Store(false)
					return loader(ctx)
				})
			}
			a.Set = func(key string, value int64) {
				for stripe.Load() && strings.HasPrefix(key, "inner") {
					runtime.Gosched()
				}
				set(key, value)
			}
		}, "B10"),
		bentCache("reads of other keys wait for a load", func(a *AnyCache[string], _ CacheOptions) {
			load, get := a.GetOrLoad, a.Get
			var running atomic.Bool
			a.GetOrLoad = func(ctx context.Context, key string, loader func(context.Context) (int64, error)) (int64, error) {
				return load(ctx, key, func(ctx context.Context) (int64, error) {
					running.Store(true)
					defer running.Store(false)
					return loader(ctx)
				})
			}
			a.Get = func(key string) (int64, bool) {
				for running.Load() && key == "k400" {
					runtime.Gosched()
				}
				return get(key)
			}
		}, "B11"),
		bentLoad("a load overwrites what was set meanwhile", func(l loadCall) (int64, error) {
			value, err := l.sound(l.ctx, l.loader)
			if l.key == "a" && err == nil {
				l.cache.Replace(l.key, 1)
			}
			return value, err
		}, "B12"),
		bentCache("a load brings back what was deleted", func(a *AnyCache[string], _ CacheOptions) {
			load, remove := a.GetOrLoad, a.Delete
			var deleted atomic.Bool
			a.Delete = func(key string) { deleted.Store(key == "a"); remove(key) }
			a.GetOrLoad = func(ctx context.Context, key string, loader func(context.Context) (int64, error)) (int64, error) {
				value, err := load(ctx, key, loader)
				if err == nil && deleted.Load() {
					a.Add(key, value)
				}
				return value, err
			}
		}, "B13"),
		bentCache("a load brings back what was cleared", func(a *AnyCache[string], _ CacheOptions) {
			load, wipe := a.GetOrLoad, a.Clear
			var cleared atomic.Bool
			a.Clear = func() { cleared.Store(true); wipe() }
			a.GetOrLoad = func(ctx context.Context, key string, loader func(context.Context) (int64, error)) (int64, error) {
				value, err := load(ctx, key, loader)
				if err == nil && key == "a" && cleared.Load() {
					a.Add(key, value)
				}
				return value, err
			}
		}, "B14"),
		bentLoad("each caller loads for itself", func(l loadCall) (int64, error) {
			if !crowded(l.key) {
				return l.sound(l.ctx, l.loader)
			}
			if value, ok := l.cache.Get(l.key); ok {
				return value, nil
			}
			value, err := l.loader(l.ctx)
			l.cache.Set(l.key, value)
			return value, err
		}, "T1", "T12"),
		bentLoad("a load is made twice, one after the other", func(l loadCall) (int64, error) {
			return l.sound(l.ctx, func(ctx context.Context) (int64, error) {
				if crowded(l.key) {
					_, _ = l.loader(ctx)
				}
				return l.loader(ctx)
			})
		}, "T12"),
	}
}

func faultyListeners() []faultyCache {
	lost, twice, unsaid, odd := every(20), every(20), every(20), every(10_000)
	var readLock, writeLock sync.Mutex
	return []faultyCache{
		told("an eviction in twenty is not told", func(n notice, tell func(notice)) {
			if n.cause != Evicted || !lost() {
				tell(n)
			}
		}, "B20", "B25", "T3", "T7"),
		told("an eviction in twenty is told twice", func(n notice, tell func(notice)) {
			tell(n)
			if n.cause == Evicted && twice() {
				tell(n)
			}
		}, "B21", "T3", "T7"),
		told("the cause is wrong", func(n notice, tell func(notice)) {
			if n.cause == Replaced {
				n.cause = Removed
			}
			tell(n)
		}, "B22"),
		told("a value that was replaced is not told, one in twenty", func(n notice, tell func(notice)) {
			if n.cause != Replaced || !unsaid() {
				tell(n)
			}
		}, "T3"),
		{name: "a lock that reads need is held around the listener", fails: []string{"B23"}, options: holding(&readLock), bend: func(a *AnyCache[string], _ CacheOptions) {
			get := a.Get
			a.Get = func(key string) (int64, bool) {
				readLock.Lock()
				readLock.Unlock() //nolint:staticcheck // it waits, and no more
				return get(key)
			}
		}},
		{name: "a lock that writes need is held around the listener", fails: []string{"B24", "B25"}, options: holding(&writeLock), bend: func(a *AnyCache[string], _ CacheOptions) {
			set := a.Set
			a.Set = func(key string, value int64) {
				writeLock.Lock()
				writeLock.Unlock() //nolint:staticcheck // it waits, and no more
				set(key, value)
			}
		}},
		told("the process ends after many notices, as if its stack were full", func(n notice, tell func(notice)) {
			if odd() && strings.HasPrefix(n.key, "other") {
				go panic("stack overflow")
			}
			tell(n)
		}, "B25"),
		panicking("the panic of a listener reaches the writer and leaves a lock", true, "B26", "B27"),
		panicking("the panic of a listener reaches the writer", false, "B27"),
		bentCache("an iteration holds a lock that writes need", func(a *AnyCache[string], _ CacheOptions) {
			all, set := a.All, a.Set
			var mu sync.Mutex
			a.All = func() iter.Seq2[string, int64] {
				return func(yield func(string, int64) bool) {
					mu.Lock()
					defer mu.Unlock()
					all()(yield)
				}
			}
			a.Set = func(key string, value int64) {
				mu.Lock()
				mu.Unlock() //nolint:staticcheck // it waits, and no more
				set(key, value)
			}
		}, "B30"),
		bentCache("an iteration that panics leaves a lock", func(a *AnyCache[string], _ CacheOptions) {
			all, set := a.All, a.Set
			var left atomic.Bool
			a.All = func() iter.Seq2[string, int64] {
				return func(yield func(string, int64) bool) {
					finished := false
					defer func() { left.Store(!finished) }()
					all()(yield)
					finished = true
				}
			}
			a.Set = func(key string, value int64) {
				if left.Load() {
					stuck()
				}
				set(key, value)
			}
		}, "B31"),
	}
}

// holding holds a lock around the listener.
func holding(mu *sync.Mutex) func(o *CacheOptions) {
	return func(o *CacheOptions) {
		listener := o.OnRemove
		if listener == nil {
			return
		}
		o.OnRemove = func(key string, value int64, cause Cause) {
			mu.Lock()
			defer mu.Unlock()
			listener(key, value, cause)
		}
	}
}

// panicking hands panics of listeners to who called Set, with or without a lock held.
func panicking(name string, locked bool, fails ...string) faultyCache {
	var thrown atomic.Bool
	return faultyCache{name: name, fails: fails, options: func(o *CacheOptions) {
		listener := o.OnRemove
		if listener == nil {
			return
		}
		o.OnRemove = func(key string, value int64, cause Cause) {
			defer func() {
				if recover() != nil {
					thrown.Store(true)
				}
			}()
			listener(key, value, cause)
		}
	}, bend: func(a *AnyCache[string], _ CacheOptions) {
		set := a.Set
		var left atomic.Bool
		a.Set = func(key string, value int64) {
			if left.Load() {
				stuck()
			}
			set(key, value)
			if thrown.Swap(false) {
				left.Store(locked)
				panic("boom")
			}
		}
	}}
}

var faultyKeys = []faultyCache{
	{name: "keys are told apart by their text", fails: []string{"B40"}, anyKeys: func(a *AnyCache[any]) {
		get, set := a.Get, a.Set
		a.Get = func(key any) (int64, bool) { return get(fmt.Sprint(key)) }
		a.Set = func(key any, value int64) { set(fmt.Sprint(key), value) }
	}},
	{name: "a key without a hash leaves a lock", fails: []string{"B41"}, anyKeys: func(a *AnyCache[any]) {
		set := a.Set
		var mu sync.Mutex
		a.Set = func(key any, value int64) {
			mu.Lock()
			set(key, value)
			mu.Unlock()
		}
	}},
	{name: "what is stored under NaN stays", fails: []string{"B42"}, anyKeys: func(a *AnyCache[any]) {
		set := a.Set
		var mu sync.Mutex
		held := map[any]int64{}
		a.Set = func(key any, value int64) {
			mu.Lock()
			defer mu.Unlock()
			held[key] = value
			set(key, value)
		}
	}},
}

func faultyThreads() []faultyCache {
	foreign, lostAt := every(3), every(40)
	return []faultyCache{
		bentCache("a read finds the value of another key", func(a *AnyCache[string], _ CacheOptions) {
			get := a.Get
			a.Get = func(key string) (int64, bool) {
				value, ok := get(key)
				if ok && key == "k63" && value > 1000 && foreign() {
					value++
				}
				return value, ok
			}
		}, "T2"),
		bentCache("a read may find the value before the last", func(a *AnyCache[string], _ CacheOptions) {
			get, set := a.Get, a.Set
			var old sync.Map
			a.Set = func(key string, value int64) {
				if before, ok := get(key); ok && strings.HasPrefix(key, "user") {
					old.Store(key, before)
				}
				set(key, value)
			}
			a.Get = func(key string) (int64, bool) {
				if before, ok := old.LoadAndDelete(key); ok {
					return before.(int64), true
				}
				return get(key)
			}
		}, "T4"),
		bentCache("an entry goes for no reason, now and then", func(a *AnyCache[string], o CacheOptions) {
			get := a.Get
			a.Get = func(key string) (int64, bool) {
				if key == "k0" && o.OnRemove == nil && lostAt() {
					a.Delete(key)
				}
				return get(key)
			}
		}, "T5"),
		bentCache("what was evicted comes back", func(a *AnyCache[string], o CacheOptions) {
			get, set := a.Get, a.Set
			var last sync.Map
			a.Set = func(key string, value int64) { last.Store(key, value); set(key, value) }
			a.Get = func(key string) (int64, bool) {
				value, ok := get(key)
				if !ok && o.Capacity == 3 && o.OnRemove == nil {
					if before, known := last.Load(key); known {
						return before.(int64), true
					}
				}
				return value, ok
			}
		}, "T6"),
		bentCache("incr reads and then writes", func(a *AnyCache[string], _ CacheOptions) {
			incr := a.Incr
			a.Incr = func(key string, delta int64) (int64, bool) {
				value, ok := a.Get(key)
				if !ok || key != "n" {
					return incr(key, delta)
				}
				runtime.Gosched()
				a.Set(key, value+delta)
				return value + delta, true
			}
		}, "T8"),
		bentCache("add reads and then writes", func(a *AnyCache[string], _ CacheOptions) {
			add := a.Add
			a.Add = func(key string, value int64) bool {
				if !crowded(key) {
					return add(key, value)
				}
				_, ok := a.Get(key)
				runtime.Gosched()
				if !ok {
					a.Set(key, value)
				}
				return !ok
			}
		}, "T9"),
		bentCache("take reads and then deletes", func(a *AnyCache[string], _ CacheOptions) {
			take := a.Take
			a.Take = func(key string) (int64, bool) {
				if !crowded(key) {
					return take(key)
				}
				value, ok := a.Get(key)
				runtime.Gosched()
				a.Delete(key)
				return value, ok
			}
		}, "T10"),
		bentCache("a swap reads and then writes", func(a *AnyCache[string], _ CacheOptions) {
			swap := a.CompareAndSwap
			a.CompareAndSwap = func(key string, old, next int64) bool {
				if !crowded(key) {
					return swap(key, old, next)
				}
				value, ok := a.Get(key)
				runtime.Gosched()
				if !ok || value != old {
					return false
				}
				a.Set(key, next)
				return true
			}
		}, "T11"),
	}
}

func TestEveryFaultOfACacheIsNoticed(t *testing.T) {
	noticed := map[string]bool{}
	for _, f := range slices.Concat(faultyCalls, faultyLifetimes, faultyBounds, faultyLoaders(), faultyListeners(), faultyKeys, faultyThreads()) {
		for _, id := range f.fails {
			noticed[id] = true
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if id := childOf(t.Name()); id != "" {
				if slices.Contains(f.fails, id) {
					watchdog = min(watchdog, time.Second/2) // it is to hang, and nobody else is in this process
				}
				checkInChild(t, id, f.factory, f.config())
			}
			var all []cacheStatement
			for _, st := range cacheStatements() {
				own := slices.Contains(f.fails, st.id)
				if !own && (underRace || testing.Short()) { // that no other statement fails takes minutes
					continue
				}
				// What does not fail neither hangs nor crashes. B42 looks at the whole heap.
				st.child = st.child && (own || slices.Contains(f.may, st.id) || st.id == "B42")
				all = append(all, st)
			}
			failed := map[string]string{}
			runCache(t, all, f.factory, f.config(), true, func(name string, body func(testing.TB)) {
				r := runRecorded(t, body)
				if r.Failed() {
					id, _, _ := strings.Cut(name, "_")
					failed[id] = strings.Join(r.said, "; ")
				}
			})
			for id, said := range failed {
				assert.Contains(t, slices.Concat(f.fails, f.may), id, said)
				assert.Contains(t, said, "basis: ")
			}
			for _, id := range f.fails {
				assert.Contains(t, failed, id, "%s did not notice it", id)
			}
		})
	}
	for _, st := range cacheStatements() {
		assert.True(t, noticed[st.id], "no fault was planted for %s", st.id)
	}
}

// runRecorded runs the body of a test that may fail.
func runRecorded(t *testing.T, body func(testing.TB)) *recording {
	t.Helper()
	r := &recording{TB: t, ctx: t.Context()}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		body(r)
	}()
	<-ended
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
	return r
}
