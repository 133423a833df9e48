package vision

import "math"

// Read decodes an encoded image and writes the model's input of it to dst: Decode and Apply in one, in the least time.
//
// A photo is mostly larger than what the model sees of it, often many times. The inverse DCT of a JPEG can leave out the high
// frequencies that resizing would average away, and then gives a half, a quarter or an eighth of each side for a fraction of the time
// and memory (see DecodeDraft). Read does so where at least DraftMargin times the resized sides remain; the antialiased resizer does the
// rest, to exactly the size that the whole picture would have been given, so that the crop is the same. Other pictures, and all where
// Exact is set, go the whole way and equal timm's pixels.
//
// The input differs then by a few steps of 255 from that of the whole picture: the two shrink with slightly different filters. What that
// does to answers is measured by TestDraftKeepsTheAnswer in package predict. Errors are Decode's and Apply's. Read may be called by many
// goroutines at once if resize may.
func (p *Preprocess) Read(data []byte, lim Limits, resize Resizer, dst []byte) error {
	img, width, height, err := p.Decode(data, lim)
	if err != nil {
		return err
	}
	defer img.Release()
	return p.Finish(img, width, height, resize, dst)
}

// Decode is the first half of Read, for whoever has the second one done elsewhere: the picture, which may be a draft, and the size
// that it has in full, upright. The picture is the caller's to Release.
func (p *Preprocess) Decode(data []byte, lim Limits) (img *Image, width, height int, err error) {
	img, err = decode(data, lim, func(w, h int) int {
		width, height = w, h
		return p.MaxDraft(w, h)
	})
	if err != nil {
		return nil, 0, 0, err
	}
	if width == 0 { // of a format without drafts
		width, height = img.Width, img.Height
	}
	return img, width, height, nil
}

// Finish is the second half of Read: it makes the model's input of what Decode returned. It does not release img.
func (p *Preprocess) Finish(img *Image, width, height int, resize Resizer, dst []byte) error {
	return p.apply(img, size{width, height}, resize, dst)
}

// MaxDraft is by what Decode shrinks a JPEG of the given size, upright: 1, 2, 4 or 8. One that is turned may be shrunk by less.
func (p *Preprocess) MaxDraft(width, height int) int {
	if p.Exact {
		return 1
	}
	return p.draft(width, height)
}

// DraftMargin is how many times as large as the resized picture a draft must be, at least. A draft averages squares of pixels, which blurs what the
// resizer then sees: the finest detail of the result keeps 90 % of its contrast at a margin of 2, 97 % at 4, and 99 % at 6 (a box of
// w pixels among R: sinc(w/2R)). Networks notice. Of the bundled model's labels 98.0 % stayed at 2, 99.2 % at 4, and 99.6 % and more from 5.5 on. That is
// still less than a photo of a telephone has: 3024 pixels, for a model that resizes to 256, are decoded at a half.
const DraftMargin = 5.5

// size is that of a picture in pixels.
type size struct{ width, height int }

// draft is by what a picture of the given size, upright, may be shrunk while it is decoded: 1, 2, 4 or 8.
func (p *Preprocess) draft(width, height int) int {
	if w, h := p.tamed(width, height); w != width || h != height {
		return 1
	}
	toWidth, toHeight := p.resized(width, height)
	most := math.Min(float64(width)/float64(toWidth), float64(height)/float64(toHeight)) / DraftMargin
	scale := 1
	for scale < 8 && float64(2*scale) <= most {
		scale *= 2
	}
	return scale
}
