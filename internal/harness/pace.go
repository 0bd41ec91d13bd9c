package harness

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/internal/admin"
)

// PaceConfig says how a paced load writes.
type PaceConfig struct {
	// Groups are the counters that are added to. They begin at zero.
	Groups []string
	// Every is how often a write to each group is due. Default 1 s.
	Every time.Duration
	// Writers is how many clients the groups are divided among; each has connections of
	// its own. Default 16, at most one for each group.
	Writers int
	// CallTimeout is how long one request may take. Default 10 s.
	CallTimeout time.Duration
	// Seed decides when the first write to each group is due.
	Seed uint64
}

// Pace is a Load of which every group has a write due at times of its own, however
// the other groups fare. A write that is not acknowledged when the next is due takes
// its place: a group is never more than one write behind, so that what it could not
// take is not held against it later.
//
// A write is measured from when it was due until it, or the one that had to be sent
// instead of it, was acknowledged. That time is the group's gap: for so long somebody
// who wanted to write could not. It has no part of the rest between two writes in it, as
// a time between two acknowledgements has. An outage is seen from the first write
// on that was due within it.
type Pace struct {
	*Load
	groups []*paced

	mu    sync.Mutex
	times []time.Duration // of the acknowledged writes since Lap
	late  time.Duration   // the most that a write was sent after it was due although none was on its way
}

// paced is one group of a Pace.
type paced struct {
	*tally
	mu  sync.Mutex
	due time.Time // of the write on its way; zero when there is none
	gap Gap
}

// StartPace starts the clients. Finish ends them.
func (f *Fleet) StartPace(c PaceConfig) *Pace {
	if c.Every <= 0 {
		c.Every = time.Second
	}
	if c.Writers <= 0 {
		c.Writers = 16
	}
	ctx, cancel := context.WithCancel(context.Background())
	load := LoadConfig{Groups: c.Groups, Clients: c.Writers, CallTimeout: c.CallTimeout}.withDefaults()
	p := &Pace{Load: &Load{fleet: f, config: load, cancel: cancel}}
	random := rand.New(rand.NewPCG(c.Seed, 0))
	writers := make([]*loadClient, load.Clients)
	for i := range writers {
		writers[i] = &loadClient{load: p.Load, to: make(map[*Node]*admin.Client)}
		context.AfterFunc(ctx, writers[i].close)
	}
	began := time.Now()
	for i, name := range c.Groups {
		g := &paced{tally: &tally{group: name, last: began}}
		p.tallys, p.groups = append(p.tallys, g.tally), append(p.groups, g)
		first := began.Add(time.Duration(random.Int64N(int64(c.Every))))
		p.wg.Go(func() { p.write(ctx, writers[i%len(writers)], g, first, c.Every) })
	}
	return p
}

// write keeps one group's pace.
func (p *Pace) write(ctx context.Context, by *loadClient, g *paced, due time.Time, every time.Duration) {
	for {
		rest(ctx, time.Until(due))
		if ctx.Err() != nil {
			return
		}
		late := time.Since(due)
		g.mu.Lock()
		g.due = due
		g.mu.Unlock()
		// One of unknown outcome cannot be asked for again: another takes its place.
		acknowledged := false
		for {
			if acknowledged = by.add(ctx, g.tally); acknowledged || ctx.Err() != nil {
				break
			}
			rest(ctx, poll/2)
		}
		took := g.answered(due)
		p.mu.Lock()
		p.late = max(p.late, late)
		if acknowledged {
			p.times = append(p.times, took)
		}
		p.mu.Unlock()
		due = next(due, every, time.Now())
	}
}

// next is when the next write is due: those that were due meanwhile are left out.
func next(due time.Time, every time.Duration, now time.Time) time.Time {
	due = due.Add(every)
	if behind := now.Sub(due); behind > 0 {
		due = due.Add((behind + every - 1) / every * every)
	}
	return due
}

func (g *paced) answered(due time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	took := time.Since(due)
	g.due = time.Time{}
	g.gap.widen(due, took)
	return took
}

// Lap is what a Pace measured since the Lap before.
type Lap struct {
	// Times are from when each acknowledged write was due until it was acknowledged, in
	// the order of their ends.
	Times []time.Duration
	// Gaps are the longest of them for each group, in the order of PaceConfig.Groups;
	// one that lasts is a part of this and of the next Lap.
	Gaps []Gap
	// Late is by how much a write was sent too late, at most, although none to its group
	// was on its way: what of all times may be the fault of the one who measures.
	Late time.Duration
}

// Gap is how long a group could not be written to, and from when on.
type Gap struct {
	From time.Time
	Time time.Duration
}

func (g *Gap) widen(from time.Time, took time.Duration) {
	if took > g.Time {
		*g = Gap{from, took}
	}
}

// Lap returns what was measured since the last call and begins anew.
func (p *Pace) Lap() Lap {
	p.mu.Lock()
	lap := Lap{Times: p.times, Late: p.late}
	p.times, p.late = nil, 0
	p.mu.Unlock()
	for _, g := range p.groups {
		lap.Gaps = append(lap.Gaps, g.lap())
	}
	return lap
}

func (g *paced) lap() Gap {
	g.mu.Lock()
	defer g.mu.Unlock()
	gap := g.gap
	if !g.due.IsZero() {
		gap.widen(g.due, time.Since(g.due))
	}
	g.gap = Gap{}
	return gap
}
