package ident

import (
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
)

// FuzzParse: an identifier that is read prints as it was, but for capital digits.
func FuzzParse(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	for name, b := range fuzzseeds.Damaged("id", []byte(NodeID(0x0123456789abcdef).String())) {
		seeds.Add(name, string(b))
	}
	seeds.Add("empty", "")
	seeds.Add("highest", NodeID(1<<64-1).String())
	seeds.Add("capital-digits", "0123456789ABCDEF")
	seeds.Add("sign", "+123456789abcdef")
	seeds.Add("underscores", "0x12_3456789abcd")
	seeds.Add("huge-length", strings.Repeat("f", 2000))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseNodeID(s)
		if err == nil && id.String() != strings.ToLower(s) {
			t.Fatalf("%q was taken for %s", s, id)
		}
		var group GroupID
		if groupErr := group.UnmarshalText([]byte(s)); (groupErr == nil) != (err == nil) || uint64(group) != uint64(id) {
			t.Fatalf("%q is %s as a node, and %s as a group", s, id, group)
		}
	})
}
