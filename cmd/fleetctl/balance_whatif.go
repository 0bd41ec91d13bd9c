package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newBalanceWhatIf(a *app) *cobra.Command {
	var q view.WhatIf
	var add, weights []string
	var cut cutting
	cmd := &cobra.Command{
		Use:   "whatif",
		Short: "Tell what would move if nodes or zones came, went or changed; changes nothing",
		Long: "whatif asks the planner about a fleet that there might be: how much would move and for how long, how even it\n" +
			"would be, and which groups would lose their quorum or some of their zones. Flags add up to one question.",
		Example: "  fleetctl balance whatif --remove n3\n" +
			"  fleetctl balance whatif --zone-down z2\n" +
			"  fleetctl balance whatif --add z4:1x3 --drain n1 --drain n2\n" +
			"  fleetctl balance whatif --weight n5=2",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cut.check(); err != nil {
				return err
			}
			for _, text := range add {
				n, err := nodesToAdd(text)
				if err != nil {
					return err
				}
				q.Add = append(q.Add, n)
			}
			for _, text := range weights {
				node, weight, err := nodeWeight(text)
				if err != nil {
					return err
				}
				if q.Weights == nil {
					q.Weights = make(map[string]int)
				}
				q.Weights[node] = weight
			}
			if len(q.Remove)+len(q.Drain)+len(q.ZoneDown)+len(q.Add)+len(q.Weights) == 0 {
				return usagef("give at least one of --remove, --drain, --zone-down, --add, --weight", "nothing is asked")
			}
			o, err := a.whatIf(cmd.Context(), q)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(o)
			}
			return a.printOutcome(&o, &q, cut.most(a), a.tolerance(cmd.Context()))
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&q.Remove, "remove", nil, "a `NODE` that is gone for good; may be repeated, as all of these")
	f.StringArrayVar(&q.Drain, "drain", nil, "a `NODE` that is drained")
	f.StringArrayVar(&q.ZoneDown, "zone-down", nil, "a `ZONE` all of whose nodes are gone for good")
	f.StringArrayVar(&add, "add", nil, "nodes that come, as `ZONE[:WEIGHT[xCOUNT]]`")
	f.StringArrayVar(&weights, "weight", nil, "another weight of a node, as `NODE=WEIGHT`")
	cut.flags(cmd, 10)
	_ = cmd.RegisterFlagCompletionFunc("remove", a.completeNodes)
	_ = cmd.RegisterFlagCompletionFunc("drain", a.completeNodes)
	_ = cmd.RegisterFlagCompletionFunc("zone-down", a.completeZones)
	_ = cmd.RegisterFlagCompletionFunc("add", a.completeZones)
	_ = cmd.RegisterFlagCompletionFunc("weight", a.completeWeights)
	return cmd
}

func (a *app) whatIf(ctx context.Context, q view.WhatIf) (view.Outcome, error) {
	return fetch(ctx, a, func(ctx context.Context, c *admin.Client) (view.Outcome, error) { return c.WhatIf(ctx, q) })
}

// nodesToAdd reads ZONE[:WEIGHT[xCOUNT]].
func nodesToAdd(text string) (view.WhatIfNode, error) {
	n := view.WhatIfNode{Zone: text, Weight: 1, Count: 1}
	wrong := func() (view.WhatIfNode, error) {
		return n, usagef("use ZONE, ZONE:WEIGHT or ZONE:WEIGHTxCOUNT, such as z4:1x3 for three nodes of weight 1", "--add is %q", text)
	}
	if at := strings.LastIndexByte(text, ':'); at >= 0 {
		n.Zone = text[:at]
		weight, count, many := strings.Cut(text[at+1:], "x")
		var err error
		if n.Weight, err = strconv.Atoi(weight); err != nil || n.Weight < 1 {
			return wrong()
		}
		if many {
			if n.Count, err = strconv.Atoi(count); err != nil || n.Count < 1 {
				return wrong()
			}
		}
	}
	if n.Zone == "" {
		return wrong()
	}
	return n, nil
}

// nodeWeight reads NODE=WEIGHT.
func nodeWeight(text string) (string, int, error) {
	at := strings.LastIndexByte(text, '=')
	if at > 0 {
		if w, err := strconv.Atoi(text[at+1:]); err == nil && w >= 1 {
			return text[:at], w, nil
		}
	}
	return "", 0, usagef("use NODE=WEIGHT with a weight of 1 or more, such as n5=2", "--weight is %q", text)
}

// question puts a WhatIf into words.
func question(q *view.WhatIf) string {
	var out []string
	list := func(one, many string, names []string) {
		switch len(names) {
		case 0:
		case 1:
			out = append(out, fmt.Sprintf(one, names[0]))
		default:
			out = append(out, fmt.Sprintf(many, strings.Join(names, ", ")))
		}
	}
	list("node %s is gone", "nodes %s are gone", q.Remove)
	list("node %s is drained", "nodes %s are drained", q.Drain)
	list("zone %s is down", "zones %s are down", q.ZoneDown)
	for _, n := range q.Add {
		is := "come"
		if n.Count == 1 {
			is = "comes"
		}
		out = append(out, fmt.Sprintf("%s of weight %d %s in zone %s", plural(n.Count, "node"), n.Weight, is, n.Zone))
	}
	for _, node := range slices.Sorted(maps.Keys(q.Weights)) {
		out = append(out, fmt.Sprintf("node %s has weight %d", node, q.Weights[node]))
	}
	return "if " + strings.Join(out, " and ")
}
