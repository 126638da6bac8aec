// SPDX-License-Identifier: MIT

package cachetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cache"
)

// altered is local memory some of whose methods are replaced.
type altered struct {
	remote
	write    func(w *cache.Write) // of all writes
	get      func(ctx context.Context, key string) ([]byte, bool, error)
	ttl      func(ctx context.Context, key string) (time.Duration, bool, error)
	set      func(ctx context.Context, key string, value []byte, w cache.Write) error
	setMany  func(ctx context.Context, items []cache.Item, w cache.Write) ([]string, error)
	add      func(ctx context.Context, key string, value []byte, w cache.Write) (bool, error)
	touch    func(ctx context.Context, key string, timeout time.Duration) (bool, error)
	incr     func(ctx context.Context, key string, delta int64) (int64, error)
	del      func(ctx context.Context, key string) (bool, error)
	clear    func(ctx context.Context) error
	move     func(ctx context.Context, from, to string) (bool, error)
	getOrSet func(ctx context.Context, key string, load cache.LoadFunc, w cache.Write) ([]byte, error)
	tags     func(ctx context.Context, tags ...string) error
	watch    func(fn func(cache.Removal)) func()
	stats    func() locmem.Stats
	restore  func(r io.Reader) error
}

func (a *altered) bend(w *cache.Write) {
	if a.write != nil {
		a.write(w)
	}
}

func (a *altered) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if a.get != nil {
		return a.get(ctx, key)
	}
	return a.Local.Get(ctx, key)
}

func (a *altered) TTL(ctx context.Context, key string) (time.Duration, bool, error) {
	if a.ttl != nil {
		return a.ttl(ctx, key)
	}
	return a.Local.TTL(ctx, key)
}

func (a *altered) Set(ctx context.Context, key string, value []byte, w cache.Write) error {
	a.bend(&w)
	if a.set != nil {
		return a.set(ctx, key, value, w)
	}
	return a.Local.Set(ctx, key, value, w)
}

func (a *altered) SetMany(ctx context.Context, items []cache.Item, w cache.Write) ([]string, error) {
	a.bend(&w)
	if a.setMany != nil {
		return a.setMany(ctx, items, w)
	}
	return a.Local.SetMany(ctx, items, w)
}

func (a *altered) Add(ctx context.Context, key string, value []byte, w cache.Write) (bool, error) {
	a.bend(&w)
	if a.add != nil {
		return a.add(ctx, key, value, w)
	}
	return a.Local.Add(ctx, key, value, w)
}

func (a *altered) Touch(ctx context.Context, key string, timeout time.Duration) (bool, error) {
	if a.touch != nil {
		return a.touch(ctx, key, timeout)
	}
	return a.Local.Touch(ctx, key, timeout)
}

func (a *altered) Incr(ctx context.Context, key string, delta int64) (int64, error) {
	if a.incr != nil {
		return a.incr(ctx, key, delta)
	}
	return a.Local.Incr(ctx, key, delta)
}

func (a *altered) Delete(ctx context.Context, key string) (bool, error) {
	if a.del != nil {
		return a.del(ctx, key)
	}
	return a.Local.Delete(ctx, key)
}

func (a *altered) Clear(ctx context.Context) error {
	if a.clear != nil {
		return a.clear(ctx)
	}
	return a.Local.Clear(ctx)
}

func (a *altered) Move(ctx context.Context, from, to string) (bool, error) {
	if a.move != nil {
		return a.move(ctx, from, to)
	}
	return a.Local.Move(ctx, from, to)
}

func (a *altered) GetOrSet(ctx context.Context, key string, load cache.LoadFunc, w cache.Write) ([]byte, error) {
	a.bend(&w)
	if a.getOrSet != nil {
		return a.getOrSet(ctx, key, load, w)
	}
	return a.Local.GetOrSet(ctx, key, load, w)
}

func (a *altered) InvalidateTags(ctx context.Context, tags ...string) error {
	if a.tags != nil {
		return a.tags(ctx, tags...)
	}
	return a.Local.InvalidateTags(ctx, tags...)
}

func (a *altered) Watch(fn func(cache.Removal)) func() {
	if a.watch != nil {
		return a.watch(fn)
	}
	return a.Local.Watch(fn)
}

func (a *altered) Stats() locmem.Stats {
	if a.stats != nil {
		return a.stats()
	}
	return a.Local.Stats()
}

func (a *altered) Restore(r io.Reader) error {
	if a.restore != nil {
		return a.restore(r)
	}
	return a.Local.Restore(r)
}

// alter makes the constructor of a faulty backend.
func alter(plant func(a *altered)) func(*cache.Local) cache.Backend {
	return func(l *cache.Local) cache.Backend {
		a := &altered{remote: remote{l}}
		plant(a)
		return a
	}
}

// unlimited is a write of a store's own.
var unlimited = cache.Write{Timeout: cache.Forever}

// pressed makes room in the store as a write of a new key does, and leaves nothing.
func pressed(ctx context.Context, l *cache.Local, w cache.Write) {
	w.Timeout, w.Tags = cache.Forever, nil
	_ = l.Set(ctx, "filler", nil, w)
	_, _ = l.Delete(ctx, "filler")
}

// dawdle lets other goroutines in.
func dawdle() { <-time.After(20 * time.Microsecond) }

func isNull(value []byte) bool { return bytes.HasSuffix(value, []byte("null")) }

// onlyTheFrontD has what onlyTheFront has.
var onlyTheFrontD = map[string]string{
	"Q5": "limits are checked by the front",
	"Q8": "keys are checked and values are encoded by the front",
}

var faultyBackendsD = []faultyBackend{
	// G
	{"a hit loads, too", []string{"G1"}, alter(func(a *altered) {
		a.getOrSet = func(ctx context.Context, key string, load cache.LoadFunc, w cache.Write) ([]byte, error) {
			if value, found, _ := a.Local.Get(ctx, key); found && string(value) == `j"held"` {
				_, _, _ = load(ctx)
			}
			return a.Local.GetOrSet(ctx, key, load, w)
		}
	})},
	{"what is loaded never expires", []string{"G2", "T1"}, alter(func(a *altered) {
		a.getOrSet = func(ctx context.Context, key string, load cache.LoadFunc, w cache.Write) ([]byte, error) {
			if w.Timeout > 0 {
				w.Timeout = cache.Forever
			}
			return a.Local.GetOrSet(ctx, key, load, w)
		}
	})},
	{"a miss loads twice", []string{"G3"}, alter(func(a *altered) {
		a.getOrSet = func(ctx context.Context, key string, load cache.LoadFunc, w cache.Write) ([]byte, error) {
			return a.Local.GetOrSet(ctx, key, func(ctx context.Context) ([]byte, int64, error) {
				if value, weight, err := load(ctx); err != nil {
					return value, weight, err
				}
				return load(ctx)
			}, w)
		}
	})},
	{"a loaded nil is not kept", []string{"G4"}, alter(func(a *altered) {
		a.getOrSet = func(ctx context.Context, key string, load cache.LoadFunc, w cache.Write) ([]byte, error) {
			loaded := false
			value, err := a.Local.GetOrSet(ctx, key, func(ctx context.Context) (value []byte, weight int64, err error) {
				value, weight, err = load(ctx)
				loaded = err == nil && isNull(value)
				return value, weight, err
			}, w)
			if loaded {
				_, _ = a.Local.Delete(ctx, key)
			}
			return value, err
		}
	})},
	{"the loaded value is returned, whatever is stored", []string{"G5"}, alter(func(a *altered) {
		a.getOrSet = func(ctx context.Context, key string, load cache.LoadFunc, w cache.Write) ([]byte, error) {
			var own atomic.Pointer[[]byte]
			value, err := a.Local.GetOrSet(ctx, key, func(ctx context.Context) (value []byte, weight int64, err error) {
				value, weight, err = load(ctx)
				own.Store(&value)
				return value, weight, err
			}, w)
			if loaded := own.Load(); loaded != nil && err == nil {
				return *loaded, nil
			}
			return value, err
		}
	})},
	{"a load that stores nothing is an error", []string{"G6"}, alter(func(a *altered) {
		a.getOrSet = func(ctx context.Context, key string, load cache.LoadFunc, w cache.Write) ([]byte, error) {
			value, err := a.Local.GetOrSet(ctx, key, load, w)
			if err == nil && w.Timeout <= 0 && w.Timeout != time.Duration(-1<<63) {
				err = errors.New("nothing was stored")
			}
			return value, err
		}
	})},
	{"a load that has failed stores what it returned", []string{"G7"}, alter(func(a *altered) {
		a.getOrSet = func(ctx context.Context, key string, load cache.LoadFunc, w cache.Write) ([]byte, error) {
			value, err := a.Local.GetOrSet(ctx, key, load, w)
			if err == errLoad { //nolint:errorlint // as it is, not wrapped: what one test returns
				_ = a.Local.Set(ctx, key, []byte(`j"loaded"`), w)
			}
			return value, err
		}
	})},
	{"a second caller loads for itself", []string{"G8", "Q15"}, alter(func(a *altered) {
		var mu sync.Mutex
		running := map[string]bool{}
		a.getOrSet = func(ctx context.Context, key string, load cache.LoadFunc, w cache.Write) ([]byte, error) {
			mu.Lock()
			second := running[key]
			running[key] = true
			mu.Unlock()
			if !second {
				defer func() {
					mu.Lock()
					defer mu.Unlock()
					delete(running, key)
				}()
				return a.Local.GetOrSet(ctx, key, load, w)
			}
			var value []byte
			err := errors.New("the load has ended its goroutine")
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				defer func() { _ = recover() }()
				value, _, err = load(ctx)
			}()
			<-ended
			return value, err
		}
	})},

	// L, and C10
	{"the lowest limit of any alias counts", []string{"C10"}, alter(func(a *altered) {
		var lowest atomic.Int64
		a.write = func(w *cache.Write) {
			if n := int64(w.Limits.MaxEntries); n > 0 {
				if low := lowest.Load(); low == 0 || n < low {
					lowest.Store(n)
				}
				w.Limits.MaxEntries = int(lowest.Load())
			}
		}
	})},
	{"an Add that fails makes room", []string{"L1"}, alter(func(a *altered) {
		a.add = func(ctx context.Context, key string, value []byte, w cache.Write) (bool, error) {
			added, err := a.Local.Add(ctx, key, value, w)
			if err == nil && !added {
				pressed(ctx, a.Local, w)
			}
			return added, err
		}
	})},
	{"a batch is of the next frequency", []string{"L2"}, alter(func(a *altered) {
		a.write = func(w *cache.Write) {
			if w.Limits.Cull == cache.Batch(3) {
				w.Limits.Cull = cache.Batch(4)
			}
		}
	})},
	{"a frequency of 1 leaves half", []string{"L3"}, alter(func(a *altered) {
		a.write = func(w *cache.Write) {
			if w.Limits.Cull == cache.Batch(1) {
				w.Limits.Cull = cache.Batch(2)
			}
		}
	})},
	{"room is made after the entry has gone in", []string{"L4"}, alter(func(a *altered) {
		a.set = func(ctx context.Context, key string, value []byte, w cache.Write) error {
			limit := w.Limits.MaxEntries
			held, _ := a.Has(ctx, key)
			if held || w.Limits.Cull != (cache.Cull{}) || limit < 1 || limit > 300 {
				return a.Local.Set(ctx, key, value, w)
			}
			w.Limits.MaxEntries = cache.NoLimit
			err := a.Local.Set(ctx, key, value, w)
			dawdle()
			if w.Limits.MaxEntries = limit + 1; a.Local.Stats().Entries > limit {
				pressed(ctx, a.Local, w)
			}
			return err
		}
	})},
	{"evictions are not counted", []string{"L5"}, alter(func(a *altered) {
		a.stats = func() locmem.Stats {
			st := a.Local.Stats()
			st.Evicted = 0
			return st
		}
	})},
	{"the first entry of a large store is never the oldest", []string{"L6"}, alter(func(a *altered) {
		first := ""
		a.set = func(ctx context.Context, key string, value []byte, w cache.Write) error {
			if w.Limits.MaxEntries > 400 && w.Limits.MaxEntries <= 4096 {
				if first == "" {
					first = key
				}
				_, _, _ = a.Local.Get(ctx, first)
			}
			return a.Local.Set(ctx, key, value, w)
		}
	})},
	{"an overwrite is no use", []string{"L7"}, alter(func(a *altered) {
		var keys []string // the first ones
		a.set = func(ctx context.Context, key string, value []byte, w cache.Write) error {
			err := a.Local.Set(ctx, key, value, w)
			switch {
			case slices.Contains(keys, key):
				for _, other := range keys {
					if other != key {
						_, _, _ = a.Local.Get(ctx, other)
					}
				}
			case w.Limits.MaxEntries == 3 && len(keys) < 3:
				keys = append(keys, key)
			}
			return err
		}
	})},
	{"Touch is a use", []string{"L8"}, alter(func(a *altered) {
		a.touch = func(ctx context.Context, key string, timeout time.Duration) (bool, error) {
			touched, err := a.Local.Touch(ctx, key, timeout)
			_, _, _ = a.Local.Get(ctx, key)
			return touched, err
		}
	})},
	{"expired entries are counted as held", []string{"L9"}, alter(func(a *altered) {
		a.stats = func() locmem.Stats {
			st := a.Local.Stats()
			st.Entries += int(st.Expired)
			return st
		}
	})},
	{"Delete leaves something behind", []string{"L10"}, alter(func(a *altered) {
		a.del = func(ctx context.Context, key string) (bool, error) {
			deleted, err := a.Local.Delete(ctx, key)
			if deleted && a.Local.Stats().Entries < 10 {
				_ = a.Local.Set(ctx, "deleted:"+key, nil, unlimited)
			}
			return deleted, err
		}
	})},
	{"a limit below 1 stores nothing", []string{"L11"}, alter(func(a *altered) {
		a.set = func(ctx context.Context, key string, value []byte, w cache.Write) error {
			if w.Limits.MaxEntries < 1 {
				return nil
			}
			return a.Local.Set(ctx, key, value, w)
		}
	})},

	// X
	{"two Gets at once get one value", []string{"X1"}, alter(func(a *altered) {
		var here atomic.Int64
		var last atomic.Pointer[[]byte]
		a.get = func(ctx context.Context, key string) ([]byte, bool, error) {
			here.Add(1)
			defer here.Add(-1)
			value, found, err := a.Local.Get(ctx, key)
			other := last.Swap(&value)
			dawdle()
			if found && here.Load() > 1 && other != nil && len(*other) > 100 {
				return *other, true, nil
			}
			return value, found, err
		}
	})},
	{"Incr reads and then writes", []string{"X2", "I7"}, alter(func(a *altered) {
		a.incr = func(ctx context.Context, key string, delta int64) (int64, error) {
			if delta > 1000 || delta < -1000 {
				return a.Local.Incr(ctx, key, delta)
			}
			value, found, err := a.Local.Get(ctx, key)
			n, bad := strconv.ParseInt(string(value), 10, 32)
			if err != nil || !found || bad != nil {
				return a.Local.Incr(ctx, key, delta)
			}
			dawdle()
			now, _, _ := a.Local.Get(ctx, key)
			_, _, err = a.CompareAndSwap(ctx, key, now, strconv.AppendInt(nil, n+delta, 10))
			return n + delta, err
		}
	})},
	{"Add looks and then writes", []string{"X3"}, alter(func(a *altered) {
		a.add = func(ctx context.Context, key string, value []byte, w cache.Write) (bool, error) {
			if found, err := a.Has(ctx, key); found || err != nil {
				return false, err
			}
			dawdle()
			return true, a.Local.Set(ctx, key, value, w)
		}
	})},
	{"SetMany of many deletes first", []string{"X4"}, alter(func(a *altered) {
		a.setMany = func(ctx context.Context, items []cache.Item, w cache.Write) ([]string, error) {
			if len(items) > 4 {
				for _, item := range items {
					_, _ = a.Local.Delete(ctx, item.Key)
				}
				dawdle()
			}
			return a.Local.SetMany(ctx, items, w)
		}
	})},

	// Q
	{"Delete returns true for what has expired unseen", []string{"Q1"}, alter(func(a *altered) {
		var mu sync.Mutex
		set := map[string]bool{}
		note := func(key string, known bool) bool {
			mu.Lock()
			defer mu.Unlock()
			was := set[key]
			set[key] = known
			return was
		}
		a.set = func(ctx context.Context, key string, value []byte, w cache.Write) error {
			note(key, w.Timeout > 0 && w.Timeout <= time.Minute)
			return a.Local.Set(ctx, key, value, w)
		}
		a.get = func(ctx context.Context, key string) ([]byte, bool, error) {
			value, found, err := a.Local.Get(ctx, key)
			if !found {
				note(key, false)
			}
			return value, found, err
		}
		a.del = func(ctx context.Context, key string) (bool, error) {
			was := note(key, false)
			deleted, err := a.Local.Delete(ctx, key)
			return deleted || was, err
		}
	})},
	{"an overwrite makes room", []string{"Q2"}, alter(func(a *altered) {
		a.set = func(ctx context.Context, key string, value []byte, w cache.Write) error {
			if found, _ := a.Has(ctx, key); found && w.Limits.MaxEntries < 100 {
				pressed(ctx, a.Local, w)
			}
			return a.Local.Set(ctx, key, value, w)
		}
	})},
	{"a Set with no lifetime makes room", []string{"Q3"}, alter(func(a *altered) {
		a.set = func(ctx context.Context, key string, value []byte, w cache.Write) error {
			if w.Timeout <= 0 && w.Limits.MaxEntries == 3 {
				pressed(ctx, a.Local, w)
			}
			return a.Local.Set(ctx, key, value, w)
		}
	})},
	{"less than one entry is culled", []string{"Q4"}, alter(func(a *altered) {
		a.write = func(w *cache.Write) {
			if w.Limits.Cull == cache.Batch(5) && w.Limits.MaxEntries < 5 {
				w.Limits.MaxEntries = cache.NoLimit
			}
		}
	})},
	{"a permanent entry that moves gets a lifetime", []string{"Q6"}, alter(func(a *altered) {
		a.move = func(ctx context.Context, from, to string) (bool, error) {
			moved, err := a.Local.Move(ctx, from, to)
			if left, _, _ := a.Local.TTL(ctx, to); left == cache.Forever {
				_, _ = a.Local.Touch(ctx, to, cache.DefaultTimeout)
			}
			return moved, err
		}
	})},
	{"a move to itself deletes", []string{"Q7"}, alter(func(a *altered) {
		a.move = func(ctx context.Context, from, to string) (bool, error) {
			if from == to {
				return a.Local.Delete(ctx, from)
			}
			return a.Local.Move(ctx, from, to)
		}
	})},
	{"Incr takes a text that looks like a number", []string{"Q9"}, alter(func(a *altered) {
		a.incr = func(ctx context.Context, key string, delta int64) (int64, error) {
			sum, err := a.Local.Incr(ctx, key, delta)
			if errors.Is(err, cache.ErrNotNumber) {
				value, _, _ := a.Local.Get(ctx, key)
				text, isText := strings.CutPrefix(string(value), `j"`)
				if n, bad := strconv.ParseInt(strings.TrimSuffix(text, `"`), 10, 64); isText && bad == nil {
					return n + delta, nil
				}
			}
			return sum, err
		}
	})},
	{"Clear does not look at its context", []string{"Q12"}, alter(func(a *altered) {
		a.clear = func(ctx context.Context) error { return a.Local.Clear(context.WithoutCancel(ctx)) }
	})},
	{"a Touch of centuries ends the entry", []string{"Q13", "T7"}, alter(func(a *altered) {
		a.touch = func(ctx context.Context, key string, timeout time.Duration) (bool, error) {
			if timeout > 200*365*24*time.Hour && timeout != cache.Forever {
				timeout = 0
			}
			return a.Local.Touch(ctx, key, timeout)
		}
	})},
	{"listeners cannot call", []string{"Q14"}, alter(func(a *altered) {
		var inside atomic.Int64
		a.watch = func(fn func(cache.Removal)) func() {
			return a.Local.Watch(func(r cache.Removal) {
				inside.Add(1)
				defer inside.Add(-1)
				fn(r)
			})
		}
		a.get = func(ctx context.Context, key string) ([]byte, bool, error) {
			if inside.Load() > 0 {
				return nil, false, errors.New("a lock is held")
			}
			return a.Local.Get(ctx, key)
		}
	})},
	{"who waited for a load that has failed loads again", []string{"Q15"}, alter(func(a *altered) {
		a.getOrSet = func(ctx context.Context, key string, load cache.LoadFunc, w cache.Write) ([]byte, error) {
			var own atomic.Bool
			noting := func(ctx context.Context) ([]byte, int64, error) {
				own.Store(true)
				return load(ctx)
			}
			value, err := a.Local.GetOrSet(ctx, key, noting, w)
			if err != nil && ctx.Err() == nil && !own.Load() {
				return a.Local.GetOrSet(ctx, key, load, w)
			}
			return value, err
		}
	})},

	// W
	{"a large cull takes too few", []string{"W3"}, alter(func(a *altered) {
		a.write = func(w *cache.Write) {
			if w.Limits.Cull == cache.Batch(8) {
				w.Limits.Cull = cache.Batch(9)
			}
		}
	})},
	{"five of fifty go at once", []string{"W4"}, alter(func(a *altered) {
		a.write = func(w *cache.Write) {
			if w.Limits.MaxEntries == 50 && w.Limits.Cull == (cache.Cull{}) {
				w.Limits.Cull = cache.Batch(10)
			}
		}
	})},
	{"what is too heavy leaves the old value", []string{"W5"}, alter(func(a *altered) {
		a.set = func(ctx context.Context, key string, value []byte, w cache.Write) error {
			old, found, _ := a.Local.Get(ctx, key)
			err := a.Local.Set(ctx, key, value, w)
			if errors.Is(err, cache.ErrTooLarge) && found {
				_ = a.Local.Set(ctx, key, old, unlimited)
			}
			return err
		}
	})},
	{"hits are not counted", []string{"W6"}, alter(func(a *altered) {
		a.stats = func() locmem.Stats {
			st := a.Local.Stats()
			st.Hits = 0
			return st
		}
	})},
	{"the load lives on its first caller's context", []string{"W7"}, alter(func(a *altered) {
		a.getOrSet = func(ctx context.Context, key string, load cache.LoadFunc, w cache.Write) ([]byte, error) {
			return a.Local.GetOrSet(ctx, key, func(context.Context) ([]byte, int64, error) { return load(ctx) }, w)
		}
	})},
	{"the sweeper says that it has evicted", []string{"W9"}, alter(func(a *altered) {
		a.watch = func(fn func(cache.Removal)) func() {
			return a.Local.Watch(func(r cache.Removal) {
				if r.Cause == locmem.Expired {
					r.Cause = locmem.Evicted
				}
				fn(r)
			})
		}
	})},
	{"the remaining lifetime stands still", []string{"W11"}, alter(func(a *altered) {
		var mu sync.Mutex
		told := map[string]time.Duration{}
		a.ttl = func(ctx context.Context, key string) (time.Duration, bool, error) {
			left, found, err := a.Local.TTL(ctx, key)
			mu.Lock()
			defer mu.Unlock()
			if before, ok := told[key]; ok && found && left < before {
				left = before
			}
			told[key] = left
			return left, found, err
		}
	})},
	{"a snapshot that was refused stops writes", []string{"W13"}, alter(func(a *altered) {
		var broken atomic.Bool
		a.restore = func(r io.Reader) error {
			err := a.Local.Restore(r)
			if err != nil {
				broken.Store(true)
			}
			return err
		}
		a.set = func(ctx context.Context, key string, value []byte, w cache.Write) error {
			if broken.Load() {
				return nil
			}
			return a.Local.Set(ctx, key, value, w)
		}
	})},
	{"one tag cannot be invalidated", []string{"W14"}, alter(func(a *altered) {
		a.tags = func(ctx context.Context, tags ...string) error {
			return a.Local.InvalidateTags(ctx, slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return tag == "a" })...)
		}
	})},
	{"a damaged snapshot empties the store", []string{"W15"}, alter(func(a *altered) {
		a.restore = func(r io.Reader) error {
			err := a.Local.Restore(r)
			if err != nil {
				_ = a.Local.Clear(context.Background())
			}
			return err
		}
	})},
	{"a move takes several steps", []string{"W16"}, alter(func(a *altered) {
		a.move = func(ctx context.Context, from, to string) (bool, error) {
			value, found, err := a.Local.Get(ctx, from)
			left, live, _ := a.Local.TTL(ctx, from)
			if err != nil || !found || !live || from == to || !strings.HasSuffix(from, ":k") {
				return a.Local.Move(ctx, from, to)
			}
			dawdle()
			err = a.Local.Set(ctx, to, value, cache.Write{Timeout: left})
			dawdle()
			_, _ = a.Local.Delete(ctx, from)
			return true, err
		}
	})},
}
