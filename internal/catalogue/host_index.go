package catalogue

import (
	"slices"

	"github.com/google/btree"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// hostIndex knows, by node, the groups that have or should have a member there.
type hostIndex map[ident.NodeID]*btree.BTreeG[*Group]

// replace puts next in the place of old; either may be nil.
func (h hostIndex) replace(old, next *Group) {
	var nodes []ident.NodeID
	if next != nil {
		nodes = next.hosts()
	}
	if old != nil {
		for _, node := range old.hosts() {
			if _, stays := slices.BinarySearch(nodes, node); stays {
				continue
			}
			tree := h[node]
			if tree.Delete(old); tree.Len() == 0 {
				delete(h, node)
			}
		}
	}
	for _, node := range nodes {
		tree := h[node]
		if tree == nil {
			tree = btree.NewG(degree, func(a, b *Group) bool { return a.ID < b.ID })
			h[node] = tree
		}
		tree.ReplaceOrInsert(next)
	}
}

func (h hostIndex) count(node ident.NodeID) int {
	if tree := h[node]; tree != nil {
		return tree.Len()
	}
	return 0
}

// of lists a node's groups by identifier.
func (h hostIndex) of(node ident.NodeID) []*Group {
	tree := h[node]
	if tree == nil {
		return nil
	}
	groups := make([]*Group, 0, tree.Len())
	tree.Ascend(func(g *Group) bool {
		groups = append(groups, g)
		return true
	})
	return groups
}
