package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
)

// Fresh nodes choose, by Paxos, one founding before anybody founds. The voters are
// the fresh nodes that were given the same Founders; nobody knows all of them, so a
// majority cannot be counted. Instead it takes Founders votes, and more than half of
// all that the proposer or any voter sees. While fewer than twice Founders nodes are
// fresh, any two such sets share a voter, and so two foundings cannot be chosen,
// whatever crashes, is lost or comes late. With more, two sets would have to be
// disjoint and not see a single node of each other. Nodes that come after a founding
// count as well: cut off from the fleet, Founders of them can choose another.

// votesKey holds this node's vote. It is durable before it is given.
const votesKey = "founding-vote"

// founding is what is chosen: who founds which fleet.
type founding struct {
	Fleet   ident.FleetID
	Founder ident.NodeID
}

// ballot numbers an attempt to have something chosen; a node uses each once.
type ballot struct {
	Round uint64
	Node  ident.NodeID
}

func (b ballot) compare(c ballot) int {
	return cmp.Or(cmp.Compare(b.Round, c.Round), cmp.Compare(b.Node, c.Node))
}

type foundStep uint8

const (
	stepPrepare foundStep = iota + 1 // promise to take part in no earlier ballot
	stepAccept                       // accept the value
	stepChosen                       // the value is chosen: its founder is to found
)

type foundRequest struct {
	Step     foundStep
	Founders int
	Ballot   ballot
	Value    founding // not in stepPrepare
}

type foundReply struct {
	Granted bool
	Vote    foundingVote   // as it is now
	Fresh   []ident.NodeID // whom the voter sees that may vote, itself included
}

// foundingVote is what a voter must not forget.
type foundingVote struct {
	Promised ballot // it takes part in nothing earlier
	Accepted ballot // zero: it has accepted nothing
	Value    founding
}

// cast changes the vote as a request wants, if it may.
func (v *foundingVote) cast(r foundRequest) (granted bool) {
	if r.Ballot.compare(v.Promised) < 0 {
		return false
	}
	switch r.Step {
	case stepPrepare:
		v.Promised = r.Ballot
	case stepAccept:
		v.Promised, v.Accepted, v.Value = r.Ballot, r.Ballot, r.Value
	default:
		return false
	}
	return true
}

// ballots is a node's part in the choice.
type ballots struct {
	store  store.Store
	mu     sync.Mutex
	seen   uint64                   // the highest round heard of
	chosen atomic.Pointer[founding] // set when this node is to found
}

func (b *ballots) read() (v foundingVote, err error) {
	raw, err := b.store.Get(votesKey)
	if errors.Is(err, store.ErrNotFound) {
		return v, nil
	}
	if err == nil {
		err = msgpack.Unmarshal(raw, &v)
	}
	if err != nil {
		return v, fmt.Errorf("read this node's vote on who founds: %w", err)
	}
	return v, nil
}

func (b *ballots) write(v foundingVote) error {
	raw, err := msgpack.Marshal(&v)
	if err == nil {
		err = b.store.Put(votesKey, raw)
	}
	if err != nil {
		return fmt.Errorf("record this node's vote on who founds: %w", err)
	}
	return nil
}

// vote answers one request.
func (b *ballots) vote(r foundRequest) (foundReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, err := b.read()
	if err != nil {
		return foundReply{}, err
	}
	granted := v.cast(r)
	if granted {
		if err := b.write(v); err != nil {
			return foundReply{}, err
		}
	}
	return foundReply{Granted: granted, Vote: v}, nil
}

// propose begins an attempt of this node's own.
func (b *ballots) propose(own founding, founders int) (*proposal, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, err := b.read()
	if err != nil {
		return nil, err
	}
	b.seen = max(b.seen, v.Promised.Round) + 1
	p := newProposal(ballot{b.seen, own.Founder}, founders, own)
	// Durable before anybody hears of it, so that no ballot is used twice.
	v.Promised = p.ballot
	if err := b.write(v); err != nil {
		return nil, err
	}
	return p, nil
}

// hear notes a round of somebody else's, which the next attempt must exceed.
func (b *ballots) hear(round uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = max(b.seen, round)
}

// proposal is one attempt to have a founding chosen. It is fed with replies and
// knows neither time nor network.
type proposal struct {
	ballot   ballot
	founders int
	value    founding
	accepted ballot // of value; zero while it is the proposer's own
	step     foundStep
	votes    map[ident.NodeID]bool // of this step
	voters   map[ident.NodeID]bool // all that are known
	highest  uint64                // round that a voter knows
	problem  error
}

func newProposal(b ballot, founders int, value founding) *proposal {
	return &proposal{ballot: b, founders: founders, value: value, voters: make(map[ident.NodeID]bool)}
}

// next returns what all voters are to be asked, or false when the attempt is over.
func (p *proposal) next() (foundRequest, bool) {
	if p.step != 0 && !p.enough() || p.step == stepAccept {
		return foundRequest{}, false
	}
	p.step++
	p.votes = make(map[ident.NodeID]bool)
	r := foundRequest{Step: p.step, Founders: p.founders, Ballot: p.ballot}
	if p.step == stepAccept {
		r.Value = p.value
	}
	return r, true
}

// count takes a voter's reply to what was asked last.
func (p *proposal) count(from ident.NodeID, r foundReply) {
	p.voters[from] = true
	for _, node := range r.Fresh {
		p.voters[node] = true
	}
	p.highest = max(p.highest, r.Vote.Promised.Round)
	if !r.Granted {
		p.problem = fmt.Errorf("node %s gave its vote to node %s", from, r.Vote.Promised.Node)
		return
	}
	p.votes[from] = true
	if p.step == stepPrepare && r.Vote.Accepted.compare(p.accepted) > 0 {
		p.accepted, p.value = r.Vote.Accepted, r.Vote.Value
	}
}

// knows notes a voter, which counts whether it answers or not.
func (p *proposal) knows(voter ident.NodeID) { p.voters[voter] = true }

func (p *proposal) needed() int  { return max(p.founders, len(p.voters)/2+1) }
func (p *proposal) enough() bool { return len(p.votes) >= p.needed() }

// outcome returns what was chosen, if it was.
func (p *proposal) outcome() (founding, error) {
	if p.step == stepAccept && p.enough() {
		return p.value, nil
	}
	err := fmt.Errorf("%d of %d fresh nodes agree on who founds, it takes %d", len(p.votes), len(p.voters), p.needed())
	if p.problem != nil {
		err = fmt.Errorf("%w; last: %w", err, p.problem)
	}
	return founding{}, err
}
