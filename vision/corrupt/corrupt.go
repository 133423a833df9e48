// Package corrupt spoils images as cameras, weather and transport do, in known strengths: to see whether a model holds, and
// whether whoever watches it notices.
//
// The corruptions and their five severities are those of Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to
// Common Corruptions and Perturbations", ICLR 2019 (arXiv 1903.12261). Images whose shorter side has at most SmallSide pixels get the parameters of
// CIFAR-10-C, larger ones those of ImageNet-C, which are made for some 224 pixels: a blur of six pixels is hardly seen in a photo of
// 4,000 that is shrunk afterwards, so shrink it first.
package corrupt

import (
	"fmt"
	"image"
	"strings"
)

// SmallSide is the shorter side in pixels up to which an image is corrupted as CIFAR-10-C is.
const SmallSide = 64

// Severities is the highest severity; the lowest is 1.
const Severities = 5

// raster is a picture of w×h pixels of R, G, B, row-major.
type raster struct {
	w, h int
	pix  []byte
}

// parameters are those of one corruption by severity; what they are is the corruption's affair.
type parameters [Severities][2]float64

// kind is one corruption.
type kind struct {
	name         string
	small, large parameters
	// apply returns new pixels of m. It may not change m.
	apply func(m raster, p [2]float64, seed uint64) ([]byte, error)
}

// kinds lists the corruptions by name, with the parameters of CIFAR-10-C and ImageNet-C.
var kinds = []kind{
	{"brightness", // added to HSV's value
		parameters{{.05}, {.1}, {.15}, {.2}, {.3}}, parameters{{.1}, {.2}, {.3}, {.4}, {.5}}, brightness},
	{"contrast", // that is left
		parameters{{.75}, {.5}, {.4}, {.3}, {.15}}, parameters{{.4}, {.3}, {.2}, {.1}, {.05}}, contrast},
	{"defocus_blur", // radius of the disk, standard deviation of its edge, in pixels
		parameters{{.3, .4}, {.4, .5}, {.5, .6}, {1, .2}, {1.5, .1}}, parameters{{3, .1}, {4, .5}, {6, .5}, {8, .5}, {10, .5}}, defocusBlur},
	{"fog", // thickness, roughness: what the fractal's noise is divided by from scale to scale
		parameters{{.2, 3}, {.5, 3}, {.75, 2.5}, {1, 2}, {1.5, 1.75}}, parameters{{1.5, 2}, {2, 2}, {2.5, 1.7}, {2.5, 1.5}, {3, 1.4}}, fog},
	{"gaussian_blur", // standard deviation in pixels
		parameters{{.4}, {.6}, {.7}, {.8}, {1}}, parameters{{1}, {2}, {3}, {4}, {6}}, gaussianBlur},
	{"gaussian_noise", // standard deviation, of channels in 0…1
		parameters{{.04}, {.06}, {.08}, {.09}, {.1}}, parameters{{.08}, {.12}, {.18}, {.26}, {.38}}, gaussianNoise},
	{"jpeg_compression", // quality as libjpeg has it
		parameters{{80}, {65}, {58}, {50}, {40}}, parameters{{25}, {18}, {15}, {10}, {7}}, jpegCompression},
	{"pixelate", // share of the pixels a side that is left
		parameters{{.95}, {.9}, {.85}, {.75}, {.65}}, parameters{{.6}, {.5}, {.4}, {.3}, {.25}}, pixelate},
}

// Names lists the corruptions, sorted.
func Names() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}

// Apply returns a corrupted copy of an image: width×height pixels of three bytes R, G, B, row-major, both sides at least 1. The name is one of Names,
// severity goes from 1 to Severities. What is random depends on the seed alone: the same arguments give the same pixels. Many
// goroutines may call it at once.
func Apply(name string, severity int, pixels []byte, width, height int, seed uint64) ([]byte, error) {
	if width < 1 || height < 1 || len(pixels) != width*height*3 {
		return nil, fmt.Errorf("cannot corrupt an image of %d×%d pixels in %d bytes: give three bytes a pixel", width, height, len(pixels))
	}
	k, err := find(name, severity)
	if err != nil {
		return nil, err
	}
	of := k.large
	if min(width, height) <= SmallSide {
		of = k.small
	}
	return k.apply(raster{width, height, pixels}, of[severity-1], seed)
}

// Check reports a name or a severity that Apply would refuse.
func Check(name string, severity int) error {
	_, err := find(name, severity)
	return err
}

func find(name string, severity int) (*kind, error) {
	if severity < 1 || severity > Severities {
		return nil, fmt.Errorf("cannot corrupt with severity %d: give 1 to %d", severity, Severities)
	}
	for i := range kinds {
		if kinds[i].name == name {
			return &kinds[i], nil
		}
	}
	return nil, fmt.Errorf("cannot corrupt by %q: known are %s", name, strings.Join(Names(), ", "))
}

// sample makes a byte of a channel value of 0…255, and cuts what lies beyond. Fractions are cut off, as NumPy's conversion does
// and so the benchmark's images have it; the grain keeps a whole number whole that lies a rounding error lower.
func sample(v float64) byte {
	const grain = 1e-6
	return byte(max(0, min(255, v+grain)))
}

func (m raster) rgba() *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, m.w, m.h))
	for i, j := 0, 0; i < len(m.pix); i, j = i+3, j+4 {
		out.Pix[j], out.Pix[j+1], out.Pix[j+2], out.Pix[j+3] = m.pix[i], m.pix[i+1], m.pix[i+2], 255
	}
	return out
}
