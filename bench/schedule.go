package bench

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Arrivals says how requests are spread over time in an open loop.
type Arrivals string

// The ways to spread requests.
const (
	Poisson Arrivals = "poisson" // independent of each other, as those of many users are
	Uniform Arrivals = "uniform" // evenly spaced
)

// ParseArrivals reads a flag's value.
func ParseArrivals(s string) (Arrivals, error) {
	switch a := Arrivals(s); a {
	case Poisson, Uniform:
		return a, nil
	}
	return "", fmt.Errorf("arrivals %q are not known; take %q or %q", s, Poisson, Uniform)
}

// schedule decides when requests are due. It knows nothing of how they fare. One goroutine at a time may use it.
type schedule struct {
	rate   float64 // requests a second
	random *rand.Rand
	n      uint64
	at     float64 // of the latest request, in seconds
}

// newSchedule returns the same schedule for the same seed. The seed does not matter for Uniform.
func newSchedule(a Arrivals, rate float64, seed uint64) *schedule {
	s := &schedule{rate: rate}
	if a != Uniform {
		s.random = rand.New(rand.NewPCG(seed, 0x6f70656e))
	}
	return s
}

// next returns when the next request is due, from the start of the run.
func (s *schedule) next() time.Duration {
	if s.random != nil {
		s.at += s.random.ExpFloat64() / s.rate
	} else {
		s.at = float64(s.n) / s.rate
	}
	s.n++
	return time.Duration(s.at * float64(time.Second))
}
