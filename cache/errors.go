// SPDX-License-Identifier: MIT

package cache

import "errors"

// Errors of configurations. All faults of one are joined, each with its own text.
var (
	// ErrConfig: a configuration is not possible; nothing was built.
	ErrConfig = errors.New("cache: invalid configuration")
	// ErrUnknownAlias: the set has no cache of that name, which is in the text.
	ErrUnknownAlias = errors.New("cache: unknown alias")
)

// Errors of calls. With each, but where ErrTooLarge says otherwise, nothing was
// changed.
var (
	// ErrArgument: an argument has no meaning, such as a nil context or loader.
	ErrArgument = errors.New("cache: invalid argument")
	// ErrInvalidKey: the alias's CheckKey or the backend refuses the final key.
	ErrInvalidKey = errors.New("cache: invalid key")
	// ErrMiss: there is no live entry to count or to move. Other calls say so by
	// their results.
	ErrMiss = errors.New("cache: no live entry")
	// ErrNotNumber: the value is not a whole number, or for IncrFloat no number.
	ErrNotNumber = errors.New("cache: not a number")
	// ErrOverflow: a number would leave its range.
	ErrOverflow = errors.New("cache: overflow")
	// ErrEncode: the codec does not take the value. The codec's error is wrapped.
	ErrEncode = errors.New("cache: cannot encode")
	// ErrDecode: what is stored is not a value of the view's type. The codec's error
	// is wrapped. It is not a miss: the entry stays.
	ErrDecode = errors.New("cache: cannot decode")
	// ErrTooLarge: the entry alone is heavier than the limit, or larger than what a
	// server takes. An older value of the key is gone, so that nobody reads it.
	ErrTooLarge = errors.New("cache: entry too large")
	// ErrUnsupported: the backend has no such operation.
	ErrUnsupported = errors.New("cache: not supported by the backend")
)

// Errors of backends that are somewhere else. Local memory gives neither.
var (
	// ErrUnavailable: the server did not answer. What a write has done is unknown.
	ErrUnavailable = errors.New("cache: backend unavailable")
	// ErrClosed: the cache was closed.
	ErrClosed = errors.New("cache: closed")
)
