// SPDX-License-Identifier: MIT

package locmem

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"reflect"
	"slices"

	"github.com/locmem/locmem/evict"
)

// The flags of a saved entry: which of its optional parts are there.
const (
	savedDeadline = 1 << iota
	savedIdle
	savedWeight
	savedTags
	savedUse
	savedFlags = 1<<iota - 1
)

// saved is an entry on its way to or from a snapshot. Its times count from when
// Save began.
type saved[K comparable, V any] struct {
	key      K
	value    V
	deadline int64 // what is left of the lifetime, or never
	idle     int64 // the idle lifetime; 0: none
	idleLeft int64 // what is left of it
	weight   int64 // -1: none was kept
	tags     []string
	use      uint64 // its place in the order of use; 0: none is kept
	hash     uint64
}

// Save writes all live entries to w in a form that Restore reads, with what is
// left of their lifetimes, their tags and, in an engine with weights, their weights.
// As with All, an entry that is held throughout is in the snapshot once, and what is
// stored or removed meanwhile may be in it or not; saving is no use of an entry.
//
// The errors are those of w and of Options.Codec, both wrapped, and ErrClosed if
// the engine is closed before the end. What was written by then is no snapshot,
// and Restore says so. Save takes the shards' read locks for a batch or an entry
// each time; w and the codec, which is gob by default, are called with no lock
// held. It needs memory for 64 KiB or the largest entry, and time in proportion to
// what is held. If the policy has one order for the whole engine, as evict.LRU does, the
// snapshot keeps it.
func (e *Engine[K, V]) Save(w io.Writer) error {
	if e.clock.closed.Load() {
		return ErrClosed
	}
	began, wall := e.clock.now(), e.clock.wall()
	codec, name := e.codec()
	out := snapshotWriter{w: w}
	if err := out.prelude(); err != nil {
		return err
	}
	out.begin(frameHeader)
	out.buf = binary.AppendVarint(out.buf, wall.Unix())
	out.buf = binary.AppendUvarint(out.buf, uint64(wall.Nanosecond()))
	for _, s := range []string{typeName(reflect.TypeFor[K]()), typeName(reflect.TypeFor[V]()), name} {
		out.buf = appendBytes(out.buf, []byte(s))
	}
	if err := out.end(); err != nil {
		return err
	}
	var count uint64
	var scratch []byte
	var err error
	out.begin(frameEntries)
	for key := range e.All() {
		entry, ok := e.savedOf(key, began)
		if !ok {
			continue
		}
		count++
		if out.buf, scratch, err = entry.append(out.buf, scratch, codec); err != nil {
			return fmt.Errorf("locmem: Save: entry %d: %w", count, err)
		}
		if len(out.buf)-headSize > maxFrame {
			return fmt.Errorf("locmem: Save: entry %d: its key and value take over %d bytes", count, maxFrame)
		}
		if len(out.buf) < frameSize {
			continue
		}
		if err := out.end(); err != nil {
			return err
		}
		out.begin(frameEntries)
	}
	if e.clock.closed.Load() { // Close says so before it drops the first entry
		return ErrClosed
	}
	if len(out.buf) > headSize {
		if err := out.end(); err != nil {
			return err
		}
	}
	out.begin(frameEnd)
	out.buf = binary.AppendUvarint(out.buf, count)
	out.buf = binary.AppendUvarint(out.buf, uint64(e.clock.now()-began))
	return out.end()
}

// savedOf copies a live entry.
func (e *Engine[K, V]) savedOf(key K, began int64) (entry saved[K, V], ok bool) {
	hash := e.hasher.sum(key)
	s := e.shardOf(hash)
	s.mu.RLock()
	defer s.mu.RUnlock()
	n, sl := s.live(uint32(hash), key)
	if n == evict.None {
		return entry, false
	}
	entry = saved[K, V]{key: sl.key, value: sl.value, deadline: never, weight: -1}
	switch meta := sl.meta.Load(); {
	case meta&metaIdle != 0:
		t := s.wheel.idles.At(n)
		entry.deadline, entry.idle = t.deadline, t.span
		entry.idleLeft = after(t.used.Load(), t.span) - began
	default:
		entry.deadline = s.deadline(n, meta)
	}
	if sl.meta.Load()&metaTagged != 0 {
		for _, c := range *s.tagged.At(n) {
			entry.tags = append(entry.tags, c.tag.name)
		}
	}
	if s.ordered != nil {
		entry.use = s.ordered.Use(n)
	}
	if entry.deadline != never {
		// It may have passed, if the clock goroutine was held up.
		if entry.deadline -= began; entry.deadline <= 0 {
			return entry, false
		}
	}
	if e.weighted {
		entry.weight = s.weightOf(n)
	}
	return entry, true
}

// append appends the entry to b, by way of a scratch buffer.
//
// +checklocksexclude:waitGraph
func (s *saved[K, V]) append(b, scratch []byte, codec Codec[K, V]) (_, _ []byte, err error) {
	at := len(b)
	b = append(b, 0)
	if s.deadline != never {
		b[at] |= savedDeadline
		b = binary.AppendUvarint(b, uint64(s.deadline))
	}
	if s.idle > 0 {
		b[at] |= savedIdle
		b = binary.AppendUvarint(b, uint64(s.idle))
		b = binary.AppendUvarint(b, uint64(s.idleLeft))
	}
	if s.weight >= 0 {
		b[at] |= savedWeight
		b = binary.AppendUvarint(b, uint64(s.weight))
	}
	if len(s.tags) > 0 {
		b[at] |= savedTags
		b = binary.AppendUvarint(b, uint64(len(s.tags)))
		for _, tag := range s.tags {
			b = appendBytes(b, []byte(tag))
		}
	}
	if s.use > 0 {
		b[at] |= savedUse
		b = binary.AppendUvarint(b, s.use)
	}
	if scratch, err = codec.AppendKey(scratch[:0], s.key); err != nil {
		return b, scratch, fmt.Errorf("key: %w", err)
	}
	b = appendBytes(b, scratch)
	if scratch, err = codec.AppendValue(scratch[:0], s.value); err != nil {
		return b, scratch, fmt.Errorf("value: %w", err)
	}
	return appendBytes(b, scratch), scratch, nil
}

// Restore stores the entries of a snapshot that Save has written, each as by Set:
// the engine's bounds hold, what does not fit is evicted, and they are stored in the
// order of use that was saved, or in none,
// and an entry that is already live is overwritten. Weights are as saved, or those
// of Weigh if none were. Of an entry's lifetime, and of its idle lifetime, the time
// since it was saved is gone, as the wall clock tells it; what has expired is left
// out. An invalidation since then is not known to the snapshot. If that clock was set back, nothing lives longer than it would have lived
// when it was saved; if it was set ahead, entries are lost.
//
// Nothing is stored before all is read, decoded and weighed, so with any error but
// ErrClosed the engine is as it was; therefore all entries of the snapshot are held
// in memory besides the engine's. The error is ErrNotSnapshot, ErrSnapshotVersion,
// ErrSnapshotTypes or ErrSnapshotDamaged, in this order, or wraps what r or
// Options.Codec returned. Restore reads nothing beyond the snapshot's end: what
// follows is not looked at.
//
// The checksum finds damage and not forgery: restore only what comes from where
// you trust. Restore takes the shards' locks as Set does; r, the codec, Weigh and
// listeners are called with no lock held.
func (e *Engine[K, V]) Restore(r io.Reader) error {
	entries, err := e.read(r)
	if err != nil {
		return err
	}
	return e.storeAll(entries)
}

// read reads a snapshot to its end. The times of the entries count from now then.
func (e *Engine[K, V]) read(r io.Reader) ([]saved[K, V], error) {
	if e.clock.closed.Load() {
		return nil, ErrClosed
	}
	in := snapshotReader{r: r}
	if err := in.prelude(); err != nil {
		return nil, err
	}
	codec, name := e.codec()
	wall, err := in.header(typeName(reflect.TypeFor[K]()), typeName(reflect.TypeFor[V]()), name)
	if err != nil {
		return nil, err
	}
	var entries []saved[K, V]
	for {
		kind, f, err := in.next()
		if err != nil {
			return nil, err
		}
		switch kind {
		case frameEntries:
			for len(f.left) > 0 {
				entry, err := decodeSaved(&f, codec)
				if err != nil {
					return nil, fmt.Errorf("locmem: Restore: entry %d: %w", len(entries)+1, err)
				}
				entries = append(entries, entry)
			}
		case frameEnd:
			count, took := f.uvarint(), f.duration()
			if !f.done() || count != uint64(len(entries)) {
				return nil, damaged("its end does not go with its %d entries", len(entries))
			}
			e.settleSaved(entries, max(took, int64(e.clock.wall().Sub(wall))))
			return entries, nil
		default:
			return nil, damaged("it has a frame of kind %#x", kind)
		}
	}
}

// settleSaved takes the time that has passed since Save began off the entries'
// lifetimes, asks for weights that were not saved, and hashes: all that may panic
// comes before the first write. Save's own length is the least that has passed,
// whatever the wall clock says.
func (e *Engine[K, V]) settleSaved(entries []saved[K, V], passed int64) {
	for i := range entries {
		s := &entries[i]
		if s.deadline != never {
			s.deadline -= passed
		}
		if s.idle > 0 {
			s.idleLeft = min(s.idleLeft-passed, s.idle)
		}
		if s.weight < 0 || !e.weighted {
			s.weight = e.weigh(s.key, s.value, &settings{})
		}
		s.hash = e.hasher.sum(s.key)
	}
}

// storeAll writes what was read, the least recently used first.
func (e *Engine[K, V]) storeAll(entries []saved[K, V]) error {
	slices.SortStableFunc(entries, func(a, b saved[K, V]) int { return cmp.Compare(a.use, b.use) })
	now := e.clock.now()
	for i := range entries {
		entry := &entries[i]
		x := expiry{now: now, deadline: after(now, entry.deadline), idle: entry.idle}
		end := x.deadline
		if x.idle > 0 {
			end = min(end, after(now, entry.idleLeft))
		}
		if !e.hasher.storable(entry.key) || end != never && end <= e.clock.now() {
			continue
		}
		x.now -= entry.idle - entry.idleLeft // 0 without an idle lifetime
		w := write[K, V]{key: entry.key, value: entry.value, hash: uint32(entry.hash), weight: entry.weight, expiry: x}
		if len(entry.tags) > 0 {
			w.tags = &entry.tags
		}
		e.apply(e.shardOf(entry.hash), &w)
	}
	if e.clock.closed.Load() {
		return ErrClosed
	}
	return nil
}

// decodeSaved takes one entry off a frame.
//
// +checklocksexclude:waitGraph
func decodeSaved[K comparable, V any](f *fields, codec Codec[K, V]) (s saved[K, V], err error) {
	s.deadline, s.weight = never, -1
	flags := f.byte()
	if flags&savedDeadline != 0 {
		s.deadline = f.duration()
	}
	if flags&savedIdle != 0 {
		s.idle, s.idleLeft = f.duration(), f.duration()
	}
	if flags&savedWeight != 0 {
		s.weight = f.duration()
	}
	if flags&savedTags != 0 {
		for left := f.uvarint(); left > 0 && !f.bad; left-- {
			s.tags = append(s.tags, string(f.bytes()))
		}
	}
	if flags&savedUse != 0 {
		s.use = f.uvarint()
	}
	key, value := f.bytes(), f.bytes()
	if f.bad || flags&^savedFlags != 0 || flags&savedIdle != 0 && s.idle == 0 || flags&savedTags != 0 && len(s.tags) == 0 {
		return s, fmt.Errorf("%w: it is malformed", ErrSnapshotDamaged)
	}
	if s.key, err = codec.DecodeKey(key); err != nil {
		return s, fmt.Errorf("key: %w", err)
	}
	if s.value, err = codec.DecodeValue(value); err != nil {
		return s, fmt.Errorf("value: %w", err)
	}
	return s, nil
}

// typeName returns the name of a type, with its package's path where it has one.
func typeName(t reflect.Type) string {
	if t.Name() != "" && t.PkgPath() != "" {
		return t.PkgPath() + "." + t.Name()
	}
	return t.String()
}
