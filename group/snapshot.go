package group

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
)

// The body of a snapshot is everything that applying has built up:
//
//	version(1) flags(1) index(8) time(8) config(length 4, bytes) sessions(length 4, bytes) machine(rest)
//
// index repeats where the state stands, so that a body never serves under another
// snapshot's name.
const snapshotVersion = 1

const flagSealed = 1

// maxSnapshotPart bounds the configuration and the session table when reading.
const maxSnapshotPart = 1 << 30

func appendUint64(dst []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(dst, v) }

func (a *applyState) snapshotHead() []byte {
	b := []byte{snapshotVersion, 0}
	if a.sealed {
		b[1] |= flagSealed
	}
	b = appendUint64(b, a.index)
	b = appendUint64(b, uint64(a.time))
	for _, part := range [][]byte{a.config.Encode(), a.sessions.appendTo(nil)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}

// readSnapshotHead restores everything but the machine from r.
func (a *applyState) readSnapshotHead(r io.Reader, index uint64) error {
	var fixed [18]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return err
	}
	if fixed[0] != snapshotVersion {
		return fmt.Errorf("snapshot of version %d, this program reads %d: %w", fixed[0], snapshotVersion, ErrUnknownVersion)
	}
	if at := binary.LittleEndian.Uint64(fixed[2:]); at != index {
		return fmt.Errorf("the snapshot of index %d holds the state of index %d: %w", index, at, ErrMalformed)
	}
	var parts [2][]byte
	for i := range parts {
		var length [4]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return err
		}
		n := binary.LittleEndian.Uint32(length[:])
		if n > maxSnapshotPart {
			return fmt.Errorf("snapshot: a part of %d bytes: %w", n, ErrMalformed)
		}
		var part bytes.Buffer // grows with what is read, not with what is claimed
		if _, err := io.CopyN(&part, r, int64(n)); err != nil {
			return err
		}
		parts[i] = part.Bytes()
	}
	config, err := DecodeConfig(parts[0])
	if err != nil {
		return err
	}
	config = config.withDefaults()
	sessions, err := decodeSessionTable(parts[1], config.SessionTTL, config.MaxSessions)
	if err != nil {
		return err
	}
	a.time, a.sealed = int64(binary.LittleEndian.Uint64(fixed[10:])), fixed[1]&flagSealed != 0
	a.config, a.sessions, a.index = config, sessions, index
	return nil
}

// restore loads the member's snapshot from the store. It runs under machineMu.
func (m *member) restore() error {
	s, body, err := m.host.store.OpenSnapshot(m.key())
	if err != nil {
		return fmt.Errorf("open the snapshot: %w", err)
	}
	defer body.Close()
	membership, err := consensus.DecodeConfiguration(s.Config)
	if err != nil {
		return fmt.Errorf("snapshot at %d: %w", s.Index, err)
	}
	a := &m.applyState
	r := bufio.NewReaderSize(body, 64<<10)
	if err := a.readSnapshotHead(r, s.Index); err != nil {
		return fmt.Errorf("snapshot at %d: %w", s.Index, err)
	}
	machine := m.typ.NewMachine()
	if err := machine.Restore(r); err != nil {
		return fmt.Errorf("snapshot at %d: the machine cannot restore it: %w", s.Index, err)
	}
	// The store checks the body's CRC when it reaches the end.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return fmt.Errorf("snapshot at %d: %w", s.Index, err)
	}
	a.machine, a.membership, a.memberIndex, a.term = machine, membership, s.ConfigIndex, s.Term
	a.logBytes, a.snapshotSize, a.restored = 0, s.Size, s.Index
	config := a.config
	m.lane.call(func() { m.reconfigure(config) })
	return nil
}

// snapshotWhenDue takes a snapshot once the log behind the last one is long
// enough. The state is captured here, between commands; it is written elsewhere.
func (m *member) snapshotWhenDue() {
	a := &m.applyState
	limit := min(max(a.snapshotSize*int64(a.config.SnapshotFactor), a.config.SnapshotLeast), a.config.SnapshotMost)
	if a.logBytes < limit {
		return
	}
	now := m.host.exec.Monotonic()
	if soon := now-a.snapshotAt < int64(snapshotPause); soon && a.logBytes < min(limit*snapshotHurry, a.config.SnapshotMost) {
		return
	}
	a.snapshotAt = now
	m.takeSnapshot(nil)
}

// A group that writes a lot would take many snapshots a second, each with syncs that
// its own log waits for. So it pauses between them, unless the log has grown by a
// multiple of what is due meanwhile.
const (
	snapshotPause = time.Second
	snapshotHurry = 16
)

// takeSnapshot captures the state and has it saved. It runs on the apply worker.
func (m *member) takeSnapshot(done func(error)) {
	a := &m.applyState
	finish := func(err error) {
		if done != nil {
			done(err)
		}
	}
	a.mu.Lock()
	busy := a.snapshotting
	a.snapshotting = true
	a.mu.Unlock()
	if busy {
		finish(errSnapshotBusy)
		return
	}
	idle := func() {
		a.mu.Lock()
		a.snapshotting = false
		a.mu.Unlock()
	}
	write, err := m.capture()
	if err != nil {
		idle()
		a.logBytes = 0 // try again after as much log as before, not at every entry
		m.host.log.Error("a snapshot could not be captured", "group", m.spec.Name, "error", err)
		finish(err)
		return
	}
	head := a.snapshotHead()
	meta := consensus.SnapshotMeta{Index: a.index, Term: a.term, Config: a.membership.Clone(), ConfigIndex: a.memberIndex}
	a.logBytes = 0
	m.host.snapshots.run(func() {
		size, err := m.saveSnapshot(meta, func(w io.Writer) error {
			if _, err := w.Write(head); err != nil {
				return err
			}
			return write(w)
		})
		idle()
		switch {
		case errors.Is(err, errDestroyed):
		case err != nil:
			m.host.log.Error("a snapshot could not be saved; the log is kept", "group", m.spec.Name, "index", meta.Index, "error", err)
		default:
			m.enqueueTask(applyTask{do: func() { a.snapshotSize = size }})
			m.lane.call(func() { m.snapshotSaved(meta) })
		}
		finish(err)
	})
}

// capture asks the machine for its state; a machine that panics is reported as an
// error and goes on, for it still serves.
func (m *member) capture() (write func(io.Writer) error, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the machine panicked while its state was captured: %v", p)
		}
	}()
	return m.applyState.machine.Snapshot()
}

var (
	errDestroyed    = errors.New("the member was removed meanwhile")
	errSnapshotBusy = errors.New("another snapshot of the group is being taken")
)

// saveSnapshot writes a snapshot and makes it the member's.
func (m *member) saveSnapshot(meta consensus.SnapshotMeta, write func(io.Writer) error) (size int64, err error) {
	w, err := m.host.store.CreateSnapshot(m.key())
	if err != nil {
		return 0, err
	}
	counted := &countingWriter{w: w}
	if err := write(counted); err != nil {
		w.Abort()
		return 0, err
	}
	return counted.n, m.commitSnapshot(w, meta, counted.n)
}

// commitSnapshot makes a written snapshot durable, unless the member is gone.
func (m *member) commitSnapshot(w store.SnapshotWriter, meta consensus.SnapshotMeta, size int64) error {
	m.snapshotMu.Lock()
	defer m.snapshotMu.Unlock()
	if m.destroyed {
		w.Abort()
		return errDestroyed
	}
	if have, ok, err := m.host.store.SnapshotInfo(m.key()); err == nil && ok && have.Index >= meta.Index {
		w.Abort() // a newer one was installed while this one was written
		return nil
	}
	return w.Commit(store.Snapshot{
		Index: meta.Index, Term: meta.Term, Config: meta.Config.AppendBinary(nil),
		ConfigIndex: meta.ConfigIndex, Size: size,
	})
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// snapshotSaved lets go of the log behind a durable snapshot. It runs on the lane.
func (m *member) snapshotSaved(meta consensus.SnapshotMeta) {
	if !m.live() {
		return
	}
	if m.compactAt != nil {
		m.compact(*m.compactAt) // a second snapshot came: followers had their time
	}
	m.compactAt = &meta
	m.compactWhenFollowed()
	m.lane.touch(m)
}

// compactWhenFollowed gives the log up once every follower that answers has it,
// so that a moment's lag does not cost a snapshot.
func (m *member) compactWhenFollowed() {
	meta := m.compactAt
	if meta == nil || m.installing != nil {
		return
	}
	if m.core.Role() == consensus.Leader && m.core.LeastMatch() < meta.Index {
		return
	}
	m.compact(*meta)
	m.compactAt = nil
}

func (m *member) compact(meta consensus.SnapshotMeta) {
	if err := m.core.Compact(meta); err != nil {
		m.host.log.Debug("the log was not compacted", "group", m.spec.Name, "index", meta.Index, "error", err)
		return
	}
	m.lane.open()
	m.lane.batch.Compact(m.walKey(), meta.Index, meta.Term)
}

// installation is a received snapshot on its way to the disk. Until it is there,
// what the core puts out after it waits.
type installation struct {
	ticket uint64
	meta   consensus.SnapshotMeta
	state  consensus.HardState
	held   []consensus.Output
}

// received is a snapshot whose body has arrived and is not yet the member's.
type received struct {
	message consensus.Message
	writer  store.SnapshotWriter
	size    int64
}

// Snapshot takes a snapshot that another node's member sends. It is wire's
// handler and runs on a goroutine of its own.
func (h *Host) Snapshot(from ident.NodeID, header []byte, body io.Reader) error {
	if len(header) < messageHeader {
		return fmt.Errorf("snapshot: header of %d bytes: %w", len(header), ErrMalformed)
	}
	msg, err := consensus.DecodeMessage(header[messageHeader:])
	if err != nil || msg.Snapshot == nil {
		return fmt.Errorf("snapshot: %w: %v", ErrMalformed, err)
	}
	m := h.member(ident.GroupID(binary.LittleEndian.Uint64(header)))
	if m == nil || consensus.MemberID(m.spec.Member) != msg.To {
		return fmt.Errorf("snapshot for a member that is not here: %w", ErrNoMember)
	}
	if _, err := exec.Await(h.ctx, h.exec, h.receiving.free); err != nil {
		return ErrStopped
	}
	defer h.receiving.release()
	w, err := h.store.CreateSnapshot(m.key())
	if err != nil {
		return err
	}
	size, err := io.Copy(w, body)
	if err != nil {
		w.Abort()
		return fmt.Errorf("receive the snapshot: %w", err)
	}
	if !m.lane.call(func() { m.snapshotReceived(from, received{msg, w, size}) }) {
		w.Abort()
		return ErrStopped
	}
	return nil
}

// snapshotReceived offers a received snapshot to the core. It runs on the lane.
func (m *member) snapshotReceived(from ident.NodeID, r received) {
	if !m.live() || m.apart != 0 || m.installing != nil || m.core.Installing() {
		r.writer.Abort() // the leader sees that it is missing, and sends one again
		return
	}
	m.noteSender(r.message.From, from)
	if err := m.core.Step(r.message); err != nil {
		m.host.log.Debug("a snapshot was refused", "group", m.spec.Name, "peer", from, "error", err)
	}
	for m.core.HasOutput() {
		m.core.Output(&m.lane.out)
		if in := m.lane.out.Write.Install; in != nil && m.installing == nil {
			m.install(&m.lane.out, r)
			r.writer = nil
		}
		m.lane.handle(m)
	}
	if r.writer != nil {
		r.writer.Abort() // older than what we have
	}
	m.lane.touch(m)
}

// install makes an accepted snapshot durable; everything after it is held.
func (m *member) install(out *consensus.Output, r received) {
	in := &installation{ticket: out.Write.Ticket, meta: *out.Write.Install, state: out.Write.State}
	m.installing, m.compactAt, m.lazy = in, nil, false
	m.host.snapshots.run(func() {
		err := m.commitSnapshot(r.writer, in.meta, r.size)
		m.lane.call(func() { m.installed(in, err) })
	})
}

// installed writes the log's new beginning and lets go of what was held. It runs on the lane.
func (m *member) installed(in *installation, err error) {
	m.installing = nil
	if !m.live() {
		return
	}
	if err != nil {
		m.fail(fmt.Errorf("install a snapshot at %d: %w", in.meta.Index, err))
		return
	}
	l := m.lane
	l.open()
	l.batch.Reset(m.walKey(), in.meta.Index, in.meta.Term, walState(in.state))
	l.writes.add(m, in.ticket)
	m.enqueueTask(applyTask{restore: true})
	for i := range in.held {
		if w := &in.held[i].Write; w.Ticket != 0 {
			l.write(m, w)
		} else if w.StateChanged {
			m.lazyState, m.lazy = walState(w.State), true
		}
		m.enqueueCommitted(in.held[i].Committed)
	}
	l.touch(m)
}

// hold keeps the durable part of an output back while a snapshot is installed.
func (m *member) hold(_ *lane, out *consensus.Output) {
	if out.Write.Install != nil {
		m.enqueueCommitted(out.Committed)
		return // install() has it
	}
	m.installing.held = append(m.installing.held, consensus.Output{
		Write: consensus.Write{
			Ticket: out.Write.Ticket, State: out.Write.State, StateChanged: out.Write.StateChanged,
			Entries: append([]consensus.Entry(nil), out.Write.Entries...),
		},
		Committed: append([]consensus.Entry(nil), out.Committed...),
	})
}

// sendSnapshot streams the newest snapshot of a member to a follower that fell
// behind the log. It is called on the lane and works elsewhere.
func (h *Host) sendSnapshot(m *member, to consensus.MemberID) {
	node, from, term := m.nodeOf(to), m.core.ID(), m.core.Term()
	report := func(index uint64, err error) {
		if err != nil {
			h.log.Debug("a snapshot did not arrive", "group", m.spec.Name, "peer", node, "error", err)
		}
		m.lane.call(func() {
			if m.live() {
				m.core.SnapshotSent(to, index, err == nil)
				m.lane.touch(m)
			}
		})
	}
	h.background(func(ctx context.Context) {
		if _, err := exec.Await(ctx, h.exec, h.sending.free); err != nil {
			return
		}
		defer h.sending.release()
		s, body, err := h.store.OpenSnapshot(m.key())
		if err != nil {
			report(0, err)
			return
		}
		defer body.Close()
		config, err := consensus.DecodeConfiguration(s.Config)
		if err != nil {
			report(0, err)
			return
		}
		header := binary.LittleEndian.AppendUint64(nil, uint64(m.spec.Group))
		header = consensus.AppendMessage(header, &consensus.Message{
			Kind: consensus.MsgSnapshot, From: from, To: to, Term: term,
			Snapshot: &consensus.SnapshotMeta{Index: s.Index, Term: s.Term, Config: config, ConfigIndex: s.ConfigIndex},
		})
		report(s.Index, h.transport.SendSnapshot(ctx, node, header, body))
	})
}
