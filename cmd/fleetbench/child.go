package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/group"
)

// child is the process's own side: its node and what is under way.
type child struct {
	node  *fleet.Node
	dir   string
	end   func() error // ends the profiles that begin started
	probe *probe
}

// closeLimit bounds how long a child may take to end when its parent is gone.
const closeLimit = 5 * time.Second

// runChild obeys orders until there are no more. Then, or when ctx ends, nobody is
// left who would tidy up, and it removes its folder itself.
func runChild(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := make(chan []byte)
	go func() {
		defer cancel()
		scan := bufio.NewScanner(in)
		for scan.Scan() {
			select {
			case lines <- append([]byte(nil), scan.Bytes()...):
			case <-ctx.Done():
				return
			}
		}
	}()
	var c child
	defer c.abandon()
	context.AfterFunc(ctx, func() {
		time.Sleep(closeLimit) // whatever hangs ends with the process
		c.removeData()
		os.Exit(1)
	})
	answers := json.NewEncoder(out)
	for {
		select {
		case line := <-lines:
			var o order
			if err := json.Unmarshal(line, &o); err != nil {
				return err
			}
			r, err := c.obey(ctx, o)
			if err != nil {
				r.Error = err.Error()
			}
			if err := answers.Encode(r); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *child) abandon() {
	if c.node != nil {
		c.node.Close()
	}
	c.removeData()
}

// removeData removes the child's folder, and the folder of all children once it is empty.
func (c *child) removeData() {
	if c.dir != "" {
		os.RemoveAll(c.dir)
		os.Remove(filepath.Dir(c.dir))
	}
}

func (c *child) obey(ctx context.Context, o order) (report, error) {
	if o.Do != "open" && c.node == nil {
		return report{}, errors.New("open comes first")
	}
	switch o.Do {
	case "open":
		return c.open(ctx, o)
	case "close":
		err := c.node.Close()
		c.node = nil
		return report{}, err
	case "settled":
		return report{}, c.settled(ctx, o.Processes)
	case "add":
		return report{}, c.add(ctx, o.Groups, min(3, o.Processes))
	case "spread":
		return c.spread(ctx, o.Processes)
	case "serve":
		return c.serve(ctx, o.Groups)
	case "hosted":
		groups, err := c.hosted(ctx)
		return report{Groups: len(groups)}, err
	case "drive":
		return c.drive(ctx, o)
	case "begin":
		end, err := o.Profiles.begin()
		c.end = end
		return report{Usage: usageNow(false)}, err
	case "end":
		r := report{Usage: usageNow(true)}
		if c.end != nil {
			return r, c.end()
		}
		return r, nil
	case "probe":
		return c.beginProbe(ctx, o.Victim)
	case "killed":
		return c.endProbe(ctx)
	}
	return report{}, fmt.Errorf("unknown order %q", o.Do)
}

func (c *child) open(ctx context.Context, o order) (report, error) {
	c.dir = o.Dir
	node, err := fleet.Activate(ctx, "zone-"+o.Name, fleet.Config{
		DataDir: o.Dir, Name: o.Name, Join: o.Join, Types: []group.Type{tallyType},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return report{}, err
	}
	c.node = node
	return report{Gossip: node.GossipAddr()}, nil
}

// settled waits until the fleet is complete and its catalogue has as many voters as
// it can.
func (c *child) settled(ctx context.Context, processes int) error {
	voters := 1
	switch {
	case processes >= 5:
		voters = 5
	case processes >= 3:
		voters = 3
	}
	for {
		s, err := c.node.Status(ctx)
		if err != nil {
			return err
		}
		active := 0
		for _, n := range s.Nodes {
			if n.State == "active" && n.Alive {
				active++
			}
		}
		if active == processes && len(s.Catalogue.Voters) >= voters {
			return nil
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d nodes are active and the catalogue's voters are %v: %w", active, processes, s.Catalogue.Voters, err)
		}
	}
}
