package group

import (
	"testing"

	"pgregory.net/rapid"
)

// Whatever is taken, given back and set: no more are out than the limit was when the
// last was taken, and when all are back as many are free as the limit says.
func TestPropertyPermits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		p := newPermits(limit)
		out := 0
		for range rapid.IntRange(0, 60).Draw(t, "acts") {
			switch rapid.IntRange(0, 2).Draw(t, "act") {
			case 0:
				select {
				case <-p.free:
					if out++; out > limit {
						t.Fatalf("%d are out, %d may", out, limit)
					}
				default:
					if out < limit {
						t.Fatalf("none is free, %d of %d are out", out, limit)
					}
				}
			case 1:
				if out > 0 {
					out--
					p.release()
				}
			case 2:
				limit = rapid.IntRange(1, 5).Draw(t, "limit")
				p.set(limit)
			}
		}
		for ; out > 0; out-- {
			p.release()
		}
		if len(p.free) != limit {
			t.Fatalf("%d are free, the limit is %d", len(p.free), limit)
		}
	})
}
