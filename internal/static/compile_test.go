// SPDX-License-Identifier: MIT

package static

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// run runs a command in the project's root and returns what it printed.
func run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = root
	text, err := cmd.CombinedOutput()
	return string(text), err
}

func TestCopyingAnEngineFailsVet(t *testing.T) {
	out, err := run(t, "go", "vet", "-copylocks", seeds+"copied")
	require.Error(t, err)
	require.Contains(t, out, "copied.go:9:11: assignment copies lock value to other: github.com/locmem/locmem.Engine[string")
	require.Contains(t, out, "copied.go:10:9: return copies lock value: github.com/locmem/locmem.Engine[string")
}

func TestComparingEnginesDoesNotCompile(t *testing.T) {
	out, err := run(t, "go", "build", seeds+"compared")
	require.Error(t, err)
	require.Regexp(t, `compared\.go:8:\d+: invalid operation: \*a == \*b \(struct containing \[0\]func\(\) cannot be compared\)`, out)
}

// asserted is what the compiler has to make of a piece of a function: a call is inlined,
// or the index of an element is not checked.
type asserted struct{ function, piece string }

// hotPath are the pieces of reads and writes that are many times on the way. Besides
// them a hit calls get, find and the hash of a string; locks and atomics are the
// standard library's.
var hotPath = []asserted{
	{"Engine.Get", "e.shardOf(hash)"},
	{"hasher.sum", "mix(*(*uint64)(unsafe.Pointer(&key)), h.seed)"},
	{"shard.get", "s.mu.RLock()"},
	{"shard.get", "s.mu.RUnlock()"},
	{"shard.get", "sl.meta.Load()"},
	{"shard.get", "sl.meta.CompareAndSwap(meta, meta + 1)"},
	{"shard.count", "s.hits.Add(1)"},
	{"clock.passed", "k.horizon.Load()"},
	{"account.take", "a.free.CompareAndSwap(free, free - n)"},
	{"shard.find", "s.slots.At(uint32(c))"},
	{"shard.dead", "s.wheel.timers.At(n)"},
	{"Engine.write", "e.hasher.storable(key)"},
	{"Engine.write", "e.shardOf(hash)"},
	{"Engine.carryOut", "e.checkLocked(s)"},
	{"Engine.carryOut", "s.index.wantsSpare()"},
	{"Engine.settle", "e.layDown(w)"},
	{"Engine.put", "s.overtake(w.key)"},
	{"Engine.update", "s.weightOf(n)"},
	{"shard.allocate", "s.slots.At(n)"},
	{"shard.enter", "x.place(sl.hash, n)"},
	{"Set", "e.Set(key, value)"},

	{"current", "tags[i]"},
	{"lastInvalidation", "tags[i]"},
	{"tagTable.release", "tags[i]"},
}

// broken compiles packages and returns the assertions that do not hold, with their
// places. Generic code is compiled where it is instantiated.
func broken(t *testing.T, want []asserted, patterns ...string) (faults []string) {
	t.Helper()
	out, err := run(t, "go", append([]string{"build", "-gcflags=-m=2 -d=ssa/check_bce"}, patterns...)...)
	require.NoError(t, err, out)
	inlined, checked := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(out) {
		place, text, _ := strings.Cut(line, ": ")
		place = filepath.Base(place)
		inlined[place] = inlined[place] || strings.HasPrefix(text, "inlining call to ")
		checked[place] = checked[place] || strings.HasPrefix(text, "Found Is")
	}
	found := map[asserted]int{}
	for _, p := range load(t, patterns...) {
		for _, f := range p.functions() {
			name := f.name[strings.LastIndex(f.name, " ")+1:]
			ast.Inspect(f.decl.Body, func(n ast.Node) bool {
				x, ok := n.(ast.Expr)
				if !ok {
					return true
				}
				a := asserted{name, types.ExprString(x)}
				if !slices.Contains(want, a) {
					return true
				}
				found[a]++
				at := func(pos token.Pos) string {
					p := p.fset.Position(pos)
					return fmt.Sprintf("%s:%d:%d", filepath.Base(p.Filename), p.Line, p.Column)
				}
				switch x := n.(type) {
				case *ast.CallExpr:
					if place := at(x.Lparen); !inlined[place] {
						faults = append(faults, fmt.Sprintf("%s: %s: the call %s is not inlined", place, name, a.piece))
					}
				case *ast.IndexExpr:
					if place := at(x.Lbrack); checked[place] {
						faults = append(faults, fmt.Sprintf("%s: %s: the index of %s is checked", place, name, a.piece))
					}
				}
				return true
			})
		}
	}
	for _, a := range want {
		if found[a] == 0 {
			faults = append(faults, fmt.Sprintf("%s has no %s", a.function, a.piece))
		}
	}
	return faults
}

func TestTheHotPathIsCompiledAsAsserted(t *testing.T) {
	if strconv.IntSize == 32 {
		t.Skip("products of 64 bits are calls there")
	}
	require.Empty(t, strings.Join(broken(t, hotPath, ".", "./internal/paged", seeds+"hot"), "\n"))
	t.Logf("%d calls and indices of the hot path are compiled as asserted", len(hotPath))
}

func TestAnAssertionThatDoesNotHoldIsReported(t *testing.T) {
	require.Equal(t, []string{
		"slow.go:16:11: At: the index of list[i] is checked",
		"slow.go:17:13: At: the call deep(n) is not inlined",
		"At has no shallow(n)",
	}, broken(t, []asserted{{"At", "list[i]"}, {"At", "deep(n)"}, {"At", "shallow(n)"}, {"Sum", "list[i]"}, {"Sum", "add(n, list[i])"}}, seeds+"slow"))
}
