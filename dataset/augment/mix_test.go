package augment

import (
	"bytes"
	"fmt"
	"image"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func mustMixer(t testing.TB, cfg Config, classes int) *Mixer {
	t.Helper()
	m, err := NewMixer(cfg, classes)
	require.NoError(t, err)
	require.NotNil(t, m)
	return m
}

func TestMixerOff(t *testing.T) {
	m, err := NewMixer(Config{Smoothing: 0.1}, 10)
	require.NoError(t, err)
	require.Nil(t, m)
	require.Equal(t, Mix{Lambda: 1}, m.Plan(1, 2, 3, 32, 32), "a nil Mixer mixes nothing")
	_, err = NewMixer(Config{Mixup: 1}, 0)
	require.ErrorContains(t, err, "0 classes")

	m = mustMixer(t, Config{Mixup: 1, MixupOffEpoch: 5}, 10)
	require.NotEqual(t, 1.0, m.Plan(1, 4, 0, 32, 32).Lambda)
	require.Equal(t, 1.0, m.Plan(1, 5, 0, 32, 32).Lambda)
}

// TestPlanDistribution: shares have Mixup's and CutMix's distributions, and each comes as often as asked for.
func TestPlanDistribution(t *testing.T) {
	plans := func(c Config) (mixed, cut []Mix) {
		x := mustMixer(t, c, 10)
		for i := range draws {
			switch m := x.Plan(3, 1, i, 400, 400); {
			case m.Lambda == 1:
			case m.Box.Empty():
				mixed = append(mixed, m)
			default:
				cut = append(cut, m)
			}
		}
		return mixed, cut
	}
	lambdas := func(m []Mix) func() float64 {
		i := 0
		return func() float64 { i++; return m[i-1].Lambda }
	}
	mixed, cut := plans(Config{Mixup: 0.5})
	require.Empty(t, cut)
	requireDistribution(t, func(v float64) float64 { return 2 / math.Pi * math.Asin(math.Sqrt(v)) }, lambdas(mixed))

	mixed, cut = plans(Config{CutMix: 1})
	require.Empty(t, mixed)
	for _, m := range cut {
		require.True(t, m.Box.In(image.Rect(0, 0, 400, 400)))
		require.InDelta(t, 1-float64(m.Box.Dx()*m.Box.Dy())/160_000, m.Lambda, 1e-12)
	}

	mixed, cut = plans(Config{Mixup: 0.2, CutMix: 1, MixupProb: 0.6, MixupSwitchProb: 0.3})
	requireFrequencies(t, []float64{0.4, 0.6 * 0.7, 0.6 * 0.3}, []int{draws - len(mixed) - len(cut), len(mixed), len(cut)})

	_, cut = plans(Config{CutMixMinMax: [2]float64{0.25, 0.75}})
	require.Len(t, cut, draws)
	i := 0
	requireDistribution(t, uniformCDF(0.25, 0.75), func() float64 { i++; return (float64(cut[i-1].Box.Dy()) + 0.5) / 400 })
}

// TestPlanIsAFunctionOfTheKey and stays what it is.
func TestPlanIsAFunctionOfTheKey(t *testing.T) {
	x := mustMixer(t, Config{Mixup: 0.8, CutMix: 1}, 10)
	require.Equal(t, x.Plan(1, 2, 3, 32, 32), x.Plan(1, 2, 3, 32, 32))
	seen := map[Mix]bool{}
	for i := range 10 {
		seen[x.Plan(1, 2, i, 32, 32)], seen[x.Plan(1, i+3, 3, 32, 32)], seen[x.Plan(uint64(i+4), 2, 3, 32, 32)] = true, true, true
	}
	require.Len(t, seen, 30)
	require.Equal(t, "{0.505859 (9,10)} {0.144286 (0,0)-}", fmt.Sprintf("%.6v %.6v", x.Plan(1, 2, 3, 32, 32), x.Plan(1, 2, 4, 32, 32)))
}

func TestMixOddBatch(t *testing.T) {
	images := []byte{10, 20, 30, 100, 100, 100, 200, 40, 0}
	whole := bytes.Clone(images)
	Mix{Lambda: 1}.Apply(images, 3, 1, 1)
	require.Equal(t, whole, images)
	Mix{Lambda: 0.25}.Apply(images, 3, 1, 1)
	require.Equal(t, []byte{152, 35, 8, 100, 100, 100, 58, 25, 22}, images, "152.5, 7.5, 57.5 and 22.5 to even; the middle meets itself")
	images = bytes.Clone(whole)
	Mix{Lambda: 0.5, Box: image.Rect(0, 0, 1, 1)}.Apply(images, 3, 1, 1)
	require.Equal(t, []byte{200, 40, 0, 100, 100, 100, 10, 20, 30}, images)
	require.Panics(t, func() { Mix{}.Apply(images, 2, 1, 1) })
}

// TestTargetsAreDistributions whatever is mixed.
func TestTargetsAreDistributions(t *testing.T) {
	x := mustMixer(t, Config{Mixup: 1, CutMix: 1, Smoothing: 0.1}, 7)
	require.Equal(t, 7, x.Classes())
	labels := []int64{0, 6, 3, 3, 1}
	dst := make([]float32, len(labels)*7)
	for i := range 20 {
		m := x.Plan(1, 0, i, 16, 16)
		x.Targets(dst, labels, m)
		for j, label := range labels {
			sum := float32(0)
			for _, v := range dst[j*7:][:7] {
				sum += v
			}
			require.InDelta(t, 1, sum, 1e-5)
			require.GreaterOrEqual(t, float64(dst[j*7+int(label)]), m.Lambda*0.9)
		}
	}
	x.Targets(dst, labels, Mix{Lambda: 1})
	require.InDelta(t, 0.9+0.1/7, dst[0], 1e-6)
	require.Panics(t, func() { x.Targets(dst[1:], labels, Mix{Lambda: 1}) })
}
