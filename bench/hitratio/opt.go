// SPDX-License-Identifier: MIT

package main

import (
	"container/heap"
	"math"
	"slices"
)

// opt returns the hits of the best that any cache of that many entries could do
// if it knew the future (Belády, "A study of replacement algorithms for a
// virtual-storage computer", IBM Systems Journal 5(2), 1966), and the most
// entries it held. It keeps the keys whose next request comes soonest, and may
// refuse a key that would be the first to go. ids number the keys from 0.
// The time is O(n log n) for n requests.
func opt(ids []int32, distinct, capacity int) (hits, most int) {
	const never = math.MaxInt32
	next := make([]int32, len(ids)) // by request: the next one of the same key
	seen := slices.Repeat([]int32{never}, distinct)
	for i, id := range slices.Backward(ids) {
		next[i] = seen[id]
		seen[id] = int32(i)
	}
	// An entry is named by the request that it waits for. Requests that have
	// passed stay in the heap: they are sooner than all that are waited for, so
	// they never come to the top while anything has to go.
	waited := make([]bool, len(ids))
	var latest requests
	held := 0
	for i := range ids {
		if waited[i] {
			hits++
			held--
		}
		if next[i] == never {
			continue
		}
		waited[next[i]] = true
		heap.Push(&latest, next[i])
		if held++; held > capacity {
			waited[heap.Pop(&latest).(int32)] = false
			held--
		}
		most = max(most, held)
	}
	return hits, most
}

// requests is a heap with the latest request on top.
type requests []int32

func (r requests) Len() int           { return len(r) }
func (r requests) Less(i, j int) bool { return r[i] > r[j] }
func (r requests) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *requests) Push(x any)        { *r = append(*r, x.(int32)) }

func (r *requests) Pop() any {
	last := len(*r) - 1
	x := (*r)[last]
	*r = (*r)[:last]
	return x
}
