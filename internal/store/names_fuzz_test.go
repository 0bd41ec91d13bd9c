package store

import (
	"bytes"
	"testing"
)

// FuzzRecords reads anything as the small records of the database and as the name
// of a body in the folder: what passes is written the same again.
func FuzzRecords(f *testing.F) {
	k := Key{Group: 7, Member: 3}
	f.Add(appendKey(nil, k), bodyName(k, 9, 11))
	f.Add(encodeIdentity(Identity{Node: 1, Fleet: 2, Name: "n"}), "x.snap")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		if k, err := decodeKey(b); err == nil && !bytes.Equal(appendKey(nil, k), b) {
			t.Fatalf("%x was taken for %v", b, k)
		}
		if id, err := decodeIdentity(b); err == nil && !bytes.Equal(encodeIdentity(id), b) {
			t.Fatalf("%x was taken for %+v", b, id)
		}
		parseBodyName(name)
	})
}
