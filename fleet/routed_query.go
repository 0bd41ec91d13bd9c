package fleet

import (
	"context"
	"runtime"

	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// routedQueries answers the queries of other nodes with a few workers. The leader's
// permission comes on a lane, which must not run a program's code; a goroutine for
// each query would cost more than the query.
type routedQueries struct {
	node *Node
	jobs chan queryJob
}

type queryJob struct {
	group ident.GroupID
	query []byte
	grant group.ReadGrant
	reply func([]byte)
}

// queriesWaiting bounds the queries that have permission and wait for a worker.
const queriesWaiting = 4096

func (q *routedQueries) start(n *Node) {
	q.node, q.jobs = n, make(chan queryJob, queriesWaiting)
	for range runtime.GOMAXPROCS(0) {
		n.background(func(ctx context.Context) {
			for {
				j, err := exec.Await(ctx, n.exec, q.jobs)
				switch {
				case err != nil:
					return
				case ctx.Err() != nil:
					// What waits comes before the end of the context, and there may be always more.
					j.reply(answerFor(group.ErrStopped))
				default:
					q.answer(j)
				}
			}
		})
	}
}

// ask takes one query of another node.
func (q *routedQueries) ask(g ident.GroupID, query []byte, reply func([]byte)) {
	if q.node.ctx.Err() != nil {
		reply(answerFor(group.ErrStopped))
		return
	}
	q.node.host.Grant(g, func(grant group.ReadGrant, err error) {
		if err != nil {
			reply(answerFor(err))
			return
		}
		select {
		case q.jobs <- queryJob{g, query, grant, reply}:
		default:
			reply(answerFor(ErrOverloaded))
		}
	})
}

func (q *routedQueries) answer(j queryJob) {
	n := q.node
	body, err := group.EncodeAnswer(n.host.QueryLocal(j.group, j.query))
	if n.host.Expired(j.grant) {
		// The lease ran out while the answer was computed: a quorum must be asked after all.
		n.serve(j.reply, func(ctx context.Context) ([]byte, error) { return n.queryHere(ctx, j.group, j.query) })
		return
	}
	if err != nil {
		j.reply(answerFor(err))
		return
	}
	j.reply(answerBody(body))
}
