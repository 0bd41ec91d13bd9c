package sim

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// disk is what survives the process: the files of the log and the store. It also
// keeps the account of what has become durable, which is what the checks ask.
type disk struct {
	n       *node
	fs      *wal.MemFS
	store   *storage
	durable map[wal.Member]*memberLog

	dying     bool   // power or process are gone: nothing has an effect any more
	powerLost bool   // and with them what was not synced
	ops       int    // inputs and outputs until that happens; -1: it does not
	cutAt     string // only these count: write, sync, …; empty: all
	failIn    int    // until one fails; -1: none does
	failKind  string // of what fails: write, sync, read, …; empty: anything but reads
	failNext  int    // failIn for reads of the next life; -1: none fails
	looking   bool   // the run itself reads: that does not fail
	failed    bool   // one did in this life
	full      bool
	damaged   bool // bits were turned
	refused   bool // and a start found them
	turned    turnedBit
	stallFor  int64
	closing   bool // the process ends in order
}

// turnedBit is where a bit was turned last.
type turnedBit struct {
	file   string
	offset int64
	bit    uint
}

// turn turns a bit of a file.
func (d *disk) turn(t turnedBit) error {
	d.turned = t
	return d.fs.FlipBit(t.file, t.offset, t.bit)
}

// mend turns the bit back that a start found. That it was found says that the file is
// the same, and so this cannot fail.
func (d *disk) mend() {
	_ = d.turn(d.turned)
	d.damaged, d.refused = false, false
}

var errPower = errors.New("sim: power is lost")

func newDisk(n *node) *disk {
	d := &disk{n: n, fs: wal.NewMemFS(), durable: make(map[wal.Member]*memberLog), ops: -1, failIn: -1, failNext: -1}
	d.store = &storage{Store: store.OpenMemory(fmt.Sprint("node ", n.id)), d: d}
	d.fs.SetFault(d.change)
	if n.w.plan.Faults&Failing != 0 {
		d.fs.SetReadFault(d.read)
	}
	return d
}

func (d *disk) files() wal.FS {
	if d.n.w.plan.Faults&Full != 0 {
		return countingFS{d.plainFiles(), d}
	}
	return d.plainFiles()
}

func (d *disk) plainFiles() wal.FS {
	if d.n.w.plan.Broken == NoSync {
		return lyingFS{d.fs}
	}
	return d.fs
}

// change is asked before every call that changes a file.
func (d *disk) change(op wal.Op) error {
	if err := d.pass(op.Kind); err != nil {
		if op.Kind == "write" && d.n.w.chance(50) {
			return &wal.ShortWrite{Bytes: d.n.w.random.IntN(op.Length + 1), Err: err}
		}
		return err
	}
	if op.Kind == "sync" && d.stallFor > 0 && d.n.process.current != nil {
		w := d.n.w
		until := w.now + d.stallFor
		d.stallFor = 0
		w.at(until, d.n, func() {}) // so that somebody asks
		if !d.n.process.wait(func() bool { return w.now >= until }) {
			return errPower
		}
	}
	return nil
}

// read is asked before every read of a file.
func (d *disk) read(wal.Op) error {
	if d.looking || d.failKind != "read" {
		return nil
	}
	return d.pass("read")
}

// boundary is passed at each call of the store.
func (d *disk) boundary() error { return d.pass("store") }

// pass is called at each input and output: here power is lost and calls fail.
func (d *disk) pass(kind string) error {
	if d.dying {
		return errPower
	}
	if d.ops >= 0 && kind != "read" && (d.cutAt == "" || d.cutAt == kind) {
		if d.ops--; d.ops < 0 {
			d.dying = true
			return errPower
		}
	}
	if d.failIn >= 0 && (d.failKind == kind || d.failKind == "" && kind != "read") {
		if d.failIn--; d.failIn < 0 {
			d.failed = true
			d.n.w.result.Counts["failing"]++
			d.n.w.result.Counts["failing "+kind]++
			return syscall.EIO
		}
	}
	return nil
}

// slow tells whether the next sync hangs.
func (d *disk) slow() bool { return d.stallFor > 0 && !d.dying && !d.closing }

// fall leaves on the disk what is on it when the process is gone.
func (d *disk) fall() {
	if d.powerLost {
		w := d.n.w
		keep := w.random.IntN(101)
		switch w.random.IntN(4) {
		case 0:
			keep = 0
		case 1:
			keep = 100
		}
		kept, lost := 0, 0
		d.fs.Crash(func() bool {
			if w.random.IntN(100) < keep {
				kept++
				return true
			}
			lost++
			return false
		})
		d.countLoss(kept, lost)
	} else {
		d.fs.Kill()
	}
	d.dying, d.powerLost, d.ops, d.cutAt, d.failIn, d.stallFor = false, false, -1, "", -1, 0
	d.failed, d.closing, d.looking = false, false, false
	d.failIn, d.failKind, d.failNext = d.failNext, "read", -1
	d.hasRoom()
}

// countLoss takes note of how much a loss of power could take: parts of what was not
// synced, of which some were kept and some were lost.
func (d *disk) countLoss(kept, lost int) {
	counts := d.n.w.result.Counts
	counts["power lost"]++
	if kept+lost > 0 {
		counts["power lost unsynced"]++
	}
	if kept > 0 && lost > 0 {
		counts["power lost mixed"]++
	}
}

// cutSoon has the power go at an input or output that comes: mostly when something
// is written and about to be synced, for then there is something to lose.
func (d *disk) cutSoon() {
	w := d.n.w
	d.powerLost = true
	d.cutAt = pick(w.random, "sync", "sync", "sync", "sync", "write", "write", "", "", "rename", "syncdir")
	switch d.cutAt {
	case "":
		d.ops = w.random.IntN(24)
	case "sync", "write":
		d.ops = w.random.IntN(6)
	default:
		d.ops = 0
		boot := d.n.boot
		w.forAWhile(func() { // none may come for long
			if d.ops >= 0 && d.n.boot == boot {
				d.cutAt = ""
			}
		})
	}
}

// failSoon has one call of a kind fail; of many kinds there are few.
func (d *disk) failSoon() {
	w := d.n.w
	d.failKind = pick(w.random, "", "", "write", "sync", "store", "read", "create", "allocate", "rename", "syncdir")
	switch d.failKind {
	case "":
		d.failIn = w.random.IntN(60)
	case "read":
		d.failIn = w.random.IntN(4)
		if w.chance(50) {
			d.failIn, d.failNext = -1, w.random.IntN(40)
			d.n.fall()
		}
	case "write", "sync", "store":
		d.failIn = w.random.IntN(10)
	default:
		d.failIn = w.random.IntN(2)
	}
}

// fill leaves the disk with some bytes of room; hasRoom ends that.
func (d *disk) fill(room int64) {
	d.full = true
	d.fs.SetCapacity(d.fs.Used() + room)
}

func (d *disk) hasRoom() {
	d.full = false
	d.fs.SetCapacity(0)
}

// excuses tells whether a node may refuse to start for this reason.
func (d *disk) excuses(err error) bool {
	return d.failed && errors.Is(err, syscall.EIO) || d.full && len(d.durable) == 0 && errors.Is(err, syscall.ENOSPC) || d.damaged && errors.Is(err, wal.ErrCorrupt)
}

// lyingFS says that it synced and did not.
type lyingFS struct{ wal.FS }

type lyingFile struct{ wal.File }

func (lyingFile) Sync() error { return nil }

func (f lyingFS) Create(name string) (wal.File, error) {
	file, err := f.FS.Create(name)
	return lyingFile{file}, err
}

func (f lyingFS) Open(name string) (wal.File, error) {
	file, err := f.FS.Open(name)
	return lyingFile{file}, err
}

// countingFS counts the calls for which there is no space.
type countingFS struct {
	wal.FS
	d *disk
}

type countingFile struct {
	wal.File
	d *disk
}

func (f countingFS) Create(name string) (wal.File, error) {
	file, err := f.FS.Create(name)
	return countingFile{file, f.d}, err
}

func (f countingFS) Open(name string) (wal.File, error) {
	file, err := f.FS.Open(name)
	return countingFile{file, f.d}, err
}

func (f countingFile) WriteAt(b []byte, at int64) (int, error) {
	n, err := f.File.WriteAt(b, at)
	f.d.count(err)
	return n, err
}

func (f countingFile) Allocate(size int64) error {
	err := f.File.Allocate(size)
	f.d.count(err)
	return err
}

func (d *disk) count(err error) {
	if errors.Is(err, syscall.ENOSPC) {
		d.n.w.result.Counts["no space"]++
	}
}

// excusesMember tells whether a member may fail for this reason.
func (d *disk) excusesMember(err error) bool { return d.dying || d.excuses(err) }

// forget strikes what was on the disk out of the account: the disk is gone. What
// it held counts on for entries of which the leader has heard from it.
func (d *disk) forget() {
	for _, l := range d.durable {
		l.lost = true
	}
	clear(d.durable)
}

func segmentFile(number uint64) string { return fmt.Sprintf("wal/%016x.wal", number) }
