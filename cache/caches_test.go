// SPDX-License-Identifier: MIT

package cache_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/cache"
)

// closing is a backend that counts how often it was closed.
type closing struct {
	cache.Dummy
	closed *atomic.Int64
	err    error
}

func (b closing) Close() error {
	b.closed.Add(1)
	return b.err
}

// aliasesOn makes a set on a registry of its own.
func aliasesOn(t *testing.T, r *cache.Registry, configs map[string]cache.Config) *cache.Caches {
	t.Helper()
	for alias, config := range configs {
		config.Registry = r
		configs[alias] = config
	}
	set, err := cache.NewCaches(configs)
	require.NoError(t, err)
	return set
}

// member returns a cache of a set.
func member(t *testing.T, set *cache.Caches, alias string) *cache.Cache {
	t.Helper()
	c, err := set.Cache(alias)
	require.NoError(t, err)
	return c
}

// put stores "v", and has reports whether "v" is there under "k".
func put(t *testing.T, c *cache.Cache, key string) {
	t.Helper()
	require.NoError(t, cache.For[string](c).Set(context.Background(), key, "v"))
}

func has(t *testing.T, c *cache.Cache) bool {
	t.Helper()
	got, found, err := cache.For[string](c).Get(context.Background(), "k")
	require.NoError(t, err)
	return found && got == "v"
}

func TestC1AnUnconfiguredProgramHasOneAlias(t *testing.T) {
	for name, configs := range map[string]map[string]cache.Config{"nil": nil, "empty": {}} {
		set, err := cache.NewCaches(configs)
		require.NoError(t, err, name)
		assert.Equal(t, []string{"default"}, set.Aliases(), name)
		local, ok := member(t, set, "default").Backend().(*cache.Local)
		require.True(t, ok, name)

		cache.SetCaches(nil)
		assert.Same(t, local, cache.Default().Backend(), "the location is not the empty one")
		c, err := cache.Open("locmem://")
		require.NoError(t, err)
		assert.Same(t, local, c.Backend())
	}
	set, err := cache.CachesFromDSNs(nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"default"}, set.Aliases())
	set, err = cache.CachesFromJSON([]byte("{}"))
	require.NoError(t, err)
	assert.Equal(t, []string{"default"}, set.Aliases())
	set, err = cache.CachesFromEnv("LOCMEM_TEST_NOBODY_SETS_THIS_")
	require.NoError(t, err)
	assert.Equal(t, []string{"default"}, set.Aliases())
}

func TestC2ASetHasADefault(t *testing.T) {
	t.Parallel()
	_, err := cache.NewCaches(map[string]cache.Config{"users": {}})
	require.ErrorIs(t, err, cache.ErrConfig)
	require.ErrorContains(t, err, `"default"`)
	_, err = cache.CachesFromDSNs(map[string]string{"Default": "locmem://"})
	require.ErrorIs(t, err, cache.ErrConfig)
	_, err = cache.CachesFromJSON([]byte(`{"users": "locmem://?timeout=x"}`))
	require.ErrorIs(t, err, cache.ErrConfig)
	require.ErrorContains(t, err, `"default"`)
	require.ErrorContains(t, err, "timeout")
}

func TestC3AnUnknownAliasIsNamed(t *testing.T) {
	t.Parallel()
	set, err := cache.NewCaches(nil)
	require.NoError(t, err)
	for _, alias := range []string{"users", "", "Default"} {
		c, err := set.Cache(alias)
		require.ErrorIs(t, err, cache.ErrUnknownAlias)
		require.ErrorContains(t, err, fmt.Sprintf("%q", alias))
		assert.Nil(t, c)
	}
}

func TestC5AliasesWithoutALocationShareOneStore(t *testing.T) {
	t.Parallel()
	r := stillRegistry()
	set := aliasesOn(t, r, map[string]cache.Config{
		"default": {}, "other": {}, "prefix": {KeyPrefix: "p"}, "away": {Location: "away"},
	})
	put(t, member(t, set, "default"), "k")
	assert.True(t, has(t, member(t, set, "other")))
	assert.False(t, has(t, member(t, set, "away")))
	// Another prefix hides entries, but they are in the same store.
	assert.False(t, has(t, member(t, set, "prefix")))
	require.NoError(t, member(t, set, "prefix").Clear(context.Background()))
	assert.False(t, has(t, member(t, set, "default")))
	assert.Same(t, r.Local(""), member(t, set, "prefix").Backend())
}

func TestC7OneRegistryForTheProcess(t *testing.T) {
	t.Parallel()
	location := t.Name()
	first, err := cache.CachesFromDSNs(map[string]string{"default": "locmem://" + location})
	require.NoError(t, err)
	second, err := cache.NewCaches(map[string]cache.Config{"default": {}, "x": {Location: location}})
	require.NoError(t, err)
	alone, err := cache.Open("locmem://" + location + "?max_entries=7")
	require.NoError(t, err)

	one := member(t, first, "default")
	stored := make(chan error)
	go func() { stored <- cache.For[string](one).Set(context.Background(), "k", "v") }()
	require.NoError(t, <-stored)
	assert.True(t, has(t, member(t, second, "x")))
	assert.True(t, has(t, alone))
	assert.False(t, has(t, member(t, second, "default")))
	private, err := cache.New(cache.Config{Location: location, Registry: cache.NewRegistry(cache.RegistryOptions{})})
	require.NoError(t, err)
	assert.False(t, has(t, private), "a private registry is another one")
}

func TestC8AStoreOutlivesAliasesAndSets(t *testing.T) {
	t.Parallel()
	location := t.Name()
	func() {
		set, err := cache.NewCaches(map[string]cache.Config{"default": {Location: location, Timeout: cache.Never()}})
		require.NoError(t, err)
		put(t, member(t, set, "default"), "k")
		require.NoError(t, member(t, set, "default").Close())
		require.NoError(t, set.Close())
	}()
	runtime.GC()
	runtime.GC()
	c, err := cache.New(cache.Config{Location: location})
	require.NoError(t, err)
	assert.True(t, has(t, c))
}

func TestC9AnAliasIsOneInstance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var opens atomic.Int64
		scheme := register(cache.Driver{Open: func(cache.Config) (cache.Backend, error) {
			opens.Add(1)
			time.Sleep(time.Second) //nolint:forbidigo // in a bubble, so that all come while it opens
			return cache.Dummy{}, nil
		}})
		set, err := cache.NewCaches(map[string]cache.Config{"default": {}, "x": {Driver: scheme}})
		require.NoError(t, err)
		assert.Zero(t, opens.Load(), "an alias was opened with the set")

		const callers = 16
		got := make([]*cache.Cache, callers)
		var all sync.WaitGroup
		for i := range got {
			all.Go(func() { got[i], _ = set.Cache("x") })
		}
		all.Wait()
		assert.Equal(t, int64(1), opens.Load())
		for _, c := range got {
			assert.Same(t, got[0], c)
		}
		assert.NotNil(t, got[0])
		assert.Same(t, got[0], member(t, set, "x"))
		other := member(t, set, "default")
		assert.Same(t, other, member(t, set, "default"))
		assert.NotSame(t, got[0], other)
	})
}

func TestC10DefaultsAndLimitsBelongToTheAlias(t *testing.T) {
	t.Parallel()
	r := stillRegistry()
	set := aliasesOn(t, r, map[string]cache.Config{
		"default": {MaxEntries: cache.NoLimit, Timeout: cache.Timeout(time.Hour)},
		"thirty":  {MaxEntries: 30, Timeout: cache.Timeout(time.Second), Version: cache.Version(2)},
		"third":   {MaxEntries: 30, Cull: cache.Batch(3), KeyPrefix: "p", Codec: cache.Gob},
	})
	assert.Equal(t, 100, store(t, member(t, set, "default"), 100))
	// The one that writes culls, whoever wrote the entries.
	put(t, member(t, set, "thirty"), "new")
	assert.Len(t, finalKeys(t, member(t, set, "default")), 30)
	assert.Equal(t, 131, store(t, member(t, set, "default"), 130), "the limit of one alias became the store's")
	put(t, member(t, set, "third"), "new") // 131 - 131/3 + 1
	assert.Len(t, finalKeys(t, member(t, set, "default")), 89)

	for alias, want := range map[string]time.Duration{"default": time.Hour, "thirty": time.Second, "third": cache.DefaultTimeout} {
		put(t, member(t, set, alias), "timed")
		remaining, _, _, err := member(t, set, alias).TTL(context.Background(), "timed")
		require.NoError(t, err)
		assert.Equal(t, want, remaining, alias)
	}
	var keys []string
	for _, key := range finalKeys(t, member(t, set, "default")) {
		if strings.HasSuffix(key, ":timed") {
			keys = append(keys, key)
		}
	}
	assert.ElementsMatch(t, []string{":1:timed", ":2:timed", "p:1:timed"}, keys)
	// The codec too is the alias's: the bytes in the store say whose they are.
	same, err := cache.New(cache.Config{KeyPrefix: "p", Registry: r})
	require.NoError(t, err)
	_, _, err = cache.For[string](same).Get(context.Background(), "timed")
	require.ErrorIs(t, err, cache.ErrDecode)
}

func TestC13NothingIsBuiltIfOneAliasHasAFault(t *testing.T) {
	t.Parallel()
	var opens atomic.Int64
	scheme := register(cache.Driver{Open: func(cache.Config) (cache.Backend, error) {
		opens.Add(1)
		return cache.Dummy{}, nil
	}})
	set, err := cache.CachesFromDSNs(map[string]string{
		"default": scheme + "://",
		"a":       "locmem://?timeout=x&version=y",
		"b":       "locmem://?max_entries=0&cull_frequency=-1",
		"c":       "nosuch://",
	})
	require.ErrorIs(t, err, cache.ErrConfig)
	assert.Nil(t, set)
	faults := strings.Split(err.Error(), "\n")
	want := [][2]string{
		{`alias "a"`, "timeout"}, {`alias "a"`, "version"}, {`alias "b"`, "max_entries"}, {`alias "b"`, "cull_frequency"}, {`alias "c"`, "nosuch"},
	}
	require.Len(t, faults, len(want), "%v", err)
	for i, pieces := range want {
		assert.Contains(t, faults[i], pieces[0])
		assert.Contains(t, faults[i], pieces[1])
	}
	assert.Zero(t, opens.Load())
	_, err = cache.NewCaches(map[string]cache.Config{"default": {MaxEntries: -1, MaxWeight: -1, Version: cache.Never()}})
	assert.Len(t, strings.Split(err.Error(), "\n"), 3)
}

func TestC15DefaultFollowsTheCurrentSet(t *testing.T) {
	t.Cleanup(func() { cache.SetCaches(nil) })
	r := stillRegistry()
	unconfigured := cache.Default()
	for _, location := range []string{"one", "two"} {
		set := aliasesOn(t, r, map[string]cache.Config{"default": {Location: location}})
		cache.SetCaches(set)
		assert.Same(t, member(t, set, "default"), cache.Default())
		assert.Same(t, r.Local(location), cache.Default().Backend())
	}
	cache.SetCaches(nil)
	assert.Same(t, unconfigured, cache.Default())

	mine := errors.New("no certificate")
	scheme := register(cache.Driver{Open: func(cache.Config) (cache.Backend, error) { return nil, mine }})
	set, err := cache.NewCaches(map[string]cache.Config{"default": {Driver: scheme}})
	require.NoError(t, err)
	cache.SetCaches(set)
	var panicked any
	func() {
		defer func() { panicked = recover() }()
		cache.Default()
	}()
	err, _ = panicked.(error)
	require.ErrorIs(t, err, mine)
}

func TestC16CloseClosesWhatWasMade(t *testing.T) {
	t.Parallel()
	var opens, used, unused, late atomic.Int64
	mine := errors.New("connection reset")
	driver := func(closed *atomic.Int64, err error) string {
		return register(cache.Driver{Open: func(cache.Config) (cache.Backend, error) {
			opens.Add(1)
			return closing{closed: closed, err: err}, nil
		}})
	}
	r := stillRegistry()
	set := aliasesOn(t, r, map[string]cache.Config{
		"default": {}, "used": {Driver: driver(&used, mine)}, "unused": {Driver: driver(&unused, nil)}, "late": {Driver: driver(&late, nil)},
	})
	require.NoError(t, set.Close(), "nothing has been made")
	assert.Zero(t, opens.Load(), "Close opened something")

	set = aliasesOn(t, r, map[string]cache.Config{
		"default": {}, "used": {Driver: driver(&used, mine)}, "unused": {Driver: driver(&unused, nil)}, "late": {Driver: driver(&late, nil)},
	})
	member(t, set, "used")
	put(t, member(t, set, "default"), "k")
	err := set.Close()
	require.ErrorIs(t, err, mine)
	require.ErrorContains(t, err, `"used"`)
	assert.Equal(t, int64(1), used.Load())
	assert.Zero(t, unused.Load())
	assert.Equal(t, int64(1), opens.Load())

	// The set works on, and leaves nothing open.
	assert.True(t, has(t, member(t, set, "default")))
	member(t, set, "late")
	assert.Equal(t, int64(1), late.Load(), "what was made after Close stays open")
	require.ErrorIs(t, set.Close(), mine)
	assert.Equal(t, int64(2), used.Load())
	assert.Zero(t, unused.Load())
}

// Close does not wait for a driver that opens, and what it opens is closed.
func TestCloseWhileADriverOpensLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int64
		proceed := make(chan struct{})
		scheme := register(cache.Driver{Open: func(cache.Config) (cache.Backend, error) {
			<-proceed
			return closing{closed: &closed}, nil
		}})
		set, err := cache.NewCaches(map[string]cache.Config{"default": {Driver: scheme}})
		require.NoError(t, err)
		go func() { _, _ = set.Cache("default") }()
		synctest.Wait()
		require.NoError(t, set.Close())
		assert.Zero(t, closed.Load())
		close(proceed)
		synctest.Wait()
		assert.Equal(t, int64(1), closed.Load())
	})
}

func TestADriverThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	mine := errors.New("not yet")
	tests := []struct {
		name string
		fail func() error
		want error // of those that wait
	}{
		{"an error", func() error { return mine }, mine},
		{"a panic", func() error { panic(mine) }, nil},
		{"the goroutine's end", func() error { runtime.Goexit(); return nil }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var opens atomic.Int64
				proceed := make(chan struct{})
				scheme := register(cache.Driver{Open: func(cache.Config) (cache.Backend, error) {
					if opens.Add(1) > 1 {
						return cache.Dummy{}, nil
					}
					<-proceed
					return nil, tt.fail()
				}})
				set, err := cache.NewCaches(map[string]cache.Config{"default": {Driver: scheme}})
				require.NoError(t, err)
				go func() {
					defer func() { _ = recover() }()
					_, _ = set.Cache("default")
				}()
				synctest.Wait()
				var waited error
				go func() { _, waited = set.Cache("default") }()
				synctest.Wait()
				close(proceed)
				synctest.Wait()
				require.Error(t, waited)
				require.ErrorContains(t, waited, `"default"`)
				if tt.want != nil {
					require.ErrorIs(t, waited, tt.want)
				}
				assert.Equal(t, int64(1), opens.Load())
				assert.NotNil(t, member(t, set, "default"))
			})
		})
	}
}

func TestASetIsNotChangedByItsMaps(t *testing.T) {
	t.Parallel()
	var got cache.Config
	scheme := register(cache.Driver{Params: []string{"db"}, Open: func(c cache.Config) (cache.Backend, error) {
		got = c
		return cache.Dummy{}, nil
	}})
	params := map[string]string{"db": "1"}
	configs := map[string]cache.Config{"default": {Driver: scheme, Params: params}}
	set, err := cache.NewCaches(configs)
	require.NoError(t, err)
	params["db"] = "2"
	delete(configs, "default")
	assert.Equal(t, []string{"default"}, set.Aliases())
	member(t, set, "default")
	assert.Equal(t, map[string]string{"db": "1"}, got.Params)
}

func TestCachesFromJSON(t *testing.T) {
	t.Parallel()
	var got cache.Config
	scheme := register(cache.Driver{Params: []string{"db", "pool"}, Open: func(c cache.Config) (cache.Backend, error) {
		got = c
		return cache.Dummy{}, nil
	}})
	set, err := cache.CachesFromJSON(fmt.Appendf(nil, `{
		"users": "locmem://?timeout=60s",
		"empty": {},
		"far": {"driver": %q, "location": "h%%20:1?x", "timeout": 60, "max_entries": "10", "version": -1, "max_weight": 5, "key_prefix": "a&b",
			"codec": "gob", "db": 3, "pool": "p", "cull_frequency": 0},
		"default": {"timeout": "none"}
	}`, scheme))
	require.NoError(t, err)
	assert.Equal(t, []string{"default", "empty", "far", "users"}, set.Aliases())
	member(t, set, "far")
	assert.Equal(t, cache.Config{
		Driver: scheme, Location: "h%20:1?x", Timeout: cache.Timeout(time.Minute), MaxEntries: 10, Version: cache.Version(-1), MaxWeight: 5,
		KeyPrefix: "a&b", Codec: cache.Gob, Params: map[string]string{"db": "3", "pool": "p"}, Cull: cache.Batch(0),
	}, got)

	faulty := []struct {
		text string
		want []string
	}{
		{``, []string{"JSON"}},
		{`null`, []string{"not an object"}},
		{`["locmem://"]`, []string{"not an object"}},
		{`{"default": "locmem://"`, []string{"JSON"}},
		{`{"default": "locmem://"} x`, []string{"JSON"}},
		{`{"default": "locmem://"} {}`, []string{"behind"}},
		{`{"default": "locmem://",}`, []string{"JSON"}},
		{`{"default": {"timeout": 60}`, []string{"JSON"}},
		{`{"default": null}`, []string{"neither a DSN nor an object"}},
		{`{"default": 5}`, []string{"neither a DSN nor an object"}},
		{`{"default": "users"}`, []string{"a DSN begins"}},
		{`{"default": {}, "x": {}, "x": {}}`, []string{`"x"`}},
		{`{"default": {"version": 1, "version": 1}}`, []string{"version is there twice"}},
		{`{"default": {"driver": "locmem", "driver": "dummy"}}`, []string{"driver is there twice"}},
		{`{"default": {"location": "a", "location": "a"}}`, []string{"location is there twice"}},
		{`{"default": {"timeout": null, "version": true, "codec": [], "max_entries": {}}}`, []string{"timeout is neither", "version is neither", "codec is neither", "max_entries is neither"}},
		{`{"default": {"timeout": 1e3, "max_entries": 1.5, "MaxWeight": 1}}`, []string{"timeout", "max_entries", `"MaxWeight" is unknown`}},
	}
	for _, tt := range faulty {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			set, err := cache.CachesFromJSON([]byte(tt.text))
			require.ErrorIs(t, err, cache.ErrConfig)
			assert.Nil(t, set)
			faults := strings.Split(err.Error(), "\n")
			require.Len(t, faults, len(tt.want), "%v", err)
			for i, want := range tt.want {
				assert.Contains(t, faults[i], want)
			}
		})
	}
}

func TestCachesFromEnv(t *testing.T) {
	const prefix = "LOCMEM_TEST_CACHE_"
	t.Setenv(prefix+"DEFAULT", "locmem://?version=7")
	t.Setenv(prefix+"USER_NAMES", "dummy://")
	t.Setenv(prefix, "no alias")
	t.Setenv("X"+prefix+"OTHER", "no prefix")
	set, err := cache.CachesFromEnv(prefix)
	require.NoError(t, err)
	assert.Equal(t, []string{"default", "user_names"}, set.Aliases())
	assert.Equal(t, cache.Dummy{}, member(t, set, "user_names").Backend())

	t.Setenv(prefix+"user_names", "dummy://")
	t.Setenv(prefix+"EMPTY", "")
	_, err = cache.CachesFromEnv(prefix)
	require.ErrorIs(t, err, cache.ErrConfig)
	require.ErrorContains(t, err, `"user_names"`)
	require.ErrorContains(t, err, `"empty"`)
	_, err = cache.CachesFromEnv("")
	require.ErrorIs(t, err, cache.ErrConfig)
}
