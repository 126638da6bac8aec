// SPDX-License-Identifier: MIT

package cache

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"time"
)

// The defaults of an alias.
const (
	DefaultTimeout       = 300 * time.Second
	DefaultMaxEntries    = 300
	DefaultCullFrequency = 3
	DefaultVersion       = 1
)

// NoLimit as Config.MaxEntries means that the number of entries is not limited.
const NoLimit = math.MaxInt

// Config is one alias: what it names, and its defaults and limits. All fields are
// optional.
type Config struct {
	// Driver is the name under which the backend's driver was registered, a DSN's
	// scheme. "": locmem.
	Driver string
	// Location names the store; on servers it is their addresses. On local memory any
	// text is a name, "" too, and all aliases of one name in a registry share the
	// entries, but not what follows here.
	Location string

	// Timeout is the lifetime of entries whose write names none: Timeout(d) or
	// Never(). The zero Option means DefaultTimeout. With d <= 0 only writes that name
	// a timeout store anything.
	Timeout Option
	// MaxEntries is how many entries the store holds at most when a write of this
	// alias has added one. 0: DefaultMaxEntries; NoLimit: any number; negative: an
	// error.
	MaxEntries int
	// MaxWeight bounds the sum of the entries' weights in the same way, in bytes of
	// final keys and encoded values, or in the units of Weigh. 0: it is not limited.
	MaxWeight int64
	// Weigh returns the weight of an entry, at least 1; less is ErrArgument. value is
	// what the call stores, not encoded. nil: the bytes of final key and encoded value.
	// It is called with no lock held. NoCopy with MaxWeight needs one.
	Weigh func(finalKey string, value any) int64
	// Cull is how room is made. The zero Cull evicts one entry for one.
	Cull Cull

	// KeyPrefix is the first part of all final keys.
	KeyPrefix string
	// Version is the version of keys where a call names none: Version(n). The zero
	// Option means DefaultVersion.
	Version Option
	// KeyFunc makes the final key. nil: "prefix:version:key". It is called with no
	// lock held.
	KeyFunc func(key, prefix string, version int) string
	// CheckKey decides on final keys: an error refuses the call with ErrInvalidKey.
	// nil: faults (see KeyFaults) are logged, and the call goes on. RefuseFaults makes
	// errors of them. It is called with no lock held.
	CheckKey func(finalKey string) error
	// Logger gets a warning for each fault of a key. nil: slog.Default().
	Logger *slog.Logger

	// Codec encodes values. nil: JSON.
	Codec Codec

	// Registry has the stores of local memory. nil: that of the process. Tests take
	// one of their own.
	Registry *Registry
	// Backend is used instead of a driver's. Driver, Location, Registry and Params
	// must not be set then.
	Backend Backend
	// Params are the parameters of a DSN that are the driver's own, by name. nil:
	// none.
	Params map[string]string
}

// Cull is how a store that is full makes room for a new entry.
type Cull struct {
	batch     bool
	frequency int
}

// Batch makes room as Django does: when the store is full, a new entry first
// evicts one of so many of the entries held, at least one; with 0 or 1 all of them.
// Without a number it is DefaultCullFrequency.
func Batch(frequency ...int) Cull {
	c := Cull{batch: true, frequency: DefaultCullFrequency}
	for _, f := range frequency {
		c.frequency = f
	}
	return c
}

// Limits are the limits of one alias.
type Limits struct {
	MaxEntries int   // as in Config
	MaxWeight  int64 // as in Config
	Cull       Cull
}

// resolve returns the limits with their defaults, or what is wrong with them.
func (l Limits) resolve() (Limits, error) {
	if l.MaxEntries == 0 {
		l.MaxEntries = DefaultMaxEntries
	}
	return l, errors.Join(l.faults()...)
}

func (l Limits) faults() []error {
	var faults []error
	if l.MaxEntries < 0 {
		faults = append(faults, configFault("max_entries is %d: it must be at least 1", l.MaxEntries))
	}
	if l.MaxWeight < 0 {
		faults = append(faults, configFault("max_weight is %d: it must be at least 1", l.MaxWeight))
	}
	if l.Cull.frequency < 0 {
		faults = append(faults, configFault("cull_frequency is %d: it must not be negative", l.Cull.frequency))
	}
	return faults
}

// check returns all that is wrong with a configuration, each fault an ErrConfig
// with the parameter's name. It may call the driver's and the backend's code.
func (c Config) check() error {
	return errors.Join(append(c.faults(), c.driverFaults()...)...)
}

// faults are those that nothing set in other fields can cure.
//
// +checklocksexclude:codecs.mu
func (c Config) faults() []error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, configFault(format, args...))
		}
	}
	if c.Backend == nil {
		faults = append(faults, c.unknown()...)
	} else {
		const both = "%s is set together with backend"
		fault(c.Driver != "", both, "driver")
		fault(c.Location != "", both, "location")
		fault(c.Registry != nil, both, "registry")
		for _, name := range slices.Sorted(maps.Keys(c.Params)) {
			fault(true, both, "parameter "+name)
		}
	}
	switch c.Timeout.kind {
	case optionNone, optionTimeout, optionNever:
	default:
		fault(true, "timeout is neither Timeout(d) nor Never()")
	}
	switch c.Version.kind {
	case optionNone, optionVersion:
	default:
		fault(true, "version is not Version(n)")
	}
	if c.Codec != nil {
		fault(!validTag(c.Codec.Tag()), "codec %s has the tag %q, with which numbers begin", c.Codec.Name(), c.Codec.Tag())
	}
	return append(faults, c.limits().faults()...)
}

func (c Config) limits() Limits { return Limits{c.MaxEntries, c.MaxWeight, c.Cull} }

// unknown are the faults of naming what is not registered. The parameters of an
// unknown driver are no faults of their own.
func (c Config) unknown() []error {
	d, err := drivers.of(c.driver())
	if err != nil {
		return []error{err}
	}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(c.Params)) {
		if !slices.Contains(d.Params, name) {
			faults = append(faults, unknownParam(name, d))
		}
	}
	return faults
}

// driverFaults are those of fields that do not go together, and what the driver
// has to say.
//
// +checklocksexclude:drivers.mu
func (c Config) driverFaults() []error {
	var faults []error
	if c.Codec == NoCopy && c.MaxWeight > 0 && c.Weigh == nil {
		faults = append(faults, configFault("max_weight needs Weigh: codec %s does not know the size of values", NoCopy.Name()))
	}
	if c.Backend != nil {
		return append(faults, c.beyond(c.Backend.Capabilities(), "the backend")...)
	}
	d, err := drivers.of(c.driver())
	if err != nil || d.Check == nil {
		return faults // what is unknown has been reported
	}
	if err := d.Check(c); err != nil {
		if !errors.Is(err, ErrConfig) {
			err = fmt.Errorf("%w: driver %s: %w", ErrConfig, c.driver(), err)
		}
		faults = append(faults, err)
	}
	return faults
}

// beyond are the faults of asking for what only backends with more capabilities
// than these can do.
func (c Config) beyond(can Capability, who string) []error {
	var faults []error
	if !can.Has(CanLimit) {
		for _, set := range []struct {
			name string
			is   bool
		}{
			{"max_entries", c.MaxEntries != 0},
			{"max_weight", c.MaxWeight != 0},
			{"cull_frequency", c.Cull != Cull{}},
		} {
			if set.is {
				faults = append(faults, configFault("%s is set, and %s has limits of its own", set.name, who))
			}
		}
	}
	if c.Codec == NoCopy && !can.Has(CanKeep) {
		faults = append(faults, configFault("codec is %s, and %s keeps bytes only", NoCopy.Name(), who))
	}
	return faults
}

// configFault returns an ErrConfig with a text.
func configFault(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
}
