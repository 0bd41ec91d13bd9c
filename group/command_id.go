package group

import (
	"fmt"
	"strconv"
)

// CommandID names one command of one session, within one group. A command that is sent again under its id is applied
// at most once. The zero value is no id.
type CommandID struct {
	// Session is made of the place in the group's log where the session was registered.
	Session uint64
	// Sequence counts the session's commands from 1.
	Sequence uint64
}

// IsZero reports whether this is no id.
func (id CommandID) IsZero() bool { return id == CommandID{} }

// String returns sixteen hex digits of the session, a dash, and sixteen of the sequence.
func (id CommandID) String() string { return fmt.Sprintf("%016x-%016x", id.Session, id.Sequence) }

// MarshalText is String as bytes; the zero id is empty text.
func (id CommandID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return []byte{}, nil
	}
	return []byte(id.String()), nil
}

// UnmarshalText is ParseCommandID; empty text is the zero id.
func (id *CommandID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = CommandID{}
		return nil
	}
	parsed, err := ParseCommandID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// ParseCommandID reads the text form. Neither half may be zero.
func ParseCommandID(s string) (CommandID, error) {
	fail := func() (CommandID, error) {
		return CommandID{}, fmt.Errorf("command id %q: want two groups of sixteen hex digits with a dash between, as an unknown outcome printed it: %w", s, ErrInvalidArgument)
	}
	if len(s) != 33 || s[16] != '-' {
		return fail()
	}
	session, err := parseHex16(s[:16])
	if err != nil || session == 0 {
		return fail()
	}
	sequence, err := parseHex16(s[17:])
	if err != nil || sequence == 0 {
		return fail()
	}
	return CommandID{Session: session, Sequence: sequence}, nil
}

func parseHex16(s string) (uint64, error) {
	for i := range len(s) {
		// ParseUint also takes a sign and underscores.
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return 0, strconv.ErrSyntax
		}
	}
	return strconv.ParseUint(s, 16, 64)
}
