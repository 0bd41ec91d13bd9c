package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts latencies in buckets less than 1 % wide: 128 for each doubling of
// nanoseconds above 1024, the longest standing for all beyond. Many clients share
// one, so that measuring costs neither an allocation nor much memory.
type histogram struct {
	Counts [histogramBuckets]int64
}

const (
	histogramBits    = 7
	histogramLeast   = 10 // doublings below this one share the first bucket
	histogramMost    = 37 // some 137 s
	histogramBuckets = (histogramMost-histogramLeast)<<histogramBits + 1
)

func bucketOf(d time.Duration) int {
	ns := uint64(max(d, 0))
	doubling := bits.Len64(ns) - 1
	if doubling < histogramLeast {
		return 0
	}
	if doubling >= histogramMost {
		return histogramBuckets - 1
	}
	within := int(ns>>(doubling-histogramBits)) & (1<<histogramBits - 1)
	return 1 + (doubling-histogramLeast)<<histogramBits + within
}

// middle is the latency that a bucket stands for.
func middle(bucket int) time.Duration {
	if bucket == 0 {
		return 1 << (histogramLeast - 1)
	}
	doubling := (bucket-1)>>histogramBits + histogramLeast
	if doubling >= histogramMost {
		return 1 << histogramMost
	}
	within := (bucket - 1) & (1<<histogramBits - 1)
	width := time.Duration(1) << (doubling - histogramBits)
	return time.Duration(1)<<doubling + time.Duration(within)*width + width/2
}

// observe may be called by many at once.
func (h *histogram) observe(d time.Duration) { atomic.AddInt64(&h.Counts[bucketOf(d)], 1) }

// sparse lists the buckets that hold something, as pairs of bucket and count.
func (h *histogram) sparse() (pairs []int64) {
	for i := range h.Counts {
		if n := atomic.LoadInt64(&h.Counts[i]); n > 0 {
			pairs = append(pairs, int64(i), n)
		}
	}
	return pairs
}

func (h *histogram) addSparse(pairs []int64) {
	for ; len(pairs) >= 2; pairs = pairs[2:] {
		if i := pairs[0]; i >= 0 && i < histogramBuckets {
			h.Counts[i] += pairs[1]
		}
	}
}

func (h *histogram) total() (n int64) {
	for i := range h.Counts {
		n += h.Counts[i]
	}
	return n
}

// quantile returns the latency in milliseconds below which a share of all lies; 0
// of nothing.
func (h *histogram) quantile(share float64) float64 {
	total := h.total()
	rank := min(int64(share*float64(total)), total-1)
	for i, n := range h.Counts {
		if rank -= n; n > 0 && rank < 0 {
			return float64(middle(i)) / 1e6
		}
	}
	return 0
}
