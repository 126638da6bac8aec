// SPDX-License-Identifier: MIT

package cache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/cache"
)

// schemes numbers the drivers of tests: what is registered stays.
var schemes atomic.Int64

// register registers a driver and returns its scheme.
func register(d cache.Driver) string {
	scheme := fmt.Sprintf("test-%d", schemes.Add(1))
	cache.Register(scheme, d)
	return scheme
}

func openDummy(cache.Config) (cache.Backend, error) { return cache.Dummy{}, nil }

// far is a backend with none of the capabilities.
type far struct{ cache.Dummy }

func (far) Capabilities() cache.Capability { return 0 }

func TestC4TheDriverIsCheckedBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	const dsn = "nosuch://here?timeout=5"
	tests := []struct {
		name string
		make func() error
	}{
		{"ParseDSN", func() error { _, err := cache.ParseDSN(dsn); return err }},
		{"Open", func() error { _, err := cache.Open(dsn); return err }},
		{"New", func() error { _, err := cache.New(cache.Config{Driver: "nosuch"}); return err }},
		{"NewCaches", func() error {
			_, err := cache.NewCaches(map[string]cache.Config{"default": {}, "x": {Driver: "nosuch"}})
			return err
		}},
		{"CachesFromDSNs", func() error {
			_, err := cache.CachesFromDSNs(map[string]string{"default": "locmem://", "x": dsn})
			return err
		}},
		{"CachesFromJSON", func() error {
			_, err := cache.CachesFromJSON([]byte(`{"default": {}, "x": {"driver": "nosuch"}}`))
			return err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := tt.make()
			require.ErrorIs(t, err, cache.ErrConfig)
			for _, word := range []string{`"nosuch"`, "dummy", "locmem"} {
				assert.ErrorContains(t, err, word)
			}
		})
	}
}

func TestADriverGetsItsParametersAndTheRest(t *testing.T) {
	t.Parallel()
	var got cache.Config
	scheme := register(cache.Driver{
		Params: []string{"db", "tls"},
		Open: func(c cache.Config) (cache.Backend, error) {
			got = c
			return cache.Dummy{}, nil
		},
	})
	c, err := cache.Open(scheme + "://h1:1,h2:2?tls=on&version=3&db=%37")
	require.NoError(t, err)
	assert.Equal(t, cache.Dummy{}, c.Backend())
	assert.Equal(t, "h1:1,h2:2", got.Location)
	assert.Equal(t, map[string]string{"db": "7", "tls": "on"}, got.Params)
	assert.Equal(t, cache.Version(3), got.Version)

	_, err = cache.Open(scheme + "://?db=1&shard=2")
	require.ErrorIs(t, err, cache.ErrConfig)
	require.ErrorContains(t, err, `"shard"`)
	require.ErrorContains(t, err, "db, tls", "what there is, is named")
	_, err = cache.New(cache.Config{Params: map[string]string{"db": "1"}})
	require.ErrorIs(t, err, cache.ErrConfig, "a parameter of another driver")
}

func TestADriversCheckIsHeardBesideOtherFaults(t *testing.T) {
	t.Parallel()
	mine := errors.New("no host")
	opened := false
	scheme := register(cache.Driver{
		Check: func(c cache.Config) error {
			if c.Location == "" {
				return mine
			}
			return nil
		},
		Open: func(cache.Config) (cache.Backend, error) {
			opened = true
			return cache.Dummy{}, nil
		},
	})
	_, err := cache.New(cache.Config{Driver: scheme, MaxEntries: -1})
	require.ErrorIs(t, err, cache.ErrConfig)
	require.ErrorIs(t, err, mine)
	require.ErrorContains(t, err, scheme)
	require.ErrorContains(t, err, "max_entries")
	assert.Len(t, strings.Split(err.Error(), "\n"), 2)
	assert.False(t, opened)

	_, err = cache.NewCaches(map[string]cache.Config{"default": {Driver: scheme}})
	require.ErrorIs(t, err, mine)
	require.ErrorIs(t, err, cache.ErrConfig)
}

func TestADriverThatCannotOpen(t *testing.T) {
	t.Parallel()
	mine := errors.New("no certificate")
	scheme := register(cache.Driver{Open: func(cache.Config) (cache.Backend, error) { return nil, mine }})
	_, err := cache.Open(scheme + "://")
	require.ErrorIs(t, err, mine)
	require.ErrorContains(t, err, scheme)
	require.NotErrorIs(t, err, cache.ErrConfig)

	scheme = register(cache.Driver{Open: func(cache.Config) (cache.Backend, error) { return nil, nil }})
	_, err = cache.Open(scheme + "://")
	require.ErrorContains(t, err, scheme)
}

func TestServersRefuseWhatOnlyLocalMemoryCan(t *testing.T) {
	t.Parallel()
	scheme := register(cache.Driver{Check: cache.CheckRemote, Open: openDummy})
	for _, query := range []string{"max_entries=5", "max_entries=none", "max_weight=5", "cull_frequency=3", "cull_frequency=0", "codec=nocopy"} {
		_, err := cache.Open(scheme + "://?" + query)
		require.ErrorIs(t, err, cache.ErrConfig, query)
		name, _, _ := strings.Cut(query, "=")
		require.ErrorContains(t, err, name, query)
		require.ErrorContains(t, err, scheme, query)
	}
	_, err := cache.Open(scheme + "://?codec=nocopy&cull_frequency=3&max_entries=3")
	assert.Len(t, strings.Split(err.Error(), "\n"), 3, "%v", err)
	_, err = cache.Open(scheme + "://?timeout=5&codec=gob&version=3&key_prefix=x")
	require.NoError(t, err)

	_, err = cache.New(cache.Config{Backend: far{}, MaxEntries: 5, Codec: cache.NoCopy})
	require.ErrorIs(t, err, cache.ErrConfig, "a backend that cannot limit")
	require.ErrorContains(t, err, "max_entries")
	require.ErrorContains(t, err, "nocopy")
}

func TestABackendExcludesWhatNamesAnother(t *testing.T) {
	t.Parallel()
	_, err := cache.New(cache.Config{
		Backend: cache.Dummy{}, Driver: "nosuch", Location: "secret", Registry: cache.NewRegistry(cache.RegistryOptions{}),
		Params: map[string]string{"db": "1", "tls": "2"},
	})
	require.ErrorIs(t, err, cache.ErrConfig)
	faults := strings.Split(err.Error(), "\n")
	require.Len(t, faults, 5)
	for i, name := range []string{"driver", "location", "registry", "parameter db", "parameter tls"} {
		assert.Contains(t, faults[i], name)
	}
	assert.NotContains(t, err.Error(), "secret")

	c, err := cache.New(cache.Config{Backend: cache.Dummy{}, Timeout: cache.Never()})
	require.NoError(t, err)
	assert.Equal(t, cache.Dummy{}, c.Backend())
}

func TestOptionsOfTheWrongKindAreFaults(t *testing.T) {
	t.Parallel()
	_, err := cache.New(cache.Config{Timeout: cache.Version(1), Version: cache.Never()})
	require.ErrorIs(t, err, cache.ErrConfig)
	require.ErrorContains(t, err, "timeout")
	require.ErrorContains(t, err, "version")
	_, err = cache.New(cache.Config{Timeout: cache.Tags("a"), Version: cache.Version(0)})
	require.ErrorContains(t, err, "timeout")
	require.NotContains(t, err.Error(), "version")
}

// digits is a codec whose bytes look like numbers.
type digits struct{ cache.Codec }

func (digits) Tag() byte { return '1' }

func TestACodecThatWritesNumbersIsAFault(t *testing.T) {
	t.Parallel()
	_, err := cache.New(cache.Config{Codec: digits{cache.JSON}})
	require.ErrorIs(t, err, cache.ErrConfig)
	require.ErrorContains(t, err, "codec")
}

func TestRegisterRefusesWhatADSNCannotName(t *testing.T) {
	t.Parallel()
	good := cache.Driver{Open: openDummy}
	for _, scheme := range []string{"", "Big", "a b", "a_b", "1a", "-a", "a:", "é", "locmem", "dummy"} {
		assert.Panics(t, func() { cache.Register(scheme, good) }, "%q", scheme)
	}
	assert.Panics(t, func() { register(cache.Driver{}) }, "no Open")
	for _, param := range []string{"", "Db", "a-b", "timeout", "codec", "max_entries"} {
		assert.Panics(t, func() { register(cache.Driver{Open: openDummy, Params: []string{param}}) }, "%q", param)
	}
	scheme := register(good)
	assert.Panics(t, func() { cache.Register(scheme, good) }, "taken")

	scheme += "+a-b.c9" // numbered, so it is free however often the test runs
	cache.Register(scheme, good)
	_, err := cache.Open(strings.ToUpper(scheme) + "://x")
	require.NoError(t, err)
}

// Nothing is held while a driver runs: it may register others and open caches.
func TestQ14ADriverMayCallThePackage(t *testing.T) {
	t.Parallel()
	call := func() error {
		inner := register(cache.Driver{Open: openDummy})
		c, err := cache.Open(inner + "://")
		if err != nil {
			return err
		}
		return c.Clear(context.Background())
	}
	scheme := register(cache.Driver{
		Check: func(cache.Config) error { return call() },
		Open:  func(cache.Config) (cache.Backend, error) { return cache.Dummy{}, call() },
	})
	var set *cache.Caches
	var err, openErr error
	soon(t, "a driver's Check or Open", func() {
		if set, err = cache.NewCaches(map[string]cache.Config{"default": {Driver: scheme}}); err == nil {
			_, openErr = set.Cache("default")
		}
	})
	require.NoError(t, err)
	require.NoError(t, openErr)
}
