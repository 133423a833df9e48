package augment

import (
	"fmt"

	"github.com/torchlit/torchlit/dataset/augment/imageops"
	"github.com/torchlit/torchlit/vision"
)

// op is what a step of an automatic policy does to a picture.
type op uint8

const (
	opIdentity op = iota
	opAutoContrast
	opEqualize
	opInvert
	opPosterize    // value: bits kept
	opSolarize     // threshold
	opSolarizeAdd  // what is added under 128
	opColor        // factor, 1 changes nothing
	opContrast     // the same
	opBrightness   // the same
	opSharpness    // the same
	opGaussianBlur // radius in pixels
	opRotate       // degrees counterclockwise
	opShearX       // columns a row is moved by, to the left
	opShearY       // rows a column is moved by, upwards
	opTranslateX   // pixels to the left
	opTranslateY   // pixels upwards
)

var opNames = [...]string{"Identity", "AutoContrast", "Equalize", "Invert", "Posterize", "Solarize", "SolarizeAdd", "Color", "Contrast",
	"Brightness", "Sharpness", "GaussianBlur", "Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY"}

func (o op) String() string { return opNames[o] }

// step is an operation whose parameters are drawn: it does the same to the same picture each time.
type step struct {
	op     op
	value  float64
	filter imageops.Filter // of the geometric ones
}

func (s step) String() string {
	if s.op >= opRotate {
		return fmt.Sprintf("%v(%.4g, %v)", s.op, s.value, s.filter)
	}
	return fmt.Sprintf("%v(%.4g)", s.op, s.value)
}

// apply changes m; places from outside the picture become fill.
func (s step) apply(m *vision.Image, fill [3]byte) {
	v := s.value
	switch s.op {
	case opIdentity:
	case opAutoContrast:
		imageops.AutoContrast(m)
	case opEqualize:
		imageops.Equalize(m)
	case opInvert:
		imageops.Invert(m)
	case opPosterize:
		imageops.Posterize(m, int(v))
	case opSolarize:
		imageops.Solarize(m, v)
	case opSolarizeAdd:
		imageops.SolarizeAdd(m, int(v), 128)
	case opColor:
		imageops.Color(m, v)
	case opContrast:
		imageops.Contrast(m, v)
	case opBrightness:
		imageops.Brightness(m, v)
	case opSharpness:
		imageops.Sharpness(m, v)
	case opGaussianBlur:
		imageops.GaussianBlur(m, v)
	case opRotate:
		imageops.Rotate(m, v, s.filter, fill)
	default:
		imageops.Affine(m, s.matrix(), s.filter, fill)
	}
}

func (s step) matrix() imageops.Matrix {
	a := imageops.Matrix{1, 0, 0, 0, 1, 0}
	switch s.op {
	case opShearX:
		a[1] = s.value
	case opShearY:
		a[3] = s.value
	case opTranslateX:
		a[2] = s.value
	case opTranslateY:
		a[5] = s.value
	default:
		panic(fmt.Sprintf("BUG: augment: step %v has no matrix", s.op))
	}
	return a
}

// policy draws the steps that a picture of the given size is changed by, one after the other, and appends them to steps.
type policy interface {
	draw(r *random, width, height int, steps []step) []step
	String() string
}

// auto is the stage of a policy.
type auto struct {
	policy policy
	fill   [3]byte
}

func (a *auto) apply(s *scratch) {
	s.steps = a.policy.draw(&s.r, s.img.Width, s.img.Height, s.steps[:0])
	for _, step := range s.steps {
		step.apply(&s.img, a.fill)
	}
}

func (a *auto) String() string { return a.policy.String() }
