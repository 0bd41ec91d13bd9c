package mutants

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	chosen = flag.String("mutants", "", "plant the mutants whose names match this regular expression; '.' is all of them")
	every  = flag.Int("every", 8, "without -mutants: plant one of so many")
)

func moduleRoot(t *testing.T) string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestMutantsFitTheSource: a mutant that no longer finds its place would be
// planted nowhere and prove nothing.
func TestMutantsFitTheSource(t *testing.T) {
	root := moduleRoot(t)
	names := map[string]bool{}
	for _, m := range All() {
		if names[m.Name] {
			t.Errorf("two mutants are named %s", m.Name)
		}
		names[m.Name] = true
		if m.Name == "" || m.Hazard < 1 || m.Old == m.New || len(strings.Fields(m.CaughtBy)) < 2 {
			t.Errorf("mutant %q: a name, a hazard, a change and the test that catches it are needed", m.Name)
		}
		if (m.Level == BySearch) != (m.Scope != "") || (m.Level == ByTest) != (m.Why != "") {
			t.Errorf("mutant %s: a search needs a scope, a test alone needs a reason, and nothing else does", m.Name)
		}
		source, err := os.ReadFile(filepath.Join(root, m.File))
		if err != nil {
			t.Errorf("mutant %s: %v", m.Name, err)
			continue
		}
		if _, err := m.Apply(source); err != nil {
			t.Error(err)
		}
	}
}

type listedPackage struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// listed returns the packages that mutants change, by folder from the root, and
// where the compiled form of everything they import is.
func listed(t *testing.T, root string) (map[string]listedPackage, map[string]string) {
	t.Helper()
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles"}
	folders := map[string]bool{}
	for _, m := range All() {
		if folder := filepath.Dir(m.File); !folders[folder] {
			folders[folder] = true
			args = append(args, "./"+folder)
		}
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages, exports := map[string]listedPackage{}, map[string]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listedPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages, exports
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if folder, err := filepath.Rel(root, p.Dir); err == nil {
			packages[folder] = p
		}
	}
}

// TestMutantsCompile: a mutant that the compiler finds is not caught by a test.
func TestMutantsCompile(t *testing.T) {
	root := moduleRoot(t)
	packages, exports := listed(t, root)
	files := token.NewFileSet()
	imports := importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no compiled form of %s", path)
		}
		return os.Open(exports[path])
	})
	for _, m := range All() {
		p := packages[filepath.Dir(m.File)]
		var parsed []*ast.File
		for _, name := range p.GoFiles {
			path := filepath.Join(p.Dir, name)
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if name == filepath.Base(m.File) {
				if source, err = m.Apply(source); err != nil {
					t.Fatal(err)
				}
			}
			file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
			if err != nil {
				t.Errorf("mutant %s: %v", m.Name, err)
			}
			parsed = append(parsed, file)
		}
		check := types.Config{Importer: imports}
		if _, err := check.Check(p.ImportPath, files, parsed, nil); err != nil {
			t.Errorf("mutant %s does not compile: %v", m.Name, err)
		}
	}
}

// TestMutantsAreCaught turns mutants on, each alone, and expects the test that is
// named to fail: a sample of them, or those that the flag names.
func TestMutantsAreCaught(t *testing.T) {
	root, dir := moduleRoot(t), t.TempDir()
	schemata, err := NewSchemata(root, dir, All(), nil)
	if err != nil {
		t.Fatal(err)
	}
	match, err := regexp.Compile(*chosen)
	if err != nil {
		t.Fatal(err)
	}
	planted := 0
	for i, m := range All() {
		if *chosen == "" && (testing.Short() || i%*every != 0) || !match.MatchString(m.Name) {
			continue
		}
		planted++
		t.Run(m.Name, func(t *testing.T) {
			caught, output, err := schemata.Test(t.Context(), root, dir, &m)
			if err != nil {
				t.Fatal(err)
			}
			if !caught {
				t.Fatalf("hazard %d lives: go test %s\n%s", m.Hazard, m.CaughtBy, output)
			}
		})
	}
	t.Logf("planted %d of %d", planted, len(All()))
}

// TestStaleMutant: text that is not there, or is there twice, is an error.
func TestStaleMutant(t *testing.T) {
	m := Mutant{Name: "stale", Old: "a", New: "b"}
	for source, want := range map[string]error{"x": ErrStale, "a a": ErrStale, "a": nil} {
		if _, err := m.Apply([]byte(source)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", source, err, want)
		}
	}
	m.Also = []Change{{Old: "c", New: "d"}}
	if got, err := m.Apply([]byte("a c")); err != nil || string(got) != "b d" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := m.Apply([]byte("a")); !errors.Is(err, ErrStale) {
		t.Errorf("without the second place: %v", err)
	}
}
