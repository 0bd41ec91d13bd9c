package catalogue

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Target is what one group should have from now on.
type Target struct {
	Group     ident.GroupID
	IfEpoch   uint64 // the epoch that the target was planned from
	Members   []ident.NodeID
	Preferred ident.NodeID // one of Members, or 0
	Cause     Cause
	// Rest is for how long, in ns of log time, nothing that can wait should give the
	// group another target. Back says that this takes back a move that failed. Where only
	// the preferred leader changes, a rest goes on, and what failed stays so.
	Rest int64
	Back bool
}

// SetTargets sets the targets of many groups. Each entry stands for itself: one
// whose group is gone (ErrNoGroup), changed its epoch (ErrEpochMoved) or names a
// node that is gone (ErrNoNode) is skipped, and the result says so. A node that
// is in the group's target or configuration, or was since the last target that was
// reached, keeps its member; one that is new gets a new MemberID. A target that is met already keeps
// its epoch. The command as a whole is refused with ErrInvalid only.
type SetTargets struct {
	Targets []Target
	// Now is the time, in ns since 1970, if that is later than the log's: log time stands
	// still after a clock was ahead, and whoever measures how long something lasts must
	// know when it began.
	Now int64
}

// TargetOutcome is what became of one entry of SetTargets.
type TargetOutcome struct {
	Group ident.GroupID
	Epoch uint64 // of the group now; 0 if it is gone
	Err   error  // one of the sentinels, nil if the target is set
}

func (s *SetTargets) kind() kind { return kindSetTargets }

func (s *SetTargets) fields(c *coder) {
	list(c, &s.Targets, MaxTargets, target)
	c.int64(&s.Now)
}

func target(c *coder, t *Target) {
	id(c, &t.Group)
	c.uint(&t.IfEpoch)
	list(c, &t.Members, MaxReplicas, id[ident.NodeID])
	id(c, &t.Preferred)
	cause(c, &t.Cause)
	c.int64(&t.Rest)
	c.bool(&t.Back)
}

func (s *SetTargets) check() error {
	if len(s.Targets) > MaxTargets {
		return refuse(ErrInvalid, "targets are %d: give at most %d at once", len(s.Targets), MaxTargets)
	}
	for _, t := range s.Targets {
		if err := firstError(checkID("group", t.Group), checkNodes(t.Members, t.Preferred), checkText("cause", t.Cause.Text, MaxReason)); err != nil {
			return err
		}
		if t.Rest < 0 {
			return refuse(ErrInvalid, "rest is %d: give 0 or more nanoseconds", t.Rest)
		}
	}
	return nil
}

func (s *SetTargets) apply(m *Machine, at moment) (func(*coder), error) {
	m.time = max(at.time, s.Now)
	outcomes := make([]TargetOutcome, len(s.Targets))
	for i, t := range s.Targets {
		outcomes[i] = m.setTarget(t, m.time)
	}
	return outcomesResult(&outcomes), nil
}

func (m *Machine) setTarget(t Target, now int64) TargetOutcome {
	g, ok := m.byID[t.Group]
	if !ok {
		return TargetOutcome{Group: t.Group, Err: ErrNoGroup}
	}
	outcome := TargetOutcome{Group: t.Group, Epoch: g.Epoch}
	if g.Epoch != t.IfEpoch {
		outcome.Err = ErrEpochMoved
		return outcome
	}
	for _, node := range t.Members {
		if m.nodes[node] == nil {
			outcome.Err = ErrNoNode
			return outcome
		}
	}
	next := *g
	next.Target, next.Preferred = nil, t.Preferred
	nodes := slices.Clone(t.Members)
	slices.Sort(nodes)
	for _, node := range nodes {
		member, known := g.MemberOn(node)
		if !known {
			member = Member{ID: ident.MemberID(next.NextMember), Node: node}
			next.NextMember++
		}
		next.Target = append(next.Target, member)
	}
	if next.Preferred == g.Preferred && slices.Equal(next.Target, g.Target) {
		return outcome
	}
	next.keep(g)
	next.Epoch++
	next.Cause, next.Since = t.Cause, now
	if !slices.Equal(next.Target, g.Target) {
		next.RestUntil, next.Back = 0, false // a rest, and a failure, is of the members
	}
	if t.Rest > 0 {
		next.RestUntil = max(next.RestUntil, now+min(t.Rest, math.MaxInt64-max(now, 0)))
	}
	if t.Back {
		next.Back = true
		next.Failures++
	}
	m.putGroup(&next)
	outcome.Epoch = next.Epoch
	return outcome
}

func outcomesResult(outcomes *[]TargetOutcome) func(*coder) {
	return func(c *coder) {
		c.version(resultVersion)
		list(c, outcomes, MaxTargets, func(c *coder, o *TargetOutcome) {
			id(c, &o.Group)
			c.uint(&o.Epoch)
			code := uint64(0)
			if o.Err != nil {
				code = codeOf(&Refusal{Sentinel: o.Err})
			}
			if c.uint(&code); code != 0 {
				if o.Err = codes[code]; o.Err == nil {
					o.Err = errors.New("catalogue: skipped for a reason that this program has no name for")
				}
			}
		})
	}
}

// Result is what became of each entry, in their order.
func (s *SetTargets) Result(result []byte) ([]TargetOutcome, error) {
	var outcomes []TargetOutcome
	return outcomes, decodeResult(result, outcomesResult(&outcomes))
}

// Report is what a group's leader has: all members of its configuration, and
// the configuration's index in the group's log. An older report than the last
// changes nothing.
// Refused with ErrInvalid and ErrNoGroup.
//
// Epoch, if not 0, says that this configuration is the target of that epoch, and
// committed. Until an epoch is reported, a member that its target lacks may still
// vote, and must not be deleted. Once the present one is, every member that had an
// identifier by then (below SettledNext) and is in neither Target nor Configured is
// out of the group for ever, whatever the target becomes later. SettledNext goes back
// to a member that was listed again and is no more: it may have come back meanwhile.
type Report struct {
	Group   ident.GroupID
	Index   uint64
	Members []Member
	Epoch   uint64
}

func (r *Report) kind() kind { return kindReport }

func (r *Report) fields(c *coder) {
	id(c, &r.Group)
	c.uint(&r.Index)
	list(c, &r.Members, MaxMembers, member)
	c.uint(&r.Epoch)
}

func (r *Report) check() error {
	if len(r.Members) < 1 || len(r.Members) > MaxMembers {
		return refuse(ErrInvalid, "the report has %d members: give 1 to %d", len(r.Members), MaxMembers)
	}
	for i, m := range r.Members {
		if m.ID == 0 || m.Node == 0 || m.ID == ^ident.MemberID(0) ||
			slices.ContainsFunc(r.Members[:i], func(o Member) bool { return o.ID == m.ID }) {
			return refuse(ErrInvalid, "the report has member %s on node %s, which repeats or is no identifier: report each member once", m.ID, m.Node)
		}
	}
	return checkID("group", r.Group)
}

func (r *Report) apply(m *Machine, _ moment) (func(*coder), error) {
	g, ok := m.byID[r.Group]
	if !ok {
		return nil, refuse(ErrNoGroup, "group %s is not in the catalogue: it was removed", r.Group)
	}
	for _, known := range [...][]Member{g.First, g.Target, g.Configured, g.Named} {
		for _, k := range known {
			if slices.ContainsFunc(r.Members, func(m Member) bool { return m.ID == k.ID && m.Node != k.Node }) {
				return nil, refuse(ErrInvalid, "the report has member %s on another node than %s, where it has been all its life", k.ID, k.Node)
			}
		}
	}
	settles := r.Epoch <= g.Epoch && r.Epoch > g.Settled
	if r.Index < g.ConfiguredIndex || r.Index == g.ConfiguredIndex && !settles {
		return groupResult(g), nil
	}
	next := *g
	members := r.Members
	if settles {
		next.Settled = r.Epoch
	} else {
		// Who was let go may have been deleted, and must never begin again.
		if members = g.notLetGo(members); len(members) == 0 {
			return groupResult(g), nil
		}
	}
	next.Configured, next.ConfiguredIndex = byNode(members), r.Index
	for _, reported := range members {
		// Never give a MemberID twice, even if an operator's recovery made members by itself.
		next.NextMember = max(next.NextMember, uint64(reported.ID)+1)
	}
	if settles && r.Epoch == g.Epoch {
		next.SettledNext, next.Named = next.NextMember, nil
		if !g.Back {
			next.Failures = 0
		}
	} else {
		next.keep(g)
	}
	m.putGroup(&next)
	return groupResult(&next), nil
}

// keep names the members that were listed before and are not any more, for as long as
// they may have begun on their nodes and vote: until the present epoch is reported. An
// earlier one says nothing of them: a target in between may have had them. If a later
// target has such a node, the same member goes on there: a node cannot host two members
// of a group, and keeps the one until it is certain that it does not count.
func (g *Group) keep(before *Group) {
	g.Named = nil
	for _, m := range slices.Concat(before.Named, before.Target, before.Configured) {
		if slices.Contains(g.Target, m) || slices.Contains(g.Configured, m) || slices.Contains(g.Named, m) || len(g.Named) == MaxNodes {
			continue
		}
		g.Named = append(g.Named, m)
		g.SettledNext = min(g.SettledNext, uint64(m.ID))
	}
}

// notLetGo leaves out the members that were accounted for and are listed no more.
func (g *Group) notLetGo(members []Member) []Member {
	return slices.DeleteFunc(slices.Clone(members), func(m Member) bool {
		return uint64(m.ID) < g.SettledNext && !slices.Contains(g.Target, m) && !slices.Contains(g.Configured, m)
	})
}

func byNode(members []Member) []Member {
	members = slices.Clone(members)
	slices.SortFunc(members, func(a, b Member) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.ID, b.ID)) })
	return members
}

// Result is the group as it is now, without Config and Initial.
func (r *Report) Result(result []byte) (*Group, error) { return decodeGroup(result) }
