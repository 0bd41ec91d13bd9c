package builtin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
)

// oneMachine calls a machine as a group would, without one.
type oneMachine struct {
	machine group.Machine
	index   uint64
}

func (o *oneMachine) Command(_ context.Context, _ string, command []byte, _ ...group.CallOption) ([]byte, error) {
	o.index++
	return answer(o.machine.Apply(group.Meta{Index: o.index, Time: time.Unix(0, int64(o.index))}, command))
}

func (o *oneMachine) Query(_ context.Context, _ string, query []byte, _ ...group.CallOption) ([]byte, error) {
	return answer(o.machine.Query(query))
}

func answer(result []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, &group.MachineError{Text: err.Error()}
	}
	return result, nil
}

func snapshot(t testing.TB, m group.Machine) []byte {
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

var ctx = context.Background()

func TestCounterAddsAndNeverOverflows(t *testing.T) {
	c := &oneMachine{machine: Counters.NewMachine()}
	for _, step := range []struct {
		add, sum int64
		err      error
	}{
		{5, 5, nil}, {-7, -2, nil}, {math.MinInt64, 0, ErrOverflow}, {math.MaxInt64, math.MaxInt64 - 2, nil}, {3, 0, ErrOverflow}, {2, math.MaxInt64, nil},
	} {
		sum, err := Add.Call(ctx, c, "c", step.add)
		if sum != step.sum || !errors.Is(err, step.err) {
			t.Fatalf("add %d: %d, %v; want %d, %v", step.add, sum, err, step.sum, step.err)
		}
	}
	if v, err := Get.Call(ctx, c, "c", group.None{}); v != math.MaxInt64 || err != nil {
		t.Fatal(v, err)
	}
}

func TestTypesAreDistinct(t *testing.T) {
	var names []string
	for _, typ := range Types() {
		names = append(names, typ.TypeName())
	}
	if !slices.Equal(names, []string{"counter", "kv"}) {
		t.Fatal(names)
	}
}

func TestStoreRefusesBadKeysAndValues(t *testing.T) {
	c := &oneMachine{machine: Stores.NewMachine()}
	for _, key := range []string{"", "\xff", strings.Repeat("k", MaxKeyBytes+1)} {
		_, put := Put.Call(ctx, c, "s", PutArgument{key, "v"})
		_, get := Read.Call(ctx, c, "s", KeyArgument{key})
		_, del := Delete.Call(ctx, c, "s", KeyArgument{key})
		_, cas := CompareAndSet.Call(ctx, c, "s", CompareAndSetArgument{Key: key})
		for _, err := range []error{put, get, del, cas} {
			if !errors.Is(err, ErrKey) {
				t.Errorf("key of %d bytes: %v", len(key), err)
			}
		}
	}
	for _, value := range []string{"\xff", strings.Repeat("v", MaxValueBytes+1)} {
		if _, err := Put.Call(ctx, c, "s", PutArgument{"k", value}); !errors.Is(err, ErrValue) {
			t.Errorf("value of %d bytes: %v", len(value), err)
		}
	}
	version, value := uint64(0), ""
	for _, a := range []CompareAndSetArgument{{Key: "k"}, {Key: "k", ExpectVersion: &version, ExpectValue: &value}} {
		if _, err := CompareAndSet.Call(ctx, c, "s", a); !errors.Is(err, ErrExpectation) {
			t.Errorf("%+v: %v", a, err)
		}
	}
}

// TestVersionsAreNeverGivenTwice: a compare-and-set against a key that was deleted and made again fails.
func TestVersionsAreNeverGivenTwice(t *testing.T) {
	c := &oneMachine{machine: Stores.NewMachine()}
	first, err := Put.Call(ctx, c, "s", PutArgument{"k", "a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Delete.Call(ctx, c, "s", KeyArgument{"k"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Put.Call(ctx, c, "s", PutArgument{"k", "a"}); err != nil {
		t.Fatal(err)
	}
	got, err := CompareAndSet.Call(ctx, c, "s", CompareAndSetArgument{Key: "k", ExpectVersion: &first.Version, Value: "b"})
	if err != nil || got.Swapped || got.Current.Value != "a" || got.Current.Version <= first.Version {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestStoreSpeaksJSON(t *testing.T) {
	c := &oneMachine{machine: Stores.NewMachine()}
	for _, step := range []struct {
		op, in, out string
		query       bool
	}{
		{"put", `{"key":"a/1","value":"x"}`, `{"version":1}`, false},
		{"cas", `{"key":"a/2","expect_version":0,"value":"y"}`, `{"swapped":true,"current":{"key":"a/2","value":"y","found":true,"version":2}}`, false},
		{"cas", `{"key":"a/2","expect_version":0,"value":"z"}`, `{"swapped":false,"current":{"key":"a/2","value":"y","found":true,"version":2}}`, false},
		{"cas", `{"key":"a/1","expect_value":"x","value":"z"}`, `{"swapped":true,"current":{"key":"a/1","value":"z","found":true,"version":3}}`, false},
		{"get", `{"key":"b"}`, `{"key":"b","value":"","found":false,"version":0}`, true},
		{"list", ``, `{"items":[{"key":"a/1","value":"z","found":true,"version":3},{"key":"a/2","value":"y","found":true,"version":2}],"more":false}`, true},
		{"list", `{"limit":1}`, `{"items":[{"key":"a/1","value":"z","found":true,"version":3}],"more":true}`, true},
		{"list", `{"prefix":"b"}`, `{"items":[],"more":false}`, true},
		{"delete", `{"key":"a/1"}`, `{"deleted":true}`, false},
		{"delete", `{"key":"a/1"}`, `{"deleted":false}`, false},
	} {
		out, err := group.CallJSON(ctx, c, Stores, "s", step.op, []byte(step.in), step.query)
		if err != nil || string(out) != step.out {
			t.Errorf("%s %s:\n%s, %v\nwant\n%s", step.op, step.in, out, err, step.out)
		}
	}
}

func TestListIsBoundedInItemsAndBytes(t *testing.T) {
	c := &oneMachine{machine: Stores.NewMachine()}
	for i := range MaxListLimit + 1 {
		if _, err := Put.Call(ctx, c, "s", PutArgument{fmt.Sprintf("k%05d", i), "v"}); err != nil {
			t.Fatal(err)
		}
	}
	for limit, want := range map[int]int{0: DefaultListLimit, -1: DefaultListLimit, 5: 5, math.MaxInt: MaxListLimit} {
		page, err := List.Call(ctx, c, "s", ListArgument{Limit: limit})
		if err != nil || len(page.Items) != want || !page.More {
			t.Errorf("limit %d: %d items, more %t, %v", limit, len(page.Items), page.More, err)
		}
	}
	large := strings.Repeat("x", MaxListBytes*2/3)
	for i := range 3 {
		if _, err := Put.Call(ctx, c, "s", PutArgument{fmt.Sprintf("large%d", i), large}); err != nil {
			t.Fatal(err)
		}
	}
	if page, err := List.Call(ctx, c, "s", ListArgument{Prefix: "large"}); err != nil || len(page.Items) != 1 || !page.More {
		t.Errorf("large values: %d items, more %t, %v", len(page.Items), page.More, err)
	}
}

// TestStoreAgainstAMap compares every answer with a plain map, pages through lists, and takes the store through
// snapshots, one of which is written while the store goes on changing.
func TestStoreAgainstAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &oneMachine{machine: Stores.NewMachine()}
		model := map[string]Item{}
		revision := uint64(0)
		key := rapid.StringOfN(rapid.RuneFrom([]rune("abé")), 1, 3, -1)
		value := rapid.StringN(0, 4, 16)
		must := func(err error) {
			if err != nil {
				t.Fatalf("%v", err)
			}
		}
		lookup := func(k string) Item {
			if i, ok := model[k]; ok {
				return i
			}
			return Item{Key: k}
		}
		set := func(k, v string) Item {
			revision++
			model[k] = Item{Key: k, Value: v, Found: true, Version: revision}
			return model[k]
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, v := key.Draw(t, "key"), value.Draw(t, "value")
				got, err := Put.Call(ctx, c, "s", PutArgument{k, v})
				must(err)
				if want := set(k, v); got.Version != want.Version {
					t.Fatalf("put %q: %+v, want %+v", k, got, want)
				}
			},
			"delete": func(t *rapid.T) {
				k := key.Draw(t, "key")
				got, err := Delete.Call(ctx, c, "s", KeyArgument{k})
				must(err)
				if want := lookup(k).Found; got.Deleted != want {
					t.Fatalf("delete %q: %+v", k, got)
				} else if want {
					delete(model, k)
					revision++
				}
			},
			"cas": func(t *rapid.T) {
				a := CompareAndSetArgument{Key: key.Draw(t, "key"), Value: value.Draw(t, "value")}
				now := lookup(a.Key)
				var swap bool
				if rapid.Bool().Draw(t, "by version") {
					version := now.Version + uint64(rapid.IntRange(0, 1).Draw(t, "off"))
					a.ExpectVersion, swap = &version, version == now.Version
				} else {
					expect := rapid.OneOf(value, rapid.Just(now.Value)).Draw(t, "expect")
					a.ExpectValue, swap = &expect, now.Found && expect == now.Value
				}
				got, err := CompareAndSet.Call(ctx, c, "s", a)
				must(err)
				if swap {
					now = set(a.Key, a.Value)
				}
				if got.Swapped != swap || got.Current != now {
					t.Fatalf("cas %+v: %+v, want %t %+v", a, got, swap, now)
				}
			},
			"get": func(t *rapid.T) {
				k := key.Draw(t, "key")
				got, err := Read.Call(ctx, c, "s", KeyArgument{k})
				must(err)
				if got != lookup(k) {
					t.Fatalf("get %q: %+v", k, got)
				}
			},
			"list": func(t *rapid.T) {
				a := ListArgument{Prefix: rapid.OneOf(rapid.Just(""), key).Draw(t, "prefix"), Limit: rapid.IntRange(1, 4).Draw(t, "limit")}
				a.After = rapid.OneOf(rapid.Just(""), key).Draw(t, "after")
				var want, got []Item
				for k, i := range model {
					if strings.HasPrefix(k, a.Prefix) && k > a.After {
						want = append(want, i)
					}
				}
				slices.SortFunc(want, func(x, y Item) int { return strings.Compare(x.Key, y.Key) })
				for more := true; more; {
					page, err := List.Call(ctx, c, "s", a)
					must(err)
					if len(page.Items) > a.Limit {
						t.Fatalf("%d items in a page of %d", len(page.Items), a.Limit)
					}
					if got, more = append(got, page.Items...), page.More; more {
						a.After = page.Items[len(page.Items)-1].Key
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("list %+v:\n%+v\nwant\n%+v", a, got, want)
				}
			},
			"snapshot": func(t *rapid.T) {
				write, err := c.machine.Snapshot()
				must(err)
				_, err = Put.Call(ctx, &oneMachine{machine: c.machine}, "s", PutArgument{"zz", "after the snapshot"})
				must(err)
				var b bytes.Buffer
				must(write(&b))
				c.machine = Stores.NewMachine()
				must(c.machine.Restore(bytes.NewReader(b.Bytes())))
				write, err = c.machine.Snapshot()
				must(err)
				var again bytes.Buffer
				must(write(&again))
				if !bytes.Equal(b.Bytes(), again.Bytes()) {
					t.Fatalf("not the same after a restore:\n%x\n%x", b.Bytes(), again.Bytes())
				}
			},
		})
	})
}

func TestRestoreRefusesWhatIsNotAStore(t *testing.T) {
	c := &oneMachine{machine: Stores.NewMachine()}
	for _, k := range []string{"a", "b"} {
		if _, err := Put.Call(ctx, c, "s", PutArgument{k, "v"}); err != nil {
			t.Fatal(err)
		}
	}
	good := snapshot(t, c.machine)
	restore := func(b []byte) error { return Stores.NewMachine().Restore(bytes.NewReader(b)) }
	for n := range good {
		if err := restore(good[:n]); err == nil {
			t.Errorf("cut to %d of %d bytes: accepted", n, len(good))
		}
	}
	if err := restore(append(bytes.Clone(good), 0)); !errors.Is(err, group.ErrMalformed) {
		t.Errorf("one byte too many: %v", err)
	}
	swapped := bytes.Clone(good)
	swapped[bytes.IndexByte(swapped, 'a')], swapped[bytes.IndexByte(swapped, 'b')] = 'b', 'a'
	if err := restore(swapped); !errors.Is(err, group.ErrMalformed) || !strings.Contains(err.Error(), "order") {
		t.Errorf("keys out of order: %v", err)
	}
	newer := bytes.Clone(good)
	newer[2] = 9 // behind the two bytes that say who encoded it
	if err := restore(newer); !errors.Is(err, group.ErrUnknownVersion) {
		t.Errorf("a newer format: %v", err)
	}
	broken := errors.New("broken")
	write, err := c.machine.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := write(brokenWriter{broken}); !errors.Is(err, broken) {
		t.Errorf("a writer that fails: %v", err)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func FuzzRestoreStore(f *testing.F) {
	c := &oneMachine{machine: Stores.NewMachine()}
	for _, k := range []string{"a", "b"} {
		if _, err := Put.Call(ctx, c, "s", PutArgument{k, "v"}); err != nil {
			f.Fatal(err)
		}
	}
	state := snapshot(f, c.machine)
	const version = 2 // where the store's own stands, behind the header of a state
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("two-keys", state)
	seeds.Bytes("no-keys", snapshot(f, Stores.NewMachine()))
	seeds.Add("empty", []byte{})
	seeds.Add("old-version", fuzzseeds.With(state, version, storeFormat-1))
	seeds.Add("later-version", fuzzseeds.With(state, version, storeFormat+1))
	seeds.Add("huge-count", append(state[:version+1:version+1], 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01))
	seeds.Add("huge-key", append(state[:version+1:version+1], 9, 1, 0xff, 0xff, 0xff, 0xff, 0x0f))
	seeds.Add("huge-value", append(state[:version+1:version+1], 9, 1, 1, 'a', 0xff, 0xff, 0xff, 0xff, 0x0f))
	seeds.Add("keys-out-of-order", append(state[:version+1:version+1], 9, 2, 1, 'b', 0, 1, 1, 'a', 0, 1))
	seeds.Add("version-beyond-the-revision", append(state[:version+1:version+1], 0, 1, 1, 'b', 0, 1))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := Stores.NewMachine()
		var err error
		const each = 128 // beside one value, which may be read before it is known to be there
		fuzzseeds.Bounded(t, MaxValueBytes/each+len(b), each, func() { err = m.Restore(bytes.NewReader(b)) })
		if err != nil {
			return
		}
		first := snapshot(t, m)
		again := Stores.NewMachine()
		if err := again.Restore(bytes.NewReader(first)); err != nil || !reflect.DeepEqual(first, snapshot(t, again)) {
			t.Fatalf("a restored store is not stable: %v", err)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	m := Stores.NewMachine()
	capture := &capturing{}
	_, _ = Put.Call(ctx, capture, "s", PutArgument{"a key", "a value"})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Apply(group.Meta{}, capture.command); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSnapshotOf100000(b *testing.B) {
	c := &oneMachine{machine: Stores.NewMachine()}
	for i := range 100_000 {
		if _, err := Put.Call(ctx, c, "s", PutArgument{fmt.Sprintf("key-%08d", i), "value"}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		write, err := c.machine.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		if err := write(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// capturing keeps the bytes of a command.
type capturing struct{ command []byte }

func (c *capturing) Command(_ context.Context, _ string, command []byte, _ ...group.CallOption) ([]byte, error) {
	c.command = command
	return nil, errors.New("only captured")
}

func (c *capturing) Query(context.Context, string, []byte, ...group.CallOption) ([]byte, error) {
	return nil, errors.New("only captured")
}
