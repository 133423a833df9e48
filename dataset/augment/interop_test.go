//go:build interop

package augment

import (
	"bytes"
	"encoding/json"
	"math"
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/internal/interop"
)

const script = "testdata/make_goldens.py"

// TestInteropGoldensAreCurrent: the script makes the committed goldens again.
func TestInteropGoldensAreCurrent(t *testing.T) {
	dir := t.TempDir()
	interop.Run(t, interop.Python(t, "torch"), script, dir)
	old, again := readGoldens(t, "testdata"), readGoldens(t, dir)
	// torch may count its bins in another way on another processor: see linspace.
	for name, ops := range again.Spaces {
		for op, values := range ops {
			require.InDeltaSlice(t, values, old.Spaces[name][op], 1.01, "%s %s", name, op)
		}
	}
	old.Spaces, again.Spaces = nil, nil
	require.Equal(t, old, again)
}

// pythonDraws is what testdata/make_goldens.py draws prints.
type pythonDraws struct {
	TorchvisionCrop [][4]int             `json:"torchvision_crop"` // top, left, height, width
	TimmCrop        [][4]int             `json:"timm_crop"`
	Beta            map[string][]float64 `json:"beta"`
	Dirichlet       []float64            `json:"dirichlet"`
	CutMixLambda    []float64            `json:"cutmix_lambda"`
	MinMaxLambda    []float64            `json:"minmax_lambda"`
	Erased          []float64            `json:"erased"` // pixels of 32 x 32

	Inc      pythonRand `json:"rand-m9-mstd0.5-inc1"`
	Weighted pythonRand `json:"rand-n3-tweights"`
	Uniform  pythonRand `json:"rand-m7-n4-mstd101-p0.8"`
}

type pythonRand struct {
	Counts map[string]int `json:"counts"`
	Angles []float64      `json:"angles"`
}

// requireSame is the test of Kolmogorov and Smirnov for two samples.
func requireSame(t *testing.T, what string, a, b []float64) {
	t.Helper()
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	worst := 0.0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		v := min(a[i], b[j])
		for i < len(a) && a[i] == v {
			i++
		}
		for j < len(b) && b[j] == v {
			j++
		}
		worst = max(worst, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	n, m := float64(len(a)), float64(len(b))
	require.Less(t, worst, 1.95*math.Sqrt((n+m)/(n*m)), what)
}

func repeat(n int, draw func(i int) float64) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = draw(i)
	}
	return v
}

// TestInteropDistributions: parameters are spread as torchvision, timm and numpy spread them, where no formula says how: boxes that
// did not fit were drawn again, and all is rounded to pixels.
func TestInteropDistributions(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), interop.Python(t, "torch"), script, "draws").Output()
	require.NoError(t, err)
	var d pythonDraws
	require.NoError(t, json.Unmarshal(bytes.TrimSpace(out), &d))

	c := &resizedCrop{scale: [2]float64{0.08, 1}, ratio: defaultRatio}
	r := stream(1)
	var ours [][4]int
	for range draws {
		b := c.drawBox(r, 200, 120)
		ours = append(ours, [4]int{b.Min.Y, b.Min.X, b.Dy(), b.Dx()})
	}
	for i, what := range []string{"top", "left", "height", "width"} {
		at := func(boxes [][4]int) []float64 {
			return repeat(len(boxes), func(j int) float64 { return float64(boxes[j][i]) })
		}
		requireSame(t, "torchvision's crop: "+what, at(d.TorchvisionCrop), at(ours))
		requireSame(t, "timm's crop: "+what, at(d.TimmCrop), at(ours))
	}

	for alpha, want := range map[float64][]float64{0.2: d.Beta["0.2"], 0.8: d.Beta["0.8"], 1: d.Beta["1.0"], 3: d.Beta["3.0"]} {
		requireSame(t, "beta", want, repeat(draws, func(int) float64 { return r.beta(alpha) }))
	}
	var weights [3]float64
	requireSame(t, "dirichlet", d.Dirichlet, repeat(draws, func(int) float64 { r.dirichlet(weights[:], 1); return weights[0] }))
	lambdas := func(c Config) []float64 {
		x := mustMixer(t, c, 10)
		return repeat(draws, func(i int) float64 { return x.Plan(1, 1, i, 32, 32).Lambda })
	}
	requireSame(t, "cutmix", d.CutMixLambda, lambdas(Config{CutMix: 1}))
	requireSame(t, "cutmix_minmax", d.MinMaxLambda, lambdas(Config{CutMixMinMax: [2]float64{0.2, 0.8}}))
	requireSame(t, "erasing", d.Erased, erased(r))
	for text, want := range map[string]pythonRand{"rand-m9-mstd0.5-inc1": d.Inc, "rand-n3-tweights": d.Weighted, "rand-m7-n4-mstd101-p0.8": d.Uniform} {
		requireSameSteps(t, text, want)
	}
}

// erased counts the pixels that random erasing changes in pictures of 32 x 32.
func erased(r *random) []float64 {
	e := &erasing{probability: 0.5, area: defaultReArea, aspect: defaultReAspect, mode: EraseConst, count: 3}
	s := &scratch{img: *picture(32, 32)}
	return repeat(draws, func(int) float64 {
		for i := range s.img.Pix {
			s.img.Pix[i] = 255
		}
		s.r = *r
		e.apply(s)
		*r = s.r
		return float64(bytes.Count(s.img.Pix, []byte{0})) / 3
	})
}

// requireSameSteps compares how often operations are applied, and how far pictures are turned.
func requireSameSteps(t *testing.T, text string, want pythonRand) {
	t.Helper()
	var angles []float64
	counts := drawSteps(t, text, func(s step) {
		if s.op == opRotate {
			angles = append(angles, s.value)
		}
	})
	requireSame(t, text+": angles", want.Angles, angles)
	byOp := map[op]int{}
	for name, n := range want.Counts {
		byOp[use(name, 1, 1).op] += n
	}
	for o, n := range byOp {
		require.InDelta(t, n, counts[o], 4.5*math.Sqrt(float64(2*n))+1, "%s: %v", text, o)
	}
	require.Len(t, counts, len(byOp))
}
