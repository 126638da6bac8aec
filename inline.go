// SPDX-License-Identifier: MIT

package locmem

import "github.com/locmem/locmem/internal/lock"

// The engine's code is compiled where a program uses it with its own types. There the
// compiler can inline what this package calls in turn only if this package has called
// it in code that is not generic: otherwise every atomic on the way of a hit is a
// call. So each is called here once.
func init() {
	var u32 lock.Uint32
	u32.Store(u32.Add(u32.Load()))
	u32.CompareAndSwap(0, 0)
	var u64 lock.Uint64
	u64.Store(u64.Add(u64.Load()))
	var i64 lock.Int64
	i64.Store(i64.Add(i64.Load()))
	i64.CompareAndSwap(0, 0)
	var i32 lock.Int32
	i32.Store(i32.Add(i32.Load()))
	var b lock.Bool
	b.Store(b.Load())
	b.CompareAndSwap(false, false)
}
