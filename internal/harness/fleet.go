package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

// Fleet is the nodes of a fleet, running or not.
type Fleet struct {
	config    Config
	temporary bool // config.Dir goes when the fleet does

	mu     sync.Mutex
	nodes  []*Node
	groups []string
}

// Start starts a fleet and waits until all its nodes are active. On failure
// nothing of it is left running; the data stays where the error says.
func Start(ctx context.Context, c Config) (*Fleet, error) {
	f, err := prepare(c)
	if err != nil {
		return nil, err
	}
	if err := f.startAll(ctx); err != nil {
		f.killAll()
		return nil, err
	}
	return f, nil
}

func (f *Fleet) startAll(ctx context.Context) error {
	for _, n := range f.Nodes() {
		if err := n.Start(); err != nil {
			return err
		}
	}
	for _, n := range f.Nodes() {
		if err := n.AwaitActive(ctx); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the nodes without starting them.
func prepare(c Config) (*Fleet, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	f := &Fleet{config: c}
	if c.Binary == "" {
		return nil, errors.New("harness: Config.Binary is empty: give the path of a fleetd binary, or use New in a test")
	}
	if c.Dir == "" {
		dir, err := os.MkdirTemp("", "raftfleet-")
		if err != nil {
			return nil, fmt.Errorf("harness: folder for the fleet: %w", err)
		}
		f.config.Dir, f.temporary = dir, true
	}
	for i := range c.Nodes {
		n, err := f.place(fmt.Sprintf("%s%d", c.Prefix, i+1), fmt.Sprintf("%s%d", c.Zone, i%c.Zones+1))
		if err != nil {
			return nil, err
		}
		n.founders = c.Nodes
	}
	return f, nil
}

// place makes a node with folders and ports of its own.
func (f *Fleet) place(name, zone string) (*Node, error) {
	n := &Node{Name: name, Zone: zone, Dir: filepath.Join(f.config.Dir, name), Log: filepath.Join(f.config.Dir, name+".log"), fleet: f}
	if err := os.MkdirAll(f.config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("harness: folder for node %s: %w", name, err)
	}
	for _, addr := range []*string{&n.GossipAddr, &n.ListenAddr, &n.AdminAddr} {
		var err error
		if *addr, err = freeAddr(); err != nil {
			return nil, err
		}
	}
	var err error
	if n.client, err = admin.NewClient(n.AdminAddr, admin.ClientOptions{DialTimeout: time.Second}); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes = append(f.nodes, n)
	return n, nil
}

// Add makes another node, starts it and waits until it is active.
func (f *Fleet) Add(ctx context.Context, name, zone string) (*Node, error) {
	n, err := f.place(name, zone)
	if err != nil {
		return nil, err
	}
	if err := n.Start(); err != nil {
		return nil, err
	}
	return n, n.AwaitActive(ctx)
}

// Nodes are the nodes in the order in which they were made.
func (f *Fleet) Nodes() []*Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.nodes)
}

// Node is the node of that name; nil when there is none.
func (f *Fleet) Node(name string) *Node {
	for _, n := range f.Nodes() {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Running are the nodes whose processes run and are not paused.
func (f *Fleet) Running() []*Node { return running(f.Nodes()) }

func running(nodes []*Node) []*Node {
	var out []*Node
	for _, n := range nodes {
		if n.Running() {
			out = append(out, n)
		}
	}
	return out
}

// Zone are the nodes of a zone.
func (f *Fleet) Zone(zone string) []*Node {
	return slices.DeleteFunc(f.Nodes(), func(n *Node) bool { return n.Zone != zone })
}

// Dir is where the nodes keep their data and their logs.
func (f *Fleet) Dir() string { return f.config.Dir }

// Groups are the names of the groups that AddGroups added.
func (f *Fleet) Groups() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.groups)
}

// addersAtOnce is how many groups are added at a time.
const addersAtOnce = 8

// AddGroups adds counters named prefix-0001 and so on, through all running nodes
// in turn. Each serves when it returns.
func (f *Fleet) AddGroups(ctx context.Context, prefix string, count, replicas int) error {
	nodes := f.Running()
	if len(nodes) == 0 {
		return errors.New("harness: add groups: no node runs")
	}
	errs := make([]error, count)
	var wg sync.WaitGroup
	slots := make(chan struct{}, addersAtOnce)
	for i := range count {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wg.Done() }()
			name := fmt.Sprintf("%s-%04d", prefix, i+1)
			if err := nodes[i%len(nodes)].Client().AddGroup(ctx, name, "counter", replicas, false); err != nil {
				errs[i] = fmt.Errorf("harness: add group %s through node %s: %w", name, nodes[i%len(nodes)].Name, err)
				return
			}
			f.mu.Lock()
			f.groups = append(f.groups, name)
			f.mu.Unlock()
		}()
	}
	wg.Wait()
	f.mu.Lock()
	slices.Sort(f.groups)
	f.mu.Unlock()
	return errors.Join(errs...)
}

// Status is the state of the fleet as the first running node that answers sees it.
func (f *Fleet) Status(ctx context.Context) (view.Status, error) {
	last := errors.New("no node runs")
	for _, n := range f.Running() {
		s, err := statusOf(ctx, n)
		if err == nil {
			return s, nil
		}
		last = err
	}
	return view.Status{}, fmt.Errorf("harness: status: %w", last)
}

func statusOf(ctx context.Context, n *Node) (view.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s, err := n.Client().Status(ctx)
	if err == nil && s.Joining != nil {
		err = fmt.Errorf("node %s has not joined the fleet", n.Name)
	}
	return s, err
}

// Await looks at the status until condition returns nil, and then returns it. When
// ctx ends first, the error says what was waited for and what was wrong last.
func (f *Fleet) Await(ctx context.Context, what string, condition func(view.Status) error) (view.Status, error) {
	for {
		s, err := f.Status(ctx)
		if err == nil {
			if err = condition(s); err == nil {
				return s, nil
			}
		}
		if ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(2 * poll):
				continue
			}
		}
		return s, fmt.Errorf("harness: wait for %s: %w; last: %w", what, ctx.Err(), err)
	}
}

// Close kills all processes and removes the folder if it was made by Start and
// nothing asks to keep it.
func (f *Fleet) Close() error {
	f.killAll()
	for _, n := range f.Nodes() {
		n.client.Close()
	}
	if !f.temporary {
		return nil
	}
	return os.RemoveAll(f.config.Dir)
}

func (f *Fleet) killAll() {
	var wg sync.WaitGroup
	for _, n := range f.Nodes() {
		wg.Add(1)
		go func() {
			defer wg.Done()
			n.Kill()
		}()
	}
	wg.Wait()
}
