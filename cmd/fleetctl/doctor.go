package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

// check is one thing that doctor looked at.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

type diagnosis struct {
	Healthy bool    `json:"healthy"`
	Summary string  `json:"summary,omitempty"` // of a healthy fleet
	Checks  []check `json:"checks"`
}

func newDoctor(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check the fleet; the exit code is 5 if something is wrong",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			var d diagnosis
			for _, look := range []struct {
				name string
				do   func(*admin.Client, context.Context) error
			}{{"live", (*admin.Client).Live}, {"ready", (*admin.Client).Ready}} {
				err := a.request(ctx, func(ctx context.Context, c *admin.Client) error { return look.do(c, ctx) })
				if err != nil && admin.KindOf(err) != admin.KindUnhealthy {
					return err
				}
				d.add(look.name, err == nil, "the asked node is "+look.name, err)
			}
			s, err := fetch(ctx, a, func(ctx context.Context, c *admin.Client) (view.Status, error) { return c.Status(ctx) })
			if err != nil {
				return err
			}
			if s.Joining == nil {
				a.examineBalance(ctx, &d, &s)
			}
			d.examine(&s)
			if a.json() {
				err = a.printJSON(d)
			} else {
				err = a.printDiagnosis(&d)
			}
			if err == nil && !d.Healthy {
				bad := 0
				for _, c := range d.Checks {
					if !c.OK {
						bad++
					}
				}
				err = &failure{fmt.Sprintf("%d of %d checks failed", bad, len(d.Checks)), "", exitUnhealthy}
			}
			return err
		},
	}
}

func (d *diagnosis) add(name string, ok bool, detail string, err error) {
	c := check{Name: name, OK: ok, Detail: detail}
	if err != nil {
		c.Detail, c.Remedy = inWords(err.Error()), inWords(admin.RemedyOf(err))
	}
	d.Checks = append(d.Checks, c)
}

// examine adds what the status tells. A node that drains is no fault.
func (d *diagnosis) examine(s *view.Status) {
	problems := s.Problems
	if s.Joining == nil {
		problems = d.examineFleet(s)
	}
	for i := range d.Checks {
		if c := &d.Checks[i]; s.Joining != nil && c.Name == "ready" && !c.OK { // the problems say why, and what to do
			c.Detail, c.Remedy = "the asked node has not joined a fleet", ""
		}
	}
	for _, p := range problems {
		d.Checks = append(d.Checks, check{Name: p.Kind + " " + p.Thing, Detail: p.Reason, Remedy: p.Remedy})
	}
	d.Healthy = true
	for _, c := range d.Checks {
		d.Healthy = d.Healthy && c.OK
	}
	if d.Healthy {
		d.Summary = summary(s)
	}
}

// examineFleet adds what is checked of every fleet, and returns the problems that it
// has not told.
func (d *diagnosis) examineFleet(s *view.Status) []view.Problem {
	catalogue := check{Name: "catalogue", OK: s.Catalogue.Leader != "", Detail: "led by " + s.Catalogue.Leader}
	if !catalogue.OK {
		catalogue.Detail, catalogue.Remedy = "it has no leader: nothing about the fleet can be changed", "bring back a majority of its voters"
	}
	groups := check{Name: "groups", OK: s.GroupsWithoutLeader == 0, Detail: fmt.Sprintf("%d of %d without a leader", s.GroupsWithoutLeader, s.Groups)}
	if !groups.OK {
		groups.Remedy = "see fleetctl group ls for which, and group show for the members that are missing"
	}
	var rest []view.Problem
	about := make(map[string]view.Problem) // problems of nodes, which are told with the node
	for _, p := range s.Problems {
		_, twice := about[p.Thing]
		switch {
		case (p.Kind == "node_dead" || p.Kind == "node_unreachable") && !twice:
			about[p.Thing] = p
		case p.Kind == "catalogue_no_leader" && !catalogue.OK:
			catalogue.Detail, catalogue.Remedy = p.Reason, p.Remedy
		default:
			rest = append(rest, p)
		}
	}
	d.Checks = append(d.Checks, catalogue, groups)
	for _, n := range s.Nodes {
		c := check{Name: "node " + n.Name, OK: n.State != view.StateDead && n.State != view.StateSuspect && n.Alive, Detail: n.State}
		if n.State == view.StateInactive {
			c.OK = true // it left, and may be off
		}
		p, known := about[n.Name]
		if !known {
			p, known = about[n.ID.String()] // of several nodes of one name
		}
		switch {
		case known:
			c.OK, c.Detail, c.Remedy = false, c.Detail+": "+p.Reason, p.Remedy
		case c.OK:
		case n.Reason != "":
			c.Detail += ": " + n.Reason
		case !n.Alive:
			c.Detail += ", and gossip does not hear it"
		}
		if !c.OK && c.Remedy == "" && n.Alive {
			c.Remedy = "wait a little: it keeps what it has meanwhile, and is given nothing new"
		}
		if !c.OK && c.Remedy == "" {
			c.Remedy = "start it again, or say that it will not return: fleetctl node forget " + n.Name
		}
		d.Checks = append(d.Checks, c)
	}
	return rest
}

// summary is the one line of a fleet in which nothing is wrong.
func summary(s *view.Status) string {
	nodes := plural(len(s.Nodes), "node")
	states := make(map[string]int)
	for _, n := range s.Nodes {
		states[n.State]++
	}
	var other []string
	for _, state := range slices.Sorted(maps.Keys(states)) {
		if state != view.StateActive {
			other = append(other, fmt.Sprintf("%d %s", states[state], state))
		}
	}
	if len(other) > 0 {
		nodes += " (" + strings.Join(other, ", ") + ")"
	}
	line := fmt.Sprintf("all is well: %s, %s with %s, the catalogue led by %s", nodes, plural(s.Groups, "group"), plural(s.Members, "member"), s.Catalogue.Leader)
	if s.MovesInFlight > 0 {
		line += ", " + plural(s.MovesInFlight, "move") + " in flight"
	}
	return line
}

// printDiagnosis prints one line when all is well: who looks for a fault must not have
// to read what is none.
func (a *app) printDiagnosis(d *diagnosis) error {
	if d.Healthy {
		_, err := fmt.Fprintln(a.out, oneLine(d.Summary))
		return err
	}
	g := &grid{header: []string{"CHECK", "RESULT", "DETAIL", "REMEDY"}}
	for _, c := range d.Checks {
		result := "failed"
		if c.OK {
			result = "ok"
		}
		g.add(c.Name, result, c.Detail, c.Remedy)
	}
	return a.printGrid(g)
}
