package admin

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"
)

// DefaultAddr is where a node serves its API and where the client looks for it.
const DefaultAddr = "127.0.0.1:7900"

// Options are the settings of a server. The zero value serves this machine alone.
type Options struct {
	// Addr is where to listen, host:port; port 0 takes any free one. Default
	// DefaultAddr. Anything but loopback needs Token or a TLS that verifies clients.
	Addr string
	// Token, when set, is wanted as a bearer token of every request but those for
	// health. Without TLS it crosses the network readable.
	Token string
	// TLS, when set, is what the server speaks. With ClientAuth
	// RequireAndVerifyClientCert only those with a certificate can ask.
	TLS *tls.Config
	// AllowedHosts are further host names that requests may be addressed to while
	// neither Token nor client certificates tell who asks.
	AllowedHosts []string

	// Registerer takes the metrics, so that they stand with those of the embedding
	// program. Two nodes in one process need one each, for instance by
	// prometheus.WrapRegistererWith. Default: a registry of the server's own,
	// which also holds those of the Go runtime and the process.
	Registerer prometheus.Registerer
	// Gatherer is what /metrics shows. Default: Registerer where that is also a
	// Gatherer, as a *prometheus.Registry is, else prometheus.DefaultGatherer.
	Gatherer prometheus.Gatherer
	// GroupMetrics adds metrics with a label by group: as many series as there are
	// groups. Off by default.
	GroupMetrics bool
	// Profiles serves /debug/pprof/. Off by default.
	Profiles bool

	// MaxConcurrent bounds the requests served at a time, health not counted; more
	// are told that the server is overloaded. Default 128. A quarter of them may be
	// waiting for events.
	MaxConcurrent int
	// Logger takes what the API is asked to change, and faults. Default slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Addr == "" {
		o.Addr = DefaultAddr
	}
	if o.MaxConcurrent == 0 {
		o.MaxConcurrent = 128
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Validate names the field, its value and the remedy. It does not resolve names.
func (o Options) Validate() error {
	if o.Addr != "" {
		if _, _, err := net.SplitHostPort(o.Addr); err != nil {
			return fmt.Errorf("admin: Addr %q is not host:port: %w", o.Addr, err)
		}
	}
	if o.MaxConcurrent < 0 || o.MaxConcurrent > 0 && o.MaxConcurrent < 4 {
		return fmt.Errorf("admin: MaxConcurrent is %d: set 4 or more, or 0 for the default", o.MaxConcurrent)
	}
	if o.TLS != nil && len(o.TLS.Certificates) == 0 && o.TLS.GetCertificate == nil && o.TLS.GetConfigForClient == nil {
		return fmt.Errorf("admin: TLS has no certificate: set Certificates or GetCertificate")
	}
	return nil
}

func verifiesClients(c *tls.Config) bool {
	return c != nil && c.ClientAuth == tls.RequireAndVerifyClientCert
}

// listen binds Addr, having made sure that it is not more open than it may be.
func (o Options) listen() (net.Listener, error) {
	addr, err := net.ResolveTCPAddr("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("admin: Addr %q: %w", o.Addr, err)
	}
	if !addr.IP.IsLoopback() && o.Token == "" && !verifiesClients(o.TLS) {
		return nil, fmt.Errorf("%w (Addr is %q)", ErrExposed, o.Addr)
	}
	// The address that was looked at, not the name again: it could resolve otherwise.
	l, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("admin: listen on %s: %w (is another node running here? choose another address)", addr, err)
	}
	return l, nil
}
