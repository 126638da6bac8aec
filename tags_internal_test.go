// SPDX-License-Identifier: MIT

package locmem

import (
	"context"
	"errors"
	"math"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Purge removes what was invalidated at once.
func (e *Engine[K, V]) Purge() {
	e.purge()
	e.deliverAll()
}

// known returns how many tags the engine knows, and how many of them wait for
// loads.
func (e *Engine[K, V]) known() (records, waiting int) {
	for i := range e.tags.stripes {
		st := &e.tags.stripes[i]
		st.mu.Lock()
		records += len(st.records)
		waiting += len(st.waiting)
		st.mu.Unlock()
	}
	return records, waiting
}

// requireKnown fails unless so many tags are known, all in order.
func requireKnown(t *testing.T, e *Engine[int, int], records, waiting int, what ...any) {
	t.Helper()
	r, w := e.known()
	require.Equal(t, records, r, what...)
	require.Equal(t, waiting, w, what...)
	require.EqualValues(t, waiting, e.tags.waiting.Load(), what...)
	require.NoError(t, e.Validate(), what...)
}

// tagEngine returns an engine of one shard whose clock moves by hand.
func tagEngine(t *testing.T, opts Options[int, int]) (*Engine[int, int], *ManualClock) {
	t.Helper()
	clock := NewManualClock(time.Unix(0, 0))
	opts.Clock, opts.Shards = clock, 1
	if opts.MaxEntries == 0 {
		opts.MaxEntries = 1000
	}
	e := Must(New(opts))
	t.Cleanup(e.Close)
	return e, clock
}

func TestUntaggedEntriesCostNothing(t *testing.T) {
	t.Parallel()
	e, clock := tagEngine(t, Options[int, int]{})
	for key := range 1000 {
		e.Set(key, key, Tags())
		e.Set(key, key, KeepTTL())
		e.Get(key)
	}
	e.InvalidateTags("nobody's")
	require.Equal(t, int64(never), e.purgeAt.Load(), "there is nothing to purge")
	clock.Advance(time.Hour)
	requireKnown(t, e, 0, 0)
	require.Nil(t, e.shards[0].tagged)
}

// An invalidation takes as long as no lock of a shard is needed for, whether one
// entry carries the tag or thousands do.
func TestAnInvalidationTakesNoShardsLock(t *testing.T) {
	t.Parallel()
	e := Must(New(Options[int, int]{Unbounded: true}))
	t.Cleanup(e.Close)
	for key := range 10_000 {
		e.Set(key, key, Tags("all", strconv.Itoa(key)))
	}
	for i := range e.shards {
		e.shards[i].mu.Lock()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.InvalidateTags("all", "7", "nobody's")
	}()
	waits := false
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		waits = true
	}
	for i := range e.shards {
		e.shards[i].mu.Unlock()
	}
	require.False(t, waits, "it waits for a shard's lock")
	require.False(t, e.Has(7))
}

func TestATagThatNothingCarriesIsForgotten(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, tc := range []struct {
		name string
		do   func(e *Engine[int, int], clock *ManualClock) // with key 1 tagged a and b
	}{
		{"Delete", func(e *Engine[int, int], _ *ManualClock) { e.Delete(1) }},
		{"Take", func(e *Engine[int, int], _ *ManualClock) { e.Take(1) }},
		{"Set", func(e *Engine[int, int], _ *ManualClock) { e.Set(1, 2) }},
		{"Set of what has expired", func(e *Engine[int, int], _ *ManualClock) { e.Set(1, 2, TTL(0), Tags("c")) }},
		{"Set of what is too heavy", func(e *Engine[int, int], _ *ManualClock) { e.Set(1, 2, Weight(1<<40), Tags("c")) }},
		{"Compute", func(e *Engine[int, int], _ *ManualClock) {
			e.Compute(1, func(Entry[int], bool) (int, Op) { return 0, Remove })
		}},
		{"Evict", func(e *Engine[int, int], _ *ManualClock) { e.Evict(1) }},
		{"Resize", func(e *Engine[int, int], _ *ManualClock) { e.Set(2, 2); e.Get(2); _ = e.Resize(1, 0); e.Evict(1) }},
		{"Clear", func(e *Engine[int, int], _ *ManualClock) { e.Clear() }},
		{"Close", func(e *Engine[int, int], _ *ManualClock) { e.Close() }},
		{"Set after Close", func(e *Engine[int, int], _ *ManualClock) { e.Close(); e.Set(1, 1, Tags("c")) }},
		{"its deadline", func(_ *Engine[int, int], clock *ManualClock) { clock.Advance(time.Hour) }},
		{"purge", func(e *Engine[int, int], clock *ManualClock) { e.InvalidateTags("b"); clock.Advance(1) }},
		{"Add after an invalidation", func(e *Engine[int, int], _ *ManualClock) { e.InvalidateTags("b"); e.Add(1, 1) }},
		{"Clear after an invalidation", func(e *Engine[int, int], _ *ManualClock) { e.InvalidateTags("a", "c"); e.Clear() }},
		{"a load", func(e *Engine[int, int], _ *ManualClock) {
			e.InvalidateTags("b")
			_, _ = e.GetOrSet(ctx, 1, func(context.Context, int) (int, error) { return 2, nil })
		}},
		{"a load that fails", func(e *Engine[int, int], _ *ManualClock) {
			e.InvalidateTags("b")
			_, _ = e.GetOrSet(ctx, 1, func(context.Context, int) (int, error) { return 0, errors.New("x") }, Tags("c"))
		}},
		{"a load that finds nothing", func(e *Engine[int, int], _ *ManualClock) {
			e.Delete(1)
			_, _ = e.GetOrSet(ctx, 1, func(context.Context, int) (int, error) { return 0, ErrNotFound }, Tags("c"))
		}},
		{"a load older than an invalidation", func(e *Engine[int, int], _ *ManualClock) {
			e.Delete(1)
			_, _ = e.GetOrSet(ctx, 1, func(context.Context, int) (int, error) {
				e.InvalidateTags("c", "d")
				return 2, nil
			}, Tags("e", "c"))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e, clock := tagEngine(t, Options[int, int]{MaxWeight: 1000, NegativeTTL: time.Minute})
			e.Set(1, 1, Tags("a", "b", "a"), TTL(time.Hour))
			requireKnown(t, e, 2, 0)
			tc.do(e, clock)
			for range 1000 { // a load's goroutine lets its caller go before it looks at the tags
				if _, waiting := e.known(); waiting == 0 {
					break
				}
				runtime.Gosched()
			}
			requireKnown(t, e, 0, 0)
		})
	}
}

// A million tags come and go, some of them invalidated, and those of a hundred
// entries are left.
func TestTagsThatComeAndGoLeaveNothing(t *testing.T) {
	t.Parallel()
	const held, each = 100, 20
	writes := 50_000
	if testing.Short() {
		writes = 2000
	}
	e, _ := tagEngine(t, Options[int, int]{MaxEntries: held})
	names := make([]string, each)
	for i := range writes {
		for j := range names {
			names[j] = strconv.Itoa(i*each + j)
		}
		e.Set(i, i, Tags(names...))
		if i%3 == 0 {
			e.InvalidateTags(names[7], strconv.Itoa((i-held/2)*each), strconv.Itoa(-i))
		}
	}
	records, waiting := e.known()
	require.LessOrEqual(t, records, held*each)
	require.Zero(t, waiting)
	require.LessOrEqual(t, int(e.shards[0].top), held, "slots are used again")
	e.Clear()
	requireKnown(t, e, 0, 0)
}

// holding is a loader that waits.
type holding struct{ begun, end chan struct{} }

// load starts a load of a key that ends when h.end is closed.
func load(ctx context.Context, e *Engine[int, int], key int, opts ...EntryOption) (h holding, done chan struct{}) {
	h, done = holding{make(chan struct{}), make(chan struct{})}, make(chan struct{})
	go func() {
		defer close(done)
		_, _ = e.GetOrSet(ctx, key, func(context.Context, int) (int, error) {
			close(h.begun)
			<-h.end
			return key, nil
		}, opts...)
	}()
	<-h.begun
	return h, done
}

// The number of a tag's last invalidation is kept until no load is older.
func TestATagWaitsForTheLoadsThatMayBringIt(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, tc := range []struct {
		name string
		end  func(e *Engine[int, int], h holding, leave func())
	}{
		{"the load ends", func(_ *Engine[int, int], h holding, _ func()) { close(h.end) }},
		{"its caller leaves", func(_ *Engine[int, int], h holding, leave func()) { leave(); synctest.Wait(); close(h.end) }},
		{"Close", func(e *Engine[int, int], h holding, _ func()) { e.Close(); close(h.end) }},
		{"a write overtakes it", func(e *Engine[int, int], h holding, _ func()) { e.Set(1, 1); e.Delete(1); close(h.end) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, _ := tagEngine(t, Options[int, int]{})
				e.Set(2, 2, Tags("carried"))
				ctx, leave := context.WithCancel(ctx)
				defer leave()
				older, olderDone := load(ctx, e, 1, Tags("a"))
				e.Set(3, 3, Tags("fresh"))
				e.Delete(3)
				requireKnown(t, e, 1, 0, "a tag that was never invalidated need not wait")
				e.InvalidateTags("a", "b", "carried")
				e.InvalidateTags("a")
				e.Delete(2)
				requireKnown(t, e, 3, 3)
				e.Set(2, 2, Tags("b")) // carried again while it waits
				younger, youngerDone := load(context.Background(), e, 4, Tags("b"))
				requireKnown(t, e, 3, 3)

				tc.end(e, older, leave)
				<-olderDone
				synctest.Wait()
				if e.clock.closed.Load() {
					requireKnown(t, e, 0, 0)
				} else {
					require.False(t, e.Has(1), "the load is older than the invalidation")
					requireKnown(t, e, 1, 0, "the younger load has begun after the invalidations")
				}
				close(younger.end)
				<-youngerDone
				synctest.Wait()
				if !e.clock.closed.Load() {
					require.True(t, e.Has(4))
					e.Delete(2)
					requireKnown(t, e, 1, 0)
					e.Delete(4)
				}
				requireKnown(t, e, 0, 0)
			})
		})
	}
}

// The last carrier of a tag goes while a load is under way, and the load ends
// between the look at it and the tag's joining the waiting list.
func TestATagDoesNotWaitForALoadThatHasEnded(t *testing.T) {
	t.Parallel()
	e, _ := tagEngine(t, Options[int, int]{})
	e.Set(1, 1, Tags("a"))
	h, done := load(context.Background(), e, 2)
	e.InvalidateTags("a")
	oldest := e.tags.oldest
	var once bool
	e.tags.oldest = func() uint64 {
		began := oldest()
		if !once {
			once = true
			close(h.end)
			<-done
			for range 1000 { // let the loader's goroutine look for tags that wait
				runtime.Gosched()
			}
		}
		return began
	}
	s := &e.shards[0]
	s.mu.Lock() // Delete without the lock, which the end of the load needs
	tags := *s.tagged.At(1)
	*s.tagged.At(1) = nil
	s.slots.At(1).meta.Store(s.slots.At(1).meta.Load() &^ metaTagged)
	s.mu.Unlock()
	e.tags.release(tags)
	deadline := time.Now().Add(30 * time.Second)
	for e.tags.waiting.Load() > 0 && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	require.Zero(t, e.tags.waiting.Load(), "it waits though no load is under way")
	requireKnown(t, e, 0, 0)
}

// A load ends, and while it looks at the tags that wait another one begins and a
// tag is invalidated: that tag must wait for the other load.
func TestATagWaitsForALoadThatBeganWhileAnotherLanded(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	e, _ := tagEngine(t, Options[int, int]{})
	var waits, late string // of the first stripe that is looked at, and of another
	for i := 0; waits == "" || late == ""; i++ {
		if name := strconv.Itoa(i); e.tags.stripe(name) == &e.tags.stripes[0] {
			waits = name
		} else {
			late = name
		}
	}
	first, firstDone := load(ctx, e, 1)
	e.InvalidateTags(waits)
	var second holding
	var secondDone chan struct{}
	var begun atomic.Bool
	ready := make(chan struct{})
	oldest := e.tags.oldest
	e.tags.oldest = func() uint64 {
		number := oldest()
		if number == math.MaxUint64 && begun.CompareAndSwap(false, true) {
			second, secondDone = load(ctx, e, 2, Tags(late))
			e.InvalidateTags(late)
			close(ready)
		}
		return number
	}
	close(first.end)
	<-firstDone
	<-ready
	require.Eventually(t, func() bool { return e.tags.stripe(waits).len() == 0 }, 30*time.Second, time.Millisecond)
	e.tags.landed() // the other has gone through all stripes, or this one does
	close(second.end)
	<-secondDone
	require.False(t, e.Has(2), "it is older than the invalidation")
	require.Eventually(t, func() bool { return e.tags.waiting.Load() == 0 }, 30*time.Second, time.Millisecond)
	requireKnown(t, e, 0, 0)
}

// len returns how many tags of the stripe wait.
func (st *tagStripe) len() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return len(st.waiting)
}

// A purge goes through a shard in steps, and between two of them entries move.
func TestThePurgeMissesNothingThatMoves(t *testing.T) {
	t.Parallel()
	e, _ := tagEngine(t, Options[int, int]{MaxEntries: 10_000})
	const n = 4 * perHold
	for key := range n {
		e.Set(key, key, Tags("a"))
	}
	for key := range n - perHold {
		e.Delete(key)
	}
	e.InvalidateTags("a")
	s := &e.shards[0]
	next := s.top
	for step := 0; next > 0; step++ {
		var entries, weight int64
		s.mu.Lock()
		next, entries, weight = s.purge(next)
		e.giveBack(entries, weight)
		s.mu.Unlock()
		if step == 0 {
			for e.compactStep(s) {
			}
		}
	}
	require.Zero(t, e.Len(), "of %d", perHold)
	requireKnown(t, e, 0, 0)
}
