package consensus

import (
	"cmp"
	"slices"
	"strconv"
)

// MemberID names one member of a group, for ever: an identifier is never given
// to another member of the same group. 0 means none.
type MemberID uint64

// String gives the identifier in decimal, "-" for none.
func (id MemberID) String() string {
	if id == 0 {
		return "-"
	}
	return strconv.FormatUint(uint64(id), 10)
}

// Member says which member lives where.
type Member struct {
	ID MemberID
	// Node is where the member lives. It means nothing to this package, which
	// only carries it, so that who knows a configuration knows whom to dial.
	Node uint64
}

func compareMembers(a, b Member) int { return cmp.Compare(a.ID, b.ID) }

func findMember(members []Member, id MemberID) (Member, bool) {
	for _, m := range members {
		if m.ID == id {
			return m, true
		}
	}
	return Member{}, false
}

func hasMember(members []Member, id MemberID) bool {
	_, ok := findMember(members, id)
	return ok
}

// withoutMembers returns the members whose id is not in ids, in a new slice.
func withoutMembers(members []Member, ids []MemberID) []Member {
	var left []Member
	for _, m := range members {
		if !slices.Contains(ids, m.ID) {
			left = append(left, m)
		}
	}
	return left
}
