package explore

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/raftfleet/raftfleet/consensus"
)

// disk is what survives a crash. It never changes once it is made.
type disk struct {
	state consensus.HardState
	snap  consensus.SnapshotMeta
	log   []consensus.Entry // behind the snapshot at index 1
}

func (d *disk) last() uint64 { return 1 + uint64(len(d.log)) }

// Entries makes the disk a consensus.Storage.
func (d *disk) Entries(lo, hi, maxBytes uint64) ([]consensus.Entry, error) {
	if lo < 2 || hi > d.last()+1 || lo >= hi {
		return nil, fmt.Errorf("explore: entries %d to %d of a log from 2 to %d", lo, hi-1, d.last())
	}
	return slices.Clone(d.log[lo-2 : hi-2]), nil
}

// with returns the disk after a write.
func (d *disk) with(w *consensus.Write) *disk {
	next := *d
	if w.StateChanged {
		next.state = w.State
	}
	if len(w.Entries) > 0 {
		next.log = append(slices.Clone(d.log[:w.Entries[0].Index-2]), w.Entries...)
	}
	return &next
}

// member is one state of one member. It never changes once it is numbered.
type member struct {
	id     consensus.MemberID
	core   *consensus.Core // only copies of it are used
	disk   *disk
	writes []consensus.Write // handed out, not durable

	memory, durable logView
	role            consensus.Role
	term, commit    uint64
	applied         uint64
	heard           uint64 // of its leader in this term: the highest round, where groups sleep
}

// logView is a log as the checks see it: for each entry from index 1 on its
// term and a sum over the log up to there, and the configurations in it.
type logView struct {
	terms   []uint64
	sums    []uint64
	configs []configView
}

type configView struct {
	index  uint64
	voters quorums
	text   string
}

func (l *logView) last() uint64 { return uint64(len(l.terms)) }

// lastTerm returns the term of the last entry.
func (l *logView) lastTerm() uint64 { return l.terms[len(l.terms)-1] }

// sum returns the sum at an index, 0 if the log ends before.
func (l *logView) sum(index uint64) uint64 {
	if index > l.last() {
		return 0
	}
	return l.sums[index-1]
}

// configAt returns the configuration in force at an index.
func (l *logView) configAt(index uint64) *configView {
	at := &l.configs[0]
	for i := range l.configs {
		if l.configs[i].index <= index {
			at = &l.configs[i]
		}
	}
	return at
}

func (l *logView) inForce() *configView { return &l.configs[len(l.configs)-1] }

func newConfigView(index uint64, config *consensus.Configuration) configView {
	return configView{index: index, voters: quorums{maskOf(config.Voters), maskOf(config.Outgoing)}, text: config.String()}
}

func viewOf(d *disk) (logView, error) {
	l := logView{terms: []uint64{d.snap.Term}, sums: []uint64{1}, configs: []configView{newConfigView(1, &d.snap.Config)}}
	for i := range d.log {
		e := &d.log[i]
		h := fnv.New64a()
		fmt.Fprintf(h, "%d %d %d %d %s", l.sums[i], e.Index, e.Term, e.Kind, e.Data)
		l.terms, l.sums = append(l.terms, e.Term), append(l.sums, h.Sum64())
		if e.Kind == consensus.EntryConfig {
			config, err := consensus.DecodeConfiguration(e.Data)
			if err != nil {
				return l, fmt.Errorf("entry %d: %w", e.Index, err)
			}
			l.configs = append(l.configs, newConfigView(e.Index, &config))
		}
	}
	return l, nil
}

// look fills in what the checks need to know.
func (m *member) look() error {
	var err error
	if m.durable, err = viewOf(m.disk); err != nil {
		return err
	}
	memory := m.disk
	for i := range m.writes {
		memory = memory.with(&m.writes[i])
	}
	if m.memory, err = viewOf(memory); err != nil {
		return err
	}
	m.role, m.term, m.commit, m.applied = m.core.Role(), m.core.Term(), m.core.Commit(), m.core.AppliedIndex()
	return nil
}

// key tells states of members apart. Tickets do not count: the writes on their
// way stand in order.
func (m *member) key() string {
	b := []byte{byte(m.id)}
	b = m.core.AppendFingerprint(b)
	b = binary.AppendUvarint(b, m.heard)
	b = appendState(b, m.disk.state)
	b = appendEntries(b, m.disk.log)
	b = binary.AppendUvarint(b, uint64(len(m.writes)))
	for i := range m.writes {
		w := &m.writes[i]
		b = binary.AppendUvarint(b, uint64(len(w.Entries)))
		if w.StateChanged {
			b = appendState(b, w.State)
		}
		b = appendEntries(b, w.Entries)
	}
	return string(b)
}

func appendState(b []byte, s consensus.HardState) []byte {
	b = binary.AppendUvarint(b, s.Term)
	b = binary.AppendUvarint(b, uint64(s.Vote))
	return binary.AppendUvarint(b, s.Commit)
}

func appendEntries(b []byte, entries []consensus.Entry) []byte {
	m := consensus.Message{Kind: consensus.MsgAppend, Entries: entries}
	if len(entries) > 0 {
		m.Index = entries[0].Index - 1
	}
	return consensus.AppendMessage(b, &m)
}

func (m *member) String() string {
	s := fmt.Sprintf("%v %v term=%d commit=%d log=%v", m.id, m.role, m.term, m.commit, m.memory.terms)
	if n := len(m.writes); n > 0 {
		s += fmt.Sprintf(" durable=%v (%d writes on their way)", m.durable.terms, n)
	}
	return s + fmt.Sprintf(" %s of %d", m.memory.inForce().text, m.memory.inForce().index)
}
