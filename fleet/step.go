package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// target is the configuration that a group should have.
type target struct {
	voters, learners []consensus.Member
	preferred        ident.NodeID // who should lead, 0 for whoever does
	unready          bool         // there are nodes that could have been chosen, were they caught up
}

type stepKind uint8

const (
	stepNone     stepKind = iota // the group is as it should be
	stepWait                     // the next step is not safe or not possible yet
	stepChange                   // change the configuration
	stepTransfer                 // hand leadership over
)

// step is the next thing to do on the way to a target.
type step struct {
	kind   stepKind
	change consensus.Change
	to     ident.NodeID
	reason string
	// optional is a step that only makes things better: it can wait.
	optional bool
}

// mustBeTrue tells whether a step would do harm if the target were an old one.
func (s step) mustBeTrue() bool {
	return s.kind == stepChange || s.kind == stepTransfer && !s.optional
}

// noStep is for a group that has its members.
var noStep = step{kind: stepNone}

func (s step) String() string {
	switch s.kind {
	case stepChange:
		return fmt.Sprintf("change members: %s", s.reason)
	case stepTransfer:
		return fmt.Sprintf("transfer leadership to node %s: %s", s.to, s.reason)
	case stepWait:
		return "wait: " + s.reason
	}
	return "nothing to do"
}

// nextStep decides the next safe step of a group, as its leader sees it. It is
// pure: the leader's status, the target, and which nodes may lead.
//
// The order is that of thesis 4.2: new members catch up as learners, a leader that is
// to leave hands leadership over to one that stays, then one joint change promotes
// the new ones and removes those who leave, so that the group never has fewer live
// voters than before. Where none of them stays, the leader leaves last.
func nextStep(s *consensus.Status, t target, self ident.NodeID, mayLead, hears func(ident.NodeID) bool) step {
	cfg := &s.Config
	switch {
	case cfg.Joint() || s.ChangePending:
		return step{kind: stepWait, reason: "a change of members is not finished"}
	case s.TransferTarget != 0:
		return step{kind: stepWait, reason: "leadership is being transferred"}
	case len(t.voters) == 0:
		return step{}
	}
	wantVoter, wantLearner := ids(t.voters), ids(t.learners)
	// 1. Whoever is missing begins as a learner.
	var add []consensus.Member
	for _, m := range append(slices.Clone(t.voters), t.learners...) {
		if !cfg.Contains(m.ID) {
			add = append(add, m)
		}
	}
	if len(add) > 0 {
		return step{kind: stepChange, change: consensus.Change{AddLearners: add}, reason: "add learners on " + nodesOf(add)}
	}
	// 2. Who must be promoted has to be caught up.
	var promote, remove, demote []consensus.MemberID
	for _, l := range cfg.Learners {
		switch {
		case wantVoter[l.ID]:
			if behind, ok := lag(s, l.ID); !ok || behind > caughtUpEntries {
				return step{kind: stepWait, reason: fmt.Sprintf("the learner on node %s is %d entries behind", ident.NodeID(l.Node), behind)}
			}
			promote = append(promote, l.ID)
		case !wantLearner[l.ID]:
			remove = append(remove, l.ID)
		}
	}
	selfLeaves := false
	for _, v := range cfg.Voters {
		if wantVoter[v.ID] {
			continue
		}
		if v.ID == s.ID {
			selfLeaves = true // after the others: it still has to lead the change
			continue
		}
		if wantLearner[v.ID] {
			demote = append(demote, v.ID)
		} else {
			remove = append(remove, v.ID)
		}
	}
	if selfLeaves && len(promote) > 0 {
		// Leadership moves first, where somebody stays who can have it: then the new leader
		// promotes and removes in one change, and the group has no voter too many.
		stays := func(id ident.NodeID) bool {
			return mayLead(id) && slices.ContainsFunc(t.voters, func(m consensus.Member) bool { return ident.NodeID(m.Node) == id })
		}
		if to, ok := successor(s, t, self, stays); ok {
			return step{kind: stepTransfer, to: to, reason: "this node leaves the group"}
		}
	}
	if len(promote)+len(remove)+len(demote) > 0 {
		if !quorumLives(s, promote, append(slices.Clone(remove), demote...)) {
			return step{kind: stepWait, reason: "without the members that leave there would be no live quorum"}
		}
		return step{
			kind: stepChange, change: consensus.Change{Promote: promote, Remove: remove, Demote: demote},
			reason: changeOfMembers(cfg, promote, remove, demote),
		}
	}
	// 3. Leadership.
	if selfLeaves {
		// Where all that stay are leaving their nodes as well, one of them leads meanwhile.
		for _, can := range []func(ident.NodeID) bool{mayLead, hears} {
			if to, ok := successor(s, t, self, can); ok {
				return step{kind: stepTransfer, to: to, reason: "this node leaves the group"}
			}
		}
		return step{kind: stepWait, reason: "nobody else can lead yet"}
	}
	if t.preferred != 0 && t.preferred != self && mayLead(t.preferred) {
		for _, v := range cfg.Voters {
			if ident.NodeID(v.Node) == t.preferred {
				if behind, ok := lag(s, v.ID); ok && behind <= caughtUpEntries {
					return step{kind: stepTransfer, to: t.preferred, reason: "it is the preferred leader", optional: true}
				}
			}
		}
	}
	return step{}
}

// changeOfMembers says in words what a change does, by the nodes of the members.
func changeOfMembers(cfg *consensus.Configuration, promote, remove, demote []consensus.MemberID) string {
	var out []string
	for _, does := range []struct {
		what string
		ids  []consensus.MemberID
	}{{"promote", promote}, {"remove", remove}, {"demote", demote}} {
		var ms []consensus.Member
		for _, m := range slices.Concat(cfg.Voters, cfg.Learners) {
			if slices.Contains(does.ids, m.ID) {
				ms = append(ms, m)
			}
		}
		if len(ms) > 0 {
			out = append(out, does.what+" "+nodesOf(ms))
		}
	}
	return strings.Join(out, "; ")
}

func ids(ms []consensus.Member) map[consensus.MemberID]bool {
	out := make(map[consensus.MemberID]bool, len(ms))
	for _, m := range ms {
		out[m.ID] = true
	}
	return out
}

func nodesOf(ms []consensus.Member) string {
	s := ""
	for i, m := range ms {
		if i > 0 {
			s += ", "
		}
		s += ident.NodeID(m.Node).String()
	}
	return s
}

// lag tells how far a member is behind; ok is false when it does not answer, or has
// not yet answered this leader at all.
func lag(s *consensus.Status, id consensus.MemberID) (uint64, bool) {
	if id == s.ID || s.Asleep {
		return 0, true // a group sleeps only when all its members have everything
	}
	for _, p := range s.Members {
		if p.ID == id {
			return s.Last - min(p.Match, s.Last), p.RecentlyActive && p.Match > 0
		}
	}
	return 0, false
}

// quorumLives tells whether, after a change, a majority of the voters answers now.
func quorumLives(s *consensus.Status, promote, leave []consensus.MemberID) bool {
	voters, alive := 0, 0
	count := func(id consensus.MemberID) {
		voters++
		if _, ok := lag(s, id); ok {
			alive++
		}
	}
	for _, v := range s.Config.Voters {
		if !slices.Contains(leave, v.ID) {
			count(v.ID)
		}
	}
	for _, id := range promote {
		count(id)
	}
	return alive > voters/2
}

// successor picks who leads next: the preferred leader, or whoever of the target
// is closest to the leader.
func successor(s *consensus.Status, t target, self ident.NodeID, mayLead func(ident.NodeID) bool) (ident.NodeID, bool) {
	var best ident.NodeID
	least := uint64(caughtUpEntries + 1)
	for _, v := range s.Config.Voters {
		node := ident.NodeID(v.Node)
		if node == self || !mayLead(node) {
			continue
		}
		behind, ok := lag(s, v.ID)
		if !ok || behind > caughtUpEntries {
			continue
		}
		if node == t.preferred {
			return node, true
		}
		if behind < least {
			best, least = node, behind
		}
	}
	return best, best != 0
}
