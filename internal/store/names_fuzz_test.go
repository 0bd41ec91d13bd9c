package store

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
)

// FuzzRecords reads anything as the small records of the database and as the name
// of a body in the folder: what passes is written the same again.
func FuzzRecords(f *testing.F) {
	k := Key{Group: 7, Member: 3}
	name := bodyName(k, 9, 11)
	seeds := fuzzseeds.Seeds{}
	for as, b := range fuzzseeds.Damaged("key", appendKey(nil, k)) {
		seeds.Add(as, b, name)
	}
	for as, b := range fuzzseeds.Damaged("identity", encodeIdentity(Identity{Node: 1, Fleet: 2, Name: "n"})) {
		seeds.Add(as, b, name+temporarySuffix)
	}
	for as, b := range fuzzseeds.Damaged("name", []byte(name)) {
		seeds.Add(as, []byte{}, string(b))
	}
	seeds.Add("empty", []byte{}, "")
	seeds.Add("nobody", encodeIdentity(Identity{}), "x.snap")
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		if k, err := decodeKey(b); err == nil && !bytes.Equal(appendKey(nil, k), b) {
			t.Fatalf("%x was taken for %v", b, k)
		}
		if id, err := decodeIdentity(b); err == nil && !bytes.Equal(encodeIdentity(id), b) {
			t.Fatalf("%x was taken for %+v", b, id)
		}
		if k, _, ok := parseBodyName(name); ok && !strings.HasPrefix(name, fmt.Sprintf("%s-%s-", k.Group, k.Member)) {
			t.Fatalf("%q was taken for a body of %v", name, k)
		}
	})
}
