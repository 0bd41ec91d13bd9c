package explore

import (
	"fmt"
	"slices"

	"github.com/raftfleet/raftfleet/consensus"
)

// action is what is done to a member: the kind in the upper bits, and of what,
// a message for instance, in the lower.
type action uint32

const (
	deliver  action = iota << 28 // a message arrives
	persist                      // the oldest write becomes durable
	timeout                      // the election timer runs out
	beat                         // a leader's heartbeat is due
	command                      // a client proposes
	change                       // a change is asked for
	transfer                     // a transfer to a member is asked for, or to itself: called off
	crash                        // all that is not durable is lost, and the member starts again
	read                         // a client asks for an index to read at
	tick                         // time passes for one that does not lead
	wake                         // the node of a sleeping member's leader seems to be gone

	kindBits = 0xf << 28
)

func (a action) kind() action { return a & kindBits }
func (a action) of() uint32   { return uint32(a &^ kindBits) }

// outcome is what a step leads to.
type outcome struct {
	member uint32   // the member's state after it
	sent   []uint32 // messages, sorted
	grants []grant  // votes that the member gave
	reads  []consensus.ReadReady
	broken string // the promise that the member broke by itself
}

type grant struct {
	term uint64
	to   consensus.MemberID
}

const (
	// campaignForced in the Context of a vote says that no leader need be protected.
	campaignForced = 1

	forever = 1 << 20 // ticks
	// preVoteTicks is a timer that runs out with the first tick or two.
	preVoteTicks = 2
)

func (s *Scope) config(id consensus.MemberID) consensus.Config {
	cfg := consensus.Config{ID: id, ElectionTicks: forever, HeartbeatTicks: 1, Rand: func(int) int { return 0 }}
	if s.PreVote {
		cfg.ElectionTicks = preVoteTicks
	}
	if s.Sleep {
		cfg.SleepTicks = 1
	}
	if s.OneEntry {
		cfg.MaxAppendBytes = 1
	}
	return cfg
}

// first returns a member as it starts in a new group.
func (s *Scope) first(id consensus.MemberID) (*member, error) {
	var config consensus.Configuration
	for v := 1; v <= s.voters(); v++ {
		config.Voters = append(config.Voters, consensus.Member{ID: consensus.MemberID(v), Node: uint64(v)})
	}
	d := &disk{state: consensus.HardState{Term: 1, Commit: 1}, snap: consensus.SnapshotMeta{Index: 1, Term: 1, Config: config, ConfigIndex: 1}}
	m := &member{id: id, disk: d}
	if err := m.start(s); err != nil {
		return nil, err
	}
	return m, m.look()
}

// start begins anew from the disk.
func (m *member) start(s *Scope) error {
	core, err := consensus.New(s.config(m.id), m.disk, consensus.Start{State: m.disk.state, Snapshot: m.disk.snap, LastIndex: m.disk.last()})
	m.core, m.writes = core, nil
	return err
}

// do carries out an action on a copy of a member.
func (x *search) do(from *member, a action) (outcome, error) {
	m := &member{id: from.id, disk: from.disk, writes: slices.Clone(from.writes)}
	r := runner{search: x, member: m}
	if a.kind() == crash {
		if err := m.start(&x.scope); err != nil {
			return outcome{broken: fmt.Sprintf("member %v does not start: %v", m.id, err)}, nil
		}
	} else {
		m.core = from.core.Clone(m.disk)
		if err := r.act(a); err != nil {
			return outcome{broken: fmt.Sprintf("member %v: %v", m.id, err)}, nil
		}
	}
	if err := r.settle(); err != nil {
		return outcome{broken: fmt.Sprintf("member %v: %v", m.id, err)}, nil
	}
	if err := m.look(); err != nil {
		return outcome{broken: fmt.Sprintf("member %v: %v", m.id, err)}, nil
	}
	slices.Sort(r.out.sent)
	r.out.sent = slices.Compact(r.out.sent)
	m.hear(from, x.message(a))
	if r.out.broken = brokenAlone(from, m, a); r.out.broken == "" {
		r.out.broken = x.brokenRule(from, m, a, &r.out)
	}
	r.out.member = x.numberMember(m)
	return r.out, nil
}

// runner does what a core wants, and notes what it says.
type runner struct {
	*search
	*member
	out outcome
}

func (r *runner) act(a action) error {
	switch a.kind() {
	case deliver:
		return r.core.Step(r.messages[a.of()])
	case persist:
		r.persistOne()
	case timeout:
		return r.timeout()
	case beat:
		r.core.Tick(0)
	case command:
		// That something cannot be done now is no fault.
		_, _, _ = r.core.Propose([]byte{byte(a.of())})
	case change:
		_, _ = r.core.ProposeChange(r.scope.Changes[a.of()], r.core.ConfigIndex())
	case read:
		_ = r.core.Read(uint64(a.of()))
	case tick:
		r.core.Tick(0)
	case wake:
		r.core.Wake()
	case transfer:
		_ = r.core.TransferLeader(consensus.MemberID(a.of()))
	}
	return nil
}

// timeout has the member campaign: by its timer or, without a pre-vote, as if all
// had agreed to it at once.
func (r *runner) timeout() error {
	if r.scope.PreVote {
		for range preVoteTicks {
			r.core.Tick(0)
		}
		return nil
	}
	r.core.Campaign()
	for other := range consensus.MemberID(r.scope.Members) {
		if r.core.Role() != consensus.PreCandidate {
			break
		}
		if other++; other == r.id {
			continue
		}
		agreed := consensus.Message{Kind: consensus.MsgPreVoteReply, From: other, To: r.id, Term: r.core.Term() + 1}
		if err := r.core.Step(agreed); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) persistOne() {
	w := r.writes[0]
	r.writes = r.writes[1:]
	r.disk = r.disk.with(&w)
	// The core reads from what is durable now.
	r.core = r.core.Clone(r.disk)
	r.core.Persisted(w.Ticket)
}

// settle takes what the core says until it is silent. What is committed is
// applied at once; a disk that is not slow writes at once.
func (r *runner) settle() error {
	var o consensus.Output
	for range 100 {
		if !r.core.HasOutput() {
			if r.scope.slow(r.id) || len(r.writes) == 0 {
				return nil
			}
			r.persistOne()
			continue
		}
		r.core.Output(&o)
		if o.StorageErr != nil {
			return o.StorageErr
		}
		for i := range o.Messages {
			r.send(&o.Messages[i])
		}
		r.out.reads = append(r.out.reads, o.Reads...)
		if o.Write.Install != nil || len(o.NeedSnapshot) > 0 {
			return fmt.Errorf("a snapshot is wanted where nothing was compacted")
		}
		if o.Write.Ticket != 0 {
			w := o.Write
			w.Entries = slices.Clone(w.Entries)
			r.writes = append(r.writes, w)
		} else if o.Write.StateChanged && len(r.writes) == 0 {
			r.disk = r.disk.with(&o.Write)
			r.core = r.core.Clone(r.disk)
		}
		if n := len(o.Committed); n > 0 {
			r.core.Applied(o.Committed[n-1].Index)
		}
	}
	return fmt.Errorf("never ceases to have output")
}

func (r *runner) send(m *consensus.Message) {
	if !r.scope.PreVote {
		switch m.Kind {
		case consensus.MsgPreVote:
			return // all have agreed to it
		case consensus.MsgVote:
			m.Context = campaignForced // nobody thinks that there is a leader
		}
	}
	r.out.sent = append(r.out.sent, r.numberMessage(m))
	if m.Kind == consensus.MsgVoteReply && !m.Reject {
		r.out.grants = append(r.out.grants, grant{m.Term, m.To})
	}
}
