package wire

import (
	"runtime"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// BenchmarkIdlePeer is what one connected peer with nothing to say holds, both
// ends of its two connections together, after it was busy.
func BenchmarkIdlePeer(b *testing.B) {
	var addrs book
	one := open(b, &addrs, 1, newRecorder(), nil)
	memory := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	const peers = 50
	var others []*Transport
	quiet := &recorder{onMessage: func([][]byte) {}, links: make(chan string, 1000)}
	for i := range peers {
		others = append(others, open(b, &addrs, ident.NodeID(10+i), quiet, nil))
	}
	for b.Loop() {
		before := memory()
		for _, o := range others {
			for range 1000 {
				if err := one.Send(o.cfg.Node, text("something to say, so that buffers grow")); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := one.Call(b.Context(), o.cfg.Node, make([]byte, 10000)); err != nil {
				b.Fatal(err)
			}
		}
		for _, o := range others { // buffers go with the second idle keep-alive
			l := (*one.peers.Load())[o.cfg.Node].links[Calls-1].Load()
			until(b, "buffers are given back", func() bool {
				l.out.mu.Lock()
				defer l.out.mu.Unlock()
				return cap(l.out.free) == 0 && cap(l.out.blocks) == 0
			})
		}
		b.ReportMetric(float64(memory()-before)/peers, "B/peer")
		for _, o := range others {
			one.Forget(o.cfg.Node)
		}
	}
}
