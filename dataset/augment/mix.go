package augment

import (
	"fmt"
	"image"
	"math"

	"github.com/torchlit/torchlit/dataset"
)

// Mixer mixes the images of a batch, and their targets, as timm's Mixup does in its mode "batch": one share for the whole batch,
// and image i meets image n-1-i, in words of tensors x.flip(0). It is read only; any number of goroutines may use it at once. A nil
// Mixer mixes nothing and smooths nothing.
//
// What is mixed is a function of (seed, epoch, batch). Images can be mixed as bytes ([Mix.Apply]) or as a tensor by the numbers in
// Mix; targets as soft targets ([Mixer.Targets]) or as two losses, since cross-entropy is linear in the target:
// Lambda*loss(labels) + (1-Lambda)*loss(labels.flip(0)).
type Mixer struct {
	mixup, cutmix     float64 // alphas; 0: off
	minmax            [2]float64
	prob, switchProb  float64
	offEpoch, classes int
	smoothing         float64
}

// Mix says how a batch is mixed.
type Mix struct {
	// Lambda is the share of an image's own target; 1: the batch is not mixed. With an empty Box it is the image's share, too
	// (Mixup).
	Lambda float64
	// Box is the part of each image that becomes its partner's (CutMix), columns and rows in pixels.
	Box image.Rectangle
}

// NewMixer checks the settings of mixing in cfg, for targets of the given number of classes. It returns nil when neither Mixup nor
// CutMix is on.
func NewMixer(cfg Config, classes int) (*Mixer, error) {
	c := cfg.withDefaults()
	limits := c.CutMixMinMax
	boxes := limits != [2]float64{}
	switch {
	case !(c.Mixup >= 0 && c.Mixup <= 100) || !(c.CutMix >= 0 && c.CutMix <= 100):
		return nil, fmt.Errorf("cannot mix with mixup %v and cutmix %v: both must be between 0 (off) and 100", c.Mixup, c.CutMix)
	case boxes && !(limits[0] >= 0 && limits[0] < limits[1] && limits[1] <= 1):
		return nil, fmt.Errorf("cannot mix with cutmix_minmax %v: shares of a side go from 0 to 1, the smaller number first", limits)
	case !(c.MixupProb >= 0 && c.MixupProb <= 1):
		return nil, fmt.Errorf("cannot mix with mixup_prob %v: it is a probability, from 0 to 1", c.MixupProb)
	case !(c.MixupSwitchProb >= 0 && c.MixupSwitchProb <= 1):
		return nil, fmt.Errorf("cannot mix with mixup_switch_prob %v: it is a probability, from 0 to 1", c.MixupSwitchProb)
	case c.MixupOffEpoch < 0:
		return nil, fmt.Errorf("cannot mix until epoch %d: mixup_off_epoch may not be negative", c.MixupOffEpoch)
	case !(c.Smoothing >= 0 && c.Smoothing < 1):
		return nil, fmt.Errorf("cannot smooth targets by %v: smoothing must be from 0 to below 1", c.Smoothing)
	case classes < 1:
		return nil, fmt.Errorf("cannot mix the targets of %d classes", classes)
	}
	if boxes {
		c.CutMix = 1
	}
	if c.Mixup == 0 && c.CutMix == 0 {
		return nil, nil
	}
	return &Mixer{mixup: c.Mixup, cutmix: c.CutMix, minmax: limits, prob: c.MixupProb, switchProb: c.MixupSwitchProb,
		offEpoch: c.MixupOffEpoch, classes: classes, smoothing: c.Smoothing}, nil
}

// Plan draws how a batch of images of height x width pixels is mixed. batch is its place in the epoch.
func (x *Mixer) Plan(seed uint64, epoch, batch, height, width int) Mix {
	whole := Mix{Lambda: 1}
	if x == nil || x.offEpoch > 0 && epoch >= x.offEpoch {
		return whole
	}
	r := newStream(streamMix, dataset.Key{Seed: seed, Epoch: epoch, Index: batch})
	on, cut := r.hit(x.prob), r.hit(x.switchProb)
	switch {
	case !on:
		return whole
	case x.mixup == 0 || x.cutmix > 0 && cut:
		return x.drawBox(&r, r.beta(x.cutmix), height, width)
	}
	return Mix{Lambda: r.beta(x.mixup)}
}

// drawBox draws CutMix's box and corrects lambda by what of it lies within the image.
func (x *Mixer) drawBox(r *random, lambda float64, height, width int) Mix {
	var box image.Rectangle
	if x.minmax != [2]float64{} {
		box = x.drawSides(r, height, width)
	} else {
		ratio := math.Sqrt(1 - lambda)
		h, w := int(float64(height)*ratio), int(float64(width)*ratio)
		cy, cx := r.Below(height), r.Below(width)
		box = image.Rect(cx-w/2, cy-h/2, cx+(w+1)/2, cy+(h+1)/2).Intersect(image.Rect(0, 0, width, height))
	}
	if box.Empty() {
		return Mix{Lambda: 1}
	}
	return Mix{Lambda: 1 - float64(box.Dx()*box.Dy())/float64(height*width), Box: box}
}

// drawSides draws a box whose sides are between two shares of the image's, and that lies within it.
func (x *Mixer) drawSides(r *random, height, width int) image.Rectangle {
	side := func(n int) int {
		from, to := int(float64(n)*x.minmax[0]), int(float64(n)*x.minmax[1])
		return from + r.Below(max(to-from, 1)) // to itself is left out
	}
	h, w := side(height), side(width)
	top, left := r.between(0, height-h), r.between(0, width-w)
	return image.Rect(left, top, left+w, top+h)
}

// Partner is the image that image i of n is mixed with.
func Partner(i, n int) int { return n - 1 - i }

// Apply mixes n images of height x width pixels, RGB HWC one after the other, in place, as timm's FastCollateMixup does: Mixup in
// single precision, rounded to the nearest, half to even.
func (m Mix) Apply(images []byte, n, height, width int) {
	size := height * width * 3
	if len(images) != n*size {
		panic(fmt.Sprintf("BUG: augment.Mix.Apply: %d images of %d x %d pixels in %d bytes", n, width, height, len(images)))
	}
	if m.Lambda == 1 {
		return
	}
	var own, other [256]float32
	for v := range own {
		own[v], other[v] = float32(v)*float32(m.Lambda), float32(v)*float32(1-m.Lambda)
	}
	for i := range (n + 1) / 2 {
		j := Partner(i, n)
		a, b := images[i*size:][:size], images[j*size:][:size]
		switch {
		case m.Box.Empty():
			mixPair(a, b, &own, &other)
		case i != j:
			m.swap(a, b, width)
		}
	}
}

// mixPair replaces a and b, which may be one, by their mixtures.
func mixPair(a, b []byte, own, other *[256]float32) {
	const half = 1 << 23 // float32s from here on have no fraction: adding it rounds
	for i, v := range a {
		w := b[i]
		a[i] = byte(math.Float32bits(own[v] + other[w] + half))
		b[i] = byte(math.Float32bits(own[w] + other[v] + half))
	}
}

// swap exchanges the pixels within the box.
func (m Mix) swap(a, b []byte, width int) {
	for y := m.Box.Min.Y; y < m.Box.Max.Y; y++ {
		from, n := (y*width+m.Box.Min.X)*3, m.Box.Dx()*3
		p, q := a[from:][:n], b[from:][:n]
		for i := range p {
			p[i], q[i] = q[i], p[i]
		}
	}
}

// Targets writes the soft targets of a batch to dst, len(labels) rows of one share a class, as timm's mixup_target makes them: each
// label's share is 1 - smoothing, smoothing is spread evenly over all classes, and then rows are mixed like the images. Shares of a
// row sum to 1.
func (x *Mixer) Targets(dst []float32, labels []int64, m Mix) {
	n := len(labels)
	if len(dst) != n*x.classes {
		panic(fmt.Sprintf("BUG: augment.Mixer.Targets: %d shares for %d images of %d classes", len(dst), n, x.classes))
	}
	off := x.smoothing / float64(x.classes)
	on, lambda := 1-x.smoothing+off, float32(m.Lambda)
	rest := float32(1 - m.Lambda)
	for i, label := range labels {
		row := dst[i*x.classes:][:x.classes]
		other := labels[Partner(i, n)]
		for c := range row {
			first, second := float32(off), float32(off)
			if int64(c) == label {
				first = float32(on)
			}
			if int64(c) == other {
				second = float32(on)
			}
			row[c] = float32(first*lambda) + float32(second*rest)
		}
	}
}

// Classes is the number of shares in a target.
func (x *Mixer) Classes() int { return x.classes }
