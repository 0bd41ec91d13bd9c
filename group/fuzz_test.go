package group

import (
	"bytes"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// FuzzBatch reads anything as an entry of the log: no panic, no copy, and what
// passes is written the same again.
func FuzzBatch(f *testing.F) {
	b := appendBatchHeader(nil, time.Unix(7, 8).UnixNano())
	f.Add(bytes.Clone(b))
	for _, it := range []batchItem{
		{kind: itemCommand, session: 3, sequence: 9, acknowledgeBelow: 4, body: []byte("command")},
		{kind: itemRegister}, {kind: itemConfigure, body: Config{}.Encode()}, {kind: itemSeal, body: []byte{1}},
	} {
		b = appendBatchItem(b, &it)
	}
	f.Add(b)
	f.Add([]byte{batchVersion, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
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
	f.Add(fresh().snapshotHead())
	f.Add([]byte{snapshotVersion, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x03})
	f.Fuzz(func(t *testing.T, b []byte) {
		a := fresh()
		if err := a.readSnapshotHead(bytes.NewReader(b), 5); err != nil {
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
	f.Add(Config{}.Encode())
	f.Add(Config{SessionTTL: time.Hour, MaxSessions: 7}.Encode())
	f.Add(append([]byte{0x81, 0xa1, 'x'}, bytes.Repeat([]byte{0x91}, 5000)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeConfig(b)
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
	f.Add(CommandID{Session: 1, Sequence: 2}.String())
	f.Add("x-y")
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
	f.Add([]byte{7, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		h := &Host{members: map[ident.GroupID]*member{}}
		if err := h.Snapshot(1, b, bytes.NewReader(b)); err == nil {
			t.Fatal("a snapshot for nobody was taken")
		}
	})
}
