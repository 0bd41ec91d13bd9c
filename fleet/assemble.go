package fleet

import (
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"

	"github.com/raftfleet/raftfleet/gossip"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/assemble"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
	"github.com/raftfleet/raftfleet/internal/wire"
)

// machineParts are a node's parts on the machine.
func machineParts(c Config) assemble.Parts {
	return assemble.Parts{
		Exec:    exec.System,
		Rand:    rand.IntN,
		ID:      func() uint64 { return uint64(ident.NewFleetID()) },
		Storage: c.openStorage,
		Wire:    c.openWire,
		Host:    group.NewHost,
		Gossip: func(g gossip.Config) (assemble.Gossip, error) {
			started, err := gossip.Start(g)
			if err != nil {
				return nil, err // and no interface around a nil pointer
			}
			return started, nil
		},
	}
}

// openStorage opens what a node keeps, on the disk or in memory.
func (c Config) openStorage() (store.Store, *wal.Log, error) {
	options := wal.Options{Logger: c.Logger}
	var kept store.Store
	var err error
	dir := "wal"
	if c.InMemory {
		kept = store.OpenMemory(c.Name)
		options.FS, options.SegmentBytes = wal.NewMemFS(), 4<<20
	} else {
		if kept, err = store.Open(c.DataDir, store.Options{Name: c.Name, Logger: c.Logger}); err != nil {
			return nil, nil, err
		}
		dir = filepath.Join(c.DataDir, "wal")
	}
	options.Checkpoints = kept
	log, err := wal.Open(dir, options)
	return kept, log, err
}

// openWire listens for other nodes.
func (c Config) openWire(w wire.Config) (assemble.Wire, error) {
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("fleet: Config.Listen %q: %w; choose a free port of this machine, or port 0", c.Listen, err)
	}
	w.Listener = l
	t, err := wire.New(w)
	if err != nil {
		l.Close()
		return nil, err
	}
	return t, nil
}
