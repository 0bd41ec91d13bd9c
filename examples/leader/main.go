// Leader has exactly one of two nodes do a job at a time: the one whose member leads
// the group "jobs". The job is run by the WhileLeading hook, whose context ends with
// the leadership.
//
// Another node may begin before the context of the one before it has ended. So what
// a leader does carries its term, and the group refuses terms that are over: that is
// what makes the job safe, and not the hook alone.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/group"
)

// Jobs is what the group replicates: which leadership did how much.
type Jobs struct {
	Term uint64
	Done int
}

var errOutdated = errors.New("a newer leader has begun")

var jobs = group.Define("jobs", func() *Jobs { return &Jobs{} }).Errors(errOutdated)

// begin makes a leader's term the one in force, and returns how many jobs are done.
var begin = group.Command(jobs, "begin", func(j *Jobs, term uint64) (int, error) {
	if term < j.Term {
		return j.Done, errOutdated
	}
	j.Term = term
	return j.Done, nil
})

// finish records one more job, if no newer leader has begun.
var finish = group.Command(jobs, "finish", func(j *Jobs, term uint64) (int, error) {
	if term < j.Term {
		return j.Done, errOutdated
	}
	j.Done++
	return j.Done, nil
})

// worker is what one node does while it leads.
type worker struct {
	name  string
	ready chan struct{} // closed once node is set
	node  *fleet.Node
	told  chan<- progress
}

type progress struct {
	node string
	done int
}

// work runs while this node leads. It ends at the first sign that it does not.
func (w *worker) work(ctx context.Context, name string, term uint64) {
	select {
	case <-w.ready:
	case <-ctx.Done():
		return
	}
	if _, err := begin.Call(ctx, w.node, name, term); err != nil {
		return
	}
	for ctx.Err() == nil {
		// Here the program would do the work itself, with ctx.
		done, err := finish.Call(ctx, w.node, name, term)
		if err != nil {
			return
		}
		select {
		case w.told <- progress{w.name, done}:
		case <-ctx.Done():
		}
	}
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	told := make(chan progress)
	var nodes []*fleet.Node
	var join []string
	for _, name := range []string{"ann", "bob"} {
		w := &worker{name: name, ready: make(chan struct{}), told: told}
		hooked := group.WithHooks(jobs, group.Hooks{WhileLeading: w.work})
		node, err := fleet.Activate(ctx, "zone-"+name, fleet.Config{
			InMemory: true, Local: true, Name: name, Join: join, Types: []group.Type{hooked},
		})
		if err != nil {
			return err
		}
		defer node.Close()
		w.node = node
		close(w.ready)
		nodes, join = append(nodes, node), []string{node.GossipAddr()}
	}
	if err := nodes[0].AddConsensusGroup(ctx, "jobs", 2, jobs); err != nil {
		return err
	}
	done := 0
	for _, name := range []string{"ann", "bob", "ann"} {
		if err := nodes[0].TransferLeader(ctx, "jobs", name); err != nil {
			return err
		}
		for mine := 0; mine < 3; {
			p := <-told
			if p.done <= done {
				return fmt.Errorf("job %d of %s came after job %d", p.done, p.node, done)
			}
			done = p.done
			if p.node == name {
				mine++
			}
		}
		fmt.Println(name, "leads and works")
	}
	return nil
}
