// SPDX-License-Identifier: MIT

package cache

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/locmem/locmem/internal/lock"
)

// Driver makes the backends of one scheme. The package has two: locmem, which is
// local memory, and dummy, which stores nothing. Others are registered by the
// packages that have them.
type Driver struct {
	// Params are the names of the driver's own parameters, in lower-case letters,
	// digits and underscores. What a DSN says of them is in Config.Params.
	Params []string
	// Check tells what of a configuration is not possible with this driver; the
	// rest has been checked, and whatever else is wrong is reported beside it. It
	// must neither open nor ask for anything. nil: all is possible. CheckRemote is
	// one for servers. It is called with no lock held.
	Check func(Config) error
	// Open makes the backend of a configuration that has no faults. It should wait
	// for nobody: what is somewhere else is dialled at the first use. It is called
	// with no lock held.
	Open func(Config) (Backend, error)
}

// drivers are the registered ones.
var drivers = driverTable{schemes: map[string]Driver{
	schemeLocal: {Open: openLocal},
	schemeDummy: {Check: checkDummy, Open: openDummy},
}}

// The schemes of the package's own drivers.
const (
	schemeLocal = "locmem"
	schemeDummy = "dummy"
)

type driverTable struct {
	mu      lock.RWMutex      // protects schemes
	schemes map[string]Driver // +checklocks:mu
}

// Register makes a driver known under a DSN's scheme, usually from an init
// function. The scheme is in lower case: a letter, then letters, digits, '+', '-'
// and '.'. Register panics if it is another, if it is taken, if the driver cannot
// open, or if a parameter is one that all drivers have.
func Register(scheme string, d Driver) {
	if !isScheme(scheme) {
		panic(fmt.Sprintf("cache: Register: %q cannot be a DSN's scheme", scheme))
	}
	if d.Open == nil {
		panic(fmt.Sprintf("cache: Register: the driver %q has no Open", scheme))
	}
	d.Params = slices.Clone(d.Params)
	for _, name := range d.Params {
		if !isParamName(name) || slices.Contains(frontParams(), name) {
			panic(fmt.Sprintf("cache: Register: the driver %q cannot have a parameter %q", scheme, name))
		}
	}
	if !drivers.add(scheme, d) {
		panic(fmt.Sprintf("cache: Register: the driver %q is there already", scheme))
	}
}

// add reports whether the scheme was free.
func (t *driverTable) add(scheme string, d Driver) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, taken := t.schemes[scheme]; taken {
		return false
	}
	t.schemes[scheme] = d
	return true
}

// of returns the driver of a scheme, or an ErrConfig that names those there are.
func (t *driverTable) of(scheme string) (Driver, error) {
	t.mu.RLock()
	d, ok := t.schemes[scheme]
	names := slices.Sorted(maps.Keys(t.schemes))
	t.mu.RUnlock()
	if !ok {
		return Driver{}, configFault("no driver %q is registered, only %s: is its package imported?", scheme, strings.Join(names, ", "))
	}
	return d, nil
}

// driver returns the configured driver's scheme.
func (c Config) driver() string {
	if c.Driver == "" {
		return schemeLocal
	}
	return c.Driver
}

// open makes the backend of a configuration that has been checked. It calls user
// code: no lock must be held.
//
// +checklocksexclude:drivers.mu
func (c Config) open() (Backend, error) {
	if c.Backend != nil {
		return c.Backend, nil
	}
	d, err := drivers.of(c.driver())
	if err != nil {
		return nil, err
	}
	b, err := d.Open(c)
	switch {
	case err != nil:
		return nil, fmt.Errorf("cache: driver %q: %w", c.driver(), err)
	case b == nil:
		return nil, fmt.Errorf("cache: driver %q: Open returned no backend", c.driver())
	}
	return b, nil
}

// openLocal gives the store of a location in local memory.
func openLocal(c Config) (Backend, error) {
	if c.Registry != nil {
		return c.Registry.Local(c.Location), nil
	}
	return processRegistry.Local(c.Location), nil
}

// CheckRemote is the Check of drivers whose entries are in a server, which has
// limits of its own and keeps no Go values: MaxEntries, MaxWeight and Cull must
// not be set, nor NoCopy be the codec.
func CheckRemote(c Config) error {
	return errors.Join(c.beyond(0, "driver "+c.driver())...)
}

// isScheme reports whether a text can stand before "://".
func isScheme(s string) bool {
	for i, r := range s {
		letter := 'a' <= r && r <= 'z'
		if !letter && (i == 0 || !isDigit(r) && r != '+' && r != '-' && r != '.') {
			return false
		}
	}
	return s != ""
}

// isParamName reports whether a text can be the name of a parameter.
func isParamName(s string) bool {
	for _, r := range s {
		if ('a' > r || r > 'z') && !isDigit(r) && r != '_' {
			return false
		}
	}
	return s != ""
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }
