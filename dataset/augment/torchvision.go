package augment

import (
	"fmt"
	"math"

	"github.com/torchlit/torchlit/dataset/augment/imageops"
)

// torchvision's policies take an operation's parameter from a row of bins, evenly spaced in single precision.

// space says which parameter an operation of torchvision has in each bin of a row.
type space struct {
	shear      float64 // of the last bin
	translate  float64 // pixels at the last bin; with relative, a share of the side
	relative   bool
	degrees    float64
	enhance    float64 // distance of the factor from 1
	posterize  float64 // bits dropped at the last bin
	withInvert bool
}

var (
	autoSpace    = space{shear: 0.3, translate: 150.0 / 331, relative: true, degrees: 30, enhance: 0.9, posterize: 4, withInvert: true}
	randSpace    = space{shear: 0.3, translate: 150.0 / 331, relative: true, degrees: 30, enhance: 0.9, posterize: 4}
	trivialSpace = space{shear: 0.99, translate: 32, degrees: 135, enhance: 0.99, posterize: 6}
)

// ops lists torchvision's operations in the order in which it chooses by index.
var torchvisionOps = []op{opIdentity, opShearX, opShearY, opTranslateX, opTranslateY, opRotate, opBrightness, opColor, opContrast, opSharpness,
	opPosterize, opSolarize, opAutoContrast, opEqualize}

// linspace is bin i of torch.linspace(from, to, bins) in single precision, up to the last bit, which in torch depends on the
// processor: it counts from the nearer end, and products are fused with sums or not.
func linspace(from, to float64, bins, i int) float64 {
	step := float64((float32(to) - float32(from)) / float32(bins-1))
	if i < bins/2 {
		return float64(float32(float64(float32(from)) + float64(step*float64(i))))
	}
	return float64(float32(float64(float32(to)) - float64(step*float64(bins-1-i))))
}

// signed tells whether an operation's parameter has a direction.
func (o op) signed() bool {
	switch o {
	case opShearX, opShearY, opTranslateX, opTranslateY, opRotate, opBrightness, opColor, opContrast, opSharpness:
		return true
	}
	return false
}

// step is the operation with the parameter of a bin, turned round if it has a direction and negate is set.
func (p *space) step(o op, bin, bins int, negate bool, width, height int, filter imageops.Filter) step {
	s := step{op: o}
	sign := 1.0
	if negate && o.signed() {
		sign = -1
	}
	switch o {
	case opShearX, opShearY:
		s.value = sign * linspace(0, p.shear, bins, bin)
	case opTranslateX, opTranslateY:
		most := p.translate
		if p.relative && o == opTranslateX {
			most *= float64(width)
		} else if p.relative {
			most *= float64(height)
		}
		s.value = -math.Trunc(sign * linspace(0, most, bins, bin)) // a positive shift goes right and down
	case opRotate:
		s.value = sign * linspace(0, p.degrees, bins, bin)
	case opBrightness, opColor, opContrast, opSharpness:
		s.value = 1 + sign*linspace(0, p.enhance, bins, bin)
	case opPosterize:
		s.value = 8 - math.RoundToEven(float64(float32(bin)/float32(float64(bins-1)/p.posterize)))
	case opSolarize:
		s.value = linspace(255, 0, bins, bin)
	}
	if s.op >= opRotate {
		s.filter = filter
	}
	return s
}

// tvRand is torchvision's RandAugment: operations of one magnitude, chosen with replacement.
type tvRand struct {
	layers, magnitude, bins int
	filter                  imageops.Filter
}

// draw takes two numbers an operation: which, and its direction.
func (a *tvRand) draw(r *random, width, height int, steps []step) []step {
	for range a.layers {
		o, negate := torchvisionOps[r.Below(len(torchvisionOps))], r.hit(0.5)
		steps = append(steps, randSpace.step(o, a.magnitude, a.bins, negate, width, height, a.filter))
	}
	return steps
}

func (a *tvRand) String() string {
	return fmt.Sprintf("RandAugment(num_ops=%d, magnitude=%d, num_magnitude_bins=%d)", a.layers, a.magnitude, a.bins)
}

// trivial is torchvision's TrivialAugmentWide: one operation of any magnitude.
type trivial struct {
	bins   int
	filter imageops.Filter
}

// draw takes three numbers: which operation, its bin and its direction.
func (a *trivial) draw(r *random, width, height int, steps []step) []step {
	o, bin, negate := torchvisionOps[r.Below(len(torchvisionOps))], r.Below(a.bins), r.hit(0.5)
	return append(steps, trivialSpace.step(o, bin, a.bins, negate, width, height, a.filter))
}

func (a *trivial) String() string {
	return fmt.Sprintf("TrivialAugmentWide(num_magnitude_bins=%d)", a.bins)
}

// tvAuto is torchvision's AutoAugment: one of the policy's pairs, each operation with its probability.
type tvAuto struct {
	name   string
	pairs  [][2]tvUse
	filter imageops.Filter
}

// tvUse is an operation as a policy lists it; bin counts from 0 to 9.
type tvUse struct {
	op          op
	probability float64
	bin         int
}

// draw takes five numbers: which pair, two for the probabilities, two for the directions.
func (a *tvAuto) draw(r *random, width, height int, steps []step) []step {
	pair := &a.pairs[r.Below(len(a.pairs))]
	probabilities := [2]float64{r.unit(), r.unit()}
	negate := [2]bool{r.hit(0.5), r.hit(0.5)}
	for i, u := range pair {
		if probabilities[i] <= u.probability {
			steps = append(steps, autoSpace.step(u.op, u.bin, 10, negate[i], width, height, a.filter))
		}
	}
	return steps
}

func (a *tvAuto) String() string {
	return fmt.Sprintf("AutoAugment(policy=%s, %d pairs)", a.name, len(a.pairs))
}
