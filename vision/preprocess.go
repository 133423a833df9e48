package vision

import (
	"fmt"
	"math"
)

// Interpolation is a resampling kernel. Both are widened when a picture shrinks (antialiased), as Pillow's are.
type Interpolation uint8

// The kernels that image classifiers are evaluated with.
const (
	Bilinear Interpolation = iota
	Bicubic                // a = -0.5, Pillow's
)

// String returns timm's name.
func (ip Interpolation) String() string {
	switch ip {
	case Bilinear:
		return "bilinear"
	case Bicubic:
		return "bicubic"
	}
	return fmt.Sprintf("Interpolation(%d)", uint8(ip))
}

// ParseInterpolation reads timm's name.
func ParseInterpolation(name string) (Interpolation, error) {
	switch name {
	case "bilinear":
		return Bilinear, nil
	case "bicubic":
		return Bicubic, nil
	}
	return 0, fmt.Errorf("cannot use interpolation %q: known are bilinear and bicubic", name)
}

// MarshalText writes timm's name.
func (ip Interpolation) MarshalText() ([]byte, error) { return []byte(ip.String()), nil }

// UnmarshalText reads timm's name.
func (ip *Interpolation) UnmarshalText(text []byte) (err error) {
	*ip, err = ParseInterpolation(string(text))
	return err
}

// Crop modes, with timm's names.
const (
	CropCenter = "center" // resize the short side, keep the middle: what is outside is lost
	CropSquash = "squash" // resize both sides without regard to the aspect ratio, keep the middle
	CropBorder = "border" // resize the long side, fill the rest with the mean colour: nothing is lost
)

// DefaultCropPct is timm's, used where a model's configuration has none.
const DefaultCropPct = 0.875

// A Resizer scales src to width x height pixels with an antialiased kernel. It may be called by many goroutines at once. It must
// not change src; the result is the caller's to Release, unless it is src itself, which is allowed when the size is right.
type Resizer func(src *Image, width, height int, ip Interpolation) (*Image, error)

// Preprocess is timm's evaluation pipeline up to the point where bytes become floats: resize, then crop or pad. Mean and Std are
// carried along for whoever makes the floats: an engine, which does it where the batch is, or Normalize.
//
// The arithmetic follows timm 1.0 and torchvision 0.26 step by step, floor and banker's rounding included, because a crop that
// is one pixel off is another picture. A Preprocess is read-only in use and may be shared.
type Preprocess struct {
	Width, Height int           // of the model's input
	CropPct       float64       // the crop's share of the resized side, in (0, 1]; 0 means DefaultCropPct
	CropMode      string        // CropCenter, CropSquash or CropBorder; "" means CropCenter
	Interpolation Interpolation // the zero value is Bilinear
	Mean, Std     [3]float32    // of channels in 0..1; also the border's colour

	// Exact keeps Read from decoding at a reduced size, so that its pixels are timm's for every picture.
	Exact bool
}

// maxSide is the largest model input that Validate accepts. It bounds what one picture may cost after decoding.
const maxSide = 4096

// Validate reports the first field that cannot work. Apply assumes that it was called.
func (p *Preprocess) Validate() error {
	switch {
	case p.Width <= 0 || p.Height <= 0 || p.Width > maxSide || p.Height > maxSide:
		return fmt.Errorf("cannot preprocess to %d x %d pixels: both sides must be between 1 and %d", p.Width, p.Height, maxSide)
	case !(p.CropPct >= 0.05 && p.CropPct <= 1 || p.CropPct == 0):
		return fmt.Errorf("cannot use crop_pct %v: it must be between 0.05 and 1", p.CropPct)
	case p.Interpolation > Bicubic:
		return fmt.Errorf("cannot use interpolation %d: known are bilinear and bicubic", p.Interpolation)
	}
	switch p.CropMode {
	case "", CropCenter, CropSquash, CropBorder:
	default:
		return fmt.Errorf("cannot use crop_mode %q: known are center, squash and border", p.CropMode)
	}
	for c := range 3 {
		if mean := p.Mean[c]; !(mean >= 0 && mean <= 1) {
			return fmt.Errorf("cannot use mean %v: channels lie between 0 and 1", p.Mean)
		}
		if std := p.Std[c]; !(std > 0) || math.IsInf(float64(std), 0) {
			return fmt.Errorf("cannot use std %v: it must be above 0", p.Std)
		}
	}
	return nil
}

// Size is the number of bytes that Apply writes: Height * Width * 3.
func (p *Preprocess) Size() int { return p.Width * p.Height * 3 }

// Apply writes src, resized and cropped, to dst as Height rows of Width RGB pixels. dst has Size() bytes and is all written;
// src is not changed. It may be called by many goroutines at once if resize may.
func (p *Preprocess) Apply(src *Image, resize Resizer, dst []byte) error {
	return p.apply(src, size{src.Width, src.Height}, resize, dst)
}

// apply is Apply for a picture that was decoded at a reduced size: whole is its full one, which decides what it is resized to.
func (p *Preprocess) apply(src *Image, whole size, resize Resizer, dst []byte) error {
	if len(dst) != p.Size() {
		panic(fmt.Sprintf("BUG: vision.Preprocess: dst has %d bytes; want %d", len(dst), p.Size()))
	}
	if src.Width <= 0 || src.Height <= 0 {
		return &decodeError{ErrEmpty, "cannot preprocess an image without pixels"}
	}
	if whole == (size{src.Width, src.Height}) { // a draft is none of a ribbon
		var cut bool
		if src, cut = p.tame(src); cut {
			defer src.Release()
			whole = size{src.Width, src.Height}
		}
	}
	width, height := p.resized(whole.width, whole.height)
	scaled := src
	if width != src.Width || height != src.Height {
		var err error
		if scaled, err = resize(src, width, height, p.Interpolation); err != nil {
			return fmt.Errorf("cannot resize %d x %d pixels to %d x %d: %w", src.Width, src.Height, width, height, err)
		}
		if scaled.Width != width || scaled.Height != height || len(scaled.Pix) != width*height*3 {
			panic(fmt.Sprintf("BUG: vision: the resizer returned %d x %d pixels; want %d x %d", scaled.Width, scaled.Height, width, height))
		}
	}
	p.crop(dst, scaled)
	if scaled != src {
		scaled.Release()
	}
	return nil
}

// resized is the size to scale to before cropping.
func (p *Preprocess) resized(width, height int) (int, int) {
	pct := p.CropPct
	if pct == 0 {
		pct = DefaultCropPct
	}
	toW, toH := int(math.Floor(float64(p.Width)/pct)), int(math.Floor(float64(p.Height)/pct))
	switch {
	case p.CropMode == CropSquash:
		return toW, toH
	case p.CropMode == CropBorder:
		return keepRatio(width, height, max(float64(height)/float64(toH), float64(width)/float64(toW)))
	case toW != toH:
		return keepRatio(width, height, min(float64(height)/float64(toH), float64(width)/float64(toW)))
	case width <= height: // torchvision's Resize with one number, which truncates
		return toW, int(float64(toW*height) / float64(width))
	default:
		return int(float64(toH*width) / float64(height)), toH
	}
}

// keepRatio is timm's ResizeKeepRatio: both sides are divided by the same ratio and rounded half to even.
func keepRatio(width, height int, ratio float64) (int, int) {
	round := func(n int) int { return max(int(math.RoundToEven(float64(n)/ratio)), 1) }
	return round(width), round(height)
}

// maxAspect is where tame begins to cut.
const maxAspect = 16

// tame cuts a ribbon of a picture (1 x 60,000 pixels, say) down to its middle before it is scaled: resizing its short side to
// 256 pixels would make the long side 15 million, 12 GB, all but 256 of which the crop throws away. Up to an aspect ratio of
// sixteen to one, relative to the model's, nothing is cut and the result is timm's exactly. The other crop modes shrink the long side.
func (p *Preprocess) tame(src *Image) (m *Image, cut bool) {
	width, height := p.tamed(src.Width, src.Height)
	if width == src.Width && height == src.Height {
		return src, false
	}
	m = Acquire(width, height)
	left, top := (src.Width-width)/2, (src.Height-height)/2
	for y := range height {
		copy(m.row(y), src.row(top + y)[left*3:])
	}
	return m, true
}

// tamed is the size that tame cuts a picture to.
func (p *Preprocess) tamed(width, height int) (int, int) {
	if p.CropMode == CropSquash || p.CropMode == CropBorder {
		return width, height
	}
	if most := maxAspect * max(1, height*p.Width/p.Height); width > most {
		return most, height
	}
	return width, min(height, maxAspect*max(1, width*p.Height/p.Width))
}

// crop copies the middle of src to dst. Sides that are too short are padded, with the mean colour in border mode and with black
// otherwise, as torchvision's CenterCrop does.
func (p *Preprocess) crop(dst []byte, src *Image) {
	dstX, srcX, n := centre(src.Width, p.Width)
	dstY, srcY, rows := centre(src.Height, p.Height)
	if n < p.Width || rows < p.Height {
		p.fill(dst)
	}
	for y := range rows {
		to := ((dstY+y)*p.Width + dstX) * 3
		copy(dst[to:to+n*3], src.row(srcY + y)[srcX*3:])
	}
}

// centre lines up the middles of a side of have pixels and one of want pixels: n pixels go from offset from to offset to.
func centre(have, want int) (to, from, n int) {
	if have < want {
		return (want - have) / 2, 0, have
	}
	return 0, int(math.RoundToEven(float64(have-want) / 2)), want
}

func (p *Preprocess) fill(dst []byte) {
	if p.CropMode != CropBorder {
		clear(dst)
		return
	}
	var colour [3]byte
	for c, mean := range p.Mean {
		colour[c] = byte(math.RoundToEven(255 * asWritten(mean)))
	}
	for i := 0; i < len(dst); i += 3 {
		copy(dst[i:i+3], colour[:])
	}
}

// asWritten undoes the error of storing 0.406 as a float32, which would otherwise show where 255 times it is near a half.
func asWritten(v float32) float64 { return math.Round(float64(v)*1e7) / 1e7 }

// Normalize writes src, width x height RGB pixels as Apply leaves them, to dst as three planes of floats: (v/255 - mean) / std.
// It is for callers without an engine; engines do the same where the batch is.
func (p *Preprocess) Normalize(dst []float32, src []byte) {
	plane := p.Width * p.Height
	if len(src) != plane*3 || len(dst) != plane*3 {
		panic(fmt.Sprintf("BUG: vision.Preprocess.Normalize: %d floats from %d bytes; want %d of both", len(dst), len(src), plane*3))
	}
	for c := range 3 {
		var table [256]float32
		for v := range table {
			table[v] = (float32(v)/255 - p.Mean[c]) / p.Std[c]
		}
		out := dst[c*plane:][:plane]
		for i := range out {
			out[i] = table[src[i*3+c]]
		}
	}
}
