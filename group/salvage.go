package group

import (
	"bytes"
	"context"
	"fmt"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// Salvaged is what a member of a group without a quorum still has.
type Salvaged struct {
	State       []byte // as Spec.Initial takes it
	Index, Term uint64 // of the last entry in it
}

// Salvage stops this node's member for good and returns the state that it reaches
// with its whole log, also with entries of which it does not know whether they
// were committed: what was acknowledged is among them if this member had it. It
// is for a group whose quorum is lost, and is refused on a member that leads.
// After it the member serves no more until the node restarts.
func (h *Host) Salvage(ctx context.Context, g ident.GroupID) (Salvaged, error) {
	m, err := h.need(g)
	if err != nil {
		return Salvaged{}, err
	}
	type answer struct {
		s   Salvaged
		err error
	}
	got := make(chan answer, 1)
	if !m.lane.call(func() {
		switch {
		case !m.live():
			got <- answer{err: m.stoppedError()}
			return
		case m.core.Role() == consensus.Leader:
			got <- answer{err: fmt.Errorf("group %q is led from here: nothing needs to be salvaged", m.spec.Name)}
			return
		}
		last := m.core.Status().Durable // what comes behind was never acknowledged
		m.failWaiting(m.stoppedError())
		m.stopped = true
		m.countPeers()
		m.lane.keepAwakeList(m)
		m.enqueueTask(applyTask{do: func() {
			s, err := m.applyRest(last)
			got <- answer{s, err}
		}, dropped: func() {
			select {
			case got <- answer{err: m.endedError()}:
			default: // answered
			}
		}})
	}) {
		return Salvaged{}, ErrStopped
	}
	a, err := exec.Await(ctx, h.exec, got)
	if err != nil {
		return Salvaged{}, err
	}
	return a.s, a.err
}

// applyRest applies what the log holds behind the applied state, and captures it.
// It runs on the apply worker, under machineMu.
func (m *member) applyRest(last uint64) (Salvaged, error) {
	a := &m.applyState
	for a.index < last {
		entries, err := m.Entries(a.index+1, last+1, 1<<20)
		if err != nil {
			break // not durable here, and so not acknowledged by this member
		}
		for i := range entries {
			if err := m.applyEntry(&applyTask{entry: entries[i]}); err != nil {
				return Salvaged{}, err
			}
		}
	}
	write, err := m.capture()
	if err != nil {
		return Salvaged{}, err
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return Salvaged{}, err
	}
	return Salvaged{State: b.Bytes(), Index: a.index, Term: a.term}, nil
}
