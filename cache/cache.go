// SPDX-License-Identifier: MIT

package cache

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/internal/lock"
)

// Cache is one alias: a location with defaults and limits of its own. It is made
// by New, Open or a set of Caches, and all its methods are safe for concurrent
// use. Values are read and written through a View, which has these methods too.
//
// Every method with a context returns its error, and touches nothing, if it has
// ended. On local memory no method waits for anything but locks held for some
// microseconds; GetOrSet waits for loads.
type Cache struct {
	*alias
	keys keying
	tags []string // of the namespace
	// quick: reads of local memory may do without a key of their own; see quickly.
	quick bool
	// plain: so may writes that name nothing of their own; see setPlainly.
	plain bool
}

// newCache returns an alias, or a namespace of it.
func newCache(a *alias, keys keying, tags []string) *Cache {
	quick := a.local != nil && keys.fn == nil && keys.hook == nil && faultless(keys.head)
	return &Cache{alias: a, keys: keys, tags: tags, quick: quick, plain: quick && a.weigh == nil && len(tags) == 0}
}

// limited are an alias's limits, and the settings for local memory of a write that
// names nothing of its own.
type limited struct {
	Limits
	settings []locmem.EntryOption
}

// limit sets the alias's limits.
func (a *alias) limit(limits Limits) {
	l := &limited{Limits: limits}
	var buf [maxSettings]locmem.EntryOption
	l.settings = slices.Clone(settings(&buf, &Write{Timeout: a.timeout, Limits: limits}))
	a.limits.Store(l)
}

// alias is what a cache shares with its namespaces. All but the limits never
// change.
type alias struct {
	backend Backend
	can     Capability
	local   *Local // the backend, if it is local memory: the way without encoding in between
	codec   Codec
	keeps   bool // the codec is NoCopy
	raw     bool // the codec is Raw
	timeout time.Duration
	weigh   func(finalKey string, value any) int64
	limits  lock.Pointer[limited]
	flights *locmem.Engine[string, item] // of a backend that is no Loader
}

// New makes a cache of one alias. The error names every fault of the configuration.
func New(config Config) (*Cache, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	limits, err := Limits{config.MaxEntries, config.MaxWeight, config.Cull}.resolve()
	if err != nil {
		return nil, err
	}
	backend, err := config.open()
	if err != nil {
		return nil, err
	}
	defaults := call{timeout: DefaultTimeout, version: DefaultVersion}
	defaults.add([]Option{config.Timeout, config.Version})
	a := &alias{
		backend: backend, can: backend.Capabilities(),
		codec: config.Codec, timeout: defaults.timeout, weigh: config.Weigh,
	}
	if a.codec == nil {
		a.codec = JSON
	}
	a.local, _ = backend.(*Local)
	a.keeps, a.raw = a.codec == NoCopy, a.codec == Raw
	if a.keeps && a.local == nil {
		return nil, configFault("codec is %s, and the backend keeps bytes only", a.codec.Name())
	}
	a.limit(limits)
	if _, ok := backend.(Loader); !ok {
		a.flights = locmem.Must(locmem.New(locmem.Options[string, item]{Unbounded: true, Shards: 16}))
	}
	keys := keying{
		prefix: config.KeyPrefix, version: defaults.version, fn: config.KeyFunc,
		hook: config.CheckKey, logger: config.Logger, strict: !a.can.Has(CanAnyKey),
	}
	return newCache(a, keys.within(""), nil), nil
}

// Backend returns what keeps the entries.
func (c *Cache) Backend() Backend { return c.backend }

// begin checks the context of a call and puts its options together.
func (c *Cache) begin(ctx context.Context, opts []Option) (call, error) {
	said := call{timeout: c.timeout, version: c.keys.version}
	if ctx == nil {
		return said, fmt.Errorf("%w: the context is nil", ErrArgument)
	}
	if len(opts) > 0 {
		said.add(opts)
	}
	return said, ctx.Err()
}

// start is begin for calls on one key, whose final key it returns.
func (c *Cache) start(ctx context.Context, key string, opts []Option) (string, call, error) {
	said, err := c.begin(ctx, opts)
	if err != nil {
		return "", said, err
	}
	final, err := c.keys.make(ctx, key, said.version)
	return final, said, err
}

// startMany is begin for calls on many keys, whose final keys it returns.
func (c *Cache) startMany(ctx context.Context, keys []string, opts []Option) ([]string, call, error) {
	said, err := c.begin(ctx, opts)
	if err != nil {
		return nil, said, err
	}
	finals := make([]string, len(keys))
	for i, key := range keys {
		if finals[i], err = c.keys.make(ctx, key, said.version); err != nil {
			return nil, said, err
		}
	}
	return finals, said, nil
}

// fill puts into a write what it says besides its value.
func (c *Cache) fill(w *Write, said *call) error {
	w.Timeout, w.Tags, w.Limits = said.timeout, said.tags, c.limits.Load().Limits
	if len(c.tags) > 0 {
		w.Tags = append(c.tags[:len(c.tags):len(c.tags)], said.tags...)
	}
	if len(w.Tags) > 0 && !c.can.Has(CanTag) {
		return fmt.Errorf("%w: tags", ErrUnsupported)
	}
	return nil
}

// Has reports whether the key has a live entry. It is no use of it.
func (c *Cache) Has(ctx context.Context, key string, opts ...Option) (bool, error) {
	final, _, err := c.start(ctx, key, opts)
	if err != nil {
		return false, err
	}
	return c.backend.Has(ctx, final)
}

// TTL returns how long the key's entry has left to live; never tells that it does
// not expire. It is no use of it.
func (c *Cache) TTL(ctx context.Context, key string, opts ...Option) (remaining time.Duration, never, found bool, err error) {
	final, _, err := c.start(ctx, key, opts)
	if err != nil {
		return 0, false, false, err
	}
	remaining, found, err = c.backend.TTL(ctx, final)
	if err != nil || !found {
		return 0, false, false, err
	}
	if remaining == Forever {
		return 0, true, true, nil
	}
	return remaining, false, true, nil
}

// Touch sets the expiry of the key's live entry, counted from now, and reports
// whether there was one. Without a timeout it is the alias's default, which may be
// shorter than what was left. It is no use of the entry.
func (c *Cache) Touch(ctx context.Context, key string, opts ...Option) (bool, error) {
	final, said, err := c.start(ctx, key, opts)
	if err != nil {
		return false, err
	}
	return c.backend.Touch(ctx, final, said.timeout)
}

// Delete removes the key and reports whether it had a live entry.
func (c *Cache) Delete(ctx context.Context, key string, opts ...Option) (bool, error) {
	final, _, err := c.start(ctx, key, opts)
	if err != nil {
		return false, err
	}
	return c.backend.Delete(ctx, final)
}

// DeleteMany removes the keys, one after the other.
func (c *Cache) DeleteMany(ctx context.Context, keys []string, opts ...Option) error {
	finals, _, err := c.startMany(ctx, keys, opts)
	if err != nil {
		return err
	}
	return c.backend.DeleteMany(ctx, finals)
}

// Incr adds delta to the whole number that the key holds and returns the sum. The
// expiry stays as it is. Without a live entry the error is ErrMiss and nothing is
// stored; other errors are ErrNotNumber and ErrOverflow. It is atomic, and a use
// of the entry.
func (c *Cache) Incr(ctx context.Context, key string, delta int64, opts ...Option) (int64, error) {
	final, _, err := c.start(ctx, key, opts)
	if err != nil {
		return 0, err
	}
	return c.backend.Incr(ctx, final, delta)
}

// Decr subtracts delta; else it is as Incr.
func (c *Cache) Decr(ctx context.Context, key string, delta int64, opts ...Option) (int64, error) {
	if delta == math.MinInt64 {
		return 0, fmt.Errorf("%w: %d cannot be negated", ErrOverflow, delta)
	}
	return c.Incr(ctx, key, -delta, opts...)
}

// IncrFloat adds delta to the number that the key holds, whole or not, and returns
// the sum, which is stored as a float64. Else it is as Incr. A delta that is not
// finite is ErrArgument, a sum that is not ErrOverflow.
func (c *Cache) IncrFloat(ctx context.Context, key string, delta float64, opts ...Option) (float64, error) {
	if math.IsNaN(delta) || math.IsInf(delta, 0) {
		return 0, fmt.Errorf("%w: delta is %v", ErrArgument, delta)
	}
	final, _, err := c.start(ctx, key, opts)
	if err != nil {
		return 0, err
	}
	if !c.can.Has(CanSwap) {
		return 0, fmt.Errorf("%w: IncrFloat", ErrUnsupported)
	}
	var sum float64
	add := func(old item) (item, error) {
		number, err := c.floatOf(old)
		if err != nil {
			return old, fmt.Errorf("%w: %q: %w", ErrNotNumber, final, err)
		}
		if sum = number + delta; math.IsInf(sum, 0) || math.IsNaN(sum) {
			return old, fmt.Errorf("%w: %q: %v + %v", ErrOverflow, final, number, delta)
		}
		next, err := encode(c.alias, sum)
		return next.weighing(old.weight()), err
	}
	found, err := c.update(ctx, final, add)
	if err == nil && !found {
		err = missed(final)
	}
	if err != nil {
		return 0, err
	}
	return sum, nil
}

// update changes a live entry by a function of what it is, which is called with
// no lock held, and again if the entry has changed meanwhile.
//
// +checklocksexclude:drivers.mu
func (c *Cache) update(ctx context.Context, final string, change func(old item) (item, error)) (found bool, err error) {
	if c.local != nil {
		return c.local.update(final, change)
	}
	for {
		old, found, err := c.backend.Get(ctx, final)
		if err != nil || !found {
			return false, err
		}
		next, err := change(item{text: string(old)})
		if err != nil {
			return true, err
		}
		swapped, found, err := c.backend.CompareAndSwap(ctx, final, old, []byte(next.text))
		if swapped || !found || err != nil {
			return found, err
		}
	}
}

// missed returns the error of a call that needs a live entry.
func missed(key string) error { return fmt.Errorf("%w: %q", ErrMiss, key) }

// IncrVersion makes the key's live entry that of its version plus n, which it
// returns, and is a use of it. What that version held is overwritten, and the entry keeps its remaining
// lifetime and tags. Without a live entry the error is ErrMiss. It is one atomic
// step if the backend can move entries (CanMove), else three, and the lifetime is the
// alias's default.
func (c *Cache) IncrVersion(ctx context.Context, key string, n int, opts ...Option) (int, error) {
	from, said, err := c.start(ctx, key, opts)
	if err != nil {
		return 0, err
	}
	version := said.version + n
	if (version > said.version) != (n > 0) {
		return 0, fmt.Errorf("%w: version %d + %d", ErrOverflow, said.version, n)
	}
	to, err := c.keys.make(ctx, key, version)
	if err != nil {
		return 0, err
	}
	found, err := c.move(ctx, from, to, &said)
	if err == nil && !found {
		err = missed(key)
	}
	if err != nil {
		return 0, err
	}
	return version, nil
}

func (c *Cache) move(ctx context.Context, from, to string, said *call) (bool, error) {
	if m, ok := c.backend.(Mover); ok {
		return m.Move(ctx, from, to)
	}
	value, found, err := c.backend.Get(ctx, from)
	if err != nil || !found || from == to {
		return found, err
	}
	var w Write
	if err := c.fill(&w, &call{timeout: c.timeout, tags: said.tags}); err != nil {
		return true, err
	}
	if err := c.backend.Set(ctx, to, value, w); err != nil {
		return true, err
	}
	_, err = c.backend.Delete(ctx, from)
	return true, err
}

// DecrVersion is IncrVersion with -n.
func (c *Cache) DecrVersion(ctx context.Context, key string, n int, opts ...Option) (int, error) {
	if n == math.MinInt {
		return 0, fmt.Errorf("%w: %d cannot be negated", ErrOverflow, n)
	}
	return c.IncrVersion(ctx, key, -n, opts...)
}

// Clear removes all that the location holds, of every alias, prefix and version.
// When it returns, nothing that was stored before it began is found.
func (c *Cache) Clear(ctx context.Context) error {
	if _, err := c.begin(ctx, nil); err != nil {
		return err
	}
	return c.backend.Clear(ctx)
}

// Ping returns nil if the backend answers.
func (c *Cache) Ping(ctx context.Context) error {
	if _, err := c.begin(ctx, nil); err != nil {
		return err
	}
	return c.backend.Ping(ctx)
}

// Close gives back what the backend holds of connections; it loses no entry. It
// may be called often. On local memory the cache works on afterwards, on servers
// all calls are ErrClosed.
func (c *Cache) Close() error { return c.backend.Close() }

// SetLimits replaces the alias's limits, those of its namespaces with it. The
// next write obeys them. The error is ErrConfig.
func (c *Cache) SetLimits(limits Limits) error {
	limits, err := limits.resolve()
	switch {
	case err != nil:
		return err
	case !c.can.Has(CanLimit):
		return fmt.Errorf("%w: limits", ErrUnsupported)
	case limits.MaxWeight > 0 && c.keeps && c.weigh == nil:
		return configFault("max_weight needs Weigh, because %s does not know the size of values", c.codec.Name())
	}
	c.limit(limits)
	return nil
}

// Stats returns the counters of the whole location, of all its aliases together.
func (c *Cache) Stats() (locmem.Stats, error) {
	if counter, ok := c.backend.(Counter); ok {
		return counter.Stats(), nil
	}
	return locmem.Stats{}, fmt.Errorf("%w: Stats", ErrUnsupported)
}

// Watch has fn called for every entry of the location that goes from now on, until
// stop is called: once, in order per key, never under a lock, on the goroutine of
// whoever removed the entry or of another that came by. What fn may do is said at
// locmem.Options.OnRemove.
func (c *Cache) Watch(fn func(Removal)) (stop func(), err error) {
	if fn == nil {
		return nil, fmt.Errorf("%w: the function is nil", ErrArgument)
	}
	if w, ok := c.backend.(Watcher); ok {
		return w.Watch(fn), nil
	}
	return nil, fmt.Errorf("%w: Watch", ErrUnsupported)
}

// Save writes the live entries of the whole location to w, with what is left of
// their lifetimes, their order of use and their tags. Values that were kept by NoCopy
// are an error.
func (c *Cache) Save(ctx context.Context, w io.Writer) error {
	return c.snapshot(ctx, func(s Snapshotter) error { return s.Save(w) })
}

// Restore stores what Save has written: each entry as it was, but for the time
// that has passed since, also while the program was down. A snapshot that is
// damaged changes nothing. No limit of the alias counts before the next write.
func (c *Cache) Restore(ctx context.Context, r io.Reader) error {
	return c.snapshot(ctx, func(s Snapshotter) error { return s.Restore(r) })
}

func (c *Cache) snapshot(ctx context.Context, run func(Snapshotter) error) error {
	if _, err := c.begin(ctx, nil); err != nil {
		return err
	}
	if s, ok := c.backend.(Snapshotter); ok {
		return run(s)
	}
	return fmt.Errorf("%w: snapshots", ErrUnsupported)
}

// SaveFile is Save into a file, which is replaced as a whole or not at all.
func (c *Cache) SaveFile(ctx context.Context, path string) error {
	return c.snapshot(ctx, func(s Snapshotter) error { return s.SaveFile(path) })
}

// RestoreFile is Restore from a file. A file that is not there is an error.
func (c *Cache) RestoreFile(ctx context.Context, path string) error {
	return c.snapshot(ctx, func(s Snapshotter) error { return s.RestoreFile(path) })
}

// InvalidateTags removes all entries of the location that carry one of the tags,
// whatever their alias, at a cost that does not depend on their number.
func (c *Cache) InvalidateTags(ctx context.Context, tags ...string) error {
	if _, err := c.begin(ctx, nil); err != nil {
		return err
	}
	if t, ok := c.backend.(Tagger); ok {
		return t.InvalidateTags(ctx, tags...)
	}
	return fmt.Errorf("%w: tags", ErrUnsupported)
}
