// Package placement decides which nodes should hold which groups.
//
// [Plan] is a pure function from (nodes, groups with their present targets,
// policy) to the targets that should change, each with its reason, in the order
// in which to make the changes, the single moves that they consist of, and what
// cannot be met. It does no I/O, knows no time, uses integers only and never
// depends on map order, so that equal input gives equal output on every
// architecture and in whatever order the input is listed.
//
// [Planner] is the same with a memory: it is told of every change of a node or a
// group, and what it then plans costs what has changed and not what there is. It
// also answers what people ask: why a group is where it is ([Planner.Explain]), how
// evenly the fleet is filled ([Planner.Skew]), and what a change would bring
// ([Planner.WhatIf]).
//
// Rendezvous hashing (github.com/dgryski/go-rendezvous over xxhash64) ranks the
// nodes of a group; what a group already has decides first. So a plan goes from
// what is, and changes only what must change:
//
//  1. Nodes are put in the order of their identifiers, groups in that of the
//     hash of their names.
//  2. Every node gets a fair number of members: for each group as even a spread
//     over the zones as their nodes allow, by weight within these bounds.
//  3. Members that are missing, or on a dead, draining or inactive node, are
//     replaced: least-used zone first, then nodes below their fair number, then
//     the best rank.
//  4. Groups in fewer zones than they could be are spread.
//  5. Nodes outside their bounds give or take members until they are inside.
//  6. Each group keeps its preferred leader if it can; nodes outside their
//     share of leaders give or take some, through chains of groups where no single
//     change of leader helps.
//
// Planning what was planned changes nothing. What cannot be met is said in
// [Result.Infeasible], with the reason.
//
// [Place] gives one new group its first members by the same rules without
// looking at all others; [Rank] is the pure ranking; [CatalogueVoters] chooses
// who votes in the fleet's own group.
//
// Callers
//
//   - give Plan all nodes and all groups of one catalogue index, or tell a Planner
//     of all changes up to one;
//   - commit the targets that they take from the result, in its order; they may take
//     any prefix and plan again;
//   - tell the Planner what was committed, as changes of groups: it does not take its
//     own plan for granted.
//
// Functions keep and share no memory between calls and are safe for concurrent
// use. A Planner is used by one goroutine at a time.
package placement
