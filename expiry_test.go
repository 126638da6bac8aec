// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/evict"
)

// theStart is when the manual clocks of these tests begin.
var theStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// opened returns an engine that is validated and closed at the end of the test.
func opened[K comparable, V any](t *testing.T, opts locmem.Options[K, V]) *locmem.Engine[K, V] {
	t.Helper()
	e, err := locmem.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		if !t.Failed() { // else a lock may be held for ever
			require.NoError(t, e.Validate())
			e.Close()
		}
	})
	return e
}

// timed returns an engine on a manual clock.
func timed(t *testing.T, opts locmem.Options[int, int]) (*locmem.Engine[int, int], *locmem.ManualClock) {
	t.Helper()
	clock := locmem.NewManualClock(theStart)
	opts.Clock = clock
	if opts.MaxEntries == 0 {
		opts.MaxEntries = 1000
	}
	return opened(t, opts), clock
}

// unswept calls check at a moment when what fill has stored for a minute has
// expired and is still held. A clock sweeps its engines one after another, so
// the moment is when the one before tells its listener.
func unswept(t *testing.T, opts locmem.Options[int, int], fill, check func(*locmem.Engine[int, int])) {
	t.Helper()
	clock := locmem.NewManualClock(theStart)
	var e *locmem.Engine[int, int]
	checked := false
	before := opened(t, locmem.Options[int, int]{MaxEntries: 1, Clock: clock, OnRemove: func(r locmem.Removal[int, int]) {
		if r.Cause == locmem.Expired {
			require.Positive(t, e.Len(), "the engine was swept already")
			check(e)
			checked = true
		}
	}})
	opts.Clock, opts.MaxEntries = clock, 1000
	e = opened(t, opts)
	fill(e)
	before.Set(0, 0, locmem.TTL(time.Minute))
	clock.Advance(time.Minute)
	require.True(t, checked)
}

func TestAWriteStatesTheWholeExpiry(t *testing.T) {
	lifetimes := []struct {
		name string
		opts []locmem.EntryOption
	}{
		{"TTL", []locmem.EntryOption{locmem.TTL(time.Minute)}},
		{"Idle", []locmem.EntryOption{locmem.Idle(time.Minute)}},
		{"both", []locmem.EntryOption{locmem.TTL(time.Hour), locmem.Idle(time.Minute)}},
		{"ExpireAt", []locmem.EntryOption{locmem.ExpireAt(theStart.Add(time.Minute))}},
	}
	writes := []struct {
		name  string
		write func(e *locmem.Engine[int, int], key int)
	}{
		{"Set", func(e *locmem.Engine[int, int], key int) { e.Set(key, 2) }},
		{"Replace", func(e *locmem.Engine[int, int], key int) { e.Replace(key, 2) }},
		{"SetMany", func(e *locmem.Engine[int, int], key int) { e.SetMany(map[int]int{key: 2}) }},
		{"Touch", func(e *locmem.Engine[int, int], key int) { e.Touch(key) }},
		{"Compute", func(e *locmem.Engine[int, int], key int) {
			e.Compute(key, func(locmem.Entry[int], bool) (int, locmem.Op) { return 2, locmem.Store })
		}},
		{"CompareAndSwap", func(e *locmem.Engine[int, int], key int) { locmem.CompareAndSwap(e, key, 1, 2) }},
	}
	for _, l := range lifetimes {
		for _, w := range writes {
			t.Run(l.name+"/"+w.name, func(t *testing.T) {
				e, clock := timed(t, locmem.Options[int, int]{})
				e.Set(1, 1, l.opts...)
				w.write(e, 1)
				entry, ok := e.Peek(1)
				require.True(t, ok)
				require.True(t, entry.Deadline.IsZero(), "the deadline %v was inherited", entry.Deadline)
				require.Zero(t, entry.Idle, "the idle lifetime was inherited")
				clock.Advance(1000 * time.Hour)
				require.True(t, e.Has(1))
			})
		}
	}
}

// TestAReusedSlotHasNoExpiryOfItsLastTenant gives the place of an entry that
// could expire to one that cannot.
func TestAReusedSlotHasNoExpiryOfItsLastTenant(t *testing.T) {
	for _, tc := range []struct {
		name string
		free func(e *locmem.Engine[int, int], clock *locmem.ManualClock)
	}{
		{"deleted", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Delete(1) }},
		{"taken", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Take(1) }},
		{"evicted", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Evict(1) }},
		{"cleared", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Clear() }},
		{"expired", func(_ *locmem.Engine[int, int], clock *locmem.ManualClock) { clock.Advance(time.Minute) }},
		{"displaced", func(*locmem.Engine[int, int], *locmem.ManualClock) {}},
	} {
		for name, opts := range map[string][]locmem.EntryOption{"TTL": {locmem.TTL(time.Minute)}, "Idle": {locmem.Idle(time.Minute)}} {
			t.Run(tc.name+"/"+name, func(t *testing.T) {
				e, clock := timed(t, locmem.Options[int, int]{MaxEntries: 1})
				e.Set(1, 1, opts...)
				tc.free(e, clock)
				require.True(t, e.Set(2, 2))
				entry, ok := e.Peek(2)
				require.True(t, ok)
				require.Equal(t, locmem.Entry[int]{Value: 2, Weight: 1}, entry)
				require.NoError(t, e.Validate())
				clock.Advance(1000 * time.Hour)
				require.True(t, e.Has(2))
			})
		}
	}
}

func TestAWriteOverAnExpiredEntryIsVisible(t *testing.T) {
	ctx := context.Background()
	for _, tc := range []struct {
		name  string
		write func(t *testing.T, e *locmem.Engine[int, int])
	}{
		{"Set", func(t *testing.T, e *locmem.Engine[int, int]) { require.True(t, e.Set(1, 2)) }},
		{"Set that keeps", func(t *testing.T, e *locmem.Engine[int, int]) { require.True(t, e.Set(1, 2, locmem.KeepTTL())) }},
		{"Add", func(t *testing.T, e *locmem.Engine[int, int]) { require.True(t, e.Add(1, 2)) }},
		{"Add that keeps", func(t *testing.T, e *locmem.Engine[int, int]) { require.True(t, e.Add(1, 2, locmem.KeepTTL())) }},
		{"SetMany", func(t *testing.T, e *locmem.Engine[int, int]) {
			require.Equal(t, 1, e.SetMany(map[int]int{1: 2}, locmem.KeepTTL()))
		}},
		{"Compute", func(t *testing.T, e *locmem.Engine[int, int]) {
			value, ok := e.Compute(1, func(_ locmem.Entry[int], found bool) (int, locmem.Op) {
				require.False(t, found)
				return 2, locmem.Store
			}, locmem.KeepTTL())
			require.True(t, ok)
			require.Equal(t, 2, value)
		}},
		{"GetOrSet", func(t *testing.T, e *locmem.Engine[int, int]) {
			value, err := e.GetOrSet(ctx, 1, func(context.Context, int) (int, error) { return 2, nil }, locmem.KeepTTL())
			require.NoError(t, err)
			require.Equal(t, 2, value)
		}},
	} {
		for name, lifetime := range map[string]locmem.EntryOption{"TTL": locmem.TTL(time.Minute), "Idle": locmem.Idle(time.Minute)} {
			t.Run(tc.name+"/"+name, func(t *testing.T) {
				fill := func(e *locmem.Engine[int, int]) { e.Set(1, 1, lifetime) }
				unswept(t, locmem.Options[int, int]{TTL: time.Hour}, fill, func(e *locmem.Engine[int, int]) {
					tc.write(t, e)
					entry, ok := e.Peek(1)
					require.True(t, ok)
					want := locmem.Entry[int]{Value: 2, Weight: 1, Deadline: entry.Deadline}
					require.Equal(t, want, entry)
					require.True(t, entry.Deadline.Equal(theStart.Add(time.Minute+time.Hour)), "%v is not the default lifetime", entry.Deadline)
				})
			})
		}
	}
}

// readsNothing are the methods that ask for an entry, on a key that has none.
var readsNothing = []struct {
	name string
	read func(t *testing.T, e *locmem.Engine[int, int])
}{
	{"Get", func(t *testing.T, e *locmem.Engine[int, int]) { _, ok := e.Get(1); require.False(t, ok) }},
	{"Peek", func(t *testing.T, e *locmem.Engine[int, int]) { _, ok := e.Peek(1); require.False(t, ok) }},
	{"Has", func(t *testing.T, e *locmem.Engine[int, int]) { require.False(t, e.Has(1)) }},
	{"GetMany", func(t *testing.T, e *locmem.Engine[int, int]) { require.Empty(t, e.GetMany([]int{1})) }},
	{"All", func(t *testing.T, e *locmem.Engine[int, int]) {
		for key := range e.All() {
			require.Fail(t, "expired", "key %d", key)
		}
	}},
	{"Take", func(t *testing.T, e *locmem.Engine[int, int]) { _, ok := e.Take(1); require.False(t, ok) }},
	{"Delete", func(t *testing.T, e *locmem.Engine[int, int]) { require.False(t, e.Delete(1)) }},
	{"DeleteMany", func(t *testing.T, e *locmem.Engine[int, int]) { require.Zero(t, e.DeleteMany([]int{1})) }},
	{"Replace", func(t *testing.T, e *locmem.Engine[int, int]) { require.False(t, e.Replace(1, 2)) }},
	{"Touch", func(t *testing.T, e *locmem.Engine[int, int]) { require.False(t, e.Touch(1, locmem.TTL(time.Hour))) }},
	{"CompareAndSwap", func(t *testing.T, e *locmem.Engine[int, int]) { require.False(t, locmem.CompareAndSwap(e, 1, 1, 2)) }},
	{"Incr", func(t *testing.T, e *locmem.Engine[int, int]) {
		_, ok, err := locmem.Incr(e, 1, 1)
		require.NoError(t, err)
		require.False(t, ok)
	}},
	{"Compute", func(t *testing.T, e *locmem.Engine[int, int]) {
		_, ok := e.Compute(1, func(old locmem.Entry[int], found bool) (int, locmem.Op) {
			require.False(t, found)
			require.Zero(t, old)
			return 0, locmem.Keep
		})
		require.False(t, ok)
	}},
	{"Fetch", func(t *testing.T, e *locmem.Engine[int, int]) {
		entry, err := e.Fetch(context.Background(), 1, func(context.Context, int) (int, error) { return 2, nil })
		require.NoError(t, err)
		require.Equal(t, 2, entry.Value)
	}},
}

func TestNoMethodSeesAnExpiredEntry(t *testing.T) {
	for _, r := range readsNothing {
		for name, lifetime := range map[string]locmem.EntryOption{"TTL": locmem.TTL(time.Minute), "Idle": locmem.Idle(time.Minute)} {
			t.Run(r.name+"/"+name, func(t *testing.T) {
				fill := func(e *locmem.Engine[int, int]) { e.Set(1, 1, lifetime) }
				unswept(t, locmem.Options[int, int]{}, fill, func(e *locmem.Engine[int, int]) { r.read(t, e) })
			})
		}
	}
}

// TestAnEntryLivesToTheNanosecond covers lifetimes around a tick of the deadline
// index, and demands that what has expired is swept at once.
func TestAnEntryLivesToTheNanosecond(t *testing.T) {
	const tick = 1 << 20
	for _, d := range []time.Duration{
		1, 2, 500, time.Microsecond, tick - 1, tick, tick + 1, 10*tick - 1, 64 * tick, 64*tick + 1,
		900 * time.Millisecond, time.Second, time.Hour + 1, 30 * 24 * time.Hour, 200 * 365 * 24 * time.Hour,
	} {
		for _, from := range []time.Duration{0, 1, tick - 1, 7*time.Hour + 3} {
			for _, idle := range []bool{false, true} {
				e, clock := timed(t, locmem.Options[int, int]{})
				clock.Advance(from)
				if idle {
					e.Set(1, 1, locmem.Idle(d))
				} else {
					e.Set(1, 1, locmem.TTL(d))
				}
				clock.Advance(d - 1)
				require.True(t, e.Has(1), "%v from %v ended early", d, from)
				clock.Advance(1)
				require.False(t, e.Has(1), "%v from %v ended late", d, from)
				require.Zero(t, e.Len(), "%v from %v was not swept", d, from)
			}
		}
	}
}

func TestLifetimesAtTheEdgesOfTheRange(t *testing.T) {
	const centuries = 250 * 365 * 24 * time.Hour
	for _, tc := range []struct {
		name string
		opt  locmem.EntryOption
		ever bool // else already expired
	}{
		{"TTL 0", locmem.TTL(0), false},
		{"TTL -1", locmem.TTL(-1), false},
		{"TTL of the least duration", locmem.TTL(math.MinInt64), false},
		{"TTL of the longest duration", locmem.TTL(math.MaxInt64), true},
		{"TTL of nearly that", locmem.TTL(math.MaxInt64 - 1), true},
		{"Idle 0", locmem.Idle(0), false},
		{"Idle -1", locmem.Idle(-1), false},
		{"Idle of the least duration", locmem.Idle(math.MinInt64), false},
		{"Idle of the longest duration", locmem.Idle(math.MaxInt64), true},
		{"ExpireAt now", locmem.ExpireAt(theStart.Add(time.Hour)), false},
		{"ExpireAt before", locmem.ExpireAt(theStart.Add(time.Hour - 1)), false},
		{"ExpireAt zero", locmem.ExpireAt(time.Time{}), false},
		{"ExpireAt before 1970", locmem.ExpireAt(time.Unix(-1, 0)), false},
		{"ExpireAt beyond the range", locmem.ExpireAt(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)), true},
		{"NoTTL", locmem.NoTTL(), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var removed []locmem.Cause
			e, clock := timed(t, locmem.Options[int, int]{TTL: time.Minute, OnRemove: func(r locmem.Removal[int, int]) {
				removed = append(removed, r.Cause)
			}})
			clock.Advance(time.Hour) // so that now + MaxInt64 is beyond the range
			e.Set(1, 1)
			// The default lifetime does not apply: of two options on it the later counts.
			require.True(t, e.Set(1, 2, locmem.NoTTL(), tc.opt), "the write was carried out")
			require.Equal(t, tc.ever, e.Has(1))
			if !tc.ever {
				require.Zero(t, e.Len())
				require.Equal(t, []locmem.Cause{locmem.Deleted}, removed)
				require.True(t, e.Add(1, 3))
				require.True(t, e.Touch(1, tc.opt), "there was an entry")
				require.Zero(t, e.Len())
				return
			}
			require.Equal(t, []locmem.Cause{locmem.Replaced}, removed)
			clock.Advance(centuries)
			require.True(t, e.Has(1))
			require.Equal(t, 1, e.Len())
		})
	}
}

func TestNowNeverGoesBack(t *testing.T) {
	t.Parallel()
	clock := locmem.NewManualClock(theStart)
	e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 10, Clock: clock}))
	defer e.Close()
	require.Equal(t, theStart, e.Now())
	clock.Advance(time.Hour)
	require.Equal(t, theStart.Add(time.Hour), e.Now())
	clock.Set(theStart)
	require.Equal(t, theStart.Add(time.Hour), e.Now())
	e.Set(1, 1, locmem.TTL(time.Minute))
	entry, _ := e.Peek(1)
	require.Equal(t, time.Minute, entry.Deadline.Sub(e.Now()))

	ticking := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 10}))
	defer ticking.Close()
	before := time.Now()
	now := ticking.Now()
	require.False(t, now.Before(before) || now.After(time.Now()))
}

func TestAClockThatJumpsEndsWhatIsDueAndRevivesNothing(t *testing.T) {
	years := func(base time.Time, n int) time.Time { return base.AddDate(n, 0, 0) }
	for name, base := range map[string]time.Time{
		"today":       theStart,
		"1970":        time.Unix(0, 0),
		"before 1970": time.Date(1901, 2, 3, 4, 5, 6, 7, time.UTC),
		"year 1":      {},
		"year 9999":   time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			for _, jump := range []int{-300, -200, -1, 1, 200, 300} {
				clock := locmem.NewManualClock(base)
				e := opened(t, locmem.Options[int, int]{MaxEntries: 100, Clock: clock})
				e.Set(1, 1, locmem.TTL(time.Minute))
				e.Set(2, 2, locmem.Idle(time.Minute))
				e.Set(3, 3)
				clock.Advance(time.Second)
				clock.Set(years(base, jump))
				require.Equal(t, jump < 0, e.Has(1), "after %d years", jump)
				require.Equal(t, jump < 0, e.Has(2), "after %d years", jump)
				require.True(t, e.Has(3), "after %d years", jump)
				require.Equal(t, map[bool]int{true: 3, false: 1}[jump < 0], e.Len(), "after %d years", jump)

				// Whatever time it is, a new entry is alive.
				e.Set(4, 4, locmem.TTL(time.Minute))
				require.True(t, e.Has(4), "after %d years", jump)
				e.Set(5, 5, locmem.Idle(time.Minute))
				require.True(t, e.Has(5), "after %d years", jump)

				clock.Set(base.Add(time.Second)) // and back
				require.Equal(t, jump < 0, e.Has(1), "after %d years", jump)
				require.True(t, e.Has(4), "after %d years and back", jump)
				clock.Set(base.Add(time.Minute))
				require.False(t, e.Has(1), "after %d years and back", jump)
				require.NoError(t, e.Validate())
			}
		})
	}
}

// TestTimeDoesNotGoBack: a clock that is set back stands still for the engine, so
// that a lifetime is never longer than it was said to be on the way forward.
func TestTimeDoesNotGoBack(t *testing.T) {
	e, clock := timed(t, locmem.Options[int, int]{})
	clock.Advance(time.Hour)
	e.Set(1, 1, locmem.TTL(time.Minute))
	clock.Advance(-time.Hour)
	e.Set(2, 2, locmem.TTL(time.Minute))
	entry, ok := e.Peek(2)
	require.True(t, ok)
	require.True(t, entry.Deadline.Equal(theStart.Add(time.Hour+time.Minute)), "%v", entry.Deadline)
	clock.Advance(time.Hour)
	require.True(t, e.Has(1))
	require.True(t, e.Has(2))
	clock.Advance(time.Minute)
	require.Zero(t, e.Len())
}

func TestANewDeadlineReachesTheSweep(t *testing.T) {
	write := map[string]func(e *locmem.Engine[int, int], opts ...locmem.EntryOption){
		"Set":   func(e *locmem.Engine[int, int], opts ...locmem.EntryOption) { e.Set(1, 1, opts...) },
		"Touch": func(e *locmem.Engine[int, int], opts ...locmem.EntryOption) { e.Touch(1, opts...) },
	}
	for name, write := range write {
		for _, tc := range []struct {
			name   string
			first  []locmem.EntryOption
			second []locmem.EntryOption
			want   time.Duration // 0: never
		}{
			{"sooner", []locmem.EntryOption{locmem.TTL(time.Hour)}, []locmem.EntryOption{locmem.TTL(time.Second)}, time.Second},
			{"later", []locmem.EntryOption{locmem.TTL(time.Second)}, []locmem.EntryOption{locmem.TTL(time.Hour)}, time.Hour},
			{"from none", nil, []locmem.EntryOption{locmem.TTL(time.Second)}, time.Second},
			{"to none", []locmem.EntryOption{locmem.TTL(time.Second)}, nil, 0},
			{"to idle", []locmem.EntryOption{locmem.TTL(time.Second)}, []locmem.EntryOption{locmem.Idle(time.Minute)}, time.Minute},
			{"from idle", []locmem.EntryOption{locmem.Idle(time.Second)}, []locmem.EntryOption{locmem.TTL(time.Minute)}, time.Minute},
			{"kept", []locmem.EntryOption{locmem.TTL(time.Second)}, []locmem.EntryOption{locmem.KeepTTL()}, time.Second},
			{"idle kept", []locmem.EntryOption{locmem.Idle(time.Second)}, []locmem.EntryOption{locmem.KeepTTL()}, time.Second},
			{"the sooner of two", nil, []locmem.EntryOption{locmem.TTL(time.Second), locmem.Idle(time.Minute)}, time.Second},
			{"the other of two", nil, []locmem.EntryOption{locmem.TTL(time.Minute), locmem.Idle(time.Second)}, time.Second},
		} {
			t.Run(name+"/"+tc.name, func(t *testing.T) {
				e, clock := timed(t, locmem.Options[int, int]{})
				e.Set(1, 1, tc.first...)
				write(e, tc.second...)
				if tc.want == 0 {
					clock.Advance(1000 * time.Hour)
					require.True(t, e.Has(1))
					return
				}
				clock.Advance(tc.want - 1)
				require.True(t, e.Has(1), "it ended early")
				clock.Advance(1)
				require.Zero(t, e.Len(), "it was not swept")
			})
		}
	}
}

func TestHitsAndOnlyHitsKeepAnIdleEntry(t *testing.T) {
	ctx := context.Background()
	for _, tc := range []struct {
		name string
		use  func(e *locmem.Engine[int, int])
		kept bool
	}{
		{"Get", func(e *locmem.Engine[int, int]) { e.Get(1) }, true},
		{"GetMany", func(e *locmem.Engine[int, int]) { e.GetMany([]int{1}) }, true},
		{"GetOrSet", func(e *locmem.Engine[int, int]) {
			_, _ = e.GetOrSet(ctx, 1, func(context.Context, int) (int, error) { return 0, nil })
		}, true},
		{"Fetch", func(e *locmem.Engine[int, int]) {
			_, _ = e.Fetch(ctx, 1, func(context.Context, int) (int, error) { return 0, nil })
		}, true},
		{"Peek", func(e *locmem.Engine[int, int]) { e.Peek(1) }, false},
		{"Has", func(e *locmem.Engine[int, int]) { e.Has(1) }, false},
		{"All", func(e *locmem.Engine[int, int]) {
			for range e.All() {
			}
		}, false},
		{"Touch that keeps", func(e *locmem.Engine[int, int]) { e.Touch(1, locmem.KeepTTL()) }, false},
	} {
		for name, policy := range map[string]evict.Policy{"marks": evict.CLOCK, "exact": evict.LRU} {
			t.Run(tc.name+"/"+name, func(t *testing.T) {
				e, clock := timed(t, locmem.Options[int, int]{Idle: time.Minute, Policy: policy})
				e.Set(1, 1, locmem.TTL(time.Hour))
				for range 3 {
					clock.Advance(time.Minute - 1)
					tc.use(e)
					if !tc.kept {
						break
					}
				}
				require.True(t, e.Has(1))
				clock.Advance(1)
				require.Equal(t, tc.kept, e.Has(1))
				e.Get(1)
				for range 100 { // hits do not carry it over the hard deadline
					clock.Advance(time.Minute - 1)
					e.Get(1)
				}
				require.Zero(t, e.Len())
			})
		}
	}
}

// TestTheClocksEndLifetimesOnTime runs the two clocks of real time in a bubble,
// where time is exact.
func TestTheClocksEndLifetimesOnTime(t *testing.T) {
	for name, clock := range map[string]locmem.Clock{"coarse": nil, "precise": locmem.PreciseClock} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := opened(t, locmem.Options[int, int]{MaxEntries: 1000, Clock: clock})
				lifetimes := []time.Duration{
					1, time.Microsecond, time.Millisecond, 49 * time.Millisecond, 101_234_567, 900 * time.Millisecond,
					time.Second, 1_030_700_001, 10 * time.Second, 61_234_567_891, time.Hour,
				}
				start := time.Now()
				for key, d := range lifetimes {
					e.Set(key, key, locmem.TTL(d))
				}
				for key, d := range lifetimes {
					time.Sleep(d - 1 - time.Since(start)) //nolint:forbidigo // the bubble's time
					require.True(t, e.Has(key), "%v ended early", d)
					time.Sleep(time.Nanosecond) //nolint:forbidigo // the bubble's time
					require.False(t, e.Has(key), "%v ended late", d)
				}
			})
		})
	}
}

// TestExpiredEntriesGoWithNobodyAtWork: the clock goroutine alone removes them.
func TestExpiredEntriesGoWithNobodyAtWork(t *testing.T) {
	for name, clock := range map[string]locmem.Clock{"coarse": nil, "precise": locmem.PreciseClock} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var expired atomic.Int64 // listeners of two shards may run at a time
				e := opened(t, locmem.Options[int, int]{MaxEntries: 1000, Clock: clock, OnRemove: func(r locmem.Removal[int, int]) {
					if r.Cause == locmem.Expired {
						expired.Add(1)
					}
				}})
				e.Set(-1, -1)
				for round := range 3 {
					for key := range 500 {
						e.Set(key, key, locmem.TTL(time.Duration(1+key)*10*time.Millisecond))
					}
					for key := range 250 {
						e.Delete(key)
					}
					time.Sleep(5*time.Second + 100*time.Millisecond) //nolint:forbidigo // the bubble's time
					synctest.Wait()
					require.Equal(t, 1, e.Len())
					require.Equal(t, int64(250*(round+1)), expired.Load())
					require.NoError(t, e.Validate())
				}
			})
		})
	}
}

// TestEveryRemovalLeavesTheDeadlineIndex removes entries in each way and
// validates, which counts the deadlines against the entries.
func TestEveryRemovalLeavesTheDeadlineIndex(t *testing.T) {
	for _, tc := range []struct {
		name   string
		remove func(e *locmem.Engine[int, int], clock *locmem.ManualClock)
	}{
		{"Delete", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Delete(5) }},
		{"Take", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Take(5) }},
		{"DeleteMany", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.DeleteMany([]int{5, 6, 7}) }},
		{"Evict", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Evict(5) }},
		{"room", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Set(1000, 0) }},
		{"too heavy", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Set(5, 0, locmem.Weight(1001)) }},
		{"already expired", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Set(5, 0, locmem.TTL(0)) }},
		{"touched away", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Touch(5, locmem.TTL(-1)) }},
		{"NoTTL", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Set(5, 0, locmem.NoTTL()) }},
		{"Compute", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) {
			e.Compute(5, func(locmem.Entry[int], bool) (int, locmem.Op) { return 0, locmem.Remove })
		}},
		{"Resize", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { _ = e.Resize(3, 1000) }},
		{"Clear", func(e *locmem.Engine[int, int], _ *locmem.ManualClock) { e.Clear() }},
		{"expiry", func(_ *locmem.Engine[int, int], clock *locmem.ManualClock) { clock.Advance(10 * time.Second) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, clock := timed(t, locmem.Options[int, int]{MaxEntries: 100, MaxWeight: 1000, Shards: 2})
			for key := range 100 {
				e.Set(key, key, locmem.TTL(time.Duration(key+1)*time.Second))
			}
			tc.remove(e, clock)
			require.NoError(t, e.Validate())
			clock.Advance(1000 * time.Second)
			require.NoError(t, e.Validate())
			require.LessOrEqual(t, e.Len(), 1) // what got no lifetime
		})
	}
}

// TestASweepTakesNothingWrittenSince: the deadline that the index has for a slot
// is never that of an entry before.
func TestASweepTakesNothingWrittenSince(t *testing.T) {
	e, clock := timed(t, locmem.Options[int, int]{Shards: 1})
	const soon, late = 50 * time.Millisecond, time.Hour
	e.Set(1, 1, locmem.TTL(soon))
	e.Set(1, 2, locmem.TTL(late)) // the same entry, later
	e.Set(2, 1, locmem.TTL(soon))
	e.Delete(2)
	e.Set(3, 3, locmem.TTL(late)) // another in its slot
	e.Set(4, 1, locmem.Idle(soon))
	clock.Advance(soon / 2)
	e.Get(4)                                    // a hit since it was filed
	clock.Advance(soon/2 + 10*time.Millisecond) // the tick of the deadline before is over
	for key, value := range map[int]int{1: 2, 3: 3, 4: 1} {
		got, ok := e.Get(key)
		require.True(t, ok, "key %d was swept", key)
		require.Equal(t, value, got)
	}
}

// TestSweepsAgainstWritersTakeOnlyWhatIsDue: each value is its own deadline, and
// while the clock runs and writers overwrite, every one that is reported as
// expired must have had its time.
func TestSweepsAgainstWritersTakeOnlyWhatIsDue(t *testing.T) {
	clock := locmem.NewManualClock(theStart)
	var early atomic.Int64
	e := opened(t, locmem.Options[int, int64]{MaxEntries: 1000, Shards: 2, Clock: clock, OnRemove: func(r locmem.Removal[int, int64]) {
		if r.Cause == locmem.Expired && r.Value > int64(clock.Now().Sub(theStart)) {
			early.Add(1)
		}
	}})
	var done atomic.Bool
	var writes atomic.Int64
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := w; !done.Load(); i++ {
				// The deadline is not before the value: the clock only runs on.
				d := time.Duration(1+i%50) * 100 * time.Microsecond
				e.Set(i%200, int64(clock.Now().Sub(theStart)+d), locmem.TTL(d))
				writes.Add(1)
			}
		})
	}
	for range 200 {
		clock.Advance(100 * time.Microsecond)
		for before := writes.Load(); writes.Load() < before+10; {
			runtime.Gosched()
		}
	}
	done.Store(true)
	writers.Wait()
	require.Zero(t, early.Load(), "entries were swept before their time")
	clock.Advance(time.Second)
	require.Zero(t, e.Len())
}

// TestAllTimeIsTheClocks: on a manual clock far from now every method means the
// clock's time.
func TestAllTimeIsTheClocks(t *testing.T) {
	for name, base := range map[string]time.Time{
		"in the past":   time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		"in the future": time.Date(2190, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			clock := locmem.NewManualClock(base)
			e := opened(t, locmem.Options[int, int]{MaxEntries: 100, Clock: clock, TTL: time.Minute})
			e.Set(1, 1)
			e.Set(2, 2, locmem.ExpireAt(base.Add(time.Minute)))
			e.Set(3, 3, locmem.TTL(time.Minute))
			e.Set(4, 4, locmem.Idle(time.Minute))
			e.Add(5, 5)
			e.Touch(5, locmem.ExpireAt(base.Add(time.Minute)))
			for key := range 5 {
				entry, ok := e.Peek(key + 1)
				require.True(t, ok, "key %d", key+1)
				require.True(t, entry.Deadline.Equal(base.Add(time.Minute)), "key %d ends at %v", key+1, entry.Deadline)
			}
			clock.Advance(time.Minute - 1)
			require.Equal(t, 5, e.Len())
			clock.Advance(1)
			require.Zero(t, e.Len())
		})
	}
}

func TestEachEntryHasALifetimeOfItsOwn(t *testing.T) {
	var expired []int
	e, clock := timed(t, locmem.Options[int, int]{TTL: 45 * time.Second, Shards: 1, OnRemove: func(r locmem.Removal[int, int]) {
		expired = append(expired, r.Key)
	}})
	var want []int
	for key := range 100 {
		seconds := 1 + key*37%101
		if seconds == 45 {
			continue
		}
		e.Set(key, seconds, locmem.TTL(time.Duration(seconds)*time.Second))
		want = append(want, key)
	}
	e.Set(100, 45) // the default
	want = append(want, 100)
	slices.SortFunc(want, func(a, b int) int { return secondsOf(a) - secondsOf(b) })
	for range 101 {
		clock.Advance(time.Second)
	}
	require.Equal(t, want, expired)
}

// secondsOf is the lifetime that TestEachEntryHasALifetimeOfItsOwn gives a key.
func secondsOf(key int) int {
	if key == 100 {
		return 45
	}
	return 1 + key*37%101
}

// TestTheExpiredGoBeforeTheLiving: when room is needed an entry that has expired
// makes it, whatever the policy would choose.
func TestTheExpiredGoBeforeTheLiving(t *testing.T) {
	fill := func(e *locmem.Engine[int, int]) {
		e.Set(0, 0)
		for key := range 998 {
			e.Set(key+1, 0)
		}
		e.Set(999, 0, locmem.TTL(time.Minute-10*time.Millisecond)) // the youngest
	}
	unswept(t, locmem.Options[int, int]{Policy: evict.FIFO, Shards: 1}, fill, func(e *locmem.Engine[int, int]) {
		require.Equal(t, 1000, e.Len())
		require.True(t, e.Set(1000, 0))
		require.True(t, e.Has(0), "the oldest living entry was evicted")
		require.Equal(t, uint64(1), e.Stats().Expired)
		require.Zero(t, e.Stats().Evicted)
	})
}
