package gossip

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	defaultRejoin      = 30 * time.Second
	defaultRejoinLocal = time.Second
)

// Config is what Start needs. Meta.Node and Bind are required.
type Config struct {
	// Meta is what the node says of itself at first.
	Meta Meta

	// Bind is the host:port to listen on, UDP and TCP alike. Port 0 lets the system
	// choose; an empty host, or 0.0.0.0, listens everywhere and advertises a private
	// address of the machine.
	Bind string

	// Advertise is the host or host:port at which others reach this node, if it is
	// not Bind. Without a port it is the port that was bound.
	Advertise string

	// Join lists host:port of any nodes of the fleet. They are tried when gossip
	// starts and, as long as they are not among the living, for ever after. The
	// node's own address may be among them.
	Join []string

	// Keys encrypt and authenticate all gossip: 16, 24 or 32 bytes each, the first
	// one encrypts, all of them decrypt. None: clear text, and whoever reaches Bind
	// can speak for anyone. All nodes must agree on having keys or not.
	Keys [][]byte

	// RejoinInterval is how often nodes and addresses that are not alive are tried
	// again, give or take a quarter. Default 30 s, with Local 1 s. Shorter heals a
	// partition sooner; each try costs a connection.
	RejoinInterval time.Duration

	// Local asks for fast timings that suit processes on one machine, for tests and
	// demonstrations: a killed process is noticed in about 1.2 s. Otherwise
	// memberlist's timings for a local network hold: some 5 s to 10 s for a few nodes.
	// All nodes of a fleet should agree.
	Local bool

	// Logger receives memberlist's lines too. Default slog.Default().
	Logger *slog.Logger

	// OnChange is called after Members may have changed, from one goroutine; changes
	// that happen while it runs are told by one further call. It must not call Close.
	OnChange func()

	// adjust lets tests put a network of their own between memberlist and transport,
	// and change timings.
	adjust func(*memberlist.Config)
}

// Validate names the field that is wrong, its value and the remedy. It wraps
// ErrInvalidConfig.
func (c *Config) Validate() error {
	if err := c.Meta.Validate(); err != nil {
		return fmt.Errorf("%w: Meta: %w", ErrInvalidConfig, err)
	}
	if _, _, err := net.SplitHostPort(c.Bind); err != nil {
		return fmt.Errorf("%w: Bind is %q: want host:port (%w)", ErrInvalidConfig, c.Bind, err)
	}
	for i, addr := range c.Join {
		if err := validateAddr(addr); err != nil {
			return fmt.Errorf("%w: Join[%d]: %w", ErrInvalidConfig, i, err)
		}
	}
	if c.RejoinInterval < 0 {
		return fmt.Errorf("%w: RejoinInterval is %v: want 0 for the default, or more", ErrInvalidConfig, c.RejoinInterval)
	}
	for i, key := range c.Keys {
		if err := validateKey(key); err != nil {
			return fmt.Errorf("%w: Keys[%d]: %w", ErrInvalidConfig, i, err)
		}
	}
	return nil
}

func validateAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is no host:port: %w", addr, err)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q has no port from 1 to 65535", addr)
	}
	if host == "" {
		return fmt.Errorf("%q has no host", addr)
	}
	return nil
}

func (c *Config) rejoinInterval() time.Duration {
	switch {
	case c.RejoinInterval > 0:
		return c.RejoinInterval
	case c.Local:
		return defaultRejoinLocal
	}
	return defaultRejoin
}

// bindAddr resolves Bind.
func (c *Config) bindAddr() (net.IP, int, error) {
	addr, err := net.ResolveTCPAddr("tcp", c.Bind)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: Bind is %q: %w", ErrInvalidConfig, c.Bind, err)
	}
	ip := addr.IP
	if ip == nil {
		ip = net.IPv4zero
	}
	if ip.Equal(net.IPv6zero) && c.Advertise == "" {
		return nil, 0, fmt.Errorf("%w: Bind is %q: name the address that others reach in Advertise", ErrInvalidConfig, c.Bind)
	}
	return ip, addr.Port, nil
}

// advertiseAddr resolves Advertise. An empty host means: memberlist finds out.
func (c *Config) advertiseAddr(bound int) (host string, port int, err error) {
	if c.Advertise == "" {
		return "", bound, nil
	}
	host, text, err := net.SplitHostPort(c.Advertise)
	if err != nil { // no port
		host, text = c.Advertise, "0"
	}
	ip, err := net.ResolveIPAddr("ip", host)
	if err != nil || ip.IP == nil || ip.IP.IsUnspecified() {
		return "", 0, fmt.Errorf("%w: Advertise is %q: want an address that others can reach", ErrInvalidConfig, c.Advertise)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%w: Advertise is %q: the port must be a number up to 65535", ErrInvalidConfig, c.Advertise)
	}
	if n == 0 {
		return ip.IP.String(), bound, nil
	}
	return ip.IP.String(), int(n), nil
}

// timings are memberlist's for a local network, or ours for one machine.
func timings(local bool) *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	if !local {
		return c
	}
	// A process that died is probed within 200 ms by someone, found silent 200 ms
	// later and declared dead after 4 × 200 ms of suspicion (up to ten nodes). That it
	// takes those 800 ms whatever others confirm leaves a process that waits for a CPU
	// four probe intervals to contradict.
	c.ProbeInterval = 200 * time.Millisecond
	c.ProbeTimeout = 100 * time.Millisecond
	c.SuspicionMult = 4
	c.SuspicionMaxTimeoutMult = 1
	c.AwarenessMaxMultiplier = 3
	c.GossipInterval = 50 * time.Millisecond
	c.GossipToTheDeadTime = 5 * time.Second
	c.PushPullInterval = time.Second
	c.TCPTimeout = 2 * time.Second
	return c
}
