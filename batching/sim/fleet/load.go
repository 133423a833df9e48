package fleet

import (
	"errors"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Rate is how many requests a second come in the mean, at each moment.
type Rate func(at time.Duration) float64

// Steady is the same rate all the time.
func Steady(rate float64) Rate { return func(time.Duration) float64 { return rate } }

// StepAt is a rate that is times as high from a moment on.
func StepAt(rate, times float64, from time.Duration) Rate {
	return func(at time.Duration) float64 {
		if at >= from {
			return times * rate
		}
		return rate
	}
}

// Day is a rate that goes from low at the beginning to high after half a day and back, as a cosine does.
func Day(low, high float64, day time.Duration) Rate {
	return func(at time.Duration) float64 {
		return low + (high-low)*(1-math.Cos(2*math.Pi*at.Seconds()/day.Seconds()))/2
	}
}

// Bursts are what comes on top: times the rate for as long as lasts, every so often in the mean.
func Bursts(rate Rate, times float64, lasts, every, until time.Duration, seed uint64) Rate {
	rnd := newRand(seed)
	var begins []time.Duration
	for at := time.Duration(0); at < until; {
		at += time.Duration(rnd.ExpFloat64() * float64(every))
		begins = append(begins, at)
		at += lasts
	}
	return func(at time.Duration) float64 {
		i, found := slices.BinarySearch(begins, at)
		if !found {
			i--
		}
		if i >= 0 && at < begins[i]+lasts {
			return times * rate(at)
		}
		return rate(at)
	}
}

// Poisson draws arrivals that know nothing of each other, from a rate that is never above most: candidates at the rate of most, of
// which each is kept with the probability rate/most (Lewis and Shedler's thinning).
func Poisson(rate Rate, most float64, until time.Duration, seed uint64) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		rnd := newRand(seed)
		for at := 0.0; ; {
			at += rnd.ExpFloat64() / most
			now := time.Duration(at * float64(time.Second))
			if now >= until {
				return
			}
			if r := rate(now); (r >= most || rnd.Float64()*most < r) && !yield(now) {
				return
			}
		}
	}
}

// Overlay makes a recorded trace one of more users: so many copies of it, each repeated from a place of its own, that the mean rate is
// rate or the next above that copies can make.
func Overlay(trace []time.Duration, rate float64, until time.Duration, seed uint64) (iter.Seq[time.Duration], error) {
	lasts := trace[len(trace)-1] - trace[0]
	if lasts <= 0 || !(rate > 0) {
		return nil, errors.New("cannot overlay a trace that lasts no time, or to no rate")
	}
	period := lasts + lasts/time.Duration(len(trace)) // a gap of the mean length between the last and the first
	copies := int(math.Ceil(rate * period.Seconds() / float64(len(trace))))
	rnd := newRand(seed)
	one := make([]time.Duration, 0, copies*len(trace))
	for range copies {
		shift := time.Duration(rnd.Int64N(int64(period)))
		for _, at := range trace {
			one = append(one, (at-trace[0]+shift)%period)
		}
	}
	slices.Sort(one)
	return func(yield func(time.Duration) bool) {
		for begin := time.Duration(0); ; begin += period {
			for _, at := range one {
				if begin+at >= until || !yield(begin+at) {
					return
				}
			}
		}
	}, nil
}

// newRand draws the same for the same seed.
func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x7063)) }
