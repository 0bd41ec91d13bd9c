package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/harness"
)

// demonstration is a demo on its way.
type demonstration struct {
	screen
	options demoOptions
	atOnce  context.Context // ends when even the account is not wanted any more
	fleet   *harness.Fleet
	load    *harness.Load
	began   time.Time
	counted int64             // acknowledged by the line before
	lined   time.Time         // when that was
	seen    map[string]uint64 // newest event of each node
}

// demoClients is the load: enough to see, little enough to leave a laptop usable.
const (
	demoClients  = 24
	demoInterval = 5 * time.Millisecond
)

// run loads the fleet, crashes a node, and accounts for everything.
func (d *demonstration) run(ctx context.Context) error {
	d.say("%d clients add to the counters through all nodes for %s", demoClients, d.options.length)
	d.say("")
	d.load = d.fleet.StartLoad(harness.LoadConfig{Groups: d.fleet.Groups(), Clients: demoClients, Interval: demoInterval})
	d.began, d.lined, d.seen = time.Now(), time.Now(), make(map[string]uint64)
	d.readEvents(ctx) // what happened before is told already
	d.heading(d.fleet.Nodes())
	err := d.watch(ctx)
	if ctx.Err() != nil {
		d.say("")
		d.say("interrupted; the calls that are on their way are waited for")
	}
	halted := make(chan struct{})
	go func() {
		d.load.Halt()
		close(halted)
	}()
	select {
	case <-halted:
	case <-d.atOnce.Done():
		return errAtOnce
	}
	if err != nil {
		return err
	}
	return d.account()
}

// watch prints a line a second until the time is over, and crashes a node halfway.
func (d *demonstration) watch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.options.length)
	defer cancel()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	crash := time.NewTimer(d.options.length / 2)
	defer crash.Stop()
	restart := time.NewTimer(d.options.length)
	defer restart.Stop()
	nodes := d.fleet.Nodes()
	victim := nodes[len(nodes)/2]
	down := false
	for {
		select {
		case <-second.C:
			d.line(ctx)
		case <-crash.C:
			d.note(d.began, "kill -9 %d: node %s crashes, its groups have to elect other leaders", victim.PID(), victim.Name)
			victim.Kill()
			down = true
			restart.Reset(min(demoGone, d.options.length/5))
		case <-restart.C:
			if !down {
				continue
			}
			down = false
			if err := victim.Start(); err != nil {
				return err
			}
			d.note(d.began, "node %s is started again with its data, as process %d", victim.Name, victim.PID())
		case <-ctx.Done():
			return nil
		}
	}
}

// line prints how the fleet is, and what happened since the line before.
func (d *demonstration) line(ctx context.Context) {
	for _, e := range d.readEvents(ctx) {
		d.note(d.began, "%s", e)
	}
	now := time.Now()
	acknowledged := d.load.Counts().Acknowledged
	rate := float64(acknowledged-d.counted) / now.Sub(d.lined).Seconds()
	d.counted, d.lined = acknowledged, now
	status, err := d.fleet.Status(ctx)
	if err != nil {
		if ctx.Err() == nil {
			d.note(d.began, "no node tells the state of the fleet: %s", oneLine(err))
		}
		return
	}
	d.state(d.began, status, rate, d.load.Counts())
}

// readEvents returns, as texts, what is new on any node. What a fleet does by the
// dozen, like changing leaders after a crash, is told as a number.
func (d *demonstration) readEvents(ctx context.Context) []string {
	var texts []string
	many := make(map[string]int)
	for _, n := range d.fleet.Running() {
		events, err := d.newEvents(ctx, n)
		if err != nil {
			continue // its absence shows in the line
		}
		for _, e := range events {
			if e.Group != "" {
				many[e.Kind]++
				continue
			}
			text := e.Detail
			if e.Node != "" {
				text = e.Node + ": " + text
			}
			texts = append(texts, fmt.Sprintf("%s (%s, seen by %s)", text, plain(e.Kind), n.Name))
		}
	}
	var numbers []string
	for _, kind := range sortedKeys(many) {
		numbers = append(numbers, fmt.Sprintf("%s × %d", plain(kind), many[kind]))
	}
	if len(numbers) > 0 {
		texts = append(texts, "groups: "+strings.Join(numbers, ", "))
	}
	return texts
}

func (d *demonstration) newEvents(ctx context.Context, n *harness.Node) ([]view.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	after := d.seen[n.Name]
	events, err := n.Client().Events(ctx, after, false)
	if err != nil {
		d.seen[n.Name] = 0 // a process that comes back counts anew
		return nil, err
	}
	if len(events) > 0 {
		d.seen[n.Name] = events[len(events)-1].Seq
	}
	return events, nil
}

// account reads all counters and tells whether they agree with the clients.
func (d *demonstration) account() error {
	ctx, cancel := context.WithTimeout(d.atOnce, demoCheck)
	defer cancel()
	d.say("")
	d.say("the load has ended; reading all counters")
	a, err := d.load.Verify(ctx)
	switch {
	case err != nil && d.atOnce.Err() != nil:
		return errAtOnce
	case err != nil:
		return fmt.Errorf("the account does not hold: %w; the nodes' logs say more", err)
	}
	d.say("")
	d.say("  acknowledged additions   %12s", number(a.Acknowledged))
	d.say("  of unknown outcome       %12s   (%s of them were applied)", number(a.Unknown), number(a.Applied))
	d.say("  sum of all counters      %12s", number(a.Counted))
	var longest harness.GroupAccount
	for _, g := range a.Groups {
		if g.LongestGap > longest.LongestGap {
			longest = g
		}
	}
	d.say("  longest wait of a group  %10.1f s   (%s)", longest.LongestGap.Seconds(), longest.Group)
	d.say("")
	d.say("Every acknowledged addition was applied exactly once.")
	return nil
}
