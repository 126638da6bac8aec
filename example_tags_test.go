// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"fmt"

	"github.com/locmem/locmem"
)

func ExampleTags() {
	pages := locmem.Must(locmem.New(locmem.Options[string, string]{MaxEntries: 1000}))
	defer pages.Close()
	pages.Set("/users/7", "Ada", locmem.Tags("user:7"))
	pages.Set("/users", "Ada, Grace", locmem.Tags("user:7", "user:8"))
	pages.Set("/about", "a cache")

	pages.InvalidateTags("user:7") // Ada has another name now
	fmt.Println(pages.Has("/users/7"), pages.Has("/users"), pages.Has("/about"))
	// Output: false false true
}

func ExampleEngine_InvalidateTags() {
	prices := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 1000}))
	defer prices.Close()
	database := map[string]int{"apple": 3, "pear": 4}
	price := func(fruit string) int {
		value, _ := prices.GetOrSet(context.Background(), fruit, func(_ context.Context, fruit string) (int, error) {
			fmt.Println("load", fruit)
			return database[fruit], nil
		}, locmem.Tags("fruit", fruit))
		return value
	}
	fmt.Println(price("apple"), price("pear"))
	database["apple"] = 5
	prices.InvalidateTags("apple")
	fmt.Println(price("apple"), price("pear"))
	prices.InvalidateTags("fruit")
	fmt.Println(price("apple"), price("pear"))
	// Output:
	// load apple
	// load pear
	// 3 4
	// load apple
	// 5 4
	// load apple
	// load pear
	// 5 4
}
