package fleet

import "testing"

func TestReachable(t *testing.T) {
	for _, c := range []struct{ bound, gossip, want string }{
		{"10.0.0.1:7000", "10.0.0.9:7946", "10.0.0.1:7000"},
		{"0.0.0.0:7000", "10.0.0.9:7946", "10.0.0.9:7000"},
		{"[::]:7000", "10.0.0.9:7946", "10.0.0.9:7000"},
		{"[::]:7000", "[2001:db8::1]:7946", "[2001:db8::1]:7000"},
		{"[fe80::1]:7000", "10.0.0.9:7946", "[fe80::1]:7000"},
	} {
		if got := reachable(c.bound, c.gossip); got != c.want {
			t.Errorf("bound to %s, gossip at %s: %s, want %s", c.bound, c.gossip, got, c.want)
		}
	}
	for _, c := range []struct{ configured, bound, want string }{
		{"node.example:7000", "0.0.0.0:1", "node.example:7000"},
		{"node.example:0", "0.0.0.0:7001", "node.example:7001"},
		{"[2001:db8::1]:0", "[::]:7001", "[2001:db8::1]:7001"},
	} {
		if got := advertised(c.configured, c.bound); got != c.want {
			t.Errorf("%s, bound to %s: %s, want %s", c.configured, c.bound, got, c.want)
		}
	}
}
