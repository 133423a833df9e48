package vision_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"image/color"
	"image/jpeg"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/torch/vision"
)

var orange = color.RGBA{255, 128, 0, 255}

func TestSynthesizeImage(t *testing.T) {
	m := vision.SynthesizeImage(3, 2, orange)
	assert.Equal(t, 3, m.Bounds().Dx())
	assert.Equal(t, 2, m.Bounds().Dy())
	for y := range 2 {
		for x := range 3 {
			assert.Equal(t, orange, m.At(x, y))
		}
	}
}

func TestSynthesizer(t *testing.T) {
	var archive bytes.Buffer
	s := vision.NewSynthesizer(&archive)
	require.NoError(t, s.AddImage("/train/orange/1.jpeg", 20, 10, orange))
	require.NoError(t, s.AddImage("/train/white/1.jpeg", 5, 8, color.White))
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())

	z, err := gzip.NewReader(&archive)
	require.NoError(t, err)
	r := tar.NewReader(z)
	f := func(name string, w, h int, c color.RGBA) {
		t.Helper()
		header, err := r.Next()
		require.NoError(t, err)
		assert.Equal(t, name, header.Name)
		m, err := jpeg.Decode(r)
		require.NoError(t, err)
		assert.Equal(t, w, m.Bounds().Dx())
		assert.Equal(t, h, m.Bounds().Dy())
		got := color.RGBAModel.Convert(m.At(w/2, h/2)).(color.RGBA)
		assert.InDelta(t, c.R, got.R, 3)
		assert.InDelta(t, c.G, got.G, 3)
		assert.InDelta(t, c.B, got.B, 3)
	}
	f("/train/orange/1.jpeg", 20, 10, orange)
	f("/train/white/1.jpeg", 5, 8, color.RGBA{255, 255, 255, 255})
	_, err = r.Next()
	assert.Equal(t, io.EOF, err)
}

func TestSynthesizerRefuses(t *testing.T) {
	f := func(w, h int) {
		t.Helper()
		s := vision.NewSynthesizer(io.Discard)
		assert.ErrorContains(t, s.AddImage("a.jpeg", w, h, orange), `"a.jpeg"`)
		assert.NoError(t, s.Close())
	}
	f(0, 1)
	f(1, -1)
	f(1, 1<<16) // more than JPEG can say
}

type fullDisk struct{}

var errFull = errors.New("no space left")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestSynthesizerReportsWriteErrors(t *testing.T) {
	s := vision.NewSynthesizer(fullDisk{})
	assert.ErrorIs(t, errors.Join(s.AddImage("a.jpeg", 2, 2, orange), s.Close()), errFull)
}

func TestSynthesizerIsClosedForGood(t *testing.T) {
	s := vision.NewSynthesizer(io.Discard)
	require.NoError(t, s.Close())
	assert.ErrorIs(t, s.AddImage("a.jpeg", 2, 2, orange), tar.ErrWriteAfterClose)
}

func ExampleSynthesizer() {
	var archive bytes.Buffer
	s := vision.NewSynthesizer(&archive)
	if err := s.AddImage("train/blue/1.jpeg", 469, 387, color.RGBA{0, 0, 255, 255}); err != nil {
		panic(err)
	}
	if err := s.Close(); err != nil {
		panic(err)
	}
	fmt.Println(archive.Len() > 0)
	// Output: true
}
