package placement

// spread moves members of groups from crowded zones to zones with fewer, as
// long as that makes the group's spread more even. It tells whether it did.
func (l *ledger) spread() bool {
	changed := false
	for g := range l.groups {
		e := &l.groups[g]
		for !e.frozen && l.spreadGroup(int32(g), e) {
			changed = true
		}
	}
	return changed
}

func (l *ledger) spreadGroup(g int32, e *groupEntry) bool {
	use := l.zoneUse(e)
	from := none
	for _, i := range e.members {
		if l.nodes[i].State != Active {
			continue
		}
		if from == none || l.looser(e, use, i, from) {
			from = i
		}
	}
	if from == none {
		return false
	}
	crowded := use[l.nodes[from].zone]
	roomiest := crowded - 2
	if limit := l.policy.MaxPerZone; limit > 0 {
		if crowded <= limit {
			return false
		}
		roomiest = limit - 1
	}
	if roomiest < 0 {
		return false // spread as widely as can be
	}
	to := l.candidate(e, func(n int32) bool { return use[l.nodes[n].zone] <= roomiest })
	if to == none {
		return false
	}
	l.take(g, from)
	l.put(g, to)
	e.because(Spread, l.nodes[from].ID, l.nodes[to].ID)
	return true
}

// mayMove tells whether a member of e may go from one node to another without
// making the group's spread worse.
func (l *ledger) mayMove(e *groupEntry, from, to int32) bool {
	if e.frozen || e.has(to) {
		return false
	}
	a, b := l.nodes[from].zone, l.nodes[to].zone
	if a == b {
		return true
	}
	inA, inB := 0, 0
	for _, n := range e.members {
		switch l.nodes[n].zone {
		case a:
			inA++
		case b:
			inB++
		}
	}
	return inB < inA || l.policy.MaxPerZone > inB
}
