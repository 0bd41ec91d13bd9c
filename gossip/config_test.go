package gossip

import (
	"errors"
	"net"
	"strings"
	"testing"
)

func TestConfigNamesTheField(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(*Config)
	}{
		{"Meta", func(c *Config) { c.Meta.Node = 0 }},
		{"Bind", func(c *Config) { c.Bind = "7946" }},
		{"Bind", func(c *Config) { c.Bind = "" }},
		{"Bind", func(c *Config) { c.Bind = "[::]:0" }},
		{"Join[1]", func(c *Config) { c.Join = []string{"a:1", "a"} }},
		{"Join[0]", func(c *Config) { c.Join = []string{"a:0"} }},
		{"Join[0]", func(c *Config) { c.Join = []string{":1"} }},
		{"Keys[0]", func(c *Config) { c.Keys = [][]byte{{1}} }},
		{"RejoinInterval", func(c *Config) { c.RejoinInterval = -1 }},
		{"Advertise", func(c *Config) { c.Advertise = "0.0.0.0:1" }},
		{"Advertise", func(c *Config) { c.Advertise = "127.0.0.1:http" }},
	} {
		config := newWorld(t).config(1)
		c.change(&config)
		g, err := Start(config)
		if err == nil {
			g.Close()
		}
		if !errors.Is(err, ErrInvalidConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

func TestAdvertise(t *testing.T) {
	w := newWorld(t)
	c := w.config(1)
	c.Bind, c.Advertise = "0.0.0.0:0", "127.0.0.1"
	a := w.start(c)
	if host, port, _ := net.SplitHostPort(a.Addr()); host != "127.0.0.1" || port == "0" {
		t.Errorf("advertises %s", a.Addr())
	}
	b := w.start(w.config(2, a))
	w.await("reached", func() bool { return allSee([]*Gossip{a, b}, a, b) })

	c = w.config(3)
	c.Advertise = "192.0.2.1:99"
	if g := w.start(c); g.Addr() != "192.0.2.1:99" {
		t.Errorf("advertises %s", g.Addr())
	}
}

func TestBusyAddress(t *testing.T) {
	w := newWorld(t)
	c := w.config(2)
	c.Bind = w.start(w.config(1)).Addr()
	if _, err := Start(c); err == nil || !strings.Contains(err.Error(), c.Bind) {
		t.Errorf("bound twice: %v", err)
	}
}
