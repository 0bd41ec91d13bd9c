package main

import (
	"math"
	"testing"
	"time"
)

func TestHistogramIsExactToOnePercent(t *testing.T) {
	for d := time.Duration(1024); d < 100*time.Second; d += d/37 + 1 {
		b := bucketOf(d)
		if b <= 0 || b >= histogramBuckets {
			t.Fatalf("%s is in bucket %d of %d", d, b, histogramBuckets)
		}
		if got := middle(b); math.Abs(float64(got-d)) > 0.01*float64(d) {
			t.Errorf("%s counts as %s", d, got)
		}
	}
}

func TestHistogramTakesWhatIsOutOfItsRange(t *testing.T) {
	for _, d := range []time.Duration{-1, 0, 1, 1023} {
		if b := bucketOf(d); b != 0 {
			t.Errorf("%s is in bucket %d, want the first", d, b)
		}
	}
	if b := bucketOf(time.Hour); b != histogramBuckets-1 {
		t.Errorf("an hour is in bucket %d, want the last, %d", b, histogramBuckets-1)
	}
}

func TestQuantiles(t *testing.T) {
	var h, merged histogram
	for i := 1; i <= 1000; i++ {
		h.observe(time.Duration(i) * time.Millisecond)
	}
	merged.addSparse(h.sparse())
	merged.addSparse(h.sparse())
	if merged.total() != 2000 {
		t.Fatalf("%d observations, want 2000", merged.total())
	}
	for share, want := range map[float64]float64{.5: 500, .99: 990, .999: 999, 1: 1000} {
		if got := merged.quantile(share); math.Abs(got-want) > want/50 {
			t.Errorf("quantile %v is %.1f ms, want %.0f", share, got, want)
		}
	}
	if got := new(histogram).quantile(.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
