package powerfail

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
)

const (
	childFolder = "RAFTFLEET_POWERFAIL_CHILD"
	childSeed   = "RAFTFLEET_POWERFAIL_CHILD_SEED"
	childNoSync = "RAFTFLEET_POWERFAIL_CHILD_NOSYNC"

	groupsPerWriter = 5
	inFlight        = 4
	snapshotAfter   = 60 // entries
)

// TestChild is not a test: it is the process whose power is cut.
func TestChild(t *testing.T) {
	dir := os.Getenv(childFolder)
	if dir == "" {
		t.Skip("only a child of the other tests")
	}
	var seed int64
	if _, err := fmt.Sscan(os.Getenv(childSeed), &seed); err != nil {
		t.Fatal(err)
	}
	var fs wal.FS = wal.OSFS{}
	if os.Getenv(childNoSync) != "" {
		fs = deafFS{fs}
	}
	fmt.Println("opening")
	s, l, err := openFolder(dir, fs)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	var group sync.WaitGroup
	for number := range writers {
		w := &writer{number: number, store: s, log: l, rand: rand.New(rand.NewSource(seed + int64(number)*7919)), slots: make(chan struct{}, inFlight)}
		group.Go(func() {
			if err := w.run(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(3) // the power is gone
			}
		})
	}
	group.Wait()
}

func openFolder(dir string, fs wal.FS) (store.Store, *wal.Log, error) {
	s, err := store.Open(dir, store.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, err
	}
	l, err := wal.Open(filepath.Join(dir, "wal"), wal.Options{FS: fs, SegmentBytes: 256 << 10, Checkpoints: s})
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, l, nil
}

// say tells the parent; what is said is with the kernel when it returns.
func say(format string, args ...any) { fmt.Fprintf(os.Stdout, format+"\n", args...) }

// hosted is one group of a writer.
type hosted struct {
	group, revision, base, last, term uint64
	snapshot                          uint64
}

func (h *hosted) member() wal.Member { return wal.Member{Group: h.group, ID: memberID} }

func (h *hosted) key() store.Key {
	return store.Key{Group: ident.GroupID(h.group), Member: memberID}
}

// writer does what a host does for some groups.
type writer struct {
	number int
	store  store.Store
	log    *wal.Log
	rand   *rand.Rand
	slots  chan struct{} // one for each batch on its way
	groups []*hosted
	next   uint64 // number for the next group
	value  uint64
}

func (w *writer) run() error {
	if err := w.find(); err != nil {
		return err
	}
	for {
		for len(w.groups) < groupsPerWriter {
			if err := w.create(); err != nil {
				return err
			}
		}
		// The last ones are quiet: their records are copied forward.
		h := w.groups[w.rand.Intn(len(w.groups))]
		if w.rand.Intn(10) > 0 {
			h = w.groups[w.rand.Intn(2)]
		}
		var err error
		switch roll := w.rand.Intn(200); {
		case h.last-h.base >= snapshotAfter:
			err = w.compact(h)
		case roll < 190:
			err = w.append(h)
		case roll < 193:
			err = w.reset(h)
		case roll < 195:
			err = w.putRecord(h)
		case roll < 198:
			w.value++
			err = w.change(fmt.Sprintf("v 0 %d", w.value), func() error {
				return w.store.Put(fmt.Sprint("value", w.number), fmt.Append(nil, w.value))
			})
		default:
			err = w.destroy(h)
		}
		if err != nil {
			return err
		}
	}
}

// find takes up what the last process left.
func (w *writer) find() error {
	w.next = uint64(w.number) + writers
	records, err := w.store.Members()
	if err != nil {
		return err
	}
	for _, r := range records {
		group := uint64(r.Key.Group)
		if group%writers != uint64(w.number) {
			continue
		}
		w.next = max(w.next, group+writers)
		h := &hosted{group: group}
		if _, err := fmt.Sscanf(string(r.Record), "revision %d", &h.revision); err != nil {
			return fmt.Errorf("record of group %d: %w", group, err)
		}
		snap, _, err := w.store.SnapshotInfo(h.key())
		if err != nil {
			return err
		}
		h.snapshot = snap.Index
		found, ok := w.log.Load(h.member())
		if !ok {
			// Cut off while it was made or destroyed: it goes.
			if err := w.forget(h); err != nil {
				return err
			}
			continue
		}
		h.base, h.last, h.term = found.Base, found.Last, max(found.State.Term, snap.Term)
		w.groups = append(w.groups, h)
		if h.snapshot > h.last {
			// Cut off between a snapshot and the log that begins behind it.
			if err := w.begin(h, h.snapshot); err != nil {
				return err
			}
		}
	}
	value, err := w.store.Get(fmt.Sprint("value", w.number))
	if err == nil {
		_, err = fmt.Sscan(string(value), &w.value)
	} else if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return err
}

// change carries out a change of the database.
func (w *writer) change(op string, do func() error) error {
	say("s %d %s", w.number, op)
	if err := do(); err != nil {
		return err
	}
	say("S %d", w.number)
	return nil
}

// submit hands a batch to the log; with wait it returns when it is durable.
func (w *writer) submit(b *wal.Batch, wait bool, ops ...string) error {
	w.slots <- struct{}{}
	say("w %d %s", w.number, strings.Join(ops, ";"))
	done := make(chan error, 1)
	err := w.log.Submit(b, true, func(err error) {
		if err == nil {
			say("W %d", w.number)
		}
		done <- err
		<-w.slots
	})
	if err != nil || !wait {
		return err
	}
	return <-done
}

func (w *writer) create() error {
	h := &hosted{group: w.next, term: 1}
	w.next += writers
	if err := w.putRecord(h); err != nil {
		return err
	}
	w.groups = append(w.groups, h)
	return w.begin(h, 1)
}

func (w *writer) putRecord(h *hosted) error {
	h.revision++
	record := append(fmt.Appendf(nil, "revision %d ", h.revision), content('p', h.group, h.revision, 0, 300)...)
	return w.change(fmt.Sprintf("p %d %d", h.group, h.revision), func() error { return w.store.PutMember(h.key(), record) })
}

// append writes entries of one group or of two at once; sometimes they take the
// place of others.
func (w *writer) append(h *hosted) error {
	b := w.log.NewBatch()
	ops := []string{w.fill(b, h)}
	if other := w.groups[w.rand.Intn(2)]; other != h && w.rand.Intn(3) == 0 {
		ops = append(ops, w.fill(b, other))
	}
	return w.submit(b, false, ops...)
}

func (w *writer) fill(b *wal.Batch, h *hosted) string {
	first := h.last + 1
	if durable := max(h.base, h.snapshot); h.last > durable && w.rand.Intn(20) == 0 {
		first = durable + 1 + uint64(w.rand.Int63n(int64(h.last-durable)))
		h.term++
	}
	count := uint64(1 + w.rand.Intn(6))
	var entries []wal.Entry
	for i := first; i < first+count; i++ {
		entries = append(entries, wal.Entry{Index: i, Term: h.term, Data: entryContent(h.group, i, h.term)})
	}
	state := stateOf(h.term, first)
	b.Append(h.member(), &state, entries)
	h.last = first + count - 1
	return fmt.Sprintf("a %d %d %d %d", h.group, first, count, h.term)
}

// drain waits until nothing is on its way.
func (w *writer) drain() {
	for range inFlight {
		w.slots <- struct{}{}
	}
	for range inFlight {
		<-w.slots
	}
}

// compact takes a snapshot of what is durable and gives up the log before it.
func (w *writer) compact(h *hosted) error {
	w.drain()
	index := max(h.last-uint64(w.rand.Intn(20)), h.snapshot)
	at, err := w.log.Entries(h.member(), index, index+1, 1)
	if err != nil {
		return err
	}
	if err := w.takeSnapshot(h, index, at[0].Term); err != nil {
		return err
	}
	b := w.log.NewBatch()
	b.Compact(h.member(), index, at[0].Term)
	h.base = index
	return w.submit(b, false, fmt.Sprintf("c %d %d %d", h.group, index, at[0].Term))
}

func (w *writer) takeSnapshot(h *hosted, index, term uint64) error {
	size := w.rand.Intn(2000)
	if w.rand.Intn(2) == 0 {
		size = 64<<10 + w.rand.Intn(100<<10)
	}
	return w.change(fmt.Sprintf("t %d %d %d %d", h.group, index, term, size), func() error {
		out, err := w.store.CreateSnapshot(h.key())
		if err != nil {
			return err
		}
		if _, err := out.Write(content('t', h.group, index, term, size)); err != nil {
			out.Abort()
			return err
		}
		h.snapshot = index
		return out.Commit(store.Snapshot{Index: index, Term: term, Config: fmt.Append(nil, h.group, index), ConfigIndex: index})
	})
}

// reset does what an accepted snapshot of another member does.
func (w *writer) reset(h *hosted) error {
	w.drain()
	h.term++
	index := h.last + 1 + uint64(w.rand.Intn(50))
	if err := w.takeSnapshot(h, index, h.term); err != nil {
		return err
	}
	return w.begin(h, index)
}

// begin lets a log begin anew.
func (w *writer) begin(h *hosted, base uint64) error {
	b := w.log.NewBatch()
	b.Reset(h.member(), base, h.term, stateOf(h.term, base))
	h.base, h.last = base, base
	return w.submit(b, true, fmt.Sprintf("r %d %d %d", h.group, base, h.term))
}

func (w *writer) destroy(h *hosted) error {
	w.drain()
	b := w.log.NewBatch()
	b.Delete(h.member())
	if err := w.submit(b, true, fmt.Sprintf("d %d", h.group)); err != nil {
		return err
	}
	for i := range w.groups {
		if w.groups[i] == h {
			w.groups = append(w.groups[:i], w.groups[i+1:]...)
			break
		}
	}
	return w.forget(h)
}

func (w *writer) forget(h *hosted) error {
	return w.change(fmt.Sprintf("x %d", h.group), func() error { return w.store.DeleteMember(h.key()) })
}

// deafFS is a planted bug: it syncs nothing and says that it did.
type deafFS struct{ wal.FS }

type deafFile struct{ wal.File }

func (f deafFS) Create(name string) (wal.File, error) { return deaf(f.FS.Create(name)) }
func (f deafFS) Open(name string) (wal.File, error)   { return deaf(f.FS.Open(name)) }

func deaf(f wal.File, err error) (wal.File, error) {
	if err != nil {
		return nil, err
	}
	return deafFile{f}, nil
}

func (deafFile) Sync() error { return nil }
