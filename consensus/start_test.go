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

// unreliableStorage fails, or gives something else, as long as it is told to.
type unreliableStorage struct {
	Storage
	err   error
	gives func(entries []Entry) []Entry
}

func (s *unreliableStorage) Entries(lo, hi, maxBytes uint64) ([]Entry, error) {
	if s.err != nil {
		return nil, s.err
	}
	entries, err := s.Storage.Entries(lo, hi, maxBytes)
	if err == nil && s.gives != nil {
		entries = s.gives(entries)
	}
	return entries, err
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
		snapshot  SnapshotMeta                  // if another than above
		gives     func(entries []Entry) []Entry // what the storage makes of what it has
		err       error
	}{
		{name: "log behind the snapshot", disk: startDisk(5, 3, 4), state: HardState{Term: 4, Commit: 6}, last: 7, term: 4},
		{name: "log not cut yet", disk: startDisk(2, 2, 3, 3, 3, 4), state: HardState{Term: 4, Commit: 4}, last: 7, term: 4},
		{name: "empty log", disk: startDisk(5), state: HardState{Term: 3, Commit: 5}, last: 5, term: 3},
		{name: "log ends before the snapshot", disk: startDisk(1, 2, 2), state: HardState{Term: 2, Commit: 3}, last: 5, term: 3, discarded: true},
		{name: "another log at the snapshot", disk: startDisk(1, 2, 2, 2, 2, 2, 2), state: HardState{Term: 2, Commit: 3}, last: 5, term: 3, discarded: true},
		{name: "older log behind the snapshot", disk: startDisk(5, 2, 2), state: HardState{Term: 2, Commit: 3}, last: 5, term: 3, discarded: true},
		{name: "term of the state lost", disk: startDisk(5, 3, 6), state: HardState{Term: 4, Vote: 2, Commit: 5}, last: 7, term: 6},
		{name: "entries kept under a damaged snapshot", disk: startDisk(5), snapshot: SnapshotMeta{Index: 5, Term: 3, Config: voters(2, 1)}, err: ErrInvalidStart},
		{name: "configuration behind its snapshot", disk: startDisk(5), snapshot: SnapshotMeta{Index: 5, Term: 3, Config: voters(1), ConfigIndex: 6}, err: ErrInvalidStart},
		{name: "no storage", err: ErrInvalidStart},
		{name: "storage that gives nothing", disk: startDisk(5, 3, 3), gives: func([]Entry) []Entry { return nil }, err: ErrInvalidStart},
		{name: "storage that leaves one out", disk: startDisk(5, 3, 3), gives: func(e []Entry) []Entry { return e[1:] }, err: ErrInvalidStart},
		{name: "configuration that cannot be read", disk: startDisk(5, 3, 3), gives: func(e []Entry) []Entry { return []Entry{{Index: e[0].Index, Term: 3, Kind: EntryConfig}} }, err: ErrInvalidStart},
		{name: "gap behind the snapshot", disk: startDisk(7, 3, 3), err: ErrInvalidStart},
		{name: "terms going back", disk: startDisk(5, 4, 3), err: ErrInvalidStart},
		{name: "committed and lost", disk: startDisk(5, 3), state: HardState{Term: 3, Commit: 9}, err: ErrInvalidStart},
		{name: "applied and lost", disk: startDisk(5, 3), state: HardState{Term: 3, Commit: 5}, applied: 8, err: ErrInvalidStart},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := Start{State: c.state, Snapshot: snapshot, LastIndex: 7, Applied: c.applied}
			if c.snapshot.Index != 0 {
				start.Snapshot = c.snapshot
			}
			var storage Storage
			if c.disk != nil {
				start.LastIndex = c.disk.last()
				storage = &unreliableStorage{Storage: c.disk, gives: c.gives}
			}
			core, err := New(Config{ID: 1, Rand: func(int) int { return 0 }}, storage, start)
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
	if _, err := New(Config{}, nil, Start{}); !errors.Is(err, ErrInvalidConfig) {
		t.Errorf("a member without an ID: %v", err)
	}
	if err := (Config{ID: 1, Rand: random}).Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
}

// TestPure: the protocol reaches nothing outside by itself.
func TestPure(t *testing.T) {
	allowed := []string{"cmp", "encoding/binary", "errors", "fmt", "iter", "math", "slices", "sort", "strconv", "strings"}
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
