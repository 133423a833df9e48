package imageops

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torchlit/torchlit/vision"
)

// goldens mirrors goldens.json, which testdata/make_goldens.py writes and reads.
type goldens struct {
	Pictures []goldenPicture `json:"pictures"`
	Cases    []goldenCase    `json:"cases"`
}

type goldenPicture struct {
	Name   string `json:"name"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

type goldenCase struct {
	Op        string    `json:"op"`
	Args      []float64 `json:"args"`
	Filter    string    `json:"filter,omitempty"`
	Fill      []int     `json:"fill,omitempty"`
	Padding   string    `json:"padding,omitempty"`
	Tolerance int       `json:"tolerance,omitempty"` // the largest difference allowed, of 255
}

// apply does to m what the case says and returns the result.
func (c *goldenCase) apply(m *vision.Image) *vision.Image {
	arg := func(i int) float64 { return c.Args[i] }
	var fill [3]byte
	for i, v := range c.Fill {
		fill[i] = byte(v)
	}
	var filter Filter
	for filter.String() != c.Filter && c.Filter != "" {
		filter++
	}
	switch c.Op {
	case "invert":
		Invert(m)
	case "posterize":
		Posterize(m, int(arg(0)))
	case "solarize":
		Solarize(m, arg(0))
	case "solarize_add":
		SolarizeAdd(m, int(arg(0)), int(arg(1)))
	case "autocontrast":
		AutoContrast(m)
	case "equalize":
		Equalize(m)
	case "grayscale":
		Grayscale(m)
	case "brightness":
		Brightness(m, arg(0))
	case "contrast":
		Contrast(m, arg(0))
	case "color":
		Color(m, arg(0))
	case "sharpness":
		Sharpness(m, arg(0))
	case "hue":
		Hue(m, arg(0))
	case "gaussian_blur":
		GaussianBlur(m, arg(0))
	case "kernel_blur":
		KernelBlur(m, int(arg(0)), arg(1))
	case "affine":
		Affine(m, Matrix(c.Args), filter, fill)
	case "rotate":
		Rotate(m, arg(0), filter, fill)
	case "erase":
		Erase(m, image.Rect(int(arg(0)), int(arg(1)), int(arg(2)), int(arg(3))), fill)
	case "flip_horizontal":
		FlipHorizontal(m)
	case "flip_vertical":
		FlipVertical(m)
	case "window":
		padding, err := ParsePadding(c.Padding)
		if err != nil {
			panic(err)
		}
		dst := blank(int(arg(3)), int(arg(2)))
		Window(dst, m, int(arg(0)), int(arg(1)), padding, fill)
		return dst
	default:
		panic("unknown golden " + c.Op)
	}
	return m
}

func blank(width, height int) *vision.Image {
	return &vision.Image{Width: width, Height: height, Pix: bytes.Repeat([]byte{0xAA}, width*height*3)}
}

// check applies every case to every picture and compares with want, the results in that order. It returns how many of the
// compared bytes differ, and fails where a difference exceeds the case's tolerance.
func (g *goldens) check(t *testing.T, pictures [][]byte, want []byte) (differ, of int) {
	t.Helper()
	for _, c := range g.Cases {
		for i, p := range g.Pictures {
			m := &vision.Image{Width: p.Width, Height: p.Height, Pix: bytes.Clone(pictures[i])}
			got := c.apply(m).Pix
			require.LessOrEqual(t, len(got), len(want), "the goldens end early")
			for j := range got {
				d := int(got[j]) - int(want[j])
				if d != 0 {
					differ++
				}
				if max(d, -d) > c.Tolerance {
					t.Errorf("%v on %s %dx%d: byte %d is %d; want %d", c, p.Name, p.Width, p.Height, j, got[j], want[j])
					break
				}
			}
			of += len(got)
			want = want[len(got):]
		}
	}
	require.Empty(t, want, "there are more goldens than cases")
	return differ, of
}

func readGoldens(t *testing.T, dir string) (g goldens, pictures [][]byte, want []byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "goldens.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &g))
	f, err := os.Open(filepath.Join(dir, "goldens.bin.gz"))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	want, err = io.ReadAll(z)
	require.NoError(t, err)
	for _, p := range g.Pictures {
		n := p.Width * p.Height * 3
		pictures = append(pictures, want[:n])
		want = want[n:]
	}
	return g, pictures, want
}

// TestGoldens: every operation gives Pillow's, torchvision's or timm's bytes.
func TestGoldens(t *testing.T) {
	g, pictures, want := readGoldens(t, "testdata")
	g.check(t, pictures, want)
	seen := map[string]bool{}
	for _, c := range g.Cases {
		seen[c.Op] = true
	}
	require.Len(t, seen, 20, "every operation has goldens")
}

func (c goldenCase) String() string {
	return fmt.Sprintf("%s%v %s%s", c.Op, c.Args, c.Filter, c.Padding)
}
