package mutants

import (
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sample is a module with functions of every form.
var sample = map[string]string{
	"go.mod": "module sample\n\ngo 1.26\n",
	"main.go": `package main

import (
	"fmt"

	"sample/forms"
)

func main() { fmt.Print(forms.All()) }
`,
	"forms/forms.go": `// Package forms has functions of every form.
package forms

import (
	"fmt"
	"strings"
)

const limit = 3

type pair[K comparable, V any] struct {
	key   K
	value V
}

func (p *pair[K, V]) get(K) (value V, err error) { return p.value, nil }

func (pair[_, V]) kind() string { return "pair" }

type list []int

func (l list) sum(_ ...int) (total int) {
	for _, v := range l {
		total += v
	}
	return
}

func most[T int | string, _ any](planted T, others ...T) T {
	for _, o := range others {
		planted = max(planted, o)
	}
	return planted
}

func joined(words []string, _, _ int) string { return strings.Join(words, "-") }

var noted string

// note has no result.
func note(what string) { // and a comment here
	noted += what
}

func fact(n int) int {
	if n < 2 {
		return 1
	}
	return n * fact(n-1)
}

func counter() func() int {
	n := 0
	return func() int {
		n++
		return n
	}
}

func empty() {}

// All calls them all.
func All() string {
	p := &pair[string, int]{"a", 7}
	v, _ := p.get("a")
	noted = ""
	note("x")
	note("y")
	empty()
	next := counter()
	next()
	return fmt.Sprint(v, " ", p.kind(), " ", list{1, 2}.sum(9), " ", most[int, bool](1, 5, 2), " ", joined([]string{"u", "v"}, 1, 2), " ", noted, " ", fact(4), " ", next(), " ", limit)
}
`,
}

// sampleMutants change one function each, or several, and what they make of it.
var sampleMutants = []struct {
	name, old, new, want string
}{
	{"generic-method", "{ return p.value, nil }", "{ value = p.value; return value, fmt.Errorf(\"no\") }", "7 pair 3 5 u-v xy 24 2 3"},
	{"receiver-without-name", `return "pair"`, `return "odd"`, "7 odd 3 5 u-v xy 24 2 3"},
	{"variadic-without-name", "total += v", "total -= v", "7 pair -3 5 u-v xy 24 2 3"},
	{"generic-function", "max(planted, o)", "min(planted, o)", "7 pair 3 1 u-v xy 24 2 3"},
	{"blank-parameters", `strings.Join(words, "-")`, `strings.ToUpper(strings.Join(words, "-"))`, "7 pair 3 5 U-V xy 24 2 3"},
	{"no-result", "noted += what", "noted = what", "7 pair 3 5 u-v y 24 2 3"},
	{"recursion", "n * fact(n-1)", "n + fact(n-1)", "7 pair 3 5 u-v xy 10 2 3"},
	{"closure", "\t\tn++\n", "\t\tn += 2\n", "7 pair 3 5 u-v xy 24 4 3"},
	{"empty", "func empty() {}", "func empty() { noted = \"\" }", "7 pair 3 5 u-v  24 2 3"},
	{"two-functions", "noted += what\n}\n\nfunc fact(n int) int {\n", "noted += what + what\n}\n\nfunc fact(n int) int {\n\treturn n\n", "7 pair 3 5 u-v xxyy 4 2 3"},
	{"same-function-twice", "noted += what", "noted += strings.ToUpper(what)", "7 pair 3 5 u-v XY 24 2 3"},
	{"with-an-import", "\t\"strings\"\n)\n\nconst limit = 3\n\ntype pair[K comparable, V any] struct {\n\tkey   K\n\tvalue V\n}\n\nfunc (p *pair[K, V]) get(K) (value V, err error) { return p.value, nil }", "\t\"strings\"\n\twords \"unicode\"\n)\n\nconst limit = 3\n\ntype pair[K comparable, V any] struct {\n\tkey   K\n\tvalue V\n}\n\nfunc (p *pair[K, V]) get(K) (value V, err error) { _ = words.IsUpper; return }", "0 pair 3 5 u-v xy 24 2 3"},
	{"a-constant", "limit = 3", "limit = 4", "7 pair 3 5 u-v xy 24 2 4"},
	{"a-signature", "func empty() {}", "func empty() (err error) { return }", "7 pair 3 5 u-v xy 24 2 3"},
	{"a-type", "\tkey   K\n", "\tkey   any\n", "7 pair 3 5 u-v xy 24 2 3"},
}

// TestSchemata: in one build each bug alone does what it does in a build of its
// own, and without any the program is as it was.
func TestSchemata(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	for file, text := range sample {
		path := filepath.Join(root, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	var list []Mutant
	want := map[string]string{}
	for _, m := range sampleMutants {
		list = append(list, Mutant{Name: m.name, File: "forms/forms.go", Old: m.old, New: m.new})
		want[m.name] = m.want
	}
	s, err := NewSchemata(root, dir, list, map[string]string{
		"name.go": "package main\n\nimport \"sample/internal/planted\"\n\nfunc init() { print(planted.Name, \": \") }\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	var alone []string
	for _, m := range s.Alone {
		alone = append(alone, m.Name)
	}
	if got := strings.Join(alone, " "); got != "a-constant a-signature a-type" {
		t.Errorf("alone are %s", got)
	}
	program := buildSample(t, root, s.Overlay)
	want[""] = "7 pair 3 5 u-v xy 24 2 3"
	for name, want := range want {
		in, says := program, name+": "+want
		if slices.Contains(alone, name) {
			i := slices.IndexFunc(list, func(m Mutant) bool { return m.Name == name })
			overlay, err := list[i].Overlay(root, dir)
			if err != nil {
				t.Fatal(err)
			}
			in, says = buildSample(t, root, overlay), want
		}
		cmd := exec.Command(in)
		cmd.Env = append(os.Environ(), Switch+"="+name)
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != says {
			t.Errorf("%q says %q, error %v; want %q", name, out, err, says)
		}
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), Switch+"=nothing")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "no bug is named nothing") {
		t.Errorf("an unknown name: %s, error %v", out, err)
	}
	if entries, err := os.ReadDir(root); err != nil || len(entries) != 3 {
		t.Errorf("the tree is not as it was: %v, error %v", entries, err)
	}
}

func buildSample(t *testing.T, root, overlay string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", "build", "-overlay", overlay, "-o", program, ".")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// TestSchemataNamesTheMutant whose text is stale, or is not Go.
func TestSchemataNamesTheMutant(t *testing.T) {
	root := t.TempDir()
	for file, text := range map[string]string{"go.mod": "module sample\n", "a.go": "package sample\n\nfunc f() {}\n"} {
		if err := os.WriteFile(filepath.Join(root, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		m    Mutant
		want error
	}{
		{Mutant{Name: "gone", File: "a.go", Old: "g()", New: "h()"}, ErrStale},
		{Mutant{Name: "broken", File: "a.go", Old: "{}", New: "{"}, ErrNotBuilt},
		{Mutant{Name: "elsewhere", File: "b.go", Old: "a", New: "b"}, os.ErrNotExist},
	} {
		if _, err := NewSchemata(root, t.TempDir(), []Mutant{c.m}, nil); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.m.Name) {
			t.Errorf("%s: %v, want %v", c.m.Name, err, c.want)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "internal", "planted"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := NewSchemata(root, t.TempDir(), nil, nil); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("a tree that has the package: %v", err)
	}
}

// TestNothingOfSchemataInTheTree: no package of the module asks which bug is on.
func TestNothingOfSchemataInTheTree(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./...")
	cmd.Dir = moduleRoot(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if strings.Contains(string(out), "/"+switchFolder+"\n") {
		t.Errorf("the module has %s", switchFolder)
	}
}

// TestSchemataOfAllMutantsCompile: all mutants go into one build.
func TestSchemataOfAllMutantsCompile(t *testing.T) {
	root := moduleRoot(t)
	s, err := NewSchemata(root, t.TempDir(), All(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range s.Alone {
		t.Errorf("mutant %s changes more than the bodies of functions: it takes a build of its own each time", m.Name)
	}
	packages, exports := listed(t, root)
	set := token.NewFileSet()
	var planted *types.Package
	compiled := importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no compiled form of %s", path)
		}
		return os.Open(exports[path])
	})
	check := types.Config{Importer: importerFunc(func(path string) (*types.Package, error) {
		if strings.HasSuffix(path, "/"+switchFolder) {
			return planted, nil
		}
		return compiled.Import(path)
	})}
	parse := func(path string, source any) *ast.File {
		file, err := parser.ParseFile(set, path, source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	if planted, err = check.Check("planted", set, []*ast.File{parse("planted.go", s.Files[switchFolder+"/planted.go"])}, nil); err != nil {
		t.Fatal(err)
	}
	folders := map[string]bool{}
	for file := range s.Files {
		folders[filepath.Dir(file)] = true
	}
	delete(folders, switchFolder)
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		p := packages[folder]
		var files []*ast.File
		for _, name := range p.GoFiles {
			var source any
			if text := s.Files[folder+"/"+name]; text != nil {
				source = text
			}
			files = append(files, parse(filepath.Join(p.Dir, name), source))
		}
		if _, err := check.Check(p.ImportPath, set, files, nil); err != nil {
			t.Errorf("%s: %v", folder, err)
		}
	}
}

type importerFunc func(path string) (*types.Package, error)

func (f importerFunc) Import(path string) (*types.Package, error) { return f(path) }
