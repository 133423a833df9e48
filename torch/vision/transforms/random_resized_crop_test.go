package transforms_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torchlit/torchlit/torch/vision/transforms"
	"github.com/torchlit/torchlit/vision"
)

func TestRandomResizedCropScalesAsOpenCV(t *testing.T) {
	g := load(t)
	ratio := float64(g.Odd.Width) / float64(g.Odd.Height)
	f := func(interpolation transforms.InterpolationFlags, all []picture) {
		t.Helper()
		for _, want := range all {
			whole := transforms.RandomResizedCropD(want.Height, want.Width, 1, 1, ratio, ratio, interpolation)
			same(t, want, whole.Run(g.Odd.Image))
		}
	}
	f(transforms.InterpolationNearestNeighbor, g.OddNearest)
	f(transforms.InterpolationLinear, g.OddLinear)
}

// draws returns the areas, as parts of the whole, and the ratios of n parts that
// step, which scales to 2 x 2 pixels, cut out. The picture's red grows with x and
// its green with y, so that the differences in the result are half the sides.
func draws(step transforms.Randomized, n int) (areas, ratios []float64) {
	const side = 250
	m := position(side, side)
	r := rand.New(rand.NewPCG(3, 4))
	for range n {
		out := step.RunWith(r, m)
		w := 2 * float64(int(out.Pix[3])-int(out.Pix[0]))
		h := 2 * float64(int(out.Pix[7])-int(out.Pix[1]))
		areas = append(areas, w*h/(side*side))
		ratios = append(ratios, w/h)
	}
	return areas, ratios
}

func TestRandomResizedCropDrawsInRange(t *testing.T) {
	f := func(scale0, scale1, ratio0, ratio1 float64) {
		t.Helper()
		step := transforms.RandomResizedCropD(2, 2, scale0, scale1, ratio0, ratio1, transforms.InterpolationLinear)
		areas, ratios := draws(step, 400)
		mean := 0.0
		for i := range areas {
			// Sides are known to two pixels of some 60 to 250.
			assert.GreaterOrEqual(t, areas[i], scale0*0.92)
			assert.LessOrEqual(t, areas[i], scale1*1.08)
			assert.GreaterOrEqual(t, ratios[i], ratio0*0.93)
			assert.LessOrEqual(t, ratios[i], ratio1*1.07)
			mean += math.Log(ratios[i]) / float64(len(ratios))
		}
		assert.InDelta(t, (math.Log(ratio0)+math.Log(ratio1))/2, mean, 0.04)
	}
	f(0.08, 0.6, 3.0/4, 4.0/3)
	f(0.2, 0.3, 0.5, 0.6)
	f(0.5, 0.5, 1, 1)
}

func TestRandomResizedCropFallsBackToTheMiddle(t *testing.T) {
	f := func(w, h int, ratio0, ratio1 float64, x, y, cutW, cutH byte) {
		t.Helper()
		step := transforms.RandomResizedCropD(int(cutH), int(cutW), 1, 1, ratio0, ratio1, transforms.InterpolationLinear)
		out := step.Run(position(w, h)) // cut at this size, it needs no scaling
		assert.Equal(t, []byte{x, y, 77}, out.Pix[:3])
		assert.Equal(t, []byte{x + cutW - 1, y + cutH - 1, 77}, out.Pix[len(out.Pix)-3:])
	}
	f(100, 10, 0.5, 2, 40, 0, 20, 10)
	f(10, 100, 0.5, 2, 0, 40, 10, 20)
	f(30, 30, 1, 1, 0, 0, 30, 30)
}

func TestRandomResizedCropSizes(t *testing.T) {
	m := position(50, 50)
	f := func(step *transforms.RandomResizedCropTransformer, w, h int) {
		t.Helper()
		out := step.Run(m)
		assert.Equal(t, [2]int{w, h}, [2]int{out.Width, out.Height})
	}
	f(transforms.RandomResizedCrop(20), 20, 20)
	f(transforms.RandomResizedCrop(60, 80), 80, 60)
	same(t, picture{m}, transforms.RandomResizedCropD(50, 50, 1, 1, 1, 1, transforms.InterpolationLinear).Run(m))
	tiny := &vision.Image{Width: 1, Height: 1, Pix: []byte{1, 2, 3}}
	assert.Equal(t, tiny.Pix, transforms.RandomResizedCrop(1).Run(tiny).Pix)
}

func TestRandomResizedCropRefuses(t *testing.T) {
	f := func(scale0, scale1, ratio0, ratio1 float64, ip transforms.InterpolationFlags, want string) {
		t.Helper()
		refused(t, want, func() {
			transforms.RandomResizedCropD(2, 2, scale0, scale1, ratio0, ratio1, ip).Run(position(5, 5))
		})
	}
	linear := transforms.InterpolationLinear
	f(0, 1, 1, 1, linear, "ascend")
	f(1, 0.5, 1, 1, linear, "ascend")
	f(0.5, 1, 2, 1, linear, "ascend")
	f(0.5, math.Inf(1), 1, 1, linear, "ascend")
	f(0.5, math.NaN(), 1, 1, linear, "ascend")
	f(0.5, 1, 1, 1, 4, "interpolation 4")
}
