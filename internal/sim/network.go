package sim

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// network says which messages arrive, and when.
type network struct {
	cut   map[[2]ident.NodeID]int // links that carry nothing, with how many faults cut them
	last  map[[2]ident.NodeID]int64
	slow  map[[2]ident.NodeID]time.Duration // links on which all takes longer
	loss  int                               // per cent
	delay time.Duration
	mute  [2]*node // the first one's signs of life do not reach the second
	msg   consensus.Message
}

// transport is what one life of a node sends with.
type transport struct {
	n    *node
	boot uint64
}

func (t *transport) alive() bool { return t.n.up && t.n.boot == t.boot && !t.n.disk.dying }

// Send implements group.Transport.
func (t *transport) Send(to ident.NodeID, encode func([]byte) []byte) error {
	w := t.n.w
	if !t.alive() {
		return nil
	}
	w.encoding = encode(w.encoding[:0])
	w.said(t.n, w.encoding)
	if peer := w.byID[to]; peer != nil {
		w.carry(t.n, peer, eventMessage, w.copyOf(w.encoding))
	}
	return nil
}

// SendHeartbeat implements group.Transport.
func (t *transport) SendHeartbeat(to ident.NodeID, _ []byte) {
	if peer := t.n.w.byID[to]; peer != nil && t.alive() && t.n.w.net.mute != [2]*node{t.n, peer} {
		t.n.w.carry(t.n, peer, eventHeartbeat, nil)
	}
}

// carry takes a message to where it goes, or loses it on the way.
func (w *world) carry(from, to *node, kind eventKind, body []byte) {
	e := event{kind: kind, node: to, from: from, as: from.boot, body: body}
	at, ok := w.passage(from, to)
	if !ok {
		return
	}
	w.queue.push(at, e)
	if w.has(Duplicate) && w.chance(4) {
		w.result.Counts["duplicate"]++
		e.late = true
		again := w.about(w.plan.latency)
		if w.chance(25) {
			again = w.about(10 * time.Second) // from an older term, perhaps from an older life
		}
		w.queue.push(at+again, e)
	}
}

// passage says when something that is sent now arrives.
func (w *world) passage(from, to *node) (at int64, ok bool) {
	link := [2]ident.NodeID{from.id, to.id}
	if w.net.cut[link] > 0 {
		return 0, false
	}
	if w.net.loss > 0 && w.chance(w.net.loss) {
		w.result.Counts["drop"]++
		return 0, false
	}
	at = w.now + w.about(w.plan.latency) + w.about(w.net.delay) + int64(w.net.slow[link])
	if !w.has(Reorder) {
		at = max(at, w.net.last[link]+1)
		w.net.last[link] = at
	}
	return at, true
}

// SendSnapshot implements group.Transport.
func (t *transport) SendSnapshot(_ context.Context, to ident.NodeID, header []byte, body io.Reader) error {
	w, from := t.n.w, t.n
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	peer := w.byID[to]
	if peer == nil || !t.alive() {
		return errLost
	}
	w.said(from, header)
	answered, outcome := false, errLost
	answer := func(at int64, err error) {
		w.at(at, from, func() {
			if !answered {
				answered, outcome = true, err
			}
		})
	}
	if at, ok := w.passage(from, peer); ok {
		w.at(at+w.about(20*w.plan.latency), peer, func() {
			var r io.Reader = bytes.NewReader(b)
			if w.net.loss > 0 && w.chance(w.net.loss) {
				r = io.MultiReader(bytes.NewReader(b[:w.random.IntN(len(b)+1)]), brokenReader{})
			}
			if w.has(Duplicate) && w.chance(25) {
				w.at(w.now+w.about(3*time.Second), peer, func() {
					peer.process.Go(func() { _ = peer.host.Snapshot(from.id, header, bytes.NewReader(b)) })
				})
			}
			peer.process.Go(func() {
				err := peer.host.Snapshot(from.id, header, r)
				if at, ok := w.passage(peer, from); ok && !peer.disk.dying {
					answer(at, err)
				}
			})
		})
	}
	answer(w.now+int64(5*time.Second), errLost)
	from.process.Park(func() bool { return answered })
	return outcome
}

var errLost = errors.New("sim: lost on the way")

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errLost }

// said looks at what a member says: it must not claim what its disk does not hold.
func (w *world) said(n *node, b []byte) {
	id := ident.GroupID(binary.LittleEndian.Uint64(b))
	m := &w.net.msg
	if err := m.Decode(b[8:]); err != nil {
		w.violate(Promised, "node %d sends what cannot be read: %v", n.id, err)
		return
	}
	g := w.groupOf(id)
	if g == nil {
		w.violate(Apart, "node %d speaks for group %d, which never was", n.id, id)
		return
	}
	w.result.Checked++
	w.trace.add(uint64(m.Kind)<<32 ^ m.Index<<8 ^ m.Term)
	from := ident.MemberID(m.From)
	switch m.Kind {
	case consensus.MsgAppend, consensus.MsgHeartbeat, consensus.MsgSleep, consensus.MsgSnapshot:
		g.leads(n, from, m.Term)
		if m.Kind != consensus.MsgSnapshot {
			g.commitTo(m.Commit, n)
		}
	case consensus.MsgAppendReply:
		if !m.Reject {
			if l := g.logOf(from); l == nil || l.reach() < m.Index {
				w.violate(Promised, "group %d: member %d acknowledges %d, on its disk is %s", g.id, from, m.Index, describe(l))
			}
		}
	case consensus.MsgPreVote:
		g.preVotes++
	case consensus.MsgVoteReply:
		if !m.Reject {
			g.vote(from, m.Term, uint64(m.To))
			if l := g.logOf(from); l == nil || l.state.Term < m.Term || l.state.Term == m.Term && l.state.Vote != uint64(m.To) {
				w.violate(Promised, "group %d: member %d votes for %d in term %d, on its disk is %s", g.id, from, m.To, m.Term, describe(l))
			}
		}
	}
}

func describe(l *memberLog) string {
	if l == nil {
		return "nothing"
	}
	return l.describe()
}
