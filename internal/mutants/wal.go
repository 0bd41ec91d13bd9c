package mutants

// walMutants are bugs of the log: what is durable, and what is found again.
var walMutants = []Mutant{
	{
		Name: "done-without-sync", Hazard: 34, File: "internal/wal/writer.go",
		Old: "if err := seg.file.Sync(); err != nil {\n\t\treturn 0, err\n\t}\n\tl.round++", New: "l.round++",
		CaughtBy: simulated,
	},
	{
		Name: "failed-sync-tried-again", Hazard: 31, File: "internal/wal/writer.go",
		Old: "if err := seg.file.Sync(); err != nil {\n\t\treturn 0, err\n\t}\n\tl.round++", New: "if err := seg.file.Sync(); err != nil {\n\t\tif err := seg.file.Sync(); err != nil {\n\t\t\treturn 0, err\n\t\t}\n\t}\n\tl.round++",
		CaughtBy: simulated,
	},
	{
		Name: "torn-record-taken-for-good", Hazard: 29, File: "internal/wal/scan.go",
		Old: "if !soundRecords(records, f.sum) {", New: "if false {",
		CaughtBy: "./internal/wal -run ^TestHazard29_",
	},
	{
		Name: "rot-taken-for-a-torn-tail", Hazard: 29, File: "internal/wal/recover.go",
		Old: "\tif later != 0 {", New: "\tif later == -1 {",
		CaughtBy: "./internal/wal -run ^TestHazard29_",
	},
	{
		Name: "segment-freed-while-it-is-needed", Hazard: 30, File: "internal/wal/forward.go",
		Old: "r.found = len(r.members)", New: "r.members, r.found = nil, 0",
		CaughtBy: "./internal/wal -run ^TestHazard28_30_",
	},
	{
		Name: "old-state-not-copied-forward", Hazard: 30, File: "internal/wal/forward.go",
		Old: "meta = ml.stateSegment != 0 && ml.stateSegment <= at || ml.baseSegment != 0 && ml.baseSegment <= at", New: "_ = at",
		CaughtBy: "./internal/wal -run ^TestHazard28_30_",
	},
	{
		Name: "folder-not-synced", Hazard: 28, File: "internal/wal/segment.go",
		Old: "if err := l.fs.SyncDir(l.dir); err != nil {\n\t\treturn fmt.Errorf(\"wal: sync folder %s: %w\", l.dir, err)\n\t}\n\ts.refs.Store(1)", New: "s.refs.Store(1)",
		CaughtBy: "./internal/wal -run ^TestHazard28_30_",
	},
	{
		Name: "segment-reused-under-its-old-generation", Hazard: 29, File: "internal/wal/segment.go",
		Old: "header: header{l.id, number, l.random(), uint64(old.size)}", New: "header: header{l.id, number, old.generation, uint64(old.size)}",
		CaughtBy: "./internal/wal -run ^TestRecycledBytesAreNeverRecords$",
	},
	{
		Name: "unsynced-tail-relied-upon", Hazard: 31, File: "internal/wal/recover.go",
		Old: "\tif s == nil {\n\t\treturn nil // nothing was ever written", New: "\tif s == nil || s.end > 0 {\n\t\treturn nil // nothing was ever written",
		CaughtBy: simulated,
	},
	{
		Name: "compaction-forgets-the-term", Hazard: 28, File: "internal/wal/batch.go",
		Old: "b.base(kindCompact, m, base, baseTerm, nil)", New: "b.base(kindCompact, m, base, 0*baseTerm, nil)",
		CaughtBy: simulated,
	},
}
