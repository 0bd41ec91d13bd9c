package gossip

import (
	"testing"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
)

// FuzzProcessName: a name that passes is the one name of its process.
func FuzzProcessName(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	for name, b := range fuzzseeds.Damaged("name", []byte(processName(7, 8))) {
		seeds.Add(name, string(b))
	}
	seeds.Add("empty", "")
	seeds.Add("short", "0000000000000007-8")
	seeds.Add("dash-alone", "-")
	seeds.Add("capital-digits", "000000000000000A-000000000000000B")
	seeds.Add("sign", "+000000000000007-0000000000000008")
	seeds.Add("line-of-a-log", "[WARN] memberlist: Refuting a suspect message (from: n1)")
	seeds.Add("line-without-end-of-level", "[WARN memberlist")
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, s string) {
		node, started, err := parseProcessName(s)
		if err == nil && processName(node, started) != s {
			t.Fatalf("%q was taken for %v-%d", s, node, started)
		}
		parseLine(s)
	})
}
