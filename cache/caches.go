// SPDX-License-Identifier: MIT

package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/locmem/locmem/internal/lock"
)

// defaultAlias is the alias that every set has.
const defaultAlias = "default"

// Caches is a set of caches by alias, one of which is "default". All are checked
// when the set is made, each is opened when it is first asked for. The methods are
// safe for concurrent use and hold no lock while a driver runs.
type Caches struct {
	_       [0]func()
	members map[string]*member // never changes
	closed  lock.Bool
}

// member is one alias of a set.
type member struct {
	config Config     // immutable
	mu     lock.Mutex // protects cache, opening
	// nil: not opened yet.
	cache *Cache // +checklocks:mu
	// nil: nobody opens it now.
	opening *opening // +checklocks:mu
}

// opening is an attempt to open, of which all that came meanwhile get the result.
type opening struct {
	done  *lock.Gate
	cache *Cache
	err   error
}

// errOpening is the result of a driver that did not return.
var errOpening = errors.New("cache: opening it did not come to an end")

// NewCaches makes a set. With nil or an empty map it has one cache, "default", in
// local memory with all defaults; a map without "default" is ErrConfig. The error
// names every fault of every alias, and nothing is opened.
func NewCaches(configs map[string]Config) (*Caches, error) {
	return newCaches(configs, nil)
}

// newCaches makes a set, if there are no faults beside those that it finds.
func newCaches(configs map[string]Config, faults map[string][]error) (*Caches, error) {
	if len(configs) == 0 && len(faults) == 0 {
		configs = map[string]Config{defaultAlias: {}}
	}
	var all []error
	if _, ok := configs[defaultAlias]; !ok {
		all = append(all, configFault("there is no alias %q", defaultAlias))
	}
	s := &Caches{members: make(map[string]*member, len(configs))}
	for _, alias := range slices.Sorted(maps.Keys(configs)) {
		config := configs[alias]
		config.Params = maps.Clone(config.Params)
		for _, fault := range slices.Concat(faults[alias], config.faults(), config.driverFaults()) {
			all = append(all, &aliasError{alias, fault})
		}
		s.members[alias] = &member{config: config}
	}
	if len(all) > 0 {
		return nil, errors.Join(all...)
	}
	return s, nil
}

// aliasError is a fault with the alias in its text.
type aliasError struct {
	alias string
	fault error
}

func (f *aliasError) Error() string {
	return "cache: alias " + strconv.Quote(f.alias) + ": " + strings.TrimPrefix(f.fault.Error(), "cache: ")
}

func (f *aliasError) Unwrap() error { return f.fault }

// CachesFromDSNs makes a set from a DSN for each alias; see ParseDSN and NewCaches.
func CachesFromDSNs(dsns map[string]string) (*Caches, error) {
	configs := make(map[string]Config, len(dsns))
	faults := make(map[string][]error)
	for alias, dsn := range dsns {
		configs[alias], faults[alias] = parseDSN(dsn)
	}
	return newCaches(configs, faults)
}

// CachesFromEnv makes a set from the environment's variables whose names begin with
// a prefix, such as "CACHE_". The rest of the name, in lower case, is the alias,
// and the value is its DSN: CACHE_DEFAULT=locmem://. An empty value is a fault,
// so that a variable somebody forgot to fill is noticed.
func CachesFromEnv(prefix string) (*Caches, error) {
	if prefix == "" {
		return nil, configFault("the prefix of the environment's variables is empty")
	}
	configs := make(map[string]Config)
	faults := make(map[string][]error)
	for _, variable := range os.Environ() {
		name, dsn, _ := strings.Cut(variable, "=")
		alias, ok := strings.CutPrefix(name, prefix)
		if !ok || alias == "" {
			continue
		}
		alias = strings.ToLower(alias)
		if _, twice := configs[alias]; twice {
			faults[alias] = append(faults[alias], configFault("two variables of the environment name it"))
			continue
		}
		configs[alias], faults[alias] = parseDSN(dsn)
	}
	return newCaches(configs, faults)
}

// CachesFromJSON makes a set from an object with a member for each alias: a DSN, or
// an object of the same parameters and "driver" and "location", which is not
// percent-encoded here. Values are strings or numbers.
//
//	{
//		"default": "locmem://?timeout=60s",
//		"users": {"location": "users", "timeout": 60, "max_entries": 10000}
//	}
func CachesFromJSON(text []byte) (*Caches, error) {
	configs := make(map[string]Config)
	faults := make(map[string][]error)
	err := members(text, func(alias string, value json.RawMessage) error {
		if _, twice := configs[alias]; twice {
			faults[alias] = append(faults[alias], configFault("it is there twice"))
			return nil
		}
		config, wrong, err := parseJSON(value)
		configs[alias], faults[alias] = config, wrong
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: JSON: %w", ErrConfig, err)
	}
	return newCaches(configs, faults)
}

// parseJSON reads one alias. err means that it is no JSON.
func parseJSON(value json.RawMessage) (config Config, faults []error, err error) {
	var dsn string
	if json.Unmarshal(value, &dsn) == nil && value[0] == '"' {
		config, faults = parseDSN(dsn)
		return config, faults, nil
	}
	if value[0] != '{' {
		return Config{}, []error{configFault("it is neither a DSN nor an object")}, nil
	}
	r := reader{seen: make(map[string]bool)}
	err = members(value, func(name string, value json.RawMessage) error {
		text := string(value)
		switch {
		case value[0] == '"':
			if err := json.Unmarshal(value, &text); err != nil {
				return err
			}
		case value[0] != '-' && !isDigit(rune(value[0])):
			r.fault("%s is neither a string nor a number", name)
			return nil
		}
		r.setAny(name, text)
		return nil
	})
	return r.config, r.faults, err
}

// members calls f for each member of an object, those with the same name too.
func members(object []byte, f func(name string, value json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil {
		return unexpected(err)
	} else if t != json.Delim('{') {
		return errors.New("it is not an object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return unexpected(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return unexpected(err)
		}
		if err := f(name.(string), value); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil { // the brace
		return unexpected(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind the object")
	}
	return nil
}

// unexpected returns the error of a text that ends too early.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Cache returns the cache of an alias, always the same one; at the first call it
// is opened, and calls that come meanwhile wait for it. If that fails, the next
// call tries again. An alias that the set does not have is ErrUnknownAlias. A
// driver's Open must not ask for the alias that it opens.
func (s *Caches) Cache(alias string) (*Cache, error) {
	m, ok := s.members[alias]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrUnknownAlias, alias)
	}
	c, o, mine := m.enter()
	switch {
	case c != nil:
		return c, nil
	case mine:
		s.open(m, o)
	default:
		_ = o.done.Wait(context.Background()) // which does not end
	}
	if o.err != nil {
		return nil, &aliasError{alias, o.err}
	}
	return o.cache, nil
}

// enter returns the cache, or the attempt to open it; mine tells that the caller
// has to make it.
func (m *member) enter() (c *Cache, o *opening, mine bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cache == nil && m.opening == nil {
		m.opening = &opening{done: lock.NewGate(), err: errOpening}
		mine = true
	}
	return m.cache, m.opening, mine
}

// open opens a cache. If the driver panics or ends the goroutine, those that wait
// get an error.
func (s *Caches) open(m *member, o *opening) {
	defer func() {
		m.mu.Lock()
		m.cache, m.opening = o.cache, nil
		m.mu.Unlock()
		o.done.Open()
		// Close either has seen the cache, or is seen here.
		if o.cache != nil && s.closed.Load() {
			_ = o.cache.Close()
		}
	}()
	o.cache, o.err = New(m.config)
}

// Aliases returns the names of the caches, in order.
func (s *Caches) Aliases() []string {
	return slices.Sorted(maps.Keys(s.members))
}

// Close closes the caches that have been opened, opens none, and returns all
// errors. It may be called often. On local memory the set works on afterwards; a
// cache that is opened later is closed at once, so that no connection is left.
func (s *Caches) Close() error {
	s.closed.Store(true)
	var faults []error
	for _, alias := range s.Aliases() {
		if c := s.members[alias].opened(); c != nil {
			if err := c.Close(); err != nil {
				faults = append(faults, &aliasError{alias, err})
			}
		}
	}
	return errors.Join(faults...)
}

func (m *member) opened() *Cache {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cache
}

// current is the program's set. nil: unconfigured.
var current lock.Pointer[Caches]

// unconfigured is the set of a program that has set none.
var unconfigured = must(NewCaches(nil))

func must(s *Caches, err error) *Caches {
	if err != nil {
		panic(err)
	}
	return s
}

// SetCaches makes a set the program's current one, which Default looks into. nil:
// the one of an unconfigured program, with one cache in local memory with all
// defaults. The set before stays open.
func SetCaches(s *Caches) { current.Store(s) }

// Default returns the cache "default" of the program's current set. It looks it
// up at every call, so it should not be kept. It panics if the driver cannot open
// it; ask the set for it first to have the error.
func Default() *Cache {
	s := current.Load()
	if s == nil {
		s = unconfigured
	}
	c, err := s.Cache(defaultAlias)
	if err != nil {
		panic(err)
	}
	return c
}
