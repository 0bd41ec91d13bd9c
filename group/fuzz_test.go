package group

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// ringPerByte is what a byte of a session table may cost in memory: a session of a few
// bytes, whose answers are far apart, has the whole window of them.
const ringPerByte = SessionWindow * 24 / 4

// FuzzBatch reads anything as an entry of the log: no panic, no copy, and what
// passes is written the same again.
func FuzzBatch(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	head := appendBatchHeader(nil, time.Unix(7, 8).UnixNano())
	all := bytes.Clone(head)
	for name, it := range map[string]batchItem{
		"command":  {kind: itemCommand, session: 3, sequence: 9, acknowledgeBelow: 4, body: []byte("command")},
		"register": {kind: itemRegister}, "configure": {kind: itemConfigure, body: Config{}.Encode()}, "seal": {kind: itemSeal, body: []byte{1}},
	} {
		seeds.Add("one-"+name, appendBatchItem(bytes.Clone(head), &it))
	}
	for _, it := range []batchItem{{kind: itemRegister}, {session: 3, sequence: 9, acknowledgeBelow: 4, body: []byte("command")}, {kind: itemSeal}} {
		all = appendBatchItem(all, &it)
	}
	seeds.Bytes("several", all)
	seeds.Add("empty", []byte{})
	seeds.Add("no-items", head)
	seeds.Add("old-version", fuzzseeds.With(all, 0, batchVersion-1))
	seeds.Add("later-version", fuzzseeds.With(all, 0, batchVersion+1))
	seeds.Add("unknown-kind", append(bytes.Clone(head), byte(itemSeal)+1, 0, 0, 0, 0))
	seeds.Add("huge-length", []byte{batchVersion, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	seeds.Add("mark-below-zero", append(bytes.Clone(head), 0, 1, 1, 2, 0))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := readBatch(b)
		if err != nil {
			return
		}
		again := appendBatchHeader(nil, r.time)
		var items []batchItem
		for {
			var it batchItem
			ok, err := r.next(&it)
			if err != nil {
				return
			}
			if !ok {
				break
			}
			items = append(items, it)
			again = appendBatchItem(again, &it)
		}
		if len(again) > len(b) {
			t.Fatalf("%d bytes became %d", len(b), len(again))
		}
		r, err = readBatch(again)
		for i := range items {
			var it batchItem
			ok, nextErr := r.next(&it)
			if err != nil || nextErr != nil || !ok || it.kind != items[i].kind || it.session != items[i].session ||
				it.sequence != items[i].sequence || it.acknowledgeBelow != items[i].acknowledgeBelow || !bytes.Equal(it.body, items[i].body) {
				t.Fatalf("item %d: %+v became %+v, %v %v", i, items[i], it, err, nextErr)
			}
		}
	})
}

// FuzzSnapshotHead reads anything as the part of a snapshot before the machine's.
func FuzzSnapshotHead(f *testing.F) {
	fresh := func() *applyState {
		return &applyState{index: 5, config: Config{}.withDefaults(), sessions: newSessionTable(time.Hour, 10)}
	}
	used := fresh()
	used.sealed, used.time = true, 99
	id, _ := used.sessions.register(4, 7)
	used.sessions.store(id, 1, 1, 8, []byte("answer"))
	head := fresh().snapshotHead()
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("fresh", head)
	seeds.Bytes("sealed-with-a-session", used.snapshotHead())
	seeds.Add("empty", []byte{})
	seeds.Add("old-version", fuzzseeds.With(head, 0, snapshotVersion-1))
	seeds.Add("later-version", fuzzseeds.With(head, 0, snapshotVersion+1))
	seeds.Add("of-another-index", fuzzseeds.With(head, 2, 6))
	seeds.Add("huge-length", fuzzseeds.With(head, 18, 0xff, 0xff, 0xff, 0x3f))
	seeds.Add("impossible-length", fuzzseeds.With(head, 18, 0xff, 0xff, 0xff, 0xff))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		a := fresh()
		var err error
		fuzzseeds.Bounded(t, len(b), ringPerByte, func() { err = a.readSnapshotHead(bytes.NewReader(b), 5) })
		if err != nil {
			return
		}
		again := fresh()
		head := a.snapshotHead()
		if err := again.readSnapshotHead(bytes.NewReader(head), 5); err != nil || !bytes.Equal(again.snapshotHead(), head) {
			t.Fatalf("what was read cannot be written and read again: %v", err)
		}
	})
}

// FuzzDecodeConfig: what passes is valid, and stays what it is.
func FuzzDecodeConfig(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("defaults", Config{}.Encode())
	seeds.Bytes("own", Config{SessionTTL: time.Hour, MaxSessions: 7}.Encode())
	seeds.Add("empty", []byte{})
	seeds.Add("nested-deep", append([]byte{0x81, 0xa1, 'x'}, bytes.Repeat([]byte{0x91}, 900)...))
	seeds.Add("huge-length", []byte{0x81, 0xa1, 'x', 0xdd, 0xff, 0xff, 0xff, 0xff})
	seeds.Add("unknown-field", []byte{0x81, 0xa1, 'x', 1})
	seeds.Add("no-map", []byte{0x91, 1})
	seeds.Add("field-below-zero", Config{MaxSessions: -1}.Encode())
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Config
		var err error
		fuzzseeds.Bounded(t, len(b), 64, func() { c, err = DecodeConfig(b) })
		if err != nil {
			return
		}
		if again, err := DecodeConfig(c.Encode()); err != nil || again != c {
			t.Fatalf("%+v became %+v, %v", c, again, err)
		}
	})
}

// FuzzParseCommandID: what is read as a command's name is one, and prints the same.
func FuzzParseCommandID(f *testing.F) {
	id := CommandID{Session: 1, Sequence: 2}.String()
	seeds := fuzzseeds.Seeds{}
	for name, b := range fuzzseeds.Damaged("id", []byte(id)) {
		seeds.Add(name, string(b))
	}
	seeds.Add("empty", "")
	seeds.Add("two-words", "x-y")
	seeds.Add("highest", CommandID{Session: 1<<64 - 1, Sequence: 1<<64 - 1}.String())
	seeds.Add("zero", strings.Replace(id, "1", "0", 1))
	seeds.Add("capital-digits", "000000000000000A-000000000000000B")
	seeds.Add("sign", "+00000000000000a-000000000000000b")
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseCommandID(s)
		if err != nil {
			return
		}
		if again, err := ParseCommandID(id.String()); err != nil || again != id {
			t.Fatalf("%q is %v, then %v, %v", s, id, again, err)
		}
	})
}

// FuzzSnapshotHeader hands anything to a host as the beginning of a snapshot.
func FuzzSnapshotHeader(f *testing.F) {
	config := consensus.Configuration{Voters: []consensus.Member{{ID: 1, Node: 1}, {ID: 2, Node: 2}}}
	sent := consensus.AppendMessage(appendUint64(nil, 7), &consensus.Message{
		Kind: consensus.MsgSnapshot, From: 1, To: 2, Term: 3, Snapshot: &consensus.SnapshotMeta{Index: 9, Term: 3, Config: config, ConfigIndex: 1},
	})
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("snapshot", sent)
	seeds.Add("empty", []byte{})
	seeds.Add("group-alone", sent[:messageHeader])
	seeds.Add("another-message", consensus.AppendMessage(appendUint64(nil, 7), &consensus.Message{Kind: consensus.MsgAppend, From: 1, To: 2}))
	seeds.Add("huge-length", append(sent[:messageHeader:messageHeader], byte(consensus.MsgAppend), 0x80, 0x08, 0xff, 0xff, 0xff, 0xff, 0x0f))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		h := &Host{members: map[ident.GroupID]*member{}}
		if err := h.Snapshot(1, b, bytes.NewReader(b)); err == nil {
			t.Fatal("a snapshot for nobody was taken")
		}
	})
}
