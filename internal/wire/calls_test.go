package wire

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
	"pgregory.net/rapid"
)

// stall makes a link's writer hang in its first write, so that what follows
// waits; it gives the peer that can take it.
func stall(t *testing.T, one *Transport, peers <-chan *rawPeer) *rawPeer {
	t.Helper()
	one.CallAsync(2, []byte("stall"), time.Time{}, func([]byte, error) {})
	p := peerOf(t, peers)
	until(t, "the writer is stuck", func() bool {
		l := (*one.peers.Load())[2].links[Calls-1].Load()
		l.out.mu.Lock()
		defer l.out.mu.Unlock()
		return l.out.inflight > 0
	})
	return p
}

// requests gives the requests of the next frame that has some, withdrawn ones
// left out.
func (p *rawPeer) requests() (ids []uint64, bodies []string) {
	p.t.Helper()
	for len(ids) == 0 {
		kind, payload := p.next()
		if kind != kindRequests {
			continue
		}
		for len(payload) > 0 {
			var id uint64
			var body []byte
			id, body, payload, _ = nextRequest(payload)
			if id != 0 {
				ids, bodies = append(ids, id), append(bodies, string(body))
			}
		}
	}
	return ids, bodies
}

func (p *rawPeer) answer(id uint64, status byte, body string) {
	p.t.Helper()
	b := binary.LittleEndian.AppendUint64(nil, id)
	b = append(b, status)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	if _, err := p.conn.Write(appendFrame(nil, kindAnswers, append(b, body...))); err != nil {
		p.t.Fatal(err)
	}
}

func TestCallThatWasCancelledBeforeItLeftIsNeverExecuted(t *testing.T) {
	one, peers := playPeer(t, newRecorder(), nil)
	p := stall(t, one, peers)
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 2)
	go func() {
		_, err := one.Call(ctx, 2, []byte("cancelled"))
		failed <- err
	}()
	one.CallAsync(2, []byte("too late"), time.Now().Add(30*time.Millisecond), func(_ []byte, err error) { failed <- err })
	until(t, "both wait", func() bool { return one.Peers()[0].Calls.Pending >= 2 })
	cancel()
	for range 2 {
		wantErr(t, <-failed, ErrNotSent)
	}
	one.CallAsync(2, []byte("wanted"), time.Time{}, func([]byte, error) {})
	if _, got := p.requests(); fmt.Sprint(got) != "[stall]" {
		t.Fatalf("first came %q", got)
	}
	if _, got := p.requests(); fmt.Sprint(got) != "[wanted]" {
		t.Fatalf("then came %q", got)
	}
}

func TestCallThatLeftIsLostWhenItsTimeIsOver(t *testing.T) {
	one, peers := playPeer(t, newRecorder(), nil)
	failed := make(chan error, 1)
	one.CallAsync(2, []byte("a"), time.Now().Add(100*time.Millisecond), func(_ []byte, err error) { failed <- err })
	p := peerOf(t, peers)
	ids, _ := p.requests()
	wantErr(t, <-failed, ErrLost, context.DeadlineExceeded)

	// The answer that comes after all meets no other call in the same slot.
	got := make(chan string, 1)
	one.CallAsync(2, []byte("b"), time.Time{}, func(b []byte, err error) { got <- fmt.Sprint(string(b), err) })
	next, _ := p.requests()
	p.answer(ids[0], answerOK, "late")
	p.answer(next[0], answerOK, "right")
	await(t, got, "right<nil>")
}

func TestCallWhoseTimeIsOverAlreadyIsNotSent(t *testing.T) {
	one, _ := playPeer(t, newRecorder(), nil)
	got := make(chan error, 1)
	one.CallAsync(2, nil, time.Now().Add(-time.Second), func(_ []byte, err error) { got <- err })
	wantErr(t, <-got, ErrNotSent, context.DeadlineExceeded)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := one.Call(ctx, 2, nil)
	wantErr(t, err, ErrNotSent, context.Canceled)
}

func TestDeadlinesEndInTheirOrder(t *testing.T) {
	one, peers := playPeer(t, newRecorder(), nil)
	got := make(chan string, 3)
	now := time.Now()
	for _, ms := range []int{150, 50, 100} {
		one.CallAsync(2, nil, now.Add(time.Duration(ms)*time.Millisecond), func([]byte, error) { got <- fmt.Sprint(ms) })
	}
	peerOf(t, peers).requests()
	for _, want := range []string{"50", "100", "150"} {
		await(t, got, want)
	}
}

func TestConnectionLostSortsCallsBySent(t *testing.T) {
	one, peers := playPeer(t, newRecorder(), nil)
	lostCall, got := make(chan error, 1), make(chan string, 1)
	one.CallAsync(2, []byte("stall"), time.Time{}, func(_ []byte, err error) { lostCall <- err })
	p := peerOf(t, peers)
	until(t, "the first was offered", func() bool { return one.Peers()[0].Calls.Queued > 0 })
	l := (*one.peers.Load())[2].links[Calls-1].Load()
	until(t, "the first was taken", func() bool {
		l.out.mu.Lock()
		defer l.out.mu.Unlock()
		return l.out.inflight > 0
	})
	one.CallAsync(2, []byte("waits"), time.Time{}, func(b []byte, err error) { got <- fmt.Sprint(string(b), err) })
	p.conn.Close()
	wantErr(t, <-lostCall, ErrLost)

	// What had not left goes over the next connection.
	p = peerOf(t, peers)
	ids, bodies := p.requests()
	if fmt.Sprint(bodies) != "[waits]" {
		t.Fatalf("%q", bodies)
	}
	p.answer(ids[0], answerOK, "done")
	await(t, got, "done<nil>")
}

func TestReceiverRefusesCallsBeyondItsBound(t *testing.T) {
	var b book
	r := newRecorder()
	replies := make(chan func([]byte), 100)
	r.onRequest = func(_ ident.NodeID, _ []byte, reply func([]byte)) { replies <- reply }
	one := open(t, &b, 1, newRecorder(), nil)
	open(t, &b, 2, r, func(c *Config) { c.MaxQueuedBytes = 3 * (1000 + callBytes) })
	results := make(chan error, 100)
	for range 4 {
		one.CallAsync(2, make([]byte, 1000), time.Time{}, func(_ []byte, err error) { results <- err })
	}
	wantErr(t, <-results, ErrOverloaded, ErrNotSent)
	for range 3 {
		(<-replies)(nil)
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	go func() { (<-replies)([]byte("room again")) }()
	if answer, err := one.Call(soon(t), 2, make([]byte, 1000)); err != nil || string(answer) != "room again" {
		t.Fatalf("%q, %v", answer, err)
	}
}

func TestCallsBeyondTheSendersBoundAreNotSent(t *testing.T) {
	one, peers := playPeer(t, newRecorder(), func(c *Config) { c.MaxQueuedBytes = 10000 })
	stall(t, one, peers)
	var failed error
	for range 20 {
		one.CallAsync(2, make([]byte, 1000), time.Time{}, func(_ []byte, err error) {
			if failed == nil {
				failed = err
			}
		})
	}
	wantErr(t, failed, ErrNotSent, ErrOverloaded)
	if n := one.Peers()[0].Calls.Pending; n > 11 {
		t.Fatalf("%d calls are pending", n)
	}
	one.Close()
}

func TestCallerThatFetchesNoAnswersLosesTheConnection(t *testing.T) {
	var b book
	r := newRecorder()
	r.onRequest = func(_ ident.NodeID, _ []byte, reply func([]byte)) { reply(make([]byte, 1<<20)) }
	one := open(t, &b, 1, r, func(c *Config) { c.KeepAlive, c.MaxQueuedBytes = time.Minute, 4<<20 })
	conn, _ := dialRaw(t, one, helloTo(1, Calls))
	for id := range uint64(200) { // sends 200 MiB of answers nobody reads
		body := binary.LittleEndian.AppendUint64(nil, id+1)
		if _, err := conn.Write(appendFrame(nil, kindRequests, append(body, 0, 0, 0, 0))); err != nil {
			break
		}
	}
	until(t, "the connection is given up", func() bool {
		one.mu.Lock()
		defer one.mu.Unlock()
		return len(one.conns) == 0
	})
}

func TestCallAddr(t *testing.T) {
	var b book
	fresh := func(c *Config) { c.Fleet = 0 }
	other := func(c *Config) { c.Fleet = 78 }
	one := open(t, &b, 1, newRecorder(), nil)
	two := open(t, &b, 2, newRecorder(), nil)
	three := open(t, &b, 3, newRecorder(), fresh)
	four := open(t, &b, 4, newRecorder(), fresh)
	five := open(t, &b, 5, newRecorder(), other)
	for _, c := range []struct {
		name     string
		from, to *Transport
		refused  bool
	}{
		{"within a fleet", one, two, false},
		{"from a node in no fleet", three, one, false},
		{"to a node in no fleet", one, three, false},
		{"between two in no fleet", three, four, false},
		{"to another fleet", one, five, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, node, err := c.from.CallAddr(soon(t), c.to.Addr().String(), []byte("join"))
			if c.refused {
				wantErr(t, err, ErrNotSent, ErrRefused, ErrWrongFleet)
				return
			}
			if err != nil || node != c.to.cfg.Node || string(answer) != "re:join" {
				t.Fatalf("%q of %v, %v", answer, node, err)
			}
		})
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	_, _, err = one.CallAddr(soon(t), ln.Addr().String(), nil)
	wantErr(t, err, ErrNotSent)
}

func TestCallAddrOutlivesTheHandlersTime(t *testing.T) {
	var b book
	r := newRecorder()
	replies := make(chan func([]byte), 1)
	r.onRequest = func(_ ident.NodeID, _ []byte, reply func([]byte)) { replies <- reply }
	quick := func(c *Config) { c.KeepAlive = 20 * time.Millisecond }
	one := open(t, &b, 1, newRecorder(), quick)
	two := open(t, &b, 2, r, quick)
	go func() {
		reply := <-replies
		<-time.After(300 * time.Millisecond) // five times the silence that is allowed
		reply([]byte("slow"))
	}()
	answer, _, err := one.CallAddr(soon(t), two.Addr().String(), nil)
	if err != nil || string(answer) != "slow" {
		t.Fatalf("%q, %v", answer, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-replies; cancel() }()
	_, _, err = one.CallAddr(ctx, two.Addr().String(), nil)
	wantErr(t, err, ErrLost, context.Canceled)
}

func TestCallTableAgainstAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c callTable
		c.init()
		most := rapid.IntRange(1, 20).Draw(t, "most")
		live := map[uint64]int64{}
		seen := map[uint64]bool{}
		var order []uint64
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				mark := int64(len(seen) + 1)
				id, ok := c.put(callSlot{deadline: mark}, most)
				if ok != (len(live) < most) {
					t.Fatalf("put with %d of %d: %v", len(live), most, ok)
				}
				if ok {
					if id == 0 || seen[id] {
						t.Fatalf("id %d is used twice", id)
					}
					live[id], seen[id] = mark, true
					order = append(order, id)
				}
			},
			"take": func(t *rapid.T) {
				if len(order) == 0 {
					t.Skip()
				}
				id := rapid.SampledFrom(order).Draw(t, "id")
				s, ok := c.take(id)
				if want, had := live[id]; ok != had || ok && s.deadline != want {
					t.Fatalf("take %d: %v %v, want %v %v", id, s.deadline, ok, want, had)
				}
				delete(live, id)
			},
			"shrink": func(*rapid.T) { c.shrink() },
			"": func(t *rapid.T) {
				if c.active != len(live) {
					t.Fatalf("%d active, want %d", c.active, len(live))
				}
			},
		})
	})
}
