// SPDX-License-Identifier: MIT

// Package cachetest has conformance suites for what a program may put in the
// place of the cache's own parts, and for caches as a whole. They need nothing but
// the standard library and this module.
//
// [RunPolicy] is the suite of eviction policies: see package evict. [RunBackend] is
// that of the backends of package cache. [RunCache] is for caches of any origin.
package cachetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/locmem/locmem/evict"
)

// SeedVariable is the environment variable that gives a run the seed of another
// one, which a failure prints.
const SeedVariable = "CACHETEST_SEED"

// RunPolicy tells whether a policy is sound: it fails the test if a rule of
// [evict.Ring] is broken, and says which, what the ring did and the last calls
// that were made. Whether the policy is any good, its hit ratio, is not asked.
//
// In three subtests, each of which relies on those before it:
//
//   - rings: random calls, in an order that an engine may make them in, of rings of
//     1 to 200 entries, of one shard and of several. After each, Len, All, MaxMark
//     and Oldest are compared with what is held, and Validate is called if there is
//     one. The rings' [evict.Slots] know what a ring may ask for when.
//   - bounds: a ring with many entries, all of them hit. A call is made under the
//     shard's lock, so it may use Slots 272 times at most, however many entries there
//     are, and Clear not at all. How often it does, and how many allocations replace
//     an entry, is logged.
//   - engine: engines with the policy, used by several goroutines at once, hold
//     no more than their limits at any moment and are consistent afterwards. Run
//     under the race detector it shows what rings share without a lock.
//
// It takes a few seconds, and a tenth with -short. Calls are chosen by a random
// seed, or by the one in the environment variable [SeedVariable]; a policy that
// draws random numbers of its own is not repeated by it exactly.
func RunPolicy(t *testing.T, policy evict.Policy) {
	t.Helper()
	o := options{seed: seed(t), short: testing.Short()}
	for _, c := range checks {
		passed := t.Run(c.name, func(t *testing.T) {
			figure, err := c.run(policy, o)
			if err != nil {
				t.Fatalf("%v\nonce more: %s=%d go test -run '^%s$'", err, SeedVariable, o.seed, t.Name())
			}
			t.Log(figure)
		})
		if !passed {
			return
		}
	}
}

// options are those of one run.
type options struct {
	seed  uint64
	short bool
}

// scaled returns a number of calls, a tenth of it in a short run.
func (o options) scaled(n int) int {
	if o.short {
		return n / 10
	}
	return n
}

// checks are the subtests. They return a fault for a rule that is broken and a
// line that says what was done.
var checks = []struct {
	name string
	run  func(evict.Policy, options) (figure string, err error)
}{
	{"rings", checkRings},
	{"bounds", checkBounds},
	{"engine", checkEngine},
}

func seed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv(SeedVariable)
	if text == "" {
		return rand.Uint64()
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", SeedVariable, err)
	}
	return n
}

// rule is one sentence of the contract.
type rule string

const (
	ruleRings    rule = "a policy returns one ring for each shard, in the shards' order"
	ruleShards   rule = "a ring knows of its own shard only: rings share no entries and no Slots"
	ruleMaxMark  rule = "MaxMark is 0 to 3 and the same for the life of the ring"
	ruleInsert   rule = "Insert takes in the entry"
	ruleVictim   rule = "Evict returns a held slot"
	ruleKeep     rule = "Evict never chooses the entry in slot keep"
	ruleForget   rule = "Evict forgets the entry whose slot it returns"
	ruleNone     rule = "Evict returns None only if nothing but keep is held"
	ruleRemove   rule = "Remove forgets the entry"
	ruleMove     rule = "Move makes an entry live in another slot"
	ruleClear    rule = "Clear forgets all entries"
	ruleStay     rule = "only Evict, Remove and Clear forget entries"
	ruleLen      rule = "Len returns the number of entries held"
	ruleAll      rule = "All yields every held slot once"
	ruleSlots    rule = "a ring asks Slots only during a call and only for what is held"
	ruleMark     rule = "SetMark sets 0 to MaxMark"
	ruleBound    rule = "a call's use of Slots is bounded, however many entries are held"
	ruleOldest   rule = "Oldest names the shard that holds the next victim, -1 if none holds an entry"
	ruleValidate rule = "Validate finds nothing wrong"
	rulePanic    rule = "a ring that is used as documented does not panic"
	ruleEngine   rule = "an engine with the policy keeps its limits and its invariants"
)

// fault is a rule that was broken, and how.
type fault struct {
	rule  rule
	found string
}

func (f *fault) Error() string {
	return "the policy breaks this rule: " + string(f.rule) + "\n" + f.found
}

// catch runs a check up to the first fault, which is thrown as a panic, since it
// may be found in Slots, under the policy's own code. about describes the run.
func catch(about func() string, check func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *fault:
			p.found += "\n" + about()
			err = p
		default:
			err = &fault{rulePanic, fmt.Sprintf("panic: %v\n%s\n%s", p, about(), debug.Stack())}
		}
	}()
	check()
	return nil
}
