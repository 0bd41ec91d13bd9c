package planner

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// judge moves nodes between the states that the fleet decides by watching them.
func (d *decision) judge() {
	for i := range d.nodes {
		node := &d.nodes[i]
		to, reason := d.verdict(node)
		if to == node.State {
			continue
		}
		d.States = append(d.States, catalogue.SetNodeState{ID: node.ID, To: to, Reason: reason, IfState: []placement.State{node.State}, Now: d.Time})
	}
}

func (d *decision) verdict(node *catalogue.Node) (to placement.State, reason string) {
	heard := d.Hearing[node.ID]
	switch {
	case node.State == placement.Active && !heard.Alive:
		return placement.Suspect, "gossip does not hear it"
	case node.State == placement.Suspect && heard.Alive:
		if trusted := heard.Since.Add(d.limits.TrustAfter); trusted.After(d.Now) {
			d.by(trusted)
			break
		}
		return placement.Active, "it is heard again"
	case node.State == placement.Draining && d.Catalogue.NumHosted(node.ID) == 0:
		return placement.Inactive, "drained"
	case node.State == placement.Suspect, (node.State == placement.Draining || node.State == placement.Joining) && !heard.Alive:
		// One that fell while it was draining or joining may hold members as any other.
		if !d.givenUp(node, heard.Since) {
			break
		}
		return placement.Dead, fmt.Sprintf("not heard for %s, and other nodes agree", d.limits.PurgeAfter)
	}
	return node.State, ""
}

// awaitTrust looks again when the nodes that returned lately may get members.
func (d *decision) awaitTrust() {
	for i := range d.nodes {
		node := &d.nodes[i]
		if at := trustedFrom(node, d.limits.TrustAfter); node.State == placement.Active && at.After(d.log) {
			d.report.await(node.ID, d.local(at))
			d.byLog(at)
		}
	}
}

// givenUp tells whether a node that is not heard may be given up: for long enough, by
// the word of others too, and while most of the fleet is there. One observer alone may
// be the one that is cut off.
func (d *decision) givenUp(node *catalogue.Node, since time.Time) bool {
	if at := since.Add(d.limits.PurgeAfter); at.After(d.Now) {
		d.by(at)
		return false
	}
	if at := time.Unix(0, node.Since).Add(d.limits.PurgeAfter); at.After(d.log) {
		d.byLog(at)
		return false
	}
	if d.brake != "" {
		return false
	}
	if !d.Missed[node.ID] {
		d.Confirm = append(d.Confirm, node.ID)
		d.by(d.Now.Add(confirmPause))
		return false
	}
	return true
}

// confirmPause is how soon the others are asked again whether they miss a node.
const confirmPause = time.Second

// Brake says why nothing moves by itself: too much of the fleet is gone at once, and
// is more likely to come back than to be replaceable. Empty when nothing is wrong. hears
// tells whether gossip hears a node: who falls while it drains or joins is gone as well.
func Brake(c *catalogue.Machine, nodes []catalogue.Node, percent int, hears func(ident.NodeID) bool) string {
	total, gone := 0, 0
	type tally struct{ total, gone int }
	zones := make(map[string]tally)
	first := "" // the first zone that is gone, by name
	for i := range nodes {
		missing := false
		switch node := &nodes[i]; node.State {
		case placement.Active:
		case placement.Suspect:
			missing = true
		case placement.Draining:
			missing = !hears(node.ID)
		case placement.Joining: // counts where it holds what it held before
			if missing = !hears(node.ID); !missing || c.NumHosted(node.ID) == 0 {
				continue
			}
		default:
			continue
		}
		z := zones[nodes[i].Zone]
		total, z.total = total+1, z.total+1
		if missing {
			gone, z.gone = gone+1, z.gone+1
		}
		zones[nodes[i].Zone] = z
	}
	for zone, z := range zones {
		if z.total > 1 && z.total == z.gone && (first == "" || zone < first) {
			first = zone
		}
	}
	if len(zones) > 1 && first != "" {
		return fmt.Sprintf("all %d nodes of zone %s are gone", zones[first].total, first)
	}
	if gone > 1 && gone*100 > total*percent {
		return fmt.Sprintf("%d of %d nodes are gone, which is more than %d %%", gone, total, percent)
	}
	return ""
}

// fingerprint changes when a node comes, goes, or changes its state, zone or weight.
func fingerprint(nodes []catalogue.Node) string {
	b := []byte{1} // never empty
	for i := range nodes {
		b = binary.LittleEndian.AppendUint64(b, uint64(nodes[i].ID))
		b = append(b, byte(nodes[i].State), byte(nodes[i].Weight), byte(nodes[i].Weight>>8))
		b = append(b, nodes[i].Zone...)
		b = append(b, 0)
	}
	return string(b)
}
