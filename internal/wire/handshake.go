package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// The magic begins both sides' first bytes; a stranger is known by the lack of
// it before anything else is read.
const magic = "rfleet\r\n"

const (
	helloBytes   = 56
	welcomeBytes = 48
	maxReason    = 512

	// flagOneOff marks a connection for one call to an address, whose dialler may
	// be in no fleet and does not know who will answer.
	flagOneOff = 1
)

// hello is what the dialler says first.
//
//	0      8    10   12     13     14        16     24     32      40    48       52     56
//	+------+----+----+------+------+---------+------+------+-------+-----+--------+------+
//	| magic| min| max| class| flags| zero u16| fleet| node | wanted| boot| zero   | CRC  |
//	+------+----+----+------+------+---------+------+------+-------+-----+--------+------+
type hello struct {
	min, max uint16
	class    Class
	oneOff   bool
	fleet    ident.FleetID
	node     ident.NodeID
	wanted   ident.NodeID // zero: whoever answers
	boot     uint64
}

func (h *hello) append(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint16(dst, h.min)
	dst = binary.LittleEndian.AppendUint16(dst, h.max)
	var flags byte
	if h.oneOff {
		flags |= flagOneOff
	}
	dst = append(dst, byte(h.class), flags, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.fleet))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.node))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.wanted))
	dst = binary.LittleEndian.AppendUint64(dst, h.boot)
	dst = append(dst, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

var errNoHandshake = errors.New("first bytes are no handshake of this protocol")

// readHello reads the magic alone first: a stranger is not waited for.
func readHello(r io.Reader) (hello, error) {
	var b [helloBytes]byte
	if err := readMagic(r, b[:]); err != nil {
		return hello{}, err
	}
	if binary.LittleEndian.Uint32(b[52:]) != crc32.Checksum(b[:52], castagnoli) {
		return hello{}, fmt.Errorf("%w: checksum does not match", errNoHandshake)
	}
	h := hello{
		min:    binary.LittleEndian.Uint16(b[8:]),
		max:    binary.LittleEndian.Uint16(b[10:]),
		class:  Class(b[12]),
		oneOff: b[13]&flagOneOff != 0,
		fleet:  ident.FleetID(binary.LittleEndian.Uint64(b[16:])),
		node:   ident.NodeID(binary.LittleEndian.Uint64(b[24:])),
		wanted: ident.NodeID(binary.LittleEndian.Uint64(b[32:])),
		boot:   binary.LittleEndian.Uint64(b[40:]),
	}
	if h.node == 0 || h.boot == 0 {
		return hello{}, fmt.Errorf("%w: it names no node", errNoHandshake)
	}
	return h, nil
}

// readMagic fills b, whose first bytes must be the magic.
func readMagic(r io.Reader, b []byte) error {
	if _, err := io.ReadFull(r, b[:len(magic)]); err != nil {
		return err
	}
	if string(b[:len(magic)]) != magic {
		return errNoHandshake
	}
	_, err := io.ReadFull(r, b[len(magic):])
	return err
}

// refusal is why a handshake is refused; zero means that it is not.
type refusal uint8

const (
	refusedFleet    refusal = 1
	refusedNode     refusal = 2
	refusedProtocol refusal = 3
	refusedClosing  refusal = 4
	refusedBusy     refusal = 5
	refusedClass    refusal = 6
)

// sentinel is the error that a refusal matches.
func (r refusal) sentinel() error {
	switch r {
	case refusedFleet:
		return ErrWrongFleet
	case refusedNode:
		return ErrWrongNode
	case refusedProtocol:
		return ErrProtocol
	case refusedClosing:
		return ErrClosed
	case refusedBusy:
		return ErrOverloaded
	}
	return nil
}

// welcome is what the other side answers, a refusal included.
//
//	0      8        9     10        12   14   16             18        20    24     32    40    48
//	+------+--------+-----+---------+----+----+--------------+---------+-----+------+-----+-----+--------+
//	| magic| refusal| zero| protocol| min| max| reason length| zero u16| CRC | fleet| node| boot| reason |
//	+------+--------+-----+---------+----+----+--------------+---------+-----+------+-----+-----+--------+
//
// The CRC is over all but itself.
type welcome struct {
	refusal  refusal
	protocol uint16 // chosen
	min, max uint16
	fleet    ident.FleetID
	node     ident.NodeID
	boot     uint64
	reason   string
}

func (w *welcome) append(dst []byte) []byte {
	at := len(dst)
	reason := w.reason[:min(len(w.reason), maxReason)]
	dst = append(dst, magic...)
	dst = append(dst, byte(w.refusal), 0)
	dst = binary.LittleEndian.AppendUint16(dst, w.protocol)
	dst = binary.LittleEndian.AppendUint16(dst, w.min)
	dst = binary.LittleEndian.AppendUint16(dst, w.max)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(reason)))
	dst = append(dst, 0, 0, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(w.fleet))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(w.node))
	dst = binary.LittleEndian.AppendUint64(dst, w.boot)
	dst = append(dst, reason...)
	binary.LittleEndian.PutUint32(dst[at+20:], welcomeSum(dst[at:]))
	return dst
}

func welcomeSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:20], castagnoli), castagnoli, b[24:])
}

func readWelcome(r io.Reader) (welcome, error) {
	b := make([]byte, welcomeBytes, welcomeBytes+maxReason)
	if err := readMagic(r, b); err != nil {
		return welcome{}, err
	}
	n := int(binary.LittleEndian.Uint16(b[16:]))
	if n > maxReason {
		return welcome{}, fmt.Errorf("%w: reason of %d bytes", errNoHandshake, n)
	}
	b = b[:welcomeBytes+n]
	if _, err := io.ReadFull(r, b[welcomeBytes:]); err != nil {
		return welcome{}, err
	}
	if binary.LittleEndian.Uint32(b[20:]) != welcomeSum(b) {
		return welcome{}, fmt.Errorf("%w: checksum does not match", errNoHandshake)
	}
	return welcome{
		refusal:  refusal(b[8]),
		protocol: binary.LittleEndian.Uint16(b[10:]),
		min:      binary.LittleEndian.Uint16(b[12:]),
		max:      binary.LittleEndian.Uint16(b[14:]),
		fleet:    ident.FleetID(binary.LittleEndian.Uint64(b[24:])),
		node:     ident.NodeID(binary.LittleEndian.Uint64(b[32:])),
		boot:     binary.LittleEndian.Uint64(b[40:]),
		reason:   string(b[welcomeBytes:]),
	}, nil
}

// judge is the acceptor's decision on a hello: self is its own identity in the
// form of a welcome, which judge completes.
func judge(h hello, self welcome) welcome {
	w := self
	refuse := func(r refusal, format string, args ...any) welcome {
		w.refusal, w.reason = r, fmt.Sprintf(format, args...)
		return w
	}
	if h.max < self.min || h.min > self.max {
		return refuse(refusedProtocol, "node %s speaks protocol %d to %d, node %s speaks %d to %d: upgrade one version at a time",
			h.node, h.min, h.max, self.node, self.min, self.max)
	}
	w.protocol = min(h.max, self.max)
	switch {
	case h.class < Consensus || h.class > Snapshots || h.oneOff && h.class != Calls:
		return refuse(refusedClass, "node %s asks for unknown %v", h.node, h.class)
	case h.wanted != self.node && !(h.oneOff && h.wanted == 0):
		return refuse(refusedNode, "node %s looks for node %s, but this is node %s: an address was taken over", h.node, h.wanted, self.node)
	case h.oneOff && (h.fleet == 0 || self.fleet == 0):
		return w
	case h.fleet == 0:
		return refuse(refusedFleet, "node %s is in no fleet yet", h.node)
	case self.fleet == 0:
		return refuse(refusedFleet, "node %s is in no fleet yet", self.node)
	case h.fleet != self.fleet:
		return refuse(refusedFleet, "node %s is of fleet %s, node %s of fleet %s: check join addresses and data folders",
			h.node, h.fleet, self.node, self.fleet)
	}
	return w
}

// check is the dialler's own look at a welcome: it trusts the other side no
// more than the other side trusts it.
func (w welcome) check(h hello, addr string) error {
	refused := func(kind error, format string, args ...any) error {
		return &RefusedError{Node: w.node, Addr: addr, Text: fmt.Sprintf(format, args...), kind: kind}
	}
	switch {
	case w.refusal != 0:
		return refused(w.refusal.sentinel(), "%s", w.reason)
	case w.node == 0 || w.boot == 0:
		return fmt.Errorf("%w: it names no node", errNoHandshake)
	case w.protocol < h.min || w.protocol > h.max:
		return refused(ErrProtocol, "node %s chose protocol %d, this node speaks %d to %d", w.node, w.protocol, h.min, h.max)
	case h.wanted != 0 && w.node != h.wanted:
		return refused(ErrWrongNode, "node %s answers, node %s was looked for", w.node, h.wanted)
	case w.fleet != h.fleet && !(h.oneOff && (h.fleet == 0 || w.fleet == 0)):
		return refused(ErrWrongFleet, "node %s is of fleet %s, this node of fleet %s", w.node, w.fleet, h.fleet)
	}
	return nil
}
