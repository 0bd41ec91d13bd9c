package sim

import (
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// memberLog is what is durable of one member, as the log's writer reported it and
// as every restart must find it.
type memberLog struct {
	g  *replicated
	n  *node
	id ident.MemberID

	state          wal.State
	base, baseTerm uint64
	baseChain      uint64
	entries        []logEntry // those behind base
	configs        []configEntry
	snapshot       uint64 // index of the newest one in the store
	lost           bool   // its disk is gone; until then it counted
	came           uint64 // the term on the disk when its node came back last, see limp
}

// logEntry stands for an entry; chain is a hash of it and all before it.
type logEntry struct{ term, chain uint64 }

type configEntry struct {
	index  uint64
	config consensus.Configuration
}

func (l *memberLog) last() uint64 { return l.base + uint64(len(l.entries)) }

// at returns the chain up to an index; false where the log does not have it.
func (l *memberLog) at(index uint64) (logEntry, bool) {
	switch {
	case index == l.base:
		return logEntry{l.baseTerm, l.baseChain}, true
	case index < l.base || index > l.last():
		return logEntry{}, false
	}
	return l.entries[index-l.base-1], true
}

// holds tells whether the entry is there, or a snapshot that stands for it.
func (l *memberLog) holds(index, chain uint64) bool {
	if index < l.base || index <= l.snapshot {
		return true
	}
	e, ok := l.at(index)
	return ok && e.chain == chain
}

// reach is the last index that the disk stands for.
func (l *memberLog) reach() uint64 { return max(l.last(), l.snapshot) }

func chainOf(before uint64, e *wal.Entry) uint64 {
	return mix(mix(before, e.Term<<2|uint64(e.Kind)), xxhash.Sum64(e.Data))
}

// wrote is told of every record when it has become durable.
func (d *disk) wrote(r *wal.Record) {
	w := d.n.w
	g := w.groupOf(ident.GroupID(r.Member.Group))
	if g == nil {
		w.violate(Apart, "node %d logs for group %d, which never was", d.n.id, r.Member.Group)
		return
	}
	l := d.durable[r.Member]
	if l == nil {
		if r.Kind == "delete" {
			return
		}
		l = &memberLog{g: g, n: d.n, id: ident.MemberID(r.Member.ID)}
		d.durable[r.Member] = l
		g.logs = append(g.logs, l)
	}
	w.result.Checked++
	switch r.Kind {
	case "append":
		if r.HasState {
			l.setState(r.State, false)
		}
		if len(r.Entries) > 0 {
			l.append(r.Entries)
		}
	case "reset":
		l.setState(r.State, false)
		d.covered(r)
		l.rebase(r.Base, r.BaseTerm, true)
	case "compact":
		if r.Base > l.base {
			d.covered(r)
			l.rebase(r.Base, r.BaseTerm, false)
		}
	case "delete":
		delete(d.durable, r.Member)
		l.lost = true
	}
}

// covered checks that a log is given up only where a snapshot stands for it.
func (d *disk) covered(r *wal.Record) {
	if r.Base <= 1 {
		return // where every member begins
	}
	key := store.Key{Group: ident.GroupID(r.Member.Group), Member: ident.MemberID(r.Member.ID)}
	if s, ok, err := d.store.Store.SnapshotInfo(key); err != nil || !ok || s.Index < r.Base {
		if _, err := d.store.Store.CreateSnapshot(key); errors.Is(err, store.ErrNotFound) {
			return // the member is being deleted, its snapshot and its record first
		}
		d.n.w.violate(Covered, "node %d, %v: the log up to %d is gone and the snapshot is of %d", d.n.id, key, r.Base, s.Index)
	}
}

// setState takes the state of a record; found: of what a restart found, where a
// commit index may be missing that nobody waited for.
func (l *memberLog) setState(s wal.State, found bool) {
	w, old := l.g.w, l.state
	l.state = s
	switch {
	case s.Term < old.Term:
		w.violate(Forward, "member %d of group %d: term %d after %d", l.id, l.g.id, s.Term, old.Term)
	case s.Term == old.Term && old.Vote != 0 && s.Vote != old.Vote:
		w.violate(OneVote, "member %d of group %d: in term %d a vote for %d after one for %d", l.id, l.g.id, s.Term, s.Vote, old.Vote)
	case s.Commit < old.Commit && !found:
		w.violate(Forward, "member %d of group %d: commit %d after %d", l.id, l.g.id, s.Commit, old.Commit)
	}
	if s.Vote != 0 {
		l.g.vote(l.id, s.Term, s.Vote)
	}
	l.g.commitTo(s.Commit, l.n)
}

// append takes entries; what was at or behind the first one is replaced.
func (l *memberLog) append(entries []wal.Entry) {
	g := l.g
	first := entries[0].Index
	if first <= l.base || first > l.last()+1 {
		g.w.violate(Matching, "member %d of group %d: entry %d behind base %d and last %d", l.id, g.id, first, l.base, l.last())
		return
	}
	if first <= l.last() {
		if first <= g.committed {
			if e, _ := l.at(first); e.chain == g.at(first).chain && chainOf(g.at(first-1).chain, &entries[0]) != e.chain {
				g.w.violate(Kept, "member %d of group %d replaces entry %d, which is committed", l.id, g.id, first)
			}
		}
		l.cut(first)
	}
	before, _ := l.at(first - 1)
	for i := range entries {
		e := &entries[i]
		if e.Term < before.term || e.Term > l.state.Term {
			g.w.violate(Matching, "member %d of group %d in term %d: entry %d of term %d behind one of term %d", l.id, g.id, l.state.Term, e.Index, e.Term, before.term)
		}
		before = logEntry{e.Term, chainOf(before.chain, e)}
		fresh := g.note(e.Index, before, l)
		l.entries = append(l.entries, before)
		if consensus.EntryKind(e.Kind) == consensus.EntryConfig {
			l.config(e, fresh)
		}
	}
}

// config takes note of a configuration. One that nobody had before must follow
// the one before it by the rules.
func (l *memberLog) config(e *wal.Entry, fresh bool) {
	g := l.g
	c, err := consensus.DecodeConfiguration(append([]byte(nil), e.Data...))
	if err != nil {
		g.w.violate(Overlap, "group %d: configuration at %d: %v", g.id, e.Index, err)
		return
	}
	if fresh {
		g.checkChange(l, e.Index, &c)
	}
	l.configs = append(l.configs, configEntry{e.Index, c})
}

// cut removes everything from an index on.
func (l *memberLog) cut(index uint64) {
	l.entries = l.entries[:index-l.base-1]
	for n := len(l.configs); n > 0 && l.configs[n-1].index >= index; n-- {
		l.configs = l.configs[:n-1]
	}
}

// rebase moves the beginning. What a snapshot stands for must have been committed.
func (l *memberLog) rebase(base, term uint64, reset bool) {
	g := l.g
	if base > g.committed {
		g.w.violate(Durable, "member %d of group %d: log begins behind %d, only %d is known to be committed", l.id, g.id, base, g.committed)
		return
	}
	at := g.at(base)
	if at.term != term {
		g.w.violate(Matching, "member %d of group %d: log begins behind %d of term %d, committed was term %d", l.id, g.id, base, term, at.term)
	}
	if reset || base >= l.last() {
		l.entries, l.configs = nil, nil
	} else {
		if e, _ := l.at(base); e.chain != at.chain {
			g.w.violate(Matching, "member %d of group %d: compacted at %d, where its log is not what was committed", l.id, g.id, base)
		}
		l.entries = append([]logEntry(nil), l.entries[base-l.base:]...)
		drop := 0
		for drop < len(l.configs) && l.configs[drop].index <= base {
			drop++
		}
		l.configs = l.configs[drop:]
	}
	l.base, l.baseTerm, l.baseChain = base, term, at.chain
}

// recovered compares what a log found on the disk with what must be there. More
// may be there: what was on its way when the process ended.
func (d *disk) recovered(log *wal.Log) {
	w := d.n.w
	if d.dying {
		return
	}
	d.looking = true
	defer func() { d.looking = false }()
	found := make(map[wal.Member]bool)
	for _, m := range log.Members() {
		found[m] = true
		r, _ := log.Load(m)
		entries, err := log.Entries(m, r.Base+1, r.Last+1, 1<<40)
		if err != nil {
			if !d.excuses(err) && !d.dying {
				w.violate(Recovers, "node %d: %v", d.n.id, err)
			}
			return
		}
		d.recoveredMember(m, &r, entries)
	}
	for m, l := range d.durable {
		if !found[m] {
			if !l.g.gaveUp(l.id) {
				w.violate(Recovers, "node %d: nothing is left of member %d of group %d", d.n.id, m.ID, m.Group)
			}
			delete(d.durable, m)
			l.lost = true
		}
	}
}

func (d *disk) recoveredMember(m wal.Member, r *wal.Recovered, entries []wal.Entry) {
	w := d.n.w
	old := d.durable[m]
	if old == nil { // it was on its way
		d.wrote(&wal.Record{Kind: "reset", Member: m, HasState: true, State: r.State, Base: r.Base, BaseTerm: r.BaseTerm})
		if len(entries) > 0 {
			d.durable[m].append(entries)
		}
		return
	}
	bad := func(what string, args ...any) {
		w.violate(Recovers, "node %d, member %d of group %d, log (%d,%d] state %+v, it was (%d,%d] state %+v: "+what,
			append([]any{d.n.id, m.ID, m.Group, r.Base, r.Last, r.State, old.base, old.last(), old.state}, args...)...)
	}
	if r.Base < old.base || r.State.Term < old.state.Term {
		bad("it went back")
		return
	}
	last := *old
	last.entries, last.configs = append([]logEntry(nil), old.entries...), append([]configEntry(nil), old.configs...)
	if r.Base != old.base || r.BaseTerm != old.baseTerm {
		old.rebase(r.Base, r.BaseTerm, r.Base > old.last())
	}
	old.setState(r.State, true)
	old.entries, old.configs = nil, nil
	if len(entries) > 0 {
		old.append(entries)
	}
	for i := max(last.base, r.Base) + 1; i <= last.last(); i++ {
		was, _ := last.at(i)
		is, ok := old.at(i)
		if ok && is.chain == was.chain {
			continue
		}
		// Another leader's entries may have taken its place, whose log is newer to its end,
		// be it older at this place; else it is lost.
		if end, _ := old.at(old.last()); old.last() == old.base && r.Base <= last.base || end.term <= was.term {
			bad("entry %d of term %d is lost", i, was.term)
			return
		}
	}
}

func (l *memberLog) describe() string {
	e, _ := l.at(l.last())
	s := fmt.Sprintf("%d@%d(%d,%d]/%d", l.id, l.n.id, l.base, l.last(), e.term)
	if l.snapshot > l.base {
		s += fmt.Sprintf("s%d", l.snapshot)
	}
	if l.lost {
		s += "lost"
	}
	return s
}
