package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/raftfleet/raftfleet/internal/mutants"
)

// Random schedules of the protocol alone are a test of package consensus, which
// sees the inside of a core; a thousand of them take a few seconds.
const (
	corePackage = "./consensus"
	coreTest    = "^TestRandomSchedules$"
)

// compileCore builds the test with an overlay.
func (g *garden) compileCore(ctx context.Context) error {
	binary := filepath.Join(g.dir, "consensus.test")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", g.schemata.Overlay, "-o", binary, corePackage)
	cmd.Dir = g.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the schedules of the core do not build with bugs in it: %w: %s", err, strings.TrimSpace(string(out)))
	}
	g.core = binary
	return nil
}

// runCore runs random schedules with the bug until a promise is broken.
func (r *mutantRow) runCore(ctx context.Context, s *settings, g *garden, m *mutants.Mutant) {
	schedules := cmp.Or(int64(s.count), enough[levelCore])
	args := []string{"-test.run", coreTest, "-test.timeout", "0", "-seeds", fmt.Sprint(schedules)}
	if g.alone(m) {
		r.Error = "it changes more than the bodies of functions, and the schedules are built once for all"
		return
	}
	limited, cancel := context.WithTimeout(ctx, s.perMutant)
	defer cancel()
	cmd := exec.CommandContext(limited, g.core, args...)
	cmd.Dir, cmd.Env = filepath.Join(g.root, filepath.FromSlash(corePackage)), on(m)
	interruptible(cmd)
	out, err := cmd.CombinedOutput()
	r.computed(cmd)
	var exit *exec.ExitError
	switch seed, broken, found := failedSchedule(string(out)); {
	case limited.Err() != nil:
		r.Error = fmt.Sprintf("no end within %v", s.perMutant)
	case err == nil:
		r.Seeds += schedules
	case !errors.As(err, &exit) || !found:
		r.Error = fmt.Sprintf("%v: %s", err, lastLine(out))
	default:
		r.Seeds += seed
		broken, _, _ = strings.Cut(broken, ": {") // how the member is, at length
		r.Caught, r.By = true, broken
		r.Replay = fmt.Sprintf("go run ./cmd/fleetsim --plant %s --level core --seed %d", m.Name, seed)
	}
}

// failedSchedule reads the seed and the broken promise from what the test says.
func failedSchedule(output string) (seed int64, broken string, found bool) {
	for line := range strings.Lines(output) {
		_, rest, ok := strings.Cut(line, ": seed ")
		number, broken, also := strings.Cut(rest, ": ")
		seed, err := strconv.ParseInt(number, 10, 64)
		if ok && also && err == nil {
			return seed, strings.TrimSpace(broken), true
		}
	}
	return 0, "", false
}

func lastLine(out []byte) string {
	out = bytes.TrimSpace(out)
	return string(out[bytes.LastIndexByte(out, '\n')+1:])
}

// tellCore runs one schedule and tells all its messages.
func tellCore(ctx context.Context, s *settings, stdout, stderr io.Writer) (status int, err error) {
	root, err := mutants.Root()
	if err != nil {
		return 0, err
	}
	args := []string{"test", "-count=1", "-vet=off"}
	var environment []string
	if s.plant != "" {
		m, err := find(s.plant)
		if err != nil {
			return 0, err
		}
		g, err := plantGarden([]mutants.Mutant{m})
		if err != nil {
			return 0, err
		}
		defer g.remove()
		environment = on(&m)
		args = append(args, "-overlay", g.schemata.Overlay)
	}
	args = append(args, corePackage, "-run", coreTest, "-seed", fmt.Sprint(s.seed))
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = root, environment, stdout, stderr
	interruptible(cmd)
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return 1, nil
	}
	return 0, err
}
