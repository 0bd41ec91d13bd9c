package wire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// lines is a log that a test can wait for.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), s)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name string
		two  func(*Config)
		want error
	}{
		{"another fleet", func(c *Config) { c.Fleet = 78 }, ErrWrongFleet},
		{"no fleet yet", func(c *Config) { c.Fleet = 0 }, ErrWrongFleet},
		{"another node at the address", func(c *Config) { c.Node = 3 }, ErrWrongNode},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b book
			var log1, log2 lines
			one := open(t, &b, 1, newRecorder(), func(cfg *Config) { cfg.Logger = log1.logger() })
			two := open(t, &b, 2, newRecorder(), func(cfg *Config) { c.two(cfg); cfg.Logger = log2.logger() })
			b.set(2, two.Addr().String())
			_, err := one.Call(soon(t), 2, nil)
			wantErr(t, err, ErrNotSent, ErrRefused, c.want)
			wantErr(t, one.SendSnapshot(soon(t), 2, nil, nil), ErrNotSent, ErrRefused, c.want)
			until(t, "it tries again", func() bool { return one.Peers()[0].Calls.Tries > 3 })
			until(t, "both sides tell", func() bool { return log1.count("refuses")+log2.count("refused the") >= 2 })
			if a, b := log1.count("refuses"), log2.count("refused the"); a != 1 || b != 1 {
				t.Fatalf("told %d and %d times, want once each", a, b)
			}
		})
	}
}

func TestNodeWithoutAFleetDialsNobody(t *testing.T) {
	var b book
	r := newRecorder()
	one := open(t, &b, 1, newRecorder(), func(c *Config) { c.Fleet = 0 })
	open(t, &b, 2, r, nil)
	_, err := one.Call(soon(t), 2, nil)
	wantErr(t, err, ErrNotSent, ErrWrongFleet)
	one.SetFleet(testFleet)
	until(t, "it connects", func() bool { return one.Send(2, text("hello")) == nil })
	await(t, r.messages, "hello")
}

func TestJudge(t *testing.T) {
	self := welcome{min: 2, max: 4, fleet: 7, node: 1, boot: 1}
	good := hello{min: 3, max: 5, class: Calls, fleet: 7, node: 9, wanted: 1, boot: 1}
	for _, c := range []struct {
		name   string
		change func(*hello, *welcome)
		want   refusal
	}{
		{"same fleet", func(*hello, *welcome) {}, 0},
		{"too old", func(h *hello, _ *welcome) { h.min, h.max = 1, 1 }, refusedProtocol},
		{"too new", func(h *hello, _ *welcome) { h.min, h.max = 5, 9 }, refusedProtocol},
		{"unknown class", func(h *hello, _ *welcome) { h.class = 9 }, refusedClass},
		{"class zero", func(h *hello, _ *welcome) { h.class = 0 }, refusedClass},
		{"one-off of another class", func(h *hello, _ *welcome) { h.class, h.oneOff = Consensus, true }, refusedClass},
		{"another node wanted", func(h *hello, _ *welcome) { h.wanted = 2 }, refusedNode},
		{"no node wanted", func(h *hello, _ *welcome) { h.wanted = 0 }, refusedNode},
		{"no node wanted, one-off", func(h *hello, _ *welcome) { h.wanted, h.oneOff = 0, true }, 0},
		{"another fleet", func(h *hello, _ *welcome) { h.fleet = 8 }, refusedFleet},
		{"another fleet, one-off", func(h *hello, _ *welcome) { h.fleet, h.oneOff = 8, true }, refusedFleet},
		{"dialler in none", func(h *hello, _ *welcome) { h.fleet = 0 }, refusedFleet},
		{"acceptor in none", func(_ *hello, w *welcome) { w.fleet = 0 }, refusedFleet},
		{"both in none", func(h *hello, w *welcome) { h.fleet, w.fleet = 0, 0 }, refusedFleet},
		{"dialler in none, one-off", func(h *hello, _ *welcome) { h.fleet, h.oneOff = 0, true }, 0},
		{"acceptor in none, one-off", func(h *hello, w *welcome) { w.fleet, h.oneOff = 0, true }, 0},
	} {
		h, s := good, self
		c.change(&h, &s)
		w := judge(h, s)
		if w.refusal != c.want || (w.refusal != 0) != (w.reason != "") {
			t.Errorf("%s: refusal %d %q, want %d", c.name, w.refusal, w.reason, c.want)
		}
		// The dialler comes to the same judgement, whatever it is told.
		if err := w.check(h, "there"); (err != nil) != (w.refusal != 0) {
			t.Errorf("%s: dialler says %v", c.name, err)
		}
		if w.refusal == refusedFleet {
			w.refusal = 0
			if err := w.check(h, "there"); h.fleet != s.fleet && !errors.Is(err, ErrWrongFleet) {
				t.Errorf("%s: dialler says %v", c.name, err)
			}
		}
	}
}

func TestHandshakeRoundTrip(t *testing.T) {
	h := hello{min: 1, max: 2, class: Snapshots, oneOff: true, fleet: 3, node: 4, wanted: 5, boot: 6}
	got, err := readHello(bytes.NewReader(h.append(nil)))
	if err != nil || got != h {
		t.Fatalf("%+v, %v", got, err)
	}
	w := welcome{refusal: refusedFleet, protocol: 1, min: 1, max: 2, fleet: 3, node: 4, boot: 5, reason: "because"}
	gotW, err := readWelcome(bytes.NewReader(w.append(nil)))
	if err != nil || gotW != w {
		t.Fatalf("%+v, %v", gotW, err)
	}
	w.reason = strings.Repeat("long ", 1000)
	if _, err := readWelcome(bytes.NewReader(w.append(nil))); err != nil {
		t.Fatal(err)
	}
	for i := range helloBytes {
		b := h.append(nil)
		b[i] ^= 4
		if _, err := readHello(bytes.NewReader(b)); err == nil {
			t.Fatalf("a hello with byte %d damaged passes", i)
		}
	}
	for i := range welcomeBytes + len("because") {
		w.reason = "because"
		b := w.append(nil)
		b[i] ^= 4
		if _, err := readWelcome(bytes.NewReader(b)); err == nil {
			t.Fatalf("a welcome with byte %d damaged passes", i)
		}
	}
}

func TestStrangersDoNoHarm(t *testing.T) {
	var b book
	r := newRecorder()
	one := open(t, &b, 1, r, nil)
	for name, bytes := range map[string]string{
		"http":      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"nothing":   "",
		"short":     "rfle",
		"tls":       "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"bad hello": magic + strings.Repeat("\xff", 100),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", one.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			io.WriteString(conn, bytes)
			conn.(*net.TCPConn).CloseWrite()
			closed(t, conn)
		})
	}
	for _, class := range []Class{Consensus, Calls, Snapshots} {
		for name, bytes := range map[string][]byte{
			"garbage":       []byte(strings.Repeat("garbage ", 100)),
			"oversize":      {0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, kindMessages},
			"unknown kind":  appendFrame(nil, 99, []byte("x")),
			"ping with pay": appendFrame(nil, kindHeartbeat+100, []byte("x")),
			"cut messages":  appendFrame(nil, kindMessages, []byte{200, 0, 0, 0, 1}),
			"cut requests":  appendFrame(nil, kindRequests, []byte{1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1}),
			"chunk first":   appendFrame(nil, kindChunk, []byte("x")),
			"bad checksum":  {1, 0, 0, 0, 1, 2, 3, 4, kindMessages, 7},
		} {
			t.Run(fmt.Sprint(class, " ", name), func(t *testing.T) {
				conn, w := dialRaw(t, one, helloTo(1, class))
				if w.refusal != 0 {
					t.Fatal(w.reason)
				}
				conn.Write(bytes)
				closed(t, conn)
			})
		}
	}
	// And it still serves.
	two := open(t, &b, 2, newRecorder(), nil)
	if answer, err := two.Call(soon(t), 1, []byte("x")); err != nil || string(answer) != "re:x" {
		t.Fatalf("%q, %v", answer, err)
	}
}

func TestDiallerMistrustsWhatAnswers(t *testing.T) {
	for name, bytes := range map[string]string{
		"http":    "HTTP/1.1 400 Bad Request\r\n\r\nplease go away, this is no node of yours",
		"garbage": magic + strings.Repeat("\xff", 200),
		"silence": "",
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var served sync.WaitGroup
			served.Go(func() {
				for {
					c, err := ln.Accept()
					if err != nil {
						return
					}
					io.WriteString(c, bytes)
					c.Close()
				}
			})
			t.Cleanup(func() { ln.Close(); served.Wait() })
			var b book
			one := open(t, &b, 1, newRecorder(), nil)
			b.set(2, ln.Addr().String())
			_, err = one.Call(soon(t), 2, nil)
			wantErr(t, err, ErrNotSent)
		})
	}
}

func TestHandshakesUnderWayAreBounded(t *testing.T) {
	var b book
	one := open(t, &b, 1, newRecorder(), func(c *Config) { c.DialTimeout = 300 * time.Millisecond })
	var conns []net.Conn
	for range maxHandshakes + 20 {
		c, err := net.Dial("tcp", one.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	for _, c := range conns { // some at once, the rest when their time is over
		closed(t, c)
	}
	two := open(t, &b, 2, newRecorder(), nil)
	if _, err := two.Call(soon(t), 1, nil); err != nil {
		t.Fatal(err)
	}
}

// certificates makes an authority and the TLS configuration of a node that it
// vouches for.
func certificates(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fleet"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, RootCAs: pool}
}

func TestMutualTLS(t *testing.T) {
	var b book
	ours, theirs := certificates(t), certificates(t)
	with := func(cfg *tls.Config) func(*Config) { return func(c *Config) { c.TLS = cfg } }
	r := newRecorder()
	one := open(t, &b, 1, newRecorder(), with(ours))
	open(t, &b, 2, r, with(ours))
	if answer, err := one.Call(soon(t), 2, []byte("x")); err != nil || string(answer) != "re:x" {
		t.Fatalf("%q, %v", answer, err)
	}
	if err := one.Send(2, text("m")); err != nil {
		t.Fatal(err)
	}
	await(t, r.messages, "m")
	if err := one.SendSnapshot(soon(t), 2, nil, bytes.NewReader(make([]byte, 1<<20))); err != nil {
		t.Fatal(err)
	}
	for id, change := range map[ident.NodeID]func(*Config){
		3: with(theirs),       // vouched for by another authority
		4: func(c *Config) {}, // without TLS
		5: with(&tls.Config{RootCAs: ours.RootCAs, GetCertificate: noCertificate, GetClientCertificate: noClientCertificate}),
	} {
		stranger := open(t, &b, id, newRecorder(), func(c *Config) { c.DialTimeout = time.Second; change(c) })
		if _, err := stranger.Call(soon(t), 2, nil); !errors.Is(err, ErrNotSent) {
			t.Errorf("node %d: %v", id, err)
		}
	}
}

func noCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("none") }
func noClientCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return &tls.Certificate{}, nil
}
