package group

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
)

// machineCaller calls one machine through the encoding that a group uses for answers.
type machineCaller struct {
	machine Machine
	index   uint64
	options []CallOption // of the last call
	wrap    func(error) error
}

func (c *machineCaller) Command(_ context.Context, _ string, command []byte, opts ...CallOption) ([]byte, error) {
	c.index++
	c.options = opts
	return c.answer(c.machine.Apply(Meta{Index: c.index, Time: time.Unix(0, int64(c.index))}, command))
}

func (c *machineCaller) Query(_ context.Context, _ string, query []byte, opts ...CallOption) ([]byte, error) {
	c.options = opts
	return c.answer(c.machine.Query(query))
}

func (c *machineCaller) answer(result []byte, err error) ([]byte, error) {
	result, err = decodeResult(encodeResult(nil, result, err))
	if err != nil && c.wrap != nil {
		err = c.wrap(err)
	}
	return result, err
}

type tally struct {
	Counts map[string]int64
	Log    []string
}

var errNegative = errors.New("negative")

type tallyOps struct {
	definition *Definition[tally]
	add        *CommandOp[tally, tallyAdd, int64]
	clear      *CommandOp[tally, None, None]
	count      *QueryOp[tally, string, int64]
}

type tallyAdd struct {
	Name string
	N    int64
}

func newTally() tallyOps {
	d := Define("tally", func() *tally { return &tally{Counts: map[string]int64{"made": 1}} }).Errors(errNegative)
	return tallyOps{
		definition: d,
		add: Command(d, "add", func(s *tally, a tallyAdd) (int64, error) {
			if a.N < 0 {
				return 0, fmt.Errorf("add to %s: %w", a.Name, errNegative)
			}
			if a.N > 1000 {
				return 0, errors.New("too many")
			}
			s.Counts[a.Name] += a.N
			s.Log = append(s.Log, a.Name)
			return s.Counts[a.Name], nil
		}),
		clear: Command(d, "clear", func(s *tally, _ None) (None, error) {
			clear(s.Counts)
			return None{}, nil
		}),
		count: Query(d, "count", func(s *tally, name string) (int64, error) { return s.Counts[name], nil }),
	}
}

func TestTypedCallsReachTheState(t *testing.T) {
	ctx, ops := context.Background(), newTally()
	c := &machineCaller{machine: ops.definition.NewMachine()}
	if n, err := ops.add.Call(ctx, c, "g", tallyAdd{"a", 5}); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := ops.add.Call(ctx, c, "g", tallyAdd{"a", 7}, WithCommandID(CommandID{1, 2})); n != 12 || err != nil {
		t.Fatal(n, err)
	}
	if got := ResolveOptions(c.options).CommandID; got != (CommandID{1, 2}) {
		t.Fatalf("the options did not get through: %v", got)
	}
	if n, err := ops.count.Call(ctx, c, "g", "a", Local()); n != 12 || err != nil || ResolveOptions(c.options).Read != ReadLocal {
		t.Fatal(n, err)
	}
	if _, err := ops.clear.Call(ctx, c, "g", None{}); err != nil {
		t.Fatal(err)
	}
	if n, err := ops.count.Call(ctx, c, "g", "a"); n != 0 || err != nil {
		t.Fatal(n, err)
	}
}

// TestTypedQueriesRunConcurrently is for the race detector: queries share the state, the type and its encoders.
func TestTypedQueriesRunConcurrently(t *testing.T) {
	ctx, ops := context.Background(), newTally()
	machine := ops.definition.NewMachine()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				c := &machineCaller{machine: machine}
				if n, err := ops.count.Call(ctx, c, "g", "made"); n != 1 || err != nil {
					t.Errorf("query %d: %d, %v", i, n, err)
					return
				}
				if out, err := CallJSON(ctx, c, ops.definition, "g", "count", []byte(`"made"`), true); string(out) != "1" || err != nil {
					t.Errorf("query %d: %s, %v", i, out, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestTypedErrorsKeepTheirIdentity(t *testing.T) {
	ctx, ops := context.Background(), newTally()
	c := &machineCaller{machine: ops.definition.NewMachine()}

	_, err := ops.add.Call(ctx, c, "g", tallyAdd{"a", -1})
	var machine *MachineError
	if !errors.As(err, &machine) || machine.Op != "add" || machine.Text != "add to a: negative" || !errors.Is(err, errNegative) || OutcomeOf(err) != Final {
		t.Fatalf("a registered error: %#v", err)
	}
	_, err = ops.add.Call(ctx, c, "g", tallyAdd{"a", 1001})
	if !errors.As(err, &machine) || machine.Text != "too many" || errors.Is(err, errNegative) {
		t.Fatalf("another error: %#v", err)
	}

	c.wrap = func(err error) error {
		return &CallError{Op: "command", Group: "g", Attempts: 1, Outcome: Final, Err: err}
	}
	_, err = ops.add.Call(ctx, c, "g", tallyAdd{"a", -1})
	var call *CallError
	if !errors.As(err, &machine) || machine.Op != "add" || !errors.Is(err, errNegative) || !errors.As(err, &call) || call.Attempts != 1 {
		t.Fatalf("a wrapped error: %#v", err)
	}
}

func TestTypedMachineRefusesWhatItDoesNotKnow(t *testing.T) {
	ops := newTally()
	m := ops.definition.NewMachine()
	for name, command := range map[string][]byte{
		"nothing":           nil,
		"no name":           {0},
		"name cut short":    {5, 'a'},
		"argument missing":  appendOperation(nil, "add"),
		"argument wrong":    append(appendOperation(nil, "add"), 0xc3),
		"argument too long": append(appendOperation(nil, "add"), 0xc0, 0xc0),
		"none is not none":  append(appendOperation(nil, "clear"), 0xc0),
	} {
		result, err := m.Apply(Meta{}, command)
		if result != nil || !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%s: %v, %v", name, result, err)
		}
	}
	for _, op := range []string{"unknown", "count"} {
		if _, err := m.Apply(Meta{}, appendOperation(nil, op)); !errors.Is(err, ErrUnknownOperation) {
			t.Errorf("command %q: %v", op, err)
		}
	}
	if _, err := m.Query(appendOperation(nil, "add")); !errors.Is(err, ErrUnknownOperation) {
		t.Errorf("a command as a query: %v", err)
	}
}

func snapshotOf(t testing.TB, m Machine) []byte {
	t.Helper()
	write, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestTypedSnapshotIsTheStateAtItsIndex: later commands do not show in it, and what new puts into a state does not
// come back when it was removed.
func TestTypedSnapshotIsTheStateAtItsIndex(t *testing.T) {
	ctx, ops := context.Background(), newTally()
	c := &machineCaller{machine: ops.definition.NewMachine()}
	for i := range 20 {
		if _, err := ops.add.Call(ctx, c, "g", tallyAdd{fmt.Sprint(i), 1}); err != nil {
			t.Fatal(err)
		}
	}
	before := snapshotOf(t, c.machine)
	write, err := c.machine.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ops.clear.Call(ctx, c, "g", None{}); err != nil {
		t.Fatal(err)
	}
	var late bytes.Buffer
	if err := write(&late); err != nil || !bytes.Equal(before, late.Bytes()) {
		t.Fatalf("a snapshot changed after it was taken: %v", err)
	}

	cleared := snapshotOf(t, c.machine)
	restored := ops.definition.NewMachine()
	if err := restored.Restore(bytes.NewReader(cleared)); err != nil {
		t.Fatal(err)
	}
	if again := snapshotOf(t, restored); !bytes.Equal(cleared, again) {
		t.Fatalf("not the same after a restore:\n%x\n%x", cleared, again)
	}
	if n, err := ops.count.Call(ctx, &machineCaller{machine: restored}, "g", "made"); n != 0 || err != nil {
		t.Fatalf("an entry that was removed came back: %d, %v", n, err)
	}

	state, err := ops.definition.DecodeState(before)
	if err != nil || len(state.Counts) != 21 || len(state.Log) != 20 {
		t.Fatalf("%+v, %v", state, err)
	}
	if encoded, err := ops.definition.EncodeState(state); err != nil || !bytes.Equal(encoded, before) {
		t.Fatalf("encoded by hand: %x, %v", encoded, err)
	}
}

func TestTypedRestoreRefusesOtherFormats(t *testing.T) {
	ops := newTally()
	m := ops.definition.NewMachine()
	good := snapshotOf(t, m)
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":          {nil, ErrMalformed},
		"a newer format":   {append([]byte{2}, good[1:]...), ErrUnknownVersion},
		"another encoding": {append([]byte{1, 2}, good[2:]...), ErrUnknownVersion},
		"unknown encoding": {append([]byte{1, 9}, good[2:]...), ErrUnknownVersion},
		"cut short":        {good[:len(good)-1], ErrMalformed},
		"too long":         {append(bytes.Clone(good), 0), ErrMalformed},
	} {
		if err := m.Restore(bytes.NewReader(c.b)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("broken")
	if err := m.Restore(io.MultiReader(bytes.NewReader(good[:2]), &brokenReader{broken})); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
}

type brokenReader struct{ err error }

func (r *brokenReader) Read([]byte) (int, error) { return 0, r.err }

// cloned is a state that can be copied, and has a part that is derived from the rest.
type cloned struct {
	Names  []string
	byName map[string]int `msgpack:"-"`
	clones *int           `msgpack:"-"`
}

func (c *cloned) Clone() *cloned {
	*c.clones++
	return &cloned{Names: append([]string(nil), c.Names...)}
}

func (c *cloned) Rebuild() error {
	c.byName = map[string]int{}
	for i, name := range c.Names {
		if _, taken := c.byName[name]; taken {
			return errors.New("twice the same name")
		}
		c.byName[name] = i
	}
	return nil
}

func TestTypedStateMayCloneAndRebuild(t *testing.T) {
	clones := 0
	d := Define("cloned", func() *cloned { return &cloned{clones: &clones, byName: map[string]int{}} })
	add := Command(d, "add", func(s *cloned, name string) (None, error) {
		s.byName[name] = len(s.Names)
		s.Names = append(s.Names, name)
		return None{}, nil
	})
	where := Query(d, "where", func(s *cloned, name string) (int, error) { return s.byName[name], nil })
	ctx, c := context.Background(), &machineCaller{machine: d.NewMachine()}
	for _, name := range []string{"a", "b", "c"} {
		if _, err := add.Call(ctx, c, "g", name); err != nil {
			t.Fatal(err)
		}
	}
	b := snapshotOf(t, c.machine)
	if clones != 1 {
		t.Fatalf("%d clones", clones)
	}
	if err := c.machine.Restore(bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	if i, err := where.Call(ctx, c, "g", "c"); i != 2 || err != nil {
		t.Fatal(i, err)
	}
	twice, err := d.EncodeState(&cloned{Names: []string{"a", "a"}, clones: &clones})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.DecodeState(twice); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Fatalf("Rebuild's error: %v", err)
	}
}

// handwritten is a state that writes its snapshots itself; nothing in it could be encoded.
type handwritten struct {
	text string
}

func (h *handwritten) Snapshot() (func(io.Writer) error, error) {
	text := h.text
	if text == "refuse" {
		return nil, errNegative
	}
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }, nil
}

func (h *handwritten) Restore(r io.Reader) error {
	b, err := io.ReadAll(r)
	h.text = string(b)
	return err
}

func TestTypedStateMayWriteItsOwnSnapshots(t *testing.T) {
	d := Define("handwritten", func() *handwritten { return &handwritten{} })
	set := Command(d, "set", func(h *handwritten, text string) (string, error) {
		was := h.text
		h.text = text
		return was, nil
	})
	ctx, c := context.Background(), &machineCaller{machine: d.NewMachine()}
	if _, err := set.Call(ctx, c, "g", "hello"); err != nil {
		t.Fatal(err)
	}
	b := snapshotOf(t, c.machine)
	c = &machineCaller{machine: d.NewMachine()}
	if err := c.machine.Restore(bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	if was, err := set.Call(ctx, c, "g", "refuse"); was != "hello" || err != nil {
		t.Fatal(was, err)
	}
	if _, err := c.machine.Snapshot(); !errors.Is(err, errNegative) {
		t.Fatalf("its own error: %v", err)
	}
	if state, err := d.DecodeState(b); err != nil || state.text != "hello" {
		t.Fatal(state, err)
	}
	if err := c.machine.Restore(strings.NewReader("\x01\x01")); !errors.Is(err, ErrUnknownVersion) {
		t.Fatalf("a msgpack snapshot: %v", err)
	}
	if err := c.machine.Restore(strings.NewReader("\x01")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("a short snapshot: %v", err)
	}
}

func TestDefinitionsAreCheckedAtProgramStart(t *testing.T) {
	newState := func() *tally { return new(tally) }
	fn := func(*tally, None) (None, error) { return None{}, nil }
	for name, c := range map[string]struct {
		define func()
		want   string
	}{
		"no name":     {func() { Define("", newState) }, "the name is empty"},
		"long name":   {func() { Define(strings.Repeat("x", 201), newState) }, "201 bytes"},
		"bad UTF-8":   {func() { Define("\xff", newState) }, "UTF-8"},
		"control":     {func() { Define("a\nb", newState) }, "printable"},
		"space":       {func() { Define(" a", newState) }, "space"},
		"no function": {func() { Define[tally]("a", nil) }, "new is nil"},
		"state":       {func() { Define("a", func() *struct{ A any } { return nil }) }, "implement group.Snapshotter"},
		"raw":         {func() { RawType("a", nil) }, "new is nil"},
		"argument": {func() {
			Command(Define("a", newState), "b", func(*tally, chan int) (None, error) { return None{}, nil })
		}, "the argument can not be sent"},
		"result":         {func() { Query(Define("a", newState), "b", func(*tally, None) (func(), error) { return nil, nil }) }, "the result can not be sent"},
		"operation name": {func() { Command(Define("a", newState), strings.Repeat("x", 101), fn) }, "101 bytes"},
		"no command":     {func() { Command[tally, None, None](Define("a", newState), "b", nil) }, "nil"},
		"no meta":        {func() { CommandWithMeta[tally, None, None](Define("a", newState), "b", nil) }, "nil"},
		"no query":       {func() { Query[tally, None, None](Define("a", newState), "b", nil) }, "nil"},
		"twice": {func() {
			d := Define("a", newState)
			Command(d, "b", fn)
			Query(d, "b", fn)
		}, "has an operation \"b\" already"},
		"too late": {func() {
			d := Define("a", newState)
			d.NewMachine()
			Command(d, "b", fn)
		}, "running already"},
		"same text":  {func() { Define("a", newState).Errors(errNegative, errors.New("negative")) }, "its own text"},
		"empty text": {func() { Define("a", newState).Errors(errors.New("")) }, "without text"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), c.want) {
					t.Fatalf("%v, want %q", p, c.want)
				}
			}()
			c.define()
		})
	}
}

type rawMachine struct{ Machine }

func TestRawType(t *testing.T) {
	made := 0
	raw := RawType("raw", func() Machine { made++; return rawMachine{} })
	if _, ok := raw.NewMachine().(rawMachine); !ok || made != 1 || raw.TypeName() != "raw" {
		t.Fatal(raw, made)
	}
	if _, err := CallJSON(context.Background(), nil, raw, "g", "op", nil, false); !errors.Is(err, ErrNoJSON) {
		t.Fatal(err)
	}
	if Operations(raw) != nil {
		t.Fatal("a raw type has no operations")
	}
}

func FuzzApply(f *testing.F) {
	ops := newTally()
	seeds := fuzzseeds.Seeds{}
	add := func(a tallyAdd) []byte {
		b, err := ops.add.typed.argument.encode(appendOperation(nil, "add"), &a)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	seeds.Bytes("add", add(tallyAdd{"x", 5}))
	seeds.Add("add-fails", add(tallyAdd{"x", -1}))
	seeds.Add("add-unknown-field", append(appendOperation(nil, "add"), 0x81, 0xa1, 'y', 5))
	seeds.Add("add-huge-length", append(appendOperation(nil, "add"), 0xdf, 0xff, 0xff, 0xff, 0xff))
	seeds.Add("clear", appendOperation(nil, "clear"))
	seeds.Add("count", append(appendOperation(nil, "count"), 0xa1, 'x'))
	seeds.Add("unknown-operation", appendOperation(nil, "subtract"))
	seeds.Add("name-beyond-the-end", []byte{0xff, 'a'})
	seeds.Add("empty", []byte{})
	m := ops.definition.NewMachine()
	if _, err := m.Apply(Meta{}, add(tallyAdd{"x", 5})); err != nil {
		f.Fatal(err)
	}
	state := snapshotOf(f, m)
	seeds.Bytes("state", state)
	seeds.Add("state-old-format", fuzzseeds.With(state, 0, stateFormat-1))
	seeds.Add("state-later-format", fuzzseeds.With(state, 0, stateFormat+1))
	seeds.Add("state-of-another-kind", fuzzseeds.With(state, 1, stateSnapshotter))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := ops.definition.NewMachine()
		before := snapshotOf(t, m)
		_, err := m.Apply(Meta{}, b)
		if err != nil && !bytes.Equal(before, snapshotOf(t, m)) {
			t.Fatalf("a command that failed changed the state: %v", err)
		}
		_, _ = m.Query(b)
		if err := m.Restore(bytes.NewReader(b)); err == nil {
			first := snapshotOf(t, m)
			if err := m.Restore(bytes.NewReader(first)); err != nil || !bytes.Equal(first, snapshotOf(t, m)) {
				t.Fatalf("a restored state is not stable: %v", err)
			}
		}
	})
}

func BenchmarkTypedApplyAdd(b *testing.B) {
	type counter struct{ Value int64 }
	d := Define("counter", func() *counter { return new(counter) })
	add := Command(d, "add", func(c *counter, n int64) (int64, error) { c.Value += n; return c.Value, nil })
	m := d.NewMachine()
	n := int64(1)
	command, err := add.typed.argument.encode(appendOperation(nil, "add"), &n)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Apply(Meta{}, command); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTypedApplyStruct(b *testing.B) {
	ops := newTally()
	m := ops.definition.NewMachine()
	command, err := ops.add.typed.argument.encode(appendOperation(nil, "add"), &tallyAdd{"a name", 0})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Apply(Meta{}, command); err != nil {
			b.Fatal(err)
		}
		m.(*stateMachine[tally]).state.Log = nil
	}
}

func BenchmarkTypedEncodeArgument(b *testing.B) {
	ops := newTally()
	arg := tallyAdd{"a name", 5}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ops.add.typed.argument.encode(appendOperation(make([]byte, 0, 64), "add"), &arg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTypedSnapshotSorted(b *testing.B) {
	ops := newTally()
	m := ops.definition.NewMachine()
	state := m.(*stateMachine[tally]).state
	for i := range 10_000 {
		state.Counts[fmt.Sprintf("name-%08d", i*7919%10_000)] = int64(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		write, err := m.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		if err := write(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
