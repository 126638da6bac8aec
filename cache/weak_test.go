// SPDX-License-Identifier: MIT

package cache_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cache"
)

// manual returns a registry of a test's own, and its clock.
func manual() (*cache.Registry, *locmem.ManualClock) {
	clock := locmem.NewManualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	return cache.NewRegistry(cache.RegistryOptions{Clock: clock}), clock
}

// alias makes a cache.
func alias(t testing.TB, config cache.Config) *cache.Cache {
	t.Helper()
	c, err := cache.New(config)
	require.NoError(t, err)
	return c
}

// left returns the remaining lifetime of a key's entry.
func left(t testing.TB, c *cache.Cache, key string) time.Duration {
	t.Helper()
	remaining, never, found, err := c.TTL(context.Background(), key)
	require.NoError(t, err)
	require.True(t, found, key)
	require.False(t, never, key)
	return remaining
}

func TestW1EntriesOfALocationAreStriped(t *testing.T) {
	t.Parallel()
	c := alias(t, cache.Config{Registry: cache.NewRegistry(cache.RegistryOptions{}), MaxEntries: cache.NoLimit, Timeout: cache.Never()})
	const entries = 10_000
	for n := range entries {
		require.NoError(t, cache.For[int](c).Set(t.Context(), fmt.Sprint(n), n))
	}
	stats, err := c.Stats()
	require.NoError(t, err)
	require.Greater(t, stats.Shards, 1)
	for i, shard := range stats.PerShard {
		assert.Less(t, shard.Entries, 2*entries/stats.Shards, "shard %d", i)
	}
}

// bubbled returns how many goroutines the current bubble has.
func bubbled() int {
	text := make([]byte, 1<<20)
	stacks := strings.Split(string(text[:runtime.Stack(text, true)]), "\n\n")
	_, bubble, _ := strings.Cut(stacks[0][:strings.Index(stacks[0], "\n")], "synctest bubble ")
	bubble, _, _ = strings.Cut(bubble, "]")
	n := 0
	for _, stack := range stacks {
		if strings.Contains(strings.SplitN(stack, "\n", 2)[0], "synctest bubble "+bubble) {
			n++
		}
	}
	return n
}

func TestW9OneGoroutineSweepsAndEndsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := cache.NewRegistry(cache.RegistryOptions{})
		aliases := make([]*cache.Cache, 10)
		alone := bubbled()
		for i := range aliases {
			aliases[i] = alias(t, cache.Config{Registry: registry, KeyPrefix: fmt.Sprint(i)})
			require.NoError(t, cache.For[int](aliases[i]).Set(t.Context(), "permanent", i, cache.Never()))
		}
		synctest.Wait()
		require.Equal(t, alone, bubbled(), "nothing can expire")

		for i, c := range aliases {
			require.NoError(t, cache.For[int](c).Set(t.Context(), "mortal", i, cache.Timeout(time.Minute)))
		}
		synctest.Wait()
		require.Equal(t, alone+1, bubbled(), "one goroutine for a location, whatever its aliases")
		stats, err := aliases[0].Stats()
		require.NoError(t, err)
		require.Equal(t, 2*len(aliases), stats.Entries)

		<-time.After(time.Minute + time.Second)
		synctest.Wait()
		stats, err = aliases[0].Stats()
		require.NoError(t, err)
		assert.Equal(t, len(aliases), stats.Entries, "what has expired is held, a second later")
		assert.EqualValues(t, len(aliases), stats.Expired)
		<-time.After(time.Minute) // it naps a few seconds at most
		synctest.Wait()
		assert.Equal(t, alone, bubbled(), "the goroutine stays with nothing to expire")
	})
}

func TestW11AStepBackOfTheClockProlongsNothing(t *testing.T) {
	t.Parallel()
	registry, clock := manual()
	c := alias(t, cache.Config{Registry: registry})
	require.NoError(t, cache.For[int](c).Set(t.Context(), "k", 1, cache.Timeout(time.Minute)))
	clock.Advance(20 * time.Second)
	require.Equal(t, 40*time.Second, left(t, c, "k"))
	clock.Advance(-time.Hour)
	assert.Equal(t, 40*time.Second, left(t, c, "k"), "the clock was set back")
	for l, err := range c.List(t.Context(), "") {
		require.NoError(t, err)
		assert.Equal(t, 40*time.Second, l.Remaining, "the clock was set back")
	}
	clock.Advance(time.Hour + 39*time.Second)
	assert.Equal(t, time.Second, left(t, c, "k"))
	clock.Advance(time.Second)
	found, err := c.Has(t.Context(), "k")
	require.NoError(t, err)
	assert.False(t, found)
}

// TestW14ADropTouchesNoEntry looks at who removes the entries: it is never the call
// itself, so that its cost does not depend on their number.
func TestW14ADropTouchesNoEntry(t *testing.T) {
	t.Parallel()
	for _, call := range []struct {
		name string
		make func(c, users *cache.Cache) error
	}{
		{"Drop", func(_, users *cache.Cache) error { return users.Drop(t.Context()) }},
		{"InvalidateTags", func(c, _ *cache.Cache) error { return c.InvalidateTags(t.Context(), "tag") }},
	} {
		registry, clock := manual()
		c := alias(t, cache.Config{Registry: registry, MaxEntries: cache.NoLimit})
		users := c.Namespace("users")
		const entries = 5_000
		for n := range entries {
			require.NoError(t, cache.For[int](users).Set(t.Context(), fmt.Sprint(n), n, cache.Tags("tag")))
		}
		require.NoError(t, cache.For[int](c).Set(t.Context(), "other", 1))
		var mu sync.Mutex
		gone, byCall := 0, 0
		stop, err := c.Watch(func(r cache.Removal) {
			stack := make([]byte, 1<<14)
			own := bytes.Contains(stack[:runtime.Stack(stack, false)], []byte(".TestW14ADropTouchesNoEntry("))
			mu.Lock()
			defer mu.Unlock()
			if gone++; own && r.Cause == locmem.Invalidated {
				byCall++
			}
		})
		require.NoError(t, err)
		require.NoError(t, call.make(c, users))
		mu.Lock()
		assert.Zero(t, byCall, "%s has removed entries itself", call.name)
		mu.Unlock()

		found, err := users.Has(t.Context(), "7")
		require.NoError(t, err)
		assert.False(t, found, call.name)
		found, err = c.Has(t.Context(), "other")
		require.NoError(t, err)
		assert.True(t, found, call.name)
		clock.Advance(time.Second)
		stop()
	}
}

func TestW14ANamespaceOfAnotherPrefixStays(t *testing.T) {
	t.Parallel()
	registry, _ := manual()
	one := alias(t, cache.Config{Registry: registry, KeyPrefix: "one"}).Namespace("users")
	two := alias(t, cache.Config{Registry: registry, KeyPrefix: "two"}).Namespace("users")
	for _, c := range []*cache.Cache{one, two} {
		require.NoError(t, cache.For[int](c).Set(t.Context(), "k", 1))
	}
	require.NoError(t, one.Drop(t.Context()))
	found, err := one.Has(t.Context(), "k")
	require.NoError(t, err)
	assert.False(t, found)
	found, err = two.Has(t.Context(), "k")
	require.NoError(t, err)
	assert.True(t, found)
	require.ErrorIs(t, alias(t, cache.Config{Registry: registry}).Drop(t.Context()), cache.ErrArgument)
}

func TestW15ASnapshotFileOutlivesTheProgram(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "snapshot")
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	started := func(after time.Duration) *cache.Cache {
		registry := cache.NewRegistry(cache.RegistryOptions{Clock: locmem.NewManualClock(begin.Add(after))})
		return alias(t, cache.Config{Registry: registry, MaxEntries: 3})
	}
	before := started(0)
	require.ErrorIs(t, before.RestoreFile(t.Context(), path), fs.ErrNotExist)
	view := cache.For[string](before)
	require.NoError(t, view.Set(t.Context(), "hour", "value", cache.Timeout(time.Hour), cache.Tags("tag")))
	require.NoError(t, view.Set(t.Context(), "minute", "value", cache.Timeout(time.Minute)))
	require.NoError(t, view.Set(t.Context(), "permanent", "value", cache.Never()))
	_, _, err := view.Get(t.Context(), "hour")
	require.NoError(t, err)
	require.NoError(t, before.SaveFile(t.Context(), path))

	after := started(10 * time.Minute) // the program was down
	require.NoError(t, after.RestoreFile(t.Context(), path))
	assert.Equal(t, 50*time.Minute, left(t, after, "hour"))
	found, err := after.Has(t.Context(), "minute")
	require.NoError(t, err)
	assert.False(t, found, "the time that the program was down counts")
	_, never, _, err := after.TTL(t.Context(), "permanent")
	require.NoError(t, err)
	assert.True(t, never)
	for _, key := range []string{"new", "newer"} { // of three, the permanent one was used longest ago
		require.NoError(t, cache.For[string](after).Set(t.Context(), key, "value"))
	}
	found, err = after.Has(t.Context(), "permanent")
	require.NoError(t, err)
	assert.False(t, found, "the order of use was saved")
	require.NoError(t, after.InvalidateTags(t.Context(), "tag"))
	found, err = after.Has(t.Context(), "hour")
	require.NoError(t, err)
	assert.False(t, found, "the tags were saved")
}

func TestW15ADamagedSnapshotIsRefusedWhole(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "snapshot")
	registry, _ := manual()
	c := alias(t, cache.Config{Registry: registry})
	view := cache.For[string](c)
	for n := range 100 {
		require.NoError(t, view.Set(t.Context(), fmt.Sprint("k", n), "saved"))
	}
	require.NoError(t, c.SaveFile(t.Context(), path))
	sound, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, c.Clear(t.Context()))
	require.NoError(t, view.Set(t.Context(), "k7", "held"))

	for _, damage := range []struct {
		name string
		file []byte
		want error
	}{
		{"empty", nil, locmem.ErrNotSnapshot},
		{"another file", []byte("SQLite format 3"), locmem.ErrNotSnapshot},
		{"cut off", sound[:len(sound)-1], locmem.ErrSnapshotDamaged},
		{"a bit of its last entry", flipped(sound, len(sound)-40), locmem.ErrSnapshotDamaged},
		{"going on after its end", append(bytes.Clone(sound), 0), locmem.ErrSnapshotDamaged},
	} {
		require.NoError(t, os.WriteFile(path, damage.file, 0o600))
		require.ErrorIs(t, c.RestoreFile(t.Context(), path), damage.want, damage.name)
		value, found, err := view.Get(t.Context(), "k7")
		require.NoError(t, err)
		assert.True(t, found, damage.name)
		assert.Equal(t, "held", value, damage.name)
		stats, err := c.Stats()
		require.NoError(t, err)
		assert.Equal(t, 1, stats.Entries, damage.name)
	}
}

// flipped returns a copy with one bit changed.
func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func TestW15ValuesThatWereKeptAreNotSaved(t *testing.T) {
	t.Parallel()
	registry, _ := manual()
	c := alias(t, cache.Config{Registry: registry, Codec: cache.NoCopy})
	require.NoError(t, cache.For[[]int](c).Set(t.Context(), "k", []int{1}))
	require.ErrorIs(t, c.Save(t.Context(), &bytes.Buffer{}), cache.ErrEncode)
}
