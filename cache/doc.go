// Package cache remembers which node leads which group, by the group's name.
//
// It is a hint that saves a search: what it says may be out of date, and whoever
// is asked in vain answers with something newer. It never goes back: a route of a
// newer incarnation of the name (a higher GroupID) wins, then one of a newer term,
// in whatever order they arrive. A table is bounded and forgets the routes that
// were not used lately first.
//
// # Why not a map
//
// Every call of every client looks a name up, on all cores; routes change when a
// leader does. So a lookup takes no lock and writes nothing that another core
// reads (but a mark, once, on an entry that was not used since the last sweep). A
// copied map would make filling a table of a million names quadratic; sync.Map
// takes the name as an interface, which allocates on each lookup. Here each of 64
// shards is a hash table of chains whose links are atomic pointers: a reader walks
// them as they are, a writer (one at a time in a shard) publishes an entry or a
// route with one store. A table that grows is built beside the old one, so a
// reader is on the one or the other, and both are whole.
package cache
