package fleet

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/planner"
	"github.com/raftfleet/raftfleet/placement"
)

// Balance tells how far the fleet is from where it should be, and why nothing moves
// when nothing moves. It asks the node that plans; where that cannot be reached, State
// is unknown and Why says so.
func (n *Node) Balance(ctx context.Context) (view.Balance, error) {
	return seen(ctx, n, viewRequest{Balance: true}, func(ctx context.Context, c *catalogue.Machine) (view.Balance, error) {
		if r := n.planner.report.Load(); r != nil && n.leads(ident.Catalogue) {
			return n.viewBalance(c, r), nil
		}
		unknown := view.Balance{State: view.BalanceUnknown, Queue: []view.BalanceQueue{}, Holds: []view.BalanceHold{}, Problems: []view.Problem{}}
		info, ok := n.host.Info(ident.Catalogue)
		if !ok || info.Leader == 0 || info.Leader == n.id {
			unknown.Why = "the catalogue has no leader that this node knows of, so nothing is decided; an election should end this within seconds"
			return unknown, nil
		}
		unknown.Planner = namesOf(c.Nodes()).of(info.Leader)
		b, err := n.ask(ctx, info.Leader, []byte{byte(opBalance)})
		if err != nil {
			unknown.Why = fmt.Sprintf("node %s plans and does not answer: %v", unknown.Planner, err)
			return unknown, nil
		}
		var v view.Balance
		return v, decodeBody(b, &v)
	})
}

// balanceHere answers for the planner here.
func (n *Node) balanceHere() ([]byte, error) {
	c, r := n.catalogue.Load(), n.planner.report.Load()
	if c == nil || r == nil {
		return nil, fmt.Errorf("node %s plans no more: %w", n.cfg.Name, ErrNoLeader)
	}
	return msgpack.Marshal(n.viewBalance(c, r))
}

func (n *Node) viewBalance(c *catalogue.Machine, r *planner.Report) view.Balance {
	ns := namesOf(c.Nodes())
	v := view.Balance{Planner: ns.of(n.id), At: r.At.UTC(), Held: r.Brake, Moving: r.Moving, MoveLimit: r.MoveLimit, Leading: r.Leading,
		Left: r.Left(), Done: r.Done, DoneIn: r.DoneWithin.Seconds(), Queue: []view.BalanceQueue{}, Holds: []view.BalanceHold{}, Problems: []view.Problem{}}
	if r.Pause != nil {
		v.Pause = &view.BalancePause{By: r.Pause.By, Reason: r.Pause.Reason, Since: r.Pause.Since}
	}
	for _, at := range [...]struct {
		from time.Time
		to   *time.Time
	}{{r.QuietFrom, &v.QuietFrom}, {r.RestsUntil, &v.Rests}, {r.TrustedFrom, &v.TrustedFrom}} {
		if !at.from.IsZero() {
			*at.to = at.from.UTC()
		}
	}
	v.Returned = ns.allOf(r.Returned)
	if r.Done > 0 && r.DoneWithin > 0 {
		v.PerMinute = math.Round(float64(r.Done)/r.DoneWithin.Minutes()*10) / 10
	}
	if v.PerMinute > 0 && r.Pause == nil && r.Brake == "" { // else nobody knows when
		v.ETA = math.Round(float64(v.Left) / float64(r.Done) * r.DoneWithin.Seconds())
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Queue)) {
		v.Queue = append(v.Queue, view.BalanceQueue{Cause: kind.String(), Groups: r.Queue[kind]})
	}
	for _, h := range planner.Holds {
		if groups := r.Held[h.Hold]; groups > 0 {
			v.Holds = append(v.Holds, view.BalanceHold{Hold: string(h.Hold), Groups: groups, Means: h.Means})
		}
	}
	v.Problems = append(v.Problems, infeasibleProblems(r.Infeasible, c, ns)...)
	helpless := "" // why groups lack what they should have, where no move would help
	for _, reason := range r.Infeasible {
		switch reason.Kind {
		case placement.NoQuorum, placement.FewNodes, placement.Stranded:
			if p, more := infeasibleProblem(reason, c, ns); more {
				helpless = cmp.Or(helpless, p.Reason)
			}
		}
	}
	if r.BrokenLimits != nil {
		v.Problems = append(v.Problems, view.Problem{Kind: "limits", Thing: "limits", Reason: strings.ReplaceAll(r.BrokenLimits.Error(), "\n", "; "),
			Remedy: "a newer program set them: run it on every node, or set them anew"})
	}
	v.State, v.Why = balanceState(&v, r, helpless)
	return v
}

// mostReturned bounds how many nodes a sentence names.
const mostReturned = 3

// first names at most so many of some nodes, and says how many more there are.
func first(names []string, most int) string {
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// balanceState says in a sentence how things stand.
func balanceState(v *view.Balance, r *planner.Report, helpless string) (state, why string) {
	queued := 0
	for _, q := range v.Queue {
		queued += q.Groups
	}
	until := func(at time.Time) string { return at.Sub(r.At).Round(time.Second).String() }
	switch {
	case v.Pause != nil:
		why = "moves are paused"
		if v.Pause.By != "" {
			why += " by " + v.Pause.By
		}
		if v.Pause.Reason != "" {
			why += ": " + v.Pause.Reason
		}
		return view.BalancePaused, fmt.Sprintf("%s; %s to change; to go on: fleetctl balance resume", why, count(queued, "group"))
	case v.Held != "" && v.Moving == 0:
		return view.BalanceHeld, v.Held + ": they are more likely to come back than to be replaceable; bring them back, or forget those that will not return"
	case v.Moving > 0:
		why = fmt.Sprintf("%s of at most %d on the move, %d left", count(v.Moving, "group"), v.MoveLimit, v.Left)
		switch {
		case v.Held != "":
			why += "; no other begins: " + v.Held
		case r.Uncommitted != nil:
			why += "; no other begins: " + uncommitted(r)
		case v.ETA > 0:
			why += fmt.Sprintf(", at %.1f a minute about %s", v.PerMinute, (time.Duration(v.ETA) * time.Second).String())
		}
		return view.BalanceMoving, why
	case queued > 0 && r.Uncommitted != nil:
		return view.BalanceWaiting, fmt.Sprintf("%s to change, and none begins: %s", count(queued, "group"), uncommitted(r))
	case v.Leading > 0:
		why = count(v.Leading, "group") + " on the way to the preferred leader"
		if queued > 0 {
			why += fmt.Sprintf(", %s to change next", count(queued, "group"))
		}
		return view.BalanceMoving, why
	case r.Held[planner.HeldRestless] > 0:
		return view.BalanceWaiting, fmt.Sprintf("%s to change when the nodes have been quiet, in %s", count(queued, "group"), until(r.QuietFrom))
	case r.Held[planner.HeldResting] > 0:
		return view.BalanceWaiting, fmt.Sprintf("%s to change when rested, the first in %s", count(queued, "group"), until(r.RestsUntil))
	case r.Held[planner.HeldNoQuorum] > 0 && r.Held[planner.HeldNoQuorum] >= queued:
		return view.BalanceStuck, fmt.Sprintf("%s cannot move, for most of their voters are not heard: bring those nodes back, or give up what they have with fleetctl group recover", count(r.Held[planner.HeldNoQuorum], "group"))
	case queued > 0:
		return view.BalanceWaiting, fmt.Sprintf("%s to change next", count(queued, "group"))
	case !r.RestsUntil.IsZero():
		return view.BalanceWaiting, "nodes are unevenly loaded, and the groups that could move moved a short while ago; the first has rested in " + until(r.RestsUntil)
	}
	if len(v.Returned) > 0 {
		return view.BalanceWaiting, fmt.Sprintf("%s came back a short while ago: no new members before trust_after (%s) is over, for the first in %s",
			first(v.Returned, mostReturned), r.Limits.TrustAfter, until(r.TrustedFrom))
	}
	if helpless != "" {
		return view.BalanceStuck, "no move would help what is left: " + helpless
	}
	if len(v.Problems) > 0 {
		return view.BalanceDone, "every group is where it should be, as far as there are nodes: " + v.Problems[0].Reason
	}
	return view.BalanceDone, "every group is where it should be"
}

// uncommitted says why new targets do not come about.
func uncommitted(r *planner.Report) string {
	return "the catalogue did not take the new targets: " + r.Uncommitted.Error()
}

// Pause keeps the planner from beginning any move, repairs too, until Resume. Moves
// that began go on to their end. by says who, for the others; reason says why.
func (n *Node) Pause(ctx context.Context, by, reason string) error {
	if err := n.settings(ctx, settingsRequest{Pause: &pauseRequest{By: by, Reason: reason}}); err != nil {
		return fmt.Errorf("fleet: pause moves: %w", err)
	}
	return nil
}

// Resume ends a pause; without one it does nothing.
func (n *Node) Resume(ctx context.Context, by string) error {
	if err := n.settings(ctx, settingsRequest{Resume: &pauseRequest{By: by}}); err != nil {
		return fmt.Errorf("fleet: resume moves: %w", err)
	}
	return nil
}

// Limits tells the limits of balancing, in the order in which to show them.
func (n *Node) Limits(ctx context.Context) ([]view.BalanceLimit, error) {
	return seen(ctx, n, viewRequest{Limits: true}, func(_ context.Context, c *catalogue.Machine) ([]view.BalanceLimit, error) {
		var out []view.BalanceLimit
		for _, l := range planner.List(c.Settings(), n.cfg.limits()) {
			out = append(out, view.BalanceLimit{Name: l.Name, Value: l.Value, Default: l.Default, Set: l.Set, Doc: l.Doc})
		}
		return out, nil
	})
}

// SetLimits changes limits of balancing by name, for the whole fleet and for good; an
// empty value takes one back to its default. Either all are changed or, when one is
// wrong (group.ErrInvalidArgument), none.
func (n *Node) SetLimits(ctx context.Context, values map[string]string) error {
	if err := n.settings(ctx, settingsRequest{Limits: values}); err != nil {
		return fmt.Errorf("fleet: set limits: %w", err)
	}
	return nil
}

type settingsRequest struct {
	Pause, Resume *pauseRequest     `msgpack:",omitempty"`
	Limits        map[string]string `msgpack:",omitempty"`
}

type pauseRequest struct{ By, Reason string }

func (n *Node) settings(ctx context.Context, r settingsRequest) error {
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	return n.forward(ctx, forwardRequest{Settings: &r})
}

func (n *Node) setSettingsHere(ctx context.Context, r *settingsRequest) error {
	set := make(map[string]string)
	event := view.Event{}
	var paused *planner.Pause // as it is now
	if r.Pause != nil || r.Resume != nil {
		n.catchUpBriefly(ctx)
		if c := n.catalogue.Load(); c != nil {
			paused = planner.PauseIn(c.Settings())
		}
	}
	switch {
	case r.Pause != nil:
		if len(r.Pause.By) > mostByline || len(r.Pause.Reason) > mostByline {
			return fmt.Errorf("who pauses and why are %d and %d bytes long: give at most %d each: %w", len(r.Pause.By), len(r.Pause.Reason), mostByline, group.ErrInvalidArgument)
		}
		key, text := planner.Pause{By: r.Pause.By, Reason: r.Pause.Reason, Since: n.exec.Now().UTC()}.Setting()
		set[key] = text
		event = view.Event{Kind: "moves_paused", Detail: byline("paused", r.Pause.By, r.Pause.Reason)}
		if paused != nil { // whose word is overwritten
			event.Detail += "; until then they were " + byline("paused", paused.By, paused.Reason)
		}
	case r.Resume != nil:
		key, text := planner.Resumed()
		set[key] = text
		if paused != nil {
			event = view.Event{Kind: "moves_resumed", Detail: byline("resumed", r.Resume.By, "") + "; they were " + byline("paused", paused.By, paused.Reason)}
		}
	default:
		var changes []string
		for _, name := range slices.Sorted(maps.Keys(r.Limits)) {
			key, text, err := planner.Setting(name, r.Limits[name])
			if err != nil {
				return fmt.Errorf("%w: %w", err, group.ErrInvalidArgument)
			}
			set[key] = text
			if text == "" {
				text = "the default"
			}
			changes = append(changes, name+" is "+text)
		}
		event = view.Event{Kind: "limits_changed", Detail: strings.Join(changes, ", ")}
	}
	if _, err := n.propose(ctx, &catalogue.SetSettings{Settings: set}); err != nil {
		return err
	}
	if event.Kind != "" { // else nothing changed
		n.events.add(event)
	}
	return nil
}

// mostByline bounds who pauses, and why, in bytes.
const mostByline = 500

func byline(what, by, reason string) string {
	if by != "" {
		what += " by " + by
	}
	if reason != "" {
		what += ": " + reason
	}
	return what
}

func pausedProblem(p *planner.Pause) view.Problem {
	return view.Problem{Kind: "moves_paused", Thing: "fleet", Reason: byline("moves were paused", p.By, p.Reason) + "; members are neither replaced nor balanced", Since: p.Since,
		Remedy: "when the cause is gone: fleetctl balance resume"}
}

// kindName is the name of a cause; empty for a group that is as it was added.
func kindName(k placement.Kind) string {
	if k == 0 {
		return ""
	}
	return k.String()
}

// followLimits has this node keep to what the fleet's settings leave to it.
func (n *Node) followLimits(c *catalogue.Machine) {
	settings := c.Settings()
	limits, _ := planner.FromSettings(settings, n.cfg.limits())
	n.host.LimitSnapshots(limits.SnapshotsOut, limits.SnapshotsIn)
	n.followPause(settings)
}
