// SPDX-License-Identifier: MIT

package cache

import (
	"context"
	"fmt"
	"iter"
)

// List yields the live entries of the alias's prefix and version whose keys begin
// with a prefix, in no particular order and without using them. What is stored or
// removed meanwhile may be among them or not. It goes through the whole location.
// An error is the last that is yielded; with a key function of the user's it is
// ErrUnsupported, because nothing is known of its keys.
func (c *Cache) List(ctx context.Context, prefix string, opts ...Option) iter.Seq2[Listed, error] {
	lister, final, err := c.lister(ctx, prefix, opts)
	if err != nil {
		return failing(err)
	}
	return lister.List(ctx, final)
}

// ListAll is List for all that the location holds.
func (c *Cache) ListAll(ctx context.Context) iter.Seq2[Listed, error] {
	if _, err := c.begin(ctx, nil); err != nil {
		return failing(err)
	}
	lister, ok := c.backend.(Lister)
	if !ok {
		return failing(fmt.Errorf("%w: lists", ErrUnsupported))
	}
	return lister.List(ctx, "")
}

// DeletePrefix removes the entries that List would yield, and returns how many
// there were. It is not atomic.
func (c *Cache) DeletePrefix(ctx context.Context, prefix string, opts ...Option) (int, error) {
	lister, final, err := c.lister(ctx, prefix, opts)
	if err != nil {
		return 0, err
	}
	return lister.DeletePrefix(ctx, final)
}

// lister returns what lists, and the prefix of the final keys.
func (c *Cache) lister(ctx context.Context, prefix string, opts []Option) (Lister, string, error) {
	said, err := c.begin(ctx, opts)
	if err != nil {
		return nil, "", err
	}
	lister, ok := c.backend.(Lister)
	switch {
	case !ok:
		return nil, "", fmt.Errorf("%w: lists", ErrUnsupported)
	case c.keys.fn != nil:
		return nil, "", fmt.Errorf("%w: lists by prefix with a key function", ErrUnsupported)
	}
	return lister, c.keys.final(prefix, said.version), nil
}

// failing yields an error.
//
// +checklocksexclude:drivers.mu
func failing(err error) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) { yield(Listed{}, err) }
}
