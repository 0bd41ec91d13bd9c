package fleet_test

import (
	"flag"
	"os"
	"testing"
)

// Most tests of this package wait, for nodes to hear of each other and for clocks: more
// of them run beside each other than there are processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == p.DefValue {
		if err := p.Value.Set("4"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
