package tensorboard

import (
	"math"
	"sync"
)

// buckets is a histogram as TensorBoard keeps it: how many values lie between
// limits[i-1] and limits[i], the lower limit included. The limits are TensorFlow's: 0,
// and ±1e-12 · 1.1^k up to 1e20, so that the shape of a distribution shows at any
// scale; only those around the values are kept.
type buckets struct {
	min, max, num, sum, sumSquares float64
	limits, counts                 []float64
}

// positiveLimits are the limits above 0. They are multiplied up, not powers, so that
// they are the same to the last bit as those that others write.
var positiveLimits = sync.OnceValue(func() []float64 {
	var limits []float64
	for v := 1e-12; v < 1e20; v *= 1.1 {
		limits = append(limits, v)
	}
	return append(limits, math.MaxFloat64)
})

// firstBucket tells, by the exponent and the first bits of the fraction of a float32
// above 0, in which bucket to begin the search. As a bucket spans a tenth and such a
// prefix a sixteenth at most, the search is over after a step or two; a search by
// halves through 775 limits would take a whole epoch's seconds for the weights of a
// large network.
var firstBucket = sync.OnceValue(func() *[1 << 12]int16 {
	var table [1 << 12]int16
	limits := positiveLimits()
	for prefix := range table {
		low := float64(math.Float32frombits(uint32(prefix) << 19))
		i := 0
		for i < len(limits)-1 && limits[i] <= low {
			i++
		}
		table[prefix] = int16(i)
	}
	return &table
})

// bucketOf returns the index of the first limit above v, which is above 0 and finite.
func bucketOf(limits []float64, table *[1 << 12]int16, v float32) int {
	i := int(table[math.Float32bits(v)>>19])
	for limits[i] <= float64(v) {
		i++
	}
	return i
}

// bucketsOf sorts values into buckets. NaN and infinities are left out; ok is false
// when nothing remains.
func bucketsOf(values []float32) (h buckets, ok bool) {
	limits, table := positiveLimits(), firstBucket()
	n := len(limits)
	// Buckets in order: below each negative limit, from the lowest; below 0; below
	// each positive limit. all[i] is the right limit of counts[i].
	counts := make([]float64, 2*n+1)
	h.min, h.max = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		x := float64(v)
		if x-x != 0 {
			continue
		}
		h.num++
		h.sum += x
		h.sumSquares += x * x
		h.min, h.max = min(h.min, x), max(h.max, x)
		switch {
		case v > 0 || v == 0:
			i := 0
			if v > 0 {
				i = bucketOf(limits, table, v)
			}
			counts[n+1+i]++
		default:
			// -limits[i] <= v < -limits[i-1]: below 0 it is the outer limit that is included.
			i := bucketOf(limits, table, -v)
			if i > 0 && float64(-v) == limits[i-1] {
				i--
			}
			counts[n-i]++
		}
	}
	if h.num == 0 {
		return h, false
	}
	h.trim(counts, limits)
	return h, true
}

// trim keeps the buckets from the first with a value to the last. Readers take the
// smallest value for the left end of the first; an empty bucket before it, which some
// writers add to tell its limit, is shown as one that runs backwards.
func (h *buckets) trim(counts, limits []float64) {
	n := len(limits)
	limit := func(i int) float64 { // the right limit of counts[i]
		switch {
		case i < n:
			return -limits[n-1-i]
		case i == n:
			return 0
		default:
			return limits[i-n-1]
		}
	}
	first, last := 0, len(counts)-1
	for counts[first] == 0 {
		first++
	}
	for counts[last] == 0 {
		last--
	}
	for i := first; i <= last; i++ {
		h.limits = append(h.limits, limit(i))
		h.counts = append(h.counts, counts[i])
	}
}
