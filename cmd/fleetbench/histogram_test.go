package main

import (
	"math"
	"testing"
	"time"
)

func TestHistogramIsExactToOnePercent(t *testing.T) {
	for _, us := range []uint64{0, 1, 63, 64, 65, 100, 127, 128, 1000, 12345, 1 << 20, 1<<40 + 12345} {
		b := bucketOf(us)
		if b < 0 || b >= histogramBuckets {
			t.Fatalf("%d µs is in bucket %d of %d", us, b, histogramBuckets)
		}
		if got := middle(b); math.Abs(got-float64(us)) > 0.01*float64(us)+0.5 {
			t.Errorf("%d µs counts as %.1f", us, got)
		}
	}
}

func TestQuantiles(t *testing.T) {
	h := newHistogram()
	for i := 1; i <= 1000; i++ {
		h.observe(time.Duration(i) * time.Millisecond)
	}
	for share, want := range map[float64]float64{.5: 500, .99: 990, .999: 999} {
		if got := h.quantile(share); math.Abs(got-want) > want/50 {
			t.Errorf("quantile %v is %.1f ms, want %.0f", share, got, want)
		}
	}
	if got := new(histogram).quantile(.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
