package mutants

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Test runs "go test" with the bug planted and returns whether a test failed on
// it, and what was printed. Without arguments it runs what CaughtBy names. dir
// takes the overlay. A mutant that does not compile is ErrNotBuilt, not caught.
func (m *Mutant) Test(ctx context.Context, root, dir string, args ...string) (caught bool, output string, err error) {
	overlay, err := m.Overlay(root, dir)
	if err != nil {
		return false, "", err
	}
	return m.test(ctx, root, overlay, os.Environ(), args)
}

// Test is Mutant.Test in the build with all mutants, which is compiled once for
// all of them. The mutant is one of those that NewSchemata was given, dir the
// folder that it wrote to.
func (s *Schemata) Test(ctx context.Context, root, dir string, m *Mutant, args ...string) (caught bool, output string, err error) {
	if slices.ContainsFunc(s.Alone, func(alone Mutant) bool { return alone.Name == m.Name }) {
		return m.Test(ctx, root, dir, args...)
	}
	return m.test(ctx, root, s.Overlay, append(os.Environ(), Switch+"="+m.Name), args)
}

func (m *Mutant) test(ctx context.Context, root, overlay string, environment, args []string) (caught bool, output string, err error) {
	if len(args) == 0 {
		args = strings.Fields(m.CaughtBy)
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-overlay", overlay, "-count=1", "-vet=off", "-timeout=5m"}, args...)...)
	cmd.Dir, cmd.Env = root, environment
	out, err := cmd.CombinedOutput()
	output = string(out)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return false, output, fmt.Errorf("mutants: mutant %s: %w", m.Name, ctx.Err())
	case err == nil && strings.Contains(output, "no tests to run"):
		return false, output, fmt.Errorf("%w: mutant %s: no test is named %q", ErrNotBuilt, m.Name, m.CaughtBy)
	case err == nil:
		return false, output, nil
	case !errors.As(err, &exit):
		return false, output, fmt.Errorf("mutants: mutant %s: %w", m.Name, err)
	case strings.Contains(output, "--- FAIL") || strings.Contains(output, "panic: "):
		return true, output, nil
	}
	return false, output, fmt.Errorf("%w: mutant %s: %w\n%s", ErrNotBuilt, m.Name, err, output)
}
