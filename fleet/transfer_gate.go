package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// transferGate bounds how many leaders give way to preferred ones at once, in the
// whole fleet. It is kept by the node that leads the catalogue; when another one does,
// it begins empty, and for a moment there may be twice as many.
type transferGate struct {
	mu      sync.Mutex
	granted map[ident.GroupID]time.Time // when the grant ends by itself
}

// grantFor is how long a grant holds if nobody says that the transfer is over.
const grantFor = 5 * time.Second

// grant admits one transfer unless there are as many already.
func (g *transferGate) grant(id ident.GroupID, now time.Time, most int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for other, until := range g.granted {
		if !until.After(now) {
			delete(g.granted, other)
		}
	}
	if _, again := g.granted[id]; !again && len(g.granted) >= most {
		return false
	}
	if g.granted == nil {
		g.granted = make(map[ident.GroupID]time.Time)
	}
	g.granted[id] = now.Add(grantFor)
	return true
}

// over gives a grant back.
func (g *transferGate) over(id ident.GroupID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.granted, id)
}

func (g *transferGate) clear() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.granted)
}

// admitTransfer answers a group's leader that would give way to the preferred one.
func (n *Node) admitTransfer(id ident.GroupID) bool {
	report := n.planner.report.Load()
	if report == nil || report.Pause != nil || report.Brake != "" {
		return false // not the planner, or nothing is to move
	}
	return n.planner.transfers.grant(id, n.exec.Now(), report.Limits.Transfers)
}

// mayTransfer asks the node that leads the catalogue whether a group's leader may give
// way now. Where nobody can say so it must wait: such a transfer is never urgent.
func (n *Node) mayTransfer(ctx context.Context, id ident.GroupID) bool {
	b, err := n.askPlanner(ctx, opAdmitTransfer, id)
	return err == nil && len(b) == 1 && b[0] == 1
}

// transferOver gives the place to the next.
func (n *Node) transferOver(ctx context.Context, id ident.GroupID) {
	if _, err := n.askPlanner(ctx, opTransferOver, id); err != nil {
		n.log.Debug("the end of a transfer could not be told to the planner", "group", id, "error", err)
	}
}

func (n *Node) askPlanner(ctx context.Context, op operation, id ident.GroupID) ([]byte, error) {
	if n.leads(ident.Catalogue) {
		return n.planned(op, id), nil
	}
	info, ok := n.host.Info(ident.Catalogue)
	if !ok || info.Leader == 0 {
		return nil, ErrNoLeader
	}
	return n.ask(ctx, info.Leader, appendGroup(nil, op, id, nil))
}

// planned answers for the planner here.
func (n *Node) planned(op operation, id ident.GroupID) []byte {
	if op == opTransferOver {
		n.planner.transfers.over(id)
		return nil
	}
	if n.admitTransfer(id) {
		return []byte{1}
	}
	return []byte{0}
}
