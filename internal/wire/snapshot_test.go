package wire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{7})
	r.Read(b)
	return b
}

func TestSnapshotsArriveWhole(t *testing.T) {
	var b book
	got := make(chan string, 1)
	r := newRecorder()
	r.onSnap = func(from ident.NodeID, header []byte, body io.Reader) error {
		h := sha256.New()
		n, err := io.Copy(h, body)
		got <- fmt.Sprintf("%d %s %d %x %v", from, header, n, h.Sum(nil), err)
		return err
	}
	one := open(t, &b, 1, newRecorder(), nil)
	open(t, &b, 2, r, nil)
	for i, n := range []int{0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 10 << 20, 3} {
		data := randomBytes(n)
		header := fmt.Sprint("h", i)
		if err := one.SendSnapshot(soon(t), 2, []byte(header), bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		await(t, got, fmt.Sprintf("1 %s %d %x <nil>", header, n, sha256.Sum256(data)))
	}
}

func TestSnapshotReceiverErrorTravelsBack(t *testing.T) {
	var b book
	r := newRecorder()
	one := open(t, &b, 1, newRecorder(), nil)
	open(t, &b, 2, r, nil)
	for _, read := range []int64{0, 1, 100000, 8 << 20} {
		r.onSnap = func(_ ident.NodeID, _ []byte, body io.Reader) error {
			io.CopyN(io.Discard, body, read)
			return errors.New("disk is full")
		}
		err := one.SendSnapshot(soon(t), 2, nil, bytes.NewReader(make([]byte, 8<<20)))
		var remote *RemoteError
		if !errors.As(err, &remote) || remote.Text != "disk is full" || remote.Node != 2 {
			t.Fatalf("after %d bytes: %v", read, err)
		}
	}
}

// brokenBody gives some bytes, then an error.
type brokenBody struct {
	left int
	err  error
}

func (b *brokenBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, b.err
	}
	n := min(len(p), b.left)
	b.left -= n
	return n, nil
}

func TestSnapshotAbortedByItsSender(t *testing.T) {
	var b book
	got := make(chan error, 1)
	r := newRecorder()
	r.onSnap = func(_ ident.NodeID, _ []byte, body io.Reader) error {
		_, err := io.Copy(io.Discard, body)
		got <- err
		return err
	}
	one := open(t, &b, 1, newRecorder(), nil)
	open(t, &b, 2, r, nil)
	// io.ErrUnexpectedEOF too: a file that is cut short must not pass for whole.
	for _, cause := range []error{errors.New("bad sector"), io.ErrUnexpectedEOF} {
		for _, n := range []int{0, 10, chunkBytes, 1 << 20} {
			wantErr(t, one.SendSnapshot(soon(t), 2, nil, &brokenBody{n, cause}), cause)
			err := <-got
			wantErr(t, err, io.ErrUnexpectedEOF)
			if !strings.Contains(err.Error(), cause.Error()) {
				t.Fatalf("%v does not say why", err)
			}
		}
	}
}

func TestSnapshotCutOffByItsContext(t *testing.T) {
	var b book
	got := make(chan error, 1)
	began := make(chan struct{})
	r := newRecorder()
	r.onSnap = func(_ ident.NodeID, _ []byte, body io.Reader) error {
		close(began)
		_, err := io.Copy(io.Discard, body)
		got <- err
		return err
	}
	one := open(t, &b, 1, newRecorder(), nil)
	open(t, &b, 2, r, nil)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { <-began; cancel() }()
	wantErr(t, one.SendSnapshot(ctx, 2, nil, zeros{}), ErrLost, context.Canceled)
	wantErr(t, <-got, io.ErrUnexpectedEOF)
}

func TestSnapshotReceiverThatStopsReadingIsWaitedFor(t *testing.T) {
	var b book
	r := newRecorder()
	var sent atomic.Int64
	hold := make(chan struct{})
	r.onSnap = func(_ ident.NodeID, _ []byte, body io.Reader) error {
		<-hold
		_, err := io.Copy(io.Discard, body)
		return err
	}
	quick := func(c *Config) { c.KeepAlive = 20 * time.Millisecond }
	one := open(t, &b, 1, newRecorder(), quick)
	open(t, &b, 2, r, quick)
	done := make(chan error, 1)
	const size = 64 << 20
	go func() {
		done <- one.SendSnapshot(soon(t), 2, nil, io.TeeReader(io.LimitReader(zeros{}, size), counter{&sent}))
	}()
	// Far beyond the silence that is allowed: what does not read is still alive.
	select {
	case err := <-done:
		t.Fatalf("ended early: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	if n := sent.Load(); n == size {
		t.Fatal("all was sent to a receiver that read nothing")
	}
	close(hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) { c.n.Add(int64(len(p))); return len(p), nil }

func TestSnapshotSenderThatIsSlowIsWaitedFor(t *testing.T) {
	var b book
	quick := func(c *Config) { c.KeepAlive = 20 * time.Millisecond }
	one := open(t, &b, 1, newRecorder(), quick)
	got := make(chan string, 1)
	r := newRecorder()
	r.onSnap = func(_ ident.NodeID, _ []byte, body io.Reader) error {
		all, err := io.ReadAll(body)
		got <- string(all)
		return err
	}
	open(t, &b, 2, r, quick)
	pr, pw := io.Pipe()
	go func() {
		io.WriteString(pw, "slow ")
		<-time.After(300 * time.Millisecond) // five times the silence that is allowed
		io.WriteString(pw, "but whole")
		pw.Close()
	}()
	if err := one.SendSnapshot(soon(t), 2, nil, pr); err != nil {
		t.Fatal(err)
	}
	await(t, got, "slow but whole")
}

func TestSnapshotReceiverThatDiesIsNoticed(t *testing.T) {
	var b book
	began := make(chan struct{})
	r := newRecorder()
	r.onSnap = func(_ ident.NodeID, _ []byte, body io.Reader) error {
		close(began)
		_, err := io.Copy(io.Discard, body)
		return err
	}
	one := open(t, &b, 1, newRecorder(), nil)
	two := open(t, &b, 2, r, nil)
	go func() { <-began; two.Close() }()
	wantErr(t, one.SendSnapshot(soon(t), 2, nil, zeros{}), ErrLost)
}

func TestSnapshotThatTheReceiverDoesNotNeed(t *testing.T) {
	var b book
	r := newRecorder()
	r.onSnap = func(ident.NodeID, []byte, io.Reader) error { return nil }
	one := open(t, &b, 1, newRecorder(), nil)
	open(t, &b, 2, r, nil)
	for _, n := range []int{0, 10, 1 << 20, 8 << 20} {
		if err := one.SendSnapshot(soon(t), 2, nil, bytes.NewReader(make([]byte, n))); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

func TestSnapshotConnectionIsUsedAgain(t *testing.T) {
	var b book
	var dials atomic.Int64
	one := open(t, &b, 1, newRecorder(), func(c *Config) {
		c.KeepAlive = time.Minute
		c.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			dials.Add(1)
			return dialTCP(ctx, addr)
		}
	})
	open(t, &b, 2, newRecorder(), nil)
	for range 10 {
		if err := one.SendSnapshot(soon(t), 2, nil, bytes.NewReader(make([]byte, 1000))); err != nil {
			t.Fatal(err)
		}
	}
	if n := dials.Load(); n != 1 {
		t.Fatalf("%d dials for snapshots one after another", n)
	}
}

func TestSnapshotsSideBySide(t *testing.T) {
	var b book
	one := open(t, &b, 1, newRecorder(), nil)
	two := open(t, &b, 2, newRecorder(), nil)
	var wg sync.WaitGroup
	for from, to := range map[*Transport]ident.NodeID{one: 2, two: 1} {
		for i := range 20 {
			wg.Go(func() {
				if err := from.SendSnapshot(soon(t), to, nil, bytes.NewReader(make([]byte, i*50000))); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
}

func TestSnapshotWithALyingEnd(t *testing.T) {
	var b book
	got := make(chan error, 1)
	r := newRecorder()
	r.onSnap = func(_ ident.NodeID, _ []byte, body io.Reader) error {
		_, err := io.Copy(io.Discard, body)
		got <- err
		return err
	}
	one := open(t, &b, 1, r, nil)
	stream := func(frames ...[]byte) []byte { return bytes.Join(frames, nil) }
	begin, chunk := appendFrame(nil, kindBegin), appendFrame(nil, kindChunk, []byte("abc"))
	damaged := bytes.Clone(chunk)
	damaged[frameHead] ^= 1
	for name, sent := range map[string][]byte{
		"a chunk is missing":   stream(begin, chunk, appendFrame(nil, kindEnd, []byte{6, 0, 0, 0, 0, 0, 0, 0})),
		"a chunk is damaged":   stream(begin, damaged, appendFrame(nil, kindEnd, []byte{3, 0, 0, 0, 0, 0, 0, 0})),
		"no end":               stream(begin, chunk),
		"cut within a chunk":   stream(begin, chunk[:len(chunk)-1]),
		"another begins early": stream(begin, chunk, begin),
	} {
		t.Run(name, func(t *testing.T) {
			conn, _ := dialRaw(t, one, helloTo(1, Snapshots))
			conn.Write(sent)
			conn.(*net.TCPConn).CloseWrite()
			wantErr(t, <-got, io.ErrUnexpectedEOF)
		})
	}
}
