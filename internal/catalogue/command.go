package catalogue

import (
	"errors"
	"fmt"
)

// Command is one change of the catalogue: a pointer to one of this package's
// command structs.
type Command interface {
	fielder
	kind() kind
	// check refuses what no state could accept. Encode asks it, and so does
	// Apply, as bytes may come from anywhere.
	check() error
	// apply changes m and returns the result, or refuses and changes nothing.
	apply(m *Machine, at moment) (visit func(*coder), err error)
}

// moment is where in the log a command is.
type moment struct {
	index uint64
	time  int64
}

const commandVersion = 2

// kind is a command's number in the log. Numbers are never changed or used again.
type kind uint64

const (
	kindRegisterNode kind = 1 + iota
	kindSetNodeState
	kindSetNodeAddr
	kindForgetNode
	kindAddGroup
	kindRemoveGroup
	kindUpdateGroup
	kindSetTargets
	kindReport
	kindDropArchive
	kindSetSettings
	kindRegisterHost // RegisterNode with Has
	kindRecoverGroup
)

func newCommand(k kind) Command {
	switch k {
	case kindRegisterNode:
		return new(RegisterNode)
	case kindRegisterHost:
		return &RegisterNode{Has: 1} // read over
	case kindSetNodeState:
		return new(SetNodeState)
	case kindSetNodeAddr:
		return new(SetNodeAddr)
	case kindForgetNode:
		return new(ForgetNode)
	case kindAddGroup:
		return new(AddGroup)
	case kindRemoveGroup:
		return new(RemoveGroup)
	case kindUpdateGroup:
		return new(UpdateGroup)
	case kindSetTargets:
		return new(SetTargets)
	case kindReport:
		return new(Report)
	case kindDropArchive:
		return new(DropArchive)
	case kindSetSettings:
		return new(SetSettings)
	case kindRecoverGroup:
		return new(RecoverGroup)
	}
	return nil
}

// Encode gives the bytes to propose. It refuses with ErrInvalid what is out of
// the limits, so that nothing of the kind enters the log.
func Encode(command Command) ([]byte, error) {
	if err := command.check(); err != nil {
		return nil, err
	}
	b, err := pack(func(c *coder) {
		c.version(commandVersion)
		k := command.kind()
		id(c, &k)
		command.fields(c)
	})
	if err != nil {
		return nil, fmt.Errorf("catalogue: encode command: %w", err)
	}
	return b, nil
}

// decode reads what Encode wrote.
func decode(b []byte) (Command, error) {
	var command Command
	err := unpack(b, func(c *coder) {
		c.version(commandVersion)
		var k kind
		if id(c, &k); c.err != nil {
			return
		}
		if command = newCommand(k); command == nil {
			c.err = fmt.Errorf("this program knows no command of kind %d: run the newer program on every node", k)
			return
		}
		command.fields(c)
	})
	if err != nil {
		return nil, refuse(ErrBadCommand, "%v", err)
	}
	return command, command.check()
}

// decodeResult reads a command's typed result.
func decodeResult(b []byte, visit func(*coder)) error {
	err := unpack(b, visit)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrVersion):
		return fmt.Errorf("catalogue: decode result: %w", err)
	}
	return fmt.Errorf("catalogue: decode result: %w: %w", ErrCorrupt, err)
}

const resultVersion = 2

// nodeResult and groupResult write one record as a result. The group's opaque
// bytes stay out: whoever wants them reads them from the machine.
func nodeResult(n *Node) func(*coder) {
	return func(c *coder) {
		c.version(resultVersion)
		n.fields(c)
	}
}

func groupResult(g *Group) func(*coder) {
	slim := *g
	slim.Config, slim.FirstConfig, slim.Initial = nil, nil, nil
	return func(c *coder) {
		c.version(resultVersion)
		slim.fields(c)
	}
}

func decodeNode(b []byte) (*Node, error) {
	n := new(Node)
	return n, decodeResult(b, nodeResult(n))
}

func decodeGroup(b []byte) (*Group, error) {
	g := new(Group)
	err := decodeResult(b, func(c *coder) {
		c.version(resultVersion)
		g.fields(c)
	})
	return g, err
}
