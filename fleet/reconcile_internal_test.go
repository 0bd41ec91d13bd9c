package fleet

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/assemble"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// unreadable is a store that cannot read the record of removed members at first.
type unreadable struct {
	store.Store
	failures atomic.Int32
}

func (s *unreadable) Get(key string) ([]byte, error) {
	if key == reconciledKey && s.failures.Add(-1) >= 0 {
		return nil, errors.New("this sector cannot be read just now")
	}
	return s.Store.Get(key)
}

// A node that cannot read once up to where it removed members hosts none until it
// can, and then all.
func TestReconcileReadsAgainWhatItMustKnow(t *testing.T) {
	cfg := Config{InMemory: true, Local: true, Types: []group.Type{tallyType}}
	full := cfg.withDefaults()
	parts := machineParts(full)
	var flaky *unreadable
	parts.Storage = func() (store.Store, *wal.Log, error) {
		s, l, err := full.openStorage()
		flaky = &unreadable{Store: s}
		flaky.failures.Store(2)
		return flaky, l, err
	}
	n, err := Open(assemble.With(t.Context(), parts), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Activate(t.Context(), "zone"); err != nil {
		t.Fatal(err)
	}
	if err := n.AddConsensusGroup(t.Context(), "g", 1, tallyType); err != nil {
		t.Fatal(err)
	}
	if flaky.failures.Load() >= 0 {
		t.Fatal("it was never read")
	}
}
