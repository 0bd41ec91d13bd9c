package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/gossip"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
)

// foundingKey holds the id of a fleet that this node began to found. It is written
// before anything else, so that a crash on the way is gone on with, not begun again.
const foundingKey = "founding"

const (
	// lookAround bounds how long a node that may found alone looks for a fleet at the
	// join addresses first.
	lookAround = 5 * time.Second
	// agreeTimeout bounds one round of votes.
	agreeTimeout = 2 * time.Second
	// agreeRest is how long the rest is waited for once there are votes enough: they may
	// see nodes that count, and one that does not answer must not use up the round.
	agreeRest = 200 * time.Millisecond
	// foundInstead is how long a node waits for the one whose turn it is to found,
	// before it tries itself: that one may be frozen, or never be activated.
	foundInstead = 10 * time.Second
)

// findFleet finds the fleet that this fresh node belongs to, or founds one.
func (n *Node) findFleet(ctx context.Context) error {
	begun, err := n.store.Get(foundingKey)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if len(begun) == 8 {
		return n.found(ident.FleetID(leUint64(begun)))
	}
	if len(n.cfg.Join) == 0 && n.cfg.Founders <= 1 {
		return n.found(ident.FleetID(n.newID()))
	}
	if n.cfg.Founders == 1 {
		looking, cancel := exec.WithTimeout(ctx, n.exec, lookAround)
		_, _ = n.gossip.Join(looking, n.cfg.Join) // nobody there is what Founders = 1 is for
		cancel()
	}
	began, why := n.exec.Now(), error(nil)
	for {
		changed := n.gossipChanged.wait()
		members := n.gossip.Members()
		if fleet := fleetOf(members); fleet != 0 {
			return n.adopt(fleet)
		}
		if chosen := n.ballots.chosen.Load(); chosen != nil {
			return n.found(chosen.Fleet)
		}
		wait := time.Hour
		if n.cfg.Founders > 0 {
			fresh := n.fresh(members)
			switch {
			case len(fresh) < n.cfg.Founders:
				why = fmt.Errorf("%d fresh nodes see each other, Founders asks for %d", len(fresh), n.cfg.Founders)
			case fresh[0].Node != n.id && n.exec.Now().Sub(began) < foundInstead:
				why = fmt.Errorf("node %s is to found a fleet and has not yet", fresh[0].Name)
				wait = foundInstead
			default:
				if why = n.agree(ctx, fresh); why == nil {
					continue // chosen, here or elsewhere
				}
				wait = 100*time.Millisecond + time.Duration(n.rand(int(400*time.Millisecond)))
			}
		}
		if err := n.await(ctx, wait, changed); err != nil {
			return n.noFleet(err, why)
		}
	}
}

func (n *Node) noFleet(err, why error) error {
	if why != nil {
		err = fmt.Errorf("%w; %w", err, why)
	}
	return fmt.Errorf("fleet: node %s looked for a fleet at %s: %w: %w", n.cfg.Name, strings.Join(n.cfg.Join, ", "), ErrNoFleet, err)
}

// fleetOf returns the fleet that gossip tells of, 0 if none.
func fleetOf(members []gossip.Member) ident.FleetID {
	for _, m := range members {
		if m.Fleet != 0 {
			return m.Fleet
		}
	}
	return 0
}

// fresh lists the living nodes that are in no fleet and were given the same Founders
// as this one, which is among them; by name, then by id. The first is to found.
func (n *Node) fresh(members []gossip.Member) []gossip.Meta {
	fresh := []gossip.Meta{n.gossip.Self()}
	for _, m := range members {
		if m.Alive && m.Fleet == 0 && m.Node != n.id && int(m.Founders) == n.cfg.Founders {
			fresh = append(fresh, m.Meta)
		}
	}
	slices.SortFunc(fresh, func(a, b gossip.Meta) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Node, b.Node))
	})
	return fresh
}

// agree has the fresh nodes choose who founds, and tells that node. It is an error
// when they did not agree, which may be tried again.
func (n *Node) agree(ctx context.Context, fresh []gossip.Meta) error {
	p, err := n.ballots.propose(founding{ident.FleetID(n.newID()), n.id}, n.cfg.Founders)
	if err != nil {
		return err
	}
	for request, more := p.next(); more; request, more = p.next() {
		n.collect(ctx, fresh, request, p)
	}
	n.ballots.hear(p.highest)
	value, err := p.outcome()
	if err != nil {
		return err
	}
	request := foundRequest{Step: stepChosen, Founders: n.cfg.Founders, Value: value}
	if value.Founder == n.id {
		_, err = n.foundHere(request)
		return err
	}
	for _, m := range fresh {
		if m.Node == value.Founder {
			asking, cancel := exec.WithTimeout(ctx, n.exec, agreeTimeout)
			_, err := n.askToFound(asking, m, request)
			cancel()
			if err != nil {
				return fmt.Errorf("node %s was chosen to found a fleet: %w", m.Name, err)
			}
			return fmt.Errorf("node %s was chosen to found a fleet and has not yet", m.Name)
		}
	}
	return fmt.Errorf("node %s was chosen to found a fleet and is not there: start it again; if it is lost, start all fresh nodes anew with empty data folders", value.Founder)
}

// collect asks all fresh nodes at once, this one too, and counts their votes.
func (n *Node) collect(ctx context.Context, fresh []gossip.Meta, request foundRequest, p *proposal) {
	ctx, cancel := exec.WithTimeout(ctx, n.exec, agreeTimeout)
	defer cancel()
	for _, m := range fresh {
		p.knows(m.Node)
	}
	var mu sync.Mutex
	var rest func() bool
	_ = n.each(len(fresh), len(fresh), func(i int) error {
		reply, err := n.askToFound(ctx, fresh[i], request)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			p.problem = err
			return nil
		}
		p.count(fresh[i].Node, reply)
		if rest == nil && p.enough() {
			rest = n.exec.AfterFunc(agreeRest, cancel)
		}
		return nil
	})
	if rest != nil {
		rest()
	}
}

func (n *Node) askToFound(ctx context.Context, m gossip.Meta, request foundRequest) (foundReply, error) {
	if m.Node == n.id {
		return n.foundHere(request)
	}
	// Nodes without a fleet have no connections: each request has its own.
	b, from, err := n.wire.CallAddr(ctx, m.Wire, encodeRequest(opFound, request))
	if err != nil {
		return foundReply{}, err
	}
	if from != m.Node {
		return foundReply{}, fmt.Errorf("node %s answers at %s, node %s was asked", from, m.Wire, m.Node)
	}
	if b, err = readAnswer(m.Node, "", b); err != nil {
		return foundReply{}, err
	}
	var reply foundReply
	return reply, decodeBody(b, &reply)
}

// foundHere is this node's part in a choice that another, or it itself, asks for.
func (n *Node) foundHere(r foundRequest) (foundReply, error) {
	if fleet := n.store.Identity().Fleet; fleet != 0 {
		return foundReply{}, fmt.Errorf("node %s is of fleet %s already: %w", n.cfg.Name, fleet, ErrRefused)
	}
	if r.Founders != n.cfg.Founders {
		return foundReply{}, fmt.Errorf("node %s was given Founders %d, the one that asks %d: give all of them the same: %w", n.cfg.Name, n.cfg.Founders, r.Founders, ErrRefused)
	}
	if r.Step == stepChosen {
		if r.Value.Founder == n.id {
			n.ballots.chosen.Store(&r.Value)
			n.gossipChanged.raise() // wakes Activate
		}
		return foundReply{}, nil
	}
	reply, err := n.ballots.vote(r)
	for _, m := range n.fresh(n.gossip.Members()) {
		reply.Fresh = append(reply.Fresh, m.Node)
	}
	return reply, err
}

// found makes this node the first of a fleet: the only voter of its catalogue.
func (n *Node) found(fleet ident.FleetID) error {
	if err := n.store.Put(foundingKey, appendUint64(nil, uint64(fleet))); err != nil {
		return err
	}
	const first ident.MemberID = 1
	err := n.host.Start(group.Spec{
		Group: ident.Catalogue, Member: first, Name: catalogueName, Type: catalogueTypeName,
		Config: catalogueConfig.Encode(), First: []group.Peer{{Member: first, Node: n.id}},
	})
	if err != nil {
		return fmt.Errorf("fleet: found a fleet: %w", err)
	}
	if err := n.adopt(fleet); err != nil {
		return err
	}
	n.log.Info("founded a fleet", "fleet", fleet)
	n.events.add(view.Event{Kind: "fleet_founded", Node: n.cfg.Name, Detail: "founded fleet " + fleet.String()})
	return nil
}

// catalogueConfig is how the catalogue's group is run. It never sleeps: every node
// follows it, and there is one.
var catalogueConfig = group.Config{SleepAfter: -1, MaxCommandBytes: 8 << 20, SnapshotLeast: 1 << 20}
