// SPDX-License-Identifier: MIT

package cache

import (
	"context"
	"fmt"

	"github.com/locmem/locmem"
)

// GetOrSet returns the value of the key's live entry, or what load returns, which
// it stores; nil is a value like others. Of callers who miss together one loads,
// and the others wait for it, each until its own context ends; the load's context
// lives while anyone waits. What another writer stores during the load counts, and
// is returned; on local memory a Delete or Clear during the load counts too: then
// the loaded value is returned and not stored.
//
// An error of load, or of encoding what it returned, is that of all who wait, and
// nothing is stored. So is a panic, as a *locmem.PanicError. load runs with no
// lock held, on a goroutine of its own, and may call the cache; if it would wait for
// itself that is locmem.ErrReentrant.
func (v View[V]) GetOrSet(ctx context.Context, key string, load func(context.Context) (V, error), opts ...Option) (value V, err error) {
	if load == nil {
		return value, fmt.Errorf("%w: load is nil", ErrArgument)
	}
	final, said, err := v.start(ctx, key, opts)
	if err != nil {
		return value, err
	}
	var w Write
	if err := v.fill(&w, &said); err != nil {
		return value, err
	}
	if it, found, err := v.held(ctx, final); found || err != nil {
		if err == nil {
			value, err = decode[V](v.alias, &it)
		}
		if err != nil {
			return *new(V), v.naming(key, err)
		}
		return value, nil
	}
	it, err := v.getOrLoad(ctx, final, func(ctx context.Context) (item, error) {
		value, err := load(ctx)
		if err != nil {
			return item{}, err
		}
		it, err := v.encode(final, value)
		if err != nil {
			err = v.naming(key, err)
		}
		return it, err
	}, &w)
	if err != nil {
		return value, err
	}
	if value, err = decode[V](v.alias, &it); err != nil {
		return *new(V), v.naming(key, err)
	}
	return value, nil
}

// GetOrSetValue is GetOrSet with a value at hand.
func (v View[V]) GetOrSetValue(ctx context.Context, key string, value V, opts ...Option) (V, error) {
	return v.GetOrSet(ctx, key, func(context.Context) (V, error) { return value, nil }, opts...)
}

// held returns the item of a final key, if that is all there is to do. A miss is
// counted by who loads.
func (c *Cache) held(ctx context.Context, final string) (item, bool, error) {
	if c.local == nil {
		if _, ok := c.backend.(Loader); ok {
			return item{}, false, nil
		}
		return c.get(ctx, final)
	}
	if !c.local.engine.Has(final) {
		return item{}, false, nil
	}
	it, found := c.local.engine.Get(final)
	return it, found, nil
}

// getOrLoad returns the item of a final key that was missed, or loads and stores it.
//
// +checklocksexclude:drivers.mu
func (c *Cache) getOrLoad(ctx context.Context, final string, load func(context.Context) (item, error), w *Write) (item, error) {
	if c.local != nil {
		return c.local.getOrSet(ctx, final, load, w)
	}
	if loader, ok := c.backend.(Loader); ok {
		text, err := loader.GetOrSet(ctx, final, func(ctx context.Context) ([]byte, int64, error) {
			it, err := load(ctx)
			return []byte(it.text), it.weight(), err
		}, *w)
		return item{text: string(text)}, err
	}
	// Nothing is kept in the flights' engine: it is there for the flights alone.
	return c.flights.GetOrSet(ctx, final, func(ctx context.Context, final string) (item, error) {
		if it, found, err := c.get(ctx, final); found || err != nil {
			return it, err // another flight has landed since this caller missed
		}
		it, err := load(ctx)
		if err != nil {
			return it, err
		}
		w := *w
		w.Weight = it.weight()
		added, err := c.backend.Add(ctx, final, []byte(it.text), w)
		if added || err != nil {
			return it, err
		}
		if stored, found, err := c.get(ctx, final); found || err != nil {
			return stored, err // another writer was first
		}
		return it, nil
	}, locmem.TTL(0))
}
