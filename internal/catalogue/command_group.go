package catalogue

import (
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// AddGroup adds a group whose first voters are on the given nodes. With
// RestoreArchive its type, configuration and initial state are those of the
// archive of its name, which ends with that; Type must then be empty or the
// same, and Config replaces the archive's if it is not nil.
// Refused with ErrInvalid, ErrLimit, ErrGroupExists, ErrNoArchive and ErrNoNode.
type AddGroup struct {
	Name, Type     string
	Replicas       int
	Config         []byte
	Initial        []byte
	RestoreArchive bool
	Members        []ident.NodeID
	Preferred      ident.NodeID
}

func (a *AddGroup) kind() kind { return kindAddGroup }

func (a *AddGroup) fields(c *coder) {
	c.string(&a.Name, MaxName)
	c.string(&a.Type, MaxName)
	c.int(&a.Replicas)
	c.bytes(&a.Config, MaxConfig)
	c.bytes(&a.Initial, MaxState)
	c.bool(&a.RestoreArchive)
	list(c, &a.Members, MaxReplicas, id[ident.NodeID])
	id(c, &a.Preferred)
}

func (a *AddGroup) check() error {
	if a.RestoreArchive && len(a.Initial) > 0 {
		return refuse(ErrInvalid, "group %q has an initial state and an archive to restore: give one of them", a.Name)
	}
	if a.Type != "" || !a.RestoreArchive {
		if err := checkName("type", a.Type); err != nil {
			return err
		}
	}
	return firstError(checkName("name", a.Name), checkReplicas(a.Replicas), checkNodes(a.Members, a.Preferred),
		checkSize("config", a.Config, MaxConfig), checkSize("initial state", a.Initial, MaxState))
}

func (a *AddGroup) apply(m *Machine, at moment) (func(*coder), error) {
	if other, taken := m.groupNamed(a.Name); taken {
		return nil, refuse(ErrGroupExists, "group %q is %s: remove it first or choose another name", a.Name, other.ID)
	}
	if m.groups.Len() >= MaxGroups {
		return nil, refuse(ErrLimit, "the fleet has %d groups: remove some first", m.groups.Len())
	}
	if err := m.nodesKnown(a.Members); err != nil {
		return nil, err
	}
	g := &Group{Name: a.Name, Type: a.Type, Config: a.Config, Initial: a.Initial, Replicas: a.Replicas, Preferred: a.Preferred}
	if a.RestoreArchive {
		if err := a.restore(m, g); err != nil {
			return nil, err
		}
	}
	m.beginGroup(g, a.Members, at)
	return groupResult(g), nil
}

// nodesKnown refuses nodes that are not registered.
func (m *Machine) nodesKnown(nodes []ident.NodeID) error {
	for _, node := range nodes {
		if _, err := m.node(node); err != nil {
			return err
		}
	}
	return nil
}

// beginGroup gives a new group its identifier and its first members, and publishes it.
func (m *Machine) beginGroup(g *Group, members []ident.NodeID, at moment) {
	g.ID = ident.GroupID(m.nextGroup)
	m.nextGroup++
	g.Created, g.Since = at.time, at.time
	g.NextMember, g.Epoch = 1, 1
	nodes := slices.Clone(members)
	slices.Sort(nodes)
	for _, node := range nodes {
		g.First = append(g.First, Member{ID: ident.MemberID(g.NextMember), Node: node})
		g.NextMember++
	}
	// A group's log begins behind its first configuration, which has index 1.
	g.Target, g.Configured, g.ConfiguredIndex, g.Settled, g.SettledNext = g.First, g.First, 1, g.Epoch, g.NextMember
	g.FirstConfig = g.Config
	m.putGroup(g)
}

// restore takes what the archive of g's name has, and the archive away.
func (a *AddGroup) restore(m *Machine, g *Group) error {
	archive, ok := m.archives[a.Name]
	if !ok {
		return refuse(ErrNoArchive, "nothing is archived as %q: add the group without restoring", a.Name)
	}
	if a.Type != "" && a.Type != archive.Type {
		return refuse(ErrInvalid, "type is %q but the archive %q is of type %q: leave the type out or drop the archive", a.Type, a.Name, archive.Type)
	}
	g.Type, g.Initial = archive.Type, archive.State
	if g.Config == nil {
		g.Config = archive.Config
	}
	delete(m.archives, a.Name)
	return nil
}

// Result is the new group, without Config and Initial.
func (a *AddGroup) Result(result []byte) (*Group, error) { return decodeGroup(result) }

// RemoveGroup removes a group. Whoever hosts a GroupID that the catalogue does
// not have deletes its member. IfID, when not 0, must be the group that bears
// the name. With Keep its state becomes the archive of its name, replacing an
// older one; the caller gives State, Term and Index, the rest is filled in.
// Refused with ErrInvalid, ErrNoGroup and ErrLimit.
type RemoveGroup struct {
	Name string
	IfID ident.GroupID
	Keep *Archive
}

func (r *RemoveGroup) kind() kind { return kindRemoveGroup }

func (r *RemoveGroup) fields(c *coder) {
	c.string(&r.Name, MaxName)
	id(c, &r.IfID)
	keep := r.Keep != nil
	if c.bool(&keep); !keep {
		return
	}
	if r.Keep == nil {
		r.Keep = new(Archive)
	}
	c.bytes(&r.Keep.State, MaxState)
	c.uint(&r.Keep.Term)
	c.uint(&r.Keep.Index)
}

func (r *RemoveGroup) check() error {
	if r.Keep != nil {
		if err := checkSize("kept state", r.Keep.State, MaxState); err != nil {
			return err
		}
	}
	return checkName("name", r.Name)
}

func (r *RemoveGroup) apply(m *Machine, at moment) (func(*coder), error) {
	g, err := m.groupIf(r.Name, r.IfID)
	if err != nil {
		return nil, err
	}
	if r.Keep != nil {
		if _, known := m.archives[g.Name]; !known && len(m.archives) >= MaxArchives {
			return nil, refuse(ErrLimit, "%d states are archived: drop some first", len(m.archives))
		}
		m.archives[g.Name] = &Archive{Name: g.Name, Type: g.Type, Config: g.Config, State: r.Keep.State,
			Group: g.ID, Term: r.Keep.Term, Index: r.Keep.Index, Removed: at.time}
	}
	m.dropGroup(g)
	return groupResult(g), nil
}

// Result is the group as it was, without Config and Initial.
func (r *RemoveGroup) Result(result []byte) (*Group, error) { return decodeGroup(result) }

// UpdateGroup changes what a group wants. Config nil and Replicas 0 mean: as it
// is. IfID, when not 0, must be the group that bears the name. Members change
// later, when the planner sets a new target.
// Refused with ErrInvalid and ErrNoGroup.
type UpdateGroup struct {
	Name     string
	Config   []byte
	Replicas int
	IfID     ident.GroupID
}

func (u *UpdateGroup) kind() kind { return kindUpdateGroup }

func (u *UpdateGroup) fields(c *coder) {
	c.string(&u.Name, MaxName)
	c.bytes(&u.Config, MaxConfig)
	c.int(&u.Replicas)
	id(c, &u.IfID)
}

func (u *UpdateGroup) check() error {
	if u.Replicas != 0 {
		if err := checkReplicas(u.Replicas); err != nil {
			return err
		}
	}
	return firstError(checkName("name", u.Name), checkSize("config", u.Config, MaxConfig))
}

func (u *UpdateGroup) apply(m *Machine, _ moment) (func(*coder), error) {
	g, err := m.groupIf(u.Name, u.IfID)
	if err != nil {
		return nil, err
	}
	next := *g
	if u.Config != nil {
		next.Config = u.Config
	}
	if u.Replicas != 0 {
		next.Replicas = u.Replicas
	}
	m.putGroup(&next)
	return groupResult(&next), nil
}

// Result is the group as it is now, without Config and Initial.
func (u *UpdateGroup) Result(result []byte) (*Group, error) { return decodeGroup(result) }
