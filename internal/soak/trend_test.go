package soak

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sway makes samples of a memory that sways slowly, as one with a garbage collector does, and leaks so much a request.
func sway(n int, leak float64, seed uint64) []Sample {
	rnd := rand.New(rand.NewPCG(seed, 0))
	samples, at := make([]Sample, n), 0.0
	for i := range samples {
		at = 0.8*at + rnd.NormFloat64()*1e6
		samples[i] = Sample{Elapsed: time.Duration(i) * time.Second, Requests: int64(400 * i)}
		samples[i].Values[RSS] = 500e6 + at + leak*float64(400*i)
	}
	return samples
}

func TestFitIsExact(t *testing.T) {
	samples := make([]Sample, 40)
	for i := range samples {
		samples[i].Requests = int64(100 + 10*i)
		samples[i].Values[Threads] = 7 + 3*float64(10*i)
		samples[i].Values[Heap] = 7 + 3*float64(10*i)
	}
	got, err := Fit(samples, Threads)
	require.NoError(t, err)
	assert.InDelta(t, 3, got.Slope, 1e-9)
	assert.InDelta(t, 7, got.First, 1e-6)
	assert.InDelta(t, 0, got.High-got.Low, 1e-6)
	assert.Equal(t, 20, got.Blocks)
	got, err = Fit(samples, Heap)
	require.NoError(t, err)
	assert.InDelta(t, 3, got.Slope, 1e-9)
	assert.InDelta(t, 7-3*5, got.First, 1e-6, "the least of a block of two")
}

// What is there for a while in each block is not taken for growth, however much it is.
func TestFitPassesOverPeaks(t *testing.T) {
	samples := make([]Sample, 200)
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range samples {
		samples[i].Requests = int64(400 * i)
		samples[i].Values[Native] = 10e6
		if i%10 < 7 {
			samples[i].Values[Native] += rnd.Float64() * 50e6
		}
	}
	got, err := Fit(samples, Native)
	require.NoError(t, err)
	assert.InDelta(t, 0, got.Slope, 1e-9)
	assert.InDelta(t, 0, got.High-got.Low, 1e-6)
}

// By hand: the residuals' squares add up to 2.4, the x are spread by 10, and Student's t of 3 degrees is 3.182446 at 0.975.
func TestFitInterval(t *testing.T) {
	var samples []Sample
	for i, y := range []float64{2, 4, 5, 4, 5} {
		for range 2 {
			s := Sample{Requests: int64(i + 1)}
			s.Values[RSS] = y
			samples = append(samples, s)
		}
	}
	got, err := Fit(samples, RSS)
	require.NoError(t, err)
	assert.InDelta(t, 0.6, got.Slope, 1e-9)
	assert.InDelta(t, 0.6-3.182446*math.Sqrt(2.4/3/10), got.Low, 1e-5)
	assert.InDelta(t, 0.6+3.182446*math.Sqrt(2.4/3/10), got.High, 1e-5)
}

// A memory that only sways seldom seems to rise, and one that loses a hundred bytes a request always does.
func TestFitTellsALeakFromNoise(t *testing.T) {
	false0, missed := 0, 0
	for seed := range uint64(400) {
		still, err := Fit(sway(900, 0, seed), RSS)
		require.NoError(t, err)
		if still.Above(0) {
			false0++
		}
		leak, err := Fit(sway(900, 100, seed), RSS)
		require.NoError(t, err)
		if !leak.Above(16) {
			missed++
		}
	}
	assert.LessOrEqual(t, false0, 20, "of 400; 2.5 in a hundred are the interval's own")
	assert.Zero(t, missed)
}

func TestFitRefuses(t *testing.T) {
	for _, n := range []int{0, 1, 5} {
		_, err := Fit(sway(n, 0, 1), RSS)
		assert.Error(t, err, n)
	}
	still := make([]Sample, 100)
	_, err := Fit(still, RSS)
	assert.Error(t, err)
}

func TestParseMetrics(t *testing.T) {
	got, err := parseMetrics(strings.NewReader(`# TYPE torchlit_tensors_live gauge
torchlit_tensors_live 12
# TYPE torchlit_requests_total counter
torchlit_requests_total{code="200",model="a"} 3
torchlit_requests_total{code="400",model=""} 4
`))
	require.NoError(t, err)
	assert.Equal(t, map[string]float64{"torchlit_tensors_live": 12, "torchlit_requests_total": 7}, got)
	_, err = parseMetrics(strings.NewReader("{{{"))
	assert.Error(t, err)
}
