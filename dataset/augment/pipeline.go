package augment

import (
	"fmt"
	"strings"
	"sync"

	"github.com/torchlit/torchlit/dataset"
	"github.com/torchlit/torchlit/dataset/augment/imageops"
	"github.com/torchlit/torchlit/vision"
)

// pipeline is the order of timm's transforms_imagenet_train: crop, flips, policy, colour, grey, blur, erasing. It is read only in
// use.
type pipeline struct {
	side   int
	frame  frame
	stages []numbered
}

// numbered is a stage and the stream it draws from.
type numbered struct {
	stream uint64
	stage
}

// scratch is what one image needs while it goes through a pipeline. It is pooled, so that nothing is allocated an image.
type scratch struct {
	img   vision.Image // the picture at work; its pixels are the caller's
	r     random       // the stage's
	steps []step
	sums  []float32
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// New checks cfg and makes the pipeline for a model whose input has size x size pixels, in timm's order: crop, flips, automatic
// policy, colour jitter, grey, blur, erasing, cutout. Mixing is not part of it: see [NewMixer]. The result has a String method
// that lists the steps.
func New(cfg Config, size int) (dataset.Transform, error) {
	cfg = cfg.withDefaults()
	if err := cfg.checks(size); err != nil {
		return nil, err
	}
	p := &pipeline{side: size}
	if err := p.addFrame(&cfg); err != nil {
		return nil, err
	}
	if err := p.addStages(&cfg); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *pipeline) addFrame(c *Config) error {
	interpolation, err := c.interpolations()
	if err != nil {
		return err
	}
	mode, err := imageops.ParsePadding(c.PadMode)
	if err != nil {
		return fmt.Errorf("cannot augment with pad_mode %q: known are constant, edge, reflect and symmetric", c.PadMode)
	}
	resize := resizer{c.Resizer}
	switch {
	case c.cropsResized():
		p.frame = &resizedCrop{scale: c.Scale, ratio: c.Ratio, interpolation: interpolation, resize: resize}
	case c.Pad > 0 || c.Resize > 0:
		crop := &paddedCrop{side: c.Resize, pad: c.Pad, mode: mode, interpolation: interpolation[0], resize: resize}
		fill(&crop.side, p.side)
		p.frame = crop
	default:
		p.frame = &centreCrop{resize: resize.resize, preprocess: vision.Preprocess{
			Width: p.side, Height: p.side, CropPct: 1, Interpolation: interpolation[0], Std: [3]float32{1, 1, 1}}}
	}
	return nil
}

func (p *pipeline) addStages(c *Config) error {
	add := func(on bool, stream uint64, s stage) {
		if on {
			p.stages = append(p.stages, numbered{stream, s})
		}
	}
	add(c.HFlip > 0, streamHFlip, &flip{probability: c.HFlip})
	add(c.VFlip > 0, streamVFlip, &flip{probability: c.VFlip, vertical: true})
	if c.AutoAugment != "" {
		policy, err := parsePolicy(c.AutoAugment, c.Interpolation, c.Mean)
		if err != nil {
			return err
		}
		add(true, streamAuto, policy)
	}
	jittered := c.AutoAugment == "" || c.ForceColorJitter || strings.Contains(c.AutoAugment, "3a")
	amount := c.ColorJitter.amounts()
	add(jittered && amount != [4]float64{}, streamJitter, &jitter{probability: c.ColorJitterProb, amount: amount})
	add(c.GrayscaleProb > 0, streamGrayscale, &grayscale{c.GrayscaleProb})
	add(c.GaussianBlurProb > 0, streamBlur, &blur{c.GaussianBlurProb})
	add(c.ReProb > 0, streamErase, &erasing{
		probability: c.ReProb, area: c.ReArea, aspect: c.ReAspect, mode: c.ReMode, count: c.ReCount, mean: c.Mean, std: c.Std})
	add(c.Cutout > 0, streamCutout, &cutout{side: c.Cutout, fill: colourOf(c.Mean)})
	return nil
}

// Size is the model's, whatever the image's.
func (p *pipeline) Size(_, _ int) (int, int) { return p.side, p.side }

// Validate says whether images of height x width pixels can go through: all can that have a pixel.
func (p *pipeline) Validate(height, width int) error {
	if height < 1 || width < 1 {
		return fmt.Errorf("cannot augment an image of %d x %d pixels", width, height)
	}
	return nil
}

// Apply writes the changed image to dst, side*side*3 bytes.
func (p *pipeline) Apply(dst []byte, src *vision.Image, key dataset.Key) {
	if len(dst) != p.side*p.side*3 || p.Validate(src.Height, src.Width) != nil {
		panic(fmt.Sprintf("BUG: augment: %d x %d pixels to %d bytes; want %d", src.Width, src.Height, len(dst), p.side*p.side*3))
	}
	s := scratches.Get().(*scratch)
	s.img = vision.Image{Width: p.side, Height: p.side, Pix: dst}
	s.r = newStream(streamCrop, key)
	p.frame.apply(s, src)
	for _, n := range p.stages {
		s.r = newStream(n.stream, key)
		n.apply(s)
	}
	s.img.Pix = nil // it is the caller's
	scratches.Put(s)
}

// String lists the steps, in torchvision's and timm's words.
func (p *pipeline) String() string {
	parts := []string{p.frame.String()}
	for _, n := range p.stages {
		parts = append(parts, n.String())
	}
	return strings.Join(parts, " → ")
}
