// SPDX-License-Identifier: MIT

package static

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/types"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fields tells of the fields beside locks what keeps two goroutines from being at
// them at the same time.
type fields struct {
	annotated, immutable, atomic, owned []string
	faults                              []string
}

// structs are the struct types of packages by "path.Name".
type structs map[string]*ast.StructType

func structsOf(pkgs []*pkg) structs {
	found := structs{}
	for _, p := range pkgs {
		for _, file := range p.files {
			ast.Inspect(file, func(n ast.Node) bool {
				if spec, ok := n.(*ast.TypeSpec); ok {
					if s, ok := spec.Type.(*ast.StructType); ok {
						found[p.path+"."+spec.Name.Name] = s
					}
				}
				return true
			})
		}
	}
	return found
}

// typeName returns "path.Name" of a named type or of an array's elements, without
// arguments.
func typeName(t types.Type) string {
	if a, ok := t.(*types.Array); ok {
		return typeName(a.Elem())
	}
	if n, ok := types.Unalias(t).(*types.Named); ok && n.Obj().Pkg() != nil {
		return n.Obj().Pkg().Path() + "." + n.Obj().Name()
	}
	return ""
}

func isLock(t types.Type) bool {
	switch typeName(t) {
	case "sync.Mutex", "sync.RWMutex", module + "/internal/lock.Mutex", module + "/internal/lock.RWMutex":
		return true
	}
	return false
}

func isAtomic(t types.Type) bool {
	name := typeName(t)
	return !isLock(t) && (strings.HasPrefix(name, "sync/atomic.") || regexp.MustCompile(`/internal/lock\.(Bool|U?[Ii]nt(32|64)|Pointer)$`).MatchString(name))
}

// says reports whether a line of a field's comments begins with a word.
func says(f *ast.Field, word string) bool {
	for _, group := range []*ast.CommentGroup{f.Doc, f.Comment} {
		if group == nil {
			continue
		}
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "// "+word) {
				return true
			}
		}
	}
	return false
}

// guardsItself reports whether a field's type is a struct that looks after itself: of
// each of its fields it is known what does.
func (p *pkg) guardsItself(all structs, t types.Type) bool {
	s := all[typeName(t)]
	if s == nil {
		return false
	}
	for _, f := range s.Fields.List {
		typ := p.info.TypeOf(f.Type)
		if typ == nil { // of another package
			return false
		}
		if !isLock(typ) && !isAtomic(typ) && !blank(f) && !says(f, "+checklocks:") && !says(f, "immutable") && !p.guardsItself(all, typ) {
			return false
		}
	}
	return true
}

func blank(f *ast.Field) bool { return len(f.Names) == 1 && f.Names[0].Name == "_" }

// count looks at every struct that holds a lock.
func count(pkgs []*pkg) (found fields) {
	all := structsOf(pkgs)
	for _, p := range pkgs {
		for _, file := range p.files {
			ast.Inspect(file, func(n ast.Node) bool {
				s, ok := n.(*ast.StructType)
				if !ok || !slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool { return isLock(p.info.TypeOf(f.Type)) }) {
					return true
				}
				for _, f := range s.Fields.List {
					typ := p.info.TypeOf(f.Type)
					at := p.fset.Position(f.Pos())
					name := types.ExprString(f.Type)
					if len(f.Names) > 0 {
						name = f.Names[0].Name
					}
					place := fmt.Sprintf("%s: %s", filepath.Base(at.Filename), name)
					switch {
					case blank(f) || isLock(typ):
					case len(f.Names) > 1:
						found.faults = append(found.faults, fmt.Sprintf("%s:%d: two fields on one line: checklocks takes the annotations that follow for those of other fields", filepath.Base(at.Filename), at.Line))
					case says(f, "+checklocks:"):
						found.annotated = append(found.annotated, place)
					case says(f, "immutable"):
						found.immutable = append(found.immutable, place)
					case says(f, "owned by "):
						found.owned = append(found.owned, place)
					case isAtomic(typ) || p.guardsItself(all, typ):
						found.atomic = append(found.atomic, place)
					default:
						found.faults = append(found.faults, fmt.Sprintf("%s:%d: %s is beside a lock and neither annotated with it, nor atomic, nor immutable", filepath.Base(at.Filename), at.Line, name))
					}
				}
				return true
			})
		}
	}
	return found
}

// owned are the fields that belong to one goroutine at a time without a lock. The
// race detector is what watches them.
var owned = []string{"removal.go: batch", "removal.go: at", "removal.go: event", "removal.go: left"}

func TestEveryFieldBesideALockIsAnnotated(t *testing.T) {
	found := count(load(t, linked(t)...))
	require.Empty(t, strings.Join(found.faults, "\n"))
	require.Equal(t, owned, found.owned, "the fields that one goroutine at a time has")
	t.Logf("%d of %d guarded fields annotated, %d immutable, %d atomic, %d owned by one goroutine at a time",
		len(found.annotated), len(found.annotated), len(found.immutable), len(found.atomic), len(found.owned))
}

func TestAFieldWithoutAnAnnotationIsFound(t *testing.T) {
	found := count(load(t, seeds+"fields"))
	require.Equal(t, []string{
		"fields.go:13: plain is beside a lock and neither annotated with it, nor atomic, nor immutable",
		"fields.go:14: inner is beside a lock and neither annotated with it, nor atomic, nor immutable",
		"fields.go:15: two fields on one line: checklocks takes the annotations that follow for those of other fields",
	}, found.faults)
	require.Len(t, found.annotated, 2)
	require.Len(t, found.immutable, 1)
	require.Len(t, found.owned, 1)
	require.Len(t, found.atomic, 2)
}

// makers are the functions that may give an immutable field its value: nobody else
// knows of the struct yet.
var makers = []string{"New", "tagTable.open"}

// assigners returns the functions that assign to fields said to be immutable.
func assigners(pkgs []*pkg) (found []string) {
	for _, p := range pkgs {
		immutable := map[types.Object]bool{}
		for _, file := range p.files {
			ast.Inspect(file, func(n ast.Node) bool {
				if f, ok := n.(*ast.Field); ok && says(f, "immutable") {
					for _, name := range f.Names {
						immutable[p.info.Defs[name]] = true
					}
				}
				return true
			})
		}
		for _, f := range p.functions() {
			assigned := func(x ast.Expr) {
				if s, ok := ast.Unparen(x).(*ast.SelectorExpr); ok {
					if v, ok := p.info.Uses[s.Sel].(*types.Var); ok && immutable[v.Origin()] {
						found = append(found, f.name)
					}
				}
			}
			ast.Inspect(f.decl.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.AssignStmt:
					for _, x := range n.Lhs {
						assigned(x)
					}
				case *ast.IncDecStmt:
					assigned(n.X)
				case *ast.UnaryExpr:
					if n.Op.String() == "&" {
						assigned(n.X)
					}
				}
				return true
			})
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestImmutableFieldsAreSetBeforeAnybodySeesThem(t *testing.T) {
	require.Equal(t, makers, assigners(load(t, linked(t)...)))
	require.Equal(t, []string{
		"internal/static/testdata/fields: set.address", "internal/static/testdata/fields: set.change", "internal/static/testdata/fields: set.more",
	}, assigners(load(t, seeds+"fields")))
}

// ignored are the functions and lines that checklocks is told not to look at. Each
// says there why.
var ignored = []string{
	"move.go: lockBoth", "move.go: unlockBoth",
	"shard.go: shard.get", "shard.go: shard.lockToUse", "shard.go: shard.unlockToUse",
	"singleflight.go: Engine.oldestLoad",
	"validate.go: Engine.validateTagTable",
	"write.go: Engine.enterSerial", "write.go: Engine.leaveSerial",
}

// ignores returns where checklocks is told not to look, and the faults of that.
func ignores(pkgs []*pkg) (places, reasons, faults []string) {
	for _, p := range pkgs {
		for _, file := range p.files {
			for _, group := range file.Comments {
				for _, c := range group.List {
					at := p.fset.Position(c.Pos())
					reason, ok := strings.CutPrefix(c.Text, "// +checklocksignore")
					switch {
					case strings.HasPrefix(c.Text, "// +checklocksforce"), strings.HasPrefix(c.Text, "// +checklocksfail"):
						faults = append(faults, fmt.Sprintf("%s:%d: %s", filepath.Base(at.Filename), at.Line, c.Text))
						continue
					case !ok:
						continue
					case !strings.HasPrefix(reason, ": "):
						faults = append(faults, fmt.Sprintf("%s:%d: an ignore without its reason", filepath.Base(at.Filename), at.Line))
					}
					name := "no function"
					for _, f := range p.functions() {
						if f.decl.Doc == group || f.decl.Pos() <= c.Pos() && c.Pos() < f.decl.End() {
							name = f.name
						}
					}
					places = append(places, filepath.Base(at.Filename)+": "+name)
					reasons = append(reasons, reason)
				}
			}
		}
	}
	return places, reasons, faults
}

func TestIgnoresAreFewAndSayWhy(t *testing.T) {
	places, reasons, faults := ignores(load(t, linked(t)...))
	require.Empty(t, faults)
	for i, place := range places {
		t.Logf("%s%s", place, reasons[i])
	}
	slices.Sort(places)
	require.Equal(t, ignored, places)

	_, _, faults = ignores(load(t, seeds+"ignores"))
	require.Equal(t, []string{"ignores.go:15: an ignore without its reason", "ignores.go:19: // +checklocksforce"}, faults)
}

// checklocks runs the checker over packages, without their tests: those may look into
// an engine at rest.
func checklocks(t *testing.T, patterns ...string) (reports []string) {
	t.Helper()
	// The hints are for fields that nobody has annotated; of those we know.
	cmd := exec.CommandContext(t.Context(), tool(t, "checklocks"), append([]string{"-test=false", "-inferred=false"}, patterns...)...)
	cmd.Dir = root
	text, err := cmd.CombinedOutput()
	if err == nil {
		require.Empty(t, string(text))
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			reports = append(reports, line)
		}
	}
	require.NotEmpty(t, reports, "%v", err)
	return reports
}

func TestChecklocksHasNothingToReport(t *testing.T) {
	require.Empty(t, checklocks(t, linked(t)...))
}

// Each seed does one thing wrong, in a line that says what is to be reported there.
func TestChecklocksReportsEverySeed(t *testing.T) {
	type report struct{ place, text string }
	var want []report
	for _, p := range load(t, seeds+"locks/...") {
		for _, file := range p.files {
			for _, group := range file.Comments {
				for _, c := range group.List {
					if text, ok := strings.CutPrefix(c.Text, "// report: "); ok {
						at := p.fset.Position(c.Pos())
						want = append(want, report{fmt.Sprintf("%s:%d", filepath.Base(at.Filename), at.Line), text})
					}
				}
			}
		}
	}
	got := checklocks(t, seeds+"locks/...")
	require.Len(t, got, len(want), "%s", strings.Join(got, "\n"))
	require.GreaterOrEqual(t, len(want), 6)
	byPlace := regexp.MustCompile(`^.*?([^/]+\.go:\d+):\d+: (.*)$`)
	slices.SortFunc(want, func(a, b report) int { return cmp.Compare(a.place, b.place) })
	slices.Sort(got)
	for _, w := range want {
		i := slices.IndexFunc(got, func(line string) bool {
			m := byPlace.FindStringSubmatch(line)
			return m != nil && m[1] == w.place && strings.Contains(m[2], w.text)
		})
		require.GreaterOrEqual(t, i, 0, "%s: %s is not in\n%s", w.place, w.text, strings.Join(got, "\n"))
		got = slices.Delete(got, i, i+1)
	}
	t.Logf("%d reports of %d seeds", len(want), len(want))
}
