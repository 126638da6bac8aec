// SPDX-License-Identifier: MIT

package locmem

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A Watch gives the shards their outboxes one after the other. What a shard that has
// one queues meanwhile must not wait for the last shard to get its own.
func TestAnEventDuringAWatchIsDelivered(t *testing.T) {
	e := Must(New(Options[int, int]{MaxEntries: 100, Shards: 4}))
	defer e.Close()
	var heard []int
	listener := func(r Removal[int, int]) { heard = append(heard, r.Key) }
	e.listeners.change(func([]*func(Removal[int, int])) []*func(Removal[int, int]) {
		return []*func(Removal[int, int]){&listener}
	})
	e.shards[0].out.Store(&outbox[int, int]{listeners: &e.listeners})
	for key := range 50 {
		e.Set(key, key)
	}
	inFirst := e.shards[0].len
	require.Positive(t, inFirst)
	require.Equal(t, 50, e.Evict(50))
	require.Len(t, heard, inFirst)
	require.NoError(t, e.Drain(t.Context()))
	require.NoError(t, e.validate())
}
