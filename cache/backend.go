// SPDX-License-Identifier: MIT

package cache

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/locmem/locmem"
)

// Backend keeps bytes under final keys. The front owns all the rest: it makes and
// checks keys, resolves timeouts, encodes, and lets one load run at a time. So a
// backend gets faultless arguments and need not check them again, unless its
// engine is stricter than CheckKey.
//
// All methods are safe for concurrent use. Those with a context return its error,
// or one that wraps it, when it ends before they are done. Bytes that a backend
// is given, or gives, are changed by neither side afterwards.
//
// What an engine has beyond this it offers by implementing Mover, Tagger, Lister,
// Snapshotter, Loader, Watcher or Counter. cachetest.RunBackend tells whether a
// backend keeps the contract.
type Backend interface {
	// Capabilities tells what holds beyond the methods. It never changes.
	Capabilities() Capability

	// Get returns the value of a live entry.
	Get(ctx context.Context, key string) (value []byte, found bool, err error)
	// GetMany returns the values of those keys that have live entries. A use of
	// each, in the order given.
	GetMany(ctx context.Context, keys []string) (map[string][]byte, error)
	// Has reports whether there is a live entry, without using it.
	Has(ctx context.Context, key string) (bool, error)
	// TTL returns the remaining lifetime of a live entry, or Forever.
	TTL(ctx context.Context, key string) (remaining time.Duration, found bool, err error)

	// Set stores a value. An expiry that has passed removes the key.
	Set(ctx context.Context, key string, value []byte, w Write) error
	// SetMany is as so many Sets in the order given. It returns the keys that were
	// refused, as too large for one; with an error it is not known what was stored.
	SetMany(ctx context.Context, items []Item, w Write) (failed []string, err error)
	// Add stores a value if there is no live entry, and reports whether that was so.
	Add(ctx context.Context, key string, value []byte, w Write) (bool, error)
	// CompareAndSwap stores next if there is a live entry with the value old, and
	// keeps its expiry and tags. found is false without a live entry.
	CompareAndSwap(ctx context.Context, key string, old, next []byte) (swapped, found bool, err error)
	// Touch sets the expiry of a live entry and reports whether there was one.
	Touch(ctx context.Context, key string, timeout time.Duration) (bool, error)
	// Incr adds to the whole number that a live entry holds in decimal, keeps its
	// expiry, and returns the sum. The errors are ErrMiss, with the key in its text, ErrNotNumber and
	// ErrOverflow.
	Incr(ctx context.Context, key string, delta int64) (int64, error)

	// Delete removes the key and reports whether there was a live entry.
	Delete(ctx context.Context, key string) (bool, error)
	// DeleteMany is as so many Deletes.
	DeleteMany(ctx context.Context, keys []string) error
	// Clear removes all that the location holds.
	Clear(ctx context.Context) error

	// Ping returns nil if the backend answers.
	Ping(ctx context.Context) error
	// Close gives back what the backend holds of connections. It may be called often.
	Close() error
}

// Item is a final key with its encoded value.
type Item struct {
	Key    string
	Value  []byte
	Weight int64 // as in Write, which counts if it is 0 here
}

// Write is what a write says of its entry besides the value.
type Write struct {
	// Timeout is the lifetime; Forever: none; 0 or less: already expired.
	Timeout time.Duration
	// Tags are for backends that are a Tagger; others never get any.
	Tags []string
	// Limits are those of the alias that writes, for backends that can Limit: for them
	// MaxEntries 0 is no limit, and less than 1 counts as 1.
	Limits Limits
	// Weight is what the entry counts for against Limits.MaxWeight. 0: the bytes of
	// key and value.
	Weight int64
}

// Capability is a set of flags: what holds of a backend, and so what callers and
// tests may expect of it.
type Capability uint32

// The capabilities.
const (
	CanStore    Capability = 1 << iota // what was set can be got; only Dummy cannot
	CanLimit                           // Limits are obeyed
	CanAnyKey                          // every string is a key; else those with faults are ErrInvalidKey
	CanNegative                        // counters may be negative
	CanSwap                            // CompareAndSwap, and with it IncrFloat
	CanReopen                          // works on after Close
	CanMove                            // it is a Mover, which is atomic
	CanTag                             // it is a Tagger
	CanList                            // it is a Lister
	CanSave                            // it is a Snapshotter
	CanLoad                            // it is a Loader
	CanWatch                           // it is a Watcher
	CanCount                           // it is a Counter
	CanKeep                            // with NoCopy it keeps Go values as they are
)

// Has reports whether all flags of a set are there.
func (c Capability) Has(flags Capability) bool { return c&flags == flags }

// Mover moves entries in one atomic step.
type Mover interface {
	// Move makes the live entry of one key that of another, over what is there,
	// with expiry and tags, and reports whether there was one.
	Move(ctx context.Context, from, to string) (bool, error)
}

// Tagger removes entries by tags.
type Tagger interface {
	// InvalidateTags removes all entries that carry one of the tags, at a cost that
	// does not depend on their number.
	InvalidateTags(ctx context.Context, tags ...string) error
}

// Listed is a live entry in a list.
type Listed struct {
	Key       string        // the final key
	Remaining time.Duration // of its lifetime; Forever: it does not expire
}

// Lister goes through what is held.
type Lister interface {
	// List yields the live entries whose final keys begin with a prefix, in no
	// particular order and without using them. What is stored or removed meanwhile may
	// be among them or not. An error is the last that is yielded.
	List(ctx context.Context, prefix string) iter.Seq2[Listed, error]
	// DeletePrefix removes those entries and returns how many there were.
	DeletePrefix(ctx context.Context, prefix string) (int, error)
}

// Snapshotter saves what is held and brings it back.
type Snapshotter interface {
	// Save writes all live entries; see locmem.Engine.Save.
	Save(w io.Writer) error
	// Restore stores what was saved; see locmem.Engine.Restore.
	Restore(r io.Reader) error
	// SaveFile is Save into a file; see locmem.SaveFile.
	SaveFile(path string) error
	// RestoreFile is Restore from it.
	RestoreFile(path string) error
}

// Loader lets one load of a key run at a time, and writes win over loads.
type Loader interface {
	// GetOrSet returns the value of a live entry, or loads, stores and returns it.
	// load is called with no lock held; what it returns for the entry's weight counts
	// if it is not 0.
	GetOrSet(ctx context.Context, key string, load LoadFunc, w Write) ([]byte, error)
}

// LoadFunc loads an encoded value and tells its weight, 0 for that of its bytes.
type LoadFunc func(ctx context.Context) (value []byte, weight int64, err error)

// Removal tells that an entry is no longer held.
type Removal struct {
	Key    string // the final key
	Cause  locmem.Cause
	Weight int64
	// Value is the Go value, if it was kept by NoCopy; else nil.
	Value any
}

// Watcher tells of removals.
type Watcher interface {
	// Watch has fn called for every entry that goes from now on, once, in order per
	// key and never under a lock, until stop is called; see locmem.Options.OnRemove
	// for what fn may do.
	Watch(fn func(Removal)) (stop func())
}

// Counter counts what happens.
type Counter interface {
	// Stats returns the counters of the whole location.
	Stats() locmem.Stats
}
