// SPDX-License-Identifier: MIT

package lockorder

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// engine builds the program of the engine's tests, once for all tests here.
var engine = sync.OnceValues(func() (Program, error) {
	folder, err := os.MkdirTemp("", "lockorder")
	if err != nil {
		return Program{}, err
	}
	built = folder
	return Build(context.Background(), root, ".", folder)
})

// built is the folder of what engine has built.
var built string

func TestMain(m *testing.M) {
	status := m.Run()
	if built != "" {
		if err := os.RemoveAll(built); err != nil {
			panic(err)
		}
	}
	os.Exit(status)
}

// skipped are the tests that fail with other mutexes, or say too little for their time.
var skipped = strings.Join([]string{
	// The detector allocates whenever a lock is taken.
	"^TestHotPathsAllocateNothing$",
	"^TestReadsOfTaggedEntriesAllocateNothing$",
	"^TestReadsAllocateNoKeyAndWritesOne$",
	"^TestW2AHitOfAKeptValueAllocatesNothing$",
	// To validate an engine is to hold the locks of all its shards, and the detector looks
	// at each pair of them. These do so after each call, from a listener, and for each of
	// many engines: more than a minute together, twice as long as all other tests. They run
	// with fewer shards.
	"^TestEveryAnswerIsTheModels$/./^64_shards$",
	"^TestTheBoundHoldsAtEveryInstant$/in_256_shards",
	"^TestASetOfKeysThatFitsIsKeptWhole$/./in_256_shards",
	// Its engine has one shard, which is read without an end while another goroutine writes.
	"^TestReadersSeeTheWritesOfAKeyInTheirOrder$",
}, "|")

func TestNoLockOrderIsInverted(t *testing.T) {
	program, err := engine()
	require.NoError(t, err)
	front, err := Build(t.Context(), root, "cache", t.TempDir())
	require.NoError(t, err)
	tests := 0
	for _, p := range []struct {
		name    string
		program Program
		least   int // so that a choice that has become one of nothing is noticed
	}{{"engine", program, 1000}, {"cache", front, 400}} {
		result, err := p.program.Run(t.Context(), false, "-test.short", "-test.timeout=5m", "-test.skip="+skipped)
		require.NoError(t, err, p.name)
		require.Empty(t, result.Inversions, p.name)
		require.GreaterOrEqual(t, result.Tests, p.least, p.name)
		tests += result.Tests
	}
	t.Logf("figure: %d tests, 0 inversions", tests)
}

// Were there no detector in the program, or did nobody read what it says, the test above
// would pass as well.
func TestAnInvertedOrderIsNoticed(t *testing.T) {
	program, err := engine()
	require.NoError(t, err)
	result, err := program.Run(t.Context(), true, "-test.short", "-test.timeout=1m", "-test.run=Move")
	require.NoError(t, err)
	require.NotEmpty(t, result.Inversions)
	require.Contains(t, result.Inversions[0], "Inconsistent locking")
	require.Contains(t, result.Inversions[0], "lockBoth", "it is about another place than that of the planted fault")

	sound, err := program.Run(t.Context(), false, "-test.short", "-test.timeout=1m", "-test.run=Move")
	require.NoError(t, err)
	require.Empty(t, sound.Inversions)
	require.Positive(t, sound.Tests)
}
