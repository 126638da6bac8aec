// SPDX-License-Identifier: MIT

package fuzz

import (
	std "bytes"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/internal/hook"
)

// item is a value with a bit of everything that gob takes apart.
type item struct {
	Name string
	Tags []string
	N    map[string]int
	Next *item
}

// plain is a codec under which all bytes are a key and a value.
type plain struct{}

func (plain) AppendKey(b []byte, key string) ([]byte, error)     { return append(b, key...), nil }
func (plain) AppendValue(b []byte, value string) ([]byte, error) { return append(b, value...), nil }
func (plain) DecodeKey(b []byte) (string, error)                 { return string(b), nil }
func (plain) DecodeValue(b []byte) (string, error)               { return string(b), nil }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	preludeSize = 16
	headSize    = 5
	sumSize     = 4
)

// sound reports whether data begins with a prelude and frames up to an end whose
// checksums are all right.
func sound(data []byte) bool {
	sum := uint32(0)
	for size, first := preludeSize, true; ; first = false {
		if !first {
			if len(data) < headSize {
				return false
			}
			size = headSize + int(binary.BigEndian.Uint32(data[1:])) + sumSize
		}
		if size < 0 || len(data) < size {
			return false
		}
		sum = crc32.Update(sum, castagnoli, data[:size-sumSize])
		if sum != binary.BigEndian.Uint32(data[size-sumSize:]) {
			return false
		}
		if !first && data[0] == 'Z' {
			return true
		}
		data = data[size:]
	}
}

// forged is a snapshot with the prelude and the header of another, data as its one
// frame of entries, and an end that says count. All its checksums are right.
func forged(like, data []byte, count byte) []byte {
	header := headSize + int(binary.BigEndian.Uint32(like[preludeSize+1:]))
	parts := [][]byte{
		like[:preludeSize-sumSize],
		like[preludeSize : preludeSize+header],
		append([]byte("E\x00\x00\x00\x00"), data...),
		{'Z', 0, 0, 0, 2, count & 0x7f, 0},
	}
	binary.BigEndian.PutUint32(parts[2][1:], uint32(len(data)))
	var out []byte
	sum := uint32(0)
	for _, part := range parts {
		sum = crc32.Update(sum, castagnoli, part)
		out = binary.BigEndian.AppendUint32(append(out, part...), sum)
	}
	return out
}

// FuzzSnapshot restores engines from bytes: as they are, or as the entries of a
// snapshot that is otherwise sound. Whatever they are, the engine is sound and
// within its bounds afterwards, no more memory was asked for than they account for,
// and the engine is as it was unless they were a sound snapshot.
func FuzzSnapshot(f *testing.F) {
	clock := locmem.NewManualClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	items := locmem.Options[string, item]{MaxEntries: 8, Shards: 2, Clock: clock}
	texts := locmem.Options[string, string]{MaxWeight: 20, Shards: 1, Clock: clock, Codec: plain{}}

	a := locmem.Must(locmem.New(items))
	a.Set("a", item{"A", []string{"x"}, map[string]int{"y": 1}, &item{Name: "B"}})
	a.Set("b", item{}, locmem.TTL(time.Hour), locmem.Idle(time.Minute))
	likeItems := saved(f, a)
	b := locmem.Must(locmem.New(texts))
	b.Set("a", "A", locmem.Weight(3))
	b.Set("b", "B", locmem.TTL(time.Hour), locmem.Idle(time.Minute))
	likeTexts := saved(f, b)

	for _, like := range [][]byte{likeItems, likeTexts} {
		header := preludeSize + headSize + int(binary.BigEndian.Uint32(like[preludeSize+1:])) + sumSize
		entries := like[header+headSize:]
		entries = entries[:binary.BigEndian.Uint32(like[header+1:])]
		for _, gob := range []bool{false, true} {
			f.Add(like, gob, false, byte(0))
			f.Add(like[:len(like)-1], gob, false, byte(0))
			f.Add(like[:header], gob, false, byte(0))
			f.Add(append(slices.Clone(like[:header]), 'E', 0x3f, 0xff, 0xff, 0xff), gob, false, byte(0))
			f.Add(entries, gob, true, byte(2))
			f.Add(entries, gob, true, byte(1))
			f.Add([]byte{}, gob, true, byte(0))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, gob, forge bool, count byte) {
		if gob {
			if forge {
				data = forged(likeItems, data, count)
			}
			restore(t, items, data)
			return
		}
		if forge {
			data = forged(likeTexts, data, count)
		}
		restore(t, texts, data)
	})
}

// saved returns a snapshot of an engine.
func saved[V any](t testing.TB, e *locmem.Engine[string, V]) []byte {
	t.Helper()
	var b std.Buffer
	require.NoError(t, e.Save(&b))
	return b.Bytes()
}

// restore restores a new engine from data and checks what came of it.
func restore[V any](t *testing.T, opts locmem.Options[string, V], data []byte) {
	t.Helper()
	e := locmem.Must(locmem.New(opts))
	defer e.Close()
	var zero V
	e.Set("held", zero)
	contents, stats := maps.Collect(e.All()), e.Stats()

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := e.Restore(std.NewReader(data))
	runtime.ReadMemStats(&after)
	bound := uint64(1<<20 + 1000*len(data))
	if opts.Codec == nil {
		bound += 15 << 20 // gob asks for 10 MiB ahead where a forged message claims more
	}
	require.Less(t, after.TotalAlloc-before.TotalAlloc, bound, "for %d bytes", len(data))

	require.NoError(t, hook.Validate(e))
	if opts.MaxEntries > 0 {
		require.LessOrEqual(t, e.Len(), opts.MaxEntries)
	}
	if err != nil {
		require.Equal(t, contents, maps.Collect(e.All()))
		require.Equal(t, stats, e.Stats())
		return
	}
	require.True(t, sound(data), "restored without an error")

	// What was restored can be saved and restored once more.
	again := locmem.Must(locmem.New(opts))
	defer again.Close()
	require.NoError(t, again.Restore(std.NewReader(saved(t, e))))
	require.Equal(t, maps.Collect(e.All()), maps.Collect(again.All()))
	require.Equal(t, e.Weight(), again.Weight())
}
