// SPDX-License-Identifier: MIT

package cachetest

import (
	"errors"
	"iter"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/invariants"
)

func TestTheModulesOwnPoliciesAreSound(t *testing.T) {
	for _, p := range []struct {
		name   string
		policy evict.Policy
	}{
		{"TinyClock", evict.TinyClock},
		{"LRU", evict.LRU},
		{"CLOCK", evict.CLOCK},
		{"FIFO", evict.FIFO},
		{"S3FIFO", evict.S3FIFO},
		{"SIEVE", evict.SIEVE},
	} {
		t.Run(p.name, func(t *testing.T) { RunPolicy(t, p.policy) })
	}
}

// bent is a FIFO some of whose methods are replaced.
type bent struct {
	evict.Ring
	slots evict.Slots
	calls int

	maxMark func(r *bent) uint32
	admit   func(r *bent)
	insert  func(r *bent, slot uint32)
	reweigh func(r *bent, slot uint32, weight int64)
	evict   func(r *bent, keep uint32) uint32
	remove  func(r *bent, slot uint32)
	move    func(r *bent, from, to uint32)
	trim    func(r *bent)
	resize  func(r *bent)
	clear   func(r *bent)
	len     func(r *bent) int
	all     func(r *bent) iter.Seq[uint32]
}

// bend makes a policy that breaks what break does.
func bend(breaks func(r *bent)) evict.Policy {
	return func(shards []evict.Shard) []evict.Ring {
		rings := evict.FIFO(shards)
		for i, ring := range rings {
			r := &bent{Ring: ring, slots: shards[i].Slots}
			breaks(r)
			rings[i] = r
		}
		return rings
	}
}

func (r *bent) MaxMark() uint32 {
	if r.maxMark != nil {
		return r.maxMark(r)
	}
	return r.Ring.MaxMark()
}

func (r *bent) Admit(hash uint32, weight int64) {
	r.calls++
	if r.admit != nil {
		r.admit(r)
	}
	r.Ring.Admit(hash, weight)
}

func (r *bent) Insert(slot uint32, weight int64) {
	if r.insert != nil {
		r.insert(r, slot)
		return
	}
	r.Ring.Insert(slot, weight)
}

func (r *bent) Reweigh(slot uint32, weight int64) {
	if r.reweigh != nil {
		r.reweigh(r, slot, weight)
	}
	r.Ring.Reweigh(slot, weight)
}

func (r *bent) Evict(incoming bool, keep uint32) uint32 {
	if r.evict != nil {
		return r.evict(r, keep)
	}
	return r.Ring.Evict(incoming, keep)
}

func (r *bent) Remove(slot uint32) {
	if r.remove != nil {
		r.remove(r, slot)
		return
	}
	r.Ring.Remove(slot)
}

func (r *bent) Move(from, to uint32) {
	if r.move != nil {
		r.move(r, from, to)
		return
	}
	r.Ring.Move(from, to)
}

func (r *bent) Trim(top uint32) {
	if r.trim != nil {
		r.trim(r)
	}
	r.Ring.Trim(top)
}

func (r *bent) Resize(capacity int) {
	if r.resize != nil {
		r.resize(r)
	}
	r.Ring.Resize(capacity)
}

func (r *bent) Clear() {
	if r.clear != nil {
		r.clear(r)
		return
	}
	r.Ring.Clear()
}

func (r *bent) Len() int {
	if r.len != nil {
		return r.len(r)
	}
	return r.Ring.Len()
}

func (r *bent) All() iter.Seq[uint32] {
	if r.all != nil {
		return r.all(r)
	}
	return r.Ring.All()
}

// sweep is CLOCK's search for a victim, without an end to it.
func (r *bent) sweep(next func(mark uint32) uint32) uint32 {
	for {
		for slot := range r.Ring.All() {
			mark := r.slots.Mark(slot)
			if mark == 0 {
				r.Ring.Remove(slot)
				return slot
			}
			r.slots.SetMark(slot, next(mark))
		}
		if r.Ring.Len() == 0 {
			return evict.None
		}
	}
}

// ordered is an LRU ring whose Oldest is replaced.
type ordered struct {
	evict.Ring
	oldest func(right int) int
}

func (r ordered) Oldest() int            { return r.oldest(r.Ring.(evict.Ordered).Oldest()) }
func (r ordered) Use(slot uint32) uint64 { return r.Ring.(evict.Ordered).Use(slot) }

// orderedBy makes rings of LRU that say what oldest makes of the right answer.
func orderedBy(oldest func(ring, right int, slots evict.Slots) int) evict.Policy {
	return func(shards []evict.Shard) []evict.Ring {
		rings := evict.LRU(shards)
		for i := range rings {
			rings[i] = ordered{rings[i], func(right int) int { return oldest(i, right, shards[i].Slots) }}
		}
		return rings
	}
}

type validated struct{ evict.Ring }

func (validated) Validate() error { return errors.New("something is wrong") }

// brokenPolicies break one rule each.
var brokenPolicies = []struct {
	name   string
	rule   rule
	policy evict.Policy
}{
	{"too few rings", ruleRings, func(shards []evict.Shard) []evict.Ring { return evict.FIFO(shards[1:]) }},
	{"too many rings", ruleRings, func(shards []evict.Shard) []evict.Ring { return evict.FIFO(append(shards, shards[0])) }},
	{"a nil ring", ruleRings, func(shards []evict.Shard) []evict.Ring { return make([]evict.Ring, len(shards)) }},
	{"one ring for all shards", ruleShards, func(shards []evict.Shard) []evict.Ring {
		rings := evict.FIFO(shards)
		for i := range rings {
			rings[i] = rings[0]
		}
		return rings
	}},
	{"the Slots of another shard", ruleShards, func(shards []evict.Shard) []evict.Ring {
		for i := range shards {
			shards[i].Slots = shards[0].Slots
		}
		return evict.CLOCK(shards)
	}},
	{"MaxMark of 4", ruleMaxMark, bend(func(r *bent) { r.maxMark = func(*bent) uint32 { return 4 } })},
	{"MaxMark changes", ruleMaxMark, bend(func(r *bent) { r.maxMark = func(r *bent) uint32 { return 1 + uint32(min(r.calls/100, 1)) } })},
	{"MaxMark of each ring's own", ruleMaxMark, func(shards []evict.Shard) []evict.Ring {
		return append(evict.FIFO(shards[:1]), evict.S3FIFO(shards[1:])...)
	}},
	{"Insert ignored", ruleInsert, bend(func(r *bent) { r.insert = func(*bent, uint32) {} })},
	{"Evict returns keep", ruleKeep, bend(func(r *bent) {
		r.evict = func(r *bent, _ uint32) uint32 { return r.Ring.Evict(false, evict.None) }
	})},
	{"Evict forgets nothing", ruleForget, bend(func(r *bent) {
		r.evict = func(r *bent, keep uint32) uint32 {
			for slot := range r.Ring.All() {
				if slot != keep {
					return slot
				}
			}
			return evict.None
		}
	})},
	{"Evict returns a slot that was never held", ruleVictim, bend(func(r *bent) {
		r.evict = func(r *bent, keep uint32) uint32 { return r.Ring.Evict(false, keep) + 1<<20 }
	})},
	{"Evict returns a slot that is not held", ruleVictim, bend(func(r *bent) {
		last := evict.None
		r.evict = func(r *bent, keep uint32) uint32 {
			last, keep = r.Ring.Evict(false, keep), last
			if keep != evict.None {
				return keep
			}
			return last
		}
	})},
	{"Evict returns None", ruleNone, bend(func(r *bent) {
		r.evict = func(r *bent, keep uint32) uint32 {
			if r.Ring.Len() == 15 {
				return evict.None
			}
			return r.Ring.Evict(false, keep)
		}
	})},
	{"Evict gives up where keep is", ruleNone, bend(func(r *bent) {
		r.evict = func(r *bent, keep uint32) uint32 {
			for slot := range r.Ring.All() {
				if slot == keep {
					return evict.None
				}
				break
			}
			return r.Ring.Evict(false, evict.None)
		}
	})},
	{"Remove ignored", ruleRemove, bend(func(r *bent) { r.remove = func(*bent, uint32) {} })},
	{"Move ignored", ruleMove, bend(func(r *bent) { r.move = func(*bent, uint32, uint32) {} })},
	{"Clear ignored", ruleClear, bend(func(r *bent) { r.clear = func(*bent) {} })},
	{"Resize evicts", ruleStay, bend(func(r *bent) { r.resize = func(r *bent) { r.Ring.Evict(false, evict.None) } })},
	{"Reweigh evicts", ruleStay, bend(func(r *bent) { r.reweigh = func(r *bent, slot uint32, _ int64) { r.Ring.Evict(false, slot) } })},
	{"Len one too many", ruleLen, bend(func(r *bent) { r.len = func(r *bent) int { return r.Ring.Len() + 1 } })},
	{"Len one too few", ruleLen, bend(func(r *bent) { r.len = func(r *bent) int { return max(0, r.Ring.Len()-1) } })},
	{"All yields twice", ruleAll, bend(func(r *bent) {
		r.all = func(r *bent) iter.Seq[uint32] {
			return func(yield func(uint32) bool) {
				for range 2 {
					for slot := range r.Ring.All() {
						if !yield(slot) {
							return
						}
					}
				}
			}
		}
	})},
	{"All misses one", ruleAll, bend(func(r *bent) {
		r.all = func(r *bent) iter.Seq[uint32] {
			return func(yield func(uint32) bool) {
				first := true
				for slot := range r.Ring.All() {
					if !first && !yield(slot) {
						return
					}
					first = false
				}
			}
		}
	})},
	{"All yields what is not held", ruleAll, bend(func(r *bent) {
		r.all = func(*bent) iter.Seq[uint32] {
			return func(yield func(uint32) bool) { yield(evict.None) }
		}
	})},
	{"All does not stop", rulePanic, bend(func(r *bent) {
		r.all = func(r *bent) iter.Seq[uint32] {
			return func(yield func(uint32) bool) {
				for slot := range r.Ring.All() {
					yield(slot)
				}
			}
		}
	})},
	{"the mark of a freed slot", ruleSlots, bend(func(r *bent) {
		hand := evict.None
		r.remove = func(r *bent, slot uint32) { hand = slot; r.Ring.Remove(slot) }
		r.admit = func(r *bent) {
			if hand != evict.None {
				r.slots.Mark(hand)
			}
		}
	})},
	{"the hash of the slot that Move leaves", ruleSlots, bend(func(r *bent) {
		r.move = func(r *bent, from, to uint32) { r.slots.Hash(from); r.Ring.Move(from, to) }
	})},
	{"the mark of no slot", ruleSlots, bend(func(r *bent) { r.trim = func(r *bent) { r.slots.SetMark(evict.None, 0) } })},
	{"Slots asked by Len", ruleSlots, bend(func(r *bent) {
		r.len = func(r *bent) int {
			for slot := range r.Ring.All() {
				r.slots.Mark(slot)
			}
			return r.Ring.Len()
		}
	})},
	{"Slots asked when rings are made", ruleSlots, func(shards []evict.Shard) []evict.Ring {
		shards[0].Slots.Mark(1)
		return evict.FIFO(shards)
	}},
	{"SetMark over MaxMark", ruleMark, bend(func(r *bent) {
		r.insert = func(r *bent, slot uint32) { r.Ring.Insert(slot, 1); r.slots.SetMark(slot, 2) }
	})},
	{"a sweep without an end", ruleBound, bend(func(r *bent) {
		r.evict = func(r *bent, _ uint32) uint32 { return r.sweep(func(mark uint32) uint32 { return mark }) }
	})},
	{"Clear walks", ruleBound, bend(func(r *bent) {
		r.clear = func(r *bent) {
			for slot := range r.Ring.All() {
				r.slots.SetMark(slot, 0)
			}
			r.Ring.Clear()
		}
	})},
	{"Oldest is always 0", ruleOldest, orderedBy(func(int, int, evict.Slots) int { return 0 })},
	{"Oldest is out of range", ruleOldest, orderedBy(func(_, right int, _ evict.Slots) int {
		if right < 0 {
			return right
		}
		return right + 16
	})},
	{"Oldest is each ring's own", ruleOldest, orderedBy(func(ring, right int, _ evict.Slots) int { return max(ring, right) })},
	{"Oldest asks Slots", ruleSlots, orderedBy(func(_, right int, slots evict.Slots) int {
		if right >= 0 {
			slots.Mark(1)
		}
		return right
	})},
	{"some rings are ordered", ruleOldest, func(shards []evict.Shard) []evict.Ring {
		rings := evict.LRU(shards)
		rings[0] = struct{ evict.Ring }{rings[0]}
		return rings
	}},
	{"Validate finds something", ruleValidate, func(shards []evict.Shard) []evict.Ring {
		rings := evict.CLOCK(shards)
		for i := range rings {
			rings[i] = validated{rings[i]}
		}
		return rings
	}},
	{"a panic", rulePanic, bend(func(r *bent) { r.trim = func(*bent) { panic("not implemented") } })},
	{"a weight of 0 divides", rulePanic, bend(func(r *bent) {
		r.reweigh = func(_ *bent, _ uint32, weight int64) { _ = 100 / weight }
	})},
}

func TestEveryBrokenRuleIsNoticed(t *testing.T) {
	rules := map[rule]bool{}
	seeds := uint64(2)
	if testing.Short() {
		seeds = 1
	}
	for _, p := range brokenPolicies {
		t.Run(p.name, func(t *testing.T) {
			for seed := range seeds {
				_, err := checkRings(p.policy, options{seed: seed})
				var found *fault
				require.ErrorAs(t, err, &found)
				require.Equal(t, p.rule, found.rule, "%v", err)
			}
			rules[p.rule] = true
		})
	}
	rules[ruleEngine] = true // see below
	for _, all := range []rule{
		ruleRings, ruleShards, ruleMaxMark, ruleInsert, ruleVictim, ruleKeep, ruleForget, ruleNone, ruleRemove, ruleMove, ruleClear,
		ruleStay, ruleLen, ruleAll, ruleSlots, ruleMark, ruleBound, ruleOldest, ruleValidate, rulePanic, ruleEngine,
	} {
		assert.True(t, rules[all], "nothing was planted that breaks the rule %q", all)
	}
}

// What goes wrong only in a large ring is noticed there.
func TestALargeRingIsLookedAt(t *testing.T) {
	large := func(breaks func(r *bent)) evict.Policy {
		return bend(func(r *bent) {
			r.insert = func(r *bent, slot uint32) {
				r.Ring.Insert(slot, 1)
				if r.Ring.Len() > 5000 {
					breaks(r)
				}
			}
		})
	}
	for _, tc := range []struct {
		name   string
		rule   rule
		policy evict.Policy
	}{
		{"a sweep over all that is marked", ruleBound, large(func(r *bent) {
			r.evict = func(r *bent, _ uint32) uint32 { return r.sweep(func(mark uint32) uint32 { return mark - 1 }) }
		})},
		{"a Resize that looks at all", ruleBound, large(func(r *bent) {
			r.resize = func(r *bent) {
				for slot := range r.Ring.All() {
					r.slots.Hash(slot)
				}
			}
		})},
		{"no victim", ruleVictim, large(func(r *bent) { r.evict = func(*bent, uint32) uint32 { return evict.None } })},
		{"an entry not removed", ruleLen, large(func(r *bent) { r.len = func(r *bent) int { return r.Ring.Len() + 1 } })},
		{"a Clear that does nothing", ruleClear, large(func(r *bent) { r.clear = func(*bent) {} })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options{seed: 3, short: true}
			_, err := checkRings(tc.policy, o)
			require.NoError(t, err)
			_, err = checkBounds(tc.policy, o)
			var found *fault
			require.ErrorAs(t, err, &found)
			require.Equal(t, tc.rule, found.rule, "%v", err)
		})
	}
}

func TestTheEngineIsValidated(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the engine of this build validates itself after each change, and would end the test with a panic")
	}
	_, err := checkEngine(bend(func(r *bent) { r.len = func(r *bent) int { return r.Ring.Len() + 1 } }), options{short: true})
	var found *fault
	require.ErrorAs(t, err, &found)
	require.Equal(t, ruleEngine, found.rule)
	require.Contains(t, found.Error(), "an engine of 1 entries")
}

// plantedVariable makes the test that follows fail, in a process of its own.
const plantedVariable = "CACHETEST_PLANTED"

func TestRunOfABrokenPolicy(t *testing.T) {
	if os.Getenv(plantedVariable) == "" {
		t.Log("see TestAFailureSaysWhatToRepeat")
		return
	}
	RunPolicy(t, bend(func(r *bent) { r.remove = func(*bent, uint32) {} }))
}

func TestAFailureSaysWhatToRepeat(t *testing.T) {
	run := func(name string, env ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+name)
		cmd.Env = append(os.Environ(), append(env, plantedVariable+"=1")...)
		out, err := cmd.CombinedOutput()
		var failed *exec.ExitError
		require.ErrorAs(t, err, &failed, "%s", out)
		return string(out)
	}
	told := func(out string) string {
		t.Helper()
		_, out, found := strings.Cut(out, "the policy breaks")
		require.True(t, found, out)
		out, _, found = strings.Cut(out, "once more: ")
		require.True(t, found, out)
		return out
	}
	first := run("^TestRunOfABrokenPolicy$")
	assert.Contains(t, first, "this rule: "+string(ruleRemove)+"\n")
	assert.Regexp(t, `1 shards, 1 entries, weighted false, expected in each shard: 1; the last of \d+ calls:\n(.*\n)*.*ring 0: Remove\(\d+\)\n`, first)
	again := regexp.MustCompile(`once more: (\w+=\d+) go test -run '(.*)'`).FindStringSubmatch(first)
	require.NotNil(t, again, first)
	assert.Equal(t, "^TestRunOfABrokenPolicy/rings$", again[2])
	assert.NotContains(t, first, "bounds", "later checks rely on the first")
	assert.Equal(t, told(first), told(run(again[2], again[1])))

	assert.Contains(t, run("^TestRunOfABrokenPolicy$", SeedVariable+"=x"), SeedVariable+": ")
}
