package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/raftfleet/raftfleet/internal/ident"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what should come soon.
const patience = 20 * time.Second

// recorder is a Handler whose events can be awaited; its functions may be set
// before the transport starts.
type recorder struct {
	messages  chan string
	beats     chan string
	links     chan string // "+node boot" and "-node"
	onMessage func(msgs [][]byte)
	onRequest func(from ident.NodeID, body []byte, reply func([]byte))
	onSnap    func(from ident.NodeID, header []byte, body io.Reader) error
}

func newRecorder() *recorder {
	return &recorder{
		messages: make(chan string, 1<<16),
		beats:    make(chan string, 1<<10),
		links:    make(chan string, 1<<10),
	}
}

func (r *recorder) Messages(_ ident.NodeID, _ uint64, msgs [][]byte) {
	if r.onMessage != nil {
		r.onMessage(msgs)
		return
	}
	for _, m := range msgs {
		r.messages <- string(m)
	}
}

func (r *recorder) Heartbeat(_ ident.NodeID, _ uint64, p []byte) { r.beats <- string(p) }

func (r *recorder) Request(from ident.NodeID, body []byte, reply func([]byte)) {
	if r.onRequest != nil {
		r.onRequest(from, body, reply)
		return
	}
	reply(append([]byte("re:"), body...))
}

func (r *recorder) Snapshot(from ident.NodeID, header []byte, body io.Reader) error {
	if r.onSnap != nil {
		return r.onSnap(from, header, body)
	}
	_, err := io.Copy(io.Discard, body)
	return err
}

func (r *recorder) Connected(n ident.NodeID, boot uint64) { r.links <- fmt.Sprintf("+%d %d", n, boot) }
func (r *recorder) Disconnected(n ident.NodeID)           { r.links <- fmt.Sprintf("-%d", n) }

// book is the address book that the nodes of a test share.
type book struct {
	mu    sync.Mutex
	addrs map[ident.NodeID]string
}

func (b *book) set(n ident.NodeID, addr string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.addrs == nil {
		b.addrs = map[ident.NodeID]string{}
	}
	if addr == "" {
		delete(b.addrs, n)
		return
	}
	b.addrs[n] = addr
}

func (b *book) resolve(n ident.NodeID) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a, ok := b.addrs[n]
	return a, ok
}

const testFleet ident.FleetID = 77

var boots atomic.Uint64

// open starts a node on loopback and enters it in the book.
func open(t testing.TB, b *book, node ident.NodeID, h Handler, change func(*Config)) *Transport {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Fleet: testFleet, Node: node, Boot: boots.Add(1), Listener: ln, Resolve: b.resolve, Handler: h,
		KeepAlive: 200 * time.Millisecond,
	}
	if testing.Verbose() {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil)).With("self", node)
	}
	if change != nil {
		change(&cfg)
	}
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Start(); err != nil {
		t.Fatal(err)
	}
	b.set(node, tr.Addr().String())
	t.Cleanup(func() { tr.Close() })
	return tr
}

func await(t testing.TB, c <-chan string, want string) {
	t.Helper()
	select {
	case got := <-c:
		if got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("%q never came", want)
	}
}

// until polls for a condition that no event announces.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
		time.Sleep(time.Millisecond) // between two looks, so that the transport gets the processor
	}
}

func text(s string) func([]byte) []byte {
	return func(dst []byte) []byte { return append(dst, s...) }
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func wantErr(t testing.TB, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Fatalf("error is %v, want it to match %q", err, w)
		}
	}
}

func TestMessagesArriveInOrderAndOnce(t *testing.T) {
	var b book
	r := newRecorder()
	one := open(t, &b, 1, newRecorder(), nil)
	open(t, &b, 2, r, nil)
	const n = 20000
	for i := range n {
		if err := one.Send(2, text(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		await(t, r.messages, fmt.Sprint(i))
	}
}

func TestMessagesOfAllSizes(t *testing.T) {
	var b book
	sums := make(chan string, 1)
	r := newRecorder()
	r.onMessage = func(msgs [][]byte) {
		for _, m := range msgs {
			for _, c := range m {
				if c != byte(len(m)) {
					sums <- fmt.Sprintf("a message of %d bytes is damaged", len(m))
					return
				}
			}
			sums <- fmt.Sprint(len(m))
		}
	}
	one := open(t, &b, 1, newRecorder(), nil)
	open(t, &b, 2, r, nil)
	for _, n := range []int{0, 1, 100, frameTarget - 1, frameTarget, maxChunk - 13, maxChunk, maxChunk + 1, 3 << 20, 9 << 20, 5} {
		if err := one.Send(2, func(dst []byte) []byte {
			for range n {
				dst = append(dst, byte(n))
			}
			return dst
		}); err != nil {
			t.Fatal(err)
		}
		await(t, sums, fmt.Sprint(n))
	}
}

func TestCallsAnswerOutOfOrder(t *testing.T) {
	var b book
	r := newRecorder()
	var first func([]byte)
	r.onRequest = func(_ ident.NodeID, body []byte, reply func([]byte)) {
		if string(body) == "first" {
			first = reply
			return
		}
		reply([]byte("second"))
		reply([]byte("ignored"))
		first([]byte("first"))
	}
	one := open(t, &b, 1, newRecorder(), nil)
	open(t, &b, 2, r, nil)
	got := make(chan string, 1)
	one.CallAsync(2, []byte("first"), time.Time{}, func(b []byte, err error) { got <- fmt.Sprint(string(b), err) })
	answer, err := one.Call(soon(t), 2, []byte("x"))
	if err != nil || string(answer) != "second" {
		t.Fatalf("%q, %v", answer, err)
	}
	await(t, got, "first<nil>")
}

func TestManyCallers(t *testing.T) {
	var b book
	one := open(t, &b, 1, newRecorder(), nil)
	open(t, &b, 2, newRecorder(), nil)
	var wg sync.WaitGroup
	for c := range 50 {
		wg.Go(func() {
			for i := range 200 {
				want := fmt.Sprintf("%d-%d", c, i)
				answer, err := one.Call(soon(t), 2, []byte(want))
				if err != nil || string(answer) != "re:"+want {
					t.Errorf("%q, %v", answer, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestHeartbeatArrives(t *testing.T) {
	var b book
	r := newRecorder()
	one := open(t, &b, 1, newRecorder(), nil)
	open(t, &b, 2, r, nil)
	one.SendHeartbeat(2, []byte("alive"))
	await(t, r.beats, "alive")
}
