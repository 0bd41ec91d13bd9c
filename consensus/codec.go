package consensus

import (
	"encoding/binary"
	"fmt"
)

// The encoding of a message, which the handshake between two nodes gives a
// version:
//
//	kind     1 byte
//	fields   uvarint   a bit for each field that follows because it is not zero
//	From, To, Term, Index, LogTerm, Commit, HintIndex, HintTerm, Context   uvarints
//	Entries  uvarint count, then for each
//	             1 byte     kind; bit 7: its term follows, else as the entry before
//	             [uvarint   term]
//	             uvarint    length of the data, and the data
//	Snapshot Index, Term, ConfigIndex   uvarints, then a configuration
//
// Indexes of entries are not sent: they follow Index without a gap.
const (
	hasFrom = 1 << iota
	hasTo
	hasTerm
	hasIndex
	hasLogTerm
	hasCommit
	hasHintIndex
	hasHintTerm
	hasContext
	hasReject
	hasEntries
	hasSnapshot

	allFields = 1<<iota - 1
)

const (
	entryTermFollows = 0x80
	// minEntryBytes is the least that an encoded entry takes, which bounds the
	// memory that decoding may ask for by the length of its input.
	minEntryBytes = 2

	configurationVersion = 1
)

// AppendMessage appends the encoding of m to dst and returns the result. It
// allocates only to grow dst.
func AppendMessage(dst []byte, m *Message) []byte {
	fields := uint64(0)
	scalars := [...]uint64{uint64(m.From), uint64(m.To), m.Term, m.Index, m.LogTerm, m.Commit, m.HintIndex, m.HintTerm, m.Context}
	for i, v := range scalars {
		if v != 0 {
			fields |= 1 << i
		}
	}
	if m.Reject {
		fields |= hasReject
	}
	if len(m.Entries) > 0 {
		fields |= hasEntries
	}
	if m.Snapshot != nil {
		fields |= hasSnapshot
	}
	dst = append(dst, byte(m.Kind))
	dst = binary.AppendUvarint(dst, fields)
	for _, v := range scalars {
		if v != 0 {
			dst = binary.AppendUvarint(dst, v)
		}
	}
	if len(m.Entries) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(m.Entries)))
		term := m.LogTerm
		for i := range m.Entries {
			e := &m.Entries[i]
			if e.Term == term {
				dst = append(dst, byte(e.Kind))
			} else {
				dst = append(dst, byte(e.Kind)|entryTermFollows)
				dst = binary.AppendUvarint(dst, e.Term)
				term = e.Term
			}
			dst = binary.AppendUvarint(dst, uint64(len(e.Data)))
			dst = append(dst, e.Data...)
		}
	}
	if s := m.Snapshot; s != nil {
		dst = binary.AppendUvarint(dst, s.Index)
		dst = binary.AppendUvarint(dst, s.Term)
		dst = binary.AppendUvarint(dst, s.ConfigIndex)
		dst = s.Config.AppendBinary(dst)
	}
	return dst
}

// DecodeMessage decodes what AppendMessage wrote. The data of the entries
// aliases b, which must not change afterwards.
func DecodeMessage(b []byte) (Message, error) {
	var m Message
	err := m.Decode(b)
	return m, err
}

// Decode is DecodeMessage into an existing message, whose Entries are reused.
// Step keeps none of a message's slices, so one message can serve for all.
func (m *Message) Decode(b []byte) error {
	*m = Message{Entries: m.Entries[:0]}
	r := reader{b: b}
	m.Kind = MessageKind(r.byte())
	fields := r.uvarint()
	if r.failed || m.Kind == 0 || m.Kind > lastMessageKind || fields&^allFields != 0 {
		return fmt.Errorf("%w: message of kind %d", ErrMalformed, m.Kind)
	}
	m.From, m.To = MemberID(r.field(fields, hasFrom)), MemberID(r.field(fields, hasTo))
	m.Term = r.field(fields, hasTerm)
	m.Index = r.field(fields, hasIndex)
	m.LogTerm = r.field(fields, hasLogTerm)
	m.Commit = r.field(fields, hasCommit)
	m.HintIndex = r.field(fields, hasHintIndex)
	m.HintTerm = r.field(fields, hasHintTerm)
	m.Context = r.field(fields, hasContext)
	m.Reject = fields&hasReject != 0
	if fields&hasEntries != 0 {
		m.decodeEntries(&r)
	}
	if fields&hasSnapshot != 0 {
		s := &SnapshotMeta{Index: r.uvarint(), Term: r.uvarint(), ConfigIndex: r.uvarint()}
		s.Config = r.configuration()
		m.Snapshot = s
	}
	if r.failed || len(r.b) != 0 {
		kind := m.Kind
		*m = Message{Entries: m.Entries[:0]}
		return fmt.Errorf("%w: %v message cut short, too long or with a bad field", ErrMalformed, kind)
	}
	return nil
}

func (m *Message) decodeEntries(r *reader) {
	count := r.uvarint()
	if count == 0 || count > uint64(len(r.b))/minEntryBytes {
		r.failed = true
		return
	}
	if m.Index+count < m.Index {
		r.failed = true
		return
	}
	if uint64(cap(m.Entries)) < count {
		m.Entries = make([]Entry, 0, count)
	}
	term := m.LogTerm
	for i := range count {
		kind := r.byte()
		if kind&entryTermFollows != 0 {
			term = r.uvarint()
		}
		data := r.bytes(r.uvarint())
		if r.failed {
			return
		}
		m.Entries = append(m.Entries, Entry{Index: m.Index + 1 + i, Term: term, Kind: EntryKind(kind &^ entryTermFollows), Data: data})
	}
}

// AppendBinary appends a versioned encoding of the configuration to dst.
func (c *Configuration) AppendBinary(dst []byte) []byte {
	dst = append(dst, configurationVersion)
	for _, set := range [...][]Member{c.Voters, c.Outgoing, c.Learners} {
		dst = binary.AppendUvarint(dst, uint64(len(set)))
		for _, m := range set {
			dst = binary.AppendUvarint(dst, uint64(m.ID))
			dst = binary.AppendUvarint(dst, m.Node)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.LearnersNext)))
	for _, id := range c.LearnersNext {
		dst = binary.AppendUvarint(dst, uint64(id))
	}
	return dst
}

// DecodeConfiguration decodes what AppendBinary wrote, and nothing behind it,
// and validates it.
func DecodeConfiguration(b []byte) (Configuration, error) {
	if len(b) > 0 && b[0] != configurationVersion {
		return Configuration{}, fmt.Errorf("%w: configuration of version %d, this build reads version %d", ErrMalformed, b[0], configurationVersion)
	}
	r := reader{b: b}
	c := r.configuration()
	if r.failed || len(r.b) != 0 {
		return Configuration{}, fmt.Errorf("%w: configuration cut short or too long", ErrMalformed)
	}
	if err := c.Validate(); err != nil {
		return Configuration{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return c, nil
}

// reader takes values off the front of b; after the first that is not there,
// failed is set and all values are zero.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) byte() byte {
	if r.failed || len(r.b) == 0 {
		r.failed = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) uvarint() uint64 {
	if r.failed {
		return 0
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.failed = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) field(fields, bit uint64) uint64 {
	if fields&bit == 0 {
		return 0
	}
	return r.uvarint()
}

func (r *reader) bytes(n uint64) []byte {
	if r.failed || n > uint64(len(r.b)) {
		r.failed = true
		return nil
	}
	if n == 0 {
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) members() []Member {
	count := r.uvarint()
	if r.failed || count > uint64(len(r.b))/2 {
		r.failed = true
		return nil
	}
	if count == 0 {
		return nil
	}
	members := make([]Member, count)
	for i := range members {
		members[i] = Member{ID: MemberID(r.uvarint()), Node: r.uvarint()}
	}
	return members
}

func (r *reader) configuration() Configuration {
	if r.byte() != configurationVersion {
		r.failed = true
		return Configuration{}
	}
	c := Configuration{Voters: r.members(), Outgoing: r.members(), Learners: r.members()}
	count := r.uvarint()
	if r.failed || count > uint64(len(r.b)) {
		r.failed = true
		return Configuration{}
	}
	for range count {
		c.LearnersNext = append(c.LearnersNext, MemberID(r.uvarint()))
	}
	return c
}
