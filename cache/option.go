// SPDX-License-Identifier: MIT

package cache

import (
	"slices"
	"time"
)

// Option says one thing of one call. Options are plain values: they allocate
// nothing, but for Tags. The zero Option says nothing.
type Option struct {
	kind optionKind
	n    int64
	tags []string
}

type optionKind uint8

const (
	optionNone optionKind = iota
	optionTimeout
	optionNever
	optionVersion
	optionTags
)

// Forever is the timeout of what never expires.
const Forever time.Duration = 1<<63 - 1

// Timeout makes the entry expire d from now; without it the alias's default
// counts. d <= 0 means already expired: nothing is stored, and an older value of
// the key is gone.
func Timeout(d time.Duration) Option { return Option{kind: optionTimeout, n: int64(d)} }

// Never makes the entry live until it is removed or evicted.
func Never() Option { return Option{kind: optionNever} }

// Version means the entry of that version of the key; without it the alias's
// version counts. 0 and negative numbers are versions like others.
func Version(n int) Option { return Option{kind: optionVersion, n: int64(n)} }

// Tags makes the entry carry tags, for InvalidateTags. A write without it leaves
// none of an older value's.
func Tags(tags ...string) Option { return Option{kind: optionTags, tags: slices.Clone(tags)} }

// call is what the options of one call say together, on top of the alias's
// defaults. Where two say the same thing, the later counts.
type call struct {
	timeout time.Duration // Forever: never
	version int
	tags    []string
}

// add puts options on top.
func (c *call) add(opts []Option) {
	for i := range opts {
		switch o := &opts[i]; o.kind {
		case optionNone:
		case optionTimeout:
			c.timeout = time.Duration(o.n)
		case optionNever:
			c.timeout = Forever
		case optionVersion:
			c.version = int(o.n)
		case optionTags:
			c.tags = o.tags
		}
	}
}
