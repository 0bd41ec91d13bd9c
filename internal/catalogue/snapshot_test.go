package catalogue

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/iotest"

	"github.com/raftfleet/raftfleet/internal/ident"
)

func pipe(t testing.TB, m *Machine) io.Reader { return bytes.NewReader(snapshotOf(t, m)) }

func full(t testing.TB) *fixture {
	f := newFixture(t, 4)
	f.add("a", 1, 2, 3)
	b := f.add("b", 2, 3, 4)
	f.must(&AddGroup{Name: "c", Type: "t", Replicas: 1, Config: []byte{}, Initial: []byte("initial"), Members: []ident.NodeID{1}})
	f.must(&SetTargets{Targets: []Target{{Group: b.ID, IfEpoch: 1, Members: []ident.NodeID{1, 2}, Preferred: 1}}})
	f.must(&Report{Group: b.ID, Index: 9, Members: []Member{{1, 2}, {2, 3}, {4, 1}}})
	f.must(&RemoveGroup{Name: "a", Keep: &Archive{State: []byte("last"), Term: 1, Index: 2}})
	f.must(&SetSettings{Settings: map[string]string{"x": "1", "a": "2", "m": "3"}})
	return f
}

func TestSnapshotRestores(t *testing.T) {
	f := full(t)
	restored := New()
	if err := restored.Restore(iotest.OneByteReader(pipe(t, f.m))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(snapshotOf(t, f.m), snapshotOf(t, restored)) {
		t.Error("the restored state has another snapshot")
	}
	for name, pair := range map[string][2]any{
		"nodes":    {f.m.Nodes(), restored.Nodes()},
		"groups":   {f.m.Groups("", 0), restored.Groups("", 0)},
		"archives": {f.m.Archives(), restored.Archives()},
		"settings": {f.m.Settings(), restored.Settings()},
		"index":    {f.m.Index(), restored.Index()},
		"hosted":   {f.m.HostedBy(1), restored.HostedBy(1)},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %+v became %+v", name, pair[0], pair[1])
		}
	}
}

func TestSnapshotIsCapturedWhenCalled(t *testing.T) {
	f := full(t)
	want := snapshotOf(t, f.m)
	write := f.m.Snapshot()
	f.add("later", 1)
	f.must(&RemoveGroup{Name: "b"})
	f.must(&ForgetNode{ID: 4, Force: true})
	f.must(&DropArchive{Name: "a"})
	f.must(&SetSettings{Settings: map[string]string{"x": ""}})
	var got bytes.Buffer
	if err := write(&got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("what came later is in the snapshot")
	}
}

func TestDamagedSnapshotChangesNothing(t *testing.T) {
	f := full(t)
	whole := snapshotOf(t, f.m)
	m := newFixture(t, 2).m
	before := snapshotOf(t, m)
	refused := func(r io.Reader, want error) {
		t.Helper()
		if err := m.Restore(r); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		if !bytes.Equal(before, snapshotOf(t, m)) {
			t.Error("the state changed")
		}
	}
	for n := range whole {
		refused(bytes.NewReader(whole[:n]), ErrCorrupt)
	}
	refused(bytes.NewReader(append(bytes.Clone(whole), 0)), ErrCorrupt)
	refused(bytes.NewReader(append([]byte{snapshotVersion + 1}, whole[1:]...)), ErrVersion)
	broken := errors.New("disk gone")
	refused(iotest.ErrReader(broken), broken)
	refused(io.MultiReader(bytes.NewReader(whole), iotest.ErrReader(broken)), broken)
	if err := f.m.Snapshot()(brokenWriter{broken}); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }
