package placement

import "math/bits"

// unit is one member or one leader in the fixed-point numbers of fair shares: a
// million groups of cost 1000 with a thousand members still fit.
const unit = 1 << 24

// noise is more than the rounding of all divisions together, and far less than
// a member: what is fair is taken as whole when it is this near to whole.
const noise = unit >> 12

// divide shares total among items by weight, each within [low, high], exactly:
// the parts sum to total when the bounds allow it. Single units left over by
// rounding go to the largest remainders, ties to the lower index.
//
// It is the usual filling of vessels: whoever would be outside its bound is
// fixed there and the rest is shared among the others, until nobody is outside.
func divide(total uint64, weights, low, high []uint64) []uint64 {
	parts := make([]uint64, len(weights))
	fixed := make([]bool, len(weights))
	rest := total
	for {
		var weight uint64
		for i, w := range weights {
			if !fixed[i] {
				weight += w
			}
		}
		if weight == 0 {
			break
		}
		// Clamp all; the side that distorts the sum more is fixed for good.
		var over, under uint64
		for i, w := range weights {
			if fixed[i] {
				continue
			}
			part, _ := mulDiv(rest, w, weight)
			parts[i] = part
			if part > high[i] {
				over += part - high[i]
			} else if part < low[i] {
				under += low[i] - part
			}
		}
		if over == 0 && under == 0 {
			break
		}
		for i := range weights {
			if fixed[i] {
				continue
			}
			if over >= under && parts[i] > high[i] {
				parts[i], fixed[i] = high[i], true
			} else if over <= under && parts[i] < low[i] {
				parts[i], fixed[i] = low[i], true
			} else {
				continue
			}
			rest -= min(rest, parts[i])
		}
	}
	giveRemainders(rest, weights, high, parts, fixed)
	settle(total, low, high, parts)
	return parts
}

// settle corrects what rounding put on the wrong side of a bound: a few units.
func settle(total uint64, low, high, parts []uint64) {
	var sum uint64
	for _, part := range parts {
		sum += part
	}
	for i := range parts {
		if sum < total {
			more := min(total-sum, high[i]-parts[i])
			parts[i] += more
			sum += more
		} else {
			less := min(sum-total, parts[i]-low[i])
			parts[i] -= less
			sum -= less
		}
	}
}

func giveRemainders(rest uint64, weights, high, parts []uint64, fixed []bool) {
	var weight, given uint64
	for i, w := range weights {
		if !fixed[i] {
			weight += w
			given += parts[i]
		}
	}
	type remainder struct {
		index int
		left  uint64
	}
	for given < rest {
		largest := remainder{index: -1}
		for i, w := range weights {
			if fixed[i] || parts[i] >= high[i] {
				continue
			}
			if _, left := mulDiv(rest, w, weight); largest.index < 0 || left > largest.left {
				largest = remainder{i, left}
			}
		}
		if largest.index < 0 {
			return
		}
		parts[largest.index]++
		fixed[largest.index] = true
		given++
	}
}

func mulDiv(a, b, by uint64) (quotient, remainder uint64) {
	hi, lo := bits.Mul64(a, b)
	if hi >= by {
		return ^uint64(0), 0
	}
	return bits.Div64(hi, lo, by)
}

// lessProduct tells whether a*b < c*d, in 128 bits.
func lessProduct(a, b, c, d uint64) bool {
	hi1, lo1 := bits.Mul64(a, b)
	hi2, lo2 := bits.Mul64(c, d)
	return hi1 < hi2 || hi1 == hi2 && lo1 < lo2
}

// account is how much a node has of something and how much would be fair.
type account struct {
	have int64  // whole members (times cost) or leaders
	fair uint64 // in units
}

// lower tells whether a is filled less than b, relative to what is fair.
func (a account) lower(b account) bool {
	return lessProduct(uint64(a.have), max(b.fair, 1), uint64(b.have), max(a.fair, 1))
}

// fill is 0 for a node that has less than half of what is fair, which balancing
// would not leave as it is, 1 for one that is still below it, else 2.
func (a account) fill() int {
	switch have := uint64(a.have)*unit + noise; {
	case have < a.fair/2:
		return 0
	case have < a.fair:
		return 1
	}
	return 2
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
	percent uint64
	slack   uint64 // in units
	grain   uint64 // in units: the largest single thing that may be moved, less one
}

func (b bounds) slackOf(fair uint64) uint64 {
	part, _ := mulDiv(fair, b.percent, 100)
	return max(part, b.slack)
}

func (b bounds) above(a account) bool {
	most := max(a.fair+b.slackOf(a.fair), a.ceiling()+b.grain)
	return uint64(a.have)*unit > most
}

func (b bounds) under(a account) bool {
	least := min(a.fair-min(b.slackOf(a.fair), a.fair/2), a.floor())
	return uint64(a.have)*unit < least-min(least, b.grain)
}
