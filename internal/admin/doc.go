// Package admin is the HTTP/JSON API of one node, and its client.
//
// The server knows nothing of how things are done: it decodes a request, asks the
// Node that it was given, and encodes what that says. The paths, all JSON:
//
//	GET    /v1/status
//	GET    /v1/nodes                          a list of view.Node
//	GET    /v1/nodes/{node}
//	GET    /v1/nodes/{node}/check             which groups would lose their quorum without it
//	GET    /v1/nodes/{node}/drain             progress of a drain
//	POST   /v1/nodes/{node}/drain
//	POST   /v1/nodes/{node}/undrain
//	POST   /v1/nodes/{node}/forget            {"force": false}
//	GET    /v1/gossip/members                 whom the gossip of this node knows
//	GET    /v1/groups?prefix=&after=&limit=   a list in the order of names
//	GET    /v1/groups/{name}
//	POST   /v1/groups/{name}                  {"type": "counter", "replicas": 3, "restore": false}
//	DELETE /v1/groups/{name}?keep=false
//	POST   /v1/groups/{name}/transfer         {"to": "node"}
//	POST   /v1/groups/{name}/recover          {"confirm": "name"}
//	GET    /v1/groups/{name}/explain          why it is where it is, node by node
//	POST   /v1/groups/{name}/call/{op}?command_id=
//	POST   /v1/groups/{name}/query/{op}?local=&stale=
//	GET    /v1/balance                        how far it is, and why nothing moves when nothing moves
//	GET    /v1/balance/plan?limit=            what is wanted and not begun, in the order of beginning
//	GET    /v1/balance/moves?limit=           what is on the move, the oldest first
//	GET    /v1/balance/skew                   how evenly nodes and zones are loaded
//	POST   /v1/balance/whatif                 {"remove": ["node"], "drain": ["node"], "zone_down": ["zone"], "add":
//	                                           [{"zone": "z", "weight": 1, "count": 1}], "weights": {"node": 2}}, at
//	                                           least one of them; changes nothing
//	POST   /v1/balance/pause                  {"by": "who", "reason": "why"}
//	POST   /v1/balance/resume                 {"by": "who"}
//	GET    /v1/balance/limits
//	POST   /v1/balance/limits                 {"values": {"moves": "8"}}; an empty value: back to the default
//	GET    /v1/archives                       states that were kept of removed groups
//	DELETE /v1/archives/{name}
//	GET    /v1/events?after=&wait=
//	GET    /livez /readyz /metrics, and /debug/pprof/ on request
//
// The body of a call or a query is the argument of the operation as JSON, and so
// is the result. Unknown fields and parameters are errors: a misspelt word must
// not be taken for its default. A body is at most MaxBodyBytes.
//
// A failure answers with {"error", "kind", "remedy", "outcome", "command_id"}; see Error.
//
// A request may say in the header Raftfleet-Timeout how long it may take, as 5s. It
// shortens what the server allows, so that the caller is still there for the reason.
//
// Who may ask: the server listens on loopback; anywhere else it wants a bearer
// token or client certificates and refuses to start without. A page in a browser
// of the same machine cannot change anything: what changes needs the content type
// application/json or the header Raftfleet-Admin, requests from other origins are
// refused, and so are host names that are not this machine's.
//
// All types are safe for concurrent use.
package admin
