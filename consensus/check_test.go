package consensus

import (
	"strings"
	"testing"
)

// TestCheck breaks one thing at a time: Check says which, and has nothing to say
// before.
func TestCheck(t *testing.T) {
	for name, broken := range map[string]func(*Core){
		"applied 9":              func(c *Core) { c.applied = 9 },
		"durable up to 9":        func(c *Core) { c.log.durable = 9 },
		"the log ends in term":   func(c *Core) { c.state.Term = 1 },
		"is being installed":     func(c *Core) { c.installing = c.tickets.last + 1 },
		"follows that of":        func(c *Core) { c.configs = append(c.configs, c.configs[0]) },
		"the log ends at":        func(c *Core) { c.configs = append(c.configs, configAt{9, c.Configuration()}) },
		"that entry is another":  func(c *Core) { c.configs = append(c.configs, configAt{c.log.last, c.Configuration()}) },
		"are both not committed": func(c *Core) { c.appendConfig(c.Configuration()); c.appendConfig(c.Configuration()) },
		"committed nothing in its": func(c *Core) {
			c.appendConfig(c.Configuration())
			c.termStart, c.state.Commit = 4, 3
			c.applied, c.handed = 3, 3
		},
		"two of them alike":         func(c *Core) { c.held = []heldMessage{{}, {}} },
		"bytes are being applied":   func(c *Core) { c.applyBytes++ },
		"handed out to be applied":  func(c *Core) { c.applying = []applyBatch{{2, 300}, {3, 300}}; c.applyBytes = 600 },
		"messages are on their way": func(c *Core) { c.peers[1].Inflights.Add(4, 1); c.peers[1].Inflights.Add(5, 1) },
		"bytes are on their way": func(c *Core) {
			c.peers[1].Inflights.Add(4, 300)
			c.cfg.MaxInflightMessages++
			c.peers[1].Inflights.Add(5, 1)
		},
		"asleep with log":           func(c *Core) { c.asleep = true },
		"it takes 2 for the leader": func(c *Core) { c.leader = 2 },
		"is no voter":               func(c *Core) { c.cfg.ID, c.leader = 7, 7 },
		"the account says":          func(c *Core) { c.uncommittedBytes++ },
		"bytes of commands": func(c *Core) {
			c.appendOwn(EntryCommand, make([]byte, 80))
			c.appendOwn(EntryCommand, make([]byte, 80))
		},
		"is sent":                     func(c *Core) { c.peers[1].Next = c.log.last + 2 },
		"0 reads, 0 uncommitted byte": func(c *Core) { c.role, c.transfer.target = Follower, 2; c.uncommittedBytes = 0 },
	} {
		s := newSolo(t, Config{MaxInflightMessages: 1, MaxInflightBytes: 200, MaxUncommittedBytes: 200, MaxApplyBytes: 200}, voters(1, 2, 3))
		s.lead(2, 3)
		if _, _, err := s.Propose([]byte("c")); err != nil {
			t.Fatal(err)
		}
		if err := s.Check(); err != nil {
			t.Fatalf("nothing is wrong: %v", err)
		}
		broken(s.Core)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want %q, it says: %v", name, err)
		}
	}
}
