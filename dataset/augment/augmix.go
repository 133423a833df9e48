package augment

import (
	"fmt"

	"github.com/torchlit/torchlit/dataset/augment/imageops"
	"github.com/torchlit/torchlit/vision"
)

// augMix is timm's AugMix: several chains of operations are mixed with each other, and the mixture with the picture. Hendrycks et
// al., "AugMix: a simple data processing method to improve robustness and uncertainty".
type augMix struct {
	text    string
	uses    []timmUse
	alpha   float64 // of the distributions of the shares
	width   int     // chains
	depth   int     // operations in a chain; below 1: 1 to 3, drawn
	blended bool    // mix in bytes, chain by chain
	tuning  timmTuning
	fill    [3]byte
}

var augMixOps = []string{"AutoContrast", "ColorIncreasing", "ContrastIncreasing", "BrightnessIncreasing", "SharpnessIncreasing", "Equalize",
	"Rotate", "PosterizeIncreasing", "SolarizeIncreasing", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel"}

// maxChains bounds the chains of a mixture and the operations of a chain.
const maxChains = 10

// mixture is what augMix draws.
type mixture struct {
	shares [maxChains]float64 // of the chains in the mixture; they sum to 1
	share  float64            // of the mixture in the result
	ends   [maxChains]int     // where the steps of each chain end
}

// draw appends the steps of all chains to steps.
func (a *augMix) draw(r *random, width, height int, steps []step) (mixture, []step) {
	var m mixture
	r.dirichlet(m.shares[:a.width], a.alpha)
	m.share = r.beta(a.alpha)
	for i := range a.width {
		depth := r.between(1, 3)
		if a.depth > 0 {
			depth = a.depth
		}
		for range depth {
			if s, ok := a.uses[r.Below(len(a.uses))].draw(r, &a.tuning, width, height); ok {
				steps = append(steps, s)
			}
		}
		m.ends[i] = len(steps)
	}
	return m, steps
}

func (a *augMix) apply(s *scratch) {
	var m mixture
	m, s.steps = a.draw(&s.r, s.img.Width, s.img.Height, s.steps[:0])
	if a.blended {
		a.blend(s, &m)
		return
	}
	a.mix(s, &m)
}

// chain returns the picture after chain i. The caller releases it.
func (a *augMix) chain(s *scratch, m *mixture, i int, original []byte) *vision.Image {
	c := vision.Acquire(s.img.Width, s.img.Height)
	copy(c.Pix, original)
	first := 0
	if i > 0 {
		first = m.ends[i-1]
	}
	for _, step := range s.steps[first:m.ends[i]] {
		step.apply(c, a.fill)
	}
	return c
}

// mix sums the chains in single precision and cuts the fractions off before the last mix, as timm does.
func (a *augMix) mix(s *scratch, m *mixture) {
	n := len(s.img.Pix)
	if cap(s.sums) < n {
		s.sums = make([]float32, n)
	}
	sums := s.sums[:n]
	clear(sums)
	for i := range a.width {
		c := a.chain(s, m, i, s.img.Pix)
		share := float32(m.shares[i])
		for j, v := range c.Pix {
			sums[j] += float32(share * float32(v))
		}
		c.Release()
	}
	mixed := vision.Acquire(s.img.Width, s.img.Height)
	for j, v := range sums {
		mixed.Pix[j] = byte(min(max(int32(v), 0), 255))
	}
	imageops.Blend(&s.img, mixed, float64(float32(m.share)))
	mixed.Release()
}

// blend mixes each chain in with a share such that the last picture has all of them in the shares drawn, but for rounding.
func (a *augMix) blend(s *scratch, m *mixture) {
	original := vision.Acquire(s.img.Width, s.img.Height)
	copy(original.Pix, s.img.Pix)
	defer original.Release()
	var shares [maxChains]float32
	left := 1.0
	for i := a.width - 1; i >= 0; i-- {
		share := m.shares[i] * m.share / left
		left *= 1 - share
		shares[i] = float32(share)
	}
	for i := range a.width {
		c := a.chain(s, m, i, original.Pix)
		imageops.Blend(&s.img, c, float64(shares[i]))
		c.Release()
	}
}

func (a *augMix) String() string {
	return fmt.Sprintf("AugMix(%q, alpha=%v, width=%d, depth=%d)", a.text, a.alpha, a.width, a.depth)
}
