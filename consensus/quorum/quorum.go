// Package quorum is the arithmetic of majorities: what a set of voters has
// acknowledged and how it has voted. It knows numbers only, allocates nothing,
// and leaves joint decisions to its caller: the smaller of two acknowledgements,
// the worse of two results.
package quorum

import "math"

// Result is where an election stands.
type Result uint8

const (
	// Pending: neither side has a majority yet.
	Pending Result = iota
	// Lost: a majority can no longer be reached.
	Lost
	// Won: a majority has agreed.
	Won
)

// String names the result in lower case.
func (r Result) String() string {
	switch r {
	case Won:
		return "won"
	case Lost:
		return "lost"
	}
	return "pending"
}

// Majority is the least number of n voters that is more than half of them.
func Majority(n int) int { return n/2 + 1 }

// Committed returns the highest value that a majority of the voters has
// reached, given what each of them has reached. It reorders the values. A set
// without voters decides nothing and so hinders nothing: math.MaxUint64.
func Committed(reached []uint64) uint64 {
	if len(reached) == 0 {
		return math.MaxUint64
	}
	// Sorted by insertion, highest first: sets are small.
	for i := 1; i < len(reached); i++ {
		v, j := reached[i], i
		for ; j > 0 && reached[j-1] < v; j-- {
			reached[j] = reached[j-1]
		}
		reached[j] = v
	}
	return reached[Majority(len(reached))-1]
}

// Vote returns the result of an election among voters of whom yes agreed and no
// refused. A set without voters agrees.
func Vote(voters, yes, no int) Result {
	switch need := Majority(voters); {
	case voters == 0 || yes >= need:
		return Won
	case voters-no < need:
		return Lost
	}
	return Pending
}

// Both combines the results of the two halves of a joint configuration.
func Both(a, b Result) Result {
	switch {
	case a == Lost || b == Lost:
		return Lost
	case a == Won && b == Won:
		return Won
	}
	return Pending
}
