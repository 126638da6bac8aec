// SPDX-License-Identifier: MIT

package locmem_test

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
)

// savedBytes returns a snapshot of the engine.
func savedBytes[K comparable, V any](t *testing.T, e *locmem.Engine[K, V]) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, e.Save(&b))
	return b.Bytes()
}

// restored returns an engine with the entries of a snapshot.
func restored[K comparable, V any](t *testing.T, snapshot []byte, opts locmem.Options[K, V]) *locmem.Engine[K, V] {
	t.Helper()
	e := opened(t, opts)
	require.NoError(t, e.Restore(bytes.NewReader(snapshot)))
	return e
}

// unchanged returns a check that an engine is as it was, which its listener must
// agree with.
func unchanged[K comparable, V any](e *locmem.Engine[K, V]) func(t *testing.T, msg ...any) {
	contents, stats := maps.Collect(e.All()), e.Stats()
	return func(t *testing.T, msg ...any) {
		t.Helper()
		require.Equal(t, contents, maps.Collect(e.All()), msg...)
		require.Equal(t, stats, e.Stats(), msg...)
	}
}

// untouchable is an engine that holds something and wants to hear of no removal.
func untouchable(t *testing.T, codec locmem.Codec[string, int]) *locmem.Engine[string, int] {
	t.Helper()
	e := opened(t, locmem.Options[string, int]{MaxEntries: 4, Codec: codec, OnRemove: func(r locmem.Removal[string, int]) {
		if r.Cause != locmem.Cleared { // by Close
			assert.Fail(t, "the listener was told", "%+v", r)
		}
	}})
	for i := range 4 { // full, so that storing anything evicts
		e.Set("key "+strconv.Itoa(i), -i)
	}
	return e
}

// The format, written down a second time.

const snapshotPrelude = 16

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// split takes a snapshot apart: the prelude without its checksum, then the frames
// without theirs.
func split(t *testing.T, snapshot []byte) (parts [][]byte) {
	t.Helper()
	sum := uint32(0)
	for size := snapshotPrelude; len(snapshot) > 0; {
		if len(parts) > 0 {
			size = 5 + int(binary.BigEndian.Uint32(snapshot[1:])) + 4
		}
		part := snapshot[:size-4]
		sum = crc32.Update(sum, castagnoli, part)
		require.Equal(t, sum, binary.BigEndian.Uint32(snapshot[size-4:]), "part %d", len(parts))
		parts = append(parts, slices.Clone(part))
		snapshot = snapshot[size:]
	}
	return parts
}

// seal puts parts together, with sizes and checksums as they should be.
func seal(parts ...[]byte) (snapshot []byte) {
	sum := uint32(0)
	for i, part := range parts {
		if i > 0 {
			binary.BigEndian.PutUint32(part[1:], uint32(len(part)-5))
		}
		sum = crc32.Update(sum, castagnoli, part)
		snapshot = binary.BigEndian.AppendUint32(append(snapshot, part...), sum)
	}
	return snapshot
}

type place struct {
	Country string
	Zip     int
}

type article struct {
	Title  string
	Tags   []string
	Prices map[string]float64
	Seen   *time.Time
	Next   *article
}

// Each pair of kinds of keys and values is an engine to compile, in every build of these
// tests: those below are as few as show what can differ.
func roundTrip[K comparable, V any](entries map[K]V, codec locmem.Codec[K, V]) func(t *testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		opts := locmem.Options[K, V]{MaxEntries: 20_000, Codec: codec}
		e := opened(t, opts)
		require.Equal(t, len(entries), e.SetMany(entries))
		snapshot := savedBytes(t, e)
		got := restored(t, snapshot, opts)
		require.Equal(t, entries, maps.Collect(got.All()))
		require.Equal(t, uint64(len(entries)), got.Stats().Inserts)

		// The same through a reader that gives one byte at a time.
		got = opened(t, opts)
		require.NoError(t, got.Restore(iotest.OneByteReader(bytes.NewReader(snapshot))))
		require.Equal(t, entries, maps.Collect(got.All()))
	}
}

func TestSnapshotRoundTripsKeysAndValues(t *testing.T) {
	t.Parallel()
	gob.Register(place{})
	gob.Register([2]uint8{})
	gob.Register(time.Time{})
	many := map[int]string{}
	for i := range 10_000 {
		many[i] = "value " + strconv.Itoa(i)
	}
	seen := theStart.Add(time.Nanosecond)
	t.Run("nothing", roundTrip(map[int]int{}, nil))
	t.Run("numbers", roundTrip(map[float64]int{0: 0, -1: math.MaxInt, math.Inf(1): math.MinInt, 1e-300: 1}, nil))
	t.Run("more than a frame", roundTrip(many, nil))
	t.Run("values larger than a frame", roundTrip(map[string]string{
		"a": strings.Repeat("a", 300_000), "b": strings.Repeat("b", 100_000), "c": "\x01",
	}, nil))
	t.Run("structs", roundTrip(map[place]article{
		{"NO", 150}: {Title: "A", Tags: []string{"x", "y"}, Prices: map[string]float64{"NOK": 9.5}, Seen: &seen, Next: &article{Title: "B"}},
		{}:          {},
	}, nil))
	t.Run("pointers", roundTrip(map[string]*article{"a": {Title: "A"}, "": {}, "b": nil}, nil))
	t.Run("a set", roundTrip(map[string]struct{}{"a": {}, "b": {}}, nil))
	t.Run("one key", roundTrip(map[struct{}]int{{}: 1}, nil))
	t.Run("interfaces", roundTrip(map[any]any{
		1: "a", "a": 1, place{"NO", 150}: place{}, [2]uint8{1, 2}: []byte{1}, 1.5: nil, "time": theStart, theStart: time.Time{},
	}, nil))
	t.Run("a codec", roundTrip(map[string]int{"": 0, "a": 1, strings.Repeat("b", 100_000): -1}, locmem.Codec[string, int](script{})))
}

// script is a codec that calls on before each step, if it is set.
type script struct{ on func(step string) error }

func (s script) step(name string) error {
	if s.on == nil {
		return nil
	}
	return s.on(name)
}

func (s script) AppendKey(b []byte, key string) ([]byte, error) {
	return append(b, key...), s.step("AppendKey")
}

func (s script) AppendValue(b []byte, value int) ([]byte, error) {
	return strconv.AppendInt(b, int64(value), 10), s.step("AppendValue")
}

func (s script) DecodeKey(b []byte) (string, error) { return string(b), s.step("DecodeKey") }

func (s script) DecodeValue(b []byte) (int, error) {
	value, err := strconv.Atoi(string(b))
	return value, errors.Join(err, s.step("DecodeValue"))
}

// failAt returns a codec that calls fail in the nth of a kind of steps.
func failAt(name string, n int, fail func() error) script {
	return script{func(step string) error {
		if step == name {
			if n--; n == 0 {
				return fail()
			}
		}
		return nil
	}}
}

func TestRestoreKeepsWhatIsLeftOfALifetime(t *testing.T) {
	t.Parallel()
	const never = time.Duration(-1)
	for _, tc := range []struct {
		name   string
		opts   []locmem.EntryOption
		waited time.Duration // from the write to Save
		passed time.Duration // from Save to Restore, by the wall clock
		want   time.Duration // what is left after it; 0: the entry is left out
		idle   time.Duration
	}{
		{"at once", []locmem.EntryOption{locmem.TTL(time.Hour)}, 0, 0, time.Hour, 0},
		{"with time before", []locmem.EntryOption{locmem.TTL(time.Hour)}, 10 * time.Minute, 0, 50 * time.Minute, 0},
		{"with time between", []locmem.EntryOption{locmem.TTL(time.Hour)}, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, 0},
		{"just alive", []locmem.EntryOption{locmem.TTL(time.Hour)}, 0, time.Hour - 1, 1, 0},
		{"expired between", []locmem.EntryOption{locmem.TTL(time.Hour)}, 0, time.Hour, 0, 0},
		{"long expired", []locmem.EntryOption{locmem.TTL(time.Hour)}, 0, 200 * 365 * 24 * time.Hour, 0, 0},
		{"the clock set back", []locmem.EntryOption{locmem.TTL(time.Hour)}, 10 * time.Minute, -30 * time.Minute, 50 * time.Minute, 0},
		{"the clock set far back", []locmem.EntryOption{locmem.TTL(time.Hour)}, 0, -200 * 365 * 24 * time.Hour, time.Hour, 0},
		{"to the nanosecond", []locmem.EntryOption{locmem.TTL(time.Hour)}, 1, 1, time.Hour - 2, 0},
		{"none", []locmem.EntryOption{locmem.NoTTL()}, time.Hour, 1000 * time.Hour, never, 0},
		{"nearly none", []locmem.EntryOption{locmem.TTL(math.MaxInt64), locmem.Idle(time.Hour)}, time.Minute, time.Minute, 58 * time.Minute, time.Hour},
		{"idle", []locmem.EntryOption{locmem.NoTTL(), locmem.Idle(time.Hour)}, 0, 0, time.Hour, time.Hour},
		{"idle before and between", []locmem.EntryOption{locmem.NoTTL(), locmem.Idle(time.Hour)}, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour},
		{"idle until the end", []locmem.EntryOption{locmem.NoTTL(), locmem.Idle(time.Hour)}, 10 * time.Minute, 50 * time.Minute, 0, 0},
		{"idle, the clock set back", []locmem.EntryOption{locmem.NoTTL(), locmem.Idle(time.Hour)}, 10 * time.Minute, -time.Hour, 50 * time.Minute, time.Hour},
		{"idle for longer than it lives", []locmem.EntryOption{locmem.TTL(time.Hour), locmem.Idle(2 * time.Hour)}, 30 * time.Minute, 20 * time.Minute, 10 * time.Minute, 2 * time.Hour},
		{"idle for ever", []locmem.EntryOption{locmem.NoTTL(), locmem.Idle(math.MaxInt64)}, time.Hour, time.Hour, never, math.MaxInt64},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e, clock := timed(t, locmem.Options[int, int]{})
			e.Set(1, 1, tc.opts...)
			clock.Advance(tc.waited)
			snapshot := savedBytes(t, e)

			// The engine is as new as can be, and has defaults of its own.
			later := locmem.NewManualClock(clock.Now().Add(tc.passed))
			got := restored(t, snapshot, locmem.Options[int, int]{MaxEntries: 10, Clock: later, TTL: time.Second, Idle: time.Second})
			entry, ok := got.Peek(1)
			if tc.want == 0 {
				require.False(t, ok)
				require.Zero(t, got.Len())
				return
			}
			require.True(t, ok)
			require.Equal(t, tc.idle, entry.Idle)
			if tc.want == never {
				later.Advance(200 * 365 * 24 * time.Hour)
				require.True(t, got.Has(1))
				return
			}
			require.Equal(t, tc.want, entry.Deadline.Sub(later.Now()))
			later.Advance(tc.want - 1)
			require.True(t, got.Has(1))
			require.NoError(t, got.Validate())
			later.Advance(1)
			require.False(t, got.Has(1))
			require.Zero(t, got.Len(), "not swept")
		})
	}
}

func TestRestoredIdleEntriesLiveOnWithEachRead(t *testing.T) {
	t.Parallel()
	e, clock := timed(t, locmem.Options[int, int]{})
	e.Set(1, 1, locmem.TTL(100*time.Minute), locmem.Idle(time.Hour))
	clock.Advance(50 * time.Minute)
	got := restored(t, savedBytes(t, e), locmem.Options[int, int]{MaxEntries: 10, Clock: clock})
	clock.Advance(10*time.Minute - 1)
	_, ok := got.Get(1)
	require.True(t, ok)
	clock.Advance(40 * time.Minute) // within the hour from the read, and just before the deadline
	require.True(t, got.Has(1))
	clock.Advance(1)
	require.False(t, got.Has(1), "the deadline has moved")
}

func TestRestoredLifetimesDoNotCountOnTheEnginesAge(t *testing.T) {
	t.Parallel()
	for _, age := range []time.Duration{0, 1, 5 * time.Minute, 100 * time.Hour} {
		e, clock := timed(t, locmem.Options[int, int]{})
		for i := range 200 {
			e.Set(i, i, locmem.NoTTL(), locmem.Idle(time.Duration(60+i)*time.Minute))
		}
		clock.Advance(59 * time.Minute)
		snapshot := savedBytes(t, e)
		young := locmem.NewManualClock(theStart)
		got := opened(t, locmem.Options[int, int]{MaxEntries: 1000, Clock: young})
		young.Advance(age)
		require.NoError(t, got.Restore(bytes.NewReader(snapshot)))
		passed := max(0, age-59*time.Minute)
		for i := range 200 {
			left := time.Duration(1+i)*time.Minute - passed
			entry, ok := got.Peek(i)
			require.Equal(t, left > 0, ok, "age %v, entry %d", age, i)
			if ok {
				require.Equal(t, left, entry.Deadline.Sub(young.Now()), "age %v, entry %d", age, i)
			}
		}
		require.NoError(t, got.Validate())
	}
}

func TestRestoreTakesTheTimeOfSavingOffLifetimes(t *testing.T) {
	t.Parallel()
	clock := locmem.NewManualClock(theStart)
	codec := failAt("AppendValue", 2, func() error {
		clock.Advance(10 * time.Minute)
		return nil
	})
	opts := locmem.Options[string, int]{MaxEntries: 10, Clock: clock, Codec: codec}
	e := opened(t, opts)
	for _, key := range []string{"a", "b", "c"} {
		e.Set(key, 1, locmem.TTL(time.Hour))
	}
	snapshot := savedBytes(t, e)
	opts.Clock = locmem.NewManualClock(theStart.Add(-time.Hour)) // set back meanwhile
	got := restored(t, snapshot, opts)
	for _, key := range []string{"a", "b", "c"} {
		entry, ok := got.Peek(key)
		require.True(t, ok)
		require.Equal(t, 50*time.Minute, entry.Deadline.Sub(theStart.Add(-time.Hour)), key)
	}
}

func TestSaveLeavesExpiredEntriesOut(t *testing.T) {
	t.Parallel()
	unswept(t, locmem.Options[int, int]{MaxEntries: 10}, func(e *locmem.Engine[int, int]) {
		e.Set(1, 1, locmem.TTL(time.Minute))
		e.Set(2, 2, locmem.NoTTL())
	}, func(e *locmem.Engine[int, int]) {
		got := restored(t, savedBytes(t, e), locmem.Options[int, int]{MaxEntries: 10})
		require.Equal(t, map[int]int{2: 2}, maps.Collect(got.All()))
	})
}

func TestSaveUsesNoEntry(t *testing.T) {
	t.Parallel()
	e, clock := timed(t, locmem.Options[int, int]{Stats: true, MaxEntries: 2, Policy: evict.LRU})
	e.Set(1, 1, locmem.Idle(time.Hour))
	e.Set(2, 2)
	clock.Advance(time.Minute)
	check := unchanged(e)
	savedBytes(t, e)
	check(t)
	e.Get(2)
	savedBytes(t, e)
	e.Set(3, 3)
	require.False(t, e.Has(1), "saving has used the oldest")
	require.True(t, e.Has(2))
}

func TestSnapshotKeepsWeights(t *testing.T) {
	t.Parallel()
	heavy := func(key, value int) int64 { return int64(100 * value) }
	for _, tc := range []struct {
		name     string
		from, to locmem.Options[int, int]
		want     map[int]int64
	}{
		{
			"as saved, whatever Weigh says now",
			locmem.Options[int, int]{MaxWeight: 1000},
			locmem.Options[int, int]{MaxWeight: 1000, Weigh: heavy},
			map[int]int64{0: 0, 1: 1, 2: 2, 3: 300},
		},
		{
			"as saved by Weigh",
			locmem.Options[int, int]{MaxWeight: 1000, Weigh: heavy},
			locmem.Options[int, int]{MaxWeight: 1000},
			map[int]int64{0: 0, 1: 100, 2: 200, 3: 300},
		},
		{
			"by Weigh if none were kept",
			locmem.Options[int, int]{MaxEntries: 10},
			locmem.Options[int, int]{MaxWeight: 1000, Weigh: heavy},
			map[int]int64{0: 0, 1: 100, 2: 200, 3: 300},
		},
		{
			"none where none are kept",
			locmem.Options[int, int]{MaxWeight: 1000, Weigh: heavy},
			locmem.Options[int, int]{MaxEntries: 10},
			map[int]int64{0: 1, 1: 1, 2: 1, 3: 1},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := opened(t, tc.from)
			for i := range 4 {
				weight := int64(i)
				if i == 3 || tc.from.Weigh != nil {
					weight *= 100
				}
				require.True(t, e.Set(i, i, locmem.Weight(weight)))
			}
			got := restored(t, savedBytes(t, e), tc.to)
			var sum int64
			for key, want := range tc.want {
				entry, ok := got.Peek(key)
				require.True(t, ok)
				require.Equal(t, want, entry.Weight, "key %d", key)
				sum += want
			}
			require.Equal(t, sum, got.Weight())
		})
	}
}

func TestSnapshotKeepsTags(t *testing.T) {
	t.Parallel()
	e, _ := timed(t, locmem.Options[int, int]{})
	e.Set(1, 1, locmem.Tags("a"))
	e.Set(2, 2, locmem.Tags("b", "a", ""), locmem.TTL(100*365*24*time.Hour))
	e.Set(3, 3, locmem.Tags("b"))
	e.Set(4, 4)
	e.Set(5, 5, locmem.Tags("b"))
	e.Set(5, 5)
	e.Set(6, 6, locmem.Tags("gone"))
	e.InvalidateTags("gone")
	snapshot := savedBytes(t, e)
	for _, tc := range []struct {
		tag  string
		left []int
	}{
		{"a", []int{3, 4, 5}},
		{"b", []int{1, 4, 5}},
		{"", []int{1, 3, 4, 5}},
		{"gone", []int{1, 2, 3, 4, 5}},
	} {
		got := restored(t, snapshot, locmem.Options[int, int]{MaxEntries: 10})
		require.Equal(t, 5, got.Len())
		got.InvalidateTags(tc.tag)
		var left []int
		for key := range got.All() {
			left = append(left, key)
		}
		require.ElementsMatch(t, tc.left, left, "without %q", tc.tag)
		require.NoError(t, got.Validate())
	}
}

func TestRestoreKeepsTheBoundsOfASmallerEngine(t *testing.T) {
	t.Parallel()
	e := opened(t, locmem.Options[int, int]{MaxWeight: 1_000_000, Shards: 8})
	for i := range 2000 {
		e.Set(i, i, locmem.Weight(int64(i%50)))
	}
	snapshot := savedBytes(t, e)
	for _, shards := range []int{1, 8} {
		var mu sync.Mutex
		var got *locmem.Engine[int, int]
		causes := map[locmem.Cause]int{}
		var heard error
		got = opened(t, locmem.Options[int, int]{
			MaxEntries: 100, MaxWeight: 500, Shards: shards,
			OnRemove: func(r locmem.Removal[int, int]) {
				mu.Lock()
				defer mu.Unlock()
				causes[r.Cause]++
				if got.Len() > 100 || got.Weight() > 500 {
					heard = fmt.Errorf("%d entries of weight %d", got.Len(), got.Weight())
				}
			},
		})
		require.NoError(t, got.Restore(bytes.NewReader(snapshot)))
		require.NoError(t, got.Drain(t.Context()))
		mu.Lock()
		require.NoError(t, heard)
		require.Equal(t, map[locmem.Cause]int{locmem.Evicted: 2000 - got.Len()}, causes)
		mu.Unlock()
		require.Positive(t, got.Len())
		require.LessOrEqual(t, got.Len(), 100)
		require.LessOrEqual(t, got.Weight(), int64(500))
		for key, value := range got.All() {
			require.Equal(t, key, value)
		}
	}
}

func TestRestoreOverwritesWhatIsLive(t *testing.T) {
	t.Parallel()
	e := opened(t, locmem.Options[string, int]{MaxEntries: 10})
	e.Set("a", 1)
	snapshot := savedBytes(t, e)
	var told []locmem.Removal[string, int]
	got := opened(t, locmem.Options[string, int]{MaxEntries: 10, OnRemove: func(r locmem.Removal[string, int]) { told = append(told, r) }})
	got.Set("a", 2, locmem.TTL(time.Hour))
	got.Set("b", 3)
	require.NoError(t, got.Restore(bytes.NewReader(snapshot)))
	require.Equal(t, map[string]int{"a": 1, "b": 3}, maps.Collect(got.All()))
	entry, _ := got.Peek("a")
	require.Zero(t, entry.Deadline)
	require.Equal(t, []locmem.Removal[string, int]{{Key: "a", Value: 2, Cause: locmem.Replaced, Weight: 1}}, told)
}

// smallSnapshot has all that an entry can have.
func smallSnapshot(t *testing.T, codec locmem.Codec[string, int]) []byte {
	t.Helper()
	e := opened(t, locmem.Options[string, int]{MaxWeight: 1000, Codec: codec})
	for i := range 4 {
		e.Set("key "+strconv.Itoa(i), i, locmem.Weight(int64(i)))
	}
	e.Set("short", 5, locmem.TTL(time.Hour))
	e.Set("idle", 6, locmem.TTL(time.Hour), locmem.Idle(time.Minute))
	return savedBytes(t, e)
}

func TestRestoreOfADamagedSnapshotChangesNothing(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string]locmem.Codec[string, int]{"gob": nil, "own codec": script{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			snapshot := smallSnapshot(t, codec)
			e := untouchable(t, codec)
			check := unchanged(e)
			for n := range snapshot {
				err := e.Restore(bytes.NewReader(snapshot[:n]))
				if n == 0 {
					require.ErrorIs(t, err, locmem.ErrNotSnapshot)
				} else {
					require.ErrorIs(t, err, locmem.ErrSnapshotDamaged, "cut off after %d bytes", n)
				}
			}
			check(t)
			for bit := range 8 * len(snapshot) {
				flipped := slices.Clone(snapshot)
				flipped[bit/8] ^= 1 << (bit % 8)
				err := e.Restore(bytes.NewReader(flipped))
				if bit < 8*8 {
					require.ErrorIs(t, err, locmem.ErrNotSnapshot, "bit %d", bit)
				} else {
					require.ErrorIs(t, err, locmem.ErrSnapshotDamaged, "bit %d", bit)
				}
			}
			check(t)
			restored(t, snapshot, locmem.Options[string, int]{MaxWeight: 1000, Codec: codec})
		})
	}
}

func TestRestoreSeesFramesOutOfPlace(t *testing.T) {
	t.Parallel()
	e := opened(t, locmem.Options[string, string]{MaxEntries: 10})
	for i := range 6 {
		e.Set(strconv.Itoa(i), strings.Repeat("x", 50_000))
	}
	snapshot := savedBytes(t, e)
	parts := split(t, snapshot)
	require.Len(t, parts, 6, "prelude, header, three frames of entries, end")
	require.Equal(t, snapshot, seal(parts...))

	// whole are the parts with the checksums they were written with.
	whole := func(order ...int) (out []byte) {
		at := []int{0}
		for _, part := range parts {
			at = append(at, at[len(at)-1]+len(part)+4)
		}
		for _, i := range order {
			out = append(out, snapshot[at[i]:at[i+1]]...)
		}
		return out
	}
	resealed := func(order ...int) []byte {
		var chosen [][]byte
		for _, i := range order {
			chosen = append(chosen, parts[i])
		}
		return seal(chosen...)
	}
	require.Equal(t, snapshot, whole(0, 1, 2, 3, 4, 5))
	_, n := binary.Varint(parts[1][5:])
	_, m := binary.Uvarint(parts[1][5+n:])
	late := binary.AppendUvarint(slices.Clone(parts[1][:5+n]), uint64(time.Second))
	late = append(late, parts[1][5+n+m:]...)
	endless := io.MultiReader(bytes.NewReader(append(whole(0, 1), 'E', 0xff, 0xff, 0xff, 0xff)), iotest.ErrReader(errors.New("read on")))
	require.ErrorIs(t, opened(t, locmem.Options[string, string]{MaxEntries: 1}).Restore(endless), locmem.ErrSnapshotDamaged)
	for name, bad := range map[string][]byte{
		"without its end":               whole(0, 1, 2, 3, 4),
		"without a frame":               whole(0, 1, 2, 4, 5),
		"without any":                   whole(0, 1, 5),
		"a frame twice":                 whole(0, 1, 2, 3, 3, 4, 5),
		"two frames changed":            whole(0, 1, 3, 2, 4, 5),
		"without its header":            whole(0, 2, 3, 4, 5),
		"resealed without its end":      resealed(0, 1, 2, 3, 4),
		"resealed without the last":     resealed(0, 1, 2, 3, 5),
		"resealed without its header":   resealed(0, 2, 3, 4, 5),
		"resealed with two headers":     resealed(0, 1, 1, 2, 3, 4, 5),
		"resealed, a frame unknown":     seal(parts[0], parts[1], []byte("X....more"), parts[2], parts[3], parts[4], parts[5]),
		"resealed, an end with more":    seal(parts[0], parts[1], parts[2], parts[3], parts[4], append(slices.Clone(parts[5]), 0)),
		"resealed, a header with more":  seal(parts[0], append(slices.Clone(parts[1]), 0), parts[2], parts[3], parts[4], parts[5]),
		"resealed, a header by name":    seal(parts[0], append([]byte("E"), parts[1][1:]...), parts[5]),
		"resealed, a second too long":   seal(parts[0], late, parts[2], parts[3], parts[4], parts[5]),
		"resealed, an entry of nothing": seal(parts[0], parts[1], []byte("E....\x00"), parts[5]),
		"resealed, an unknown flag":     seal(parts[0], parts[1], []byte("E....\x80\x00\x00"), parts[5]),
		"resealed, no idle lifetime":    seal(parts[0], parts[1], []byte("E....\x02\x00\x00\x00\x00"), parts[5]),
		"resealed, weight beyond int64": seal(parts[0], parts[1], []byte("E....\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00"), parts[5]),
		"a length that does not come":   append(whole(0, 1), 'E', 0x3f, 0xff, 0xff, 0xff),
	} {
		t.Run(name, func(t *testing.T) {
			got := opened(t, locmem.Options[string, string]{MaxEntries: 10})
			require.ErrorIs(t, got.Restore(bytes.NewReader(bad)), locmem.ErrSnapshotDamaged)
			require.Zero(t, got.Stats().Inserts)
		})
	}
}

func TestRestoreOfForeignBytesChangesNothing(t *testing.T) {
	t.Parallel()
	var stream bytes.Buffer
	require.NoError(t, gob.NewEncoder(&stream).Encode(map[string]int{"a": 1}))
	for name, foreign := range map[string]string{
		"nothing":                 "",
		"a short text":            "no",
		"a text":                  "This is not a snapshot, but it is long enough for one.",
		"gob":                     stream.String(),
		"PNG":                     "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
		"zeros":                   strings.Repeat("\x00", 100),
		"a snapshot, as text":     "\x89locmem\r\n\x00\x00\x00\x01",
		"a snapshot, one byte on": string(smallSnapshot(t, nil)[1:]),
	} {
		e := untouchable(t, nil)
		check := unchanged(e)
		require.ErrorIs(t, e.Restore(strings.NewReader(foreign)), locmem.ErrNotSnapshot, name)
		check(t, name)
	}
}

func TestRestoreNamesAnUnknownVersion(t *testing.T) {
	t.Parallel()
	parts := split(t, smallSnapshot(t, nil))
	parts[0][11] = 7
	e := untouchable(t, nil)
	check := unchanged(e)
	err := e.Restore(bytes.NewReader(seal(parts[0]))) // what follows may be anything
	require.ErrorIs(t, err, locmem.ErrSnapshotVersion)
	require.ErrorContains(t, err, "version 7")
	require.ErrorContains(t, err, "version 1")
	check(t)
}

func TestRestoreRefusesOtherTypesBeforeItReadsOn(t *testing.T) {
	t.Parallel()
	snapshot := smallSnapshot(t, nil)
	parts := split(t, snapshot)
	header := snapshot[:len(parts[0])+4+len(parts[1])+4]
	beginning := func() io.Reader {
		return io.MultiReader(bytes.NewReader(header), iotest.ErrReader(errors.New("read on")))
	}
	require.ErrorContains(t, opened(t, locmem.Options[string, int]{MaxEntries: 1}).Restore(beginning()), "read on")

	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"values", opened(t, locmem.Options[string, name]{MaxEntries: 1}).Restore(beginning()), "github.com/locmem/locmem_test.name"},
		{"keys", opened(t, locmem.Options[int, int]{MaxEntries: 1}).Restore(beginning()), "keys int "},
		{"named keys", opened(t, locmem.Options[name, int]{MaxEntries: 1}).Restore(beginning()), "github.com/locmem/locmem_test.name"},
		{"codec", opened(t, locmem.Options[string, int]{MaxEntries: 1, Codec: script{}}).Restore(beginning()), "locmem_test.script"},
	} {
		require.ErrorIs(t, tc.err, locmem.ErrSnapshotTypes, tc.name)
		require.ErrorContains(t, tc.err, strings.TrimPrefix(tc.want, "keys "), tc.name)
		require.ErrorContains(t, tc.err, "keys string and values int by encoding/gob", tc.name)
	}
}

type name string

func TestRestoreReadsOneSnapshotAndNotAByteMore(t *testing.T) {
	t.Parallel()
	var stream bytes.Buffer
	for i := range 3 {
		e := opened(t, locmem.Options[int, int]{MaxEntries: 10})
		e.Set(i, i)
		require.NoError(t, e.Save(&stream))
	}
	stream.WriteString("and so on")
	got := opened(t, locmem.Options[int, int]{MaxEntries: 10})
	for range 3 {
		require.NoError(t, got.Restore(&stream))
	}
	require.Equal(t, map[int]int{0: 0, 1: 1, 2: 2}, maps.Collect(got.All()))
	require.Equal(t, "and so on", stream.String())
}

// limited is a writer that takes so many bytes.
type limited struct {
	left int
	err  error // nil: it lies about it
}

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.left)
	l.left -= n
	if n < len(b) {
		return n, l.err
	}
	return n, nil
}

func TestSavePassesAWritersErrorOn(t *testing.T) {
	t.Parallel()
	full := errors.New("no space")
	// The clock stands still, so that every snapshot has the same size.
	e := opened(t, locmem.Options[string, string]{MaxEntries: 10, Clock: locmem.NewManualClock(theStart)})
	for i := range 4 {
		e.Set(strconv.Itoa(i), strings.Repeat("x", 40_000))
	}
	size := len(savedBytes(t, e))
	for _, n := range []int{0, 10, 20, 70_000, 140_000, size - 1} {
		require.ErrorIs(t, e.Save(&limited{n, full}), full, "after %d of %d bytes", n, size)
		require.ErrorIs(t, e.Save(&limited{n, nil}), io.ErrShortWrite, "after %d of %d bytes", n, size)
	}
	require.NoError(t, e.Save(&limited{size, full}))
	require.Zero(t, e.Pins())
}

func TestRestorePassesAReadersErrorOn(t *testing.T) {
	t.Parallel()
	torn := errors.New("connection torn")
	snapshot := smallSnapshot(t, nil)
	e := untouchable(t, nil)
	check := unchanged(e)
	for n := range snapshot {
		err := e.Restore(io.MultiReader(bytes.NewReader(snapshot[:n]), iotest.ErrReader(torn)))
		require.ErrorIs(t, err, torn, "after %d bytes", n)
	}
	check(t)
}

func TestSnapshotPassesACodecsErrorOn(t *testing.T) {
	t.Parallel()
	odd := errors.New("an odd one")
	for _, tc := range []struct{ step, want string }{
		{"AppendKey", "entry 3: key: an odd one"},
		{"AppendValue", "entry 3: value: an odd one"},
		{"DecodeKey", "entry 3: key: an odd one"},
		{"DecodeValue", "entry 3: value: an odd one"},
	} {
		t.Run(tc.step, func(t *testing.T) {
			t.Parallel()
			e := untouchable(t, failAt(tc.step, 3, func() error { return odd }))
			check := unchanged(e)
			err := e.Save(io.Discard)
			if strings.HasPrefix(tc.step, "Decode") {
				require.NoError(t, err)
				err = e.Restore(bytes.NewReader(smallSnapshot(t, script{})))
			}
			require.ErrorIs(t, err, odd)
			require.ErrorContains(t, err, tc.want)
			check(t)
		})
	}
}

func TestSnapshotLetsACodecsPanicThroughWithNothingHeld(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"AppendKey", "AppendValue", "DecodeKey", "DecodeValue"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			e := untouchable(t, failAt(step, 3, func() error { panic("an odd one") }))
			check := unchanged(e)
			require.PanicsWithValue(t, "an odd one", func() {
				_ = e.Save(io.Discard)
				_ = e.Restore(bytes.NewReader(smallSnapshot(t, script{})))
			})
			require.Zero(t, e.Pins())
			check(t)
			within(t, func() { // no lock is held
				require.True(t, e.Touch("key 1"))
				require.NoError(t, e.Save(io.Discard))
			})
		})
	}
}

func TestSnapshotCallsUserCodeUnderNoLock(t *testing.T) {
	t.Parallel()
	var e *locmem.Engine[string, int]
	calls := map[string]int{}
	all := func(step string) error {
		calls[step]++
		e.Set("new", 1)
		e.Get("key 1")
		e.Delete("new")
		e.Evict(0)
		e.Stats()
		for range e.All() {
			break
		}
		return e.Resize(100, 0)
	}
	e = opened(t, locmem.Options[string, int]{
		MaxEntries: 100, Shards: 1, Codec: script{all},
		Weigh: func(string, int) int64 { return 1 },
	})
	for i := range 10 {
		e.Set("key "+strconv.Itoa(i), i)
	}
	within(t, func() {
		var b bytes.Buffer
		require.NoError(t, e.Save(io.MultiWriter(&b, writerFunc(func() { _ = all("Write") }))))
		e.Clear()
		require.NoError(t, e.Restore(io.TeeReader(&b, writerFunc(func() { _ = all("Read") }))))
	})
	require.Equal(t, 10, e.Len())
	for _, step := range []string{"AppendKey", "AppendValue", "DecodeKey", "DecodeValue", "Write", "Read"} {
		require.Positive(t, calls[step], step)
	}
}

// writerFunc is called for each write.
type writerFunc func()

func (f writerFunc) Write(b []byte) (int, error) {
	f()
	return len(b), nil
}

type panics struct{ N int }

func (panics) GobEncode() ([]byte, error) { panic("an odd one") }

func TestSaveMakesErrorsOfWhatGobDoesNotTake(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"pointer to a nil pointer", saveOne(t, new(*article)), "entry 1: value: gob: "},
		{"nil pointer in an interface", saveOne[any](t, (*place)(nil)), "entry 1: value: gob: "},
		{"type that is not registered", saveOne[any](t, article{}), "entry 1: value: gob: "},
		{"function", saveOne(t, new(func())), "entry 1: value: gob"},
		{"no exported field", saveOne(t, &struct{ n int }{1}), "entry 1: value: gob: "},
		{"panic", saveOne(t, &panics{}), "entry 1: value: gob: panic: an odd one"},
	} {
		require.ErrorContains(t, tc.err, tc.want, tc.name)
	}
}

// saveOne returns what saving a value says. Values are pointers or interfaces, all of
// which share the engine's code: of each other kind of values there is one more to compile.
func saveOne[V any](t *testing.T, value V) error {
	t.Helper()
	e := opened(t, locmem.Options[string, V]{MaxEntries: 1})
	e.Set("a", value)
	return e.Save(io.Discard)
}

func TestRestoreMakesErrorsOfWhatGobDoesNotRead(t *testing.T) {
	t.Parallel()
	parts := split(t, smallSnapshot(t, nil))
	entry := func(key, value string) []byte {
		return seal(parts[0], parts[1], []byte(fmt.Sprintf("E....\x00%c%s%c%s", len(key), key, len(value), value)), parts[3])
	}
	for name, bad := range map[string][]byte{
		"no key":           entry("", "\x03\x04\x00\x02"),
		"not gob":          entry("\x7f\x7f\x7f", "\x03\x04\x00\x02"),
		"another type":     entry("\x03\x04\x00\x02", "\x03\x04\x00\x02"),
		"more than a key":  entry("\x04\x0c\x00\x01a\x00", "\x03\x04\x00\x02"),
		"no value":         entry("\x04\x0c\x00\x01a", ""),
		"half of a value":  entry("\x04\x0c\x00\x01a", "\x03\x04"),
		"more than values": entry("\x04\x0c\x00\x01a", "\x03\x04\x00\x02\x03\x04\x00\x02"),
	} {
		e := untouchable(t, nil)
		check := unchanged(e)
		require.ErrorContains(t, e.Restore(bytes.NewReader(bad)), "entry 1: ", name)
		check(t, name)
	}
	// The helper is not what fails.
	e := untouchable(t, nil)
	end := []byte("Z....\x01\x00")
	good := seal(parts[0], parts[1], []byte("E....\x01\x01\x05\x04\x0c\x00\x01a\x04\x03\x04\x00\x02"), end)
	require.NoError(t, e.Restore(bytes.NewReader(good)), "a nanosecond to live, which is over")
}

func TestRestoreWeighsBeforeItStores(t *testing.T) {
	t.Parallel()
	e := opened(t, locmem.Options[string, int]{MaxEntries: 10})
	for i := range 5 {
		e.Set(strconv.Itoa(i), i)
	}
	snapshot := savedBytes(t, e)
	weighed := 0
	got := opened(t, locmem.Options[string, int]{MaxEntries: 10, Weigh: func(string, int) int64 {
		if weighed++; weighed == 5 {
			panic("too many")
		}
		return 1
	}})
	check := unchanged(got)
	require.PanicsWithValue(t, "too many", func() { _ = got.Restore(bytes.NewReader(snapshot)) })
	check(t)
}

// floats is a codec of which a NaN comes back whatever was saved.
type floats struct{}

func (floats) AppendKey(b []byte, _ float64) ([]byte, error) { return b, nil }
func (floats) AppendValue(b []byte, _ int) ([]byte, error)   { return b, nil }
func (floats) DecodeKey([]byte) (float64, error)             { return math.NaN(), nil }
func (floats) DecodeValue([]byte) (int, error)               { return 1, nil }

func TestRestoreStoresNoKeyThatIsNotItself(t *testing.T) {
	t.Parallel()
	opts := locmem.Options[float64, int]{MaxEntries: 10, Codec: floats{}}
	e := opened(t, opts)
	e.Set(1, 1)
	require.Zero(t, restored(t, savedBytes(t, e), opts).Len())
}

func TestSnapshotOfAClosedEngineIsErrClosed(t *testing.T) {
	t.Parallel()
	snapshot := smallSnapshot(t, script{})
	var e *locmem.Engine[string, int]
	fill := func(opts locmem.Options[string, int]) {
		opts.MaxWeight = 1000
		e = opened(t, opts)
		for i := range 100 {
			e.Set(strconv.Itoa(i), i)
		}
	}
	closing := func() error {
		e.Close()
		return nil
	}
	fill(locmem.Options[string, int]{})
	e.Close()
	var b bytes.Buffer
	require.ErrorIs(t, e.Save(&b), locmem.ErrClosed)
	require.Zero(t, b.Len())
	require.ErrorIs(t, e.Restore(iotest.ErrReader(errors.New("read"))), locmem.ErrClosed)

	// Closed while it runs: what was written is not taken for a snapshot of few.
	fill(locmem.Options[string, int]{Codec: failAt("AppendValue", 3, closing)})
	require.ErrorIs(t, e.Save(&b), locmem.ErrClosed)
	got := opened(t, locmem.Options[string, int]{MaxEntries: 10, Codec: script{}})
	require.ErrorIs(t, got.Restore(&b), locmem.ErrSnapshotDamaged)

	fill(locmem.Options[string, int]{Codec: failAt("DecodeValue", 3, closing)})
	require.ErrorIs(t, e.Restore(bytes.NewReader(snapshot)), locmem.ErrClosed)
	require.Zero(t, e.Len())
}

func TestSaveSeesWhatIsHeldThroughoutWhileWritersRun(t *testing.T) {
	t.Parallel()
	const stable = 500
	opts := locmem.Options[int, int]{MaxEntries: 100_000, Shards: 4}
	e := opened(t, opts)
	for key := range stable {
		e.Set(key, key, locmem.TTL(time.Hour), locmem.Idle(time.Hour))
	}
	done := make(chan struct{})
	var all sync.WaitGroup
	for g := range 2 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				key := stable + (i*7+g)%5000
				switch i % 4 {
				case 0, 1:
					e.Set(key, key, locmem.Idle(time.Hour))
				case 2:
					e.Delete(key)
				default:
					e.Get(i % stable)
					e.Touch(i%stable, locmem.TTL(time.Hour))
				}
			}
		})
	}
	for range 5 {
		got := restored(t, savedBytes(t, e), opts)
		for key := range stable {
			value, ok := got.Get(key)
			require.True(t, ok, "key %d", key)
			require.Equal(t, key, value)
		}
		for key, value := range got.All() {
			require.Equal(t, key, value)
		}
		require.NoError(t, e.Restore(bytes.NewReader(savedBytes(t, got)))) // with writers at work too
	}
	close(done)
	all.Wait()
}

// folder returns the names in a folder.
func folder(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range list {
		names = append(names, entry.Name())
	}
	return names
}

func TestSaveFileRoundTrips(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "cache.snapshot")
	opts := locmem.Options[int, string]{MaxEntries: 10_000}
	e := opened(t, opts)
	for size := range 3 {
		for i := range 3000 * size {
			e.Set(i, strconv.Itoa(i))
		}
		require.NoError(t, locmem.SaveFile(e, path))
		require.Equal(t, []string{"cache.snapshot"}, folder(t, dir))
		got := opened(t, opts)
		require.NoError(t, locmem.RestoreFile(got, path))
		require.Equal(t, maps.Collect(e.All()), maps.Collect(got.All()))
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "others may read it")
}

func TestSaveFileTakesAPathWithoutAFolder(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	e := opened(t, locmem.Options[int, int]{MaxEntries: 10})
	require.NoError(t, locmem.SaveFile(e, "snapshot"))
	require.Equal(t, []string{"snapshot"}, folder(t, dir))
}

func TestSaveFileLeavesTheOldFileWholeIfItFails(t *testing.T) {
	t.Parallel()
	odd := errors.New("an odd one")
	fill := func(opts locmem.Options[string, int]) *locmem.Engine[string, int] {
		opts.MaxEntries = 50_000
		e := opened(t, opts)
		for i := range 20_000 { // some frames
			e.Set(strconv.Itoa(i), i)
		}
		return e
	}
	for name, fails := range map[string]func(path string){
		"an error": func(path string) {
			e := fill(locmem.Options[string, int]{Codec: failAt("AppendValue", 15_000, func() error { return odd })})
			require.ErrorIs(t, locmem.SaveFile(e, path), odd)
		},
		"a panic": func(path string) {
			e := fill(locmem.Options[string, int]{Codec: failAt("AppendKey", 15_000, func() error { panic(odd) })})
			require.PanicsWithValue(t, odd, func() { _ = locmem.SaveFile(e, path) })
		},
		"a closed engine": func(path string) {
			e := fill(locmem.Options[string, int]{})
			e.Close()
			require.ErrorIs(t, locmem.SaveFile(e, path), locmem.ErrClosed)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "snapshot")
			require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
			fails(path)
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, "old", string(text))
			require.Equal(t, []string{"snapshot"}, folder(t, dir))
		})
	}
	t.Run("a folder in its place", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := filepath.Join(dir, "snapshot")
		require.NoError(t, os.Mkdir(path, 0o700))
		e := fill(locmem.Options[string, int]{})
		require.ErrorContains(t, locmem.SaveFile(e, path), "locmem: SaveFile: ")
		require.Equal(t, []string{"snapshot"}, folder(t, dir))
		require.ErrorContains(t, locmem.RestoreFile(e, path), "locmem: Restore: ")
	})
	t.Run("no folder", func(t *testing.T) {
		t.Parallel()
		e := opened(t, locmem.Options[string, int]{MaxEntries: 1})
		require.ErrorIs(t, locmem.SaveFile(e, filepath.Join(t.TempDir(), "none", "snapshot")), fs.ErrNotExist)
	})
}

func TestRestoreFileTellsThatThereIsNone(t *testing.T) {
	t.Parallel()
	e := untouchable(t, nil)
	check := unchanged(e)
	require.ErrorIs(t, locmem.RestoreFile(e, filepath.Join(t.TempDir(), "none")), fs.ErrNotExist)
	check(t)
}

func TestRestoreFileRefusesAFileThatGoesOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "snapshot")
	e := untouchable(t, nil)
	check := unchanged(e)
	snapshot := smallSnapshot(t, nil)
	for _, more := range [][]byte{{0}, snapshot} {
		require.NoError(t, os.WriteFile(path, append(slices.Clone(snapshot), more...), 0o600))
		require.ErrorIs(t, locmem.RestoreFile(e, path), locmem.ErrSnapshotDamaged)
	}
	require.NoError(t, os.WriteFile(path, snapshot[:len(snapshot)-1], 0o600))
	require.ErrorIs(t, locmem.RestoreFile(e, path), locmem.ErrSnapshotDamaged)
	check(t)
}
