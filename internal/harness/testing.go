package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// TB is what this package needs of a *testing.T.
type TB interface {
	Helper()
	Name() string
	Failed() bool
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// built is the binary that Build made, once for a process.
var built struct {
	sync.Mutex
	dir, binary string
	err         error
}

// Build builds fleetd, once for a process, and returns where it is. RemoveBuilt
// removes it. With RAFTFLEET_RACE in the environment it is built with the race
// detector, which ends a node that has a data race.
func Build() (string, error) {
	built.Lock()
	defer built.Unlock()
	if built.dir != "" || built.err != nil {
		return built.binary, built.err
	}
	if built.dir, built.err = os.MkdirTemp("", "raftfleet-fleetd-"); built.err != nil {
		return "", built.err
	}
	built.binary = filepath.Join(built.dir, "fleetd")
	args := []string{"build", "-o", built.binary}
	if os.Getenv("RAFTFLEET_RACE") != "" {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "github.com/raftfleet/raftfleet/cmd/fleetd")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		built.err = fmt.Errorf("harness: go build fleetd: %w\n%s", err, out)
	}
	return built.binary, built.err
}

// RemoveBuilt removes what Build built, if it did, at the end of a TestMain.
func RemoveBuilt() {
	built.Lock()
	defer built.Unlock()
	if built.dir != "" {
		os.RemoveAll(built.dir)
		built.dir = ""
	}
}

// startTimeout bounds the start of a fleet in a test.
const startTimeout = 60 * time.Second

// New starts a fleet for a test and ends it with the test. When the test fails,
// the ends of the nodes' logs are printed, and data and logs are kept.
func New(t TB, c Config) *Fleet {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Fatalf("the harness needs signals that this system does not have")
	}
	if c.Binary == "" {
		binary, err := Build()
		if err != nil {
			t.Fatalf("%v", err)
		}
		c.Binary = binary
	}
	f, err := prepare(c)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { f.finish(t) })
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := f.startAll(ctx); err != nil {
		t.Fatalf("%v", err)
	}
	return f
}

// finish ends a test's fleet.
func (f *Fleet) finish(t TB) {
	t.Helper()
	if t.Failed() {
		f.temporary = false
		for _, n := range f.Nodes() {
			t.Logf("the end of the log of node %s (%s):\n%s", n.Name, n.Log, lastLines(n.Log, 40))
		}
		t.Logf("data and logs of the nodes are kept in %s", f.Dir())
	}
	if err := f.Close(); err != nil {
		t.Logf("the fleet's folder was not removed: %v", err)
	}
}
