// SPDX-License-Identifier: MIT

package msgpack_test

import (
	"context"
	"fmt"

	"github.com/locmem/locmem/cache"
	"github.com/locmem/locmem/codecs/msgpack"
)

func ExampleCodec() {
	cache.RegisterCodec(msgpack.Codec) // so that DSNs can name it
	c, err := cache.Open("locmem://example?codec=msgpack")
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	names := cache.For[[]string](c)
	_ = names.Set(ctx, "k", []string{"ada", "grace"}, cache.Never())
	got, found, err := names.Get(ctx, "k")
	fmt.Println(got, found, err)
	// Output: [ada grace] true <nil>
}
