package consensus

import "fmt"

// Config sets up a member. Every zero value but ID and Rand has a default or a meaning.
type Config struct {
	// ID is this member. Required.
	ID MemberID

	// ElectionTicks is how long a follower waits for its leader before it
	// campaigns: a random time in [ElectionTicks, 2*ElectionTicks). It is also how
	// long a leader goes on without a quorum, and a transfer without success.
	// Shorter finds a dead leader sooner and takes a slow one for dead. Default 20.
	ElectionTicks int

	// HeartbeatTicks is the pause between heartbeats. It must be well below
	// ElectionTicks, so that a lost heartbeat or two do no harm. Default 4.
	HeartbeatTicks int

	// MaxAppendBytes bounds the entries of one message; a single larger entry
	// still goes, alone. Default 1 MiB.
	MaxAppendBytes uint64

	// MaxInflightMessages and MaxInflightBytes bound what is on its way to one
	// follower and not acknowledged. Wider keeps a long pipe full and costs memory
	// where a follower stalls. Defaults 256 and 8 MiB.
	MaxInflightMessages int
	MaxInflightBytes    uint64

	// MaxUncommittedBytes bounds what a leader has accepted and not committed;
	// beyond it Propose returns ErrOverloaded. Default 64 MiB.
	MaxUncommittedBytes uint64

	// MaxApplyBytes bounds the committed entries handed out and not yet Applied. Default 8 MiB.
	MaxApplyBytes uint64

	// CacheBytes bounds the entries kept in memory only because a follower may ask
	// for them again; they are dropped when the group sleeps. Default 256 KiB.
	CacheBytes uint64

	// SleepTicks is how long a leader has nothing to do before it puts its group
	// to sleep. 0 means never.
	SleepTicks int

	// LeaseNanos is how long the answers of a quorum entitle a leader to answer
	// reads without asking. It must be less than ElectionTicks ticks by more than
	// the worst drift between two clocks over that time. All members of a group
	// must agree on whether it is 0, which means no lease.
	LeaseNanos int64

	// Rand returns a random number in [0, n). Required; the only source of chance.
	Rand func(n int) int
}

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	setDefault(&c.ElectionTicks, 20)
	setDefault(&c.HeartbeatTicks, 4)
	setDefault(&c.MaxAppendBytes, 1<<20)
	setDefault(&c.MaxInflightMessages, 256)
	setDefault(&c.MaxInflightBytes, 8<<20)
	setDefault(&c.MaxUncommittedBytes, 64<<20)
	setDefault(&c.MaxApplyBytes, 8<<20)
	setDefault(&c.CacheBytes, 256<<10)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports the first field that cannot work, after defaults are filled in.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case c.ID == 0:
		return fmt.Errorf("%w: ID is 0; give the member its identifier", ErrInvalidConfig)
	case c.Rand == nil:
		return fmt.Errorf("%w: Rand is nil; give a source of random numbers", ErrInvalidConfig)
	case c.HeartbeatTicks < 1:
		return fmt.Errorf("%w: HeartbeatTicks is %d; at least 1 is needed", ErrInvalidConfig, c.HeartbeatTicks)
	case c.ElectionTicks <= c.HeartbeatTicks:
		return fmt.Errorf("%w: ElectionTicks is %d; it must be above HeartbeatTicks, %d, best several times", ErrInvalidConfig, c.ElectionTicks, c.HeartbeatTicks)
	case c.MaxInflightMessages < 1:
		return fmt.Errorf("%w: MaxInflightMessages is %d; at least 1 is needed", ErrInvalidConfig, c.MaxInflightMessages)
	case c.SleepTicks < 0:
		return fmt.Errorf("%w: SleepTicks is %d; use 0 for never", ErrInvalidConfig, c.SleepTicks)
	case c.LeaseNanos < 0:
		return fmt.Errorf("%w: LeaseNanos is %d; use 0 for no lease", ErrInvalidConfig, c.LeaseNanos)
	}
	return nil
}

// Storage is the durable log, read only for entries that the core no longer
// holds in memory: those were reported by Persisted and not compacted since.
// It is called from within New and Output and should answer from memory or a
// single read.
type Storage interface {
	// Entries returns consecutive entries of [lo, hi) from lo on: at least one,
	// then as many as fit in maxBytes of data.
	Entries(lo, hi uint64, maxBytes uint64) ([]Entry, error)
}

// Start is what a member finds on its disk.
//
// A group's first voters all start with Snapshot{Index: 1, Term: 1, Config:
// first voters}, an empty log behind it and HardState{Term: 1, Commit: 1}. A
// member that is added later starts with the zero Start or with the same first one.
type Start struct {
	State    HardState
	Snapshot SnapshotMeta
	// LastIndex is the last index of the durable log; 0 or Snapshot.Index if it is empty.
	LastIndex uint64
	// Applied is what the state machine has: never less than Snapshot.Index, which
	// is also what 0 stands for.
	Applied uint64
}
