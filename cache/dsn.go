// SPDX-License-Identifier: MIT

package cache

import (
	"errors"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The parameters that every driver has.
const (
	paramTimeout       = "timeout"
	paramMaxEntries    = "max_entries"
	paramMaxWeight     = "max_weight"
	paramCullFrequency = "cull_frequency"
	paramKeyPrefix     = "key_prefix"
	paramVersion       = "version"
	paramCodec         = "codec"
)

// What stands in front of a DSN's parameters has names where it does not.
const (
	nameDriver   = "driver"
	nameLocation = "location"
)

// none is the value of parameters that can mean "no limit".
const none = "none"

// Open makes a cache of one alias from a DSN; see ParseDSN and New. The error
// names every fault.
func Open(dsn string) (*Cache, error) {
	c, faults := parseDSN(dsn)
	if len(faults) > 0 {
		return nil, errors.Join(append(faults, c.check())...)
	}
	return New(c)
}

// ParseDSN reads a configuration from a line of text:
//
//	driver://location?timeout=300s&max_entries=300&cull_frequency=3&key_prefix=&version=1
//
// The driver is a registered one, in upper or lower case: locmem, dummy or what
// other packages have added. The location is all from "://" to the first "?" or
// the end, percent-decoded, so that "%3F" is a "?" in it; "/", "#" and "@" are
// characters like others. All parameters may be left out:
//
//	timeout         Config.Timeout: none, a Go duration, or a whole number of seconds
//	max_entries     Config.MaxEntries: at least 1, or none
//	max_weight      Config.MaxWeight: at least 1, or none
//	cull_frequency  Config.Cull: Batch of this number, 0 or more
//	key_prefix      Config.KeyPrefix
//	version         Config.Version: a whole number
//	codec           Config.Codec: json, gob, raw, nocopy, or what was registered
//
// The driver's own parameters come into Config.Params. Names and values are
// encoded as in the query of a URL, "+" for a space. A timeout of more seconds
// than a time.Duration can hold means the longest of those.
//
// The error is ErrConfig and names every fault, but for those that fields set
// later may cure (the driver's Check, NoCopy without Weigh): New reports them.
// Nothing of a location is in its text, which may have a password.
func ParseDSN(dsn string) (Config, error) {
	c, faults := parseDSN(dsn)
	if faults = append(faults, c.faults()...); len(faults) > 0 {
		return Config{}, errors.Join(faults...)
	}
	return c, nil
}

// parseDSN returns what can be read of a DSN, and the faults of the rest, none of
// which are faults of what it returns.
func parseDSN(dsn string) (Config, []error) {
	scheme, rest, ok := strings.Cut(dsn, "://")
	scheme = strings.ToLower(scheme)
	if !ok || !isScheme(scheme) {
		return Config{}, []error{configFault(`a DSN begins with the name of a driver and "://"`)}
	}
	location, query, _ := strings.Cut(rest, "?")
	r := reader{config: Config{Driver: scheme}, seen: make(map[string]bool)}
	r.location(location)
	r.query(query)
	return r.config, r.faults
}

// A reader puts parameters into a configuration and collects what is wrong.
type reader struct {
	config Config
	faults []error
	seen   map[string]bool // the parameters
}

func (r *reader) fault(format string, args ...any) {
	r.faults = append(r.faults, configFault(format, args...))
}

func (r *reader) location(text string) {
	location, err := url.PathUnescape(text)
	if err != nil { // whose text is a piece of the location
		r.fault(`location has a "%%" that two hexadecimal digits do not follow: "%%25" means "%%"`)
	}
	r.config.Location = location
}

func (r *reader) query(query string) {
	for pair := range strings.SplitSeq(query, "&") {
		switch {
		case pair == "":
			continue
		case strings.Contains(pair, ";"): // as in URLs, where it once was a separator
			r.fault(`parameters are separated by "&": ";" must be written "%%3B"`)
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || !isParamName(name) {
			// It may be the end of a password with a "?", so it is not in the text.
			r.fault("a parameter's name has other characters than a to z, 0 to 9 and _")
			continue
		}
		value, err = url.QueryUnescape(value)
		if err != nil {
			r.seen[name] = true
			r.fault(`%s has a "%%" that two hexadecimal digits do not follow: "%%25" means "%%"`, name)
			continue
		}
		r.set(name, value)
	}
}

// set sets a parameter.
func (r *reader) set(name, value string) {
	if r.seen[name] {
		r.fault("%s is there twice", name)
		return
	}
	r.seen[name] = true
	c := &r.config
	switch name {
	case paramTimeout:
		c.Timeout = r.timeout(value)
	case paramMaxEntries:
		c.MaxEntries = int(r.limit(name, value, math.MaxInt))
		if value == none {
			c.MaxEntries = NoLimit
		}
	case paramMaxWeight:
		c.MaxWeight = r.limit(name, value, math.MaxInt64)
	case paramCullFrequency:
		if n, ok := r.whole(name, value, math.MinInt, math.MaxInt); ok {
			c.Cull = Batch(int(n))
		}
	case paramKeyPrefix:
		c.KeyPrefix = value
	case paramVersion:
		if n, ok := r.whole(name, value, math.MinInt, math.MaxInt); ok {
			c.Version = Version(int(n))
		}
	case paramCodec:
		codec, ok := codecByName(value)
		if !ok {
			r.fault("codec is %q: it must be one of %s", value, strings.Join(codecNames(), ", "))
			return
		}
		c.Codec = codec
	default:
		if c.Params == nil {
			c.Params = make(map[string]string)
		}
		c.Params[name] = value
	}
}

// setAny sets a parameter, the driver or the location.
func (r *reader) setAny(name, value string) {
	switch name {
	default:
		r.set(name, value)
		return
	case nameDriver:
		r.config.Driver = strings.ToLower(value)
	case nameLocation:
		r.config.Location = value
	}
	if r.seen[name] {
		r.fault("%s is there twice", name)
	}
	r.seen[name] = true
}

// timeout reads none, a number of seconds or a duration.
func (r *reader) timeout(value string) Option {
	if value == none {
		return Never()
	}
	const longest = int64(math.MaxInt64 / time.Second)
	seconds, err := strconv.ParseInt(value, 10, 64) // at the end of the range if beyond it
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		d, err := time.ParseDuration(value)
		if err != nil {
			r.fault("timeout is %q: it must be none, a duration such as 1m30s, or a whole number of seconds", value)
		}
		return Timeout(d)
	case seconds > longest:
		return Timeout(math.MaxInt64)
	case seconds < -longest:
		return Timeout(math.MinInt64)
	default:
		return Timeout(time.Duration(seconds) * time.Second)
	}
}

// limit reads a number of at least 1, or none, for which it returns 0.
func (r *reader) limit(name, value string, most int64) int64 {
	if value == none {
		return 0
	}
	n, ok := r.whole(name, value, math.MinInt64, most)
	if ok && n < 1 {
		r.fault("%s is %d: it must be at least 1, or none", name, n)
	}
	return max(n, 0)
}

// whole reads a whole number.
func (r *reader) whole(name, value string, least, most int64) (int64, bool) {
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && (n < least || n > most):
		r.fault("%s is %s: it must be between %d and %d", name, value, least, most)
		return 0, false
	case err != nil:
		r.fault("%s is %q: it must be a whole number", name, value)
		return 0, false
	default:
		return n, true
	}
}

// frontParams are the parameters that every driver has.
func frontParams() []string {
	return []string{paramTimeout, paramMaxEntries, paramMaxWeight, paramCullFrequency, paramKeyPrefix, paramVersion, paramCodec}
}

// unknownParam returns the fault of a parameter that neither the front nor the
// driver has.
func unknownParam(name string, d Driver) error {
	return configFault("parameter %q is unknown: it must be one of %s", name, strings.Join(append(frontParams(), d.Params...), ", "))
}
