package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// dryDrain shows what a drain would do, and does nothing.
func (a *app) dryDrain(ctx context.Context, node string, most int) error {
	q := view.WhatIf{Drain: []string{node}}
	o, err := a.whatIf(ctx, q)
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(o)
	}
	if err := a.headline("drain "+node, effort(&o)); err != nil {
		return err
	}
	if stays := staying(&o, node); stays != "" {
		if err := a.headline("beware", stays); err != nil {
			return err
		}
	}
	if l := losses(&o); l != "" {
		if err := a.headline("beware", l); err != nil {
			return err
		}
	}
	if err := a.printLost(&o, most); err != nil {
		return err
	}
	if len(o.Moves) > 0 {
		fmt.Fprintln(a.out)
		if err := a.printPlanned(o.Moves, most, max(o.Groups, len(o.Moves))); err != nil {
			return err
		}
	}
	if err := a.printBeforeAndAfter(&o.Before, &o.After, most, a.tolerance(ctx)); err != nil {
		return err
	}
	return a.printProblems(o.Problems)
}

// staying says what could not leave a node, and why; empty where everything can.
func staying(o *view.Outcome, node string) string {
	for _, n := range o.After.Nodes {
		if n.Node != node || n.Members == 0 {
			continue
		}
		text := fmt.Sprintf("%s cannot leave node %s", plural(n.Members, "member"), node)
		var why []string
		for _, p := range o.Problems {
			if p.Thing == node {
				why = append(why, p.Reason)
			}
		}
		if len(why) == 0 {
			return text + ": no other node can take them"
		}
		return text + ": " + strings.Join(why, ", ")
	}
	return ""
}
