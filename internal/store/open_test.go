package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"
)

// transactions returns how many write transactions node.db has seen.
func transactions(t testing.TB, d *disk) int {
	t.Helper()
	n := 0
	must(t, d.view(func(tx *bbolt.Tx) error { n = tx.ID(); return nil }))
	return n
}

// listing describes every file under dir, to see that nothing was touched.
func listing(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		content := []byte(nil)
		if e.Type().IsRegular() && e.Name() != lockName {
			if content, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		if e.Name() != lockName && path != dir {
			fmt.Fprintf(&b, "%s %v %d %s\n", path, info.Mode(), len(content), placeText(content))
		}
		return nil
	}))
	return b.String()
}

func placeText(b []byte) string { return fmt.Sprintf("%08x", placeCRC(nil, nil, b)) }

func refuse(t *testing.T, dir string, want error, words ...string) {
	t.Helper()
	before := listing(t, dir)
	s, err := Open(dir, Options{})
	if err == nil {
		s.Close()
		t.Fatalf("opened, want %v", want)
	}
	wantError(t, err, want)
	for _, word := range append(words, dir) {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
	}
	if after := listing(t, dir); after != before {
		t.Errorf("the folder was changed:\n%s\nbefore:\n%s", after, before)
	}
}

func TestOpenMakesAndKeepsOneNode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "data")
	d := openTest(t, dir)
	id := d.Identity()
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Fatal(info.Mode(), err)
	}
	id.Fleet = 42
	must(t, d.SetIdentity(id))
	must(t, d.PutMember(key(2, 1), []byte("record")))
	must(t, save(t, d, key(2, 1), snapshotAt(3), large))
	must(t, d.Put("drain", []byte("on")))
	d = reopen(t, d)
	if d.Identity() != id {
		t.Fatalf("%+v became %+v", id, d.Identity())
	}
	expectSnapshot(t, d, key(2, 1), snapshotAt(3), large)
	if v, err := d.Get("drain"); err != nil || string(v) != "on" {
		t.Fatal(v, err)
	}
}

// The folder is what makes the node, not the host's name.
func TestHazard50_RenamedNodeStaysTheSame(t *testing.T) {
	dir := t.TempDir()
	d := openTest(t, dir)
	id := d.Identity()
	must(t, d.PutMember(key(2, 1), []byte("record")))
	must(t, d.Close())
	for _, c := range []struct{ name, want string }{{"", "anna"}, {"berta", "berta"}, {"", "berta"}} {
		s, err := Open(dir, Options{Name: c.name})
		must(t, err)
		got := s.Identity()
		members, _ := s.Members()
		must(t, s.Close())
		if got.Node != id.Node || got.Name != c.want || len(members) != 1 {
			t.Fatalf("opened as %q: %+v with %d members", c.name, got, len(members))
		}
	}
}

func TestHazard35_WipedFolderIsAnotherNode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	d := openTest(t, dir)
	id := d.Identity()
	must(t, d.Close())
	must(t, os.RemoveAll(dir))
	if again := openTest(t, dir).Identity(); again.Node == id.Node {
		t.Fatal("the same node")
	}
}

func TestHazard37_LostDatabaseIsNotANewNode(t *testing.T) {
	for _, part := range []string{walName, snapshotsName} {
		dir := t.TempDir()
		must(t, os.Mkdir(filepath.Join(dir, part), 0o700))
		refuse(t, dir, ErrIncomplete, part, "node.db", "empty folder")
	}
	t.Run("with the rest", func(t *testing.T) {
		d := openTest(t, t.TempDir())
		must(t, d.PutMember(key(2, 1), nil))
		must(t, save(t, d, key(2, 1), snapshotAt(1), large))
		must(t, d.Close())
		must(t, os.Remove(filepath.Join(d.dir, databaseName)))
		refuse(t, d.dir, ErrIncomplete)
	})
	t.Run("log", func(t *testing.T) {
		d := openTest(t, t.TempDir())
		must(t, d.SaveCheckpoint([]byte("segments")))
		must(t, d.Close())
		refuse(t, d.dir, ErrIncomplete, "wal", "empty folder")
		must(t, os.Mkdir(filepath.Join(d.dir, walName), 0o700))
		openTest(t, d.dir)
	})
}

func TestForeignFolderIsRefused(t *testing.T) {
	t.Run("files", func(t *testing.T) {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "thesis.tex"), []byte("x"), 0o600))
		refuse(t, dir, ErrForeign, "thesis.tex", "empty folder")
	})
	t.Run("a file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		must(t, os.WriteFile(path, []byte("x"), 0o600))
		for _, dir := range []string{path, filepath.Join(path, "data")} {
			_, err := Open(dir, Options{})
			wantError(t, err, ErrForeign)
		}
	})
	t.Run("another program's bbolt file", func(t *testing.T) {
		dir := t.TempDir()
		db, err := bbolt.Open(filepath.Join(dir, databaseName), 0o600, nil)
		must(t, err)
		must(t, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("x")); return err }))
		must(t, db.Close())
		refuse(t, dir, ErrForeign)
	})
	t.Run("a fresh file system is not foreign", func(t *testing.T) {
		dir := t.TempDir()
		must(t, os.Mkdir(filepath.Join(dir, "lost+found"), 0o700))
		openTest(t, dir)
	})
}

func TestUnwritableFolder(t *testing.T) {
	for _, cause := range []error{syscall.EACCES, syscall.EPERM, syscall.EROFS} {
		err := folderError("/data", &fs.PathError{Op: "open", Path: "/data/LOCK", Err: cause})
		wantError(t, err, ErrUnwritable)
		wantError(t, err, cause)
	}
	if os.Getuid() == 0 {
		t.Skip("root writes everywhere")
	}
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o500))
	refuse(t, dir, ErrUnwritable)
}

func TestUnknownFormatIsRefused(t *testing.T) {
	// In format 1 the records of members did not begin with their key.
	for _, format := range []uint32{1, 3} {
		dir := t.TempDir()
		d := openTest(t, dir)
		must(t, d.put(bucketNode, keyFormat, binary.LittleEndian.AppendUint32(nil, format)))
		must(t, d.Close())
		refuse(t, dir, ErrFormat, fmt.Sprintf("format %d", format), "reads 2")
	}
}

func TestFirstStartCutOff(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, lockName), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, newDatabase), []byte("half"), 0o600))
	d := openTest(t, dir)
	if _, err := os.Stat(filepath.Join(dir, newDatabase)); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	id := d.Identity()
	if reopen(t, d).Identity() != id {
		t.Fatal("another node")
	}
}

func TestBusyFolderInThisProcess(t *testing.T) {
	d := openTest(t, t.TempDir())
	_, err := Open(d.dir, Options{})
	wantError(t, err, ErrLocked)
	if want := fmt.Sprintf("this process (pid %d)", os.Getpid()); !strings.Contains(err.Error(), want) {
		t.Fatalf("no %q in %v", want, err)
	}
	must(t, d.Close())
	openTest(t, d.dir)
}

// TestBusyFolderNamesTheHolder runs this test again in another process, which
// holds the folder until its input ends.
func TestBusyFolderNamesTheHolder(t *testing.T) {
	const variable = "RAFTFLEET_TEST_HOLD_FOLDER"
	if dir := os.Getenv(variable); dir != "" {
		openTest(t, dir)
		fmt.Println("held")
		os.Stdin.Read(make([]byte, 1))
		return
	}
	dir := t.TempDir()
	holder := exec.Command(os.Args[0], "-test.run=^TestBusyFolderNamesTheHolder$")
	holder.Env = append(os.Environ(), variable+"="+dir)
	input, err := holder.StdinPipe()
	must(t, err)
	output, err := holder.StdoutPipe()
	must(t, err)
	must(t, holder.Start())
	if line, err := bufio.NewReader(output).ReadString('\n'); line != "held\n" {
		t.Fatal(line, err)
	}
	_, err = Open(dir, Options{})
	wantError(t, err, ErrLocked)
	if want := fmt.Sprintf("pid %d", holder.Process.Pid); !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "stop") {
		t.Errorf("no %q in %v", want, err)
	}
	// The lock ends with its holder, even with one that is killed.
	must(t, holder.Process.Kill())
	holder.Wait()
	input.Close()
	openTest(t, dir)
}

func TestDatabaseHeldByAnotherProgram(t *testing.T) {
	d := openTest(t, t.TempDir())
	must(t, d.Close())
	db, err := bbolt.Open(filepath.Join(d.dir, databaseName), 0o600, nil)
	must(t, err)
	defer db.Close()
	refuse(t, d.dir, ErrLocked)
}
