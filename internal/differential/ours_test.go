package differential

import (
	"errors"
	"fmt"
	"slices"

	"github.com/raftfleet/raftfleet/consensus"
)

const (
	electionTicks  = 20
	heartbeatTicks = 1
)

// ours is the consensus core of this project.
type ours struct {
	// forced: members never campaign by themselves.
	forced bool
}

func (ours) name() string { return "raftfleet" }

// ourDisk is what survives a crash.
type ourDisk struct {
	state consensus.HardState
	snap  consensus.SnapshotMeta
	base  uint64
	log   []consensus.Entry
}

func (d *ourDisk) last() uint64 { return d.base + uint64(len(d.log)) }

// Entries makes the disk a consensus.Storage.
func (d *ourDisk) Entries(lo, hi, maxBytes uint64) ([]consensus.Entry, error) {
	if lo <= d.base || hi > d.last()+1 || lo >= hi {
		return nil, fmt.Errorf("entries %d to %d of a log from %d to %d", lo, hi-1, d.base+1, d.last())
	}
	var entries []consensus.Entry
	size := uint64(0)
	for _, e := range d.log[lo-d.base-1 : hi-d.base-1] {
		size += uint64(len(e.Data))
		if len(entries) > 0 && size > maxBytes {
			break
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (d *ourDisk) write(w *consensus.Write) {
	if w.StateChanged {
		d.state = w.State
	}
	if w.Install != nil {
		d.snap = w.Install.Clone()
		d.base, d.log = d.snap.Index, nil
		return
	}
	if len(w.Entries) > 0 {
		d.log = append(slices.Clip(d.log[:w.Entries[0].Index-d.base-1]), w.Entries...)
	}
}

type ourNode struct {
	w         *world
	id        uint64
	core      *consensus.Core
	out       consensus.Output
	disk      *ourDisk
	writes    []consensus.Write
	committed []consensus.Entry
	log       logImage
	now       int64
}

func (ours) create(w *world, id uint64, first []uint64) {
	d := &ourDisk{}
	if len(first) > 0 {
		var config consensus.Configuration
		for _, id := range first {
			config.Voters = append(config.Voters, consensus.Member{ID: consensus.MemberID(id)})
		}
		d.state = consensus.HardState{Term: 1, Commit: 1}
		d.snap = consensus.SnapshotMeta{Index: 1, Term: 1, Config: config, ConfigIndex: 1}
		d.base = 1
	}
	w.disks[id] = d
}

func (o ours) start(w *world, id uint64) node {
	d := w.disks[id].(*ourDisk)
	random := w.rand.Intn
	if o.forced {
		// More than was asked for, on purpose: the timer never expires.
		random = func(int) int { return 1 << 40 }
	}
	if w.forgetful && len(d.log) > 0 {
		d.log = d.log[:len(d.log)-1]
		d.state.Commit = min(d.state.Commit, d.last())
	}
	cfg := consensus.Config{
		ID: consensus.MemberID(id), ElectionTicks: electionTicks, HeartbeatTicks: heartbeatTicks,
		MaxAppendBytes: 200, MaxInflightMessages: window(o.forced), CacheBytes: 1, Rand: random,
	}
	core, err := consensus.New(cfg, d, consensus.Start{State: d.state, Snapshot: d.snap, LastIndex: d.last()})
	if err != nil {
		w.fail("start %d: %v", id, err)
		return nil
	}
	if core.LogDiscarded() {
		d.base, d.log = d.snap.Index, nil
	}
	n := &ourNode{w: w, id: id, core: core, disk: d, log: logImage{base: d.base}}
	if d.base == d.snap.Index {
		n.log.baseTerm = d.snap.Term
	}
	n.log.entries = ourEntries(d.log)
	w.applied[id] = max(d.snap.Index, 1)
	n.handle()
	return n
}

func ourEntries(entries []consensus.Entry) []entry {
	converted := make([]entry, 0, len(entries))
	for _, e := range entries {
		c := entry{index: e.Index, term: e.Term, kind: empty}
		switch e.Kind {
		case consensus.EntryCommand:
			c.kind, c.data = command, string(e.Data)
		case consensus.EntryConfig:
			c.kind = config
		}
		converted = append(converted, c)
	}
	return converted
}

// ourMessage travels encoded, as it does between nodes.
type ourMessage struct {
	bytes    []byte
	snapshot bool
}

func (n *ourNode) post(m *consensus.Message) {
	var sent func(bool)
	if m.Snapshot != nil {
		to, index := m.To, m.Snapshot.Index
		sent = func(ok bool) {
			if n.w.nodes[n.id] == node(n) {
				n.core.SnapshotSent(to, index, ok)
				n.handle()
			}
		}
	}
	n.w.post(n.id, uint64(m.To), ourMessage{consensus.AppendMessage(nil, m), m.Snapshot != nil}, sent)
}

// handle does what the core wants, except for disk and machine, which are driven
// from outside.
func (n *ourNode) handle() {
	for rounds := 0; n.core.HasOutput(); rounds++ {
		if rounds > 1000 {
			n.w.fail("member %d never ceases to have output", n.id)
			return
		}
		n.core.Output(&n.out)
		o := &n.out
		if o.StorageErr != nil {
			n.w.fail("member %d: %v", n.id, o.StorageErr)
			return
		}
		for i := range o.Messages {
			n.post(&o.Messages[i])
		}
		n.write(&o.Write)
		n.committed = append(n.committed, o.Committed...)
		for _, to := range o.NeedSnapshot {
			m := n.core.SnapshotMessage(to, n.disk.snap)
			n.post(&m)
		}
	}
}

func (n *ourNode) write(w *consensus.Write) {
	if w.Ticket == 0 {
		if w.StateChanged && len(n.writes) == 0 {
			n.disk.state = w.State
		}
		return
	}
	kept := *w
	kept.Entries = slices.Clone(w.Entries)
	if w.Install != nil {
		meta := w.Install.Clone()
		kept.Install = &meta
		n.log = logImage{base: meta.Index, baseTerm: meta.Term}
	} else {
		n.log.replace(ourEntries(w.Entries))
	}
	n.writes = append(n.writes, kept)
}

func (n *ourNode) persist() bool {
	if len(n.writes) == 0 {
		return false
	}
	w := n.writes[0]
	n.writes = n.writes[1:]
	n.disk.write(&w)
	if w.Install != nil {
		n.committed = nil
		n.w.applied[n.id] = w.Install.Index
	}
	n.core.Persisted(w.Ticket)
	n.handle()
	return true
}

func (n *ourNode) apply() bool {
	if len(n.committed) == 0 {
		return false
	}
	entries := n.committed
	n.committed = nil
	for _, e := range ourEntries(entries) {
		n.w.apply(n.id, e)
	}
	n.core.Applied(entries[len(entries)-1].Index)
	n.handle()
	return true
}

func (n *ourNode) tick() {
	n.now += 1e6
	n.core.Tick(n.now)
	n.handle()
}

func (n *ourNode) wait(ticks int) {
	for range ticks {
		n.tick()
	}
}

func (n *ourNode) campaign() {
	n.core.Campaign()
	n.handle()
}

func (n *ourNode) propose(data string) bool {
	_, _, err := n.core.Propose([]byte(data))
	n.handle()
	return err == nil
}

func memberIDs(ids []uint64) []consensus.MemberID {
	var converted []consensus.MemberID
	for _, id := range ids {
		converted = append(converted, consensus.MemberID(id))
	}
	return converted
}

func (n *ourNode) change(c change) bool {
	ch := consensus.Change{Promote: memberIDs(c.promote), Demote: memberIDs(c.demote), Remove: memberIDs(c.remove)}
	for _, id := range c.add {
		ch.AddLearners = append(ch.AddLearners, consensus.Member{ID: consensus.MemberID(id)})
	}
	_, err := n.core.ProposeChange(ch, n.core.ConfigIndex())
	if errors.Is(err, consensus.ErrInvalidChange) {
		n.w.fail("member %d: %v", n.id, err)
	}
	n.handle()
	return err == nil
}

func (n *ourNode) transfer(to uint64) bool {
	err := n.core.TransferLeader(consensus.MemberID(to))
	n.handle()
	return err == nil
}

func (n *ourNode) compact() {
	index := n.core.AppliedIndex()
	if index <= n.disk.snap.Index || index != n.w.applied[n.id] || len(n.writes) > 0 || len(n.committed) > 0 {
		return
	}
	config, configIndex := n.core.ConfigurationAt(index)
	meta := consensus.SnapshotMeta{Index: index, Term: n.log.term(index), Config: config.Clone(), ConfigIndex: configIndex}
	n.disk.snap = meta
	if err := n.core.Compact(meta); err != nil {
		n.w.fail("member %d: %v", n.id, err)
	}
	n.disk.log = slices.Clone(n.disk.log[index-n.disk.base:])
	n.disk.base = index
	n.log.compact(index)
	n.handle()
}

func (n *ourNode) step(payload any) bool {
	p := payload.(ourMessage)
	if p.snapshot && n.core.Installing() {
		return false
	}
	m, err := consensus.DecodeMessage(p.bytes)
	if err != nil {
		n.w.fail("decode: %v", err)
		return false
	}
	if err := n.core.Step(m); err != nil {
		n.w.fail("member %d: %v", n.id, err)
	}
	n.handle()
	return true
}

func ourIDs(members []consensus.Member) []uint64 {
	var ids []uint64
	for _, m := range members {
		ids = append(ids, uint64(m.ID))
	}
	return ids
}

func (n *ourNode) state() state {
	c := n.core.Configuration()
	s := state{
		leads: n.core.Role() == consensus.Leader, term: n.core.Term(), leader: uint64(n.core.Leader()), commit: n.core.Commit(),
		config:       membership{voters: ourIDs(c.Voters), outgoing: ourIDs(c.Outgoing), learners: ourIDs(c.Learners)},
		transferring: n.core.TransferTarget() != 0, pending: c.Joint() || n.core.ConfigIndex() > n.core.Commit(),
	}
	for _, id := range c.LearnersNext {
		s.config.next = append(s.config.next, uint64(id))
	}
	return s
}

func (n *ourNode) image() *logImage { return &n.log }
