// Package ident holds the identifiers that every room of the house shares.
//
// All of them are 64 random or assigned bits, never zero when set, written as
// sixteen hexadecimal digits wherever people or JSON see them: JSON numbers
// cannot carry 64 bits exactly.
package ident

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
)

// FleetID names a fleet for ever. It is made by the node that founds the fleet.
type FleetID uint64

// NodeID names one data folder for ever: it is made on the first start and kept
// there, so a node whose disk was wiped is another node.
type NodeID uint64

// GroupID names one incarnation of a group. The catalogue assigns it and never
// assigns it again, so a name that was removed and added is another group.
type GroupID uint64

// MemberID names one replica within its group for ever. A node that leaves a
// group and returns to it later holds another member.
type MemberID uint64

// Catalogue is the GroupID of the group that holds the fleet's own state.
const Catalogue GroupID = 1

// NewFleetID returns a random identifier, never zero.
func NewFleetID() FleetID { return FleetID(random()) }

// NewNodeID returns a random identifier, never zero.
func NewNodeID() NodeID { return NodeID(random()) }

func random() uint64 {
	var b [8]byte
	for {
		rand.Read(b[:]) // never fails: crypto/rand ends the process instead
		if v := binary.LittleEndian.Uint64(b[:]); v != 0 {
			return v
		}
	}
}

func (id FleetID) String() string  { return hex(uint64(id)) }
func (id NodeID) String() string   { return hex(uint64(id)) }
func (id GroupID) String() string  { return hex(uint64(id)) }
func (id MemberID) String() string { return strconv.FormatUint(uint64(id), 10) }

func (id FleetID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }
func (id NodeID) MarshalText() ([]byte, error)  { return []byte(id.String()), nil }
func (id GroupID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

func (id *FleetID) UnmarshalText(b []byte) error { return parse(b, (*uint64)(id)) }
func (id *NodeID) UnmarshalText(b []byte) error  { return parse(b, (*uint64)(id)) }
func (id *GroupID) UnmarshalText(b []byte) error { return parse(b, (*uint64)(id)) }

// ParseNodeID reads what NodeID.String wrote.
func ParseNodeID(s string) (NodeID, error) {
	var id NodeID
	err := id.UnmarshalText([]byte(s))
	return id, err
}

func hex(v uint64) string { return fmt.Sprintf("%016x", v) }

func parse(b []byte, to *uint64) error {
	v, err := strconv.ParseUint(string(b), 16, 64)
	if err != nil || len(b) != 16 {
		return fmt.Errorf("ident: %q is not an identifier: want sixteen hexadecimal digits", b)
	}
	*to = v
	return nil
}
