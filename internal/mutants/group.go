package mutants

// groupMutants are bugs of running members: applying, sessions, snapshots, reads.
var groupMutants = []Mutant{
	{
		Name: "duplicate-applied-again", Hazard: 41, File: "group/apply.go",
		Old: "case verdictDuplicate:\n\t\t\treturn answer, nil", New: "case verdictDuplicate:\n\t\t\t_ = answer",
		CaughtBy: simulated,
	},
	{
		Name: "acknowledged-command-applied-again", Hazard: 41, File: "group/sessions.go",
		Old: "case sequence < s.mark, sequence >= maxSequence:\n\t\treturn verdictExpired, nil", New: "case sequence < s.mark, sequence >= maxSequence:\n\t\treturn verdictFresh, nil",
		CaughtBy: simulated,
	},
	{
		Name: "command-of-expired-session-applied", Hazard: 42, File: "group/sessions.go",
		Old: "if s == nil {\n\t\treturn verdictExpired, nil", New: "if s == nil {\n\t\treturn verdictFresh, nil",
		CaughtBy: simulated,
	},
	{
		Name: "message-for-a-former-member-is-taken", Hazard: 36, File: "group/lane.go",
		Old: "if msg.To != consensus.MemberID(m.spec.Member) || msg.Snapshot != nil {", New: "if msg.To = consensus.MemberID(m.spec.Member); msg.Snapshot != nil {",
		CaughtBy: simulated,
	},
	{
		Name: "hung-leader-goes-on-leading", Hazard: 23, File: "group/liveness.go", Level: ByTest,
		Old: "h.wal.SyncAge() > diskStall", New: "h.wal.SyncAge() > 1000*diskStall",
		Why:      "in the simulator who waits for a hanging disk asks another node in the end",
		CaughtBy: "./group -run ^TestHazard23_HungLeaderIsReplaced$",
	},
	{
		Name: "sessions-expire-by-the-members-clock", Hazard: 42, File: "group/apply.go",
		Old: "a.sessions.expire(a.time)", New: "a.sessions.expire(m.host.exec.Now().UnixNano())",
		CaughtBy: simulated,
	},
	{
		Name: "snapshot-without-sessions", Hazard: 41, File: "group/snapshot.go",
		Old: "a.sessions.appendTo(nil)", New: "newSessionTable(0, 0).appendTo(nil)",
		CaughtBy: simulated,
	},
	{
		Name: "snapshot-without-time", Hazard: 15, File: "group/snapshot.go",
		Old: "b = appendUint64(b, uint64(a.time))", New: "b = appendUint64(b, 0)",
		CaughtBy: simulated,
	},
	{
		Name: "snapshot-names-a-later-index", Hazard: 15, File: "group/snapshot.go",
		Old: "meta := consensus.SnapshotMeta{Index: a.index, Term: a.term,", New: "a.index++\n\tmeta := consensus.SnapshotMeta{Index: a.index, Term: a.term,",
		CaughtBy: simulated,
	},
	{
		Name: "log-given-up-before-the-snapshot-is-durable", Hazard: 28, File: "group/snapshot.go",
		Old: "\tm.host.snapshots.run(func() {\n\t\tsize, err := m.saveSnapshot(", New: "\tm.lane.call(func() { m.snapshotSaved(meta) })\n\tm.host.snapshots.run(func() {\n\t\tsize, err := m.saveSnapshot(",
		CaughtBy: simulated,
	},
	{
		Name: "log-reset-before-the-snapshot-is-installed", Hazard: 25, File: "group/snapshot.go",
		Old:      "\tm.host.snapshots.run(func() {\n\t\terr := m.commitSnapshot(r.writer, in.meta, r.size)\n\t\tm.lane.call(func() { m.installed(in, err) })\n\t})",
		New:      "\tm.lane.call(func() { m.installed(in, nil) })\n\tm.host.snapshots.run(func() { m.commitSnapshot(r.writer, in.meta, r.size) })",
		CaughtBy: simulated,
	},
	{
		Name: "installed-and-not-restored", Hazard: 25, File: "group/snapshot.go",
		Old: "\tm.enqueueTask(applyTask{restore: true})\n\tfor i", New: "\tfor i",
		CaughtBy: simulated,
	},
	{
		Name: "lost-leadership-taken-for-a-refusal", Hazard: 41, File: "group/member.go",
		Old: "m.inflight.failAll(fmt.Errorf(\"group %q: %w\", m.spec.Name, ErrLeadershipLost))", New: "m.inflight.failAll(m.notLeader())",
		CaughtBy: simulated,
	},
	{
		Name: "read-answered-before-its-index-is-applied", Hazard: 18, File: "group/member.go",
		Old: "if !b.allowed || b.index > m.appliedAt {", New: "if !b.allowed {",
		CaughtBy: simulated,
	},
	{
		Name: "lease-read-before-its-index-is-applied", Hazard: 16, File: "group/member.go",
		Old: "index > 0 && index <= m.appliedAt", New: "index > 0",
		CaughtBy: simulated,
	},
	{
		Name: "lease-not-looked-at-again", Hazard: 19, File: "group/calls.go",
		Level: ByTest, Why: "an answer is computed within 0.1 ms in the simulator, and no pause longer than a lease falls in there",
		Old: "return g.LeaseUntil != 0 && h.exec.Monotonic() >= g.LeaseUntil ||", New: "return false ||",
		CaughtBy: "./group -run ^TestAGrantEndsWithItsLease$",
	},
	{
		Name: "lease-as-long-as-the-timeout", Hazard: 19, File: "group/host.go",
		Old: "cc.LeaseNanos = max(1, int64(c.ElectionTimeout-c.LeaseDrift-3*m.host.tick))", New: "cc.LeaseNanos = int64(c.ElectionTimeout + c.LeaseDrift)",
		CaughtBy: "./group -run ^TestLeaseEndsBeforeMembersMayVote$",
	},
	{
		Name: "grant-serves-another-member", Hazard: 37, File: "group/calls.go",
		Level: ByTest, Why: "nor is a member replaced within that time",
		Old: "g.member != nil && h.member(g.member.spec.Group) != g.member", New: "false",
		CaughtBy: "./group -run ^TestAGrantIsForOneMember$",
	},
	{
		Name: "failed-write-counts", Hazard: 31, File: "group/lane.go",
		Old: "\tif err != nil {\n\t\tl.host.walFailed(w, err)\n\t\treturn\n\t}\n\tif len(w.tickets) == 0 {", New: "\tif len(w.tickets) == 0 {",
		CaughtBy: simulated,
	},
	{
		Name: "full-disk-drops-a-batch", Hazard: 32, File: "group/lane.go",
		Old: "\t\tl.blocked = true\n\t\treturn\n", New: "\t\tl.batch, l.writes = nil, nil\n\t\treturn\n",
		CaughtBy: simulated,
	},
	{
		Name: "silent-node-wakes-nobody", Hazard: 44, File: "group/liveness.go",
		Old: "silent[n] = true", New: "silent[0] = true",
		CaughtBy: simulated,
	},
}

// simulated are the seeds that every change must stand.
const simulated = "./internal/sim -run ^TestSeeds$"
