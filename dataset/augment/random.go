package augment

import (
	"math"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/dataset/internal/splitmix"
)

// The stages of a pipeline draw from streams of their own, which depend on the key and on these numbers. So one that is switched
// on, or that draws more than before, leaves what the others do as it was. The numbers are what makes a training run repeat: none
// changes its meaning or is used again. dataset has 1 and 2.
const (
	streamCrop      = 16
	streamHFlip     = 17
	streamVFlip     = 18
	streamAuto      = 19
	streamJitter    = 20
	streamGrayscale = 21
	streamBlur      = 22
	streamErase     = 23
	streamCutout    = 24
	streamMix       = 25
)

// random is a stream with the draws that augmentations make of it. Every draw says how many numbers of the stream it takes.
type random struct{ splitmix.Random }

// newStream mixes the stream's number and the key into one starting state.
func newStream(stream uint64, key dataset.Key) random {
	return random{splitmix.Seeded(stream, key.Seed, uint64(key.Epoch), uint64(key.Index))}
}

// between is evenly spread over from … to, both included. It takes one number.
func (r *random) between(from, to int) int { return from + r.Below(to-from+1) }

// unit is evenly spread over [0, 1). It takes one number.
func (r *random) unit() float64 { return float64(r.Next()>>11) / (1 << 53) }

// uniform is evenly spread over [from, to). It takes one number.
func (r *random) uniform(from, to float64) float64 { return from + float64((to-from)*r.unit()) }

// hit is true with probability p. It takes one number.
func (r *random) hit(p float64) bool { return r.unit() < p }

// normal has mean 0 and deviation 1 (Box and Muller's way). It takes two numbers.
func (r *random) normal() float64 {
	radius := math.Sqrt(-2 * math.Log(1-r.unit()))
	return radius * math.Cos(2*math.Pi*r.unit())
}

// gamma has the given shape and scale 1 (Marsaglia and Tsang, "A simple method for generating gamma variables"). It takes as many
// numbers as it needs.
func (r *random) gamma(shape float64) float64 {
	if shape < 1 {
		return r.gamma(shape+1) * math.Pow(1-r.unit(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.normal()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-r.unit()) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// beta has both parameters equal, as Mixup and CutMix have them. Small ones, whose gamma variables vanish in floating point, go
// Jöhnk's way in logarithms. It takes as many numbers as it needs.
func (r *random) beta(alpha float64) float64 {
	if alpha > 1 {
		a, b := r.gamma(alpha), r.gamma(alpha)
		return a / (a + b)
	}
	for {
		// u^(1/alpha) and v^(1/alpha), of which the sum must not exceed 1
		a, b := math.Log(1-r.unit())/alpha, math.Log(1-r.unit())/alpha
		most := max(a, b)
		sum := most + math.Log(math.Exp(a-most)+math.Exp(b-most))
		if sum <= 0 {
			return math.Exp(a - sum)
		}
	}
}

// dirichlet fills weights with shares that sum to 1, all with the parameter alpha.
func (r *random) dirichlet(weights []float64, alpha float64) {
	sum := 0.0
	for i := range weights {
		weights[i] = r.gamma(alpha)
		sum += weights[i]
	}
	if sum == 0 { // a tiny alpha, whose variables all vanished: one of them would have been by far the largest
		weights[r.Below(len(weights))], sum = 1, 1
	}
	for i := range weights {
		weights[i] /= sum
	}
}
