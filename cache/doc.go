// SPDX-License-Identifier: MIT

// Package cache is Django's cache API in Go: named caches with string keys,
// versions, prefixes, timeouts and get-or-set, in front of local memory or of other
// backends.
//
//	c, err := cache.Open("locmem://users?timeout=10m&max_entries=10000")
//	users := cache.For[User](c)
//	err = users.Set(ctx, "ada", ada, cache.Timeout(time.Hour))
//	ada, found, err := users.Get(ctx, "ada")
//	ada, err = users.GetOrSet(ctx, "ada", loadAda)
//
// # Parts
//
//	View[V]    reads and writes values of one type: encodes and decodes, loads
//	  │
//	Cache      one alias: makes and checks keys, resolves timeouts, has the limits
//	  │
//	Backend    keeps bytes under final keys: Local, Dummy, or somebody else's
//	  │
//	Registry   has the stores of local memory by their locations
//
// A set of aliases is a [Caches]. Aliases of one location share its entries; each
// write obeys the limits of its own alias.
//
// # Guarantees
//
//   - What a call promises is in docs/contract.md, statement by statement, with the
//     test of each. cachetest.RunBackend holds a backend against it.
//   - Values are copies: changing what was stored, or what was read, changes nothing
//     in the cache. Only [NoCopy] keeps values as they are.
//   - A miss is found == false. An error is never a miss, and a miss never an error,
//     but for Incr and IncrVersion, which need an entry.
//   - Of callers who miss a key together one loads; a write during the load wins.
//   - Arguments are checked, and values encoded, before anything is changed.
//   - No lock is held while codecs, loaders, key functions, hooks, log handlers,
//     weighers or listeners run.
//   - On local memory the least recently used entry of the location goes, exactly,
//     and what is held never exceeds a limit that all of the location's aliases have.
//
// # Not offered
//
// Local memory belongs to its process: other processes do not hear of what happens in it. Nothing that is
// stored is sure to stay. Calls on many keys are not atomic as a whole.
package cache
