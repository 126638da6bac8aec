// SPDX-License-Identifier: MIT

// Package fuzz has the fuzz targets of the module and their corpora.
//
//	go test -run='^$' -fuzz='^FuzzEngine$' -fuzztime=1m ./fuzz
package fuzz

import (
	"testing"
	"time"

	"github.com/locmem/locmem/evict"
	"github.com/locmem/locmem/internal/model"
)

// bytes is a fuzzer's input as a source of choices. When it is used up all
// choices are 0.
type bytes []byte

func (b *bytes) IntN(n int) int {
	x := 0
	for need := 1; need < n; need <<= 8 {
		if len(*b) > 0 {
			x = x<<8 | int((*b)[0])
			*b = (*b)[1:]
		}
	}
	return x % n
}

// FuzzEngine takes bytes as the configuration of an engine and a program of
// calls, and compares every answer with the model's. The engine is validated
// after every call.
func FuzzEngine(f *testing.F) {
	f.Add([]byte("a program of a few calls on one shard, in which entries come and go"))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26})
	f.Add([]byte("\x01\x02\x01\x01\x00zzzzyyyyxxxxwwwwvvvvuuuuttttssssrrrrqqqqppppoooonnnnmmmmllllkkkkjjjjiiiihhhhggggffffeeee"))
	f.Add([]byte("\x04\x01\x05\x01\x02ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh"))
	policies := []evict.Policy{evict.TinyClock, evict.LRU, evict.CLOCK, evict.FIFO, evict.S3FIFO, evict.SIEVE}
	f.Fuzz(func(t *testing.T, data []byte) {
		source := bytes(data)
		config := model.Config{
			Policy:   policies[source.IntN(len(policies))],
			Shards:   1 << source.IntN(4),
			Entries:  1 + source.IntN(20),
			Weighted: source.IntN(2) == 1,
		}
		kind := source.IntN(256) // one bit for each
		config.Tags = kind&1 != 0
		for i, window := range []*time.Duration{&config.NegativeTTL, &config.StaleFor, &config.StaleIfError, &config.RefreshAhead} {
			if kind>>(i+1)&1 != 0 {
				*window = time.Duration(10+source.IntN(50)) * time.Second
			}
		}
		switch source.IntN(4) {
		case 1:
			config.Bend, config.Keep = func(uint64) uint64 { return 0 }, true
		case 2:
			config.Bend = func(h uint64) uint64 { return h & (7 << 48) }
		}
		model.Run(t, config, &source, min(len(data), 400))
	})
}
