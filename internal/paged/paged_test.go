// SPDX-License-Identifier: MIT

package paged

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestElementsKeepTheirContentsAcrossGrowth(t *testing.T) {
	a := New[uint64]()
	require.Zero(t, a.Len())
	for i := range uint32(20_000) {
		a.Grow(i)
		require.Greater(t, a.Len(), int(i))
		require.Zero(t, *a.At(i), "a new element is not zero")
		*a.At(i) = uint64(i) * 3
	}
	for i := range uint32(20_000) {
		require.Equal(t, uint64(i)*3, *a.At(i))
	}
}

func TestPagesHoldAtMostOneAllocationClass(t *testing.T) {
	type big struct{ _ [5000]byte }
	for _, tc := range []struct {
		name        string
		shift, want uint8
	}{
		{"byte", New[byte]().shift, 12},
		{"word", New[uint64]().shift, 12},
		{"cache line", New[[64]byte]().shift, 9},
		{"5,000 bytes", New[big]().shift, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, tc.shift)
		})
	}
}

func TestTruncateGivesPagesBackAndKeepsTheRest(t *testing.T) {
	a := New[[64]byte]()
	a.Grow(10_000)
	*a.At(700) = [64]byte{7}
	pages := len(a.pages)
	a.Truncate(701)
	require.Less(t, len(a.pages), pages)
	require.Equal(t, [64]byte{7}, *a.At(700))
	a.Grow(10_000)
	require.Zero(t, *a.At(9_999), "memory given back came back with contents")
	a.Truncate(0)
	require.Zero(t, a.Len())
}

func TestGrowWithinTakesNoMoreThanMost(t *testing.T) {
	a := New[uint64]()
	for _, most := range []uint32{5, 11, 4096, 4100, 9000} {
		for i := range most {
			a.GrowWithin(i, most)
			require.LessOrEqual(t, a.Len(), int(most))
			*a.At(i) = uint64(i)
		}
		require.Equal(t, int(most), a.Len())
	}
	for i := range uint32(9000) {
		require.Equal(t, uint64(i), *a.At(i))
	}
	a.Grow(9000)
	require.Equal(t, 2*4096+2*(9000-2*4096), a.Len(), "the last page doubles")
	require.EqualValues(t, 8999, *a.At(8999))
}
