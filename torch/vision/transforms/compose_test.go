package transforms_test

import (
	"fmt"
	"image/color"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	torchvision "github.com/torchlit/torchlit/torch/vision"
	"github.com/torchlit/torchlit/torch/vision/transforms"
	"github.com/torchlit/torchlit/vision"
)

type plus struct{ n int }

func (p plus) Run(x int) int { return x + p.n }

type divMod struct{ n int }

func (d divMod) Run(x int) (int, int) { return x / d.n, x % d.n }

type sum struct{}

func (*sum) Run(xs ...int) int {
	total := 0
	for _, x := range xs {
		total += x
	}
	return total
}

type dim struct{}

func (dim) Run(m *vision.Image) *vision.Image {
	out := vision.Acquire(m.Width, m.Height)
	for i, v := range m.Pix {
		out.Pix[i] = v / 2
	}
	return out
}

type mute struct{}

func TestCompose(t *testing.T) {
	f := func(want interface{}, input interface{}, steps ...interface{}) {
		t.Helper()
		assert.Equal(t, want, transforms.Compose(steps...).Run(input))
	}
	f(2, 2)
	f("as it is", "as it is")
	f(12, 2, plus{10})
	f(12, 2, &plus{10})
	f(6, 23, divMod{5}, &sum{}, plus{-1})
	f(13, 2, transforms.Compose(plus{10}), transforms.Compose(), plus{1})

	m := position(4, 4)
	out := transforms.Compose(transforms.CenterCrop(2), dim{}).Run(m).(*vision.Image)
	assert.Equal(t, []byte{0, 0, 38, 1, 0, 38, 0, 1, 38, 1, 1, 38}, out.Pix)
	assert.Equal(t, 8, 3+transforms.Compose(&sum{}).Run(2, 3).(int))
}

func TestComposeRefuses(t *testing.T) {
	f := func(want string, input interface{}, steps ...interface{}) {
		t.Helper()
		refused(t, want, func() { transforms.Compose(steps...).Run(input) })
	}
	f("transforms_test.mute has no method Run", 1, mute{})
	f("nil", 1, nil)
	f("2 results", 7, divMod{2})
	f("cannot take a string", "seven", plus{1})
	f("cannot take a <nil>", nil, plus{1})
	f("cannot take 2 values", 7, divMod{2}, plus{1})
	f("cannot take a transforms.Gray", position(2, 2), transforms.Grayscale(), transforms.Resize(2))
}

// TestRunWith: chains draw all their lots from the source that they are given.
func TestRunWith(t *testing.T) {
	m := position(40, 30)
	chain := transforms.Compose(
		transforms.Compose(transforms.RandomResizedCrop(16)),
		transforms.RandomCrop(9),
		transforms.RandomHorizontalFlip(0.5),
		transforms.RandomVerticalFlip(0.5))
	run := func(seed uint64) []byte {
		return chain.RunWith(rand.New(rand.NewPCG(seed, 0)), m).(*vision.Image).Pix
	}
	different := map[string]bool{}
	for seed := range uint64(20) {
		assert.Equal(t, run(seed), run(seed))
		different[string(run(seed))] = true
	}
	assert.Greater(t, len(different), 15)
	assert.Equal(t, position(40, 30).Pix, m.Pix) // the input is only read
}

func ExampleCompose() {
	blue := vision.FromImage(torchvision.SynthesizeImage(469, 387, color.RGBA{0, 0, 255, 255}))
	chain := transforms.Compose(transforms.Resize(256), transforms.CenterCrop(224))
	out := chain.Run(blue).(*vision.Image)
	fmt.Println(out.Width, out.Height, out.Pix[:3])
	// Output: 224 224 [0 0 255]
}
