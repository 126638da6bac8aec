// SPDX-License-Identifier: MIT

package cachetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/locmem/locmem/cache"
	"github.com/locmem/locmem/internal/lock"
)

// valueStatements are about values and codecs.
var valueStatements = []statement{
	{"P1", "values are copies both ways", cache.CanStore, checkIsolation},
	{"P2", "values come back with type and content", cache.CanStore, checkContent},
	{"P3", "a large value is stored", cache.CanStore, checkLargeValue},
	{"P4", "what cannot be encoded is an error", 0, checkEncodeErrors},
	{"P5", "a failed encoding changes nothing", cache.CanStore, checkEncodeChangesNothing},
	{"P6", "what cannot be decoded is an error and no miss", cache.CanStore, checkDecodeErrors},
	{"P7", "codecs run outside every lock", cache.CanStore, checkCodecLocks},
	{"P8", "whole numbers are stored in decimal beside any codec", cache.CanStore, checkWholeNumbers},
}

// hooked is a codec that calls functions before it encodes and decodes texts; what
// they return, if it is not nil, is the codec's error.
type hooked struct {
	tag            byte
	append, decode func(text string) error
}

func (h hooked) Name() string { return "hooked" }

func (h hooked) Tag() byte {
	if h.tag != 0 {
		return h.tag
	}
	return 'h'
}

func (h hooked) Append(b []byte, value any) ([]byte, error) {
	text, ok := value.(string)
	if !ok {
		return b, fmt.Errorf("a %T is no text", value)
	}
	if h.append != nil {
		if err := h.append(text); err != nil {
			return b, err
		}
	}
	return append(b, text...), nil
}

func (h hooked) Decode(b []byte, into any) error {
	text, ok := into.(*string)
	if !ok {
		return fmt.Errorf("a %T is no text", into)
	}
	if h.decode != nil {
		if err := h.decode(string(b)); err != nil {
			return err
		}
	}
	*text = string(b)
	return nil
}

// refused is the text that refuse refuses.
const refused = "refused"

var errRefused = errors.New("the text is refused")

func refuse(text string) error {
	if text == refused {
		return errRefused
	}
	return nil
}

func checkIsolation(s *subject) {
	s.copies()
	c := s.alias(cache.Config{})
	type list struct{ Of []int }
	v := cache.For[*list](c)
	fresh := func() *list { return &list{Of: []int{1, 2, 3}} }
	for _, in := range []struct {
		name  string
		store func(key string, value *list)
	}{
		{"Set", func(key string, value *list) { set(s, c, key, value) }},
		{"Add", func(key string, value *list) { add(s, c, key, value) }},
		{"SetMany", func(key string, value *list) { setMany(s, c, map[string]*list{key: value}) }},
		{"GetOrSet", func(key string, value *list) {
			got, err := v.GetOrSet(s.ctx, key, func(context.Context) (*list, error) { return value, nil })
			s.noError(err, "GetOrSet")
			got.Of[1] = -1
			equal(s, value, fresh(), "what was passed to GetOrSet")
		}},
	} {
		value := fresh()
		in.store(in.name, value)
		value.Of[0] = -1
		holds(s, c, in.name, fresh())
	}
	for range 2 {
		got, _ := get[*list](s, c, "Set")
		equal(s, got, fresh(), "what Get returned")
		got.Of[0] = -1
		many := getMany[*list](s, c, []string{"Set"})
		equal(s, many["Set"], fresh(), "what GetMany returned")
		many["Set"].Of[0] = -1
		got, err := v.GetOrSet(s.ctx, "Set", func(context.Context) (*list, error) { return nil, nil })
		s.noError(err, "GetOrSet")
		equal(s, got, fresh(), "what GetOrSet returned")
		got.Of[0] = -1
	}

	raw := s.alias(cache.Config{Codec: cache.Raw})
	binary := []byte("bytes")
	set(s, raw, "raw", binary)
	binary[0] = 'x'
	for range 2 {
		got, _ := get[[]byte](s, raw, "raw")
		equal(s, string(got), "bytes", "the bytes that Get returned")
		got[0] = 'x'
	}
}

// Named types of the kinds that are stored in a way of their own.
type (
	number int16
	text   string
)

func checkContent(s *subject) {
	c := s.alias(cache.Config{})
	content(s, c, "text", "\u00e9e\u0301 \U0001F600\n\x00 <&>")
	content(s, c, "named-text", text("text"))
	content(s, c, "int", -7)
	content(s, c, "int64", int64(math.MinInt64))
	content(s, c, "uint8", uint8(255))
	content(s, c, "named-number", number(-300))
	content(s, c, "float", 1.0/3)
	content(s, c, "whole-float", 3.0)
	content(s, c, "float32", float32(0.1))
	content(s, c, "true", true)
	content(s, c, "struct", point{3, -4})
	content(s, c, "pointer", &point{3, -4})
	content(s, c, "list", []string{"a", "", "c"})
	content(s, c, "map", map[string][]point{"a": {{1, 2}}, "b": {{3, 4}, {5, 6}}})
	content(s, c, "time", time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC))
	binary := make([]byte, 0, 512)
	for i := range 512 {
		binary = append(binary, byte(i)^byte(i/256))
	}
	content(s, c, "binary", binary)
	content(s, s.alias(cache.Config{Codec: cache.Raw}), "raw-binary", binary)
	content(s, s.alias(cache.Config{Codec: cache.Raw}), "raw-text", "\x00\xff text \r\n")
}

func content[V any](s *subject, c *cache.Cache, key string, value V) {
	s.Helper()
	set(s, c, key, value)
	holds(s, c, key, value)
	equal(s, getMany[V](s, c, []string{key}), map[string]V{key: value}, "GetMany")
}

func checkLargeValue(s *subject) {
	size := s.config.MaxValue
	if size == 0 {
		size = 4 << 20
	}
	value := strings.Repeat("0123456789abcdef", size/16)[:size-size/16] // the codec adds something
	c := s.alias(cache.Config{})
	set(s, c, "k", value)
	got, found := get[string](s, c, "k")
	if !found || got != value {
		s.Errorf("of a value of %d bytes %d came back, found %t", len(value), len(got), found)
	}
}

func checkEncodeErrors(s *subject) {
	c := s.alias(cache.Config{Codec: hooked{append: refuse}})
	v := cache.For[string](c)
	demand := func(what string, err error) {
		s.Helper()
		s.wantError(err, cache.ErrEncode, what)
		s.wantError(err, errRefused, what)
	}
	demand("Set", v.Set(s.ctx, "set", refused))
	_, err := v.Add(s.ctx, "add", refused)
	demand("Add", err)
	_, err = v.SetMany(s.ctx, map[string]string{"a": "value", "b": refused})
	demand("SetMany", err)
	_, err = v.GetOrSet(s.ctx, "load", func(context.Context) (string, error) { return refused, nil })
	demand("GetOrSet", err)
}

func checkEncodeChangesNothing(s *subject) {
	c := s.alias(cache.Config{Codec: hooked{append: refuse}})
	v := cache.For[string](c)
	set(s, c, "k", "old")
	s.wantError(v.Set(s.ctx, "k", refused), cache.ErrEncode, "Set")
	holds(s, c, "k", "old")
	_, err := v.SetMany(s.ctx, map[string]string{"k": refused})
	s.wantError(err, cache.ErrEncode, "SetMany")
	holds(s, c, "k", "old")
	_, err = v.Add(s.ctx, "l", refused)
	s.wantError(err, cache.ErrEncode, "Add")
	s.lacks(c, "l")
	_, err = v.GetOrSet(s.ctx, "l", func(context.Context) (string, error) { return refused, nil })
	s.wantError(err, cache.ErrEncode, "GetOrSet")
	s.lacks(c, "l")
}

func checkDecodeErrors(s *subject) {
	c := s.alias(cache.Config{})
	set(s, c, "text", "value")
	_, found, err := cache.For[point](c).Get(s.ctx, "text")
	s.wantError(err, cache.ErrDecode, "Get as another type")
	s.want(found, false, "found")
	_, _, err = cache.For[int](c).Get(s.ctx, "text")
	s.wantError(err, cache.ErrDecode, "Get as a number")
	_, err = cache.For[point](c).GetMany(s.ctx, []string{"text"})
	s.wantError(err, cache.ErrDecode, "GetMany as another type")
	_, err = cache.For[point](c).GetOrSet(s.ctx, "text", func(context.Context) (point, error) {
		s.Error("it was loaded")
		return point{}, nil
	})
	s.wantError(err, cache.ErrDecode, "GetOrSet as another type")
	holds(s, c, "text", "value")

	refusing := s.alias(cache.Config{Codec: hooked{decode: refuse}})
	set(s, refusing, "k", refused)
	_, _, err = cache.For[string](refusing).Get(s.ctx, "k")
	s.wantError(err, cache.ErrDecode, "Get of what the codec refuses")
	s.wantError(err, errRefused, "Get of what the codec refuses")
	s.want(s.has(refusing, "k"), true, "Has of what the codec refuses")
}

func checkCodecLocks(s *subject) {
	// What runs on other goroutines and in codecs must not end the test.
	note := func(err error) {
		if err != nil {
			s.Error(err)
		}
	}
	inside := cache.For[string](s.alias(cache.Config{Codec: hooked{}}))

	// A codec that uses the cache, and the same key.
	use := func(text string) error {
		if text == "outer" {
			note(inside.Set(s.ctx, "k", "inner"))
			_, _, err := inside.Get(s.ctx, "k")
			note(err)
			_, err = inside.Delete(s.ctx, "l")
			note(err)
		}
		return nil
	}
	c := cache.For[string](s.alias(cache.Config{Codec: hooked{append: use, decode: use}}))
	ended := lock.NewGate()
	lock.Go(func() {
		defer ended.Open()
		note(c.Set(s.ctx, "k", "outer"))
		_, _, err := c.Get(s.ctx, "k")
		note(err)
		_, err = c.Add(s.ctx, "l", "outer")
		note(err)
		_, err = c.SetMany(s.ctx, map[string]string{"l": "outer", "m": "outer"})
		note(err)
		_, err = c.GetMany(s.ctx, []string{"l", "m"})
		note(err)
		_, err = c.GetOrSet(s.ctx, "n", func(context.Context) (string, error) { return "outer", nil })
		note(err)
	})
	s.await(ended, "a codec that uses the cache")

	// While a codec takes its time, others use the same key.
	begun, resume := lock.NewGate(), lock.NewGate()
	slow := cache.For[string](s.alias(cache.Config{Codec: hooked{append: func(string) error {
		begun.Open()
		return resume.Wait(s.ctx)
	}}}))
	stored, used := lock.NewGate(), lock.NewGate()
	lock.Go(func() {
		defer stored.Open()
		note(slow.Set(s.ctx, "slow", "value"))
	})
	s.await(begun, "the codec")
	lock.Go(func() {
		defer used.Open()
		for i := range 100 {
			note(inside.Set(s.ctx, "slow", "fast"))
			_, _, err := inside.Get(s.ctx, "slow")
			note(err)
			note(inside.Set(s.ctx, fmt.Sprint("k", i), "value"))
		}
	})
	s.await(used, "calls beside a slow codec")
	resume.Open()
	s.await(stored, "a slow codec")
	holds(s, slow.Cache, "slow", "value")
}

func checkWholeNumbers(s *subject) {
	json, other := s.alias(cache.Config{Codec: cache.JSON}), s.alias(cache.Config{Codec: hooked{}})
	set(s, json, "text", "value")
	_, _, err := cache.For[string](other).Get(s.ctx, "text")
	s.wantError(err, cache.ErrDecode, "what another codec has encoded")
	set(s, other, "int", -12)
	set[uint16](s, other, "uint", 12)
	set[number](s, other, "named", 12)
	set[int64](s, other, "most", math.MaxInt64)
	set[int64](s, other, "counted", 41)
	s.incr(other, "counted", 1)
	for key, want := range map[string]string{":1:int": "-12", ":1:uint": "12", ":1:named": "12", ":1:most": "9223372036854775807", ":1:counted": "42"} {
		got, _, err := s.backend.Get(s.ctx, key)
		s.noError(err, "Get")
		equal(s, string(got), want, "what is stored under "+key)
	}
	holds(s, json, "int", -12)
	holds(s, json, "named", int64(12))
}
