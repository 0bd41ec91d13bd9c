package main

import (
	"math/bits"
	"time"
)

// histogram counts latencies in buckets less than 1 % wide: 64 for each doubling
// of microseconds above 64, so that a client counts without allocating.
type histogram struct {
	Counts []int64 `json:"counts"`
}

const (
	histogramBits    = 6
	histogramBuckets = (64 - histogramBits + 1) << histogramBits
)

func newHistogram() histogram { return histogram{make([]int64, histogramBuckets)} }

func bucketOf(us uint64) int {
	if us < 1<<histogramBits {
		return int(us)
	}
	shift := bits.Len64(us) - histogramBits - 1
	return (shift+1)<<histogramBits + int(us>>shift) - 1<<histogramBits
}

// middle is the latency that a bucket stands for, in microseconds.
func middle(bucket int) float64 {
	if bucket < 1<<histogramBits {
		return float64(bucket)
	}
	shift := bucket>>histogramBits - 1
	low := uint64(1<<histogramBits+bucket&(1<<histogramBits-1)) << shift
	return float64(low) + float64(uint64(1)<<shift)/2
}

func (h *histogram) observe(d time.Duration) { h.Counts[bucketOf(uint64(d.Microseconds()))]++ }

func (h *histogram) add(o *histogram) {
	if h.Counts == nil {
		*h = newHistogram()
	}
	for i, n := range o.Counts {
		h.Counts[i] += n
	}
}

// quantile returns the latency in milliseconds below which a share of all lies.
func (h *histogram) quantile(share float64) float64 {
	var total int64
	for _, n := range h.Counts {
		total += n
	}
	rank := int64(share * float64(total))
	for i, n := range h.Counts {
		if rank -= n; rank < 0 {
			return middle(i) / 1000
		}
	}
	return 0
}
