// SPDX-License-Identifier: MIT

package cache

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Dummy is a backend that stores nothing, for programs that are to run without a
// cache: every read misses, every write succeeds, and GetOrSet always loads. Its
// scheme is dummy; location and limits are accepted and have no effect.
type Dummy struct{}

func checkDummy(c Config) error {
	return errors.Join(c.beyond(Dummy{}.Capabilities(), "driver "+schemeDummy)...)
}

func openDummy(Config) (Backend, error) { return Dummy{}, nil }

// Capabilities implements Backend. What holds of an empty store holds of it.
func (Dummy) Capabilities() Capability {
	return CanLimit | CanAnyKey | CanNegative | CanSwap | CanReopen | CanMove | CanTag | CanList | CanWatch
}

// Get implements Backend: there is nothing.
func (Dummy) Get(ctx context.Context, _ string) (value []byte, found bool, err error) {
	return nil, false, ctx.Err()
}

// GetMany implements Backend: the map is empty.
func (Dummy) GetMany(ctx context.Context, _ []string) (map[string][]byte, error) {
	return map[string][]byte{}, ctx.Err()
}

// Has implements Backend: there is nothing.
func (Dummy) Has(ctx context.Context, _ string) (bool, error) { return false, ctx.Err() }

// TTL implements Backend: there is nothing.
func (Dummy) TTL(ctx context.Context, _ string) (remaining time.Duration, found bool, err error) {
	return 0, false, ctx.Err()
}

// Set implements Backend: it does nothing.
func (Dummy) Set(ctx context.Context, _ string, _ []byte, _ Write) error { return ctx.Err() }

// SetMany implements Backend: it does nothing, and none fail.
func (Dummy) SetMany(ctx context.Context, _ []Item, _ Write) (failed []string, err error) {
	return nil, ctx.Err()
}

// Add implements Backend: as no key is there, it returns true.
func (Dummy) Add(ctx context.Context, _ string, _ []byte, _ Write) (bool, error) {
	err := ctx.Err()
	return err == nil, err
}

// CompareAndSwap implements Backend: there is nothing.
func (Dummy) CompareAndSwap(ctx context.Context, _ string, _, _ []byte) (swapped, found bool, err error) {
	return false, false, ctx.Err()
}

// Touch implements Backend: there is nothing.
func (Dummy) Touch(ctx context.Context, _ string, _ time.Duration) (bool, error) {
	return false, ctx.Err()
}

// Incr implements Backend: always ErrMiss.
func (Dummy) Incr(ctx context.Context, key string, _ int64) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return 0, missed(key)
}

// Delete implements Backend: there is nothing.
func (Dummy) Delete(ctx context.Context, _ string) (bool, error) { return false, ctx.Err() }

// DeleteMany implements Backend: it does nothing.
func (Dummy) DeleteMany(ctx context.Context, _ []string) error { return ctx.Err() }

// Clear implements Backend: it does nothing.
func (Dummy) Clear(ctx context.Context) error { return ctx.Err() }

// Move implements Mover: there is nothing.
func (Dummy) Move(ctx context.Context, _, _ string) (bool, error) { return false, ctx.Err() }

// InvalidateTags implements Tagger: it does nothing.
func (Dummy) InvalidateTags(ctx context.Context, _ ...string) error { return ctx.Err() }

// List implements Lister: it yields nothing, but the error of a context that has
// ended.
func (Dummy) List(ctx context.Context, _ string) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(Listed{}, err)
		}
	}
}

// DeletePrefix implements Lister: there is nothing.
func (Dummy) DeletePrefix(ctx context.Context, _ string) (int, error) { return 0, ctx.Err() }

// Watch implements Watcher: as nothing is stored, nothing goes.
func (Dummy) Watch(func(Removal)) (stop func()) { return func() {} }

// Ping implements Backend: it is always there.
func (Dummy) Ping(ctx context.Context) error { return ctx.Err() }

// Close implements Backend: there is nothing to close.
func (Dummy) Close() error { return nil }
