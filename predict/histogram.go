package predict

import "math"

// The ways to choose a range of an activation.
const (
	MSE        = "mse"        // the least mean squared error of rounding and clipping
	Percentile = "percentile" // leave out one value of ten thousand at either end
	MinMax     = "minmax"     // everything that was seen
)

const (
	histogramBins = 2048
	levels        = 255 // steps between the 256 bytes
	leftOut       = 1e-4
)

// histogram counts the values of an activation between low and high, which are known
// before: a first pass over the images finds them. It always holds 0, which padding
// and rectifiers make and bytes must have exactly.
type histogram struct {
	low, high float64
	counts    [histogramBins]int64
}

func (h *histogram) add(values []float32) {
	width := (h.high - h.low) / histogramBins
	if width <= 0 {
		return // all values are 0
	}
	inverse, low := float32(1/width), float32(h.low)
	for _, v := range values {
		h.counts[min(max(int((v-low)*inverse), 0), histogramBins-1)]++
	}
}

// choose returns the range of bytes for the counted values.
func (h *histogram) choose(method string) Range {
	switch method {
	case MinMax:
		return rangeOf(h.low, h.high)
	case Percentile:
		return rangeOf(h.quantile(leftOut), h.quantile(1-leftOut))
	}
	return h.leastError()
}

// quantile is the edge of a bin beyond which, away from the middle, at most such a
// share of the values lies.
func (h *histogram) quantile(q float64) float64 {
	total := int64(0)
	for _, n := range h.counts {
		total += n
	}
	width := (h.high - h.low) / histogramBins
	below := int64(0)
	for i, n := range h.counts {
		below += n
		if float64(below) >= q*float64(total) {
			if q < 0.5 {
				return h.low + float64(i)*width
			}
			return h.low + float64(i+1)*width
		}
	}
	return h.high
}

// leastError tries ranges that are cut at either end, each end by itself.
func (h *histogram) leastError() Range {
	const cuts = 64 // down to a quarter
	best, least := rangeOf(h.low, h.high), math.Inf(1)
	try := func(low, high float64) {
		r := rangeOf(low, high)
		if e := h.err(r); e < least {
			best, least = r, e
		}
	}
	cut := func(i int) float64 { return 1 - 0.75*float64(i)/cuts }
	if h.low == 0 || h.high == 0 {
		for i := range cuts {
			try(h.low*cut(i), h.high*cut(i))
		}
		return best
	}
	for i := 0; i < cuts; i += 2 {
		for j := 0; j < cuts; j += 2 {
			try(h.low*cut(i), h.high*cut(j))
		}
	}
	return best
}

// err is the sum of squared errors of the values as bytes, each taken for the middle
// of its bin, within which the rounding error is that of a uniform distribution.
func (h *histogram) err(r Range) float64 {
	width := (h.high - h.low) / histogramBins
	low, high := -r.Scale*float64(r.Zero), r.Scale*float64(levels-r.Zero)
	rounding, sum := r.Scale*r.Scale/12, 0.0
	for i, n := range h.counts {
		if n == 0 {
			continue
		}
		middle := h.low + (float64(i)+0.5)*width
		e := rounding
		if d := max(low-middle, middle-high); d > r.Scale/2 {
			e = d * d
		}
		sum += float64(n) * e
	}
	return sum
}

// rangeOf spreads the bytes over low..high, which hold 0, so that 0 is a byte.
func rangeOf(low, high float64) Range {
	scale := max((high-low)/levels, smallestScale)
	zero := math.RoundToEven(-low / scale)
	return Range{Scale: scale, Zero: int64(min(max(zero, 0), levels))}
}
