// SPDX-License-Identifier: MIT

package cache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cache"
)

// finals returns the final keys of a location in ascending order.
func finals(t *testing.T, c *cache.Cache) []string {
	t.Helper()
	var keys []string
	for listed, err := range c.ListAll(context.Background()) {
		require.NoError(t, err)
		keys = append(keys, listed.Key)
	}
	slices.Sort(keys)
	return keys
}

// faultLog is a log handler that keeps the faults it is told of.
type faultLog struct {
	t      testing.TB
	mu     sync.Mutex // protects faults
	faults []cache.KeyFault
}

func (*faultLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *faultLog) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l *faultLog) WithGroup(string) slog.Handler          { return l }

func (l *faultLog) Handle(_ context.Context, r slog.Record) error {
	assert.Equal(l.t, slog.LevelWarn, r.Level)
	assert.Equal(l.t, "cache: key fault", r.Message)
	var f cache.KeyFault
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "key":
			f.Key = a.Value.String()
		case "reason":
			for _, reason := range []cache.KeyReason{cache.TooLong, cache.BadCharacter} {
				if a.Value.String() == reason.String() {
					f.Reason = reason
				}
			}
		default:
			assert.Fail(l.t, "unknown attribute", a.Key)
		}
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, f)
	return nil
}

// told returns the faults since the last call.
func (l *faultLog) told() []cache.KeyFault {
	l.mu.Lock()
	defer l.mu.Unlock()
	faults := l.faults
	l.faults = nil
	return faults
}

// reasons returns those of told.
func (l *faultLog) reasons() []cache.KeyReason {
	var reasons []cache.KeyReason
	for _, f := range l.told() {
		reasons = append(reasons, f.Reason)
	}
	return reasons
}

// logged returns an alias with its log.
func logged(t testing.TB, config cache.Config) (*cache.Cache, *faultLog) {
	t.Helper()
	log := &faultLog{t: t}
	config.Logger = slog.New(log)
	return aliasOn(t, config), log
}

func TestK1AFinalKeyIsPrefixVersionAndKey(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, test := range []struct {
		config cache.Config
		key    string
		opts   []cache.Option
		final  string
	}{
		{cache.Config{}, "k", nil, ":1:k"},
		{cache.Config{KeyPrefix: "p"}, "k", nil, "p:1:k"},
		{cache.Config{KeyPrefix: "p", Version: cache.Version(7)}, "k", nil, "p:7:k"},
		{cache.Config{KeyPrefix: "p"}, "k", []cache.Option{cache.Version(12)}, "p:12:k"},
		{cache.Config{KeyPrefix: "a:b%"}, "c:d%3A", nil, "a:b%:1:c:d%3A"},
		{cache.Config{KeyPrefix: ":"}, ":", nil, "::1::"},
	} {
		c := aliasOn(t, test.config)
		require.NoError(t, cache.For[string](c).Set(ctx, test.key, "v", test.opts...))
		assert.Equal(t, []string{test.final}, finals(t, c))
		found, err := c.Backend().Has(ctx, test.final)
		require.NoError(t, err)
		assert.True(t, found)
		got, found, err := cache.For[string](c).Get(ctx, test.key, test.opts...)
		require.NoError(t, err)
		assert.True(t, found)
		assert.Equal(t, "v", got)
	}
}

// TestK1NothingIsEscaped shows two aliases that meet, since the colons of a prefix
// are not told from those between the parts.
func TestK1NothingIsEscaped(t *testing.T) {
	t.Parallel()
	ctx, registry := context.Background(), cache.NewRegistry(cache.RegistryOptions{Clock: locmem.NewManualClock(someday)})
	a := cache.For[string](aliasOn(t, cache.Config{Registry: registry, KeyPrefix: "p:1"}))
	b := cache.For[string](aliasOn(t, cache.Config{Registry: registry, KeyPrefix: "p"}))
	require.NoError(t, a.Set(ctx, "k", "v"))
	got, found, err := b.Get(ctx, "1:k")
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, "v", got)
}

func TestK2TheEmptyKeyIsAKeyAndVersionsAreDecimal(t *testing.T) {
	t.Parallel()
	c, ctx := aliasOn(t, cache.Config{}), context.Background()
	v := cache.For[string](c)
	require.NoError(t, v.Set(ctx, "", "empty"))
	require.NoError(t, v.Set(ctx, "", "far", cache.Version(1234567)))
	require.NoError(t, v.Set(ctx, strconv.Itoa(42), "number"))
	assert.Equal(t, []string{":1234567:", ":1:", ":1:42"}, finals(t, c))
	got, found, err := v.Get(ctx, "")
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, "empty", got)
	gone, err := c.Delete(ctx, "")
	require.NoError(t, err)
	assert.True(t, gone)
	_, found, err = v.Get(ctx, "")
	require.NoError(t, err)
	assert.False(t, found)
}

func TestK3NoughtAndNegativeNumbersAreVersions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, own := range []int{1, 0, -3, 5} {
		c := aliasOn(t, cache.Config{Version: cache.Version(own)})
		v := cache.For[int](c)
		for _, n := range []int{0, -1, 1, -3, 5, 1 << 30} {
			require.NoError(t, v.Set(ctx, "k", n, cache.Version(n)))
			assert.Contains(t, finals(t, c), fmt.Sprintf(":%d:k", n))
		}
		for _, n := range []int{0, -1, 1, -3, 5, 1 << 30} {
			got, found, err := v.Get(ctx, "k", cache.Version(n))
			require.NoError(t, err)
			assert.True(t, found)
			assert.Equal(t, n, got)
		}
		got, found, err := v.Get(ctx, "k")
		require.NoError(t, err)
		assert.True(t, found)
		assert.Equal(t, own, got, "without the option")
		got, _, err = v.Get(ctx, "k", cache.Option{})
		require.NoError(t, err)
		assert.Equal(t, own, got, "with an option that says nothing")
	}
}

// calls are all operations on keys, each on one or on all of the given keys, with
// options.
var calls = []struct {
	name string
	// each: with many keys every one counts; else the call is made on the first.
	each bool
	// next: the key's next version is looked at, too.
	next bool
	call func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error
}{
	{"Get", false, false, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		_, _, err := v.Get(ctx, keys[0], opts...)
		return err
	}},
	{"Set", false, false, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		return v.Set(ctx, keys[0], 1, opts...)
	}},
	{"Add", false, false, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		_, err := v.Add(ctx, keys[0], 1, opts...)
		return err
	}},
	{"Has", false, false, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		_, err := v.Has(ctx, keys[0], opts...)
		return err
	}},
	{"TTL", false, false, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		_, _, _, err := v.TTL(ctx, keys[0], opts...)
		return err
	}},
	{"Touch", false, false, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		_, err := v.Touch(ctx, keys[0], opts...)
		return err
	}},
	{"Delete", false, false, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		_, err := v.Delete(ctx, keys[0], opts...)
		return err
	}},
	{"Incr", false, false, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		_, err := v.Incr(ctx, keys[0], 1, opts...)
		return err
	}},
	{"Decr", false, false, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		_, err := v.Decr(ctx, keys[0], 1, opts...)
		return err
	}},
	{"IncrFloat", false, false, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		_, err := v.IncrFloat(ctx, keys[0], 1, opts...)
		return err
	}},
	{"IncrVersion", false, true, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		_, err := v.IncrVersion(ctx, keys[0], 1, opts...)
		return err
	}},
	{"DecrVersion", false, true, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		_, err := v.DecrVersion(ctx, keys[0], -1, opts...)
		return err
	}},
	{"GetOrSet", false, false, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		_, err := v.GetOrSet(ctx, keys[0], func(context.Context) (int, error) { return 1, nil }, opts...)
		return err
	}},
	{"GetOrSetValue", false, false, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		_, err := v.GetOrSetValue(ctx, keys[0], 1, opts...)
		return err
	}},
	{"GetMany", true, false, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		_, err := v.GetMany(ctx, keys, opts...)
		return err
	}},
	{"SetMany", true, false, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		values := map[string]int{}
		for _, key := range keys {
			values[key] = 1
		}
		_, err := v.SetMany(ctx, values, opts...)
		return err
	}},
	{"DeleteMany", true, false, func(ctx context.Context, v cache.View[int], keys []string, opts ...cache.Option) error {
		return v.DeleteMany(ctx, keys, opts...)
	}},
}

// TestK4EveryOperationTakesAVersion looks at which final keys a call asks for.
func TestK4EveryOperationTakesAVersion(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, call := range calls {
		var asked []string
		v := cache.For[int](aliasOn(t, cache.Config{CheckKey: func(final string) error {
			asked = append(asked, final)
			return nil
		}}))
		want := func(version int) []string {
			keys := []string{fmt.Sprintf(":%d:a", version)}
			if call.each {
				keys = append(keys, fmt.Sprintf(":%d:b", version))
			}
			if call.next {
				keys = append(keys, fmt.Sprintf(":%d:a", version+1))
			}
			return keys
		}
		_ = call.call(ctx, v, []string{"a", "b"})
		assert.Equal(t, want(1), asked, "%s without a version", call.name)
		asked = nil
		_ = call.call(ctx, v, []string{"a", "b"}, cache.Version(-4))
		assert.Equal(t, want(-4), asked, "%s with a version", call.name)
	}

	v := cache.For[int](aliasOn(t, cache.Config{}))
	for version := range 3 {
		require.NoError(t, v.Set(ctx, "k", version, cache.Version(version)))
	}
	n, err := v.Incr(ctx, "k", 10, cache.Version(2))
	require.NoError(t, err)
	assert.Equal(t, int64(12), n)
	require.NoError(t, v.DeleteMany(ctx, []string{"k"}, cache.Version(0)))
	for version, want := range []map[string]int{{}, {"k": 1}, {"k": 12}} {
		got, err := v.GetMany(ctx, []string{"k"}, cache.Version(version))
		require.NoError(t, err)
		assert.Equal(t, want, got, "version %d", version)
	}
	require.NoError(t, v.Clear(ctx))
	assert.Empty(t, finals(t, v.Cache), "Clear takes every version")
}

func TestK5AKeyFunctionReplacesTheRuleWhole(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	registry := cache.NewRegistry(cache.RegistryOptions{Clock: locmem.NewManualClock(someday)})
	dashes := func(key, prefix string, version int) string {
		return fmt.Sprintf("CUSTOM-%s-%d-%s", prefix, version, key)
	}
	plain := cache.For[string](aliasOn(t, cache.Config{Registry: registry, KeyPrefix: "p"}))
	one := cache.For[string](aliasOn(t, cache.Config{Registry: registry, KeyPrefix: "p", KeyFunc: dashes}))
	other := cache.For[string](aliasOn(t, cache.Config{Registry: registry, KeyPrefix: "p", KeyFunc: dashes}))
	require.NoError(t, one.Set(ctx, "k", "v"))
	assert.Equal(t, []string{"CUSTOM-p-1-k"}, finals(t, plain.Cache))
	found, err := plain.Has(ctx, "k")
	require.NoError(t, err)
	assert.False(t, found)
	got, found, err := other.Get(ctx, "k")
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, "v", got)
	_, err = one.IncrVersion(ctx, "k", 4)
	require.NoError(t, err)
	assert.Equal(t, []string{"CUSTOM-p-5-k"}, finals(t, plain.Cache))

	// For this one versions and prefixes do not exist.
	bare := cache.For[string](aliasOn(t, cache.Config{Registry: registry, KeyPrefix: "p", KeyFunc: func(key, _ string, _ int) string { return key }}))
	require.NoError(t, bare.Clear(ctx))
	require.NoError(t, bare.Set(ctx, "k", "v", cache.Version(3)))
	got, _, err = bare.Get(ctx, "k", cache.Version(8))
	require.NoError(t, err)
	assert.Equal(t, "v", got)
	assert.Equal(t, []string{"k"}, finals(t, bare.Cache))
}

func TestK6TheFinalKeyIsWhatIsChecked(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	key := strings.Repeat("k", 240)
	c, log := logged(t, cache.Config{KeyPrefix: "1234567"}) // "1234567:1:" has 10 characters
	v := cache.For[string](c)
	require.NoError(t, v.Set(ctx, key, "v"))
	assert.Empty(t, log.told())
	require.NoError(t, v.Set(ctx, key, "v", cache.Version(10)))
	assert.Equal(t, []cache.KeyFault{{Reason: cache.TooLong, Key: "1234567:10:" + key}}, log.told())
	c, log = logged(t, cache.Config{KeyPrefix: "a b"})
	_, err := c.Has(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, []cache.KeyFault{{Reason: cache.BadCharacter, Key: "a b:1:k"}}, log.told())
	c, log = logged(t, cache.Config{KeyFunc: func(string, string, int) string { return "short" }})
	_, err = c.Has(ctx, strings.Repeat("a b", 1000))
	require.NoError(t, err)
	assert.Empty(t, log.told(), "the function has mended it")
}

func TestK7ThereAreAtMost250Characters(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, test := range []struct {
		name string
		key  string
		long bool
	}{
		{"247 letters", strings.Repeat("k", 247), false},
		{"248 letters", strings.Repeat("k", 248), true},
		{"247 of two bytes", strings.Repeat("é", 247), false},
		{"248 of two bytes", strings.Repeat("é", 248), true},
		{"247 of four bytes", strings.Repeat("🐢", 247), false},
		{"248 of four bytes", strings.Repeat("🐢", 248), true},
		{"two code points each", strings.Repeat("e\u0301", 124), true},
		{"247 bytes that are not UTF-8", strings.Repeat("\xff", 247), false},
		{"248 bytes that are not UTF-8", strings.Repeat("\xff", 248), true},
		{"three bytes of a surrogate", strings.Repeat("k", 245) + "\xed\xa0\x80", true},
		{"247 and a byte that is cut off", strings.Repeat("é", 247) + "\xc3", true},
		{"a megabyte", strings.Repeat("k", 1<<20), true},
	} {
		c, log := logged(t, cache.Config{})
		require.NoError(t, cache.For[string](c).Set(ctx, test.key, "v"), test.name)
		var want []cache.KeyFault
		if test.long {
			want = []cache.KeyFault{{Reason: cache.TooLong, Key: ":1:" + test.key}}
		}
		assert.Equal(t, want, log.told(), test.name)
	}
}

func TestK8ControlCharactersAndSpacesAreFaults(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c, log := logged(t, cache.Config{})
	v := cache.For[string](c)
	runes := []rune{0x85, 0xa0, 0xad, 0x1680, 0x2000, 0x2028, 0x2029, 0x200b, 0x202e, 0x3000, 0xfeff, 0xfffd, 0x1f422, 0x10ffff}
	for r := range rune(0x180) {
		runes = append(runes, r)
	}
	for _, r := range runes {
		for _, key := range []string{string(r), "k" + string(r), string(r) + "k", "a longer" + string(r) + "key"} {
			key = strings.ReplaceAll(key, " longer", "-longer")
			require.NoError(t, v.Set(ctx, key, "v"))
			var want []cache.KeyFault
			if r <= 32 || r == 127 {
				want = []cache.KeyFault{{Reason: cache.BadCharacter, Key: ":1:" + key}}
			}
			require.Equal(t, want, log.told(), "%q", key)
		}
	}
	for b := 128; b < 256; b++ { // alone, these are not UTF-8
		require.NoError(t, v.Set(ctx, string([]byte{byte(b)}), "v"))
		require.Empty(t, log.told(), "byte %#x", b)
	}
}

func TestK9BothFaultsAreTwoWarningsLengthFirst(t *testing.T) {
	t.Parallel()
	c, log := logged(t, cache.Config{})
	key := strings.Repeat(" ", 300)
	require.NoError(t, cache.For[string](c).Set(context.Background(), key, "v"))
	want := []cache.KeyFault{{Reason: cache.TooLong, Key: ":1:" + key}, {Reason: cache.BadCharacter, Key: ":1:" + key}}
	assert.Equal(t, want, log.told())
	assert.Equal(t, want, cache.KeyFaults(":1:"+key))
}

func TestK10AWarningIsOneRecordAndTheOperationWorks(t *testing.T) {
	ctx := context.Background()
	first, one := logged(t, cache.Config{})
	second, other := logged(t, cache.Config{})
	v := cache.For[string](first)
	require.NoError(t, v.Set(ctx, "a b\n", "v"))
	assert.Equal(t, []cache.KeyReason{cache.BadCharacter}, one.reasons())
	got, found, err := v.Get(ctx, "a b\n")
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, "v", got)
	assert.Equal(t, []cache.KeyReason{cache.BadCharacter}, one.reasons())
	_, err = second.Has(ctx, "a b")
	require.NoError(t, err)
	assert.Equal(t, []cache.KeyReason{cache.BadCharacter}, other.reasons(), "each alias has its own handler")
	assert.Empty(t, one.told())

	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	general := aliasOn(t, cache.Config{})
	log := &faultLog{t: t}
	slog.SetDefault(slog.New(log)) // after the alias was made
	_, err = general.Has(ctx, "a b")
	require.NoError(t, err)
	assert.Equal(t, []cache.KeyFault{{Reason: cache.BadCharacter, Key: ":1:a b"}}, log.told())
}

// TestK10ABackendMayRefuseFaults has one that takes faultless keys only, as
// Memcached does.
func TestK10ABackendMayRefuseFaults(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, hook := range []func(string) error{nil, func(string) error { return nil }} {
		local := cache.NewRegistry(cache.RegistryOptions{Clock: locmem.NewManualClock(someday)}).Local("")
		c, err := cache.New(cache.Config{Backend: faultlessOnly{local}, CheckKey: hook})
		require.NoError(t, err)
		for _, call := range calls {
			err := call.call(ctx, cache.For[int](c), []string{"a b", "sound"})
			assert.ErrorIs(t, err, cache.ErrInvalidKey, call.name)
			assert.ErrorIs(t, err, cache.KeyFault{Reason: cache.BadCharacter, Key: ":1:a b"}, call.name)
		}
		assert.Zero(t, local.Stats().Entries)
	}
}

type faultlessOnly struct{ cache.Backend }

func (b faultlessOnly) Capabilities() cache.Capability { return cache.CanStore | cache.CanSwap }

func TestK11EveryOperationChecksEachKeyOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	long := strings.Repeat("k", 249)
	for _, call := range calls {
		for _, held := range []bool{false, true} {
			c, log := logged(t, cache.Config{})
			v := cache.For[int](c)
			if held {
				_, err := v.SetMany(ctx, map[string]int{"b d": 1, long: 1, "sound": 1})
				require.NoError(t, err)
				log.told()
			}
			if err := call.call(ctx, v, []string{"b d", long, "sound"}); held {
				require.NoError(t, err, call.name)
			}
			want := []cache.KeyFault{{Reason: cache.BadCharacter, Key: ":1:b d"}}
			if call.each {
				want = append(want, cache.KeyFault{Reason: cache.TooLong, Key: ":1:" + long})
			}
			if call.next {
				want = append(want, cache.KeyFault{Reason: cache.BadCharacter, Key: ":2:b d"})
			}
			assert.ElementsMatch(t, want, log.told(), "%s, held: %v", call.name, held)

			_ = call.call(ctx, v, []string{"sound"})
			assert.Empty(t, log.told(), call.name)
		}
	}
}

func TestK12AllElseIsAKey(t *testing.T) {
	t.Parallel()
	c, ctx := aliasOn(t, cache.Config{Logger: slog.New(slog.DiscardHandler)}), context.Background()
	v := cache.For[int](c)
	keys := []string{
		"", "\x00", "\x00\x00", "\n", "\r\n", "a\x00b", "\xff", "\xff\xfe", "\xed\xa0\x80", "\ufffd",
		"\u00e9", "e\u0301", "K", "\u212a", "k", "\u1e9b\u0323", "\u1e9b", ":", "%00", "\\x00",
		strings.Repeat("k", 1<<20), strings.Repeat("k", 1<<20) + "\n",
	}
	for i, key := range keys {
		require.NoError(t, v.Set(ctx, key, i))
	}
	assert.Len(t, finals(t, c), len(keys))
	for i, key := range keys {
		got, found, err := v.Get(ctx, key)
		require.NoError(t, err)
		require.True(t, found, "%.20q", key)
		require.Equal(t, i, got, "%.20q", key)
	}
	many, err := v.GetMany(ctx, keys)
	require.NoError(t, err)
	assert.Len(t, many, len(keys))
	require.NoError(t, v.DeleteMany(ctx, keys))
	assert.Empty(t, finals(t, c))
}

func TestK13AHookReplacesTheRules(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	t.Run("nil accepts", func(t *testing.T) {
		t.Parallel()
		c, log := logged(t, cache.Config{CheckKey: func(string) error { return nil }})
		for _, call := range calls {
			_ = call.call(ctx, cache.For[int](c), []string{"b d", strings.Repeat(" ", 300)})
		}
		assert.Empty(t, log.told())
	})
	t.Run("an error refuses", func(t *testing.T) {
		t.Parallel()
		refusal := errors.New("not these")
		clock := locmem.NewManualClock(someday)
		registry := cache.NewRegistry(cache.RegistryOptions{Clock: clock, Shards: 1})
		free := cache.For[int](aliasOn(t, cache.Config{Registry: registry}))
		c, log := logged(t, cache.Config{Registry: registry, CheckKey: func(final string) error {
			if final == ":1:no" || final == ":2:from" {
				return refusal
			}
			return nil
		}})
		_, err := free.SetMany(ctx, map[string]int{"no": 1, "yes": 2, "from": 3})
		require.NoError(t, err)
		for _, call := range calls {
			for _, keys := range [][]string{{"no", "yes"}, {"yes", "no"}} {
				if keys[0] == "yes" && !call.each {
					continue
				}
				err := call.call(ctx, cache.For[int](c), keys, cache.Timeout(1))
				assert.ErrorIs(t, err, cache.ErrInvalidKey, call.name)
				assert.ErrorIs(t, err, refusal, call.name)
			}
		}
		_, err = c.IncrVersion(ctx, "from", 1)
		assert.ErrorIs(t, err, cache.ErrInvalidKey, "the key it would become")
		got, err := free.GetMany(ctx, []string{"no", "yes", "from"})
		require.NoError(t, err)
		assert.Equal(t, map[string]int{"no": 1, "yes": 2, "from": 3}, got, "nothing was touched")
		for listed, err := range c.ListAll(ctx) {
			require.NoError(t, err)
			assert.Equal(t, cache.DefaultTimeout, listed.Remaining, listed.Key)
		}
		assert.Empty(t, log.told())
	})
	t.Run("a ready one makes errors of faults", func(t *testing.T) {
		t.Parallel()
		c, log := logged(t, cache.Config{CheckKey: cache.RefuseFaults})
		v := cache.For[int](c)
		require.NoError(t, v.Set(ctx, "sound", 1))
		key := " " + strings.Repeat("k", 250)
		err := v.Set(ctx, key, 1)
		assert.ErrorIs(t, err, cache.ErrInvalidKey)
		var fault cache.KeyFault
		require.ErrorAs(t, err, &fault)
		assert.Equal(t, cache.KeyFault{Reason: cache.TooLong, Key: ":1:" + key}, fault)
		assert.ErrorIs(t, err, cache.KeyFault{Reason: cache.BadCharacter, Key: ":1:" + key})
		assert.Equal(t, []string{":1:sound"}, finals(t, c))
		assert.Empty(t, log.told())
	})
}
