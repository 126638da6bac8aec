// SPDX-License-Identifier: MIT

package static

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// whose is whose code a call of a value runs.
type whose string

const (
	users whose = "the user's"
	own   whose = "the package's own"
)

// A row is one value of a function's type that a function calls, or the methods that it
// calls of an interface which users implement.
type row struct {
	function, value string
	whose           whose
	runs            string // own: the function behind it, if that calls others
}

// rows are all calls of values: user code runs nowhere else.
var rows = []row{
	{"New", "opts.Policy", users, ""},
	{"Engine.Compute", "update", users, ""},
	{"Engine.fly", "load", users, ""}, // by way of oneByOne and allAtOnce
	{"Engine.weigh", "e.opts.Weigh", users, ""},
	{"bulk.allAtOnce", "b.load", users, ""},
	{"decodeSaved", "codec.DecodeKey", users, ""},
	{"decodeSaved", "codec.DecodeValue", users, ""},
	{"oneByOne", "load", users, ""},
	{"outbox.call", "listener", users, ""},
	{"saved.append", "codec.AppendKey", users, ""},
	{"saved.append", "codec.AppendValue", users, ""},
	{"shard.walk", "yield", users, ""},
	{"snapshotReader.read", "io.ReadFull", users, ""},
	{"snapshotWriter.write", "o.w.Write", users, ""},

	{"Engine.SetMany", "yield", own, ""},
	{"Engine.byShard", "range keys", own, ""},
	{"Engine.fly", "cancel", own, ""},
	{"Engine.refresh", "call.cancel", own, ""},
	{"Engine.resultOf", "values", own, ""},
	{"ManualClock.sweep", "engine", own, ""},
	{"Options.validate", "fault", own, ""},
	{"bulk.round", "fail", own, ""},
	{"bulk.start", "call.cancel", own, ""},
	{"bulk.start", "f", own, "Engine.fly"},
	{"bulk.start", "run", own, "forListener"},
	{"clock.tick", "k.engine", own, ""},
	{"forListener", "f", own, "Engine.fly"},
	{"hasher.sumSlow", "h.bend", own, ""}, // of tests
	{"holds", "f", own, "Engine.SetMany"},
	{"listeners.change", "f", own, ""},
	{"loaderCall.landed", "c.cancel", own, ""},
	{"tagTable.invalidate", "t.oldest", own, "Engine.oldestLoad"},
	{"tagTable.landed", "t.oldest", own, "Engine.oldestLoad"},
	{"tagTable.retire", "t.oldest", own, "Engine.oldestLoad"},

	{"evict: lists.concat", "range l.each(queue)", own, ""},
	{"evict: lists.concat", "yield", own, ""}, // the engine's validator is who ranges
	{"evict: lists.each", "yield", own, ""},
	{"evict: lru.Validate", "range r.each(onlyQueue)", own, ""},
	{"evict: tinyClock.Validate", "range r.All()", own, ""},
	{"internal/lock: Go", "f", own, ""},
	{"shard.validateRing", "range s.ring.All()", own, ""},
	{"Engine.DeleteMany", "range slices.Chunk(piece, maxRemovals)", own, ""},
	{"Engine.Save", "range e.All()", own, ""},
	{"RestoreFile", "io.ReadFull", own, ""}, // from a file

	{"cache: Cache.SetLimits", "c.codec.Name", users, ""},
	{"cache: Cache.getOrLoad", "load", users, ""},
	{"cache: Cache.update", "change", users, ""}, // which encodes
	{"cache: Config.driverFaults", "d.Check", users, ""},
	{"cache: Config.faults", "c.Codec.Name", users, ""},
	{"cache: Config.faults", "c.Codec.Tag", users, ""},
	{"cache: Config.open", "d.Open", users, ""},
	{"cache: Dummy.List", "yield", users, ""},
	{"cache: Local.GetOrSet", "load", users, ""},
	{"cache: Local.List", "yield", users, ""},
	{"cache: Local.Watch", "fn", users, ""},
	{"cache: Local.getOrSet", "load", users, ""},
	{"cache: Local.update", "change", users, ""},
	{"cache: New", "a.codec.Name", users, ""},
	{"cache: RegisterCodec", "c.Name", users, ""},
	{"cache: RegisterCodec", "c.Tag", users, ""},
	{"cache: View.GetOrSet", "load", users, ""},
	{"cache: View.encode", "v.weigh", users, ""},
	{"cache: asKept", "a.codec.Name", users, ""},
	{"cache: decodeOther", "a.codec.Decode", users, ""},
	{"cache: decodeOther", "a.codec.Name", users, ""},
	{"cache: decodeOther", "a.codec.Tag", users, ""},
	{"cache: encodeOther", "a.codec.Append", users, ""},
	{"cache: encodeOther", "a.codec.Tag", users, ""},
	{"cache: failing", "yield", users, ""},
	{"cache: keying.check", "k.hook", users, ""},
	{"cache: keying.final", "k.fn", users, ""},

	{"cache: Cache.snapshot", "run", own, ""},
	{"cache: Config.beyond", "NoCopy.Name", own, ""},
	{"cache: Local.DeletePrefix", "range l.engine.All()", own, ""},
	{"cache: Local.List", "range l.engine.All()", own, ""},
	{"cache: reader.query", `range strings.SplitSeq(query, "&")`, own, ""},
	{"cache: Config.driverFaults", "NoCopy.Name", own, ""},
	{"cache: Config.faults", "fault", own, ""},
	{"cache: decodeOther", "NoCopy.Name", own, ""},
	{"cache: encodeOther", "NoCopy.Name", own, ""},
	{"cache: members", "f", own, ""},
}

// harmless are the calls under a lock that lead to a function which calls user code, and
// do not make it do so.
var harmless = []string{
	"cache: Registry.Local", // the policy of its engines is the package's own
}

// userInterfaces are what users implement, besides policies, whose rings do run under
// their shards' locks: see Options.Policy.
var userInterfaces = []string{module + ".Codec", module + "/cache.Codec", "io.Reader", "io.Writer"}

// called returns the function that a call calls, if it is declared; dynamic tells that
// it calls a value of a function's type, or what users implement.
func (p *pkg) called(call *ast.CallExpr) (f *types.Func, dynamic bool) {
	fun := ast.Unparen(call.Fun)
	switch x := fun.(type) {
	case *ast.IndexExpr:
		fun = ast.Unparen(x.X)
	case *ast.IndexListExpr:
		fun = ast.Unparen(x.X)
	case *ast.FuncLit:
		return nil, false
	}
	if p.info.Types[call.Fun].IsType() || p.info.Types[fun].IsBuiltin() {
		return nil, false
	}
	var id *ast.Ident
	switch x := fun.(type) {
	case *ast.Ident:
		id = x
	case *ast.SelectorExpr:
		id = x.Sel
		if s := p.info.Selections[x]; s != nil && types.IsInterface(s.Recv()) && slices.Contains(userInterfaces, typeName(s.Recv())) {
			return nil, true
		}
	}
	if id != nil {
		if f, ok := p.info.Uses[id].(*types.Func); ok {
			return f, f.FullName() == "io.ReadFull"
		}
	}
	return nil, true
}

// A step is what happens in a function that the statements are about.
type step struct {
	pos    token.Pos
	calls  string // a declared function
	value  string // or a value, as it is written
	locked string // the locks held, as they are written; "" if none is
}

// walker goes through a function's statements in order and knows which locks are held.
type walker struct {
	p     *pkg
	steps []step
	facts facts
	open  []held // what may be held behind the loops and switches around
}

// facts are which functions take and give back locks, by their annotations.
type facts map[string]map[string]bool

func factsOf(pkgs []*pkg) facts {
	found := facts{}
	for _, p := range pkgs {
		for _, f := range p.functions() {
			if f.decl.Doc == nil {
				continue
			}
			for _, c := range f.decl.Doc.List {
				if kind, _, ok := strings.Cut(strings.TrimPrefix(c.Text, "// +checklocks"), ":"); ok && strings.HasPrefix(c.Text, "// +checklocks") {
					if found[f.name] == nil {
						found[f.name] = map[string]bool{}
					}
					found[f.name][strings.TrimSuffix(kind, "read")] = true
				}
			}
		}
	}
	return found
}

type held map[string]bool

func (h held) String() string { return strings.Join(slices.Sorted(maps.Keys(h)), ", ") }

// block goes through statements, and reports whether what follows them is reached.
func (w *walker) block(list []ast.Stmt, h held) bool {
	for _, s := range list {
		if !w.stmt(s, h) {
			return false
		}
	}
	return true
}

// branch goes through statements that may be passed over: what they hold at their end is
// held after, besides what was before.
func (w *walker) branch(list []ast.Stmt, before, after held) {
	h := maps.Clone(before)
	w.open = append(w.open, after)
	if w.block(list, h) {
		maps.Copy(after, h)
	}
	w.open = w.open[:len(w.open)-1]
}

func (w *walker) stmt(s ast.Stmt, h held) bool {
	switch s := s.(type) {
	case nil:
	case *ast.BlockStmt:
		return w.block(s.List, h)
	case *ast.LabeledStmt:
		return w.stmt(s.Stmt, h)
	case *ast.IfStmt:
		w.stmt(s.Init, h)
		w.expr(s.Cond, h)
		before, after := maps.Clone(h), held{}
		then := maps.Clone(before)
		reached := w.stmt(s.Body, then)
		if reached {
			maps.Copy(after, then)
		}
		if s.Else == nil {
			maps.Copy(after, before)
			reached = true
		} else {
			other := maps.Clone(before)
			if w.stmt(s.Else, other) {
				maps.Copy(after, other)
				reached = true
			}
		}
		clear(h)
		maps.Copy(h, after)
		return reached
	case *ast.ForStmt:
		w.stmt(s.Init, h)
		w.expr(s.Cond, h)
		w.branch(append(slices.Clone(s.Body.List), s.Post), h, h)
	case *ast.RangeStmt:
		w.ranged(s, h)
		w.expr(s.X, h)
		w.branch(s.Body.List, h, h)
	case *ast.SwitchStmt:
		w.stmt(s.Init, h)
		w.expr(s.Tag, h)
		w.clauses(s.Body, h)
	case *ast.TypeSwitchStmt:
		w.stmt(s.Init, h)
		w.stmt(s.Assign, h)
		w.clauses(s.Body, h)
	case *ast.SelectStmt:
		w.clauses(s.Body, h)
	case *ast.ReturnStmt:
		for _, x := range s.Results {
			w.expr(x, h)
		}
		return false
	case *ast.BranchStmt:
		for _, after := range w.open {
			maps.Copy(after, h)
		}
		return false
	case *ast.DeferStmt:
		// It gives locks back when the function ends: until then they are held.
		w.expr(s.Call, maps.Clone(h))
	case *ast.ExprStmt:
		w.expr(s.X, h)
		if call, ok := s.X.(*ast.CallExpr); ok {
			if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" {
				return false
			}
		}
	default:
		w.expr(s, h)
	}
	return true
}

// clauses goes through those of a switch: one of them runs, or none.
func (w *walker) clauses(body *ast.BlockStmt, h held) {
	before, after := maps.Clone(h), maps.Clone(h)
	for _, c := range body.List {
		switch c := c.(type) {
		case *ast.CaseClause:
			for _, x := range c.List {
				w.expr(x, before)
			}
			w.branch(c.Body, before, after)
		case *ast.CommClause:
			w.branch(append([]ast.Stmt{c.Comm}, c.Body...), before, after)
		}
	}
	maps.Copy(h, after)
}

// ranged notes a loop over a sequence: that calls the sequence.
func (w *walker) ranged(s *ast.RangeStmt, h held) {
	if _, ok := w.p.info.TypeOf(s.X).Underlying().(*types.Signature); !ok {
		return
	}
	w.steps = append(w.steps, step{s.Pos(), "", "range " + types.ExprString(s.X), h.String()})
}

// expr goes through the calls of an expression, or of a simple statement.
func (w *walker) expr(n ast.Node, h held) {
	if n == nil {
		return
	}
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			// It may run here, or later: here is where most can be held.
			w.block(n.Body.List, maps.Clone(h))
			return false
		case *ast.CallExpr:
			return w.call(n, h)
		}
		return true
	})
}

func (w *walker) call(call *ast.CallExpr, h held) bool {
	f, dynamic := w.p.called(call)
	if dynamic {
		w.steps = append(w.steps, step{call.Pos(), "", types.ExprString(call.Fun), h.String()})
		return true
	}
	if f == nil {
		return true
	}
	name := nameOf(f)
	w.steps = append(w.steps, step{call.Pos(), name, "", h.String()})
	if name == "internal/lock: Go" { // on another goroutine, which holds nothing
		for _, x := range call.Args {
			if lit, ok := x.(*ast.FuncLit); ok {
				w.block(lit.Body.List, held{})
			}
		}
		return false
	}
	what := types.ExprString(call)
	if s, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok && isLock(w.p.info.TypeOf(s.X)) {
		what = types.ExprString(s.X)
		switch f.Name() {
		case "Lock", "RLock":
			h[what] = true
		case "Unlock", "RUnlock":
			delete(h, what)
		}
	}
	// A function that gives back is named as that which takes, with un before it.
	switch {
	case w.facts[name]["acquire"]:
		h[what] = true
	case w.facts[name]["release"]:
		for taken := range h {
			if strings.EqualFold(strings.Replace(what, "unlock", "lock", 1), taken) {
				delete(h, taken)
			}
		}
	}
	return true
}

// steps returns those of every function.
func stepsOf(pkgs []*pkg) map[string][]step {
	all := map[string][]step{}
	facts := factsOf(pkgs)
	for _, p := range pkgs {
		for _, f := range p.functions() {
			h := held{}
			if facts[f.name][""] { // +checklocks and +checklocksread
				h["what its caller holds"] = true
			}
			w := walker{p: p, facts: facts}
			w.block(f.decl.Body.List, h)
			all[f.name] = append(all[f.name], w.steps...)
		}
	}
	return all
}

// calledUnderLocks returns the calls with a lock held that lead to user code, and how
// many calls were looked at.
func calledUnderLocks(pkgs []*pkg, rows []row) (faults []string, looked int) {
	all := stepsOf(pkgs)
	leads := map[string]string{} // a function that calls user code: by way of what
	runs := map[string]string{}
	for _, r := range rows {
		if r.whose == users {
			leads[r.function] = r.value
		} else if r.runs != "" {
			runs[r.function+" "+r.value] = r.runs
		}
	}
	for more := true; more; {
		more = false
		for name, steps := range all {
			for _, s := range steps {
				to := s.calls
				if to == "" {
					to = runs[name+" "+s.value]
				}
				if leads[name] == "" && leads[to] != "" {
					leads[name] = to + ", " + leads[to]
					more = true
				}
			}
		}
	}
	user := map[string]bool{}
	for _, r := range rows {
		user[r.function+" "+r.value] = r.whose == users
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, s := range all[name] {
			if s.locked == "" {
				continue
			}
			looked++
			to := s.calls
			if to == "" {
				to = runs[name+" "+s.value]
			}
			at := pkgs[0].fset.Position(s.pos)
			place := fmt.Sprintf("%s:%d: %s", filepath.Base(at.Filename), at.Line, name)
			switch {
			case user[name+" "+s.value]:
				faults = append(faults, fmt.Sprintf("%s calls %s with a lock held: %s", place, s.value, s.locked))
			case leads[to] != "":
				faults = append(faults, fmt.Sprintf("%s calls user code by way of %s, %s, with a lock held: %s", place, to, leads[to], s.locked))
			}
		}
	}
	return faults, looked
}

// waived takes the calls away that are harmless, and tells which of those there were.
func waived(faults []string) (rest, used []string) {
	for _, fault := range faults {
		_, name, _ := strings.Cut(fault, ": ")
		i := slices.IndexFunc(harmless, func(h string) bool { return strings.HasPrefix(name, h+" calls ") })
		if i < 0 {
			rest = append(rest, fault)
		} else {
			used = append(used, harmless[i])
		}
	}
	return rest, used
}

// unlisted compares the calls of values with a table of them.
func unlisted(pkgs []*pkg, rows []row) (faults []string) {
	left := map[string]bool{}
	for _, r := range rows {
		left[r.function+" calls "+r.value] = true
	}
	listed := maps.Clone(left)
	for name, steps := range stepsOf(pkgs) {
		for _, s := range steps {
			if call := name + " calls " + s.value; s.value != "" {
				delete(left, call)
				if !listed[call] {
					at := pkgs[0].fset.Position(s.pos)
					faults = append(faults, fmt.Sprintf("%s:%d: %s, which is not in the table", filepath.Base(at.Filename), at.Line, call))
				}
			}
		}
	}
	for call := range left {
		faults = append(faults, "the table says that "+call)
	}
	slices.Sort(faults)
	return slices.Compact(faults)
}

// unexcluded returns the functions that call user code and do not say that a lock must
// not be held. Exported ones need not: their comments are for users.
func unexcluded(pkgs []*pkg, rows []row) (faults []string) {
	facts := factsOf(pkgs)
	for _, r := range rows {
		name := r.function[strings.LastIndexAny(r.function, " .")+1:]
		if r.whose == users && !token.IsExported(name) && !facts[r.function]["exclude"] {
			faults = append(faults, r.function+" calls user code and has no +checklocksexclude")
		}
	}
	return slices.Compact(faults)
}

func TestUserCodeIsCalledInTheListedFunctionsOnly(t *testing.T) {
	pkgs := load(t, linked(t)...)
	require.Empty(t, strings.Join(unlisted(pkgs, rows), "\n"))
	require.Empty(t, unexcluded(pkgs, rows))
	functions := map[string]bool{}
	for _, r := range rows {
		if r.whose == users {
			functions[r.function] = true
		}
	}
	t.Logf("user code is called in %d functions", len(functions))
}

func TestNoUserCodeRunsUnderALock(t *testing.T) {
	faults, looked := calledUnderLocks(load(t, linked(t)...), rows)
	faults, used := waived(faults)
	require.Empty(t, strings.Join(faults, "\n"))
	require.Equal(t, harmless, used)
	require.Greater(t, looked, 300, "calls under locks")
	t.Logf("%d calls with a lock held, none leads to user code", looked)
}

// The seeds say where user code runs under a lock.
func TestUserCodeUnderALockIsFound(t *testing.T) {
	pkgs := load(t, seeds+"calls")
	const at = "internal/static/testdata/calls: "
	seeded := []row{
		{at + "box.deliver", "b.tell", users, ""},
		{at + "box.direct", "load", users, ""},
		{at + "box.each", "range keys", users, ""},
	}
	require.Empty(t, unlisted(pkgs, seeded))
	faults, _ := calledUnderLocks(pkgs, seeded)
	var want []string
	for _, group := range pkgs[0].files[0].Comments {
		if group.List[0].Text == "// under a lock" {
			want = append(want, fmt.Sprintf("calls.go:%d: ", pkgs[0].fset.Position(group.Pos()).Line))
		}
	}
	require.Len(t, want, 8)
	require.Len(t, faults, len(want), "%s", strings.Join(faults, "\n"))
	for _, place := range want {
		require.True(t, slices.ContainsFunc(faults, func(fault string) bool { return strings.HasPrefix(fault, place) }), "%s is not in\n%s", place, strings.Join(faults, "\n"))
	}
}

func TestACallOfAValueThatIsNotListedIsFound(t *testing.T) {
	pkgs := load(t, seeds+"calls")
	const at = "internal/static/testdata/calls: "
	table := []row{{at + "box.deliver", "b.tell", users, ""}, {at + "box.each", "range keys", users, ""}, {at + "box.good", "b.tell", users, ""}}
	require.Equal(t, []string{
		"calls.go:31: " + at + "box.direct calls load, which is not in the table",
		"the table says that " + at + "box.good calls b.tell",
	}, unlisted(pkgs, table))
	require.Equal(t, []string{
		at + "box.each calls user code and has no +checklocksexclude",
		at + "box.good calls user code and has no +checklocksexclude",
	}, unexcluded(pkgs, table))
}
