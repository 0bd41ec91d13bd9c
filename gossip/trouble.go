package gossip

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Unreached is one of Config.Join at which nobody could be joined.
type Unreached struct {
	Addr string
	At   time.Time // of the last try
	Err  error     // one line; ErrForeignFleet if a node of another fleet is there
}

// Stranger is a node of another fleet that was refused lately.
type Stranger struct {
	Meta
	Addr string    // host:port of its gossip
	At   time.Time // when it was refused last
}

const (
	strangerKept  = 2 * time.Minute // without another refusal; three rejoin intervals, where that is more
	strangerLimit = 64              // remembered; beyond it the one that was refused first is dropped
)

// trouble is what an operator may have to act on: it is kept for whoever asks, since
// the log tells it only once in a while.
type trouble struct {
	mu        sync.Mutex
	unreached map[string]Unreached // by join address
	strangers map[string]Stranger  // by gossip address
}

func newTrouble() *trouble {
	return &trouble{unreached: make(map[string]Unreached), strangers: make(map[string]Stranger)}
}

// tried notes what a try to join an address came to.
func (t *trouble) tried(addr string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		delete(t.unreached, addr)
		return
	}
	t.unreached[addr] = Unreached{Addr: addr, At: time.Now(), Err: &plainError{whyNot(addr, err), err}}
}

func (t *trouble) refused(addr string, meta Meta) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.strangers[addr]; !known && len(t.strangers) >= strangerLimit {
		oldest := slices.MinFunc(slices.Collect(maps.Values(t.strangers)), func(a, b Stranger) int { return a.At.Compare(b.At) })
		delete(t.strangers, oldest.Addr)
	}
	t.strangers[addr] = Stranger{Meta: meta, Addr: addr, At: time.Now()}
}

// Unreached lists those of Config.Join that could not be joined when they were tried
// last and are not among the living, by address.
func (g *Gossip) Unreached() []Unreached {
	g.mu.Lock()
	living := g.livingAddrs()
	g.mu.Unlock()
	t := g.trouble
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Unreached
	for addr, u := range t.unreached {
		if !living[addr] {
			out = append(out, u)
		}
	}
	slices.SortFunc(out, func(a, b Unreached) int { return cmp.Compare(a.Addr, b.Addr) })
	return out
}

// Strangers lists the nodes of other fleets that were refused lately, by address: a
// join address, here or there, is wrong.
func (g *Gossip) Strangers() []Stranger {
	oldest := time.Now().Add(-max(strangerKept, 3*g.config.rejoinInterval()))
	t := g.trouble
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.strangers, func(_ string, s Stranger) bool { return s.At.Before(oldest) })
	return slices.SortedFunc(maps.Values(t.strangers), func(a, b Stranger) int { return cmp.Compare(a.Addr, b.Addr) })
}

// plainError is an error of memberlist, which lists errors on lines of their own, on
// one line.
type plainError struct {
	text string
	err  error
}

func (e *plainError) Error() string { return e.text }
func (e *plainError) Unwrap() error { return e.err }

var (
	errorCount   = regexp.MustCompile(`^\d+ errors? occurred:$`)
	failedToJoin = regexp.MustCompile(`(?i)^failed to join \S+: `)
)

// whyNot is the error of a try to join an address on one line, for who names the
// address beside it. A name may stand for several addresses, each with its error.
func whyNot(addr string, err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	text = strings.TrimPrefix(text, addr+": ")
	text = strings.TrimPrefix(strings.TrimPrefix(text, "dial tcp "+addr+": "), "connect: ")
	return strings.TrimPrefix(text, "gossip: ")
}

// plain puts memberlist's errors for one address, which the caller names, on one line.
func plain(err error) error {
	var parts []string
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "* ")
		line = failedToJoin.ReplaceAllString(line, "")
		if line != "" && !errorCount.MatchString(line) {
			parts = append(parts, line)
		}
	}
	return &plainError{strings.Join(parts, "; "), err}
}
