package consensus

import "fmt"

// transfer is a handing over of leadership (thesis 3.10).
type transfer struct {
	target  MemberID // 0: none
	elapsed int      // ticks
}

// TransferLeader asks a voter to take over, as soon as it has the whole log.
// Nothing is proposed meanwhile. It ends when this member leads no more, or is
// called off after one election timeout; Status tells. Asking for the leader
// itself calls a transfer off.
func (c *Core) TransferLeader(to MemberID) error {
	switch {
	case c.role != Leader:
		return ErrNotLeader
	case to == c.cfg.ID:
		c.endTransfer()
		return nil
	case c.transfer.target == to:
		return nil
	case c.transfer.target != 0:
		return fmt.Errorf("%w to %v", ErrTransferring, c.transfer.target)
	case !hasMember(c.Configuration().Voters, to):
		return fmt.Errorf("%w: %v is none", ErrInvalidTransfer, to)
	}
	c.stayAwake()
	c.transfer = transfer{target: to}
	c.changed = true
	c.pump = true
	c.tryTransfer()
	return nil
}

// tryTransfer tells the target to campaign if it has the whole log.
func (c *Core) tryTransfer() {
	p := c.peerOf(c.transfer.target)
	if p == nil || !p.voter || p.Match != c.log.last {
		return
	}
	c.lease.end()
	c.send(Message{Kind: MsgTimeoutNow, To: p.id})
}

func (c *Core) endTransfer() {
	if c.transfer.target == 0 {
		return
	}
	c.transfer = transfer{}
	c.changed = true
	c.leaveJoint() // it waited
}
