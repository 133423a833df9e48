package bench

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The range of what is measured. What lies outside counts as the nearest value inside.
const (
	shortest = time.Microsecond
	longest  = time.Hour
)

// histogram holds durations, to three figures or, in the many short ones of a timeline, to two.
type histogram struct {
	h *hdrhistogram.Histogram // in microseconds; nil until something is recorded
}

func (h *histogram) record(d time.Duration, figures int) {
	if h.h == nil {
		h.h = hdrhistogram.New(int64(shortest/time.Microsecond), int64(longest/time.Microsecond), figures)
	}
	// Rounded to the nearest: a value cut off would be half a microsecond too small at the mean.
	µs := int64((min(max(d, shortest), longest) + time.Microsecond/2) / time.Microsecond)
	if err := h.h.RecordValue(µs); err != nil {
		panic("BUG: " + err.Error())
	}
}

// merge adds what other holds. Both have the same number of figures.
func (h *histogram) merge(other histogram) {
	switch {
	case other.h == nil:
	case h.h == nil:
		h.h = other.h.Clone()
	default:
		if dropped := h.h.Merge(other.h); dropped > 0 {
			panic("BUG: histograms of different ranges")
		}
	}
}

func (h *histogram) count() int64 {
	if h.h == nil {
		return 0
	}
	return h.h.TotalCount()
}

// quantile returns the duration that the share q of all does not exceed, 0 if there is none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.h == nil {
		return 0
	}
	return time.Duration(h.h.ValueAtQuantile(100*q)) * time.Microsecond
}

// Quantiles summarise durations, in milliseconds.
type Quantiles struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`

	Count int64 `json:"count"`
}

// quantiles returns nil where nothing was recorded.
func (h *histogram) quantiles() *Quantiles {
	if h.count() == 0 {
		return nil
	}
	at := func(q float64) float64 { return ms(h.quantile(q)) }
	return &Quantiles{Mean: round(h.h.Mean() / 1000), P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), Max: at(1), Count: h.count()}
}

// Point is one of a curve: the share of requests that took no longer.
type Point struct {
	Share   float64 `json:"share"`
	Latency float64 `json:"ms"`
}

// curve returns points that lie denser towards the slowest, as HdrHistogram plots them.
func (h *histogram) curve() []Point {
	if h.count() == 0 {
		return nil
	}
	var out []Point
	n := float64(h.count())
	// The distance to 1 is halved every five points, down to the slowest request alone.
	for i := 0; ; i++ {
		rest := math.Pow(0.5, float64(i)/5)
		if rest*n < 1 {
			break
		}
		out = append(out, Point{1 - rest, ms(h.quantile(1 - rest))})
	}
	return append(out, Point{1, ms(h.quantile(1))})
}

func ms(d time.Duration) float64 { return round(float64(d) / float64(time.Millisecond)) }

// round keeps six figures: more were never measured.
func round(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-5)
	if unit < 1 {
		return math.Round(v*math.Round(1/unit)) / math.Round(1/unit)
	}
	return math.Round(v/unit) * unit
}
