// SPDX-License-Identifier: MIT

package evict

// room is the number of entries that a ring's memory of keys is made for.
//
// It follows the number of entries held by doubling, so that an empty cache is
// small however large it may become. Once a sixteenth of what is expected is
// held, it is all that is expected. If more than that is held it goes on
// doubling; but a quarter more is let pass, since the entries of an engine are
// never spread evenly over its shards.
type room struct {
	expected int // see Shard.Capacity
	size     int
}

const (
	firstRoom = 16
	firmShare = 16 // of what is expected; see above
)

// expect changes what is expected.
func (r *room) expect(capacity int) { r.expected = max(0, capacity) }

// fit takes one step towards the right size for so many entries and returns
// whether that was a change.
func (r *room) fit(held int) (changed bool) {
	before := r.size
	switch {
	case r.expected > 0 && held <= r.expected && r.size > r.expected:
		r.size = r.expected
	case held <= r.size:
	case r.size < r.expected && held >= r.expected/firmShare:
		r.size = r.expected
	case r.size > 0 && r.size == r.expected && held <= r.size+r.size/4:
	default:
		r.size = max(firstRoom, 2*r.size)
	}
	return r.size != before
}
