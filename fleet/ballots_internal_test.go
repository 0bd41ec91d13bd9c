package fleet

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
)

// Whatever is lost, late or repeated, whoever proposes at the same time and whoever
// crashes in between: fewer than twice Founders fresh nodes never choose two foundings.
func TestPropertyTwoFoundingsAreNeverChosen(t *testing.T) {
	chosen := 0
	rapid.Check(t, func(t *rapid.T) {
		founders := rapid.IntRange(1, 4).Draw(t, "founders")
		count := rapid.IntRange(founders, 2*founders-1).Draw(t, "nodes")
		nodes := make([]ballots, count)
		for i := range nodes {
			nodes[i].store = store.OpenMemory("n")
		}
		type attempt struct {
			*proposal
			request foundRequest
		}
		var attempts []*attempt
		var all []foundRequest // what was ever sent: it may arrive again
		var winner founding
		node := func(label string) int { return rapid.IntRange(0, count-1).Draw(t, label) }
		id := func(i int) ident.NodeID { return ident.NodeID(i + 1) }
		for range rapid.IntRange(20, 120).Draw(t, "steps") {
			switch rapid.IntRange(0, 12).Draw(t, "step") {
			case 0:
				from := node("proposer")
				p, err := nodes[from].propose(founding{ident.FleetID(100 + len(attempts)), id(from)}, founders)
				if err != nil {
					t.Fatal(err)
				}
				r, _ := p.next()
				attempts = append(attempts, &attempt{p, r})
				all = append(all, r)
			case 1: // a crash: what is in memory is gone
				at := node("crash")
				nodes[at] = ballots{store: nodes[at].store}
				for _, a := range attempts {
					if a.proposal != nil && a.ballot.Node == id(at) {
						a.proposal = nil
					}
				}
			case 2: // an old request arrives late, its answer goes nowhere
				if len(all) > 0 {
					r := all[rapid.IntRange(0, len(all)-1).Draw(t, "late")]
					if _, err := nodes[node("voter")].vote(r); err != nil {
						t.Fatal(err)
					}
				}
			default:
				if len(attempts) == 0 {
					continue
				}
				a := attempts[rapid.IntRange(max(0, len(attempts)-3), len(attempts)-1).Draw(t, "attempt")]
				if a.proposal == nil {
					continue
				}
				voter := node("voter")
				reply, err := nodes[voter].vote(a.request)
				if err != nil {
					t.Fatal(err)
				}
				if rapid.IntRange(0, 4).Draw(t, "lost") == 0 {
					continue
				}
				for seen := range rapid.IntRange(0, count).Draw(t, "seen") {
					reply.Fresh = append(reply.Fresh, id(seen))
				}
				a.count(id(voter), reply)
				if value, err := a.outcome(); err == nil {
					chosen++
					if winner != (founding{}) && winner != value {
						t.Fatalf("%+v was chosen, and then %+v", winner, value)
					}
					winner = value
				}
				if r, more := a.next(); more {
					a.request = r
					all = append(all, r)
				}
			}
		}
	})
	if chosen == 0 {
		t.Error("nothing was ever chosen: the test tried nothing")
	}
}

// Who proposes after a founding may have been chosen finishes that one.
func TestAProposerFinishesWhatAnotherBegan(t *testing.T) {
	nodes := make([]ballots, 3)
	for i := range nodes {
		nodes[i].store = store.OpenMemory("n")
	}
	ask := func(p *proposal, voters ...int) {
		t.Helper()
		r, more := p.next()
		if !more {
			t.Fatal("the attempt is over")
		}
		for _, i := range voters {
			reply, err := nodes[i].vote(r)
			if err != nil {
				t.Fatal(err)
			}
			p.count(ident.NodeID(i+1), reply)
		}
	}
	propose := func(i int) *proposal {
		t.Helper()
		p, err := nodes[i].propose(founding{ident.FleetID(i + 10), ident.NodeID(i + 1)}, 2)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	one := propose(0)
	ask(one, 0, 1)
	ask(one, 0, 1) // chosen, and nobody but node 1 knows
	two := propose(2)
	ask(two, 1, 2)
	ask(two, 1, 2)
	first, err := one.outcome()
	if err != nil {
		t.Fatal(err)
	}
	if second, err := two.outcome(); err != nil || second != first {
		t.Errorf("%+v was chosen, and then %+v, %v", first, second, err)
	}
}

// It takes more than half of all that any voter sees, not only Founders votes.
func TestAProposerNeedsMoreVotesWhenVotersSeeMore(t *testing.T) {
	p := newProposal(ballot{1, 1}, 2, founding{Fleet: 9, Founder: 1})
	p.next()
	p.count(1, foundReply{Granted: true, Fresh: []ident.NodeID{1, 2}})
	p.count(2, foundReply{Granted: true, Fresh: []ident.NodeID{1, 2, 3, 4}})
	if r, more := p.next(); more {
		t.Fatalf("two of four nodes are enough to ask for %+v", r)
	}
	if _, err := p.outcome(); err == nil || !strings.Contains(err.Error(), "2 of 4 fresh nodes agree on who founds, it takes 3") {
		t.Errorf("the reason is %v", err)
	}
	p.count(3, foundReply{Granted: true})
	r, more := p.next()
	if !more || r.Step != stepAccept || r.Value.Fleet != 9 {
		t.Fatalf("three of four nodes are enough: %+v", r)
	}
	p.knows(4)
	if _, err := p.outcome(); err == nil {
		t.Error("something is chosen that nobody accepted")
	}
}

// The limit that Config.Founders states: nodes that come later and are told Founders too
// make the nodes that ever were more than it allows for, although fewer are fresh at a time.
func TestNodesThatComeLaterAndAreToldFoundersCanFoundAnother(t *testing.T) {
	var chosen []founding
	for _, generation := range []ident.NodeID{10, 20} {
		nodes := make([]ballots, 3)
		for i := range nodes {
			nodes[i].store = store.OpenMemory("n")
		}
		p, err := nodes[0].propose(founding{ident.FleetID(generation), generation}, 3)
		if err != nil {
			t.Fatal(err)
		}
		for r, more := p.next(); more; r, more = p.next() {
			for i := range nodes { // all that it sees: those before are in a fleet, and cut off
				reply, err := nodes[i].vote(r)
				if err != nil {
					t.Fatal(err)
				}
				p.count(generation+ident.NodeID(i), reply)
			}
		}
		value, err := p.outcome()
		if err != nil {
			t.Fatal(err)
		}
		chosen = append(chosen, value)
	}
	if chosen[0] == chosen[1] {
		t.Error("Config.Founders promises too little")
	}
}
