// Package explore searches all that can happen to a small group: breadth first,
// with the real protocol of package consensus, until nothing new can happen
// within the bounds of a Scope. After each step it checks what Raft promises.
// What it finds is a shortest way to a broken promise, told step by step.
//
// # What can happen
//
// The network is the set of all messages ever sent, and any of them can arrive
// at any time: late, out of order, again and again, or never. A disk makes its
// writes durable one by one whenever it likes, and a crash loses those that were
// not. An election timer can run out at any moment. Commands, membership
// changes, heartbeats, transfers of leadership and crashes happen as often as
// the Scope says, and terms go as far as it says.
//
// # How so much is tried
//
// A member's part in a step depends on the member and what it is given alone.
// So the states of members, messages and networks are numbered as they turn up,
// each step of a member is done once by a copy of its core and remembered, and
// the state of the whole, a World, is a few numbers. States are compared whole,
// not by a hash: nothing is left out by accident.
//
// Where all members are alike (Scope.alike), the first to campaign is member 1;
// that another might be is the same up to names.
package explore
