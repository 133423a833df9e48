package augment

import (
	"image"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/dataset"
)

// Distributions are held to their formulas with 10,000 draws of one seed: nothing here changes from run to run. The bounds are those
// that a right generator exceeds once in a thousand seeds.
const draws = 10_000

func stream(seed uint64) *random {
	r := newStream(99, dataset.Key{Seed: seed})
	return &r
}

// requireDistribution is the test of Kolmogorov and Smirnov.
func requireDistribution(t *testing.T, cdf func(float64) float64, draw func() float64) {
	t.Helper()
	values := make([]float64, draws)
	for i := range values {
		values[i] = draw()
	}
	slices.Sort(values)
	worst := 0.0
	for i, v := range values {
		f := cdf(v)
		worst = max(worst, f-float64(i)/draws, float64(i+1)/draws-f)
	}
	require.Less(t, worst, 1.95/math.Sqrt(draws), "distance from the distribution")
}

// requireFrequencies is the chi-squared test; shares may have any sum.
func requireFrequencies(t *testing.T, shares []float64, counts []int) {
	t.Helper()
	require.Len(t, counts, len(shares))
	sum, n := 0.0, 0
	for i, s := range shares {
		sum, n = sum+s, n+counts[i]
	}
	chi := 0.0
	for i, s := range shares {
		want := s / sum * float64(n)
		chi += (float64(counts[i]) - want) * (float64(counts[i]) - want) / want
	}
	freedom := float64(len(shares) - 1)
	// Wilson and Hilferty's approximation of the quantile, at 3.1 deviations
	h := 2 / (9 * freedom)
	require.Less(t, chi, freedom*math.Pow(1-h+3.1*math.Sqrt(h), 3), "chi squared of %v", counts)
}

func uniformCDF(from, to float64) func(float64) float64 {
	return func(v float64) float64 { return min(max((v-from)/(to-from), 0), 1) }
}

func TestGenerator(t *testing.T) {
	r := stream(1)
	requireDistribution(t, uniformCDF(0, 1), r.unit)
	requireDistribution(t, uniformCDF(-2, 5), func() float64 { return r.uniform(-2, 5) })
	requireDistribution(t, func(v float64) float64 { return 0.5 * math.Erfc(-v/math.Sqrt2) }, r.normal)
	requireDistribution(t, func(v float64) float64 { return 1 - math.Exp(-v) }, func() float64 { return r.gamma(1) })
	requireDistribution(t, func(v float64) float64 { return math.Erf(math.Sqrt(v)) }, func() float64 { return r.gamma(0.5) })
	requireDistribution(t, uniformCDF(0, 1), func() float64 { return r.beta(1) })
	requireDistribution(t, func(v float64) float64 { return 2 / math.Pi * math.Asin(math.Sqrt(v)) }, func() float64 { return r.beta(0.5) })
	requireDistribution(t, func(v float64) float64 { return v * v * (3 - 2*v) }, func() float64 { return r.beta(2) })
	weights := make([]float64, 3)
	requireDistribution(t, func(v float64) float64 { return 1 - (1-v)*(1-v) }, func() float64 {
		r.dirichlet(weights, 1)
		require.InDelta(t, 1, weights[0]+weights[1]+weights[2], 1e-12)
		return weights[1]
	})
	counts := make([]int, 7)
	for range draws {
		counts[r.between(3, 9)-3]++
	}
	requireFrequencies(t, []float64{1, 1, 1, 1, 1, 1, 1}, counts)
}

// TestBetaOfSmallAlpha: its gamma variables vanish in floating point.
func TestBetaOfSmallAlpha(t *testing.T) {
	r := stream(2)
	for _, alpha := range []float64{0.001, 0.05, 0.2, 30} {
		sum, squares := 0.0, 0.0
		for range draws {
			v := r.beta(alpha)
			require.True(t, v >= 0 && v <= 1, "%v", v)
			sum, squares = sum+v, squares+(v-0.5)*(v-0.5)
		}
		variance := 1 / (4 * (2*alpha + 1))
		require.InDelta(t, 0.5, sum/draws, 4*math.Sqrt(variance/draws))
		require.InEpsilon(t, variance, squares/draws, 0.06)
	}
}

// TestCropDistribution: where every part fits, its area is evenly spread, the logarithm of its ratio too, and its place.
func TestCropDistribution(t *testing.T) {
	const side = 4000 // so large that rounding to pixels does not show
	c := &resizedCrop{scale: [2]float64{0.1, 0.5}, ratio: defaultRatio}
	r := stream(3)
	box := func() image.Rectangle { return c.drawBox(r, side, side) }
	requireDistribution(t, uniformCDF(0.1, 0.5), func() float64 { b := box(); return float64(b.Dx()*b.Dy()) / (side * side) })
	requireDistribution(t, uniformCDF(math.Log(0.75), math.Log(4.0/3)), func() float64 { b := box(); return math.Log(float64(b.Dx()) / float64(b.Dy())) })
	requireDistribution(t, uniformCDF(0, 1), func() float64 { b := box(); return float64(b.Min.X) / float64(side-b.Dx()) })
	requireDistribution(t, uniformCDF(0, 1), func() float64 { b := box(); return float64(b.Min.Y) / float64(side-b.Dy()) })
}

// TestCropInTheMiddle: a picture in which no part fits gives as much of its middle as the ratio allows.
func TestCropInTheMiddle(t *testing.T) {
	f := func(width, height int, want image.Rectangle) {
		t.Helper()
		c := &resizedCrop{scale: [2]float64{1, 1}, ratio: [2]float64{0.75, 4.0 / 3}}
		require.Equal(t, want, c.drawBox(stream(4), width, height))
	}
	f(300, 30, image.Rect(130, 0, 170, 30))
	f(30, 300, image.Rect(0, 130, 30, 170))
	f(60_000, 1, image.Rect(29_999, 0, 30_000, 1))
	f(1, 60_000, image.Rect(0, 29_999, 1, 30_001-1))
	f(1, 1, image.Rect(0, 0, 1, 1))
}

func TestErasingDistribution(t *testing.T) {
	const side = 3000
	e := &erasing{area: [2]float64{0.05, 0.3}, aspect: [2]float64{0.5, 2}, count: 1}
	r := stream(5)
	box := func() image.Rectangle {
		b, ok := e.drawBox(r, side, side, 1)
		require.True(t, ok)
		return b
	}
	requireDistribution(t, uniformCDF(0.05, 0.3), func() float64 { b := box(); return float64(b.Dx()*b.Dy()) / (side * side) })
	requireDistribution(t, uniformCDF(-math.Ln2, math.Ln2), func() float64 { b := box(); return math.Log(float64(b.Dy()) / float64(b.Dx())) })
	requireDistribution(t, uniformCDF(0.025, 0.15), func() float64 {
		b, _ := e.drawBox(r, side, side, 2) // two boxes share the area
		return float64(b.Dx()*b.Dy()) / (side * side)
	})
	_, ok := (&erasing{area: [2]float64{1, 1}, aspect: [2]float64{1, 1}}).drawBox(r, 8, 8, 1)
	require.False(t, ok, "a box is smaller than the picture, as timm has it")
}

func TestJitterDistribution(t *testing.T) {
	j := &jitter{amount: [4]float64{0.4, 1.5, 0.2, 0.1}}
	r := stream(6)
	requireDistribution(t, uniformCDF(0.6, 1.4), func() float64 { return j.draw(r).factor[0] })
	requireDistribution(t, uniformCDF(0, 2.5), func() float64 { return j.draw(r).factor[1] })
	requireDistribution(t, uniformCDF(0.8, 1.2), func() float64 { return j.draw(r).factor[2] })
	requireDistribution(t, uniformCDF(-0.1, 0.1), func() float64 { return j.draw(r).factor[3] })
	orders := map[[4]int]int{}
	for range draws {
		orders[j.draw(r).order]++
	}
	require.Len(t, orders, 24, "every order occurs")
	var counts []int
	for _, n := range orders {
		counts = append(counts, n)
	}
	requireFrequencies(t, slices.Repeat([]float64{1}, 24), counts)
}

// drawSteps draws a policy's steps for many pictures and counts them by operation.
func drawSteps(t *testing.T, text string, visit func(step)) map[op]int {
	t.Helper()
	s, err := parsePolicy(text, "random", imageNetMean)
	require.NoError(t, err)
	p, r, counts := s.(*auto).policy, stream(7), map[op]int{}
	var steps []step
	for range draws {
		steps = p.draw(r, 32, 32, steps[:0])
		for _, s := range steps {
			counts[s.op]++
			visit(s)
		}
	}
	return counts
}

func values(counts map[op]int) (shares []float64, n []int, sum int) {
	for _, c := range counts {
		shares, n, sum = append(shares, 1), append(n, c), sum+c
	}
	return shares, n, sum
}

// TestRandAugmentDistribution: operations equally often, each with probability 0.5, magnitudes about 9 with deviation 0.5 up to 10.
func TestRandAugmentDistribution(t *testing.T) {
	var angles []float64
	left := 0
	counts := drawSteps(t, "rand-m9-mstd0.5-inc1", func(s step) {
		if s.op == opRotate {
			angles = append(angles, math.Abs(s.value))
			if s.value < 0 {
				left++
			}
		}
	})
	shares, n, sum := values(counts)
	require.Len(t, counts, 15)
	requireFrequencies(t, shares, n)
	require.InDelta(t, draws, sum, 4*math.Sqrt(2*draws*0.25), "two operations, each with probability 0.5")
	require.InDelta(t, 0.5, float64(left)/float64(len(angles)), 0.06)
	most := 0
	slices.Sort(angles)
	for _, a := range angles {
		require.LessOrEqual(t, a, 30.0)
		if a == 30 {
			most++
		}
	}
	require.InDelta(t, 27, angles[len(angles)/2], 0.2, "the median is at magnitude 9")
	require.InDelta(t, 0.0228, float64(most)/float64(len(angles)), 0.015, "magnitudes from 10 on, two deviations away, are cut")
}

func TestWeightedRandAugment(t *testing.T) {
	counts := drawSteps(t, "rand-n1-p1-tweights", func(step) {})
	var shares []float64
	var n []int
	for _, w := range randWeights {
		shares, n = append(shares, w.weight), append(n, counts[use(w.name, 1, 1).op])
	}
	requireFrequencies(t, shares, n)
}

// TestWeightsAreWithoutReplacement: with as many layers as operations each comes once.
func TestWeightsAreWithoutReplacement(t *testing.T) {
	s, err := parsePolicy("rand-n14-p1-t3aw", "random", imageNetMean)
	require.NoError(t, err)
	seen := map[op]int{}
	for _, s := range s.(*auto).policy.draw(stream(8), 8, 8, nil) {
		seen[s.op]++
	}
	seen[opColor]-- // Desaturate and ColorIncreasing are one operation
	require.Len(t, seen, 13)
	for o, n := range seen {
		require.Equal(t, 1, n, o)
	}
}

func TestTorchvisionDistributions(t *testing.T) {
	f := func(text string, kinds, steps int) {
		t.Helper()
		counts := drawSteps(t, text, func(step) {})
		shares, n, sum := values(counts)
		require.Len(t, counts, kinds)
		requireFrequencies(t, shares, n)
		require.Equal(t, steps*draws, sum)
	}
	f("randaugment", 14, 2)
	f("randaugment-n3-m5-b11", 14, 3)
	f("trivial", 14, 1)

	degrees := map[float64]int{}
	drawSteps(t, "trivial-b3", func(s step) {
		if s.op == opRotate {
			degrees[math.Abs(s.value)]++
		}
	})
	requireFrequencies(t, []float64{1, 1, 1}, []int{degrees[0], degrees[67.5], degrees[135]})
}

// TestAutoAugmentDistribution: an operation comes as often as the table says.
func TestAutoAugmentDistribution(t *testing.T) {
	for name, pairs := range tvPolicies {
		want := map[op]float64{}
		for _, pair := range pairs {
			for _, u := range pair {
				want[u.op] += u.probability / float64(len(pairs))
			}
		}
		counts := drawSteps(t, "autoaugment-"+name, func(step) {})
		for o, p := range want {
			require.InDelta(t, p*draws, counts[o], 5*math.Sqrt(p*draws)+1, "%s: %v", name, o)
		}
	}
	for _, name := range []string{"v0", "v0r", "original", "originalr", "3a"} {
		want := map[op]float64{}
		rows := timmPolicies[name]
		if rows == nil {
			rows = timmPolicies[name[:len(name)-1]]
		}
		for _, row := range rows {
			for _, u := range row {
				want[use(u.name, 1, 1).op] += u.probability / float64(len(rows))
			}
		}
		counts := drawSteps(t, name+"-mstd0.5", func(step) {})
		for o, p := range want {
			require.InDelta(t, p*draws, counts[o], 5*math.Sqrt(p*draws)+1, "%s: %v", name, o)
		}
	}
}

// TestBlurOf3A: the radius is evenly spread from 0.1 to 2.
func TestBlurOf3A(t *testing.T) {
	var radii []float64
	drawSteps(t, "3a", func(s step) {
		if s.op == opGaussianBlur {
			radii = append(radii, s.value)
		}
	})
	slices.Sort(radii)
	require.InDelta(t, 0.1, radii[0], 0.01)
	require.InDelta(t, 1.05, radii[len(radii)/2], 0.06)
	require.InDelta(t, 2, radii[len(radii)-1], 0.01)
}

func TestAugMixDraws(t *testing.T) {
	s, err := parsePolicy("augmix-m5-w4-d2", "random", imageNetMean)
	require.NoError(t, err)
	m, steps := s.(*augMix).draw(stream(9), 32, 32, nil)
	require.Len(t, steps, 8)
	require.Equal(t, []int{2, 4, 6, 8}, m.ends[:4])
	require.InDelta(t, 1, m.shares[0]+m.shares[1]+m.shares[2]+m.shares[3], 1e-12)

	s, err = parsePolicy("augmix", "random", imageNetMean)
	require.NoError(t, err)
	depths := make([]int, 4)
	for i := range draws {
		m, _ := s.(*augMix).draw(stream(uint64(i)), 32, 32, nil)
		depths[m.ends[0]]++
	}
	requireFrequencies(t, []float64{1, 1, 1}, depths[1:])
}
