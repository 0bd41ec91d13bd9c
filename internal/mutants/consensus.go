package mutants

// consensusMutants are bugs of the protocol.
var consensusMutants = []Mutant{
	{
		Name: "change-before-own-commit", Hazard: 1, File: "consensus/change.go",
		Level: BySearch, Scope: "changes",
		Old: "case !c.committedInTerm():\n\t\t// Before that", New: "case false:\n\t\t// Before that",
		CaughtBy: "./consensus -run ^TestHazard01_",
	},
	{
		Name: "campaign-with-committed-configuration", Hazard: 2, File: "consensus/peers.go",
		Level: BySearch, Scope: "changes",
		Old:      "config := c.Configuration()\n\tcommitted, _ := c.ConfigurationAt(c.state.Commit)\n",
		New:      "config := c.Configuration()\n\tcommitted, _ := c.ConfigurationAt(c.state.Commit)\n\tif c.role != Leader {\n\t\tconfig = committed\n\t}\n",
		CaughtBy: "./consensus -run ^TestHazard02_",
	},
	{
		Name: "joint-election-by-incoming-alone", Hazard: 3, File: "consensus/election.go",
		Level: BySearch, Scope: "change-crash",
		Old:      "switch quorum.Both(quorum.Vote(voters, yes, no), quorum.Vote(outgoing, yesOut, noOut)) {",
		New:      "_, _, _ = outgoing, yesOut, noOut\n\tswitch quorum.Vote(voters, yes, no) {",
		CaughtBy: "./consensus -run ^TestHazard03_",
	},
	{
		Name: "joint-commit-by-incoming-alone", Hazard: 3, File: "consensus/peers.go",
		Old: "return min(match, quorum.Committed(c.scratch))", New: "return match",
		CaughtBy: "./consensus -run ^TestHazard03_",
	},
	{
		Name: "joint-left-before-commit", Hazard: 3, File: "consensus/change.go",
		Level: BySearch, Scope: "change-transfer",
		Old: "c.Configuration().Joint() && c.ConfigIndex() <= c.state.Commit && ", New: "c.Configuration().Joint() && ",
		CaughtBy: "./consensus -run ^TestHazard03_",
	},
	{
		Name: "joint-left-twice", Hazard: 3, File: "consensus/change.go",
		Old: "\tc.configs = append(c.configs, configAt{c.log.last, config})\n", New: "\tc.configs = append(c.configs[:len(c.configs):len(c.configs)], configAt{c.log.last, config})\n\tif !config.Joint() {\n\t\tc.configs = c.configs[:len(c.configs)-1]\n\t}\n",
		CaughtBy: "./consensus -run ^TestHazard03_",
	},
	{
		Name: "snapshot-forgets-outgoing", Hazard: 3, File: "consensus/configuration.go",
		Old: "Outgoing:     slices.Clone(c.Outgoing),", New: "Outgoing:     nil,",
		CaughtBy: "./consensus -run ^TestHazard03_",
	},
	{
		Name: "truncated-configuration-in-force", Hazard: 4, File: "consensus/follower.go",
		Level: BySearch, Scope: "changes",
		Old: "n > 1 && c.configs[n-1].index >= index; n--", New: "n > 1 && c.configs[n-1].index > c.log.last; n--",
		CaughtBy: "./consensus -run ^TestHazard04_",
	},
	{
		Name: "configuration-of-old-tail", Hazard: 5, File: "consensus/snapshot.go",
		Level: ByCore,
		Old:   "c.configs = []configAt{{s.ConfigIndex, &config}}", New: "c.configs = append([]configAt{{s.ConfigIndex, &config}}, c.configs[1:]...)",
		CaughtBy: "./consensus -run ^TestHazard05_",
	},
	{
		Name: "promoted-learner-refuses-votes", Hazard: 6, File: "consensus/election.go",
		Old: "if c.state.Vote != 0 || c.leader != 0 ||", New: "if c.state.Vote != 0 || c.leader != 0 || !c.electable() ||",
		CaughtBy: "./consensus -run ^TestHazard06_",
	},
	{
		Name: "change-without-the-former-quorum", Hazard: 7, File: "consensus/change.go",
		Old: "next.Outgoing = slices.Clone(config.Voters)", New: "next.Outgoing = slices.Clone(next.Voters)",
		CaughtBy: "./consensus -run ^TestHazard07_",
	},
	{
		Name: "removed-member-disturbs", Hazard: 8, File: "consensus/step.go",
		Level: ByCore,
		Old:   "m.Context != voteForced && c.protectsLeader()", New: "m.Context != voteForced && c.role == Leader",
		CaughtBy: "./consensus -run ^TestHazard08_",
	},
	{
		Name: "removed-leader-stays", Hazard: 8, File: "consensus/change.go",
		Level: ByCore,
		Old:   "if !c.Configuration().IsVoter(c.cfg.ID) {", New: "if !c.Configuration().Contains(c.cfg.ID) && c.role != Leader {",
		CaughtBy: "./consensus -run ^TestHazard08_",
	},
	{
		Name: "vote-before-durable", Hazard: 9, File: "consensus/persist.go",
		Old: "\tif c.stateDurable() {\n", New: "\tif c.stateDurable() || m.Kind == MsgVoteReply && m.To != c.cfg.ID {\n",
		CaughtBy: "./consensus -run ^TestHazard09_",
	},
	{
		Name: "own-vote-before-durable", Hazard: 9, File: "consensus/election.go",
		Old: "c.reply(Message{Kind: MsgVoteReply, To: c.cfg.ID, Term: c.state.Term})", New: "c.peerOf(c.cfg.ID).vote = voteYes",
		CaughtBy: "./consensus -run ^TestHazard09_",
	},
	{
		Name: "vote-of-old-term-counts", Hazard: 10, File: "consensus/step.go",
		Level: BySearch, Scope: "all-messages",
		Old: "if m.Term < c.state.Term {\n\t\tc.stepOld(&m)\n\t\treturn nil", New: "if m.Term < c.state.Term && m.Kind != MsgVoteReply {\n\t\tc.stepOld(&m)\n\t\treturn nil",
		CaughtBy: "./consensus -run ^TestHazard10_",
	},
	{
		Name: "acknowledgement-of-old-term-counts", Hazard: 13, File: "consensus/step.go", Level: ByTest,
		Old: "if m.Term < c.state.Term {\n\t\tc.stepOld(&m)\n\t\treturn nil", New: "if m.Term < c.state.Term && (m.Kind != MsgAppendReply || c.role != Leader) {\n\t\tc.stepOld(&m)\n\t\treturn nil",
		Why:      "the same member must lead twice, and a message be two elections late",
		CaughtBy: "./consensus -run ^TestHazard13_",
	},
	{
		Name: "round-of-old-term-confirms", Hazard: 17, File: "consensus/step.go", Level: ByTest,
		Old: "if m.Term < c.state.Term {\n\t\tc.stepOld(&m)\n\t\treturn nil", New: "if m.Term < c.state.Term && (m.Kind != MsgHeartbeatReply || c.role != Leader) {\n\t\tc.stepOld(&m)\n\t\treturn nil",
		Why:      "the same member must lead twice, and a message be two elections late",
		CaughtBy: "./consensus -run ^TestHazard17_",
	},
	{
		Name: "old-term-committed-by-counting", Hazard: 11, File: "consensus/replication.go",
		Level: BySearch, Scope: "figure-8",
		Old: "index > c.state.Commit && index >= c.termStart", New: "index > c.state.Commit",
		CaughtBy: "./consensus -run ^TestHazard11_",
	},
	{
		Name: "append-behind-another-log", Hazard: 12, File: "consensus/follower.go",
		Old: "case !c.log.matches(prev, m.LogTerm):", New: "case prev > c.log.last:",
		CaughtBy: "./consensus -run ^TestHazard12_",
	},
	// That a follower takes an append's or a heartbeat's commit index only as far as
	// it was compared is not planted: our leaders send no further index, since a probe
	// that matches is the last that can. The unit tests hold the follower to it.
	{
		Name: "conflicting-entries-kept", Hazard: 12, File: "consensus/follower.go",
		Old: "if c.log.matches(e.Index, e.Term) {\n\t\t\tcontinue", New: "if e.Index <= c.log.last {\n\t\t\tcontinue",
		CaughtBy: "./consensus -run ^TestRandomSchedules$",
	},
	{
		Name: "late-sync-of-truncated-entries", Hazard: 13, File: "consensus/persist.go",
		Level: BySearch, Scope: "replication",
		Old: "t.writes[i].last = min(t.writes[i].last, index-1)", New: "t.writes[i].last = max(t.writes[i].last, index-1)",
		CaughtBy: "./consensus -run ^TestHazard13_",
	},
	{
		Name: "truncated-entries-stay-durable", Hazard: 13, File: "consensus/log.go",
		Old: "\tl.durable = min(l.durable, index-1)\n", New: "",
		CaughtBy: "./consensus -run ^TestHazard13_",
	},
	{
		Name: "leader-counts-unsynced", Hazard: 14, File: "consensus/peers.go",
		Old:      "if p := &c.peers[i]; p.voter {\n\t\t\tc.scratch = append(c.scratch, p.Match)",
		New:      "if p := &c.peers[i]; p.voter {\n\t\t\tif p.id == c.cfg.ID {\n\t\t\t\tp.Match = c.log.last\n\t\t\t}\n\t\t\tc.scratch = append(c.scratch, p.Match)",
		CaughtBy: "./consensus -run ^TestHazard14_",
	},
	{
		Name: "follower-acknowledges-unsynced", Hazard: 14, File: "consensus/follower.go",
		Old: "index := min(c.log.durable, c.matched)", New: "index := c.matched",
		CaughtBy: "./consensus -run ^TestHazard14_",
	},
	{
		Name: "read-before-first-commit", Hazard: 16, File: "consensus/read.go",
		Old: ".round == 0 && c.committedInTerm()", New: ".round == 0",
		CaughtBy: "./consensus -run ^TestHazard16_",
	},
	{
		Name: "read-in-a-round-begun-before", Hazard: 17, File: "consensus/read.go",
		Level: ByCore,
		Old:   "round := c.round + 1\n", New: "round := c.round\n",
		CaughtBy: "./consensus -run ^TestHazard17_",
	},
	{
		Name: "read-takes-the-first-index", Hazard: 18, File: "consensus/read.go",
		Level: ByCore,
		Old:   "Index: c.reads[done].index}", New: "Index: c.reads[0].index}",
		CaughtBy: "./consensus -run ^TestHazard18_",
	},
	{
		Name: "lease-of-former-configuration", Hazard: 19, File: "consensus/change.go",
		Level: ByCore,
		Old:   "\tc.lease.restart()\n", New: "",
		CaughtBy: "./consensus -run ^TestHazard19_",
	},
	{
		Name: "promise-forgotten-by-restart", Hazard: 19, File: "consensus/start.go",
		Level: ByCore,
		Old:   "c.quietTicks = c.cfg.ElectionTicks", New: "c.quietTicks = 0",
		CaughtBy: "./consensus -run ^TestHazard19_",
	},
	{
		Name: "lease-from-the-answer-on", Hazard: 19, File: "consensus/read.go",
		Level: ByCore,
		Old:   "\tc.lease.confirm(round, c.cfg.LeaseNanos)\n", New: "\tfor i := range c.lease.opened {\n\t\tc.lease.rounds[i].at = c.now\n\t}\n\tc.lease.confirm(round, c.cfg.LeaseNanos)\n",
		CaughtBy: "./consensus -run ^TestHazard19_",
	},
	{
		Name: "lease-outlives-a-transfer", Hazard: 20, File: "consensus/transfer.go",
		Level: ByCore,
		Old:   "\tc.lease.end()\n", New: "\tc.lease.restart()\n",
		CaughtBy: "./consensus -run ^TestHazard20_",
	},
	{
		Name: "pre-vote-resets-the-timer", Hazard: 21, File: "consensus/election.go",
		Level: BySearch, Scope: "pre-vote-timers",
		Old: "\tif grant {\n", New: "\tif grant {\n\t\tc.resetElectionTimer()\n",
		CaughtBy: "./consensus -run ^TestHazard21_",
	},
	{
		Name: "vote-request-resets-the-timer", Hazard: 21, File: "consensus/step.go",
		Level: BySearch, Scope: "timers",
		Old: "if wasFollower {", New: "if wasFollower && c.role != Follower {",
		CaughtBy: "./consensus -run ^TestHazard21_",
	},
	{
		Name: "pre-vote-stops-a-transfer", Hazard: 21, File: "consensus/step.go",
		Level: ByCore,
		Old:   "\t\t\tc.campaign(voteForced)\n", New: "\t\t\tc.preCampaign()\n",
		CaughtBy: "./consensus -run ^TestHazard21_",
	},
	{
		Name: "stale-snapshot-rewinds", Hazard: 25, File: "consensus/snapshot.go",
		Level: ByCore,
		Old:   "case s.Index <= c.state.Commit:", New: "case s.Index == c.state.Commit:",
		CaughtBy: "./consensus -run ^TestHazard25_",
	},
	{
		Name: "write-overtakes-an-install", Hazard: 25, File: "consensus/output.go",
		Level: ByCore,
		Old:   "return c.installing == 0 && (c.install != nil || c.stateDirty || c.log.unsaved <= c.log.last)", New: "return c.install != nil || c.stateDirty || c.log.unsaved <= c.log.last",
		CaughtBy: "./consensus -run ^TestHazard25_",
	},
	{
		Name: "stale-sleep-obeyed", Hazard: 44, File: "consensus/sleep.go",
		Level: BySearch, Scope: "sleep",
		Old: "if m.Context < c.leaderRound || ", New: "if ",
		CaughtBy: "./consensus -run ^TestHazard44_",
	},
	{
		Name: "wakes-to-a-dead-leader-in-silence", Hazard: 44, File: "consensus/sleep.go",
		Level: BySearch, Scope: "sleep",
		Old: "if c.leader != 0 && c.leader != c.cfg.ID {", New: "if false {",
		CaughtBy: "./consensus -run ^TestHazard44_",
	},
	{
		// Leader and follower both look, each is enough.
		Name: "sleeps-with-a-member-behind", Hazard: 44, File: "consensus/sleep.go",
		Level: ByCore,
		Old:   "p.Match != last || p.leaving", New: "p.leaving",
		Also: []Change{{
			Old: "\tif m.Context < c.leaderRound || m.Index",
			New: "\tif m.Index > c.log.last {\n\t\tc.reply(Message{Kind: MsgSleepReply, To: m.From, Term: c.state.Term, Context: m.Context})\n\t\tc.fallAsleep()\n\t\treturn\n\t}\n\tif m.Context < c.leaderRound || m.Index",
		}},
		CaughtBy: "./consensus -run ^TestRandomSchedules$ -seeds 3000",
	},
	{
		Name: "account-leaks", Hazard: 45, File: "consensus/replication.go",
		Old: "for i := max(from, c.termStart); i <= to; i++ {", New: "for i := max(from, c.termStart); i < to; i++ {",
		CaughtBy: "./consensus -run ^TestHazard45_",
	},
	{
		Name: "answers-pile-up-behind-a-slow-disk", Hazard: 45, File: "consensus/persist.go",
		Level: ByCore,
		Old:   "h.message.To == m.To && h.message.Reject == m.Reject {", New: "h.message.To == m.To && h.message.Term != m.Term {",
		CaughtBy: "./consensus -run ^TestHazard45_",
	},
	{
		Name: "uncommitted-without-bound", Hazard: 45, File: "consensus/replication.go",
		Level: ByCore,
		Old:   "if c.uncommittedBytes > 0 && c.uncommittedBytes+size > c.cfg.MaxUncommittedBytes {", New: "if c.uncommittedBytes > 0 && size > c.cfg.MaxUncommittedBytes {",
		CaughtBy: "./consensus -run ^TestHazard45_",
	},
}
