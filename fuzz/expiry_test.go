// SPDX-License-Identifier: MIT

package fuzz

import (
	"encoding/binary"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/internal/hook"
)

// number takes eight bytes as a number, of which small ones, and those near the ends of
// the range, are as frequent as all others.
func (b *bytes) number() int64 {
	var raw [8]byte
	kind := b.IntN(4)
	*b = (*b)[copy(raw[:], *b):]
	n := int64(binary.LittleEndian.Uint64(raw[:]))
	switch kind {
	case 0:
		return n % 1000
	case 1:
		return math.MaxInt64 - n%1000
	case 2:
		return math.MinInt64 + n%1000
	}
	return n
}

// elapsed is the time of an engine in exact numbers: nanoseconds since it was made, as
// far as they fit, which never go back.
type elapsed struct {
	start, wall time.Time
	now         *big.Int
}

var never = big.NewInt(math.MaxInt64)

func (c *elapsed) moved() {
	d := since(c.wall, c.start)
	if limit := new(big.Int).Sub(never, big.NewInt(1)); d.Cmp(limit) > 0 {
		d = limit
	}
	if d.Cmp(c.now) > 0 {
		c.now = d
	}
}

// since returns a - b in nanoseconds, however many.
func since(a, b time.Time) *big.Int {
	d := new(big.Int).Mul(big.NewInt(a.Unix()-b.Unix()), big.NewInt(1e9))
	return d.Add(d, big.NewInt(int64(a.Nanosecond()-b.Nanosecond())))
}

// FuzzExpiry takes bytes as moves of a clock, backward and over centuries too, and as
// lifetimes and deadlines of one entry, and compares whether the entry is alive with
// what exact arithmetic says. A deadline beyond the range is never.
func FuzzExpiry(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x03\x10\x27\x00\x00\x00\x00\x00\x00\x02\x03\x0f\x27\x00\x00\x00\x00\x00\x00\x02\x03\x01"))
	f.Add([]byte("\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x00\x00"))
	f.Add([]byte("\x01\x00\xff\xff\xff\xff\xff\xff\xff\x7f\x02\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05"))
	f.Fuzz(func(t *testing.T, data []byte) {
		source := bytes(data)
		c := elapsed{start: time.Unix(source.number()%1e11, source.number()%1e9), now: new(big.Int)}
		c.wall = c.start
		clock := locmem.NewManualClock(c.start)
		e := locmem.Must(locmem.New(locmem.Options[int, int]{MaxEntries: 1, Clock: clock}))
		defer e.Close()
		var deadline *big.Int // nil: the key is not held
		for step := 0; step < 30 && len(source) > 0; step++ {
			switch source.IntN(5) {
			case 0, 1: // a lifetime
				ttl := source.number()
				require.True(t, e.Set(1, step, locmem.TTL(time.Duration(ttl))))
				deadline = after(c.now, big.NewInt(ttl), ttl <= 0)
			case 2: // a deadline; what is left of it is at most a Duration
				at := c.start.Add(time.Duration(source.number()))
				require.True(t, e.Set(1, step, locmem.ExpireAt(at)))
				// The engine's time, as a wall clock's.
				left := new(big.Int).Sub(since(at, c.start), c.now)
				deadline = after(c.now, left, left.Sign() <= 0)
			case 3:
				d := time.Duration(source.number())
				clock.Advance(d)
				c.wall = c.wall.Add(d)
				c.moved()
			case 4:
				c.wall = c.start.Add(time.Duration(source.number()))
				clock.Set(c.wall)
				c.moved()
			}
			alive := deadline != nil && (deadline.Cmp(never) >= 0 || c.now.Cmp(deadline) < 0)
			if !alive {
				deadline = nil
			}
			require.Equal(t, alive, e.Has(1), "at %v, deadline %v", c.now, deadline)
			entry, found := e.Peek(1)
			require.Equal(t, alive, found)
			if alive && deadline.Cmp(never) < 0 {
				require.Equal(t, c.start.Add(time.Duration(deadline.Int64())), entry.Deadline)
			}
			require.NoError(t, hook.Validate(e))
		}
	})
}

// after returns now + d, or nil if nothing is stored.
func after(now, d *big.Int, gone bool) *big.Int {
	if gone {
		return nil
	}
	sum := new(big.Int).Add(now, d)
	if sum.Cmp(never) > 0 {
		sum = never
	}
	return sum
}
