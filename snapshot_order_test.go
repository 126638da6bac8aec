// SPDX-License-Identifier: MIT

package locmem_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
)

func TestASnapshotKeepsAnExactOrder(t *testing.T) {
	t.Parallel()
	open := func(shards, limit int) *locmem.Engine[int, int] {
		e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: limit, Shards: shards, Policy: evict.LRU}))
		t.Cleanup(e.Close)
		return e
	}
	e := open(8, 100)
	for key := range 100 {
		e.Set(key, key)
	}
	for key := range 50 {
		e.Get(99 - 2*key) // the odd ones, the smallest last
	}
	var snapshot bytes.Buffer
	require.NoError(t, e.Save(&snapshot))
	saved := snapshot.Bytes()

	again := open(2, 100)
	require.NoError(t, again.Restore(bytes.NewReader(saved)))
	for key := range 50 {
		again.Set(1000+key, key)
		require.False(t, again.Has(2*key), "key %d", 2*key)
		require.Equal(t, 100, again.Len())
	}
	again.Set(2000, 1)
	require.False(t, again.Has(99))
	require.True(t, again.Has(1))

	small := open(4, 3)
	require.NoError(t, small.Restore(bytes.NewReader(saved)))
	require.Equal(t, map[int]int{1: 1, 3: 3, 5: 5}, small.GetMany([]int{1, 3, 5}), "of more than fits the most recently used stay")
}
