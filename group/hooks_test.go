package group

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// newHookedCluster gives each node hooks of its own for the type "sum".
func newHookedCluster(t *testing.T, nodes int, hooks func(ident.NodeID) Hooks) *cluster {
	c := newCluster(t, 0)
	for i := range nodes {
		id := ident.NodeID(i + 1)
		c.types = []Type{WithHooks(sumType, hooks(id))}
		c.nodes[id] = &testNode{c: c, id: id, fs: wal.NewMemFS(), store: store.OpenMemory(fmt.Sprint(id))}
		c.start(id)
	}
	return c
}

// diary is what one node's hooks were told, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

func (d *diary) has(line string) bool { return slices.Contains(d.all(), line) }

func (d *diary) count(beginning string) (n int) {
	for _, l := range d.all() {
		if strings.HasPrefix(l, beginning) {
			n++
		}
	}
	return n
}

func asNumber(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func (d *diary) hooks() Hooks {
	return Hooks{
		OnElected:       func(g string, term uint64) { d.note("elected %s %d", g, term) },
		OnDeposed:       func(g string, term uint64) { d.note("deposed %s %d", g, term) },
		OnMemberAdded:   func(g string, n ident.NodeID) { d.note("added %s %d", g, n) },
		OnMemberRemoved: func(g string, n ident.NodeID) { d.note("removed %s %d", g, n) },
		OnRestored:      func(g string, index uint64) { d.note("restored %s %t", g, index > 0) },
		OnCommand: func(g string, meta Meta, command, result []byte, err error) {
			if meta.Index == 0 || meta.Time.IsZero() {
				d.note("no meta")
			}
			d.note("command %s %d=%d %v", g, asNumber(command), asNumber(result), err)
		},
		OnQuery: func(g string, q, result []byte, err error) { d.note("query %s %d %v", g, asNumber(result), err) },
	}
}

func newDiaries(nodes int) map[ident.NodeID]*diary {
	all := make(map[ident.NodeID]*diary)
	for i := range nodes {
		all[ident.NodeID(i+1)] = &diary{}
	}
	return all
}

func (c *cluster) handOver(g ident.GroupID, to ident.NodeID) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("node %s is handed the leadership", to), func() bool {
		from := c.leader(g)
		if from == to {
			return true
		}
		moved := make(chan error, 1)
		c.host(from).Transfer(g, to, func(err error) { moved <- err })
		return <-moved == nil
	})
}

func (c *cluster) termOn(id ident.NodeID, g ident.GroupID) uint64 {
	info, _ := c.host(id).Info(g)
	return info.Term
}

func TestHooksAreToldWhatHappens(t *testing.T) {
	diaries := newDiaries(3)
	c := newHookedCluster(t, 3, func(id ident.NodeID) Hooks { return diaries[id].hooks() })
	c.add(g1, "sum", quick, 1, 2, 3)
	c.handOver(g1, 1)
	term := c.termOn(1, g1)
	c.eventually("the leader is told that it leads", func() bool { return diaries[1].has(fmt.Sprintf("elected g7 %d", term)) })

	session := c.register(g1)
	p := Proposal{ID: CommandID{Session: session, Sequence: 1}, Body: number(3)}
	c.command(g1, p)
	c.command(g1, p) // answered from the session
	if _, err := c.try(1, g1, Proposal{Body: []byte("short")}); err == nil {
		t.Fatal("the machine took a command that it refuses")
	}
	c.query(g1)
	want := []string{"command g7 3=3 <nil>", "command g7 0=0 want eight bytes", "query g7 3 <nil>"}
	if got := diaries[1].all(); !slices.Equal(got[len(got)-3:], want) {
		t.Fatalf("the leader's hooks were told %q, want %q at the end", got, want)
	}

	c.handOver(g1, 2)
	c.eventually("both are told of the handover", func() bool {
		return diaries[1].has(fmt.Sprintf("deposed g7 %d", term)) && diaries[2].has(fmt.Sprintf("elected g7 %d", c.termOn(2, g1)))
	})
	c.command(g1, Proposal{Body: number(1)})
	if !diaries[2].has("command g7 1=4 <nil>") || diaries[1].has("command g7 1=4 <nil>") || diaries[3].count("command") != 0 {
		t.Fatalf("commands are told on the leader alone: %q, %q, %q", diaries[1].all(), diaries[2].all(), diaries[3].all())
	}
	for id, d := range diaries {
		if d.has("no meta") {
			t.Errorf("node %s: a command without its place and time", id)
		}
	}

	c.eventually("node 3 has everything", func() bool { return c.local(3, g1) == 4 })
	c.stop(3)
	c.types = []Type{WithHooks(sumType, diaries[3].hooks())}
	c.start(3)
	c.eventually("a member that resumes is told so", func() bool { return diaries[3].has("restored g7 true") })
	if diaries[1].count("restored") != 0 {
		t.Fatal("a member that began was told that it resumed")
	}
}

func TestHooksAreToldOfMembers(t *testing.T) {
	diaries := newDiaries(4)
	c := newHookedCluster(t, 4, func(id ident.NodeID) Hooks { return diaries[id].hooks() })
	c.add(g1, "sum", quick, 1, 2, 3)
	c.handOver(g1, 1)
	c.command(g1, Proposal{Body: number(1)})
	spec, _ := c.host(1).Spec(g1)
	spec.Member = 4
	if err := c.host(4).Start(spec); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		change consensus.Change
		line   string
	}{
		{consensus.Change{AddLearners: []consensus.Member{{ID: 4, Node: 4}}}, "added g7 4"},
		{consensus.Change{Remove: []consensus.MemberID{3}}, "removed g7 3"},
	} {
		c.eventually(step.line, func() bool {
			h := c.host(c.leader(g1))
			s, err := h.Status(t.Context(), g1)
			if err != nil {
				return false
			}
			result := make(chan error, 1)
			h.Change(g1, step.change, s.Core.ConfigIndex, func(err error) { result <- err })
			<-result
			return diaries[c.leader(g1)].has(step.line)
		})
	}
	for id, d := range diaries {
		if d.count("added g7 4") > 1 || d.count("removed g7 3") > 1 {
			t.Errorf("node %s was told twice: %q", id, d.all())
		}
	}
}

// stay is a WhileLeading that says when it begins and ends, and returns only when it is let.
type stay struct {
	diary
	began, ended chan uint64
	leave        chan struct{}
}

func newStays(nodes int) map[ident.NodeID]*stay {
	all := make(map[ident.NodeID]*stay)
	for i := range nodes {
		all[ident.NodeID(i+1)] = &stay{began: make(chan uint64, 64), ended: make(chan uint64, 64), leave: make(chan struct{}, 64)}
	}
	return all
}

func (s *stay) hooks() Hooks {
	return Hooks{WhileLeading: func(ctx context.Context, g string, term uint64) {
		s.note("began %d", term)
		s.began <- term
		<-ctx.Done()
		s.ended <- term
		<-s.leave
		s.note("left %d", term)
	}}
}

// closing lets every WhileLeading go, so that the hosts can be closed.
func closing(t *testing.T, stays map[ident.NodeID]*stay) {
	t.Cleanup(func() {
		for _, s := range stays {
			close(s.leave)
		}
	})
}

func TestWhileLeadingEndsWithATransfer(t *testing.T) {
	stays := newStays(3)
	c := newHookedCluster(t, 3, func(id ident.NodeID) Hooks { return stays[id].hooks() })
	closing(t, stays)
	c.add(g1, "sum", quick, 1, 2, 3)
	first := c.leader(g1)
	second := first%3 + 1
	term := <-stays[first].began
	c.handOver(g1, second)
	if ended := <-stays[first].ended; ended != term {
		t.Fatalf("the leadership of term %d ended, want that of %d", ended, term)
	}
	if next := <-stays[second].began; next <= term {
		t.Fatalf("the next leadership has term %d after %d", next, term)
	}

	// The first one leads again, and its earlier run has not returned yet.
	c.handOver(g1, first)
	<-stays[second].ended
	c.command(g1, Proposal{Body: number(1)})
	if n := stays[first].count("began"); n != 1 {
		t.Fatalf("WhileLeading began %d times before it returned once", n)
	}
	stays[first].leave <- struct{}{}
	again := <-stays[first].began
	if got, want := stays[first].all(), []string{fmt.Sprintf("began %d", term), fmt.Sprintf("left %d", term), fmt.Sprintf("began %d", again)}; !slices.Equal(got, want) {
		t.Fatalf("WhileLeading ran as %q, want %q", got, want)
	}
}

// A leadership that came and went while the run before it had not returned is skipped.
func TestWhileLeadingSkipsALeadershipThatIsOver(t *testing.T) {
	stays := newStays(3)
	c := newHookedCluster(t, 3, func(id ident.NodeID) Hooks { return stays[id].hooks() })
	closing(t, stays)
	c.add(g1, "sum", quick, 1, 2, 3)
	first := c.leader(g1)
	second := first%3 + 1
	<-stays[first].began
	c.handOver(g1, second)
	<-stays[second].began
	c.handOver(g1, first)
	c.command(g1, Proposal{Body: number(1)}) // the first one serves again
	c.handOver(g1, second)
	c.command(g1, Proposal{Body: number(1)})
	stays[first].leave <- struct{}{}
	c.handOver(g1, first)
	now := <-stays[first].began
	if n := stays[first].count("began"); n != 2 || now != c.termOn(first, g1) {
		t.Fatalf("WhileLeading ran as %q in term %d", stays[first].all(), c.termOn(first, g1))
	}
}

func TestWhileLeadingEndsWhereTheQuorumIsLost(t *testing.T) {
	stays := newStays(3)
	c := newHookedCluster(t, 3, func(id ident.NodeID) Hooks { return stays[id].hooks() })
	closing(t, stays)
	c.add(g1, "sum", quick, 1, 2, 3)
	old := c.leader(g1)
	term := <-stays[old].began
	c.cutOff(old, true)
	// Nobody can tell it that another leads: it finds out by itself.
	if ended := <-stays[old].ended; ended != term {
		t.Fatalf("the leadership of term %d ended, want that of %d", ended, term)
	}
	c.eventually("another leads", func() bool { return c.leader(g1) != old })
	next := c.leader(g1)
	if began := <-stays[next].began; began <= term {
		t.Fatalf("the next leadership has term %d after %d", began, term)
	}
	c.cutOff(old, false)
}

func TestWhileLeadingEndsWithItsMember(t *testing.T) {
	stays := newStays(1)
	c := newHookedCluster(t, 1, func(id ident.NodeID) Hooks { return stays[id].hooks() })
	closing(t, stays)
	c.add(g1, "sum", quick, 1)
	<-stays[1].began
	if err := c.host(1).Destroy(g1); err != nil {
		t.Fatal(err)
	}
	<-stays[1].ended
	stays[1].leave <- struct{}{}
	c.add(8, "sum", quick, 1)
	<-stays[1].began
	stays[1].leave <- struct{}{}
	c.stop(1) // returns only because the context ended
	<-stays[1].ended
}

// syncBuffer is a buffer that hooks of several goroutines log to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestPanickingHooksDoNoHarm(t *testing.T) {
	said := &syncBuffer{}
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(said, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	all := Hooks{
		OnElected:       func(string, uint64) { panic("as planned") },
		OnDeposed:       func(string, uint64) { panic("as planned") },
		OnMemberAdded:   func(string, ident.NodeID) { panic("as planned") },
		OnMemberRemoved: func(string, ident.NodeID) { panic("as planned") },
		OnRestored:      func(string, uint64) { panic("as planned") },
		OnCommand:       func(string, Meta, []byte, []byte, error) { panic("as planned") },
		OnQuery:         func(string, []byte, []byte, error) { panic("as planned") },
		WhileLeading:    func(context.Context, string, uint64) { panic("as planned") },
	}
	c := newHookedCluster(t, 3, func(ident.NodeID) Hooks { return all })
	c.add(g1, "sum", quick, 1, 2, 3)
	c.command(g1, Proposal{Body: number(1)})
	c.handOver(g1, c.leader(g1)%3+1)
	c.command(g1, Proposal{Body: number(1)})
	late := c.leader(g1)
	c.stop(late)
	c.start(late)
	c.command(g1, Proposal{Body: number(1)})
	if n := c.query(g1); n != 3 {
		t.Fatalf("the sum is %d, want 3", n)
	}
	c.eventually("every member has applied everything", func() bool { return c.local(1, g1) == 3 && c.local(2, g1) == 3 && c.local(3, g1) == 3 })
	for id := range c.nodes {
		if info, ok := c.host(id).Info(g1); !ok || info.Failed != nil {
			t.Errorf("node %s: %+v", id, info)
		}
	}
	for _, hook := range []string{"OnElected", "OnDeposed", "OnRestored", "OnCommand", "OnQuery"} {
		if !strings.Contains(said.String(), "hook="+hook) {
			t.Errorf("the panic of %s was not logged", hook)
		}
	}
	hooks := all.contained()
	hooks.OnMemberAdded("g", 1)
	hooks.OnMemberRemoved("g", 1)
}

func TestHookedTypesKeepTheirOperations(t *testing.T) {
	var told []string
	d := newJSONType().Hooks(Hooks{OnElected: func(string, uint64) { told = append(told, "definition") }})
	typ := WithHooks(d, Hooks{OnElected: func(string, uint64) { told = append(told, "with") }})
	if typ.TypeName() != "json" || len(Operations(typ)) != len(Operations(d)) || len(Operations(typ)) == 0 {
		t.Fatalf("%s has operations %+v", typ.TypeName(), Operations(typ))
	}
	c := &machineCaller{machine: typ.NewMachine()}
	if out, err := CallJSON(t.Context(), c, typ, "g", "length", []byte(`"four"`), true); err != nil || string(out) != "4" {
		t.Errorf("a query of a type with hooks: %s, %v", out, err)
	}
	if _, err := CallJSON(t.Context(), c, WithHooks(sumType, Hooks{}), "g", "length", nil, true); !errors.Is(err, ErrNoJSON) {
		t.Errorf("a raw type with hooks has JSON: %v", err)
	}
	d.GroupHooks().OnElected("g", 1)
	typ.(hooked).GroupHooks().OnElected("g", 1)
	WithHooks(typ, Hooks{OnElected: func(string, uint64) { told = append(told, "outer") }}).(hooked).GroupHooks().OnElected("g", 1)
	if want := []string{"definition", "with", "outer"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if h := Define("plain", func() *tally { return &tally{} }).GroupHooks(); h != nil {
		t.Errorf("a type without hooks has %+v", h)
	}
	for name, f := range map[string]func(){
		"late":    func() { d.Hooks(Hooks{}) },
		"no type": func() { WithHooks(nil, Hooks{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
