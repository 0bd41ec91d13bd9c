package fleet

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// A node that has no copy of the catalogue and finds nobody who has one can tell of
// nothing but itself: what it is, what it looks for, and what keeps it from it.

// notJoinedError is returned at once for what needs a fleet.
type notJoinedError struct {
	reason, remedy string
}

func (e *notJoinedError) Error() string { return e.reason }
func (e *notJoinedError) Unwrap() error { return ErrNotActive }
func (e *notJoinedError) Kind() string  { return admin.KindUnavailable }

// Remedy says what to do about it.
func (e *notJoinedError) Remedy() string { return e.remedy }

// statusAlone is the status of a node that has no catalogue to look into. last is what
// another node that was asked said, nil if there was none to ask.
func (n *Node) statusAlone(last error) view.Status {
	j, why := n.joining(last)
	s := view.Status{
		FleetID: n.gossip.Self().Fleet, Node: n.cfg.Name, Nodes: []view.Node{}, Catalogue: view.Catalogue{Voters: []string{}},
		Problems: []view.Problem{{Kind: "not_joined", Thing: n.cfg.Name, Reason: why.reason, Remedy: why.remedy}},
		Joining:  j,
	}
	s.Problems = append(s.Problems, n.foreignProblems()...)
	return s
}

// joining tells how far the node is on its way into a fleet.
func (n *Node) joining(last error) (*view.Joining, *notJoinedError) {
	self := n.gossip.Self()
	j := &view.Joining{State: view.JoiningSearches, Zone: self.Zone, Join: append([]string{}, n.cfg.Join...), FoundersWanted: n.cfg.Founders, Errors: []view.JoinError{}}
	switch {
	case !n.isReady():
		j.State = view.JoiningOpens
	case self.Fleet != 0:
		j.State = view.JoiningEnters
	case self.Zone == "":
		j.State = view.JoiningNotActivated
	}
	var fresh, unlike []string
	for _, m := range n.gossip.Members() {
		switch {
		case !m.Alive || m.Fleet != 0 || m.Node == n.id:
		case int(m.Founders) == n.cfg.Founders:
			fresh = append(fresh, m.Name)
		default:
			unlike = append(unlike, fmt.Sprintf("%s wants %d", m.Name, m.Founders))
		}
	}
	if n.cfg.Founders > 0 {
		j.FoundersSeen = 1 + len(fresh)
	}
	for _, u := range n.gossip.Unreached() {
		j.Errors = append(j.Errors, view.JoinError{Addr: u.Addr, Time: u.At.UTC(), Reason: u.Err.Error()})
	}
	return j, n.whyNotJoined(j, self.Fleet, fresh, unlike, last)
}

func (n *Node) isReady() bool {
	select {
	case <-n.ready:
		return true
	default:
		return false
	}
}

func (n *Node) whyNotJoined(j *view.Joining, fleet ident.FleetID, fresh, unlike []string, last error) *notJoinedError {
	var b strings.Builder
	remedy := ""
	switch j.State {
	case view.JoiningOpens:
		fmt.Fprintf(&b, "node %s is opening: it reads its log and starts its members", n.cfg.Name)
		remedy = "ask again in a moment; its log tells what it does"
		return &notJoinedError{b.String(), remedy}
	case view.JoiningEnters:
		fmt.Fprintf(&b, "node %s is of fleet %s and has no copy of its catalogue yet", n.cfg.Name, fleet)
		remedy = "start the other nodes of the fleet, and check that they and this one reach each other"
	default:
		fmt.Fprintf(&b, "node %s is in no fleet yet", n.cfg.Name)
		if j.State == view.JoiningNotActivated {
			b.WriteString(" and was not activated")
		}
		remedy = "check that a node of the fleet runs at a join address, and that all have the same gossip keys"
	}
	if fleet == 0 && n.cfg.Founders > 1 {
		fmt.Fprintf(&b, "; it sees %d of %d founders", j.FoundersSeen, n.cfg.Founders)
		remedy = fmt.Sprintf("start the other nodes, each with --founders %d and a join address of these", n.cfg.Founders)
		if len(unlike) > 0 {
			fmt.Fprintf(&b, "; another number of founders was told to others: %s", strings.Join(unlike, ", "))
			remedy = "give all nodes the same --founders"
		}
	} else if others := append(fresh, unlike...); fleet == 0 && len(others) > 0 {
		fmt.Fprintf(&b, "; it hears %s, in no fleet either", count(len(others), "node"))
		remedy = "start one node without a join address to found the fleet, or all with the same --founders"
	}
	if len(j.Join) > 0 {
		fmt.Fprintf(&b, "; it joins %s", joinList(j))
	} else if fleet == 0 {
		remedy = "activate it: without join addresses it founds a fleet"
	}
	if last != nil {
		fmt.Fprintf(&b, "; last: %v", n.explainUnreached(last))
	}
	return &notJoinedError{b.String(), remedy}
}

// mostJoined bounds how many join addresses are named in one sentence.
const mostJoined = 5

// joinList names the join addresses, each with why it could not be joined.
func joinList(j *view.Joining) string {
	why := make(map[string]string)
	for _, e := range j.Errors {
		why[e.Addr] = " (" + e.Reason + ")"
	}
	var named []string
	for i, addr := range j.Join {
		if i == mostJoined {
			named = append(named, fmt.Sprintf("%d more", len(j.Join)-i))
			break
		}
		named = append(named, addr+why[addr])
	}
	return strings.Join(named, ", ")
}

const (
	// statusAskTimeout bounds how long a node without the catalogue waits for another
	// node's status before it tells its own.
	statusAskTimeout = 3 * time.Second
	// joinGrace is how long a request waits for a node that is of a fleet and on its
	// way back into it.
	joinGrace = 2 * time.Second
)

// Status tells the state of the whole fleet as this node sees it, with what is wrong
// and what to do about it. A node that has not joined a fleet and reaches none tells
// of itself: Status.Joining is then set, and all else empty.
func (n *Node) Status(ctx context.Context) (view.Status, error) {
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if c := n.catalogue.Load(); c != nil {
		return n.statusHere(ctx, c)
	}
	if err := n.Err(); err != nil {
		return view.Status{}, err
	}
	var last error
	if len(n.activeNodes()) > 0 {
		asking, cancel := exec.WithTimeout(ctx, n.exec, statusAskTimeout)
		defer cancel()
		s, err := seen(asking, n, viewRequest{Status: true}, n.statusHere)
		if err == nil || ctx.Err() != nil {
			return s, err
		}
		last = err
	}
	return n.statusAlone(last), nil
}

// awaitFleet returns once there is somebody who knows the fleet, this node or another.
// It waits only for a node that is of a fleet already, and not for long.
func (n *Node) awaitFleet(ctx context.Context) error {
	for began := n.exec.Now(); ; {
		changed, heard := n.catalogueWatch(), n.gossipChanged.wait()
		if n.catalogue.Load() != nil || len(n.activeNodes()) > 0 {
			return nil
		}
		if err := n.Err(); err != nil {
			return kind(err)
		}
		_, why := n.joining(nil)
		left := joinGrace - n.exec.Now().Sub(began)
		if n.gossip.Self().Fleet == 0 || left <= 0 {
			return why
		}
		if err := n.await(ctx, left, changed, heard); err != nil {
			return kind(fmt.Errorf("%w; %w", err, why))
		}
	}
}
