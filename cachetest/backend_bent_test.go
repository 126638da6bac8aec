// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/locmem/locmem/cache"
)

// bentBackend is local memory, as a server, some of whose methods are replaced.
// The replacements call the methods of Local.
type bentBackend struct {
	remote

	// What is done to all keys, values and writes.
	key   func(key string) string
	value func(value []byte) []byte
	write func(w *cache.Write)

	get        func(ctx context.Context, key string) ([]byte, bool, error)
	getMany    func(ctx context.Context, keys []string) (map[string][]byte, error)
	has        func(ctx context.Context, key string) (bool, error)
	ttl        func(ctx context.Context, key string) (time.Duration, bool, error)
	set        func(ctx context.Context, key string, value []byte, w cache.Write) error
	setMany    func(ctx context.Context, items []cache.Item, w cache.Write) ([]string, error)
	add        func(ctx context.Context, key string, value []byte, w cache.Write) (bool, error)
	swap       func(ctx context.Context, key string, old, next []byte) (swapped, found bool, err error)
	touch      func(ctx context.Context, key string, timeout time.Duration) (bool, error)
	incr       func(ctx context.Context, key string, delta int64) (int64, error)
	del        func(ctx context.Context, key string) (bool, error)
	deleteMany func(ctx context.Context, keys []string) error
	clear      func(ctx context.Context) error
	close      func() error
	move       func(ctx context.Context, from, to string) (bool, error)

	mu      sync.Mutex // protects written, deleted
	written map[string]bool
	deleted map[string]bool
}

// bendBackend makes a backend that breaks what breaks replaces.
func bendBackend(breaks func(b *bentBackend)) func(*cache.Local) cache.Backend {
	return func(l *cache.Local) cache.Backend {
		b := &bentBackend{
			remote: remote{l}, written: map[string]bool{}, deleted: map[string]bool{},
			key:   func(key string) string { return key },
			value: func(value []byte) []byte { return value },
			write: func(*cache.Write) {},
			get:   l.Get, getMany: l.GetMany, has: l.Has, ttl: l.TTL, set: l.Set, setMany: l.SetMany, add: l.Add,
			swap: l.CompareAndSwap, touch: l.Touch, incr: l.Incr, del: l.Delete, deleteMany: l.DeleteMany,
			clear: l.Clear, close: l.Close, move: l.Move,
		}
		breaks(b)
		return b
	}
}

// wrote notes that a key was written.
func (b *bentBackend) wrote(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.written[key] = true
	delete(b.deleted, key)
}

// was reports whether a key was ever written.
func (b *bentBackend) was(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.written[key]
}

// gone reports whether a key was deleted and not written again.
func (b *bentBackend) gone(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.deleted[key]
}

// holds reports whether an entry has a value.
func (b *bentBackend) holds(ctx context.Context, key, value string) bool {
	held, _, _ := b.Local.Get(ctx, key)
	return string(held) == value
}

func (b *bentBackend) Get(ctx context.Context, key string) ([]byte, bool, error) {
	return b.get(ctx, b.key(key))
}

func (b *bentBackend) GetMany(ctx context.Context, keys []string) (map[string][]byte, error) {
	bent := make([]string, len(keys))
	for i, key := range keys {
		bent[i] = b.key(key)
	}
	found, err := b.getMany(ctx, bent)
	values := make(map[string][]byte, len(found))
	for i, key := range keys {
		if value, ok := found[bent[i]]; ok {
			values[key] = value
		}
	}
	return values, err
}

func (b *bentBackend) Has(ctx context.Context, key string) (bool, error) {
	return b.has(ctx, b.key(key))
}

func (b *bentBackend) TTL(ctx context.Context, key string) (time.Duration, bool, error) {
	return b.ttl(ctx, b.key(key))
}

func (b *bentBackend) Set(ctx context.Context, key string, value []byte, w cache.Write) error {
	b.write(&w)
	b.wrote(b.key(key))
	return b.set(ctx, b.key(key), b.value(value), w)
}

func (b *bentBackend) SetMany(ctx context.Context, items []cache.Item, w cache.Write) ([]string, error) {
	items = slices.Clone(items)
	for i := range items {
		items[i].Key, items[i].Value = b.key(items[i].Key), b.value(items[i].Value)
		b.wrote(items[i].Key)
	}
	b.write(&w)
	return b.setMany(ctx, items, w)
}

func (b *bentBackend) Add(ctx context.Context, key string, value []byte, w cache.Write) (bool, error) {
	b.write(&w)
	b.wrote(b.key(key))
	return b.add(ctx, b.key(key), b.value(value), w)
}

func (b *bentBackend) CompareAndSwap(ctx context.Context, key string, old, next []byte) (swapped, found bool, err error) {
	return b.swap(ctx, b.key(key), old, b.value(next))
}

func (b *bentBackend) Touch(ctx context.Context, key string, timeout time.Duration) (bool, error) {
	w := cache.Write{Timeout: timeout}
	b.write(&w)
	return b.touch(ctx, b.key(key), w.Timeout)
}

func (b *bentBackend) Incr(ctx context.Context, key string, delta int64) (int64, error) {
	return b.incr(ctx, b.key(key), delta)
}

func (b *bentBackend) Delete(ctx context.Context, key string) (bool, error) {
	was, err := b.del(ctx, b.key(key))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deleted[b.key(key)] = true
	return was, err
}

func (b *bentBackend) DeleteMany(ctx context.Context, keys []string) error {
	keys = slices.Clone(keys)
	for i, key := range keys {
		keys[i] = b.key(key)
	}
	return b.deleteMany(ctx, keys)
}

func (b *bentBackend) Clear(ctx context.Context) error { return b.clear(ctx) }

func (b *bentBackend) Close() error { return b.close() }

func (b *bentBackend) Move(ctx context.Context, from, to string) (bool, error) {
	return b.move(ctx, b.key(from), b.key(to))
}

func (b *bentBackend) GetOrSet(ctx context.Context, key string, load cache.LoadFunc, w cache.Write) ([]byte, error) {
	b.write(&w)
	return b.Local.GetOrSet(ctx, b.key(key), func(ctx context.Context) ([]byte, int64, error) {
		value, weight, err := load(ctx)
		if err == nil {
			b.wrote(b.key(key))
			value = b.value(value)
		}
		return value, weight, err
	}, w)
}
