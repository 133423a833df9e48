package server

import (
	"math/bits"
	"time"
)

// latencies is a histogram of durations for the quantiles of one second.
//
// Its buckets are log-linear: every octave of microseconds is cut into 32 equal ones, as in HdrHistogram. A quantile is
// the middle of its bucket, so it is off by at most 1/64, or half a microsecond where that is more (latencyError).
// A client that wants it summed up over seconds or over versions adds the
// buckets: quantiles cannot be added.
//
// A bucket's count wraps at 2³²; only differences of it are used, and no second has so many requests.
type latencies [latencyBuckets]uint32

const (
	latencyBits    = 5  // an octave has 2^latencyBits buckets
	latencyOctaves = 30 // 2^30 µs is 18 minutes: three times the longest deadline
	latencyBuckets = (latencyOctaves - latencyBits + 1) << latencyBits

	// latencyError bounds the relative error of a quantile of 32 µs and more.
	latencyError = 1.0 / (2 << latencyBits)
)

// bucketOf returns the bucket of a duration; what is longer than all buckets is in the last one.
func bucketOf(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 0))
	if us < 1<<latencyBits {
		return int(us) // an own bucket for each microsecond
	}
	shift := bits.Len64(us) - latencyBits - 1
	return min((shift<<latencyBits)+int(us>>shift), latencyBuckets-1)
}

// middleOf is the middle of a bucket.
func middleOf(bucket int) time.Duration {
	if bucket < 1<<latencyBits {
		return time.Duration(bucket)*time.Microsecond + time.Microsecond/2
	}
	shift := bucket>>latencyBits - 1
	low := int64(bucket-shift<<latencyBits) << shift
	return time.Duration(low)*time.Microsecond + time.Duration(1<<shift)*time.Microsecond/2
}

func (l *latencies) add(d time.Duration) { l[bucketOf(d)]++ }

// bucketCount is one bucket that is not empty.
type bucketCount struct {
	bucket uint16
	n      uint32
}

// quantile returns the smallest duration that a share q of those counted does not exceed. The counts must be in the order
// of their buckets and not be empty.
func quantile(counts []bucketCount, q float64) time.Duration {
	var total uint64
	for _, c := range counts {
		total += uint64(c.n)
	}
	rank := uint64(q * float64(total))
	if float64(rank) < q*float64(total) {
		rank++
	}
	var seen uint64
	for _, c := range counts {
		if seen += uint64(c.n); seen >= rank {
			return middleOf(int(c.bucket))
		}
	}
	return middleOf(int(counts[len(counts)-1].bucket))
}
