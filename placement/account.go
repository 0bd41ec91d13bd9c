package placement

// account is how much a node has of something and how much would be fair.
type account struct {
	have int64  // whole members (times cost) or leaders
	fair uint64 // in units
	// Bounds within which have may be without anything being moved.
	least, most int64
}

func (a *account) above() bool { return a.have > a.most }
func (a *account) under() bool { return a.have < a.least }

// lower tells whether a is filled less than b, relative to what is fair.
func (a account) lower(b account) bool {
	return lessProduct(uint64(a.have), max(b.fair, 1), uint64(b.have), max(a.fair, 1))
}

// fills is how many values fill has.
const fills = 3

// fill is 0 for a node that has less than half of what is fair, which balancing
// would not leave as it is, 1 for one that is still below it, else 2.
func (a account) fill() int {
	switch have := uint64(a.have)*unit + noise; {
	case have < a.fair/2:
		return 0
	case have < a.fair:
		return 1
	}
	return fills - 1
}

// floor and ceiling are what is fair, rounded to whole members.
func (a account) floor() uint64   { return (a.fair + noise) / unit * unit }
func (a account) ceiling() uint64 { return (a.fair - min(a.fair, noise) + unit - 1) / unit * unit }

// gains tells whether giving cost from one to the other makes the sum over all
// nodes of have²/fair smaller. As that sum falls with every move and cannot fall
// for ever, balancing ends.
func gains(from, to account, cost int64) bool {
	if from.have < cost {
		return false
	}
	return lessProduct(uint64(2*to.have+cost), from.fair, uint64(2*from.have-cost), to.fair)
}

// bounds are how far a node may be from what is fair before something moves.
type bounds struct {
	permille uint64
	slack    uint64 // in units
	grain    uint64 // in units: the largest single thing that may be moved, less one
}

// set works a's bounds out.
func (b bounds) set(a *account) {
	slack, _ := mulDiv(a.fair, b.permille, 1000)
	slack = max(slack, b.slack)
	most := max(a.fair+slack, a.ceiling()+b.grain)
	least := min(a.fair-min(slack, a.fair/2), a.floor())
	least -= min(least, b.grain)
	a.most, a.least = int64(most/unit), int64((least+unit-1)/unit)
}
