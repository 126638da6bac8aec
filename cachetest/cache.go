// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"iter"
	"testing"
	"time"
)

// AnyCache is what [RunCache] knows of a cache: an adapter of a few lines. Get, Set and
// Delete are required. Every other function may be nil, which says that the cache has
// nothing of the kind: what needs it is then skipped as not claimed. All functions but
// Close must be safe for concurrent use.
type AnyCache[K comparable] struct {
	// Get returns the value that is held for the key, and whether one is.
	Get func(key K) (value int64, found bool)
	// Set stores a value, whatever is held. Its lifetime is CacheOptions.TTL.
	Set func(key K, value int64)
	// Delete removes the key's entry, if there is one.
	Delete func(key K)

	// SetTTL stores a value that is to expire when the lifetime has passed.
	SetTTL func(key K, value int64, ttl time.Duration)
	// Add stores a value if nothing is held, and reports whether it did.
	Add func(key K, value int64) bool
	// Replace stores a value if one is held, and reports whether it did.
	Replace func(key K, value int64) bool
	// Take removes the key's entry and returns what its value was.
	Take func(key K) (value int64, found bool)
	// Incr adds to the value held and returns the sum. If none is held it stores
	// nothing and returns false.
	Incr func(key K, delta int64) (sum int64, found bool)
	// CompareAndSwap stores next if old is held, and reports whether it did.
	CompareAndSwap func(key K, old, next int64) bool
	// GetOrLoad returns the value that is held, or what load returns, which it stores
	// if there is no error. A cache whose calls take no context ignores it, and gives
	// load any.
	GetOrLoad func(ctx context.Context, key K, load func(context.Context) (int64, error)) (int64, error)
	// All yields what is held.
	All func() iter.Seq2[K, int64]
	// Clear removes all entries.
	Clear func()
	// Len returns how many entries are held.
	Len func() int
	// Close gives back what the cache has, such as its goroutines. A statement may
	// call it; the factory must see to it otherwise, by tb.Cleanup.
	Close func()

	// Settle waits until what was called has had its effect: work that other
	// goroutines do later, or notices that are still to come. nil: there is none.
	Settle func()
	// Advance moves the clock of the cache. nil: its clock is the real one, and
	// statements about lifetimes wait.
	Advance func(d time.Duration)
}

// CacheOptions are what a statement wants of the cache that it is checked on.
type CacheOptions struct {
	// Capacity is the largest number of entries. It is never 0.
	Capacity int
	// TTL is the lifetime of what Set stores. 0: it does not expire.
	TTL time.Duration
	// OnRemove, if it is not nil, is to be told of entries that are no longer held.
	OnRemove func(key string, value int64, cause Cause)
}

// Cause is why an entry is no longer held.
type Cause uint8

const (
	// Unknown is the cause if the cache does not tell why.
	Unknown Cause = iota
	// Replaced means that another value took its place.
	Replaced
	// Removed means that somebody asked for it, by Delete, Take or Clear.
	Removed
	// Evicted means that its room was needed.
	Evicted
	// Expired means that its lifetime had passed.
	Expired
)

// String returns the cause's name.
func (c Cause) String() string {
	names := [...]string{"Unknown", "Replaced", "Removed", "Evicted", "Expired"}
	if int(c) >= len(names) {
		return "Cause(?)"
	}
	return names[c]
}

// CacheConfig is what a cache's documentation says, as far as the suite has to know.
// The zero value is a cache whose documentation says nothing beyond what its calls
// are: it is then checked for what every user takes for granted.
//
// Places are texts for the report: a page and the words, say.
type CacheConfig struct {
	// Documented has the ids of statements that the documentation promises, with the
	// places. A statement whose Basis is Promised is checked only if it is here.
	Documented map[string]string
	// Disclaimed has the ids of statements that the documentation says not to expect,
	// with the places, or that cannot be asked for another reason. They are skipped.
	Disclaimed map[string]string

	// SettlesLater is where it is documented that a call may have its effect later.
	// Statements about one goroutine then call Settle after each write; those about
	// what another goroutine sees are skipped. "": it is not.
	SettlesLater string
	// MayDrop is where it is documented that a Set may be dropped. Statements then
	// repeat it. "": it is not.
	MayDrop string

	// ClearAlone is where it is documented that no other call may be made during Clear.
	// "": they may.
	ClearAlone string
	// Unbounded is why nothing is ever evicted, whatever the capacity. "": the cache is
	// bounded.
	Unbounded string

	// CacheTTL tells that the cache can be made with CacheOptions.TTL.
	CacheTTL bool
	// Notices tells that the cache can call CacheOptions.OnRemove.
	Notices bool
	// LoadContext tells that GetOrLoad heeds the context it is given: that of the
	// cache has a parameter for one.
	LoadContext bool

	// Bound returns the largest number of entries that may be held at rest, for a
	// capacity that was asked for. nil: the capacity.
	Bound func(capacity int) int
	// Granularity is what lifetimes are rounded to, up or down. 0: they are not.
	Granularity time.Duration
	// Slack is how long after its time an entry may still be seen.
	Slack time.Duration
	// ZeroTTL is what a lifetime of 0 or less says, where C18 is documented: that the
	// entry never expires, if true, or that there is none, if false.
	ZeroTTL bool

	// AnyKeys makes caches whose keys may be of any dynamic type. nil: there are none.
	AnyKeys func(testing.TB, CacheOptions) AnyCache[any]
}

// Basis is on what ground a statement may be held against a cache.
type Basis uint8

const (
	// Granted is what every user takes for granted, so it is checked unless the
	// documentation says otherwise.
	Granted Basis = iota
	// Promised is what is checked only if the documentation promises it.
	Promised
)

// String returns what the basis is, in words.
func (b Basis) String() string {
	if b == Promised {
		return "promised by its documentation"
	}
	return "taken for granted"
}

// CacheStatement is one statement that RunCache checks. Those whose ids begin with C
// are about single calls, with B about functions and keys that users pass, with T about
// many goroutines at once.
type CacheStatement struct {
	ID    string // such as C4
	Says  string // a few words
	Basis Basis
}

// CacheStatements returns the statements that RunCache checks, in its order.
func CacheStatements() []CacheStatement {
	var out []CacheStatement
	for _, st := range cacheStatements() {
		out = append(out, CacheStatement{ID: st.id, Says: st.says, Basis: st.basis})
	}
	return out
}

// RunCache tells what a cache, of whatever origin, can be relied on for. It has a
// subtest for each statement, named by the statement's id and a few words. One that
// fails says on what basis the statement stands, what went wrong (a hang, a crash, a
// data race or a wrong answer), and the calls that lead there: the few that it made,
// or the smallest part of a history that still has no explanation.
//
// The factory returns a new, empty cache each time; the calls it makes to the
// testing.TB it gets must be Cleanup, Helper and Fatal alone. A statement is skipped if
// the cache lacks a function it needs, if config disclaims it, or if it has to be
// promised and is not; the test's log says so.
//
// A statement that may hang or end the process is checked in a process of its own:
// the test's binary is started again for the calling test alone, up to this call. So
// a test may call RunCache once, and what it does before is done again. A call that
// does not return within two seconds hangs; time in which the process stands still does
// not count, and where GOARCH is not amd64 it is a minute, for emulators. Run under the
// race detector it shows what a cache shares without a lock, too. With -short there are
// fewer rounds.
func RunCache(t *testing.T, factory func(testing.TB, CacheOptions) AnyCache[string], config CacheConfig) {
	t.Helper()
	onlyOnce(t)
	if id := childOf(t.Name()); id != "" {
		checkInChild(t, id, factory, config)
	}
	t.Log(runCache(t, cacheStatements(), factory, config, true, func(name string, body func(testing.TB)) {
		t.Run(name, func(t *testing.T) { body(t) })
	}))
}
