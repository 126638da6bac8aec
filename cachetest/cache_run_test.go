// SPDX-License-Identifier: MIT

package cachetest

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/internal/lin"
)

func TestEveryStatementOfAnyCacheHasAnIDOfItsOwn(t *testing.T) {
	ids := map[string]bool{}
	for i, st := range cacheStatements() {
		require.False(t, ids[st.id], "%s is there twice", st.id)
		ids[st.id] = true
		require.Regexp(t, `^[A-Za-z0-9_]+$`, st.name(), "it is typed after -run")
		require.Equal(t, CacheStatement{st.id, st.says, st.basis}, CacheStatements()[i])
	}
}

// check runs statements of the test's own on an engine.
func check(t *testing.T, config CacheConfig, all ...cacheStatement) (map[string]*recording, tally) {
	t.Helper()
	tests := map[string]*recording{}
	total := runCache(t, all, engineCache, config, true, func(name string, body func(testing.TB)) {
		id, _, _ := strings.Cut(name, "_")
		tests[id] = runRecorded(t, body)
	})
	return tests, total
}

func TestWhatACacheDoesNotClaimIsSkipped(t *testing.T) {
	never := func(*cacheRun) { panic("it was checked") }
	config := CacheConfig{
		Documented: map[string]string{"X2": "page 1"}, Disclaimed: map[string]string{"X4": "page 2"},
		SettlesLater: "page 3", MayDrop: "page 4", Unbounded: "page 5",
	}
	tests, total := check(t, config,
		cacheStatement{"X1", "not promised", Promised, "", false, never},
		cacheStatement{"X2", "promised", Promised, "Len Sure", false, never},
		cacheStatement{"X3", "a function is missing", Granted, "Notices", false, never},
		cacheStatement{"X4", "disclaimed", Granted, "", false, never},
		cacheStatement{"X5", "not at once", Granted, "Add Now", false, never},
		cacheStatement{"X6", "without a limit", Granted, "Bounded", false, never},
		cacheStatement{"X7", "it gives up", Granted, "", false, func(s *cacheRun) { s.skip("no reason") }},
	)
	assert.Equal(t, tally{skipped: []string{"X1", "X2", "X3", "X4", "X5", "X6", "X7"}}, total)
	for id, why := range map[string]string{
		"X1": "its documentation does not promise it", "X2": "page 4", "X3": "it has no Notices", "X4": "page 2",
		"X5": "page 3", "X6": "page 5", "X7": "no reason",
	} {
		assert.Equal(t, []string{"not claimed: " + why}, tests[id].said)
	}
}

func TestAFailureSaysWhyAndHow(t *testing.T) {
	tests, total := check(t, CacheConfig{Documented: map[string]string{"X2": "page 1"}},
		cacheStatement{"X1", "it fails", Granted, "", false, func(s *cacheRun) {
			c := s.cache(CacheOptions{})
			c.set("a", 1)
			c.want("a", 2)
		}},
		cacheStatement{"X2", "it panics", Promised, "", false, func(*cacheRun) { panic("at the disco") }},
		cacheStatement{"X3", "it holds", Granted, "", false, func(*cacheRun) {}},
	)
	assert.Equal(t, 2, total.failed)
	assert.Equal(t, []string{"X1 does not hold: it fails\nbasis: taken for granted\nwrong answer: Get(\"a\") finds 1, not 2\n" +
		"the calls:\n\tSet(\"a\", 1)\n\tGet(\"a\"), which should find 2"}, tests["X1"].said)
	assert.Contains(t, tests["X2"].said[0], "basis: promised by its documentation: page 1\ncrash: panic: at the disco\n")
	assert.Empty(t, tests["X3"].said)
}

// What a child does is seen from outside: each way in which one can end.
func TestChildrenTellHowTheyEnd(t *testing.T) {
	if id := childOf(t.Name()); id != "" {
		checkInChild(t, id, engineCache, engineConfig())
	}
	s := newCacheRun(t, engineCache, engineConfig())
	assert.Nil(t, s.checkInAnotherProcess(t.Name(), cacheStatement{id: "C1"}))
	assert.NotEmpty(t, s.calls.String(), "the child's calls are lost")
	o := s.checkInAnotherProcess(t.Name(), cacheStatement{id: "B26"})
	require.NotNil(t, o)
	assert.Equal(t, "the panic does not reach the caller", o.skip)
	o = s.checkInAnotherProcess(t.Name(), cacheStatement{id: "no such statement"})
	require.NotNil(t, o)
	assert.Equal(t, crash, o.kind)
	assert.Contains(t, o.says, "there is no statement no such statement")
	assert.Empty(t, os.Getenv(childVariable), "it is for children alone")
}

func TestAShrunkHistoryIsSmallAndStillHasNoOrder(t *testing.T) {
	set := func(at, value int64) lin.Op {
		return lin.Op{Call: at, Return: at + 1, Then: lin.Left, New: value, Name: "Set"}
	}
	get := func(at, value int64) lin.Op {
		return lin.Op{Call: at, Return: at + 1, Need: lin.Held, Old: value, Name: "Get"}
	}
	ops := []lin.Op{set(1, 1), get(3, 1), set(5, 2), get(7, 2), get(9, 2), get(11, 1), set(13, 3), get(15, 3)}
	require.Error(t, lin.Check(lin.Strict, ops))
	assert.Equal(t, []lin.Op{set(5, 2), get(11, 1)}, shrunk(lin.Strict, ops))

	// The second Set is under way when the stale Get begins: it may not be left out.
	late := set(8, 2)
	late.Return = 20
	ops = []lin.Op{set(1, 1), late, get(10, 2), get(12, 1), get(30, 2)}
	require.Error(t, lin.Check(lin.Strict, ops))
	assert.Equal(t, []lin.Op{set(1, 1), late, get(10, 2), get(12, 1)}, shrunk(lin.Strict, ops))
}
