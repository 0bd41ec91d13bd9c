package group

import (
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// A member that is kept apart is as one whose node is cut off and whose clock stands
// still: it hears nobody, says nothing, acknowledges nothing and takes no time. That
// is always safe in Raft, and is over as if nothing had been.

// keepApart begins that, for the given Salvage and at most for d. It runs on the lane.
func (m *member) keepApart(by uint64, d time.Duration) {
	m.apart = by
	m.host.exec.AfterFunc(d, func() {
		m.lane.call(func() {
			if m.apart == by && m.live() {
				m.host.log.Warn("a member that was kept apart for a recovery takes part again: nothing came of it in time", "group", m.spec.Name, "group_id", m.spec.Group, "after", d)
				m.rejoin()
			}
		})
	})
}

// rejoin ends it. It runs on the lane.
func (m *member) rejoin() {
	late := m.late
	m.apart, m.late = 0, nil
	if !m.live() {
		return
	}
	for _, ticket := range late {
		m.core.Persisted(ticket)
	}
	m.lane.touch(m)
}

// persisted notes that a write is durable. It runs on the lane.
func (m *member) persisted(ticket uint64) {
	if m.apart != 0 {
		m.late = append(m.late, ticket) // who hears of it could count on it
		return
	}
	m.core.Persisted(ticket)
	m.lane.touch(m)
}

// Rejoin lets a member take part again that Salvage keeps apart. It does nothing to
// others.
func (h *Host) Rejoin(g ident.GroupID) {
	h.onLane(g, func(error) {}, func(m *member) {
		if m.apart != 0 {
			m.rejoin()
		}
	})
}
