// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/locmem/locmem/internal/lock"
)

// roomy is a capacity that no statement uses up which does not say so.
const roomy = 10_000

// callLog has the calls of a check, in order: what leads to a failure. It also is what
// the watchdog sees.
type callLog struct {
	mu    lock.Mutex // protects lines, last and steps
	lines []string
	last  string // the call that is being made, of many alike
	steps int    // since moved was called
	print bool   // immutable: to standard output, too
}

// step tells that something goes on.
func (l *callLog) step() {
	l.mu.Lock()
	l.steps++
	l.mu.Unlock()
}

// moved tells whether something has gone on since it was called last.
func (l *callLog) moved() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	moved := l.steps > 0
	l.steps = 0
	return moved
}

// add adds a line.
func (l *callLog) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps++
	l.lines, l.last = append(l.lines, line), ""
	if l.print {
		fmt.Println(childCall + line)
	}
}

// replace sets the line of the call that is being made.
func (l *callLog) replace(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps++
	l.last = line
	if l.print {
		fmt.Println(childLast + line)
	}
}

// String returns the calls, one a line, indented.
func (l *callLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := slices.Clone(l.lines)
	if l.last != "" {
		lines = append(lines, l.last)
	}
	if len(lines) == 0 {
		return ""
	}
	return "\t" + strings.Join(lines, "\n\t")
}

// note adds something to the calls that is no single one.
func (s *cacheRun) note(format string, args ...any) { s.calls.add(fmt.Sprintf(format, args...)) }

// oneOf notes one of many calls that are alike, in place of the one before.
func (s *cacheRun) oneOf(format string, args ...any) { s.calls.replace(fmt.Sprintf(format, args...)) }

// driver makes calls on a cache and notes them. The functions of AnyCache are those of
// the cache itself, for what is called a thousand times.
type driver struct {
	AnyCache[string]
	s *cacheRun
	o CacheOptions
}

// cache returns a new cache.
func (s *cacheRun) cache(o CacheOptions) *driver {
	if o.Capacity == 0 {
		o.Capacity = roomy
	} else {
		s.note("a cache with room for %d", o.Capacity)
	}
	if o.TTL != 0 {
		s.note("a cache whose entries live for %v", o.TTL)
	}
	return &driver{AnyCache: s.factory(o), s: s, o: o}
}

// settle waits for the effects of calls, if the cache has such a function.
func (d *driver) settle() {
	if d.Settle != nil {
		d.s.calls.step()
		d.Settle()
	}
}

// wrote is called after each write.
func (d *driver) wrote() {
	if d.s.config.SettlesLater != "" {
		d.settle()
	}
}

// store writes until the value is there, where a cache may drop what it is given.
func (d *driver) store(key string, value int64, write func()) {
	write()
	d.wrote()
	if d.s.config.MayDrop == "" {
		return
	}
	for range 100 {
		if got, ok := d.Get(key); ok && got == value {
			return
		}
		write()
		d.wrote()
	}
	d.s.skip("it has dropped a Set a hundred times: " + d.s.config.MayDrop)
}

func (d *driver) set(key string, value int64) {
	d.s.note("Set(%q, %d)", key, value)
	d.store(key, value, func() { d.Set(key, value) })
}

func (d *driver) setTTL(key string, value int64, ttl time.Duration) {
	d.s.note("Set(%q, %d) for %v", key, value, ttl)
	if ttl < d.s.unit { // it may be gone before it can be seen
		d.SetTTL(key, value, ttl)
		d.wrote()
		return
	}
	d.store(key, value, func() { d.SetTTL(key, value, ttl) })
}

func (d *driver) delete(key string) {
	d.s.note("Delete(%q)", key)
	d.Delete(key)
	d.wrote()
}

// want tells that the key's value must be so.
func (d *driver) want(key string, value int64) {
	d.s.note("Get(%q), which should find %d", key, value)
	got, ok := d.Get(key)
	d.s.must(ok, "Get(%q) finds nothing, not %d", key, value)
	d.s.must(got == value, "Get(%q) finds %d, not %d", key, got, value)
}

// miss tells that nothing may be held for the key.
func (d *driver) miss(key string) {
	d.s.note("Get(%q), which should find nothing", key)
	got, ok := d.Get(key)
	d.s.must(!ok, "Get(%q) finds %d, which should not be there", key, got)
}

// answer tells what a call must return.
func answer[T comparable](d *driver, call string, do func() T, want T) {
	d.s.note("%s, which should return %v", call, want)
	got := do()
	d.wrote()
	d.s.must(got == want, "%s returned %v, not %v", call, got, want)
}

// errOfLoader is what loaders fail with.
var errOfLoader = errors.New("the loader failed")

// load calls GetOrLoad with a live context and notes it.
func (d *driver) load(key, what string, load func(context.Context) (int64, error)) (int64, error) {
	d.s.note("GetOrLoad(%q) with a loader that %s", key, what)
	value, err := d.GetOrLoad(context.Background(), key, load)
	d.wrote()
	return value, err
}

// loads is a load that must give a value.
func (d *driver) loads(key string, loader, want int64) {
	value, err := d.load(key, fmt.Sprintf("returns %d", loader), returning(loader))
	d.s.must(err == nil && value == want, "GetOrLoad(%q) returned %d, %v, not %d", key, value, err, want)
}

func returning(value int64) func(context.Context) (int64, error) {
	return func(context.Context) (int64, error) { return value, nil }
}
