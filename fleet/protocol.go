package fleet

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/msgpackcheck"
)

// Nodes ask each other with one byte of operation and a body; commands and
// queries, which are many, have a fixed binary head, the rest is msgpack.
type operation uint8

const (
	opCommand       operation = iota + 1 // group(8) session(8) sequence(8) acknowledgeBelow(8) body
	opRegister                           // group(8): opens a session
	opQuery                              // group(8) body: linearizable, at the leader
	opReadIndex                          // group(8)
	opLocate                             // locateRequest: where is the group of this name
	opStatus                             // group(8): what the leader knows
	opTransfer                           // transferRequest
	opForward                            // forwardRequest: an act that needs a node with the catalogue
	opObserve                            // node(8): do you hear it
	opEnter                              // enterRequest: what a node needs to host the catalogue
	opExport                             // group(8)
	opLeaders                            // no body: which groups this node leads
	opSalvage                            // group(8)
	opSeal                               // group(8)
	opConfigure                          // group(8) encoded group.Config
	opFound                              // foundRequest: fresh nodes choose who founds
	opDamaged                            // no body: members here whose data is damaged
	opAdmitTransfer                      // group(8): may its leader give way to the preferred one
	opTransferOver                       // group(8): it did, or could not
	opBalance                            // no body: what the planner says
	opRejoin                             // group(8): the recovery for which its member is kept apart failed
)

func (o operation) String() string {
	names := [...]string{"", "command", "register", "query", "read-index", "locate", "status", "transfer", "forward", "observe", "enter", "export", "leaders", "salvage", "seal", "configure", "found", "damaged", "admit-transfer", "transfer-over", "balance", "rejoin"}
	if int(o) < len(names) {
		return names[o]
	}
	return fmt.Sprintf("operation %d", uint8(o))
}

const commandHead = 1 + 4*8

func appendCommand(dst []byte, g ident.GroupID, c *group.Proposal) []byte {
	dst = append(dst, byte(opCommand))
	for _, v := range [...]uint64{uint64(g), c.ID.Session, c.ID.Sequence, c.AcknowledgeBelow} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return append(dst, c.Body...)
}

func decodeCommand(b []byte) (g ident.GroupID, c group.Proposal, err error) {
	if len(b) < commandHead {
		return 0, c, errMalformedRequest
	}
	at := func(i int) uint64 { return binary.LittleEndian.Uint64(b[1+8*i:]) }
	c.ID = group.CommandID{Session: at(1), Sequence: at(2)}
	c.AcknowledgeBelow, c.Body = at(3), b[commandHead:]
	return ident.GroupID(at(0)), c, nil
}

const groupHead = 1 + 8

func appendGroup(dst []byte, op operation, g ident.GroupID, body []byte) []byte {
	dst = append(dst, byte(op))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(g))
	return append(dst, body...)
}

func decodeGroup(b []byte) (g ident.GroupID, body []byte, err error) {
	if len(b) < groupHead {
		return 0, nil, errMalformedRequest
	}
	return ident.GroupID(binary.LittleEndian.Uint64(b[1:])), b[groupHead:], nil
}

func encodeRequest(op operation, v any) []byte {
	b, err := msgpack.Marshal(v)
	if err != nil {
		panic("fleet: a request of plain fields does not encode: " + err.Error()) // cannot happen
	}
	return append([]byte{byte(op)}, b...)
}

// decodeBody reads a request or an answer, which may come from anybody: only what
// is whole and not nested without end reaches the library.
func decodeBody(b []byte, v any) error {
	err := msgpackcheck.Check(b, true)
	if err == nil {
		err = msgpack.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("%w: %v", errMalformedRequest, err)
	}
	return nil
}

var errMalformedRequest = errors.New("fleet: a request from another node cannot be read; run the same version on all nodes")

// An answer is one byte of what it is, then what belongs to it.
type answer uint8

const (
	answerOK        answer = iota // body
	answerNotLeader               // leader(8) term(8)
	answerError                   // code, text
)

// remoteErrors keep their identity on the way between nodes. Their position is
// their code: append only.
var remoteErrors = [...]error{
	nil,
	group.ErrNoMember, group.ErrOverloaded, group.ErrTransferring, group.ErrLeadershipLost,
	group.ErrSessionExpired, group.ErrTooManySessions, group.ErrCommandTooLarge, group.ErrMemberFailed,
	group.ErrStopped, group.ErrStale, group.ErrNoGroup, ErrGroupExists, group.ErrUnknownType,
	group.ErrUnknownOperation, group.ErrInvalidArgument, group.ErrTransferAborted, ErrNoNode, ErrNotActive,
	ErrRefused, ErrNoArchive, ErrNodeInUse, group.ErrRemoved, errNobodyToAsk, ErrNoLeader,
}

func answerBody(b []byte) []byte { return append([]byte{byte(answerOK)}, b...) }

func answerFor(err error) []byte {
	// What a call here came to is not what the caller's own try came to: who leads
	// another group, or that an act which may have been done can be tried again.
	var call *group.CallError
	called := errors.As(err, &call)
	var nl *group.NotLeaderError
	if !called && errors.As(err, &nl) {
		b := []byte{byte(answerNotLeader)}
		b = binary.LittleEndian.AppendUint64(b, uint64(nl.Leader))
		return binary.LittleEndian.AppendUint64(b, nl.Term)
	}
	code := 0
	for i, e := range remoteErrors {
		if e != nil && errors.Is(err, e) && (!called || call.Outcome != group.Unknown) {
			code = i
			break
		}
	}
	return append([]byte{byte(answerError), byte(code)}, err.Error()...)
}

// remoteError is an error that another node gave, with the identity it had there.
type remoteError struct {
	node     ident.NodeID
	text     string
	sentinel error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.sentinel }

// readAnswer returns the body, or the error that the other node gave.
func readAnswer(from ident.NodeID, groupName string, b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, errMalformedRequest
	}
	switch answer(b[0]) {
	case answerOK:
		return b[1:], nil
	case answerNotLeader:
		if len(b) < 17 {
			return nil, errMalformedRequest
		}
		return nil, &group.NotLeaderError{
			Group:  groupName,
			Leader: ident.NodeID(binary.LittleEndian.Uint64(b[1:])), Term: binary.LittleEndian.Uint64(b[9:]),
		}
	case answerError:
		if len(b) < 2 {
			return nil, errMalformedRequest
		}
		e := &remoteError{node: from, text: string(b[2:])}
		if int(b[1]) < len(remoteErrors) {
			e.sentinel = remoteErrors[b[1]]
		}
		return nil, e
	}
	return nil, errMalformedRequest
}

type locateRequest struct {
	Name string
}

type locateReply struct {
	Group   ident.GroupID
	Type    string
	Members []ident.NodeID // preferred leader first
	Leader  ident.NodeID
	Term    uint64
}

type transferRequest struct {
	Group ident.GroupID
	To    ident.NodeID
}

type enterRequest struct{ Node ident.NodeID }

type enterReply struct{ First []group.Peer }
