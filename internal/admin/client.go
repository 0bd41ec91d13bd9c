package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// maxAnswerBytes bounds what the client reads of an answer.
const maxAnswerBytes = 64 << 20

// ClientOptions are the settings of a client. The zero value speaks plain HTTP.
type ClientOptions struct {
	// Token is sent as a bearer token when set.
	Token string
	// TLS, when set, makes the client speak https.
	TLS *tls.Config
	// DialTimeout bounds finding the node. Default 5 s.
	DialTimeout time.Duration
}

// Client asks one node. Its methods return *Error, whose kind is KindUnreachable
// when nobody answers at the address, KindUnavailable when a request that changes
// nothing was sent and its time was over, and KindUnknownOutcome when a change was
// sent and no whole answer came. A context's deadline is told to the node, so that it
// mostly answers with what it waited for just before.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// NewClient returns a client for the node at addr: host, host:port, or a URL with
// http or https. A missing port is that of DefaultAddr. It does not connect yet.
func NewClient(addr string, o ClientOptions) (*Client, error) {
	base, err := baseURL(addr, o.TLS != nil)
	if err != nil {
		return nil, err
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = 5 * time.Second
	}
	return &Client{base: base, token: o.Token, http: &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: o.DialTimeout}).DialContext,
			TLSClientConfig:     o.TLS,
			TLSHandshakeTimeout: o.DialTimeout,
			IdleConnTimeout:     time.Minute,
			ForceAttemptHTTP2:   true,
		},
		// The API never redirects; what does is not it, and must not get the token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func baseURL(addr string, secure bool) (string, error) {
	invalid := func(why string) error {
		return newError(KindInvalid, "give host:port, such as "+DefaultAddr, fmt.Sprintf("the address %q %s", addr, why))
	}
	scheme := "http"
	if secure {
		scheme = "https"
	}
	if !strings.Contains(addr, "://") {
		if ip := net.ParseIP(addr); ip != nil && ip.To4() == nil {
			addr = "[" + addr + "]"
		}
		addr = scheme + "://" + addr
	}
	u, err := url.Parse(addr)
	switch {
	case err != nil:
		return "", invalid("cannot be read")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", invalid("has a scheme that is neither http nor https")
	case u.Hostname() == "":
		return "", invalid("names no host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return "", invalid("has more than a host and a port")
	case secure && u.Scheme != "https":
		return "", invalid("is not https though TLS is configured")
	}
	port := u.Port()
	if port == "" {
		_, port, _ = net.SplitHostPort(DefaultAddr)
	} else if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", invalid("has no port from 1 to 65535")
	}
	return u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port), nil
}

// URL returns where the client asks.
func (c *Client) URL() string { return c.base }

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// segment escapes one segment of a path. "." and ".." would be taken for steps.
func segment(s string) string {
	if s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return url.PathEscape(s)
}

// operation is one request.
type operation struct {
	method  string
	path    []string // segments
	query   url.Values
	body    []byte
	changes bool
}

// do sends a request and returns the body of its success.
func (c *Client) do(ctx context.Context, o operation) ([]byte, error) {
	var target strings.Builder
	target.WriteString(c.base)
	for _, s := range o.path {
		if s == "" {
			return nil, newError(KindInvalid, "give it", "a name is missing")
		}
		target.WriteByte('/')
		target.WriteString(segment(s))
	}
	if len(o.query) > 0 {
		target.WriteByte('?')
		target.WriteString(o.query.Encode())
	}
	if len(o.body) > MaxBodyBytes {
		return nil, tooLarge()
	}
	var sent atomic.Bool // as soon as there was a connection, something may have gone out
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	r, err := http.NewRequestWithContext(ctx, o.method, target.String(), bytes.NewReader(o.body))
	if err != nil {
		return nil, newError(KindInvalid, "check the address and the names", err.Error())
	}
	r.Header.Set("Accept", "application/json")
	if o.method != http.MethodGet {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(AdminHeader, "1")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if end, bounded := ctx.Deadline(); bounded {
		left := time.Until(end)
		if left -= min(left/10, maxHeadStart); left > 0 {
			r.Header.Set(TimeoutHeader, left.String())
		}
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, c.transportError(err, sent.Load(), o.changes)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswerBytes+1))
	if err == nil && len(b) > maxAnswerBytes {
		err = fmt.Errorf("it is larger than %d bytes", maxAnswerBytes)
	}
	if err != nil {
		return nil, c.transportError(fmt.Errorf("the answer could not be read: %w", err), true, o.changes)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, c.answerError(answer, b, o.changes)
	}
	if !json.Valid(b) {
		return nil, c.foreign(answer)
	}
	return b, nil
}

// maxHeadStart is how much sooner than the caller the node gives up, at most.
const maxHeadStart = time.Second

func (c *Client) transportError(err error, sent, changes bool) error {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	out := newError(KindUnreachable, "check the address and that the node runs", fmt.Sprintf("no answer from the node at %s: %v", c.base, err))
	switch {
	case !changes && sent && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		out.Hint = "check that this is the admin address of a node: something else may be listening there"
	case sent && changes:
		out = newError(KindUnknownOutcome, kinds[KindUnknownOutcome].remedy, fmt.Sprintf("the node at %s took the request and did not answer, so it may have been done: %v", c.base, err))
	case sent && errors.Is(err, context.DeadlineExceeded):
		out = newError(KindUnavailable, "allow more time, ask another node, or look at the load of this one", fmt.Sprintf("the node at %s took the request and did not answer in time", c.base))
	}
	out.cause = err
	return out
}

// answerError reads an answer that is no success.
func (c *Client) answerError(answer *http.Response, b []byte, changes bool) error {
	var e Error
	if err := json.Unmarshal(b, &e); err != nil || e.Class == "" || e.Message == "" {
		if changes && answer.StatusCode >= http.StatusInternalServerError {
			// Perhaps a proxy that lost the node's answer.
			return c.transportError(fmt.Errorf("the answer was %s", answer.Status), true, true)
		}
		return c.foreign(answer)
	}
	e.Status = answer.StatusCode
	return &e
}

func (c *Client) foreign(answer *http.Response) error {
	return newError(KindUnreachable, "check the address: something else may be listening there", fmt.Sprintf("what answers at %s is not the admin API of a node (%s)", c.base, answer.Status)).withStatus(answer.StatusCode)
}

// getJSON asks for a value.
func getJSON[T any](ctx context.Context, c *Client, query url.Values, path ...string) (T, error) {
	return askJSON[T](ctx, c, operation{method: http.MethodGet, path: path, query: query})
}

// askJSON is getJSON for a question of any method.
func askJSON[T any](ctx context.Context, c *Client, o operation) (T, error) {
	var v T
	b, err := c.do(ctx, o)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, newError(KindInternal, "use the fleetctl of the same version as the node", fmt.Sprintf("the answer of the node at %s cannot be read: %v", c.base, err))
	}
	return v, nil
}

// change asks for something to be done.
func (c *Client) change(ctx context.Context, method string, query url.Values, body any, path ...string) error {
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			return newError(KindInvalid, "", err.Error())
		}
	}
	_, err := c.do(ctx, operation{method: method, path: path, query: query, body: b, changes: true})
	return err
}

// Status returns the state of the fleet.
func (c *Client) Status(ctx context.Context) (view.Status, error) {
	return getJSON[view.Status](ctx, c, nil, "v1", "status")
}

// Nodes lists the nodes of the fleet.
func (c *Client) Nodes(ctx context.Context) ([]view.Node, error) {
	return getJSON[[]view.Node](ctx, c, nil, "v1", "nodes")
}

// Node returns one node, by name or id, with what it hosts.
func (c *Client) Node(ctx context.Context, node string) (view.NodeDetail, error) {
	return getJSON[view.NodeDetail](ctx, c, nil, "v1", "nodes", node)
}

// CheckNode tells which groups would lose their quorum without the node now.
func (c *Client) CheckNode(ctx context.Context, node string) (view.NodeCheck, error) {
	return getJSON[view.NodeCheck](ctx, c, nil, "v1", "nodes", node, "check")
}

// GossipMembers lists whom the gossip of the asked node knows.
func (c *Client) GossipMembers(ctx context.Context) ([]view.GossipMember, error) {
	return getJSON[[]view.GossipMember](ctx, c, nil, "v1", "gossip", "members")
}

// Drain starts a drain; DrainProgress tells how far it is.
func (c *Client) Drain(ctx context.Context, node string) error {
	return c.change(ctx, http.MethodPost, nil, nil, "v1", "nodes", node, "drain")
}

// DrainProgress tells how far a drain is.
func (c *Client) DrainProgress(ctx context.Context, node string) (view.DrainProgress, error) {
	return getJSON[view.DrainProgress](ctx, c, nil, "v1", "nodes", node, "drain")
}

// Undrain makes a node active again.
func (c *Client) Undrain(ctx context.Context, node string) error {
	return c.change(ctx, http.MethodPost, nil, nil, "v1", "nodes", node, "undrain")
}

// Forget tells the fleet that a node will not return.
func (c *Client) Forget(ctx context.Context, node string, force bool) error {
	return c.change(ctx, http.MethodPost, nil, forgetBody{force}, "v1", "nodes", node, "forget")
}

// Groups lists one page of groups, at most MaxGroupsListed, in the order of their
// names; the next page comes after the last name. Limit 0 means as many as there may be.
func (c *Client) Groups(ctx context.Context, prefix, after string, limit int) ([]view.Group, error) {
	q := url.Values{}
	if prefix != "" {
		q.Set("prefix", prefix)
	}
	if after != "" {
		q.Set("after", after)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return getJSON[[]view.Group](ctx, c, q, "v1", "groups")
}

// Group returns one group as its leader sees it.
func (c *Client) Group(ctx context.Context, name string) (view.GroupStatus, error) {
	return getJSON[view.GroupStatus](ctx, c, nil, "v1", "groups", name)
}

// AddGroup adds a group and returns when it serves. With restore it starts with the
// state that was kept when it was removed.
func (c *Client) AddGroup(ctx context.Context, name, typeName string, replicas int, restore bool) error {
	return c.change(ctx, http.MethodPost, nil, addBody{typeName, replicas, restore}, "v1", "groups", name)
}

// RemoveGroup removes a group; with keep its last state stays as an archive.
func (c *Client) RemoveGroup(ctx context.Context, name string, keep bool) error {
	var q url.Values
	if keep {
		q = url.Values{"keep": {"true"}}
	}
	return c.change(ctx, http.MethodDelete, q, nil, "v1", "groups", name)
}

// TransferLeader makes another node lead a group.
func (c *Client) TransferLeader(ctx context.Context, group, to string) error {
	return c.change(ctx, http.MethodPost, nil, transferBody{to}, "v1", "groups", group, "transfer")
}

// RecoverGroup makes a group without quorum serve from what is left of it, which may
// lose acknowledged commands. confirm is its name again.
func (c *Client) RecoverGroup(ctx context.Context, name, confirm string) error {
	return c.change(ctx, http.MethodPost, nil, recoverBody{confirm}, "v1", "groups", name, "recover")
}

// Archives lists the states that were kept of removed groups.
func (c *Client) Archives(ctx context.Context) ([]view.Archive, error) {
	return getJSON[[]view.Archive](ctx, c, nil, "v1", "archives")
}

// DropArchive drops one of them for ever.
func (c *Client) DropArchive(ctx context.Context, name string) error {
	return c.change(ctx, http.MethodDelete, nil, nil, "v1", "archives", name)
}

// Call runs a command with a JSON argument, empty for none, and returns its JSON
// result. A commandID makes a retry apply once: that of the *Error whose outcome was unknown.
func (c *Client) Call(ctx context.Context, group, op string, argument []byte, commandID string) ([]byte, error) {
	q := url.Values{}
	if commandID != "" {
		q.Set("command_id", commandID)
	}
	return c.do(ctx, operation{method: http.MethodPost, path: []string{"v1", "groups", group, "call", op}, query: q, body: argument, changes: true})
}

// Query runs a query: linearizable, or with local from whatever the node has, or
// with stale > 0 not older than that.
func (c *Client) Query(ctx context.Context, group, op string, argument []byte, local bool, stale time.Duration) ([]byte, error) {
	q := url.Values{}
	if local {
		q.Set("local", "true")
	}
	if stale > 0 {
		q.Set("stale", stale.String())
	}
	return c.do(ctx, operation{method: http.MethodPost, path: []string{"v1", "groups", group, "query", op}, query: q, body: argument})
}

// Events returns what happened after the given event. With wait it waits for the
// first of them for half a minute or so and may then return none.
func (c *Client) Events(ctx context.Context, after uint64, wait bool) ([]view.Event, error) {
	q := url.Values{}
	if after > 0 {
		q.Set("after", strconv.FormatUint(after, 10))
	}
	if wait {
		q.Set("wait", "true")
	}
	return getJSON[[]view.Event](ctx, c, q, "v1", "events")
}

// Live returns an error of KindUnhealthy when the process should be restarted.
func (c *Client) Live(ctx context.Context) error {
	_, err := c.do(ctx, operation{method: http.MethodGet, path: []string{"livez"}})
	return err
}

// Ready returns an error of KindUnhealthy when the node should get no new work.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.do(ctx, operation{method: http.MethodGet, path: []string{"readyz"}})
	return err
}
