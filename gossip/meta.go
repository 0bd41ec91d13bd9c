package gossip

import (
	"encoding/binary"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/memberlist"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// MetaLimit is how many bytes an encoded Meta may have: what memberlist puts into
// one packet for a node.
const MetaLimit = memberlist.MetaMaxSize

// fieldLimit is the longest text field: its length travels in one byte.
const fieldLimit = 255

// metaVersion is the first byte of an encoded Meta. A later release may append
// fields without changing it, since decoding ignores what follows the known ones.
const metaVersion = 1

// State is what a node says it is doing in its fleet.
type State uint8

const (
	StateInactive State = iota // hosts nothing and asks for nothing
	StateActive                // a place where members may go
	StateDraining              // gives its members away
	StateLeaving               // goes on purpose: its end is no failure
)

func (s State) String() string {
	switch s {
	case StateInactive:
		return "inactive"
	case StateActive:
		return "active"
	case StateDraining:
		return "draining"
	case StateLeaving:
		return "leaving"
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Meta is what a node says of itself to all others. Node and Boot are set once;
// Fleet may be set once, from zero, when the node finds or founds its fleet.
//
// A text field has at most 255 bytes of printable UTF-8, and all of them together
// must leave the encoded Meta within MetaLimit (some 475 bytes of text).
type Meta struct {
	Fleet ident.FleetID // 0: fresh, in no fleet yet
	Node  ident.NodeID
	Boot  uint64 // random for each process start
	Name  string // for people
	Zone  string // failure domain
	Wire  string // host:port for other nodes' connections
	Admin string // host:port of the HTTP API, empty if it has none
	State State

	// ProtocolMin and ProtocolMax are the versions of the wire protocol that the
	// node speaks.
	ProtocolMin, ProtocolMax uint16

	// Founders is how many fresh nodes must see each other before a fleet is
	// founded; 0: this node never founds one together with others.
	Founders uint8
}

type textField struct {
	name  string
	value *string
}

func (m *Meta) texts() [4]textField {
	return [4]textField{{"Name", &m.Name}, {"Zone", &m.Zone}, {"Wire", &m.Wire}, {"Admin", &m.Admin}}
}

// Validate says which field keeps the Meta from being sent. It wraps ErrMeta.
func (m Meta) Validate() error {
	_, err := m.encode()
	return err
}

// Layout, integers little-endian:
//
//	version u8 | fleet u64 | node u64 | boot u64 | state u8 |
//	protocol min u16 | protocol max u16 | founders u8 |
//	four times (length u8 | bytes): name, zone, wire, admin
const metaFixed = 1 + 3*8 + 1 + 2*2 + 1

func (m Meta) encode() ([]byte, error) {
	if m.Node == 0 {
		return nil, fmt.Errorf("%w: Node is zero: give the identifier of the data folder", ErrMeta)
	}
	if m.State > StateLeaving {
		return nil, fmt.Errorf("%w: State is %d: want 0 to %d", ErrMeta, m.State, StateLeaving)
	}
	if m.ProtocolMin > m.ProtocolMax {
		return nil, fmt.Errorf("%w: ProtocolMin %d is above ProtocolMax %d", ErrMeta, m.ProtocolMin, m.ProtocolMax)
	}
	b := make([]byte, 0, metaFixed+4+len(m.Name)+len(m.Zone)+len(m.Wire)+len(m.Admin))
	b = append(b, metaVersion)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Fleet))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Node))
	b = binary.LittleEndian.AppendUint64(b, m.Boot)
	b = append(b, byte(m.State))
	b = binary.LittleEndian.AppendUint16(b, m.ProtocolMin)
	b = binary.LittleEndian.AppendUint16(b, m.ProtocolMax)
	b = append(b, m.Founders)

	var longest textField
	for _, f := range m.texts() {
		if len(*f.value) > fieldLimit {
			return nil, fmt.Errorf("%w: %s has %d bytes: shorten it to at most %d", ErrMeta, f.name, len(*f.value), fieldLimit)
		}
		if !printable(*f.value) {
			return nil, fmt.Errorf("%w: %s is %q: use printable UTF-8 only", ErrMeta, f.name, *f.value)
		}
		if longest.value == nil || len(*f.value) > len(*longest.value) {
			longest = f
		}
		b = append(b, byte(len(*f.value)))
		b = append(b, *f.value...)
	}
	if over := len(b) - MetaLimit; over > 0 {
		return nil, fmt.Errorf("%w: %d bytes in all, limit %d: %s is the longest with %d bytes: shorten it by %d",
			ErrMeta, len(b), MetaLimit, longest.name, len(*longest.value), over)
	}
	return b, nil
}

// decodeMeta reads what encode wrote. Allocation is bounded by len(b).
func decodeMeta(b []byte) (Meta, error) {
	var m Meta
	if len(b) == 0 {
		return m, fmt.Errorf("%w: empty: the other side is no node of a fleet", ErrMeta)
	}
	if b[0] != metaVersion {
		return m, fmt.Errorf("%w: version %d, this release reads version %d: run releases that overlap", ErrMeta, b[0], metaVersion)
	}
	if len(b) < metaFixed {
		return m, fmt.Errorf("%w: %d bytes, want at least %d", ErrMeta, len(b), metaFixed)
	}
	m.Fleet = ident.FleetID(binary.LittleEndian.Uint64(b[1:]))
	m.Node = ident.NodeID(binary.LittleEndian.Uint64(b[9:]))
	m.Boot = binary.LittleEndian.Uint64(b[17:])
	m.State = State(b[25])
	m.ProtocolMin = binary.LittleEndian.Uint16(b[26:])
	m.ProtocolMax = binary.LittleEndian.Uint16(b[28:])
	m.Founders = b[30]
	rest := b[metaFixed:]
	for _, f := range m.texts() {
		if len(rest) == 0 || len(rest)-1 < int(rest[0]) {
			return Meta{}, fmt.Errorf("%w: cut short in %s", ErrMeta, f.name)
		}
		*f.value = string(rest[1 : 1+int(rest[0])])
		rest = rest[1+int(rest[0]):]
	}
	if err := m.Validate(); err != nil {
		return Meta{}, err
	}
	return m, nil
}

// printable keeps what others say of themselves from spoiling logs and terminals.
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
