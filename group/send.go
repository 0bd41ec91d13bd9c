package group

import (
	"encoding/binary"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// A consensus message travels as the group's id, a fixed eight bytes so that a
// reader finds the lane without decoding, and the core's own encoding.
const messageHeader = 8

// messageSender encodes straight into a peer's outgoing buffer. It is one object
// of the lane, with its method value bound once, so that sending does not allocate.
type messageSender struct {
	group   ident.GroupID
	message *consensus.Message
	encode  func(dst []byte) []byte
}

func (s *messageSender) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(s.group))
	return consensus.AppendMessage(dst, s.message)
}

func (l *lane) send(m *member, messages []consensus.Message) {
	for i := range messages {
		msg := &messages[i]
		if l.stalled && keepsLeadership(msg.Kind) {
			continue
		}
		node := m.nodeOf(msg.To)
		if node == 0 {
			continue
		}
		l.sender.group, l.sender.message = m.spec.Group, msg
		if err := l.host.transport.Send(node, l.sender.encode); err != nil {
			m.core.Unreachable(msg.To)
		}
	}
	l.sender.message = nil
}

// keepsLeadership names what a leader whose own disk hangs must not say: nobody
// could replace it while it does.
func keepsLeadership(k consensus.MessageKind) bool {
	switch k {
	case consensus.MsgAppend, consensus.MsgHeartbeat, consensus.MsgSleep:
		return true
	}
	return false
}

// Messages takes the consensus messages of one read from another node. It is
// wire's handler: it does not block, and the bodies are kept.
func (h *Host) Messages(from ident.NodeID, _ uint64, bodies [][]byte) {
	h.heard(from)
	var stack [4][]inMessage
	perLane := stack[:0]
	if len(h.lanes) > len(stack) {
		perLane = make([][]inMessage, 0, len(h.lanes))
	}
	perLane = perLane[:len(h.lanes)]
	h.mu.RLock()
	for _, b := range bodies {
		if len(b) < messageHeader {
			continue
		}
		m := h.members[ident.GroupID(binary.LittleEndian.Uint64(b))]
		if m == nil {
			continue // not here (any more): the sender learns it from the catalogue
		}
		perLane[m.lane.index] = append(perLane[m.lane.index], inMessage{m, from, b[messageHeader:]})
	}
	h.mu.RUnlock()
	for i, ms := range perLane {
		if len(ms) > 0 {
			h.lanes[i].deliver(ms)
		}
	}
}
