package wire

import (
	"net"
	"runtime"
	"sync/atomic"
	"time"
)

// boxWriter writes an outbox to one connection. It belongs to one goroutine.
type boxWriter struct {
	box     *outbox
	conn    net.Conn
	timeout time.Duration // of one Write of about a block
	until   time.Time     // the deadline that is set
	urgent  []byte
	used    []byte
	bytes   *atomic.Uint64
}

// flush takes what waits, up to a block, and writes it. idle tells that nothing
// waited.
func (w *boxWriter) flush() (idle bool, err error) {
	block, urgent := w.box.take(w.used, w.urgent[:0])
	w.used, w.urgent = nil, urgent
	if len(urgent) > 0 {
		if err := w.write(urgent); err != nil {
			return false, err
		}
	}
	if len(block) > 0 {
		sealFrames(block)
		if err := w.write(block); err != nil {
			return false, err
		}
		w.used = block
	}
	return len(block)+len(urgent) == 0, nil
}

// write gives a large frame to the connection in parts, so that the deadline is
// one of progress. It renews the deadline only when half of it is gone: setting
// one costs more than a look at the clock.
func (w *boxWriter) write(b []byte) error {
	for len(b) > 0 {
		now := time.Now()
		if w.until.Sub(now) < w.timeout {
			w.until = now.Add(2 * w.timeout)
			if err := w.conn.SetWriteDeadline(w.until); err != nil {
				return err
			}
		}
		n, err := w.conn.Write(b[:min(len(b), blockBytes+2*frameTarget)])
		w.bytes.Add(uint64(n))
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// run writes until stop gives an error or a Write fails. With ping it asks for
// a sign of life at each keep-alive interval.
func (w *boxWriter) run(keepAlive time.Duration, ping bool, stop <-chan error) error {
	ticker := time.NewTicker(keepAlive)
	defer ticker.Stop()
	for {
		idle, err := w.flush()
		if err != nil {
			return err
		}
		if idle {
			select {
			case <-w.box.wake:
				// Who woke this is often one of many that can run: let them add
				// theirs, so that one Write takes all. With nobody else to run
				// this costs next to nothing.
				runtime.Gosched()
			case <-ticker.C:
				w.box.tick(ping)
			case err := <-stop:
				return err
			}
			continue
		}
		select {
		case <-ticker.C:
			w.box.tick(ping)
		case err := <-stop:
			return err
		default:
		}
	}
}
