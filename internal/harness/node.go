package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/raftfleet/raftfleet/internal/admin"
)

// poll is how often a state is looked at while one is waited for.
const poll = 50 * time.Millisecond

// Node is one node of a fleet: a process, or the place of one that has ended.
type Node struct {
	Name, Zone                        string
	Dir                               string // its data
	Log                               string // file with what all its processes logged
	GossipAddr, ListenAddr, AdminAddr string

	fleet    *Fleet
	founders int
	client   *admin.Client

	mu      sync.Mutex
	join    []string // besides the fleet's own nodes
	process *process // the last one, nil before the first
	paused  bool
}

var errRunning = errors.New("it runs already")

// flags are those of the next process; n.mu is held.
func (n *Node) flags() []string {
	c := n.fleet.config
	join := slices.Clone(n.join)
	for _, other := range n.fleet.Nodes() {
		if other != n {
			join = append(join, other.GossipAddr)
		}
	}
	flags := []string{
		"run", "--name", n.Name, "--zone", n.Zone, "--data", n.Dir, "--gossip", n.GossipAddr, "--listen", n.ListenAddr, "--admin", n.AdminAddr,
		"--founders", strconv.Itoa(n.founders), "--local", "--settle", "500ms", "--purge-after", c.PurgeAfter.String(),
		"--drain-timeout", c.DrainTimeout.String(),
	}
	if len(join) > 0 {
		flags = append(flags, "--join", strings.Join(join, ","))
	}
	return append(flags, c.Flags...)
}

// alsoJoin gives the next processes further join addresses.
func (n *Node) alsoJoin(gossip ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.join = append(n.join, gossip...)
}

// Start starts the node's process, with the data that it has. It does not wait
// until it is of use; AwaitActive does.
func (n *Node) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process != nil && n.process.running() {
		return fmt.Errorf("harness: start node %s: %w", n.Name, errRunning)
	}
	p, err := startProcess(n.fleet.config.Binary, n.flags(), n.Log)
	if err != nil {
		return fmt.Errorf("harness: start node %s: %w", n.Name, err)
	}
	n.process, n.paused = p, false
	return nil
}

// AwaitActive returns once the node is an active part of the fleet, or with an
// error when its process ended or ctx did.
func (n *Node) AwaitActive(ctx context.Context) error {
	var last error
	for {
		if last = n.Client().Ready(ctx); last == nil {
			return nil
		}
		p := n.current()
		if p == nil {
			return fmt.Errorf("harness: node %s was never started", n.Name)
		}
		select {
		case <-p.done:
			return fmt.Errorf("harness: node %s ended before it was active: %w; the end of %s:\n%s", n.Name, p.err, n.Log, lastLines(n.Log, 10))
		case <-ctx.Done():
			return fmt.Errorf("harness: node %s is not active: %w; last: %w; the end of %s:\n%s", n.Name, ctx.Err(), last, n.Log, lastLines(n.Log, 10))
		case <-time.After(poll):
		}
	}
}

// Client asks this node. It is shared; closing it is the fleet's care.
func (n *Node) Client() *admin.Client { return n.client }

func (n *Node) current() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.process
}

// PID is the process id of the node, 0 when it does not run.
func (n *Node) PID() int {
	if p := n.current(); p != nil && p.running() {
		return p.pid()
	}
	return 0
}

// Running tells whether the node's process is there and not paused.
func (n *Node) Running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.process != nil && n.process.running() && !n.paused
}

// Ended is closed once the process that runs now has ended.
func (n *Node) Ended() <-chan struct{} {
	if p := n.current(); p != nil {
		return p.done
	}
	ended := make(chan struct{})
	close(ended)
	return ended
}

// Kill ends the process with SIGKILL and returns when it is gone. A node that does
// not run stays so.
func (n *Node) Kill() {
	if p := n.current(); p != nil {
		p.kill()
	}
}

// Stop ends the process with SIGTERM and returns when it is gone; when ctx ends
// first, the process is still there. An exit other than 0 is an error.
func (n *Node) Stop(ctx context.Context) error {
	p := n.current()
	if p == nil {
		return nil
	}
	if err := p.signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("harness: stop node %s: %w", n.Name, err)
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return fmt.Errorf("harness: stop node %s: %w; the end of %s:\n%s", n.Name, ctx.Err(), n.Log, lastLines(n.Log, 10))
	}
	if p.err != nil {
		return fmt.Errorf("harness: stop node %s: it ended with %w; the end of %s:\n%s", n.Name, p.err, n.Log, lastLines(n.Log, 10))
	}
	return nil
}

// Pause freezes the process with SIGSTOP: it keeps its connections and says nothing.
func (n *Node) Pause() error { return n.freeze(syscall.SIGSTOP, true) }

// Continue ends a Pause.
func (n *Node) Continue() error { return n.freeze(syscall.SIGCONT, false) }

func (n *Node) freeze(s syscall.Signal, paused bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return fmt.Errorf("harness: node %s was never started", n.Name)
	}
	if err := n.process.signal(s); err != nil {
		return fmt.Errorf("harness: send %s to node %s: %w", s, n.Name, err)
	}
	n.paused = paused
	return nil
}

// Restart starts the node again with its data and waits until it is active. A
// process that still runs is killed first.
func (n *Node) Restart(ctx context.Context) error {
	n.Kill()
	if err := n.Start(); err != nil {
		return err
	}
	return n.AwaitActive(ctx)
}

// Wipe deletes the data of a node that does not run: started again it is another
// node of the same name.
func (n *Node) Wipe() error {
	if n.PID() != 0 {
		return fmt.Errorf("harness: wipe node %s: %w: kill it first", n.Name, errRunning)
	}
	if err := os.RemoveAll(n.Dir); err != nil {
		return fmt.Errorf("harness: wipe node %s: %w", n.Name, err)
	}
	return nil
}
