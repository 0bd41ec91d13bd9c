package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// playedConn is a connection over which given bytes come, and then its end.
type playedConn struct{ *bytes.Reader }

func (playedConn) Write(b []byte) (int, error)      { return len(b), nil }
func (playedConn) Close() error                     { return nil }
func (playedConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (playedConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (playedConn) SetDeadline(time.Time) error      { return nil }
func (playedConn) SetReadDeadline(time.Time) error  { return nil }
func (playedConn) SetWriteDeadline(time.Time) error { return nil }

// handedOver is a Handler that counts the bytes that it is given.
type handedOver struct{ sum atomic.Int64 }

func (c *handedOver) Messages(_ ident.NodeID, _ uint64, msgs [][]byte) {
	for _, m := range msgs {
		c.sum.Add(int64(len(m)))
	}
}
func (c *handedOver) Heartbeat(_ ident.NodeID, _ uint64, p []byte) { c.sum.Add(int64(len(p))) }
func (c *handedOver) Request(_ ident.NodeID, body []byte, reply func([]byte)) {
	c.sum.Add(int64(len(body)))
	reply(body)
}
func (c *handedOver) Snapshot(_ ident.NodeID, header []byte, body io.Reader) error {
	n, err := io.Copy(io.Discard, body)
	c.sum.Add(int64(len(header)) + n)
	return err
}
func (*handedOver) Connected(ident.NodeID, uint64) {}
func (*handedOver) Disconnected(ident.NodeID)      {}

// FuzzReceive plays anything to a node after a handshake of each class: the connection
// ends with an error, and what was handed over was there.
func FuzzReceive(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	messages := appendFrame(appendFrame(nil, kindHeartbeat, []byte("alive")), kindMessages, []byte{1, 0, 0, 0, 'x', 2, 0, 0, 0, 'y', 'z'})
	calls := appendFrame(appendFrame(nil, kindPing), kindRequests, []byte{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 'x'})
	snapshot := appendFrame(nil, kindBegin, []byte("header"))
	snapshot = appendFrame(appendFrame(snapshot, kindPing), kindChunk, []byte("body"))
	begun := len(snapshot)
	snapshot = appendFrame(snapshot, kindEnd, []byte{4, 0, 0, 0, 0, 0, 0, 0})
	for class, b := range map[Class][]byte{Consensus: messages, Calls: calls, Snapshots: snapshot} {
		for name, b := range fuzzseeds.Damaged(class.String(), b) {
			seeds.Add(name, uint8(class), b)
		}
		seeds.Add(class.String()+"-empty", uint8(class), []byte{})
		seeds.Add(class.String()+"-huge-frame", uint8(class), []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, kindMessages})
		seeds.Add(class.String()+"-frame-of-a-result", uint8(class), appendFrame(nil, kindResult, []byte{0}))
	}
	seeds.Add("messages-huge-message", uint8(Consensus), appendFrame(nil, kindMessages, []byte{0xff, 0xff, 0xff, 0xff, 'x'}))
	seeds.Add("calls-huge-request", uint8(Calls), appendFrame(nil, kindRequests, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 'x'}))
	seeds.Add("calls-id-twice", uint8(Calls), appendFrame(calls, kindRequests, []byte{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 'y'}))
	seeds.Add("snapshots-two", uint8(Snapshots), append(bytes.Clone(snapshot), snapshot...))
	seeds.Add("snapshots-of-another-length", uint8(Snapshots), appendFrame(snapshot[:begun:begun], kindEnd, []byte{5, 0, 0, 0, 0, 0, 0, 0}))
	seeds.Add("snapshots-aborted", uint8(Snapshots), appendFrame(snapshot[:begun:begun], kindAbort, []byte("why")))
	seeds.Add("snapshots-chunk-before-begin", uint8(Snapshots), appendFrame(nil, kindChunk, []byte("x")))
	fuzzseeds.Keep(f, seeds)

	var b book
	given := new(handedOver)
	node := open(f, &b, 1, given, nil)
	f.Fuzz(func(t *testing.T, class uint8, data []byte) {
		given.sum.Store(0)
		h := hello{min: 1, max: 1, class: 1 + Class((class+2)%3), fleet: testFleet, node: 2, wanted: 1, boot: 3}
		conn := playedConn{bytes.NewReader(data)}
		receive := map[Class]func(net.Conn, hello) error{Consensus: node.receiveMessages, Calls: node.receiveCalls, Snapshots: node.receiveSnapshots}[h.class]
		fuzzseeds.Bounded(t, len(data), 128, func() {
			if err := receive(conn, h); err == nil && conn.Len() > 0 || errors.Is(err, ErrSilent) {
				t.Errorf("a %v connection ended with %d bytes left: %v", h.class, conn.Len(), err)
			}
		})
		if sum := given.sum.Load(); sum > int64(len(data)) {
			t.Errorf("%d bytes were handed over of %d", sum, len(data))
		}
	})
}
