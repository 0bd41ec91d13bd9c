package group

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// Proposal is a command on its way into a group's log.
type Proposal struct {
	ID CommandID // zero: not in a session, and so applied again if proposed again
	// AcknowledgeBelow says that the answers to all sequences of the session below
	// it have arrived.
	AcknowledgeBelow uint64
	Body             []byte // kept until applied; must not change
}

// Propose replicates a command through this node's member, which must lead. done
// is called exactly once, from any goroutine, and must not block: with the answer
// as DecodeResult reads it, or with the reason why there is none; OutcomeOf tells
// what that means.
func (h *Host) Propose(g ident.GroupID, c Proposal, done func(result []byte, err error)) {
	h.propose(g, batchItem{
		kind: itemCommand, session: c.ID.Session, sequence: c.ID.Sequence,
		acknowledgeBelow: min(c.AcknowledgeBelow, c.ID.Sequence), body: c.Body,
	}, done)
}

// Register opens a session in a group; done gets its id.
func (h *Host) Register(g ident.GroupID, done func(session uint64, err error)) {
	h.propose(g, batchItem{kind: itemRegister}, func(result []byte, err error) {
		if err == nil {
			result, err = decodeResult(result)
		}
		if err != nil {
			done(0, err)
			return
		}
		if len(result) != 8 {
			done(0, fmt.Errorf("register a session: answer of %d bytes: %w", len(result), ErrMalformed))
			return
		}
		done(binary.LittleEndian.Uint64(result), nil)
	})
}

// Configure replicates new settings for a group; done is called when they are in force.
func (h *Host) Configure(g ident.GroupID, c Config, done func(error)) {
	if err := c.Validate(); err != nil {
		done(err)
		return
	}
	m, err := h.need(g)
	if err != nil {
		done(err)
		return
	}
	a := &m.applyState
	a.machineMu.RLock()
	now, next := a.config, c.withDefaults()
	a.machineMu.RUnlock()
	if (now.LeaseDrift != 0 || next.LeaseDrift != 0) && (now.LeaseDrift != next.LeaseDrift || now.ElectionTimeout != next.ElectionTimeout || now.HeartbeatInterval != next.HeartbeatInterval) {
		// Members change over one after another, and a lease needs them all to agree.
		done(fmt.Errorf("group %q: the timing of a group with a lease, and the lease itself, are fixed when it is added: %w", m.spec.Name, ErrInvalidArgument))
		return
	}
	h.propose(g, batchItem{kind: itemConfigure, body: c.Encode()}, func(_ []byte, err error) { done(err) })
}

// Seal closes a group that is to be removed, or opens it again if it was not: of a
// closed one, commands and queries are refused with ErrRemoved. done is called
// when it is in force.
func (h *Host) Seal(g ident.GroupID, closed bool, done func(error)) {
	item := batchItem{kind: itemSeal}
	if closed {
		item.body = []byte{1}
	}
	h.propose(g, item, func(_ []byte, err error) { done(err) })
}

func (h *Host) propose(g ident.GroupID, item batchItem, done func([]byte, error)) {
	m, err := h.need(g)
	if err != nil {
		done(nil, err)
		return
	}
	if limit := m.commandLimit(); len(item.body) > limit {
		done(nil, fmt.Errorf("group %q: a command of %d bytes, the limit is %d: %w", m.spec.Name, len(item.body), limit, ErrCommandTooLarge))
		return
	}
	// A follower refuses here already: its lane has better things to do.
	if info := m.info.Load(); info.Role != consensus.Leader {
		if info.Failed != nil {
			done(nil, info.Failed)
			return
		}
		done(nil, &NotLeaderError{Group: m.spec.Name, Leader: info.Leader, Term: info.Term})
		return
	}
	if item.kind == itemCommand && h.wal.Full() {
		done(nil, fmt.Errorf("group %q: the disk of node %s is full; it takes commands again once there is space: %w", m.spec.Name, h.node, ErrOverloaded))
		return
	}
	if err := m.lane.propose(proposal{m, item, done}); err != nil {
		done(nil, err)
	}
}

// DecodeResult reads an answer that Propose gave: the machine's bytes, or its
// error as a *MachineError, or the group's refusal.
func DecodeResult(b []byte) ([]byte, error) { return decodeResult(b) }

// Grant calls done when this node's member, which must lead, may answer a query
// that is linearizable.
func (h *Host) Grant(g ident.GroupID, done func(ReadGrant, error)) {
	m, err := h.need(g)
	if err != nil {
		done(ReadGrant{}, err)
		return
	}
	if info := m.info.Load(); info.Role != consensus.Leader {
		if info.Failed != nil {
			done(ReadGrant{}, info.Failed)
			return
		}
		done(ReadGrant{}, &NotLeaderError{Group: m.spec.Name, Leader: info.Leader, Term: info.Term})
		return
	}
	if err := m.lane.read(readRequest{m, done}); err != nil {
		done(ReadGrant{}, err)
	}
}

// Query answers a linearizable query from this node's member, which must lead.
func (h *Host) Query(ctx context.Context, g ident.GroupID, q []byte) ([]byte, error) {
	for {
		grant, err := h.grantWait(ctx, g)
		if err != nil {
			return nil, err
		}
		result, err := h.QueryLocal(g, q)
		if !h.Expired(grant) {
			return result, err
		}
	}
}

type grantResult struct {
	grant ReadGrant
	err   error
}

func (h *Host) grantWait(ctx context.Context, g ident.GroupID) (ReadGrant, error) {
	c := make(chan grantResult, 1)
	h.Grant(g, func(r ReadGrant, err error) { c <- grantResult{r, err} })
	r, err := exec.Await(ctx, h.exec, c)
	if err != nil {
		return ReadGrant{}, err
	}
	return r.grant, r.err
}

// Expired tells whether an answer that was computed under a grant may not be given:
// its lease ran out meanwhile, or the member that was granted it is not the one
// here any more. Ask for another grant then.
func (h *Host) Expired(g ReadGrant) bool {
	return g.LeaseUntil != 0 && h.exec.Monotonic() >= g.LeaseUntil ||
		g.member != nil && h.member(g.member.spec.Group) != g.member
}

// QueryLocal answers from whatever this node's member has applied.
func (h *Host) QueryLocal(g ident.GroupID, q []byte) ([]byte, error) {
	m, err := h.need(g)
	if err != nil {
		return nil, err
	}
	return m.queryRunning(q)
}

// QueryAt answers from this node's member once it has applied index.
func (h *Host) QueryAt(ctx context.Context, g ident.GroupID, index uint64, q []byte) ([]byte, error) {
	m, err := h.need(g)
	if err != nil {
		return nil, err
	}
	if err := m.awaitApplied(ctx, index); err != nil {
		return nil, err
	}
	// Of this member and no other: one that took its place here may be far behind.
	return m.queryRunning(q)
}

func (m *member) queryRunning(q []byte) ([]byte, error) {
	if info := m.info.Load(); info.Failed != nil {
		return nil, info.Failed
	}
	return m.query(q)
}

// ReadIndex returns, on the leader, an index such that a member which has applied
// it answers linearizably.
func (h *Host) ReadIndex(ctx context.Context, g ident.GroupID) (uint64, error) {
	for {
		grant, err := h.grantWait(ctx, g)
		if err != nil {
			return 0, err
		}
		index, _, err := h.Applied(g)
		if err != nil || !h.Expired(grant) {
			return index, err
		}
	}
}

// AwaitApplied returns once this node's member has applied index.
func (h *Host) AwaitApplied(ctx context.Context, g ident.GroupID, index uint64) error {
	m, err := h.need(g)
	if err != nil {
		return err
	}
	return m.awaitApplied(ctx, index)
}

func (m *member) awaitApplied(ctx context.Context, index uint64) error {
	reached := make(chan error, 1)
	m.enqueueTask(applyTask{
		do: func() { m.whenApplied(index, reached) },
		dropped: func() {
			select {
			case reached <- m.endedError():
			default: // answered
			}
		},
	})
	ended, err := exec.Await(ctx, m.host.exec, reached)
	if err != nil {
		return err
	}
	return ended
}

// Applied returns the index that this node's member has applied, and the log
// time of the last command.
func (h *Host) Applied(g ident.GroupID) (index uint64, time int64, err error) {
	m, err := h.need(g)
	if err != nil {
		return 0, 0, err
	}
	a := &m.applyState
	a.machineMu.RLock()
	defer a.machineMu.RUnlock()
	return a.index, a.time, nil
}

// Change proposes one change of a group's members through this node's member,
// which must lead, if its configuration still is that of expect. done is called
// once the change is in the log, not when it is in force.
func (h *Host) Change(g ident.GroupID, c consensus.Change, expect uint64, done func(error)) {
	h.onLane(g, done, func(m *member) {
		_, err := m.core.ProposeChange(c, expect)
		if errors.Is(err, consensus.ErrNotLeader) {
			err = m.notLeader()
		}
		done(err)
	})
}

// Transfer hands leadership to the member on a node; done is called when it leads,
// or with ErrTransferAborted: also when after 10 s nobody leads.
func (h *Host) Transfer(g ident.GroupID, to ident.NodeID, done func(error)) {
	h.onLane(g, done, func(m *member) {
		if m.core.Role() != consensus.Leader {
			done(m.notLeader())
			return
		}
		for _, p := range m.core.Configuration().Voters {
			if ident.NodeID(p.Node) != to {
				continue
			}
			if p.ID == m.core.ID() {
				done(nil)
				return
			}
			if m.transfer != nil {
				done(fmt.Errorf("group %q: %w", m.spec.Name, ErrTransferring))
				return
			}
			if err := m.core.TransferLeader(p.ID); err != nil {
				done(fmt.Errorf("group %q: %w", m.spec.Name, err))
				return
			}
			m.transfer = &transferWait{p.ID, m.core.Term(), h.exec.Monotonic() + int64(transferPatience), done}
			return
		}
		done(fmt.Errorf("group %q has no voter on node %s", m.spec.Name, to))
	})
}

// Campaign makes this node's member ask for an election now.
func (h *Host) Campaign(g ident.GroupID) {
	h.onLane(g, func(error) {}, func(m *member) {
		if m.apart == 0 {
			m.core.Campaign()
		}
	})
}

// onLane runs f on the member's lane, or refuse where there is no live member.
func (h *Host) onLane(g ident.GroupID, refuse func(error), f func(*member)) {
	m, err := h.need(g)
	if err != nil {
		refuse(err)
		return
	}
	if !m.lane.call(func() {
		if !m.live() {
			refuse(m.stoppedError())
			return
		}
		f(m)
		m.lane.touch(m)
	}) {
		refuse(ErrStopped)
	}
}

// Status tells everything about this node's member of a group.
type Status struct {
	Info         Info
	Core         consensus.Status
	Config       Config
	SnapshotSize int64
}

// Status looks at this node's member of a group.
func (h *Host) Status(ctx context.Context, g ident.GroupID) (Status, error) {
	m, err := h.need(g)
	if err != nil {
		return Status{}, err
	}
	got := make(chan Status, 1)
	if !m.lane.call(func() {
		s := Status{Info: *m.info.Load()}
		if m.begun && m.core != nil {
			s.Core = m.core.Status()
		}
		got <- s
	}) {
		return Status{}, ErrStopped
	}
	s, err := exec.Await(ctx, h.exec, got)
	if err != nil {
		return Status{}, err
	}
	a := &m.applyState
	a.machineMu.RLock()
	s.Config, s.SnapshotSize = a.config, a.snapshotSize
	a.machineMu.RUnlock()
	return s, nil
}

// Info is what this node's member last published about itself; it takes no lane.
func (h *Host) Info(g ident.GroupID) (Info, bool) {
	m := h.member(g)
	if m == nil {
		return Info{}, false
	}
	return *m.info.Load(), true
}

// Infos lists all members of this node, by GroupID.
func (h *Host) Infos() []Info {
	h.mu.RLock()
	out := make([]Info, 0, len(h.members))
	for _, m := range h.members {
		out = append(out, *m.info.Load())
	}
	h.mu.RUnlock()
	slices.SortFunc(out, func(a, b Info) int {
		switch {
		case a.Group < b.Group:
			return -1
		case a.Group > b.Group:
			return 1
		}
		return 0
	})
	return out
}

// Export returns the state of this node's member as Spec.Initial takes it, with the index at which it stands.
func (h *Host) Export(ctx context.Context, g ident.GroupID) (state []byte, index uint64, err error) {
	m, err := h.need(g)
	if err != nil {
		return nil, 0, err
	}
	type exported struct {
		state []byte
		index uint64
		err   error
	}
	got := make(chan exported, 1)
	m.enqueueTask(applyTask{do: func() {
		write, err := m.capture()
		if err != nil {
			got <- exported{err: err}
			return
		}
		var b bytes.Buffer
		err = write(&b)
		got <- exported{b.Bytes(), m.applyState.index, err}
	}, dropped: func() {
		select {
		case got <- exported{err: m.endedError()}:
		default: // answered
		}
	}})
	e, err := exec.Await(ctx, h.exec, got)
	if err != nil {
		return nil, 0, err
	}
	return e.state, e.index, e.err
}

// EncodeAnswer puts a query's answer, or its machine's error, into the form that
// DecodeResult reads; an error of the group itself is returned as it is.
func EncodeAnswer(result []byte, err error) ([]byte, error) {
	var answered *MachineError
	if err != nil && !errors.As(err, &answered) {
		for _, e := range refusals {
			if e != ErrOverloaded && errors.Is(err, e) {
				return encodeResult(nil, nil, err), nil
			}
		}
		return nil, err
	}
	return encodeResult(make([]byte, 0, 1+len(result)), result, err), nil
}

// Spec returns what a hosted member was started with.
func (h *Host) Spec(g ident.GroupID) (Spec, bool) {
	m := h.member(g)
	if m == nil {
		return Spec{}, false
	}
	return m.spec, true
}
