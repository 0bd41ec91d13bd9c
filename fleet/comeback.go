package fleet

import (
	"context"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

const (
	// aloneFor is how long an active node hears no leader of the catalogue before it
	// asks the others whether they have given it up.
	aloneFor = 3 * time.Second
	// comeBackTimeout bounds one attempt to come back.
	comeBackTimeout = 30 * time.Second
)

// comeBack enters the fleet again on behalf of an active node that was given up for
// dead while it was frozen or cut off. Its member of the catalogue was removed
// meanwhile, so its own copy will never say so: it would answer from the past.
func (n *Node) comeBack(ctx context.Context) {
	for n.sleep(ctx, aloneFor) {
		info, hosted := n.host.Info(ident.Catalogue)
		if hosted && (info.Leader != 0 || info.Failed != nil) || !n.entering.try() {
			continue // it hears the catalogue, or Activate is at it
		}
		n.enterAgain(ctx, hosted)
		n.entering.pass()
	}
}

// enterAgain does what Activate did, if the node was activated and then given up.
// Without a copy of the catalogue an earlier attempt did not get to its end.
func (n *Node) enterAgain(ctx context.Context, hosted bool) {
	if n.zone == "" || hosted && !n.givenUp(ctx) {
		return
	}
	ctx, cancel := exec.WithTimeout(ctx, n.exec, comeBackTimeout)
	defer cancel()
	if err := n.enter(ctx, n.zone); err != nil {
		n.log.Warn("the fleet gave this node up, and it could not come back yet; trying again", "error", err)
		return
	}
	n.log.Info("the fleet gave this node up meanwhile; it is active again")
	n.events.add(view.Event{Kind: "node_returned", Node: n.cfg.Name, Detail: "it was given up for dead meanwhile"})
}

// givenUp asks the others whether they hold this node for dead.
func (n *Node) givenUp(ctx context.Context) bool {
	request := encodeRequest(opForward, forwardRequest{View: &viewRequest{Node: n.id.String()}})
	for _, id := range n.activeNodes() {
		var d view.NodeDetail
		if b, err := n.ask(ctx, id, request); err == nil && decodeBody(b, &d) == nil && d.State == view.StateDead {
			return true
		}
	}
	return false
}
