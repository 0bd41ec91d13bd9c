package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// presence is what a node says of a member that it may host.
type presence uint8

const (
	gone    presence = iota // it does not answer, and gossip does not hear it
	answers                 // the member runs, and says what it has
	failed                  // the member is there and was stopped: its data or machine is damaged
	begins                  // the node is there and has no such member, perhaps not yet
	unclear                 // the node is there and does not say
)

// candidate is one node that may host a member of a group.
type candidate struct {
	node   ident.NodeID
	is     presence
	err    error // why it does not answer
	report memberReport
	config consensus.Configuration // what the member goes by
}

// survey is what all nodes that may host a member of a group say, by node.
//
// What the catalogue has of a group's members is what its leader reported last, and may
// be of the past: from the end of a move until its report, and for as long as the
// catalogue has no leader. So everybody is asked who may host a member by any list, and
// who counts is decided by what the members themselves say.
type survey []candidate

// surveyParallel is how many nodes are asked at once: nearly always all.
const surveyParallel = 64

// survey asks them all.
func (n *Node) survey(ctx context.Context, g *catalogue.Group) survey {
	members := slices.Concat(g.Configured, g.Target, g.Named)
	var found survey
	for _, m := range members {
		if !slices.ContainsFunc(found, func(c candidate) bool { return c.node == m.Node }) {
			found = append(found, candidate{node: m.Node})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int { return cmp.Compare(a.node, b.node) })
	_ = n.each(len(found), surveyParallel, func(i int) error { // errors are part of what is found
		c := &found[i]
		c.report, c.err = n.reportOf(ctx, g.ID, c.node)
		if c.err == nil {
			c.config, c.err = consensus.DecodeConfiguration(c.report.Config)
		}
		var answered *remoteError
		switch {
		case c.err == nil && c.report.DurableTerm == 0:
			c.is, c.err = unclear, errMalformedRequest // of an older program, which does not say how much is durable
		case c.err == nil && !slices.Contains(members, catalogue.Member{ID: c.report.Member, Node: c.node}):
			c.is, c.err = begins, group.ErrNoMember // one of the past is still there
		case c.err == nil:
			c.is = answers
		case errors.Is(c.err, group.ErrMemberFailed):
			c.is = failed
		case errors.Is(c.err, group.ErrNoMember):
			c.is = begins
		case errors.As(c.err, &answered) || n.hears(c.node):
			c.is = unclear
		}
		return nil
	})
	return found
}

// survivor decides from which member a group without a quorum is recovered, or refuses.
//
// Of all logs that answer, the most complete has every committed entry that any of them
// has, so its configuration is the newest that can be known. A majority of that, and of
// its outgoing half while it is joint, can elect a leader: then nothing is to be
// recovered. A member that has no part in it has left the group, and what it has may
// lack what was acknowledged since.
func (s survey) survivor(ns names) (candidate, error) {
	refuse := func(format string, args ...any) (candidate, error) {
		return candidate{}, fmt.Errorf(format+": %w", append(args, ErrRefused)...)
	}
	most, silent := -1, -1
	for i, c := range s {
		switch {
		case c.is == unclear:
			silent = i
		case c.is == answers && c.report.Leader == c.node:
			return refuse("node %s leads it: it needs no recovery, only time or a look at its status; a leader without a majority gives up within seconds", ns.of(c.node))
		case c.is == answers && (most < 0 || c.report.moreComplete(s[most].report)):
			most = i
		}
	}
	newest := &consensus.Configuration{}
	if most >= 0 {
		newest = &s[most].config
		if there, of, quorum := s.quorum(newest); quorum {
			if i := slices.IndexFunc(s, func(c candidate) bool { return c.is == begins }); i >= 0 {
				return refuse("%d of %d voters are there, which is a majority: it needs no recovery, only time; if node %s, which has not begun its member yet, never does, stop that node first", there, of, ns.of(s[i].node))
			}
			return refuse("%d of %d voters are there, which is a majority: it needs no recovery, only time or a look at its status", there, of)
		}
	}
	if silent >= 0 {
		return refuse("node %s is alive and does not say what it has of the group; try again when it does, or stop it if it never will (%v)", ns.of(s[silent].node), s[silent].err)
	}
	if most < 0 {
		return refuse("none of its members can be reached: there is nothing to recover from; bring back one of the nodes %s", orNone(s.missing(ns)))
	}
	best := -1
	for i, c := range s {
		if c.is != answers || !newest.Contains(consensus.MemberID(c.report.Member)) {
			continue
		}
		voter := newest.IsVoter(consensus.MemberID(c.report.Member))
		if best < 0 || c.report.moreComplete(s[best].report) ||
			voter && !s[best].report.moreComplete(c.report) && !newest.IsVoter(consensus.MemberID(s[best].report.Member)) {
			best = i
		}
	}
	if best < 0 {
		return refuse("the members that can be reached have left the group: there is nothing to recover from; bring back one of the nodes %s", orNone(s.missing(ns)))
	}
	return s[best], nil
}

// quorum tells whether majorities that a configuration asks for are there, and of the
// voters of both halves together how many are.
func (s survey) quorum(c *consensus.Configuration) (there, of int, quorum bool) {
	present := func(v consensus.Member) bool {
		return slices.ContainsFunc(s, func(c candidate) bool {
			return c.is == answers && c.report.Member == ident.MemberID(v.ID) || c.is == begins && c.node == ident.NodeID(v.Node)
		})
	}
	quorum = true
	for _, half := range [...][]consensus.Member{c.Voters, c.Outgoing} {
		up := 0
		for _, v := range half {
			if present(v) {
				up++
			}
		}
		quorum = quorum && (len(half) == 0 || up > len(half)/2)
	}
	for _, m := range c.All() {
		if c.IsVoter(m.ID) {
			of++
			if present(m) {
				there++
			}
		}
	}
	return there, of, quorum
}

// missing names the nodes whose member does not answer.
func (s survey) missing(ns names) []string {
	var out []string
	for _, c := range s {
		switch c.is {
		case gone:
			out = append(out, ns.of(c.node))
		case failed:
			out = append(out, ns.of(c.node)+" (its member failed)")
		}
	}
	slices.Sort(out)
	return out
}

// moreComplete tells whether a durable log has more of what was acknowledged than
// another, as elections decide it: a later term first, for a long log of an old term may
// have been replaced since.
func (r memberReport) moreComplete(than memberReport) bool {
	if r.DurableTerm != than.DurableTerm {
		return r.DurableTerm > than.DurableTerm
	}
	return r.Durable > than.Durable
}

// reportOf asks one node for what its member knows.
func (n *Node) reportOf(ctx context.Context, g ident.GroupID, node ident.NodeID) (memberReport, error) {
	if node == n.id {
		return n.memberStatus(ctx, g)
	}
	var r memberReport
	b, err := n.ask(ctx, node, appendGroup(nil, opStatus, g, nil))
	if err != nil {
		return r, err
	}
	return r, decodeBody(b, &r)
}
