package harness

import (
	"fmt"
	"time"
)

// Config says what fleet is started.
type Config struct {
	// Binary is the fleetd binary. Default, in tests: built once by Build.
	Binary string
	// Dir is where nodes keep their data and their logs. Default: a temporary
	// folder, which Close removes.
	Dir string
	// Nodes is how many there are at first. Default 3.
	Nodes int
	// Zones is over how many zones they are spread, in turn. Default 1.
	Zones int
	// Prefix begins the names of nodes, and Zone those of zones; a number follows.
	// Defaults "n" and "z".
	Prefix, Zone string
	// PurgeAfter is how long a node is gone before its members are replaced.
	// Default 10 min: longer than a test, so that nothing moves unless it asks for it.
	PurgeAfter time.Duration
	// DrainTimeout bounds the drain of a node that is stopped. Default 0: it ends at once.
	DrainTimeout time.Duration
	// Flags are given to every node after the flags that follow from the above.
	Flags []string
}

func (c Config) withDefaults() Config {
	if c.Nodes == 0 {
		c.Nodes = 3
	}
	if c.Zones == 0 {
		c.Zones = 1
	}
	if c.Prefix == "" {
		c.Prefix = "n"
	}
	if c.Zone == "" {
		c.Zone = "z"
	}
	if c.PurgeAfter == 0 {
		c.PurgeAfter = 10 * time.Minute
	}
	return c
}

// Validate reports the first field that cannot be.
func (c Config) Validate() error {
	switch {
	case c.Nodes < 0 || c.Nodes > 64:
		return fmt.Errorf("harness: Config.Nodes is %d: give 1 to 64, as they all run on this machine", c.Nodes)
	case c.Zones < 0 || c.Zones > 64:
		return fmt.Errorf("harness: Config.Zones is %d: give 1 to 64", c.Zones)
	case c.PurgeAfter < 0 || c.DrainTimeout < 0:
		return fmt.Errorf("harness: Config.PurgeAfter is %s and DrainTimeout %s: neither may be negative", c.PurgeAfter, c.DrainTimeout)
	}
	return nil
}
