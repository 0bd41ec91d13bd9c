package fleet

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/raftfleet/raftfleet/group"
)

// Config says how a node takes part in a fleet. The zero value lacks only where
// to keep data.
type Config struct {
	// DataDir is the folder that makes this node what it is: its identity, its log
	// and its snapshots. It is created if missing. One process uses it at a time.
	// Exactly one of DataDir and InMemory must be set.
	DataDir string
	// InMemory keeps everything in memory: a restart is another node, and what only
	// stopped nodes held is lost.
	InMemory bool

	// Name is for people; unique in a fleet is best. Default: the host's name.
	Name string
	// Types are what groups may replicate. All nodes of a fleet register the same
	// ones, under the same names.
	Types []group.Type

	// Join are gossip addresses of nodes of the fleet, host:port. With none of them,
	// a node with an empty data folder founds a fleet when it is activated. With
	// some it never founds one, unless Founders says so.
	Join []string
	// Founders is how many fresh nodes, those with an empty data folder, must agree on
	// who of them founds a fleet; all are given the same number. It must be more than
	// half of all the nodes that are ever given it: then two fleets cannot be founded,
	// however many see each other and whatever crashes or is cut off. With half of them
	// or fewer, two sets that do not see a single node of each other could. So nodes that
	// are added later are given Join alone: that many of them, cut off from the fleet,
	// would found another.
	// A node that was chosen and is lost before it founded leaves the others without a
	// fleet: start them with empty data folders. 1: a node tries the join addresses and
	// founds alone if there is nobody. 0: none founds. At most 64.
	Founders int

	// Gossip is where gossip listens, host:port, UDP and TCP. Default 127.0.0.1:0.
	Gossip string
	// Listen is where other nodes' connections are taken, host:port. Default 127.0.0.1:0.
	Listen string
	// AdvertiseGossip and AdvertiseListen are the addresses that others are told,
	// where they differ from the ones above, as behind address translation; port 0
	// stands for the one that was bound. By default, a node that gossips on 0.0.0.0
	// tells a private address of the machine, and one that listens on 0.0.0.0 or
	// [::] tells the host under which its gossip is reached.
	AdvertiseGossip, AdvertiseListen string
	// Admin is where the admin HTTP API listens, host:port; empty means it does not.
	// Anywhere but on loopback it needs AdminToken or AdminTLS.
	Admin      string
	AdminToken string
	AdminTLS   *tls.Config
	// AdminProfiles serves /debug/pprof/ there, and GroupMetrics adds metrics with a
	// label by group: as many series as there are groups. Both off by default.
	AdminProfiles, GroupMetrics bool
	// Registerer takes the metrics that the admin API shows. Default: a registry of
	// the node's own, with those of the Go runtime and the process.
	Registerer prometheus.Registerer

	// TLS, when set, is used in both directions between nodes: on all of them or on
	// none. It needs Certificates, or GetCertificate and GetClientCertificate, which
	// may load them anew; RootCAs are those who sign the nodes', for both sides unless
	// ClientCAs is set. A node that shows no certificate of theirs is refused. A
	// certificate names the host that others dial, or ServerName says what all name.
	TLS *tls.Config
	// Keys encrypt gossip (16, 24 or 32 bytes each); the first is used for sending.
	Keys [][]byte

	// Weight is this node's share of members relative to others. Default 1.
	Weight int
	// Defaults is the configuration of groups that are added here without one.
	Defaults group.Config

	// CallTimeout ends calls whose context has no deadline. Default 10 s.
	CallTimeout time.Duration
	// PurgeAfter is how long a node must be gone before its members are replaced, and
	// how long a move may make no progress before it is given up. Default 10 min.
	// This and Settle are what holds where nobody changed the fleet's limits, see
	// [Node.SetLimits].
	PurgeAfter time.Duration
	// RejoinInterval is how often nodes that are not heard are tried again. Default 30 s, with Local 1 s.
	RejoinInterval time.Duration
	// Settle is how long the planner waits for quiet after a change of nodes before
	// it balances; it waits at most ten times that. A node that was gone is trusted
	// again after as long, at most 30 s, and a group rests after a move for balance for
	// twenty times that, at most 10 min. Default 30 s, with Local 2 s.
	Settle time.Duration
	// Local shortens the timings of gossip, for nodes that share one machine or a
	// fast local network, as tests and demonstrations do.
	Local bool

	// Logger is where the node logs. Default: warnings and errors to standard error.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	str := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	dur := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if c.Name == "" {
		c.Name, _ = os.Hostname()
	}
	str(&c.Name, "node")
	str(&c.Gossip, "127.0.0.1:0")
	str(&c.Listen, "127.0.0.1:0")
	dur(&c.CallTimeout, 10*time.Second)
	dur(&c.PurgeAfter, 10*time.Minute)
	if c.Local {
		dur(&c.RejoinInterval, time.Second)
		dur(&c.Settle, 2*time.Second)
	}
	dur(&c.RejoinInterval, 30*time.Second)
	dur(&c.Settle, 30*time.Second)
	if c.Weight == 0 {
		c.Weight = 1
	}
	if c.Logger == nil {
		out := zerolog.New(os.Stderr).Level(zerolog.WarnLevel).With().Timestamp().Logger()
		c.Logger = slog.New(zerolog.NewSlogHandler(out))
	}
	return c
}

// Validate reports the first field that cannot be, with its value and remedy.
func (c Config) Validate() error {
	bad := func(field string, value any, remedy string) error {
		return fmt.Errorf("fleet: Config.%s is %v: %s", field, value, remedy)
	}
	if (c.DataDir == "") == !c.InMemory {
		return fmt.Errorf("fleet: Config.DataDir is %q and InMemory %v: %w", c.DataDir, c.InMemory, ErrNoStorage)
	}
	if len(c.Name) > 64 {
		return bad("Name", fmt.Sprintf("%d bytes long", len(c.Name)), "give at most 64")
	}
	if c.Founders < 0 || c.Founders > 64 {
		return bad("Founders", c.Founders, "give 0 to 64")
	}
	if c.Weight < 0 || c.Weight > 1000 {
		return bad("Weight", c.Weight, "give 1 to 1000")
	}
	for _, a := range []struct{ field, addr string }{
		{"Gossip", c.Gossip}, {"Listen", c.Listen}, {"Admin", c.Admin},
		{"AdvertiseGossip", c.AdvertiseGossip}, {"AdvertiseListen", c.AdvertiseListen},
	} {
		if a.addr == "" {
			continue
		}
		host, port, err := net.SplitHostPort(a.addr)
		if err != nil {
			return bad(a.field, fmt.Sprintf("%q", a.addr), "give host:port, as 10.0.0.1:7946")
		}
		if !isPort(port) {
			return bad(a.field, fmt.Sprintf("%q", a.addr), "give a port from 0 to 65535, where 0 is any free one")
		}
		if nowhere(host) && strings.HasPrefix(a.field, "Advertise") {
			return bad(a.field, fmt.Sprintf("%q", a.addr), "give an address that other nodes can reach")
		}
	}
	for _, addr := range c.Join {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || host == "" || !isPort(port) || port == "0" {
			return bad("Join", fmt.Sprintf("%q", addr), "give host:port of a node's gossip, as 10.0.0.1:7946")
		}
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"CallTimeout", c.CallTimeout}, {"PurgeAfter", c.PurgeAfter}, {"RejoinInterval", c.RejoinInterval}, {"Settle", c.Settle}} {
		if d.value < 0 {
			return bad(d.field, d.value, "give a positive duration, or 0 for the default")
		}
	}
	if err := c.Defaults.Validate(); err != nil {
		return fmt.Errorf("fleet: Config.Defaults: %w", err)
	}
	return nil
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}
