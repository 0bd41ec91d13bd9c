package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/group"
)

// A child is one node of the measured fleet. It is told what to do by lines of
// JSON on its standard input and answers each with one on its standard output.
const childCommand = "child-of-fleetbench"

// order is what the parent wants of a child.
type order struct {
	Do       string        `json:"do"` // open, add, drive
	Name     string        `json:"name,omitempty"`
	Dir      string        `json:"dir,omitempty"`
	Join     []string      `json:"join,omitempty"`
	Load     load          `json:"load"`
	Duration time.Duration `json:"duration,omitempty"`
	Warmup   time.Duration `json:"warmup,omitempty"`
	Profile  string        `json:"profile,omitempty"`
}

// report is what a child answers.
type report struct {
	Error      string    `json:"error,omitempty"`
	Gossip     string    `json:"gossip,omitempty"`
	Led        int       `json:"led,omitempty"`
	Ops        int64     `json:"ops,omitempty"`
	Errors     int64     `json:"errors,omitempty"`
	FirstError string    `json:"first_error,omitempty"`
	Seconds    float64   `json:"seconds,omitempty"`
	CPUSeconds float64   `json:"cpu_seconds,omitempty"`
	RSS        int64     `json:"rss,omitempty"`
	Latencies  histogram `json:"latencies"`
}

type child struct {
	node *fleet.Node
}

func runChild(ctx context.Context, in io.Reader, out io.Writer) error {
	var c child
	defer func() {
		if c.node != nil {
			c.node.Close()
		}
	}()
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return err
		}
		var r report
		var err error
		switch o.Do {
		case "open":
			r, err = c.open(ctx, o)
		case "add":
			err = c.add(ctx, o)
		case "drive":
			r, err = c.drive(ctx, o)
		default:
			err = fmt.Errorf("unknown order %q", o.Do)
		}
		if err != nil {
			r.Error = err.Error()
		}
		if err := json.NewEncoder(out).Encode(r); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (c *child) open(ctx context.Context, o order) (report, error) {
	node, err := fleet.Activate(ctx, "zone-"+o.Name, fleet.Config{
		DataDir: o.Dir, Name: o.Name, Join: o.Join, Types: []group.Type{tallyType}, Local: true, Settle: 500 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return report{}, err
	}
	c.node = node
	return report{Gossip: node.GossipAddr()}, nil
}

// adders is how many groups are added at once.
const adders = 64

func groupName(i int) string { return fmt.Sprintf("bench-%06d", i) }

func (c *child) add(ctx context.Context, o order) error {
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	var next atomic.Int64
	for range adders {
		wg.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= o.Load.Groups {
					return
				}
				if err := c.node.AddConsensusGroup(ctx, groupName(i), min(3, o.Load.Processes), tallyType); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// targets are the groups that this process's clients call.
func (c *child) targets(ctx context.Context, l load) ([]string, error) {
	var all, led []string
	for g, err := range c.node.Groups(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, g.Name)
		if g.Leader == c.node.Name() {
			led = append(led, g.Name)
		}
	}
	if l.Target == "any" {
		return all, nil
	}
	return led, nil
}

func (c *child) drive(ctx context.Context, o order) (report, error) {
	l := o.Load
	groups, err := c.targets(ctx, l)
	if err != nil {
		return report{}, err
	}
	r := report{Led: len(groups), Latencies: newHistogram()}
	if len(groups) == 0 {
		// It leads nothing: it follows, and its CPU counts.
		l.Clients = 0
	}
	call := c.node.Command
	if l.Kind == "read" {
		call = c.node.Query
	}
	var measuring, stop atomic.Bool
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range l.Clients {
		wg.Go(func() {
			own := client{call: call, group: groups[i%len(groups)], groups: groups, any: l.Target == "any", body: make([]byte, l.Payload), latencies: newHistogram()}
			own.run(ctx, i, &measuring, &stop)
			mu.Lock()
			defer mu.Unlock()
			r.Ops += own.ops
			r.Errors += own.errors
			if own.first != nil && r.FirstError == "" {
				r.FirstError = own.first.Error()
			}
			r.Latencies.add(&own.latencies)
		})
	}
	time.Sleep(o.Warmup)
	runtime.GC()
	if o.Profile != "" {
		f, err := os.Create(o.Profile)
		if err != nil {
			return r, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return r, err
		}
	}
	cpu, began := cpuTime(), time.Now()
	measuring.Store(true)
	select {
	case <-time.After(o.Duration):
	case <-ctx.Done():
	}
	measuring.Store(false)
	r.Seconds, r.CPUSeconds, r.RSS = time.Since(began).Seconds(), (cpuTime() - cpu).Seconds(), residentBytes()
	pprof.StopCPUProfile()
	time.Sleep(300 * time.Millisecond) // the others' measured time ends too
	stop.Store(true)
	wg.Wait()
	return r, ctx.Err()
}

// client is one closed loop: a call, its answer, the next call.
type client struct {
	call      func(context.Context, string, []byte, ...group.CallOption) ([]byte, error)
	group     string
	groups    []string
	any       bool
	body      []byte
	latencies histogram
	ops       int64
	errors    int64
	first     error
}

func (c *client) run(ctx context.Context, seed int, measuring, stop *atomic.Bool) {
	for at := seed; !stop.Load() && ctx.Err() == nil; at += 7919 {
		if c.any {
			c.group = c.groups[at%len(c.groups)]
		}
		began := time.Now()
		_, err := c.call(ctx, c.group, c.body)
		if err != nil {
			if c.errors++; c.first == nil {
				c.first = err
			}
			continue
		}
		if measuring.Load() {
			c.ops++
			c.latencies.observe(time.Since(began))
		}
	}
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// residentBytes is the process's resident memory, 0 where the system does not tell.
func residentBytes() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}

// tally is the least that a group can replicate: how many commands and bytes it saw.
type tally struct{ commands, bytes uint64 }

func (t *tally) Apply(_ group.Meta, command []byte) ([]byte, error) {
	t.commands++
	t.bytes += uint64(len(command))
	return nil, nil
}

func (t *tally) Query([]byte) ([]byte, error) { return nil, nil }

func (t *tally) Snapshot() (func(io.Writer) error, error) {
	now := *t
	return func(w io.Writer) error {
		_, err := fmt.Fprintln(w, now.commands, now.bytes)
		return err
	}, nil
}

func (t *tally) Restore(r io.Reader) error {
	_, err := fmt.Fscan(r, &t.commands, &t.bytes)
	return err
}

var tallyType = group.RawType("tally", func() group.Machine { return new(tally) })
