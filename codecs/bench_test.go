// SPDX-License-Identifier: MIT

package codecs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/locmem/locmem/cache"
)

// account and the values of it are those of the same benchmark in package cache.
type account struct {
	ID    int64
	Name  string
	Email string
	Score float64
	Seen  time.Time
}

func BenchmarkCodec(b *testing.B) {
	accounts := make([]account, 100)
	for i := range accounts {
		accounts[i] = account{
			int64(1_000_000 + i), fmt.Sprintf("Ada Lovelace %d", i), fmt.Sprintf("ada.%d@example.org", i),
			float64(i) + 0.25, someday.Truncate(time.Second).Add(time.Duration(i) * time.Second),
		}
	}
	counts := map[string]int{}
	for i := range 20 {
		counts[fmt.Sprintf("/articles/%d/comments", i*37)] = i * 1001
	}
	for _, codec := range codecs {
		benchCodec(b, codec, "text", strings.Repeat("Iñtërnâtiônàlizætiøn <b>1</b> ", 32))
		benchCodec(b, codec, "struct", accounts[1])
		benchCodec(b, codec, "slice", accounts)
		benchCodec(b, codec, "map", counts)
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
