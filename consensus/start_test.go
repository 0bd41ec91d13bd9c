package consensus

import (
	"errors"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func startDisk(base uint64, terms ...uint64) *testDisk {
	d := &testDisk{base: base}
	for i, term := range terms {
		d.log = append(d.log, Entry{Index: base + 1 + uint64(i), Term: term})
	}
	return d
}

// What a crash can leave behind between storing a snapshot and resetting the
// log is sorted out; what only a lost disk can leave is refused.
func TestStart(t *testing.T) {
	snapshot := SnapshotMeta{Index: 5, Term: 3, Config: voters(1, 2, 3), ConfigIndex: 1}
	for _, c := range []struct {
		name      string
		disk      *testDisk
		state     HardState
		applied   uint64
		last      uint64
		term      uint64
		discarded bool
		err       error
	}{
		{name: "log behind the snapshot", disk: startDisk(5, 3, 4), state: HardState{Term: 4, Commit: 6}, last: 7, term: 4},
		{name: "log not cut yet", disk: startDisk(2, 2, 3, 3, 3, 4), state: HardState{Term: 4, Commit: 4}, last: 7, term: 4},
		{name: "empty log", disk: startDisk(5), state: HardState{Term: 3, Commit: 5}, last: 5, term: 3},
		{name: "log ends before the snapshot", disk: startDisk(1, 2, 2), state: HardState{Term: 2, Commit: 3}, last: 5, term: 3, discarded: true},
		{name: "another log at the snapshot", disk: startDisk(1, 2, 2, 2, 2, 2, 2), state: HardState{Term: 2, Commit: 3}, last: 5, term: 3, discarded: true},
		{name: "older log behind the snapshot", disk: startDisk(5, 2, 2), state: HardState{Term: 2, Commit: 3}, last: 5, term: 3, discarded: true},
		{name: "term of the state lost", disk: startDisk(5, 3, 6), state: HardState{Term: 4, Vote: 2, Commit: 5}, last: 7, term: 6},
		{name: "gap behind the snapshot", disk: startDisk(7, 3, 3), err: ErrInvalidStart},
		{name: "terms going back", disk: startDisk(5, 4, 3), err: ErrInvalidStart},
		{name: "committed and lost", disk: startDisk(5, 3), state: HardState{Term: 3, Commit: 9}, err: ErrInvalidStart},
		{name: "applied and lost", disk: startDisk(5, 3), state: HardState{Term: 3, Commit: 5}, applied: 8, err: ErrInvalidStart},
	} {
		t.Run(c.name, func(t *testing.T) {
			core, err := New(Config{ID: 1, Rand: func(int) int { return 0 }}, c.disk, Start{State: c.state, Snapshot: snapshot, LastIndex: c.disk.last(), Applied: c.applied})
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			if core.LastIndex() != c.last || core.Term() != c.term || core.LogDiscarded() != c.discarded {
				t.Errorf("last %d, term %d, discarded %v; want %d, %d, %v", core.LastIndex(), core.Term(), core.LogDiscarded(), c.last, c.term, c.discarded)
			}
			if core.Term() > c.state.Term && core.Status().Vote != 0 {
				t.Error("a vote in a term that it was not given in")
			}
		})
	}
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	random := func(int) int { return 0 }
	for field, cfg := range map[string]Config{
		"ID":                  {Rand: random},
		"Rand":                {ID: 1},
		"HeartbeatTicks":      {ID: 1, Rand: random, HeartbeatTicks: -1},
		"ElectionTicks":       {ID: 1, Rand: random, ElectionTicks: 3, HeartbeatTicks: 3},
		"MaxInflightMessages": {ID: 1, Rand: random, MaxInflightMessages: -1},
		"SleepTicks":          {ID: 1, Rand: random, SleepTicks: -1},
		"LeaseNanos":          {ID: 1, Rand: random, LeaseNanos: -1},
	} {
		if err := cfg.Validate(); !errors.Is(err, ErrInvalidConfig) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := (Config{ID: 1, Rand: random}).Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
}

// TestPure: the protocol reaches nothing outside by itself.
func TestPure(t *testing.T) {
	allowed := []string{"encoding/binary", "errors", "fmt", "iter", "math", "slices", "sort", "strconv", "strings"}
	for _, folder := range []string{".", "quorum", "tracker"} {
		paths, _ := filepath.Glob(filepath.Join(folder, "*.go"))
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range file.Imports {
				name, _ := strconv.Unquote(spec.Path.Value)
				if !slices.Contains(allowed, name) && !strings.HasPrefix(name, "github.com/raftfleet/raftfleet/consensus/") {
					t.Errorf("%s imports %s", path, name)
				}
			}
		}
	}
}
