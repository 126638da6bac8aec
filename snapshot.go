// SPDX-License-Identifier: MIT

package locmem

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"time"

	"github.com/locmem/locmem/evict"
)

// A snapshot is a prelude and frames. Numbers of fixed size are big-endian, all
// others varints as in encoding/binary; strings have their length before them.
//
//	prelude   magic [8], version u32, checksum u32: so in every version
//	frame     kind u8, length of the payload u32, payload, checksum u32
//	'H'       first: wall-clock time of saving (seconds, nanoseconds),
//	          types of K and V, codec
//	'E'       any number of them: whole entries, about 64 KiB together
//	'Z'       last: number of entries, nanoseconds that saving took
//	entry     flags u8, [lifetime left], [idle lifetime, what is left of it],
//	          [weight], key, value
//
// A checksum is the CRC-32C of everything before it but other checksums: a CRC that
// runs over its own value forgets all that was before. So a frame that is missing,
// doubled or out of place is noticed with the next one, and the last one's checksum
// is that of the whole.
//
// No part is optional: whatever adds one raises the version.
const (
	snapshotMagic   = "\x89locmem\n"
	snapshotVersion = 1

	preludeSize = len(snapshotMagic) + 8
	headSize    = 5 // of a frame
	sumSize     = 4

	frameHeader  = 'H'
	frameEntries = 'E'
	frameEnd     = 'Z'

	// frameSize is where a frame of entries ends: large enough that what is
	// around the payload does not count, small enough to be of no weight.
	frameSize = 64 << 10
	// maxFrame bounds a frame with one huge entry, and what a length that is
	// wrong can ask for; of that, no more is allocated than twice what has come.
	maxFrame = 1 << 30
)

// The flags of a saved entry: which of its optional parts are there.
const (
	savedDeadline = 1 << iota
	savedIdle
	savedWeight
	savedFlags = 1<<iota - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Codec turns keys and values into bytes and back, for Save and Restore. It is
// called with no lock held, by as many goroutines as save or restore at once, and
// may call any method of the engine. An error ends the call of Save or Restore
// and is wrapped in what that returns; a panic reaches its caller.
type Codec[K comparable, V any] interface {
	// AppendKey appends the bytes of a key to b and returns the result.
	AppendKey(b []byte, key K) ([]byte, error)
	// AppendValue does so with a value. What the value refers to is not copied: if
	// others may change it, it is for the codec to exclude them.
	AppendValue(b []byte, value V) ([]byte, error)
	// DecodeKey returns the key with these bytes. It must not keep b, nor may the
	// key refer to it.
	DecodeKey(b []byte) (K, error)
	// DecodeValue does so with a value.
	DecodeValue(b []byte) (V, error)
}

// saved is an entry on its way to or from a snapshot. Its times count from when
// Save began.
type saved[K comparable, V any] struct {
	key      K
	value    V
	deadline int64 // what is left of the lifetime, or never
	idle     int64 // the idle lifetime; 0: none
	idleLeft int64 // what is left of it
	weight   int64 // -1: none was kept
	hash     uint64
}

// Save writes all live entries to w in a form that Restore reads, with what is
// left of their lifetimes and, in an engine with weights, their weights. As with
// All, an entry that is held throughout is in the snapshot once, and what is
// stored or removed meanwhile may be in it or not; saving is no use of an entry.
//
// The errors are those of w and of Options.Codec, both wrapped, and ErrClosed if
// the engine is closed before the end. What was written by then is no snapshot,
// and Restore says so. Save takes the shards' read locks for a batch or an entry
// each time; w and the codec, which is gob by default, are called with no lock
// held. It needs memory for 64 KiB or the largest entry, and time in proportion to
// what is held.
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
	case meta&metaTimed != 0:
		entry.deadline = s.wheel.timers.At(n).when
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
// the engine's bounds hold, what does not fit is evicted, in no particular order,
// and an entry that is already live is overwritten. Weights are as saved, or those
// of Weigh if none were. Of an entry's lifetime, and of its idle lifetime, the time
// since it was saved is gone, as the wall clock tells it; what has expired is left
// out. If that clock was set back, nothing lives longer than it would have lived
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

// storeAll writes what was read.
func (e *Engine[K, V]) storeAll(entries []saved[K, V]) error {
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
		w := write[K, V]{key: entry.key, value: entry.value, hash: uint32(entry.hash), weight: entry.weight, expiry: x}
		s := e.shardOf(entry.hash)
		if e.apply(s, &w) == stored && x.idle > 0 {
			e.unread(s, uint32(entry.hash), entry.key, x, entry.idle-entry.idleLeft)
		}
	}
	if e.clock.closed.Load() {
		return ErrClosed
	}
	return nil
}

// unread makes an entry that was stored with an expiry one that was not read for
// some time before, unless it was read or written since. It is a step of its own
// because a wheel that is made with an entry begins at the entry's time, which in
// an engine younger than the entry is before any that a wheel knows.
func (e *Engine[K, V]) unread(s *shard[K, V], hash uint32, key K, x expiry, span int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, sl := s.find(hash, key)
	if n == evict.None || sl.meta.Load()&metaIdle == 0 {
		return
	}
	t := s.wheel.idles.At(n)
	if t.span != x.idle || t.deadline != x.deadline || !t.used.CompareAndSwap(x.now, x.now-span) {
		return
	}
	when := t.end()
	s.wheel.remove(n)
	s.wheel.add(n, when)
	if when < s.next.Load() {
		s.next.Store(when)
	}
	s.clock.expect(when)
	e.checkLocked(s)
}

// decodeSaved takes one entry off a frame.
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
	key, value := f.bytes(), f.bytes()
	if f.bad || flags&^savedFlags != 0 || flags&savedIdle != 0 && s.idle == 0 {
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

// SaveFile saves the engine to a file, as Save does. The file is replaced as a
// whole: it is written under another name in the same folder, synced and renamed,
// and then the folder is synced, so that after an error, a panic or a crash the
// path has the old file or the new one. The new one is readable by its owner only;
// if path is a symbolic link, it replaces the link. An error leaves no other file
// behind; a crash may leave one named path.*.tmp.
func SaveFile[K comparable, V any](e *Engine[K, V], path string) error {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, base+".*.tmp")
	if err != nil {
		return fmt.Errorf("locmem: SaveFile: %w", err)
	}
	renamed := false
	defer func() {
		if !renamed { // a codec that panics or ends the goroutine gets here too
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := e.Save(f); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("locmem: SaveFile: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("locmem: SaveFile: %w", err)
	}
	renamed = true
	if err := syncFolder(dir); err != nil {
		return fmt.Errorf("locmem: SaveFile: the file is in place, but its folder may not be on disk: %w", err)
	}
	return nil
}

// syncFolder makes a rename in the folder last. Windows has no such call.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// RestoreFile restores the engine from a file that SaveFile has written, as
// Restore does; that the file goes on after the snapshot's end is ErrSnapshotDamaged.
// The error is fs.ErrNotExist, wrapped, if there is none.
func RestoreFile[K comparable, V any](e *Engine[K, V], path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("locmem: RestoreFile: %w", err)
	}
	defer func() { _ = f.Close() }() // of what was only read
	entries, err := e.read(f)
	if err != nil {
		return err
	}
	switch n, err := io.ReadFull(f, make([]byte, 1)); {
	case n > 0:
		return damaged("the file goes on after its end")
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("locmem: RestoreFile: %w", err)
	}
	return e.storeAll(entries)
}

// typeName returns the name of a type, with its package's path where it has one.
func typeName(t reflect.Type) string {
	if t.Name() != "" && t.PkgPath() != "" {
		return t.PkgPath() + "." + t.Name()
	}
	return t.String()
}

// appendBytes appends x with its length before it.
func appendBytes(b, x []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(x))), x...)
}

// damaged returns an ErrSnapshotDamaged that says why.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSnapshotDamaged, fmt.Sprintf(format, args...))
}

// snapshotWriter writes frames.
type snapshotWriter struct {
	w   io.Writer
	sum uint32 // of all before the frame
	buf []byte // the frame, to which its maker appends the payload
}

func (o *snapshotWriter) prelude() error {
	o.buf = append(o.buf[:0], snapshotMagic...)
	o.buf = binary.BigEndian.AppendUint32(o.buf, snapshotVersion)
	return o.write()
}

// begin begins a frame.
func (o *snapshotWriter) begin(kind byte) {
	o.buf = append(o.buf[:0], kind, 0, 0, 0, 0)
}

// end writes the frame.
func (o *snapshotWriter) end() error {
	binary.BigEndian.PutUint32(o.buf[1:], uint32(len(o.buf)-headSize))
	return o.write()
}

// write writes what is in buf and the checksum up to there.
func (o *snapshotWriter) write() error {
	o.sum = crc32.Update(o.sum, castagnoli, o.buf)
	o.buf = binary.BigEndian.AppendUint32(o.buf, o.sum)
	n, err := o.w.Write(o.buf)
	if err == nil && n < len(o.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("locmem: Save: %w", err)
	}
	return nil
}

// snapshotReader reads frames.
type snapshotReader struct {
	r   io.Reader
	sum uint32 // of all before the frame
	buf []byte // the frame
}

// read appends n bytes to buf, at most doubling it before they have come.
func (in *snapshotReader) read(n int) error {
	for n > 0 {
		had := len(in.buf)
		step := min(n, max(frameSize, had))
		in.buf = slices.Grow(in.buf, step)[:had+step]
		got, err := io.ReadFull(in.r, in.buf[had:])
		if err != nil {
			in.buf = in.buf[:had+got]
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return damaged("it ends too early")
			}
			return fmt.Errorf("locmem: Restore: %w", err)
		}
		n -= step
	}
	return nil
}

// check compares the checksum at the end of buf with that of the rest, which it
// returns.
func (in *snapshotReader) check() ([]byte, error) {
	body, sum := in.buf[:len(in.buf)-sumSize], in.buf[len(in.buf)-sumSize:]
	in.sum = crc32.Update(in.sum, castagnoli, body)
	if in.sum != binary.BigEndian.Uint32(sum) {
		return nil, damaged("a checksum is wrong")
	}
	return body, nil
}

func (in *snapshotReader) prelude() error {
	err := in.read(preludeSize)
	got := in.buf[:min(len(in.buf), len(snapshotMagic))]
	switch {
	case err != nil && !errors.Is(err, ErrSnapshotDamaged):
		return err
	case len(got) == 0 || string(got) != snapshotMagic[:len(got)]:
		return ErrNotSnapshot
	case err != nil:
		return err
	}
	body, err := in.check()
	if err != nil {
		return err
	}
	if version := binary.BigEndian.Uint32(body[len(snapshotMagic):]); version != snapshotVersion {
		return fmt.Errorf("%w: it has version %d, this program reads version %d", ErrSnapshotVersion, version, snapshotVersion)
	}
	return nil
}

// next reads a frame. Its payload is good until the next one is read.
func (in *snapshotReader) next() (kind byte, f fields, err error) {
	in.buf = in.buf[:0]
	if err := in.read(headSize); err != nil {
		return 0, f, err
	}
	size := binary.BigEndian.Uint32(in.buf[1:])
	if size > maxFrame {
		return 0, f, damaged("a frame claims %d bytes", size)
	}
	if err := in.read(int(size) + sumSize); err != nil {
		return 0, f, err
	}
	body, err := in.check()
	if err != nil {
		return 0, f, err
	}
	return body[0], fields{left: body[headSize:]}, nil
}

// header reads the first frame, compares what it names, and returns the time of
// saving.
func (in *snapshotReader) header(key, value, codec string) (wall time.Time, err error) {
	kind, f, err := in.next()
	if err != nil {
		return wall, err
	}
	seconds, nanoseconds := f.varint(), f.uvarint()
	k, v, c := string(f.bytes()), string(f.bytes()), string(f.bytes())
	if kind != frameHeader || !f.done() || nanoseconds >= uint64(time.Second) {
		return wall, damaged("its header is malformed")
	}
	if k != key || v != value || c != codec {
		return wall, fmt.Errorf("%w: it has keys %s and values %s by %s, the engine has %s and %s by %s",
			ErrSnapshotTypes, k, v, c, key, value, codec)
	}
	return time.Unix(seconds, int64(nanoseconds)), nil
}

// fields takes a payload apart. bad is set for good when it does not hold what it
// should.
type fields struct {
	left []byte
	bad  bool
}

// cut takes n bytes off. n < 0 is bad.
func (f *fields) cut(n int) []byte {
	if n < 0 || n > len(f.left) {
		f.bad, f.left = true, nil
		return nil
	}
	head := f.left[:n]
	f.left = f.left[n:]
	return head
}

func (f *fields) byte() byte {
	if b := f.cut(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) uvarint() uint64 {
	x, n := binary.Uvarint(f.left)
	if n == 0 {
		n = -1
	}
	f.cut(n)
	return x
}

func (f *fields) varint() int64 {
	x, n := binary.Varint(f.left)
	if n == 0 {
		n = -1
	}
	f.cut(n)
	return x
}

// duration takes a number off that is not over the largest int64.
func (f *fields) duration() int64 {
	x := f.uvarint()
	if x > math.MaxInt64 {
		f.cut(-1)
		return 0
	}
	return int64(x)
}

func (f *fields) bytes() []byte {
	n := f.uvarint()
	if n > uint64(len(f.left)) {
		f.cut(-1)
		return nil
	}
	return f.cut(int(n))
}

// done reports whether all was there and nothing is left.
func (f *fields) done() bool { return !f.bad && len(f.left) == 0 }

// codec returns the codec for one snapshot, and its name there.
func (e *Engine[K, V]) codec() (Codec[K, V], string) {
	if c := e.opts.Codec; c != nil {
		return c, typeName(reflect.TypeOf(c))
	}
	c := &gobCodec[K, V]{}
	c.encoder = gob.NewEncoder(&c.out)
	c.decoder = gob.NewDecoder(&c.in)
	return c, "encoding/gob"
}

// gobCodec is encoding/gob, as one stream over all keys and values of a snapshot,
// so that a type is described once. It serves one snapshot, in its order.
type gobCodec[K comparable, V any] struct {
	out     bytes.Buffer
	encoder *gob.Encoder
	in      bytes.Reader
	decoder *gob.Decoder
}

func (c *gobCodec[K, V]) AppendKey(b []byte, key K) ([]byte, error) { return c.append(b, &key) }

func (c *gobCodec[K, V]) AppendValue(b []byte, value V) ([]byte, error) { return c.append(b, &value) }

func (c *gobCodec[K, V]) DecodeKey(b []byte) (key K, err error) {
	err = c.decode(b, &key)
	return key, err
}

func (c *gobCodec[K, V]) DecodeValue(b []byte) (value V, err error) {
	err = c.decode(b, &value)
	return value, err
}

// append appends what a pointer points to.
func (c *gobCodec[K, V]) append(b []byte, p any) (_ []byte, err error) {
	v := reflect.ValueOf(p).Elem()
	if nothing(v) {
		return b, nil
	}
	for ; v.Kind() == reflect.Pointer; v = v.Elem() {
		if v.IsNil() { // gob would write what it cannot read
			return b, errors.New("gob: a pointer to a nil pointer")
		}
	}
	defer recoverGob(&err)
	c.out.Reset()
	if err := c.encoder.Encode(p); err != nil {
		return b, err
	}
	return append(b, c.out.Bytes()...), nil
}

// decode decodes into what a pointer points to.
func (c *gobCodec[K, V]) decode(b []byte, p any) (err error) {
	defer recoverGob(&err)
	c.in.Reset(b)
	if len(b) > 0 || !nothing(reflect.ValueOf(p).Elem()) {
		switch err := c.decoder.Decode(p); {
		case errors.Is(err, io.EOF): // of the bytes, not of the reader
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
	if n := c.in.Len(); n > 0 {
		return fmt.Errorf("gob: %d bytes too many", n)
	}
	return nil
}

// nothing reports whether a value is nil or has no size, as one of struct{}. Gob
// takes none of these, and never writes nothing: so no bytes stand for them.
func nothing(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return v.IsNil()
	default:
		return v.Type().Size() == 0
	}
}

// recoverGob makes an error of a panic of gob, or of the methods with which a type
// encodes itself.
func recoverGob(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("gob: panic: %v", p)
	}
}
