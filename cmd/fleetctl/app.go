package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/internal/admin"
)

const (
	outputTable = "table"
	outputJSON  = "json"
)

// app is what all commands share: the streams, the flags and the client.
type app struct {
	in                                   io.Reader
	out, errs                            io.Writer
	inTerminal, outTerminal, errTerminal bool
	env                                  func(string) string
	poll                                 time.Duration // between two looks at a drain

	addr, output  string
	noHeaders     bool
	timeout       time.Duration
	tokenFile     string
	ca, cert, key string
	connected     *admin.Client
}

func (a *app) checkFlags() error {
	switch {
	case a.output != outputTable && a.output != outputJSON:
		return usagef("use table or json", "--output is %q", a.output)
	case a.timeout <= 0:
		return usagef("use a duration such as 30s", "--timeout is %s", a.timeout)
	case (a.cert == "") != (a.key == ""):
		return usagef("give both or neither", "--cert and --key belong together")
	}
	return nil
}

func (a *app) json() bool { return a.output == outputJSON }

// client returns the client of the node that the flags name.
func (a *app) client() (*admin.Client, error) {
	if a.connected != nil {
		return a.connected, nil
	}
	addr := a.addr
	if addr == "" {
		addr = a.env("FLEET_ADDR")
	}
	if addr == "" {
		addr = admin.DefaultAddr
	}
	o := admin.ClientOptions{Token: a.env("FLEET_TOKEN")}
	if a.tokenFile != "" {
		b, err := os.ReadFile(a.tokenFile)
		if err != nil {
			return nil, usagef("give a file that can be read", "--token-file: %v", err)
		}
		o.Token = strings.TrimSpace(string(b))
	}
	var err error
	if o.TLS, err = a.tls(strings.HasPrefix(addr, "https://")); err != nil {
		return nil, err
	}
	a.connected, err = admin.NewClient(addr, o)
	return a.connected, err
}

func (a *app) tls(wanted bool) (*tls.Config, error) {
	if !wanted && a.ca == "" && a.cert == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.ca != "" {
		b, err := os.ReadFile(a.ca)
		if err != nil {
			return nil, usagef("give a file that can be read", "--ca: %v", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(b) {
			return nil, usagef("give a PEM file", "--ca: no certificate in %s", a.ca)
		}
	}
	if a.cert != "" {
		pair, err := tls.LoadX509KeyPair(a.cert, a.key)
		if err != nil {
			return nil, usagef("give PEM files that belong together", "--cert, --key: %v", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func (a *app) close() {
	if a.connected != nil {
		a.connected.Close()
	}
}

// request runs one request within the time that one may take.
func (a *app) request(ctx context.Context, do func(context.Context, *admin.Client) error) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	return do(ctx, c)
}

// fetch is request for a value.
func fetch[T any](ctx context.Context, a *app, get func(context.Context, *admin.Client) (T, error)) (T, error) {
	var v T
	err := a.request(ctx, func(ctx context.Context, c *admin.Client) (err error) {
		v, err = get(ctx, c)
		return err
	})
	return v, err
}

// say tells that a change is done: a sentence, or what was done as JSON.
func (a *app) say(done map[string]any, format string, args ...any) error {
	if a.json() {
		return a.printJSON(done)
	}
	_, err := fmt.Fprintln(a.out, oneLine(fmt.Sprintf(format, args...)))
	return err
}
