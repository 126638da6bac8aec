// SPDX-License-Identifier: MIT

package locmem_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/locmem/locmem"
)

func ExampleEngine_Save() {
	before := locmem.Must(locmem.New(locmem.Options[string, User]{MaxEntries: 10_000}))
	before.Set("ada", User{"Ada", 36}, locmem.TTL(time.Hour))
	before.Set("grace", User{"Grace", 85})
	var snapshot bytes.Buffer
	if err := before.Save(&snapshot); err != nil {
		panic(err)
	}
	before.Close()

	after := locmem.Must(locmem.New(locmem.Options[string, User]{MaxEntries: 10_000}))
	defer after.Close()
	if err := after.Restore(&snapshot); err != nil {
		panic(err)
	}
	user, ok := after.Get("ada")
	entry, _ := after.Peek("ada")
	fmt.Println(user.Name, ok, time.Until(entry.Deadline) <= time.Hour)
	// Output: Ada true true
}

// A service that starts with what it knew when it was stopped. Whatever is wrong
// with the file, the engine is as it was, so the service can start without.
func ExampleRestoreFile() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "users.snapshot")

	serve := func() {
		ages := locmem.Must(locmem.New(locmem.Options[string, int]{MaxEntries: 10_000}))
		defer ages.Close()
		switch err := locmem.RestoreFile(ages, path); {
		case errors.Is(err, fs.ErrNotExist):
			fmt.Println("the first start")
		case err != nil:
			fmt.Println("a cold start:", err)
		default:
			fmt.Println("a warm start with", ages.Len())
		}
		ages.Set("ada", 36)
		if err := locmem.SaveFile(ages, path); err != nil {
			fmt.Println(err)
		}
	}
	serve()
	serve()
	if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
		panic(err)
	}
	serve()
	// Output:
	// the first start
	// a warm start with 1
	// a cold start: locmem: not a snapshot
}

// decimal is a codec of keys and values without gob.
type decimal struct{}

func (decimal) AppendKey(b []byte, key string) ([]byte, error) { return append(b, key...), nil }

func (decimal) AppendValue(b []byte, value int) ([]byte, error) {
	return strconv.AppendInt(b, int64(value), 10), nil
}

func (decimal) DecodeKey(b []byte) (string, error) { return string(b), nil }

func (decimal) DecodeValue(b []byte) (int, error) { return strconv.Atoi(string(b)) }

func ExampleCodec() {
	opts := locmem.Options[string, int]{MaxEntries: 100, Codec: decimal{}}
	ages := locmem.Must(locmem.New(opts))
	ages.Set("ada", 36)
	var snapshot bytes.Buffer
	fmt.Println(ages.Save(&snapshot))

	other := locmem.Must(locmem.New(opts))
	fmt.Println(other.Restore(&snapshot))
	fmt.Println(other.Get("ada"))
	// Output:
	// <nil>
	// <nil>
	// 36 true
}
