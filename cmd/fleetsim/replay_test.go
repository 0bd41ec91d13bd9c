package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// The command that a failing run prints fails in the same way, and so does that of
// the smaller run that it looks for.
func TestAFailureIsRepeatedByItsCommand(t *testing.T) {
	for _, level := range []string{"group", "fleet"} {
		t.Run(level, func(t *testing.T) {
			first := told(t, "--level", level, "--broken", "nosync", "--count", "40", "--workers", "1")
			command, ok := strings.CutPrefix(first.Shrunk, "go run ./cmd/fleetsim ")
			if !ok {
				t.Fatalf("the replay is %q", first.Shrunk)
			}
			again := told(t, strings.Fields(command)...)
			want, _, _ := strings.Cut(first.Violations[0], ":")
			if got, _, _ := strings.Cut(again.Violations[0], ":"); got != want {
				t.Errorf("%s: violates %q, it was %q", command, got, want)
			}
		})
	}
}

// told runs a command that must fail and returns its report.
func told(t *testing.T, args ...string) report {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(context.Background(), append(args, "--json"), &stdout, &stderr); code != 1 {
		t.Fatalf("%v: status %d\n%s", args, code, stderr.String())
	}
	var r report
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil || len(r.Violations) == 0 {
		t.Fatalf("%v: %v\n%s", args, err, stdout.String())
	}
	return r
}

func TestFleetsOnlyHaveASize(t *testing.T) {
	for _, args := range [][]string{
		{"--nodes", "3"}, {"--level", "all", "--groups", "1"}, {"--level", "fleet", "--broken", "wildclocks"},
	} {
		if _, err := parse(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
	s, err := parse([]string{"--level", "fleet", "--nodes", "3", "--steps", "50"}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if p := s.fleetPlan(9); p.Size.Nodes != 3 || p.Steps != 50 {
		t.Errorf("%+v", p)
	}
}
