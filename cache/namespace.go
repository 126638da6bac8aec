// SPDX-License-Identifier: MIT

package cache

import (
	"context"
	"fmt"
)

// Namespace returns the cache for a part of its keys: a key of the namespace is
// the key name + ":" + key of c, and Drop removes them all. A namespace in a namespace
// goes with it. It needs a backend with tags (CanTag); with others its writes are
// ErrUnsupported. It shares the limits and all else of c, and costs nothing to make.
func (c *Cache) Namespace(name string) *Cache {
	keys := c.keys.within(name + ":")
	tag := namespaceTag(&keys)
	return newCache(c.alias, keys, append(c.tags[:len(c.tags):len(c.tags)], tag))
}

// namespaceTag returns the tag that the entries of a namespace carry. Tags of users
// may begin in the same way; that is as if they had named the namespace.
func namespaceTag(keys *keying) string { return "namespace\x00" + keys.prefix + "\x00" + keys.space }

// Drop removes all entries of a namespace, of all versions, at a cost that does not
// depend on their number. All else of the location stays. On a cache that is no
// namespace it is ErrArgument.
func (c *Cache) Drop(ctx context.Context) error {
	if len(c.tags) == 0 {
		return fmt.Errorf("%w: Drop is for namespaces; see Clear", ErrArgument)
	}
	return c.InvalidateTags(ctx, c.tags[len(c.tags)-1])
}
