package consensus

// Core is one member's part in the Raft protocol. It must be used by one
// goroutine at a time; its only effects are what Output hands out.
type Core struct {
	cfg Config
	log raftLog

	// What must survive a restart, and what of it has.
	state       HardState
	stateDirty  bool   // term or vote changed since the last Write
	stateTicket uint64 // the write that makes term and vote durable
	commitDirty bool   // the commit index changed since the last Write
	commitDue   bool   // it is time to write a commit index alone

	tickets tickets
	held    []heldMessage // wait for a write
	outbox  []Message     // may leave; none carries entries

	role         Role
	leader       MemberID
	asleep       bool
	changed      bool
	logDiscarded bool
	now          int64 // monotonic nanoseconds at the last tick

	electionElapsed, electionTimeout int
	heartbeatElapsed                 int
	quietTicks                       int    // refuse votes: another's lease may still hold
	termStart                        uint64 // leader: the entry that opened the term

	// Follower: what it knows of the leader of this term.
	matched     uint64 // this log equals the leader's up to here
	acked       uint64 // what the leader was last told
	ackOwed     bool
	leaderRound uint64 // the highest round heard

	configs []configAt // by index; the last is in force
	peers   []peer     // leader or candidate: everyone it deals with, itself too
	scratch []uint64   // for quorums

	// Leader: the way to followers, reads, lease, transfer, sleep.
	pump         bool // some follower may be sent something
	tellCommit   bool // at once, without waiting for a tick
	round        uint64
	reads        []pendingRead
	readsReady   []ReadReady
	lease        lease
	transfer     transfer
	sleep        sleepPhase
	needSnapshot []MemberID

	uncommittedBytes uint64

	// Entries handed out to be applied.
	applied, handed uint64
	applyBytes      uint64
	applying        []applyBatch

	install    *SnapshotMeta // accepted; its Write is not handed out yet
	installing uint64        // the ticket of an install that is not durable yet

	storageErr error
}

type configAt struct {
	index  uint64
	config *Configuration
}

type applyBatch struct{ last, bytes uint64 }

// ID returns the member.
func (c *Core) ID() MemberID { return c.cfg.ID }

// Role returns the part that the member plays in its term.
func (c *Core) Role() Role { return c.role }

// Term returns the newest term that the member has seen.
func (c *Core) Term() uint64 { return c.state.Term }

// Leader returns who leads the term as far as the member knows, 0 if nobody does.
func (c *Core) Leader() MemberID { return c.leader }

// Commit returns the highest index known to be committed.
func (c *Core) Commit() uint64 { return c.state.Commit }

// LastIndex returns the last index of the log, durable or not.
func (c *Core) LastIndex() uint64 { return c.log.last }

// AppliedIndex returns the last index that was reported as applied.
func (c *Core) AppliedIndex() uint64 { return c.applied }

// Asleep reports whether the member needs no ticks.
func (c *Core) Asleep() bool { return c.asleep }

// Configuration returns the configuration in force, which is the newest in the
// log, committed or not (thesis 4.1). It is shared: read only.
func (c *Core) Configuration() *Configuration { return c.configs[len(c.configs)-1].config }

// ConfigIndex returns the index of the entry that brought the configuration in force.
func (c *Core) ConfigIndex() uint64 { return c.configs[len(c.configs)-1].index }

// ConfigurationAt returns the configuration that was in force at an index of
// the log, and the index of its entry. It serves to describe a snapshot, and
// knows every index from the newest snapshot on. The configuration is shared:
// read only.
func (c *Core) ConfigurationAt(index uint64) (*Configuration, uint64) {
	for i := len(c.configs) - 1; i > 0; i-- {
		if c.configs[i].index <= index {
			return c.configs[i].config, c.configs[i].index
		}
	}
	return c.configs[0].config, c.configs[0].index
}

// LogBytes returns about how many bytes of entries are held in memory.
func (c *Core) LogBytes() uint64 { return c.log.memoryBytes }

// committedInTerm reports whether a leader knows all that is committed: it has
// committed an entry of its own term.
func (c *Core) committedInTerm() bool {
	return c.role == Leader && c.state.Commit >= c.termStart
}

// commitTo moves the commit index forward.
func (c *Core) commitTo(index uint64) {
	if index <= c.state.Commit {
		return
	}
	if c.role == Leader {
		c.releaseUncommitted(c.state.Commit+1, index)
	}
	c.state.Commit = index
	c.commitDirty = true
	if c.role == Leader {
		c.pump = true
		c.afterCommit()
	}
}

// electable reports whether the member may campaign: it is a voter of the
// configuration in force or of the newest one that it knows to be committed. A
// voter that is leaving may still be needed to commit its own leaving (thesis
// 4.2.2); one that knows it has left must not disturb the others.
func (c *Core) electable() bool {
	if c.install != nil || c.installing != 0 {
		return false
	}
	committed, _ := c.ConfigurationAt(c.state.Commit)
	return c.Configuration().IsVoter(c.cfg.ID) || committed.IsVoter(c.cfg.ID)
}
