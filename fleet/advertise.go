package fleet

import (
	"net"
	"strconv"

	"github.com/raftfleet/raftfleet/gossip"
)

// An address like 0.0.0.0:7946 or [::]:7946 says where to listen and not where to
// go: whoever is told it would dial itself.

// nowhere tells whether a host names no machine that others could dial.
func nowhere(host string) bool {
	if host == "" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsUnspecified()
}

// reachable is the address that others are told for a bound one: itself, or, where
// it is bound on all of the machine's addresses, the host under which gossip is
// reached, which was given or found out.
func reachable(bound, gossipAddr string) string {
	host, port, err := net.SplitHostPort(bound)
	if err != nil || !nowhere(host) {
		return bound
	}
	if host, _, err = net.SplitHostPort(gossipAddr); err != nil {
		return bound
	}
	return net.JoinHostPort(host, port)
}

// advertised is what others are told in place of a bound address when the
// configuration says so. Port 0 there stands for the one that was bound.
func advertised(configured, bound string) string {
	host, port, err := net.SplitHostPort(configured)
	if err != nil {
		return configured
	}
	if n, err := strconv.Atoi(port); err == nil && n == 0 {
		if _, port, err = net.SplitHostPort(bound); err != nil {
			return configured
		}
	}
	return net.JoinHostPort(host, port)
}

// outOfReach tells whether other machines hear of a node, by its gossip, that they
// cannot connect to.
func outOfReach(gossipAddr, listenAddr string) bool {
	return !onLoopback(gossipAddr) && onLoopback(listenAddr)
}

// onLoopback does not resolve names but the one that all machines have for themselves.
func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// advertiseListen tells others where this node takes connections.
func (n *Node) advertiseListen() error {
	bound := n.wire.Addr().String()
	addr := reachable(bound, n.gossip.Addr())
	if n.cfg.AdvertiseListen != "" {
		addr = advertised(n.cfg.AdvertiseListen, bound)
	}
	if outOfReach(n.gossip.Addr(), addr) {
		n.log.Warn("other machines hear of this node and cannot connect to it: it gossips beyond loopback and listens on loopback: give it a listen address that they reach (--listen, Config.Listen)",
			"gossip", n.gossip.Addr(), "listen", addr)
	}
	return n.gossip.UpdateMeta(func(m *gossip.Meta) { m.Wire = addr })
}
