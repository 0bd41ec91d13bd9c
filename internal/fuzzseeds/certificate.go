package fuzzseeds

import (
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// Certificate makes a certificate that signs itself, and its key, both as PEM: the same
// bytes each time, so that what was found in them can be found again.
func Certificate(tb testing.TB) (certificate, key []byte) {
	tb.Helper()
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a node"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(4e9, 0),
	}
	signed, err := x509.CreateCertificate(nil, template, template, private.Public(), private)
	if err != nil {
		tb.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// Files adds seeds for a target that damages one of three files, the certificate, its
// key and the authority's certificate: which of them, from where on, by what it is
// replaced, and whether the file ends behind that.
func (s Seeds) Files() {
	for i, name := range []string{"certificate", "key", "authority"} {
		which := uint8(i)
		s.Add(name+"-sound", which, uint16(0), []byte{}, false)
		s.Add(name+"-empty", which, uint16(0), []byte{}, true)
		s.Add(name+"-half", which, uint16(90), []byte{}, true)
		s.Add(name+"-bit-flipped", which, uint16(60), []byte{'z'}, false)
		s.Add(name+"-no-pem", which, uint16(0), []byte("certainly not"), true)
		s.Add(name+"-of-another-kind", which, uint16(11), []byte("NOTHING KNOWN"), false)
		s.Add(name+"-huge-length", which, uint16(28), []byte("MIT/////"), false)
	}
}

// Damage is what a target with the seeds of Files does to one of its files.
func Damage(file []byte, at uint16, change []byte, cut bool) []byte {
	from := min(int(at), len(file))
	if cut {
		return With(file[:from], from, change...)
	}
	return With(file, from, change...)
}
