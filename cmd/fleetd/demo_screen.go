package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/harness"
)

// screen prints a demonstration: plain lines that also read well in a file.
type screen struct {
	out   io.Writer
	names []string // of the columns of leaders
	width int      // of one such column
}

func (s *screen) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// note says what happened, in between the lines of the table.
func (s *screen) note(began time.Time, format string, args ...any) {
	s.say("%s  > %s", clock(began), fmt.Sprintf(format, args...))
}

func clock(began time.Time) string { return fmt.Sprintf("%5.1fs", time.Since(began).Seconds()) }

// introduce lists the nodes and says how to look.
func (d *demonstration) introduce() {
	nodes := d.fleet.Nodes()
	d.say("")
	d.say("  %-6s %-6s %8s   %s", "node", "zone", "pid", "admin")
	for _, n := range nodes {
		d.say("  %-6s %-6s %8d   %s", n.Name, n.Zone, n.PID(), n.AdminAddr)
	}
	d.say("")
	d.say("to look from another terminal:  fleetctl --addr %s status", nodes[0].AdminAddr)
	kept := "removed at the end"
	if d.options.data != "" {
		kept = "kept"
	}
	d.say("data and logs are in            %s (%s)", d.fleet.Dir(), kept)
	d.say("")
}

// heading begins the table.
func (s *screen) heading(nodes []*harness.Node) {
	s.width = 4
	for _, n := range nodes {
		s.names = append(s.names, n.Name)
		s.width = max(s.width, len(n.Name)+1)
	}
	leaders := ""
	for _, name := range s.names {
		leaders += fmt.Sprintf("%*s", s.width, name)
	}
	s.say("%6s  %5s  %9s  %7s  %5s  %7s   leaders on", "", "nodes", "groups", "adds/s", "moves", "unknown")
	s.say("%6s  %5s  %9s  %7s  %5s  %7s  %s", "", "up", "led", "", "", "", leaders)
}

// state is one line of the table.
func (s *screen) state(began time.Time, v view.Status, rate float64, c harness.Counts) {
	up := 0
	leaders := make(map[string]string)
	for _, n := range v.Nodes {
		if n.Alive {
			up++
			leaders[n.Name] = strconv.Itoa(n.Leaders)
		}
	}
	var columns strings.Builder
	for _, name := range s.names {
		fmt.Fprintf(&columns, "%*s", s.width, cmp.Or(leaders[name], "-"))
	}
	s.say("%s  %5s  %9s  %7s  %5d  %7d  %s", clock(began), fmt.Sprintf("%d/%d", up, len(v.Nodes)),
		fmt.Sprintf("%d/%d", v.Groups-v.GroupsWithoutLeader, v.Groups), number(int64(rate)), v.MovesInFlight, c.Unknown, columns.String())
}

// number writes a number with its thousands apart.
func number(n int64) string {
	if n < 0 {
		return "-" + number(-n)
	}
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// plain makes words of a kind of event.
func plain(kind string) string { return strings.ReplaceAll(kind, "_", " ") }

func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }
