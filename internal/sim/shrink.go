package sim

// Shrink makes a failing plan smaller for as long as it fails on the same
// invariant: without one kind of fault after another, and ending ever earlier. It
// carries out at most tries plans and returns the smallest that failed, with what
// came of it.
func Shrink(p Plan, tries int) (Plan, Result) {
	best := p
	result := Run(p)
	if result.Violation == nil {
		return p, result
	}
	failed := result.Violation.Invariant
	try := func(q Plan) bool {
		if tries == 0 {
			return false
		}
		tries--
		r := Run(q)
		if r.Violation == nil || r.Violation.Invariant != failed {
			return false
		}
		best, result = q, r
		return true
	}
	for again := true; again && tries > 0; {
		again = false
		best.Faults.each(func(_ int, f Faults) {
			q := best
			q.Faults &^= f
			if try(q) {
				again = true
			}
		})
		// A run that fails while it heals may need less of a beginning.
		q := best
		q.Steps = min(result.Violation.Step, result.Steps) / 2
		for q.Steps > 100 && tries > 0 {
			if try(q) {
				again = true
				q = best
				q.Steps = best.Steps / 2
				continue
			}
			more := (min(best.Steps, result.Steps) - q.Steps) * 3 / 4
			if more < 50 {
				break
			}
			q.Steps += more
		}
	}
	return best, result
}
