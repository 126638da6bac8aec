// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func nothing(int) {}

// testStore opens a database that holds the products with those keys.
func testStore(t *testing.T, keys ...uint64) *store {
	t.Helper()
	path, _, err := makeDatabase(t.Context(), t.TempDir(), 1, keys, nothing)
	require.NoError(t, err)
	s, err := openStore(t.Context(), path)
	require.NoError(t, err)
	return s
}

func TestStoreAnswersWhatWasMade(t *testing.T) {
	t.Parallel()
	keys := []uint64{0, 1, 2, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64}
	s := testStore(t, keys...)
	defer func() { assert.NoError(t, s.Close()) }()
	for _, key := range keys {
		got, err := s.Product(t.Context(), key)
		require.NoError(t, err)
		assert.Equal(t, makeProduct(1, key).Product, got)
	}
	_, err := s.Product(t.Context(), 3)
	require.ErrorIs(t, err, errNotFound)
	assert.EqualValues(t, len(keys)+1, s.Queries())
}

func TestProductsDifferBySeedAndID(t *testing.T) {
	t.Parallel()
	first := makeProduct(1, 2)
	assert.Equal(t, first, makeProduct(1, 2))
	assert.NotEqual(t, first.Name, makeProduct(1, 3).Name)
	assert.NotEqual(t, first.Name, makeProduct(2, 2).Name)
}

func TestEveryConnectionHasTheStatedPageCache(t *testing.T) {
	t.Parallel()
	s := testStore(t, 1)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	for range connections {
		conn, err := s.db.Conn(t.Context()) // held until the end: each turn gets another one
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, conn.Close()) })
		var size int
		require.NoError(t, conn.QueryRowContext(t.Context(), "PRAGMA cache_size").Scan(&size))
		assert.Equal(t, -pageCacheKiB, size)
		var mode string
		require.NoError(t, conn.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&mode))
		assert.Equal(t, "wal", mode)
		_, err = conn.ExecContext(t.Context(), "DELETE FROM product")
		assert.Error(t, err, "the store only reads")
	}
	assert.Equal(t, connections, s.db.Stats().OpenConnections)
}

func TestKeptDatabaseIsUsedAgainOnlyForTheSameData(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "odd name?#%20")
	require.NoError(t, os.Mkdir(dir, 0o700))
	keys := []uint64{1, 2, 3}
	path, reused, err := makeDatabase(t.Context(), dir, 1, keys, nothing)
	require.NoError(t, err)
	assert.False(t, reused)
	require.FileExists(t, path)

	again, reused, err := makeDatabase(t.Context(), dir, 1, keys, nothing)
	require.NoError(t, err)
	assert.True(t, reused)
	assert.Equal(t, path, again)

	_, _, err = makeDatabase(t.Context(), dir, 2, keys, nothing)
	require.ErrorContains(t, err, "holds other data")
	_, _, err = makeDatabase(t.Context(), dir, 1, []uint64{1, 2, 4}, nothing)
	require.ErrorContains(t, err, "holds other data")
}

func TestForeignFileIsNeverOverwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, databaseFile)
	require.NoError(t, os.WriteFile(path, []byte("my notes"), 0o600))
	_, _, err := makeDatabase(t.Context(), dir, 1, []uint64{1}, nothing)
	require.ErrorContains(t, err, "is not a database of this program")
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "my notes", string(kept))
}

func TestFillThatIsCutShortLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	keys := make([]uint64, 2000)
	for i := range keys {
		keys[i] = uint64(i)
	}
	_, _, err := makeDatabase(ctx, dir, 1, keys, func(done int) {
		if done == 100 {
			cancel()
		}
	})
	require.Error(t, err)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}
