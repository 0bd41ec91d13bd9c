package main

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
)

// onTerminal is a stand whose screens are those of a terminal without colours.
func onTerminal(t *testing.T, prepare func(*admintest.Node)) *stand {
	t.Helper()
	s := newStand(t)
	s.terminal = true
	s.env["NO_COLOR"] = "1"
	s.node.Do(prepare)
	return s
}

// screen compares without the blanks at the ends of lines.
func (s *stand) screen(line, want string) {
	s.t.Helper()
	var got strings.Builder
	for l := range strings.Lines(s.ok(strings.Fields(line)...)) {
		got.WriteString(strings.TrimRight(l, " \n") + "\n")
	}
	if want = strings.TrimPrefix(want, "\n"); got.String() != want {
		s.t.Errorf("fleetctl %s:\n%s\nwant\n%s", line, got.String(), want)
	}
}

func TestBalanceScreens(t *testing.T) {
	s := onTerminal(t, busy)
	s.screen("balance status", `
moving: 4 groups of at most 4 on the move, 96 left, at 11.9 a minute about 8m4s

 FACT                   VALUE
 moving                 4 of at most 4
 left                   96
 done                   119 in the last 10m
 rate                   11.9 a minute
 to go                  about 8m4s
 first group rested at  2026-01-02T03:08:05Z
 planner                a1
 decided                2026-01-02T03:04:05Z

 TO CHANGE  GROUPS  BECAUSE
 drain      12      members are on nodes that are drained
 balance    80      nodes have more than their share of members, or less
 lead       9       other members shall lead

 HELD           GROUPS  BECAUSE
 full           78      as many groups move already as may
 after_members  9       leaders follow when the members have moved
 resting        2       it moved, or failed to move, a short while ago
`)
	s.screen("balance moves --limit 2", `
moving: 4 groups of at most 4 on the move, 96 left, at 11.9 a minute about 8m4s

 GROUP     CAUSE    FROM  TO  LEADER  STEP                               LAG   AGE     FAILED  BLOCKED                                REASON
 stock/eu  balance  b1    b3  a1      wait until the new member answers  9120  24m10s  2       the member on node b3 does not answer  node b1 has more than its share
 orders    drain    c2    c1  b1      let the new member catch up        311   12s     0       -                                      node c2 is draining
… and 1 more: --all shows them
`)
	s.screen("balance plan --limit 2", `
moving: 4 groups of at most 4 on the move, 96 left, at 11.9 a minute about 8m4s

 GROUP  CAUSE    FROM  TO  LEADER  HELD                     REASON
 g00    balance  b1    b3  a1      -                        node b1 has more than its share
 g01    balance  b1    b3  a1      it rests until 03:08:05  node b1 has more than its share
… and 78 more: --all shows them
`)
	s.screen("balance skew --limit 4", `
uneven: node b3 has 0 leaders, its share is 15.8; node b3 has 4 members, its share is 20; node b1 has 52 members, its share is 40; and 2 more; 2 groups in too few zones

 ZONE  NODES  WEIGHT  MEMBERS  SHARE  RATIO  LEADERS
 z1    2      2       100      100    1.00   35
 z2    3      3       100      100    1.00   34
 z3    2      2       100      100    1.00   19

 NODE  ZONE  STATE     WEIGHT  MEMBERS  SHARE  RATIO   LEADERS  LEADER SHARE  LEADER RATIO
 c2    z3    draining  1       12       0      -       3        0             -
 b3    z2    active    1       4        20     0.20 !  0        15.8          0.00 !
 b1    z2    active    1       52       40     1.30 !  17       17            1.00
 c1    z3    active    2       88       100    0.88 !  16       17            0.94
… and 3 more: --all shows them
`)
	s.screen("balance explain orders", `
balanced: group orders is where it should be

 FACT              VALUE
 group             orders
 replicas          3
 members           a b c
 target            a b c
 target since      2026-01-02T03:04:05Z
 target because    it was added there
 preferred leader  a

 NODE  ZONE  STATE   RANK  TARGET  OTHERS IN ZONE  MEMBERS  SHARE  WHY
 a     z1    active  1     leader  0               2        2      its zone has no other member of the group
 b     z2    active  2     member  0               2        2      its zone has no other member of the group
 c     z3    active  3     member  0               2        2      its zone has no other member of the group
`)
	s.screen("balance limits", `
 LIMIT          VALUE                        DEFAULT                      SET  MEANS
 moves          0 (half the nodes, 4 to 64)  0 (half the nodes, 4 to 64)  no   groups whose members move at once
 stuck_after    10m0s                        10m0s                        no   how long a move may make no end before it is given up
 brake_percent  30                           20                           yes  more nodes gone at once than this hold all moves
`)
	if out := s.ok("balance", "plan", "--all"); strings.Contains(out, "more") != strings.Contains(out, "more than") || !strings.Contains(out, "g79") {
		t.Errorf("%s", out)
	}
	delete(s.env, "NO_COLOR")
	if out := s.ok("balance", "status"); !strings.HasPrefix(out, "\x1b[33mmoving\x1b[0m: ") {
		t.Errorf("%q", out)
	}
}

// When nothing moves, the first line says why, and what to do.
func TestTheFirstLineSaysWhyNothingMoves(t *testing.T) {
	s := onTerminal(t, func(n *admintest.Node) {
		n.Balancing.State = view.Balance{State: view.BalancePaused, Why: "moves are paused by ann: switch; 3 groups to change; to go on: fleetctl balance resume",
			Planner: "a", At: admintest.Began, Pause: &view.BalancePause{By: "ann", Reason: "switch", Since: admintest.Began}, MoveLimit: 4, Left: 3,
			Queue: []view.BalanceQueue{{Cause: "repair", Groups: 3}}, Holds: []view.BalanceHold{{Hold: "paused", Groups: 3, Means: "an operator paused all moves"}}}
	})
	first := "paused: moves are paused by ann: switch; 3 groups to change; to go on: fleetctl balance resume\n"
	s.screen("balance status", first+`
 FACT          VALUE
 paused by     ann
 paused since  2026-01-02T03:04:05Z
 paused for    switch
 moving        0 of at most 4
 left          3
 done          0
 rate          0.0 a minute
 planner       a
 decided       2026-01-02T03:04:05Z

 TO CHANGE  GROUPS  BECAUSE
 repair     3       members are lost, or on nodes that are gone

 HELD    GROUPS  BECAUSE
 paused  3       an operator paused all moves
`)
	s.screen("balance moves", first)
	s.screen("balance plan", first)
	s.node.Do(func(n *admintest.Node) {
		n.Balancing.State = view.Balance{State: view.BalanceUnknown, Why: "node b plans and does not answer: it is gone", Planner: "b"}
	})
	s.screen("balance status", "unknown: node b plans and does not answer: it is gone\n")
}

func TestBalancingIsPipedWithTabsAndWhole(t *testing.T) {
	s := newStand(t)
	s.node.Do(busy)
	for line, want := range map[string]string{
		"balance moves --limit 1": "GROUP\tCAUSE\tFROM\tTO\tLEADER\tSTEP\tLAG\tAGE\tFAILED\tBLOCKED\tREASON\n" +
			"stock/eu\tbalance\tb1\tb3\ta1\twait until the new member answers\t9120\t1450\t2\tthe member on node b3 does not answer\tnode b1 has more than its share\n",
		"balance plan --no-headers --limit 2": "g00\tbalance\tb1\tb3\ta1\t\tnode b1 has more than its share\ng01\tbalance\tb1\tb3\ta1\tit rests until 03:08:05\tnode b1 has more than its share\n",
		"balance limits --no-headers": "moves\t0 (half the nodes, 4 to 64)\t0 (half the nodes, 4 to 64)\tno\tgroups whose members move at once\n" +
			"stuck_after\t10m0s\t10m0s\tno\thow long a move may make no end before it is given up\n" +
			"brake_percent\t30\t20\tyes\tmore nodes gone at once than this hold all moves\n",
	} {
		if got := s.ok(strings.Fields(line)...); got != want {
			t.Errorf("%s:\n%swant\n%s", line, got, want)
		}
	}
	if n := strings.Count(s.ok("balance", "plan", "--no-headers"), "\n"); n != 80 {
		t.Errorf("a script sees %d of 80 changes", n)
	}
	for line, wants := range map[string][]string{
		"balance status":         {"moving\t4 groups of at most 4", "\nleft\t96\n", "\nto go\tabout 8m4s\n", "\nbalance\t80\tnodes have"},
		"balance skew":           {"uneven\tnode b3", "\nz1\t2\t2\t100\t100\t1.00\t35\n", "\nb1\tz2\tactive\t1\t52\t40\t1.30\t17\t17\t1.00\n"},
		"balance explain orders": {"balanced\tgroup orders", "\ntarget\ta b c\n", "\na\tz1\tactive\t1\tleader\t0\t2\t2\t"},
	} {
		got := s.ok(strings.Fields(line)...)
		for _, want := range wants {
			if !strings.Contains("\n"+got, want) {
				t.Errorf("%s: no %q in\n%s", line, want, got)
			}
		}
	}
}

func TestBalancingAsJSON(t *testing.T) {
	s := newStand(t)
	s.node.Do(busy)
	s.node.Do(func(n *admintest.Node) { n.Balancing.Outcome = risky() })
	for line, to := range map[string]any{
		"balance status": &view.Balance{}, "balance plan": &[]view.PlannedMove{}, "balance moves": &[]view.Move{}, "balance skew": &view.Skew{},
		"balance explain orders": &view.Explanation{}, "balance whatif --remove a": &view.Outcome{}, "node drain a --dry-run": &view.Outcome{}, "balance limits": &[]view.BalanceLimit{},
	} {
		d := json.NewDecoder(strings.NewReader(s.ok(append(strings.Fields(line), "-o", "json")...)))
		d.DisallowUnknownFields()
		if err := d.Decode(to); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if out := s.ok("balance", "plan", "-o", "json", "--limit", "2"); strings.Count(out, `"group"`) != 2 {
		t.Errorf("%s", out)
	}
}

func TestBalanceIsWatched(t *testing.T) {
	s := newStand(t)
	s.node.Do(busy)
	for line, sign := range map[string]string{"status": "to go", "moves -o json": "stock/eu", "skew": "draining"} {
		out := newStream()
		stop := s.background(out, io.Discard, append(strings.Fields("balance "+line), "-w", "--interval", "1ms")...)
		out.await(t, sign, 3)
		if code := stop(); code != 130 {
			t.Errorf("%s: exit %d", line, code)
		}
	}
}

func TestExplainSaysHowAGroupStands(t *testing.T) {
	for want, e := range map[string]view.Explanation{
		"balanced": {Members: []string{"a", "b"}, Target: []string{"b", "a"}, Replicas: 2},
		"moving":   {Members: []string{"a"}, Target: []string{"b"}, Replicas: 1},
		"short":    {Members: []string{"a"}, Target: []string{"a"}, Replicas: 3},
		"waiting":  {Members: []string{"a"}, Target: []string{"a"}, Next: "move from a to b", Held: "moves are paused"},
	} {
		state, sentence := standingOf(&e)
		if state != want || want == "waiting" && !strings.Contains(sentence, "move from a to b; not yet: moves are paused") {
			t.Errorf("%s: %s", state, sentence)
		}
	}
	// In a long list the members of the group come first.
	s := onTerminal(t, func(n *admintest.Node) {
		n.Groups[0].Target = []string{"c"}
		n.Groups[0].Preferred = "c"
	})
	out := s.ok("balance", "explain", "orders", "--limit", "1")
	if !strings.Contains(out, "moving: ") || !strings.Contains(out, "\n c     z3    active  3     leader ") || !strings.Contains(out, "… and 2 more") {
		t.Errorf("%s", out)
	}
	if code, _, errs := s.run("balance", "explain", "nothing"); code != 4 || !strings.Contains(errs, "nothing") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

// What the planner lets be is not called uneven.
func TestOffAsThePlannerHasIt(t *testing.T) {
	for _, c := range []struct {
		have  int
		share float64
		off   bool
	}{
		{0, 0, false}, {12, 0, false}, {1, 0.7, false}, {2, 0.7, false}, {3, 0.7, true}, {12, 10, false}, {13, 10, true}, {8, 10, false}, {7, 10, true},
		{0, 1, true}, {1, 2, false}, {0, 2, true}, {105, 100, false}, {106, 100, true}, {95, 100, false}, {94, 100, true}, {34, 33.3, false}, {0, 3.3, true},
	} {
		if got := usualTolerance.off(c.have, c.share, leastMembers); got != c.off {
			t.Errorf("%d of %v: %v", c.have, c.share, got)
		}
	}
}

func TestSpans(t *testing.T) {
	for seconds, want := range map[float64]string{
		-1: "0s", 0: "0s", 0.2: "<1s", 0.9: "1s", 59.4: "59s", 59.6: "1m", 61: "1m1s", 3600: "1h", 3661: "1h1m", 86400: "1d", 93784: "1d2h", 1e300: "11574d1h",
	} {
		if got := span(seconds); got != want {
			t.Errorf("%v: %s, want %s", seconds, got, want)
		}
	}
}

func TestWaitingUntilBalanced(t *testing.T) {
	moving := func(left int) view.Balance {
		return view.Balance{State: view.BalanceMoving, Why: "some move", Moving: 2, Left: left, PerMinute: 6, ETA: float64(left * 10)}
	}
	done := view.Balance{State: view.BalanceDone, Why: "every group is where it should be"}
	s := newStand(t)
	// One look that finds it balanced is not enough: what just changed is not decided about.
	s.node.Do(func(n *admintest.Node) { n.Balancing.Next = []view.Balance{done, moving(8), moving(4), done} })
	s.terminal = true
	code, out, errs := s.run("balance", "status", "--wait")
	if code != 0 || !strings.Contains(out, "balanced\x1b[0m: every group") || !strings.Contains(errs, "[----------") || !strings.HasSuffix(errs, "\r\x1b[2K") ||
		!strings.Contains(errs, "[##########----------] 4 of 8 groups moved, 2 on the move, 6.0 a minute, about 40s to go") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	s.terminal = false
	if out := s.ok("balance", "status", "--wait"); !strings.HasPrefix(out, "balanced\tevery") {
		t.Errorf("%q", out)
	}
	s.node.Do(func(n *admintest.Node) { n.Balancing.State = moving(3) })
	if code, out, errs := s.run("balance", "status", "--wait", "--wait-timeout", "20ms"); code != 5 || out != "" || !strings.Contains(errs, "not balanced after 20ms: some move") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	for _, b := range []view.Balance{
		{State: view.BalancePaused, Why: "moves are paused", Pause: &view.BalancePause{}},
		{State: view.BalanceStuck, Why: "moves are paused", Problems: []view.Problem{{Remedy: "fleetctl balance resume"}}},
	} {
		s.node.Do(func(n *admintest.Node) { n.Balancing.State = b })
		if code, _, errs := s.run("balance", "status", "--wait"); code != 5 || !strings.Contains(errs, "will not be balanced as things are: moves are paused") || !strings.Contains(errs, "fleetctl balance resume") {
			t.Errorf("exit %d, %q", code, errs)
		}
	}
	s.node.Do(func(n *admintest.Node) {
		n.Fail["Balance"] = admintest.Failure{Text: "no leader", What: admin.KindUnavailable}
	})
	if code, _, _ := s.run("balance", "status", "--wait"); code != 3 {
		t.Errorf("exit %d", code)
	}
	s.node.Do(func(n *admintest.Node) { delete(n.Fail, "Balance"); n.Balancing.State = moving(3); n.Calls = nil })
	stop := s.background(io.Discard, io.Discard, "balance", "status", "--wait")
	if err := s.node.AwaitCall(t.Context(), "Balance"); err != nil {
		t.Fatal(err)
	}
	if code := stop(); code != 130 {
		t.Errorf("exit %d", code)
	}
}

func TestPauseAndResume(t *testing.T) {
	s := newStand(t)
	s.env["USER"] = "ann"
	host, _ := os.Hostname()
	out := s.ok("balance", "pause", "--reason", "new switch")
	if !strings.HasPrefix(out, "moves are paused: ") || !strings.Contains(out, "to go on: fleetctl balance resume") {
		t.Errorf("%q", out)
	}
	s.asked("Pause ann@" + host + " new switch")
	if out := s.ok("balance", "resume", "--by", "bob"); out != "moves go on; they were paused by ann@"+host+" since 2026-01-02T03:04:05Z: new switch\n" {
		t.Errorf("%q", out)
	}
	s.asked("Resume bob")
	if out := s.ok("balance", "resume", "--by", "bob"); out != "moves go on; no pause was known\n" {
		t.Errorf("%q", out)
	}
	s.asked("Resume bob")
	s.terminal = true // a pause does not ask, since it is needed at once; its end does
	s.ok("balance", "pause", "--by", "ann")
	s.asked("Pause ann")
	s.node.Do(func(n *admintest.Node) { n.Balancing.State.Queue = []view.BalanceQueue{{Cause: "repair", Groups: 3}} })
	s.in = "n\n"
	code, _, errs := s.run("balance", "resume")
	if code != 1 || !strings.Contains(errs, "Moves are paused by ann since 2026-01-02T03:04:05Z. 3 groups may begin to change. Go on? [y/N]") {
		t.Errorf("exit %d, %q", code, errs)
	}
	s.asked()
	if out := s.ok("balance", "pause", "--by", "ann", "-o", "json"); !json.Valid([]byte(out)) {
		t.Errorf("%q", out)
	}
	var done struct{ Paused *view.BalancePause }
	if err := json.Unmarshal([]byte(s.ok("balance", "resume", "-y", "-o", "json")), &done); err != nil || done.Paused == nil || done.Paused.By != "ann" {
		t.Errorf("%+v %v", done, err)
	}
}

func TestLimitsAreChanged(t *testing.T) {
	s := newStand(t)
	for _, c := range []struct {
		line, out string
		asked     []string
	}{
		{"set moves=8 stuck_after=5m", "changed moves from 0 (half the nodes, 4 to 64) to 8, stuck_after from 10m0s to 5m0s\n", []string{"SetLimits moves=8 stuck_after=5m"}},
		{"reset moves", "changed moves from 8 to 0 (half the nodes, 4 to 64)\n", []string{"SetLimits moves="}},
		{"reset moves", "nothing to change: these limits have their defaults\n", nil},
		{"reset moves brake_percent", "changed brake_percent from 30 to 20\n", []string{"SetLimits brake_percent= moves="}},
		{"set moves=007", "changed moves from 0 (half the nodes, 4 to 64) to 7\n", []string{"SetLimits moves=7"}},
		{"reset moves", "changed moves from 7 to 0 (half the nodes, 4 to 64)\n", []string{"SetLimits moves="}},
	} {
		if out := s.ok(append([]string{"balance", "limits"}, strings.Fields(c.line)...)...); out != c.out {
			t.Errorf("%s: %q", c.line, out)
		}
		s.asked(c.asked...)
	}
	for line, says := range map[string]string{
		"set":                   "NAME=VALUE",
		"set moves":             `"moves" is no limit with a value`,
		"set moves=":            "reset NAME",
		"set =3":                `"=3"`,
		"set moves=1 moves=2":   "more than once",
		"set mvoes=1":           `no limit is named "mvoes"`,
		"set moves=--1":         "give a number from 0 to 10000",
		"reset":                 "NAME",
		"reset mvoes":           "use one of moves, stuck_after, brake_percent",
		"rest":                  "or reset?",
		"set moves=8 --nothing": "nothing",
	} {
		code, out, errs := s.run(append([]string{"balance", "limits"}, strings.Fields(line)...)...)
		if code != 2 || out != "" || !strings.Contains(errs, says) {
			t.Errorf("%s: exit %d, %q, %q", line, code, out, errs)
		}
	}
	s.terminal, s.in = true, "n\n"
	s.node.Do(func(n *admintest.Node) { n.Calls = nil })
	code, _, errs := s.run("balance", "limits", "set", "moves=8")
	if code != 1 || !strings.Contains(errs, "for the whole fleet: moves from 0 (half the nodes, 4 to 64) to 8. Go on?") {
		t.Errorf("exit %d, %q", code, errs)
	}
	s.asked()
}

func TestUsageOfBalance(t *testing.T) {
	s := newStand(t)
	for line, says := range map[string]string{
		"balance":                                  "balance needs a command",
		"balance moevs":                            "moves",
		"balance explain":                          "GROUP",
		"balance plan --limit -1":                  "--limit",
		"balance skew --limit 3 --all":             "exclude",
		"balance status --wait -w":                 "exclude",
		"balance status --wait-timeout 5s":         "add --wait",
		"balance status --wait --wait-timeout -1s": "--wait-timeout",
		"balance whatif":                           "nothing is asked",
		"balance whatif --add":                     "--add",
		"balance whatif --add z4:":                 `--add is "z4:"`,
		"balance whatif --add z4:0":                "ZONE:WEIGHTxCOUNT",
		"balance whatif --add z4:1x":               `"z4:1x"`,
		"balance whatif --add :2":                  `":2"`,
		"balance whatif --add z4:5000":             "weight",
		"balance whatif --weight a":                "NODE=WEIGHT",
		"balance whatif --weight a=0":              `"a=0"`,
		"balance whatif --weight =3":               `"=3"`,
		"node drain a --dry-run --limit -2":        "--limit",
	} {
		code, out, errs := s.run(strings.Fields(line)...)
		if code != 2 || out != "" || !strings.Contains(errs, says) || !strings.Contains(errs, "\n  try: ") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", line, code, out, errs)
		}
	}
	s.asked()
}

func TestCompletionOfBalance(t *testing.T) {
	s := newStand(t)
	for line, want := range map[string]string{
		"__complete balance explain o":           "orders\n",
		"__complete balance whatif --remove ":    "a\nb\nc\n",
		"__complete balance whatif --drain ":     "a\nb\nc\n",
		"__complete balance whatif --weight ":    "a=\nb=\nc=\n",
		"__complete balance whatif --zone-down ": "z1\nz2\nz3\n",
		"__complete balance whatif --add ":       "z1\nz2\nz3\n",
		"__complete balance limits reset moves ": "stuck_after\nbrake_percent\n",
		"__complete balance limits set ":         "moves=\nstuck_after=\nbrake_percent=\n",
	} {
		code, out, _ := s.run(strings.Split(line, " ")...)
		if code != 0 || !strings.HasPrefix(out, want) {
			t.Errorf("%s: exit %d, %q", line, code, out)
		}
	}
}

// Only leaders are on their way, or all groups that could move rest: both are told, and
// neither is balanced.
func TestBalanceStatusOfWhatIsNeitherQueuedNorOnTheMove(t *testing.T) {
	s := newStand(t)
	at := admintest.Began
	s.node.Do(func(n *admintest.Node) {
		n.Balancing.State = view.Balance{State: view.BalanceMoving, Why: "10 groups on the way to the preferred leader", Leading: 10, MoveLimit: 4}
	})
	if out := s.ok("balance", "status"); !strings.HasPrefix(out, "moving\t10 groups on the way") || !strings.Contains(out, "leaders on their way\t10\n") {
		t.Errorf("%s", out)
	}
	if line := balanceLine(&view.Balance{State: view.BalanceMoving, Why: "10 groups on the way", Leading: 10}, 0); line != "moving: 10 groups on the way" {
		t.Errorf("progress: %s", line)
	}
	s.node.Do(func(n *admintest.Node) {
		n.Balancing.State = view.Balance{State: view.BalanceWaiting, Why: "nodes are unevenly loaded", Rests: at}
	})
	if out := s.ok("balance", "status"); !strings.Contains(out, "first group rested at\t"+moment(at)+"\n") {
		t.Errorf("%s", out)
	}
}
