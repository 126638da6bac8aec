// SPDX-License-Identifier: MIT

package cache_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/locmem/locmem/cache"
)

// account is a struct of five fields, as a table's row has them.
type account struct {
	ID    int64
	Name  string
	Email string
	Score float64
	Seen  time.Time
}

func someAccount(i int) account {
	return account{
		int64(1_000_000 + i), fmt.Sprintf("Ada Lovelace %d", i), fmt.Sprintf("ada.%d@example.org", i),
		float64(i) + 0.25, someday.Add(time.Duration(i) * time.Second),
	}
}

func someAccounts() []account {
	list := make([]account, 100)
	for i := range list {
		list[i] = someAccount(i)
	}
	return list
}

func someCounts() map[string]int {
	counts := map[string]int{}
	for i := range 20 {
		counts[fmt.Sprintf("/articles/%d/comments", i*37)] = i * 1001
	}
	return counts
}

// BenchmarkCodec encodes and decodes values of some sorts. docs/adr/0002-default-codec.md has
// its figures, beside those of the same benchmark in codecs.
func BenchmarkCodec(b *testing.B) {
	for _, codec := range []cache.Codec{cache.JSON, cache.Gob, cache.Raw} {
		text := strings.Repeat("Iñtërnâtiônàlizætiøn <b>1</b> ", 32)
		benchCodec(b, codec, "text", text)
		if codec == cache.Raw {
			continue
		}
		benchCodec(b, codec, "struct", someAccount(1))
		benchCodec(b, codec, "slice", someAccounts())
		benchCodec(b, codec, "map", someCounts())
	}
}

func benchCodec[V any](b *testing.B, codec cache.Codec, name string, value V) {
	encoded, err := codec.Append(nil, value)
	if err != nil {
		b.Fatal(err)
	}
	b.Run(name+"/"+codec.Name()+"/encode", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 0, 64) // as the front does
		for b.Loop() {
			if _, err := codec.Append(buf, value); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(encoded)), "size")
	})
	b.Run(name+"/"+codec.Name()+"/decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var into V
			if err := codec.Decode(encoded, &into); err != nil {
				b.Fatal(err)
			}
		}
	})
}
