package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

func copyFolder(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	must(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

// A crash between any two steps of a commit leaves the old snapshot or the new
// one, whole, and a restart leaves nothing else behind: the new file is durable
// before it is recorded (28), the old one is there until then (26).
func TestHazard26_28_CrashDuringCommit(t *testing.T) {
	steps := []string{"written", "synced", "renamed", "folder synced", "recorded", "old removed"}
	newer := append([]byte("newer "), large...)
	for _, c := range []struct {
		name     string
		old, new []byte
	}{{"file after file", large, newer}, {"file after small", small, newer}, {"small after file", large, small}, {"first", nil, newer}} {
		t.Run(c.name, func(t *testing.T) {
			d := openTest(t, t.TempDir())
			k := key(2, 1)
			must(t, d.PutMember(k, nil))
			if c.old != nil {
				must(t, save(t, d, k, snapshotAt(5), c.old))
			}
			copies := map[string]string{}
			d.at = func(step string) { copies[step] = copyFolder(t, d.dir) }
			must(t, save(t, d, k, snapshotAt(9), c.new))
			for i, step := range steps {
				dir, ok := copies[step]
				if !ok {
					if len(c.new) > inlineLimit || i >= 4 {
						t.Fatalf("no step %q", step)
					}
					continue
				}
				variants := []func(){func() {}}
				switch step {
				case "written": // nothing is synced: the file may be empty or of zeroes
					variants = append(variants, func() { forEachBody(t, dir, 0) }, func() { forEachBody(t, dir, -1) })
				case "renamed": // the new name may be lost, and the file with it
					variants = append(variants, func() { removeNewest(t, dir) })
				}
				for n, lose := range variants {
					lose()
					after := openTest(t, copyFolder(t, dir))
					want, body := snapshotAt(5), c.old
					if i >= 4 {
						want, body = snapshotAt(9), c.new
					}
					if body == nil {
						if _, found, err := after.SnapshotInfo(k); found || err != nil {
							t.Fatalf("%s, %d: %v %v", step, n, found, err)
						}
					} else {
						expectSnapshot(t, after, k, want, body)
					}
					files := 0
					if len(body) > inlineLimit {
						files = 1
					}
					if left := bodyFiles(t, after.dir); len(left) != files {
						t.Fatalf("%s, %d: left over %v", step, n, left)
					}
					// And it goes on from there.
					must(t, save(t, after, k, snapshotAt(10), large))
					expectSnapshot(t, after, k, snapshotAt(10), large)
				}
			}
		})
	}
}

// forEachBody spoils what a temporary file holds: cut to nothing, or zeroes.
func forEachBody(t *testing.T, dir string, size int) {
	for _, name := range bodyFiles(t, dir) {
		if !strings.HasSuffix(name, temporarySuffix) {
			continue
		}
		content := []byte{}
		if size < 0 {
			content = make([]byte, 100_000)
		}
		must(t, os.WriteFile(filepath.Join(dir, snapshotsName, name), content, 0o600))
	}
}

func removeNewest(t *testing.T, dir string) {
	for _, name := range bodyFiles(t, dir) {
		if strings.Contains(name, "-9-") {
			must(t, os.Remove(filepath.Join(dir, snapshotsName, name)))
		}
	}
}

// Recovery removes files before anybody can write one.
func TestHazard30_LeftoversAreRemovedAndStrangersStay(t *testing.T) {
	d := openTest(t, t.TempDir())
	k := key(2, 1)
	must(t, d.PutMember(k, nil))
	must(t, save(t, d, k, snapshotAt(5), large))
	kept := bodyFiles(t, d.dir)
	unfinished, err := d.CreateSnapshot(k)
	must(t, err)
	unfinished.Write(large)
	must(t, d.Close())
	leftovers := []string{
		bodyName(k, 4, 77), bodyName(k, 5, 77), bodyName(k, 6, 77) + temporarySuffix, bodyName(key(9, 9), 6, 77), kept[0] + temporarySuffix,
	}
	strangers := []string{"notes.txt", "1-2-3-4.snap", "x.snap.tmp", strings.ToUpper(bodyName(key(0xabc, 1), 1, 1))}
	for _, name := range append(leftovers, strangers...) {
		must(t, os.WriteFile(filepath.Join(d.dir, snapshotsName, name), []byte("x"), 0o600))
	}
	d = openTest(t, d.dir)
	got := bodyFiles(t, d.dir)
	want := append(kept, strangers...)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	expectSnapshot(t, d, k, snapshotAt(5), large)
}

func TestCorruptSnapshotFile(t *testing.T) {
	for _, c := range []struct {
		name   string
		spoil  func(b []byte) []byte
		atOpen bool
	}{
		{"magic", func(b []byte) []byte { b[0] ^= 1; return b }, true},
		{"header", func(b []byte) []byte { b[30] ^= 1; return b }, true},
		{"configuration", func(b []byte) []byte { b[headerFixed] ^= 1; return b }, true},
		{"first byte of the body", func(b []byte) []byte { b[headerArea] ^= 1; return b }, false},
		{"last byte", func(b []byte) []byte { b[len(b)-1] ^= 0x80; return b }, false},
		{"cut short", func(b []byte) []byte { return b[:len(b)-1] }, true},
		{"cut in the header", func(b []byte) []byte { return b[:100] }, true},
		{"empty", func([]byte) []byte { return nil }, true},
		{"longer", func(b []byte) []byte { return append(b, 0) }, true},
		{"another snapshot's", func(b []byte) []byte {
			h, _, _ := decodeHeader(b)
			h.Index++
			return append(append(h.append(nil), b[len(h.append(nil)):headerArea]...), b[headerArea:]...)
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openTest(t, t.TempDir())
			k := key(2, 1)
			must(t, d.PutMember(k, nil))
			must(t, d.PutMember(key(3, 1), nil))
			must(t, save(t, d, k, snapshotAt(5), large))
			must(t, save(t, d, key(3, 1), snapshotAt(5), small))
			path := filepath.Join(d.dir, snapshotsName, bodyFiles(t, d.dir)[0])
			b, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path, c.spoil(b), 0o600))
			d = reopen(t, d)
			_, r, err := d.OpenSnapshot(k)
			if c.atOpen {
				wantError(t, err, ErrCorrupt)
			} else {
				must(t, err)
				defer r.Close()
				// Not even a reader that knows the size gets all of it.
				n, err := io.ReadFull(r, make([]byte, len(large)))
				wantError(t, err, ErrCorrupt)
				if n >= len(large) {
					t.Fatal("the whole damaged body was given out")
				}
				_, err = r.Read(make([]byte, 1))
				wantError(t, err, ErrCorrupt)
			}
			// Others are not concerned, and a new snapshot is the cure.
			expectSnapshot(t, d, key(3, 1), snapshotAt(5), small)
			must(t, save(t, d, k, snapshotAt(5), large))
			expectSnapshot(t, d, k, snapshotAt(5), large)
		})
	}
}

func TestMissingSnapshotFile(t *testing.T) {
	d := openTest(t, t.TempDir())
	k := key(2, 1)
	must(t, d.PutMember(k, nil))
	must(t, save(t, d, k, snapshotAt(5), large))
	must(t, d.Close())
	must(t, os.RemoveAll(filepath.Join(d.dir, snapshotsName)))
	d = openTest(t, d.dir)
	_, _, err := d.OpenSnapshot(k)
	wantError(t, err, ErrCorrupt)
	if !strings.Contains(err.Error(), "missing") {
		t.Fatal(err)
	}
}

// rot changes one stored value under the store's feet.
func rot(t *testing.T, d *disk, bucket []byte, k []byte, at int) {
	t.Helper()
	must(t, d.commits.do(0, func(tx *bbolt.Tx) error {
		b := bytes.Clone(tx.Bucket(bucket).Get(k))
		b[(at+len(b))%len(b)] ^= 0x10
		return tx.Bucket(bucket).Put(k, b)
	}))
}

func TestCorruptRecordsConcernOnlyTheirMember(t *testing.T) {
	d := openTest(t, t.TempDir())
	for i := range 3 {
		k := key(2+i, 1)
		must(t, d.PutMember(k, []byte("record")))
		must(t, save(t, d, k, snapshotAt(5), small))
	}
	must(t, save(t, d, key(4, 1), snapshotAt(6), large))
	files := bodyFiles(t, d.dir)
	rot(t, d, bucketMembers, appendKey(nil, key(3, 1)), -1)
	rot(t, d, bucketSnapshots, appendKey(nil, key(2, 1)), -1) // the body
	rot(t, d, bucketSnapshots, appendKey(nil, key(4, 1)), 30) // the header
	d = reopen(t, d)

	members, err := d.Members()
	must(t, err)
	if len(members) != 3 || members[0].Err != nil || members[2].Err != nil || members[1].Record != nil {
		t.Fatalf("%+v", members)
	}
	wantError(t, members[1].Err, ErrCorrupt)
	expectSnapshot(t, d, key(3, 1), snapshotAt(5), small)
	_, r, err := d.OpenSnapshot(key(2, 1))
	must(t, err)
	_, err = io.ReadAll(r)
	wantError(t, err, ErrCorrupt)
	r.Close()
	_, _, err = d.SnapshotInfo(key(4, 1))
	wantError(t, err, ErrCorrupt)
	// A damaged record may be mended by hand: its file stays until it is replaced.
	if got := bodyFiles(t, d.dir); !slices.Equal(got, files) {
		t.Fatal(got)
	}
	must(t, save(t, d, key(4, 1), snapshotAt(7), small))
	d = reopen(t, d)
	if got := bodyFiles(t, d.dir); len(got) != 0 {
		t.Fatal(got)
	}
	rot(t, d, bucketLog, appendCheckpoint(t, d), -1)
	_, err = d.LoadCheckpoint()
	wantError(t, err, ErrCorrupt)
}

// A damaged key does not make a member, or its snapshot, one that never was: it would
// be made anew, without its vote.
func TestDamagedKeyKeepsItsMember(t *testing.T) {
	d := openTest(t, t.TempDir())
	must(t, d.PutMember(key(2, 1), []byte("two")))
	must(t, d.PutMember(key(3, 1), []byte("three")))
	must(t, save(t, d, key(3, 1), snapshotAt(5), []byte("body")))
	move := func(bucket []byte, from, to Key) {
		must(t, d.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucket)
			v := bytes.Clone(b.Get(appendKey(nil, from)))
			if err := b.Delete(appendKey(nil, from)); err != nil {
				return err
			}
			return b.Put(appendKey(nil, to), v)
		}))
	}
	move(bucketMembers, key(3, 1), key(3, 9))
	d = reopen(t, d)
	got, err := d.Members()
	must(t, err)
	if len(got) != 2 || got[0].Err != nil || got[1].Key != key(3, 1) || !errors.Is(got[1].Err, ErrCorrupt) {
		t.Fatalf("%+v", got)
	}
	move(bucketSnapshots, key(3, 1), key(3, 9))
	must(t, d.Close())
	refuse(t, d.dir, ErrCorrupt, "snapshot of member")
}

func appendCheckpoint(t *testing.T, d *disk) []byte {
	must(t, d.SaveCheckpoint([]byte("segments")))
	return keyCheckpoint
}

func TestCorruptIdentityIsNotANewNode(t *testing.T) {
	d := openTest(t, t.TempDir())
	rot(t, d, bucketNode, keyIdentity, 5)
	must(t, d.Close())
	refuse(t, d.dir, ErrCorrupt, "identity")
}

// contents is all that a store holds, or the first damage that it reports.
func contents(d *disk) (string, error) {
	var b strings.Builder
	fmt.Fprintln(&b, d.Identity())
	members, err := d.Members()
	if err != nil {
		return "", err
	}
	for _, m := range members {
		if m.Err != nil {
			return "", m.Err
		}
		fmt.Fprintf(&b, "%s %q\n", m.Key, m.Record)
		at, r, err := d.OpenSnapshot(m.Key)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%+v %x\n", at, body)
	}
	return b.String(), nil
}

// populated returns the folder of a closed store with several levels of pages,
// overflow, free pages and the last transaction at the end of history.
func populated(t testing.TB) (dir string, history []string) {
	d := openTest(t, t.TempDir())
	note := func() {
		c, err := contents(d)
		must(t, err)
		history = append(history, c)
	}
	for i := range 100 {
		must(t, d.PutMember(key(2+i, 1), bytes.Repeat([]byte{byte(i)}, 100+i)))
	}
	for i := range 30 {
		must(t, save(t, d, key(2+i*3, 1), snapshotAt(5), bytes.Repeat([]byte{byte(i)}, i*i*10)))
	}
	for i := range 10 {
		must(t, d.DeleteMember(key(2+i*5, 1)))
	}
	note()
	must(t, d.PutMember(key(500, 1), []byte("the last but one")))
	note()
	must(t, d.PutMember(key(501, 1), []byte("the last")))
	note()
	must(t, d.Close())
	return d.dir, history
}

// Damage to any page of node.db is noticed when it is opened or read; it never
// shows other data than was written and never ends the process. Only a damaged
// newest meta page looks like a crash before it was written.
func TestHazard48_DamagedPages(t *testing.T) {
	dir, history := populated(t)
	path := filepath.Join(dir, databaseName)
	sound, err := os.ReadFile(path)
	must(t, err)
	pageSize := os.Getpagesize()
	random := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for page := range len(sound) / pageSize {
		for way, spoil := range []func(p []byte){
			func(p []byte) { clear(p) },
			func(p []byte) { clear(p[512:]) },
			func(p []byte) { p[random.IntN(len(p))] ^= 1 << random.IntN(8) },
			func(p []byte) { p[random.IntN(80)] ^= 1 << random.IntN(8) },                     // its header, its first elements
			func(p []byte) { p[8+random.IntN(8)] ^= 1 << random.IntN(8) },                    // its kind, its count, its length
			func(p []byte) { binary.NativeEndian.PutUint16(p[10:], uint16(random.IntN(4))) }, // fewer elements
			func(p []byte) { copy(p, sound[(page+1)%3*pageSize:]) },
			func(p []byte) {
				for i := range p {
					p[i] = byte(random.Uint32())
				}
			},
		} {
			b := bytes.Clone(sound)
			spoil(b[page*pageSize : (page+1)*pageSize])
			must(t, os.WriteFile(path, b, 0o600))
			got, err := openAndRead(dir)
			switch {
			case errors.Is(err, ErrCorrupt), errors.Is(err, ErrForeign), errors.Is(err, ErrFormat):
				refused++
			case err != nil:
				t.Fatalf("page %d, way %d: %v", page, way, err)
			case got == history[len(history)-1]:
			case page < 2 && got == history[len(history)-2]:
			default:
				t.Fatalf("page %d, way %d: other data", page, way)
			}
		}
	}
	t.Logf("%d ways to damage %d pages, %d refused", 8*len(sound)/pageSize, len(sound)/pageSize, refused)
	if refused == 0 {
		t.Fatal("no damage was noticed")
	}
}

func TestTruncatedDatabase(t *testing.T) {
	dir, history := populated(t)
	path := filepath.Join(dir, databaseName)
	sound, err := os.ReadFile(path)
	must(t, err)
	for size := 0; size < len(sound); size += 3000 {
		must(t, os.WriteFile(path, sound[:size], 0o600))
		got, err := openAndRead(dir)
		if err == nil && got == history[len(history)-1] {
			continue // bbolt makes its file longer than it needs
		}
		if !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%d bytes of %d: %v", size, len(sound), err)
		}
	}
}

func openAndRead(dir string) (string, error) {
	d, err := open(dir, Options{})
	if err != nil {
		return "", err
	}
	got, err := contents(d)
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	return got, err
}

// A power failure within a transaction: any part of its pages may be written, whole
// or torn, its meta page is not. What is found is the state before.
func TestHazard48_PowerFailureInTransaction(t *testing.T) {
	dir, _ := populated(t)
	d := openTest(t, dir)
	random := rand.New(rand.NewPCG(3, 4))
	pageSize := os.Getpagesize()
	tried := 0
	for round := range 20 {
		before, err := os.ReadFile(filepath.Join(dir, databaseName))
		must(t, err)
		want, err := contents(d)
		must(t, err)
		if round%2 == 0 {
			must(t, d.PutMember(key(1000+round, 1), bytes.Repeat([]byte("new"), 100)))
		} else {
			must(t, save(t, d, key(5, 1), snapshotAt(uint64(10+round)), bytes.Repeat([]byte("s"), 20_000)))
		}
		after, err := os.ReadFile(filepath.Join(dir, databaseName))
		must(t, err)
		for range 5 {
			b := make([]byte, len(after)) // the file may have grown
			copy(b, before)
			for p := 2; p < len(after)/pageSize; p++ {
				page := after[p*pageSize : (p+1)*pageSize]
				if bytes.Equal(page, b[p*pageSize:(p+1)*pageSize]) {
					continue
				}
				tried++
				switch random.IntN(3) {
				case 0:
					copy(b[p*pageSize:], page)
				case 1:
					copy(b[p*pageSize:], page[:512*random.IntN(8)])
				}
			}
			crashed := t.TempDir()
			must(t, os.WriteFile(filepath.Join(crashed, databaseName), b, 0o600))
			if got, err := openAndRead(crashed); err != nil || got != want {
				t.Fatalf("round %d: %v, same %v", round, err, got == want)
			}
		}
	}
	if tried == 0 {
		t.Fatal("no page was lost")
	}
}
