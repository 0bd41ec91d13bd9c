package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
)

// atOnce is how many groups are added, moved or asked at once.
const atOnce = 64

// forEach calls f for 0 to n-1, some at once, and returns the first error.
func forEach(n int, f func(i int) error) error {
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	var next atomic.Int64
	for range min(atOnce, n) {
		wg.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := f(i); err != nil {
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

func groupName(i int) string { return fmt.Sprintf("bench-%06d", i) }

// addLimit bounds one addition, which waits for those before it.
const addLimit = 30 * time.Second

func (c *child) add(ctx context.Context, groups, replicas int) error {
	return forEach(groups, func(i int) error {
		ctx, cancel := context.WithTimeout(ctx, addLimit)
		defer cancel()
		return c.node.AddConsensusGroup(ctx, groupName(i), replicas, tallyType)
	})
}

func (c *child) groups(ctx context.Context) ([]view.Group, error) {
	var all []view.Group
	for g, err := range c.node.Groups(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}

// handover is one transfer that makes leaders more even.
type handover struct{ group, to string }

// evenHandovers says which groups should change their leader so that no node leads
// two more than another, and how many each leads now. known is false while some
// group has no known leader.
func evenHandovers(groups []view.Group, processes int) (handovers []handover, leaders map[string]int, known bool) {
	leaders = make(map[string]int)
	for _, g := range groups {
		for _, m := range g.Members {
			leaders[m] += 0
		}
		if g.Leader == "" {
			return nil, leaders, false
		}
		leaders[g.Leader]++
	}
	load := make(map[string]int, len(leaders))
	for name, n := range leaders {
		load[name] = n
	}
	most := (len(groups) + processes - 1) / processes
	least := len(groups) / processes
	for _, g := range groups {
		to := ""
		for _, m := range g.Members {
			if to == "" || load[m] < load[to] {
				to = m
			}
		}
		if to == "" || load[g.Leader]-load[to] < 2 && (load[g.Leader] <= most || load[to] >= least) {
			continue
		}
		load[g.Leader]--
		load[to]++
		handovers = append(handovers, handover{g.Name, to})
	}
	return handovers, leaders, true
}

// steady is for how long leaders must have stayed even: the fleet has its own idea
// of who should lead, and moves leaders too.
const steady = time.Second

// spread has all nodes lead equally many groups. Leaders that will not be even
// within half a minute are reported as they are.
func (c *child) spread(ctx context.Context, processes int) (report, error) {
	limit := time.Now().Add(30 * time.Second)
	var since time.Time
	for {
		groups, err := c.groups(ctx)
		if err != nil {
			return report{}, err
		}
		handovers, leaders, known := evenHandovers(groups, processes)
		now := time.Now()
		if !known || len(handovers) > 0 {
			since = time.Time{}
		} else if since.IsZero() {
			since = now
		}
		if !since.IsZero() && now.Sub(since) >= steady || now.After(limit) {
			r := report{}
			for _, name := range slices.Sorted(maps.Keys(leaders)) {
				r.Leaders = append(r.Leaders, leaders[name])
			}
			if now.After(limit) && !known {
				return r, fmt.Errorf("some groups have no leader after half a minute")
			}
			return r, nil
		}
		// A transfer that fails is found to be missing in the next round.
		_ = forEach(len(handovers), func(i int) error {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			_ = c.node.TransferLeader(ctx, handovers[i].group, handovers[i].to)
			return nil
		})
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return report{}, err
		}
	}
}

// hosted lists the groups that this node has a member of, as its catalogue says.
func (c *child) hosted(ctx context.Context) ([]view.Group, error) {
	groups, err := c.groups(ctx)
	return slices.DeleteFunc(groups, func(g view.Group) bool { return !slices.Contains(g.Members, c.node.Name()) }), err
}

// serve waits until every member that this node should have answers a query that
// contains all that was acknowledged before. A node that was just started may not
// know all of its groups yet, so it is told how many there are.
func (c *child) serve(ctx context.Context, members int) (report, error) {
	served := make(map[string]bool, members)
	for len(served) < members {
		groups, err := c.hosted(ctx)
		if err != nil {
			return report{}, err
		}
		groups = slices.DeleteFunc(groups, func(g view.Group) bool { return served[g.Name] })
		if err := forEach(len(groups), func(i int) error { return c.served(ctx, groups[i].Name) }); err != nil {
			return report{}, err
		}
		for _, g := range groups {
			served[g.Name] = true
		}
		if len(groups) == 0 {
			if err := sleep(ctx, 10*time.Millisecond); err != nil {
				return report{}, fmt.Errorf("%d of %d members are known: %w", len(served), members, err)
			}
		}
	}
	return report{Groups: len(served)}, nil
}

func (c *child) served(ctx context.Context, name string) error {
	for {
		// The first makes sure that the answer comes from the member here.
		_, err := c.node.Query(ctx, name, nil, group.Local())
		if err == nil {
			_, err = c.node.Query(ctx, name, nil, group.AnyMember())
		}
		if err == nil {
			return nil
		}
		if e := sleep(ctx, 10*time.Millisecond); e != nil {
			return fmt.Errorf("%w; last: %w", e, err)
		}
	}
}
