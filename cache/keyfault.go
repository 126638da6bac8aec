// SPDX-License-Identifier: MIT

package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"unicode/utf8"
)

// MaxKeyLength is the largest number of characters, that is of code points, of a
// final key without a fault.
const MaxKeyLength = 250

// KeyReason is what is wrong with a key. The zero KeyReason is no reason: no fault
// has it.
type KeyReason uint8

// The reasons.
const (
	_ KeyReason = iota
	// TooLong: the key has more than MaxKeyLength characters. A byte that is not
	// valid UTF-8 counts as one.
	TooLong
	// BadCharacter: the key has a character from U+0000 to U+0020, which is the
	// space, or U+007F. No others are bad.
	BadCharacter
)

// String returns the reason in words, as "too long".
func (r KeyReason) String() string {
	switch r {
	case TooLong:
		return "too long"
	case BadCharacter:
		return "bad character"
	default:
		return "none"
	}
}

// KeyFault is a fault of a final key that local memory and Redis live with, but
// Memcached does not. It is an error, and a value that log/slog writes as the
// attributes reason and key.
type KeyFault struct { //nolint:errname // it is a fault, and an error only where a hook makes it one
	Reason KeyReason
	Key    string // the final key
}

// Error returns the fault in words, with the key.
func (f KeyFault) Error() string {
	switch f.Reason {
	case TooLong:
		return fmt.Sprintf("cache: key %q is too long: %d characters, of at most %d",
			f.Key, utf8.RuneCountInString(f.Key), MaxKeyLength)
	case BadCharacter:
		return fmt.Sprintf("cache: key %q has a space or a control character", f.Key)
	default:
		return fmt.Sprintf("cache: key %q has no fault", f.Key)
	}
}

// LogValue returns the group of the attributes reason and key.
func (f KeyFault) LogValue() slog.Value {
	return slog.GroupValue(f.attrs()...)
}

// attrs returns the fault as attributes.
func (f KeyFault) attrs() []slog.Attr {
	return []slog.Attr{slog.String("reason", f.Reason.String()), slog.String("key", f.Key)}
}

// KeyFaults returns the faults of a final key, TooLong first; nil if it has none,
// which allocates nothing.
func KeyFaults(finalKey string) []KeyFault {
	var faults []KeyFault
	if tooLong(finalKey) {
		faults = append(faults, KeyFault{TooLong, finalKey})
	}
	if badCharacter(finalKey) {
		faults = append(faults, KeyFault{BadCharacter, finalKey})
	}
	return faults
}

// RefuseFaults is a Config.CheckKey that makes errors of the faults that are
// logged otherwise. All those of a key are joined, each a KeyFault.
func RefuseFaults(finalKey string) error {
	var faults []error
	for _, f := range KeyFaults(finalKey) {
		faults = append(faults, f)
	}
	return errors.Join(faults...)
}

// faultless reports whether a final key has no fault. It allocates nothing.
func faultless(key string) bool {
	return !tooLong(key) && !badCharacter(key)
}

// tooLong reports whether a key is TooLong. A character is never longer than its
// bytes, so that only long keys are counted.
func tooLong(key string) bool {
	return len(key) > MaxKeyLength && utf8.RuneCountInString(key) > MaxKeyLength
}

// badCharacter reports whether a key has a BadCharacter. All bytes of longer
// characters are 128 and above, so bytes are looked at: eight at a time, which
// takes half the time from 24 bytes on (BenchmarkFaultless).
func badCharacter(key string) bool {
	if len(key) < 8 {
		for i := range len(key) {
			if c := key[i]; c <= ' ' || c == 0x7f {
				return true
			}
		}
		return false
	}
	last := word(key[len(key)-8:]) // may have bytes of the one before
	for ; len(key) > 8; key = key[8:] {
		if badByte(word(key)) {
			return true
		}
	}
	return badByte(last)
}

// word returns the first eight bytes of a string, which the compiler loads at
// once.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// badByte reports whether one of eight bytes is at most ' ' or is 0x7f. Where n is
// taken from each byte, the highest bit of one that had less becomes set by the
// borrow, and stays if it was not set before; a borrow reaches further only if
// there was such a byte.
func badByte(x uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	y := x ^ ones*0x7f // 0 where a byte is 0x7f
	return ((x-ones*(' '+1))&^x|(y-ones)&^y)&high != 0
}

// logFaults writes one warning for each fault of a final key. logger nil means
// slog.Default(). It calls the user's log handler.
func logFaults(ctx context.Context, logger *slog.Logger, key string) {
	if logger == nil {
		logger = slog.Default()
	}
	for _, f := range KeyFaults(key) {
		logger.LogAttrs(ctx, slog.LevelWarn, "cache: key fault", f.attrs()...)
	}
}
