package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

const (
	// mostAtRisk bounds how many groups a check names.
	mostAtRisk = 100
	// checkParallel is how many groups whose members are changing are asked at once.
	checkParallel = 16
)

// Check tells which groups, the catalogue among them, would lose their quorum if a
// node, by name or id, stopped now: whether it can be restarted. A node counts as
// gone when gossip does not hear it or it does not answer. A group whose members are
// changing must keep its quorum among those it had and those it gets.
func (n *Node) Check(ctx context.Context, node string) (view.NodeCheck, error) {
	return seen(ctx, n, viewRequest{Check: node}, func(ctx context.Context, c *catalogue.Machine) (view.NodeCheck, error) {
		n.catchUpBriefly(ctx)
		found, err := n.findNode(ctx, node)
		if err != nil {
			return view.NodeCheck{}, err
		}
		ns := namesOf(c.Nodes())
		table := n.leaders(ctx)
		q := quorumCheck{without: found.ID, answers: make(map[ident.NodeID]bool), names: ns}
		q.result = view.NodeCheck{Node: ns.of(found.ID), Leaders: table.each[found.ID], Groups: []view.GroupAtRisk{}}
		q.answers[n.id] = true
		for _, m := range n.gossip.Members() {
			q.answers[m.Node] = m.Alive && !slices.Contains(table.deaf, m.Node)
		}
		if s, err := n.host.Status(ctx, ident.Catalogue); err == nil {
			q.look(catalogueName, nodesOfVoters(s.Core.Config.Voters), nodesOfVoters(s.Core.Config.Outgoing))
		}
		var changing []*catalogue.Group
		for _, g := range c.HostedBy(found.ID) {
			if g.Settled == g.Epoch {
				q.look(g.Name, g.ConfiguredNodes())
			} else {
				changing = append(changing, g)
			}
		}
		if err := n.each(len(changing), checkParallel, func(i int) error {
			r, _ := n.askMembers(ctx, changing[i])
			q.look(changing[i].Name, changingVoters(changing[i], r)...)
			return nil
		}); err != nil {
			return view.NodeCheck{}, err
		}
		return q.done(), nil
	})
}

// checkFreshness bounds how long a check waits for the newest catalogue. Without its
// leader the copy at hand has to do.
const checkFreshness = time.Second

func (n *Node) catchUpBriefly(ctx context.Context) {
	ctx, cancel := exec.WithTimeout(ctx, n.exec, checkFreshness)
	defer cancel()
	if err := n.catchUp(ctx); err != nil {
		n.log.Debug("a check looks at a copy of the catalogue that may be old", "error", err)
	}
}

func nodesOfVoters(ms []consensus.Member) []ident.NodeID {
	var out []ident.NodeID
	for _, m := range ms {
		out = append(out, ident.NodeID(m.Node))
	}
	return out
}

// changingVoters returns the sets of which a group needs a majority each while its
// members change: the voters that its leader reports, and those it had before, as far
// as they are not known to be learners. Where nobody reports, only the latter.
func changingVoters(g *catalogue.Group, r memberReport) [][]ident.NodeID {
	var voters, before []ident.NodeID
	learners := make(map[ident.NodeID]bool)
	for _, m := range r.Members {
		switch m.Role {
		case "learner":
			learners[m.Node] = true
		case "outgoing":
		default:
			voters = append(voters, m.Node)
		}
	}
	for _, id := range g.ConfiguredNodes() {
		if !learners[id] {
			before = append(before, id)
		}
	}
	return [][]ident.NodeID{voters, before}
}

// quorumCheck collects the groups that need a node.
type quorumCheck struct {
	without ident.NodeID
	answers map[ident.NodeID]bool
	names   names

	mu     sync.Mutex
	result view.NodeCheck
}

// look takes a group with the sets of voters of which it needs a majority each;
// empty ones do not count.
func (q *quorumCheck) look(name string, sets ...[]ident.NodeID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	reason := ""
	for _, voters := range sets {
		if len(voters) == 0 {
			continue
		}
		left := 0
		var gone []string
		for _, id := range voters {
			switch {
			case !q.answers[id]:
				gone = append(gone, q.names.of(id))
			case id != q.without:
				left++
			}
		}
		needs := len(voters)/2 + 1
		if len(voters)-len(gone) < needs {
			q.result.WithoutQuorum++
			return
		}
		if left >= needs || reason != "" {
			continue
		}
		reason = fmt.Sprintf("%d of %d voters would be left, it needs %d", left, len(voters), needs)
		if len(gone) > 0 {
			slices.Sort(gone)
			reason += "; gone already: " + strings.Join(gone, ", ")
		}
	}
	if reason != "" {
		q.result.Groups = append(q.result.Groups, view.GroupAtRisk{Group: name, Reason: reason})
	}
}

func (q *quorumCheck) done() view.NodeCheck {
	r := q.result
	r.AtRisk = len(r.Groups)
	r.Critical = r.AtRisk > 0
	slices.SortFunc(r.Groups, func(a, b view.GroupAtRisk) int { return cmp.Compare(a.Group, b.Group) })
	r.Groups = r.Groups[:min(len(r.Groups), mostAtRisk)]
	return r
}
