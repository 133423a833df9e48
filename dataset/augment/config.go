// Package augment changes training images at random, as torchvision and timm define it: crops, flips, colour, the automatic policies
// (RandAugment, AutoAugment, TrivialAugment, AugMix), erasing, and the mixing of images within a batch (Mixup, CutMix).
//
// A [Config] has timm's names and New makes a dataset.Transform of it. What happens to an image is a function of the settings and
// of the key (seed, epoch, index) and of nothing else. What is done to pixels is Pillow's arithmetic, by package imageops; what is
// drawn has torchvision's and timm's distributions, from a generator of our own: the same seed does not give the pictures that
// Python would draw, but the same parameters give the same bytes.
package augment

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/torchlit/torchlit/dataset/augment/imageops"
	"github.com/torchlit/torchlit/vision"
)

// Config says how training images are changed. Keys are timm's where timm has the thing. The zero value resizes an image's short
// side and keeps the middle, and leaves all else as it is.
type Config struct {
	// Scale is the range of a crop's area as a share of the image's, and Ratio that of its width over its height: timm's
	// RandomResizedCrop. Scale 0,0: another crop, see Pad. Ratio 0,0: 3/4 to 4/3.
	Scale [2]float64 `yaml:"scale"`
	Ratio [2]float64 `yaml:"ratio"`
	// Interpolation is bilinear, bicubic or random, one of both each time. "": bilinear.
	Interpolation string `yaml:"interpolation"`

	// Pad crops at random out of the image with so many pixels added on every side, after its short side was resized to
	// Resize: torchvision's RandomCrop with padding. Resize 0: the model's size. With neither, the middle is taken.
	Pad    int `yaml:"pad"`
	Resize int `yaml:"resize"`
	// PadMode says what is added: constant (black), edge, reflect or symmetric. "": constant.
	PadMode string `yaml:"pad_mode"`

	HFlip float64 `yaml:"hflip"` // probability of mirroring left to right
	VFlip float64 `yaml:"vflip"` // probability of mirroring top to bottom

	// AutoAugment names a policy: timm's "rand-m9-mstd0.5-inc1", "augmix-m3-w3", "original", "originalr", "v0", "v0r", "3a";
	// torchvision's "randaugment", "trivial", "autoaugment-cifar10", "autoaugment-imagenet", "autoaugment-svhn". "": none.
	AutoAugment string `yaml:"auto_augment"`

	// ColorJitter has the amounts of brightness, contrast, saturation and, if there are four, hue (0 to 0.5). One number is for
	// the first three. It is left out beside AutoAugment, except beside 3a, or when ForceColorJitter is set.
	ColorJitter      Jitter  `yaml:"color_jitter"`
	ColorJitterProb  float64 `yaml:"color_jitter_prob"` // 0: always
	ForceColorJitter bool    `yaml:"force_color_jitter"`
	GrayscaleProb    float64 `yaml:"grayscale_prob"`
	GaussianBlurProb float64 `yaml:"gaussian_blur_prob"` // needs more than 11 pixels a side

	// ReProb is the probability of erasing boxes (timm's RandomErasing), ReMode what with: const (the mean colour), rand (a
	// colour for each box) or pixel (a colour for each pixel). "": const. ReCount is how many boxes at most (0: 1), ReArea the
	// range of their area together as a share of the image (0,0: 0.02 to 1/3), ReAspect that of height over width (0,0: 0.3 to 1/0.3).
	ReProb   float64    `yaml:"re_prob"`
	ReMode   string     `yaml:"re_mode"`
	ReCount  int        `yaml:"re_count"`
	ReArea   [2]float64 `yaml:"re_area"`
	ReAspect [2]float64 `yaml:"re_aspect"`
	// Cutout is the side of a square painted with the mean colour, its middle anywhere in the image. 0: none.
	Cutout int `yaml:"cutout"`

	// Mixup and CutMix are the parameters of the beta distribution that shares are drawn from; 0: off. CutMixMinMax, if not 0,0,
	// draws the box's sides as shares of the image's instead. MixupProb is the probability for a batch to be mixed (0: 1),
	// MixupSwitchProb that it is by CutMix where both are on (0: 0.5). From epoch MixupOffEpoch on nothing is mixed (0: always).
	// See [NewMixer].
	Mixup           float64    `yaml:"mixup"`
	CutMix          float64    `yaml:"cutmix"`
	CutMixMinMax    [2]float64 `yaml:"cutmix_minmax"`
	MixupProb       float64    `yaml:"mixup_prob"`
	MixupSwitchProb float64    `yaml:"mixup_switch_prob"`
	MixupOffEpoch   int        `yaml:"mixup_off_epoch"`
	// Smoothing is the share of a target that is spread over all classes.
	Smoothing float64 `yaml:"smoothing"`

	// Mean and Std of the model's normalisation, channels in 0..1: the colour of what is outside the picture or erased, and the
	// spread of erased colours. Both 0: ImageNet's.
	Mean, Std [3]float64 `yaml:"-"`
	// Resizer scales, from several goroutines at once: libtorch's is several times faster than vision.PillowResizer and within
	// 2/255 of it. Where it is nil or fails, PillowResizer does it.
	Resizer vision.Resizer `yaml:"-"`
}

// ImageNet returns timm's defaults for training from scratch: RandomResizedCrop, flips, ColorJitter 0.4.
func ImageNet() Config {
	return Config{Scale: [2]float64{0.08, 1}, Ratio: [2]float64{3.0 / 4, 4.0 / 3}, Interpolation: "random", HFlip: 0.5, ColorJitter: Jitter{0.4}}
}

// CIFAR returns the customary settings for 32x32 images: a crop with a padding of 4, and flips.
func CIFAR() Config { return Config{Pad: 4, HFlip: 0.5} }

// Jitter holds the amounts of ColorJitter: none, one for brightness, contrast and saturation, these three, or these and hue.
type Jitter []float64

// UnmarshalYAML reads a number or a list.
func (j *Jitter) UnmarshalYAML(unmarshal func(any) error) error {
	var one float64
	if err := unmarshal(&one); err == nil {
		*j = Jitter{one}
		return nil
	}
	var list []float64
	if err := unmarshal(&list); err != nil {
		return err
	}
	*j = list
	return nil
}

// UnmarshalText reads a number.
func (j *Jitter) UnmarshalText(text []byte) error {
	one, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return errors.New("give a number, or a list of three or four")
	}
	*j = Jitter{one}
	return nil
}

func (j Jitter) amounts() (a [4]float64) {
	if copy(a[:], j); len(j) == 1 {
		a[1], a[2] = a[0], a[0]
	}
	return a
}

// Defaults for zero values, timm's.
var (
	defaultRatio    = [2]float64{3.0 / 4, 4.0 / 3}
	defaultReArea   = [2]float64{0.02, 1.0 / 3}
	defaultReAspect = [2]float64{0.3, 1 / 0.3}
	imageNetMean    = [3]float64{0.485, 0.456, 0.406}
	imageNetStd     = [3]float64{0.229, 0.224, 0.225}
)

// withDefaults fills in what zero stands for.
func (c Config) withDefaults() Config {
	fill(&c.Ratio, defaultRatio)
	fill(&c.ReArea, defaultReArea)
	fill(&c.ReAspect, defaultReAspect)
	fill(&c.Interpolation, "bilinear")
	fill(&c.PadMode, imageops.Constant.String())
	fill(&c.ReMode, EraseConst)
	fill(&c.ReCount, 1)
	fill(&c.ColorJitterProb, 1)
	fill(&c.MixupProb, 1)
	fill(&c.MixupSwitchProb, 0.5)
	if c.Mean == [3]float64{} && c.Std == [3]float64{} {
		c.Mean, c.Std = imageNetMean, imageNetStd
	}
	return c
}

func fill[T comparable](v *T, with T) {
	if *v == *new(T) {
		*v = with
	}
}

// Validate reports the first setting that cannot work for images of size x size pixels. Settings of mixing count in.
func (c Config) Validate(size int) error {
	if _, err := New(c, size); err != nil {
		return err
	}
	_, err := NewMixer(c, 2)
	return err
}

// checks are what the parts of a pipeline assume.
func (c *Config) checks(size int) error {
	share := func(v float64) bool { return v >= 0 && v <= 1 }
	ascending := func(r [2]float64, most float64) bool { return r[0] > 0 && r[0] <= r[1] && r[1] <= most }
	for _, p := range []struct {
		key   string
		value float64
	}{{"hflip", c.HFlip}, {"vflip", c.VFlip}, {"color_jitter_prob", c.ColorJitterProb}, {"grayscale_prob", c.GrayscaleProb},
		{"gaussian_blur_prob", c.GaussianBlurProb}, {"re_prob", c.ReProb}} {
		if !share(p.value) {
			return fmt.Errorf("cannot augment with %s %v: it is a probability, from 0 to 1", p.key, p.value)
		}
	}
	switch {
	case size < 1 || size > maxSize:
		return fmt.Errorf("cannot augment to %d x %d pixels: the size must be between 1 and %d", size, size, maxSize)
	case c.cropsResized() && !ascending(c.Scale, 1):
		return fmt.Errorf("cannot augment with scale %v: a crop's area goes from above 0 to at most 1 of the image, the smaller number first", c.Scale)
	case !ascending(c.Ratio, 100):
		return fmt.Errorf("cannot augment with ratio %v: the width over the height goes from above 0 to at most 100, the smaller number first", c.Ratio)
	case c.cropsResized() && (c.Pad != 0 || c.Resize != 0):
		return fmt.Errorf("cannot augment with both scale %v and pad %d, resize %d: both crop; leave out one of them", c.Scale, c.Pad, c.Resize)
	case c.Pad < 0 || c.Pad > maxSize:
		return fmt.Errorf("cannot augment with pad %d: it must be between 0 and %d pixels", c.Pad, maxSize)
	case c.Resize != 0 && (c.Resize > maxSize || c.Resize+2*c.Pad < size):
		return fmt.Errorf("cannot augment with resize %d: a crop of %d pixels must fit, and %d is the most; use at least %d", c.Resize, size, maxSize, size)
	case c.GaussianBlurProb > 0 && size <= blurKernel/2:
		return fmt.Errorf("cannot augment with gaussian_blur_prob %v: images of %d pixels are too small to blur; leave it out", c.GaussianBlurProb, size)
	case c.ReMode != EraseConst && c.ReMode != EraseRand && c.ReMode != ErasePixel:
		return fmt.Errorf("cannot augment with re_mode %q: known are const, rand and pixel", c.ReMode)
	case c.ReCount < 1 || c.ReCount > 100:
		return fmt.Errorf("cannot augment with re_count %d: it must be between 1 and 100", c.ReCount)
	case !ascending(c.ReArea, 1):
		return fmt.Errorf("cannot augment with re_area %v: erased area goes from above 0 to at most 1 of the image, the smaller number first", c.ReArea)
	case !ascending(c.ReAspect, 100):
		return fmt.Errorf("cannot augment with re_aspect %v: the height over the width goes from above 0 to at most 100, the smaller number first", c.ReAspect)
	case c.Cutout < 0:
		return fmt.Errorf("cannot augment with cutout %d: it may not be negative", c.Cutout)
	}
	return c.checkColours()
}

func (c *Config) checkColours() error {
	if n := len(c.ColorJitter); n != 0 && n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("cannot augment with color_jitter %v: give one number, three (brightness, contrast, saturation) or four (and hue)", []float64(c.ColorJitter))
	}
	for i, a := range c.ColorJitter {
		if most := [...]float64{10, 10, 10, 0.5}[i]; !(a >= 0 && a <= most) {
			return fmt.Errorf("cannot augment with color_jitter %v: amount %d must be between 0 and %v", []float64(c.ColorJitter), i+1, most)
		}
	}
	for i := range 3 {
		if !(c.Mean[i] >= 0 && c.Mean[i] <= 1) || !(c.Std[i] >= 0) || math.IsInf(c.Std[i], 0) {
			return fmt.Errorf("cannot augment with mean %v and std %v: channels lie between 0 and 1", c.Mean, c.Std)
		}
	}
	return nil
}

// maxSize is the largest side of a model's input, as in package vision.
const maxSize = 4096

func (c *Config) cropsResized() bool { return c.Scale != [2]float64{} }

func (c *Config) interpolations() ([]vision.Interpolation, error) {
	if c.Interpolation == "random" {
		return []vision.Interpolation{vision.Bilinear, vision.Bicubic}, nil
	}
	ip, err := vision.ParseInterpolation(c.Interpolation)
	if err != nil {
		return nil, fmt.Errorf("cannot augment with interpolation %q: known are bilinear, bicubic and random", c.Interpolation)
	}
	return []vision.Interpolation{ip}, nil
}
