package group

import (
	"fmt"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/raftfleet/raftfleet/internal/msgpackcheck"
)

// Config holds the settings of one group. It is kept in the group's record and
// in its log, so all members change it at the same position. A zero field means
// its default.
type Config struct {
	// HeartbeatInterval is how often a leader that has nothing else to say shows
	// that it lives. Default 200 ms, at least 50 ms, which is the unit of all timing.
	HeartbeatInterval time.Duration `msgpack:"hb,omitempty"`
	// ElectionTimeout is how long a member waits for its leader before it asks for
	// an election; each wait is drawn between one and two of it. Default 1 s, at
	// least three heartbeats. Shorter finds a dead leader sooner and mistakes a
	// slow one for dead more often.
	ElectionTimeout time.Duration `msgpack:"el,omitempty"`
	// SleepAfter is how long a group must be idle before it sleeps and costs
	// nothing. Default 5 s; negative means never.
	SleepAfter time.Duration `msgpack:"sl,omitempty"`
	// LeaseDrift, when not zero, lets a leader answer queries on its lease without
	// asking a quorum. It states by how much two clocks may drift apart during one
	// election timeout. Off by default: a clock that drifts further makes a query
	// stale.
	LeaseDrift time.Duration `msgpack:"ld,omitempty"`
	// SessionTTL is how long, in log time, a session outlives its last command.
	// Default 1 h. A command retried after that is refused, never executed again.
	SessionTTL time.Duration `msgpack:"st,omitempty"`
	// MaxSessions bounds the sessions of the group. Default 10 000. When it is
	// reached and none has expired, new clients are refused.
	MaxSessions int `msgpack:"ms,omitempty"`
	// MaxCommandBytes bounds one command. Default 1 MiB, at most 16 MiB.
	MaxCommandBytes int `msgpack:"mc,omitempty"`
	// SnapshotFactor: a snapshot is taken when the log since the last one exceeds
	// this many times its size, within SnapshotLeast and SnapshotMost bytes.
	// Within a second of the last one it waits for 16 times as much, but not for
	// more than SnapshotMost.
	// Defaults 10, 64 KiB and 64 MiB.
	SnapshotFactor int   `msgpack:"sf,omitempty"`
	SnapshotLeast  int64 `msgpack:"s0,omitempty"`
	SnapshotMost   int64 `msgpack:"s1,omitempty"`
}

// withDefaults returns c with every zero field replaced.
func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.HeartbeatInterval, 200*time.Millisecond)
	set(&c.ElectionTimeout, time.Second)
	set(&c.SleepAfter, 5*time.Second)
	set(&c.SessionTTL, time.Hour)
	if c.MaxSessions == 0 {
		c.MaxSessions = 10_000
	}
	if c.MaxCommandBytes == 0 {
		c.MaxCommandBytes = 1 << 20
	}
	if c.SnapshotFactor == 0 {
		c.SnapshotFactor = 10
	}
	if c.SnapshotLeast == 0 {
		c.SnapshotLeast = 64 << 10
	}
	if c.SnapshotMost == 0 {
		c.SnapshotMost = 64 << 20
	}
	return c
}

// Validate reports the first field that cannot be, with its value and remedy.
func (c Config) Validate() error {
	d := c.withDefaults()
	bad := func(field string, value any, remedy string) error {
		return fmt.Errorf("group: Config.%s is %v: %s", field, value, remedy)
	}
	switch {
	case d.HeartbeatInterval < 50*time.Millisecond:
		return bad("HeartbeatInterval", d.HeartbeatInterval, "give at least 50ms, or 0 for the default")
	case d.ElectionTimeout < 3*d.HeartbeatInterval:
		return bad("ElectionTimeout", d.ElectionTimeout, fmt.Sprintf("give at least three heartbeats (%s)", 3*d.HeartbeatInterval))
	case d.LeaseDrift < 0 || d.LeaseDrift >= d.ElectionTimeout:
		return bad("LeaseDrift", d.LeaseDrift, fmt.Sprintf("give 0 for no lease, or less than the election timeout (%s)", d.ElectionTimeout))
	case d.SessionTTL < time.Minute:
		return bad("SessionTTL", d.SessionTTL, "give at least 1m: shorter turns retries into errors")
	case d.MaxSessions < 1 || d.MaxSessions > 1_000_000:
		return bad("MaxSessions", d.MaxSessions, "give 1 to 1000000")
	case d.MaxCommandBytes < 1 || d.MaxCommandBytes > 16<<20:
		return bad("MaxCommandBytes", d.MaxCommandBytes, "give 1 to 16777216")
	case d.SnapshotFactor < 1:
		return bad("SnapshotFactor", d.SnapshotFactor, "give at least 1")
	case d.SnapshotLeast < 1 || d.SnapshotMost < d.SnapshotLeast:
		return bad("SnapshotMost", d.SnapshotMost, "give at least SnapshotLeast, and both more than 0")
	}
	return nil
}

// Encode returns the form in which a Config travels and is kept.
func (c Config) Encode() []byte {
	b, err := msgpack.Marshal(c)
	if err != nil {
		panic("group: a Config of plain numbers does not encode: " + err.Error()) // cannot happen
	}
	return b
}

// DecodeConfig reads what Encode wrote; no bytes at all mean the defaults.
func DecodeConfig(b []byte) (Config, error) {
	var c Config
	if len(b) == 0 {
		return c, nil
	}
	err := msgpackcheck.Check(b, false)
	if err == nil {
		err = msgpack.Unmarshal(b, &c)
	}
	if err != nil {
		return c, fmt.Errorf("group: a group's configuration cannot be read: %w", err)
	}
	return c, c.Validate()
}
