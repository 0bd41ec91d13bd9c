package consensus

import (
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestThesis plays the stories about sections of the thesis. Those about
// hazards have a test of their own each.
func TestThesis(t *testing.T) {
	paths, err := filepath.Glob("testdata/thesis_*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) { playStory(t, name) })
	}
}

// playStory plays a story in testdata. It gives orders to a cluster and shows
// what the members said and became; the promises of Raft are checked all along.
// Members that campaign by themselves do so after exactly ElectionTicks plus
// their number of ticks.
func playStory(t *testing.T, name string) {
	s := &script{cluster: newCluster(1)}
	s.onRead = func(id MemberID, r ReadReady) { s.say("%v: read %d answered at index %d", id, r.ID, r.Index) }
	datadriven.RunTest(t, filepath.Join("testdata", name+".txt"), func(t *testing.T, d *datadriven.TestData) string {
		s.said = nil
		result := s.obey(t, d)
		if result != "" {
			s.said = append(s.said, result)
		}
		if s.failure != nil {
			t.Fatalf("%s: %v", d.Pos, s.failure)
		}
		if len(s.said) == 0 {
			return "ok\n"
		}
		return strings.Join(s.said, "\n") + "\n"
	})
}

type script struct {
	*cluster
	said []string
}

func (s *script) say(format string, args ...any) {
	s.said = append(s.said, fmt.Sprintf(format, args...))
}

// obey carries out one order. The first argument is the member, or all.
func (s *script) obey(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "group":
		s.group(t, d)
		return ""
	case "deliver":
		s.deliverAll(d, false)
		return ""
	case "drop":
		s.deliverAll(d, true)
		return ""
	case "stabilize":
		s.stabilize(d)
		return ""
	case "heal":
		clear(s.cut)
		return ""
	case "status":
		return s.status(d)
	case "network":
		for _, t := range s.network {
			if m, _ := DecodeMessage(t.bytes); s.matches(&m, d) {
				s.say("%v", m)
			}
		}
		return ""
	}
	for _, n := range s.named(t, d) {
		if result := s.carryOut(t, n, d); result != "" {
			s.say("%v: %s", n.id, result)
		}
	}
	return ""
}

func (s *script) carryOut(t *testing.T, n *testNode, d *datadriven.TestData) string {
	rest := d.CmdArgs[1:]
	var err error
	switch d.Cmd {
	case "tick":
		ticks := 1
		if len(rest) > 0 {
			ticks, _ = strconv.Atoi(rest[0].Key)
		}
		for range ticks {
			s.now += testTick
			s.tick(n)
		}
		return ""
	case "campaign":
		n.core.Campaign()
	case "propose":
		for _, arg := range rest {
			if _, _, err = n.core.Propose([]byte(arg.Key)); err != nil {
				break
			}
		}
	case "change":
		_, err = n.core.ProposeChange(scriptChange(rest), n.core.ConfigIndex())
	case "transfer":
		err = n.core.TransferLeader(memberOf(rest[0].Key))
	case "read":
		s.nextRead++
		if err = n.core.Read(s.nextRead); err == nil {
			n.reads[s.nextRead] = s.highest
		}
	case "wake":
		n.wake()
	case "persist-one":
		ticket := n.writes[0].Ticket
		s.persistOne(n, false)
		n.core.Persisted(ticket)
	case "late-snapshot":
		m := n.core.SnapshotMessage(memberOf(rest[0].Key), n.disk.snap)
		s.post(&m)
		return ""
	case "persist":
		s.persist(n, len(n.writes))
	case "apply":
		s.apply(n, len(n.committed))
	case "compact":
		s.compact(n)
	case "crash":
		s.crash(n, 0)
		return ""
	case "start":
		s.start(n)
	case "isolate":
		for _, id := range s.ids {
			s.cut[[2]MemberID{n.id, id}], s.cut[[2]MemberID{id, n.id}] = true, true
		}
		return ""
	case "log":
		var b strings.Builder
		for i := n.core.log.base + 1; i <= n.core.LastIndex(); i++ {
			term, _ := n.core.log.term(i)
			fmt.Fprintf(&b, " %d/%d", i, term)
		}
		return "log" + b.String()
	case "lease":
		if until := n.core.LeaseUntil(); until > s.now {
			return "holds a lease"
		}
		return "holds no lease"
	default:
		t.Fatalf("%s: unknown order %s", d.Pos, d.Cmd)
	}
	s.handle(n)
	if err != nil {
		return err.Error()
	}
	return ""
}

func scriptChange(args []datadriven.CmdArg) (ch Change) {
	for _, arg := range args {
		for _, v := range arg.Vals {
			id := memberOf(v)
			switch arg.Key {
			case "add":
				ch.AddLearners = append(ch.AddLearners, Member{ID: id, Node: uint64(id) * 10})
			case "promote":
				ch.Promote = append(ch.Promote, id)
			case "demote":
				ch.Demote = append(ch.Demote, id)
			case "remove":
				ch.Remove = append(ch.Remove, id)
			}
		}
	}
	return ch
}

func memberOf(text string) MemberID {
	id, _ := strconv.Atoi(text)
	return MemberID(id)
}

// named gives the members that the first argument names.
func (s *script) named(t *testing.T, d *datadriven.TestData) []*testNode {
	var nodes []*testNode
	for _, id := range s.ids {
		arg := d.CmdArgs[0]
		if n := s.nodes[id]; arg.Key == "all" && n.up() || slices.Contains(strings.Split(arg.Key, "+"), id.String()) {
			nodes = append(nodes, n)
		}
	}
	if len(nodes) == 0 {
		t.Fatalf("%s: no such member", d.Pos)
	}
	return nodes
}

func (s *script) group(t *testing.T, d *datadriven.TestData) {
	cfg := Config{ElectionTicks: 10, HeartbeatTicks: 3}
	var config Configuration
	number := func(arg datadriven.CmdArg) int { v, _ := strconv.Atoi(arg.Vals[0]); return v }
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "voters":
			for _, v := range arg.Vals {
				config.Voters = append(config.Voters, Member{ID: memberOf(v), Node: uint64(memberOf(v)) * 10})
			}
		case "sleep":
			cfg.SleepTicks = number(arg)
		case "lease":
			cfg.LeaseNanos = int64(number(arg)) * testTick
		case "uncommitted":
			cfg.MaxUncommittedBytes = uint64(number(arg))
		case "append":
			cfg.MaxAppendBytes = uint64(number(arg))
		case "cache":
			cfg.CacheBytes = uint64(number(arg))
		}
	}
	for _, arg := range d.CmdArgs {
		if arg.Key != "voters" && arg.Key != "others" {
			continue
		}
		for _, v := range arg.Vals {
			id := memberOf(v)
			disk := testDisk{}
			if arg.Key == "voters" {
				disk = firstDisk(config)
			}
			cfg.Rand = func(n int) int { return int(id) % n }
			s.add(id, cfg, disk)
		}
	}
}

// matches reports whether a message on the network is meant: any of from=,
// to= and kind= may be given.
func (s *script) matches(m *Message, d *datadriven.TestData) bool {
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "from":
			if !slices.Contains(arg.Vals, m.From.String()) {
				return false
			}
		case "to":
			if !slices.Contains(arg.Vals, m.To.String()) {
				return false
			}
		case "kind":
			if !slices.Contains(arg.Vals, m.Kind.String()) {
				return false
			}
		}
	}
	return true
}

// deliverAll hands over what is on the network now, in order, not what follows from it.
func (s *script) deliverAll(d *datadriven.TestData, lose bool) bool {
	any := false
	waiting := len(s.network)
	for i := 0; i < waiting; {
		m, _ := DecodeMessage(s.network[i].bytes)
		if !s.matches(&m, d) {
			i++
			continue
		}
		any = true
		waiting--
		n := s.nodes[m.To]
		lost := ""
		if lose || n == nil || !n.up() || s.cut[[2]MemberID{m.From, m.To}] {
			lost = " (lost)"
		}
		if !d.HasArg("quietly") {
			s.say("%v%s", m, lost)
		}
		// deliver takes the last message into the place of this one: keep the order.
		t := s.network[i]
		s.network = append(slices.Delete(slices.Clone(s.network), i, i+1), t)
		s.deliver(len(s.network)-1, lose, false)
	}
	return any
}

// stabilize delivers, persists and applies until nothing moves; with to=, only
// at these members.
func (s *script) stabilize(d *datadriven.TestData) {
	for range 1000 {
		busy := s.deliverAll(d, false)
		for _, id := range s.ids {
			n := s.nodes[id]
			if meant := values(d, "to"); meant != nil && !slices.Contains(meant, id.String()) {
				continue
			}
			if n.up() && len(n.writes) > 0 {
				s.persist(n, len(n.writes))
				busy = true
			}
			if n.up() && len(n.committed) > 0 {
				s.apply(n, len(n.committed))
				busy = true
			}
		}
		if !busy || s.failure != nil {
			return
		}
	}
}

func (s *script) status(d *datadriven.TestData) string {
	var lines []string
	for _, id := range s.ids {
		n := s.nodes[id]
		if len(d.CmdArgs) > 0 && !slices.Contains(strings.Split(d.CmdArgs[0].Key, "+"), id.String()) {
			continue
		}
		if !n.up() {
			lines = append(lines, fmt.Sprintf("%v: down", id))
			continue
		}
		st := n.core.Status()
		line := fmt.Sprintf("%v: %v term=%d leader=%v commit=%d applied=%d last=%d durable=%d %v", id, st.Role, st.Term, st.Leader, st.Commit, st.Applied, st.Last, st.Durable, st.Config)
		if st.ChangePending {
			line += " pending"
		}
		if st.TransferTarget != 0 {
			line += " transferring"
		}
		if st.Asleep {
			line += " asleep"
		}
		lines = append(lines, line)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// values gives the values of an argument, nil if it is not there.
func values(d *datadriven.TestData, key string) []string {
	for _, arg := range d.CmdArgs {
		if arg.Key == key {
			return arg.Vals
		}
	}
	return nil
}
