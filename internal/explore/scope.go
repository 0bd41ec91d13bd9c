package explore

import "github.com/raftfleet/raftfleet/consensus"

// Scope bounds what is searched. A bound of 0 means never.
type Scope struct {
	Name string
	// Members is how many there are, at most 4; the first Voters of them are the
	// group's first voters, 0 stands for all of them.
	Members, Voters int
	// MaxTerm is the last term in which anyone campaigns; the group starts in term 1.
	MaxTerm uint64
	// How often things happen, at most 255 times each.
	Commands, Crashes, Beats, Transfers int
	// Reads are asked of whoever believes to lead; at most 4. Ticks pass for members
	// that do not lead. Wakes happen to followers that sleep.
	Reads, Ticks, Wakes int
	// Campaigns is how many election timers run out in all. 0: no limit.
	Campaigns int
	// Sleep has a leader put its group to sleep when a heartbeat finds nothing to do.
	Sleep bool
	// Changes are membership changes that a leader may be asked for, any of them
	// at any time, ChangesAtOnce of them in all.
	Changes     []consensus.Change
	ChangesMade int
	// PreVote has members campaign as they do, with a pre-vote. Otherwise an
	// election timer can run out on one member while the others' leases on their
	// leader run out as well, which a pre-vote would tell, and the election begins at once.
	PreVote bool
	// OneEntry has each message carry one entry.
	OneEntry bool
	// SlowDisks is on how many of the members writes become durable at some later
	// time, one by one. Those of the others are durable at once. Only members with
	// a slow disk crash, or member 1 where no disk is slow.
	SlowDisks int
	// AllMessages has every message arrive for ever. Otherwise those are left out
	// that can change nothing any more at their receiver, or only have it repeat
	// itself: of an old term, a second request for the vote that was given, an
	// answer to a candidate or leader that is none any more. What the receiver
	// repeats can still change the sender: a leader learns of a new term from the
	// refusal of an append of its own, long after, and a candidate follows again. Such
	// states are not reached without AllMessages.
	AllMessages bool
	// ElectionsOnly leaves out what leaders send.
	ElectionsOnly bool
	// MaxStates ends the search before it is complete. 0: no limit.
	MaxStates int
}

func (s *Scope) voters() int {
	if s.Voters == 0 {
		return s.Members
	}
	return s.Voters
}

// alike reports whether members can change names without a difference.
func (s *Scope) alike() bool {
	return s.voters() == s.Members && len(s.Changes) == 0 && (s.SlowDisks == s.Members || s.SlowDisks == 0 && s.Crashes == 0)
}

// slow reports whether the disk of a member is.
func (s *Scope) slow(id consensus.MemberID) bool { return int(id) <= s.SlowDisks }

// Small returns the scopes that are searched whenever tests run: each is
// complete, and together they take about half a minute of one core.
func Small() []Scope {
	return []Scope{
		{Name: "elections", Members: 3, MaxTerm: 3, Crashes: 2, SlowDisks: 3, ElectionsOnly: true},
		{Name: "all-messages", Members: 3, MaxTerm: 3, AllMessages: true, ElectionsOnly: true},
		{Name: "all-replication", Members: 3, MaxTerm: 2, Commands: 1, Crashes: 1, SlowDisks: 1, AllMessages: true},
		{Name: "all-terms", Members: 2, MaxTerm: 3, Commands: 1, Crashes: 1, SlowDisks: 1, AllMessages: true},
		{Name: "pre-vote", Members: 3, MaxTerm: 3, PreVote: true},
		{Name: "replication", Members: 3, MaxTerm: 3, Commands: 1, Crashes: 1, SlowDisks: 1},
		{Name: "figure-8", Members: 3, MaxTerm: 4, OneEntry: true},
		{Name: "transfers", Members: 3, MaxTerm: 3, Commands: 1, Transfers: 1},
		{Name: "changes", Members: 3, MaxTerm: 3, Changes: shrinking(), ChangesMade: 2},
		{Name: "timers", Members: 3, MaxTerm: 3, Ticks: 1},
		{Name: "pre-vote-timers", Members: 3, MaxTerm: 2, PreVote: true, Ticks: 2},
		{Name: "reads", Members: 3, MaxTerm: 3, Campaigns: 2, Reads: 1},
		{Name: "reads-behind", Members: 2, MaxTerm: 2, Campaigns: 1, Commands: 1, Reads: 2},
		{Name: "sleep", Members: 2, MaxTerm: 2, Campaigns: 1, Commands: 1, Beats: 2, Wakes: 1, Sleep: true},
		{Name: "change-crash", Members: 3, MaxTerm: 3, Crashes: 1, Changes: shrinking()[:1], ChangesMade: 1},
		{Name: "change-transfer", Members: 3, MaxTerm: 2, Transfers: 2, Changes: shrinking()[:1], ChangesMade: 1},
	}
}

// Large returns scopes for people with time: minutes and gigabytes each, and
// some are better given a limit.
func Large() []Scope {
	return []Scope{
		{Name: "elections-4", Members: 3, MaxTerm: 4, Crashes: 2, SlowDisks: 3, ElectionsOnly: true},
		{Name: "replication-2", Members: 3, MaxTerm: 3, Commands: 2, Crashes: 1, SlowDisks: 1},
		{Name: "replication-slow", Members: 3, MaxTerm: 3, Commands: 1, Crashes: 1, SlowDisks: 3},
		{Name: "heartbeats", Members: 3, MaxTerm: 3, Commands: 1, Beats: 1},
		{Name: "figure-8-command", Members: 3, MaxTerm: 4, Commands: 1, OneEntry: true},
		{Name: "changes-crash", Members: 3, MaxTerm: 3, Crashes: 1, SlowDisks: 1, Changes: shrinking(), ChangesMade: 2},
		{Name: "replacement", Members: 4, Voters: 3, MaxTerm: 3, Changes: replacing(), ChangesMade: 2},
	}
}

// shrinking are changes of three voters after which those who do not know of
// them yet have a majority among themselves.
func shrinking() []consensus.Change {
	return []consensus.Change{{Remove: []consensus.MemberID{2, 3}}, {Remove: []consensus.MemberID{1}}}
}

// replacing are the two changes that put member 4 in the place of member 3.
func replacing() []consensus.Change {
	return []consensus.Change{
		{AddLearners: []consensus.Member{{ID: 4, Node: 4}}},
		{Promote: []consensus.MemberID{4}, Remove: []consensus.MemberID{3}},
	}
}

// crashes reports whether a member may crash.
func (s *Scope) crashes(id consensus.MemberID) bool { return int(id) <= max(1, s.SlowDisks) }
