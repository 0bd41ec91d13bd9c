package sim

import (
	"bytes"
	"encoding/binary"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// hear gives a message to the node's host. One that is meant for a member that the
// node had before must do nothing to the one that it has now.
func (n *node) hear(e *event) {
	n.bodies[0] = e.body
	core, before := n.notFor(e)
	n.host.Messages(e.from.id, e.as, n.bodies[:])
	if core != nil {
		n.turnLanes()
		if now := n.coreOf(e); now == core && !n.disk.dying && !bytes.Equal(now.AppendFingerprint(nil), before) {
			n.w.violate(Apart, "node %d: what is meant for a member of group %d that was here before changes the one that is", n.id, binary.LittleEndian.Uint64(e.body))
		}
	}
	n.busy()
}

// notFor returns the member of a message's group that is here, and what it knows, when
// the message is for another one; nil when it is for this one, or none is here.
func (n *node) notFor(e *event) (core *consensus.Core, knows []byte) {
	if !n.w.readded {
		return nil, nil
	}
	if err := n.w.net.msg.Decode(e.body[8:]); err != nil {
		return nil, nil
	}
	info, ok := n.host.Info(ident.GroupID(binary.LittleEndian.Uint64(e.body)))
	if !ok || consensus.MemberID(info.Member) == n.w.net.msg.To {
		return nil, nil
	}
	n.turnLanes() // so that nothing else comes in with the message
	if core = n.coreOf(e); core == nil || n.disk.dying {
		return nil, nil
	}
	n.w.result.Checked++
	n.w.result.Counts["to a former member"]++
	return core, core.AppendFingerprint(nil)
}

func (n *node) coreOf(e *event) *consensus.Core {
	return n.host.Core(ident.GroupID(binary.LittleEndian.Uint64(e.body)))
}

// turnLanes has every lane take in all that waits for it.
func (n *node) turnLanes() {
	for turned := true; turned && !n.disk.dying; {
		turned = false
		for i := range n.host.Lanes() {
			if n.host.TurnLane(i) {
				turned = true
				n.inspect()
			}
		}
	}
	n.expectApply()
	n.expectJobs()
}
