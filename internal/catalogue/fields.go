package catalogue

import "github.com/raftfleet/raftfleet/placement"

// The formats of records. The order of the fields is part of the format.

func member(c *coder, m *Member) {
	id(c, &m.ID)
	id(c, &m.Node)
}

func state(c *coder, s *placement.State) {
	v := uint64(*s)
	if c.uint(&v); c.dec != nil {
		*s = placement.State(min(v, 255))
	}
}

func cause(c *coder, k *Cause) {
	v := uint64(k.Kind)
	if c.uint(&v); c.dec != nil {
		k.Kind = placement.Kind(min(v, 255))
	}
	c.string(&k.Text, MaxReason)
}

func (n *Node) fields(c *coder) {
	id(c, &n.ID)
	c.string(&n.Name, MaxName)
	c.string(&n.Zone, MaxName)
	c.int(&n.Weight)
	state(c, &n.State)
	c.int64(&n.Since)
	c.string(&n.Wire, MaxAddress)
	c.string(&n.Admin, MaxAddress)
	id(c, &n.Member)
	c.string(&n.Reason, MaxReason)
	if c.format >= returnedFormat {
		c.int64(&n.Returned)
	}
}

func (g *Group) fields(c *coder) {
	id(c, &g.ID)
	c.string(&g.Name, MaxName)
	c.string(&g.Type, MaxName)
	c.int(&g.Replicas)
	c.bytes(&g.Config, MaxConfig)
	c.bytes(&g.FirstConfig, MaxConfig)
	c.bytes(&g.Initial, MaxState)
	list(c, &g.First, MaxMembers, member)
	list(c, &g.Target, MaxMembers, member)
	id(c, &g.Preferred)
	c.uint(&g.Epoch)
	cause(c, &g.Cause)
	c.int64(&g.Since)
	c.bool(&g.Back)
	c.int(&g.Failures)
	c.int64(&g.RestUntil)
	list(c, &g.Configured, MaxMembers, member)
	list(c, &g.Named, MaxNodes, member)
	c.uint(&g.ConfiguredIndex)
	c.uint(&g.Settled)
	c.uint(&g.SettledNext)
	c.uint(&g.NextMember)
	c.int64(&g.Created)
}

func (a *Archive) fields(c *coder) {
	c.string(&a.Name, MaxName)
	c.string(&a.Type, MaxName)
	c.bytes(&a.Config, MaxConfig)
	c.bytes(&a.State, MaxState)
	id(c, &a.Group)
	c.uint(&a.Term)
	c.uint(&a.Index)
	c.int64(&a.Removed)
}

type setting struct{ key, value string }

func (s *setting) fields(c *coder) {
	c.string(&s.key, MaxName)
	c.string(&s.value, MaxSetting)
}
