package view

import "time"

// Skew tells how evenly the fleet is loaded.
type Skew struct {
	Nodes []SkewNode `json:"nodes"`
	Zones []SkewZone `json:"zones"`
	// MemberMax and LeaderMax are the highest ratio of what an active node has to its share;
	// 0 where none has a share.
	MemberMax float64   `json:"member_max_over_share"`
	LeaderMax float64   `json:"leader_max_over_share"`
	FewGroups int       `json:"groups_with_too_few_members"`
	FewZones  int       `json:"groups_in_too_few_zones"`
	Problems  []Problem `json:"problems"` // what no move can help
}

// SkewNode is how one node is loaded.
type SkewNode struct {
	Node        string  `json:"node"`
	Zone        string  `json:"zone"`
	State       string  `json:"state"`
	Weight      int     `json:"weight"`
	Members     int     `json:"members"`      // that it should have by the present targets
	Share       float64 `json:"share"`        // its fair number of them
	Ratio       float64 `json:"ratio"`        // members / share; 0 where the share is 0
	Leaders     int     `json:"leaders"`      // that it should be by the present targets
	LeaderShare float64 `json:"leader_share"` // its fair number of them
	LeaderRatio float64 `json:"leader_ratio"`
}

// SkewZone is the same for a zone.
type SkewZone struct {
	Zone    string  `json:"zone"`
	Nodes   int     `json:"nodes"`
	Weight  int     `json:"weight"`
	Members int     `json:"members"`
	Share   float64 `json:"share"`
	Ratio   float64 `json:"ratio"`
	Leaders int     `json:"leaders"`
}

// Explanation tells why a group is where it is.
type Explanation struct {
	Group     string    `json:"group"`
	Replicas  int       `json:"replicas"`
	Members   []string  `json:"members"` // that it has
	Target    []string  `json:"target"`  // that it should have
	Preferred string    `json:"preferred"`
	Cause     string    `json:"cause"`  // of the target; empty: since it was added
	Reason    string    `json:"reason"` // the same in words
	Since     time.Time `json:"since"`  // since when that is the target
	// Next is what is wanted now, empty where nothing is, and Held why it does not begin.
	Next       string      `json:"next,omitempty"`
	Held       string      `json:"held,omitempty"`
	Candidates []Candidate `json:"candidates"` // all nodes, by rank
}

// Candidate is a node seen from one group.
type Candidate struct {
	Node    string  `json:"node"`
	Zone    string  `json:"zone"`
	State   string  `json:"state"`
	Rank    int     `json:"rank"`    // by rendezvous hashing, 1 is the first choice
	Member  bool    `json:"member"`  // of the target
	Leader  bool    `json:"leader"`  // preferred
	InZone  int     `json:"in_zone"` // other members of the target in its zone
	Members int     `json:"members"` // that it has of all groups
	Share   float64 `json:"share"`   // its fair number of them
	Why     string  `json:"why"`     // it was chosen, or was not
}

// WhatIf is a question: what would the fleet look like then.
type WhatIf struct {
	Remove   []string       `json:"remove,omitempty"`    // nodes that are gone for good
	Drain    []string       `json:"drain,omitempty"`     // nodes that are drained
	ZoneDown []string       `json:"zone_down,omitempty"` // zones all of whose nodes are gone for good
	Add      []WhatIfNode   `json:"add,omitempty"`       // nodes that come
	Weights  map[string]int `json:"weights,omitempty"`   // of nodes that there are
}

// WhatIfNode is a node that might come, Count of them.
type WhatIfNode struct {
	Zone   string `json:"zone"`
	Weight int    `json:"weight"` // 1 to 1000; 0 or left out: 1
	Count  int    `json:"count"`  // 0 or left out: 1
}

// Outcome is the answer to a WhatIf.
type Outcome struct {
	Moves        []PlannedMove `json:"moves"`         // the first of them
	Groups       int           `json:"groups"`        // that change
	MembersMoved int           `json:"members_moved"` // to other nodes
	LeadersMoved int           `json:"leaders_moved"`
	ETA          float64       `json:"eta_seconds"` // at the rate of the last moves; 0 where none is known
	// Held is why members would not be replaced, or nothing would move at all: the
	// catalogue has no quorum then, the brake holds, or moves are paused.
	Held        string    `json:"held,omitempty"`
	Before      Skew      `json:"before"`
	After       Skew      `json:"after"`
	LoseQuorum  []string  `json:"lose_quorum"` // groups that could not go on, the catalogue first, then a hundred at most
	LoseSpread  []string  `json:"lose_spread"` // groups that end in fewer zones than now, the same
	QuorumsLost int       `json:"quorums_lost"`
	SpreadsLost int       `json:"spreads_lost"`
	Problems    []Problem `json:"problems"`
}
