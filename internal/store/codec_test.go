package store

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
	"github.com/raftfleet/raftfleet/internal/ident"
	"pgregory.net/rapid"
)

func FuzzDecodeHeader(f *testing.F) {
	h := header{Key: key(2, 3), Snapshot: snapshotAt(7), nonce: 9}
	sound := h.append(nil)
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("sound", sound)
	seeds.Add("with-a-body", append(h.append(nil), "body"...))
	seeds.Add("empty", []byte{})
	seeds.Add("zeros", make([]byte, headerFixed+4))
	seeds.Add("magic-alone", []byte(headerMagic))
	seeds.Add("old-version", fuzzseeds.With(sound, 4, headerVersion-1))
	seeds.Add("later-version", fuzzseeds.With(sound, 4, headerVersion+1))
	seeds.Add("huge-length", fuzzseeds.With(sound, 68, 0xff, 0xff, 0xff, 0xff))
	seeds.Add("long-length", fuzzseeds.With(sound, 68, 0, 4, 0, 0))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		var h header
		var n int
		var err error
		fuzzseeds.Bounded(t, len(b), 2, func() { h, n, err = decodeHeader(b) })
		if err != nil {
			return
		}
		if n > len(b) || n > headerArea {
			t.Fatalf("%d bytes of %d", n, len(b))
		}
		if again := h.append(nil); !bytes.Equal(again, b[:n]) {
			t.Fatalf("%x became %x", b[:n], again)
		}
	})
}

func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.Uint64()
		h := header{
			Key: Key{ident.GroupID(word.Draw(t, "group")), ident.MemberID(word.Draw(t, "member"))},
			Snapshot: Snapshot{
				Index: rapid.Uint64Min(1).Draw(t, "index"), Term: word.Draw(t, "term"), ConfigIndex: word.Draw(t, "config index"),
				Config: rapid.SliceOfN(rapid.Byte(), 0, MaxConfigBytes).Draw(t, "config"),
				Size:   rapid.Int64Min(0).Draw(t, "size"), CRC: rapid.Uint32().Draw(t, "crc"),
			},
			nonce: word.Draw(t, "nonce"),
		}
		b := h.append(nil)
		got, n, err := decodeHeader(append(b, "body"...))
		if err != nil || n != len(b) || n > headerArea || !got.equal(&h) {
			t.Fatalf("%+v, %d, %v", got, n, err)
		}
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, _, err := decodeHeader(b); err == nil {
			t.Fatal("a flipped bit was not noticed")
		}
	})
}

func TestUnknownHeaderVersion(t *testing.T) {
	h := header{Key: key(2, 3), Snapshot: snapshotAt(7)}
	b := h.append(nil)
	b[4] = headerVersion + 1
	_, _, err := decodeHeader(b)
	wantError(t, err, ErrFormat)
}

func TestSealCoversThePlace(t *testing.T) {
	sealed := seal(bucketValues, []byte("a"), []byte("value"))
	got, err := unseal(bucketValues, []byte("a"), sealed)
	if err != nil || string(got) != "value" {
		t.Fatal(got, err)
	}
	for _, place := range [][2][]byte{{bucketValues, []byte("b")}, {bucketMembers, []byte("a")}} {
		_, err := unseal(place[0], place[1], sealed)
		wantError(t, err, ErrCorrupt)
	}
	_, err = unseal(bucketValues, []byte("a"), nil)
	wantError(t, err, ErrCorrupt)
}

func TestIdentityRoundTrip(t *testing.T) {
	want := Identity{Node: 1 << 63, Fleet: 3, Name: "anna"}
	got, err := decodeIdentity(encodeIdentity(want))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatal(got, err)
	}
	for _, b := range [][]byte{nil, make([]byte, 15), make([]byte, 16)} {
		_, err := decodeIdentity(b)
		wantError(t, err, ErrCorrupt)
	}
}

func TestBodyNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.Uint64()
		want := Key{ident.GroupID(word.Draw(t, "group")), ident.MemberID(word.Draw(t, "member"))}
		name := bodyName(want, word.Draw(t, "index"), word.Draw(t, "nonce"))
		got, temporary, ok := parseBodyName(name)
		if got != want || temporary || !ok {
			t.Fatal(got, temporary, ok)
		}
		got, temporary, ok = parseBodyName(name + temporarySuffix)
		if got != want || !temporary || !ok {
			t.Fatal(got, temporary, ok)
		}
	})
}

// Whatever the bytes of node.db are, what passes the check can be opened and read
// without ending the process.
func FuzzDatabase(f *testing.F) {
	dir, _ := populated(f)
	path := filepath.Join(dir, databaseName)
	sound, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	const page = 4096 // bbolt takes the machine's, which is mostly this
	seeds := fuzzseeds.Seeds{}
	seeds.Add("sound", uint32(0), []byte{}, false)
	seeds.Add("empty", uint32(0), []byte{}, true)
	seeds.Add("torn-tail", uint32(len(sound)-1), []byte{}, true)
	seeds.Add("half", uint32(len(sound)/2), []byte{}, true)
	seeds.Add("first-meta-damaged", uint32(20), []byte{1}, false)
	seeds.Add("second-meta-damaged", uint32(page+20), []byte{1}, false)
	seeds.Add("both-metas-damaged", uint32(16), bytes.Repeat([]byte{1}, 900), true)
	seeds.Add("later-version", uint32(20), []byte{3}, false)
	seeds.Add("page-of-another-kind-cut", uint32(5*page), []byte{0, 0, 0, 0, 0, 0, 0, 0, 0xff}, true)
	seeds.Add("huge-overflow-cut", uint32(3*page+12), []byte{0xff, 0xff, 0xff, 0xff}, true)
	seeds.Add("huge-overflow", uint32(3*page+12), []byte{0xff, 0xff, 0xff, 0xff}, false)
	seeds.Add("huge-count", uint32(3*page+10), []byte{0xff, 0xff}, false)
	seeds.Add("bit-flipped", uint32(4*page+40), []byte{0x5a}, false)
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, at uint32, change []byte, cut bool) {
		b := bytes.Clone(sound)
		from := int(at) % len(b)
		n := copy(b[from:], change)
		if cut {
			b = b[:from+n]
		}
		own := t.TempDir()
		must(t, os.WriteFile(filepath.Join(own, databaseName), b, 0o600))
		d, err := open(own, Options{})
		if err != nil {
			return
		}
		contents(d)
		d.PutMember(key(900, 1), make([]byte, 5000))
		d.DeleteMember(key(4, 1))
		d.Close()
	})
}
