// SPDX-License-Identifier: MIT

package project

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A tree is the text of the project's files by their path, with slashes and
// relative to the root. Rules see nothing else, so that a planted fault is a map
// of one entry.
type tree map[string]string

const (
	module = "github.com/locmem/locmem"
	spdx   = "SPDX-License-Identifier: MIT"
)

// direct are the three requirements that the root module may have.
var direct = []string{"github.com/cespare/xxhash/v2", "github.com/stretchr/testify", "golang.org/x/sync"}

// engine are the folders whose code orders goroutines through internal/lock only.
var engine = []string{".", "evict", "internal/paged", "cache"}

// rules are what holds of the source as a whole. Each returns one line per
// fault, beginning with the file's path.
var rules = map[string]func(tree) []string{
	"three direct requirements":             directRequirements,
	"no package but cachetest has testing":  testingStaysInTests,
	"the engine orders through lock":        engineOrdersThroughLock,
	"a mutex says what it protects":         mutexesSayWhatTheyProtect,
	"no directive that blinds the checks":   noBlindingDirectives,
	"the licence is on top":                 licenceOnTop,
	"one go version":                        oneGoVersion,
	"the README names its two commands":     readmeNamesCommands,
	"documented commands exist":             documentedCommandsExist,
	"no path of somebody's machine":         noLocalPaths,
	"the root is required from this source": nestedModulesSeeThisSource,
	"every exported name has an example":    exportedNamesHaveExamples,
	"the table of methods is complete":      tableOfMethodsIsComplete,
}

func directRequirements(t tree) []string {
	var found []string
	for _, line := range requirements(t["go.mod"]) {
		if name, _, _ := strings.Cut(line, " "); !strings.Contains(line, "// indirect") {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	if slices.Equal(found, direct) {
		return nil
	}
	return []string{fmt.Sprintf("go.mod: direct requirements are %v, not %v", found, direct)}
}

// requirements returns the lines of a go.mod that require a module, without the
// word itself.
func requirements(mod string) []string {
	var lines []string
	block := false
	for line := range strings.Lines(mod) {
		line = strings.TrimSpace(line)
		rest, ok := strings.CutPrefix(line, "require ")
		switch {
		case ok && strings.HasPrefix(strings.TrimSpace(rest), "("):
			block = true
		case ok:
			lines = append(lines, strings.TrimSpace(rest))
		case line == ")":
			block = false
		case block && line != "" && !strings.HasPrefix(line, "//"):
			lines = append(lines, line)
		}
	}
	return lines
}

func testingStaysInTests(t tree) []string {
	var faults []string
	for _, f := range t.code() {
		if f.module != "." || f.isTest() {
			continue
		}
		for _, name := range f.imports() {
			std := name == "testing" || strings.HasPrefix(name, "testing/")
			if std && f.dir == "cachetest" {
				continue
			}
			if std || strings.HasPrefix(name, "github.com/stretchr/testify") {
				faults = append(faults, f.fault(f.file.Name, "imports %s, which lands in users' programs", name))
			}
		}
	}
	return faults
}

func engineOrdersThroughLock(t tree) []string {
	var faults []string
	for _, f := range t.code() {
		if !slices.Contains(engine, f.dir) || f.isTest() {
			continue
		}
		for _, name := range f.imports() {
			if name == "sync" || name == "sync/atomic" {
				faults = append(faults, f.fault(f.file.Name, "imports %s", name))
			}
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			what := ""
			switch n := n.(type) {
			case *ast.GoStmt:
				what = "a go statement"
			case *ast.SelectStmt:
				what = "a select"
			case *ast.SendStmt:
				what = "a channel send"
			case *ast.ChanType:
				what = "a channel"
			case *ast.UnaryExpr:
				if n.Op == token.ARROW {
					what = "a channel receive"
				}
			}
			if what != "" {
				faults = append(faults, f.fault(n, "has %s; internal/lock is there for it", what))
			}
			return true
		})
	}
	return faults
}

func mutexesSayWhatTheyProtect(t tree) []string {
	var faults []string
	for _, f := range t.code() {
		if f.dir != "." && f.dir != "evict" {
			continue
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			s, ok := n.(*ast.StructType)
			if !ok {
				return true
			}
			for _, field := range s.Fields.List {
				if isMutex(field.Type) && !strings.Contains(field.Doc.Text()+field.Comment.Text(), "protects") {
					faults = append(faults, f.fault(field, "a mutex without a comment that says what it protects"))
				}
			}
			return true
		})
	}
	return faults
}

// isMutex tells whether a field's type is one of internal/lock's mutexes, a
// pointer to one or an array of them.
func isMutex(t ast.Expr) bool {
	switch t := t.(type) {
	case *ast.StarExpr:
		return isMutex(t.X)
	case *ast.ArrayType:
		return isMutex(t.Elt)
	case *ast.SelectorExpr:
		x, ok := t.X.(*ast.Ident)
		return ok && x.Name == "lock" && (t.Sel.Name == "Mutex" || t.Sel.Name == "RWMutex")
	}
	return false
}

func noBlindingDirectives(t tree) []string {
	var faults []string
	for _, f := range t.code() {
		for _, group := range f.file.Comments {
			for _, c := range group.List {
				for _, directive := range []string{"//go:norace", "//go:linkname"} {
					if strings.HasPrefix(c.Text, directive) {
						faults = append(faults, f.fault(c, "has %s", directive))
					}
				}
			}
		}
	}
	return faults
}

func licenceOnTop(t tree) []string {
	var faults []string
	for _, p := range t.paths() {
		var want string
		switch {
		case strings.HasSuffix(p, ".go"):
			want = "// " + spdx
		case strings.HasSuffix(p, ".sh"), strings.HasSuffix(p, ".yml"), p == "Makefile", strings.HasPrefix(t[p], "#!"):
			want = "# " + spdx
		default:
			continue
		}
		text := t[p]
		if strings.HasPrefix(text, "#!") {
			_, text, _ = strings.Cut(text, "\n")
		}
		if !strings.HasPrefix(text, want+"\n") {
			faults = append(faults, p+": does not begin with "+want)
		}
	}
	return faults
}

var goLine = regexp.MustCompile(`(?m)^go (\S+)(.*)$`)

// oneGoVersion holds nested modules to the root's go line. One whose
// requirements ask for more says so beside its own.
func oneGoVersion(t tree) []string {
	root := goLine.FindStringSubmatch(t["go.mod"])
	if root == nil {
		return []string{"go.mod: no go line"}
	}
	var faults []string
	for _, p := range t.paths() {
		if path.Base(p) != "go.mod" || p == "go.mod" {
			continue
		}
		switch line := goLine.FindStringSubmatch(t[p]); {
		case line == nil:
			faults = append(faults, p+": no go line")
		case line[1] == root[1], newer(line[1], root[1]) && strings.Contains(line[2], "//"):
		default:
			faults = append(faults, fmt.Sprintf("%s: go %s, the root has %s; a newer one needs its reason behind it", p, line[1], root[1]))
		}
	}
	return faults
}

// newer tells whether version a is above b, number by number.
func newer(a, b string) bool {
	x, y := numbers(a), numbers(b)
	return slices.Compare(x, y) > 0
}

func numbers(version string) []int {
	var list []int
	for part := range strings.SplitSeq(version, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil // below every version
		}
		list = append(list, n)
	}
	return list
}

// nestedModulesSeeThisSource: a nested module that needs the root replaces it by
// a relative path that leads there, or its tests would run against a release.
func nestedModulesSeeThisSource(t tree) []string {
	var faults []string
	for _, p := range t.paths() {
		if path.Base(p) != "go.mod" || p == "go.mod" {
			continue
		}
		needs := slices.ContainsFunc(requirements(t[p]), func(line string) bool {
			return strings.HasPrefix(line, module+" ")
		})
		up := strings.Repeat("../", strings.Count(p, "/"))
		replaced := regexp.MustCompile(`(?m)^replace ` + regexp.QuoteMeta(module) + ` => ` + regexp.QuoteMeta(strings.TrimSuffix(up, "/")) + `/?$`)
		if needs && !replaced.MatchString(t[p]) {
			faults = append(faults, p+": requires the root without replacing it by "+up)
		}
	}
	return faults
}

func readmeNamesCommands(t tree) []string {
	var faults []string
	for _, command := range []string{"make demo", "make test"} {
		if !regexp.MustCompile(`(?m)^` + command + `\b`).MatchString(t["README.md"]) {
			faults = append(faults, "README.md: no line with the command "+command)
		}
	}
	return faults
}

var makeCommand = regexp.MustCompile("(?m)(?:^|`)make ([a-z]+)")

// documentedCommandsExist: what a page tells the reader to make is a target.
func documentedCommandsExist(t tree) []string {
	var faults []string
	for _, p := range t.paths() {
		if path.Ext(p) != ".md" {
			continue
		}
		for _, m := range makeCommand.FindAllStringSubmatch(t[p], -1) {
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(t["Makefile"]) {
				faults = append(faults, fmt.Sprintf("%s: make %s, which the Makefile does not have", p, m[1]))
			}
		}
	}
	return faults
}

// local are pieces of paths that mean something on one machine only; written in
// two halves, so that this file is not one of those that have them.
var local = []string{"/wo" + "rk/", "sha" + "red/", "/ho" + "me/", "/ro" + "ot/"}

func noLocalPaths(t tree) []string {
	var faults []string
	for _, p := range t.paths() {
		if p == ".ci/run" || !utf8.ValidString(t[p]) {
			continue
		}
		n := 0
		for line := range strings.Lines(t[p]) {
			n++
			for _, piece := range local {
				if strings.Contains(line, piece) {
					faults = append(faults, fmt.Sprintf("%s:%d: has %s", p, n, piece))
				}
			}
		}
	}
	return faults
}

// exportedNamesHaveExamples: each function, type and method that users of the root
// package meet has an example that runs.
func exportedNamesHaveExamples(t tree) []string {
	shown := map[string]bool{}
	for _, f := range t.code() {
		if f.dir != "." || !f.isTest() {
			continue
		}
		for _, example := range doc.Examples(f.file) {
			if example.Output != "" {
				shown[example.Name] = true
			}
		}
	}
	var faults []string
	for _, f := range t.code() {
		if f.dir != "." || f.isTest() {
			continue
		}
		for _, name := range f.exported() {
			if !shown[name.text] {
				faults = append(faults, f.fault(name.at, "no Example%s with an output", name.text))
			}
		}
	}
	return faults
}

// tableOfMethodsIsComplete: the package documentation says of each method of the
// engine what it promises.
func tableOfMethodsIsComplete(t tree) []string {
	_, table, _ := strings.Cut(t["doc.go"], "//\tMethod  ")
	table, _, _ = strings.Cut(table, "//\n")
	told := map[string]bool{}
	for line := range strings.Lines(table) {
		names, _, _ := strings.Cut(strings.TrimPrefix(line, "//\t"), "  ") // the first column
		for name := range strings.FieldsFuncSeq(names, func(r rune) bool { return !unicode.IsLetter(r) }) {
			told[name] = true
		}
	}
	var faults []string
	for _, f := range t.code() {
		if f.dir != "." || f.isTest() {
			continue
		}
		for _, name := range f.exported() {
			method, ok := strings.CutPrefix(name.text, "Engine_")
			if ok && !told[method] {
				faults = append(faults, f.fault(name.at, "%s is not in the table of doc.go", method))
			}
		}
	}
	return faults
}

// An exported function, type or method, named as examples are.
type exported struct {
	text string
	at   ast.Node
}

func (s source) exported() []exported {
	var names []exported
	add := func(id *ast.Ident, receiver string) {
		if id.IsExported() {
			names = append(names, exported{receiver + id.Name, id})
		}
	}
	for _, decl := range s.file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil {
				add(decl.Name, "")
			} else if base := baseName(decl.Recv.List[0].Type); ast.IsExported(base) {
				add(decl.Name, base+"_")
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if spec, ok := spec.(*ast.TypeSpec); ok {
					add(spec.Name, "")
				}
			}
		}
	}
	return names
}

// baseName returns the name of a receiver's type.
func baseName(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return baseName(t.X)
	case *ast.IndexExpr:
		return baseName(t.X)
	case *ast.IndexListExpr:
		return baseName(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}

// A source is one parsed Go file.
type source struct {
	path, dir string
	module    string // the folder of the go.mod it belongs to
	file      *ast.File
	set       *token.FileSet
}

// code returns the tree's Go files in the order of their paths. One that cannot
// be parsed is a bug that the compiler reports better.
func (t tree) code() []source {
	var list []source
	for _, p := range t.paths() {
		if path.Ext(p) != ".go" {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, p, t[p], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			panic(err)
		}
		list = append(list, source{path: p, dir: path.Dir(p), module: t.moduleOf(p), file: file, set: set})
	}
	return list
}

func (t tree) paths() []string { return slices.Sorted(maps.Keys(t)) }

func (t tree) moduleOf(p string) string {
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if _, ok := t[dir+"/go.mod"]; ok {
			return dir
		}
	}
	return "."
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) imports() []string {
	var names []string
	for _, spec := range s.file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			panic(err) // the parser let it through
		}
		names = append(names, name)
	}
	return names
}

func (s source) fault(at ast.Node, format string, args ...any) string {
	pos := s.set.Position(at.Pos())
	return fmt.Sprintf("%s:%d: %s", s.path, pos.Line, fmt.Sprintf(format, args...))
}
