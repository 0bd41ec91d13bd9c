package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/wire"
	"github.com/raftfleet/raftfleet/placement"
)

// Acts that need the catalogue are done by a node that has it: here, or forwarded
// to an active node.
type forwardRequest struct {
	Add      *addRequest      `msgpack:"a,omitempty"`
	Remove   *removeRequest   `msgpack:"r,omitempty"`
	Update   *updateRequest   `msgpack:"u,omitempty"`
	State    *stateRequest    `msgpack:"s,omitempty"`
	Forget   *forgetRequest   `msgpack:"f,omitempty"`
	View     *viewRequest     `msgpack:"v,omitempty"`
	Settings *settingsRequest `msgpack:"l,omitempty"`
	// Recover is the name of a group; Through is the node that the operator asked.
	Recover string `msgpack:"x,omitempty"`
	Through string `msgpack:"t,omitempty"`
}

// repeatable tells whether doing it twice comes to the same as doing it once.
func (r *forwardRequest) repeatable() bool { return r.Add == nil && r.Remove == nil && r.Recover == "" }

// patience is how long to wait for one node: a view comes at once or not at all, an
// act may have to wait for leaders.
func (r *forwardRequest) patience() time.Duration {
	if r.View != nil {
		return askTimeout
	}
	return serveTimeout
}

type addRequest struct {
	Name, Type      string
	Replicas        int
	Config, Initial []byte
	Restore         bool
}

type removeRequest struct {
	Name string
	Keep bool
}

type updateRequest struct {
	Name   string
	Config []byte
}

type stateRequest struct {
	Node string
	To   placement.State
}

type forgetRequest struct {
	Node  string
	Force bool
}

func (n *Node) forward(ctx context.Context, r forwardRequest) error {
	_, err := n.forwardFor(ctx, r)
	return err
}

func (n *Node) forwardFor(ctx context.Context, r forwardRequest) ([]byte, error) {
	for tries := 0; ; tries++ {
		if err := n.Err(); err != nil {
			return nil, err
		}
		var body []byte
		err := error(errNobodyToAsk)
		if n.catalogue.Load() != nil {
			body, err = n.forwarded(ctx, r)
		} else {
			for _, id := range n.activeNodes() {
				if body, err = n.askFor(ctx, id, encodeRequest(opForward, r), r.patience()); err == nil || !retriable(err) {
					break
				}
				if !r.repeatable() && (errors.Is(err, errNoAnswer) || errors.Is(err, wire.ErrLost)) {
					return nil, err // it may have been done
				}
			}
		}
		if err == nil || !retriable(err) {
			return body, err
		}
		if e := n.pause(ctx, tries, err); e != nil {
			return nil, fmt.Errorf("%w; last: %w", e, err)
		}
	}
}

// forwarded does an act on a node that has the catalogue.
func (n *Node) forwarded(ctx context.Context, r forwardRequest) ([]byte, error) {
	c := n.catalogue.Load()
	if c == nil {
		return nil, fmt.Errorf("node %s: %w", n.cfg.Name, group.ErrNoMember)
	}
	switch {
	case r.Add != nil:
		return nil, n.addHere(ctx, r.Add)
	case r.Remove != nil:
		return nil, n.removeHere(ctx, r.Remove)
	case r.Update != nil:
		return nil, n.updateHere(ctx, r.Update)
	case r.State != nil:
		return nil, n.setStateHere(ctx, r.State)
	case r.Forget != nil:
		return nil, n.forgetHere(ctx, c, r.Forget)
	case r.Settings != nil:
		return nil, n.setSettingsHere(ctx, r.Settings)
	case r.Recover != "":
		return nil, n.recoverHere(ctx, r.Recover, r.Through)
	case r.View != nil:
		return n.viewHere(ctx, r.View)
	}
	return nil, errMalformedRequest
}
