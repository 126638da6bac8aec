// SPDX-License-Identifier: MIT

// Package static checks what can be known of the source without running it: that every
// field which a lock guards is annotated for checklocks and that checklocks has
// nothing to report, that user code is called in a few functions only, none of which
// is reached with a lock held, and what the compiler makes of the hot path.
package static

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	root   = "../.."
	module = "github.com/locmem/locmem"
	seeds  = "./internal/static/testdata/"
)

// pkg is a package of the module with its types, without its tests.
type pkg struct {
	path  string
	fset  *token.FileSet
	files []*ast.File
	info  *types.Info
}

// load reads packages of the module. What they import comes compiled.
func load(t *testing.T, patterns ...string) []*pkg {
	t.Helper()
	type listed struct {
		ImportPath, Dir, Export string
		GoFiles                 []string
		DepOnly                 bool
	}
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps", "-export", "-json=ImportPath,Dir,Export,GoFiles,DepOnly"}, patterns...)...)
	cmd.Dir = root
	text, err := cmd.Output()
	require.NoError(t, err, "%s", stderrOf(err))
	var ours []listed
	exports := map[string]string{}
	for d := json.NewDecoder(strings.NewReader(string(text))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			require.NoError(t, err)
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			ours = append(ours, p)
		}
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, runtime.Compiler, func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	var found []*pkg
	for _, p := range ours {
		loaded := &pkg{path: p.ImportPath, fset: fset, info: &types.Info{
			Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
			Selections: map[*ast.SelectorExpr]*types.Selection{}, Instances: map[*ast.Ident]types.Instance{},
		}}
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments)
			require.NoError(t, err)
			loaded.files = append(loaded.files, file)
		}
		_, err := (&types.Config{Importer: imports}).Check(p.ImportPath, fset, loaded.files, loaded.info)
		require.NoError(t, err)
		found = append(found, loaded)
	}
	require.NotEmpty(t, found)
	return found
}

func stderrOf(err error) []byte {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.Stderr
	}
	return nil
}

// short is a path without the module's.
func short(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, module), "/") }

// nameOf is how the tables of this package name a function: with its receiver's type,
// and its package unless that is the root.
func nameOf(f *types.Func) string {
	f = f.Origin()
	name := f.Name()
	if recv := f.Signature().Recv(); recv != nil {
		typ := recv.Type()
		if p, ok := typ.(*types.Pointer); ok {
			typ = p.Elem()
		}
		if named, ok := types.Unalias(typ).(*types.Named); ok {
			name = named.Obj().Name() + "." + name
		}
	}
	if f.Pkg() == nil || short(f.Pkg().Path()) == "" {
		return name
	}
	return short(f.Pkg().Path()) + ": " + name
}

// linked returns the packages that are part of users' programs: of those the
// statements hold.
func linked(t *testing.T) (paths []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", ".", "./evict", "./cache")
	cmd.Dir = root
	text, err := cmd.Output()
	require.NoError(t, err, "%s", stderrOf(err))
	for path := range strings.FieldsSeq(string(text)) {
		if path == module || strings.HasPrefix(path, module+"/") {
			paths = append(paths, path)
		}
	}
	require.Contains(t, paths, module+"/internal/lock")
	return paths
}

// function is a declared function with a body.
type function struct {
	name string
	decl *ast.FuncDecl
}

func (p *pkg) functions() (all []function) {
	for _, file := range p.files {
		for _, d := range file.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Body != nil {
				all = append(all, function{nameOf(p.info.Defs[d.Name].(*types.Func)), d})
			}
		}
	}
	return all
}

// tool returns the path of a command that go build -C tools -o ../bin/ tool makes.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "bin", name))
	require.NoError(t, err)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v: GATES=tools scripts/test builds it", err)
		}
		t.Skipf("bin/%s is not there: GATES=tools scripts/test builds it", name)
	}
	return path
}
