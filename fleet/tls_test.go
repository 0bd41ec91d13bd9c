package fleet_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
)

// authority signs the certificates of a fleet's nodes.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	a.cert, a.key, _ = a.sign("authority", nil)
	a.pool.AddCert(a.cert)
	return a
}

// sign makes a certificate; the first one is the authority's own.
func (a *authority) sign(name string, serves []net.IP) (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: serves,
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key, der
}

// node returns the configuration of a node that this authority vouches for.
func (a *authority) node(name string) *tls.Config {
	_, key, der := a.sign(name, []net.IP{net.IPv4(127, 0, 0, 1)})
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs:      a.pool, ClientCAs: a.pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

func TestFleetOverMutualTLS(t *testing.T) {
	ours := newAuthority(t)
	first := testConfig(t, "n1")
	first.TLS = ours.node("n1")
	nodes := []*fleet.Node{activate(t, "zone-0", first)}
	second := testConfig(t, "n2", nodes[0].GossipAddr())
	second.TLS = ours.node("n2")
	nodes = append(nodes, activate(t, "zone-1", second))
	if err := nodes[0].AddConsensusGroup(t.Context(), "g", 2, counterType); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, nodes[0], "g", 1, 1)
	mustAdd(t, nodes[1], "g", 1, 2)
	if err := nodes[0].TransferLeader(t.Context(), "g", "n2"); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, nodes[0], "g", 1, 3)

	// In plain text nothing is answered.
	conn, err := net.Dial("tcp", nodes[0].ListenAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("rfleet\r\n" + strings.Repeat("x", 100))); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64)
	if n, _ := conn.Read(b); strings.HasPrefix(string(b[:n]), "rfleet") {
		t.Errorf("a connection without TLS was answered: %q", b[:n])
	}
}

func TestNodesThatTheFleetDoesNotTrustAreRefused(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	first := testConfig(t, "n1")
	first.TLS = ours.node("n1")
	one := activate(t, "zone-0", first)

	bare := testConfig(t, "bare", one.GossipAddr())
	bare.TLS = &tls.Config{RootCAs: ours.pool}
	if n, err := fleet.Open(t.Context(), bare); err == nil || !strings.Contains(err.Error(), "TLS has no certificate") {
		if n != nil {
			n.Close()
		}
		t.Errorf("TLS without a certificate: %v", err)
	}

	for name, c := range map[string]struct {
		tls  *tls.Config
		want string
	}{
		"plain":    {nil, "if the fleet uses TLS, set Config.TLS"},
		"stranger": {newAuthority(t).node("stranger"), "certificate signed by unknown authority"},
	} {
		cfg := testConfig(t, name, one.GossipAddr())
		cfg.TLS = c.tls
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		n, err := fleet.Activate(ctx, "zone-1", cfg)
		cancel()
		if err == nil {
			n.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// The other way round: a node with TLS and a fleet without.
	open := activate(t, "zone-0", testConfig(t, "open"))
	cfg := testConfig(t, "eager", open.GossipAddr())
	cfg.TLS = ours.node("eager")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	n, err := fleet.Activate(ctx, "zone-1", cfg)
	if err == nil {
		n.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "set Config.TLS on all nodes or on none") {
		t.Errorf("TLS in a fleet without: %v", err)
	}

	s, err := one.Status(t.Context())
	if err != nil || len(s.Nodes) != 1 {
		t.Errorf("the fleet has %+v, %v", s.Nodes, err)
	}
}
