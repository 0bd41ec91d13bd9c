package structure

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/raftfleet/raftfleet/"

// arrows lists, for every package, all of ours that it may import. What is not
// here may import nothing of ours; what is here and not imported is a stale arrow.
// A package that stands below another in this list never imports it.
var arrows = []struct {
	from string
	to   []string
}{
	{"cmd/fleetd", []string{"fleet", "fleet/view", "internal/admin", "internal/builtin", "internal/harness"}}, // the demo is a fleet of real processes, as the tests start them
	{"cmd/fleetbench", []string{"fleet", "fleet/view", "group", "internal/harness", "internal/ident", "placement"}},
	// fleetctl reads the log of a node that does not run, for which nobody can be
	// asked: the segments through wal, where they begin through store.
	{"cmd/fleetctl", []string{"fleet/view", "internal/admin", "internal/ident", "internal/store", "internal/wal"}},
	{"cmd/fleetsim", []string{"internal/explore", "internal/mutants", "internal/sim"}},
	{"internal/sim", []string{"fleet", "fleet/view", "group", "placement", "gossip", "consensus", "internal/assemble", "internal/catalogue", "internal/exec", "internal/ident", "internal/store", "internal/wal", "internal/wire"}},
	{"internal/harness", []string{"fleet/view", "internal/admin"}},
	{"fleet", []string{"fleet/view", "group", "placement", "gossip", "cache", "consensus", "internal/admin", "internal/assemble", "internal/catalogue", "internal/exec", "internal/ident", "internal/msgpackcheck", "internal/planner", "internal/store", "internal/wal", "internal/wire"}},
	{"internal/planner", []string{"placement", "internal/catalogue", "internal/ident"}},
	{"internal/assemble", []string{"group", "gossip", "internal/exec", "internal/ident", "internal/store", "internal/wal", "internal/wire"}},
	{"internal/builtin", []string{"group"}},
	{"group", []string{"consensus", "internal/exec", "internal/ident", "internal/msgpackcheck", "internal/store", "internal/wal"}},
	{"internal/admin/admintest", []string{"fleet/view", "internal/admin", "internal/ident"}},
	{"internal/admin", []string{"fleet/view"}},
	{"internal/catalogue", []string{"internal/ident", "placement"}},
	{"fleet/view", []string{"internal/ident"}},
	{"placement", []string{"internal/ident"}},
	{"gossip", []string{"internal/ident"}},
	{"cache", []string{"internal/ident"}},
	{"internal/store", []string{"internal/ident"}},
	{"internal/wire", []string{"internal/ident"}},
	{"internal/explore", []string{"consensus"}},
	{"consensus", []string{"consensus/quorum", "consensus/tracker"}},
}

// impure is what packages that are pure functions of their input must not touch.
var impure = []string{
	"os", "net", "time", "sync", "sync/atomic", "math/rand", "math/rand/v2", "log", "log/slog", "context", "io/fs",
	"os/exec", "runtime", "crypto/rand", "syscall", "golang.org/x/sys/unix",
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	found := make(map[string][]string)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimPrefix(p.ImportPath, module)] = p.Imports
	}
}

func TestArrows(t *testing.T) {
	all := packages(t)
	order := make(map[string]int)
	for i, a := range arrows {
		order[a.from] = i + 1
		if _, ok := all[a.from]; !ok {
			t.Errorf("%s is in the picture and not in the code", a.from)
		}
		for _, to := range a.to {
			if !slices.Contains(all[a.from], module+to) {
				t.Errorf("the arrow %s → %s is in the picture and not in the code", a.from, to)
			}
		}
	}
	for from, imports := range all {
		if strings.HasPrefix(from, "examples/") {
			continue // users' programs: they may import what users may
		}
		var allowed []string
		if i := order[from]; i > 0 {
			allowed = arrows[i-1].to
		}
		for _, imp := range imports {
			to, ours := strings.CutPrefix(imp, module)
			if !ours {
				continue
			}
			if !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s: the picture has no such arrow", from, to)
			}
			if order[to] > 0 && order[to] <= order[from] {
				t.Errorf("%s imports %s, which stands above it", from, to)
			}
		}
	}
}

func TestPurePackages(t *testing.T) {
	for name, imports := range packages(t) {
		if name != "consensus" && name != "placement" && !strings.HasPrefix(name, "consensus/") && !strings.HasPrefix(name, "placement/") {
			continue
		}
		for _, imp := range imports {
			if slices.Contains(impure, imp) {
				t.Errorf("%s imports %s: it must stay a pure function of what it is given", name, imp)
			}
		}
	}
}
