package harness

import (
	"context"
	"errors"
	"math/rand/v2"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftfleet/raftfleet/internal/admin"
)

// LoadConfig says what load is put on a fleet.
type LoadConfig struct {
	// Groups are the counters that are added to. They begin at zero.
	Groups []string
	// Through are the nodes that are called, those of them that run. Default: all.
	Through []*Node
	// Clients is how many calls are on their way at most. Each client serves its own
	// groups, one call after the other. Default: one for each group, at most 64.
	Clients int
	// Interval is how long a client rests between two calls. Default 0.
	Interval time.Duration
	// CallTimeout is how long one request may take. Default 10 s.
	CallTimeout time.Duration
}

func (c LoadConfig) withDefaults() LoadConfig {
	if c.Clients == 0 {
		c.Clients = min(len(c.Groups), 64)
	}
	c.Clients = min(c.Clients, len(c.Groups))
	if c.CallTimeout == 0 {
		c.CallTimeout = 10 * time.Second
	}
	return c
}

// Load is clients that add one to counters, each call through a random running
// node. A call whose outcome is unknown is sent again under its command id, as far
// as the node could still tell it.
type Load struct {
	fleet  *Fleet
	config LoadConfig
	tallys []*tally
	cancel context.CancelFunc
	wg     sync.WaitGroup

	acknowledged, unknown, refused, failed atomic.Int64
	refusal                                atomic.Pointer[admin.Error] // the last one
}

// tally is what the clients know of one group.
type tally struct {
	group string

	mu      sync.Mutex
	sums    []int64 // what each acknowledged addition answered
	unknown int64
	last    time.Time // of the last acknowledgement, or of the start
	gap     time.Duration
	errs    []error
}

// errorsKept is how many unexpected errors a tally keeps.
const errorsKept = 3

// Counts are the calls so far.
type Counts struct {
	Acknowledged int64
	Unknown      int64 // of unknown outcome, and past finding out
	Refused      int64 // certain not to have been done, and done anew
	Failed       int64 // in a way in which no call should
}

// StartLoad starts the clients. Finish ends them.
func (f *Fleet) StartLoad(c LoadConfig) *Load {
	c = c.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	l := &Load{fleet: f, config: c, cancel: cancel}
	for _, g := range c.Groups {
		l.tallys = append(l.tallys, &tally{group: g, last: time.Now()})
	}
	for i := range c.Clients {
		var own []*tally
		for j := i; j < len(l.tallys); j += c.Clients {
			own = append(own, l.tallys[j])
		}
		l.wg.Add(1)
		go func() {
			defer l.wg.Done()
			(&loadClient{load: l, to: make(map[*Node]*admin.Client)}).run(ctx, own)
		}()
	}
	return l
}

// Counts returns the calls so far.
func (l *Load) Counts() Counts {
	return Counts{l.acknowledged.Load(), l.unknown.Load(), l.refused.Load(), l.failed.Load()}
}

// acknowledgedEach counts, for each group, the additions that were acknowledged.
func (l *Load) acknowledgedEach() map[string]int {
	counts := make(map[string]int, len(l.tallys))
	for _, t := range l.tallys {
		t.mu.Lock()
		counts[t.group] = len(t.sums)
		t.mu.Unlock()
	}
	return counts
}

// Halt ends the clients: calls that are on their way are waited for. The counts
// stay, and Verify can be called.
func (l *Load) Halt() {
	l.cancel()
	l.wg.Wait()
}

// Gaps returns, for each group, the longest time without an acknowledgement since
// the start or the last ResetGaps, the one that still lasts included.
func (l *Load) Gaps() map[string]time.Duration {
	gaps := make(map[string]time.Duration, len(l.tallys))
	for _, t := range l.tallys {
		t.mu.Lock()
		gaps[t.group] = max(t.gap, time.Since(t.last))
		t.mu.Unlock()
	}
	return gaps
}

// ResetGaps forgets the gaps so far; one that lasts begins anew.
func (l *Load) ResetGaps() {
	for _, t := range l.tallys {
		t.mu.Lock()
		t.gap, t.last = 0, time.Now()
		t.mu.Unlock()
	}
}

func (t *tally) acknowledge(sum int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.gap, t.last = max(t.gap, now.Sub(t.last)), now
	t.sums = append(t.sums, sum)
}

func (t *tally) lose() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unknown++
}

func (t *tally) fault(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.errs) < errorsKept {
		t.errs = append(t.errs, err)
	}
}

// loadClient is one closed loop, or the loops of a Pace that share connections.
type loadClient struct {
	load *Load

	mu sync.Mutex
	to map[*Node]*admin.Client // of its own, so that connections are not fought for
}

func (c *loadClient) run(ctx context.Context, own []*tally) {
	defer c.close()
	for i := 0; ctx.Err() == nil; i++ {
		c.add(ctx, own[i%len(own)])
		if c.load.config.Interval > 0 {
			rest(ctx, c.load.config.Interval)
		}
	}
}

func (c *loadClient) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, to := range c.to {
		to.Close()
	}
}

func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// retries bounds how often a command of unknown outcome is sent again.
const retries = 20

// add gets one addition through and returns true, or finds that its outcome stays
// unknown, or that the load is over before it was sent.
func (c *loadClient) add(ctx context.Context, t *tally) bool {
	id := ""
	for tries := 0; ; tries++ {
		node := c.pick()
		if node == nil {
			if id == "" && ctx.Err() != nil {
				return false
			}
			if id != "" && tries >= retries {
				return c.lost(t)
			}
			rest(context.Background(), 4*poll)
			continue
		}
		sum, err := c.send(node, t.group, id)
		if err == nil {
			t.acknowledge(sum)
			c.load.acknowledged.Add(1)
			return true
		}
		var e *admin.Error
		if !errors.As(err, &e) {
			c.load.failed.Add(1)
			t.fault(err)
			return c.lost(t)
		}
		switch {
		case id != "":
			// It was sent before: whatever this attempt says, the earlier one is unknown.
			if tries >= retries || e.Outcome == admin.OutcomeFinal {
				return c.lost(t)
			}
		case e.Outcome == admin.OutcomeUnknown:
			if id = commandID(e.Message); id == "" {
				return c.lost(t)
			}
		case e.Outcome == admin.OutcomeFinal:
			c.load.failed.Add(1)
			t.fault(err)
			return false
		default:
			c.load.refused.Add(1)
			c.load.refusal.Store(e)
			if ctx.Err() != nil {
				return false
			}
		}
		rest(context.Background(), time.Duration(10+rand.IntN(40))*time.Millisecond)
	}
}

// lost counts a command that may have been applied and that nobody can ask after.
func (c *loadClient) lost(t *tally) bool {
	t.lose()
	c.load.unknown.Add(1)
	return false
}

func (c *loadClient) pick() *Node {
	nodes := c.load.config.Through
	if nodes == nil {
		nodes = c.load.fleet.Nodes()
	}
	nodes = running(nodes)
	if len(nodes) == 0 {
		return nil
	}
	return nodes[rand.IntN(len(nodes))]
}

func (c *loadClient) send(node *Node, group, id string) (int64, error) {
	to, err := c.client(node)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.load.config.CallTimeout)
	defer cancel()
	b, err := to.Call(ctx, group, "add", []byte("1"), id)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(b), 10, 64)
}

func (c *loadClient) client(node *Node) (*admin.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to := c.to[node]
	if to == nil {
		var err error
		if to, err = admin.NewClient(node.AdminAddr, admin.ClientOptions{DialTimeout: time.Second}); err != nil {
			return nil, err
		}
		c.to[node] = to
	}
	return to, nil
}

// commandIDs are told in the text of an unknown outcome.
var commandIDs = regexp.MustCompile(`command id ([0-9a-f]{16}-[0-9a-f]{16})`)

func commandID(message string) string {
	if m := commandIDs.FindStringSubmatch(message); m != nil {
		return m[1]
	}
	return ""
}
