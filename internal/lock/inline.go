// SPDX-License-Identifier: MIT

package lock

import "sync/atomic"

// The compiler inlines what an importing package calls of an aliased type only if this
// package has called it as well: else every atomic of the engine is a call.
func init() {
	var u32 atomic.Uint32
	u32.Store(u32.Add(u32.Load()))
	u32.CompareAndSwap(0, 0)
	var u64 atomic.Uint64
	u64.Store(u64.Add(u64.Load()))
	var i64 atomic.Int64
	i64.Store(i64.Add(i64.Load()))
	i64.CompareAndSwap(0, 0)
	var i32 atomic.Int32
	i32.Store(i32.Add(i32.Load()))
	var b atomic.Bool
	b.Store(b.Load())
	b.CompareAndSwap(false, false)
}
