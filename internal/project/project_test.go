// SPDX-License-Identifier: MIT

// Package project checks the project as a whole: what its source may contain,
// what its pages promise, and the runner of its checks.
package project

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// load reads the project's files, without what .gitignore leaves out.
func load(t *testing.T) tree {
	t.Helper()
	ignored, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	require.NoError(t, err)
	out := map[string]bool{".git": true}
	for line := range strings.Lines(string(ignored)) {
		out[strings.Trim(strings.TrimSpace(line), "/")] = true
	}
	found := tree{}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		switch {
		case out[filepath.ToSlash(rel)] && d.IsDir():
			return filepath.SkipDir
		case out[filepath.ToSlash(rel)], !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(name)
		found[filepath.ToSlash(rel)] = string(text)
		return err
	})
	require.NoError(t, err)
	require.Contains(t, found, "go.mod", "this is not the project's root")
	return found
}

func TestProjectKeepsItsRules(t *testing.T) {
	project := load(t)
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, strings.Join(rule(project), "\n"))
		})
	}
}

const goodMod = "module github.com/locmem/locmem\n\ngo 1.25.0\n\nrequire (\n" +
	"\tgithub.com/cespare/xxhash/v2 v2.3.0\n\tgithub.com/stretchr/testify v1.12.1\n\tgolang.org/x/sync v0.22.0\n)\n\n" +
	"require go.yaml.in/yaml/v3 v3.0.5 // indirect\n"

// head is the beginning of a planted Go file, four lines long.
func head(imports ...string) string {
	lines := []string{"// " + spdx, "", "package p", "", ""}
	for _, name := range imports {
		lines = slices.Insert(lines, len(lines)-1, `import _ "`+name+`"`)
	}
	return strings.Join(lines, "\n")
}

// Each planted fault must be reported by its rule, at its place; each innocent
// neighbour must not.
func TestRulesSeePlantedFaults(t *testing.T) {
	seen := map[string]bool{}
	for _, tc := range []struct {
		rule, name string
		files      tree
		want       string // part of the only fault; none if empty
	}{
		{"three direct requirements", "as it should be", tree{"go.mod": goodMod}, ""},
		{"three direct requirements", "a fourth", tree{"go.mod": goodMod + "require example.org/x v1.0.0\n"}, "go.mod: "},
		{"three direct requirements", "a fourth in a block", tree{"go.mod": strings.Replace(goodMod, "(\n", "(\n\texample.org/x v1.0.0\n", 1)}, "example.org/x"},
		{"three direct requirements", "one that has become indirect", tree{"go.mod": strings.Replace(goodMod, "v0.22.0", "v0.22.0 // indirect", 1)}, "go.mod: "},

		{"no package but cachetest has testing", "a test", tree{"a_test.go": head("testing")}, ""},
		{"no package but cachetest has testing", "a test in all but name", tree{"a_tests.go": head("testing")}, "a_tests.go:3: imports testing"},
		{"no package but cachetest has testing", "a part of testing", tree{"internal/a/a.go": head("testing/synctest")}, "internal/a/a.go:3: "},
		{"no package but cachetest has testing", "testify", tree{"internal/a/a.go": head("github.com/stretchr/testify/require")}, "internal/a/a.go:3: "},
		{"no package but cachetest has testing", "cachetest", tree{"cachetest/a.go": head("testing")}, ""},
		{"no package but cachetest has testing", "testify in cachetest", tree{"cachetest/a.go": head("github.com/stretchr/testify/assert")}, "cachetest/a.go:3: "},
		{"no package but cachetest has testing", "a nested module", tree{"bench/go.mod": "", "bench/a/a.go": head("testing")}, ""},

		{"the engine orders through lock", "a mutex", tree{"a.go": head("sync")}, "a.go:3: imports sync"},
		{"the engine orders through lock", "an atomic", tree{"evict/a.go": head("sync/atomic")}, "evict/a.go:3: imports sync/atomic"},
		{"the engine orders through lock", "a goroutine", tree{"internal/paged/a.go": head() + "func f() { go f() }\n"}, "internal/paged/a.go:5: has a go statement"},
		{"the engine orders through lock", "a receive", tree{"a.go": head() + "func f() { <-c }\n"}, "a.go:5: has a channel receive"},
		{"the engine orders through lock", "a send", tree{"a.go": head() + "func f() { c <- 1 }\n"}, "a.go:5: has a channel send"},
		{"the engine orders through lock", "a channel", tree{"a.go": head() + "\nvar c chan int\n"}, "a.go:6: has a channel"},
		{"the engine orders through lock", "a select", tree{"a.go": head() + "func f() { select {} }\n"}, "a.go:5: has a select"},
		{"the engine orders through lock", "in a test", tree{"a_test.go": head("sync") + "func f() { go f() }\n"}, ""},
		{"the engine orders through lock", "in lock", tree{"internal/lock/a.go": head("sync") + "func f() { go f() }\n"}, ""},

		{"a mutex says what it protects", "above", tree{"a.go": head() + "type s struct {\n\t// mu protects all.\n\tmu lock.Mutex\n\tn int\n}\n"}, ""},
		{"a mutex says what it protects", "behind", tree{"a.go": head() + "type s struct {\n\tmu lock.RWMutex // protects all\n\tn int\n}\n"}, ""},
		{"a mutex says what it protects", "silent", tree{"a.go": head() + "type s struct {\n\tmu lock.Mutex\n}\n"}, "a.go:6: "},
		{"a mutex says what it protects", "talks of something else", tree{"evict/a.go": head() + "type s struct {\n\tmu lock.RWMutex // a lock\n}\n"}, "evict/a.go:6: "},
		{"a mutex says what it protects", "embedded", tree{"a.go": head() + "type s struct {\n\tlock.Mutex\n}\n"}, "a.go:6: "},
		{"a mutex says what it protects", "pointers in a generic struct", tree{"a.go": head() + "type s[T any] struct {\n\tmu []*lock.Mutex\n}\n"}, "a.go:6: "},

		{"no directive that blinds the checks", "norace", tree{"a.go": head() + "//go:norace\nfunc f() {}\n"}, "a.go:5: has //go:norace"},
		{"no directive that blinds the checks", "linkname in a test", tree{"bench/a_test.go": head() + "//go:linkname f g\nfunc f()\n"}, "bench/a_test.go:5: has //go:linkname"},
		{"no directive that blinds the checks", "spoken of", tree{"a.go": head() + "// f has no //go:norace.\nfunc f() { _ = `//go:norace` }\n"}, ""},

		{"the licence is on top", "missing", tree{"a/b_test.go": "package b\n"}, "a/b_test.go: "},
		{"the licence is on top", "lower down", tree{"a.go": "\n" + head()}, "a.go: "},
		{"the licence is on top", "script", tree{"scripts/a": "#!/bin/sh\necho\n"}, "scripts/a: "},
		{"the licence is on top", "script with it", tree{"scripts/a": "#!/bin/sh\n# " + spdx + "\n"}, ""},
		{"the licence is on top", "configuration", tree{".github/a.yml": "name: a\n"}, ".github/a.yml: "},

		{"one go version", "the same", tree{"go.mod": goodMod, "a/go.mod": "go 1.25.0\n"}, ""},
		{"one go version", "newer with its reason", tree{"go.mod": goodMod, "a/go.mod": "go 1.26.0 // the database asks for it\n"}, ""},
		{"one go version", "newer without", tree{"go.mod": goodMod, "a/go.mod": "go 1.26.0\n"}, "a/go.mod: go 1.26.0"},
		{"one go version", "older", tree{"go.mod": goodMod, "a/go.mod": "go 1.9.0 // old\n"}, "a/go.mod: go 1.9.0"},
		{"one go version", "none", tree{"go.mod": goodMod, "a/go.mod": "module a\n"}, "a/go.mod: no go line"},

		{"the root is required from this source", "replaced", tree{"a/b/go.mod": "require " + module + " v0.0.0\nreplace " + module + " => ../..\n"}, ""},
		{"the root is required from this source", "not replaced", tree{"a/go.mod": "require " + module + " v0.0.0\n"}, "a/go.mod: "},
		{"the root is required from this source", "replaced by another", tree{"a/go.mod": "require (\n\t" + module + " v0.0.0\n)\nreplace " + module + " => ../../b\n"}, "a/go.mod: "},
		{"the root is required from this source", "not required", tree{"a/go.mod": "module a\n"}, ""},

		{"the README names its two commands", "both", tree{"README.md": "make demo\nmake test\n"}, ""},
		{"the README names its two commands", "one", tree{"README.md": "make demo\n"}, "make test"},

		{"documented commands exist", "a target", tree{"A.md": "Type `make it`.\n", "Makefile": "it:\n"}, ""},
		{"documented commands exist", "none", tree{"A.md": "\nmake that\n", "Makefile": "it:\n"}, "A.md: make that"},

		{"every exported name has an example", "a function and a method", tree{
			"a.go":      head() + "type E[K, V any] struct{}\nfunc F() {}\nfunc (*E[K, V]) M() {}\n",
			"a_test.go": head() + "func ExampleF() {\n\t// Output: x\n}\nfunc ExampleE() {\n\t// Output: x\n}\nfunc ExampleE_M() {\n\t// Output: x\n}\n",
		}, ""},
		{"every exported name has an example", "one that does not run", tree{
			"a.go":      head() + "func F() {}\n",
			"a_test.go": head() + "func ExampleF() {\n\t// no output\n}\n",
		}, "a.go:5: no ExampleF"},
		{"every exported name has an example", "a method without", tree{
			"a.go":      head() + "type E struct{}\nfunc (E) M() {}\n",
			"a_test.go": head() + "func ExampleE() {\n\t// Output: x\n}\n",
		}, "a.go:6: no ExampleE_M"},
		{"every exported name has an example", "what users do not meet", tree{"a.go": head() + "type e struct{}\nfunc (e) M() {}\nfunc f() {}\n", "evict/a.go": head() + "func F() {}\n"}, ""},

		{"the table of methods is complete", "a method", tree{"doc.go": "// x\n//\tMethod    Waits\n//\tA, M      no\n//\n// N\npackage p\n", "a.go": head() + "func (*Engine[K, V]) M() {}\n"}, ""},
		{"the table of methods is complete", "one named elsewhere", tree{"doc.go": "// x\n//\tMethod    Waits\n//\tA         N\n//\n// N\npackage p\n", "a.go": head() + "func (*Engine[K, V]) N() {}\n"}, "a.go:5: N is not"},

		{"no path of somebody's machine", "in code", tree{"a.go": "// x\n// see " + local[0] + "x\n"}, "a.go:2: "},
		{"no path of somebody's machine", "in a page", tree{"A.md": "../" + local[1] + "x"}, "A.md:1: "},
		{"no path of somebody's machine", "where it may be", tree{".ci/run": "../" + local[1] + "x"}, ""},
	} {
		t.Run(tc.rule+"/"+tc.name, func(t *testing.T) {
			faults := rules[tc.rule](tc.files)
			if tc.want == "" {
				require.Empty(t, faults)
				return
			}
			require.Len(t, faults, 1)
			require.Contains(t, faults[0], tc.want)
			seen[tc.rule] = true
		})
	}
	for rule := range rules {
		require.True(t, seen[rule], "no fault was planted for the rule %q", rule)
	}
}

// The programs in the README run, and print what the README says.
func TestReadmeProgramsPrintWhatTheySay(t *testing.T) {
	readme := load(t)["README.md"]
	programs := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindAllStringSubmatch(readme, -1)
	require.NotEmpty(t, programs, "README.md has no program")
	for _, program := range programs {
		var want strings.Builder
		for _, m := range regexp.MustCompile(`(?m)fmt\.Print.*?\) // (.*)$`).FindAllStringSubmatch(program[1], -1) {
			want.WriteString(m[1] + "\n")
		}
		require.NotEmpty(t, want.String(), "a program does not say what it prints")

		file := filepath.Join(t.TempDir(), "main.go")
		require.NoError(t, os.WriteFile(file, []byte(program[1]), 0o600))
		cmd := exec.CommandContext(t.Context(), "go", "run", file)
		cmd.Dir = root // imports are looked up from here
		got, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", got)
		require.Equal(t, want.String(), string(got))
	}
}
