// SPDX-License-Identifier: MIT

package locmem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"time"
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
//	          [weight], [number of tags, tags], key, value
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

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

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
//
// +checklocksexclude:waitGraph
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
//
// +checklocksexclude:waitGraph
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

// varint undoes what AppendVarint does: the sign is in the lowest bit.
func (f *fields) varint() int64 {
	x := f.uvarint()
	return int64(x>>1) ^ -int64(x&1)
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
