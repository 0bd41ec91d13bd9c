package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/raftfleet/raftfleet/internal/mutants"
)

// plantedBug is the bug that is on in this program, "" in one that was built
// without any.
var plantedBug string

// plantedFile sets plantedBug in a program that is built with bugs.
const plantedFile = `package main

import "github.com/raftfleet/raftfleet/internal/planted"

func init() { plantedBug = planted.Name }
`

// garden is a folder with programs that have bugs planted in them.
type garden struct {
	root, dir string
	schemata  *mutants.Schemata
	binary    string // with all bugs but those that stand alone
	core      string // the schedules of the core with them, once compileCore has built it
}

// plantGarden writes the overlay with these bugs. The caller removes the folder.
func plantGarden(list []mutants.Mutant) (g *garden, err error) {
	g = &garden{}
	if g.root, err = mutants.Root(); err != nil {
		return nil, err
	}
	if g.dir, err = os.MkdirTemp("", "fleetsim-mutants-"); err != nil {
		return nil, fmt.Errorf("a folder for the program with bugs: %w", err)
	}
	g.schemata, err = mutants.NewSchemata(g.root, g.dir, list, map[string]string{"cmd/fleetsim/planted.go": plantedFile})
	if err != nil {
		return nil, errors.Join(err, g.remove())
	}
	return g, nil
}

func (g *garden) remove() error { return os.RemoveAll(g.dir) }

// compile builds this program with all bugs.
func (g *garden) compile(ctx context.Context) (err error) {
	g.binary, err = g.build(ctx, "fleetsim", g.schemata.Overlay)
	return err
}

// build builds this program with an overlay.
func (g *garden) build(ctx context.Context, name, overlay string) (binary string, err error) {
	binary = filepath.Join(g.dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-o", binary, "./cmd/fleetsim")
	cmd.Dir = g.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the program with planted bugs does not build: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return binary, nil
}

// alone reports whether the mutant takes a build of its own.
func (g *garden) alone(m *mutants.Mutant) bool {
	return slices.ContainsFunc(g.schemata.Alone, func(a mutants.Mutant) bool { return a.Name == m.Name })
}

// on is the environment that turns a bug on.
func on(m *mutants.Mutant) []string { return append(os.Environ(), mutants.Switch+"="+m.Name) }

// program is the binary with the mutant in it, and what its environment needs.
func (g *garden) program(ctx context.Context, m *mutants.Mutant) (binary string, environment []string, err error) {
	if !g.alone(m) {
		return g.binary, on(m), nil
	}
	overlay, err := m.Overlay(g.root, g.dir)
	if err != nil {
		return "", nil, err
	}
	binary, err = g.build(ctx, "fleetsim-"+m.Name, overlay)
	return binary, os.Environ(), err
}

// runPlanted carries a command line out in a program with the bug that it names.
func runPlanted(ctx context.Context, name string, args []string, stdout, stderr io.Writer) (status int, err error) {
	m, err := find(name)
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(stderr, "building with %s ...\n", name)
	g, err := plantGarden([]mutants.Mutant{m})
	if err != nil {
		return 0, err
	}
	if len(g.schemata.Alone) == 0 {
		err = g.compile(ctx)
	}
	var binary string
	var environment []string
	if err == nil {
		binary, environment, err = g.program(ctx, &m)
	}
	if err == nil {
		cmd := exec.CommandContext(ctx, binary, args...)
		cmd.Env, cmd.Stdout, cmd.Stderr = environment, stdout, stderr
		interruptible(cmd)
		err = cmd.Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			status, err = max(exit.ExitCode(), 1), nil
		}
	}
	return status, errors.Join(err, g.remove())
}

// find is the mutant of that name.
func find(name string) (mutants.Mutant, error) {
	m, ok := mutants.Find(name)
	if !ok {
		return m, fmt.Errorf("--plant is %q: give the name of a bug as --mutants lists them", name)
	}
	return m, nil
}
