// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/locmem/locmem/cache"
	"github.com/locmem/locmem/internal/lock"
)

// accidentStatements are section Q: where Django's behaviour is an accident, what
// holds instead.
var accidentStatements = []statement{
	{"Q1", "Delete of an expired entry returns false", cache.CanStore, deleteOfExpiredIsFalse},
	{"Q2", "an overwrite evicts nothing", limited, overwriteEvictsNothing},
	{"Q3", "expired entries make room first", limited, expiredMakeRoomFirst},
	{"Q3", "a write with no lifetime evicts nothing", limited, noLifetimeEvictsNothing},
	{"Q4", "a cull removes at least one", limited, cullRemovesOne},
	{"Q5", "a negative frequency is refused", limited, negativeFrequencyIsRefused},
	{"Q6", "IncrVersion keeps the lifetime", cache.CanStore | cache.CanMove, incrVersionKeepsTheLifetime},
	{"Q7", "IncrVersion by 0 loses nothing", cache.CanStore, incrVersionByZero},
	{"Q8", "SetMany checks and encodes all before it stores", cache.CanStore, setManyChecksFirst},
	{"Q9", "Incr takes whole numbers of 64 bits only", cache.CanStore, incrTakesNumbersOnly},
	{"Q12", "a refused call loses nothing", cache.CanStore, refusedCallsLoseNothing},
	{"Q12", "a backend looks at the context first", cache.CanStore, endedContextsTouchNothing},
	{"Q13", "any length of a lifetime works", cache.CanStore, anyLengthWorks},
	{"Q14", "functions of the user's may call the cache", cache.CanStore, functionsMayCallTheCache},
	{"Q14", "a panic of the user's leaves no half entry", cache.CanStore, panicsLeaveNoHalfEntry},
	{"Q15", "who waited for a failed load gets its error", 0, waitersGetTheError},
}

func deleteOfExpiredIsFalse(s *subject) {
	c := s.alias(cache.Config{})
	set(s, c, "seen", "value", cache.Timeout(s.unit))
	set(s, c, "unseen", "value", cache.Timeout(s.unit))
	s.outlive(s.unit)
	get[string](s, c, "seen")
	s.want(s.del(c, "seen"), false, "Delete of an expired entry that was looked at")
	s.want(s.del(c, "unseen"), false, "Delete of an expired entry")
}

func overwriteEvictsNothing(s *subject) {
	wide := s.alias(cache.Config{MaxEntries: 100})
	keys := numbered(9)
	s.fill(wide, keys...)
	for _, cull := range []cache.Cull{{}, cache.Batch(4)} {
		narrow := s.alias(cache.Config{MaxEntries: 3, Cull: cull})
		s.fill(narrow, keys[4])
		s.kept(wide, "an overwrite by Set", keys...)
		setMany(s, narrow, map[string]string{keys[0]: "value", keys[1]: "value"})
		s.kept(wide, "an overwrite by SetMany", keys...)
	}
}

func expiredMakeRoomFirst(s *subject) {
	for _, cull := range []cache.Cull{{}, cache.Batch(6)} {
		c := s.on(s.fresh(), cache.Config{MaxEntries: 3, Cull: cull, Timeout: cache.Never()})
		s.fill(c, "a")
		set(s, c, "b", "value", cache.Timeout(s.unit))
		s.fill(c, "c")
		get[string](s, c, "b")
		s.outlive(s.unit)
		s.fill(c, "d")
		s.kept(c, "a write when one of three had expired", "a", "c", "d")
	}
}

func noLifetimeEvictsNothing(s *subject) {
	c := s.alias(cache.Config{MaxEntries: 3})
	s.fill(c, "a", "b", "c")
	for _, timeout := range []time.Duration{0, -time.Second} {
		set(s, c, "d", "value", cache.Timeout(timeout))
		setMany(s, c, map[string]string{"d": "value", "e": "value"}, cache.Timeout(timeout))
		add(s, c, "d", "value", cache.Timeout(timeout))
		s.kept(c, fmt.Sprintf("writes with a timeout of %v", timeout), "a", "b", "c")
	}
}

func cullRemovesOne(s *subject) {
	for _, limit := range []int{1, 2, 4} {
		c := s.on(s.fresh(), cache.Config{MaxEntries: limit, Cull: cache.Batch(5)})
		keys := numbered(12)
		for _, key := range keys {
			s.fill(c, key)
			s.kept(c, "a write", key)
			if n := s.count(c, keys...); n > limit {
				s.Errorf("%d entries with a limit of %d and a frequency of 5", n, limit)
			}
		}
	}
}

func negativeFrequencyIsRefused(s *subject) {
	_, err := cache.New(cache.Config{Backend: s.backend, Cull: cache.Batch(-1)})
	s.wantError(err, cache.ErrConfig, "a cull frequency of -1")
	err = s.alias(cache.Config{}).SetLimits(cache.Limits{Cull: cache.Batch(-3)})
	s.wantError(err, cache.ErrConfig, "SetLimits with a cull frequency of -3")
}

// ttl returns what TTL does.
func (s *subject) ttl(c *cache.Cache, key string, opts ...cache.Option) (remaining time.Duration, never, found bool) {
	s.Helper()
	remaining, never, found, err := c.TTL(s.ctx, key, opts...)
	s.noError(err, "TTL")
	return remaining, never, found
}

func incrVersionKeepsTheLifetime(s *subject) {
	c := s.alias(cache.Config{})
	set(s, c, "permanent", "value", cache.Never())
	_, err := c.IncrVersion(s.ctx, "permanent", 1)
	s.noError(err, "IncrVersion")
	_, never, found := s.ttl(c, "permanent", cache.Version(2))
	s.want(found && never, true, "a permanent entry is permanent after IncrVersion")

	set(s, c, "mortal", "value", cache.Timeout(4*s.unit))
	s.advance(s.unit)
	_, err = c.IncrVersion(s.ctx, "mortal", 1)
	s.noError(err, "IncrVersion")
	if remaining, never, found := s.ttl(c, "mortal", cache.Version(2)); never || found && remaining > 3*s.unit+s.config.Granularity || !found && s.manual() {
		s.Errorf("after IncrVersion an entry has %v left (never: %t, found: %t), not %v", remaining, never, found, 3*s.unit)
	}
}

func incrVersionByZero(s *subject) {
	c := s.alias(cache.Config{})
	set(s, c, "k", "value", cache.Version(5))
	version, err := c.IncrVersion(s.ctx, "k", 0, cache.Version(5))
	s.noError(err, "IncrVersion by 0")
	equal(s, version, 5, "IncrVersion by 0")
	holds(s, c, "k", "value", cache.Version(5))
	_, err = c.IncrVersion(s.ctx, "missing", 0)
	s.wantError(err, cache.ErrMiss, "IncrVersion by 0 of a missing entry")
}

// codec returns the codec of the suite, or JSON in the place of NoCopy.
func (s *subject) codec() cache.Codec {
	if c := s.config.Codec; c != nil && c != cache.NoCopy {
		return c
	}
	return cache.JSON
}

// A meddler is a codec that does something else first.
type meddler struct {
	cache.Codec
	before func(where string, value any) error
}

func (m *meddler) Append(b []byte, value any) ([]byte, error) {
	if err := m.before("Append", value); err != nil {
		return b, err
	}
	return m.Codec.Append(b, value)
}

func (m *meddler) Decode(b []byte, into any) error {
	if err := m.before("Decode", into); err != nil {
		return err
	}
	return m.Codec.Decode(b, into)
}

var errUnfit = errors.New("this text is unfit")

func setManyChecksFirst(s *subject) {
	picky := &meddler{s.codec(), func(_ string, value any) error {
		if value == any("unfit") {
			return errUnfit
		}
		return nil
	}}
	c := s.alias(cache.Config{Codec: picky})
	set(s, c, "a", "old")
	_, err := cache.For[string](c).SetMany(s.ctx, map[string]string{"a": "new", "b": "new", "c": "unfit"})
	s.wantError(err, cache.ErrEncode, "SetMany with an unfit text")
	s.lacks(c, "b")
	holds(s, c, "a", "old")

	c = s.alias(cache.Config{CheckKey: func(final string) error {
		if final == ":1:c" {
			return errUnfit
		}
		return nil
	}, Codec: s.codec()})
	_, err = cache.For[string](c).SetMany(s.ctx, map[string]string{"a": "new", "b": "new", "c": "new"})
	s.wantError(err, cache.ErrInvalidKey, "SetMany with a key that is refused")
	s.lacks(c, "b")
	holds(s, c, "a", "old")
}

func incrTakesNumbersOnly(s *subject) {
	c := s.alias(cache.Config{Codec: s.codec()})
	set(s, c, "text", "1")
	_, err := c.Incr(s.ctx, "text", 1)
	s.wantError(err, cache.ErrNotNumber, "Incr of a text")
	holds(s, c, "text", "1")
	set(s, c, "most", int64(math.MaxInt64))
	_, err = c.Incr(s.ctx, "most", 1)
	s.wantError(err, cache.ErrOverflow, "Incr beyond 64 bits")
	holds(s, c, "most", int64(math.MaxInt64))
}

func refusedCallsLoseNothing(s *subject) {
	view := cache.For[int](s.alias(cache.Config{}))
	refusing := cache.For[int](s.alias(cache.Config{CheckKey: func(final string) error {
		if final == ":1:refused" {
			return errUnfit
		}
		return nil
	}}))
	ended, end := context.WithCancel(s.ctx)
	end()
	var none context.Context
	set(s, view.Cache, "k", 1, cache.Never())

	for _, call := range []struct {
		name string
		want error
		make func() error
	}{
		{"Set without a context", cache.ErrArgument, func() error { return view.Set(none, "k", 2) }},
		{"Set with a context that has ended", context.Canceled, func() error { return view.Set(ended, "k", 2) }},
		{"SetMany with a context that has ended", context.Canceled, func() error {
			_, err := view.SetMany(ended, map[string]int{"k": 2})
			return err
		}},
		{"Get with a context that has ended", context.Canceled, func() error { _, _, err := view.Get(ended, "k"); return err }},
		{"Touch with a context that has ended", context.Canceled, func() error {
			_, err := view.Touch(ended, "k", cache.Timeout(0))
			return err
		}},
		{"Delete with a context that has ended", context.Canceled, func() error { _, err := view.Delete(ended, "k"); return err }},
		{"DeleteMany with a context that has ended", context.Canceled, func() error { return view.DeleteMany(ended, []string{"k"}) }},
		{"Incr with a context that has ended", context.Canceled, func() error { _, err := view.Incr(ended, "k", 1); return err }},
		{"IncrVersion with a context that has ended", context.Canceled, func() error {
			_, err := view.IncrVersion(ended, "k", 1)
			return err
		}},
		{"Clear with a context that has ended", context.Canceled, func() error { return view.Clear(ended) }},
		{"Decr by what cannot be negated", cache.ErrOverflow, func() error { _, err := view.Decr(s.ctx, "k", math.MinInt64); return err }},
		{"DecrVersion by what cannot be negated", cache.ErrOverflow, func() error {
			_, err := view.DecrVersion(s.ctx, "k", math.MinInt)
			return err
		}},
		{"IncrVersion beyond the range", cache.ErrOverflow, func() error {
			_, err := view.IncrVersion(s.ctx, "k", math.MaxInt)
			return err
		}},
		{"IncrFloat by no number", cache.ErrArgument, func() error { _, err := view.IncrFloat(s.ctx, "k", math.NaN()); return err }},
		{"GetOrSet without a load function", cache.ErrArgument, func() error { _, err := view.GetOrSet(s.ctx, "k", nil); return err }},
		{"Drop of what is no namespace", cache.ErrArgument, func() error { return view.Drop(s.ctx) }},
		{"Watch without a function", cache.ErrArgument, func() error { _, err := view.Watch(nil); return err }},
		{"Set of a key that is refused", cache.ErrInvalidKey, func() error { return refusing.Set(s.ctx, "refused", 2) }},
		{"DeleteMany with a key that is refused", cache.ErrInvalidKey, func() error {
			return refusing.DeleteMany(s.ctx, []string{"k", "refused"})
		}},
	} {
		s.wantError(call.make(), call.want, call.name)
		if _, never, found := s.ttl(view.Cache, "k"); !found || !never {
			s.Errorf("%s: the entry was changed: found %t, permanent %t", call.name, found, never)
		}
		holds(s, view.Cache, "k", 1)
	}
	equal(s, s.incr(view.Cache, "k", 1), 2, "Incr after refused calls")
}

func endedContextsTouchNothing(s *subject) {
	ended, end := context.WithCancel(s.ctx)
	end()
	b, w := s.backend, cache.Write{Timeout: cache.Forever, Limits: cache.Limits{MaxEntries: cache.NoLimit}}
	s.noError(b.Set(s.ctx, "k", []byte("1"), w), "Set")
	for _, call := range []struct {
		name string
		make func() error
	}{
		{"Get", func() error { _, _, err := b.Get(ended, "k"); return err }},
		{"GetMany", func() error { _, err := b.GetMany(ended, []string{"k"}); return err }},
		{"Has", func() error { _, err := b.Has(ended, "k"); return err }},
		{"TTL", func() error { _, _, err := b.TTL(ended, "k"); return err }},
		{"Set", func() error { return b.Set(ended, "k", []byte("2"), w) }},
		{"SetMany", func() error { _, err := b.SetMany(ended, []cache.Item{{Key: "k", Value: []byte("2")}}, w); return err }},
		{"Add", func() error { _, err := b.Add(ended, "other", []byte("2"), w); return err }},
		{"Touch", func() error { _, err := b.Touch(ended, "k", 0); return err }},
		{"Incr", func() error { _, err := b.Incr(ended, "k", 1); return err }},
		{"Delete", func() error { _, err := b.Delete(ended, "k"); return err }},
		{"DeleteMany", func() error { return b.DeleteMany(ended, []string{"k"}) }},
		{"Clear", func() error { return b.Clear(ended) }},
		{"Ping", func() error { return b.Ping(ended) }},
	} {
		s.wantError(call.make(), context.Canceled, "the backend's "+call.name+" with a context that has ended")
		value, found, err := b.Get(s.ctx, "k")
		s.noError(err, "Get")
		if !found || string(value) != "1" {
			s.Errorf("%s with a context that has ended: the entry is %q, %t", call.name, value, found)
		}
	}
	found, err := b.Has(s.ctx, "other")
	s.noError(err, "Has")
	s.want(found, false, "Has after an Add with a context that has ended")
}

func anyLengthWorks(s *subject) {
	c := s.alias(cache.Config{})
	for _, d := range []time.Duration{math.MaxInt64 - 1, math.MaxInt64 / 2, 100 * 365 * 24 * time.Hour, math.MinInt64, -math.MaxInt64, -1} {
		lives := d > 0
		set(s, c, "k", 1, cache.Timeout(d))
		s.want(s.has(c, "k"), lives, fmt.Sprintf("Has after a Set with a timeout of %d ns", d))
		set(s, c, "k", 1)
		s.touch(c, "k", cache.Timeout(d))
		s.want(s.has(c, "k"), lives, fmt.Sprintf("Has after a Touch with a timeout of %d ns", d))
	}
	if !s.can(cache.CanSwap) {
		return
	}
	set(s, c, "k", 1)
	for _, delta := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		_, err := c.IncrFloat(s.ctx, "k", delta)
		s.wantError(err, cache.ErrArgument, fmt.Sprintf("IncrFloat by %v", delta))
		holds(s, c, "k", 1)
	}
}

// meddling is a configuration whose functions do something else first.
func (s *subject) meddling(before func(where string)) cache.Config {
	config := cache.Config{
		KeyFunc: func(key, prefix string, version int) string {
			before("KeyFunc")
			return prefix + ":" + strconv.Itoa(version) + ":" + key
		},
		CheckKey: func(string) error { before("CheckKey"); return nil },
		Codec:    &meddler{s.codec(), func(where string, _ any) error { before(where); return nil }},
	}
	if s.can(cache.CanLimit) {
		config.MaxWeight = 1 << 40
		config.Weigh = func(string, any) int64 { before("Weigh"); return 1 }
	}
	return config
}

func functionsMayCallTheCache(s *subject) {
	plain := cache.For[string](s.alias(cache.Config{Codec: s.codec()}))
	call := func(where string) {
		key := "of-" + where
		err := plain.Set(s.ctx, key, "value")
		if err == nil {
			_, _, err = plain.Get(s.ctx, key)
		}
		if err == nil {
			_, err = plain.Delete(s.ctx, key)
		}
		if err == nil {
			_, err = plain.GetOrSet(s.ctx, key, loading("loaded"))
		}
		if err != nil {
			s.Errorf("a call made by %s: %v", where, err)
		}
	}
	config := s.meddling(call)
	view := cache.For[string](s.alias(config))
	config.CheckKey, config.Logger = nil, slog.New(&logCounter{call: func() { call("log-handler") }})
	logging := cache.For[string](s.alias(config))
	if s.can(cache.CanWatch) {
		stop, err := view.Watch(func(r cache.Removal) {
			if r.Key == ":1:k" {
				call("listener")
			}
		})
		s.noError(err, "Watch")
		defer stop()
	}
	ended := s.beside(func() {
		load := func(context.Context) (string, error) { call("load"); return "loaded", nil }
		_, err := view.GetOrSet(s.ctx, "k", load)
		errs := []error{err, view.Set(s.ctx, "k", "value")}
		_, err = view.Add(s.ctx, "k", "value")
		errs = append(errs, err)
		_, err = view.SetMany(s.ctx, map[string]string{"k": "value", "other": "value"})
		errs = append(errs, err)
		_, err = view.GetMany(s.ctx, []string{"k", "other"})
		errs = append(errs, err)
		_, _, err = view.Get(s.ctx, "k")
		errs = append(errs, err)
		_, err = view.Delete(s.ctx, "k")
		errs = append(errs, err)
		if s.can(cache.CanAnyKey) {
			errs = append(errs, logging.Set(s.ctx, "a key with a fault", "value"))
		}
		if err := errors.Join(errs...); err != nil {
			s.Errorf("calls whose functions call the cache: %v", err)
		}
	})
	s.await(ended, "calls whose functions call the cache")
}

// contained makes a call that may panic.
func contained(call func()) {
	defer func() { _ = recover() }()
	call()
}

func panicsLeaveNoHalfEntry(s *subject) {
	plain := cache.For[string](s.alias(cache.Config{Codec: s.codec()}))
	throw := "" // where
	before := func(where string) {
		if where == throw {
			panic("in " + where)
		}
	}
	config := s.meddling(before)
	view := cache.For[string](s.alias(config))
	for _, place := range []string{"KeyFunc", "CheckKey", "Append", "Decode", "Weigh", "load"} {
		set(s, plain.Cache, "k", "old")
		throw = place
		contained(func() { _ = view.Set(s.ctx, "other", "new") })
		if place != "Decode" && place != "load" { // which a Set does not call
			contained(func() { _ = view.Set(s.ctx, "k", "new") })
		}
		contained(func() { _, _, _ = view.Get(s.ctx, "k") })
		contained(func() {
			_, _ = view.GetOrSet(s.ctx, "loaded", func(context.Context) (string, error) { before("load"); return "new", nil })
		})
		throw = ""
		ended := s.beside(func() {
			if value, found, err := plain.Get(s.ctx, "k"); value != "old" || !found || err != nil {
				s.Errorf("after a panic in %s: %q, %t, %v", place, value, found, err)
			}
			for _, key := range []string{"other", "loaded"} {
				value, found, err := plain.Get(s.ctx, key)
				if err != nil || found && value != "new" {
					s.Errorf("after a panic in %s there is half an entry: %q, %v", place, value, err)
				}
				if _, err := plain.GetOrSet(s.ctx, key, loading("again")); err != nil {
					s.Errorf("after a panic in %s: %v", place, err)
				}
				if _, err := plain.Delete(s.ctx, key); err != nil {
					s.Errorf("after a panic in %s: %v", place, err)
				}
			}
		})
		s.await(ended, "calls after a panic in "+place)
	}
	if !s.can(cache.CanWatch) {
		return
	}
	stop, err := view.Watch(func(cache.Removal) { panic("in a listener") })
	s.noError(err, "Watch")
	defer stop()
	set(s, plain.Cache, "k", "new")
	holds(s, plain.Cache, "k", "new")
}

// waitersGetTheError has callers miss together and fail, each with an error of its
// own. One who came late loads again, so that is tried some times.
func waitersGetTheError(s *subject) {
	const callers, attempts = 4, 5
	view := cache.For[string](s.alias(cache.Config{}))
	for attempt := range attempts {
		key := fmt.Sprint("attempt-", attempt)
		var here lock.Int64
		all := lock.NewGate()
		var loaded, failed [callers]error
		s.together(callers, func(i int) {
			if here.Add(1) == callers {
				all.Open()
			}
			_, failed[i] = view.GetOrSet(s.ctx, key, func(ctx context.Context) (string, error) {
				if err := all.Wait(ctx); err != nil {
					return "", err
				}
				s.pause()
				loaded[i] = fmt.Errorf("%w for caller %d", errLoad, i)
				return "", loaded[i]
			})
		})
		loads := 0
		for _, err := range loaded {
			if err != nil {
				loads++
			}
		}
		for i, err := range failed {
			got := false
			for _, of := range loaded {
				got = got || of != nil && errors.Is(err, of)
			}
			if !got {
				s.Fatalf("caller %d of a load that has failed got %v", i, err)
			}
		}
		if loads == 1 {
			return
		}
	}
	s.Errorf("callers who waited for a load that has failed have loaded again, %d times", attempts)
}
