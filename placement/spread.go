package placement

import "slices"

// spread moves members of groups from crowded zones to zones with fewer, as
// long as that makes the group's spread more even. It tells whether it did.
func (l *ledger) spread() bool {
	var concerned []int32
	for _, g := range l.crowded.slots {
		e := &l.groups[g]
		if e.spreadOf == l.spreadOf {
			continue
		}
		if _, _, can := l.crowdedMember(e); can {
			concerned = append(concerned, g)
		} else {
			e.spreadOf = l.spreadOf
		}
	}
	slices.SortFunc(concerned, l.compareGroups)
	changed := false
	for _, g := range concerned {
		for l.spreadGroup(g, &l.groups[g]) {
			changed = true
		}
	}
	return changed
}

// crowdedMember is the member to move for a better spread, and the most members
// that a zone may have to take it; can is false where no zone has room for it.
func (l *ledger) crowdedMember(e *groupEntry) (from, roomiest int32, can bool) {
	use := l.zoneUse(e)
	from = none
	for _, i := range e.members {
		if l.nodes[i].gets() && (from == none || l.looser(e, use, i, from)) {
			from = i
		}
	}
	if from == none {
		return none, 0, false
	}
	crowd := use[l.nodes[from].zone]
	roomiest = crowd - 2
	if limit := int32(min(l.policy.MaxPerZone, maxSlack)); limit > 0 {
		if crowd <= limit {
			return none, 0, false
		}
		roomiest = limit - 1
	}
	for z, used := range use {
		if used <= roomiest && l.zones[z].active > l.activeIn(e, int32(z)) {
			return from, roomiest, true
		}
	}
	return none, 0, false
}

// activeIn is how many of e's members are on active nodes of a zone.
func (l *ledger) activeIn(e *groupEntry, zone int32) int {
	active := 0
	for _, n := range e.members {
		if node := &l.nodes[n]; node.zone == zone && node.gets() {
			active++
		}
	}
	return active
}

func (l *ledger) spreadGroup(g int32, e *groupEntry) bool {
	from, roomiest, can := l.crowdedMember(e)
	if !can {
		return false
	}
	to := l.candidate(e, roomiest)
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
