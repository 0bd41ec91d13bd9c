package consensus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
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

// seedMessages are what fuzzing begins with.
func seedMessages() map[string]Message {
	config := voters(1, 2, 3)
	return map[string]Message{
		"append": {
			Kind: MsgAppend, From: 1, To: 2, Term: 3, Index: 9, LogTerm: 2, Commit: 8,
			Entries: []Entry{{Index: 10, Term: 2, Data: []byte("x")}, {Index: 11, Term: 3, Kind: EntryEmpty}},
		},
		"append-reply": {Kind: MsgAppendReply, From: 2, To: 1, Term: 3, Index: 11, Reject: true, HintIndex: 4, HintTerm: 1},
		"snapshot":     {Kind: MsgSnapshot, From: 2, To: 1, Term: 3, Snapshot: &SnapshotMeta{Index: 5, Term: 2, Config: config, ConfigIndex: 1}},
	}
}

// FuzzDecodeMessage: any bytes decode or fail, use no more memory than they
// are worth, and what decodes survives another round.
func FuzzDecodeMessage(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	for name, m := range seedMessages() {
		seeds.Bytes(name, AppendMessage(nil, &m))
	}
	appended := AppendMessage(nil, &Message{Kind: MsgAppend})[:1]
	most := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}
	seeds.Add("empty", []byte{})
	seeds.Add("unknown-kind", []byte{byte(lastMessageKind) + 1, 0})
	seeds.Add("unknown-field", binary.AppendUvarint(appended[:1:1], allFields+1))
	seeds.Add("huge-count", append(binary.AppendUvarint(appended[:1:1], hasEntries), most...))
	seeds.Add("huge-length", append(append(binary.AppendUvarint(appended[:1:1], hasEntries), 1, 0), most...))
	seeds.Add("index-overflows", append(append(binary.AppendUvarint(appended[:1:1], hasIndex|hasEntries), most...), 1, 0, 0))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Message
		var err error
		fuzzseeds.Bounded(t, len(b), 64, func() { m, err = DecodeMessage(b) })
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
	seeds := fuzzseeds.Seeds{}
	all := []byte{}
	for name, m := range seedMessages() {
		encoded := AppendMessage(nil, &m)
		one := append([]byte{byte(len(encoded) - 1)}, encoded...)
		for _, start := range []struct {
			as   string
			with uint8
		}{{"follower", 0}, {"candidate", 1}, {"leader", 101}} {
			seeds.Add(name+"-to-a-"+start.as, one, start.with)
		}
		seeds.Add(name+"-torn-tail", one[:len(one)-1], uint8(0))
		seeds.Add(name+"-bit-flipped", fuzzseeds.With(one, len(one)/2, one[len(one)/2]^4), uint8(0))
	}
	for _, name := range []string{"append", "snapshot", "append-reply", "append"} {
		m := seedMessages()[name]
		encoded := AppendMessage(nil, &m)
		all = append(append(all, byte(len(encoded)-1)), encoded...)
	}
	seeds.Add("empty", []byte{}, uint8(0))
	seeds.Add("one-byte", []byte{1}, uint8(0))
	seeds.Add("huge-length", []byte{0xff, byte(MsgAppend)}, uint8(0))
	seeds.Add("one-after-another", all, uint8(0))
	seeds.Add("one-after-another-to-a-leader", all, uint8(101))
	fuzzseeds.Keep(f, seeds)
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
	simple := voters(1, 2, 3)
	joint := voters(1, 2, 3)
	joint.Outgoing = []Member{{ID: 1, Node: 10}, {ID: 4, Node: 40}}
	joint.Learners, joint.LearnersNext = []Member{{ID: 9, Node: 90}}, []MemberID{4}
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("simple", simple.AppendBinary(nil))
	seeds.Bytes("joint", joint.AppendBinary(nil))
	seeds.Add("empty", []byte{})
	seeds.Add("nobody", (&Configuration{}).AppendBinary(nil))
	seeds.Add("old-version", fuzzseeds.With(simple.AppendBinary(nil), 0, configurationVersion-1))
	seeds.Add("later-version", fuzzseeds.With(simple.AppendBinary(nil), 0, configurationVersion+1))
	seeds.Add("huge-length", []byte{configurationVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	seeds.Add("voter-twice", []byte{configurationVersion, 2, 1, 10, 1, 10, 0, 0, 0})
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		var config Configuration
		var err error
		fuzzseeds.Bounded(t, len(b), 64, func() { config, err = DecodeConfiguration(b) })
		if err != nil {
			return
		}
		again, err := DecodeConfiguration(config.AppendBinary(nil))
		if err != nil || !again.Equal(&config) {
			t.Fatalf("%v became %v, %v", config, again, err)
		}
	})
}
