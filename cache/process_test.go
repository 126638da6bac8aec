// SPDX-License-Identifier: MIT

package cache_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/locmem/locmem/cache"
)

// childVariable makes this test binary the other process.
const childVariable = "LOCMEM_TEST_OTHER_PROCESS"

func TestX5AnotherProcessHasItsOwnStore(t *testing.T) {
	c, err := cache.Open("locmem://shared by name?timeout=none")
	require.NoError(t, err)
	view := cache.For[string](c)
	if os.Getenv(childVariable) != "" {
		value, found, err := view.Get(t.Context(), "k")
		fmt.Printf("child: %q %t %v\n", value, found, err)
		require.NoError(t, view.Set(t.Context(), "k", "the child's"))
		require.NoError(t, view.Set(t.Context(), "child", "alone"))
		return
	}
	require.NoError(t, view.Set(t.Context(), "k", "the parent's"))
	t.Cleanup(func() { assert.NoError(t, view.Clear(context.Background())) })

	executable, err := os.Executable()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), executable, "-test.run=^"+t.Name()+"$", "-test.count=1")
	child.Env = append(os.Environ(), childVariable+"=1")
	output, err := child.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.True(t, bytes.Contains(output, []byte(`child: "" false <nil>`)), "the other process has found something: %s", output)

	value, found, err := view.Get(t.Context(), "k")
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, "the parent's", value)
	found, err = view.Has(t.Context(), "child")
	require.NoError(t, err)
	assert.False(t, found, "what the other process has stored is found here")
}

// operations returns the methods through which programs use a cache.
func operations() map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[*cache.Cache](), reflect.TypeFor[cache.View[string]](), reflect.TypeFor[*cache.Caches](),
		reflect.TypeFor[cache.Backend](), reflect.TypeFor[*cache.Local](), reflect.TypeFor[cache.Dummy](),
	} {
		for i := range typ.NumMethod() {
			m := typ.Method(i)
			all[fmt.Sprint(typ, ".", m.Name)] = m.Type
		}
	}
	return all
}

func TestA1EveryOperationOnEntriesTakesAContextFirst(t *testing.T) {
	// These touch no entry of a caller's, or are not called through a cache.
	without := []string{
		"Aliases", "Backend", "Cache", "Capabilities", "Close", "Location", "Namespace", "SetLimits", "Stats", "Watch",
		"Local.Save", "Local.SaveFile", "Local.Restore", "Local.RestoreFile",
	}
	context := reflect.TypeFor[context.Context]()
	seen := 0
	for name, typ := range operations() {
		if slices.ContainsFunc(without, func(w string) bool { return strings.HasSuffix(name, "."+w) }) {
			continue
		}
		seen++
		at := 0
		if !strings.HasPrefix(name, "cache.Backend.") { // methods of an interface have no receiver
			at = 1
		}
		if assert.Greater(t, typ.NumIn(), at, "%s takes nothing", name) {
			assert.Equal(t, context, typ.In(at), "%s does not begin with a context", name)
		}
	}
	require.Greater(t, seen, 60)
}

func TestA2NoOperationHasATwin(t *testing.T) {
	all := operations()
	twin := regexp.MustCompile(`^(A|Async|Go|Start)?([A-Z]\w*?)(Async|Context|Ctx|Future|Chan)?$`)
	for name, typ := range all {
		of, method := name[:strings.LastIndex(name, ".")+1], name[strings.LastIndex(name, ".")+1:]
		parts := twin.FindStringSubmatch(method)
		if parts != nil && parts[2] != method {
			assert.NotContains(t, all, of+parts[2], "%s is a twin", name)
		}
		for i := range typ.NumOut() {
			assert.NotEqual(t, reflect.Chan, typ.Out(i).Kind(), "%s returns what comes later", name)
		}
	}
}
