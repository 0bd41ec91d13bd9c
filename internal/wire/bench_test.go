package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// patient keeps a busy machine from losing connections.
func patient(c *Config) { c.KeepAlive = DefaultKeepAlive }

// BenchmarkSend is one producer and one peer over loopback TCP.
func BenchmarkSend(b *testing.B) {
	for _, size := range []int{64, 1024} {
		b.Run(fmt.Sprint(size, "B"), func(b *testing.B) {
			var addrs book
			var got atomic.Int64
			all := make(chan struct{})
			r := newRecorder()
			r.onMessage = func(msgs [][]byte) {
				if got.Add(int64(len(msgs))) == int64(b.N) {
					close(all)
				}
			}
			one := open(b, &addrs, 1, newRecorder(), patient)
			open(b, &addrs, 2, r, patient)
			if _, err := one.Call(context.Background(), 2, nil); err != nil {
				b.Fatal(err)
			}
			payload := make([]byte, size)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			b.ResetTimer()
			for range b.N {
				for {
					err := one.Send(2, func(dst []byte) []byte { return append(dst, payload...) })
					if err == nil {
						break
					}
					if !errors.Is(err, ErrOverloaded) {
						b.Fatal(err)
					}
					runtime.Gosched()
				}
			}
			select {
			case <-all:
			case <-time.After(patience):
				b.Fatalf("%d of %d messages came; %+v", got.Load(), b.N, one.Peers())
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

// BenchmarkCall is a number of goroutines that call one after another.
func BenchmarkCall(b *testing.B) {
	for _, callers := range []int{1, 64, 1000} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			var addrs book
			r := newRecorder()
			r.onRequest = func(_ ident.NodeID, body []byte, reply func([]byte)) { reply(body) }
			one := open(b, &addrs, 1, newRecorder(), patient)
			open(b, &addrs, 2, r, patient)
			body := make([]byte, 64)
			ctx := context.Background()
			if _, err := one.Call(ctx, 2, body); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := one.Call(ctx, 2, body); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

// BenchmarkCallAsync keeps 1000 calls with a deadline in flight.
func BenchmarkCallAsync(b *testing.B) {
	var addrs book
	r := newRecorder()
	r.onRequest = func(_ ident.NodeID, body []byte, reply func([]byte)) { reply(body) }
	one := open(b, &addrs, 1, newRecorder(), patient)
	open(b, &addrs, 2, r, patient)
	body := make([]byte, 64)
	if _, err := one.Call(context.Background(), 2, body); err != nil {
		b.Fatal(err)
	}
	window := make(chan struct{}, 1000)
	done := func(_ []byte, err error) {
		if err != nil {
			b.Error(err)
		}
		<-window
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		window <- struct{}{}
		one.CallAsync(2, body, time.Now().Add(5*time.Second), done)
	}
	for range cap(window) {
		window <- struct{}{}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkSnapshot is one stream of 64 MiB.
func BenchmarkSnapshot(b *testing.B) {
	var addrs book
	one := open(b, &addrs, 1, newRecorder(), patient)
	open(b, &addrs, 2, newRecorder(), patient)
	const size = 64 << 20
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if err := one.SendSnapshot(context.Background(), 2, nil, io.LimitReader(zeros{}, size)); err != nil {
			b.Fatal(err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// BenchmarkReceive is the reading side alone: frames of 64-byte messages.
func BenchmarkReceive(b *testing.B) {
	var box outbox
	box.init(1<<20, 1<<20, ErrOverloaded, ErrTooLarge)
	payload := make([]byte, 64)
	const each = 1000
	for range each {
		if err := box.add(kindMessages, func(dst []byte) []byte { return append(dst, payload...) }); err != nil {
			b.Fatal(err)
		}
	}
	data, _ := box.take(nil, nil)
	sealFrames(data)
	src := &loop{data: data}
	frames := newFrameReader(src, 1<<20)
	b.ReportAllocs()
	b.SetBytes(int64(len(data) / each))
	for n := 0; n < b.N; {
		if err := frames.fill(); err != nil {
			b.Fatal(err)
		}
		for {
			_, p, ok, err := frames.next()
			if err != nil {
				b.Fatal(err)
			}
			if !ok {
				break
			}
			for len(p) > 0 {
				_, p, _ = nextMessage(p)
				n++
			}
		}
	}
}

// loop gives the same bytes again and again.
type loop struct {
	data []byte
	at   int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.data[l.at:])
	l.at = (l.at + n) % len(l.data)
	return n, nil
}
