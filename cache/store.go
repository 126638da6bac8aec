// SPDX-License-Identifier: MIT

package cache

import (
	"github.com/locmem/locmem"
	"github.com/locmem/locmem/internal/lock"
)

// Registry has stores of local memory by their locations. A store is made when
// its location is first named and stays for as long as the registry does. The
// process has one, which is used where a Config names none; tests make their own.
// It is safe for concurrent use.
type Registry struct {
	_    [0]func()       // not comparable
	opts RegistryOptions // immutable

	mu     lock.Mutex        // protects stores
	stores map[string]*Local // +checklocks:mu
}

// RegistryOptions configures the stores of a registry.
type RegistryOptions struct {
	// Clock tells the time. nil: the coarse clock; see locmem.Options.Clock.
	Clock locmem.Clock
	// Shards is the number of stripes of each store; see locmem.Options.Shards.
	Shards int
}

// processRegistry is that of the process.
var processRegistry = NewRegistry(RegistryOptions{})

// NewRegistry returns a registry without stores. It panics if the options are not
// those of an engine.
func NewRegistry(opts RegistryOptions) *Registry {
	newLocal("", opts) // so that what is wrong shows here
	return &Registry{opts: opts, stores: map[string]*Local{}}
}

// Local returns the store of a location, which it makes if there is none.
func (r *Registry) Local(location string) *Local {
	r.mu.Lock()
	defer r.mu.Unlock()
	store := r.stores[location]
	if store == nil {
		store = newLocal(location, r.opts)
		r.stores[location] = store
	}
	return store
}
