// SPDX-License-Identifier: MIT

package locmem_test

import (
	"context"
	"fmt"
	"time"

	"github.com/locmem/locmem"
)

func ExampleEngine_GetOrSetMany() {
	names := locmem.Must(locmem.New(locmem.Options[int, string]{MaxEntries: 1000}))
	defer names.Close()
	table := map[int]string{1: "Ada", 2: "Grace", 3: "Barbara"}
	query := func(_ context.Context, ids []int) (map[int]string, error) { // SELECT ... WHERE id IN (...)
		fmt.Println("query", ids)
		rows := map[int]string{}
		for _, id := range ids {
			if name, ok := table[id]; ok {
				rows[id] = name
			}
		}
		return rows, nil
	}

	names.Set(1, "Ada")
	users, err := names.GetOrSetMany(context.Background(), []int{1, 2, 3, 4}, query, locmem.TTL(time.Minute))
	fmt.Println(users, err)
	users, err = names.GetOrSetMany(context.Background(), []int{2, 3}, query)
	fmt.Println(users, err)
	// Output:
	// query [2 3 4]
	// map[1:Ada 2:Grace 3:Barbara] <nil>
	// map[2:Grace 3:Barbara] <nil>
}
