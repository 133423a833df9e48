package sim

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"time"
)

// ReadTrace reads the moments of arrivals: lines of seconds since the beginning, none before the last. Lines that begin with # say
// where they are from.
func ReadTrace(r io.Reader) ([]time.Duration, error) {
	var arrivals []time.Duration
	err := eachLine(r, func(line string) error {
		d, err := parseSeconds(line)
		if err != nil {
			return err
		}
		if n := len(arrivals); n > 0 && d < arrivals[n-1] {
			return fmt.Errorf("cannot use %q: it is before the last arrival", line)
		}
		arrivals = append(arrivals, d)
		return nil
	})
	if err == nil && (len(arrivals) < 2 || arrivals[0] == arrivals[len(arrivals)-1]) {
		err = fmt.Errorf("cannot use a trace that lasts no time")
	}
	return arrivals, err
}

// WriteTrace writes what ReadTrace reads, to a tenth of a millisecond.
func WriteTrace(w io.Writer, comment string, arrivals []time.Duration) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "# %s\n", comment)
	for _, a := range arrivals {
		fmt.Fprintf(out, "%.4f\n", a.Seconds())
	}
	return out.Flush()
}

// AtRate stretches a trace in time until its mean rate is so many arrivals a second.
func AtRate(arrivals []time.Duration, rate float64) []time.Duration {
	first, last := arrivals[0], arrivals[len(arrivals)-1]
	factor := float64(len(arrivals)-1) / rate / (last - first).Seconds()
	out := make([]time.Duration, len(arrivals))
	for i, a := range arrivals {
		out[i] = time.Duration(factor * float64(a-first))
	}
	return out
}

// Poisson returns n arrivals that know nothing of each other, one a second in the mean: many callers, each of whom comes rarely.
func Poisson(n int, seed uint64) []time.Duration {
	return arrivals(n, seed, func(float64, *rand.Rand) float64 { return 1 })
}

// Bursty returns n arrivals, most of which come in bursts at four times the mean rate, fifty at a time in the mean, with quiet times
// at a quarter of it in between: pages with many pictures, jobs that upload folders.
func Bursty(n int, seed uint64) []time.Duration {
	const high, low = 4.0, 0.25
	rate, until := low, 0.0
	return arrivals(n, seed, func(now float64, rnd *rand.Rand) float64 {
		for now >= until {
			if rate = high + low - rate; rate == high {
				until += 50 / high * rnd.ExpFloat64()
			} else {
				until += 50 * rnd.ExpFloat64()
			}
		}
		return rate
	})
}

// Diurnal returns n arrivals whose rate goes up and down by four fifths, five times from the first to the last: days.
func Diurnal(n int, seed uint64) []time.Duration {
	day := float64(n) / 5
	return arrivals(n, seed, func(now float64, _ *rand.Rand) float64 { return 1 + 0.8*math.Sin(2*math.Pi*now/day) })
}

// arrivals draws n moments from a rate that changes with time; the step is so small that no change is missed.
func arrivals(n int, seed uint64, rate func(now float64, rnd *rand.Rand) float64) []time.Duration {
	const step = 0.01
	rnd := rand.New(rand.NewPCG(seed, 0))
	out := make([]time.Duration, 0, n)
	now, due := 0.0, rnd.ExpFloat64()
	for len(out) < n {
		r := rate(now, rnd)
		if due <= r*step {
			now += due / r
			out = append(out, time.Duration(now*float64(time.Second)))
			due = rnd.ExpFloat64()
			continue
		}
		due -= r * step
		now += step
	}
	return out
}
