package sim

// ShrinkFleet is Shrink for a fleet's plan: it also tries fewer nodes, groups and
// clients, and leaves out one kind of act after another.
func ShrinkFleet(p FleetPlan, tries int) (FleetPlan, Result) {
	return shrink(p, tries, RunFleet, func(p *FleetPlan) *int64 { return &p.Steps }, smallerFleets)
}

// smallerFleets lists the plans that lack one thing of a plan, each as it is drawn
// without that thing. What saves the most time comes first.
func smallerFleets(p FleetPlan) (less []FleetPlan) {
	lack := func(most FleetSize, faults Faults, acts Acts) {
		q := NewBrokenFleetPlan(p.Seed, p.Faults&^faults, p.Acts&^acts, p.Broken)
		q.Limit(p.Size)
		q.Limit(most)
		q.Steps, q.Log = p.Steps, p.Log
		if q.Size != p.Size || q.Faults != p.Faults || q.Acts != p.Acts {
			less = append(less, q)
		}
	}
	size := p.Size
	lack(FleetSize{Nodes: 3, Groups: 1, Clients: 1}, 0, 0)
	lack(FleetSize{Groups: 1}, 0, 0)
	lack(FleetSize{Groups: size.Groups / 2}, 0, 0)
	lack(FleetSize{Clients: 1}, 0, 0)
	lack(FleetSize{Nodes: 3}, 0, 0)
	lack(FleetSize{Nodes: size.Nodes - 1}, 0, 0)
	lack(FleetSize{Groups: size.Groups - 1}, 0, 0)
	lack(FleetSize{Clients: size.Clients - 1}, 0, 0)
	p.Faults.each(func(_ int, f Faults) { lack(FleetSize{}, f, 0) })
	for i := range actNames {
		if a := Acts(1 << i); p.Acts&a != 0 {
			lack(FleetSize{}, 0, a)
		}
	}
	return less
}
