// SPDX-License-Identifier: MIT

package cachetest

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/locmem/locmem/cache"
)

// onlyTheFront has the statements that no backend can break alone: what they say
// is done by the front. Faults for them are planted in its code.
var onlyTheFront = map[string]string{
	"O5": "the front encodes",
	"P1": "the front copies: a codec reads and writes bytes that are its own",
	"P4": "the front encodes",
	"P5": "the front asks the backend for nothing if it cannot encode",
	"P6": "the front decodes",
	"P7": "the front calls codecs",
}

// keys, values and timeouts make faults of what is done to all of them.
func keys(bend func(key string) string) func(*cache.Local) cache.Backend {
	return bendBackend(func(b *bentBackend) { b.key = bend })
}

func values(bend func(value []byte) []byte) func(*cache.Local) cache.Backend {
	return bendBackend(func(b *bentBackend) { b.value = bend })
}

func timeouts(bend func(timeout time.Duration) time.Duration) func(*cache.Local) cache.Backend {
	return bendBackend(func(b *bentBackend) {
		b.write = func(w *cache.Write) { w.Timeout = bend(w.Timeout) }
	})
}

// incrs and moves make faults of one method.
func incrs(bend func(b *bentBackend, ctx context.Context, key string, delta int64) (int64, error)) func(*cache.Local) cache.Backend {
	return bendBackend(func(b *bentBackend) {
		b.incr = func(ctx context.Context, key string, delta int64) (int64, error) { return bend(b, ctx, key, delta) }
	})
}

func moves(bend func(b *bentBackend, ctx context.Context, from, to string) (bool, error)) func(*cache.Local) cache.Backend {
	return bendBackend(func(b *bentBackend) {
		b.move = func(ctx context.Context, from, to string) (bool, error) { return bend(b, ctx, from, to) }
	})
}

// quiet takes the results of a call that nobody asks for.
func quiet(...any) {}

var (
	leadingZero = regexp.MustCompile(`:0(\d+)$`)
	decimal     = regexp.MustCompile(`^\d+$`)
)

// faultyBackends have faults that break statements of K, T, O, P, I and V.
var faultyBackends = []faultyBackend{
	{"keys are percent-decoded", []string{"K1"}, keys(func(key string) string {
		if decoded, err := url.PathUnescape(key); err == nil {
			return decoded
		}
		return key
	})},
	{"keys that are numbers lose leading zeros", []string{"K2"}, keys(func(key string) string {
		return leadingZero.ReplaceAllString(key, ":$1")
	})},
	{"version 0 is taken for none", []string{"K3"}, keys(func(key string) string { return strings.Replace(key, ":0:", ":1:", 1) })},
	{"DeleteMany takes the first version too", []string{"K4"}, bendBackend(func(b *bentBackend) {
		b.deleteMany = func(ctx context.Context, keys []string) error {
			for _, key := range keys {
				quiet(b.Local.Delete(ctx, strings.Replace(key, ":2:", ":1:", 1)))
			}
			return b.Local.DeleteMany(ctx, keys)
		}
	})},
	{"DEL in a key is refused", []string{"K10"}, bendBackend(func(b *bentBackend) {
		b.set = func(ctx context.Context, key string, value []byte, w cache.Write) error {
			if strings.ContainsRune(key, 127) {
				return cache.ErrInvalidKey
			}
			return b.Local.Set(ctx, key, value, w)
		}
	})},
	{"keys end at a NUL", []string{"K12"}, keys(func(key string) string {
		key, _, _ = strings.Cut(key, "\x00")
		return key
	})},
	{"long keys are cut", []string{"K12"}, keys(func(key string) string { return key[:min(len(key), 1000)] })},
	{"invalid UTF-8 in keys is replaced", []string{"K12"}, keys(func(key string) string { return strings.ToValidUTF8(key, "\ufffd") })},

	{"Add stores for ever", []string{"T1"}, bendBackend(func(b *bentBackend) {
		b.add = func(ctx context.Context, key string, value []byte, w cache.Write) (bool, error) {
			if w.Timeout > 0 {
				w.Timeout = cache.Forever
			}
			return b.Local.Add(ctx, key, value, w)
		}
	})},
	{"the never of SetMany is ten years", []string{"T2"}, bendBackend(func(b *bentBackend) {
		b.setMany = func(ctx context.Context, items []cache.Item, w cache.Write) ([]string, error) {
			w.Timeout = min(w.Timeout, 10*365*24*time.Hour)
			return b.Local.SetMany(ctx, items, w)
		}
	})},
	{"Add with a timeout of 0 is false", []string{"T3"}, bendBackend(func(b *bentBackend) {
		b.add = func(ctx context.Context, key string, value []byte, w cache.Write) (bool, error) {
			if w.Timeout == 0 {
				return false, nil
			}
			return b.Local.Add(ctx, key, value, w)
		}
	})},
	{"a negative timeout of SetMany is none", []string{"T4", "Q3"}, bendBackend(func(b *bentBackend) {
		b.setMany = func(ctx context.Context, items []cache.Item, w cache.Write) ([]string, error) {
			if w.Timeout < 0 {
				w.Timeout = cache.Forever
			}
			return b.Local.SetMany(ctx, items, w)
		}
	})},
	{"timeouts are cut to seconds", []string{"T5"}, timeouts(func(timeout time.Duration) time.Duration {
		if timeout == cache.Forever {
			return timeout
		}
		return timeout.Truncate(time.Second)
	})},
	{"entries live at their deadline", []string{"T6"}, timeouts(func(timeout time.Duration) time.Duration {
		if timeout == time.Second { // the suite's unit on this clock
			return timeout + 1
		}
		return timeout
	})},
	{"over thirty days is a date", []string{"T7", "Q13"}, timeouts(func(timeout time.Duration) time.Duration {
		if timeout > 30*24*time.Hour && timeout != cache.Forever {
			return 0
		}
		return timeout
	})},
	{"Touch takes what has expired for live", []string{"T8"}, bendBackend(func(b *bentBackend) {
		b.touch = func(ctx context.Context, key string, timeout time.Duration) (bool, error) {
			touched, err := b.Local.Touch(ctx, key, timeout)
			return touched || b.was(key) && !b.gone(key), err
		}
	})},
	{"Set leaves what never expires", []string{"T9"}, bendBackend(func(b *bentBackend) {
		b.set = func(ctx context.Context, key string, value []byte, w cache.Write) error {
			if old, found, _ := b.Local.TTL(ctx, key); found && old == cache.Forever && w.Timeout > 0 {
				w.Timeout = cache.Forever
			}
			return b.Local.Set(ctx, key, value, w)
		}
	})},
	{"GetMany prolongs", []string{"T10"}, bendBackend(func(b *bentBackend) {
		b.getMany = func(ctx context.Context, keys []string) (map[string][]byte, error) {
			for _, key := range keys {
				if left, found, _ := b.Local.TTL(ctx, key); found && left < time.Hour {
					quiet(b.Local.Touch(ctx, key, time.Hour))
				}
			}
			return b.Local.GetMany(ctx, keys)
		}
	})},
	{"Touch does not shorten", []string{"T11"}, bendBackend(func(b *bentBackend) {
		b.touch = func(ctx context.Context, key string, timeout time.Duration) (bool, error) {
			if left, found, _ := b.Local.TTL(ctx, key); found && timeout > 0 && timeout < left {
				return true, nil
			}
			return b.Local.Touch(ctx, key, timeout)
		}
	})},

	{"a shorter value leaves the rest of the longer one", []string{"O1"}, bendBackend(func(b *bentBackend) {
		b.set = func(ctx context.Context, key string, value []byte, w cache.Write) error {
			if old, _, _ := b.Local.Get(ctx, key); len(old) > len(value)+100 {
				value = slices.Concat(value, old[len(value):])
			}
			return b.Local.Set(ctx, key, value, w)
		}
	})},
	{"a miss of a long key is an error", []string{"O2"}, bendBackend(func(b *bentBackend) {
		b.get = func(ctx context.Context, key string) ([]byte, bool, error) {
			value, found, err := b.Local.Get(ctx, key)
			if !found && len(key) > 200 {
				err = cache.ErrMiss
			}
			return value, found, err
		}
	})},
	{"Has takes an empty text for nothing", []string{"O3"}, bendBackend(func(b *bentBackend) {
		b.has = func(ctx context.Context, key string) (bool, error) {
			found, err := b.Local.Has(ctx, key)
			if strings.HasSuffix(key, ":empty-text") { // a look at the value is a use
				found = found && !b.holds(ctx, key, `j""`)
			}
			return found, err
		}
	})},
	{"a failing Add sets the expiry", []string{"O4"}, bendBackend(func(b *bentBackend) {
		b.add = func(ctx context.Context, key string, value []byte, w cache.Write) (bool, error) {
			added, err := b.Local.Add(ctx, key, value, w)
			if !added && w.Timeout > 0 {
				quiet(b.Local.Touch(ctx, key, w.Timeout))
			}
			return added, err
		}
	})},
	{"Delete of what never was is true", []string{"O6"}, bendBackend(func(b *bentBackend) {
		b.del = func(ctx context.Context, key string) (bool, error) {
			deleted, err := b.Local.Delete(ctx, key)
			return deleted || !b.was(key), err
		}
	})},
	{"Has remembers what was deleted", []string{"O7"}, bendBackend(func(b *bentBackend) {
		b.has = func(ctx context.Context, key string) (bool, error) {
			found, err := b.Local.Has(ctx, key)
			return found || b.gone(key), err
		}
	})},
	{"GetMany goes backwards", []string{"O8"}, bendBackend(func(b *bentBackend) {
		b.getMany = func(ctx context.Context, keys []string) (map[string][]byte, error) {
			slices.Reverse(keys)
			found, err := b.Local.GetMany(ctx, keys)
			slices.Reverse(keys)
			return found, err
		}
	})},
	{"SetMany goes backwards", []string{"O9"}, bendBackend(func(b *bentBackend) {
		b.setMany = func(ctx context.Context, items []cache.Item, w cache.Write) ([]string, error) {
			slices.Reverse(items)
			return b.Local.SetMany(ctx, items, w)
		}
	})},
	{"DeleteMany ends at a key that is missing", []string{"O9"}, bendBackend(func(b *bentBackend) {
		b.deleteMany = func(ctx context.Context, keys []string) error {
			for _, key := range keys {
				if found, err := b.Local.Delete(ctx, key); !found {
					return err
				}
			}
			return nil
		}
	})},
	{"Clear leaves what never expires", []string{"O10"}, bendBackend(func(b *bentBackend) {
		b.clear = func(ctx context.Context) error {
			permanent := map[string][]byte{}
			for l, err := range b.List(ctx, "") {
				if err == nil && l.Remaining == cache.Forever && strings.HasSuffix(l.Key, ":permanent") {
					permanent[l.Key], _, _ = b.Local.Get(ctx, l.Key)
				}
			}
			err := b.Local.Clear(ctx)
			for key, value := range permanent {
				quiet(b.Local.Set(ctx, key, value, cache.Write{Timeout: cache.Forever}))
			}
			return err
		}
	})},
	{"Close clears", []string{"O11"}, bendBackend(func(b *bentBackend) {
		b.close = func() error { return b.Local.Clear(context.Background()) }
	})},
	{"TTL is in whole hours", []string{"O12"}, bendBackend(func(b *bentBackend) {
		b.ttl = func(ctx context.Context, key string) (time.Duration, bool, error) {
			left, found, err := b.Local.TTL(ctx, key)
			if found && left > time.Minute && left < cache.Forever {
				left = left.Truncate(time.Hour)
			}
			return left, found, err
		}
	})},

	{"values end at a NUL", []string{"P2"}, values(func(value []byte) []byte {
		value, _, _ = bytes.Cut(value, []byte{0})
		return value
	})},
	{"values over 1 MiB are cut", []string{"P3"}, values(func(value []byte) []byte { return value[:min(len(value), 1<<20)] })},
	{"Incr stores a sign", []string{"P8"}, incrs(func(b *bentBackend, ctx context.Context, key string, delta int64) (int64, error) {
		n, err := b.Local.Incr(ctx, key, delta)
		if text := strconv.FormatInt(n, 10); err == nil && n > 0 {
			quiet(b.Local.CompareAndSwap(ctx, key, []byte(text), []byte("+"+text)))
		}
		return n, err
	})},

	{"Incr by 0 is a miss", []string{"I1"}, incrs(func(b *bentBackend, ctx context.Context, key string, delta int64) (int64, error) {
		if delta == 0 {
			return 0, cache.ErrMiss
		}
		return b.Local.Incr(ctx, key, delta)
	})},
	{"a miss of Incr has no key", []string{"I2"}, incrs(func(b *bentBackend, ctx context.Context, key string, delta int64) (int64, error) {
		n, err := b.Local.Incr(ctx, key, delta)
		if errors.Is(err, cache.ErrMiss) {
			err = cache.ErrMiss
		}
		return n, err
	})},
	{"sums wrap around below", []string{"I3"}, incrs(func(b *bentBackend, ctx context.Context, key string, delta int64) (int64, error) {
		n, err := b.Local.Incr(ctx, key, delta)
		if errors.Is(err, cache.ErrOverflow) && delta < 0 {
			old, _, _ := b.Local.Get(ctx, key)
			n, _ = strconv.ParseInt(string(old), 10, 64)
			n += delta
			quiet(b.Local.CompareAndSwap(ctx, key, old, strconv.AppendInt(nil, n, 10)))
			err = nil
		}
		return n, err
	})},
	{"Incr prolongs", []string{"I4"}, incrs(func(b *bentBackend, ctx context.Context, key string, delta int64) (int64, error) {
		n, err := b.Local.Incr(ctx, key, delta)
		if err == nil {
			quiet(b.Local.Touch(ctx, key, time.Hour))
		}
		return n, err
	})},
	{"Incr takes nil for 0", []string{"I5"}, incrs(func(b *bentBackend, ctx context.Context, key string, delta int64) (int64, error) {
		quiet(b.Local.CompareAndSwap(ctx, key, []byte("jnull"), []byte("0")))
		return b.Local.Incr(ctx, key, delta)
	})},
	{"Incr rounds floats", []string{"I6"}, incrs(func(b *bentBackend, ctx context.Context, key string, delta int64) (int64, error) {
		quiet(b.Local.CompareAndSwap(ctx, key, []byte("j1.5"), []byte("1")))
		return b.Local.Incr(ctx, key, delta)
	})},
	{"CompareAndSwap does not compare", []string{"I7"}, bendBackend(func(b *bentBackend) {
		b.swap = func(ctx context.Context, key string, _, next []byte) (swapped, found bool, err error) {
			for {
				runtime.Gosched()
				old, found, _ := b.Local.Get(ctx, key)
				if !found {
					return false, false, nil
				}
				if swapped, found, err := b.Local.CompareAndSwap(ctx, key, old, next); swapped || !found || err != nil {
					return swapped, found, err
				}
			}
		}
	})},
	{"Incr culls by the limit of the last Set", []string{"I8", "L1", "L8"}, bendBackend(func(b *bentBackend) {
		limit := 0
		b.write = func(w *cache.Write) {
			b.mu.Lock()
			limit = w.Limits.MaxEntries
			b.mu.Unlock()
		}
		b.incr = func(ctx context.Context, key string, delta int64) (int64, error) {
			n, err := b.Local.Incr(ctx, key, delta)
			b.mu.Lock()
			cull := limit
			b.mu.Unlock()
			if cull < 10 && b.Stats().Entries >= cull {
				for l, err := range b.List(ctx, "") {
					if err == nil && l.Key != key {
						quiet(b.Local.Delete(ctx, l.Key))
						break
					}
				}
			}
			return n, err
		}
	})},

	{"Move loses numbers", []string{"V1", "K4"}, moves(func(b *bentBackend, ctx context.Context, from, to string) (bool, error) {
		found, err := b.Local.Move(ctx, from, to)
		if value, _, _ := b.Local.Get(ctx, to); decimal.Match(value) {
			quiet(b.Local.Delete(ctx, to))
		}
		return found, err
	})},
	{"Move creates what is missing", []string{"V2"}, moves(func(b *bentBackend, ctx context.Context, from, to string) (bool, error) {
		found, err := b.Local.Move(ctx, from, to)
		if !found && strings.HasSuffix(from, ":missing") {
			quiet(b.Local.Set(ctx, to, []byte(`j""`), cache.Write{Timeout: time.Minute}))
		}
		return found, err
	})},
	{"Move to a negative version finds nothing", []string{"V3"}, moves(func(b *bentBackend, ctx context.Context, from, to string) (bool, error) {
		if strings.HasPrefix(to, ":-") {
			return false, nil
		}
		return b.Local.Move(ctx, from, to)
	})},
	{"Move does not overwrite", []string{"V4"}, moves(func(b *bentBackend, ctx context.Context, from, to string) (bool, error) {
		// W16 moves "k" to and fro, and would see it now and then.
		if taken, _ := b.Local.Has(ctx, to); taken && strings.HasSuffix(to, ":l") {
			return true, nil
		}
		return b.Local.Move(ctx, from, to)
	})},
	{"Move takes nil for nothing", []string{"V5"}, moves(func(b *bentBackend, ctx context.Context, from, to string) (bool, error) {
		if b.holds(ctx, from, "jnull") {
			return false, nil
		}
		return b.Local.Move(ctx, from, to)
	})},
	{"Move gives a new lifetime", []string{"V6", "Q6"}, moves(func(b *bentBackend, ctx context.Context, from, to string) (bool, error) {
		found, err := b.Local.Move(ctx, from, to)
		quiet(b.Local.Touch(ctx, to, cache.DefaultTimeout))
		return found, err
	})},
}
