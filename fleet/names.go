package fleet

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// names gives every node the name that views show: its id where the name is not
// its alone.
type names map[ident.NodeID]string

func namesOf(nodes []catalogue.Node) names {
	count := make(map[string]int)
	for _, node := range nodes {
		count[node.Name]++
	}
	out := make(names, len(nodes))
	for _, node := range nodes {
		out[node.ID] = node.Name
		if count[node.Name] > 1 || node.Name == "" {
			out[node.ID] = node.ID.String()
		}
	}
	return out
}

func (ns names) of(id ident.NodeID) string {
	if id == 0 {
		return ""
	}
	if s, ok := ns[id]; ok {
		return s
	}
	return id.String()
}

func (ns names) all(ms []catalogue.Member) []string {
	out := make([]string, 0, len(ms))
	for _, m := range ms {
		out = append(out, ns.of(m.Node))
	}
	return out
}

func (ns names) allOf(ids []ident.NodeID) []string {
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		out = append(out, ns.of(id))
	}
	slices.Sort(out)
	return out
}

// quoted is a name as a shell takes it, for commands that a remedy names.
func quoted(name string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.:/@+,=", r)
	}
	if name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// findNode finds a node by name or id.
func (n *Node) findNode(ctx context.Context, node string) (catalogue.Node, error) {
	c := n.catalogue.Load()
	if c == nil {
		d, err := n.NodeDetail(ctx, node)
		return catalogue.Node{ID: d.ID, Name: d.Name}, err
	}
	var found []catalogue.Node
	for _, candidate := range c.Nodes() {
		if candidate.ID.String() == node {
			return candidate, nil
		}
		if candidate.Name == node {
			found = append(found, candidate)
		}
	}
	switch len(found) {
	case 0:
		return catalogue.Node{}, fmt.Errorf("node %q: %w", node, ErrNoNode)
	case 1:
		return found[0], nil
	}
	ids := make([]string, len(found))
	for i, same := range found {
		ids[i] = same.ID.String()
	}
	return catalogue.Node{}, fmt.Errorf("%d nodes are named %q: give the id, one of %s: %w", len(found), node, strings.Join(ids, ", "), group.ErrInvalidArgument)
}

var nodeIDs = regexp.MustCompile(`\b[0-9a-f]{16}\b`)

// in puts names in the place of the identifiers of nodes in a text of package placement,
// which knows no names.
func (ns names) in(text string) string {
	return nodeIDs.ReplaceAllStringFunc(text, func(word string) string {
		if id, err := strconv.ParseUint(word, 16, 64); err == nil {
			if name, known := ns[ident.NodeID(id)]; known {
				return name
			}
		}
		return word
	})
}
