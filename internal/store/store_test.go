package store

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	small = bytes.Repeat([]byte("small "), 100)
	large = bytes.Repeat([]byte("a large body "), 20_000) // 260 KB: a file
)

func openTest(t testing.TB, dir string) *disk {
	t.Helper()
	s, err := Open(dir, Options{Name: "anna", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.(*disk)
}

func reopen(t testing.TB, d *disk) *disk {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return openTest(t, d.dir)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func key(group, member int) Key {
	return Key{ident.GroupID(group), ident.MemberID(member)}
}

func snapshotAt(index uint64) Snapshot {
	return Snapshot{Index: index, Term: 1 + index/100, Config: []byte("voters"), ConfigIndex: 1}
}

func save(t testing.TB, s Store, k Key, at Snapshot, body []byte) error {
	t.Helper()
	w, err := s.CreateSnapshot(k)
	must(t, err)
	// Two unequal parts, so that parts meet the limit at odd places.
	for _, part := range [][]byte{body[:len(body)/3], body[len(body)/3:]} {
		_, err := w.Write(part)
		must(t, err)
	}
	return w.Commit(at)
}

// expectSnapshot reads the member's snapshot to its end and compares all of it.
func expectSnapshot(t testing.TB, s Store, k Key, at Snapshot, body []byte) {
	t.Helper()
	at.Size, at.CRC = int64(len(body)), crc32.Checksum(body, castagnoli)
	info, found, err := s.SnapshotInfo(k)
	must(t, err)
	if !found || !reflect.DeepEqual(info, at) {
		t.Fatalf("SnapshotInfo %+v, %v; want %+v", info, found, at)
	}
	opened, r, err := s.OpenSnapshot(k)
	must(t, err)
	defer r.Close()
	got, err := io.ReadAll(r)
	must(t, err)
	if !reflect.DeepEqual(opened, at) || !bytes.Equal(got, body) {
		t.Fatalf("OpenSnapshot %+v with %d bytes; want %+v", opened, len(got), at)
	}
}

func bodyFiles(t testing.TB, dir string) []string {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(dir, snapshotsName))
	must(t, err)
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

// Both stores keep the same promises.
func both(t *testing.T, test func(t *testing.T, s Store)) {
	t.Run("disk", func(t *testing.T) { test(t, openTest(t, filepath.Join(t.TempDir(), "data"))) })
	t.Run("memory", func(t *testing.T) {
		s := OpenMemory("anna")
		test(t, s)
		must(t, s.Close())
	})
}

func TestIdentity(t *testing.T) {
	both(t, func(t *testing.T, s Store) {
		id := s.Identity()
		if id.Node == 0 || id.Fleet != 0 || id.Name != "anna" {
			t.Fatalf("a new folder is %+v", id)
		}
		id.Fleet = 7
		must(t, s.SetIdentity(id))
		for _, wrong := range []Identity{{id.Node + 1, 7, "anna"}, {id.Node, 8, "anna"}, {id.Node, 0, "anna"}} {
			wantError(t, s.SetIdentity(wrong), ErrIdentity)
		}
		if got := s.Identity(); got != id {
			t.Fatalf("%+v became %+v", id, got)
		}
	})
}

func TestMembers(t *testing.T) {
	both(t, func(t *testing.T, s Store) {
		must(t, s.PutMember(key(300, 1), []byte("c")))
		must(t, s.PutMember(key(2, 10), []byte("b")))
		must(t, s.PutMember(key(2, 9), []byte("x")))
		record := []byte("a")
		must(t, s.PutMember(key(2, 9), record))
		record[0] = '!'
		must(t, s.PutMember(key(4, 4), nil))
		want := []MemberRecord{
			{Key: key(2, 9), Record: []byte("a")}, {Key: key(2, 10), Record: []byte("b")},
			{Key: key(4, 4), Record: []byte{}}, {Key: key(300, 1), Record: []byte("c")},
		}
		got, err := s.Members()
		must(t, err)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v", got)
		}
	})
}

func TestDeleteMemberTakesItsSnapshotAndIsIdempotent(t *testing.T) {
	both(t, func(t *testing.T, s Store) {
		for i, body := range [][]byte{small, large} {
			k := key(2+i, 1)
			must(t, s.PutMember(k, []byte("record")))
			must(t, save(t, s, k, snapshotAt(5), body))
			writing, err := s.CreateSnapshot(k)
			must(t, err)
			writing.Write(body)
			_, reading, err := s.OpenSnapshot(k)
			must(t, err)

			for range 2 {
				must(t, s.DeleteMember(k))
			}
			if members, err := s.Members(); err != nil || len(members) != 0 {
				t.Fatal(members, err)
			}
			if _, found, err := s.SnapshotInfo(k); err != nil || found {
				t.Fatal(found, err)
			}
			_, _, err = s.OpenSnapshot(k)
			wantError(t, err, ErrNotFound)
			_, err = s.CreateSnapshot(k)
			wantError(t, err, ErrNotFound)
			wantError(t, writing.Commit(snapshotAt(9)), ErrNotFound)
			got, err := io.ReadAll(reading)
			if err != nil || !bytes.Equal(got, body) {
				t.Fatalf("the open snapshot of a deleted member: %d bytes, %v", len(got), err)
			}
			must(t, reading.Close())
			// A member that is made again begins without one.
			must(t, s.PutMember(k, []byte("again")))
			if _, found, _ := s.SnapshotInfo(k); found {
				t.Fatal("the snapshot came back")
			}
			must(t, s.DeleteMember(k))
		}
		if d, ok := s.(*disk); ok {
			if files := bodyFiles(t, d.dir); len(files) != 0 {
				t.Fatal(files)
			}
		}
	})
}

func TestSnapshotSizes(t *testing.T) {
	both(t, func(t *testing.T, s Store) {
		must(t, s.PutMember(key(2, 1), nil))
		for i, size := range []int{0, 1, inlineLimit - 1, inlineLimit, inlineLimit + 1, 3*inlineLimit + 7, 0, len(large)} {
			body := bytes.Repeat(large, 1+size/len(large))[:size]
			must(t, save(t, s, key(2, 1), snapshotAt(uint64(i+1)), body))
			expectSnapshot(t, s, key(2, 1), snapshotAt(uint64(i+1)), body)
			if d, ok := s.(*disk); ok {
				want := 0
				if size > inlineLimit {
					want = 1
				}
				if files := bodyFiles(t, d.dir); len(files) != want {
					t.Fatalf("%d bytes: files %v", size, files)
				}
			}
		}
	})
}

func TestHazard25_SnapshotNeverGoesBack(t *testing.T) {
	both(t, func(t *testing.T, s Store) {
		for i, body := range [][]byte{small, large} {
			k := key(2+i, 1)
			must(t, s.PutMember(k, nil))
			must(t, save(t, s, k, Snapshot{Index: 10, Term: 3}, body))
			wantError(t, save(t, s, k, Snapshot{Index: 9, Term: 3}, large), ErrStale)
			wantError(t, save(t, s, k, Snapshot{Index: 11, Term: 2}, small), ErrStale)
			want := Snapshot{Index: 10, Term: 3, Config: []byte{}}
			expectSnapshot(t, s, k, want, body)
			must(t, save(t, s, k, Snapshot{Index: 10, Term: 3}, append([]byte("x"), body...)))
			expectSnapshot(t, s, k, want, append([]byte("x"), body...))
		}
		if d, ok := s.(*disk); ok {
			if files := bodyFiles(t, d.dir); len(files) != 1 {
				t.Fatal(files)
			}
		}
	})
}

func TestCommitChecksWhatWasAnnounced(t *testing.T) {
	both(t, func(t *testing.T, s Store) {
		k := key(2, 1)
		must(t, s.PutMember(k, nil))
		for _, body := range [][]byte{small, large} {
			at := snapshotAt(1)
			at.Size = int64(len(body)) + 1
			wantError(t, save(t, s, k, at, body), ErrCorrupt)
			at.Size, at.CRC = int64(len(body)), 1
			wantError(t, save(t, s, k, at, body), ErrCorrupt)
		}
		if _, found, _ := s.SnapshotInfo(k); found {
			t.Fatal("it was taken")
		}
		at := snapshotAt(1)
		at.Size, at.CRC = int64(len(large)), crc32.Checksum(large, castagnoli)
		must(t, save(t, s, k, at, large))
	})
}

func TestWriterEndsOnce(t *testing.T) {
	both(t, func(t *testing.T, s Store) {
		must(t, s.PutMember(key(2, 1), nil))
		for _, body := range [][]byte{small, large} {
			w, err := s.CreateSnapshot(key(2, 1))
			must(t, err)
			w.Write(body)
			must(t, w.Commit(snapshotAt(1)))
			w.Abort()
			wantError(t, w.Commit(snapshotAt(2)), os.ErrClosed)
			_, err = w.Write(body)
			wantError(t, err, os.ErrClosed)
			expectSnapshot(t, s, key(2, 1), snapshotAt(1), body)

			w, err = s.CreateSnapshot(key(2, 1))
			must(t, err)
			w.Write(body)
			w.Abort()
			w.Abort()
			expectSnapshot(t, s, key(2, 1), snapshotAt(1), body)
		}
		if d, ok := s.(*disk); ok {
			if files := bodyFiles(t, d.dir); len(files) != 1 {
				t.Fatal(files)
			}
		}
	})
}

func TestValuesAndCheckpoint(t *testing.T) {
	both(t, func(t *testing.T, s Store) {
		_, err := s.Get("drain")
		wantError(t, err, ErrNotFound)
		must(t, s.Put("drain", []byte("on")))
		must(t, s.Put("floor", []byte{}))
		if v, err := s.Get("drain"); err != nil || string(v) != "on" {
			t.Fatal(v, err)
		}
		if v, err := s.Get("floor"); err != nil || v == nil || len(v) != 0 {
			t.Fatal(v, err)
		}
		for range 2 {
			must(t, s.Put("drain", nil))
		}
		_, err = s.Get("drain")
		wantError(t, err, ErrNotFound)

		if b, err := s.LoadCheckpoint(); b != nil || err != nil {
			t.Fatal(b, err)
		}
		must(t, s.SaveCheckpoint([]byte("one")))
		must(t, s.SaveCheckpoint([]byte("two")))
		if b, err := s.LoadCheckpoint(); string(b) != "two" || err != nil {
			t.Fatal(b, err)
		}
	})
}

func TestLimitsAreNamed(t *testing.T) {
	both(t, func(t *testing.T, s Store) {
		must(t, s.PutMember(key(2, 1), nil))
		wantError(t, s.PutMember(key(0, 1), nil), ErrInvalid)
		wantError(t, s.PutMember(key(1, 0), nil), ErrInvalid)
		wantError(t, s.DeleteMember(key(1, 0)), ErrInvalid)
		wantError(t, s.PutMember(key(1, 1), make([]byte, MaxRecordBytes+1)), ErrInvalid)
		wantError(t, s.Put("", nil), ErrInvalid)
		wantError(t, s.Put(string(make([]byte, MaxKeyBytes+1)), nil), ErrInvalid)
		wantError(t, s.Put("k", make([]byte, MaxValueBytes+1)), ErrInvalid)
		wantError(t, save(t, s, key(2, 1), Snapshot{}, small), ErrInvalid)
		wantError(t, save(t, s, key(2, 1), Snapshot{Index: 1, Config: make([]byte, MaxConfigBytes+1)}, large), ErrInvalid)
		must(t, save(t, s, key(2, 1), Snapshot{Index: 1, Config: make([]byte, MaxConfigBytes)}, large))
		id := s.Identity()
		id.Name = string([]byte{0xff})
		wantError(t, s.SetIdentity(id), ErrInvalid)
	})
}

func TestClosed(t *testing.T) {
	both(t, func(t *testing.T, s Store) {
		k := key(2, 1)
		must(t, s.PutMember(k, nil))
		must(t, save(t, s, k, snapshotAt(1), large))
		_, reading, err := s.OpenSnapshot(k)
		must(t, err)
		unfinished, err := s.CreateSnapshot(k)
		must(t, err)
		unfinished.Write(large)
		for range 2 {
			must(t, s.Close())
		}
		wantError(t, s.PutMember(k, nil), ErrClosed)
		wantError(t, s.DeleteMember(k), ErrClosed)
		wantError(t, s.Put("k", []byte("v")), ErrClosed)
		wantError(t, s.SaveCheckpoint(nil), ErrClosed)
		wantError(t, unfinished.Commit(snapshotAt(2)), ErrClosed)
		_, err = s.Members()
		wantError(t, err, ErrClosed)
		_, err = s.Get("k")
		wantError(t, err, ErrClosed)
		_, err = s.LoadCheckpoint()
		wantError(t, err, ErrClosed)
		_, _, err = s.SnapshotInfo(k)
		wantError(t, err, ErrClosed)
		_, _, err = s.OpenSnapshot(k)
		wantError(t, err, ErrClosed)
		_, err = s.CreateSnapshot(k)
		wantError(t, err, ErrClosed)
		if got, err := io.ReadAll(reading); err != nil || !bytes.Equal(got, large) {
			t.Fatalf("the open snapshot after Close: %d bytes, %v", len(got), err)
		}
		must(t, reading.Close())
	})
}

// Many members start at the same time: every write is there after a restart.
func TestConcurrentWritersShareTransactions(t *testing.T) {
	const members = 2000
	d := openTest(t, t.TempDir())
	before := transactions(t, d)
	var all sync.WaitGroup
	for i := range members {
		all.Go(func() {
			k := key(2+i, 1)
			if err := d.PutMember(k, fmt.Append(nil, i)); err != nil {
				t.Error(err)
				return
			}
			if err := save(t, d, k, snapshotAt(1), fmt.Append(nil, "state ", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := transactions(t, d) - before; n > members/4 {
		t.Errorf("%d transactions for %d writes", n, 2*members)
	}
	d = reopen(t, d)
	got, err := d.Members()
	must(t, err)
	if len(got) != members {
		t.Fatal(len(got))
	}
	for i, r := range got {
		if r.Key != key(2+i, 1) || string(r.Record) != fmt.Sprint(i) {
			t.Fatalf("%+v", r)
		}
		expectSnapshot(t, d, r.Key, snapshotAt(1), fmt.Append(nil, "state ", i))
	}
}

// Readers of a snapshot that newer ones replace get one of them, whole, with the
// index that belongs to it.
func TestHazard15_IndexAndBodyChangeTogether(t *testing.T) {
	both(t, func(t *testing.T, s Store) {
		k := key(2, 1)
		must(t, s.PutMember(k, nil))
		bodyOf := func(index uint64) []byte { // small and large in turn
			return bytes.Repeat(fmt.Appendf(nil, "%08d", index), 5000+int(index%3)*5000)
		}
		must(t, save(t, s, k, snapshotAt(1), bodyOf(1)))
		done := make(chan struct{})
		var readers sync.WaitGroup
		for range 3 {
			readers.Go(func() {
				var last uint64
				for {
					at, r, err := s.OpenSnapshot(k)
					if err != nil {
						t.Error(err)
						return
					}
					got, err := io.ReadAll(r)
					r.Close()
					if err != nil || !bytes.Equal(got, bodyOf(at.Index)) || at.Index < last {
						t.Errorf("index %d after %d: %d bytes, %v", at.Index, last, len(got), err)
						return
					}
					last = at.Index
					select {
					case <-done:
						return
					default:
					}
				}
			})
		}
		for index := uint64(2); index < 100; index++ {
			must(t, save(t, s, k, snapshotAt(index), bodyOf(index)))
		}
		close(done)
		readers.Wait()
	})
}

// Writers of one member race: the newest wins and nothing is left over.
func TestConcurrentCommitsOfOneMember(t *testing.T) {
	d := openTest(t, t.TempDir())
	k := key(2, 1)
	must(t, d.PutMember(k, nil))
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			err := save(t, d, k, snapshotAt(uint64(i/2+1)), append([]byte{byte(i)}, large...))
			if err != nil && !errors.Is(err, ErrStale) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	at, found, err := d.SnapshotInfo(k)
	if err != nil || !found || at.Index != 15 {
		t.Fatal(at, found, err)
	}
	if files := bodyFiles(t, d.dir); len(files) != 1 {
		t.Fatal(files)
	}
}
