package dataset

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/torchlit/torchlit/dataset/internal/splitmix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// writePNG writes an image of one colour.
func writePNG(t *testing.T, path string, width, height int, c color.NRGBA) {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.SetNRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	write(t, path, b.Bytes())
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, data, 0o644))
}

func grey(v uint8) color.NRGBA { return color.NRGBA{v, v, v, 255} }

// numbered returns n images of 4×4 pixels; every byte of image i is i%251 and
// its label is i%10.
func numbered(n int) *Set {
	s := &Set{Classes: CIFAR10Classes(), Height: 4, Width: 4}
	for i := range n {
		s.Images = append(s.Images, bytes.Repeat([]byte{byte(i % 251)}, s.imageLen())...)
		s.Labels = append(s.Labels, int64(i%10))
	}
	return s
}

// noise returns n images with every byte different from its neighbours.
func noise(n, height, width int) *Set {
	s := &Set{Classes: []string{"only"}, Height: height, Width: width, Labels: make([]int64, n)}
	r := splitmix.Seeded(99)
	s.Images = make([]byte, n*s.imageLen())
	for i := range s.Images {
		s.Images[i] = byte(r.Next())
	}
	return s
}
