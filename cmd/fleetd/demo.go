package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/internal/harness"
)

// demoOptions are the flags of the demonstration.
type demoOptions struct {
	nodes, zones, groups int
	data                 string
	length               time.Duration
}

func newDemoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a whole fleet on this machine, with load and a crash, and check the result",
		Long: `Starts a fleet of real processes on this machine, adds groups, and lets clients
add to counters through all nodes. Halfway it kills one node and starts it again.
At the end it reads all counters and accounts for every addition: the exit code is
0 only if each acknowledged one was applied exactly once.

Nothing is left behind, except in a folder that --data names. An interrupt ends it
early, with the account; a second one without.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return usageError{err}
			}
			return demo(o, cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntVar(&o.nodes, "nodes", 6, "how many nodes, 1 to 32")
	cmd.Flags().IntVar(&o.zones, "zones", 3, "over how many zones they are spread")
	cmd.Flags().IntVar(&o.groups, "groups", 60, "how many groups, of three members each where there are three nodes")
	cmd.Flags().StringVar(&o.data, "data", "", "empty or new folder for data and logs, kept at the end (default: a temporary one, removed)")
	cmd.Flags().DurationVar(&o.length, "for", 20*time.Second, "how long the load runs")
	return cmd
}

func (o demoOptions) validate() error {
	switch {
	case o.nodes < 1 || o.nodes > 32:
		return fmt.Errorf("--nodes is %d: give 1 to 32, as they all run on this machine", o.nodes)
	case o.zones < 1 || o.zones > o.nodes:
		return fmt.Errorf("--zones is %d: give 1 to %d, as there are %d nodes", o.zones, o.nodes, o.nodes)
	case o.groups < 1 || o.groups > 10_000:
		return fmt.Errorf("--groups is %d: give 1 to 10000", o.groups)
	case o.length < 2*time.Second:
		return fmt.Errorf("--for is %s: give 2s or more", o.length)
	}
	if o.data == "" {
		return nil
	}
	if entries, err := os.ReadDir(o.data); err == nil && len(entries) > 0 {
		return fmt.Errorf("--data %s is not empty: name a new folder, as the account begins at zero", o.data)
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("--data: %w", err)
	}
	return nil
}

const (
	demoStart = 60 * time.Second // how long the fleet may take to start and to have its groups
	demoCheck = 60 * time.Second // how long the counters may take to be read
	demoGone  = 3 * time.Second  // how long the killed node stays away
)

// demo is the whole demonstration.
func demo(o demoOptions, out io.Writer) (err error) {
	ctx, atOnce, release := interrupts()
	defer release()
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program that nodes are to run: %w", err)
	}
	dir := o.data
	if dir == "" {
		if dir, err = os.MkdirTemp("", "raftfleet-demo-"); err != nil {
			return fmt.Errorf("folder for the nodes: %w", err)
		}
	}
	d := &demonstration{options: o, screen: screen{out: out}, atOnce: atOnce}
	defer func() { err = d.leave(dir, err) }()
	d.say("starting %s in %s, each a process of its own", count(o.nodes, "node"), count(o.zones, "zone"))
	start, cancel := context.WithTimeout(ctx, demoStart)
	defer cancel()
	d.fleet, err = harness.Start(start, harness.Config{
		Binary: binary, Dir: dir, Nodes: o.nodes, Zones: o.zones, Flags: []string{"--log-level", "info", "--log-format", "json"},
	})
	if err != nil {
		return endedEarly(ctx, err)
	}
	d.introduce()
	began := time.Now()
	if err := d.fleet.AddGroups(start, "demo", o.groups, min(3, o.nodes)); err != nil {
		return endedEarly(ctx, err)
	}
	d.say("added %s of %s in %.1f s", count(o.groups, "group"), count(min(3, o.nodes), "member"), time.Since(began).Seconds())
	return d.run(ctx)
}

// interrupts returns a context that the first signal ends, and one that the second one
// does; the third one ends the process.
func interrupts() (first, second context.Context, release func()) {
	first, interrupt := context.WithCancel(context.Background())
	second, atOnce := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	released := make(chan struct{})
	go func() {
		for _, end := range []func(){interrupt, atOnce} {
			select {
			case <-signals:
				end()
			case <-released:
				return
			}
		}
		signal.Stop(signals)
	}()
	return first, second, func() {
		signal.Stop(signals)
		close(released)
		interrupt()
		atOnce()
	}
}

// leave ends the nodes and removes a temporary folder; where the demonstration failed,
// the folder with the logs is worth more than tidiness.
func (d *demonstration) leave(dir string, err error) error {
	if d.fleet != nil {
		d.fleet.Close() // removes nothing: the folder is not the fleet's own
	}
	switch {
	case d.options.data != "":
		return err
	case err != nil && !errors.Is(err, errEarly) && !errors.Is(err, errAtOnce):
		return fmt.Errorf("%w; data and logs are kept in %s", err, dir)
	}
	if e := os.RemoveAll(dir); e != nil {
		return errors.Join(err, fmt.Errorf("remove the data: %w", e))
	}
	return err
}

var (
	errEarly  = errors.New("interrupted before the load began: there is nothing to account for")
	errAtOnce = errors.New("interrupted twice: there is no account")
)

// endedEarly says so plainly when the reason is that somebody interrupted.
func endedEarly(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errEarly
	}
	return err
}
