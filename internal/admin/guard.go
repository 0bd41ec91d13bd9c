package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// AdminHeader, with any value, may stand for the content type application/json on
// a request that changes something: a browser does not send it for another site.
const AdminHeader = "Raftfleet-Admin"

// guard decides who may ask.
type guard struct {
	token  [sha256.Size]byte // hashed, so that comparing takes the same time for every length
	want   bool              // a token is wanted
	hosts  map[string]bool   // names that a request may be addressed to; nil = any
	origin *http.CrossOriginProtection
}

func newGuard(o Options) *guard {
	g := &guard{origin: http.NewCrossOriginProtection()}
	if o.Token != "" {
		g.token, g.want = sha256.Sum256([]byte(o.Token)), true
	}
	if !g.want && !verifiesClients(o.TLS) {
		// Whoever asks proves nothing, so a page that points a name of its own at
		// this machine must be told from a caller on it.
		g.hosts = map[string]bool{"localhost": true}
		for _, h := range o.AllowedHosts {
			g.hosts[strings.ToLower(h)] = true
		}
	}
	return g
}

// check is asked for everything but health.
func (g *guard) check(r *http.Request) *Error {
	if g.want && !g.hasToken(r) {
		return newError(KindForbidden, "send the header Authorization: Bearer TOKEN with the token of this node; fleetctl takes it from --token-file or $FLEET_TOKEN", "the token is missing or wrong").withStatus(http.StatusUnauthorized)
	}
	if g.hosts != nil && !g.knowsHost(r.Host) {
		return newError(KindForbidden, "ask by a loopback address or localhost, or allow the name in the configuration", fmt.Sprintf("this node does not answer to the host name %q", r.Host)).withStatus(http.StatusMisdirectedRequest)
	}
	if !changesState(r.Method) {
		return nil
	}
	if err := g.origin.Check(r); err != nil {
		return newError(KindForbidden, "ask from outside a browser", "a request from another origin may not change anything")
	}
	if r.Header.Get(AdminHeader) != "" {
		return nil
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return newError(KindInvalid, "send the header Content-Type: application/json", "a request that changes something must say that it is JSON").withStatus(http.StatusUnsupportedMediaType)
	}
	return nil
}

func changesState(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}

func (g *guard) hasToken(r *http.Request) bool {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return ok && strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
}

func (g *guard) knowsHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if g.hosts[host] {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
