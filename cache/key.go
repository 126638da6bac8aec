// SPDX-License-Identifier: MIT

package cache

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
)

// keying is how an alias makes final keys and checks them. It never changes.
type keying struct {
	prefix  string
	version int
	space   string // of a namespace, ends in a colon; "": none
	head    string // "prefix:version:space", what all keys of the version begin with
	fn      func(key, prefix string, version int) string
	hook    func(finalKey string) error
	logger  *slog.Logger
	strict  bool // the backend takes faultless keys only
}

// within returns the keying of a namespace.
func (k keying) within(space string) keying {
	k.space += space
	k.head = k.prefix + ":" + strconv.Itoa(k.version) + ":" + k.space
	return k
}

// final returns a final key, not yet checked. It may call the user's function.
//
// +checklocksexclude:drivers.mu
func (k *keying) final(key string, version int) string {
	switch {
	case k.fn != nil:
		return k.fn(k.space+key, k.prefix, version)
	case version == k.version:
		return k.head + key
	default:
		return k.prefix + ":" + strconv.Itoa(version) + ":" + k.space + key
	}
}

// check checks a final key. It may call the user's hook and log handler.
//
// +checklocksexclude:drivers.mu
func (k *keying) check(ctx context.Context, final string) error {
	if k.hook != nil {
		if err := k.hook(final); err != nil {
			return fmt.Errorf("%w: %q: %w", ErrInvalidKey, final, err)
		}
	}
	if k.hook != nil && !k.strict || faultless(final) {
		return nil
	}
	if k.strict {
		return fmt.Errorf("%w: %w", ErrInvalidKey, RefuseFaults(final))
	}
	logFaults(ctx, k.logger, final)
	return nil
}

// make returns a checked final key.
func (k *keying) make(ctx context.Context, key string, version int) (string, error) {
	final := k.final(key, version)
	return final, k.check(ctx, final)
}
