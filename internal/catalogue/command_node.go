package catalogue

import (
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// RegisterNode makes a node known, or brings what it says of itself up to date.
// A new node is joining and gets the next MemberID of the catalogue's group. A
// known one keeps its state and its member, with two exceptions: one that was
// dead, inactive or draining comes back on its own word and is joining again,
// and one that has no member since it was dead or forgotten gets the one that it
// still Has, or another. Who registers again was gone or began anew, and the record
// says when it Returned.
// Refused with ErrInvalid and ErrLimit.
type RegisterNode struct {
	ID          ident.NodeID
	Name, Zone  string // Zone may be empty
	Weight      int
	Wire, Admin string
	// Has is the member of the catalogue's own group that the node hosts, intact, 0
	// if none. It may still be a voter there, even the only one: the node must not
	// have to delete it to get another.
	Has ident.MemberID
}

// kind tells whether Has travels too: it came later.
func (r *RegisterNode) kind() kind {
	if r.Has != 0 {
		return kindRegisterHost
	}
	return kindRegisterNode
}

func (r *RegisterNode) fields(c *coder) {
	id(c, &r.ID)
	c.string(&r.Name, MaxName)
	c.string(&r.Zone, MaxName)
	c.int(&r.Weight)
	c.string(&r.Wire, MaxAddress)
	c.string(&r.Admin, MaxAddress)
	if r.Has != 0 {
		id(c, &r.Has)
	}
}

func (r *RegisterNode) check() error {
	return firstError(checkID("node", r.ID), checkName("name", r.Name), checkText("zone", r.Zone, MaxName),
		checkWeight(r.Weight), checkText("wire address", r.Wire, MaxAddress), checkText("admin address", r.Admin, MaxAddress))
}

func (r *RegisterNode) apply(m *Machine, at moment) (func(*coder), error) {
	next := Node{ID: r.ID, State: placement.Joining, Since: at.time}
	if known, ok := m.nodes[r.ID]; ok {
		next = *known
	} else if len(m.nodes) >= MaxNodes {
		return nil, refuse(ErrLimit, "%d nodes are registered: forget those that will not return", len(m.nodes))
	}
	switch {
	case next.State == placement.Inactive:
		next.Returned = 0 // it left in good order, and begins like a new one
	case next.State != placement.Joining || next.Returned != 0:
		next.Returned = at.time
	}
	switch next.State {
	case placement.Dead, placement.Inactive, placement.Draining:
		// It comes back on its own word.
		next.State, next.Since, next.Reason = placement.Joining, at.time, ""
	}
	if next.Member == 0 && m.isFree(r.Has) {
		next.Member = r.Has
	}
	if next.Member == 0 {
		next.Member = ident.MemberID(m.nextMember)
		m.nextMember++
	}
	next.Name, next.Zone, next.Weight, next.Wire, next.Admin = r.Name, r.Zone, r.Weight, r.Wire, r.Admin
	m.putNode(&next)
	return nodeResult(&next), nil
}

// isFree tells whether a member was given out and no node has it any more.
func (m *Machine) isFree(id ident.MemberID) bool {
	if id == 0 || uint64(id) >= m.nextMember {
		return false
	}
	for _, n := range m.nodes {
		if n.Member == id {
			return false
		}
	}
	return true
}

// Result is the node as it is now.
func (r *RegisterNode) Result(result []byte) (*Node, error) { return decodeNode(result) }

// SetNodeState moves a node to another state, if it is in one of IfState; empty
// means any. Moving it to the state that it has changes only the reason. A dead
// node loses its member of the catalogue's own group, which replaces it.
// Refused with ErrInvalid, ErrNoNode and ErrStateMoved.
type SetNodeState struct {
	ID      ident.NodeID
	To      placement.State
	Reason  string
	IfState []placement.State
	Now     int64 // the time if that is later than the log's, see SetTargets
}

func (s *SetNodeState) kind() kind { return kindSetNodeState }

func (s *SetNodeState) fields(c *coder) {
	id(c, &s.ID)
	state(c, &s.To)
	c.string(&s.Reason, MaxReason)
	list(c, &s.IfState, 256, state)
	c.int64(&s.Now)
}

func (s *SetNodeState) check() error {
	for _, expected := range s.IfState {
		if err := checkState("expected state", expected); err != nil {
			return err
		}
	}
	return firstError(checkID("node", s.ID), checkState("state", s.To), checkText("reason", s.Reason, MaxReason))
}

func (s *SetNodeState) apply(m *Machine, at moment) (func(*coder), error) {
	known, err := m.node(s.ID)
	if err != nil {
		return nil, err
	}
	if len(s.IfState) > 0 && !slices.Contains(s.IfState, known.State) {
		return nil, refuse(ErrStateMoved, "node %s is %s since then: look again", s.ID, known.State)
	}
	m.time = max(at.time, s.Now)
	next := *known
	if next.State != s.To {
		next.State, next.Since = s.To, m.time
	}
	if s.To == placement.Dead {
		next.Member = 0 // the catalogue's own group replaces it; if it returns, it gets another
	}
	next.Reason = s.Reason
	m.putNode(&next)
	return nodeResult(&next), nil
}

// Result is the node as it is now.
func (s *SetNodeState) Result(result []byte) (*Node, error) { return decodeNode(result) }

// SetNodeAddr gives a node its new addresses. Refused with ErrInvalid and ErrNoNode.
type SetNodeAddr struct {
	ID          ident.NodeID
	Wire, Admin string
}

func (s *SetNodeAddr) kind() kind { return kindSetNodeAddr }

func (s *SetNodeAddr) fields(c *coder) {
	id(c, &s.ID)
	c.string(&s.Wire, MaxAddress)
	c.string(&s.Admin, MaxAddress)
}

func (s *SetNodeAddr) check() error {
	return firstError(checkID("node", s.ID), checkText("wire address", s.Wire, MaxAddress),
		checkText("admin address", s.Admin, MaxAddress))
}

func (s *SetNodeAddr) apply(m *Machine, _ moment) (func(*coder), error) {
	known, err := m.node(s.ID)
	if err != nil {
		return nil, err
	}
	next := *known
	next.Wire, next.Admin = s.Wire, s.Admin
	m.putNode(&next)
	return nodeResult(&next), nil
}

// Result is the node as it is now.
func (s *SetNodeAddr) Result(result []byte) (*Node, error) { return decodeNode(result) }

// ForgetNode removes a node for ever: it is somebody's word that it will not
// return. Without Force the node must be dead or inactive, or host nothing.
// Refused with ErrInvalid, ErrNoNode and ErrNodeInUse.
type ForgetNode struct {
	ID    ident.NodeID
	Force bool
}

func (f *ForgetNode) kind() kind { return kindForgetNode }

func (f *ForgetNode) fields(c *coder) {
	id(c, &f.ID)
	c.bool(&f.Force)
}

func (f *ForgetNode) check() error { return checkID("node", f.ID) }

func (f *ForgetNode) apply(m *Machine, _ moment) (func(*coder), error) {
	known, err := m.node(f.ID)
	if err != nil {
		return nil, err
	}
	hosted := m.hosted.count(f.ID)
	if !f.Force && hosted > 0 && known.State != placement.Dead && known.State != placement.Inactive {
		return nil, refuse(ErrNodeInUse, "node %s is %s and hosts %d groups: deactivate it first, or use force if it will not return",
			f.ID, known.State, hosted)
	}
	delete(m.nodes, f.ID)
	m.ring.node(f.ID)
	return nodeResult(known), nil
}

// Result is the node as it was.
func (f *ForgetNode) Result(result []byte) (*Node, error) { return decodeNode(result) }
