package powerfail

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/raftfleet/raftfleet/internal/wal"
)

// writers is how many goroutines of a child write. A group belongs to one.
const writers = 3

// memberID is the member that every group has here.
const memberID = 1

// content is what is written under a name: of a length and with bytes that the
// name decides.
func content(what byte, group, index, number uint64, size int) []byte {
	r := rand.NewPCG(uint64(what)<<56^group, index<<20^number)
	b := make([]byte, 0, size+8)
	for len(b) < size {
		v := r.Uint64()
		b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
	}
	return b[:size]
}

func entryContent(group, index, term uint64) []byte {
	r := rand.NewPCG(group*31+index, term)
	return content('e', group, index, term, int(r.Uint64()%1500))
}

// op is one change, as the child announces it:
//
//	a GROUP FIRST COUNT TERM   entries, replacing what is there from FIRST on
//	c GROUP BASE TERM          the log up to BASE goes
//	r GROUP BASE TERM          the log begins anew behind BASE
//	d GROUP                    the log of the group goes
//	p GROUP REVISION           the member's record
//	t GROUP INDEX TERM SIZE    a snapshot
//	x GROUP                    record and snapshot go
//	v VALUE                    a value of the node, kept as that of group 0
type op struct {
	kind  string
	group uint64
	args  []uint64
}

func (o op) String() string {
	s := o.kind + " " + strconv.FormatUint(o.group, 10)
	for _, a := range o.args {
		s += " " + strconv.FormatUint(a, 10)
	}
	return s
}

func parseOps(text string) ([]op, error) {
	var ops []op
	for part := range strings.SplitSeq(text, ";") {
		words := strings.Fields(part)
		if len(words) < 2 {
			return nil, fmt.Errorf("%q is no operation", part)
		}
		o := op{kind: words[0]}
		for i, word := range words[1:] {
			n, err := strconv.ParseUint(word, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", part, err)
			}
			if i == 0 {
				o.group = n
			} else {
				o.args = append(o.args, n)
			}
		}
		ops = append(ops, o)
	}
	return ops, nil
}

// logState is what the log holds of a group.
type logState struct {
	base, baseTerm uint64
	terms          []uint64 // of the entries behind base
	state          wal.State
}

func (s logState) equal(o logState) bool {
	return s.base == o.base && s.baseTerm == o.baseTerm && s.state == o.state && slices.Equal(s.terms, o.terms)
}

func (s logState) String() string {
	return fmt.Sprintf("entries %d to %d, state %v", s.base+1, s.base+uint64(len(s.terms)), s.state)
}

// folderState is what the database holds of a group; of group 0 a value.
type folderState struct {
	revision, value            uint64
	snapIndex, snapTerm, snapN uint64
}

// contents are the logs or the folders of one writer's groups.
type contents struct {
	logs    map[uint64]logState
	folders map[uint64]folderState
}

func (c contents) clone() contents {
	return contents{maps.Clone(c.logs), maps.Clone(c.folders)}
}

func (c contents) equal(o contents) bool {
	return maps.EqualFunc(c.logs, o.logs, logState.equal) && maps.Equal(c.folders, o.folders)
}

// apply carries out an operation. Slices are shared between states, so none is
// changed in place.
func (c *contents) apply(o op) {
	switch o.kind {
	case "a":
		s, first, term := c.logs[o.group], o.args[0], o.args[2]
		s.terms = slices.Clip(s.terms[:first-s.base-1])
		for range o.args[1] {
			s.terms = append(s.terms, term)
		}
		s.state = stateOf(term, first)
		c.logs[o.group] = s
	case "c":
		s := c.logs[o.group]
		s.terms = s.terms[o.args[0]-s.base:]
		s.base, s.baseTerm = o.args[0], o.args[1]
		c.logs[o.group] = s
	case "r":
		c.logs[o.group] = logState{base: o.args[0], baseTerm: o.args[1], state: stateOf(o.args[1], o.args[0])}
	case "d":
		delete(c.logs, o.group)
	case "p":
		f := c.folders[o.group]
		f.revision = o.args[0]
		c.folders[o.group] = f
	case "t":
		f := c.folders[o.group]
		f.snapIndex, f.snapTerm, f.snapN = o.args[0], o.args[1], o.args[2]
		c.folders[o.group] = f
	case "x":
		delete(c.folders, o.group)
	case "v":
		c.folders[0] = folderState{value: o.args[0]}
	}
}

// stateOf is what is written as a member's state with an operation.
func stateOf(term, index uint64) wal.State {
	return wal.State{Term: term, Vote: 1 + index%3, Commit: index - 1}
}

// history is what one writer did to one of the two, since it was last looked at.
type history struct {
	before contents
	begun  [][]op
	done   int // of these so many, from the first on, are durable
}

// account is what the child has told.
type account struct {
	logs, folders [writers]history
	reports       int
	confirmed     [2]int // operations on the log and on the database
}

func newAccount() *account {
	a := &account{}
	for w := range writers {
		a.logs[w].before = contents{logs: map[uint64]logState{}}
		a.folders[w].before = contents{folders: map[uint64]folderState{}}
	}
	return a
}

// hear takes one line: "w WRITER OPS" or "s WRITER OPS" before something is begun,
// on log and database, "W WRITER" or "S WRITER" when the oldest is durable.
func (a *account) hear(line string) error {
	kind, rest, _ := strings.Cut(line, " ")
	number, text, _ := strings.Cut(rest, " ")
	w, err := strconv.Atoi(number)
	if err != nil || w < 0 || w >= writers {
		return fmt.Errorf("the child says %q", line)
	}
	h, which := &a.logs[w], 0
	if kind == "s" || kind == "S" {
		h, which = &a.folders[w], 1
	}
	switch kind {
	case "w", "s":
		ops, err := parseOps(text)
		if err != nil {
			return err
		}
		h.begun = append(h.begun, ops)
	case "W", "S":
		h.done++
		a.reports++
		a.confirmed[which]++
		if h.done > len(h.begun) {
			return fmt.Errorf("the child reports what it never began: %q", line)
		}
	default:
		return fmt.Errorf("the child says %q", line)
	}
	return nil
}

// settle compares what is found with what the history allows: all that is durable,
// and of what was begun behind it the first so many.
func (h *history) settle(found contents) error {
	state := h.before.clone()
	for i, ops := range h.begun {
		if i >= h.done && state.equal(found) {
			break
		}
		for _, o := range ops {
			state.apply(o)
		}
		if i+1 == h.done && !state.equal(found) && h.done == len(h.begun) {
			return difference(state, found)
		}
	}
	if !state.equal(found) {
		durable := h.before.clone()
		for _, ops := range h.begun[:h.done] {
			for _, o := range ops {
				durable.apply(o)
			}
		}
		return fmt.Errorf("%w; begun and not reported: %v", difference(durable, found), h.begun[h.done:])
	}
	h.before, h.begun, h.done = state, nil, 0
	return nil
}

// difference says where two states differ.
func difference(want, found contents) error {
	for group, s := range want.logs {
		if f, ok := found.logs[group]; !ok || !s.equal(f) {
			return fmt.Errorf("log of group %d: %v was durable, found %v (there: %v)", group, s, f, ok)
		}
	}
	for group, s := range want.folders {
		if f, ok := found.folders[group]; !ok || s != f {
			return fmt.Errorf("folder of group %d: %+v was durable, found %+v (there: %v)", group, s, f, ok)
		}
	}
	return fmt.Errorf("more is found than was written: logs %v, folders %v", found.logs, found.folders)
}
