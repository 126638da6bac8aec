// SPDX-License-Identifier: MIT

package lin

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// sequence makes each operation return before the next is called.
func sequence(ops ...Op) []Op {
	for i := range ops {
		ops[i].Call, ops[i].Return = int64(10*i), int64(10*i+5)
	}
	return ops
}

func set(v int64) Op             { return Op{Then: Left, New: v} }
func lives(ttl int64) Op         { return Op{Then: Left, New: 1, TTL: ttl} }
func hit(v int64) Op             { return Op{Need: Held, Old: v} }
func miss() Op                   { return Op{Need: Absent} }
func add(v int64) Op             { return Op{Need: Absent, Then: Left, New: v} }
func addFails() Op               { return Op{Need: Present} }
func del() Op                    { return Op{Need: Present, Then: Gone} }
func replace(v int64) Op         { return Op{Need: Present, Then: Left, New: v} }
func swap(from, to int64) Op     { return Op{Need: Held, Old: from, Then: Left, New: to, TTL: Kept} }
func swapFails(from int64) Op    { return Op{Need: Other, Old: from} }
func until(at int64) Op          { return Op{Then: Left, New: 1, Until: at} }
func advance(d int64) Op         { return Op{Advance: d} }
func evicted(v int64) Op         { return Op{Need: Held, Old: v, Then: Gone} }
func expired(v int64) Op         { return Op{Need: HeldStale, Old: v, Then: Gone} }
func touch(ttl int64) Op         { return Op{Need: Present, Then: Renewed, TTL: ttl} }
func found(v int64) Op           { return Op{Need: Either, Old: v} }
func early(o Op) Op              { o.Lag = 3; return o }
func at(o Op, c, r int64) Op     { o.Call, o.Return = c, r; return o }
func of(client int, o Op) Op     { o.Client = client; return o }
func legal(m Model, o []Op) bool { return Check(m, o) == nil }

func TestEachRuleAllowsAndForbids(t *testing.T) {
	for _, tc := range []struct {
		name    string
		ops     []Op
		strict  bool
		relaxed bool
	}{
		{"nothing is held at first", []Op{miss()}, true, true},
		{"a hit of what was never stored", []Op{hit(1)}, false, false},
		{"a hit of what was stored", []Op{set(1), hit(1)}, true, true},
		{"a hit of what was replaced", []Op{set(1), set(2), hit(1)}, false, false},
		{"a miss of what was stored", []Op{set(1), miss()}, false, true},
		{"a hit after a miss", []Op{set(1), miss(), hit(1)}, false, false},
		{"a hit after a miss and a write", []Op{set(1), miss(), set(2), hit(2)}, false, true},
		{"Add where nothing is", []Op{add(1), hit(1)}, true, true},
		{"Add over an entry", []Op{set(1), add(2)}, false, true},
		{"an Add that was refused", []Op{set(1), addFails(), hit(1)}, true, true},
		{"an Add that was refused where nothing is", []Op{addFails()}, false, false},
		{"Delete removes", []Op{set(1), del(), miss()}, true, true},
		{"Delete of nothing", []Op{del()}, false, false},
		{"a hit of what was deleted", []Op{set(1), del(), hit(1)}, false, false},
		{"Replace", []Op{set(1), replace(2), hit(2)}, true, true},
		{"Replace of nothing", []Op{replace(2)}, false, false},
		{"one update after another", []Op{set(1), swap(1, 2), swap(2, 3)}, true, true},
		{"an update is lost", []Op{set(1), swap(1, 2), swap(1, 3)}, false, false},
		{"a swap fails over another value", []Op{set(1), swapFails(2), hit(1)}, true, true},
		{"a swap fails where nothing is", []Op{swapFails(0)}, true, true},
		{"a swap fails over the value itself", []Op{set(1), swapFails(1)}, false, true},
		{"and that is there afterwards", []Op{set(1), swapFails(1), hit(1)}, false, false},

		{"an eviction explains a miss", []Op{set(1), evicted(1), miss()}, true, true},
		{"an eviction of what is not there", []Op{set(1), evicted(2)}, false, false},
		{"an eviction twice", []Op{set(1), evicted(1), evicted(1)}, false, false},

		{"a hit before the deadline", []Op{lives(3), advance(2), hit(1)}, true, true},
		{"a hit at the deadline", []Op{lives(3), advance(3), hit(1)}, false, false},
		{"a miss before the deadline", []Op{lives(3), advance(2), miss()}, false, true},
		{"a miss at the deadline", []Op{lives(3), advance(3), miss()}, true, true},
		{"Delete at the deadline", []Op{lives(3), advance(3), del()}, false, false},
		{"an update keeps the deadline", []Op{lives(3), advance(2), swap(1, 2), advance(1), miss()}, true, true},
		{"an update renews the deadline", []Op{lives(3), advance(2), swap(1, 2), advance(1), hit(2)}, false, false},
		{"a write without a lifetime lives on", []Op{lives(3), set(2), advance(9), hit(2)}, true, true},
		{"Touch renews the deadline", []Op{lives(3), advance(2), touch(3), advance(2), hit(1)}, true, true},
		{"Touch shortens the lifetime", []Op{set(1), touch(3), advance(3), hit(1)}, false, false},
		{"Touch of what has expired", []Op{lives(3), advance(3), touch(3)}, false, false},
		{"Add over what has expired", []Op{lives(3), advance(3), add(2), hit(2)}, true, true},
		{"a swap fails over what has expired", []Op{lives(3), advance(3), swapFails(1)}, true, true},
		{"a notice of expiry", []Op{lives(3), advance(3), miss(), expired(1), miss()}, true, false},
		{"a notice of expiry before the deadline", []Op{lives(3), advance(2), expired(1)}, false, false},
		{"a notice of expiry twice", []Op{lives(3), advance(3), expired(1), expired(1)}, false, false},
		{"an eviction at the deadline", []Op{lives(3), advance(3), evicted(1)}, false, false},
		{"found, expired or not", []Op{lives(3), found(1), advance(3), found(1)}, true, true},
		{"found, and another was stored", []Op{set(1), set(2), found(1)}, false, false},

		{"a lifetime that may count from earlier: a hit", []Op{early(lives(5)), advance(4), hit(1)}, true, true},
		{"a lifetime that may count from earlier: a miss", []Op{early(lives(5)), advance(4), miss()}, true, true},
		{"not earlier than that", []Op{early(lives(5)), advance(1), miss()}, false, true},
		{"not later than now", []Op{early(lives(5)), advance(5), hit(1)}, false, false},
		{"a miss tells that it has passed", []Op{early(lives(5)), advance(4), miss(), hit(1)}, false, false},
		{"a hit tells that it has not", []Op{early(lives(5)), advance(4), hit(1), miss()}, false, true},
		{"a hit before a deadline by name", []Op{advance(4), until(6), advance(1), hit(1)}, true, true},
		{"a hit at a deadline by name", []Op{advance(4), until(6), advance(2), hit(1)}, false, false},
		{"a deadline by name that has passed", []Op{advance(4), until(3), miss()}, true, true},
		{"so long a lifetime is for ever", []Op{advance(9), lives(never - 5), advance(never - 20), hit(1)}, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ops := sequence(tc.ops...)
			require.Equal(t, tc.strict, legal(Strict, ops), "strict")
			require.Equal(t, tc.relaxed, legal(Relaxed, ops), "relaxed")
		})
	}
}

func TestOperationsThatOverlapMayTakeEitherOrder(t *testing.T) {
	for _, tc := range []struct {
		name string
		ops  []Op
		want bool
	}{
		{"a hit during the write", []Op{at(set(1), 0, 10), at(hit(1), 5, 6)}, true},
		{"a miss during the write", []Op{at(set(1), 0, 10), at(miss(), 5, 6)}, true},
		{"a hit and then a miss during the write", []Op{at(set(1), 0, 10), at(hit(1), 3, 4), at(miss(), 5, 6)}, false},
		{"a miss and then a hit during the write", []Op{at(set(1), 0, 10), at(miss(), 3, 4), at(hit(1), 5, 6)}, true},
		{"called as the other returns", []Op{at(set(1), 0, 5), at(miss(), 5, 6)}, true},
		{"called after the other returned", []Op{at(set(1), 0, 5), at(miss(), 6, 7)}, false},
		{"two updates at once", []Op{at(set(1), 0, 1), at(swap(1, 2), 2, 9), at(swap(2, 3), 3, 8)}, true},
		{"an update that is lost", []Op{at(set(1), 0, 1), at(swap(1, 2), 2, 9), at(swap(1, 3), 3, 8)}, false},
		{"two Adds at once", []Op{at(add(1), 0, 9), at(add(2), 1, 8)}, false},
		{"a late notice", []Op{at(set(1), 0, 1), at(evicted(1), 0, 9), at(hit(1), 2, 3), at(miss(), 4, 5)}, true},
		{"a hit after the miss that a late notice explains", []Op{at(set(1), 0, 1), at(evicted(1), 0, 9), at(miss(), 2, 3), at(hit(1), 4, 5)}, false},
		{"the clock moves during a hit", []Op{at(lives(3), 0, 1), at(advance(3), 2, 5), at(hit(1), 4, 6)}, true},
		{"the clock has moved before a hit", []Op{at(lives(3), 0, 1), at(advance(3), 2, 3), at(hit(1), 4, 6)}, false},
		{"the order of the list says nothing", []Op{at(hit(1), 5, 6), at(set(1), 0, 1)}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, legal(Strict, tc.ops))
		})
	}
}

func TestNoOperationsAreLegal(t *testing.T) {
	require.NoError(t, Check(Strict, nil))
}

// random returns a history of n operations of few values, at work at once or not.
func random(r *rand.Rand, n int) []Op {
	value := func() int64 { return 1 + r.Int64N(3) }
	ops := make([]Op, n)
	for i := range ops {
		o := Op{Client: i, Call: r.Int64N(int64(2 * n))}
		o.Return = o.Call + r.Int64N(6)
		o.Need, o.Old = Need(r.IntN(int(Other)+1)), value()
		o.Then, o.New = Then(r.IntN(int(Renewed)+1)), value()
		if o.Then == Left || o.Then == Renewed {
			o.TTL = []int64{Forever, Kept, 1, 2, 3}[r.IntN(5)]
			o.Lag = r.Int64N(2)
		}
		if r.IntN(3) == 0 {
			o.Advance = 1 + r.Int64N(2)
		}
		ops[i] = o
	}
	return ops
}

// anyOrder tries all orders that the times allow.
func anyOrder(m Model, s State, ops []Op) bool {
	if len(ops) == 0 {
		return true
	}
	for i, o := range ops {
		first := true
		rest := make([]Op, 0, len(ops))
		for j, other := range ops {
			first = first && (i == j || other.Return >= o.Call)
			if i != j {
				rest = append(rest, other)
			}
		}
		if !first {
			continue
		}
		if next, ok := m.Step(s, o); ok && anyOrder(m, next, rest) {
			return true
		}
	}
	return false
}

func TestTheSearchAgreesWithAllOrders(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	var verdicts [2]int
	for range 20_000 {
		for _, m := range []Model{Strict, Relaxed} {
			ops := random(r, 1+r.IntN(6))
			want := anyOrder(m, Initial, ops)
			require.Equal(t, want, legal(m, ops), "seed %d: model %d: %v", seed, m, ops)
			if want {
				verdicts[0]++
			} else {
				verdicts[1]++
			}
		}
	}
	t.Logf("%d legal and %d illegal", verdicts[0], verdicts[1])
	require.Greater(t, min(verdicts[0], verdicts[1]), 4000)
}

func TestMoreOperationsThanAWordHasBits(t *testing.T) {
	const n = 300
	var ops []Op
	for i := range int64(n) { // each overlaps the four before and after it
		ops = append(ops, at(swap(i, i+1), 10*i, 10*i+45))
	}
	ops = append(ops, at(set(0), -2, -1))
	require.NoError(t, Check(Strict, ops))
	require.NoError(t, Check(Relaxed, ops))
	ops[n/2].New = -1
	var v *NoOrderError
	require.True(t, errors.As(Check(Strict, ops), &v)) //nolint:testifylint // the target is used
	require.Len(t, v.Order, n/2+2)
}

func TestAllAtOnceIsDecided(t *testing.T) {
	var ops []Op
	for i := range 80 {
		ops = append(ops, at(hit(1), 0, 1000), at(Op{Need: Held, Old: 1, Then: Left, New: 1}, int64(i), 1000))
	}
	require.Error(t, Check(Strict, ops), "nobody has stored it")
	require.NoError(t, Check(Strict, append(ops, at(set(1), 0, 1000))))
}

func TestAViolationShowsHowFarItCame(t *testing.T) {
	err := Check(Strict, []Op{
		at(Op{Client: 1, Name: "Set", Then: Left, New: 7, TTL: 5, Lag: 1}, 0, 3),
		at(Op{Client: 2, Name: "Get", Need: Held, Old: 7}, 1, 2),
		at(Op{Client: 2, Name: "Advance", Advance: 9}, 4, 5),
		at(Op{Client: 2, Need: Present, Then: Renewed, TTL: Kept}, 6, 8),
		at(Op{Client: 1, Name: "Get", Need: Held, Old: 7}, 7, 9),
		at(Op{Client: 1, Name: "Get", Need: Absent}, 10, 11),
	})
	require.EqualError(t, err, `no order explains these operations; the longest one found:
	[0, 3] client 1: Set, left 7 for 5 less up to 1
	[1, 2] client 2: Get, found 7
	[4, 5] client 2: Advance, the clock went on by 9
then 7 is held, expired, and none of these can follow:
	[6, 8] client 2: operation, found an entry, left it until it would have expired
	[7, 9] client 1: Get, found 7
these were called later:
	[10, 11] client 1: Get, found nothing
`)
	require.ErrorContains(t, Check(Relaxed, []Op{hit(1)}), "then nothing is held")
	require.Contains(t, of(3, expired(4)).String(), "client 3: operation, found 4 expired, left nothing")
	require.Contains(t, swapFails(4).String(), "did not find 4")
	require.Contains(t, found(4).String(), "found 4 or that expired")
}

func TestOverlapIsTheShareOfOperationsThatMetAnotherClients(t *testing.T) {
	require.Zero(t, Overlap(nil))
	one := of(1, at(miss(), 0, 5))
	for _, tc := range []struct {
		name string
		ops  []Op
		want float64
	}{
		{"alone", []Op{one}, 0},
		{"two at once", []Op{one, of(2, at(miss(), 5, 6))}, 1},
		{"one after the other", []Op{one, of(2, at(miss(), 6, 7))}, 0},
		{"two of one client", []Op{one, of(1, at(miss(), 4, 6))}, 0},
		{"two of four", []Op{one, of(2, at(miss(), 2, 3)), of(2, at(miss(), 8, 9)), of(1, at(miss(), 10, 11))}, 0.5},
	} {
		require.InDelta(t, tc.want, Overlap(tc.ops), 1e-9, tc.name)
	}
}

// BenchmarkCheck checks what six keys get of 160 operations by 4 clients.
func BenchmarkCheck(b *testing.B) {
	var ops []Op
	for i := range int64(27) {
		ops = append(ops, at(swap(i, i+1), 10*i, 10*i+25))
	}
	ops = append(ops, at(set(0), -2, -1))
	b.ReportAllocs()
	for b.Loop() {
		for range 6 {
			if !legal(Strict, ops) {
				b.Fatal("illegal")
			}
		}
	}
}
