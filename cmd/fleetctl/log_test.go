//go:build unix

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// dataFolder is a node's data folder while the node has it open.
type dataFolder struct {
	t     *testing.T
	dir   string
	store store.Store
	log   *wal.Log
}

func openFolder(t *testing.T, dir string) *dataFolder {
	t.Helper()
	s, err := store.Open(dir, store.Options{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := wal.Open(filepath.Join(dir, "wal"), wal.Options{Checkpoints: s, SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return &dataFolder{t, dir, s, l}
}

func (d *dataFolder) submit(fill func(*wal.Batch)) {
	d.t.Helper()
	b := d.log.NewBatch()
	fill(b)
	done := make(chan error, 1)
	if err := d.log.Submit(b, true, func(err error) { done <- err }); err != nil {
		d.t.Fatal(err)
	}
	if err := <-done; err != nil {
		d.t.Fatal(err)
	}
}

func (d *dataFolder) close() {
	d.t.Helper()
	if err := d.log.Close(); err != nil {
		d.t.Fatal(err)
	}
	if err := d.store.Close(); err != nil {
		d.t.Fatal(err)
	}
}

func logEntries(first uint64, term uint64, sizes ...int) []wal.Entry {
	var out []wal.Entry
	for i, n := range sizes {
		out = append(out, wal.Entry{Index: first + uint64(i), Term: term, Data: make([]byte, n)})
	}
	return out
}

// files is all that a look at the folder could change.
func files(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(&b, path, info.Mode(), info.ModTime().UnixNano(), info.Size())
		if e.Type().IsRegular() {
			content, err := os.ReadFile(path)
			b.Write(content)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sample makes a data folder whose node has stopped.
func sample(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	d := openFolder(t, dir)
	a, b, gone := wal.Member{Group: 0x10, ID: 1}, wal.Member{Group: 0x11, ID: 3}, wal.Member{Group: 0x12, ID: 1}
	d.submit(func(w *wal.Batch) {
		w.Reset(a, 7, 2, wal.State{Term: 3, Vote: 2, Commit: 7})
		w.Append(a, nil, logEntries(8, 3, 10, 20, 30, 40))
		w.Append(b, &wal.State{Term: 1, Commit: 0}, nil)
		w.Append(gone, nil, logEntries(1, 1, 10))
	})
	d.submit(func(w *wal.Batch) {
		w.Append(a, &wal.State{Term: 4, Vote: 1, Commit: 9}, logEntries(10, 4, 5)) // in place of two
		w.Compact(a, 8, 3)
		w.Delete(gone)
	})
	d.close()
	return dir
}

func TestLogInspect(t *testing.T) {
	s := newStand(t)
	dir := sample(t)
	before := files(t, dir)
	want := "GROUP\tMEMBER\tTERM\tVOTE\tCOMMIT\tBASE\tLAST INDEX\tENTRIES\tBYTES\n" +
		"0000000000000010\t1\t4\t1\t9\t8\t10\t2\t25\n" +
		"0000000000000011\t3\t1\t\t0\t0\t0\t0\t0\n"
	for _, folder := range []string{dir, filepath.Join(dir, "wal")} {
		if got := s.ok("log", "inspect", folder); got != want {
			t.Errorf("%s:\n%swant\n%s", folder, got, want)
		}
	}
	var c logContents
	if err := json.Unmarshal([]byte(s.ok("log", "inspect", dir, "-o", "json")), &c); err != nil {
		t.Fatal(err)
	}
	if m := c.Members; len(m) != 2 || m[0] != (loggedMember{Group: 0x10, Member: 1, Term: 4, Vote: 1, Commit: 9, Base: 8, BaseTerm: 3, LastIndex: 10, Entries: 2, Bytes: 25}) || c.Damage != "" {
		t.Errorf("%+v", c)
	}
	if files(t, dir) != before {
		t.Error("looking changed the folder")
	}
}

func TestLogVerify(t *testing.T) {
	s := newStand(t)
	dir := sample(t)
	before := files(t, dir)
	got := s.ok("log", "verify", dir)
	for _, want := range []string{"sound\tyes\n", "first segment\t1\n", "last segment\t1\n", "torn write cut\tno\n", "records\t7\n", "members\t2\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if files(t, dir) != before {
		t.Error("looking changed the folder")
	}
}

// What inspect shows is what the log itself finds, also of copies and of what is cut.
func TestLogInspectAgreesWithTheLog(t *testing.T) {
	dir := t.TempDir()
	d := openFolder(t, dir)
	random := rand.New(rand.NewPCG(1, 2))
	type end struct{ base, last, term uint64 }
	ends := make(map[wal.Member]*end)
	for i := 0; d.log.Stats().Copied == 0 || i < 400; i++ {
		if i == 20_000 {
			t.Fatal("nothing was copied forward")
		}
		m := wal.Member{Group: 1 + random.Uint64N(4), ID: 1}
		e := ends[m]
		if e == nil {
			e = &end{}
			ends[m] = e
		}
		d.submit(func(w *wal.Batch) {
			switch what := random.IntN(40); {
			case what == 0 && m.Group != 4:
				w.Delete(m)
				delete(ends, m)
			case what == 1 && m.Group != 4:
				e.base = e.last + random.Uint64N(3)
				e.last = e.base
				w.Reset(m, e.base, e.term, wal.State{Term: e.term})
			case what < 12 && e.last > e.base && m.Group != 4:
				e.base += 1 + random.Uint64N(e.last-e.base)
				w.Compact(m, e.base, e.term)
			case m.Group == 4 && i > 100:
				// The quiet member's entries are what has to be copied.
				w.Append(wal.Member{Group: 5, ID: 1}, &wal.State{Term: uint64(i)}, nil)
			default:
				e.term++
				first := e.last + 1
				if back := e.last - e.base; back > 0 && random.IntN(4) == 0 {
					first -= random.Uint64N(back)
				}
				sizes := make([]int, 1+random.IntN(3))
				for k := range sizes {
					sizes[k] = random.IntN(6000)
				}
				w.Append(m, &wal.State{Term: e.term, Vote: e.term % 3, Commit: e.base}, logEntries(first, e.term, sizes...))
				e.last = first + uint64(len(sizes)) - 1
			}
		})
	}
	d.close()

	s := newStand(t)
	var c logContents
	if err := json.Unmarshal([]byte(s.ok("log", "inspect", dir, "-o", "json")), &c); err != nil {
		t.Fatal(err)
	}
	d = openFolder(t, dir)
	defer d.close()
	var want []loggedMember
	for _, m := range d.log.Members() {
		r, _ := d.log.Load(m)
		l := loggedMember{
			Group: ident.GroupID(m.Group), Member: ident.MemberID(m.ID), Term: r.State.Term, Vote: ident.MemberID(r.State.Vote), Commit: r.State.Commit,
			Base: r.Base, BaseTerm: r.BaseTerm, LastIndex: r.Last, Entries: int(r.Last - r.Base),
		}
		if l.Entries > 0 {
			entries, err := d.log.Entries(m, r.Base+1, r.Last+1, 1<<40)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				l.Bytes += int64(len(e.Data))
			}
		}
		want = append(want, l)
	}
	slices.SortFunc(want, func(a, b loggedMember) int { return cmp.Compare(a.Group, b.Group) })
	if !slices.Equal(c.Members, want) {
		t.Errorf("inspect shows\n%+v\nthe log has\n%+v", c.Members, want)
	}
}

func TestLogOfARunningNodeIsRefused(t *testing.T) {
	if _, err := os.Stat("/proc/locks"); err != nil {
		t.Skip("this system does not list its locks")
	}
	s := newStand(t)
	d := openFolder(t, t.TempDir())
	defer d.close()
	d.submit(func(w *wal.Batch) { w.Append(wal.Member{Group: 1, ID: 1}, nil, logEntries(1, 1, 10)) })
	for _, command := range []string{"inspect", "verify"} {
		code, out, errs := s.run("log", command, d.dir)
		if code != exitRefused || out != "" || !strings.Contains(errs, fmt.Sprintf("pid %d", os.Getpid())) || !strings.Contains(errs, "stop the node") {
			t.Errorf("%s: exit %d, %q, %q", command, code, out, errs)
		}
	}
}

// Where locks cannot be seen, what was read while somebody wrote does not count.
func TestLogThatChangesMeanwhileIsRefused(t *testing.T) {
	dir := sample(t)
	f, err := findLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = f.read(func(string, wal.Options) error {
		return os.WriteFile(filepath.Join(dir, "wal", "new.tmp"), []byte("x"), 0o600)
	})
	if err == nil || !strings.Contains(err.Error(), "changed while it was read") || err.(*failure).code != exitRefused {
		t.Errorf("%v", err)
	}
}

func TestDamagedLog(t *testing.T) {
	s := newStand(t)
	dir := filepath.Join(t.TempDir(), "data")
	d := openFolder(t, dir)
	m := wal.Member{Group: 0x10, ID: 1}
	for i := range uint64(3) {
		d.submit(func(w *wal.Batch) { w.Append(m, nil, logEntries(i+1, 1, 5000)) })
	}
	d.close()
	segment := filepath.Join(dir, "wal", "0000000000000001.wal")
	f, err := os.OpenFile(segment, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xff}, 4096+8000); err != nil { // in the second of three writes
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	code, out, errs := s.run("log", "verify", dir)
	if code != exitUnhealthy || !strings.Contains(out, "sound\tno\n") || !strings.Contains(errs, "0000000000000001.wal at offset") || !strings.Contains(errs, "remedy") {
		t.Errorf("verify: exit %d, %q, %q", code, out, errs)
	}
	code, out, errs = s.run("log", "inspect", dir, "--no-headers")
	if code != exitUnhealthy || out != "0000000000000010\t1\t0\t\t0\t0\t1\t1\t5000\n" || !strings.Contains(errs, "corrupt") {
		t.Errorf("inspect: exit %d, %q, %q", code, out, errs)
	}
	code, out, _ = s.run("log", "inspect", dir, "-o", "json")
	var c logContents
	if err := json.Unmarshal([]byte(out), &c); err != nil || code != exitUnhealthy || len(c.Members) != 1 || !strings.Contains(c.Damage, "corrupt") {
		t.Errorf("inspect: exit %d, %+v, %v", code, c, err)
	}

	b, err := os.ReadFile(filepath.Join(dir, "node.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "node.db"), b[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := s.run("log", "verify", dir); code != exitUnhealthy || out != "" || !strings.Contains(errs, dir) || strings.Contains(errs, "fleetctl-log-") {
		t.Errorf("a damaged node.db: exit %d, %q, %q", code, out, errs)
	}
}

func TestLogFoldersThatAreNone(t *testing.T) {
	s := newStand(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lost := sample(t)
	if err := os.RemoveAll(filepath.Join(lost, "wal")); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]int{
		filepath.Join(dir, "none"): exitNotFound,
		dir:                        exitNotFound,
		file:                       exitUsage,
		lost:                       exitUnhealthy,
	} {
		for _, command := range []string{"inspect", "verify"} {
			if code, out, errs := s.run("log", command, folder); code != want || out != "" || !strings.Contains(errs, folder) {
				t.Errorf("%s %s: exit %d, %q, %q", command, folder, code, out, errs)
			}
		}
	}
	if code, _, _ := s.run("log", "inspect"); code != exitUsage {
		t.Errorf("no folder: exit %d", code)
	}
}

// A log whose checkpoint lies beside its segments needs no node.db.
func TestLogAlone(t *testing.T) {
	s := newStand(t)
	dir := filepath.Join(t.TempDir(), "log")
	l, err := wal.Open(dir, wal.Options{SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if out := s.ok("log", "verify", dir); !strings.Contains(out, "sound\tyes\n") {
		t.Error(out)
	}
	if out := s.ok("log", "inspect", dir, "--no-headers"); out != "" {
		t.Error(out)
	}
}

func TestLockHolder(t *testing.T) {
	locks := "1: POSIX  ADVISORY  WRITE 12 08:01:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 13 08:01:77 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 14 08:01:77 0 EOF\n"
	for _, c := range []struct {
		pid   string
		inode uint64
		held  bool
	}{{"13", 77, true}, {"12", 77, false}, {"13", 7, false}, {"14", 77, false}, {"", 77, false}} {
		if got := lockHolder(locks, c.pid, c.inode); (got != "") != c.held {
			t.Errorf("pid %q, inode %d: %q", c.pid, c.inode, got)
		}
	}
}
