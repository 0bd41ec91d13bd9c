// Package mutants keeps planted bugs, so that tests can be tested: each mutant
// is one change of one source file that brings back a bug which real systems
// had, and names the test that must fail on it. A test suite that lets a mutant
// live does not guard against its bug.
//
// A mutant never touches the tree: Overlay writes the changed file elsewhere,
// with a description that the go command takes by its -overlay flag. So any
// program or test can be built with the bug in it:
//
//	go test -overlay bug.json ./consensus/...
//
// NewSchemata puts many mutants into one build, all of them off: the variable of
// the environment that Switch names turns one on. The Level of a mutant says what
// finds it there.
//
// The mutants of a package stand in one file, named after it, and All lists
// them. The number of a mutant's Hazard is that of the tests named
// TestHazardNN_… that guard against the same bug.
package mutants

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

var (
	// ErrStale is returned when the text that a mutant replaces does not occur
	// exactly once in its file: the source has changed. Correct the mutant's Old.
	ErrStale = errors.New("mutants: the text to replace does not occur exactly once")

	// ErrNotBuilt is returned when a mutated program does not compile, or its
	// tests could not be run. It says nothing of the tests: correct the mutant.
	ErrNotBuilt = errors.New("mutants: the mutated tests did not run")
)

// Level is a way to find a bug.
type Level uint8

// The levels.
const (
	BySeeds  Level = iota // seeds of groups in the simulator
	ByFleets              // seeds of whole fleets
	ByCore                // random schedules of the protocol alone, of package consensus
	BySearch              // the search of all that can happen within a scope
	ByTest                // the test that CaughtBy names, and nothing else
)

// Mutant is a planted bug.
type Mutant struct {
	Name   string // unique, in lower case with hyphens; it names files
	Hazard int    // the number of the hazard that it brings back
	File   string // from the module's root, with slashes
	// Old is replaced by New. It occurs exactly once in File.
	Old, New string
	// Also are further changes of the same file, where one alone is harmless.
	Also []Change
	// Level is what fleetsim finds the bug with: BySeeds unless said otherwise.
	Level Level
	// Scope is that of internal/explore, for BySearch.
	Scope string
	// Why says, for ByTest, why neither seeds nor the search can see the bug.
	Why string
	// CaughtBy are the arguments of "go test", separated by blanks, with which
	// the bug must be found: a package and the test's name at least.
	CaughtBy string
}

// Change replaces Old, which occurs exactly once in the file, by New.
type Change struct{ Old, New string }

// All returns every mutant, those of one package together.
func All() []Mutant {
	return slices.Concat(consensusMutants, groupMutants, walMutants, fleetMutants)
}

// Find returns the mutant of that name.
func Find(name string) (Mutant, bool) {
	for _, m := range All() {
		if m.Name == name {
			return m, true
		}
	}
	return Mutant{}, false
}

// Root returns the folder of the module that the working folder is in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("mutants: find the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("mutants: no go.mod in the working folder nor above it; run it within the module")
		}
		dir = parent
	}
}

// Apply returns the source with the bug in it, or ErrStale.
func (m *Mutant) Apply(source []byte) ([]byte, error) {
	for _, c := range append([]Change{{m.Old, m.New}}, m.Also...) {
		if n := bytes.Count(source, []byte(c.Old)); n != 1 {
			return nil, fmt.Errorf("%w: mutant %s, %s: %d times", ErrStale, m.Name, m.File, n)
		}
		source = bytes.Replace(source, []byte(c.Old), []byte(c.New), 1)
	}
	return source, nil
}

// Overlay writes the mutated file and its description for the go command to
// dir, and returns the description's path. The module at root is only read.
func (m *Mutant) Overlay(root, dir string) (path string, err error) {
	original := filepath.Join(root, filepath.FromSlash(m.File))
	source, err := os.ReadFile(original)
	if err != nil {
		return "", fmt.Errorf("mutants: mutant %s: %w", m.Name, err)
	}
	mutated, err := m.Apply(source)
	if err != nil {
		return "", err
	}
	replacement := filepath.Join(dir, m.Name+".go")
	description, err := json.Marshal(map[string]map[string]string{"Replace": {original: replacement}})
	if err != nil {
		return "", fmt.Errorf("mutants: mutant %s: %w", m.Name, err)
	}
	path = filepath.Join(dir, m.Name+".json")
	if err := errors.Join(os.WriteFile(replacement, mutated, 0o600), os.WriteFile(path, description, 0o600)); err != nil {
		return "", fmt.Errorf("mutants: mutant %s: %w", m.Name, err)
	}
	return path, nil
}
