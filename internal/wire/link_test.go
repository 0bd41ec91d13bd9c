package wire

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReconnectsToAPeerThatRestartedElsewhere(t *testing.T) {
	var b book
	events := newRecorder()
	one := open(t, &b, 1, events, nil)
	first := open(t, &b, 2, newRecorder(), nil)
	if err := one.Send(2, text("x")); err != nil {
		t.Fatal(err)
	}
	await(t, events.links, fmt.Sprintf("+2 %d", first.cfg.Boot))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, events.links, "-2")

	r := newRecorder()
	second := open(t, &b, 2, r, nil) // another port
	await(t, events.links, fmt.Sprintf("+2 %d", second.cfg.Boot))
	if err := one.Send(2, text("again")); err != nil {
		t.Fatal(err)
	}
	await(t, r.messages, "again")
}

func TestSendToANodeThatIsDownFailsAtOnce(t *testing.T) {
	var b book
	one := open(t, &b, 1, newRecorder(), nil)
	gone := open(t, &b, 2, newRecorder(), nil)
	gone.Close()
	one.Send(2, text("wakes the link"))
	until(t, "the dial has failed", func() bool { return one.Peers()[0].Consensus.Err != nil })
	wantErr(t, one.Send(2, text("x")), ErrNotSent)
	if q := one.Peers()[0].Consensus.Queued; q != 0 {
		t.Fatalf("%d bytes are queued for a node that is down", q)
	}
	_, err := one.Call(soon(t), 2, nil)
	wantErr(t, err, ErrNotSent)
	_, err = one.Call(soon(t), 2, nil) // known to be down by now
	wantErr(t, err, ErrNotSent)
}

func TestUnknownNode(t *testing.T) {
	var b book
	one := open(t, &b, 1, newRecorder(), nil)
	wantErr(t, one.Send(5, text("x")), ErrNotSent, ErrUnknownNode)
	_, err := one.Call(soon(t), 5, nil)
	wantErr(t, err, ErrNotSent, ErrUnknownNode)
	wantErr(t, one.SendSnapshot(soon(t), 5, nil, nil), ErrNotSent, ErrUnknownNode)
	if p := one.Peers(); len(p) != 0 {
		t.Fatalf("an unknown node is kept: %+v", p)
	}
}

func TestLinkEndsWhenItsNodeIsNoLongerKnown(t *testing.T) {
	var b book
	events := newRecorder()
	one := open(t, &b, 1, events, nil)
	two := open(t, &b, 2, newRecorder(), nil)
	one.Send(2, text("x"))
	await(t, events.links, fmt.Sprintf("+2 %d", two.cfg.Boot))
	b.set(2, "")
	two.Close()
	await(t, events.links, "-2")
	until(t, "the link has ended", func() bool { return !one.Peers()[0].Consensus.Used })
	wantErr(t, one.Send(2, text("x")), ErrUnknownNode)
}

func TestQueueIsBounded(t *testing.T) {
	const bound = 1 << 20
	one, peers := playPeer(t, newRecorder(), func(c *Config) { c.MaxQueuedBytes = bound })
	msg := make([]byte, 1000)
	var err error
	accepted := 0
	for ; accepted <= 2*bound/len(msg); accepted++ {
		if err = one.Send(2, func(dst []byte) []byte { return append(dst, msg...) }); err != nil {
			break
		}
	}
	wantErr(t, err, ErrNotSent, ErrOverloaded)
	if q := one.Peers()[0].Consensus.Queued; q > bound+frameTarget || q < bound/2 {
		t.Fatalf("%d bytes are queued, the bound is %d", q, bound)
	}
	// All that was accepted arrives, and room comes back.
	p := peerOf(t, peers)
	for got := 0; got < accepted; {
		kind, payload := p.next()
		if kind != kindMessages {
			t.Fatalf("kind %d", kind)
		}
		for len(payload) > 0 {
			_, payload, _ = nextMessage(payload)
			got++
		}
	}
	until(t, "room comes back", func() bool { return one.Send(2, text("x")) == nil })
}

func TestMessageLargerThanTheLimit(t *testing.T) {
	var b book
	r := newRecorder()
	limit := func(c *Config) { c.MaxFrameBytes = 4096 }
	one := open(t, &b, 1, newRecorder(), limit)
	open(t, &b, 2, r, limit)
	large := strings.Repeat("x", 4097)
	if err := one.Send(2, text("before")); err != nil {
		t.Fatal(err)
	}
	wantErr(t, one.Send(2, text(large)), ErrNotSent, ErrTooLarge)
	if err := one.Send(2, text(large[:4096])); err != nil {
		t.Fatal(err)
	}
	await(t, r.messages, "before")
	await(t, r.messages, large[:4096])
	_, err := one.Call(soon(t), 2, []byte(large))
	wantErr(t, err, ErrNotSent, ErrTooLarge)
	_, err = one.Call(soon(t), 2, []byte(large[:4096])) // its answer is 3 bytes longer
	wantErr(t, err, ErrLost, ErrTooLarge)
}

func TestHeartbeatGoesAheadOfAFullQueue(t *testing.T) {
	one, peers := playPeer(t, newRecorder(), nil)
	msg := make([]byte, 10000)
	const n = 1000
	for range n {
		if err := one.Send(2, func(dst []byte) []byte { return append(dst, msg...) }); err != nil {
			t.Fatal(err)
		}
	}
	p := peerOf(t, peers)
	until(t, "the writer is stuck in its first block", func() bool {
		l := (*one.peers.Load())[2].links[0].Load()
		l.out.mu.Lock()
		defer l.out.mu.Unlock()
		return l.out.inflight > 0
	})
	one.SendHeartbeat(2, []byte("old"))
	one.SendHeartbeat(2, []byte("new"))
	ahead, beats := 0, 0
	for all := 0; all < n; {
		kind, payload := p.next()
		switch kind {
		case kindHeartbeat:
			if beats++; string(payload) != "new" {
				t.Fatalf("heartbeat %q", payload)
			}
			ahead = all
		case kindMessages:
			for len(payload) > 0 {
				_, payload, _ = nextMessage(payload)
				all++
			}
		}
	}
	if most := (blockBytes + frameTarget) / len(msg); beats != 1 || ahead > most+1 {
		t.Fatalf("%d heartbeats, %d messages of %d went before, want 1 and at most %d", beats, ahead, n, most)
	}
}

func TestPeerThatOnlyListensIsGivenUp(t *testing.T) {
	events := newRecorder()
	one, peers := playPeer(t, events, func(c *Config) { c.KeepAlive = 20 * time.Millisecond })
	got := make(chan error, 1)
	one.CallAsync(2, []byte("x"), time.Time{}, func(_ []byte, err error) { got <- err })
	p := peerOf(t, peers)
	go func() { // its kernel still takes what comes
		for p.frames.fill() == nil {
			p.frames.pos = len(p.frames.chunk)
		}
	}()
	select {
	case err := <-got:
		wantErr(t, err, ErrLost, ErrSilent)
	case <-time.After(patience):
		t.Fatal("a silent peer is waited for")
	}
}

func TestPeerThatReadsNothingIsGivenUp(t *testing.T) {
	events := newRecorder()
	one, peers := playPeer(t, events, func(c *Config) { c.KeepAlive = 20 * time.Millisecond })
	if err := one.Send(2, text("x")); err != nil {
		t.Fatal(err)
	}
	peerOf(t, peers)
	await(t, events.links, "+2 99")
	await(t, events.links, "-2")
}

func TestDiallerThatFallsSilentIsGivenUp(t *testing.T) {
	var b book
	one := open(t, &b, 1, newRecorder(), func(c *Config) { c.KeepAlive = 20 * time.Millisecond })
	for _, class := range []Class{Consensus, Calls, Snapshots} {
		conn, w := dialRaw(t, one, helloTo(1, class))
		if w.refusal != 0 {
			t.Fatal(w.reason)
		}
		closed(t, conn)
	}
}

func TestNewerConnectionOfANodeReplacesTheOlder(t *testing.T) {
	var b book
	r := newRecorder()
	one := open(t, &b, 1, r, func(c *Config) { c.KeepAlive = time.Minute })
	older, _ := dialRaw(t, one, helloTo(1, Consensus))
	newer, _ := dialRaw(t, one, helloTo(1, Consensus))
	closed(t, older)
	newer.Write(appendFrame(nil, kindMessages, []byte{2, 0, 0, 0}, []byte("ok")))
	await(t, r.messages, "ok")
}

func TestForget(t *testing.T) {
	events := newRecorder()
	one, peers := playPeer(t, events, nil)
	got := make(chan error, 2)
	note := func(_ []byte, err error) { got <- err }
	one.CallAsync(2, []byte("sent"), time.Time{}, note)
	p := peerOf(t, peers)
	p.next()
	until(t, "the write has returned", func() bool { return one.Peers()[0].Calls.Sent > requestHead })
	one.Send(2, text("x"))
	await(t, events.links, "+2 99")
	one.Forget(2)
	wantErr(t, <-got, ErrLost)
	await(t, events.links, "-2")
	if ps := one.Peers(); len(ps) != 0 {
		t.Fatalf("still there: %+v", ps)
	}
	one.Forget(2)
	if err := one.Send(2, text("a new use dials again")); err != nil {
		t.Fatal(err)
	}
	await(t, events.links, "+2 99")
}

func TestCloseEndsEverything(t *testing.T) {
	one, peers := playPeer(t, newRecorder(), nil)
	got := make(chan error, 1)
	one.CallAsync(2, nil, time.Time{}, func(_ []byte, err error) { got <- err })
	p := peerOf(t, peers)
	p.next()
	one.Close()
	wantErr(t, <-got, ErrLost)
	wantErr(t, one.Send(2, text("x")), ErrNotSent, ErrClosed)
	_, err := one.Call(soon(t), 2, nil)
	wantErr(t, err, ErrNotSent, ErrClosed)
	_, _, err = one.CallAddr(soon(t), "pipe", nil)
	wantErr(t, err, ErrNotSent, ErrClosed)
	wantErr(t, one.SendSnapshot(soon(t), 2, nil, nil), ErrNotSent, ErrClosed)
	wantErr(t, one.Start(), ErrClosed)
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestIdlePeerHoldsNoBuffers(t *testing.T) {
	var b book
	r := newRecorder()
	one := open(t, &b, 1, newRecorder(), func(c *Config) { c.KeepAlive = 50 * time.Millisecond })
	open(t, &b, 2, r, func(c *Config) { c.KeepAlive = 50 * time.Millisecond })
	for i := range 10000 {
		if err := one.Send(2, text(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10000 {
		await(t, r.messages, fmt.Sprint(i))
	}
	l := (*one.peers.Load())[2].links[0].Load()
	until(t, "buffers are given back", func() bool {
		l.out.mu.Lock()
		defer l.out.mu.Unlock()
		return cap(l.out.blocks) == 0 && cap(l.out.free) == 0
	})
}

func TestEncodeThatPanicsLeavesTheQueueWhole(t *testing.T) {
	var b book
	r := newRecorder()
	one := open(t, &b, 1, newRecorder(), nil)
	open(t, &b, 2, r, nil)
	one.Send(2, text("before"))
	func() {
		defer func() { recover() }()
		one.Send(2, func(dst []byte) []byte { panic("bad message") })
	}()
	one.Send(2, text("after"))
	await(t, r.messages, "before")
	await(t, r.messages, "after")
}

func TestBackoffGrowsToItsBound(t *testing.T) {
	var p backoff
	var pauses []time.Duration
	for range 20 {
		d := p.next()
		if d > maxPause || d < firstPause/2 {
			t.Fatalf("pause %v", d)
		}
		pauses = append(pauses, d)
	}
	if slices.Max(pauses[10:]) < maxPause/2 {
		t.Fatalf("does not grow: %v", pauses)
	}
}

func TestDialIsGivenUpInTime(t *testing.T) {
	var b book
	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	one := open(t, &b, 1, newRecorder(), func(c *Config) { c.DialTimeout = 20 * time.Millisecond })
	b.set(2, mute.Addr().String())
	_, err = one.Call(context.Background(), 2, nil)
	wantErr(t, err, ErrNotSent, errDialTimeout)
}

func TestConfigErrorsNameTheField(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var b book
	good := Config{Node: 1, Boot: 1, Listener: ln, Resolve: b.resolve, Handler: newRecorder()}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for field, spoil := range map[string]func(*Config){
		"Node":           func(c *Config) { c.Node = 0 },
		"Boot":           func(c *Config) { c.Boot = 0 },
		"Listener":       func(c *Config) { c.Listener = nil },
		"Resolve":        func(c *Config) { c.Resolve = nil },
		"Handler":        func(c *Config) { c.Handler = nil },
		"MaxQueuedBytes": func(c *Config) { c.MaxQueuedBytes = -1 },
		"MaxFrameBytes":  func(c *Config) { c.MaxFrameBytes = 1 << 40 },
		"KeepAlive":      func(c *Config) { c.KeepAlive = -1 },
		"DialTimeout":    func(c *Config) { c.DialTimeout = -1 },
		"ProtocolMin":    func(c *Config) { c.ProtocolMin = 2 },
	} {
		bad := good
		spoil(&bad)
		if _, err := New(bad); err == nil || !strings.Contains(err.Error(), "Config."+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
