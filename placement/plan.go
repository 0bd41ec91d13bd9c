package placement

// Input is what a plan is made from, all of it of one catalogue index. The
// order of the slices means nothing. Plan does not keep or change them.
type Input struct {
	Nodes  []Node  `json:"nodes"`
	Groups []Group `json:"groups"`
	Policy Policy  `json:"policy"`
}

// Result is a plan.
type Result struct {
	// Targets are the groups that should change, in the order in which to make
	// the changes: the most urgent kind of reason first.
	Targets []Target `json:"targets"`
	// Moves are what the targets change, member by member and leader by leader,
	// in the order in which to make them: new groups, repair, drain, other numbers
	// of members, spread, balance, leaders.
	Moves []Move `json:"moves"`
	// Infeasible is what no change can help, and why.
	Infeasible []Reason `json:"infeasible"`
}

// settleRounds bounds how often spread and balance follow each other. One more
// round than the first is rare: balance never makes a group's spread worse.
const settleRounds = 8

// Plan says what should change. It is what a [Planner] with the same memory says.
func Plan(in Input) Result {
	l := ledgerOf(in)
	l.work()
	return l.result()
}

// ledgerOf is the book of an input.
func ledgerOf(in Input) *ledger {
	l := newLedger(in.Policy, len(in.Nodes), len(in.Groups))
	l.update(in)
	return l
}

// work writes a plan into the book.
func (l *ledger) work() {
	l.refresh()
	l.beginPlan()
	l.repair()
	for range settleRounds {
		spread := l.spread()
		if !l.balance() && !spread {
			break
		}
	}
	l.chooseLeaders()
	l.polishLeaders()
	l.balanceLeaders()
}
