package catalogue

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// Limits. Bytes unless said otherwise.
const (
	MaxName     = 200     // of a group, type, node, zone or setting
	MaxAddress  = 300     // of a node
	MaxReason   = 1000    // why a node is in its state
	MaxConfig   = 1 << 20 // opaque configuration of a group
	MaxState    = 4 << 20 // initial state of a group, state of an archive
	MaxSetting  = 4 << 10 // value of a setting
	MaxReplicas = 31      // members wanted of a group

	// MaxMembers is how many members a target or a configuration may have: a
	// joint configuration has the old and the new ones.
	MaxMembers  = 2 * MaxReplicas
	MaxGroups   = 1_000_000
	MaxNodes    = 10_000
	MaxArchives = 100_000
	MaxSettings = 1000
	MaxTargets  = 10_000 // entries of one SetTargets
)

func refuse(sentinel error, format string, args ...any) error {
	return &Refusal{Sentinel: sentinel, Detail: fmt.Sprintf(format, args...)}
}

// checkName wants 1 to MaxName bytes of UTF-8 without control characters. What
// a Unicode table says of a character may differ between programs, and then
// members would, so no table is asked.
func checkName(field, name string) error {
	switch {
	case name == "":
		return refuse(ErrInvalid, "%s is empty: give 1 to %d bytes", field, MaxName)
	case len(name) > MaxName:
		return refuse(ErrInvalid, "%s %.40q… has %d bytes: give at most %d", field, name, len(name), MaxName)
	}
	return checkText(field, name, MaxName)
}

func checkText(field, text string, most int) error {
	if len(text) > most {
		return refuse(ErrInvalid, "%s %.40q… has %d bytes: give at most %d", field, text, len(text), most)
	}
	if !utf8.ValidString(text) {
		return refuse(ErrInvalid, "%s %.40q is not UTF-8: use UTF-8", field, text)
	}
	for _, r := range text {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return refuse(ErrInvalid, "%s %.40q has the control character %U: use printable characters", field, text, r)
		}
	}
	return nil
}

func checkSize(field string, b []byte, most int) error {
	if len(b) > most {
		return refuse(ErrInvalid, "%s has %d bytes: give at most %d", field, len(b), most)
	}
	return nil
}

func checkReplicas(n int) error {
	if n < 1 || n > MaxReplicas {
		return refuse(ErrInvalid, "replicas is %d: give 1 to %d", n, MaxReplicas)
	}
	return nil
}

func checkID[T ~uint64](field string, v T) error {
	if v == 0 {
		return refuse(ErrInvalid, "%s is zero: give an identifier", field)
	}
	return nil
}

// checkNodes wants 1 to MaxReplicas different nodes, and a preferred leader
// that is one of them or none.
func checkNodes(nodes []ident.NodeID, preferred ident.NodeID) error {
	if len(nodes) < 1 || len(nodes) > MaxReplicas {
		return refuse(ErrInvalid, "members are %d nodes: give 1 to %d", len(nodes), MaxReplicas)
	}
	for i, node := range nodes {
		if node == 0 || slices.Contains(nodes[:i], node) {
			return refuse(ErrInvalid, "members have node %s twice, or it is zero: give different nodes", node)
		}
	}
	if preferred != 0 && !slices.Contains(nodes, preferred) {
		return refuse(ErrInvalid, "preferred leader %s is not among the members: give one of them, or none", preferred)
	}
	return nil
}

func checkState(field string, s placement.State) error {
	if !s.Valid() {
		return refuse(ErrInvalid, "%s is %d: give a known state", field, uint8(s))
	}
	return nil
}

func checkWeight(w int) error {
	if w < 1 || w > placement.MaxWeight {
		return refuse(ErrInvalid, "weight is %d: give 1 to %d", w, placement.MaxWeight)
	}
	return nil
}

// firstError returns the first that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
