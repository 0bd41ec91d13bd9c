package placement

import (
	"cmp"
	"math/bits"
	"slices"
)

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
	if weight == 0 || given >= rest {
		return
	}
	type remainder struct {
		index int
		left  uint64
	}
	remainders := make([]remainder, 0, len(weights))
	for i, w := range weights {
		if !fixed[i] && parts[i] < high[i] {
			_, left := mulDiv(rest, w, weight)
			remainders = append(remainders, remainder{i, left})
		}
	}
	slices.SortFunc(remainders, func(a, b remainder) int { return cmp.Or(cmp.Compare(b.left, a.left), cmp.Compare(a.index, b.index)) })
	for _, r := range remainders[:min(uint64(len(remainders)), rest-given)] {
		parts[r.index]++
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
