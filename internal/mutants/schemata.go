package mutants

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Switch is the variable of the environment that turns a bug on, by the mutant's
// name, in a program that was built with Schemata. Without it the program is as
// it is without Schemata.
const Switch = "RAFTFLEET_PLANTED"

// switchFolder is where the overlay puts the package that reads Switch. The tree
// has no such folder.
const switchFolder = "internal/planted"

// Schemata are many mutants in one build: each function that a mutant changes is
// there as it was and once more for each change, and asks which of them is meant.
type Schemata struct {
	// Overlay is the path of the description for the go command's -overlay flag.
	Overlay string
	// Alone are the mutants that need a build of their own: they change more than
	// the bodies of functions. See Mutant.Overlay.
	Alone []Mutant
	// Files are the replaced and added files, by their path in the module.
	Files map[string][]byte
}

// NewSchemata writes an overlay with the given mutants for the module at root to
// dir. It adds the further files, by path from the root; they may import the
// package internal/planted, whose variable Name is the name of the bug that is on.
// It fails with ErrStale, or ErrNotBuilt where a mutant is not even Go.
func NewSchemata(root, dir string, list []Mutant, further map[string]string) (*Schemata, error) {
	module, err := modulePath(root)
	if err != nil {
		return nil, err
	}
	switchFile := filepath.Join(root, filepath.FromSlash(switchFolder), "planted.go")
	if _, err := os.Stat(filepath.Dir(switchFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("mutants: %s is for overlays alone: remove it from the tree", switchFolder)
	}
	s := &Schemata{Files: make(map[string][]byte)}
	combined := make(map[string]*combiner)
	var on []Mutant
	for _, m := range list {
		c, err := m.combine(root, combined[m.File], len(on)+1)
		switch {
		case errors.Is(err, errAlone):
			s.Alone = append(s.Alone, m)
			continue
		case err != nil:
			return nil, err
		}
		combined[m.File] = c
		on = append(on, m)
	}
	for file, c := range combined {
		s.Files[file] = c.bytes(module + "/" + switchFolder)
	}
	s.Files[switchFolder+"/planted.go"] = switchSource(on)
	for file, text := range further {
		s.Files[file] = []byte(text)
	}
	return s, s.write(root, dir)
}

// combine adds the mutant to its file's combiner, which it makes where there is none.
func (m *Mutant) combine(root string, c *combiner, number int) (*combiner, error) {
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.File)))
	if err != nil {
		return nil, fmt.Errorf("mutants: mutant %s: %w", m.Name, err)
	}
	mutated, err := m.Apply(source)
	if err != nil {
		return nil, err
	}
	if c == nil {
		if c, err = newCombiner(source); err != nil {
			return nil, fmt.Errorf("mutants: %s: %w", m.File, err)
		}
	}
	err = c.add(variant{number, "__planted_" + strings.ReplaceAll(m.Name, "-", "_"), mutated})
	if err != nil && !errors.Is(err, errAlone) {
		return nil, fmt.Errorf("%w: mutant %s: %w", ErrNotBuilt, m.Name, err)
	}
	return c, err
}

// write puts the files and their description where the go command finds them.
func (s *Schemata) write(root, dir string) error {
	replace := make(map[string]string, len(s.Files))
	for i, file := range slices.Sorted(maps.Keys(s.Files)) {
		path := filepath.Join(dir, fmt.Sprintf("%03d-%s", i, filepath.Base(file)))
		if err := os.WriteFile(path, s.Files[file], 0o600); err != nil {
			return fmt.Errorf("mutants: write an overlay: %w", err)
		}
		replace[filepath.Join(root, filepath.FromSlash(file))] = path
	}
	description, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return fmt.Errorf("mutants: describe an overlay: %w", err)
	}
	s.Overlay = filepath.Join(dir, "planted.json")
	if err := os.WriteFile(s.Overlay, description, 0o600); err != nil {
		return fmt.Errorf("mutants: write an overlay: %w", err)
	}
	return nil
}

// switchSource is the package that says which bug is on: the i-th has number i+1.
func switchSource(on []Mutant) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `// Package planted says which planted bug is on.
package planted

import "os"

// Name is that of the bug that is on, "" if none is, and Bug its number.
var (
	Name = os.Getenv(%q)
	Bug  = number(Name)
)

func number(name string) int {
	for i, known := range []string{"",
`, Switch)
	for _, m := range on {
		fmt.Fprintf(&b, "\t\t%q,\n", m.Name)
	}
	b.WriteString("\t} {\n\t\tif known == name {\n\t\t\treturn i\n\t\t}\n\t}\n\tpanic(\"no bug is named \" + name)\n}\n")
	return []byte(b.String())
}

// modulePath reads the module's path from its go.mod.
func modulePath(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("mutants: find the module's path: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "module "); ok {
			return strings.Trim(strings.TrimSpace(path), `"`), nil
		}
	}
	return "", fmt.Errorf("mutants: %s names no module", filepath.Join(root, "go.mod"))
}
