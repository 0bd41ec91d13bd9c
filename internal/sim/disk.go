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

	dying     bool // power or process are gone: nothing has an effect any more
	powerLost bool // and with them what was not synced
	ops       int  // inputs and outputs until that happens; -1: it does not
	failIn    int  // until one fails; -1: none does
	failed    bool // one did in this life
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
	d := &disk{n: n, fs: wal.NewMemFS(), durable: make(map[wal.Member]*memberLog), ops: -1, failIn: -1}
	d.store = &storage{Store: store.OpenMemory(fmt.Sprint("node ", n.id)), d: d}
	d.fs.SetFault(d.change)
	return d
}

func (d *disk) files() wal.FS {
	if d.n.w.plan.Broken == NoSync {
		return lyingFS{d.fs}
	}
	return d.fs
}

// change is asked before every call that changes a file.
func (d *disk) change(op wal.Op) error {
	if err := d.boundary(); err != nil {
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

// boundary is passed at each input and output: here power is lost and calls fail.
func (d *disk) boundary() error {
	if d.dying {
		return errPower
	}
	if d.ops >= 0 {
		if d.ops--; d.ops < 0 {
			d.dying = true
			return errPower
		}
	}
	if d.failIn >= 0 {
		if d.failIn--; d.failIn < 0 {
			d.failed = true
			d.n.w.result.Counts["failing"]++
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
		d.fs.Crash(func() bool { return w.random.IntN(100) < keep })
	} else {
		d.fs.Kill()
	}
	d.dying, d.powerLost, d.ops, d.failIn, d.stallFor = false, false, -1, -1, 0
	d.failed, d.closing = false, false
	d.hasRoom()
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
