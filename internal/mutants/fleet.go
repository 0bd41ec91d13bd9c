package mutants

// fleetMutants are bugs of whole fleets: routing, sessions of nodes, moves, the
// catalogue, removal and re-adding of names, founding.
var fleetMutants = []Mutant{
	{
		Name: "retry-after-expiry-under-another-id", Hazard: 42, File: "fleet/command.go", Level: ByFleets,
		Old: "if c.given || c.maybe {\n\t\t\treturn false", New: "if false {\n\t\t\treturn false",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "lost-answer-taken-for-not-sent", Hazard: 41, File: "fleet/router.go", Level: ByFleets,
		Old: "err: unanswered(ctx, route.Leader, err), sent: true}", New: "err: unanswered(ctx, route.Leader, err), sent: false}",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "retry-goes-to-another-group-of-the-name", Hazard: 36, File: "fleet/command.go", Level: ByFleets,
		Old: "if c.maybe {\n\t\t\t\treturn fmt.Errorf(", New: "if false {\n\t\t\t\treturn fmt.Errorf(",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "removed-without-being-closed", Hazard: 38, File: "fleet/remove_group.go", Level: ByFleets,
		Old: "if err := n.seal(ctx, g, true); err != nil && r.Keep {", New: "if err := error(nil); err != nil && r.Keep {",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "follower-answers-without-a-read-index", Hazard: 16, File: "fleet/query.go", Level: ByFleets,
		Old: "\treturn n.host.QueryAt(ctx, route.Group, index, query)\n", New: "\treturn n.host.QueryAt(ctx, route.Group, index-index, query)\n",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "member-deleted-before-its-group-has-settled", Hazard: 7, File: "fleet/difference.go", Level: ByFleets,
		Old: "if uint64(id) >= g.SettledNext {", New: "if false {",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "old-copy-brings-removed-members-back", Hazard: 38, File: "fleet/reconcile.go", Level: ByFleets,
		Old: "c != nil && c.Index() >= floor {", New: "c != nil {",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "promoted-before-it-has-caught-up", Hazard: 7, File: "fleet/step.go", Level: ByFleets,
		Old: "behind, ok := lag(s, l.ID); !ok || behind > caughtUpEntries {\n\t\t\t\treturn step{kind: stepWait", New: "behind, ok := lag(s, l.ID); !ok && behind > caughtUpEntries {\n\t\t\t\treturn step{kind: stepWait",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "target-reported-before-it-is-reached", Hazard: 7, File: "fleet/mover.go", Level: ByFleets,
		Old: "if step.kind == stepNone {", New: "if step.kind != stepChange {",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "group-without-quorum-gets-a-target", Hazard: 7, File: "placement/open.go",
		Level: ByTest, Why: "seeds of fleets find it too, after some hundreds: few groups lose their quorum there",
		Old: "|| 2*alive > total", New: "|| 2*alive > total || alive > 0",
		CaughtBy: "./placement -run ^(TestWithoutQuorumNothingIsTouched|TestHalfIsNoQuorum)$",
	},
	{
		Name: "member-id-given-again", Hazard: 35, File: "internal/catalogue/command_target.go", Level: ByFleets,
		Old: "\t\t\tnext.NextMember++\n\t\t}\n\t\tnext.Target = append", New: "\t\t\tnext.NextMember = uint64(len(nodes)) + 1\n\t\t}\n\t\tnext.Target = append",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "founding-vote-is-not-durable", Hazard: 39, File: "fleet/ballots.go", Level: ByFleets,
		Old: "if err := b.write(v); err != nil {\n\t\t\treturn foundReply{}, err\n\t\t}\n\t}\n\treturn foundReply{Granted", New: "if err := error(nil); err != nil {\n\t\t\treturn foundReply{}, err\n\t\t}\n\t}\n\treturn foundReply{Granted",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "founders-do-not-agree", Hazard: 39, File: "fleet/ballots.go", Level: ByFleets,
		Old: "return len(p.votes) >= p.needed() }", New: "return len(p.votes) >= 1 }",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "stuck-move-goes-back-to-a-lost-node", Hazard: 7, File: "internal/planner/stuck.go", Level: ByTest,
		Old: "\t\tif d.gaveUp(m.Node) {\n\t\t\tcontinue\n\t\t}\n", New: "",
		Why:      "it takes two lost nodes, the second one while a group moves",
		CaughtBy: "./internal/planner -run ^TestAStuckMoveGoesBackToNodesThatExist$",
	},
	{
		Name: "given-up-by-the-word-of-one", Hazard: 7, File: "internal/planner/trust.go", Level: ByTest,
		Old: "if !d.Missed[node.ID] {", New: "if false {",
		Why:      "in the simulator who is given up too early comes back",
		CaughtBy: "./internal/planner -run ^TestANodeIsGivenUpByTheWordOfSeveral$",
	},
	{
		Name: "brake-lets-go", Hazard: 7, File: "internal/planner/trust.go", Level: ByTest,
		Old: "if d.brake != \"\" {", New: "if false {",
		Why:      "a zone that was given up comes back in the simulator",
		CaughtBy: "./internal/planner -run ^TestTheBrakeHolds$",
	},
	{
		Name: "change-told-before-its-entry-is-whole", Hazard: 7, File: "internal/catalogue/machine.go", Level: ByTest,
		Old: "m.time, m.untold = max(m.time, at.time), true\n", New: "m.time, m.untold = max(m.time, at.time), true\n\tm.index = index\n\tm.ring.end(index)\n",
		Why:      "commands of one entry are applied in one step in the simulator: nobody looks in between",
		CaughtBy: "./fleet -run ^TestDifferencesBetweenCommandsOfAnEntry$",
	},
	{
		Name: "pause-is-passed-over", Hazard: 47, File: "internal/planner/moves.go", Level: ByFleets,
		Old: "case d.pause != nil:\n\t\treturn HeldPaused", New: "case false:\n\t\treturn HeldPaused",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "more-moves-than-the-limit", Hazard: 47, File: "internal/planner/moves.go", Level: ByFleets,
		Old: "case begins:\n\t\t\troom--", New: "case false:\n\t\t\troom--",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "wrong-limits-are-taken", Hazard: 47, File: "internal/planner/limits.go", Level: ByFleets,
		Old: "if err != nil || n < l.least || n > l.most {", New: "if err != nil {",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "brake-holds-no-move", Hazard: 47, File: "internal/planner/moves.go", Level: ByFleets,
		Old: "case d.brake != \"\" && !asked(kind):", New: "case false:",
		CaughtBy: fleetSeeds,
	},
	{
		Name: "older-route-replaces-a-newer-one", Hazard: 36, File: "cache/table.go", Level: ByTest,
		Old: "return r.Term > old.Term", New: "return true",
		Why:      "a call goes astray once more and arrives",
		CaughtBy: "./cache -run ^TestPutKeepsTheNewest$",
	},
}

// fleetSeeds are seeds of whole fleets, as many as it may take.
const fleetSeeds = "./internal/sim -run ^TestFleetsHold$ -fleetseeds=100"
