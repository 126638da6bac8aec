// SPDX-License-Identifier: MIT

package cache_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/cache"
)

func TestADummyStoresNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c, err := cache.Open("dummy://anything?max_entries=5&cull_frequency=2&max_weight=9&timeout=none&key_prefix=p&version=2")
	require.NoError(t, err)
	v := cache.For[string](c)

	require.NoError(t, v.Set(ctx, "k", "v", cache.Tags("t")))
	value, found, err := v.Get(ctx, "k")
	require.NoError(t, err)
	assert.False(t, found)
	assert.Empty(t, value)
	for range 2 {
		added, err := v.Add(ctx, "k", "v")
		require.NoError(t, err)
		assert.True(t, added)
	}
	failed, err := v.SetMany(ctx, map[string]string{"a": "1", "b": "2"})
	require.NoError(t, err)
	assert.Empty(t, failed)
	values, err := v.GetMany(ctx, []string{"a", "b"})
	require.NoError(t, err)
	assert.NotNil(t, values)
	assert.Empty(t, values)

	for name, call := range map[string]func() (bool, error){
		"Has":    func() (bool, error) { return v.Has(ctx, "k") },
		"Touch":  func() (bool, error) { return v.Touch(ctx, "k") },
		"Delete": func() (bool, error) { return v.Delete(ctx, "k") },
		"TTL": func() (bool, error) {
			_, _, found, err := v.TTL(ctx, "k")
			return found, err
		},
	} {
		found, err := call()
		require.NoError(t, err, name)
		assert.False(t, found, name)
	}
	_, err = v.Incr(ctx, "n", 1)
	require.ErrorIs(t, err, cache.ErrMiss)
	require.ErrorContains(t, err, `"p:2:n"`)
	_, err = v.IncrFloat(ctx, "n", 1)
	require.ErrorIs(t, err, cache.ErrMiss)
	_, err = v.IncrVersion(ctx, "n", 1)
	require.ErrorIs(t, err, cache.ErrMiss)

	loads := 0
	for range 2 {
		value, err = v.GetOrSet(ctx, "k", func(context.Context) (string, error) {
			loads++
			return "loaded", nil
		})
		require.NoError(t, err)
		assert.Equal(t, "loaded", value)
	}
	assert.Equal(t, 2, loads)

	require.NoError(t, v.DeleteMany(ctx, []string{"a", "b"}))
	require.NoError(t, v.InvalidateTags(ctx, "t"))
	n, err := v.DeletePrefix(ctx, "")
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.Empty(t, finalKeys(t, c))
	stop, err := v.Watch(func(cache.Removal) { assert.Fail(t, "something went") })
	require.NoError(t, err)
	require.NoError(t, v.Clear(ctx))
	stop()
	require.NoError(t, v.Ping(ctx))
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	require.NoError(t, v.Set(ctx, "k", "v"))
}

func TestADummyHeedsItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var d cache.Dummy
	for name, call := range map[string]func() error{
		"Get":            func() error { _, _, err := d.Get(ctx, "k"); return err },
		"GetMany":        func() error { _, err := d.GetMany(ctx, nil); return err },
		"Has":            func() error { _, err := d.Has(ctx, "k"); return err },
		"TTL":            func() error { _, _, err := d.TTL(ctx, "k"); return err },
		"Set":            func() error { return d.Set(ctx, "k", nil, cache.Write{}) },
		"SetMany":        func() error { _, err := d.SetMany(ctx, nil, cache.Write{}); return err },
		"CompareAndSwap": func() error { _, _, err := d.CompareAndSwap(ctx, "k", nil, nil); return err },
		"Touch":          func() error { _, err := d.Touch(ctx, "k", time.Second); return err },
		"Incr":           func() error { _, err := d.Incr(ctx, "k", 1); return err },
		"Delete":         func() error { _, err := d.Delete(ctx, "k"); return err },
		"DeleteMany":     func() error { return d.DeleteMany(ctx, nil) },
		"Clear":          func() error { return d.Clear(ctx) },
		"Move":           func() error { _, err := d.Move(ctx, "k", "l"); return err },
		"InvalidateTags": func() error { return d.InvalidateTags(ctx, "t") },
		"DeletePrefix":   func() error { _, err := d.DeletePrefix(ctx, ""); return err },
		"Ping":           func() error { return d.Ping(ctx) },
		"Add": func() error {
			added, err := d.Add(ctx, "k", nil, cache.Write{})
			assert.False(t, added)
			return err
		},
		"List": func() (last error) {
			for _, err := range d.List(ctx, "") {
				last = err
			}
			return last
		},
	} {
		require.ErrorIs(t, call(), context.Canceled, name)
	}
}

func TestADummyKeepsNoGoValues(t *testing.T) {
	t.Parallel()
	_, err := cache.Open("dummy://?codec=nocopy")
	require.ErrorIs(t, err, cache.ErrConfig)
	require.ErrorContains(t, err, "codec")
}
