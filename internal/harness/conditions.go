package harness

import (
	"fmt"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// Conditions for Fleet.Await.

// All is the first thing that is wrong with any of the conditions.
func All(conditions ...func(view.Status) error) func(view.Status) error {
	return func(s view.Status) error {
		for _, c := range conditions {
			if err := c(s); err != nil {
				return err
			}
		}
		return nil
	}
}

// Led wants every group to have a leader, the catalogue too.
func Led(s view.Status) error {
	if s.Catalogue.Leader == "" {
		return fmt.Errorf("the catalogue has no leader")
	}
	if s.GroupsWithoutLeader > 0 {
		return fmt.Errorf("%d of %d groups have no leader", s.GroupsWithoutLeader, s.Groups)
	}
	return nil
}

// Quiet wants every group to be led and none on the move.
func Quiet(s view.Status) error {
	if s.MovesInFlight > 0 {
		return fmt.Errorf("%d moves are in flight", s.MovesInFlight)
	}
	return Led(s)
}

// Members wants that many members in all.
func Members(count int) func(view.Status) error {
	return func(s view.Status) error {
		if s.Members != count {
			return fmt.Errorf("there are %d members, not %d", s.Members, count)
		}
		return nil
	}
}

// NodeIs wants a node that satisfies the condition; the name finds it.
func NodeIs(name, what string, condition func(view.Node) bool) func(view.Status) error {
	return func(s view.Status) error {
		for _, n := range s.Nodes {
			if n.Name == name && condition(n) {
				return nil
			}
		}
		return fmt.Errorf("node %s is not %s", name, what)
	}
}
