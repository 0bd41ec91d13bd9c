package fleet

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
)

// What Activate ends with: a copy of the catalogue that lags is waited for until it
// holds all that was committed, and the error says what it waits for.
func TestALaggingCopyOfTheCatalogueIsWaitedFor(t *testing.T) {
	open := func(name string, join ...string) *Node {
		n, err := Activate(t.Context(), "zone-"+name, Config{Name: name, InMemory: true, Local: true, Join: join, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		})
		return n
	}
	first := open("n1")
	second := open("n2", first.GossipAddr())
	// Whoever holds this lock stops the copy at the next entry that it applies.
	lag := &second.catalogueChanged.mu
	lag.Lock()
	locked := true
	defer func() {
		if locked {
			lag.Unlock()
		}
	}()
	for _, key := range []string{"a", "b", "c"} {
		if _, err := first.propose(t.Context(), &catalogue.SetSettings{Settings: map[string]string{key: "set"}}); err != nil {
			t.Fatal(err)
		}
	}
	soon, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err := second.awaitCopy(soon)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "copy of the catalogue") {
		t.Errorf("a copy that lags: %v", err)
	}
	lag.Unlock()
	locked = false
	if err := second.awaitCopy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if settings := second.catalogue.Load().Settings(); len(settings) != 3 {
		t.Errorf("the copy lacks what was committed: %v", settings)
	}
}

// A node that was given up while it was away has a copy of the catalogue from the
// past, in which nobody may be left who has it now. It finds them all the same.
func TestTheCatalogueIsFoundFromAnOldCopy(t *testing.T) {
	var nodes []*Node
	for _, name := range []string{"n1", "n2"} {
		cfg := Config{Name: name, InMemory: true, Local: true, Logger: slog.New(slog.DiscardHandler)}
		if len(nodes) > 0 {
			cfg.Join = []string{nodes[0].GossipAddr()}
		}
		n, err := Activate(t.Context(), "z", cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		})
		nodes = append(nodes, n)
	}
	first, second := nodes[0], nodes[1]
	old := catalogue.New()
	b, err := catalogue.Encode(&catalogue.RegisterNode{ID: second.id, Name: "n2", Zone: "z", Weight: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Apply(1, 1, b); err != nil {
		t.Fatal(err)
	}
	old.AppliedUpTo(1)
	now := second.catalogue.Swap(old)
	defer second.catalogue.Store(now)
	if r, err := second.locateCatalogue(); err != nil || !slices.Contains(r.Members, first.id) {
		t.Errorf("asked would be %v, not node %s that has the catalogue; %v", r.Members, first.id, err)
	}
}
