package fleet

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

func leUint64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// handler takes what other nodes send: consensus goes straight to the host,
// requests are served here.
type handler struct{ n *Node }

func (h handler) Messages(from ident.NodeID, boot uint64, bodies [][]byte) {
	h.n.host.Messages(from, boot, bodies)
}
func (h handler) Heartbeat(from ident.NodeID, boot uint64, payload []byte) {
	h.n.host.Heartbeat(from, boot, payload)
}
func (h handler) Snapshot(from ident.NodeID, header []byte, body io.Reader) error {
	return h.n.host.Snapshot(from, header, body)
}
func (h handler) Connected(node ident.NodeID, boot uint64) { h.n.host.Connected(node, boot) }
func (h handler) Disconnected(node ident.NodeID)           { h.n.host.Disconnected(node) }

// serveTimeout bounds what a request from another node may take here, where it
// does not end by itself.
const serveTimeout = 10 * time.Second

// Request serves one request. Commands, which are many, get no goroutine of their
// own: the host answers them when they are applied.
func (h handler) Request(from ident.NodeID, b []byte, reply func([]byte)) {
	n := h.n
	select {
	case <-n.ready:
	default:
		reply(answerFor(group.ErrStopped))
		return
	}
	if len(b) == 0 {
		reply(answerFor(errMalformedRequest))
		return
	}
	switch operation(b[0]) {
	case opCommand:
		g, c, err := decodeCommand(b)
		if err != nil {
			reply(answerFor(err))
			return
		}
		n.host.Propose(g, c, func(result []byte, err error) {
			if err != nil {
				reply(answerFor(err))
				return
			}
			reply(answerBody(result))
		})
	case opRegister:
		g, _, err := decodeGroup(b)
		if err != nil {
			reply(answerFor(err))
			return
		}
		n.host.Register(g, func(session uint64, err error) {
			if err != nil {
				reply(answerFor(err))
				return
			}
			reply(answerBody(binary.LittleEndian.AppendUint64(nil, session)))
		})
	case opQuery:
		g, query, err := decodeGroup(b)
		if err != nil {
			reply(answerFor(err))
			return
		}
		n.queries.ask(g, query, reply)
	default:
		n.serve(reply, func(ctx context.Context) ([]byte, error) { return n.serveRare(ctx, from, b) })
	}
}

// serve runs f beside the caller and answers with what it returns.
func (n *Node) serve(reply func([]byte), f func(context.Context) ([]byte, error)) {
	if n.ctx.Err() != nil || !n.tasks.start(n.exec, func() {
		ctx, cancel := exec.WithTimeout(n.ctx, n.exec, serveTimeout)
		defer cancel()
		body, err := f(ctx)
		if err != nil {
			reply(answerFor(err))
			return
		}
		reply(answerBody(body))
	}) {
		reply(answerFor(group.ErrStopped))
	}
}

// queryHere answers a linearizable query of another node. The machine's own error
// is part of the answer, encoded as a command's.
func (n *Node) queryHere(ctx context.Context, g ident.GroupID, query []byte) ([]byte, error) {
	result, err := n.host.Query(ctx, g, query)
	return group.EncodeAnswer(result, err)
}

// serveRare serves what is asked seldom.
func (n *Node) serveRare(ctx context.Context, from ident.NodeID, b []byte) ([]byte, error) {
	op, body := operation(b[0]), b[1:]
	encode := func(v any, err error) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		return msgpack.Marshal(v)
	}
	switch op {
	case opReadIndex, opStatus, opExport, opSalvage, opRejoin, opSeal, opConfigure:
		g, rest, err := decodeGroup(b)
		if err != nil {
			return nil, err
		}
		switch op {
		case opReadIndex:
			index, err := n.host.ReadIndex(ctx, g)
			return binary.LittleEndian.AppendUint64(nil, index), err
		case opStatus:
			return encode(n.memberStatus(ctx, g))
		case opExport:
			return encode(n.exportHere(ctx, g))
		case opSalvage:
			return encode(n.salvageHere(ctx, g))
		case opRejoin:
			n.host.Rejoin(g)
			return nil, nil
		case opSeal:
			return nil, n.sealHere(ctx, g, len(rest) > 0)
		case opConfigure:
			c, err := group.DecodeConfig(rest)
			if err != nil {
				return nil, err
			}
			return nil, n.configureHere(ctx, g, c)
		}
	case opLocate:
		var r locateRequest
		if err := decodeBody(body, &r); err != nil {
			return nil, err
		}
		if n.catalogue.Load() == nil {
			return nil, fmt.Errorf("node %s: %w", n.cfg.Name, ErrNotActive)
		}
		return encode(n.locateHere(ctx, r.Name))
	case opTransfer:
		var r transferRequest
		if err := decodeBody(body, &r); err != nil {
			return nil, err
		}
		return nil, n.transferHere(ctx, r)
	case opObserve:
		g, _, err := decodeGroup(b) // a node's id has a group's shape
		if err != nil {
			return nil, err
		}
		if n.hears(ident.NodeID(g)) {
			return []byte{1}, nil
		}
		return []byte{0}, nil
	case opEnter:
		return encode(n.enterHere())
	case opLeaders:
		return n.leadersHere(), nil
	case opDamaged:
		return n.damagedHere(), nil
	case opAdmitTransfer, opTransferOver:
		g, _, err := decodeGroup(b)
		if err != nil {
			return nil, err
		}
		return n.planned(operation(b[0]), g), nil
	case opBalance:
		return n.balanceHere()
	case opFound:
		var r foundRequest
		if err := decodeBody(body, &r); err != nil {
			return nil, err
		}
		return encode(n.foundHere(r))
	case opForward:
		var r forwardRequest
		if err := decodeBody(body, &r); err != nil {
			return nil, err
		}
		return n.forwarded(ctx, r)
	}
	return nil, fmt.Errorf("%w: unknown %s from node %s", errMalformedRequest, op, from)
}

// hears tells whether this node's gossip hears another node.
func (n *Node) hears(id ident.NodeID) bool {
	if id == n.id {
		return true
	}
	m, ok := n.gossip.Member(id)
	return ok && m.Alive
}
