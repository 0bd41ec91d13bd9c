package differential

import (
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// theirs is go.etcd.io/raft/v3 with asynchronous writes, pre-vote and quorum
// checks, which is what comes nearest to ours.
type theirs struct {
	// forced: members never campaign by themselves.
	forced bool
}

func (theirs) name() string { return "etcd" }

// theirDisk is what survives a crash. Its snapshots are made when asked for, of
// what is applied, so that one is never older than the member that needs it.
type theirDisk struct {
	*raft.MemoryStorage
	node *theirNode
}

func (d *theirDisk) Snapshot() (*raftpb.Snapshot, error) {
	index := d.node.w.applied[d.node.id]
	term, err := d.Term(index)
	if err != nil {
		return nil, err
	}
	return &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{Index: new(index), Term: new(term), ConfState: d.node.conf}}, nil
}

type theirNode struct {
	w       *world
	id      uint64
	raw     *raft.RawNode
	disk    *theirDisk
	appends []*raftpb.Message
	applies []*raftpb.Message
	conf    *raftpb.ConfState
	log     logImage

	forced           bool
	elapsed, timeout int    // the election timer, which the driver runs
	proposed         uint64 // the index of the last change proposed here
}

func (theirs) create(w *world, id uint64, first []uint64) {
	d := &theirDisk{MemoryStorage: raft.NewMemoryStorage()}
	if len(first) > 0 {
		meta := &raftpb.SnapshotMetadata{Index: new(uint64(1)), Term: new(uint64(1)), ConfState: &raftpb.ConfState{Voters: first}}
		if err := d.ApplySnapshot(&raftpb.Snapshot{Metadata: meta}); err != nil {
			panic(err)
		}
		if err := d.SetHardState(&raftpb.HardState{Term: new(uint64(1)), Commit: new(uint64(1))}); err != nil {
			panic(err)
		}
	}
	w.disks[id] = d
}

func (o theirs) start(w *world, id uint64) node {
	d := w.disks[id].(*theirDisk)
	first, _ := d.FirstIndex()
	last, _ := d.LastIndex()
	base := first - 1
	n := &theirNode{w: w, id: id, disk: d, forced: o.forced}
	d.node = n
	_, n.conf, _ = d.InitialState()
	raw, err := raft.NewRawNode(&raft.Config{
		ID: id, ElectionTick: electionTicks, HeartbeatTick: heartbeatTicks, Storage: d, AsyncStorageWrites: true,
		MaxSizePerMsg: 200, MaxInflightMsgs: window(o.forced), MaxCommittedSizePerReady: 1 << 20, CheckQuorum: true, PreVote: true,
		DisableProposalForwarding: true, StepDownOnRemoval: true, Logger: quiet{},
	})
	if err != nil {
		w.fail("start %d: %v", id, err)
		return nil
	}
	n.raw = raw
	n.log.base = base
	n.log.baseTerm, _ = d.Term(base)
	if last > base {
		entries, err := d.Entries(first, last+1, 1<<40)
		if err != nil {
			w.fail("start %d: %v", id, err)
			return nil
		}
		n.log.entries = theirEntries(entries)
	}
	w.applied[id] = max(base, 1)
	n.rewind()
	n.handle()
	return n
}

// rewind starts the election timer.
func (n *theirNode) rewind() {
	n.elapsed, n.timeout = 0, electionTicks+n.w.rand.Intn(electionTicks)
}

func theirEntries(entries []*raftpb.Entry) []entry {
	converted := make([]entry, 0, len(entries))
	for _, e := range entries {
		c := entry{index: e.GetIndex(), term: e.GetTerm(), kind: command, data: string(e.GetData())}
		switch {
		case e.GetType() != raftpb.EntryNormal:
			c.kind, c.data = config, ""
		case len(e.GetData()) == 0:
			c.kind = empty
		}
		converted = append(converted, c)
	}
	return converted
}

func (n *theirNode) handle() {
	for n.raw.HasReady() {
		rd := n.raw.Ready()
		for _, m := range rd.Messages {
			switch m.GetTo() {
			case raft.LocalAppendThread:
				if s := m.GetSnapshot(); !raft.IsEmptySnap(s) {
					n.log = logImage{base: s.GetMetadata().GetIndex(), baseTerm: s.GetMetadata().GetTerm()}
				}
				n.log.replace(theirEntries(m.GetEntries()))
				n.appends = append(n.appends, m)
			case raft.LocalApplyThread:
				n.applies = append(n.applies, m)
			default:
				n.post(m)
			}
		}
	}
}

func (n *theirNode) post(m *raftpb.Message) {
	var sent func(bool)
	if m.GetType() == raftpb.MsgSnap {
		to := m.GetTo()
		sent = func(ok bool) {
			if n.w.nodes[n.id] == node(n) {
				status := raft.SnapshotFinish
				if !ok {
					status = raft.SnapshotFailure
				}
				n.raw.ReportSnapshot(to, status)
				n.handle()
			}
		}
	}
	n.w.post(n.id, m.GetTo(), m, sent)
}

// answer delivers what waited for a local write.
func (n *theirNode) answer(responses []*raftpb.Message) {
	for _, m := range responses {
		if m.GetTo() == n.id {
			n.must(n.raw.Step(m))
		} else {
			n.post(m)
		}
	}
	n.handle()
}

func (n *theirNode) must(err error) {
	if err != nil && !errors.Is(err, raft.ErrProposalDropped) && !errors.Is(err, raft.ErrStepPeerNotFound) {
		n.w.fail("member %d: %v", n.id, err)
	}
}

func (n *theirNode) persist() bool {
	if len(n.appends) == 0 {
		return false
	}
	m := n.appends[0]
	n.appends = n.appends[1:]
	if s := m.GetSnapshot(); !raft.IsEmptySnap(s) {
		n.must(n.disk.ApplySnapshot(s))
		n.conf = s.GetMetadata().GetConfState()
		n.w.applied[n.id] = s.GetMetadata().GetIndex()
	}
	n.must(n.disk.Append(m.GetEntries()))
	if hs := (&raftpb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}); !raft.IsEmptyHardState(hs) {
		n.must(n.disk.SetHardState(hs))
	}
	n.answer(m.GetResponses())
	return true
}

func (n *theirNode) apply() bool {
	if len(n.applies) == 0 {
		return false
	}
	m := n.applies[0]
	n.applies = n.applies[1:]
	for i, e := range theirEntries(m.GetEntries()) {
		n.w.apply(n.id, e)
		if e.kind != config {
			continue
		}
		var cc raftpb.ConfChangeV2
		if err := proto.Unmarshal(m.GetEntries()[i].GetData(), &cc); err != nil {
			n.w.fail("member %d: %v", n.id, err)
			return false
		}
		n.conf = n.raw.ApplyConfChange(&cc)
	}
	n.answer(m.GetResponses())
	return true
}

func (n *theirNode) tick() {
	if n.raw.BasicStatus().RaftState == raft.StateLeader {
		n.raw.Tick()
		n.rewind()
	} else {
		n.wait(1)
		if n.elapsed++; n.elapsed >= n.timeout && !n.forced {
			n.campaign()
		}
	}
	n.handle()
}

// wait lets the lease of a leader run out and starts nothing.
func (n *theirNode) wait(ticks int) {
	for range ticks {
		n.raw.TickQuiesced() //nolint:staticcheck // it is the one way to let time pass without a random timer
	}
}

func (n *theirNode) campaign() {
	n.rewind()
	n.must(n.raw.Campaign())
	n.handle()
}

func (n *theirNode) propose(data string) bool {
	err := n.raw.Propose([]byte(data))
	n.handle()
	return err == nil
}

func (n *theirNode) change(c change) bool {
	if s := n.state(); !s.leads || s.pending {
		return false
	}
	cc := &raftpb.ConfChangeV2{Transition: raftpb.ConfChangeTransitionAuto.Enum()}
	if c.touchesVoters(n.state().config) {
		cc.Transition = raftpb.ConfChangeTransitionJointImplicit.Enum()
	}
	add := func(t raftpb.ConfChangeType, ids []uint64) {
		for _, id := range ids {
			cc.Changes = append(cc.Changes, &raftpb.ConfChangeSingle{Type: t.Enum(), NodeId: new(id)})
		}
	}
	add(raftpb.ConfChangeAddLearnerNode, c.add)
	add(raftpb.ConfChangeAddNode, c.promote)
	add(raftpb.ConfChangeAddLearnerNode, c.demote)
	add(raftpb.ConfChangeRemoveNode, c.remove)
	err := n.raw.ProposeConfChange(cc)
	n.handle()
	n.proposed = n.log.last()
	return err == nil
}

func (n *theirNode) transfer(to uint64) bool {
	if n.raw.BasicStatus().RaftState != raft.StateLeader || !slices.Contains(n.conf.GetVoters(), to) {
		return false
	}
	n.raw.TransferLeader(to)
	n.handle()
	return true
}

func (n *theirNode) compact() {
	index := n.w.applied[n.id]
	if len(n.appends) > 0 || len(n.applies) > 0 || n.log.base == 0 || index <= n.log.base {
		return
	}
	if _, err := n.disk.CreateSnapshot(index, n.conf, nil); err != nil {
		return
	}
	hs, _, _ := n.disk.InitialState()
	if hs.GetCommit() < index {
		n.must(n.disk.SetHardState(&raftpb.HardState{Term: new(hs.GetTerm()), Vote: new(hs.GetVote()), Commit: new(index)}))
	}
	n.must(n.disk.Compact(index))
	n.log.compact(index)
}

func (n *theirNode) step(payload any) bool {
	m := payload.(*raftpb.Message)
	switch m.GetType() {
	case raftpb.MsgSnap:
		// What was handed out must be applied before a snapshot replaces the
		// configuration.
		for n.apply() {
		}
		n.rewind()
	case raftpb.MsgApp, raftpb.MsgHeartbeat:
		if m.GetTerm() >= n.raw.BasicStatus().GetTerm() {
			n.rewind()
		}
	}
	n.must(n.raw.Step(m))
	n.handle()
	return true
}

func (n *theirNode) state() state {
	b := n.raw.BasicStatus()
	s := state{
		leads: b.RaftState == raft.StateLeader, term: b.GetTerm(), leader: b.Lead, commit: b.GetCommit(),
		config: membership{
			voters: sorted(n.conf.GetVoters()), outgoing: sorted(n.conf.GetVotersOutgoing()),
			learners: sorted(n.conf.GetLearners()), next: sorted(n.conf.GetLearnersNext()),
		},
		transferring: b.LeadTransferee != 0,
	}
	s.pending = s.config.joint() || n.proposed > n.w.applied[n.id] || n.w.applied[n.id] < b.GetCommit()
	return s
}

func sorted(ids []uint64) []uint64 {
	if len(ids) == 0 {
		return nil
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}

func (n *theirNode) image() *logImage { return &n.log }

// quiet drops what the other implementation logs; what it would end the process
// for it panics with.
type quiet struct{}

func (quiet) Debug(...any)                   {}
func (quiet) Debugf(string, ...any)          {}
func (quiet) Error(...any)                   {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Info(...any)                    {}
func (quiet) Infof(string, ...any)           {}
func (quiet) Warning(...any)                 {}
func (quiet) Warningf(string, ...any)        {}
func (quiet) Fatal(v ...any)                 { panic(fmt.Sprint(v...)) }
func (quiet) Fatalf(format string, v ...any) { panic(fmt.Sprintf(format, v...)) }
func (quiet) Panic(v ...any)                 { panic(fmt.Sprint(v...)) }
func (quiet) Panicf(format string, v ...any) { panic(fmt.Sprintf(format, v...)) }
