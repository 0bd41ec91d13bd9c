package gossip

import "testing"

// FuzzProcessName: a name that passes is the one name of its process.
func FuzzProcessName(f *testing.F) {
	f.Add(processName(7, 8))
	f.Add("0000000000000007-8")
	f.Add("-")
	f.Fuzz(func(t *testing.T, s string) {
		node, started, err := parseProcessName(s)
		if err == nil && processName(node, started) != s {
			t.Fatalf("%q was taken for %v-%d", s, node, started)
		}
		parseLine(s)
	})
}
