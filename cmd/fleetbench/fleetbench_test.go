package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// TestMain lets the test's own binary be the processes that it measures.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		if err := runChild(context.Background(), os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// bench runs fleetbench and returns its one JSON object. It must leave nothing behind.
func bench(t *testing.T, args ...string) map[string]any {
	t.Helper()
	dir := t.TempDir()
	var out, progress bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetErr(&progress)
	root.SetArgs(append(args, "--json", "--dir", dir, "--deadline", "2m"))
	if err := root.Execute(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, progress.String())
	}
	var r map[string]any
	d := json.NewDecoder(&out)
	if err := d.Decode(&r); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	if d.More() {
		t.Errorf("more than one object: %s", out.String())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return r
}

func positive(t *testing.T, r map[string]any, names ...string) {
	t.Helper()
	for _, name := range names {
		if v, ok := r[name].(float64); !ok || v <= 0 {
			t.Errorf("%s is %v, want more than 0", name, r[name])
		}
	}
}

func TestLoad(t *testing.T) {
	for _, args := range [][]string{
		{"write", "--target", "local"}, {"write", "--target", "any"}, {"read", "--target", "any"}, {"write", "--processes", "1"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			r := bench(t, append(args, "--groups", "6", "--clients", "4", "--warmup", "100ms", "--duration", "300ms")...)
			positive(t, r, "ops_per_s", "p50_ms", "p99_ms", "p999_ms", "cpu_us_per_op", "disk_mb", "groups", "duration_s")
			if r["errors"] != 0.0 {
				t.Errorf("errors: %v, first: %v", r["errors"], r["first_error"])
			}
		})
	}
}

func TestIdle(t *testing.T) {
	r := bench(t, "idle", "--groups", "6", "--for", "1s", "--settle", "0")
	positive(t, r, "added_per_s", "for_s", "disk_mb")
}

func TestStart(t *testing.T) {
	for _, crash := range []string{"--crash=false", "--crash"} {
		r := bench(t, "start", "--groups", "6", "--settle", "100ms", "--down", "0s", crash)
		positive(t, r, "added_per_s", "active_s", "serves_s")
		if r["members"] != 6.0 {
			t.Errorf("%s: %v members serve, want 6", crash, r["members"])
		}
	}
}

func TestFailover(t *testing.T) {
	r := bench(t, "failover", "--groups", "6")
	positive(t, r, "gap_p50_s", "gap_max_s")
	if r["led"] != 2.0 {
		t.Errorf("the killed process led %v groups, want 2", r["led"])
	}
}

func TestDeadlineEndsEverything(t *testing.T) {
	dir := t.TempDir()
	root := newRoot()
	root.SetErr(new(bytes.Buffer))
	root.SetArgs([]string{"write", "--dir", dir, "--groups", "3", "--clients", "1", "--duration", "1h", "--deadline", "3s"})
	began := time.Now()
	err := root.Execute()
	if err == nil || !strings.Contains(err.Error(), "--deadline") {
		t.Errorf("after %s: %v, want one that names --deadline", time.Since(began), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{
		{"write", "--clients", "0"}, {"write", "--payload", "-1"}, {"write", "--target", "all"}, {"write", "--duration", "0"},
		{"read", "--groups", "0"}, {"idle", "--for", "0"}, {"start", "--processes", "2"}, {"failover", "--processes", "1"}, {"write", "extra"},
	} {
		root := newRoot()
		root.SetOut(new(bytes.Buffer))
		root.SetArgs(args)
		if err := root.Execute(); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}

func TestEvenHandovers(t *testing.T) {
	members := []string{"a", "b", "c"}
	groups := func(leaders string) (out []view.Group) {
		for _, l := range strings.Split(leaders, "") {
			out = append(out, view.Group{Name: groupName(len(out)), Leader: strings.TrimSpace(l), Members: members})
		}
		return out
	}
	for _, c := range []struct {
		leaders string
		want    int
	}{
		{"abc", 0}, {"abca", 0}, {"aaa", 2}, {"aab", 1}, {"aabb", 1}, {"aaaaaa", 4}, {"aaabbbc", 1},
	} {
		gs := groups(c.leaders)
		handovers, _, known := evenHandovers(gs, len(members))
		if !known || len(handovers) != c.want {
			t.Errorf("%s: %v, known %v; want %d handovers", c.leaders, handovers, known, c.want)
		}
		for _, h := range handovers {
			for i := range gs {
				if gs[i].Name == h.group {
					gs[i].Leader = h.to
				}
			}
		}
		if more, leaders, _ := evenHandovers(gs, len(members)); len(more) > 0 {
			t.Errorf("%s: then %v, and still %v", c.leaders, leaders, more)
		}
	}
	if _, _, known := evenHandovers(groups("ab "), len(members)); known {
		t.Error("a group without a leader counts as known")
	}
}
