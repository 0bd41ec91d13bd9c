package consensus

import "fmt"

const (
	scanBytes = 1 << 20
)

// New makes a member from what it found on its disk. It reads the log once, for
// its terms and configurations, and keeps none of the entries.
//
// A log that does not join the snapshot, or ends before it, is given up: the
// process ended between storing the snapshot and resetting the log. The first
// Write then starts a log behind the snapshot.
func New(cfg Config, storage Storage, start Start) (*Core, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	snap := start.Snapshot
	if err := snap.Config.Validate(); err != nil {
		return nil, fmt.Errorf("%w: snapshot %d: %w", ErrInvalidStart, snap.Index, err)
	}
	if snap.ConfigIndex > snap.Index {
		return nil, fmt.Errorf("%w: snapshot %d with a configuration of index %d", ErrInvalidStart, snap.Index, snap.ConfigIndex)
	}
	c := &Core{cfg: cfg.withDefaults(), state: start.State}
	c.log.storage = storage
	c.log.reset(snap.Index, snap.Term)
	config := snap.Config.Clone()
	c.configs = append(make([]configAt, 0, 1), configAt{snap.ConfigIndex, &config})
	if err := c.scan(start); err != nil {
		return nil, err
	}
	c.log.memFirst = c.log.last + 1
	c.log.unsaved, c.log.durable = c.log.last+1, c.log.last

	// A term can be missing where the snapshot or the log was stored and the
	// state was not. No vote was given in it: votes are stored before they are given.
	if term := c.log.lastTerm(); c.state.Term < term {
		c.state.Term, c.state.Vote = term, 0
	}
	c.applied = max(start.Applied, snap.Index)
	if c.applied > c.log.last {
		return nil, fmt.Errorf("%w: state applied up to %d, log ends at %d: the log has lost entries; replace the member", ErrInvalidStart, c.applied, c.log.last)
	}
	if c.state.Commit > c.log.last {
		return nil, fmt.Errorf("%w: commit index %d, log ends at %d: the log has lost entries; replace the member", ErrInvalidStart, c.state.Commit, c.log.last)
	}
	c.state.Commit = max(c.state.Commit, c.applied)
	c.handed = c.applied
	if c.cfg.LeaseNanos > 0 && c.state.Term > 1 {
		// Before the restart this member may have promised a leader not to vote.
		c.quietTicks = c.cfg.ElectionTicks
	}
	c.resetElectionTimer()
	return c, nil
}

// scan takes the terms and configurations of the durable log behind the snapshot.
func (c *Core) scan(start Start) error {
	l, snap := &c.log, start.Snapshot
	if start.LastIndex <= snap.Index {
		if start.LastIndex < snap.Index {
			c.discardLog()
		}
		return nil
	}
	if l.storage == nil {
		return fmt.Errorf("%w: a log up to %d and no storage to read it", ErrInvalidStart, start.LastIndex)
	}
	if snap.Index > 0 {
		// An entry that the snapshot covers may still be there, and then tells
		// whether the log goes on from the snapshot. If it is gone, the log was
		// compacted to this very snapshot.
		if at, err := l.storage.Entries(snap.Index, snap.Index+1, 1); err == nil && len(at) > 0 && at[0].Term != snap.Term {
			c.discardLog()
			return nil
		}
	}
	for next := snap.Index + 1; next <= start.LastIndex; {
		entries, err := l.storage.Entries(next, start.LastIndex+1, scanBytes)
		if err != nil {
			return fmt.Errorf("%w: log from %d, behind snapshot %d: %w", ErrInvalidStart, next, snap.Index, err)
		}
		if len(entries) == 0 {
			return fmt.Errorf("%w: log ends before %d, it should reach %d", ErrInvalidStart, next, start.LastIndex)
		}
		for i := range entries {
			e := &entries[i]
			if e.Index != next {
				return fmt.Errorf("%w: entry %d where %d should be", ErrInvalidStart, e.Index, next)
			}
			if e.Term < l.lastTerm() {
				if next == snap.Index+1 {
					c.discardLog()
					return nil // older than the snapshot: it does not join
				}
				return fmt.Errorf("%w: entry %d of term %d behind one of term %d", ErrInvalidStart, e.Index, e.Term, l.lastTerm())
			}
			l.noteTerm(e.Index, e.Term)
			l.last = e.Index
			if e.Kind == EntryConfig {
				if err := c.pushConfig(e); err != nil {
					return fmt.Errorf("%w: entry %d: %w", ErrInvalidStart, e.Index, err)
				}
			}
			next++
		}
	}
	return nil
}

func (c *Core) discardLog() {
	c.logDiscarded = true
	c.state.Commit = min(c.state.Commit, c.log.snapIndex)
}

// LogDiscarded reports that New gave up the durable log because it does not
// join the snapshot. The caller must reset it behind the snapshot before it
// writes what the first Output gives.
func (c *Core) LogDiscarded() bool { return c.logDiscarded }

// pushConfig puts the configuration of an entry in force.
func (c *Core) pushConfig(e *Entry) error {
	config, err := DecodeConfiguration(e.Data)
	if err != nil {
		return err
	}
	c.configs = append(c.configs, configAt{e.Index, &config})
	return nil
}
