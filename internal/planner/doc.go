// Package planner decides, over time, what a fleet changes about itself: which
// nodes it trusts, and which groups get another target next.
//
// Package placement says what would be best now. This package says when and how
// much of it: it waits for quiet after nodes come and go, brakes when too much of the
// fleet is gone at once, keeps to limits, gives up moves that make no end, lets
// groups rest, and stops while an operator has paused it. It also says, at any time,
// why nothing moves.
//
// One [Planner] runs on the node that leads the catalogue. Its caller gives it a
// [View] again and again, and carries out each [Decision]. It does no I/O, starts
// nothing, and takes the time from the view, so that the same views give the same
// decisions. What must outlive the node that leads is in the catalogue: states of
// nodes and since when, targets with their causes, rests and failures, limits and the
// pause. A planner that begins anew goes on from there; all that it lost is which
// moves were done lately, how far late ones had come, so that it looks at them for a
// while before it gives them up, and how long the nodes have been restless, so that
// the longest wait for quiet begins once more.
//
// A Planner is not safe for concurrent use; a [Report] is never changed once it was
// given out.
package planner
