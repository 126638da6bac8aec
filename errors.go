// SPDX-License-Identifier: MIT

package locmem

import (
	"errors"
	"fmt"
)

// Errors of loads ([Engine.GetOrSet], [Engine.Fetch]).
var (
	// ErrNoLoader: the call gave no loader and Options.Load is not set.
	ErrNoLoader = errors.New("locmem: no loader: the call gives none and Options.Load is not set")
	// ErrNotFound is for loaders to return, wrapped or not: there is nothing for the
	// key. See Options.NegativeTTL. It is also the answer to GetOrSet and Fetch for
	// a key that such an answer is kept for, or that the loader of a GetOrSetMany
	// has left out.
	ErrNotFound = errors.New("locmem: not found")
	// ErrNilContext: the context was nil.
	ErrNilContext = errors.New("locmem: nil context")
	// ErrReentrant: the call would wait for itself: a loader asked, directly or
	// in a circle with other loaders, for the key it is loading, or a listener
	// asked for all events to be delivered.
	ErrReentrant = errors.New("locmem: the call would wait for itself")
	// ErrGoexit: the loader ended its goroutine with runtime.Goexit.
	ErrGoexit = errors.New("locmem: the loader called runtime.Goexit")
)

// ErrClosed is returned by loads, Resize, Save, Restore and waits after Close.
var ErrClosed = errors.New("locmem: engine is closed")

// Errors of atomic updates.
var (
	// ErrOverflow: the sum does not fit the value's type; nothing was changed.
	ErrOverflow = errors.New("locmem: the sum overflows the value's type")
)

// Errors of Restore and RestoreFile; with each the engine is as it was.
var (
	// ErrNotSnapshot: what was read is not a snapshot at all, or is empty.
	ErrNotSnapshot = errors.New("locmem: not a snapshot")
	// ErrSnapshotVersion: it is a snapshot of a version that this one does not
	// read. The text names both.
	ErrSnapshotVersion = errors.New("locmem: unknown version of the snapshot")
	// ErrSnapshotTypes: it has other types of keys or values, or another codec. The
	// text names all.
	ErrSnapshotTypes = errors.New("locmem: the snapshot is of other types")
	// ErrSnapshotDamaged: it was cut off or changed since it was written.
	ErrSnapshotDamaged = errors.New("locmem: the snapshot is damaged")
)

// PanicError is what callers of a load get if the loader, or the weigher asked
// about its result, panicked.
type PanicError struct {
	// Value is what was given to panic.
	Value any
	// Stack is the stack of the goroutine that panicked, as debug.Stack gives it.
	Stack []byte
}

// Error returns the panic's value and the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("locmem: the loader panicked: %v\n\n%s", e.Value, e.Stack)
}

// Unwrap returns the panic's value if it is an error, else nil.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
