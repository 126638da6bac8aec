// SPDX-License-Identifier: MIT

//go:build sched

package scenarios

import (
	"github.com/locmem/locmem/internal/sched"
)

// What a drawn program is made of. Left to the written scenarios are tags and moves,
// which have rules to keep to (all writes of a key carry the tag, one move a key), and
// loads that find nothing, which may remove what was to be refreshed.
var (
	configurations = []func(*Options){
		nil, lru, twoShards, twoLRU, single, s3fifo, sieve, stale, ifError, ahead, negative,
	}
	onKey = []func(key int) Call{
		set, get, setTTL, del, add, replace, take, peek, has, touch, update, removeBy, incr, setMany, fetch, fetchFails, loadFails,
		func(key int) Call { return loadKey(key) },
		func(key int) Call { return getMany(key, (key+1)%len(names)) },
		func(key int) Call { return deleteMany(key, (key+1)%len(names)) },
	}
	onAll = []func() Call{
		advance, clearAll, evictOne, drain, look, watch, closeEngine, cancelLoads,
		func() Call { return resize(1) },
		func() Call { return resize(3) },
	}
)

// Draw makes a scenario of what a source chooses: a configuration, up to three calls
// before, and two or three threads of up to three calls.
func Draw(source sched.Source) Scenario {
	s := Scenario{Name: "drawn", Configure: configurations[source.IntN(len(configurations))]}
	s.Before = drawCalls(source, source.IntN(4))
	for range 2 + source.IntN(2) {
		s.Threads = append(s.Threads, drawCalls(source, 1+source.IntN(3)))
	}
	return s
}

func drawCalls(source sched.Source, n int) []Call {
	var calls []Call
	for range n {
		if kind := source.IntN(2*len(onKey) + len(onAll)); kind < len(onAll) {
			calls = append(calls, onAll[kind]())
		} else {
			calls = append(calls, onKey[(kind-len(onAll))%len(onKey)](source.IntN(len(names))))
		}
	}
	return calls
}
