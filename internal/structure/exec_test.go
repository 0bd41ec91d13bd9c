package structure

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// onExec lists the packages whose code the simulator runs: what they start, wait for
// and ask of the clock goes through an exec.Exec, and chance is given to them.
var onExec = []string{"cache", "fleet"}

// raw is what such a package must not use, and what to use instead.
var raw = map[string]map[string]string{
	"time": {
		"Now": "Exec.Now", "Since": "Exec.Now", "Until": "Exec.Now", "Sleep": "exec.Sleep", "Tick": "exec.Sleep", "After": "Exec.AfterFunc",
		"NewTimer": "Exec.AfterFunc", "NewTicker": "exec.Sleep", "AfterFunc": "Exec.AfterFunc",
	},
	"context": {
		"WithTimeout": "exec.WithTimeout", "WithTimeoutCause": "exec.WithTimeout", "WithDeadline": "exec.WithDeadline",
		"WithDeadlineCause": "exec.WithDeadline", "WithCancel": "exec.WithCancel", "WithCancelCause": "exec.WithCancel", "AfterFunc": "Exec.Go",
	},
	"sync": {"Cond": "exec.Await", "NewCond": "exec.Await", "WaitGroup": "fleet.tasks"},
	"github.com/raftfleet/raftfleet/internal/ident": {
		"NewNodeID": "assemble.Parts.ID", "NewFleetID": "assemble.Parts.ID",
	},
}

// rawImports are packages of which nothing may be used.
var rawImports = []string{"math/rand", "math/rand/v2", "crypto/rand", "golang.org/x/sync/errgroup"}

// rawAllowed are functions that may, and why.
var rawAllowed = map[string]string{
	"fleet/admin.go closeAdmin":      "the HTTP server is the machine's; a simulated node has none",
	"fleet/assemble.go machineParts": "these are the machine's parts",
	"fleet/node.go Open":             "the node's own context ends by its cancel alone: it has no clock and no parent",
	"fleet/wait.go await":            "blocks only where Park leaves it to the machine",
	"fleet/waiter.go wait":           "blocks only on exec.System, with a timer that is used again: there is one for each command",
	"fleet/waiter.go newWaiter":      "that timer",
}

// TestCodeThatTheSimulatorRunsWaitsOnItsExec looks for goroutines, timers, clocks,
// chance and channel operations that a simulator would not know of.
func TestCodeThatTheSimulatorRunsWaitsOnItsExec(t *testing.T) {
	used := make(map[string]bool)
	for _, dir := range onExec {
		files, err := filepath.Glob(filepath.Join("..", "..", dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no files: %v", dir, err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			checkRaw(t, dir+"/"+filepath.Base(path), path, used)
		}
	}
	for where := range rawAllowed {
		if !used[where] {
			t.Errorf("%s is allowed what it does not do: take it off the list", where)
		}
	}
}

func checkRaw(t *testing.T, name, path string, used map[string]bool) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	imports := make(map[string]string) // by the name that the file uses
	function := "init"
	report := func(n ast.Node, what string) {
		where := name + " " + function
		if rawAllowed[where] != "" {
			used[where] = true
			return
		}
		t.Errorf("%s:%d, in %s: %s", name, set.Position(n.Pos()).Line, function, what)
	}
	for _, s := range file.Imports {
		p, _ := strconv.Unquote(s.Path.Value)
		local := p[strings.LastIndex(strings.TrimSuffix(p, "/v2"), "/")+1:]
		local = strings.TrimSuffix(local, "/v2")
		if s.Name != nil {
			local = s.Name.Name
		}
		imports[local] = p
	}
	for _, d := range file.Decls {
		function = "init"
		if f, ok := d.(*ast.FuncDecl); ok {
			function = f.Name.Name
		}
		polled := make(map[ast.Node]bool) // operations of a select that does not wait
		ast.Inspect(d, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				report(n, "go: use Exec.Go")
			case *ast.SelectStmt:
				waits := !slices.ContainsFunc(n.Body.List, func(c ast.Stmt) bool { return c.(*ast.CommClause).Comm == nil })
				if waits {
					report(n, "a select that waits: use exec.Await or Node.await")
				}
				for _, c := range n.Body.List {
					if comm := c.(*ast.CommClause).Comm; comm != nil {
						ast.Inspect(comm, func(n ast.Node) bool { polled[n] = true; return true })
					}
				}
			case *ast.UnaryExpr:
				if n.Op == token.ARROW && !polled[n] {
					report(n, "a receive that waits: use exec.Await")
				}
			case *ast.SelectorExpr:
				local, ok := n.X.(*ast.Ident)
				if !ok || imports[local.Name] == "" {
					return true
				}
				if instead := raw[imports[local.Name]][n.Sel.Name]; instead != "" {
					report(n, local.Name+"."+n.Sel.Name+": use "+instead)
				}
				if slices.Contains(rawImports, imports[local.Name]) {
					report(n, local.Name+"."+n.Sel.Name+": use what assemble.Parts gives")
				}
			}
			return true
		})
	}
}
