package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newNodeCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check NODE",
		Short: "Tell which groups would lose their quorum without a node; the exit code is 5 if any would",
		Long: "check tells whether a node can be stopped now: which groups, the catalogue among them, have a quorum\n" +
			"with it and would have none without it. It looks at who is heard and answers at this moment.",
		Args:              arguments("NODE"),
		ValidArgsFunction: a.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := fetch(cmd.Context(), a, func(ctx context.Context, c *admin.Client) (view.NodeCheck, error) {
				return c.CheckNode(ctx, args[0])
			})
			if err != nil {
				return err
			}
			if err := a.printCheck(&c); err != nil {
				return err
			}
			if c.Critical {
				return &failure{fmt.Sprintf("%s would lose their quorum without node %s", plural(c.AtRisk, "group"), c.Node),
					"bring back what is gone, or move them away: fleetctl node drain " + c.Node, exitUnhealthy}
			}
			return nil
		},
	}
}

func (a *app) printCheck(c *view.NodeCheck) error {
	if a.json() {
		return a.printJSON(c)
	}
	facts := &grid{header: []string{"FACT", "VALUE"}}
	facts.add("node", c.Node)
	facts.add("critical", yesNo(c.Critical))
	facts.add("groups at risk", c.AtRisk)
	facts.add("without quorum already", c.WithoutQuorum)
	facts.add("leaders", c.Leaders)
	if err := a.printGrid(facts); err != nil || len(c.Groups) == 0 {
		return err
	}
	fmt.Fprintln(a.out)
	g := &grid{header: []string{"GROUP", "REASON"}}
	for _, r := range c.Groups {
		g.add(r.Group, r.Reason)
	}
	if err := a.printGrid(g); err != nil {
		return err
	}
	if more := c.AtRisk - len(c.Groups); more > 0 {
		fmt.Fprintf(a.errs, "and %s more\n", plural(more, "group"))
	}
	return nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
