package gossip

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
	"github.com/raftfleet/raftfleet/internal/ident"
	"pgregory.net/rapid"
)

func sampleMeta() Meta {
	return Meta{
		Fleet: 0xfedcba9876543210, Node: 0x0123456789abcdef, Boot: 42, Name: "node-1", Zone: "eu-1",
		Wire: "10.0.0.1:7000", Admin: "10.0.0.1:7001", State: StateDraining, ProtocolMin: 1, ProtocolMax: 3, Founders: 3,
	}
}

func TestMetaLimitsNameTheField(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, c := range []struct {
		name   string
		change func(*Meta)
		want   string // in the error; empty: no error
	}{
		{"sample", func(*Meta) {}, ""},
		{"longest field", func(m *Meta) { m.Zone = long[:255] }, ""},
		{"name too long", func(m *Meta) { m.Name = long }, "Name has 256 bytes"},
		{"zone too long", func(m *Meta) { m.Zone = long }, "Zone has 256 bytes"},
		{"wire too long", func(m *Meta) { m.Wire = long }, "Wire has 256 bytes"},
		{"admin too long", func(m *Meta) { m.Admin = long }, "Admin has 256 bytes"},
		{"sum too long", func(m *Meta) { m.Zone, m.Name = long[:240], long[:241] }, "Name is the longest"},
		{"not printable", func(m *Meta) { m.Zone = "a\nb" }, "Zone is"},
		{"not UTF-8", func(m *Meta) { m.Wire = "\xff" }, "Wire is"},
		{"no node", func(m *Meta) { m.Node = 0 }, "Node is zero"},
		{"state", func(m *Meta) { m.State = 4 }, "State is 4"},
		{"protocol", func(m *Meta) { m.ProtocolMin = 4 }, "ProtocolMin 4"},
	} {
		m := sampleMeta()
		c.change(&m)
		err := m.Validate()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (!errors.Is(err, ErrMeta) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestMetaIsRefusedUpFront(t *testing.T) {
	w := newWorld(t)
	c := w.config(1)
	c.Meta.Zone = strings.Repeat("z", 300)
	if _, err := Start(c); !errors.Is(err, ErrMeta) || !errors.Is(err, ErrInvalidConfig) || !strings.Contains(err.Error(), "Zone") {
		t.Errorf("start: %v", err)
	}
	g := w.start(w.config(1))
	before := g.Self()
	err := g.UpdateMeta(func(m *Meta) { m.Admin = strings.Repeat("z", 300) })
	if !errors.Is(err, ErrMeta) || !strings.Contains(err.Error(), "Admin") || g.Self() != before {
		t.Errorf("update: %v", err)
	}
}

func TestMetaDecode(t *testing.T) {
	whole, err := sampleMeta().encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeMeta(append(slices.Clone(whole), "of a later release"...)); err != nil || got != sampleMeta() {
		t.Errorf("with fields of a later release: %+v, %v", got, err)
	}
	for n := range whole {
		if _, err := decodeMeta(whole[:n]); !errors.Is(err, ErrMeta) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	whole[0] = 2
	if _, err := decodeMeta(whole); err == nil || !strings.Contains(err.Error(), "version 2, this release reads version 1") {
		t.Errorf("unknown version: %v", err)
	}
}

func TestMetaRoundTrip(t *testing.T) {
	text := rapid.StringMatching(`[ -~äöü]{0,55}`)
	rapid.Check(t, func(t *rapid.T) {
		m := Meta{
			Fleet: ident.FleetID(rapid.Uint64().Draw(t, "fleet")), Node: ident.NodeID(rapid.Uint64Min(1).Draw(t, "node")),
			Boot: rapid.Uint64().Draw(t, "boot"), Name: text.Draw(t, "name"), Zone: text.Draw(t, "zone"),
			Wire: text.Draw(t, "wire"), Admin: text.Draw(t, "admin"), State: State(rapid.IntRange(0, 3).Draw(t, "state")),
			ProtocolMin: 2, ProtocolMax: rapid.Uint16Min(2).Draw(t, "max"), Founders: rapid.Byte().Draw(t, "founders"),
		}
		b, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeMeta(b); err != nil || got != m {
			t.Fatalf("%+v became %+v, %v", m, got, err)
		}
	})
}

func FuzzDecodeMeta(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	for name, m := range map[string]Meta{"whole": sampleMeta(), "least": {Node: 1}} {
		b, err := m.encode()
		if err != nil {
			f.Fatal(err)
		}
		seeds.Bytes(name, b)
		seeds.Add(name+"-old-version", fuzzseeds.With(b, 0, metaVersion-1))
		seeds.Add(name+"-later-version", fuzzseeds.With(b, 0, metaVersion+1))
		seeds.Add(name+"-with-later-fields", append(b, "later"...))
		seeds.Add(name+"-huge-length", fuzzseeds.With(b, metaFixed, 0xff))
		seeds.Add(name+"-unknown-state", fuzzseeds.With(b, 25, byte(StateLeaving)+1))
	}
	seeds.Add("empty", []byte{})
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Meta
		var err error
		fuzzseeds.Bounded(t, len(b), 16, func() { m, err = decodeMeta(b) })
		if err != nil {
			if !errors.Is(err, ErrMeta) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		again, err := m.encode()
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		if !slices.Equal(again, b[:len(again)]) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}

func TestProcessName(t *testing.T) {
	node, started, err := parseProcessName(processName(5, 1<<63))
	if node != 5 || started != 1<<63 || err != nil {
		t.Errorf("got %s, %d, %v", node, started, err)
	}
	for _, s := range []string{"", "host-1", "0000000000000005", "0000000000000005+8000000000000000",
		"000000000000000x-8000000000000000", "000000000000000A-8000000000000000", "0000000000000005-800000000000000x"} {
		if _, _, err := parseProcessName(s); err == nil {
			t.Errorf("%q was taken for a process", s)
		}
	}
}
