package admin_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
)

// certificate returns one that signs itself, for both ends of a connection.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestClientCertificatesAreWanted(t *testing.T) {
	cert, pool := certificate(t)
	stranger, _ := certificate(t)
	_, s, _ := start(t, admin.Options{TLS: &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}})
	ask := func(certs ...tls.Certificate) error {
		c, err := admin.NewClient(s.Addr(), admin.ClientOptions{TLS: &tls.Config{RootCAs: pool, Certificates: certs}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.Drain(context.Background(), "a")
	}
	if err := ask(cert); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{"without one": ask(), "with that of a stranger": ask(stranger)} {
		if err == nil {
			t.Errorf("%s a client is let in", name)
		}
	}
}

func TestTLSWithoutClientCertificatesDoesNotOpenTheDoor(t *testing.T) {
	cert, _ := certificate(t)
	s, err := admin.NewServer(admintest.New(), admin.Options{Addr: "0.0.0.0:0", Logger: quiet, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err == nil || !strings.Contains(err.Error(), "client certificates") {
		t.Error(err)
	}
}
