package group

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// Salvaged is what a member of a group without a quorum still has.
type Salvaged struct {
	State       []byte // as Spec.Initial takes it
	Index, Term uint64 // of the last entry in it
	// Leader is whom the member followed until then, 0 if nobody: perhaps one that is
	// gone. Where it is not, the group may need no salvage.
	Leader ident.NodeID
}

// salvageTries is how often it is tried to read a log that is cut behind a newer snapshot
// meanwhile: a member that is kept apart takes few more.
const salvageTries = 3

// Salvage returns the state that this node's member reaches with its whole durable log,
// also with entries of which it does not know whether they were committed: what was
// acknowledged is among them if this member had it. It is for a group whose quorum is
// lost, and is refused with ErrNoSalvage on a member that leads or is just getting its state.
//
// The member itself is not changed. But from before its log is read it is kept apart, as
// if its node was cut off: nothing is acknowledged with its help that the state lacks.
// That ends with Rejoin, after an error, or when apart is over. A state of more than
// most bytes is ErrStateTooLarge; where the applied state shows it, before anything is
// kept apart.
func (h *Host) Salvage(ctx context.Context, g ident.GroupID, most int, apart time.Duration) (Salvaged, error) {
	m, err := h.need(g)
	if err != nil {
		return Salvaged{}, err
	}
	if err := m.measure(ctx, most); err != nil {
		return Salvaged{}, err
	}
	by := h.salvages.Add(1)
	s, last, err := m.stepAside(ctx, by, apart)
	if err == nil {
		s, err = m.replay(s, last, most)
	}
	if err != nil {
		m.lane.call(func() {
			if m.apart == by {
				m.rejoin()
			}
		})
		return Salvaged{}, err
	}
	return s, nil
}

// measure refuses a member whose state is too large as it is.
func (m *member) measure(ctx context.Context, most int) error {
	got := make(chan error, 1)
	m.enqueueTask(applyTask{do: func() {
		_, err := m.written(most)
		got <- err
	}, dropped: func() {
		select {
		case got <- m.endedError():
		default: // answered
		}
	}})
	err, waiting := exec.Await(ctx, m.host.exec, got)
	if waiting != nil {
		return waiting
	}
	return err
}

// stepAside keeps the member apart, and tells what was durable by then.
func (m *member) stepAside(ctx context.Context, by uint64, d time.Duration) (s Salvaged, last uint64, err error) {
	type answer struct {
		leader ident.NodeID
		last   uint64
		err    error
	}
	got := make(chan answer, 1)
	if !m.lane.call(func() {
		switch {
		case !m.live():
			got <- answer{err: m.stoppedError()}
		case m.core.Role() == consensus.Leader:
			got <- answer{err: fmt.Errorf("group %q is led from here: %w", m.spec.Name, ErrNoSalvage)}
		case m.installing != nil || m.core.Installing():
			got <- answer{err: fmt.Errorf("group %q: the member is taking over a snapshot: %w", m.spec.Name, ErrNoSalvage)}
		default:
			m.keepApart(by, d)
			// What comes behind what is durable was never acknowledged.
			got <- answer{leader: m.info.Load().Leader, last: m.core.Status().Durable}
		}
	}) {
		return s, 0, ErrStopped
	}
	a, err := exec.Await(ctx, m.host.exec, got)
	if err != nil {
		return s, 0, err
	}
	return Salvaged{Leader: a.leader}, a.last, a.err
}

// replay builds the state at last from the member's disk, beside the member.
func (m *member) replay(s Salvaged, last uint64, most int) (Salvaged, error) {
	var err error
	for range salvageTries {
		if s.State, s.Index, s.Term, err = m.stateAt(last, most); err == nil || errors.Is(err, ErrStateTooLarge) {
			break
		}
	}
	return s, err
}

func (m *member) stateAt(last uint64, most int) (state []byte, index, term uint64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("group %q: the machine panicked while its log was applied: %v", m.spec.Name, p)
		}
	}()
	r, err := m.copyFromDisk()
	if err != nil {
		return nil, 0, 0, err
	}
	a := &r.applyState
	for a.index < last {
		entries, err := r.Entries(a.index+1, last+1, 1<<20)
		if err == nil && len(entries) == 0 {
			err = fmt.Errorf("group %q: the log ends at %d, and had entries up to %d: %w", m.spec.Name, a.index, last, ErrMalformed)
		}
		if err != nil {
			return nil, 0, 0, err
		}
		for i := range entries {
			if err := r.applyEntry(&applyTask{entry: entries[i]}); err != nil {
				return nil, 0, 0, err
			}
		}
	}
	state, err = r.written(most)
	return state, a.index, a.term, err
}

// copyFromDisk makes a member that is on no lane and in no host, with the machine of
// m's snapshot or of the group's beginning.
func (m *member) copyFromDisk() (*member, error) {
	config, err := DecodeConfig(m.spec.Config)
	if err != nil {
		return nil, err
	}
	r := &member{host: m.host, lane: m.lane, spec: m.spec, typ: m.typ, awakeAt: -1}
	a, began := &r.applyState, m.spec.initialMeta()
	a.config = config.withDefaults()
	a.sessions = newSessionTable(a.config.SessionTTL, a.config.MaxSessions)
	a.index, a.term, a.membership, a.memberIndex = began.Index, began.Term, began.Config, began.ConfigIndex
	_, found, err := m.host.store.SnapshotInfo(m.key())
	if err != nil {
		return nil, err
	}
	if found {
		return r, r.restore()
	}
	r.newMachine(false)()
	return r, nil
}

// written is the machine's state as it is now, of at most so many bytes.
func (m *member) written(most int) (state []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the machine panicked while its state was written: %v", p)
		}
	}()
	write, err := m.capture()
	if err != nil {
		return nil, err
	}
	b := boundedBuffer{most: most}
	if err := write(&b); b.over {
		return nil, fmt.Errorf("group %q: more than %d bytes: %w", m.spec.Name, most, ErrStateTooLarge)
	} else if err != nil {
		return nil, err
	}
	return b.taken.Bytes(), nil
}

// boundedBuffer takes no more than most bytes.
type boundedBuffer struct {
	taken bytes.Buffer
	most  int
	over  bool
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.taken.Len()+len(p) > b.most {
		b.over = true
		return 0, io.ErrShortWrite
	}
	return b.taken.Write(p)
}
