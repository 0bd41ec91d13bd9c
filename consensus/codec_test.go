package consensus

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func someConfiguration(t *rapid.T) Configuration {
	var config Configuration
	voters := rapid.IntRange(1, 5).Draw(t, "voters")
	for id := 1; id <= voters; id++ {
		config.Voters = append(config.Voters, Member{ID: MemberID(id), Node: rapid.Uint64().Draw(t, "node")})
	}
	if rapid.Bool().Draw(t, "joint") {
		config.Outgoing = append(config.Outgoing, config.Voters[0], Member{ID: 10, Node: 7}, Member{ID: 11, Node: 8})
		config.LearnersNext = []MemberID{10}
	}
	if rapid.Bool().Draw(t, "learners") {
		config.Learners = []Member{{ID: 20, Node: 1}, {ID: 1 << 60, Node: 2}}
	}
	return config
}

func someMessage(t *rapid.T) Message {
	number := rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64())
	m := Message{
		Kind: MessageKind(rapid.IntRange(1, int(lastMessageKind)).Draw(t, "kind")), Reject: rapid.Bool().Draw(t, "reject"),
		From: MemberID(number.Draw(t, "from")), To: MemberID(number.Draw(t, "to")),
		Term: number.Draw(t, "term"), Index: rapid.Uint64Range(0, 1<<50).Draw(t, "index"), LogTerm: number.Draw(t, "log term"),
		Commit: number.Draw(t, "commit"), HintIndex: number.Draw(t, "hint"), HintTerm: number.Draw(t, "hint term"), Context: number.Draw(t, "context"),
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "entries") {
		e := Entry{Index: m.Index + 1 + uint64(i), Term: number.Draw(t, "entry term"), Kind: EntryKind(rapid.IntRange(0, 2).Draw(t, "entry kind"))}
		if data := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "data"); len(data) > 0 {
			e.Data = data
		}
		m.Entries = append(m.Entries, e)
	}
	if rapid.Bool().Draw(t, "snapshot") {
		m.Snapshot = &SnapshotMeta{Index: number.Draw(t, "snapshot index"), Term: 3, Config: someConfiguration(t), ConfigIndex: 1}
	}
	return m
}

func TestMessageRoundTrip(t *testing.T) {
	var reused Message
	rapid.Check(t, func(t *rapid.T) {
		m := someMessage(t)
		encoded := AppendMessage([]byte("before"), &m)[len("before"):]
		decoded, err := DecodeMessage(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(m, decoded) {
			t.Fatalf("sent %+v\n got %+v", m, decoded)
		}
		if err := reused.Decode(encoded); err != nil || reused.String() != m.String() {
			t.Fatalf("into a used message: %v, %v", reused, err)
		}
		for n := range encoded {
			if _, err := DecodeMessage(encoded[:n]); !errors.Is(err, ErrMalformed) {
				t.Fatalf("cut to %d of %d bytes: %v", n, len(encoded), err)
			}
		}
	})
}

func TestConfigurationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := someConfiguration(t)
		decoded, err := DecodeConfiguration(config.AppendBinary(nil))
		if err != nil || !decoded.Equal(&config) {
			t.Fatalf("wrote %v, read %v, %v", config, decoded, err)
		}
	})
	empty := Configuration{}
	if decoded, err := DecodeConfiguration(empty.AppendBinary(nil)); err != nil || !decoded.Equal(&empty) {
		t.Fatalf("the empty configuration became %v, %v", decoded, err)
	}
}

func TestUnknownConfigurationVersionNamesBoth(t *testing.T) {
	_, err := DecodeConfiguration([]byte{9, 0, 0, 0, 0})
	if !errors.Is(err, ErrMalformed) || !bytes.Contains([]byte(err.Error()), []byte("version 9, this build reads version 1")) {
		t.Fatal(err)
	}
}

// FuzzDecodeMessage: any bytes decode or fail, use no more memory than they
// are worth, and what decodes survives another round.
func FuzzDecodeMessage(f *testing.F) {
	config := voters(1, 2, 3)
	for _, m := range []Message{
		{Kind: MsgAppend, From: 1, To: 2, Term: 3, Index: 9, LogTerm: 2, Commit: 8, Entries: []Entry{{Index: 10, Term: 2, Data: []byte("x")}, {Index: 11, Term: 3, Kind: EntryEmpty}}},
		{Kind: MsgAppendReply, From: 2, To: 1, Term: 3, Index: 11, Reject: true, HintIndex: 4, HintTerm: 1},
		{Kind: MsgSnapshot, From: 2, To: 1, Term: 3, Snapshot: &SnapshotMeta{Index: 5, Term: 2, Config: config, ConfigIndex: 1}},
	} {
		f.Add(AppendMessage(nil, &m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMessage(b)
		if err != nil {
			return
		}
		if len(m.Entries) > len(b) {
			t.Fatalf("%d entries from %d bytes", len(m.Entries), len(b))
		}
		again, err := DecodeMessage(AppendMessage(nil, &m))
		if err != nil || fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", m) && m.Snapshot == nil {
			t.Fatalf("%+v became %+v, %v", m, again, err)
		}
	})
}

// FuzzStep: no message, however wrong, may panic a member or break its log.
func FuzzStep(f *testing.F) {
	f.Add([]byte{1}, uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, start uint8) {
		c := newCluster(1)
		for id := MemberID(1); id <= 3; id++ {
			c.add(id, Config{ElectionTicks: 10, HeartbeatTicks: 2, SleepTicks: 5}, firstDisk(voters(1, 2, 3)))
		}
		n := c.nodes[1]
		if start&1 != 0 {
			n.core.Campaign()
			c.settle(int(start)/2, func() bool { return false })
		}
		for len(b) > 1 {
			size := min(int(b[0])+1, len(b)-1)
			m, err := DecodeMessage(b[1 : 1+size])
			b = b[1+size:]
			if err == nil {
				m.To = 1
				n.core.Step(m)
			}
			var o Output
			for range 10 {
				n.core.Output(&o)
				if o.Write.Ticket != 0 {
					n.core.Persisted(o.Write.Ticket)
				}
				if len(o.Committed) > 0 {
					n.core.Applied(o.Committed[len(o.Committed)-1].Index)
				}
			}
			n.core.Tick(1)
		}
	})
}

func FuzzDecodeConfiguration(f *testing.F) {
	config := voters(1, 2, 3)
	f.Add(config.AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		config, err := DecodeConfiguration(b)
		if err != nil {
			return
		}
		again, err := DecodeConfiguration(config.AppendBinary(nil))
		if err != nil || !again.Equal(&config) {
			t.Fatalf("%v became %v, %v", config, again, err)
		}
	})
}
