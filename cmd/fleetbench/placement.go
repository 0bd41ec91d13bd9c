package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// placementResult is what placement prints.
type placementResult struct {
	Name string         `json:"name"`
	Seed uint64         `json:"seed"`
	Rows []placementRow `json:"rows"`
	JSON bool           `json:"-"`
}

// placementRow is one fleet under one rule. A node's share is what it would have
// if all members, or leaders, were divided by weight alone; its target is what is
// fair for it where a zone's number of nodes forces more or less than that.
// Figures of an added or removed node are the worst over one of each zone, of two zones in the largest fleets.
type placementRow struct {
	Nodes    int    `json:"nodes"`
	Zones    int    `json:"zones"`
	Groups   int    `json:"groups"`
	Replicas int    `json:"replicas"`
	Weights  string `json:"weights"` // of the nodes of a zone in turn
	Rule     string `json:"rule"`    // planner, raft_fleet

	MemberMaxOverShare float64 `json:"member_max_over_share"` // the fullest node, placed from nothing
	LeaderMaxOverShare float64 `json:"leader_max_over_share"`

	// After a node was added or removed, the fullest node against its target.
	MemberMaxOverTargetAdd    float64 `json:"member_max_over_target_after_add"`
	LeaderMaxOverTargetAdd    float64 `json:"leader_max_over_target_after_add"`
	MemberMaxOverTargetRemove float64 `json:"member_max_over_target_after_remove"`
	LeaderMaxOverTargetRemove float64 `json:"leader_max_over_target_after_remove"`

	// Members that moved, against the least possible: the target of the node that
	// was added, what the node that was removed held.
	MovedAddOverLeast    float64 `json:"moved_add_over_least"`
	MovedRemoveOverLeast float64 `json:"moved_remove_over_least"`

	GroupsInTooFewZones int     `json:"groups_in_too_few_zones"` // most of all that was placed
	ColdPlanMS          float64 `json:"cold_plan_ms"`
	ColdPlanCPU         float64 `json:"cold_plan_cpu_ms"`
	ReplanMS            float64 `json:"replan_ms"` // the slowest plan after a node was added or removed; of each, the fastest of three
	ReplanCPU           float64 `json:"replan_cpu_ms"`
}

func newPlacementCommand() *cobra.Command {
	r := placementResult{Name: "raftfleet"}
	var quick bool
	c := &cobra.Command{
		Use: "placement", Short: "Measure how evenly groups are placed, and how much moves", Args: cobra.NoArgs,
		Long: "Places groups of three members from nothing, adds a node, removes one, and counts: with the planner, and\n" +
			"with raft_fleet's rule for comparison. It starts no processes. Identifiers of nodes follow from the seed.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, c := range placementCases(quick) {
				if cmd.Context().Err() != nil {
					return cmd.Context().Err()
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "fleetbench: %d groups on %d nodes in %d zones, weights %s\n", c.groups, c.nodes, c.zones, c.weightsText())
				r.Rows = append(r.Rows, c.measure(r.Seed)...)
			}
			return r.print(cmd.OutOrStdout())
		},
	}
	f := c.Flags()
	f.BoolVar(&r.JSON, "json", false, "print one JSON object")
	f.BoolVar(&quick, "quick", false, "leave out fleets of 100 000 groups")
	f.Uint64Var(&r.Seed, "seed", 1, "what the identifiers of nodes follow from")
	return c
}

func (r placementResult) print(w io.Writer) error {
	if r.JSON {
		return printResult(w, true, r, "", nil)
	}
	fmt.Fprintf(w, "placement, seed %d: the fullest node over its share (over its target after a change), moved over the least possible\n\n", r.Seed)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "nodes\tzones\tgroups\tweights\trule\tmembers\tleaders\tadded: members\tleaders\tmoved\tremoved: members\tleaders\tmoved\ttoo few zones\tcold\tof CPU\treplan\tof CPU")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%d\t%d\t%d\t%s\t%s\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%d\t%.0f ms\t%.0f ms\t%.1f ms\t%.1f ms\n", row.Nodes, row.Zones, row.Groups, row.Weights, row.Rule,
			row.MemberMaxOverShare, row.LeaderMaxOverShare, row.MemberMaxOverTargetAdd, row.LeaderMaxOverTargetAdd, row.MovedAddOverLeast,
			row.MemberMaxOverTargetRemove, row.LeaderMaxOverTargetRemove, row.MovedRemoveOverLeast, row.GroupsInTooFewZones, row.ColdPlanMS, row.ColdPlanCPU, row.ReplanMS, row.ReplanCPU)
	}
	return t.Flush()
}
