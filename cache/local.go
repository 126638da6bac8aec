// SPDX-License-Identifier: MIT

package cache

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"strings"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
)

// ExactOrderEntries is up to how many entries a store of local memory evicts
// exactly the least recently used, of operations that do not overlap: any number.
const ExactOrderEntries = math.MaxInt

// Local is a location of local memory: the backend of the scheme locmem. It is an
// engine with the exact order of use over all its shards (evict.LRU). Its calls
// wait for nothing but locks held for some microseconds, and look at contexts
// before they begin only.
type Local struct {
	location string
	engine   *locmem.Engine[string, item]
}

func newLocal(location string, opts RegistryOptions) *Local {
	l := &Local{location: location}
	l.engine = locmem.Must(locmem.New(locmem.Options[string, item]{
		Name: location, Unbounded: true, Shards: opts.Shards, Clock: opts.Clock, Stats: true,
		Policy: evict.LRU, Codec: itemCodec{},
		Weigh: func(key string, it item) int64 { return it.weightOf(key) },
	}))
	return l
}

// Location returns the store's name.
func (l *Local) Location() string { return l.location }

// Capabilities returns all flags.
func (l *Local) Capabilities() Capability {
	return CanStore | CanLimit | CanAnyKey | CanNegative | CanSwap | CanReopen | CanMove | CanTag | CanList | CanSave |
		CanLoad | CanWatch | CanCount | CanKeep
}

// maxSettings is how many options a write of the front can have.
const maxSettings = 5

// settings puts a write into the words of the engine, in a buffer.
func settings(buf *[maxSettings]locmem.EntryOption, w *Write) []locmem.EntryOption {
	opts := append(buf[:0], expiry(w.Timeout))
	if n := w.Limits.MaxEntries; n != 0 && n != NoLimit { // less than 1 counts as 1
		opts = append(opts, locmem.Limit(n))
		if w.Limits.Cull.batch {
			opts = append(opts, locmem.Cull(w.Limits.Cull.frequency))
		}
	}
	if w.Limits.MaxWeight > 0 {
		opts = append(opts, locmem.LimitWeight(w.Limits.MaxWeight))
	}
	if len(w.Tags) > 0 {
		opts = append(opts, locmem.Tags(w.Tags...))
	}
	return opts
}

// expiry puts a timeout into the words of the engine.
func expiry(timeout time.Duration) locmem.EntryOption {
	if timeout == Forever {
		return locmem.NoTTL()
	}
	return locmem.TTL(timeout)
}

func (l *Local) set(key string, it item, w *Write) error {
	var buf [maxSettings]locmem.EntryOption
	if !l.engine.Set(key, it, settings(&buf, w)...) {
		return tooLarge(key, &it, w.Limits)
	}
	return nil
}

// tooLarge is why the engine of a location refuses a write: it is never closed, and
// all strings equal themselves.
func tooLarge(key string, it *item, limits Limits) error {
	return fmt.Errorf("%w: %q weighs %d, the limit is %d", ErrTooLarge, key, it.weightOf(key), limits.MaxWeight)
}

func (l *Local) add(key string, it item, w *Write) (bool, error) {
	if limit := w.Limits.MaxWeight; limit > 0 && it.weightOf(key) > limit {
		if l.engine.Has(key) {
			return false, nil
		}
		return false, tooLarge(key, &it, w.Limits)
	}
	var buf [maxSettings]locmem.EntryOption
	return l.engine.Add(key, it, settings(&buf, w)...), nil
}

// +checklocksexclude:drivers.mu
func (l *Local) getOrSet(ctx context.Context, key string, load func(context.Context) (item, error), w *Write) (item, error) {
	var buf [maxSettings]locmem.EntryOption
	return l.engine.GetOrSet(ctx, key, func(ctx context.Context, _ string) (item, error) { return load(ctx) }, settings(&buf, w)...)
}

// update changes a live entry by a function of what it is, which is called with
// no lock held, and again if the entry has changed meanwhile. Expiry and tags stay.
//
// +checklocksexclude:drivers.mu
func (l *Local) update(key string, change func(old item) (item, error)) (found bool, err error) {
	l.engine.Compute(key, func(old locmem.Entry[item], live bool) (item, locmem.Op) {
		found, err = live, nil
		if !live {
			return item{}, locmem.Keep
		}
		next, fault := change(old.Value)
		if err = fault; err != nil {
			return item{}, locmem.Keep
		}
		return next, locmem.Store
	}, locmem.KeepTTL())
	return found, err
}

// Get returns the value of a live entry. One that NoCopy has kept is ErrDecode.
func (l *Local) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	it, found := l.engine.Get(key)
	if !found {
		return nil, false, nil
	}
	value, err := it.bytes(key)
	return value, err == nil, err
}

// bytes returns a copy of an item's text.
func (it *item) bytes(key string) ([]byte, error) {
	if it.kept() != nil {
		return nil, fmt.Errorf("%w: %q is kept as a Go value", ErrDecode, key)
	}
	return []byte(it.text), nil
}

// GetMany is as so many Gets.
func (l *Local) GetMany(ctx context.Context, keys []string) (map[string][]byte, error) {
	values := make(map[string][]byte, len(keys))
	for _, key := range keys {
		value, found, err := l.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		if found {
			values[key] = value
		}
	}
	return values, nil
}

// Has reports whether there is a live entry.
func (l *Local) Has(ctx context.Context, key string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return l.engine.Has(key), nil
}

// TTL returns the remaining lifetime of a live entry, or Forever.
func (l *Local) TTL(ctx context.Context, key string) (time.Duration, bool, error) {
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	remaining, found := l.remaining(key)
	return remaining, found, nil
}

func (l *Local) remaining(key string) (time.Duration, bool) {
	entry, found := l.engine.Peek(key)
	switch {
	case !found:
		return 0, false
	case entry.Deadline.IsZero():
		return Forever, true
	}
	remaining := entry.Deadline.Sub(l.engine.Now())
	return max(remaining, 0), remaining > 0
}

// Set stores a value. ErrTooLarge is for an entry that alone is heavier than the
// limit; the old value is gone then.
func (l *Local) Set(ctx context.Context, key string, value []byte, w Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.set(key, textItem(string(value), w.Weight), &w)
}

// SetMany is as so many Sets.
func (l *Local) SetMany(ctx context.Context, items []Item, w Write) (failed []string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, i := range items {
		if l.set(i.Key, textItem(string(i.Value), i.Weight), &w) != nil {
			failed = append(failed, i.Key)
		}
	}
	return failed, nil
}

// Add stores a value if there is no live entry.
func (l *Local) Add(ctx context.Context, key string, value []byte, w Write) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return l.add(key, textItem(string(value), w.Weight), &w)
}

// CompareAndSwap stores next if there is a live entry with the value old.
func (l *Local) CompareAndSwap(ctx context.Context, key string, old, next []byte) (swapped, found bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, false, err
	}
	l.engine.Compute(key, func(held locmem.Entry[item], live bool) (item, locmem.Op) {
		found, swapped = live, live && held.Value.kept() == nil && held.Value.text == string(old)
		if !swapped {
			return item{}, locmem.Keep
		}
		return textItem(string(next), held.Value.weight()), locmem.Store
	}, locmem.KeepTTL())
	return swapped, found, nil
}

// Touch sets the expiry of a live entry.
func (l *Local) Touch(ctx context.Context, key string, timeout time.Duration) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return l.engine.Touch(key, expiry(timeout)), nil
}

// Incr adds to a whole number.
func (l *Local) Incr(ctx context.Context, key string, delta int64) (sum int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	found, err := l.update(key, func(old item) (next item, err error) {
		next, sum, err = old.plus(key, delta)
		return next, err
	})
	switch {
	case err != nil:
		return 0, err
	case !found:
		return 0, missed(key)
	}
	return sum, nil
}

// Delete removes the key.
func (l *Local) Delete(ctx context.Context, key string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return l.engine.Delete(key), nil
}

// DeleteMany is as so many Deletes.
func (l *Local) DeleteMany(ctx context.Context, keys []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.engine.DeleteMany(keys)
	return nil
}

// Clear removes all entries.
func (l *Local) Clear(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.engine.Clear()
	return nil
}

// Ping returns the context's error only.
func (l *Local) Ping(ctx context.Context) error { return ctx.Err() }

// Close does nothing: a location outlives those who use it.
func (l *Local) Close() error { return nil }

// Move makes the entry of one key that of another.
func (l *Local) Move(ctx context.Context, from, to string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return l.engine.Move(from, to), nil
}

// InvalidateTags removes all entries that carry one of the tags.
func (l *Local) InvalidateTags(ctx context.Context, tags ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.engine.InvalidateTags(tags...)
	return nil
}

// List yields the live entries whose keys begin with a prefix.
func (l *Local) List(ctx context.Context, prefix string) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		for key := range l.engine.All() {
			if err := ctx.Err(); err != nil {
				yield(Listed{}, err)
				return
			}
			if !strings.HasPrefix(key, prefix) {
				continue
			}
			if remaining, found := l.remaining(key); found && !yield(Listed{key, remaining}, nil) {
				return
			}
		}
	}
}

// DeletePrefix removes the entries that List yields.
func (l *Local) DeletePrefix(ctx context.Context, prefix string) (n int, err error) {
	for key := range l.engine.All() {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		if strings.HasPrefix(key, prefix) && l.engine.Delete(key) {
			n++
		}
	}
	return n, nil
}

// GetOrSet returns the value of a live entry, or loads and stores it.
func (l *Local) GetOrSet(ctx context.Context, key string, load LoadFunc, w Write) ([]byte, error) {
	it, err := l.getOrSet(ctx, key, func(ctx context.Context) (item, error) {
		value, weight, err := load(ctx)
		return textItem(string(value), weight), err
	}, &w)
	if err != nil {
		return nil, err
	}
	return it.bytes(key)
}

// Watch has fn called for every entry that goes.
func (l *Local) Watch(fn func(Removal)) (stop func()) {
	return l.engine.Watch(func(r locmem.Removal[string, item]) {
		value := r.Value.kept()
		if value == (keptNil{}) {
			value = nil
		}
		fn(Removal{Key: r.Key, Cause: r.Cause, Weight: r.Weight, Value: value})
	})
}

// Stats returns the counters.
func (l *Local) Stats() locmem.Stats { return l.engine.Stats() }

// Save writes all live entries.
func (l *Local) Save(w io.Writer) error { return l.engine.Save(w) }

// Restore stores what was saved.
func (l *Local) Restore(r io.Reader) error { return l.engine.Restore(r) }

// SaveFile is Save into a file.
func (l *Local) SaveFile(path string) error { return locmem.SaveFile(l.engine, path) }

// RestoreFile is Restore from a file.
func (l *Local) RestoreFile(path string) error { return locmem.RestoreFile(l.engine, path) }
