package bench

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUniform(t *testing.T) {
	s := newSchedule(Uniform, 400, 1)
	for i := range 1000 {
		assert.InDelta(t, float64(i)*2.5, float64(s.next())/1e6, 1e-3)
	}
}

// The gaps between Poisson arrivals are exponential: mean and deviation are 1/rate, e⁻¹ of them are longer than the mean, and
// one says nothing of the next.
func TestPoisson(t *testing.T) {
	const rate, n = 250.0, 100000
	s := newSchedule(Poisson, rate, 7)
	gaps := make([]float64, n)
	last := time.Duration(0)
	for i := range gaps {
		at := s.next()
		require.GreaterOrEqual(t, at, last)
		gaps[i] = (at - last).Seconds() * rate
		last = at
	}
	mean, square, long, product := 0.0, 0.0, 0.0, 0.0
	for i, g := range gaps {
		mean += g / n
		square += g * g / n
		if g > 1 {
			long += 1.0 / n
		}
		if i > 0 {
			product += (g - 1) * (gaps[i-1] - 1) / n
		}
	}
	within := 5 / math.Sqrt(n)
	assert.InDelta(t, 1, mean, within)
	assert.InDelta(t, 2, square, 6*within) // the variance of the square is 20
	assert.InDelta(t, 1/math.E, long, within)
	assert.InDelta(t, 0, product, within)
}

func TestScheduleFollowsItsSeed(t *testing.T) {
	a, b, c := newSchedule(Poisson, 10, 1), newSchedule(Poisson, 10, 1), newSchedule(Poisson, 10, 2)
	for range 10 {
		at := a.next()
		assert.Equal(t, at, b.next())
		assert.NotEqual(t, at, c.next())
	}
}
