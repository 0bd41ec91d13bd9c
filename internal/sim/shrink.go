package sim

// Shrink makes a failing plan smaller for as long as it fails on the same
// invariant: without one kind of fault after another, and ending ever earlier. It
// carries out at most tries plans and returns the smallest that failed, with what
// came of it.
func Shrink(p Plan, tries int) (Plan, Result) {
	return shrink(p, tries, Run, func(p *Plan) *int64 { return &p.Steps }, func(p Plan) (less []Plan) {
		p.Faults.each(func(_ int, f Faults) {
			// As it is drawn without: what else it has may depend on the faults.
			q := NewBrokenPlan(p.Seed, p.Faults&^f, p.Broken)
			q.Steps, q.Log = p.Steps, p.Log
			if q.Faults != p.Faults {
				less = append(less, q)
			}
		})
		return less
	})
}

// shrink is Shrink for either kind of plan; without lists those that lack one kind
// of fault.
func shrink[P any](p P, tries int, run func(P) Result, steps func(*P) *int64, without func(P) []P) (P, Result) {
	best := p
	result := run(p)
	if result.Violation == nil {
		return p, result
	}
	failed := result.Violation.Invariant
	try := func(q P) bool {
		if tries == 0 {
			return false
		}
		tries--
		r := run(q)
		if r.Violation == nil || r.Violation.Invariant != failed {
			return false
		}
		best, result = q, r
		if at := steps(&best); *at > r.Violation.Step {
			*at = r.Violation.Step
		}
		return true
	}
	// What comes behind the violation is of no interest, and takes time.
	*steps(&best) = result.Violation.Step
	for again := true; again && tries > 0; {
		again = false
		for i := 0; i < len(without(best)); {
			if try(without(best)[i]) {
				again = true
			} else {
				i++
			}
		}
		// A run that fails while it heals may need less of a beginning.
		q := best
		*steps(&q) = min(result.Violation.Step, result.Steps) / 2
		for *steps(&q) > 100 && tries > 0 {
			if try(q) {
				again = true
				q = best
				*steps(&q) = *steps(&best) / 2
				continue
			}
			more := (min(*steps(&best), result.Steps) - *steps(&q)) * 3 / 4
			if more < 50 {
				break
			}
			*steps(&q) += more
		}
	}
	return best, result
}
