// SPDX-License-Identifier: MIT

package faults

import (
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryFaultCompiles checks the types of each fault's package with the fault in
// it, so that an edit of the engine that leaves a fault without sense is noticed in
// the runs that plant only some.
func TestEveryFaultCompiles(t *testing.T) {
	if *plant == "" {
		t.Skip("it is for the runs that plant: go test ./internal/faults -plant=some")
	}
	files := token.NewFileSet()
	conf := types.Config{Importer: compiled(t, files)}
	sound := map[string]map[string]*ast.File{} // by folder and name
	for _, f := range All() {
		folder, name := filepath.Split(f.File)
		if sound[folder] == nil {
			sound[folder] = parsed(t, files, folder)
		}
		text, err := planted(f)
		require.NoError(t, err, f.Name)
		file, err := parser.ParseFile(files, f.File, text, 0)
		if !assert.NoError(t, err, "%s", f.Name) {
			continue
		}
		list := []*ast.File{file}
		for other, file := range sound[folder] {
			if other != name {
				list = append(list, file)
			}
		}
		_, err = conf.Check(folder, files, list, nil)
		assert.NoError(t, err, "%s", f.Name)
	}
}

// compiled imports packages as the compiler has written them down. One importer for
// all faults keeps what it has read.
func compiled(t *testing.T, files *token.FileSet) types.Importer {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "./...")
	cmd.Dir = root
	list, err := cmd.Output()
	require.NoError(t, err)
	exports := map[string]string{}
	for line := range strings.Lines(string(list)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[path] = file
	}
	return importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
}

// parsed returns the files of a package but for its tests.
func parsed(t *testing.T, files *token.FileSet, folder string) map[string]*ast.File {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(root, folder))
	require.NoError(t, err)
	p, err := build.ImportDir(dir, 0)
	require.NoError(t, err)
	out := map[string]*ast.File{}
	for _, name := range p.GoFiles {
		out[name], err = parser.ParseFile(files, filepath.Join(dir, name), nil, 0)
		require.NoError(t, err)
	}
	return out
}
