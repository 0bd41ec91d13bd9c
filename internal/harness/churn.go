package harness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// ChurnConfig says what a fleet goes through.
type ChurnConfig struct {
	// Groups are added at first, each of Replicas members. Defaults 30 and 3.
	Groups, Replicas int
	// Join nodes join together, Drain nodes are drained and stopped together. Defaults:
	// a third and a sixth of the nodes, at least one.
	Join, Drain int
	// Every, Writers and Seed are those of the PaceConfig; Seed decides, too, who is
	// drained and killed.
	Every   time.Duration
	Writers int
	Seed    uint64
	// Pause is how long a phase goes on after the fleet is balanced. Default 1 s.
	Pause time.Duration
	// Limit is how long a phase may take until the fleet is balanced. Default 2 min.
	Limit time.Duration
	// Progress, when set, is told once a second how things stand.
	Progress func(line string)
}

func (c ChurnConfig) withDefaults(nodes int) ChurnConfig {
	for _, d := range []struct {
		at *int
		is int
	}{{&c.Groups, 30}, {&c.Replicas, 3}, {&c.Join, max(1, nodes/3)}, {&c.Drain, max(1, nodes/6)}} {
		if *d.at == 0 {
			*d.at = d.is
		}
	}
	if c.Pause == 0 {
		c.Pause = time.Second
	}
	if c.Limit == 0 {
		c.Limit = 2 * time.Minute
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	return c
}

// ErrChurn is returned when a fleet did not take a change as it should.
var ErrChurn = errors.New("the fleet did not take it as it should")

// Churn has clients write to groups all along, while nodes join, are drained and
// stopped, one dies for good, and a whole zone dies and comes back. Each of these
// phases ends when the fleet says that it is balanced, and with every node in the state
// in which it should be. While the zone is gone, the brake must hold and say so, and no
// member may move, for longer than it takes until a node is given up.
//
// At the end every write is accounted for, as Load.Verify does. What was measured is
// returned with an error too, as far as it came: ErrChurn when a phase did not end
// as it should, ErrAccount when the counters are wrong.
//
// The fleet must have no groups, and at least two nodes in each of three zones or more.
func (f *Fleet) Churn(ctx context.Context, c ChurnConfig) (ChurnResult, error) {
	nodes := f.Nodes()
	zones := make(map[string]int)
	for _, n := range nodes {
		zones[n.Zone]++
	}
	for zone, count := range zones {
		if count < 2 || len(zones) < 3 {
			return ChurnResult{}, fmt.Errorf("harness: churn: zone %s has %d nodes and there are %d zones: give two nodes or more to each of three zones or more, so that one can be lost", zone, count, len(zones))
		}
	}
	ch := &churn{Fleet: f, c: c.withDefaults(len(nodes)), random: rand.New(rand.NewPCG(c.Seed, 1)), expected: make(map[*Node]string)}
	for _, n := range nodes {
		ch.expected[n] = view.StateActive
	}
	return ch.run(ctx)
}

// churn is one run of Churn.
type churn struct {
	*Fleet
	c        ChurnConfig
	random   *rand.Rand
	watch    *watch
	pace     *Pace
	expected map[*Node]string // the state in which each node should be
	result   ChurnResult
	zone     []*Node // that went down
}

// phase is one change of the fleet.
type phase struct {
	name string
	do   func(context.Context, *Phase) error // makes the change, and notes who and how much it concerns
	// braked: the fleet must not be balanced again, but hold.
	braked bool
}

func (ch *churn) run(ctx context.Context) (ChurnResult, error) {
	ch.watch = startWatch(ch.Fleet, ch.line)
	defer ch.watch.stop()
	phases := []phase{
		{name: "start", do: ch.start},
		{name: fmt.Sprintf("join %d", ch.c.Join), do: ch.join},
		{name: fmt.Sprintf("drain %d", ch.c.Drain), do: ch.drain},
		{name: "kill 1", do: ch.kill},
		{name: "zone down", do: ch.zoneDown, braked: true},
		{name: "zone up", do: ch.zoneUp},
	}
	var err error
	for _, p := range phases {
		if err = ch.phase(ctx, p); err != nil {
			break
		}
	}
	if ch.pace == nil {
		return ch.result, err
	}
	verifying, cancel := context.WithTimeout(ctx, ch.c.Limit)
	defer cancel()
	ch.c.Progress("reading all counters")
	account, accountErr := ch.pace.Finish(verifying)
	ch.result.account(account, accountErr)
	return ch.result, errors.Join(err, accountErr)
}

// phase makes one change, waits until the fleet took it, and measures that.
func (ch *churn) phase(ctx context.Context, p phase) error {
	ch.result.Phases = append(ch.result.Phases, Phase{Name: p.name, movedBefore: ch.watch.moved()})
	r := &ch.result.Phases[len(ch.result.Phases)-1]
	ch.watch.begin(p.name)
	began, before := time.Now(), Counts{}
	r.writing = began
	if ch.pace != nil {
		ch.pace.Lap()
		before = ch.pace.Counts()
	}
	limited, cancel := context.WithTimeout(ctx, ch.c.Limit)
	defer cancel()
	err := p.do(limited, r)
	if err == nil {
		var last observation
		if last, err = ch.watch.await(limited, "the fleet to take the change", steady, ch.took(p.braked)); err == nil {
			r.Seconds = last.since.Sub(began).Seconds()
			r.State, r.Why = last.balance.State, last.balance.Why
		}
	}
	if err == nil && p.braked {
		err = ch.brakeHolds(limited, r)
	}
	if err == nil {
		rest(ctx, ch.c.Pause)
		err = ch.watch.counted(ctx)
	}
	r.measure(ch, before)
	if err != nil {
		r.Error = err.Error()
		return fmt.Errorf("harness: churn: %s: %w: %w", p.name, ErrChurn, err)
	}
	return nil
}

// steady is for how long a fleet must say that it is balanced to be believed: a change
// that was just made may not have got to the node that plans.
const steady = 1500 * time.Millisecond

// took is what the fleet looks like when it took a change.
func (ch *churn) took(braked bool) func(*observation) error {
	return func(o *observation) error {
		conditions := []func(view.Status) error{Quiet, Members(ch.c.Groups * ch.c.Replicas)}
		for _, n := range ch.Nodes() {
			want := ch.expected[n]
			conditions = append(conditions, NodeIs(n.Name, want+", or has members that it should not have", func(v view.Node) bool {
				return v.State == want && (v.Members == 0 || want != view.StateDead && want != view.StateInactive)
			}))
		}
		if err := All(conditions...)(o.status); err != nil {
			return err
		}
		switch b := &o.balance; {
		case braked && b.Held == "":
			return fmt.Errorf("the brake does not hold: the balance is %q: %s", b.State, b.Why)
		case braked:
			return nil
		case b.State == view.BalanceDone, b.State == view.BalanceStuck && b.Left == 0:
			return nil // the second: as good as it can be, though not what is wanted
		}
		return fmt.Errorf("the balance is %q: %s", o.balance.State, o.balance.Why)
	}
}

func (ch *churn) start(ctx context.Context, r *Phase) error {
	if err := ch.AddGroups(ctx, "churn", ch.c.Groups, ch.c.Replicas); err != nil {
		return err
	}
	r.writing = time.Now()
	ch.pace = ch.StartPace(PaceConfig{Groups: ch.Groups(), Every: ch.c.Every, Writers: ch.c.Writers, Seed: ch.c.Seed})
	ch.watch.pace.Store(ch.pace)
	return nil
}

func (ch *churn) join(ctx context.Context, r *Phase) error {
	var joined []*Node
	for range ch.c.Join {
		n, err := ch.place(fmt.Sprintf("%s%d", ch.config.Prefix, len(ch.Nodes())+1), ch.zones()[0])
		if err != nil {
			return err
		}
		ch.expected[n] = view.StateActive
		joined = append(joined, n)
		if err := n.Start(); err != nil {
			return err
		}
		r.Nodes = append(r.Nodes, n.Name)
	}
	for _, n := range joined {
		if err := n.AwaitActive(ctx); err != nil {
			return err
		}
	}
	r.Least = ch.share(joined)
	return nil
}

func (ch *churn) drain(ctx context.Context, r *Phase) error {
	var victims []*Node
	for range ch.c.Drain {
		n, err := ch.victim()
		if err != nil {
			return err
		}
		victims = append(victims, n)
		ch.expected[n] = view.StateInactive
		r.Nodes, r.Least = append(r.Nodes, n.Name), r.Least+ch.watch.members(n.Name)
	}
	for _, n := range victims {
		if err := ch.usable()[0].Client().Drain(ctx, n.Name); err != nil {
			return err
		}
	}
	// They stop when nothing is left on them, not when everything is balanced.
	if _, err := ch.watch.await(ctx, "the drained nodes to be empty", 0, func(o *observation) error {
		for _, n := range victims {
			if err := NodeIs(n.Name, "empty", func(v view.Node) bool { return v.State == view.StateInactive && v.Members == 0 })(o.status); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for _, n := range victims {
		if err := n.Stop(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (ch *churn) kill(_ context.Context, r *Phase) error {
	n, err := ch.victim()
	if err != nil {
		return err
	}
	ch.expected[n] = view.StateDead
	r.Nodes, r.Least = []string{n.Name}, ch.watch.members(n.Name)
	n.Kill()
	return nil
}

func (ch *churn) zoneDown(_ context.Context, r *Phase) error {
	zones := ch.zones()
	zone := zones[ch.random.IntN(len(zones))]
	for _, n := range ch.usable() {
		if n.Zone == zone {
			ch.zone = append(ch.zone, n)
			ch.expected[n] = view.StateSuspect
			r.Nodes = append(r.Nodes, n.Name)
		}
	}
	for _, n := range ch.zone {
		n.Kill()
	}
	return nil
}

// brakeHolds sees for longer than it takes to give a node up that nothing moves, that
// the fleet says why, and that every group goes on.
func (ch *churn) brakeHolds(ctx context.Context, r *Phase) error {
	acknowledged := ch.pace.acknowledgedEach()
	moved := ch.watch.moved()
	end := time.Now().Add(ch.config.PurgeAfter + ch.config.PurgeAfter/4 + time.Second)
	check := ch.took(true)
	for {
		o, err := ch.watch.next(ctx)
		if err != nil {
			return err
		}
		if o.err == nil {
			if err := check(o); err != nil {
				return fmt.Errorf("while all of a zone was gone: %w", err)
			}
			r.Held = o.balance.Held
		}
		if now := ch.watch.moved(); now > moved {
			return fmt.Errorf("%d members moved although the brake held (%s)", now-moved, r.Held)
		}
		if time.Now().After(end) {
			break
		}
	}
	for group, count := range ch.pace.acknowledgedEach() {
		if count == acknowledged[group] {
			return fmt.Errorf("group %s acknowledged nothing while all of a zone was gone", group)
		}
	}
	return nil
}

func (ch *churn) zoneUp(ctx context.Context, r *Phase) error {
	for _, n := range ch.zone {
		ch.expected[n] = view.StateActive
		r.Nodes = append(r.Nodes, n.Name)
		if err := n.Start(); err != nil {
			return err
		}
	}
	for _, n := range ch.zone {
		if err := n.AwaitActive(ctx); err != nil {
			return err
		}
	}
	return nil
}

// usable are the nodes that should be active, in the order in which they were made.
func (ch *churn) usable() []*Node {
	return slices.DeleteFunc(ch.Nodes(), func(n *Node) bool { return ch.expected[n] != view.StateActive })
}

// zones are the zones of the usable nodes, the one with the fewest first.
func (ch *churn) zones() []string {
	count := make(map[string]int)
	var zones []string
	for _, n := range ch.usable() {
		if count[n.Zone]++; count[n.Zone] == 1 {
			zones = append(zones, n.Zone)
		}
	}
	slices.SortStableFunc(zones, func(a, b string) int { return count[a] - count[b] })
	return zones
}

// victim is a node of the zone that has the most.
func (ch *churn) victim() (*Node, error) {
	zones := ch.zones()
	of := slices.DeleteFunc(ch.usable(), func(n *Node) bool { return n.Zone != zones[len(zones)-1] })
	if len(of) < 3 {
		return nil, fmt.Errorf("zone %s has %d nodes left, and two must stay: start with more nodes, or let more join", zones[len(zones)-1], len(of))
	}
	return of[ch.random.IntN(len(of))], nil
}

// share is how many members nodes should have when each zone has the same number of
// each group's.
func (ch *churn) share(of []*Node) (members int) {
	inZone := make(map[string]int)
	for _, n := range ch.usable() {
		inZone[n.Zone]++
	}
	for _, n := range of {
		members += ch.c.Groups * ch.c.Replicas / len(inZone) / inZone[n.Zone]
	}
	return members
}
