package main

import (
	"bytes"
	"context"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/examples/internal/digits"
	"github.com/torchlit/torchlit/torch"
	"github.com/torchlit/torchlit/torch/torchtest"
)

func TestItPlaysAndDraws(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	dir := t.TempDir()
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), []string{"-images", "96", "-batch", "16", "-epochs", "3", "-output", dir}, &out))
	text := out.String()

	// In the first rounds the discriminator learns faster than the generator.
	var losses []float64
	for _, m := range regexp.MustCompile(`discriminator's loss ([\d.]+)`).FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		losses = append(losses, v)
	}
	require.Len(t, losses, 3, text)
	assert.Less(t, losses[2], losses[0])

	first, last := pixels(t, filepath.Join(dir, "epoch-01.png")), pixels(t, filepath.Join(dir, "epoch-03.png"))
	assert.NotEqual(t, first, last)
}

// pixels reads a picture of samples and makes sure that they are not all alike.
func pixels(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	m, err := png.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	assert.Equal(t, columns*zoom*(digits.Side+1), m.Bounds().Dx())
	assert.Equal(t, m.Bounds().Dx(), m.Bounds().Dy())
	shades := map[uint32]bool{}
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			v, _, _, _ := m.At(x, y).RGBA()
			shades[v] = true
		}
	}
	assert.Greater(t, len(shades), 10)
	return data
}

func TestShapes(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		pictures := newGenerator().Forward(noise(3, torch.Device{}))
		assert.Equal(t, []int64{3, 1, digits.Side, digits.Side}, pictures.Shape())
		assert.LessOrEqual(t, torch.Max(pictures.Abs()).Float64(), 1.0)
		assert.Equal(t, []int64{3, 1, 1, 1}, newDiscriminator().Forward(pictures).Shape())
	})
}

// Each step moves the weights of one network alone.
func TestARoundMovesBothNetworks(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	g := newGame(1e-3, torch.Device{})
	defer g.close()
	weights := func() (all [2][]float32) {
		all[0] = torch.Slice[float32](g.generator.Parameters()[0])
		all[1] = torch.Slice[float32](g.discriminator.Parameters()[0])
		return all
	}
	before := weights()
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		d, g := g.round(torch.Rand([]int64{4, 1, digits.Side, digits.Side}, false))
		assert.InDelta(t, 1.39, d.Float64(), 0.7, "a new discriminator guesses: twice ln 2")
		assert.Greater(t, g.Float64(), 0.0)
	})
	after := weights()
	assert.NotEqual(t, before[0], after[0])
	assert.NotEqual(t, before[1], after[1])
}

func TestGrid(t *testing.T) {
	values := make([]float32, samples*digits.Side*digits.Side)
	for i := range values {
		values[i] = -1
	}
	sample := columns + 2 // in the second row, the third column
	values[sample*digits.Side*digits.Side+5*digits.Side+7] = 1
	m := grid(values)
	const cell = zoom * (digits.Side + 1)
	white := 0
	for _, v := range m.Pix {
		if v == 255 {
			white++
		}
	}
	assert.Equal(t, zoom*zoom, white)
	assert.EqualValues(t, 255, m.GrayAt(2*cell+7*zoom, cell+5*zoom).Y)
}

func TestItSaysWhatIsWrong(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	f := func(ctx context.Context, want string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		assert.ErrorContains(t, run(ctx, args, &out), want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f(ctx, "flag -lr: it must be above 0", "-lr", "0")
	f(ctx, "cannot use argument", "samples")
	f(ctx, `cannot use device "tpu"`, "-device", "tpu")
	cancel()
	f(ctx, "context canceled", "-images", "16", "-output", t.TempDir())
}

func TestSaveNeedsAFolder(t *testing.T) {
	torchtest.Need(t)
	torchtest.NoLeak(t)
	g := newGame(1e-3, torch.Device{})
	defer g.close()
	torch.Scope(func(func(torch.Tensor) torch.Tensor) {
		err := g.save(filepath.Join(t.TempDir(), "none", "samples.png"), noise(samples, torch.Device{}))
		assert.ErrorContains(t, err, "cannot save the samples")
	})
}
