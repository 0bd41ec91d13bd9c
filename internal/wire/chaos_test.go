package wire

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// frailConn breaks after a number of bytes, within a write if need be.
type frailConn struct {
	net.Conn
	mu   sync.Mutex
	left int
}

func (c *frailConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p) > c.left {
		n, _ := c.Conn.Write(p[:c.left])
		c.left -= n
		c.Conn.Close()
		return n, errors.New("broken by the test")
	}
	c.left -= len(p)
	return c.Conn.Write(p)
}

// Over connections that break all the time every call ends exactly once, none
// that was not sent is executed, none is executed twice, and none that was
// answered was not executed.
func TestOutcomesAreTrueOverFrailConnections(t *testing.T) {
	var b book
	var mu sync.Mutex
	executed := map[string]int{}
	r := newRecorder()
	r.onRequest = func(_ ident.NodeID, body []byte, reply func([]byte)) {
		mu.Lock()
		executed[string(body)]++
		mu.Unlock()
		reply(body)
	}
	one := open(t, &b, 1, newRecorder(), func(c *Config) {
		c.MaxQueuedBytes, c.KeepAlive = 16<<10, 30*time.Millisecond
		c.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			if rand.N(4) == 0 {
				return nil, errors.New("no route, says the test")
			}
			conn, err := dialTCP(ctx, addr)
			if err != nil {
				return nil, err
			}
			return &frailConn{Conn: conn, left: rand.N(100_000)}, nil
		}
	})
	two := open(t, &b, 2, r, nil)

	const callers, each = 20, 300
	outcomes := make([]map[string]error, callers)
	var wg sync.WaitGroup
	for c := range callers {
		outcomes[c] = map[string]error{}
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(c)))
			type end struct {
				body   string
				answer []byte
				err    error
			}
			ends := make(chan end, each)
			for i := range each {
				body := fmt.Sprintf("%d-%d-%*d", c, i, rnd.IntN(200), 0)
				limit := time.Duration(rnd.Int64N(int64(30 * time.Millisecond)))
				if i%2 == 0 {
					one.CallAsync(2, []byte(body), time.Now().Add(limit), func(a []byte, err error) { ends <- end{body, a, err} })
					continue
				}
				if i%10 == 1 {
					time.Sleep(limit) // the callers spread over the lives of many connections, at random
				}
				ctx, cancel := context.WithTimeout(context.Background(), limit)
				a, err := one.Call(ctx, 2, []byte(body))
				cancel()
				ends <- end{body, a, err}
			}
			for range each {
				e := <-ends
				if _, twice := outcomes[c][e.body]; twice {
					t.Errorf("call %q ended twice", e.body)
				}
				outcomes[c][e.body] = e.err
				if e.err == nil && string(e.answer) != e.body {
					t.Errorf("call %q got the answer %q", e.body, e.answer)
				}
			}
		})
	}
	wg.Wait()
	one.Close()
	two.Close() // all that arrived has been handed over

	count := map[string]int{}
	for c := range callers {
		for body, err := range outcomes[c] {
			n := executed[body]
			switch {
			case err == nil && n != 1:
				t.Errorf("%q was answered and executed %d times", body, n)
			case errors.Is(err, ErrNotSent) && n != 0:
				t.Errorf("%q was not sent and executed %d times: %v", body, n, err)
			case errors.Is(err, ErrLost) && n > 1:
				t.Errorf("%q was executed %d times", body, n)
			case err != nil && !errors.Is(err, ErrLost) && !errors.Is(err, ErrNotSent):
				t.Errorf("%q: an error without outcome: %v", body, err)
			}
			switch {
			case err == nil:
				count["answered"]++
			case errors.Is(err, ErrLost):
				count["lost"]++
			default:
				count["not sent"]++
			}
		}
	}
	t.Log(count)
	if count["answered"] == 0 || count["lost"]+count["not sent"] == 0 {
		t.Errorf("the test saw too little: %v", count)
	}
}

// Messages over such connections: each at most once, in order within those that
// arrive over one connection.
func TestMessagesOverFrailConnections(t *testing.T) {
	var b book
	r := newRecorder()
	seen := map[string]bool{}
	enough := make(chan struct{})
	var mu sync.Mutex
	r.onMessage = func(msgs [][]byte) {
		mu.Lock()
		defer mu.Unlock()
		last := -1
		for _, m := range msgs {
			var n int
			if _, err := fmt.Sscan(string(m), &n); err != nil || n <= last || seen[string(m)] {
				t.Errorf("message %q after %d, seen before: %v", m, last, seen[string(m)])
			}
			last = n
			seen[string(m)] = true
		}
		if len(seen) >= 5000 && len(seen)-len(msgs) < 5000 {
			close(enough)
		}
	}
	one := open(t, &b, 1, newRecorder(), func(c *Config) {
		c.KeepAlive = 30 * time.Millisecond // a connection that lasts that long is replaced at once
		c.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			conn, err := dialTCP(ctx, addr)
			if err != nil {
				return nil, err
			}
			return &frailConn{Conn: conn, left: 200 + rand.N(50_000)}, nil
		}
	})
	open(t, &b, 2, r, nil)
	deadline := time.After(patience)
	for i := 0; ; i++ {
		select {
		case <-enough:
			return
		case <-deadline:
			mu.Lock()
			defer mu.Unlock()
			t.Fatalf("only %d messages came", len(seen))
		default:
		}
		err := one.Send(2, text(fmt.Sprint(i)))
		if err != nil || i%100 == 0 {
			time.Sleep(time.Millisecond) // a producer, not a loop that starves the rest
		}
	}
}
