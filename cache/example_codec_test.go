// SPDX-License-Identifier: MIT

package cache_test

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/locmem/locmem"
	"github.com/locmem/locmem/cache"
)

// Track is a value of the examples.
type Track struct {
	Title string
	Plays int
}

// private returns a cache whose entries no other example sees.
func private(config cache.Config) *cache.Cache {
	config.Registry = cache.NewRegistry(cache.RegistryOptions{Clock: locmem.NewManualClock(time.Now())})
	c, err := cache.New(config)
	if err != nil {
		panic(err)
	}
	return c
}

func ExampleJSON() {
	ctx := context.Background()
	tracks := cache.For[Track](private(cache.Config{Codec: cache.JSON})) // as without a codec
	_ = tracks.Set(ctx, "t:1", Track{"Sinfonia", 3})
	track, found, _ := tracks.Get(ctx, "t:1")
	fmt.Println(track, found)

	b, _ := cache.JSON.Append(nil, track)
	fmt.Println(string(b))
	_, err := cache.JSON.Append(nil, "\xff")
	fmt.Println(err)
	// Output:
	// {Sinfonia 3} true
	// {"Title":"Sinfonia","Plays":3}
	// json: a string is not valid UTF-8
}

func ExampleGob() {
	ctx := context.Background()
	type pair struct{ A, B int }
	sums := cache.For[map[pair]complex128](private(cache.Config{Codec: cache.Gob}))
	_ = sums.Set(ctx, "sums", map[pair]complex128{{1, 2}: 3i}) // JSON has neither such keys nor such numbers
	got, _, err := sums.Get(ctx, "sums")
	fmt.Println(got, err)
	// Output: map[{1 2}:(0+3i)] <nil>
}

func ExampleRaw() {
	ctx := context.Background()
	c := private(cache.Config{Codec: cache.Raw})
	_ = cache.For[string](c).Set(ctx, "page", "<html>")
	stored, _, _ := c.Backend().Get(ctx, ":1:page") // what other programs would find on a server
	fmt.Printf("%s\n", stored)

	_ = cache.For[float64](c).Set(ctx, "ratio", 1)
	stored, _, _ = c.Backend().Get(ctx, ":1:ratio")
	fmt.Printf("%s\n", stored)
	err := cache.For[Track](c).Set(ctx, "t:1", Track{})
	fmt.Println(errors.Is(err, cache.ErrEncode))
	// Output:
	// <html>
	// 1.0
	// true
}

func ExampleNoCopy() {
	ctx := context.Background()
	c := private(cache.Config{Codec: cache.NoCopy})
	tracks := cache.For[*Track](c)
	track := &Track{Title: "Sinfonia"}
	_ = tracks.Set(ctx, "t:1", track)
	got, _, _ := tracks.Get(ctx, "t:1")
	fmt.Println(got == track) // so neither may be changed from now on

	value, _, _ := cache.For[any](c).Get(ctx, "t:1")
	fmt.Printf("%T\n", value)
	// Output:
	// true
	// *cache_test.Track
}

// Flate is JSON, compressed.
type Flate struct{}

func (Flate) Name() string { return "flate" }
func (Flate) Tag() byte    { return 'F' }

func (Flate) Append(b []byte, value any) ([]byte, error) {
	out := bytes.NewBuffer(b)
	w, err := flate.NewWriter(out, flate.BestSpeed)
	if err != nil {
		return b, err
	}
	if err := errors.Join(json.NewEncoder(w).Encode(value), w.Close()); err != nil {
		return b, err
	}
	return out.Bytes(), nil
}

func (Flate) Decode(b []byte, into any) error {
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(b)))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func ExampleRegisterCodec() {
	cache.RegisterCodec(Flate{}) // once in a program

	ctx := context.Background()
	c, err := cache.Open("locmem://pages?codec=flate")
	if err != nil {
		panic(err)
	}
	pages := cache.For[string](c)
	_ = pages.Set(ctx, "p", strings.Repeat("long ", 1000), cache.Never())
	page, _, _ := pages.Get(ctx, "p")
	stored, _, _ := c.Backend().Get(ctx, ":1:p")
	fmt.Println(len(page), len(stored) < 100)
	// Output: 5000 true
}

func ExampleKeyFaults() {
	fmt.Println(cache.KeyFaults(":1:k"))
	for _, fault := range cache.KeyFaults(":1:" + strings.Repeat("long key", 40)) {
		fmt.Println(fault.Reason)
	}
	// Output:
	// []
	// too long
	// bad character
}

func ExampleKeyFault() {
	plain := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: plain}))
	c := private(cache.Config{Logger: logger})
	_, _ = c.Has(context.Background(), "a key") // a fault is no error of the call

	fault := cache.KeyFaults("a key")[0]
	fmt.Println(fault)
	logger.Error("no", "fault", fault)
	// Output:
	// level=WARN msg="cache: key fault" reason="bad character" key=":1:a key"
	// cache: key "a key" has a space or a control character
	// level=ERROR msg=no fault.reason="bad character" fault.key="a key"
}

func ExampleKeyReason() {
	fmt.Printf("%v, %v, %v\n", cache.TooLong, cache.BadCharacter, cache.KeyReason(0))
	fmt.Println(len(cache.KeyFaults(strings.Repeat("é", cache.MaxKeyLength))))
	// Output:
	// too long, bad character, none
	// 0
}

func ExampleRefuseFaults() {
	c := private(cache.Config{CheckKey: cache.RefuseFaults})
	err := cache.For[int](c).Set(context.Background(), "a key", 1)
	fmt.Println(err)
	var fault cache.KeyFault
	fmt.Println(errors.Is(err, cache.ErrInvalidKey), errors.As(err, &fault), fault.Reason)
	// Output:
	// cache: invalid key: ":1:a key": cache: key ":1:a key" has a space or a control character
	// true true bad character
}
