// SPDX-License-Identifier: MIT

package cache_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/cache"
)

// slowFaults is what KeyFaults returns, written plainly.
func slowFaults(key string) []cache.KeyFault {
	var faults []cache.KeyFault
	if utf8.RuneCountInString(key) > 250 {
		faults = append(faults, cache.KeyFault{Reason: cache.TooLong, Key: key})
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r == 127 }) {
		faults = append(faults, cache.KeyFault{Reason: cache.BadCharacter, Key: key})
	}
	return faults
}

func TestEveryByteIsLookedAtWhereverItIs(t *testing.T) {
	t.Parallel()
	for length := 1; length <= 40; length++ {
		for at := range length {
			for c := range 256 {
				key := []byte(strings.Repeat("~", length))
				key[at] = byte(c)
				require.Equal(t, slowFaults(string(key)), cache.KeyFaults(string(key)), "byte %#x at %d of %d", c, at, length)
			}
		}
	}
}

// TestNeighboursHideNoByte has keys of bytes at the edges only, of which each may
// borrow from the next where eight are looked at together.
func TestNeighboursHideNoByte(t *testing.T) {
	t.Parallel()
	edges := []byte{0, 1, 0x1f, ' ', '!', '"', 0x7e, 0x7f, 0x80, 0x81, 0x9f, 0xa0, 0xa1, 0xfe, 0xff}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		key := make([]byte, 1+random.IntN(20))
		for i := range key {
			key[i] = edges[random.IntN(len(edges))]
			if random.IntN(4) > 0 && (key[i] <= ' ' || key[i] == 0x7f) {
				key[i] = '!'
			}
		}
		require.Equal(t, slowFaults(string(key)), cache.KeyFaults(string(key)), "%q", key)
	}
}

func TestAKeyFaultSaysWhatItIs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 251)
	for _, test := range []struct {
		fault      cache.KeyFault
		text, word string
	}{
		{cache.KeyFault{Reason: cache.TooLong, Key: long}, `cache: key "` + long + `" is too long: 251 characters, of at most 250`, "too long"},
		{cache.KeyFault{Reason: cache.BadCharacter, Key: "a\nb"}, `cache: key "a\nb" has a space or a control character`, "bad character"},
		{cache.KeyFault{Key: "k"}, `cache: key "k" has no fault`, "none"},
		{cache.KeyFault{Reason: 99, Key: "k"}, `cache: key "k" has no fault`, "none"},
	} {
		assert.EqualError(t, test.fault, test.text)
		assert.Equal(t, test.word, test.fault.Reason.String())
		var out bytes.Buffer
		slog.New(slog.NewTextHandler(&out, nil)).Info("", "fault", test.fault)
		assert.Contains(t, out.String(), "fault.reason=")
		assert.Contains(t, out.String(), test.word)
		group := test.fault.LogValue().Group()
		require.Len(t, group, 2)
		assert.Equal(t, slog.String("reason", test.word), group[0])
		assert.Equal(t, slog.String("key", test.fault.Key), group[1])
	}
}

func TestRefuseFaultsJoinsThemInOrder(t *testing.T) {
	t.Parallel()
	assert.NoError(t, cache.RefuseFaults(strings.Repeat("k", cache.MaxKeyLength)))
	assert.NoError(t, cache.RefuseFaults(""))
	key := strings.Repeat("k", 250) + " "
	err := cache.RefuseFaults(key)
	var first cache.KeyFault
	require.ErrorAs(t, err, &first)
	assert.Equal(t, cache.KeyFault{Reason: cache.TooLong, Key: key}, first)
	assert.ErrorIs(t, err, cache.KeyFault{Reason: cache.BadCharacter, Key: key})
	assert.NotErrorIs(t, cache.RefuseFaults("a b"), cache.KeyFault{Reason: cache.TooLong, Key: "a b"})
}

// BenchmarkFaultless has keys without faults, of so many bytes.
func BenchmarkFaultless(b *testing.B) {
	for _, length := range []int{4, 10, 24, 60, 250} {
		key := strings.Repeat("k", length)
		b.Run(fmt.Sprintf("%03d", length), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if cache.KeyFaults(key) != nil {
					b.Fatal(key)
				}
			}
		})
	}
}
