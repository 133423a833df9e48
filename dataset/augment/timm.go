package augment

import (
	"math"

	"github.com/torchlit/torchlit/dataset/augment/imageops"
)

// timm's policies turn one magnitude, on a scale of 10, into each operation's own parameter. Several operations exist twice: in the
// form of the first published code, which is not always stronger at a greater magnitude, and in an "increasing" form, which is.

const levels = 10 // of timm's scale

// timmOp is an operation by timm's name. value turns a magnitude into the step's parameter; negate is a coin that some of them
// throw for a direction, and size is the side that a relative shift is a share of.
type timmOp struct {
	name  string
	op    op
	value func(level float64, negate bool, t *timmTuning, width, height int) float64
}

// timmTuning is what the sections of a policy's string, and the kind of policy, set for all its operations.
type timmTuning struct {
	std       float64 // deviation of the magnitude; +Inf: evenly spread from 0 to the magnitude
	most      float64 // the largest magnitude
	translate float64 // the largest shift, as a share of the side, at magnitude 10
	filters   []imageops.Filter
}

func fixed(value func(level float64) float64) func(float64, bool, *timmTuning, int, int) float64 {
	return func(level float64, _ bool, _ *timmTuning, _, _ int) float64 { return value(level) }
}

func signed(value func(level float64) float64) func(float64, bool, *timmTuning, int, int) float64 {
	return func(level float64, negate bool, _ *timmTuning, _, _ int) float64 {
		if negate {
			return -value(level)
		}
		return value(level)
	}
}

func factor(level float64) float64 { return level/levels*1.8 + 0.1 }

// increasingFactor moves away from 1, which changes nothing, in either direction.
func increasingFactor(level float64, negate bool, _ *timmTuning, _, _ int) float64 {
	level = level / levels * 0.9
	if negate {
		level = -level
	}
	return max(0.1, 1+level)
}

func bitsAt(level float64) float64 { return math.Trunc(level / levels * 4) }

func threshold(level float64) float64 { return min(256, math.Trunc(level/levels*256)) }

func shift(side func(width, height int) int) func(float64, bool, *timmTuning, int, int) float64 {
	return func(level float64, negate bool, t *timmTuning, width, height int) float64 {
		share := level / levels * t.translate
		if negate {
			share = -share
		}
		return share * float64(side(width, height))
	}
}

func between(from, to float64) func(float64) float64 {
	return func(level float64) float64 {
		return max(from, min(to, from+(to-from)*(level/levels)))
	}
}

var timmOps = []timmOp{
	{"AutoContrast", opAutoContrast, nil},
	{"Equalize", opEqualize, nil},
	{"Invert", opInvert, nil},
	{"Rotate", opRotate, signed(func(level float64) float64 { return level / levels * 30 })},
	{"Posterize", opPosterize, fixed(bitsAt)},
	{"PosterizeIncreasing", opPosterize, fixed(func(level float64) float64 { return 4 - bitsAt(level) })},
	{"PosterizeOriginal", opPosterize, fixed(func(level float64) float64 { return bitsAt(level) + 4 })},
	{"Solarize", opSolarize, fixed(threshold)},
	{"SolarizeIncreasing", opSolarize, fixed(func(level float64) float64 { return 256 - threshold(level) })},
	{"SolarizeAdd", opSolarizeAdd, fixed(func(level float64) float64 { return min(128, math.Trunc(level/levels*110)) })},
	{"Color", opColor, fixed(factor)},
	{"ColorIncreasing", opColor, increasingFactor},
	{"Contrast", opContrast, fixed(factor)},
	{"ContrastIncreasing", opContrast, increasingFactor},
	{"Brightness", opBrightness, fixed(factor)},
	{"BrightnessIncreasing", opBrightness, increasingFactor},
	{"Sharpness", opSharpness, fixed(factor)},
	{"SharpnessIncreasing", opSharpness, increasingFactor},
	{"ShearX", opShearX, signed(func(level float64) float64 { return level / levels * 0.3 })},
	{"ShearY", opShearY, signed(func(level float64) float64 { return level / levels * 0.3 })},
	{"TranslateXRel", opTranslateX, shift(func(width, _ int) int { return width })},
	{"TranslateYRel", opTranslateY, shift(func(_, height int) int { return height })},
	{"Desaturate", opColor, fixed(func(level float64) float64 { return min(1, max(0, 1-between(0.5, 1)(level))) })},
	{"GaussianBlur", opGaussianBlur, fixed(between(0.1, 2))},
	{"GaussianBlurRand", opGaussianBlur, fixed(between(0, 1))}, // a share; timmUse.draw makes it a radius
}

// timmUse is an operation as a policy lists it.
type timmUse struct {
	*timmOp
	probability float64
	magnitude   float64
}

func use(name string, probability, magnitude float64) timmUse {
	for i := range timmOps {
		if timmOps[i].name == name {
			return timmUse{&timmOps[i], probability, magnitude}
		}
	}
	panic("BUG: augment: no operation " + name)
}

// draw takes six numbers, whether the operation is left out or not: one for that, two for the magnitude, one each for the
// direction, the filter and the radius of a blur.
func (u timmUse) draw(r *random, t *timmTuning, width, height int) (s step, ok bool) {
	left := r.unit() > u.probability
	magnitude := u.magnitude
	switch {
	case math.IsInf(t.std, 1):
		magnitude = r.uniform(0, magnitude)
		r.Next()
	default:
		magnitude += t.std * r.normal()
	}
	magnitude = max(0, min(magnitude, t.most))
	negate := r.hit(0.5)
	filter := t.filters[r.Below(len(t.filters))]
	spread := r.unit()
	if left {
		return step{}, false
	}
	s = step{op: u.op}
	if s.op >= opRotate {
		s.filter = filter
	}
	if u.value != nil {
		s.value = u.value(magnitude, negate, t, width, height)
	}
	if u.name == "GaussianBlurRand" {
		s.value = blurSigmaMin + (blurSigmaMax*s.value-blurSigmaMin)*spread
	}
	return s, true
}
