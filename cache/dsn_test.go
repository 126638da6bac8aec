// SPDX-License-Identifier: MIT

package cache_test

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cache"
)

// dsnOn makes the alias of a DSN on a registry.
func dsnOn(t *testing.T, r *cache.Registry, dsn string) *cache.Cache {
	t.Helper()
	config, err := cache.ParseDSN(dsn)
	require.NoError(t, err, dsn)
	config.Registry = r
	c, err := cache.New(config)
	require.NoError(t, err, dsn)
	return c
}

// stillRegistry is a registry on a clock that stands still.
func stillRegistry() *cache.Registry {
	return cache.NewRegistry(cache.RegistryOptions{Clock: locmem.NewManualClock(time.Unix(1_000_000, 0))})
}

// finalKeys are all that a location holds.
func finalKeys(t *testing.T, c *cache.Cache) []string {
	t.Helper()
	var keys []string
	for entry, err := range c.ListAll(context.Background()) {
		require.NoError(t, err)
		keys = append(keys, entry.Key)
	}
	return keys
}

func TestC1AllOfADSNIsOptionalButItsDriver(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, dsn string
		want      cache.Config
	}{
		{"nothing", "locmem://", cache.Config{}},
		{"no parameter", "locmem://users", cache.Config{Location: "users"}},
		{"no location", "locmem://?version=2", cache.Config{Version: cache.Version(2)}},
		{"all", "locmem://users?timeout=300s&max_entries=300&cull_frequency=3&key_prefix=p&version=1&max_weight=9&codec=gob", cache.Config{
			Location: "users", Timeout: cache.Timeout(300 * time.Second), MaxEntries: 300, Cull: cache.Batch(3),
			KeyPrefix: "p", Version: cache.Version(1), MaxWeight: 9, Codec: cache.Gob,
		}},
		{"a driver in capitals", "LocMem://Users", cache.Config{Location: "Users"}},
		{"an empty query", "locmem://users?", cache.Config{Location: "users"}},
		{"empty parameters", "locmem://users?&version=2&", cache.Config{Location: "users", Version: cache.Version(2)}},
		{"a codec by name", "locmem://?codec=nocopy", cache.Config{Codec: cache.NoCopy}},
		{"no limit of weight", "locmem://?max_weight=none", cache.Config{}},
		{"encoded parameters", "locmem://?key%5Fprefix=a+b%26c%3Dd", cache.Config{KeyPrefix: "a b&c=d"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := cache.ParseDSN(tt.dsn)
			require.NoError(t, err)
			tt.want.Driver = "locmem"
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestC1ADSNBeginsWithADriver(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{"", "locmem", "locmem:users", "locmem:/users", "://users", "loc mem://users", "1locmem://users", "users?a=locmem://"} {
		_, err := cache.ParseDSN(dsn)
		require.ErrorIs(t, err, cache.ErrConfig, dsn)
	}
}

func TestC6TheLocationIsAnyText(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, dsn, want string }{
		{"empty", "locmem://", ""},
		{"case", "locmem://Users", "Users"},
		{"a path", "locmem:///var/cache/x", "/var/cache/x"},
		{"more slashes", "locmem:////a//b/../c", "//a//b/../c"},
		{"what a host cannot have", "locmem://a b_c|d^e\"<>`{}", "a b_c|d^e\"<>`{}"},
		{"a port that is none", "locmem://host:99999999", "host:99999999"},
		{"brackets", "locmem://[::1", "[::1"},
		{"a fragment's sign", "locmem://a#b", "a#b"},
		{"an at sign", "locmem://u:p@h/0", "u:p@h/0"},
		{"another scheme's sign", "locmem://a://b", "a://b"},
		{"a plus is a plus", "locmem://a+b", "a+b"},
		{"an ampersand and an equals sign", "locmem://a&timeout=5", "a&timeout=5"},
		{"up to the first question mark", "locmem://a?key_prefix=b?c", "a"},
		{"a question mark", "locmem://a%3Fb", "a?b"},
		{"a percent sign", "locmem://100%25", "100%"},
		{"decoded once", "locmem://%2541", "%41"},
		{"lower-case digits", "locmem://%c3%a9%2f", "é/"},
		{"bytes that are no text", "locmem://%ff%00", "\xff\x00"},
		{"letters", "locmem://名前", "名前"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config, err := cache.ParseDSN(tt.dsn)
			require.NoError(t, err)
			assert.Equal(t, tt.want, config.Location)
		})
	}
	for _, dsn := range []string{"locmem://%", "locmem://a%2", "locmem://%zz?version=1"} {
		_, err := cache.ParseDSN(dsn)
		require.ErrorIs(t, err, cache.ErrConfig, dsn)
		assert.ErrorContains(t, err, "location", dsn)
	}
}

// On local memory the name is all that counts: no two names are one.
func TestC6LocationsThatDifferAreDifferentStores(t *testing.T) {
	t.Parallel()
	r := stillRegistry()
	ctx := context.Background()
	for i, location := range []string{"", "a", "A", "/a", "a/", " a", "a%20", "é", "e\u0301"} {
		c, err := cache.New(cache.Config{Location: location, Registry: r})
		require.NoError(t, err)
		found, err := c.Has(ctx, "k")
		require.NoError(t, err)
		assert.False(t, found, "%q has another location's entry", location)
		require.NoError(t, cache.For[int](c).Set(ctx, "k", i))
	}
}

func TestC11TheDefaultTimeout(t *testing.T) {
	t.Parallel()
	const most = time.Duration(math.MaxInt64)
	tests := []struct {
		name, query string
		want        time.Duration // most: never
	}{
		{"absent", "", 300 * time.Second},
		{"none", "timeout=none", most},
		{"a duration", "timeout=1h2m", 62 * time.Minute},
		{"a fraction of a second", "timeout=1.5s", 1500 * time.Millisecond},
		{"less than a millisecond", "timeout=250us", 250 * time.Microsecond},
		{"a nanosecond", "timeout=1ns", 1},
		{"seconds", "timeout=90", 90 * time.Second},
		{"the most seconds that fit", "timeout=9223372036", 9223372036 * time.Second},
		{"more seconds than fit", "timeout=9223372037", most},
		{"more seconds than a number has", "timeout=9223372036854775808", most},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := stillRegistry()
			c := dsnOn(t, r, "locmem://?"+tt.query)
			ctx := context.Background()
			require.NoError(t, cache.For[int](c).Set(ctx, "k", 1))
			remaining, never, found, err := c.TTL(ctx, "k")
			require.NoError(t, err)
			require.True(t, found)
			if tt.want == most {
				assert.True(t, never || remaining > 200*365*24*time.Hour, "%v", remaining)
			} else {
				assert.False(t, never)
				assert.Equal(t, tt.want, remaining)
			}
		})
	}
	for _, value := range []string{"", "+", "None", "never", "x", "0.5", "1e3", "1_000", "0x10", "60 ", "5m ", "-", "NaN", "300S", "1d"} {
		_, err := cache.ParseDSN("locmem://?timeout=" + value)
		require.ErrorIs(t, err, cache.ErrConfig, value)
		assert.ErrorContains(t, err, "timeout", value)
	}
}

func TestC12ADefaultTimeoutOfNothingCachesNothingByItself(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"timeout=0", "timeout=-1", "timeout=-1ns", "timeout=0s", "timeout=-9223372036854775809", "timeout=-9223372037"} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			r := stillRegistry()
			c := dsnOn(t, r, "locmem://?"+query)
			v := cache.For[string](c)
			ctx := context.Background()

			require.NoError(t, v.Set(ctx, "k", "v"))
			added, err := v.Add(ctx, "k", "v")
			require.NoError(t, err)
			assert.True(t, added)
			found, err := v.Has(ctx, "k")
			require.NoError(t, err)
			assert.False(t, found)

			require.NoError(t, v.Set(ctx, "k", "v", cache.Timeout(time.Minute)))
			value, found, err := v.Get(ctx, "k")
			require.NoError(t, err)
			assert.True(t, found)
			assert.Equal(t, "v", value)
		})
	}
}

func TestC13EveryFaultIsNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, dsn string
		want      []string // one fault each, by a piece of its text
	}{
		{"no number", "locmem://?max_entries=many", []string{"max_entries"}},
		{"a fraction", "locmem://?max_entries=1.5", []string{"max_entries"}},
		{"nothing", "locmem://?max_entries=", []string{"max_entries"}},
		{"no entry", "locmem://?max_entries=0", []string{"max_entries is 0"}},
		{"a negative number", "locmem://?max_entries=-1", []string{"max_entries is -1"}},
		{"more than an int", "locmem://?max_entries=99999999999999999999", []string{"max_entries"}},
		{"no weight", "locmem://?max_weight=0", []string{"max_weight is 0"}},
		{"a negative cull", "locmem://?cull_frequency=-1", []string{"cull_frequency is -1"}},
		{"a cull without number", "locmem://?cull_frequency=", []string{"cull_frequency"}},
		{"a version that is none", "locmem://?version=one", []string{"version"}},
		{"a codec that is none", "locmem://?codec=pickle", []string{"codec"}},
		{"an unknown parameter", "locmem://?max_entires=5", []string{"max_entires"}},
		{"an unknown parameter without value", "locmem://?max_entires", []string{"max_entires"}},
		{"a repeated parameter", "locmem://?version=1&version=1", []string{"version is there twice"}},
		{"an unknown one, repeated", "locmem://?a=1&a=1", []string{"a is there twice", `"a" is unknown`}},
		{"a repeated parameter in two spellings", "locmem://?version=1&%76ersion=1", []string{"version is there twice"}},
		{"a bad escape", "locmem://?key_prefix=%zz", []string{"key_prefix"}},
		{"a semicolon", "locmem://?version=1;timeout=5", []string{"%3B"}},
		{"a name that is none", "locmem://?Version=1", []string{"name"}},
		{"no name", "locmem://?=1", []string{"name"}},
		{"many", "locmem://%?timeout=x&max_entries=0&max_weight=0&cull_frequency=-1&version=x&codec=x&more=x&;&key_prefix=%&key_prefix=%", []string{
			"location", "timeout", "max_entries", "max_weight", "version is", "codec", "%3B", "key_prefix has", "key_prefix has", `"more"`, "cull_frequency",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config, err := cache.ParseDSN(tt.dsn)
			require.ErrorIs(t, err, cache.ErrConfig)
			assert.Equal(t, cache.Config{}, config)
			faults := strings.Split(err.Error(), "\n")
			require.Len(t, faults, len(tt.want), "%v", err)
			for i, want := range tt.want {
				assert.Contains(t, faults[i], want)
				assert.Contains(t, faults[i], cache.ErrConfig.Error())
			}
			_, err = cache.Open(tt.dsn)
			require.ErrorIs(t, err, cache.ErrConfig)
			assert.Len(t, strings.Split(err.Error(), "\n"), len(tt.want), "%v", err)
		})
	}
}

// store fills an alias and returns how many entries are there afterwards.
func store(t *testing.T, c *cache.Cache, entries int) int {
	t.Helper()
	ctx := context.Background()
	for i := range entries {
		require.NoError(t, cache.For[int](c).Set(ctx, strconv.Itoa(i), i))
	}
	return len(finalKeys(t, c))
}

func TestC13LimitsThatAreLeftOut(t *testing.T) {
	t.Parallel()
	tests := []struct {
		query       string
		sets, still int
	}{
		{"", 301, 300},                                  // one for one
		{"max_entries=none", 1000, 1000},                // no limit
		{"max_entries=30", 49, 30},                      // one for one
		{"max_entries=30&cull_frequency=3", 49, 29},     // a third at a time
		{"cull_frequency=3", 301, 201},                  // of 300
		{"max_entries=30&cull_frequency=0", 49, 19},     // all
		{"max_entries=30&cull_frequency=1", 49, 19},     // all
		{"max_entries=1", 3, 1},                         // the least
		{"max_entries=3&cull_frequency=1000000", 10, 3}, // at least one
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			t.Parallel()
			r := stillRegistry()
			assert.Equal(t, tt.still, store(t, dsnOn(t, r, "locmem://?"+tt.query), tt.sets))
		})
	}
}

func TestC13ABatchWithoutANumberIsAThird(t *testing.T) {
	t.Parallel()
	r := stillRegistry()
	c, err := cache.New(cache.Config{MaxEntries: 30, Cull: cache.Batch(), Registry: r})
	require.NoError(t, err)
	assert.Equal(t, 29, store(t, c, 49))
	assert.Equal(t, cache.Batch(3), cache.Batch())
	assert.NotEqual(t, cache.Cull{}, cache.Batch(0))
}

func TestQ5ANegativeCullFrequencyIsRefused(t *testing.T) {
	t.Parallel()
	_, err := cache.Open("locmem://?cull_frequency=-3")
	require.ErrorIs(t, err, cache.ErrConfig)
	require.ErrorContains(t, err, "cull_frequency is -3")
	_, err = cache.New(cache.Config{Cull: cache.Batch(-1)})
	require.ErrorIs(t, err, cache.ErrConfig)
	require.ErrorContains(t, err, "cull_frequency is -1")
	c, err := cache.New(cache.Config{Registry: cache.NewRegistry(cache.RegistryOptions{})})
	require.NoError(t, err)
	require.ErrorIs(t, c.SetLimits(cache.Limits{Cull: cache.Batch(-1)}), cache.ErrConfig)
}

func TestL11LimitsBelowOneAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	r := stillRegistry()
	c := dsnOn(t, r, "locmem://?max_entries=5")
	for _, limits := range []cache.Limits{{MaxEntries: -1}, {MaxEntries: math.MinInt}, {MaxEntries: 2, MaxWeight: -1}} {
		require.ErrorIs(t, c.SetLimits(limits), cache.ErrConfig, "%+v", limits)
	}
	assert.Equal(t, 5, store(t, c, 10))
	require.NoError(t, c.SetLimits(cache.Limits{MaxEntries: 2}))
	assert.Equal(t, 2, store(t, c, 10))
}

func TestC14PrefixAndVersion(t *testing.T) {
	t.Parallel()
	tests := []struct{ query, want string }{
		{"", ":1:k"},
		{"key_prefix=&version=1", ":1:k"},
		{"version=0", ":0:k"},
		{"version=-3", ":-3:k"},
		{"key_prefix=a%3Ab", "a:b:1:k"},
		{"key_prefix=p&version=2", "p:2:k"},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			t.Parallel()
			r := stillRegistry()
			c := dsnOn(t, r, "locmem://?"+tt.query)
			require.NoError(t, cache.For[string](c).Set(context.Background(), "k", ""))
			assert.Equal(t, []string{tt.want}, finalKeys(t, c))
		})
	}
	_, err := cache.ParseDSN("locmem://?key_function=upper")
	require.ErrorIs(t, err, cache.ErrConfig)
}

func TestOpenChecksWhatParseDSNLeavesToOthers(t *testing.T) {
	t.Parallel()
	const dsn = "locmem://?codec=nocopy&max_weight=100"
	config, err := cache.ParseDSN(dsn)
	require.NoError(t, err)
	_, err = cache.Open(dsn)
	require.ErrorIs(t, err, cache.ErrConfig)
	require.ErrorContains(t, err, "Weigh")
	_, err = cache.Open(dsn + "&version=x")
	require.ErrorContains(t, err, "Weigh")
	require.ErrorContains(t, err, "version")

	config.Weigh = func(string, any) int64 { return 1 }
	config.Registry = cache.NewRegistry(cache.RegistryOptions{})
	_, err = cache.New(config)
	require.NoError(t, err)
}

func TestNoErrorHasAPieceOfALocation(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for _, dsn := range []string{
		"nodriver://user:" + secret + "@host/0?timeout=x",
		"locmem://user:" + secret + "%@host?timeout=x",
		"locmem://user:%" + secret + "@host",
		"locmem:user:" + secret + "@host",
		secret + "@locmem://host",
		"locmem://user:a?" + secret + "@host:6379",
		"locmem://user:a?b&" + secret + "@host:6379/0",
		"locmem://user:" + secret + "@host?max_entries=0&key_prefix=%zz&;",
	} {
		_, err := cache.ParseDSN(dsn)
		require.Error(t, err, dsn)
		assert.NotContains(t, err.Error(), secret)
		_, err = cache.CachesFromDSNs(map[string]string{"default": dsn})
		require.Error(t, err, dsn)
		assert.NotContains(t, err.Error(), secret)
		_, err = cache.CachesFromJSON(fmt.Appendf(nil, `{"default": {"location": %q, "timeout": "x"}}`, dsn))
		require.Error(t, err, dsn)
		assert.NotContains(t, err.Error(), secret)
	}
}
