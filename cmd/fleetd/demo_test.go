package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/raftfleet/raftfleet/internal/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.RemoveBuilt()
	os.Exit(code)
}

func TestTheDemonstrationAccountsForEverything(t *testing.T) {
	binary, err := harness.Build()
	if err != nil {
		t.Fatal(err)
	}
	temporary := t.TempDir()
	cmd := exec.Command(binary, "demo", "--nodes", "3", "--zones", "1", "--groups", "6", "--for", "6s")
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
	b, err := cmd.CombinedOutput()
	out := string(b)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"fleetctl --addr 127.0.0.1:", "kill -9", "is started again with its data", "applied exactly once"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output does not say %q:\n%s", want, out)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(temporary, "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestASecondInterruptLeavesNothingBehind(t *testing.T) {
	binary, err := harness.Build()
	if err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"starting 3 nodes", "clients add to the counters"} {
		temporary, out := t.TempDir(), newLogged()
		cmd := exec.Command(binary, "demo", "--nodes", "3", "--zones", "1", "--groups", "6", "--for", "5m")
		cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out.await(t, when)
		for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
		}
		cmd.Wait() // with an account or without
		if left, _ := filepath.Glob(filepath.Join(temporary, "*")); len(left) > 0 {
			t.Errorf("at %q: left behind: %q\n%s", when, left, out.buffer.String())
		}
	}
}

func TestADemonstrationThatFailsSaysWhereItsDataIs(t *testing.T) {
	d := &demonstration{}
	dir := t.TempDir()
	if err := d.leave(dir, errors.New("the account does not hold")); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v does not name %s", err, dir)
	}
	for _, early := range []error{nil, errEarly, errAtOnce} {
		if err := d.leave(filepath.Join(dir, "x"), early); !errors.Is(err, early) {
			t.Errorf("%v became %v", early, err)
		}
	}
}

func TestTheDemonstrationRefusesAFolderWithSomethingInIt(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "letter.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := demoOptions{nodes: 3, zones: 1, groups: 1, length: 1 << 40, data: dir}
	if err := o.validate(); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v does not name %s", err, dir)
	}
}

func TestNumbersAreReadable(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1 000", 1234567: "1 234 567", -4321: "-4 321"} {
		if got := number(n); got != want {
			t.Errorf("number(%d) is %q, not %q", n, got, want)
		}
	}
}
