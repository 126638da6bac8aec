// SPDX-License-Identifier: MIT

package faults

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	plant  = flag.String("plant", "", "plant faults and run their tests, some seconds each: 'all', the 'first' of each property, or 'some', the first of every twelfth, of the front's every 48th")
	update = flag.Bool("update", false, "write docs/properties.md and docs/contract.md anew")
)

const root = "../.."

// planted returns the fault's file with the fault in it.
func planted(f Fault) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, f.File))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), f.Old); n != 1 {
		return "", fmt.Errorf("%s has the piece to replace %d times, not once", f.File, n)
	}
	return strings.Replace(string(text), f.Old, f.New, 1), nil
}

func TestEveryFaultHasItsPlaceItsTestAndItsProperty(t *testing.T) {
	names, ids := map[string]bool{}, map[string]bool{}
	all := slices.Concat(properties, statements)
	for _, p := range all {
		require.False(t, ids[p.ID], "%s is there twice", p.ID)
		ids[p.ID] = true
	}
	tests := map[string]testFiles{}
	broken := map[string]bool{}
	for _, f := range All() {
		_, err := planted(f)
		assert.NoError(t, err, f.Name)
		assert.NotEqual(t, f.Old, f.New, f.Name)
		assert.False(t, names[f.Name], "two faults are named %q", f.Name)
		names[f.Name] = true
		assert.True(t, ids[f.Property], "%s: no property %s", f.Name, f.Property)
		broken[f.Property] = true
		test, _, _ := strings.Cut(f.Test, "/")
		if tests[f.Package].names == nil {
			tests[f.Package] = parseTests(t, f.Package)
		}
		assert.NotEmpty(t, tests[f.Package].declare[test], "%s: there is no %s", f.Name, test)
	}
	for _, p := range all {
		assert.True(t, broken[p.ID], "no fault breaks %s: %s", p.ID, p.Says)
	}
}

const madeFrom = "Each has a test, and each test was seen to fail on a planted fault. The page is made from the tables in\n" +
	"`internal/faults` by `go test ./internal/faults -run Table -update`; `go test ./internal/faults -plant=all` plants the faults.\n\n"

// TestTableOfPropertiesIsCurrent compares the page with the table that it is
// made from.
func TestTableOfPropertiesIsCurrent(t *testing.T) {
	current(t, "properties.md", "# Properties of the engine\n\n"+madeFrom, properties)
}

// TestTableOfTheContractIsCurrent does so with the front's.
func TestTableOfTheContractIsCurrent(t *testing.T) {
	var beside strings.Builder
	for _, p := range notApplicable {
		fmt.Fprintf(&beside, "- %s: %s\n", p.ID, p.Says)
	}
	current(t, "contract.md", "# The contract of the front\n\n"+
		"What package `cache` promises, by the statements of the contract of Django's LocMemCache in Go. "+madeFrom+
		"`TestLocal` is the suite that every backend can be held against, `cachetest.RunBackend`. Not tested, because there is nothing to test:\n\n"+
		beside.String()+"\n", statements)
}

// current compares a page with what it is made from.
func current(t *testing.T, name, head string, properties []Property) {
	t.Helper()
	page := filepath.Join(root, "docs", name)
	var want strings.Builder
	want.WriteString(head + "| id | property | test | fails when |\n|---|---|---|---|\n")
	cell := strings.NewReplacer("|", `\|`)
	for _, p := range properties {
		id, says := p.ID, p.Says
		for _, f := range All() {
			if f.Property == p.ID {
				fmt.Fprintf(&want, "| %s | %s | `%s` | %s |\n", id, cell.Replace(says), cell.Replace(f.Test), cell.Replace(f.Name))
				id, says = "", ""
			}
		}
	}
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(page), 0o755))
		require.NoError(t, os.WriteFile(page, []byte(want.String()), 0o644))
	}
	got, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, want.String(), string(got), "docs/%s is out of date: go test ./internal/faults -run Table -update", name)
}

// TestEveryFaultIsNoticed plants the faults one at a time and demands that the
// test fails by what it asserts, or by an answer that is not the model's. Without a fault the same tests must pass.
func TestEveryFaultIsNoticed(t *testing.T) {
	if *plant == "" {
		t.Skip("planting takes minutes: go test ./internal/faults -plant=some, first or all")
	}
	faults := All()
	every, ok := map[string]int{"all": 0, "first": 1, "some": 12}[*plant] // so many properties
	require.True(t, ok, "-plant is %q", *plant)
	if every > 0 {
		seen, ofPackage := map[string]bool{}, map[string]int{}
		faults = slices.DeleteFunc(faults, func(f Fault) bool {
			if seen[f.Property] {
				return true
			}
			seen[f.Property] = true
			ofPackage[f.Package]++
			if every > 1 && f.Package != "" { // which take four times as long to compile
				return ofPackage[f.Package]%(4*every) != 0
			}
			return ofPackage[f.Package]%every != 0
		})
	}
	require.NotEmpty(t, faults)
	files := map[string]testFiles{}
	for _, f := range faults {
		if files[f.Package].names == nil {
			files[f.Package] = parseTests(t, f.Package)
		}
	}
	t.Run("sound", func(t *testing.T) {
		byFlags := map[string][]Fault{}
		for _, f := range faults {
			flags := strings.Join(append(f.Flags, f.Package), " ")
			byFlags[flags] = append(byFlags[flags], f)
		}
		for flags, faults := range byFlags {
			t.Run(strings.TrimSpace("flags "+flags), func(t *testing.T) {
				t.Parallel()
				var names []string
				for _, f := range faults {
					name, _, _ := strings.Cut(f.Test, "/")
					names = append(names, name)
				}
				slices.Sort(names)
				names = slices.Compact(names)
				first := faults[0]
				list := overlay(t, nil, files[first.Package].besides(names...))
				output, err := goTest(t, first.Package, strings.Join(names, "|"), append([]string{"-overlay", list}, first.Flags...))
				require.NoError(t, err, "without a fault:\n%s", output)
				for _, name := range names {
					require.Contains(t, output, "--- PASS: "+name+" ", "without a fault")
				}
			})
		}
	})
	for _, f := range faults {
		t.Run(strings.ReplaceAll(f.Name, "/", " "), func(t *testing.T) {
			t.Parallel()
			list := overlay(t, &f, files[f.Package].besides(f.Test))
			output, err := goTest(t, f.Package, f.Test, append([]string{"-overlay", list}, f.Flags...))
			how, noticed := verdict(output, err)
			require.True(t, noticed, "%s: %s\n%s", f.Test, how, output)
			t.Logf("%-6s %s: %s", f.Property, f.Test, how)
		})
	}
}

// overlay writes a list for go's flag of that name: with it, the fault is in its
// file, if there is one, and the files to leave out are not there.
func overlay(t *testing.T, f *Fault, without []string) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	absolute := func(name string) string {
		name, err := filepath.Abs(name)
		require.NoError(t, err)
		return name
	}
	if f != nil {
		text, err := planted(*f)
		require.NoError(t, err)
		copied := filepath.Join(dir, "planted.go")
		require.NoError(t, os.WriteFile(copied, []byte(text), 0o600))
		replace[absolute(filepath.Join(root, f.File))] = copied
	}
	for _, name := range without {
		replace[absolute(name)] = ""
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	require.NoError(t, err)
	list := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(list, text, 0o600))
	return list
}

// testFiles are a package's test files and what they have to do with one
// another. Each type of engine that a test uses takes a second to compile, so a
// fault is compiled with the files that its test needs.
type testFiles struct {
	names   []string
	declare map[string]string          // a name of the package's level, or a method of an engine's type: its file
	use     map[string]map[string]bool // a file: the names that it uses and does not declare
}

func parseTests(t *testing.T, folder string) testFiles {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
	require.NoError(t, err)
	files := testFiles{names: names, declare: map[string]string{}, use: map[string]map[string]bool{}}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil || !strings.HasSuffix(file.Name.Name, "_test") {
					files.declare[d.Name.Name] = name
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						files.declare[spec.Name.Name] = name
					case *ast.ValueSpec:
						for _, id := range spec.Names {
							files.declare[id.Name] = name
						}
					}
				}
			}
		}
		use := map[string]bool{}
		for _, id := range file.Unresolved { // within one file the parser knows enough
			use[id.Name] = true
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.IsExported() {
				use[s.Sel.Name] = true // a method, or a function that is exported for tests
			}
			return true
		})
		files.use[name] = use
	}
	return files
}

// besides returns the files that tests can do without. It goes by names alone,
// and so may leave some that it need not.
func (f testFiles) besides(tests ...string) []string {
	needed := map[string]bool{}
	var open []string
	for _, test := range tests {
		test, _, _ = strings.Cut(test, "/")
		open = append(open, f.declare[test])
	}
	for len(open) > 0 {
		name := open[len(open)-1]
		open = open[:len(open)-1]
		if needed[name] {
			continue
		}
		needed[name] = true
		for id := range f.use[name] {
			if file, ok := f.declare[id]; ok {
				open = append(open, file)
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(f.names), func(name string) bool { return needed[name] })
}

// A fault's program is compiled to run once, for a second: it takes half the time
// without optimization and inlining, and the tests' verdicts are the same.
const (
	quick     = "-gcflags=-N -l -dwarf=false"
	quickLink = "-ldflags=-s -w"
)

// goTest runs tests of a package.
func goTest(t *testing.T, folder, test string, flags []string) (string, error) {
	t.Helper()
	top, parts, sub := strings.Cut(test, "/")
	test = "^(" + top + ")$"
	if sub {
		test += "/" + parts
	}
	args := append([]string{"test", "-count=1", "-vet=off", quick, quickLink, "-timeout=60s", "-v", "-run", test}, flags...)
	cmd := exec.CommandContext(t.Context(), "go", append(args, "./"+folder)...)
	cmd.Dir = root
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// assertion is how a failed assertion begins in the output.
var assertion = regexp.MustCompile(`(?m)^ *\w+\.go:\d+: `)

// difference is how an answer that is not the model's is reported.
var difference = regexp.MustCompile(`(?m)^ *\w+\.go:\d+: step \d+, `)

// statement is how a statement of the contract is reported that a backend does not keep.
var statement = regexp.MustCompile(`(?m)^ *backend\w*\.go:\d+: `)

// verdict tells how a test run on a planted fault ended, and whether it was the
// test that noticed. A build error, a crash and a run out of time are not that.
func verdict(output string, err error) (how string, noticed bool) {
	var exit *exec.ExitError
	failed := strings.Contains(output, "--- FAIL: Test")
	switch {
	case err == nil && strings.Contains(output, "no tests to run"):
		return "there is no such test", false
	case err == nil:
		return "the test passes", false
	case !errors.As(err, &exit):
		return err.Error(), false
	case strings.Contains(output, "[build failed]"):
		return "the fault does not compile", false
	case failed && strings.Contains(output, "WARNING: DATA RACE"):
		return "a race", true
	case failed && assertion.MatchString(output) && strings.Contains(output, "Error Trace:"):
		return "an assertion", true
	case failed && difference.MatchString(output):
		return "the model", true
	case failed && statement.MatchString(output) && !strings.Contains(output, "panic: "):
		return "the suite", true
	case strings.Contains(output, "panic: test timed out"):
		return "the test hangs", false
	default:
		return "the test dies without an assertion", false
	}
}

func TestOnlyAnAssertionOrARaceIsAVerdict(t *testing.T) {
	_, failure := exec.CommandContext(t.Context(), "go", "no-such-command").CombinedOutput()
	require.Error(t, failure)
	for _, tc := range []struct {
		name, output string
		err          error
		noticed      bool
	}{
		{"an assertion", "=== RUN   TestX\n    x_test.go:5: \n  Error Trace: x\n--- FAIL: TestX (0.00s)\n", failure, true},
		{"the model", "    model_test.go:5: step 7, Get: x\n--- FAIL: TestX (0.00s)\n", failure, true},
		{"the suite", "    backend_calls.go:7: \"k\" is not found\n--- FAIL: TestLocal (0.00s)\n", failure, true},
		{"a panic in the suite", "    backend_calls.go:7: \"k\" is not found\n--- FAIL: TestLocal (0.00s)\npanic: x\n", failure, false},
		{"a race", "WARNING: DATA RACE\n--- FAIL: TestX (0.00s)\n", failure, true},
		{"a pass", "--- PASS: TestX (0.00s)\n", nil, false},
		{"no test", "testing: warning: no tests to run\n", nil, false},
		{"a build error", "./x.go:1:1: x\nFAIL	x [build failed]\n", failure, false},
		{"a panic", "--- FAIL: TestX (0.00s)\npanic: x\n", failure, false},
		{"a hang", "panic: test timed out after 1m0s\n", failure, false},
		{"no go", "", os.ErrNotExist, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			how, noticed := verdict(tc.output, tc.err)
			require.Equal(t, tc.noticed, noticed, how)
		})
	}
}
