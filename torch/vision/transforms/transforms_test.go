package transforms_test

import (
	"encoding/base64"
	"encoding/json"
	"image"
	"image/color"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
	"github.com/torchlit/torchlit/torch/vision/transforms"
	"github.com/torchlit/torchlit/vision"
)

// picture is a picture in golden.json.
type picture struct{ *vision.Image }

func (p *picture) UnmarshalJSON(data []byte) error {
	var raw struct {
		Width, Height int
		Pix           string
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	pix, err := base64.StdEncoding.DecodeString(raw.Pix)
	p.Image = &vision.Image{Width: raw.Width, Height: raw.Height, Pix: pix}
	return err
}

// goldens is what testdata/golden.py wrote.
type goldens struct {
	Odd            picture   `json:"odd"`
	Even           picture   `json:"even"`
	OddLinear      []picture `json:"odd linear"`
	OddNearest     []picture `json:"odd nearest"`
	EvenLinear     []picture `json:"even linear"`
	UpsideDown     picture   `json:"odd flip 0"`
	Mirrored       picture   `json:"odd flip 1"`
	Center         picture   `json:"odd center 4 x 7"`
	Gray           picture   `json:"odd gray"`
	Mean           []float32 `json:"mean"`
	Std            []float32 `json:"std"`
	Tensor         []float32 `json:"odd tensor"`
	Normalized     []float32 `json:"odd normalized"`
	GrayNormalized []float32 `json:"odd gray normalized"`
}

func load(t *testing.T) *goldens {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	g := new(goldens)
	require.NoError(t, json.Unmarshal(data, g))
	return g
}

// same compares pixels, exactly.
func same(t *testing.T, want picture, got *vision.Image) {
	t.Helper()
	assert.Equal(t, want.Width, got.Width)
	assert.Equal(t, want.Height, got.Height)
	assert.Equal(t, want.Pix, got.Pix)
}

// refused runs body, which must panic as torch's functions do.
func refused(t *testing.T, want string, body func()) {
	t.Helper()
	defer func() {
		t.Helper()
		err, ok := recover().(*torch.Error)
		require.True(t, ok, "want a panic with a *torch.Error")
		assert.ErrorContains(t, err, want)
	}()
	body()
}

func TestResizeIsOpenCVs(t *testing.T) {
	g := load(t)
	f := func(from picture, all []picture) {
		t.Helper()
		for _, want := range all {
			same(t, want, transforms.Resize(want.Height, want.Width).Run(from.Image))
		}
	}
	f(g.Odd, g.OddLinear)
	f(g.Even, g.EvenLinear)
	assert.Same(t, g.Odd.Image, transforms.Resize(9, 13).Run(g.Odd.Image))
	square := transforms.Resize(6).Run(g.Odd.Image)
	assert.Equal(t, [2]int{6, 6}, [2]int{square.Width, square.Height})
}

func TestFlips(t *testing.T) {
	g := load(t)
	same(t, g.UpsideDown, transforms.RandomHorizontalFlip(1).Run(g.Odd.Image)) // sic
	same(t, g.Mirrored, transforms.RandomVerticalFlip(1).Run(g.Odd.Image))     // sic
	assert.Same(t, g.Odd.Image, transforms.RandomHorizontalFlip(0).Run(g.Odd.Image))
	assert.Same(t, g.Odd.Image, transforms.RandomVerticalFlip(0).Run(g.Odd.Image))
}

func TestFlipsAreAsLikelyAsAsked(t *testing.T) {
	g := load(t)
	f := func(step transforms.Randomized) {
		t.Helper()
		r := rand.New(rand.NewPCG(1, 2))
		flipped := 0
		for range 1000 {
			if step.RunWith(r, g.Odd.Image) != g.Odd.Image {
				flipped++
			}
		}
		assert.InDelta(t, 250, flipped, 45) // within three standard deviations
	}
	f(transforms.RandomHorizontalFlip(0.25))
	f(transforms.RandomVerticalFlip(0.25))
}

func TestCenterCrop(t *testing.T) {
	g := load(t)
	same(t, g.Center, transforms.CenterCrop(4, 7).Run(g.Odd.Image))
	assert.Same(t, g.Odd.Image, transforms.CenterCrop(9, 13).Run(g.Odd.Image))
}

// position numbers the pixels of a picture of w × h.
func position(w, h int) *vision.Image {
	m := vision.Acquire(w, h)
	for i := range w * h {
		m.Pix[3*i], m.Pix[3*i+1], m.Pix[3*i+2] = byte(i%w), byte(i/w), 77
	}
	return m
}

func TestRandomCropReachesEveryPlace(t *testing.T) {
	m := position(5, 4)
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[[2]byte]int{}
	for range 1000 {
		out := transforms.RandomCrop(3, 4).RunWith(r, m)
		assert.Equal(t, [2]int{4, 3}, [2]int{out.Width, out.Height})
		x, y := out.Pix[0], out.Pix[1]
		assert.Equal(t, []byte{x + 3, y + 2, 77}, out.Pix[len(out.Pix)-3:])
		seen[[2]byte{x, y}]++
	}
	assert.Len(t, seen, 4)
	for _, n := range seen {
		assert.InDelta(t, 250, n, 45)
	}
}

func TestGrayscaleIsPillows(t *testing.T) {
	g := load(t)
	same(t, g.Gray, transforms.Grayscale().Run(g.Odd.Image).Image)
	same(t, g.Gray, transforms.Grayscale().Run(g.Gray.Image).Image) // twice changes nothing
}

func TestRefuses(t *testing.T) {
	m := position(5, 4)
	f := func(step interface{}, input interface{}, want string) {
		t.Helper()
		refused(t, want, func() { transforms.Compose(step).Run(input) })
	}
	f(transforms.CenterCrop(5), m, "cannot cut 5 x 5 pixels out of 5 x 4")
	f(transforms.RandomCrop(4, 6), m, "cannot cut 6 x 4 pixels out of 5 x 4")
	f(transforms.RandomCrop(0), m, "0 x 0 pixels were asked for")
	f(transforms.Resize(3, -1), m, "-1 x 3 pixels were asked for")
	f(transforms.RandomResizedCrop(0), m, "0 x 0")
	f(transforms.Resize(2), &vision.Image{}, "0 x 0 pixels")
	f(transforms.Resize(2), &vision.Image{Width: 2, Height: 2, Pix: make([]byte, 4)}, "in 4 bytes")
	f(transforms.RandomHorizontalFlip(1), (*vision.Image)(nil), "nil")
	f(transforms.RandomVerticalFlip(1), &vision.Image{}, "0 x 0")
	f(transforms.Grayscale(), &vision.Image{}, "0 x 0")
	f(transforms.ToTensor(), "hello", "cannot make a tensor of a string")
	f(transforms.ToTensor(), []*vision.Image{}, "no pictures")
	f(transforms.ToTensor(), []*vision.Image{m, position(4, 4)}, "differ in size")
	f(transforms.Normalize(nil, []float32{1}), torch.Tensor{}, "number for each channel")
	f(transforms.Normalize([]float32{1}, []float32{1, 0, 1}), torch.Tensor{}, "no deviation is 0")
}

func TestToTensor(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	g := load(t)
	f := func(input interface{}, want []float32, shape ...int64) {
		t.Helper()
		x := transforms.ToTensor().Run(input)
		defer x.Close()
		assert.Equal(t, shape, x.Shape())
		assert.Equal(t, want, torch.Slice[float32](x))
	}
	f(g.Odd.Image, g.Tensor, 3, 9, 13)
	f(g.Odd.RGBA(), g.Tensor, 3, 9, 13)
	f([]*vision.Image{g.Odd.Image, g.Odd.Image}, append(g.Tensor[:3*9*13:3*9*13], g.Tensor...), 2, 3, 9, 13)

	small := &vision.Image{Width: 1, Height: 2, Pix: []byte{0, 0, 0, 255, 255, 255}}
	f(transforms.Gray{Image: small}, []float32{0, 1}, 2, 1)
	f([]transforms.Gray{{Image: small}, {Image: small}}, []float32{0, 1, 0, 1}, 2, 1, 2, 1)
	gray := image.NewGray(image.Rect(0, 0, 2, 3))
	gray.SetGray(1, 2, color.Gray{Y: 51})
	f(gray, []float32{0, 0, 0, 0, 0, 0.2}, 3, 2)
	gray16 := image.NewGray16(image.Rect(0, 0, 1, 1))
	gray16.SetGray16(0, 0, color.Gray16{Y: 0xffff})
	f(gray16, []float32{1}, 1, 1)

	x := transforms.ToTensor().Run(10)
	defer x.Close()
	assert.Equal(t, []int64{1}, x.Shape())
	assert.Equal(t, []int32{10}, torch.Slice[int32](x))
}

// The subtraction and the division are libtorch's, as in torchvision, so the
// results are equal and not merely close.
func TestNormalizeIsTorchvisions(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	g := load(t)
	f := func(chain *transforms.ComposeTransformer, want []float32, shape ...int64) {
		t.Helper()
		torch.Scope(func(func(torch.Tensor) torch.Tensor) {
			x := chain.Run(g.Odd.Image).(torch.Tensor)
			assert.Equal(t, shape, x.Shape())
			assert.Equal(t, want, torch.Slice[float32](x))
		})
	}
	f(transforms.Compose(transforms.ToTensor(), transforms.Normalize(g.Mean, g.Std)), g.Normalized, 3, 9, 13)
	f(transforms.Compose(transforms.Grayscale(), transforms.ToTensor(),
		transforms.Normalize([]float32{0.1307}, []float32{0.3081})), g.GrayNormalized, 1, 9, 13)
}

func TestNormalizeClosesWhatItMakes(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	x := transforms.ToTensor().Run(position(3, 2))
	defer x.Close()
	transforms.Normalize([]float32{0.5}, []float32{1, 2, 3}).Run(x).Close()
	refused(t, "size", func() { transforms.Normalize([]float32{0.5}, []float32{1, 2}).Run(x) })
}

func TestStepsMayRunAtOnce(t *testing.T) {
	g := load(t)
	chain := transforms.Compose(transforms.RandomResizedCrop(8), transforms.RandomHorizontalFlip(0.5), transforms.RandomCrop(6))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				out := chain.Run(g.Odd.Image).(*vision.Image)
				assert.Equal(t, 6*6*3, len(out.Pix))
			}
		})
	}
	wg.Wait()
}
