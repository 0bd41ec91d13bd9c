package catalogue

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/google/btree"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/raftfleet/raftfleet/internal/ident"
)

const (
	snapshotVersion = 3
	oldestSnapshot  = 2 // that is still read
	returnedFormat  = 3 // the first in which a node has Returned
)

// image is the state at one index, apart from a machine that goes on.
type image struct {
	index, nextGroup, nextMember uint64
	time                         int64
	nodes                        []*Node  // by identifier
	groups                       []*Group // by name; or
	tree                         *btree.BTreeG[*Group]
	archives                     []*Archive // by name
	settings                     []setting  // by key
}

// Snapshot captures the state now; the function returned writes it, once or
// more, at any time and from any goroutine. Equal states give equal bytes.
func (m *Machine) Snapshot() func(io.Writer) error {
	return m.image().write
}

func (m *Machine) image() *image {
	m.mu.Lock() // cloning a tree marks both sides as shared, which is a write
	defer m.mu.Unlock()
	img := &image{index: m.index, time: m.time, nextGroup: m.nextGroup, nextMember: m.nextMember, tree: m.groups.Clone(),
		archives: sortedArchives(m.archives), settings: sortedSettings(m.settings)}
	img.nodes = slices.SortedFunc(maps.Values(m.nodes), func(a, b *Node) int { return cmp.Compare(a.ID, b.ID) })
	return img
}

func (img *image) write(w io.Writer) error { return img.writeAs(snapshotVersion, w) }

func (img *image) writeAs(version uint64, w io.Writer) error {
	out := bufio.NewWriter(w)
	c := &coder{enc: msgpack.NewEncoder(out)}
	img.head(c, version)
	list(c, &img.nodes, MaxNodes, record[Node])
	n := img.tree.Len()
	c.count(&n, MaxGroups)
	img.tree.Ascend(func(g *Group) bool {
		g.fields(c)
		return c.err == nil
	})
	list(c, &img.archives, MaxArchives, record[Archive])
	img.tail(c)
	if c.err == nil {
		c.err = out.Flush()
	}
	if c.err != nil {
		return fmt.Errorf("catalogue: write snapshot: %w", c.err)
	}
	return nil
}

func (img *image) read(r io.Reader) error {
	in := bufio.NewReader(r) // the decoder reads from it directly and no further than it must
	c := &coder{dec: msgpack.NewDecoder(in)}
	img.head(c, snapshotVersion)
	list(c, &img.nodes, MaxNodes, record[Node])
	list(c, &img.groups, MaxGroups, record[Group])
	list(c, &img.archives, MaxArchives, record[Archive])
	img.tail(c)
	c.end(in)
	return c.err
}

func (img *image) head(c *coder, version uint64) {
	c.versions(oldestSnapshot, version)
	c.uint(&img.index)
	c.int64(&img.time)
	c.uint(&img.nextGroup)
	c.uint(&img.nextMember)
}

func (img *image) tail(c *coder) {
	list(c, &img.settings, MaxSettings, func(c *coder, s *setting) { s.fields(c) })
}

// record visits a record behind a pointer, which is new when reading.
func record[T any, P interface {
	*T
	fielder
}](c *coder, p *P) {
	if *p == nil {
		*p = new(T)
	}
	(*p).fields(c)
}

// Restore replaces the state by one that Snapshot wrote. After an error, which
// is ErrCorrupt, ErrVersion or that of r, the state is as it was.
func (m *Machine) Restore(r io.Reader) error {
	var img image
	source := &errorKeeper{r: r}
	err := img.read(source)
	switch {
	case source.err != nil:
		return fmt.Errorf("catalogue: read snapshot: %w", source.err)
	case errors.Is(err, ErrVersion) || errors.Is(err, ErrCorrupt):
		return fmt.Errorf("catalogue: read snapshot: %w", err)
	case err != nil:
		return fmt.Errorf("catalogue: read snapshot: %w: %w", ErrCorrupt, err)
	}
	if err := img.check(); err != nil {
		return fmt.Errorf("catalogue: read snapshot: %w: %w", ErrCorrupt, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clear()
	m.index, m.seen, m.time, m.nextGroup, m.nextMember = img.index, img.index, img.time, img.nextGroup, img.nextMember
	for _, n := range img.nodes {
		m.nodes[n.ID] = n
	}
	for _, g := range img.groups {
		m.enterGroup(g)
	}
	for _, a := range img.archives {
		m.archives[a.Name] = a
	}
	for _, s := range img.settings {
		m.settings[s.key] = s.value
	}
	m.ring.reset(m.index)
	m.announce()
	return nil
}

// check makes sure of what the machine relies on.
func (img *image) check() error {
	seen := make(map[ident.GroupID]bool, len(img.groups))
	for _, g := range img.groups {
		if seen[g.ID] || uint64(g.ID) >= img.nextGroup || g.ID <= ident.Catalogue {
			return fmt.Errorf("group identifier %s repeats or was never given", g.ID)
		}
		seen[g.ID] = true
	}
	ascend := slices.IsSortedFunc(img.nodes, func(a, b *Node) int { return order(a.ID, b.ID) }) &&
		slices.IsSortedFunc(img.groups, func(a, b *Group) int { return order(a.Name, b.Name) }) &&
		slices.IsSortedFunc(img.archives, func(a, b *Archive) int { return order(a.Name, b.Name) }) &&
		slices.IsSortedFunc(img.settings, func(a, b setting) int { return order(a.key, b.key) })
	if !ascend {
		return errors.New("records are out of order or repeat")
	}
	for _, n := range img.nodes {
		if n.ID == 0 || !n.State.Valid() || uint64(n.Member) >= img.nextMember {
			return fmt.Errorf("node %s is in state %s with member %s", n.ID, n.State, n.Member)
		}
	}
	return nil
}

// order compares strictly: equal neighbours are out of order.
func order[T cmp.Ordered](a, b T) int {
	if a == b {
		return -1
	}
	return cmp.Compare(a, b)
}

// errorKeeper tells a failing reader from bytes that make no sense.
type errorKeeper struct {
	r   io.Reader
	err error
}

func (k *errorKeeper) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	if err != nil && err != io.EOF {
		k.err = err
	}
	return n, err
}
