package gossip

import (
	"bytes"
	"errors"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func TestKeysKeepStrangersOut(t *testing.T) {
	w := newWorld(t)
	keyed := func(node ident.NodeID, keys ...[]byte) Config {
		c := w.config(node)
		c.Meta.Fleet, c.Keys = 1, keys
		return c
	}
	a := w.start(keyed(1, key('a')))
	b := keyed(2, key('a'))
	b.Join = []string{a.Addr()}
	second := w.start(b)
	w.await("same key", func() bool { return allSee([]*Gossip{a, second}, a, second) })
	for name, c := range map[string]Config{"wrong key": keyed(3, key('x')), "no key": keyed(4)} {
		stranger := w.start(c)
		if _, err := stranger.Join(t.Context(), []string{a.Addr()}); !errors.Is(err, ErrJoin) {
			t.Errorf("%s: joined: %v", name, err)
		}
		if _, err := a.Join(t.Context(), []string{stranger.Addr()}); !errors.Is(err, ErrJoin) {
			t.Errorf("%s: was joined: %v", name, err)
		}
		if len(stranger.Members()) != 1 || len(a.Members()) != 2 {
			t.Errorf("%s: got in", name)
		}
	}
}

func TestKeyIsChangedWhileRunning(t *testing.T) {
	w := newWorld(t)
	var nodes []*Gossip
	for i := range 3 {
		c := w.config(ident.NodeID(i+1), nodes[:min(i, 1)]...)
		c.Keys = [][]byte{key('a')}
		nodes = append(nodes, w.start(c))
	}
	w.await("all see all", func() bool { return allSee(nodes, nodes...) })
	for _, step := range []func(*Gossip) error{
		func(g *Gossip) error { return g.InstallKey(key('b')) },
		func(g *Gossip) error { return g.UseKey(key('b')) },
		func(g *Gossip) error { return g.RemoveKey(key('a')) },
	} {
		for _, g := range nodes {
			if err := step(g); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, g := range nodes {
		if err := g.UpdateMeta(func(m *Meta) { m.Zone = "new key" }); err != nil {
			t.Fatal(err)
		}
	}
	w.await("gossip goes on", func() bool { return allSee(nodes, nodes...) })
	old := w.config(9)
	old.Keys = [][]byte{key('a')}
	if _, err := w.start(old).Join(t.Context(), []string{nodes[0].Addr()}); !errors.Is(err, ErrJoin) {
		t.Errorf("joined with a removed key: %v", err)
	}
}

func TestKeyring(t *testing.T) {
	w := newWorld(t)
	c := w.config(1)
	c.Keys = [][]byte{key('a'), key('b')}
	g := w.start(c)
	for _, k := range []byte("cd") {
		if err := g.InstallKey(key(k)); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.InstallKey(key('d')); err != nil {
		t.Errorf("installing again: %v", err)
	}
	for what, err := range map[string]error{
		"install short":  g.InstallKey([]byte("short")),
		"use unknown":    g.UseKey(key('x')),
		"remove unknown": g.RemoveKey(key('x')),
		"remove primary": g.RemoveKey(key('a')),
	} {
		if !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", what, err)
		}
	}
	held := g.Keys()
	if err := g.RemoveKey(key('b')); err != nil { // not the last one
		t.Fatal(err)
	}
	if !bytes.Equal(held[1], key('b')) {
		t.Error("removing a key changed a list that was handed out")
	}
	got := g.Keys()
	if len(got) != 3 || !bytes.Equal(got[0], key('a')) || indexOf(got, key('b')) >= 0 {
		t.Errorf("keys after removal: %q", got)
	}
	got[0][0]++
	if !bytes.Equal(g.Keys()[0], key('a')) {
		t.Error("keys that were handed out are shared")
	}
	if err := g.UseKey(key('d')); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(g.Keys()[0], key('d')) {
		t.Error("the key in use is not the first")
	}

	clear := w.start(w.config(2))
	if clear.Keys() != nil {
		t.Error("keys without encryption")
	}
	for _, err := range []error{clear.InstallKey(key('a')), clear.UseKey(key('a')), clear.RemoveKey(key('a'))} {
		if !errors.Is(err, ErrNotEncrypted) {
			t.Errorf("without encryption: %v", err)
		}
	}
}
