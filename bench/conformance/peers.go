// SPDX-License-Identifier: MIT

package main

import (
	"testing"

	"github.com/locmem/locmem/cachetest"
)

// peer is one cache with what its documentation says.
type peer struct {
	name    string
	module  string // its path, for the version; "" for code of this tree
	what    string // which of its caches is taken, with which options
	factory func(testing.TB, cachetest.CacheOptions) cachetest.AnyCache[string]
	config  cachetest.CacheConfig
}

// peers are all rows of the table. Each is made as its documentation recommends. What a
// configuration says of a documentation was read in that of the version in go.mod; a
// quotation is short, and from the place that is named.
func peers() []peer {
	return []peer{
		locmemEngine(), locmemFront(), otterPeer(), theinePeer(), theineLoadingPeer(), ristrettoPeer(), phusluPeer(), freelruPeer(),
		golangLRUPeer(), expirablePeer(), ttlcachePeer(), goCachePeer(),
	}
}

// noLimit is why caches without a capacity are not asked for evictions.
const noLimit = "it has no capacity"
