// SPDX-License-Identifier: MIT

package locmem

// Validate checks every invariant of an engine at rest.
func (e *Engine[K, V]) Validate() error { return e.validate() }

// BendHash makes engines of these options hash their keys as bend says of the
// true hashes; keep makes shards stay on these hashes.
func (o *Options[K, V]) BendHash(bend func(uint64) uint64, keep bool) { o.bendHash(bend, keep) }
