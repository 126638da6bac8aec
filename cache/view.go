// SPDX-License-Identifier: MIT

package cache

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"unsafe"
)

// View reads and writes the values of a cache as those of one type. It also has
// the methods of the cache. Views are made by For, cost nothing, and are safe for
// concurrent use. Views of several types may share a cache: what is read as another type than
// it was written as is ErrDecode.
type View[V any] struct {
	*Cache
}

// For returns a view of a cache for values of type V. Whole numbers of any integer
// type are stored in decimal, all others by the alias's codec. An interface type
// needs the codec NoCopy; with others its calls are ErrUnsupported.
func For[V any](c *Cache) View[V] { return View[V]{c} }

// Get returns the value of the key's live entry, and is a use of it. Without one
// found is false, and the value the zero V. With all codecs but NoCopy it is a value
// of the caller's own.
func (v View[V]) Get(ctx context.Context, key string, opts ...Option) (value V, found bool, err error) {
	it, found, quick := item{}, false, false
	if quick = v.quick && len(opts) == 0 && ctx != nil && ctx.Err() == nil && v.isQuick(key); quick {
		it, found = v.quickly(key)
	} else {
		final, _, err := v.start(ctx, key, opts)
		if err != nil {
			return value, false, err
		}
		if it, found, err = v.get(ctx, final); err != nil {
			return value, false, err
		}
	}
	if !found {
		return value, false, nil
	}
	if value, err = decode[V](v.alias, &it); err != nil {
		return *new(V), false, v.naming(key, err)
	}
	return value, true, nil
}

// naming adds the key to an error.
func (v View[V]) naming(key string, err error) error { return fmt.Errorf("key %q: %w", key, err) }

// quickKey is the longest final key that a read of local memory makes without an
// allocation. It is far below the length that is a fault.
const quickKey = 128

// isQuick reports whether the final key of the alias's version is short and faultless,
// if its head is.
func (c *Cache) isQuick(key string) bool {
	return len(c.keys.head)+len(key) <= quickKey && faultless(key)
}

// quickly returns the item of such a key, on local memory and without functions of the
// user's.
func (c *Cache) quickly(key string) (item, bool) {
	n := len(c.keys.head)
	var buf [quickKey]byte
	copy(buf[:], c.keys.head)
	copy(buf[n:], key)
	// Safety: the string is used until the end of the look-up only, while buf stays as
	// it is. The engine does not keep the keys of look-ups.
	return c.local.engine.Get(unsafe.String(&buf[0], n+len(key)))
}

// get returns the item of a final key.
func (c *Cache) get(ctx context.Context, final string) (item, bool, error) {
	if c.local != nil {
		it, found := c.local.engine.Get(final)
		return it, found, nil
	}
	value, found, err := c.backend.Get(ctx, final)
	return item{text: string(value)}, found, err
}

// GetMany returns the values of those keys that have live entries, never a nil
// map. It is as so many Gets in the order given.
func (v View[V]) GetMany(ctx context.Context, keys []string, opts ...Option) (map[string]V, error) {
	finals, _, err := v.startMany(ctx, keys, opts)
	if err != nil {
		return map[string]V{}, err
	}
	values := make(map[string]V, len(keys))
	if v.local != nil {
		for i, key := range keys {
			if it, found := v.local.engine.Get(finals[i]); found {
				if values[key], err = decode[V](v.alias, &it); err != nil {
					return map[string]V{}, v.naming(key, err)
				}
			}
		}
		return values, nil
	}
	found, err := v.backend.GetMany(ctx, finals)
	if err != nil {
		return map[string]V{}, err
	}
	for i, key := range keys {
		if text, ok := found[finals[i]]; ok {
			if values[key], err = decode[V](v.alias, &item{text: string(text)}); err != nil {
				return map[string]V{}, v.naming(key, err)
			}
		}
	}
	return values, nil
}

// Set stores a value, in place of what the key held, with its expiry. A timeout
// that has passed removes the key.
func (v View[V]) Set(ctx context.Context, key string, value V, opts ...Option) error {
	if v.plain && len(opts) == 0 && ctx != nil && ctx.Err() == nil && v.isQuick(key) {
		return v.setPlainly(key, value)
	}
	var w Write
	final, it, err := v.prepare(ctx, key, value, opts, &w)
	if err != nil {
		return err
	}
	if v.local != nil {
		return v.local.set(final, it, &w)
	}
	return v.backend.Set(ctx, final, []byte(it.text), w)
}

// setPlainly is Set on local memory for a write that names nothing of its own.
func (v View[V]) setPlainly(key string, value V) error {
	it, err := encode(v.alias, value)
	if err != nil {
		return v.naming(key, err)
	}
	limits := v.limits.Load()
	final := v.keys.head + key
	if !v.local.engine.Set(final, it, limits.settings...) {
		return tooLarge(final, &it, limits.Limits)
	}
	return nil
}

// Add stores a value if the key has no live entry, and reports whether that was
// so; else it changes nothing.
func (v View[V]) Add(ctx context.Context, key string, value V, opts ...Option) (bool, error) {
	var w Write
	final, it, err := v.prepare(ctx, key, value, opts, &w)
	if err != nil {
		return false, err
	}
	if v.local != nil {
		return v.local.add(final, it, &w)
	}
	return v.backend.Add(ctx, final, []byte(it.text), w)
}

// prepare makes a write of a value ready.
func (v View[V]) prepare(ctx context.Context, key string, value V, opts []Option, w *Write) (final string, it item, err error) {
	final, said, err := v.start(ctx, key, opts)
	if err != nil {
		return final, it, err
	}
	if err = v.fill(w, &said); err != nil {
		return final, it, err
	}
	if it, err = v.encode(final, value); err != nil {
		err = v.naming(key, err)
	}
	w.Weight = it.weight()
	return final, it, err
}

// encode makes an item of a value and weighs it.
//
// +checklocksexclude:codecs.mu
func (v View[V]) encode(final string, value V) (item, error) {
	it, err := encode(v.alias, value)
	if err == nil && v.weigh != nil {
		weight := v.weigh(final, value)
		if weight < 1 {
			err = fmt.Errorf("%w: Weigh returned %d: a weight must be at least 1", ErrArgument, weight)
		}
		it = it.weighing(weight)
	}
	return it, err
}

// SetMany stores all values, as so many Sets in ascending order of the keys. All
// keys are checked and all values encoded before the first is stored. failed are the keys
// that were refused: on local memory, those of entries that alone are heavier
// than the limit.
func (v View[V]) SetMany(ctx context.Context, values map[string]V, opts ...Option) (failed []string, err error) {
	keys := slices.Sorted(maps.Keys(values))
	finals, said, err := v.startMany(ctx, keys, opts)
	if err != nil {
		return nil, err
	}
	var w Write
	if err := v.fill(&w, &said); err != nil {
		return nil, err
	}
	items := make([]item, len(keys))
	for i, key := range keys {
		if items[i], err = v.encode(finals[i], values[key]); err != nil {
			return nil, v.naming(key, err)
		}
	}
	if v.local != nil {
		for i, key := range keys {
			w.Weight = items[i].weight()
			if v.local.set(finals[i], items[i], &w) != nil {
				failed = append(failed, key)
			}
		}
		return failed, nil
	}
	list := make([]Item, len(keys))
	users := make(map[string]string, len(keys))
	for i, key := range keys {
		list[i] = Item{Key: finals[i], Value: []byte(items[i].text), Weight: items[i].weight()}
		users[finals[i]] = key
	}
	failed, err = v.backend.SetMany(ctx, list, w)
	for i := range failed {
		failed[i] = users[failed[i]]
	}
	return failed, err
}
